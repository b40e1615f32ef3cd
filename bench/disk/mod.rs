//! `ringhold-bench disk`: what a disk gives, by chunk size, queue depth, workers, engine and mode,
//! over the library's own disk floor. Floor 1 of the bench.

mod arguments;
mod command;

pub(crate) use arguments::DiskArguments;
pub(crate) use command::run;
