//! The `faulty` disk: any other disk, with the bad days that a plan or a seed gives it.
//!
//! For tests. Every operation but `set_direct` and `drain` is counted when it is first polled:
//! the n-th operation is the same one in every run of the same single-threaded program. So a test
//! counts once ([`FaultyDisk::operations`]) and then sweeps: it fails each n, or stops after each.
//!
//! 1. An operation that is to fail never reaches the disk below; a short transfer reaches it with
//!    half of its span.
//! 2. Delays are turns of the loop, before the disk below and after it: operations start and end
//!    in another order than they came in.
//! 3. After the last completion of [`FaultPlan::stop_after`] the process is alone: either nothing
//!    answers any more, as after a power cut, or everything is refused.
//!
//! A test that panics while it holds a faulty disk prints the plan, with its seed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::{Future, pending, ready};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::seeded::Seeded;
use super::{
    Disk, DiskError, DiskResult, EngineReport, File, FreeSpace, Gate, Lease, Op, Slab, Stat,
    Transfer, detached,
};
use crate::base::limits::{BLOCK_SIZE, FAULTY_IN_FLIGHT_MAX};

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with this errno and has no effect.
    Errno(i32),
    /// A transfer moves half of its blocks, or half of its bytes below a block. Transfers that
    /// cannot be halved, and all other operations, are as usual.
    Short,
}

/// What becomes of operations after the last completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// They never complete, and neither do those in flight: the power is gone.
    Silence,
    /// New ones fail with `ECANCELED`; those in flight complete.
    Refusal,
}

/// Which operations go wrong, and how. Operations are counted from 0.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    seed: u64,
    scripted: BTreeMap<u64, Fault>,
    from: Option<(u64, Fault)>,
    one_in: Option<(u64, Fault)>,
    delay_turns_max: u64,
    stop: Option<(u64, Stop)>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> FaultPlan {
        FaultPlan::default()
    }

    /// The `n`-th operation goes wrong.
    pub fn fail_nth(n: u64, fault: Fault) -> FaultPlan {
        FaultPlan::none().and_nth(n, fault)
    }

    /// From the `n`-th on every operation goes wrong.
    pub fn fail_from(n: u64, fault: Fault) -> FaultPlan {
        FaultPlan { from: Some((n, fault)), ..FaultPlan::none() }
    }

    /// Everything takes up to `delay_turns_max` turns longer, before and after, by the seed.
    pub fn seeded(seed: u64, delay_turns_max: u64) -> FaultPlan {
        FaultPlan { seed, delay_turns_max, ..FaultPlan::none() }
    }

    /// The `n`-th operation goes wrong as well.
    pub fn and_nth(mut self, n: u64, fault: Fault) -> FaultPlan {
        self.scripted.insert(n, fault);
        self
    }

    /// One in `count` operations goes wrong, by the seed.
    pub fn and_one_in(mut self, count: u64, fault: Fault) -> FaultPlan {
        self.one_in = Some((count, fault));
        self
    }

    /// The disk stops after so many completions.
    pub fn stop_after(mut self, completions: u64, stop: Stop) -> FaultPlan {
        self.stop = Some((completions, stop));
        self
    }

    fn fault(&self, n: u64, random: &mut Seeded) -> Option<Fault> {
        let scripted = self.scripted.get(&n).copied();
        let from = self.from.filter(|&(first, _)| n >= first).map(|(_, fault)| fault);
        let by_chance = self.one_in.filter(|&(count, _)| random.below(count) == 0);
        scripted.or(from).or(by_chance.map(|(_, fault)| fault))
    }
}

/// A disk with bad days. Needs a `LocalSet` around whoever uses it.
pub struct FaultyDisk {
    inner: Rc<dyn Disk>,
    gate: Gate,
    state: Rc<State>,
}

struct State {
    plan: FaultPlan,
    random: RefCell<Seeded>,
    operations: Cell<u64>,
    completions: Cell<u64>,
    stopped: Notify,
}

impl FaultyDisk {
    /// `inner`, with what `plan` has in store for it.
    pub fn new(inner: Rc<dyn Disk>, plan: FaultPlan) -> FaultyDisk {
        let state = State {
            random: RefCell::new(Seeded::new(plan.seed)),
            plan,
            operations: Cell::new(0),
            completions: Cell::new(0),
            stopped: Notify::new(),
        };
        FaultyDisk { inner, gate: Gate::new(FAULTY_IN_FLIGHT_MAX), state: Rc::new(state) }
    }

    /// Operations so far, begun or refused.
    pub fn operations(&self) -> u64 {
        self.state.operations.get()
    }

    /// Completions so far, failures among them.
    pub fn completions(&self) -> u64 {
        self.state.completions.get()
    }

    /// The seed of the plan.
    pub fn seed(&self) -> u64 {
        self.state.plan.seed
    }

    /// Whether the last completion of [`FaultPlan::stop_after`] has been.
    pub fn is_stopped(&self) -> bool {
        self.state.stop().is_some()
    }

    /// Resolves a turn after that completion, so that who waited for its answer has heard it: race
    /// it against the workload, then take the crash image.
    pub fn stopped(&self) -> impl Future<Output = ()> + 'static {
        let state = Rc::clone(&self.state);
        async move {
            while state.stop().is_none() {
                state.stopped.notified().await;
            }
            yield_now().await;
        }
    }

    /// One operation: `work` gets the disk below, and the fault that it has to answer with.
    fn operate<A: 'static>(
        &self,
        work: impl FnOnce(&dyn Disk, Option<Fault>) -> LocalBoxFuture<'static, A> + 'static,
    ) -> LocalBoxFuture<'static, A> {
        let (inner, gate, state) = (Rc::clone(&self.inner), self.gate.clone(), self.state.clone());
        Box::pin(async move {
            let refused = Some(Fault::Errno(libc::ECANCELED));
            let Ok(permit) = gate.enter("drained").await else {
                return work(&*inner, refused).await;
            };
            let fate = state.begin();
            match state.stop() {
                Some(Stop::Silence) => {
                    // The lease in `work` is as stuck as the caller, until he gives up.
                    drop(permit);
                    let _stuck = work;
                    return pending().await;
                }
                Some(Stop::Refusal) => return work(&*inner, refused).await,
                None => {}
            }
            let answering = Rc::clone(&state);
            let (answer, is_heard) = detached::run(async move {
                turns(fate.turns_before).await;
                let answer = work(&*inner, fate.fault).await;
                turns(fate.turns_after).await;
                drop(permit);
                (answer, answering.complete())
            })
            .await;
            if !is_heard {
                let _stuck = answer;
                return pending().await;
            }
            answer
        })
    }

    fn metadata<T: 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&dyn Disk) -> Op<DiskResult<T>> + 'static,
    ) -> Op<DiskResult<T>> {
        self.operate(move |disk, fault| match fault {
            Some(Fault::Errno(errno)) => {
                ready(Err(DiskError::from_errno(name, errno))).boxed_local()
            }
            Some(Fault::Short) | None => work(disk),
        })
    }

    fn transfer(
        &self,
        name: &'static str,
        (lease, span): (Lease, Range<usize>),
        work: impl FnOnce(&dyn Disk, Lease, Range<usize>) -> Op<Transfer> + 'static,
    ) -> Op<Transfer> {
        assert!(lease.get(span.clone()).is_some(), "the span lies in the lease");
        self.operate(move |disk, fault| match fault {
            Some(Fault::Errno(errno)) => {
                let result = Err(DiskError::from_errno(name, errno));
                ready(Transfer { lease, result }).boxed_local()
            }
            Some(Fault::Short) => work(disk, lease, halved(span)),
            None => work(disk, lease, span),
        })
    }
}

impl Disk for FaultyDisk {
    fn report(&self) -> EngineReport {
        self.inner.report()
    }

    fn slab(&self) -> &Slab {
        self.inner.slab()
    }

    fn create_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.metadata("make directory", move |disk| disk.create_dir(&path))
    }

    fn list_dir(&self, path: &Path) -> Op<DiskResult<Vec<OsString>>> {
        let path = path.to_owned();
        self.metadata("list directory", move |disk| disk.list_dir(&path))
    }

    fn create_unnamed(&self, staging: &Path) -> Op<DiskResult<File>> {
        let staging = staging.to_owned();
        self.metadata("create", move |disk| disk.create_unnamed(&staging))
    }

    fn open(&self, path: &Path) -> Op<DiskResult<File>> {
        let path = path.to_owned();
        self.metadata("open", move |disk| disk.open(&path))
    }

    fn resident_size(&self, file: &File, range: Range<u64>) -> Option<u64> {
        self.inner.resident_size(file, range)
    }

    fn is_filled(&self, file: &File, range: Range<u64>) -> bool {
        self.inner.is_filled(file, range)
    }

    fn open_direct(&self, file: &File) -> Op<DiskResult<File>> {
        let file = file.clone();
        self.metadata("open for direct I/O", move |disk| disk.open_direct(&file))
    }

    fn open_beneath(&self, dir: &Path, path: &Path) -> Op<DiskResult<File>> {
        let (dir, path) = (dir.to_owned(), path.to_owned());
        self.metadata("open", move |disk| disk.open_beneath(&dir, &path))
    }

    fn stat(&self, file: &File) -> Op<DiskResult<Stat>> {
        let file = file.clone();
        self.metadata("stat", move |disk| disk.stat(&file))
    }

    fn set_attributes(&self, file: &File, stat: Stat) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.metadata("set attributes", move |disk| disk.set_attributes(&file, stat))
    }

    fn next_data(&self, file: &File, offset: u64) -> Op<DiskResult<Option<Range<u64>>>> {
        let file = file.clone();
        self.metadata("seek data", move |disk| disk.next_data(&file, offset))
    }

    fn set_direct(&self, file: &File, direct: bool) -> DiskResult<bool> {
        self.inner.set_direct(file, direct)
    }

    fn write(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        let file = file.clone();
        self.transfer("write", (lease, span), move |disk, lease, span| {
            disk.write(&file, lease, span, offset)
        })
    }

    fn read(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        let file = file.clone();
        self.transfer("read", (lease, span), move |disk, lease, span| {
            disk.read(&file, lease, span, offset)
        })
    }

    fn allocate(&self, file: &File, offset: u64, len: u64) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.metadata("allocate", move |disk| disk.allocate(&file, offset, len))
    }

    fn truncate(&self, file: &File, len: u64) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.metadata("truncate", move |disk| disk.truncate(&file, len))
    }

    fn sync_data(&self, file: &File) -> Op<DiskResult<()>> {
        let file = file.clone();
        self.metadata("sync", move |disk| disk.sync_data(&file))
    }

    fn link(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        let (file, path) = (file.clone(), path.to_owned());
        self.metadata("link", move |disk| disk.link(&file, &path))
    }

    fn replace(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        let (file, path) = (file.clone(), path.to_owned());
        self.metadata("replace", move |disk| disk.replace(&file, &path))
    }

    fn sync_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.metadata("sync directory", move |disk| disk.sync_dir(&path))
    }

    fn remove(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.metadata("remove", move |disk| disk.remove(&path))
    }

    fn free_space(&self, path: &Path) -> Op<DiskResult<FreeSpace>> {
        let path = path.to_owned();
        self.metadata("ask for free space", move |disk| disk.free_space(&path))
    }

    fn drain(&self) -> Op<()> {
        let (gate, inner) = (self.gate.clone(), Rc::clone(&self.inner));
        Box::pin(async move {
            gate.drain().await;
            inner.drain().await;
        })
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the faulty disk's plan was {:?}", self.state.plan);
        }
    }
}

/// What the plan has in store for one operation.
struct Fate {
    fault: Option<Fault>,
    turns_before: u64,
    turns_after: u64,
}

impl State {
    fn begin(&self) -> Fate {
        let n = self.operations.replace(self.operations.get() + 1);
        let mut random = self.random.borrow_mut();
        let turn_choices = self.plan.delay_turns_max + 1;
        Fate {
            fault: self.plan.fault(n, &mut random),
            turns_before: random.below(turn_choices),
            turns_after: random.below(turn_choices),
        }
    }

    /// How the disk is stopped, if it is.
    fn stop(&self) -> Option<Stop> {
        let stop = self.plan.stop.filter(|&(last, _)| self.completions.get() >= last);
        stop.map(|(_, stop)| stop)
    }

    /// Counts a completion; whether the process still hears of it.
    fn complete(&self) -> bool {
        if self.stop() == Some(Stop::Silence) {
            return false;
        }
        self.completions.set(self.completions.get() + 1);
        if self.stop().is_some() {
            self.stopped.notify_waiters();
        }
        true
    }
}

async fn turns(count: u64) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// The first half of a span, in whole blocks if it has several.
fn halved(span: Range<usize>) -> Range<usize> {
    let half = match span.len() {
        size @ (0..=1 | BLOCK_SIZE) => size,
        size @ ..BLOCK_SIZE => size / 2,
        size => (size / 2 / BLOCK_SIZE * BLOCK_SIZE).max(BLOCK_SIZE),
    };
    span.start..span.start + half
}

#[cfg(test)]
mod tests;
