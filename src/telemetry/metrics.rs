//! The metrics of the process: one set of cells per worker, written by that worker alone, and
//! their rendering for Prometheus by whichever worker is asked.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use super::cells::Histogram;
use super::process::{PROCESS_TABLE, ProcessFigures, figure, seconds_since_1970};
use super::table::{Cell, Spec, TABLE, WorkerMetrics};

/// All cells of the process.
#[derive(Debug)]
pub struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
    started: SystemTime,
    /// What moves bytes to disk and whether its buffers are registered.
    engine: OnceLock<(String, bool)>,
    /// Reads and writes that one worker may have in the kernel.
    queue_depth: OnceLock<usize>,
}

impl Metrics {
    /// Cells for `worker_count` workers, all zero.
    pub fn new(worker_count: usize) -> Arc<Metrics> {
        let workers = (0..worker_count).map(|_| Arc::default()).collect();
        let (engine, queue_depth) = (OnceLock::new(), OnceLock::new());
        Arc::new(Metrics { workers, started: SystemTime::now(), engine, queue_depth })
    }

    /// The cells of one worker.
    pub fn worker(&self, worker_index: usize) -> Arc<WorkerMetrics> {
        assert!(worker_index < self.workers.len(), "no worker {worker_index}");
        Arc::clone(&self.workers[worker_index])
    }

    /// Says which engine runs; the first to say it is believed, as all workers run the same.
    pub fn set_engine(&self, engine: &str, buffers_registered: bool) {
        let _ = self.engine.set((engine.to_owned(), buffers_registered));
    }

    /// Says how deep the workers' queues are.
    pub fn set_queue_depth(&self, queue_depth: usize) {
        let _ = self.queue_depth.set(queue_depth);
    }

    /// Everything in the Prometheus text format, version 0.0.4. Of the process, the caller has
    /// found out what is not known here.
    pub fn render(&self, figures: &ProcessFigures) -> String {
        let mut page = String::new();
        self.render_process(&mut page, figures);
        let cells: Vec<_> = self.workers.iter().map(|worker| worker.cells()).collect();
        let mut named = "";
        for (cell_index, spec) in TABLE.iter().enumerate() {
            if spec.name != named {
                named = spec.name;
                render_head(&mut page, spec.name, spec.kind.word(), spec.help);
            }
            for (worker_index, cells) in cells.iter().enumerate() {
                render_cell(&mut page, spec, worker_index, &cells[cell_index]);
            }
        }
        page
    }

    fn render_process(&self, page: &mut String, figures: &ProcessFigures) {
        let version = env!("CARGO_PKG_VERSION");
        render_head(page, "ringhold_build_info", "gauge", "The version of this program.");
        line(page, format_args!("ringhold_build_info{{version=\"{version}\"}} 1"));
        if let Some((engine, registered)) = self.engine.get() {
            render_head(page, "ringhold_engine_info", "gauge", "What moves bytes to disk.");
            line(
                page,
                format_args!(
                    "ringhold_engine_info{{engine=\"{engine}\",buffers_registered=\"{registered}\"}} 1"
                ),
            );
        }
        let figures = ProcessFigures {
            workers: Some(figure(self.workers.len() as u64)),
            queue_depth: self.queue_depth.get().map(|depth| figure(*depth as u64)),
            start_time: Some(seconds_since_1970(self.started)),
            ..figures.clone()
        };
        for (spec, value) in PROCESS_TABLE.iter().zip(figures.values()) {
            let Some(value) = value else { continue };
            render_head(page, spec.name, spec.kind.word(), spec.help);
            line(page, format_args!("{} {value}", spec.name));
        }
    }
}

fn render_head(page: &mut String, name: &str, kind: &str, help: &str) {
    line(page, format_args!("# HELP {name} {help}"));
    line(page, format_args!("# TYPE {name} {kind}"));
}

fn render_cell(page: &mut String, spec: &Spec, worker_index: usize, cell: &Cell<'_>) {
    let name = spec.name;
    let comma = if spec.label.is_empty() { "" } else { "," };
    let labels = format!("worker=\"{worker_index}\"{comma}{}", spec.label);
    match cell {
        Cell::Counter(counter) => line(page, format_args!("{name}{{{labels}}} {}", counter.get())),
        Cell::Gauge(gauge) => line(page, format_args!("{name}{{{labels}}} {}", gauge.get())),
        Cell::Histogram(histogram) => render_histogram(page, name, &labels, histogram),
    }
}

fn render_histogram(page: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    // Taken first: a recording in between may raise a bucket above it, never the other way round.
    let sum_ns = histogram.sum_ns();
    let mut count = 0;
    for (bound, below) in histogram.cumulative() {
        count = below;
        line(page, format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {below}"));
    }
    let count = histogram.count().max(count);
    line(page, format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}"));
    let (seconds, rest_ns) = (sum_ns / 1_000_000_000, sum_ns % 1_000_000_000);
    line(page, format_args!("{name}_sum{{{labels}}} {seconds}.{rest_ns:09}"));
    line(page, format_args!("{name}_count{{{labels}}} {count}"));
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_scrape_shows_every_worker_under_one_heading() {
        let metrics = Metrics::new(2);
        metrics.worker(1).responses_4xx.add(3);
        let page = metrics.render(&ProcessFigures::default());
        assert_eq!(page.matches("# TYPE ringhold_responses_total counter\n").count(), 1);
        assert!(page.contains("ringhold_responses_total{worker=\"0\",class=\"4xx\"} 0\n"));
        assert!(page.contains("ringhold_responses_total{worker=\"1\",class=\"4xx\"} 3\n"));
    }

    #[test]
    fn a_histogram_is_written_as_prometheus_reads_it() {
        let metrics = Metrics::new(1);
        metrics.worker(0).sync_duration.record(Duration::from_millis(3));
        let page = metrics.render(&ProcessFigures::default());
        let expected = "ringhold_sync_duration_seconds_bucket{worker=\"0\",le=\"0.0025\"} 0\n\
                        ringhold_sync_duration_seconds_bucket{worker=\"0\",le=\"0.005\"} 1\n";
        assert!(page.contains(expected), "{page}");
        assert!(page.contains("ringhold_sync_duration_seconds_sum{worker=\"0\"} 0.003000000\n"));
        assert!(page.contains("ringhold_sync_duration_seconds_count{worker=\"0\"} 1\n"));
    }

    #[test]
    fn the_engine_is_named_once_it_is_known() {
        let metrics = Metrics::new(1);
        assert!(!metrics.render(&ProcessFigures::default()).contains("ringhold_engine_info"));
        metrics.set_engine("io_uring", true);
        let line = "ringhold_engine_info{engine=\"io_uring\",buffers_registered=\"true\"} 1\n";
        assert!(metrics.render(&ProcessFigures::default()).contains(line));
    }

    #[test]
    fn figures_of_the_process_are_whole_numbers_and_unknown_ones_left_out() {
        let metrics = Metrics::new(3);
        let free = Some(figure(123_456_789_012_345));
        let page = metrics.render(&ProcessFigures { volume_free: free, ..Default::default() });
        assert!(page.contains("\nringhold_volume_free_bytes 123456789012345\n"), "{page}");
        assert!(page.contains("# TYPE ringhold_workers gauge\nringhold_workers 3\n"));
        assert!(page.contains("\nprocess_start_time_seconds "));
        assert!(!page.contains("process_open_fds"));
    }
}
