//! The log: one subscriber per process, to stderr, for people on a terminal and as JSON lines
//! otherwise. Those of a daemon go through a buffer (`log_writer.rs`), so that a worker never waits
//! for who reads them; of any other command each line is there when it is written, in order with
//! what the command itself says on stderr.
//!
//! Who can read the log shall not be able to read files, so no line holds a secret, a token or a
//! whole file ID:
//! 1. What identifies an object is shortened before it is logged ([`short_id`]).
//! 2. Only events of this crate are written, whatever the filter says: libraries promise nothing of
//!    what theirs hold, and some print requests whole.

use std::fmt;
use std::io;
use std::panic;

use tracing::Metadata;
use tracing::dispatcher::{Dispatch, set_global_default};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::escaping::Escaping;
use super::log_writer::LogWriter;

/// Characters of an ID that a log shows: enough to tell requests apart, too few to use.
const SHORT_ID_CHARS: usize = 8;

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStyle {
    /// A person at a terminal.
    Human,
    /// A program: one JSON object a line.
    Json,
    /// The same, through a buffer.
    JsonBuffered,
}

/// The log could not be started.
#[derive(Debug)]
pub struct LogError(String);

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogError {}

/// Held until the process ends: dropping it writes what the log still holds back.
#[derive(Debug)]
#[must_use = "without it the last lines of the log are lost"]
pub struct LogGuard {
    writer: Option<LogWriter>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            // Not in time: stderr has no reader, and nobody could be told.
            let _ = writer.flush();
        }
    }
}

/// Starts the log with a filter such as `info` or `warn,ringhold::http=debug`. Once per process.
pub fn start_logs(filter: &str, style: LogStyle) -> Result<LogGuard, LogError> {
    let filter = parse_filter(filter)?;
    let (subscriber, writer) = match style {
        LogStyle::Human | LogStyle::Json => (subscriber(filter, style, io::stderr), None),
        LogStyle::JsonBuffered => {
            let writer = LogWriter::start(io::stderr()).map_err(|error| {
                LogError(format!("cannot start the thread that writes the log: {error}"))
            })?;
            (subscriber(filter, style, writer.clone()), Some(writer))
        }
    };
    set_global_default(subscriber)
        .map_err(|error| LogError(format!("cannot start the log: {error}")))?;
    if let Some(writer) = writer.clone() {
        flush_before_a_panic_speaks(writer);
    }
    Ok(LogGuard { writer })
}

fn subscriber<W>(filter: EnvFilter, style: LogStyle, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Escaping(writer));
    match style {
        LogStyle::Human => {
            builder.with_ansi(false).with_target(false).finish().with(filter_fn(is_own)).into()
        }
        // Nothing here opens spans, so none is looked for.
        LogStyle::Json | LogStyle::JsonBuffered => {
            let builder = builder.json().flatten_event(true).with_current_span(false);
            builder.with_span_list(false).finish().with(filter_fn(is_own)).into()
        }
    }
}

/// Whether an event is this crate's own.
fn is_own(metadata: &Metadata<'_>) -> bool {
    let (name, _) = metadata.target().split_once("::").unwrap_or((metadata.target(), ""));
    name == env!("CARGO_CRATE_NAME")
}

/// What led to a panic stands before its message, which goes to stderr directly.
fn flush_before_a_panic_speaks(writer: LogWriter) {
    let speak = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let _ = writer.flush();
        speak(panic);
    }));
}

/// The first characters of an ID, for a log.
pub fn short_id(id: &str) -> &str {
    id.char_indices().nth(SHORT_ID_CHARS).map_or(id, |(end, _)| &id[..end])
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(filter).map_err(|error| {
        LogError(format!(
            "cannot read the log filter '{filter}' ({error}): give error, warn, info, debug or \
             trace, or a list like warn,ringhold::http=debug"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::dispatcher::with_default;
    use tracing::{info, trace, warn};

    use super::*;

    /// What a stranger might send to forge a line or to speak to the operator's terminal.
    const HOSTILE: &str =
        "a\n{\"level\":\"ERROR\"}\r\u{1b}[2J\u{1b}]0;x\u{7}\u{8}\u{7f}\u{9b}31m\u{0}z";

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `events` write at the filter `trace`, by the way of the real log.
    fn logged(style: LogStyle, events: impl FnOnce()) -> String {
        let sink = Sink::default();
        let filter = parse_filter("trace").unwrap();
        match style {
            LogStyle::Human | LogStyle::Json => {
                let writer = sink.clone();
                with_default(&subscriber(filter, style, move || writer.clone()), events);
            }
            LogStyle::JsonBuffered => {
                let writer = LogWriter::start(sink.clone()).unwrap();
                with_default(&subscriber(filter, style, writer.clone()), events);
                while !writer.flush() {}
            }
        }
        let written = sink.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }

    fn hostile_events() {
        info!(value = HOSTILE, "as a value");
        warn!(displayed = %HOSTILE, debugged = ?HOSTILE, "by its Display and its Debug");
        info!("{HOSTILE}");
    }

    #[test]
    fn a_json_line_is_one_line_without_control_characters() {
        let log = logged(LogStyle::Json, hostile_events);
        assert_eq!(log.lines().count(), 3, "{log}");
        for (line, field) in log.lines().zip(["value", "displayed", "message"]) {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line[field], HOSTILE, "and nothing is lost");
        }
    }

    #[test]
    fn nothing_that_is_logged_speaks_to_a_terminal_or_forges_a_line() {
        let log = logged(LogStyle::Human, hostile_events);
        assert_eq!(log.lines().count(), 3, "{log:?}");
        assert!(log.lines().all(|line| !line.chars().any(char::is_control)), "{log:?}");
    }

    #[test]
    fn what_libraries_say_is_not_written() {
        for style in [LogStyle::Human, LogStyle::Json, LogStyle::JsonBuffered] {
            let log = logged(style, || {
                warn!(target: "hyper::proto", "GET /files/secret");
                trace!(target: "ringholdings", "of another crate");
                trace!("ours");
                info!(target: "ringhold::access", "ours too");
            });
            assert_eq!(log.lines().count(), 2, "{log}");
        }
    }

    #[test]
    fn an_id_is_shortened_at_a_character() {
        assert_eq!(short_id("0123456789abcdef:name"), "01234567");
        assert_eq!(short_id("ab"), "ab");
        assert_eq!(short_id("ääääääääää"), "ääääääää");
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_refused_with_an_example() {
        assert!(parse_filter("info").is_ok());
        assert!(parse_filter("warn,ringhold::http=debug").is_ok());
        let refused = parse_filter("ringhold=loud").unwrap_err();
        assert!(refused.to_string().contains("ringhold::http=debug"));
    }
}
