//! Takes finished log lines to stderr, so that no worker waits for whoever reads them. One per
//! process, with a thread of its own that lives as long as the process.
//!
//! 1. A worker appends a finished line to a bounded buffer, under a lock that nobody holds while
//!    he writes. A line that finds no room is lost, and counted.
//! 2. The thread swaps the buffer for an empty one and writes it in one call: at once after a
//!    quiet time, then at most every [`LOG_INTERVAL_MS`], unless it holds a WARN or an ERROR or is
//!    half full.
//! 3. If lines were lost, a WARN line behind those that were kept says how many.
//! 4. [`LogWriter::flush`] waits until what was appended before it is written.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::base::limits::{LOG_BUFFER_SIZE, LOG_FLUSH_TIMEOUT_MS, LOG_INTERVAL_MS};

/// Where the log's lines go; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LogWriter(Arc<Shared>);

/// The way of one event into the buffer: the subscriber writes it whole, in one call.
#[derive(Debug)]
pub(super) struct Line<'a> {
    shared: &'a Shared,
    is_urgent: bool,
}

#[derive(Debug)]
struct Shared {
    backlog: Mutex<Backlog>,
    /// There is something for the thread to do.
    work: Condvar,
    /// A batch was written.
    progress: Condvar,
}

/// What waits to be written.
#[derive(Debug)]
struct Backlog {
    lines: Vec<u8>,
    lost_count: u64,
    is_urgent: bool,
    /// Batches swapped out, and those of them that were written.
    taken_count: u64,
    written_count: u64,
}

impl LogWriter {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<LogWriter> {
        let backlog = Mutex::new(Backlog {
            lines: empty_buffer(),
            lost_count: 0,
            is_urgent: false,
            taken_count: 0,
            written_count: 0,
        });
        let shared = Arc::new(Shared { backlog, work: Condvar::new(), progress: Condvar::new() });
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("rh-log".to_owned()).spawn(move || write(&writing, sink))?;
        Ok(LogWriter(shared))
    }

    /// Waits until every line appended so far is written, but not for ever: a reader who is stuck
    /// does not keep the process from its end. Whether all was written in time.
    pub(super) fn flush(&self) -> bool {
        let mut backlog = self.0.lock();
        let wanted_count = backlog.taken_count + u64::from(!backlog.is_empty());
        backlog.is_urgent = true;
        self.0.work.notify_one();
        let patience = Duration::from_millis(LOG_FLUSH_TIMEOUT_MS);
        let unwritten = |backlog: &mut Backlog| backlog.written_count < wanted_count;
        let waited = self.0.progress.wait_timeout_while(backlog, patience, unwritten);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, is_urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.0, is_urgent: *metadata.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.append(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    /// Nothing panics while it holds this lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, line: &[u8], is_urgent: bool) {
        let mut backlog = self.lock();
        let (was_empty, was_hurried) = (backlog.is_empty(), backlog.is_hurried());
        if backlog.lines.len() + line.len() > LOG_BUFFER_SIZE {
            backlog.lost_count += 1;
        } else {
            backlog.lines.extend_from_slice(line);
        }
        backlog.is_urgent |= is_urgent;
        // Waking a thread is a system call: only for what it waits for.
        let is_awaited = was_empty || (backlog.is_hurried() && !was_hurried);
        drop(backlog);
        if is_awaited {
            self.work.notify_one();
        }
    }

    /// Waits for lines and swaps them for the empty `batch`; how many were lost behind them.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut backlog = self
            .work
            .wait_while(self.lock(), |backlog| backlog.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut backlog.lines, batch);
        backlog.is_urgent = false;
        backlog.taken_count += 1;
        mem::take(&mut backlog.lost_count)
    }

    fn written(&self) {
        self.lock().written_count += 1;
        self.progress.notify_all();
    }

    /// Lets lines gather.
    fn pause(&self) {
        let pause = Duration::from_millis(LOG_INTERVAL_MS);
        drop(self.work.wait_timeout_while(self.lock(), pause, |backlog| !backlog.is_hurried()));
    }
}

impl Backlog {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost_count == 0
    }

    fn is_hurried(&self) -> bool {
        self.is_urgent || self.lines.len() >= LOG_BUFFER_SIZE / 2
    }
}

/// The thread.
fn write(shared: &Shared, mut sink: impl Write) {
    let mut batch = empty_buffer();
    loop {
        let lost_count = shared.take(&mut batch);
        // What the sink refuses is gone: there is nobody else to tell.
        let _ = sink.write_all(&batch);
        if lost_count > 0 {
            let _ = sink.write_all(lost_line(lost_count).as_bytes());
        }
        batch.clear();
        shared.written();
        shared.pause();
    }
}

/// All its memory at once, so that appending never moves it; untouched pages cost nothing.
fn empty_buffer() -> Vec<u8> {
    Vec::with_capacity(LOG_BUFFER_SIZE)
}

/// Written as the subscriber writes its lines.
fn lost_line(lost_count: u64) -> String {
    let mut timestamp = String::new();
    // Writing to a String cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    format!(
        "{{\"timestamp\":\"{timestamp}\",\"level\":\"WARN\",\"message\":\"log lines were lost: \
         stderr is read too slowly\",\"lost_lines\":{lost_count},\"target\":\"{}\"}}\n",
        module_path!()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What a test reads of the log; who holds the lock is a reader who does not read.
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

    impl Sink {
        fn lines(&self) -> Vec<String> {
            let written = self.0.lock().unwrap();
            str::from_utf8(&written).unwrap().lines().map(str::to_owned).collect()
        }
    }

    fn started() -> (Sink, LogWriter) {
        let sink = Sink::default();
        let writer = LogWriter::start(sink.clone()).unwrap();
        (sink, writer)
    }

    fn append(writer: &LogWriter, line: &str) {
        writer.make_writer().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn flush(writer: &LogWriter) {
        // Once is enough, unless the machine is very busy.
        while !writer.flush() {}
    }

    #[test]
    fn lines_keep_their_order_and_a_flush_leaves_none_behind() {
        let (sink, writer) = started();
        let expected: Vec<String> = (0..5_000).map(|index| format!("line {index}")).collect();
        for line in &expected {
            append(&writer, line);
        }
        flush(&writer);
        assert_eq!(sink.lines(), expected);
        flush(&writer);
        assert_eq!(sink.lines().len(), expected.len(), "an empty flush writes nothing");
    }

    #[test]
    fn lines_of_several_threads_are_not_mixed() {
        let (sink, writer) = started();
        thread::scope(|scope| {
            for name in ["a", "b", "c"] {
                let writer = &writer;
                scope.spawn(move || (0..1_000).for_each(|_| append(writer, &name.repeat(100))));
            }
        });
        flush(&writer);
        let lines = sink.lines();
        for name in ["a", "b", "c"] {
            let count = lines.iter().filter(|line| **line == name.repeat(100)).count();
            assert_eq!(count, 1_000, "{name}");
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told() {
        const LINE_SIZE: usize = 1024;
        let (sink, writer) = started();
        let appended_count = 4 * LOG_BUFFER_SIZE / LINE_SIZE;
        let reader = sink.0.lock().unwrap();
        for index in 0..appended_count {
            append(&writer, &format!("{index:>width$}", width = LINE_SIZE - 1));
        }
        assert!(!writer.flush(), "nobody reads, and nobody waits for ever");
        drop(reader);
        flush(&writer);
        let (told, kept): (Vec<_>, Vec<_>) =
            sink.lines().into_iter().partition(|line| line.starts_with('{'));
        let mut lost_count = 0;
        for line in told {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["level"], "WARN");
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
            lost_count += line["lost_lines"].as_u64().unwrap();
        }
        assert!(lost_count > 0, "four buffers of lines do not fit in two");
        assert_eq!(kept.len() as u64 + lost_count, appended_count as u64);
        assert!(kept.len() >= LOG_BUFFER_SIZE / LINE_SIZE, "a full buffer is kept");
        assert!(kept.len() <= 2 * LOG_BUFFER_SIZE / LINE_SIZE, "two buffers, no more");
        assert!(kept.is_sorted(), "numbers of one width sort as they were appended");
        append(&writer, "after");
        flush(&writer);
        assert_eq!(sink.lines().last().map(String::as_str), Some("after"), "there is room again");
    }

    #[test]
    fn a_line_larger_than_the_buffer_is_lost_alone() {
        let (sink, writer) = started();
        append(&writer, &"x".repeat(LOG_BUFFER_SIZE));
        append(&writer, "small");
        flush(&writer);
        let lines = sink.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("\"lost_lines\":1")));
        assert!(lines.iter().any(|line| line == "small"));
    }
}
