//! Metrics and logs. Floor 1.
