//! The command line as it is written: each flag defined once, its environment name beside it.
//! What the values mean is for the resolved options (`serve.rs`).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use ipnet::IpNet;

use crate::base::limits::{PUT_RETRIES_DEFAULT, PUT_RETRIES_MAX};
use crate::base::units::{ByteSize, parse_duration};

/// Storage daemon for Linux: files in and out over HTTP, durable, hashed, with IDs that cannot be
/// forged.
#[derive(Clone, Debug, Parser)]
#[command(name = "ringhold", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Take in and hand out files over HTTP
    Serve(ServeArguments),
    /// Check every stored object against its hashes; beside a running daemon too
    Verify(VerifyArguments),
    /// Copy files as fast as the disk allows, whole or not at all
    Copy(CopyArguments),
    /// Upload files: streamed, checked, one file ID a line
    Put(PutArguments),
    /// Say what works here for `serve`, what does not, and the remedy
    Doctor(DoctorArguments),
    /// Ask a running daemon whether it is ready: exit code 0 if it is, 1 if not
    Health(HealthArguments),
    /// Make what a package installs beside the binary
    #[command(hide = true, subcommand, arg_required_else_help = true)]
    Generate(Generated),
}

/// The flags of `serve`.
#[derive(Clone, Debug, Args)]
#[command(after_help = SERVE_ENVIRONMENT)]
pub struct ServeArguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", env = "RINGHOLD_LISTEN",
          default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// Directory that everything is stored in
    #[arg(long, value_name = "DIR", env = "RINGHOLD_ROOT", default_value = "./files")]
    pub root: PathBuf,
    /// Directory whose files anybody may read at /PATH
    #[arg(long, value_name = "DIR", env = "RINGHOLD_PUBLIC")]
    pub public: Option<PathBuf>,
    /// Worker threads [default: one per core, fewer where a cgroup pays for fewer]
    #[arg(long, value_name = "N", env = "RINGHOLD_WORKERS")]
    pub workers: Option<usize>,
    /// File operations in flight per worker
    #[arg(long, value_name = "N", env = "RINGHOLD_QUEUE_DEPTH", default_value = "64")]
    pub queue_depth: usize,
    /// Bytes per file operation of an upload, a power of two
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_CHUNK_SIZE", default_value = "1MiB")]
    pub chunk_size: ByteSize,
    /// Connections per worker; further ones wait until one ends
    #[arg(long, value_name = "N", env = "RINGHOLD_MAX_CONNECTIONS", default_value = "10000")]
    pub max_connections: usize,
    /// What moves bytes to disk
    #[arg(long, env = "RINGHOLD_ENGINE", default_value = "auto")]
    pub engine: EngineArgument,
    /// What an upload waits for before it is acknowledged: its bytes on stable storage, or nothing
    #[arg(long, env = "RINGHOLD_DURABILITY", default_value = "full")]
    pub durability: DurabilityArgument,
    /// Largest upload [default: as large as fits]
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_MAX_UPLOAD_SIZE")]
    pub max_upload_size: Option<ByteSize>,
    /// Free space that uploads leave on the volume
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_MIN_FREE", default_value = "256MiB")]
    pub min_free: ByteSize,
    /// Check every download against the stored hashes as it is read
    #[arg(long, env = "RINGHOLD_VERIFY_READS", value_parser = BoolishValueParser::new())]
    pub verify_reads: bool,
    /// Network that POST /uploadFile may fetch from although it is not public, repeatable
    #[arg(long, value_name = "CIDR", env = "RINGHOLD_IMPORT_ALLOW", value_delimiter = ',',
          value_parser = parse_network)]
    pub import_allow: Vec<IpNet>,
    /// How long running requests may go on after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", env = "RINGHOLD_GRACE", default_value = "30s",
          value_parser = parse_duration)]
    pub grace: Duration,
}

/// The flags of `verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArguments {
    /// Directory that everything is stored in
    #[arg(long, value_name = "DIR", env = "RINGHOLD_ROOT", default_value = "./files")]
    pub root: PathBuf,
    /// Bytes read per second at most, or none for no limit
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_RATE", default_value = "64MiB",
          value_parser = parse_rate)]
    pub rate: ByteSize,
    /// Tell each finding, and the summary, as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
    /// What reads from the disk
    #[arg(long, env = "RINGHOLD_ENGINE", default_value = "auto")]
    pub engine: EngineArgument,
}

/// The flags of `copy`.
#[derive(Clone, Debug, Args)]
#[command(after_help = COPY_HELP)]
pub struct CopyArguments {
    /// Regular files to copy
    #[arg(value_name = "SRC", required = true)]
    pub sources: Vec<PathBuf>,
    /// Name of the copy, or a directory for it
    #[arg(value_name = "DST", required = true)]
    pub target: PathBuf,
    /// Chunks in flight, each being read or written
    #[arg(long, value_name = "N", env = "RINGHOLD_QUEUE_DEPTH", default_value = "16")]
    pub queue_depth: usize,
    /// Bytes per read and write, a power of two
    #[arg(long, value_name = "SIZE", env = "RINGHOLD_CHUNK_SIZE", default_value = "1MiB")]
    pub chunk_size: ByteSize,
    /// What moves the bytes
    #[arg(long, env = "RINGHOLD_ENGINE", default_value = "auto")]
    pub engine: EngineArgument,
    /// Read the copy back and compare it before it gets its name; prints its BLAKE3
    #[arg(long, env = "RINGHOLD_VERIFY", value_parser = BoolishValueParser::new())]
    pub verify: bool,
    /// Replace a file of that name, in one step, when the copy is whole
    #[arg(long, env = "RINGHOLD_FORCE", value_parser = BoolishValueParser::new())]
    pub force: bool,
    /// What the end of a copy means: its bytes on stable storage, or nothing
    #[arg(long, env = "RINGHOLD_DURABILITY", default_value = "full")]
    pub durability: DurabilityArgument,
    /// Whether progress is shown on stderr
    #[arg(long, value_name = "WHEN", env = "RINGHOLD_PROGRESS", default_value = "auto")]
    pub progress: ProgressArgument,
    /// Tell each copy, and the summary, as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// The flags of `put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = PUT_HELP)]
pub struct PutArguments {
    /// Files to upload, all in one request; - is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The daemon, as a URL or HOST:PORT [default: `UPLOAD_HOST`, else 127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "RINGHOLD_TO")]
    pub to: Option<String>,
    /// Name to store a single file under [default: its own; stdin for stdin]
    #[arg(long, value_name = "NAME", env = "RINGHOLD_NAME")]
    pub name: Option<String>,
    /// Tell the daemon's answer for each file as a line of JSON instead of its ID
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
    /// Whether progress is shown on stderr
    #[arg(long, value_name = "WHEN", env = "RINGHOLD_PROGRESS", default_value = "auto")]
    pub progress: ProgressArgument,
    /// Times to try again when the daemon is away or busy, or the connection breaks
    #[arg(long, value_name = "N", env = "RINGHOLD_RETRIES", default_value_t = PUT_RETRIES_DEFAULT,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(PUT_RETRIES_MAX)))]
    pub retries: u32,
}

/// The flags of `doctor`: those of `serve`, whose start it looks into.
#[derive(Clone, Debug, Args)]
#[command(after_help = DOCTOR_HELP)]
pub struct DoctorArguments {
    /// What `serve` would be started with.
    #[command(flatten)]
    pub serve: ServeArguments,
    /// Tell each check as a line of JSON
    #[arg(long, env = "RINGHOLD_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// What `generate` makes, from the same definitions as the command line itself.
#[derive(Clone, Debug, Subcommand)]
pub enum Generated {
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages, one per command
    Man {
        /// Directory for them; made if it is missing
        dir: PathBuf,
    },
}

const DOCTOR_HELP: &str = "\
Give it the flags and the environment that `serve` gets, and run it as the same user: it checks that
very start. It leaves nothing behind, and a daemon may run meanwhile.

Exit code: 0 serve would run (warnings or not), 1 it would not, 2 asked wrongly.";

const COPY_HELP: &str = "\
Several SRC go into a directory DST. A copy keeps permissions, modification time and holes, not the
owner. It has no name until it is whole: stopped, killed or failed, it leaves nothing.

Exit code: 0 all were copied, 1 one was not or it was stopped, 2 asked wrongly.";

const PUT_HELP: &str = "\
All files are stored, or none of them: stopped or failed, it leaves nothing on either side. Their
BLAKE3 is computed on the way and compared with what the daemon stored.

Examples:
  ringhold put report.pdf photo.jpg
  tar c src | ringhold put --name src.tar -
  ringhold put --to https://files.example --json big.iso | jq -r .url

Exit code: 0 all are stored, 1 failed or stopped, 2 asked wrongly.";

const VERIFY_HELP: &str = "\
A finding is a line on stdout; progress and the summary go to stderr. Nothing is written, and no
lock is taken. An object counts for at least 256KiB of the rate.

Exit code: 0 all objects are whole, 1 some are damaged or it was stopped, 2 asked wrongly.";

/// The flags of `health`: those of `serve` that say where it is, so that the same environment
/// serves both.
#[derive(Clone, Debug, Args)]
pub struct HealthArguments {
    /// Address the daemon listens on; one that means all there are is asked on the loopback one
    #[arg(long, value_name = "HOST:PORT", env = "RINGHOLD_LISTEN",
          default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,
}

const SERVE_ENVIRONMENT: &str = "\
Environment without a flag:
  SECRET_KEY           what file IDs are made with; else <root>/secret.key, made when absent
  SECRET_KEY_PREVIOUS  earlier ones, comma separated, whose IDs still open
  NO_WORKERS           the older name of RINGHOLD_WORKERS
  RINGHOLD_LOG         error, warn, info (default), debug, trace, or a filter like
                       warn,ringhold::http=debug
  LISTEN_FDS           a service manager passes a listening socket, used instead of --listen
  NOTIFY_SOCKET        a service manager wants to know when the daemon is ready and stopping

A first SIGTERM or SIGINT stops accepting and finishes what runs; a second one exits at once.";

/// `--engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum EngineArgument {
    /// `io_uring` where it works, threads elsewhere
    Auto,
    /// `io_uring`, or refuse to start
    IoUring,
    /// Blocking calls on threads
    Threads,
}

/// `--durability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArgument {
    /// Bytes and name are on stable storage
    Full,
    /// The kernel has them; a power cut may lose them
    None,
}

/// `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressArgument {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A size, or `none`, which is 0.
fn parse_rate(text: &str) -> Result<ByteSize, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(ByteSize(0));
    }
    text.parse().map_err(|error| format!("{error}; or none for no limit"))
}

/// A numeric address, or a name that the system resolves; the first answer is taken.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let remedy = "write HOST:PORT, like 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080";
    let mut addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {remedy}"))?;
    addresses.next().ok_or_else(|| format!("the name has no address; {remedy}"))
}

/// A network, or one address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    parsed.map_err(|_| "write a network like 10.0.0.0/8 or fd00::/8, or an address".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_has_its_environment_name() {
        let mut command = Arguments::command();
        command.build();
        for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let flags = subcommand.get_arguments().filter(|one| !one.is_positional());
            for flag in flags.filter(|flag| flag.get_id() != "help") {
                let long = flag.get_long().expect("flags are written out");
                let expected = format!("RINGHOLD_{}", long.to_uppercase().replace('-', "_"));
                let name = flag.get_env().map(|name| name.to_string_lossy().into_owned());
                assert_eq!(name, Some(expected), "--{long}");
            }
        }
    }

    #[test]
    fn no_secret_can_be_given_where_everybody_sees_it() {
        let mut command = Arguments::command();
        command.build();
        let flags = command.get_subcommands().flat_map(clap::Command::get_arguments);
        for flag in flags {
            assert!(!flag.get_id().as_str().contains("secret"), "{}", flag.get_id());
        }
    }

    #[test]
    fn an_address_is_numbers_or_a_name() {
        assert_eq!(parse_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(parse_address("localhost:80").unwrap().port(), 80);
        for wrong in ["", "127.0.0.1", "8080", "127.0.0.1:99999"] {
            assert!(parse_address(wrong).unwrap_err().contains("HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn networks_come_one_by_one_or_in_a_list() {
        let line = ["ringhold", "serve", "--import-allow", "10.0.0.0/8, ::1", "--import-allow"];
        let parsed = Arguments::try_parse_from([&line[..], &["192.0.2.1"]].concat()).unwrap();
        let Command::Serve(arguments) = parsed.command else { panic!("asked for serve") };
        let networks: Vec<_> = arguments.import_allow.iter().map(IpNet::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]);
    }

    #[test]
    fn a_command_line_that_makes_no_sense_is_a_usage_error() {
        for wrong in [
            &["ringhold", "serve", "--grace", "30"][..],
            &["ringhold", "serve", "--chunk-size", "big"],
            &["ringhold", "serve", "--engine", "steam"],
            &["ringhold", "serve", "--import-allow", "localhost"],
            &["ringhold", "serve", "extra"],
            &["ringhold", "verify", "--rate", "fast"],
            &["ringhold", "copy", "only-one"],
            &["ringhold", "copy", "--progress", "sometimes", "a", "b"],
            &["ringhold", "put"],
            &["ringhold", "put", "--retries", "101", "a"],
            &["ringhold", "put", "--progress", "sometimes", "a"],
            &["ringhold", "sever"],
        ] {
            let refused = Arguments::try_parse_from(wrong).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{wrong:?}");
        }
    }
}
