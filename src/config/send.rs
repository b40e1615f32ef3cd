//! What `send` runs with.

use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, SendArguments, ShowProgress};
use crate::base::limits::PEER_PATIENCE_MAX_S;
use crate::client::peer::RelayAddress;
use crate::client::transfer::SendOptions;

/// The resolved options of `send`.
#[derive(Clone, Debug)]
pub struct SendCommand {
    /// What is sent.
    pub what: SendWhat,
    /// Where both ends meet.
    pub relay: RelayAddress,
    /// Words of the code.
    pub words: usize,
    /// When progress is shown.
    pub progress: ShowProgress,
    /// Whether it is told as JSON.
    pub json: bool,
    /// The transfer's part.
    pub options: SendOptions,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendWhat {
    /// Files and folders.
    Files(Vec<PathBuf>),
    /// Standard input, under this name.
    Stdin(String),
}

impl SendCommand {
    /// Checks the flags.
    pub fn resolve(arguments: SendArguments) -> Result<SendCommand, ConfigError> {
        let SendArguments { files, relay, lines, words, name, patience, progress, json } =
            arguments;
        Ok(SendCommand {
            what: what(files, name)?,
            relay: relay_address(&relay)?,
            words: usize::try_from(words).unwrap_or(usize::MAX),
            progress: ShowProgress::of(progress),
            json,
            options: SendOptions { lines, patience: checked_patience(patience)? },
        })
    }
}

fn what(files: Vec<PathBuf>, name: String) -> Result<SendWhat, ConfigError> {
    match files.iter().filter(|file| file.as_os_str() == "-").count() {
        0 => Ok(SendWhat::Files(files)),
        1 if files.len() == 1 => Ok(SendWhat::Stdin(name)),
        _ => Err(ConfigError::new("- is stdin, whose end nobody knows: send it alone")),
    }
}

pub(super) fn relay_address(text: &str) -> Result<RelayAddress, ConfigError> {
    RelayAddress::parse(text).map_err(|error| ConfigError::new(error.to_string()))
}

pub(super) fn checked_patience(patience: Duration) -> Result<Duration, ConfigError> {
    if (1..=PEER_PATIENCE_MAX_S).contains(&patience.as_secs()) {
        return Ok(patience);
    }
    Err(ConfigError::new("--patience is from 1s to 24h"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::base::limits::{CODE_WORDS_DEFAULT, PEER_LINES_DEFAULT, PEER_PATIENCE_DEFAULT_S};
    use crate::config::{Arguments, Command};

    fn resolve(line: &[&str]) -> Result<SendCommand, String> {
        let line = ["ringhold", "send"].iter().chain(line);
        let Command::Send(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("send was asked for")
        };
        SendCommand::resolve(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let command = resolve(&["a", "b"]).unwrap();
        assert_eq!(command.what, SendWhat::Files(vec!["a".into(), "b".into()]));
        assert_eq!(command.relay.to_string(), "127.0.0.1:9021");
        assert_eq!(
            (command.words, command.options.lines),
            (CODE_WORDS_DEFAULT, PEER_LINES_DEFAULT)
        );
        assert_eq!(command.options.patience.as_secs(), PEER_PATIENCE_DEFAULT_S);
        assert_eq!(resolve(&["-"]).unwrap().what, SendWhat::Stdin("stdin".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        for (line, words) in [
            (&["-", "-"][..], "alone"),
            (&["-", "a"], "alone"),
            (&["--relay", "nowhere", "a"], "HOST:PORT"),
            (&["--patience", "25h", "a"], "24h"),
            (&["--patience", "10ms", "a"], "1s"),
        ] {
            let refused = resolve(line).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
