//! `ringhold copy`: files to another place, as fast as the disk allows, whole or not at all.
//!
//! With `--verify` each copy's BLAKE3 goes to stdout, as `b3sum` writes it; progress and the summary
//! go to stderr. A SIGINT or SIGTERM ends the run and leaves nothing of the copy that was under
//! way; one that comes while a copy gets its name waits for that.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use indicatif::ProgressBar;
use serde::Serialize;
use tracing::{debug, info};

use super::copy_jobs::{Job, jobs};
use super::progress_bar::progress_bar;
use super::{Failure, figures, printable};
use crate::config::{CopyArguments, CopyCommand};
use crate::copy::{self, Copied, CopyError, CopyProgress};
use crate::disk::{self, Chosen, Disk, Slab, SlabOptions};
use crate::worker::{RuntimeKind, interrupted, run_alone};

/// Time between two looks at the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Copies files. The exit code is 0 when all of them were.
pub fn copy(arguments: CopyArguments) -> Result<ExitCode, Failure> {
    let command = CopyCommand::resolve(arguments).map_err(Failure::usage)?;
    let jobs = jobs(&command.sources, &command.target, command.options.replace)?;
    let chosen = disk::choose(command.engine).map_err(Failure::failed)?;
    let chosen = chosen.for_files_in(jobs.iter().map(|job| copy::directory(&job.target)));
    if let Some(warning) = &chosen.warning {
        info!("{warning}");
    }
    let runtime = RuntimeKind::for_disk(chosen.ring, command.options.in_flight);
    let ended = run_alone(runtime, run(&command, &jobs, &chosen));
    ended.map_err(|error| Failure::failed(format!("cannot start a runtime: {error}")))?
}

async fn run(command: &CopyCommand, jobs: &[Job], chosen: &Chosen) -> Result<ExitCode, Failure> {
    let disk = open_disk(command, chosen)?;
    let began = Instant::now();
    let mut summary = Summary::default();
    let ended = copy_all(&disk, command, jobs, &mut summary).await;
    disk.drain().await;
    summary.milliseconds = milliseconds(began.elapsed());
    summary.complete = ended.is_ok();
    // What went before a failure is there, and worth a line.
    if summary.files > 0 || summary.complete {
        summary.print(command);
    }
    ended.map(|()| ExitCode::SUCCESS)
}

fn open_disk(command: &CopyCommand, chosen: &Chosen) -> Result<Rc<dyn Disk>, Failure> {
    let in_flight = command.options.in_flight;
    let sizes =
        SlabOptions { chunk_size: command.chunk_size, chunk_count: in_flight, read_count: 1 };
    let slab = Slab::new(sizes)
        .map_err(|error| Failure::failed(format!("no memory for buffers: {error}")))?;
    let disk = chosen.open(slab, in_flight);
    let disk =
        disk.map_err(|error| Failure::failed(format!("cannot start the disk engine: {error}")))?;
    if let Some(caveat) = disk.report().caveat {
        debug!("{caveat}");
    }
    Ok(disk)
}

/// One after another, to the first that fails or a signal.
async fn copy_all(
    disk: &Rc<dyn Disk>,
    command: &CopyCommand,
    jobs: &[Job],
    summary: &mut Summary,
) -> Result<(), Failure> {
    let passes = 1 + u64::from(command.options.verify);
    let size = jobs.iter().fold(0, |sum: u64, job| sum.saturating_add(job.size_bytes));
    let bar = progress_bar(command.progress, size.saturating_mul(passes));
    let mut interrupted = pin!(interrupted());
    for job in jobs {
        let began = Instant::now();
        let progress = CopyProgress::default();
        bar.set_message(printable::path(job.source.file_name().unwrap_or_default().as_ref()));
        let writing = copy::write(disk, &job.source, &job.target, &command.options, &progress);
        let whole = tokio::select! {
            biased;
            signal = &mut interrupted => {
                bar.finish_and_clear();
                let name = signal.map_err(Failure::failed)?;
                return Err(failed(job, &format!("{name} stopped it, nothing of it is left")));
            }
            whole = writing => whole,
            () = watch(&bar, &progress, passes * summary.bytes) => continue,
        };
        let copied = match whole {
            Ok(whole) => whole.publish().await,
            Err(error) => Err(error),
        };
        bar.suspend(|| match copied {
            Ok(copied) => tell(command, job, &copied, began.elapsed()),
            Err(error) => Err(why(job, &error)),
        })
        .inspect_err(|_| bar.finish_and_clear())?;
        summary.files += 1;
        summary.bytes += job.size_bytes;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Moves the bar, for as long as it is asked to.
async fn watch(bar: &ProgressBar, progress: &CopyProgress, before: u64) {
    if bar.is_hidden() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        bar.set_position(before + progress.written_bytes() + progress.verified_bytes());
    }
}

fn why(job: &Job, error: &CopyError) -> Failure {
    failed(job, &error.to_string())
}

fn failed(job: &Job, why: &str) -> Failure {
    let (source, target) = (printable::path(&job.source), printable::path(&job.target));
    Failure::failed(format!("cannot copy {source} to {target}: {why}"))
}

/// Says what was copied, where somebody wants to read it.
fn tell(
    command: &CopyCommand,
    job: &Job,
    copied: &Copied,
    elapsed: Duration,
) -> Result<(), Failure> {
    if !copied.has_attributes {
        let target = printable::path(&job.target);
        info!("{target} has not the permissions and time of its source: its filesystem has none");
    }
    let line = if command.json {
        let told = Told::new(job, copied, elapsed);
        // A struct of texts and numbers always serializes.
        let json = serde_json::to_string(&told).unwrap_or_default();
        printable::ascii(&json).into_bytes()
    } else {
        match copied.blake3 {
            Some(hash) => checksum(&HEXLOWER.encode(&hash), &job.target),
            None => return Ok(()),
        }
    };
    let mut out = stdout().lock();
    let written = out.write_all(&line).and_then(|()| out.write_all(b"\n"));
    written.map_err(|error| {
        failed(job, &format!("it is copied, but stdout cannot be written ({error})"))
    })
}

/// A line as `b3sum` writes and checks it: a name with a line break or a backslash is escaped, and
/// a backslash before the hash says so. On a terminal no name is obeyed.
fn checksum(hash: &str, name: &Path) -> Vec<u8> {
    if stdout().is_terminal() {
        return format!("{hash}  {}", printable::path(name)).into_bytes();
    }
    let name = name.as_os_str().as_bytes();
    let mut escaped = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            b'\\' => escaped.extend(b"\\\\"),
            other => escaped.push(other),
        }
    }
    let mark: &[u8] = if escaped == name { b"" } else { b"\\" };
    [mark, hash.as_bytes(), b"  ", &escaped].concat()
}

/// A copy as JSON.
#[derive(Serialize)]
struct Told {
    source: String,
    target: String,
    size: u64,
    blake3: Option<String>,
    milliseconds: u64,
}

impl Told {
    fn new(job: &Job, copied: &Copied, elapsed: Duration) -> Told {
        Told {
            source: job.source.to_string_lossy().into_owned(),
            target: job.target.to_string_lossy().into_owned(),
            size: copied.size_bytes,
            blake3: copied.blake3.map(|hash| HEXLOWER.encode(&hash)),
            milliseconds: milliseconds(elapsed),
        }
    }
}

/// What is said at the end.
#[derive(Default, Serialize)]
struct Summary {
    files: u64,
    bytes: u64,
    milliseconds: u64,
    complete: bool,
}

impl Summary {
    fn text(&self, verified: bool) -> String {
        let time = Duration::from_millis(self.milliseconds);
        let files =
            if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        let verdict = match (self.complete, verified) {
            (true, true) => ", verified",
            (true, false) => "",
            (false, _) => ", not the rest",
        };
        format!(
            "copied {files}, {} in {} ({}){verdict}",
            figures::size(self.bytes),
            figures::seconds(time),
            figures::rate(self.bytes, time)
        )
    }

    fn print(&self, command: &CopyCommand) {
        let line = if command.json {
            // A struct of numbers always serializes.
            serde_json::to_string(self).unwrap_or_default()
        } else {
            self.text(command.options.verify)
        };
        // Who closed stderr does not want to know.
        let _ = writeln!(stderr(), "{line}");
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_one_that_b3sum_checks() {
        let line = |name: &str| String::from_utf8(checksum("abc", Path::new(name))).unwrap();
        assert_eq!(line("a b.txt"), "abc  a b.txt");
        assert_eq!(line("a\nb\\c\r"), "\\abc  a\\nb\\\\c\\r");
    }

    #[test]
    fn the_summary_says_what_was_copied() {
        let summary =
            Summary { files: 1, bytes: 5_000_000_000, milliseconds: 2500, complete: true };
        assert_eq!(summary.text(true), "copied 1 file, 5.0 GB in 2.5 s (2.0 GB/s), verified");
        let summary = Summary { files: 2, complete: false, ..summary };
        assert_eq!(summary.text(true), "copied 2 files, 5.0 GB in 2.5 s (2.0 GB/s), not the rest");
    }
}
