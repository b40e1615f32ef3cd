//! Cells: one combination of all settings each.

use std::fmt;

use ringhold::base::units::ByteSize;

use super::arguments::{Mode, Operation};

/// What moves the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    IoUring,
    Threads,
}

/// What is measured, but for its sizes: the cells of one group make one plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) operation: Operation,
    pub(super) mode: Mode,
    pub(super) engine: Engine,
    pub(super) worker_count: usize,
}

/// What is measured at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) group: Group,
    /// Bytes of one operation.
    pub(super) chunk_size: usize,
    /// Operations in flight, a worker.
    pub(super) queue_depth: usize,
}

impl Cell {
    /// What its files are called, without their ending.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}-q{}", self.group.file_name(), self.chunk(), self.queue_depth)
    }

    /// The chunk size for people.
    pub(super) fn chunk(&self) -> ByteSize {
        ByteSize(self.chunk_size as u64)
    }

    /// Memory that its buffers take, all workers together, bytes.
    pub(super) fn in_flight_size(&self) -> u64 {
        (self.chunk_size * self.queue_depth * self.group.worker_count) as u64
    }

    /// Bytes that each worker moves of `size`, a multiple of the chunk size.
    pub(super) fn share(&self, size: u64) -> u64 {
        let chunk_size = self.chunk_size as u64;
        size / self.group.worker_count as u64 / chunk_size * chunk_size
    }
}

impl Group {
    /// What its files are called, without their ending.
    pub(super) fn file_name(&self) -> String {
        let Group { operation, mode, engine, worker_count } = self;
        format!("{operation}-{mode}-{engine}-w{worker_count}")
    }

    /// Whether it reads a file that must be there before.
    pub(super) fn has_source(&self) -> bool {
        self.operation != Operation::Write
    }

    /// Whether it writes.
    pub(super) fn has_target(&self) -> bool {
        self.operation != Operation::Read
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} x {}", self.group, self.queue_depth, self.chunk())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Group { operation, mode, engine, worker_count } = self;
        let plural = if *worker_count == 1 { "" } else { "s" };
        write!(f, "{operation}, {mode}, {engine}, {worker_count} worker{plural}")
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Write => "write",
            Operation::Read => "read",
            Operation::Copy => "copy",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Direct => "direct",
            Mode::Buffered => "buffered",
            Mode::Durable => "durable",
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::IoUring => "io_uring",
            Engine::Threads => "threads",
        })
    }
}
