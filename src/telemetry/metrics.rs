//! The metrics of the process: one set of cells per worker, written by that worker alone, and
//! their rendering for Prometheus by whichever worker is asked.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use super::cells::{Gauge, Histogram};
use super::table::{Cell, Spec, TABLE, WorkerMetrics};

/// All cells of the process.
#[derive(Debug)]
pub struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
    /// What moves bytes to disk and whether its buffers are registered.
    engine: OnceLock<(String, bool)>,
    volume_failed: Gauge,
    volume_free_bytes: Gauge,
}

impl Metrics {
    /// Cells for `worker_count` workers, all zero.
    pub fn new(worker_count: usize) -> Arc<Metrics> {
        let workers = (0..worker_count).map(|_| Arc::default()).collect();
        let (volume_failed, volume_free_bytes) = Default::default();
        Arc::new(Metrics { workers, engine: OnceLock::new(), volume_failed, volume_free_bytes })
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

    /// Says whether the volume has failed.
    pub fn set_volume_failed(&self, has_failed: bool) {
        self.volume_failed.set(usize::from(has_failed));
    }

    /// Says what was free on the volume when last looked at.
    pub fn set_volume_free(&self, bytes: u64) {
        self.volume_free_bytes.set(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// Everything in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut page = String::new();
        self.render_process(&mut page);
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

    fn render_process(&self, page: &mut String) {
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
        let failed = "1 while the volume takes no uploads because writing to it failed.";
        render_head(page, "ringhold_volume_failed", "gauge", failed);
        line(page, format_args!("ringhold_volume_failed {}", self.volume_failed.get()));
        let free = "Bytes free on the volume, the reserve among them, when an upload last asked.";
        render_head(page, "ringhold_volume_free_bytes", "gauge", free);
        line(page, format_args!("ringhold_volume_free_bytes {}", self.volume_free_bytes.get()));
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
        let page = metrics.render();
        assert_eq!(page.matches("# TYPE ringhold_responses_total counter\n").count(), 1);
        assert!(page.contains("ringhold_responses_total{worker=\"0\",class=\"4xx\"} 0\n"));
        assert!(page.contains("ringhold_responses_total{worker=\"1\",class=\"4xx\"} 3\n"));
    }

    #[test]
    fn a_histogram_is_written_as_prometheus_reads_it() {
        let metrics = Metrics::new(1);
        metrics.worker(0).sync_duration.record(Duration::from_millis(3));
        let page = metrics.render();
        let expected = "ringhold_sync_duration_seconds_bucket{worker=\"0\",le=\"0.001\"} 0\n\
                        ringhold_sync_duration_seconds_bucket{worker=\"0\",le=\"0.005\"} 1\n";
        assert!(page.contains(expected), "{page}");
        assert!(page.contains("ringhold_sync_duration_seconds_sum{worker=\"0\"} 0.003000000\n"));
        assert!(page.contains("ringhold_sync_duration_seconds_count{worker=\"0\"} 1\n"));
    }

    #[test]
    fn the_engine_is_named_once_it_is_known() {
        let metrics = Metrics::new(1);
        assert!(!metrics.render().contains("ringhold_engine_info"));
        metrics.set_engine("io_uring", true);
        let line = "ringhold_engine_info{engine=\"io_uring\",buffers_registered=\"true\"} 1\n";
        assert!(metrics.render().contains(line));
    }
}
