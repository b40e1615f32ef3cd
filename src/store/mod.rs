//! Objects: write, seal, publish, read, recover. Floor 3.
