//! The workers of one cell in one run, a thread each, pinned as the daemon's are:
//!
//! 1. Each makes its runtime, its disk and its file, fills its buffers, moves one chunk a task to
//!    warm up, and reports.
//! 2. When all are ready the clocks start, and all are told to go.
//! 3. Each moves its chunks, in the durable mode then syncs its file's data (`fdatasync`, once), and
//!    reports what it moved and when.
//! 4. When all have reported the clocks are read, and all are told to leave: what it costs to give
//!    everything back is in nobody's figures.
//!
//! Who goes early, by an error or a panic, closes its channel, and the others are let go.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use ringhold::base::cores::{CoreId, pin_current_thread};
use ringhold::cli::Failure;
use ringhold::disk::{Chosen, Disk, DiskError, DiskErrorKind, Lease, Slab, SlabOptions};
use ringhold::plan::{Chunks, Geometry};
use ringhold::worker::{RuntimeKind, run_alone};
use rustix::time::{ClockId, clock_gettime};

use super::arguments::Mode;
use super::cell::Cell;
use super::lanes::{Moved, Until, Work, filled_leases, run};
use super::sources::Sources;
use crate::report::Distribution;
use crate::report::Stop;

/// What all workers of a cell are given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    pub(super) cell: &'a Cell,
    pub(super) chosen: &'a Chosen,
    pub(super) scratch: &'a Path,
    /// Bytes that the cell moves at most.
    pub(super) size: u64,
    pub(super) time_limit: Duration,
    /// Those the workers are pinned to, in turns; none where they cannot be.
    pub(super) cores: &'a [CoreId],
    pub(super) stop: &'a Stop,
}

/// What a cell reached in one run.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) latencies: Distribution,
    pub(super) bytes: u64,
    /// From the first worker's start to the last one's end.
    pub(super) elapsed: Duration,
    /// CPU time of this process meanwhile, the ring's and the engine's threads included.
    pub(super) cpu: Duration,
    /// Whether the kernel took the buffers of all workers.
    pub(super) is_registered: bool,
}

/// Measures one cell once.
pub(super) fn measure(job: Job<'_>) -> Result<Measured, Failure> {
    thread::scope(|scope| {
        let indices = 0..job.cell.group.worker_count;
        let crew: Vec<Member> =
            indices.map(|index| Member::start(scope, job, index)).collect::<Result<_, _>>()?;
        crew.iter().try_for_each(Member::await_ready)?;
        let cpu_before = process_cpu();
        crew.iter().for_each(Member::tell);
        let shares: Vec<Share> = crew.iter().map(Member::share).collect::<Result<_, _>>()?;
        let cpu = process_cpu().saturating_sub(cpu_before);
        Ok(Measured::of(&shares, cpu))
    })
}

/// What a worker reports.
enum Report {
    Ready,
    Done(Share),
}

/// What one worker moved, and when.
struct Share {
    moved: Moved,
    began: Instant,
    ended: Instant,
    is_registered: bool,
}

/// A worker's thread, from outside. Dropping it lets the worker go.
struct Member {
    reports: Receiver<Result<Report, Failure>>,
    go: Sender<()>,
}

impl Member {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        job: Job<'scope>,
        index: usize,
    ) -> Result<Member, Failure> {
        let ((report, reports), (go, told)) = (channel(), channel());
        let seat = Seat { job, index, report, told };
        thread::Builder::new()
            .name(format!("rb-worker-{index}"))
            .spawn_scoped(scope, move || seat.work())
            .map_err(|error| Failure::failed(format!("cannot start a worker: {error}")))?;
        Ok(Member { reports, go })
    }

    fn await_ready(&self) -> Result<(), Failure> {
        self.next().map(drop)
    }

    fn tell(&self) {
        // One that is gone has said why, or will not report.
        let _ = self.go.send(());
    }

    fn share(&self) -> Result<Share, Failure> {
        match self.next()? {
            Report::Done(share) => Ok(share),
            Report::Ready => unreachable!("a worker is ready once"),
        }
    }

    fn next(&self) -> Result<Report, Failure> {
        self.reports.recv().map_err(|_| Failure::failed("a worker panicked"))?
    }
}

/// A worker's thread, from inside.
struct Seat<'a> {
    job: Job<'a>,
    index: usize,
    report: Sender<Result<Report, Failure>>,
    told: Receiver<()>,
}

impl Seat<'_> {
    fn work(self) {
        let job = self.job;
        let core = self.index.checked_rem(job.cores.len()).and_then(|at| job.cores.get(at));
        if let Some(&core) = core
            && let Err(error) = pin_current_thread(core)
        {
            return self.say(Err(Failure::failed(format!("cannot pin a worker: {error}"))));
        }
        let runtime = RuntimeKind::for_disk(job.chosen.ring, job.cell.queue_depth);
        if let Err(error) = run_alone(runtime, self.measure()) {
            self.say(Err(no_disk(&error)));
        }
    }

    fn say(&self, report: Result<Report, Failure>) {
        // The others are listened to no longer when one has failed.
        let _ = self.report.send(report);
    }

    /// Blocks the thread: nothing is in flight when anybody waits for the others.
    fn is_told(&self) -> bool {
        self.told.recv().is_ok()
    }

    async fn measure(&self) {
        let Cell { chunk_size, queue_depth, .. } = *self.job.cell;
        let sizes = SlabOptions { chunk_size, chunk_count: queue_depth, read_count: 1 };
        let disk = Slab::new(sizes).and_then(|slab| self.job.chosen.open(slab, queue_depth));
        match disk {
            Err(error) => self.say(Err(no_disk(&error))),
            Ok(disk) => {
                self.measure_on(&*disk).await;
                disk.drain().await;
            }
        }
    }

    async fn measure_on(&self, disk: &dyn Disk) {
        let bench = match Bench::prepare(disk, self.job, self.index).await {
            Ok(bench) => bench,
            Err(error) => return self.say(Err(told(&error))),
        };
        self.say(Ok(Report::Ready));
        if !self.is_told() {
            return;
        }
        let (ended, _held) = bench.run(self.job).await;
        self.say(ended.map(Report::Done).map_err(|error| told(&error)));
        // The file and the buffers are held until all have reported: freeing blocks is work too.
        self.is_told();
    }
}

/// A worker that is ready.
struct Bench<'a> {
    disk: &'a dyn Disk,
    work: Work,
    chunks: Chunks,
    leases: Vec<Lease>,
}

impl<'a> Bench<'a> {
    async fn prepare(
        disk: &'a dyn Disk,
        job: Job<'_>,
        index: usize,
    ) -> Result<Bench<'a>, DiskError> {
        let cell = job.cell;
        let size = cell.share(job.size);
        let source = Sources::path(job.scratch, index);
        let work = Work::open(disk, cell.group, &source, (job.scratch, size)).await?;
        let Ok(mut chunks) =
            Geometry::new(cell.chunk_size).and_then(|geometry| geometry.chunks(size))
        else {
            unreachable!("chunk size and size were checked")
        };
        let leases = filled_leases(disk, cell.queue_depth).await;
        let first = chunks.by_ref().take(cell.queue_depth);
        let until = Until { deadline: None, stop: job.stop };
        let (leases, warmed) = run(disk, &work, first, leases, until).await;
        warmed?;
        Ok(Bench { disk, work, chunks, leases })
    }

    /// Moves the chunks; what was held meanwhile is given back with the result.
    async fn run(self, job: Job<'_>) -> (Result<Share, DiskError>, (Work, Vec<Lease>)) {
        let Bench { disk, work, chunks, leases } = self;
        let began = Instant::now();
        let until = Until { deadline: Some(began + job.time_limit), stop: job.stop };
        let (leases, moved) = run(disk, &work, chunks, leases, until).await;
        let synced = match work.target() {
            Some(file) if job.cell.group.mode == Mode::Durable => disk.sync_data(file).await,
            _ => Ok(()),
        };
        let ended = Instant::now();
        let is_registered = disk.report().buffers_registered;
        let share = synced.and(moved).map(|moved| Share { moved, began, ended, is_registered });
        (share, (work, leases))
    }
}

impl Measured {
    fn of(shares: &[Share], cpu: Duration) -> Measured {
        let mut latencies = Distribution::new();
        for share in shares {
            latencies.merge(&share.moved.latencies);
        }
        let began = shares.iter().map(|share| share.began).min();
        let ended = shares.iter().map(|share| share.ended).max();
        let elapsed = began.zip(ended).map(|(began, ended)| ended - began);
        Measured {
            latencies,
            bytes: shares.iter().map(|share| share.moved.bytes).sum(),
            elapsed: elapsed.unwrap_or_default(),
            cpu,
            is_registered: shares.iter().all(|share| share.is_registered),
        }
    }
}

/// CPU time of the process so far, all its threads, those that the kernel's ring makes included
/// (`CLOCK_PROCESS_CPUTIME_ID`, `clock_gettime(2)`).
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// No runtime, no buffers or no threads.
pub(super) fn no_disk(error: &io::Error) -> Failure {
    Failure::failed(format!(
        "cannot start the disk engine: {error}. Measure fewer workers or shorter queues, or raise \
         the limits on memory and threads"
    ))
}

/// A failed operation, with what to do about it.
pub(super) fn told(error: &DiskError) -> Failure {
    let remedy = match error.kind() {
        DiskErrorKind::Full => "free some room, or give a smaller --size",
        DiskErrorKind::Gone => "the volume is read-only or gone: give another --dir",
        DiskErrorKind::Exhausted => "measure fewer workers or shorter queues, or raise the limits",
        DiskErrorKind::Unsupported => "the filesystem cannot do this: give another --dir or --mode",
        DiskErrorKind::NotFound
        | DiskErrorKind::Exists
        | DiskErrorKind::Cancelled
        | DiskErrorKind::Failed => "see the kernel's log, or give another --dir",
    };
    Failure::failed(format!("the disk failed ({error}): {remedy}"))
}
