//! Flags and environment to one Options per part. Floor 5.
