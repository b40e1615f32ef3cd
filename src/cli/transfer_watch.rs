//! What `send` and `receive` show while bytes move, and what they say at the end.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, Write as _, stderr, stdout};
use std::pin::pin;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::time::interval;
use tracing::info;

use super::{Failure, figures, printable};
use crate::client::transfer::{Moved, Notice, TransferError, Watch, WholeFile};

/// Time between two looks at the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How a transfer is shown.
pub(super) struct Show {
    pub(super) bar: ProgressBar,
    pub(super) json: bool,
    /// What is said when bytes begin to move.
    pub(super) accepted: &'static str,
    /// When bytes began to move; before, when both ends met.
    pub(super) began: Cell<Instant>,
}

/// What was moved, when it ended.
#[derive(Serialize)]
struct Summary {
    files: u64,
    bytes: u64,
    spoiled: u64,
    milliseconds: u64,
    complete: bool,
}

/// A file as JSON.
#[derive(Serialize)]
struct Told {
    name: String,
    path: Option<String>,
    size: u64,
    blake3: String,
}

impl Show {
    /// Runs a transfer and shows it.
    pub(super) async fn run(
        &self,
        transfer: impl Future<Output = Result<Moved, TransferError>>,
        watch: &mut Watch,
    ) -> Result<Moved, Failure> {
        let mut transfer = pin!(transfer);
        let mut ticks = interval(PROGRESS_INTERVAL);
        let mut told = Ok(());
        let ended = loop {
            tokio::select! {
                biased;
                Some(notice) = watch.next() => told = told.and(self.tell(notice)),
                ended = &mut transfer => break ended,
                _ = ticks.tick() => self.bar.set_position(watch.moved_bytes()),
            }
        };
        while let Some(notice) = watch.left() {
            told = told.and(self.tell(notice));
        }
        self.bar.finish_and_clear();
        let moved = ended.map_err(|error| Failure::failed(printable::plain(&error.to_string())))?;
        told.map_err(|error| {
            Failure::failed(format!("everything is moved, but stdout cannot be written: {error}"))
        })?;
        Ok(moved)
    }

    fn tell(&self, notice: Notice) -> io::Result<()> {
        match notice {
            Notice::Whole(whole) if self.json => return self.bar.suspend(|| print(&whole)),
            Notice::Whole(_) | Notice::Offered => {}
            Notice::Broken(why) => {
                let why = printable::plain(&why);
                self.say(&format!("the lines are gone and are connected again: {why}"));
            }
            Notice::Back => self.say("connected again"),
            Notice::Accepted => {
                self.began.set(Instant::now());
                self.bar.reset_elapsed();
                self.say(self.accepted);
            }
            Notice::Spoiled { name, reason } => {
                let (name, reason) = (printable::quoted(&name), printable::plain(&reason));
                self.say(&format!("{name} is left out: {reason}"));
            }
            Notice::Renamed { from, to } => {
                let (from, to) = (printable::quoted(&from), printable::quoted(&to));
                self.say(&format!("{from} becomes {to}, a safer name"));
            }
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        self.bar.suspend(|| info!("{text}"));
    }

    /// The last line, on stderr, and what it means.
    pub(super) fn conclude(&self, verb: &str, moved: Moved) -> Result<(), Failure> {
        let elapsed = self.began.get().elapsed();
        let summary = Summary {
            files: moved.files,
            bytes: moved.size_bytes,
            spoiled: moved.spoiled,
            milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            complete: moved.spoiled == 0,
        };
        let line = if self.json {
            // A struct of numbers always serializes.
            serde_json::to_string(&summary).unwrap_or_default()
        } else {
            summary.text(verb, elapsed)
        };
        // Who closed stderr does not want to know.
        let _ = writeln!(stderr(), "{line}");
        match moved.spoiled {
            0 => Ok(()),
            1 => Err(Failure::failed("1 file is left out: send it again")),
            several => {
                Err(Failure::failed(format!("{several} files are left out: send them again")))
            }
        }
    }
}

impl Summary {
    fn text(&self, verb: &str, elapsed: Duration) -> String {
        let files =
            if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        let (size, time) = (figures::size(self.bytes), figures::seconds(elapsed));
        let rate = figures::rate(self.bytes, elapsed);
        format!("{verb} {files}, {size} in {time} ({rate}), verified")
    }
}

fn print(whole: &WholeFile) -> io::Result<()> {
    let told = Told {
        name: whole.name.clone(),
        path: whole.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
        size: whole.size_bytes,
        blake3: HEXLOWER.encode(&whole.blake3),
    };
    // A struct of texts and numbers always serializes.
    let json = printable::ascii(&serde_json::to_string(&told).unwrap_or_default());
    let mut out = stdout().lock();
    writeln!(out, "{json}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_was_moved() {
        let summary =
            Summary { files: 1, bytes: 5_000_000_000, spoiled: 0, milliseconds: 0, complete: true };
        let text = summary.text("sent", Duration::from_millis(2500));
        assert_eq!(text, "sent 1 file, 5.0 GB in 2.5 s (2.0 GB/s), verified");
    }
}
