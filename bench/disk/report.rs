//! What was measured, for people, programs and plots.

use std::fmt::Write as _;
use std::io;

use ringhold::base::units::ByteSize;
use serde::Serialize;

use super::cell::Group;
use super::knee::{Knee, knee};
use super::tally::{Run, Tally};
use crate::report::{
    Figure, Folder, FolderError, HeatMap, LinePlot, Machine, Series, Sheet, YScale, hgrm,
    text_table,
};

/// The percentiles that are told.
const PERCENTILES: [(&str, f64); 4] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// Writes everything into the folder of a run.
pub(super) fn write(
    folder: &mut Folder,
    machine: &Machine,
    tallies: &[Tally],
) -> Result<(), FolderError> {
    folder.write_json("machine.json", machine)?;
    folder.write("summary.csv", &summary(tallies).csv())?;
    folder.write_json("summary.json", &Summary::of(tallies))?;
    folder.write("runs.csv", &runs(tallies).csv())?;
    for tally in tallies {
        let name = format!("{}.hgrm", tally.cell.file_name());
        folder.write(&name, &hgrm(&tally.latencies))?;
    }
    for (group, tallies) in by_group(tallies) {
        write_plots(folder, group, &tallies)?;
    }
    Ok(())
}

/// The summary, as `summary.json` has it.
pub(super) fn json(tallies: &[Tally]) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(&Summary::of(tallies))? + "\n")
}

/// The table and the knees, for a terminal.
pub(super) fn text(tallies: &[Tally]) -> String {
    let headers = [
        "operation",
        "mode",
        "engine",
        "workers",
        "chunk",
        "depth",
        "MB/s",
        "op/s",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "max us",
        "CPU s/GB",
    ];
    let rows: Vec<Vec<String>> = tallies.iter().map(text_row).collect();
    let mut text = text_table(&headers, &rows);
    for (group, tallies) in by_group(tallies) {
        if let Some(knee) = knee_of(&tallies) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{group}:\n  {}\n", reason(&knee));
        }
    }
    text
}

fn text_row(tally: &Tally) -> Vec<String> {
    let Group { operation, mode, engine, worker_count } = tally.cell.group;
    let latency = |percentile| format!("{:.0}", tally.latencies.percentile_us(percentile));
    vec![
        operation.to_string(),
        mode.to_string(),
        engine.to_string(),
        worker_count.to_string(),
        tally.cell.chunk().to_string(),
        tally.cell.queue_depth.to_string(),
        format!("{:.0}", tally.median(Run::throughput)),
        format!("{:.0}", tally.median(Run::rate)),
        latency(50.0),
        latency(99.0),
        latency(99.9),
        format!("{:.0}", tally.latencies.max_us()),
        format!("{:.3}", tally.median(Run::cpu_s_per_gb)),
    ]
}

/// Why the knee is recommended.
fn reason(Knee { chosen, best }: &Knee) -> String {
    let cell = |queue_depth, chunk_size| {
        format!("--queue-depth {queue_depth} --chunk-size {}", ByteSize(chunk_size as u64))
    };
    let of_chosen = cell(chosen.queue_depth, chosen.chunk_size);
    let in_flight = ByteSize((chosen.queue_depth * chosen.chunk_size) as u64);
    if chosen == best {
        return format!(
            "take {of_chosen}: at {:.0} MB/s it is the fastest, and nothing with fewer bytes in \
             flight ({in_flight} a worker) comes within 5 %; p99 {:.0} us",
            chosen.throughput, chosen.p99_us
        );
    }
    format!(
        "take {of_chosen}: {:.0} MB/s is within 5 % of the best ({:.0} MB/s by {}), with the \
         fewest bytes in flight ({in_flight} a worker); p99 {:.0} us, that of the best {:.0} us",
        chosen.throughput,
        best.throughput,
        cell(best.queue_depth, best.chunk_size),
        chosen.p99_us,
        best.p99_us
    )
}

fn knee_of(tallies: &[&Tally]) -> Option<Knee> {
    knee(&tallies.iter().map(|tally| tally.point()).collect::<Vec<_>>())
}

/// The cells by what they differ in besides chunk size and queue depth, in order.
fn by_group(tallies: &[Tally]) -> Vec<(Group, Vec<&Tally>)> {
    let mut groups: Vec<(Group, Vec<&Tally>)> = Vec::new();
    for tally in tallies {
        match groups.iter_mut().find(|(group, _)| *group == tally.cell.group) {
            Some((_, members)) => members.push(tally),
            None => groups.push((tally.cell.group, vec![tally])),
        }
    }
    groups
}

/// `summary.json`.
#[derive(Serialize)]
struct Summary {
    cells: Sheet,
    knees: Vec<KneeLine>,
}

/// A knee as JSON has it.
#[derive(Serialize)]
struct KneeLine {
    operation: String,
    mode: String,
    engine: String,
    workers: usize,
    queue_depth: usize,
    chunk_size_bytes: usize,
    throughput_mb_per_s: f64,
    p99_us: f64,
    best_queue_depth: usize,
    best_chunk_size_bytes: usize,
    best_throughput_mb_per_s: f64,
    best_p99_us: f64,
}

impl Summary {
    fn of(tallies: &[Tally]) -> Summary {
        let groups = by_group(tallies);
        let knees = groups.into_iter().filter_map(|(group, tallies)| {
            let Knee { chosen, best } = knee_of(&tallies)?;
            Some(KneeLine {
                operation: group.operation.to_string(),
                mode: group.mode.to_string(),
                engine: group.engine.to_string(),
                workers: group.worker_count,
                queue_depth: chosen.queue_depth,
                chunk_size_bytes: chosen.chunk_size,
                throughput_mb_per_s: chosen.throughput,
                p99_us: chosen.p99_us,
                best_queue_depth: best.queue_depth,
                best_chunk_size_bytes: best.chunk_size,
                best_throughput_mb_per_s: best.throughput,
                best_p99_us: best.p99_us,
            })
        });
        Summary { cells: summary(tallies), knees: knees.collect() }
    }
}

/// What every row begins with.
const CELL_COLUMNS: [&str; 6] =
    ["operation", "mode", "engine", "workers", "chunk_size_bytes", "queue_depth"];

fn cell_figures(tally: &Tally) -> Vec<Figure> {
    let Group { operation, mode, engine, worker_count } = tally.cell.group;
    vec![
        Figure::Text(operation.to_string()),
        Figure::Text(mode.to_string()),
        Figure::Text(engine.to_string()),
        Figure::Count(worker_count as u64),
        Figure::Count(tally.cell.chunk_size as u64),
        Figure::Count(tally.cell.queue_depth as u64),
    ]
}

/// A row a cell.
fn summary(tallies: &[Tally]) -> Sheet {
    const COLUMNS: [&str; 15] = [
        "runs",
        "operations",
        "bytes",
        "throughput_mb_per_s",
        "throughput_mb_per_s_min",
        "throughput_mb_per_s_max",
        "operations_per_s",
        "cpu_s_per_gb",
        "latency_us_mean",
        "latency_us_p50",
        "latency_us_p90",
        "latency_us_p99",
        "latency_us_p99_9",
        "latency_us_max",
        "buffers_registered",
    ];
    let mut sheet = Sheet::new(&[&CELL_COLUMNS[..], &COLUMNS[..]].concat());
    for tally in tallies {
        let (least, greatest) = tally.throughput_range();
        let mut row = cell_figures(tally);
        row.extend([
            Figure::Count(tally.runs.len() as u64),
            Figure::Count(tally.latencies.count()),
            Figure::Count(tally.runs.iter().map(|run| run.bytes).sum()),
            Figure::Number(tally.median(Run::throughput), 1),
            Figure::Number(least, 1),
            Figure::Number(greatest, 1),
            Figure::Number(tally.median(Run::rate), 1),
            Figure::Number(tally.median(Run::cpu_s_per_gb), 4),
            Figure::Number(tally.latencies.mean_us(), 1),
        ]);
        let latencies =
            PERCENTILES.map(|(_, percentile)| tally.latencies.percentile_us(percentile));
        row.extend(latencies.map(|us| Figure::Number(us, 1)));
        row.push(Figure::Number(tally.latencies.max_us(), 1));
        row.push(Figure::Text(tally.is_registered.to_string()));
        sheet.push(row);
    }
    sheet
}

/// A row a cell and run: what the medians are made of.
fn runs(tallies: &[Tally]) -> Sheet {
    let columns = ["run", "operations", "bytes", "elapsed_s", "cpu_s"];
    let mut sheet = Sheet::new(&[&CELL_COLUMNS[..], &columns[..]].concat());
    for tally in tallies {
        for (index, run) in tally.runs.iter().enumerate() {
            let mut row = cell_figures(tally);
            row.extend([
                Figure::Count(index as u64 + 1),
                Figure::Count(run.operations),
                Figure::Count(run.bytes),
                Figure::Number(run.elapsed_s, 6),
                Figure::Number(run.cpu_s, 6),
            ]);
            sheet.push(row);
        }
    }
    sheet
}

fn write_plots(folder: &mut Folder, group: Group, tallies: &[&Tally]) -> Result<(), FolderError> {
    let name = group.file_name();
    for chunk_size in chunk_sizes(tallies) {
        let chunk = ByteSize(chunk_size as u64);
        let plot = latency_plot(group, chunk, &of_chunk(tallies, chunk_size));
        folder.write(&format!("latency-{name}-{chunk}.svg"), &plot.svg())?;
    }
    let throughput = plot_by_chunk(group, "throughput, MB/s", tallies, Run::throughput);
    folder.write(&format!("throughput-{name}.svg"), &throughput.svg())?;
    let cpu = plot_by_chunk(group, "CPU seconds a GB", tallies, Run::cpu_s_per_gb);
    folder.write(&format!("cpu-{name}.svg"), &cpu.svg())?;
    folder.write(&format!("heat-{name}.svg"), &heat_map(group, tallies).svg())
}

fn latency_plot(group: Group, chunk: ByteSize, tallies: &[&Tally]) -> LinePlot {
    let line = |name: &str, latency: &dyn Fn(&Tally) -> f64| Series {
        name: name.to_owned(),
        points: tallies.iter().map(|tally| (depth(tally), latency(tally))).collect(),
    };
    let told = PERCENTILES.into_iter().filter(|(name, _)| *name != "p90");
    let mut series: Vec<Series> = told
        .map(|(name, percentile)| line(name, &|tally| tally.latencies.percentile_us(percentile)))
        .collect();
    series.push(line("max", &|tally| tally.latencies.max_us()));
    LinePlot {
        title: format!("{group}, chunks of {chunk}"),
        x_label: "queue depth".to_owned(),
        y_label: "latency, µs".to_owned(),
        y_scale: YScale::Logarithmic,
        series,
    }
}

/// A line a chunk size.
fn plot_by_chunk(
    group: Group,
    y_label: &str,
    tallies: &[&Tally],
    figure: fn(&Run) -> f64,
) -> LinePlot {
    let line = |chunk_size| Series {
        name: ByteSize(chunk_size as u64).to_string(),
        points: of_chunk(tallies, chunk_size)
            .into_iter()
            .map(|tally| (depth(tally), tally.median(figure)))
            .collect(),
    };
    LinePlot {
        title: format!("{group}, by chunk size"),
        x_label: "queue depth".to_owned(),
        y_label: y_label.to_owned(),
        y_scale: YScale::Linear,
        series: chunk_sizes(tallies).into_iter().map(line).collect(),
    }
}

fn heat_map(group: Group, tallies: &[&Tally]) -> HeatMap {
    let mut queue_depths: Vec<usize> = tallies.iter().map(|tally| tally.cell.queue_depth).collect();
    queue_depths.sort_unstable();
    queue_depths.dedup();
    let chunk_sizes = chunk_sizes(tallies);
    let row = |&chunk_size: &usize| {
        let members = of_chunk(tallies, chunk_size);
        let value = |&queue_depth: &usize| {
            let found = members.iter().find(|tally| tally.cell.queue_depth == queue_depth);
            found.map(|tally| tally.median(Run::throughput))
        };
        queue_depths.iter().map(value).collect()
    };
    HeatMap {
        title: format!("{group}: throughput, MB/s"),
        values: chunk_sizes.iter().map(row).collect(),
        columns: ("queue depth".to_owned(), queue_depths.iter().map(usize::to_string).collect()),
        rows: (
            "chunk size".to_owned(),
            chunk_sizes.iter().map(|&size| ByteSize(size as u64).to_string()).collect(),
        ),
    }
}

/// Ascending.
fn chunk_sizes(tallies: &[&Tally]) -> Vec<usize> {
    let mut sizes: Vec<usize> = tallies.iter().map(|tally| tally.cell.chunk_size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn of_chunk<'a>(tallies: &[&'a Tally], chunk_size: usize) -> Vec<&'a Tally> {
    tallies.iter().copied().filter(|tally| tally.cell.chunk_size == chunk_size).collect()
}

fn depth(tally: &Tally) -> f64 {
    crate::report::approximate(tally.cell.queue_depth as u64)
}
