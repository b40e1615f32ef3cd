//! File IDs; pure. Floor 1.
