//! What `verify` runs with.

use super::VerifyArguments;
use super::serve::engine;
use crate::disk::EngineChoice;
use crate::store::VerifyOptions;

/// The resolved options of `verify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyCommand {
    /// Which engine is wanted.
    pub engine: EngineChoice,
    /// Whether findings are told as JSON.
    pub json: bool,
    /// The store's part.
    pub store: VerifyOptions,
}

impl VerifyCommand {
    /// From the flags, each of which is good by itself.
    pub fn resolve(arguments: VerifyArguments) -> VerifyCommand {
        let rate = Some(arguments.rate.0).filter(|&rate| rate > 0);
        VerifyCommand {
            engine: engine(arguments.engine),
            json: arguments.json,
            store: VerifyOptions { root: arguments.root, rate },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Arguments, Command};

    fn rate(flags: &[&str]) -> Option<u64> {
        let line = ["ringhold", "verify"].iter().chain(flags);
        let Command::Verify(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("verify was asked for")
        };
        VerifyCommand::resolve(arguments).store.rate
    }

    #[test]
    fn the_rate_is_bounded_unless_none_is_asked_for() {
        assert_eq!(rate(&[]), Some(64 << 20));
        assert_eq!(rate(&["--rate", "10MB"]), Some(10_000_000));
        for none in ["none", "0", "None"] {
            assert_eq!(rate(&["--rate", none]), None);
        }
    }
}
