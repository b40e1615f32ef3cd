//! `ringhold verify`: reads every object against its seal and tells what is damaged.
//!
//! Findings go to stdout as they are found, progress (on a terminal) and the summary to stderr. A
//! SIGINT or SIGTERM ends the run with the summary of what was checked so far.

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::{debug, info};

use super::{Failure, figures, findings, printable};
use crate::base::limits::{VERIFY_BUFFERS, VERIFY_OBJECTS_IN_FLIGHT_MAX, VERIFY_READ_SIZE};
use crate::config::{VerifyArguments, VerifyCommand};
use crate::disk::{self, Chosen, Disk, Slab, SlabOptions};
use crate::store::{self, Finding, Progress, StoreError, StoreErrorKind, VerifyOptions};
use crate::worker::{RuntimeKind, interrupted, run_alone};

/// Reads in flight: pieces of large objects, and the ends of all that are open.
const QUEUE_DEPTH: usize = VERIFY_BUFFERS + VERIFY_OBJECTS_IN_FLIGHT_MAX;
/// Time between two looks at the progress on a terminal.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// To the start of the line, and clear it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Checks a root. The exit code is 0 when every object is whole.
pub fn verify(arguments: VerifyArguments) -> Result<ExitCode, Failure> {
    let command = VerifyCommand::resolve(arguments);
    let chosen = disk::choose(command.engine).map_err(Failure::failed)?;
    if let Some(warning) = &chosen.warning {
        info!("{warning}");
    }
    let runtime = RuntimeKind::for_disk(chosen.ring, QUEUE_DEPTH);
    let ended = run_alone(runtime, run(&command, &chosen));
    ended.map_err(|error| Failure::failed(format!("cannot start a runtime: {error}")))?
}

async fn run(command: &VerifyCommand, chosen: &Chosen) -> Result<ExitCode, Failure> {
    let disk = open_disk(chosen)?;
    let progress = Progress::default();
    let mut report = Report::new(command.json);
    let began = Instant::now();
    let outcome = check(&disk, &command.store, &progress, &mut report).await;
    disk.drain().await;
    report.clear_progress();
    let is_complete = outcome?;
    if let Some(error) = report.failure {
        return Err(Failure::failed(format!("cannot write the findings to stdout: {error}")));
    }
    summarise(&Summary::new(&progress, began.elapsed(), is_complete), command.json);
    let is_whole = is_complete && progress.damaged() == 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open_disk(chosen: &Chosen) -> Result<Rc<dyn Disk>, Failure> {
    let sizes = SlabOptions {
        chunk_size: VERIFY_READ_SIZE,
        chunk_count: VERIFY_BUFFERS,
        read_count: VERIFY_OBJECTS_IN_FLIGHT_MAX,
    };
    let slab = Slab::new(sizes)
        .map_err(|error| Failure::failed(format!("no memory for buffers: {error}")))?;
    let disk = chosen.open(slab, QUEUE_DEPTH);
    let disk =
        disk.map_err(|error| Failure::failed(format!("cannot start the disk engine: {error}")))?;
    if let Some(caveat) = disk.report().caveat {
        debug!("{caveat}");
    }
    Ok(disk)
}

/// Whether the run came to its end; false when a signal or a closed stdout ended it.
async fn check(
    disk: &Rc<dyn Disk>,
    options: &VerifyOptions,
    progress: &Progress,
    report: &mut Report,
) -> Result<bool, Failure> {
    let began = Instant::now();
    let shows_progress = report.shows_progress;
    let mut tell = |finding| report.tell(&finding);
    let walk = store::verify(Rc::clone(disk), options, progress, &mut tell);
    let watch = async {
        loop {
            tokio::time::sleep(PROGRESS_INTERVAL).await;
            if shows_progress {
                show(progress, began.elapsed());
            }
        }
    };
    tokio::select! {
        ended = walk => ended.map(|()| true).map_err(|error| no_store(&error, options)),
        signal = interrupted() => signal.map(|_name| false).map_err(Failure::failed),
        () = watch => Ok(false),
    }
}

fn no_store(error: &StoreError, options: &VerifyOptions) -> Failure {
    let root = printable::path(&options.root);
    Failure::failed(if error.kind() == StoreErrorKind::NotFound {
        format!("there is no store at {root}: give the directory that `serve` uses as --root")
    } else {
        format!("cannot check the store at {root}: {error}")
    })
}

fn show(progress: &Progress, elapsed: Duration) {
    let (objects, bytes) = (progress.objects(), progress.bytes());
    let (done, damaged) = (progress.directories(), progress.damaged());
    let (size, rate) = (figures::size(bytes), figures::rate(bytes, elapsed));
    // A terminal that is gone is no reason to stop.
    let _ = write!(
        stderr(),
        "{CLEAR_LINE}{done} of 256 directories, {objects} objects, {size}, {rate}, {damaged} damaged"
    );
}

/// Where the findings go.
struct Report {
    json: bool,
    shows_progress: bool,
    failure: Option<io::Error>,
}

impl Report {
    fn new(json: bool) -> Report {
        Report { json, shows_progress: stderr().is_terminal(), failure: None }
    }

    fn tell(&mut self, finding: &Finding) -> ControlFlow<()> {
        self.clear_progress();
        let line = if self.json { findings::json(finding) } else { findings::text(finding) };
        match writeln!(stdout(), "{line}") {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn clear_progress(&self) {
        if self.shows_progress {
            let _ = write!(stderr(), "{CLEAR_LINE}");
        }
    }
}

/// What is said at the end.
#[derive(Serialize)]
struct Summary {
    objects: u64,
    bytes: u64,
    damaged: u64,
    strange: u64,
    milliseconds: u64,
    complete: bool,
}

impl Summary {
    fn new(progress: &Progress, elapsed: Duration, complete: bool) -> Summary {
        Summary {
            objects: progress.objects(),
            bytes: progress.bytes(),
            damaged: progress.damaged(),
            strange: progress.strange(),
            milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            complete,
        }
    }

    fn text(&self) -> String {
        let Summary { objects, bytes, damaged, strange, milliseconds, complete } = self;
        let time = Duration::from_millis(*milliseconds);
        let verdict = match (damaged, complete) {
            (0, true) => "all whole".to_owned(),
            (0, false) => "stopped before the end, none damaged so far".to_owned(),
            (count, true) => format!("{count} damaged"),
            (count, false) => format!("stopped before the end, {count} damaged so far"),
        };
        let others = if *strange > 0 { format!(", {strange} strange") } else { String::new() };
        format!(
            "checked {objects} objects, {} in {} ({}): {verdict}{others}",
            figures::size(*bytes),
            figures::seconds(time),
            figures::rate(*bytes, time)
        )
    }
}

fn summarise(summary: &Summary, json: bool) {
    let line = if json {
        // A struct of numbers always serializes.
        serde_json::to_string(summary).unwrap_or_default()
    } else {
        summary.text()
    };
    // Who closed stderr does not want to know.
    let _ = writeln!(stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(damaged: u64, strange: u64, complete: bool) -> String {
        let bytes = 5_000_000_000;
        Summary { objects: 7, bytes, damaged, strange, milliseconds: 2500, complete }.text()
    }

    #[test]
    fn the_summary_says_what_was_checked_and_what_came_of_it() {
        let checked = "checked 7 objects, 5.0 GB in 2.5 s (2.0 GB/s): ";
        for (text, verdict) in [
            (summary(0, 0, true), "all whole"),
            (summary(2, 1, true), "2 damaged, 1 strange"),
            (summary(0, 0, false), "stopped before the end, none damaged so far"),
            (summary(1, 0, false), "stopped before the end, 1 damaged so far"),
        ] {
            assert_eq!(text, format!("{checked}{verdict}"));
        }
    }
}
