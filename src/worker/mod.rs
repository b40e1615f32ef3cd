//! Threads, pinning, listeners, hand-over, drain. Floor 3.
