//! The `ringhold` binary: parse, dispatch, exit code.

fn main() {}
