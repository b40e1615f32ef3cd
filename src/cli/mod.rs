//! One file per subcommand. Floor 6.
