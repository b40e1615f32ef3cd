//! The flags of `ringhold-bench http`, as they are written and as they are meant.

use std::fs::File;
use std::io::{self, Read as _, stdin};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use ringhold::base::units::{ByteSize, parse_duration};
use ringhold::cli::Failure;
use url::Url;

use super::sizes::Sizes;
use super::turns::Extent;
use super::work::{Plan, Work};

/// Most connections that are measured. Each costs a few kilobytes here.
const CONNECTIONS_MAX: usize = 100_000;
/// Most generator threads.
const THREADS_MAX: usize = 64;
/// Longest list of paths, bytes: five million of 200.
const PATHS_SIZE_MAX: u64 = 1 << 30;

/// The flags of `http`.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct HttpArguments {
    /// The server, as http://HOST:PORT
    #[arg(long, value_name = "URL")]
    target: String,
    /// What is asked
    #[arg(long, value_name = "WORK", value_enum, default_value = "upload")]
    work: Work,
    /// Connections at once
    #[arg(long, value_name = "N", default_value = "32")]
    connections: usize,
    /// Bytes of a file, or of a range
    #[arg(long, value_name = "SIZE", conflicts_with = "sizes")]
    size: Option<ByteSize>,
    /// Sizes and their weights, like 4KiB:70,64KiB:20,1MiB:10
    #[arg(long, value_name = "LIST")]
    sizes: Option<Sizes>,
    /// Requests in all [default: 10000, unless --duration is given]
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    count: Option<u64>,
    /// How long requests are started
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Requests a second in all, whatever the answers do; latency counts from when each was due
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU64>,
    /// Generator threads
    #[arg(long, value_name = "N", default_value = "1")]
    threads: usize,
    /// Where uploads go: PUT to PREFIX/NAME, forms to PREFIX [default: /files, forms: /uploadFile]
    #[arg(long, value_name = "PATH")]
    prefix: Option<String>,
    /// Paths to download, one a line, in turn; `-` is stdin
    #[arg(long, value_name = "FILE")]
    paths: Option<PathBuf>,
    /// Gets the path of each uploaded file, one a line, in the server's words
    #[arg(long, value_name = "FILE")]
    paths_out: Option<PathBuf>,
    /// Requests before the measured ones
    #[arg(long, value_name = "N", default_value = "0")]
    warm_up: u64,
    /// Compare every byte of every Nth download with what this tool uploads; 0 compares none
    #[arg(long, value_name = "N", default_value = "100")]
    verify_every: u64,
    /// Further connections that are opened before and stay idle
    #[arg(long, value_name = "N", default_value = "0")]
    idle: usize,
    /// Longest time without a byte moving before a request counts as failed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
    /// New or empty directory for histograms, tables and the plot
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Contents are a function of size and offset, so every download of a file that this tool uploaded, to
whatever server and whenever, can be compared.

Exit code: 0 every request succeeded and every compared byte was right, 1 otherwise (the first error
is on stderr), 2 asked wrongly.";

/// What a run is made with.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) address: SocketAddr,
    pub(crate) plan: Plan,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) extent: Extent,
    pub(crate) rate: Option<NonZeroU64>,
    pub(crate) warm_up: u64,
    pub(crate) idle: usize,
    pub(crate) timeout: Duration,
    pub(crate) paths_out: Option<PathBuf>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) json: bool,
}

impl Options {
    /// From the flags.
    pub(crate) fn resolve(arguments: HttpArguments) -> Result<Options, Failure> {
        arguments.check()?;
        let (address, host) = target(&arguments.target)?;
        let extent = match (arguments.duration, arguments.count) {
            (Some(duration), _) => Extent::Duration(duration),
            (None, count) => Extent::Count(count.unwrap_or(10_000)),
        };
        Ok(Options {
            address,
            plan: arguments.plan(host)?,
            connections: arguments.connections,
            threads: arguments.threads.min(arguments.connections),
            extent,
            rate: arguments.rate,
            warm_up: arguments.warm_up,
            idle: arguments.idle,
            timeout: arguments.timeout,
            paths_out: arguments.paths_out,
            out: arguments.out,
            json: arguments.json,
        })
    }
}

impl HttpArguments {
    fn check(&self) -> Result<(), Failure> {
        let reads = matches!(self.work, Work::Download | Work::Range);
        let problem = if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            format!("--connections takes 1 to {CONNECTIONS_MAX}")
        } else if !(1..=THREADS_MAX).contains(&self.threads) {
            format!("--threads takes 1 to {THREADS_MAX}")
        } else if reads && self.paths.is_none() {
            "give the paths to download as --paths FILE: an upload writes them with --paths-out"
                .to_owned()
        } else if reads && self.paths_out.is_some() {
            "--paths-out is for uploads: nothing is uploaded here".to_owned()
        } else if !reads && self.paths.is_some() {
            "--paths is for downloads and ranges".to_owned()
        } else if self.timeout.is_zero() {
            "--timeout takes a time above 0".to_owned()
        } else {
            return Ok(());
        };
        Err(Failure::Usage(problem))
    }

    fn plan(&self, host: String) -> Result<Plan, Failure> {
        let default = if self.work == Work::Multipart { "/uploadFile" } else { "/files" };
        let prefix = self.prefix.as_deref().unwrap_or(default);
        let prefix =
            if self.work == Work::Multipart { prefix } else { prefix.trim_end_matches('/') };
        if !(prefix.is_empty() || prefix.starts_with('/')) || !is_target(prefix) {
            return Err(Failure::Usage(format!("--prefix is a path like /files, not {prefix:?}")));
        }
        let paths = self.paths.as_deref().map_or_else(|| Ok(Vec::new()), read_paths)?;
        let size = self.size.map(|size| size.0);
        let sizes = self.sizes.clone().unwrap_or_else(|| Sizes::one(size.unwrap_or(1 << 20)));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Plan {
            work: self.work,
            host,
            prefix: prefix.to_owned(),
            sizes,
            known_size: size,
            paths,
            run: u64::try_from(since_epoch.as_millis()).unwrap_or(0),
            verify_every: self.verify_every,
            wants_paths: self.paths_out.is_some(),
        })
    }
}

/// Address and `Host` of a server.
fn target(text: &str) -> Result<(SocketAddr, String), Failure> {
    let wrong = || Failure::Usage(format!("--target is http://HOST:PORT, not {text:?}"));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none();
    if url.scheme() != "http" || !is_bare || !url.username().is_empty() {
        return Err(wrong());
    }
    let host = url.host_str().ok_or_else(wrong)?;
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = (name, port)
        .to_socket_addrs()
        .map_err(|error| Failure::Failed(format!("cannot find {host}: {error}")))?;
    let address = found.next().ok_or_else(|| Failure::Failed(format!("{host} has no address")))?;
    Ok((address, format!("{host}:{port}")))
}

fn read_paths(file: &Path) -> Result<Vec<String>, Failure> {
    let told = |error: io::Error| {
        Failure::Failed(format!("cannot read --paths {}: {error}", file.display()))
    };
    let mut text = String::new();
    let limit = PATHS_SIZE_MAX + 1;
    if file.as_os_str() == "-" {
        stdin().lock().take(limit).read_to_string(&mut text).map_err(told)?;
    } else {
        let file = File::open(file).map_err(told)?;
        file.take(limit).read_to_string(&mut text).map_err(told)?;
    }
    if text.len() as u64 > PATHS_SIZE_MAX {
        return Err(Failure::Usage(format!("--paths holds more than {PATHS_SIZE_MAX} bytes")));
    }
    let paths: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if let Some(wrong) = paths.iter().find(|path| !path.starts_with('/') || !is_target(path)) {
        return Err(Failure::Usage(format!("--paths has {wrong:?}, which is no path")));
    }
    if paths.is_empty() {
        return Err(Failure::Usage("--paths has no path".to_owned()));
    }
    Ok(paths)
}

/// Whether a text may stand in a request line.
fn is_target(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: HttpArguments,
    }

    fn resolve(flags: &[&str]) -> Result<Options, Failure> {
        let line = ["x", "--target", "http://127.0.0.1:80"].iter().chain(flags);
        Options::resolve(Line::try_parse_from(line).unwrap().arguments)
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_remedy() {
        for (flags, remedy) in [
            (&["--connections", "0"][..], "1 to"),
            (&["--threads", "65"], "1 to 64"),
            (&["--work", "download"], "--paths-out"),
            (&["--paths", "x"], "for downloads"),
            (&["--prefix", "files"], "like /files"),
            (&["--prefix", "/a b"], "like /files"),
            (&["--timeout", "0s"], "above 0"),
        ] {
            let failure = resolve(flags).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{flags:?}");
            assert!(failure.to_string().contains(remedy), "{failure}");
        }
    }

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for (text, expected) in
            [("http://127.0.0.1:8080", "127.0.0.1:8080"), ("http://[::1]/", "[::1]:80")]
        {
            let (address, host) = target(text).unwrap();
            assert_eq!((address.to_string(), host.as_str()), (expected.to_owned(), expected));
        }
        for wrong in
            ["127.0.0.1:80", "https://127.0.0.1", "http://127.0.0.1/files", "http://a@127.0.0.1"]
        {
            assert_eq!(target(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn forms_go_elsewhere_than_files() {
        let prefix = |flags: &[&str]| resolve(flags).unwrap().plan.prefix;
        assert_eq!(prefix(&[]), "/files");
        assert_eq!(prefix(&["--work", "multipart"]), "/uploadFile");
        assert_eq!(prefix(&["--prefix", "/"]), "");
    }
}
