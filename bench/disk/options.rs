//! What the flags ask for, checked: the cells, and how they are measured.

use std::path::PathBuf;
use std::time::Duration;

use ringhold::base::host::Host;
use ringhold::base::limits::{OBJECT_SIZE_MAX, QUEUE_DEPTH_MAX, WORKERS_MAX};
use ringhold::base::units::{ByteSize, DurationArg};
use ringhold::cli::Failure;
use ringhold::disk::{Chosen, EngineChoice, EngineKind, choose};
use ringhold::plan::Geometry;

use super::DiskArguments;
use super::arguments::{EngineArgument, Mode, Operation};
use super::cell::{Cell, Engine, Group};

/// Most cells of one command: each keeps a histogram of 264 KiB, 132 MiB in all.
const CELLS_MAX: usize = 500;
/// Most runs: a median of more is no better.
const RUNS_MAX: usize = 100;
/// Shortest and longest time for a cell in one run.
const TIME_LIMIT_MIN: Duration = Duration::from_millis(10);
const TIME_LIMIT_MAX: Duration = Duration::from_mins(10);
/// Times that a worker must fill its queue for a figure that says something: the first filling is
/// the warm-up.
const QUEUES_MIN: u64 = 4;
/// Buffers take at most one of so many parts of the memory.
const MEMORY_PARTS: u64 = 4;

/// What is measured, and how.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) dir: PathBuf,
    /// Bytes that a cell moves at most.
    pub(super) size: u64,
    pub(super) cells: Vec<Cell>,
    /// Combinations that are not measured, since their bytes do not fill their queue.
    pub(super) skipped_count: usize,
    pub(super) run_count: usize,
    pub(super) time_limit: Duration,
    pub(super) out: Option<PathBuf>,
    pub(super) json: bool,
}

/// The engines that are asked for, and what the probe said of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Engines {
    chosen: Vec<(Engine, Chosen)>,
    /// Why one is not what was wanted.
    pub(super) warnings: Vec<String>,
}

impl Engines {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When `io_uring` was demanded and does not work here.
    pub(super) fn choose(wanted: &[EngineArgument]) -> Result<Engines, Failure> {
        let mut engines = Engines::default();
        for choice in wanted {
            let choice = match choice {
                EngineArgument::Auto => EngineChoice::Auto,
                EngineArgument::IoUring => EngineChoice::IoUring,
                EngineArgument::Threads => EngineChoice::Threads,
            };
            let chosen = choose(choice).map_err(Failure::failed)?;
            engines.warnings.extend(chosen.warning.clone());
            let engine = match chosen.kind() {
                EngineKind::IoUring => Engine::IoUring,
                EngineKind::Threads | EngineKind::Memory => Engine::Threads,
            };
            if !engines.names().contains(&engine) {
                engines.chosen.push((engine, chosen));
            }
        }
        Ok(engines)
    }

    /// In the order they were asked for.
    pub(super) fn names(&self) -> Vec<Engine> {
        self.chosen.iter().map(|(engine, _)| *engine).collect()
    }

    /// How `engine` is opened.
    pub(super) fn get(&self, engine: Engine) -> Chosen {
        let found = self.chosen.iter().find(|(name, _)| *name == engine);
        match found {
            Some((_, chosen)) => chosen.clone(),
            None => unreachable!("cells are made of the engines that were chosen"),
        }
    }
}

impl Options {
    /// Checks the flags and makes the cells.
    ///
    /// # Errors
    /// `Usage`, which names the flag and what would do.
    pub(super) fn resolve(raw: DiskArguments, engines: &[Engine]) -> Result<Options, Failure> {
        check_bounds(&raw)?;
        let all = combinations(&raw, engines)?;
        let combination_count = all.len();
        let size = raw.size.0;
        let fits = |cell: &Cell| {
            cell.share(size) >= QUEUES_MIN * (cell.chunk_size * cell.queue_depth) as u64
        };
        let cells: Vec<Cell> = all.into_iter().filter(fits).collect();
        if cells.is_empty() {
            return Err(Failure::usage(format!(
                "--size {} fills no queue {QUEUES_MIN} times: give more, or smaller chunks, \
                 queue depths or numbers of workers",
                raw.size
            )));
        }
        check_memory(&cells, Host::of_process().memory_bytes)?;
        Ok(Options {
            dir: raw.dir,
            size,
            skipped_count: combination_count - cells.len(),
            cells,
            run_count: raw.runs,
            time_limit: raw.time_limit,
            out: raw.out,
            json: raw.json,
        })
    }

    /// Bytes of the file that each worker reads, for as many as there may be; none where nothing
    /// is read.
    pub(super) fn source_sizes(&self) -> Vec<u64> {
        let readers = || self.cells.iter().filter(|cell| cell.group.has_source());
        let worker_count = readers().map(|cell| cell.group.worker_count).max().unwrap_or(0);
        let size_of = |worker_index| {
            let with_it = readers().filter(|cell| worker_index < cell.group.worker_count);
            with_it.map(|cell| cell.share(self.size)).max().unwrap_or(0)
        };
        (0..worker_count).map(size_of).collect()
    }

    /// Bytes that lie in the directory at the same time, at most.
    pub(super) fn footprint(&self) -> u64 {
        let writes = self.cells.iter().any(|cell| cell.group.has_target());
        let target_size = if writes { self.size } else { 0 };
        self.source_sizes().into_iter().fold(target_size, u64::saturating_add)
    }
}

fn check_bounds(raw: &DiskArguments) -> Result<(), Failure> {
    within("--queue-depth", &raw.queue_depth, QUEUE_DEPTH_MAX)?;
    within("--workers", &raw.workers, WORKERS_MAX)?;
    within("--runs", &[raw.runs], RUNS_MAX)?;
    for size in &raw.chunk_size {
        let size = usize::try_from(size.0).unwrap_or(usize::MAX);
        Geometry::new(size).map_err(|error| Failure::usage(format!("--chunk-size: {error}")))?;
    }
    if raw.size.0 > OBJECT_SIZE_MAX {
        return Err(Failure::usage(format!("--size {} is beyond the largest file", raw.size)));
    }
    if !(TIME_LIMIT_MIN..=TIME_LIMIT_MAX).contains(&raw.time_limit) {
        return Err(Failure::usage(format!(
            "--time-limit {} is out of bounds: give {} to {}",
            DurationArg(raw.time_limit),
            DurationArg(TIME_LIMIT_MIN),
            DurationArg(TIME_LIMIT_MAX)
        )));
    }
    Ok(())
}

fn within(flag: &str, values: &[usize], max: usize) -> Result<(), Failure> {
    match values.iter().find(|value| !(1..=max).contains(*value)) {
        None => Ok(()),
        Some(value) => {
            Err(Failure::usage(format!("{flag} {value} is out of bounds: give 1 to {max}")))
        }
    }
}

/// Every combination that has a meaning, each once.
fn combinations(raw: &DiskArguments, engines: &[Engine]) -> Result<Vec<Cell>, Failure> {
    let groups = groups(raw, engines);
    if groups.is_empty() {
        return Err(Failure::usage(
            "--mode durable measures writes, and --operation has none: add write or copy, or \
             choose --mode direct",
        ));
    }
    let chunk_sizes = ascending(raw.chunk_size.iter().map(|size| size.0));
    let queue_depths = ascending(raw.queue_depth.iter().copied());
    let count = groups.len() * chunk_sizes.len() * queue_depths.len();
    if count > CELLS_MAX {
        return Err(Failure::usage(format!(
            "these lists make {count} cells, more than {CELLS_MAX}: measure fewer combinations \
             at a time"
        )));
    }
    let mut cells = Vec::with_capacity(count);
    for group in groups {
        for &chunk_size in &chunk_sizes {
            let chunk_size = usize::try_from(chunk_size).unwrap_or(usize::MAX);
            cells.extend(queue_depths.iter().map(|&queue_depth| Cell {
                group,
                chunk_size,
                queue_depth,
            }));
        }
    }
    Ok(cells)
}

fn groups(raw: &DiskArguments, engines: &[Engine]) -> Vec<Group> {
    let worker_counts = ascending(raw.workers.iter().copied());
    let mut groups = Vec::new();
    for &operation in &raw.operation {
        for &mode in &raw.mode {
            for &engine in engines {
                for &worker_count in &worker_counts {
                    let group = Group { operation, mode, engine, worker_count };
                    let has_meaning = mode != Mode::Durable || operation != Operation::Read;
                    if has_meaning && !groups.contains(&group) {
                        groups.push(group);
                    }
                }
            }
        }
    }
    groups
}

fn ascending<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// A machine that swaps measures its swap.
fn check_memory(cells: &[Cell], memory_bytes: u64) -> Result<(), Failure> {
    let limit = memory_bytes / MEMORY_PARTS;
    match cells.iter().max_by_key(|cell| cell.in_flight_size()) {
        Some(largest) if memory_bytes > 0 && largest.in_flight_size() > limit => {
            Err(Failure::usage(format!(
                "{largest} needs {} of buffers, more than a quarter of the memory: measure \
                 smaller chunks, queue depths or numbers of workers",
                ByteSize(largest.in_flight_size())
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        disk: DiskArguments,
    }

    fn resolve(flags: &[&str]) -> Result<Options, Failure> {
        let line = std::iter::once("bench").chain(flags.iter().copied());
        Options::resolve(CommandLine::try_parse_from(line).unwrap().disk, &[Engine::IoUring])
    }

    #[test]
    fn every_combination_is_a_cell_once() {
        let options = resolve(&["--queue-depth", "8,1,8", "--chunk-size", "1MiB,4KiB"]).unwrap();
        let read_and_write = 2 * 2 * 2;
        assert_eq!((options.cells.len(), options.skipped_count), (read_and_write, 0));
        let names: Vec<String> = options.cells.iter().map(Cell::file_name).collect();
        assert_eq!(names[0], "write-direct-io_uring-w1-4KiB-q1");
        assert_eq!(names[7], "read-direct-io_uring-w1-1MiB-q8");
    }

    #[test]
    fn a_queue_that_its_bytes_do_not_fill_is_skipped() {
        let flags = ["--size", "16MiB", "--chunk-size", "1MiB", "--queue-depth", "4,5"];
        let options = resolve(&flags).unwrap();
        assert_eq!((options.cells.len(), options.skipped_count), (2, 2));
        let refused = resolve(&["--size", "1MiB", "--chunk-size", "1MiB"]).unwrap_err();
        assert!(refused.to_string().contains("fills no queue"), "{refused}");
    }

    #[test]
    fn a_read_has_nothing_to_sync() {
        let both = resolve(&["--mode", "durable"]).unwrap();
        assert!(both.cells.iter().all(|cell| cell.group.operation == Operation::Write));
        let refused = resolve(&["--mode", "durable", "--operation", "read"]).unwrap_err();
        assert!(refused.to_string().contains("--mode direct"), "{refused}");
    }

    #[test]
    fn what_is_out_of_bounds_is_a_usage_error_that_says_what_would_do() {
        let many = (1..=600).map(|depth| depth.to_string()).collect::<Vec<_>>().join(",");
        for (flags, words) in [
            (&["--queue-depth", "0"][..], "1 to 1024"),
            (&["--queue-depth", "1025"], "1 to 1024"),
            (&["--workers", "513"], "1 to 512"),
            (&["--runs", "0"], "1 to 100"),
            (&["--chunk-size", "5000"], "a power of two from 4KiB to 16MiB"),
            (&["--time-limit", "1ms"], "10ms"),
            (&["--size", "16777215TiB"], "largest file"),
            (&["--size", "1TiB", "--queue-depth", &many], "more than 500"),
            (
                &[
                    "--size",
                    "100TiB",
                    "--chunk-size",
                    "16MiB",
                    "--queue-depth",
                    "1024",
                    "--workers",
                    "512",
                ],
                "of buffers",
            ),
        ] {
            let refused = resolve(flags).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{flags:?}");
            assert!(refused.to_string().contains(words), "{flags:?}: {refused}");
        }
    }

    #[test]
    fn the_first_worker_reads_the_largest_file_and_all_of_it_is_counted() {
        let flags = ["--size", "64MiB", "--workers", "1,2,4", "--queue-depth", "1"];
        let options = resolve(&flags).unwrap();
        let mib: Vec<u64> = options.source_sizes().iter().map(|size| size >> 20).collect();
        assert_eq!(mib, [64, 32, 16, 16]);
        assert_eq!(options.footprint() >> 20, 64 + 128);
        let writes = resolve(&["--operation", "write"]).unwrap();
        assert!(writes.source_sizes().is_empty());
    }
}
