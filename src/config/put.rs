//! What `put` runs with.

use std::path::{Path, PathBuf};

use super::{ConfigError, Environment, PutArguments, ShowProgress};
use crate::base::limits::PARTS_MAX;

/// The older system's name of `RINGHOLD_TO`.
const OLDER_NAME: &str = "UPLOAD_HOST";
/// Where `serve` listens unless told otherwise.
const SERVER_DEFAULT: &str = "http://127.0.0.1:8080";

/// The resolved options of `put`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutCommand {
    /// The daemon, as a URL or `HOST:PORT`.
    pub server: String,
    /// What is sent; `-` at most once.
    pub files: Vec<PathBuf>,
    /// What the only file shall be called.
    pub name: Option<String>,
    /// Whether answers are told as JSON.
    pub json: bool,
    /// When progress is shown.
    pub progress: ShowProgress,
    /// Tries after the first.
    pub retries: u32,
}

impl PutCommand {
    /// Checks the flags.
    pub fn resolve(
        arguments: PutArguments,
        environment: &Environment,
    ) -> Result<PutCommand, ConfigError> {
        let PutArguments { files, to, name, json, progress, retries } = arguments;
        if name.is_some() && files.len() > 1 {
            let message = "--name names one file: give one FILE, or leave --name out";
            return Err(ConfigError::new(message));
        }
        if files.iter().filter(|file| is_stdin(file)).count() > 1 {
            return Err(ConfigError::new("- is stdin, which can be read once: name it once"));
        }
        if files.len() > PARTS_MAX {
            let count = files.len();
            let message = format!("{count} files are more than {PARTS_MAX}: use several commands");
            return Err(ConfigError::new(message));
        }
        Ok(PutCommand {
            server: daemon(to, environment)?,
            files,
            name,
            json,
            progress: ShowProgress::of(progress),
            retries,
        })
    }
}

/// The daemon of a client: by its flag, by the older name, or on this machine.
pub(super) fn daemon(to: Option<String>, environment: &Environment) -> Result<String, ConfigError> {
    // A variable that is set to nothing is one that is not set.
    if let Some(to) = to.filter(|to| !to.is_empty()) {
        return Ok(to);
    }
    match environment.get(OLDER_NAME).filter(|value| !value.is_empty()) {
        None => Ok(SERVER_DEFAULT.to_owned()),
        Some(value) => value.to_str().map(str::to_owned).ok_or_else(|| {
            ConfigError::new(format!("{OLDER_NAME} is no text: give a URL or HOST:PORT"))
        }),
    }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Arguments, Command};

    fn resolve(
        line: &[&str],
        environment: [(&'static str, &'static str); 1],
    ) -> Result<PutCommand, String> {
        let line = ["ringhold", "put"].iter().chain(line);
        let Command::Put(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("put was asked for")
        };
        let resolved = PutCommand::resolve(arguments, &Environment::of(environment));
        resolved.map_err(|error| error.to_string())
    }

    #[test]
    fn the_flag_comes_before_the_older_name_and_that_before_the_default() {
        let older = [("UPLOAD_HOST", "files.example:80")];
        let server = |line: &[&str], environment| resolve(line, environment).unwrap().server;
        assert_eq!(server(&["--to", "http://a", "f"], older), "http://a");
        assert_eq!(server(&["f"], older), "files.example:80");
        assert_eq!(server(&["f"], [("UPLOAD_HOST", "")]), SERVER_DEFAULT);
        assert_eq!(server(&["f"], [("OTHER", "a")]), SERVER_DEFAULT);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        let none = [("NONE", "")];
        let many = vec!["f"; PARTS_MAX + 1];
        for (line, words) in [
            (&["--name", "a", "f", "g"][..], "one FILE"),
            (&["-", "-"], "name it once"),
            (&many, "several commands"),
        ] {
            let refused = resolve(line, none).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(resolve(&["--name", "a", "-"], none).is_ok());
    }
}
