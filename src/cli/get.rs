//! `ringhold get`: a file from a daemon, or from any HTTP server, over several connections.
//!
//! 1. Ask what it is. 2. Choose where it goes, and refuse what is taken. 3. Fetch, check, name.
//!
//! A signal during the third step ends the connections and keeps what is there: the same command
//! goes on with it; one that comes while the file gets its name waits for that. On stdout a signal
//! leaves nothing.

use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use indicatif::{ProgressBar, ProgressFinish};
use serde::Serialize;
use tokio::runtime::Builder;

use super::progress_bar::{endless_bar, progress_bar};
use super::stopping::{stopped_by, unless_stopped};
use super::{Failure, figures, printable};
use crate::client::{ClientError, Download, DownloadError, Downloaded};
use crate::config::{Environment, GetArguments, GetCommand, GetSource, GetTarget};
use crate::worker::interrupted;

/// Time between two looks at the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Downloads a file. The exit code is 0 when it is there, whole.
pub fn get(arguments: GetArguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let command = GetCommand::resolve(arguments, environment).map_err(Failure::usage)?;
    if let GetTarget::Path(path) = &command.target {
        check_given(path, command.options.replace)?;
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::failed(format!("cannot start a runtime: {error}")))?;
    let ended = runtime.block_on(run(&command));
    // A name lookup, or a write to a pipe that nobody reads, is not waited for.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

async fn run(command: &GetCommand) -> Result<(), Failure> {
    let began = Instant::now();
    let download = unless_stopped(find(command), || "nothing was fetched".to_owned()).await??;
    let target = target(command, &download)?;
    let name = target.as_deref().map_or_else(|| "stdout".to_owned(), printable::path);
    let bar = bar(command, &download);
    let fetching = async {
        match &target {
            Some(target) => download.save(target).await,
            None => download.write_to(tokio::io::stdout()).await,
        }
    };
    let watched = async {
        tokio::select! {
            ended = fetching => ended,
            () = watch(&bar, &download) => unreachable!("it is watched to its end"),
        }
    };
    let kept = || what_is_kept(&download, target.as_deref());
    let ended = unless_stopped_before_naming(Box::pin(watched), &download, kept).await;
    bar.finish_and_clear();
    download.settled().await;
    match ended? {
        Ok(downloaded) => tell(command, &download, target.as_deref(), &downloaded, began.elapsed()),
        Err(error) => {
            let (url, why) =
                (printable::plain(&download.url()), printable::plain(&error.to_string()));
            let kept =
                if error.is_worth_a_retry() { format!("; {}", kept()) } else { String::new() };
            Err(Failure::failed(format!("cannot get {url} to {name}: {why}{kept}")))
        }
    }
}

async fn find(command: &GetCommand) -> Result<Download, Failure> {
    let options = command.options.clone();
    let (found, what) = match &command.source {
        GetSource::FileId { file_id, server } => (
            Download::of_file_id(server, file_id, options).await,
            format!("{file_id} from {server}"),
        ),
        GetSource::Url(url) => (Download::of_url(url, options).await, without_secrets(url)),
    };
    found.map_err(|error| {
        let is_asked_wrongly = matches!(error, DownloadError::Server(ClientError::Url(_)));
        let (what, why) = (printable::plain(&what), printable::plain(&error.to_string()));
        let sentence = format!("cannot get {what}: {why}");
        if is_asked_wrongly { Failure::usage(sentence) } else { Failure::failed(sentence) }
    })
}

/// A URL for a sentence: what stands before an `@` may be a password.
fn without_secrets(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let (scheme, rest) = (url.split_at(scheme + 3).0, url.split_at(at + 1).1);
            format!("{scheme}{rest}")
        }
        _ => url.to_owned(),
    }
}

/// What was given as OUT, before anybody is asked; a directory is for the server's name.
fn check_given(path: &Path, replace: bool) -> Result<(), Failure> {
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if path.file_name().is_none() || !fs::metadata(parent).is_ok_and(|found| found.is_dir()) {
        let missing = printable::path(parent);
        return Err(Failure::failed(format!("there is no directory {missing}: make it first")));
    }
    refuse_taken(path, replace)
}

/// Where the file goes; `None` is stdout.
fn target(command: &GetCommand, download: &Download) -> Result<Option<PathBuf>, Failure> {
    let name = OsString::from(download.name());
    let target = match &command.target {
        GetTarget::Stdout => return Ok(None),
        GetTarget::ServerName => PathBuf::from(name),
        GetTarget::Path(path) if path.is_dir() => path.join(name),
        GetTarget::Path(path) => path.clone(),
    };
    refuse_taken(&target, command.options.replace)?;
    Ok(Some(target))
}

fn refuse_taken(target: &Path, replace: bool) -> Result<(), Failure> {
    Download::check_target(target, replace).map_err(|error| {
        Failure::failed(format!("cannot get it to {}: {error}", printable::path(target)))
    })
}

fn bar(command: &GetCommand, download: &Download) -> ProgressBar {
    let bar = match download.size_bytes() {
        Some(size_bytes) => progress_bar(command.progress, size_bytes),
        None => endless_bar(command.progress),
    };
    bar.with_message(printable::plain(download.name())).with_finish(ProgressFinish::AndClear)
}

/// Moves the bar, for as long as it is asked to.
async fn watch(bar: &ProgressBar, download: &Download) {
    if bar.is_hidden() {
        return std::future::pending().await;
    }
    let progress = download.progress();
    loop {
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        bar.set_position(progress.there_bytes());
    }
}

/// What a download that ended early leaves, for a sentence.
fn what_is_kept(download: &Download, target: Option<&Path>) -> String {
    let there_bytes = download.progress().there_bytes();
    match target {
        Some(target) if download.is_resumable() && there_bytes > 0 => format!(
            "{} are kept beside {}, and the same command goes on with them",
            figures::size(there_bytes),
            printable::path(target)
        ),
        _ => "nothing of it is kept".to_owned(),
    }
}

/// As [`unless_stopped`]; a signal that comes while the file gets its name waits for that, and a
/// second one does not.
async fn unless_stopped_before_naming<T>(
    mut work: impl Future<Output = T> + Unpin,
    download: &Download,
    what_is_left: impl Fn() -> String,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        signal = interrupted() => {
            let name = signal.map_err(Failure::failed)?;
            if !download.progress().is_being_named() {
                return Err(stopped_by(name, &what_is_left()));
            }
        }
        done = &mut work => return Ok(done),
    }
    unless_stopped(work, || "nobody knows whether it has its name".to_owned()).await
}

/// What was fetched, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    path: Option<String>,
    name: &'a str,
    url: String,
    size: u64,
    blake3: String,
    verified: bool,
    checked: &'a [&'static str],
    fetched_bytes: u64,
    found_bytes: u64,
    retried_blocks: u64,
    milliseconds: u64,
}

/// For a program JSON, for a person how fast it went.
fn tell(
    command: &GetCommand,
    download: &Download,
    target: Option<&Path>,
    downloaded: &Downloaded,
    elapsed: Duration,
) -> Result<(), Failure> {
    if command.json {
        let told = Told {
            path: target.map(|target| target.to_string_lossy().into_owned()),
            name: download.name(),
            url: download.url(),
            size: downloaded.size_bytes,
            blake3: HEXLOWER.encode(&downloaded.blake3),
            verified: downloaded.is_verified,
            checked: &downloaded.checked,
            fetched_bytes: downloaded.fetched_bytes,
            found_bytes: downloaded.found_bytes,
            retried_blocks: downloaded.failed_block_count,
            milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        // A struct of texts and numbers always serializes.
        let line = printable::ascii(&serde_json::to_string(&told).unwrap_or_default());
        return say(&line, target.is_some());
    }
    if !endless_bar(command.progress).is_hidden() {
        let name = target.map_or_else(|| "stdout".to_owned(), printable::path);
        let (time, rate) =
            (figures::seconds(elapsed), figures::rate(downloaded.fetched_bytes, elapsed));
        let size = figures::size(downloaded.size_bytes);
        let verdict = if downloaded.is_verified { ", every block verified" } else { "" };
        return say(&format!("{name}: {size} in {time} ({rate}){verdict}"), false);
    }
    Ok(())
}

fn say(line: &str, is_data: bool) -> Result<(), Failure> {
    if !is_data {
        // Who closed stderr does not want to know.
        let _ = writeln!(stderr(), "{line}");
        return Ok(());
    }
    writeln!(stdout(), "{line}").map_err(|error| {
        Failure::failed(format!("the file is there, but stdout cannot be written ({error})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_repeated() {
        for (url, shown) in [
            ("https://me:secret@a/b", "https://a/b"),
            ("https://a/b", "https://a/b"),
            ("a@b", "a@b"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
