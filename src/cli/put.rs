//! `ringhold put`: files to a daemon, in one request over one connection; their IDs on stdout.
//!
//! 1. Connect. 2. Send one file after another. 3. Close, and compare what was stored.
//!
//! What fails for a while is tried again from the first step, as long as all sources can be read
//! again: a stream cannot once it was opened, which happens after connecting. A signal during the
//! first two steps ends the connection, of which the daemon keeps nothing; in the third the answer
//! is awaited, as it says what was stored.

use std::cell::Cell;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressFinish};
use tokio::runtime::Builder;
use tokio::time::sleep;
use tracing::info;

use super::progress_bar::{endless_bar, progress_bar};
use super::put_sources::{Source, sources};
use super::stopping::unless_stopped;
use super::{Failure, figures, printable};
use crate::base::chance::chance;
use crate::client::{Client, ClientError, Sent, Upload, UploadAnswer};
use crate::config::{Environment, PutArguments, PutCommand};
use crate::plan::retry_pause;
use crate::worker::interrupted;

/// Uploads files. The exit code is 0 when all of them are stored.
pub fn put(arguments: PutArguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let command = PutCommand::resolve(arguments, environment).map_err(Failure::usage)?;
    let sources = sources(&command)?;
    let client = Client::new(&command.server).map_err(|error| {
        let is_asked_wrongly = matches!(error, ClientError::Url(_));
        if is_asked_wrongly { Failure::usage(error) } else { Failure::failed(error) }
    })?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::failed(format!("cannot start a runtime: {error}")))?;
    let job = Job { command: &command, client: &client, sources: &sources };
    let ended = runtime.block_on(job.run());
    // A name lookup that is under way is not waited for.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

/// Files, and where they go.
struct Job<'a> {
    command: &'a PutCommand,
    client: &'a Client,
    sources: &'a [Source],
}

/// Why a try failed.
enum Fault {
    Client(ClientError),
    /// Not of the daemon's or the network's making: trying again changes nothing.
    Final(Failure),
}

impl Job<'_> {
    async fn run(&self) -> Result<(), Failure> {
        let began = Instant::now();
        for try_index in 0.. {
            let is_consumed = Cell::new(false);
            let error = match self.attempt(&is_consumed).await {
                Ok(stored) => return self.tell(&stored, began.elapsed()),
                Err(Fault::Final(failure)) => return Err(failure),
                Err(Fault::Client(error)) => error,
            };
            let failure = self.failure(&error);
            if try_index >= self.command.retries || !error.is_worth_a_retry() {
                return Err(failure);
            }
            if is_consumed.get() {
                return Err(Failure::failed(format!(
                    "{failure}; it is not tried again, as what was read of a stream is gone"
                )));
            }
            let pause = retry_pause(try_index, chance(), error.retry_after());
            info!("{failure}; trying again in {}", figures::seconds(pause));
            unless_stopped(sleep(pause), nothing_stored).await?;
        }
        unreachable!("the last try returns")
    }

    /// All three steps, once.
    async fn attempt(&self, is_consumed: &Cell<bool>) -> Result<Vec<UploadAnswer>, Fault> {
        let sending = unless_stopped(self.send_all(is_consumed), nothing_stored);
        let upload = sending.await.map_err(Fault::Final)??;
        let stored = self.close(upload).await?;
        Ok(stored)
    }

    async fn send_all(&self, is_consumed: &Cell<bool>) -> Result<Upload, Fault> {
        let sizes = self.sources.iter().map(|one| Some((one.name.as_str(), one.size_bytes()?)));
        let mut upload = match sizes.collect::<Option<Vec<_>>>() {
            Some(sizes) => self.client.upload_sized(&sizes).await?,
            None => self.client.upload().await?,
        };
        for (index, source) in self.sources.iter().enumerate() {
            is_consumed.set(is_consumed.get() || !source.is_repeatable);
            self.send(&mut upload, source, index).await?;
        }
        Ok(upload)
    }

    async fn send(&self, upload: &mut Upload, source: &Source, index: usize) -> Result<(), Fault> {
        let unreadable = |error| {
            Fault::Final(Failure::failed(format!("cannot read {}: {error}", source.shown())))
        };
        let opened = source.open().map_err(unreadable)?;
        let bar = self.bar(source, opened.size_bytes, index);
        let frames = opened.frames.inspect_ok(|frame| bar.inc(frame.len() as u64));
        let sent = match upload.send_frames_unclose(&source.name, frames).await {
            Err(ClientError::Source(error)) => return Err(unreadable(error)),
            sent => sent?,
        };
        if sent.name != source.name {
            let (own, kept) = (printable::quoted(&source.name), printable::quoted(&sent.name));
            bar.suspend(|| info!("{own} is stored as {kept}, a safer name"));
        }
        unchanged(source, &sent, opened.size_bytes)
    }

    fn bar(&self, source: &Source, size_bytes: Option<u64>, index: usize) -> ProgressBar {
        let bar = match size_bytes {
            Some(size_bytes) => progress_bar(self.command.progress, size_bytes),
            None => endless_bar(self.command.progress),
        };
        let count = self.sources.len();
        let place = if count > 1 { format!("{}/{count} ", index + 1) } else { String::new() };
        let name = printable::plain(&source.name);
        bar.with_message(format!("{place}{name}")).with_finish(ProgressFinish::AndClear)
    }

    /// Waits for the answer, at a signal too; a second one ends that.
    async fn close(&self, upload: Upload) -> Result<Vec<UploadAnswer>, Fault> {
        let mut closing = std::pin::pin!(upload.close());
        tokio::select! {
            biased;
            stored = &mut closing => return Ok(stored?),
            signal = interrupted() => {
                let name = signal.map_err(|error| Fault::Final(Failure::failed(error)))?;
                info!("{name}: everything was sent, waiting for the answer; once more stops at once");
            }
        }
        let unknown = || "nobody knows whether the files are stored".to_owned();
        unless_stopped(closing, unknown).await.map_err(Fault::Final)?.map_err(Fault::Client)
    }

    fn failure(&self, error: &ClientError) -> Failure {
        let what = match self.sources {
            [one] => one.shown(),
            several => format!("{} files", several.len()),
        };
        let why = printable::plain(&error.to_string());
        Failure::failed(format!("cannot put {what} to {}: {why}", self.client.server()))
    }

    /// IDs, or answers, on stdout; for a person how fast it went.
    fn tell(&self, stored: &[UploadAnswer], elapsed: Duration) -> Result<(), Failure> {
        let mut lines = String::new();
        for answer in stored {
            if self.command.json {
                // A struct of texts and numbers always serializes.
                lines += &printable::ascii(&serde_json::to_string(answer).unwrap_or_default());
            } else {
                lines += &printable::plain(&answer.file_id);
            }
            lines.push('\n');
        }
        let mut out = stdout().lock();
        let written = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| {
            Failure::failed(format!(
                "the files are stored, but stdout cannot be written ({error}): their IDs are lost"
            ))
        })?;
        if !endless_bar(self.command.progress).is_hidden() {
            let size = stored.iter().fold(0, |sum: u64, one| sum.saturating_add(one.size));
            let (time, rate) = (figures::seconds(elapsed), figures::rate(size, elapsed));
            // Who closed stderr does not want to know.
            let _ = writeln!(stderr(), "stored {} in {time} ({rate})", figures::size(size));
        }
        Ok(())
    }
}

/// A file that changes is neither what it was nor what it is.
fn unchanged(source: &Source, sent: &Sent, size_bytes: Option<u64>) -> Result<(), Fault> {
    let Some(size_bytes) = size_bytes else { return Ok(()) };
    let how = match sent.size_bytes {
        sent if sent == size_bytes => return Ok(()),
        sent if sent > size_bytes => format!("grew beyond the {size_bytes} bytes it had"),
        sent => format!("shrank from {size_bytes} bytes to {sent}"),
    };
    Err(Fault::Final(Failure::failed(format!(
        "{shown} {how} while it was sent, and nothing is stored: try again when nobody writes to \
         it, or send what is there: ringhold put - < {shown}",
        shown = source.shown()
    ))))
}

fn nothing_stored() -> String {
    "nothing is stored".to_owned()
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Fault {
        Fault::Client(error)
    }
}
