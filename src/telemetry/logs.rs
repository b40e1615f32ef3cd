//! The log: one subscriber per process, to stderr, for people on a terminal and as JSON lines
//! otherwise. JSON lines go through a buffer (`log_writer.rs`), so that a worker never waits for
//! who reads them; a person sees each line when it is written. What identifies an object is shortened before it is logged: a whole file ID in a
//! log would be a key to the file.

use std::fmt;
use std::io;
use std::panic;

use tracing_subscriber::EnvFilter;

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
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match style {
        LogStyle::Human => {
            builder.with_target(false).with_writer(io::stderr).try_init().map(|()| None)
        }
        LogStyle::Json => {
            let writer = LogWriter::start(io::stderr()).map_err(|error| {
                LogError(format!("cannot start the thread that writes the log: {error}"))
            })?;
            // Nothing here opens spans, so none is looked for.
            let builder = builder.json().flatten_event(true).with_current_span(false);
            let started = builder.with_span_list(false).with_writer(writer.clone()).try_init();
            started.map(|()| Some(writer))
        }
    };
    let writer = started.map_err(|error| LogError(format!("cannot start the log: {error}")))?;
    if let Some(writer) = writer.clone() {
        flush_before_a_panic_speaks(writer);
    }
    Ok(LogGuard { writer })
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
    use super::*;

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
