//! The command: its flags resolved, its cells measured, its report written.

use ringhold::cli::Failure;

use super::DiskArguments;

/// Measures the disk of a directory.
pub(crate) fn run(arguments: DiskArguments) -> Result<(), Failure> {
    Err(Failure::failed(format!("{} is not measured", arguments.dir.display())))
}
