//! The README's first upload works as it stands there.
