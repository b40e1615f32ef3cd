//! A little randomness that nothing depends on.

/// A byte of it, for pauses; without any, everybody comes back at the same time.
pub fn chance() -> u8 {
    let mut byte = [0];
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}
