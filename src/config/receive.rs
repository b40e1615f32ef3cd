//! What `receive` runs with.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use super::send::{checked_patience, relay_address};
use super::{ConfigError, Environment, ReceiveArguments, ShowProgress};
use crate::client::peer::{Code, RelayAddress};
use crate::client::transfer::{Destination, ReceiveOptions};

/// Where a code may be that nobody shall see.
const CODE_NAME: &str = "RINGHOLD_CODE";

/// The resolved options of `receive`.
pub struct ReceiveCommand {
    /// The code, where it was given.
    pub code: Option<Code>,
    /// Where both ends meet.
    pub relay: RelayAddress,
    /// Whether nobody is asked.
    pub yes: bool,
    /// When progress is shown.
    pub progress: ShowProgress,
    /// Whether it is told as JSON.
    pub json: bool,
    /// The transfer's part.
    pub options: ReceiveOptions,
}

impl ReceiveCommand {
    /// Checks the flags.
    pub fn resolve(
        arguments: ReceiveArguments,
        environment: &Environment,
    ) -> Result<ReceiveCommand, ConfigError> {
        let given = arguments.code.map(Zeroizing::new);
        let code = given.map_or_else(|| code_of(environment), |code| Ok(Some(code)))?;
        let code = code.map(|code| parse_code(&code)).transpose()?;
        let destination = match arguments.out {
            Some(out) if out.as_os_str() == "-" => Destination::Stdout,
            Some(out) => named(&out)?,
            None => Destination::Folder(arguments.dir),
        };
        if destination == Destination::Stdout && arguments.json {
            return Err(ConfigError::new("--json and -o - both want stdout: leave one out"));
        }
        Ok(ReceiveCommand {
            code,
            relay: relay_address(&arguments.relay)?,
            yes: arguments.yes,
            progress: ShowProgress::of(arguments.progress),
            json: arguments.json,
            options: ReceiveOptions {
                destination,
                overwrite: arguments.overwrite,
                patience: checked_patience(arguments.patience)?,
            },
        })
    }
}

/// A variable that is set to nothing is one that is not set.
fn code_of(environment: &Environment) -> Result<Option<Zeroizing<String>>, ConfigError> {
    let Some(value) = environment.get(CODE_NAME).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_str().ok_or_else(|| {
        ConfigError::new(format!("{CODE_NAME} is no text: give the code that send printed"))
    });
    text.map(|text| Some(Zeroizing::new(text.to_owned())))
}

fn parse_code(text: &str) -> Result<Code, ConfigError> {
    Code::parse(text).map_err(|error| ConfigError::new(error.to_string()))
}

fn named(out: &Path) -> Result<Destination, ConfigError> {
    if out.file_name().is_none() || out.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(ConfigError::new("-o takes the name of a file: for a folder there is --dir"));
    }
    Ok(Destination::Named(out.to_owned()))
}

impl fmt::Debug for ReceiveCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveCommand")
            .field("relay", &self.relay)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::Parser;

    use super::*;
    use crate::config::{Arguments, Command};

    fn resolve(
        line: &[&str],
        environment: [(&'static str, &'static str); 1],
    ) -> Result<ReceiveCommand, String> {
        let line = ["ringhold", "receive"].iter().chain(line);
        let Command::Receive(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("receive was asked for")
        };
        let resolved = ReceiveCommand::resolve(arguments, &Environment::of(environment));
        resolved.map_err(|error| error.to_string())
    }

    const NONE: [(&str, &str); 1] = [("NONE", "")];

    fn code(number: u32) -> String {
        Code::random(number, 3).unwrap().text().to_string()
    }

    #[test]
    fn the_code_of_the_line_comes_before_that_of_the_environment() {
        let (on_line, in_environment) = (code(7), code(8));
        let leaked: &'static str = in_environment.leak();
        let number = |line: &[&str], environment| {
            resolve(line, environment).unwrap().code.map(|code| code.nameplate())
        };
        assert_eq!(number(&[&on_line], [(CODE_NAME, leaked)]), Some(7));
        assert_eq!(number(&[], [(CODE_NAME, leaked)]), Some(8));
        assert_eq!(number(&[], [(CODE_NAME, "")]), None);
        assert_eq!(number(&[], NONE), None);
    }

    #[test]
    fn what_is_received_goes_to_a_folder_a_name_or_stdout() {
        let destination = |line: &[&str]| resolve(line, NONE).unwrap().options.destination;
        assert_eq!(destination(&[]), Destination::Folder(PathBuf::from(".")));
        assert_eq!(destination(&["--dir", "in"]), Destination::Folder(PathBuf::from("in")));
        assert_eq!(destination(&["-o", "a/b"]), Destination::Named(PathBuf::from("a/b")));
        assert_eq!(destination(&["-o", "-"]), Destination::Stdout);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        for (line, words) in [
            (&["7-zzzz-zzzz-zzzz"][..], "word"),
            (&["no-code"], "number"),
            (&["-o", "a/"], "--dir"),
            (&["-o", ".."], "--dir"),
            (&["-o", "-", "--json"], "stdout"),
            (&["--relay", "nowhere"], "HOST:PORT"),
        ] {
            let refused = resolve(line, NONE).unwrap_err();
            assert!(refused.contains(words), "{refused}");
            assert!(!refused.contains("zzzz"), "a code is not repeated: {refused}");
        }
    }
}
