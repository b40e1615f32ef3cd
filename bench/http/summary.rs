//! What a run tells: a table, one line of JSON, files.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::ValueEnum as _;
use ringhold::cli::Failure;
use serde_json::{Value, json};

use super::tally::Tally;
use super::work::Work;
use crate::report::{
    Distribution, Figure, Folder, LinePlot, Machine, Series, Sheet, YScale, approximate, hgrm,
    text_table,
};

/// Percentiles that are told, and their names.
const PERCENTILES: [(&str, f64); 5] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9), ("p9999", 99.99)];
/// Halvings of the distance to 100 % that the plot shows: to 99.998 %.
const PLOT_HALVINGS: u32 = 16;

/// The figures of a run.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) work: Work,
    pub(crate) connections: usize,
    /// The rate that was asked for.
    pub(crate) rate: Option<NonZeroU64>,
    /// Whether the server fell so far behind it that the run ended.
    pub(crate) is_behind: bool,
    /// Requests that were due and not made.
    pub(crate) overdue: u64,
    pub(crate) idle: usize,
    pub(crate) idle_closed: usize,
    pub(crate) duration: Duration,
    /// CPU time of the generator.
    pub(crate) cpu: Duration,
    pub(crate) tally: Tally,
}

impl Summary {
    /// The table for people.
    pub(crate) fn text(&self) -> String {
        let row = |(name, latencies): (String, Distribution)| {
            let mut row = vec![name, latencies.count().to_string()];
            row.extend(latency_figures(&latencies).map(|(_, us)| format!("{us:.0}")));
            row
        };
        let mut headers = vec!["work", "requests"];
        headers.extend(latency_figures(&Distribution::new()).map(|(name, _)| name));
        let rows: Vec<_> = self.works().into_iter().map(row).collect();
        let tally = &self.tally;
        format!(
            "{}latencies in microseconds{}\n\n{:.0} requests/s, {:.3} GB/s: {} requests, {} errors, \
             {} bytes in {:.3} s\ngenerator: {:.2} CPU-s; {} downloads compared; {} connections \
             reopened\n",
            text_table(&headers, &rows),
            if self.rate.is_some() { ", from when a request was due" } else { "" },
            self.requests_per_s(),
            self.gb_per_s(),
            tally.succeeded,
            tally.errors,
            tally.content_size,
            self.duration.as_secs_f64(),
            self.cpu.as_secs_f64(),
            tally.verified,
            tally.reopened,
        )
    }

    /// One line for programs.
    pub(crate) fn json(&self) -> Result<String, Failure> {
        serde_json::to_string(&self.value()).map(|line| line + "\n").map_err(Failure::failed)
    }

    /// What a reader of the figures must know.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let (true, Some(rate)) = (self.is_behind, self.rate) {
            notes.push(format!(
                "the server does not keep up: {rate} requests/s were asked for, {:.0}/s answered; \
                 the run ended with {} requests overdue, whose waiting no latency holds",
                self.requests_per_s(),
                self.overdue
            ));
        }
        if self.idle_closed > 0 {
            notes.push(format!(
                "the server closed {} of {} idle connections",
                self.idle_closed, self.idle
            ));
        }
        notes
    }

    /// Whether all went well, and if not what went wrong first.
    pub(crate) fn verdict(&self, is_interrupted: bool) -> Result<(), Failure> {
        match &self.tally.first_error {
            Some(error) => {
                let count = self.tally.errors;
                Err(Failure::Failed(format!("{count} requests failed. The first: {error}")))
            }
            None if is_interrupted => {
                Err(Failure::Failed("interrupted: these figures are of a part".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Writes everything a later reader needs.
    pub(crate) fn write(&self, folder: &mut Folder, machine: &Machine) -> Result<(), Failure> {
        for (name, latencies) in self.works() {
            folder.write(&format!("{name}.hgrm"), &hgrm(&latencies)).map_err(Failure::failed)?;
        }
        folder.write("summary.csv", &self.sheet().csv()).map_err(Failure::failed)?;
        folder.write_json("summary.json", &self.value()).map_err(Failure::failed)?;
        folder.write_json("machine.json", machine).map_err(Failure::failed)?;
        folder.write("latency.svg", &self.plot().svg()).map_err(Failure::failed)
    }

    /// The kinds of requests in this work, each with its name and latencies.
    fn works(&self) -> Vec<(String, Distribution)> {
        let name = self.work_name();
        if self.work == Work::Mixed {
            let parts = [("upload", &self.tally.uploads), ("download", &self.tally.downloads)];
            return parts.map(|(part, of)| (format!("{name}-{part}"), of.clone())).to_vec();
        }
        vec![(name, self.tally.latencies())]
    }

    fn value(&self) -> Value {
        let latencies = self.tally.latencies();
        let mut latency_us = json!({ "mean": rounded(latencies.mean_us()) });
        for (name, us) in latency_figures(&latencies) {
            latency_us[name] = rounded(us).into();
        }
        json!({
            "work": self.work_name(),
            "connections": self.connections,
            "requests": self.tally.succeeded,
            "errors": self.tally.errors,
            "bytes": self.tally.content_size,
            "seconds": self.duration.as_secs_f64(),
            "requests_per_s": rounded(self.requests_per_s()),
            "gb_per_s": self.gb_per_s(),
            "cpu_s": self.cpu.as_secs_f64(),
            "latency_us": latency_us,
            "verified": self.tally.verified,
            "reopened": self.tally.reopened,
            "rate_asked": self.rate,
            "is_behind": self.is_behind,
            "overdue": self.overdue,
            "idle": self.idle,
            "idle_closed": self.idle_closed,
        })
    }

    fn sheet(&self) -> Sheet {
        let mut columns = vec!["work", "requests"];
        columns.extend(COLUMNS);
        let mut sheet = Sheet::new(&columns);
        for (name, latencies) in self.works() {
            let mut row = vec![Figure::Text(name), Figure::Count(latencies.count())];
            row.extend(latency_figures(&latencies).map(|(_, us)| Figure::Number(us, 3)));
            row.push(Figure::Number(latencies.mean_us(), 3));
            row.push(Figure::Count(self.tally.errors));
            row.push(Figure::Count(self.tally.content_size));
            row.push(Figure::Number(self.duration.as_secs_f64(), 6));
            row.push(Figure::Number(self.cpu.as_secs_f64(), 6));
            sheet.push(row);
        }
        sheet
    }

    fn plot(&self) -> LinePlot {
        let series = self.works().into_iter().map(|(name, latencies)| {
            let point = |halvings: u32| {
                let x = approximate(1 << halvings);
                (x, latencies.percentile_us(100.0 - 100.0 / x))
            };
            Series { name, points: (0..=PLOT_HALVINGS).map(point).collect() }
        });
        LinePlot {
            title: format!("Latency of {}, {} connections", self.work_name(), self.connections),
            x_label: "one request in so many is slower (2: median, 128: p99.2)".to_owned(),
            y_label: "microseconds".to_owned(),
            y_scale: YScale::Logarithmic,
            series: series.collect(),
        }
    }

    fn work_name(&self) -> String {
        self.work.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn requests_per_s(&self) -> f64 {
        per_second(approximate(self.tally.succeeded), self.duration)
    }

    fn gb_per_s(&self) -> f64 {
        per_second(approximate(self.tally.content_size) / 1e9, self.duration)
    }
}

/// The columns behind `work` and `requests`; those of the whole run are the same in every row.
const COLUMNS: [&str; 12] = [
    "min_us",
    "p50_us",
    "p90_us",
    "p99_us",
    "p999_us",
    "p9999_us",
    "max_us",
    "mean_us",
    "errors",
    "bytes",
    "duration_s",
    "generator_cpu_s",
];

/// Names and values, microseconds, least first.
fn latency_figures(latencies: &Distribution) -> [(&'static str, f64); 7] {
    let mut figures = [("min", latencies.percentile_us(0.0)); 7];
    for (figure, (name, percentile)) in figures[1..].iter_mut().zip(PERCENTILES) {
        *figure = (name, latencies.percentile_us(percentile));
    }
    figures[6] = ("max", latencies.max_us());
    figures
}

fn per_second(amount: f64, duration: Duration) -> f64 {
    if duration.is_zero() { 0.0 } else { amount / duration.as_secs_f64() }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
