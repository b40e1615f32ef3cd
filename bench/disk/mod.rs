//! `ringhold-bench disk`: what a disk gives, by chunk size, queue depth, workers, engine and mode,
//! over the library's own disk floor. Floor 1 of the bench.
//!
//! 1. `options` makes a list of cells of the flags, `command` makes a directory of its own.
//! 2. A run lays the files that are read (`sources`) and measures every cell once (`crew`): a thread
//!    a worker, each with its own runtime, disk and file, that keeps the queue full (`lanes`).
//! 3. Runs follow each other, so that the cells take turns; `tally` has their medians, `knee` picks
//!    one, `report` writes it all down.

mod arguments;
mod cell;
mod command;
mod copying;
mod crew;
mod knee;
mod lanes;
mod options;
mod report;
mod scratch;
mod sources;
mod tally;

pub(crate) use arguments::DiskArguments;
pub(crate) use command::run;
