//! What `serve` runs with: the flags checked against their bounds and sorted by the part that uses
//! them.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::arguments::{DurabilityArgument, EngineArgument};
use super::{ConfigError, Environment, ServeArguments};
use crate::base::cores::default_worker_count;
use crate::base::limits::{
    CACHE_SIZE_MAX, CACHE_SIZE_MIN, CHUNK_SIZE_MAX, CHUNK_SIZE_MIN, CONNECTIONS_PER_WORKER_MAX,
    QUEUE_DEPTH_MAX, WORKERS_MAX,
};
use crate::base::units::ByteSize;
use crate::disk::EngineChoice;
use crate::http::HttpOptions;
use crate::import::ImportOptions;
use crate::store::{Durability, StoreOptions};

/// The resolved options of `serve`.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the relay beside HTTP listens; `None` for no relay.
    pub relay: Option<SocketAddr>,
    /// Worker threads.
    pub worker_count: usize,
    /// Connections one worker holds.
    pub connections_max: usize,
    /// How long running requests have once the drain begins.
    pub grace: Duration,
    /// Which engine is wanted.
    pub engine: EngineChoice,
    /// File operations in flight per worker.
    pub queue_depth: usize,
    /// Bytes of one upload buffer.
    pub chunk_size: usize,
    /// Bytes of small objects kept in memory; 0 keeps none.
    pub cache_size: usize,
    /// The store's part.
    pub store: StoreOptions,
    /// The imports' part.
    pub import: ImportOptions,
    /// The face's part.
    pub http: HttpOptions,
}

impl ServeOptions {
    /// Checks the flags.
    pub fn resolve(
        arguments: ServeArguments,
        environment: &Environment,
    ) -> Result<ServeOptions, ConfigError> {
        let worker_count = worker_count(arguments.workers, environment)?;
        let queue_depth = within("--queue-depth", arguments.queue_depth, QUEUE_DEPTH_MAX)?;
        Ok(ServeOptions {
            listen: arguments.listen,
            relay: arguments.relay,
            worker_count,
            connections_max: within(
                "--max-connections",
                arguments.max_connections,
                CONNECTIONS_PER_WORKER_MAX,
            )?,
            grace: arguments.grace,
            engine: engine(arguments.engine),
            queue_depth,
            chunk_size: chunk_size(arguments.chunk_size)?,
            cache_size: cache_size(arguments.cache_size)?,
            store: StoreOptions {
                root: arguments.root,
                durability: durability(arguments.durability),
                min_free: arguments.min_free.0,
                verify_reads: arguments.verify_reads,
            },
            import: ImportOptions { allow: arguments.import_allow },
            http: HttpOptions {
                max_upload_size_bytes: arguments.max_upload_size.map(|size| size.0),
                public: public(arguments.public)?,
            },
        })
    }
}

/// The flag or its variable, else the older system's variable, else what the machine has.
fn worker_count(flag: Option<usize>, environment: &Environment) -> Result<usize, ConfigError> {
    if let Some(count) = flag {
        return within("--workers", count, WORKERS_MAX);
    }
    let Some(text) = environment.get("NO_WORKERS") else {
        return Ok(default_worker_count().min(WORKERS_MAX));
    };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(count) => within("NO_WORKERS", count, WORKERS_MAX),
        None => Err(ConfigError::new(format!(
            "NO_WORKERS is {}, not a number: give one from 1 to {WORKERS_MAX}",
            quoted(text)
        ))),
    }
}

pub(super) fn within(name: &str, value: usize, max: usize) -> Result<usize, ConfigError> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::new(format!("{name} is {value}: give a number from 1 to {max}")))
}

pub(super) fn chunk_size(size: ByteSize) -> Result<usize, ConfigError> {
    let fits = usize::try_from(size.0)
        .ok()
        .filter(|size| (CHUNK_SIZE_MIN..=CHUNK_SIZE_MAX).contains(size) && size.is_power_of_two());
    fits.ok_or_else(|| {
        let (min, max) = (ByteSize(CHUNK_SIZE_MIN as u64), ByteSize(CHUNK_SIZE_MAX as u64));
        ConfigError::new(format!(
            "--chunk-size is {size}: give a power of two from {min} to {max}, like 256KiB or 1MiB"
        ))
    })
}

fn cache_size(size: ByteSize) -> Result<usize, ConfigError> {
    let fits = usize::try_from(size.0)
        .ok()
        .filter(|&size| size == 0 || (CACHE_SIZE_MIN..=CACHE_SIZE_MAX).contains(&size));
    fits.ok_or_else(|| {
        let (min, max) = (ByteSize(CACHE_SIZE_MIN as u64), ByteSize(CACHE_SIZE_MAX as u64));
        ConfigError::new(format!("--cache-size is {size}: give 0 for none, or from {min} to {max}"))
    })
}

fn public(dir: Option<PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
    let Some(dir) = dir else { return Ok(None) };
    if dir.is_dir() {
        return Ok(Some(dir));
    }
    let dir = quoted(dir.as_os_str());
    Err(ConfigError::new(format!("--public is {dir}, which is no directory: make it first")))
}

pub(super) fn engine(argument: EngineArgument) -> EngineChoice {
    match argument {
        EngineArgument::Auto => EngineChoice::Auto,
        EngineArgument::IoUring => EngineChoice::IoUring,
        EngineArgument::Threads => EngineChoice::Threads,
    }
}

fn durability(argument: DurabilityArgument) -> Durability {
    match argument {
        DurabilityArgument::Full => Durability::Full,
        DurabilityArgument::None => Durability::None,
    }
}

fn quoted(text: &OsStr) -> String {
    format!("'{}'", text.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::base::limits::{
        CACHE_SIZE_DEFAULT, CHUNK_SIZE_DEFAULT, CONNECTIONS_PER_WORKER_DEFAULT, QUEUE_DEPTH_DEFAULT,
    };
    use crate::config::{Arguments, Command};

    fn resolve(flags: &[&str], environment: &Environment) -> Result<ServeOptions, String> {
        let line = ["ringhold", "serve"].iter().chain(flags);
        let command = Arguments::try_parse_from(line).unwrap().command;
        let Command::Serve(arguments) = command else { panic!("not `serve`: {command:?}") };
        ServeOptions::resolve(arguments, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let options = resolve(&[], &Environment::default()).unwrap();
        assert_eq!(options.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(options.relay, None);
        assert_eq!(options.worker_count, default_worker_count());
        assert_eq!(options.grace, Duration::from_secs(30));
        assert_eq!(options.engine, EngineChoice::Auto);
        assert_eq!(options.queue_depth, QUEUE_DEPTH_DEFAULT);
        assert_eq!(options.connections_max, CONNECTIONS_PER_WORKER_DEFAULT);
        assert_eq!(options.chunk_size, CHUNK_SIZE_DEFAULT);
        assert_eq!(options.cache_size, CACHE_SIZE_DEFAULT);
        assert_eq!(options.store.root, PathBuf::from("./files"));
        assert_eq!(options.store.min_free, 256 << 20);
        assert!(options.import.allow.is_empty(), "the public Internet and nothing else");
        assert_eq!((options.http.public, options.http.max_upload_size_bytes), (None, None));
    }

    #[test]
    fn the_older_name_of_workers_works_and_the_new_one_wins() {
        let older = Environment::of([("NO_WORKERS", "3")]);
        assert_eq!(resolve(&[], &older).unwrap().worker_count, 3);
        assert_eq!(resolve(&["--workers", "5"], &older).unwrap().worker_count, 5);
        for wrong in ["many", "0", "-1", ""] {
            let refused = resolve(&[], &Environment::of([("NO_WORKERS", wrong)])).unwrap_err();
            assert!(refused.contains("NO_WORKERS") && refused.contains("from 1 to"), "{refused}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (flag, wrong, bounds) in [
            ("--workers", "0", "from 1 to 512"),
            ("--queue-depth", "1025", "from 1 to 1024"),
            ("--max-connections", "0", "from 1 to 100000"),
            ("--chunk-size", "1000KiB", "from 4KiB to 16MiB"),
            ("--chunk-size", "2KiB", "from 4KiB to 16MiB"),
            ("--chunk-size", "32MiB", "from 4KiB to 16MiB"),
            ("--public", "/dev/null", "no directory"),
            ("--cache-size", "1", "0 for none, or from 2MiB to 1TiB"),
            ("--cache-size", "1025GiB", "from 2MiB to 1TiB"),
        ] {
            let refused = resolve(&[flag, wrong], &Environment::default()).unwrap_err();
            assert!(refused.contains(flag) && refused.contains(bounds), "{refused}");
        }
    }

    #[test]
    fn a_cache_may_be_none_or_large() {
        for (text, size) in [("0", 0), ("2MiB", 2 << 20), ("1TiB", 1 << 40)] {
            let options = resolve(&["--cache-size", text], &Environment::default()).unwrap();
            assert_eq!(options.cache_size, size);
        }
    }
}
