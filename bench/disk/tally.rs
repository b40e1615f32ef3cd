//! What a cell reached in all its runs: medians of the figures, all latencies in one histogram.

use super::cell::Cell;
use super::crew::Measured;
use super::knee::Point;
use crate::report::{Distribution, approximate, median};

/// One run of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) operations: u64,
    pub(super) bytes: u64,
    pub(super) elapsed_s: f64,
    pub(super) cpu_s: f64,
}

/// All runs of a cell.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) cell: Cell,
    pub(super) runs: Vec<Run>,
    pub(super) latencies: Distribution,
    pub(super) is_registered: bool,
}

impl Run {
    /// Megabytes (10^6) a second.
    pub(super) fn throughput(&self) -> f64 {
        approximate(self.bytes) / 1e6 / self.elapsed_s.max(f64::MIN_POSITIVE)
    }

    /// Operations a second.
    pub(super) fn rate(&self) -> f64 {
        approximate(self.operations) / self.elapsed_s.max(f64::MIN_POSITIVE)
    }

    /// CPU seconds a gigabyte (10^9).
    pub(super) fn cpu_s_per_gb(&self) -> f64 {
        self.cpu_s / (approximate(self.bytes) / 1e9).max(f64::MIN_POSITIVE)
    }
}

impl Tally {
    pub(super) fn new(cell: Cell) -> Tally {
        Tally { cell, runs: Vec::new(), latencies: Distribution::new(), is_registered: true }
    }

    /// Takes in one more run.
    pub(super) fn add(&mut self, measured: &Measured) {
        self.latencies.merge(&measured.latencies);
        self.is_registered &= measured.is_registered;
        self.runs.push(Run {
            operations: measured.latencies.count(),
            bytes: measured.bytes,
            elapsed_s: measured.elapsed.as_secs_f64(),
            cpu_s: measured.cpu.as_secs_f64(),
        });
    }

    /// The median over the runs of one of their figures.
    pub(super) fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(&self.runs.iter().map(figure).collect::<Vec<f64>>())
    }

    /// The least and the greatest throughput.
    pub(super) fn throughput_range(&self) -> (f64, f64) {
        let all = || self.runs.iter().map(Run::throughput);
        (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max))
    }

    /// What the knee is found by.
    pub(super) fn point(&self) -> Point {
        Point {
            queue_depth: self.cell.queue_depth,
            chunk_size: self.cell.chunk_size,
            throughput: self.median(Run::throughput),
            p99_us: self.latencies.percentile_us(99.0),
        }
    }
}
