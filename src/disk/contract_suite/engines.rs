//! The engines that the suite runs on, all but the ring's own (`uring.rs`).

use std::future::Future;
use std::rc::Rc;

use super::bench::{Bench, Engine, Options, run_local, slab};
use crate::disk::{FaultPlan, FaultyDisk, MemoryDisk, MeteredDisk, ThreadsDisk};
use crate::telemetry::Metrics;

pub(super) struct Threads;

impl Engine for Threads {
    fn run(test: impl Future<Output = ()> + 'static) {
        run_local(test);
    }

    fn bench(options: &Options) -> Bench {
        let disk = ThreadsDisk::new(slab(), options.queue_depth).unwrap();
        Bench::on_os(Rc::new(disk.with_journal(options.journal())))
    }
}

pub(super) struct Memory;

impl Engine for Memory {
    fn run(test: impl Future<Output = ()> + 'static) {
        run_local(test);
    }

    fn bench(options: &Options) -> Bench {
        let memory = memory(options);
        Bench::on_memory(memory.clone(), memory)
    }
}

fn memory(options: &Options) -> Rc<MemoryDisk> {
    let disk = MemoryDisk::new(slab(), options.queue_depth);
    Rc::new(if options.tmpfile { disk } else { disk.without_tmpfile() })
}

/// A faulty disk without faults.
pub(super) struct Faulty;

impl Engine for Faulty {
    const DROPS_WHAT_WAITS: bool = false;

    fn run(test: impl Future<Output = ()> + 'static) {
        run_local(test);
    }

    fn bench(options: &Options) -> Bench {
        let memory = memory(options);
        Bench::on_memory(Rc::new(FaultyDisk::new(memory.clone(), FaultPlan::none())), memory)
    }
}

/// A faulty disk that is slow and completes out of order, which the contract allows.
pub(super) struct Delayed;

impl Engine for Delayed {
    const DROPS_WHAT_WAITS: bool = false;

    fn run(test: impl Future<Output = ()> + 'static) {
        run_local(test);
    }

    fn bench(options: &Options) -> Bench {
        let memory = memory(options);
        Bench::on_memory(Rc::new(FaultyDisk::new(memory.clone(), FaultPlan::seeded(7, 3))), memory)
    }
}

/// A disk that is counted.
pub(super) struct Metered;

impl Engine for Metered {
    fn run(test: impl Future<Output = ()> + 'static) {
        run_local(test);
    }

    fn bench(options: &Options) -> Bench {
        let memory = memory(options);
        let disk = MeteredDisk::new(memory.clone(), Metrics::new(1).worker(0));
        Bench::on_memory(Rc::new(disk), memory)
    }
}
