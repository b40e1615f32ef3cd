//! What `relay` runs with.

use std::net::SocketAddr;
use std::time::Duration;

use super::serve::within;
use super::{ConfigError, RelayArguments};
use crate::base::cores::default_worker_count;
use crate::base::limits::{
    CONNECTIONS_PER_WORKER_MAX, RELAY_RATE_MIN, RELAY_TIME_S_MAX, RELAY_WAITING_MAX, WORKERS_MAX,
};
use crate::base::units::{ByteSize, DurationArg};
use crate::relay::RelayOptions;

/// The resolved options of `relay`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayCommand {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Worker threads.
    pub worker_count: usize,
    /// Connections one worker holds.
    pub connections_max: usize,
    /// Where `/metrics` is answered, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// How long pairings have once the drain begins.
    pub grace: Duration,
    /// The relay's part.
    pub options: RelayOptions,
}

impl RelayCommand {
    /// Checks the flags.
    pub fn resolve(arguments: &RelayArguments) -> Result<RelayCommand, ConfigError> {
        let worker_count = match arguments.workers {
            Some(count) => within("--workers", count, WORKERS_MAX)?,
            None => default_worker_count().min(WORKERS_MAX),
        };
        let connections_max =
            within("--max-connections", arguments.max_connections, CONNECTIONS_PER_WORKER_MAX)?;
        let count = |name, count| within(name, count, RELAY_WAITING_MAX);
        let waiting_max = count("--max-waiting", arguments.max_waiting)?;
        check_room(waiting_max, worker_count * connections_max)?;
        let per_address = arguments.max_waiting_per_address;
        Ok(RelayCommand {
            listen: arguments.listen,
            worker_count,
            connections_max,
            metrics: arguments.metrics,
            grace: arguments.grace,
            options: RelayOptions {
                waiting_max,
                waiting_per_address_max: count("--max-waiting-per-address", per_address)?,
                expire: time("--expire", arguments.expire)?,
                idle: time("--idle", arguments.idle)?,
                lifetime: time("--lifetime", arguments.lifetime)?,
                rate: arguments.rate.map(rate).transpose()?,
            },
        })
    }
}

/// Ends that take all connections by waiting would wait for nobody: the others are not accepted.
fn check_room(waiting_max: usize, connections_max: usize) -> Result<(), ConfigError> {
    if waiting_max < connections_max {
        return Ok(());
    }
    Err(ConfigError::new(format!(
        "--max-waiting is {waiting_max}, and no more than {connections_max} connections are taken \
         (--workers times --max-connections): lower the first or raise the second, or nobody can \
         come to those who wait"
    )))
}

fn time(name: &str, time: Duration) -> Result<Duration, ConfigError> {
    let (min, max) = (Duration::from_secs(1), Duration::from_secs(RELAY_TIME_S_MAX));
    if (min..=max).contains(&time) {
        return Ok(time);
    }
    let [time, min, max] = [time, min, max].map(DurationArg);
    Err(ConfigError::new(format!("{name} is {time}: give a time from {min} to {max}")))
}

fn rate(rate: ByteSize) -> Result<u64, ConfigError> {
    if rate.0 >= RELAY_RATE_MIN {
        return Ok(rate.0);
    }
    let min = ByteSize(RELAY_RATE_MIN);
    Err(ConfigError::new(format!(
        "--rate is {rate}: give at least {min} a second, or leave it out for no bound"
    )))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::base::limits::RELAY_CONNECTIONS_PER_WORKER_DEFAULT;
    use crate::config::{Arguments, Command};

    fn resolve(flags: &[&str]) -> Result<RelayCommand, String> {
        let line = ["ringhold", "relay"].iter().chain(flags);
        let Command::Relay(arguments) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("relay was asked for")
        };
        RelayCommand::resolve(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let command = resolve(&[]).unwrap();
        assert_eq!(command.listen.to_string(), "127.0.0.1:9021");
        assert_eq!(command.worker_count, default_worker_count());
        assert_eq!((command.metrics, command.grace), (None, Duration::from_secs(30)));
        assert_eq!(command.connections_max, RELAY_CONNECTIONS_PER_WORKER_DEFAULT);
        assert_eq!(command.options, RelayOptions::default());
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (flag, wrong, bounds) in [
            ("--workers", "0", "from 1 to 512"),
            ("--max-connections", "0", "from 1 to 100000"),
            ("--max-waiting", "1000001", "from 1 to 1000000"),
            ("--max-waiting-per-address", "0", "from 1 to 1000000"),
            ("--expire", "999ms", "from 1s to 2400h"),
            ("--idle", "0s", "from 1s to 2400h"),
            ("--lifetime", "2401h", "from 1s to 2400h"),
            ("--rate", "1023", "at least 1KiB a second"),
        ] {
            let refused = resolve(&[flag, wrong]).unwrap_err();
            assert!(refused.contains(flag) && refused.contains(bounds), "{refused}");
        }
        let crowded = ["--workers", "2", "--max-connections", "10", "--max-waiting"];
        let refused = resolve(&[&crowded[..], &["20"]].concat()).unwrap_err();
        assert!(refused.contains("no more than 20 connections"), "{refused}");
        assert!(resolve(&[&crowded[..], &["19"]].concat()).is_ok());
        assert_eq!(resolve(&["--rate", "1KiB"]).unwrap().options.rate, Some(1024));
    }
}
