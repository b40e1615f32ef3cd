//! What `get` runs with.

use std::path::PathBuf;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::arguments::DurabilityArgument;
use super::serve::engine;
use super::{ConfigError, Environment, GetArguments, ShowProgress, daemon};
use crate::client::DownloadOptions;
use crate::wire::{Digest, DigestAlgorithm};

/// The resolved options of `get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetCommand {
    /// What is fetched.
    pub source: GetSource,
    /// Where it goes.
    pub target: GetTarget,
    /// Whether the end is told as JSON.
    pub json: bool,
    /// When progress is shown.
    pub progress: ShowProgress,
    /// The client library's part.
    pub options: DownloadOptions,
}

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetSource {
    /// A file ID, at a daemon.
    FileId {
        /// The ID.
        file_id: String,
        /// The daemon, as a URL or `HOST:PORT`.
        server: String,
    },
    /// A URL.
    Url(String),
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetTarget {
    /// To stdout, in order.
    Stdout,
    /// Into the working directory, under the server's name for it.
    ServerName,
    /// To this name, or into the directory of this name.
    Path(PathBuf),
}

impl GetCommand {
    /// Checks the flags.
    pub fn resolve(
        arguments: GetArguments,
        environment: &Environment,
    ) -> Result<GetCommand, ConfigError> {
        let options = options(&arguments)?;
        let GetArguments { source, from, out, json, progress, .. } = arguments;
        let target = match out {
            None => GetTarget::ServerName,
            Some(out) if out.as_os_str() == "-" => GetTarget::Stdout,
            Some(out) => GetTarget::Path(out),
        };
        Ok(GetCommand {
            source: get_source(source, from, environment)?,
            target,
            json,
            progress: ShowProgress::of(progress),
            options,
        })
    }
}

fn options(arguments: &GetArguments) -> Result<DownloadOptions, ConfigError> {
    if arguments.stall.0.is_zero() {
        return Err(ConfigError::new("--stall 0 gives up at once: give a time like 30s"));
    }
    let sha256 = digest("--sha256", DigestAlgorithm::Sha256, arguments.sha256.as_deref())?;
    let md5 = digest("--md5", DigestAlgorithm::Md5, arguments.md5.as_deref())?;
    let blake3 = arguments.blake3.as_deref().map(|text| hex("--blake3", 32, text)).transpose()?;
    Ok(DownloadOptions {
        connections: arguments.connections,
        retries: arguments.retries,
        stall: arguments.stall.0,
        engine: engine(arguments.engine),
        durable: arguments.durability == DurabilityArgument::Full,
        replace: arguments.force,
        blake3: blake3.and_then(|bytes| bytes.try_into().ok()),
        digests: sha256.into_iter().chain(md5).collect(),
    })
}

fn get_source(
    source: String,
    from: Option<String>,
    environment: &Environment,
) -> Result<GetSource, ConfigError> {
    if source.contains("://") {
        return Ok(GetSource::Url(source));
    }
    if !source.contains(':') {
        return Err(ConfigError::new(format!(
            "{source:?} is neither a file ID (HASH:NAME, as put prints it) nor a URL (http://...)"
        )));
    }
    Ok(GetSource::FileId { file_id: source, server: daemon(from, environment)? })
}

fn digest(
    flag: &str,
    algorithm: DigestAlgorithm,
    text: Option<&str>,
) -> Result<Option<Digest>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    Ok(Digest::new(algorithm, &hex(flag, algorithm.size(), text)?))
}

fn hex(flag: &str, size: usize, text: &str) -> Result<Vec<u8>, ConfigError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    bytes.filter(|bytes| bytes.len() == size).ok_or_else(|| {
        let digits = 2 * size;
        ConfigError::new(format!("{flag} is {text:?}: give {digits} hexadecimal digits"))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Arguments, Command};

    fn resolve(line: &[&str]) -> Result<GetCommand, String> {
        let line = ["ringhold", "get"].iter().chain(line);
        let Command::Get(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("get was asked for")
        };
        let environment = Environment::of([("UPLOAD_HOST", "files.example:80")]);
        GetCommand::resolve(arguments, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let command = resolve(&["0:a"]).unwrap();
        assert_eq!(command.options, DownloadOptions::default());
        assert_eq!(command.target, GetTarget::ServerName);
    }

    #[test]
    fn an_id_is_asked_for_at_a_daemon_and_a_url_where_it_says() {
        let source = |line: &[&str]| resolve(line).unwrap().source;
        let at = |server: &str| GetSource::FileId {
            file_id: "0:a".to_owned(),
            server: server.to_owned(),
        };
        assert_eq!(source(&["0:a"]), at("files.example:80"));
        assert_eq!(source(&["0:a", "--from", "http://b"]), at("http://b"));
        let url = GetSource::Url("https://c/d".to_owned());
        assert_eq!(source(&["https://c/d", "--from", "http://b"]), url);
    }

    #[test]
    fn stdout_is_a_target_of_its_own() {
        assert_eq!(resolve(&["-o", "-", "0:a"]).unwrap().target, GetTarget::Stdout);
        let path = GetTarget::Path(PathBuf::from("./-"));
        assert_eq!(resolve(&["-o", "./-", "0:a"]).unwrap().target, path);
    }

    #[test]
    fn what_makes_no_sense_is_told_with_what_would() {
        let short = "0".repeat(63);
        for (line, words) in [
            (&["photo.jpg"][..], "as put prints it"),
            (&["0:a", "--sha256", &short], "64 hexadecimal digits"),
            (&["0:a", "--md5", "xyz"], "32 hexadecimal digits"),
            (&["0:a", "--blake3", ""], "64 hexadecimal digits"),
            (&["0:a", "--stall", "0s"], "30s"),
        ] {
            let refused = resolve(line).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        let digest = "AB".repeat(32);
        assert_eq!(
            resolve(&["0:a", "--blake3", &digest]).unwrap().options.blake3,
            Some([0xAB; 32])
        );
    }
}
