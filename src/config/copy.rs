//! What `copy` runs with.

use std::path::PathBuf;

use super::arguments::DurabilityArgument;
use super::serve::{chunk_size, engine, within};
use super::{ConfigError, CopyArguments, ShowProgress};
use crate::base::limits::{COPY_MEMORY_MAX, QUEUE_DEPTH_MAX};
use crate::base::units::ByteSize;
use crate::copy::CopyOptions;
use crate::disk::EngineChoice;

/// The resolved options of `copy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyCommand {
    /// What is copied.
    pub sources: Vec<PathBuf>,
    /// Where it goes: a name, or a directory.
    pub target: PathBuf,
    /// Which engine is wanted.
    pub engine: EngineChoice,
    /// Bytes of one buffer.
    pub chunk_size: usize,
    /// When progress is shown.
    pub progress: ShowProgress,
    /// Whether copies are told as JSON.
    pub json: bool,
    /// The copier's part.
    pub options: CopyOptions,
}

impl CopyCommand {
    /// Checks the flags.
    pub fn resolve(arguments: CopyArguments) -> Result<CopyCommand, ConfigError> {
        let in_flight = within("--queue-depth", arguments.queue_depth, QUEUE_DEPTH_MAX)?;
        let chunk_size = chunk_size(arguments.chunk_size)?;
        check_memory(in_flight, chunk_size)?;
        Ok(CopyCommand {
            sources: arguments.sources,
            target: arguments.target,
            engine: engine(arguments.engine),
            chunk_size,
            progress: ShowProgress::of(arguments.progress),
            json: arguments.json,
            options: CopyOptions {
                in_flight,
                durable: arguments.durability == DurabilityArgument::Full,
                replace: arguments.force,
                verify: arguments.verify,
            },
        })
    }
}

fn check_memory(in_flight: usize, chunk_size: usize) -> Result<(), ConfigError> {
    if in_flight * chunk_size <= COPY_MEMORY_MAX {
        return Ok(());
    }
    let (size, max) = (ByteSize(chunk_size as u64), ByteSize(COPY_MEMORY_MAX as u64));
    Err(ConfigError::new(format!(
        "--queue-depth {in_flight} times --chunk-size {size} is more memory than {max}: \
         lower one of them"
    )))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::base::limits::{COPY_CHUNK_SIZE_DEFAULT, COPY_QUEUE_DEPTH_DEFAULT};
    use crate::config::{Arguments, Command};

    fn resolve(flags: &[&str]) -> Result<CopyCommand, String> {
        let line = ["ringhold", "copy", "a", "b", "c"].iter().chain(flags);
        let Command::Copy(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("copy was asked for")
        };
        CopyCommand::resolve(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let command = resolve(&[]).unwrap();
        assert_eq!(command.sources, ["a", "b"].map(PathBuf::from));
        assert_eq!(command.target, PathBuf::from("c"));
        assert_eq!(command.chunk_size, COPY_CHUNK_SIZE_DEFAULT);
        let in_flight = COPY_QUEUE_DEPTH_DEFAULT;
        let options = CopyOptions { in_flight, durable: true, replace: false, verify: false };
        assert_eq!(command.options, options);
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (flags, words) in [
            (&["--queue-depth", "0"][..], "from 1 to 1024"),
            (&["--chunk-size", "3MiB"], "from 4KiB to 16MiB"),
            (&["--queue-depth", "65", "--chunk-size", "16MiB"], "more memory than 1GiB"),
        ] {
            let refused = resolve(flags).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(resolve(&["--queue-depth", "64", "--chunk-size", "16MiB"]).is_ok());
    }
}
