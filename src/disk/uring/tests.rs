//! The ring's engines for the contract suite, and what only a ring can get wrong: buffers that the
//! kernel still has when the future, or the whole runtime, is gone.

use std::future::Future;
use std::io::{self, PipeWriter, Write};
use std::rc::Rc;

use futures_util::poll;
use tokio::task::yield_now;

use super::{File, UringDisk};
use crate::disk::contract_suite::bench::{Bench, Engine, Options, slab};
use crate::disk::{Disk, EngineChoice, Pool, Slab, choose};

/// Registered buffers, a ring with room.
pub(in crate::disk) struct Ring;
/// The same without registration, as under a small `RLIMIT_MEMLOCK`.
pub(in crate::disk) struct Unregistered;
/// One submission and two completions at a time: the smallest ring there is.
pub(in crate::disk) struct TwoCompletions;

impl Engine for Ring {
    fn run(test: impl Future<Output = ()> + 'static) {
        run_on_ring(256, 512, test);
    }

    fn bench(options: &Options) -> Bench {
        on_os(UringDisk::new(slab(), options.queue_depth).unwrap(), options)
    }
}

impl Engine for Unregistered {
    fn run(test: impl Future<Output = ()> + 'static) {
        run_on_ring(256, 512, test);
    }

    fn bench(options: &Options) -> Bench {
        let refused = Err(io::Error::from_raw_os_error(libc::ENOMEM));
        on_os(UringDisk::with_registration(slab(), options.queue_depth, refused).unwrap(), options)
    }
}

impl Engine for TwoCompletions {
    fn run(test: impl Future<Output = ()> + 'static) {
        run_on_ring(1, 2, test);
    }

    fn bench(options: &Options) -> Bench {
        on_os(UringDisk::new(slab(), options.queue_depth).unwrap(), options)
    }
}

fn on_os(disk: UringDisk, options: &Options) -> Bench {
    Bench::on_os(Rc::new(disk.with_journal(options.journal())))
}

/// Runs on a ring, or says why not and does nothing.
fn run_on_ring(entries: u32, completions: u32, test: impl Future<Output = ()>) {
    if let Err(refused) = choose(EngineChoice::IoUring) {
        println!("skipped: {refused}");
        return;
    }
    let mut ring = tokio_uring::uring_builder();
    ring.setup_cqsize(completions);
    tokio_uring::builder().entries(entries).uring_builder(&ring).start(test);
}

/// A file whose reads stay in flight until something is written to the other end.
fn pipe() -> (File, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (File::from_fd(reader.into()), writer)
}

/// Starts reads that cannot complete and drops their futures.
async fn abandon_reads(disk: &UringDisk, file: &File, count: usize) {
    for _ in 0..count {
        let lease = disk.slab().try_take(Pool::Upload).unwrap();
        let mut read = disk.read(file, lease, 0..8, 0);
        assert!(poll!(&mut read).is_pending());
    }
    yield_now().await;
}

#[test]
fn the_kernel_keeps_a_buffer_whose_future_is_gone_until_the_completion() {
    run_on_ring(8, 16, async {
        let disk = UringDisk::new(slab(), 4).unwrap();
        let (file, mut writer) = pipe();
        abandon_reads(&disk, &file, 2).await;
        drop(file);
        assert_eq!(disk.slab().in_use(Pool::Upload), 2, "the kernel has them");
        let draining = disk.drain();
        tokio::pin!(draining);
        assert!(poll!(&mut draining).is_pending(), "the drain waits for the kernel");
        writer.write_all(&[7; 16]).unwrap();
        draining.await;
        assert_eq!(disk.slab().in_use(Pool::Upload), 0);
    });
}

#[test]
fn a_slab_outlives_a_runtime_torn_down_with_reads_in_flight() {
    let mut survivor: Option<(Slab, PipeWriter)> = None;
    run_on_ring(8, 16, async {
        let disk = UringDisk::new(slab(), 4).unwrap();
        let (file, writer) = pipe();
        abandon_reads(&disk, &file, 3).await;
        survivor = Some((disk.slab().clone(), writer));
    });
    let Some((slab, mut writer)) = survivor else { return };
    // The runtime is gone, its reads were cancelled; not one buffer was freed under the kernel.
    // Nobody drained, so the slab was not retired and its mapping stays for good.
    writer.write_all(&[7; 64]).unwrap_or_default();
    let lease = slab.try_take(Pool::Upload).unwrap();
    assert!(lease.iter().all(|&byte| byte == 0), "a dead ring wrote to a buffer");
}

#[test]
fn the_report_tells_why_buffers_are_not_registered() {
    run_on_ring(8, 16, async {
        let refused = Err(io::Error::from_raw_os_error(libc::ENOMEM));
        let disk = UringDisk::with_registration(slab(), 4, refused).unwrap();
        let report = disk.report();
        assert!(!report.buffers_registered);
        let caveat = report.caveat.unwrap();
        for word in ["not registered", "Cannot allocate memory", "ulimit -l"] {
            assert!(caveat.contains(word), "{caveat}");
        }
        disk.drain().await;
    });
}
