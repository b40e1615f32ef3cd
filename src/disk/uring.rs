//! The io_uring engine: every file operation that has an opcode goes through the worker's ring.
//!
//! One per worker, living on its tokio-uring runtime. Protocol of an operation:
//! 1. At its first poll it takes a permit of its gate and queues its SQE; the turn of the loop
//!    submits all that it gathered in one `io_uring_enter`.
//! 2. Whatever the kernel will touch (lease, path, file) and the permit move into the driver's
//!    slot of the operation. Dropping the future leaves them there until the completion.
//! 3. The completion gives all of it back. Operations that create a descriptor run in a task of
//!    their own, because the driver would forget the descriptor of a dropped one.
//! 4. `drain` waits for the gates to empty: then the kernel owns nothing and the slab retires.
//!
//! Small files and their names are the exception ([`Shortcut`]): all calls for one are made
//! together, on one of a few threads of ours or at once (`desk.rs`).
//!
//! What has no opcode in this crate (ftruncate, statvfs, readdir, lseek, fchmod), and what only the
//! start (mkdir) or a copy of a whole file needs (a name that replaces), runs on the blocking pool.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use io_uring::{cqueue, opcode, squeue, types};
use tokio_uring::buf::fixed::FixedBufRegistry;
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

use super::desk::Desk;
use super::registered::Region;
use super::small::Order;
use super::turns::Turns;
use super::{
    Care, Disk, DiskError, DiskResult, EngineKind, EngineReport, File, FreeSpace, Gate, Journal,
    Lease, Made, Op, Shortcut, Slab, Stat, Transfer,
};
use super::{naming, residency, syscall};
use crate::base::limits::{DIRECTORIES_OPEN_MAX, METADATA_IN_FLIGHT_MAX, SYNCS_IN_FLIGHT_MAX};

/// The disk over a worker's ring.
#[derive(Clone)]
pub struct UringDisk(Rc<Inner>);

struct Inner {
    slab: Slab,
    transfers: Gate,
    syncs: Gate,
    metadata: Gate,
    desk: Desk,
    directories: RefCell<HashMap<PathBuf, File>>,
    registration: RefCell<Option<FixedBufRegistry<Region>>>,
    turns: Turns,
    caveat: Option<String>,
    journal: Cell<Journal>,
}

impl UringDisk {
    /// Takes over the ring of the current tokio-uring runtime and registers the slab with it.
    /// Buffers that cannot be registered are used unregistered; the report says so.
    ///
    /// # Errors
    /// When the system has no room for the threads that make small files.
    pub fn new(slab: Slab, queue_depth: usize) -> io::Result<UringDisk> {
        let registry = FixedBufRegistry::new(Region::all(&slab));
        let registration = registry.register().map(|()| registry);
        UringDisk::with_registration(slab, queue_depth, registration)
    }

    fn with_registration(
        slab: Slab,
        queue_depth: usize,
        registration: io::Result<FixedBufRegistry<Region>>,
    ) -> io::Result<UringDisk> {
        let caveat = registration.as_ref().err().map(|error| unregistered(&slab, error));
        Ok(UringDisk(Rc::new(Inner {
            journal: Cell::default(),
            slab,
            desk: Desk::start()?,
            transfers: Gate::new(queue_depth),
            syncs: Gate::new(SYNCS_IN_FLIGHT_MAX),
            metadata: Gate::new(METADATA_IN_FLIGHT_MAX),
            directories: RefCell::default(),
            registration: RefCell::new(registration.ok()),
            turns: Turns::new(),
            caveat,
        })))
    }

    /// For files on a filesystem with such a journal.
    pub fn with_journal(self, journal: Journal) -> UringDisk {
        self.0.journal.set(journal);
        self
    }

    /// Starts a transfer: an SQE that holds the lease, the file and the permit until it completes.
    fn transfer(
        &self,
        name: &'static str,
        file: &File,
        lease: Lease,
        span: Range<usize>,
        entry: impl FnOnce(Span) -> squeue::Entry + 'static,
    ) -> Op<Transfer> {
        assert!(span.start <= span.end, "a span runs forward");
        assert!(span.end <= lease.len(), "a transfer stays inside its lease");
        let fd = match descriptor(name, file) {
            Ok(fd) => fd,
            Err(error) => return ready(Transfer { lease, result: Err(error) }),
        };
        let Ok(size) = u32::try_from(span.len()) else {
            unreachable!("a lease is far smaller than 4 GiB")
        };
        let is_registered = self.0.registration.borrow().is_some();
        let region = lease.region().filter(|_| is_registered);
        let this = self.clone();
        let file = file.clone();
        Box::pin(async move {
            let permit = match this.0.transfers.enter(name).await {
                Ok(permit) => permit,
                Err(error) => return Transfer { lease, result: Err(error) },
            };
            let address = lease.address().as_ptr().wrapping_add(span.start);
            let sqe = entry(Span { fd: types::Fd(fd), address, size, region });
            let (result, (lease, _, _)) = this.submit(sqe, (lease, file, permit)).await;
            Transfer { lease, result: count(name, result) }
        })
    }

    /// Queues an SQE; the end of this turn of the loop submits it with all others.
    fn submit<D: Unpin + 'static>(
        &self,
        sqe: squeue::Entry,
        data: D,
    ) -> InFlightOneshot<D, Finish<D>> {
        if let Some(metrics) = self.0.slab.metrics() {
            self.0.turns.count(metrics);
        }
        UnsubmittedOneshot::new(data, Finish(PhantomData), sqe).submit()
    }

    /// Starts an operation without a lease; `data` is what the kernel reads or writes meanwhile.
    fn operate<D: Unpin + 'static>(
        &self,
        name: &'static str,
        gate: &Gate,
        data: D,
        entry: impl FnOnce(&mut D) -> squeue::Entry + 'static,
    ) -> Op<DiskResult<(i32, D)>> {
        let (this, gate) = (self.clone(), gate.clone());
        let mut data = data;
        Box::pin(async move {
            let permit = gate.enter(name).await?;
            let sqe = entry(&mut data);
            let (result, (data, _)) = this.submit(sqe, (data, permit)).await;
            if result < 0 { Err(DiskError::from_errno(name, -result)) } else { Ok((result, data)) }
        })
    }

    /// Opens in a task of its own: nobody can drop it halfway and lose the descriptor.
    fn open_with(
        &self,
        name: &'static str,
        path: DiskResult<CString>,
        flags: i32,
    ) -> Op<DiskResult<OwnedFd>> {
        let path = match path {
            Ok(path) => path,
            Err(error) => return ready(Err(error)),
        };
        let opening = self.operate(name, &self.0.metadata, path, move |path| {
            opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr())
                .flags(flags | libc::O_CLOEXEC)
                .mode(0o600)
                .build()
        });
        undroppable(name, async move { opening.await.map(|(fd, _)| owned(fd)) })
    }

    /// An open directory, kept for the next time.
    fn directory(&self, path: &Path) -> Op<DiskResult<File>> {
        if let Some(file) = self.0.directories.borrow().get(path) {
            return ready(Ok(file.clone()));
        }
        let this = self.clone();
        let key = path.to_owned();
        let flags = libc::O_DIRECTORY | libc::O_RDONLY;
        let opening = self.open_with("open directory", c_path(path), flags);
        Box::pin(async move {
            let file = File::from_fd(opening.await?);
            let mut directories = this.0.directories.borrow_mut();
            if directories.len() >= DIRECTORIES_OPEN_MAX {
                directories.clear();
            }
            directories.insert(key, file.clone());
            Ok(file)
        })
    }

    /// Runs a blocking call that the ring has no opcode for.
    fn blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Op<DiskResult<T>> {
        blocking_at(&self.0.metadata, name, call)
    }

    fn on_file<T: Send + 'static>(
        &self,
        name: &'static str,
        file: &File,
        call: impl FnOnce(&fs::File) -> io::Result<T> + Send + 'static,
    ) -> Op<DiskResult<T>> {
        let file = file.clone();
        self.blocking(name, move || call(naming::os(&file)?))
    }

    fn sync(&self, name: &'static str, file: File, flags: types::FsyncFlags) -> Op<DiskResult<()>> {
        if !self.0.journal.get().is_kept() {
            let call = move || syscall::sync_marked(naming::os(&file)?);
            return blocking_at(&self.0.syncs, name, call);
        }
        let fd = match descriptor(name, &file) {
            Ok(fd) => fd,
            Err(error) => return ready(Err(error)),
        };
        let syncing = self.operate(name, &self.0.syncs, file, move |_| {
            opcode::Fsync::new(types::Fd(fd)).flags(flags).build()
        });
        Box::pin(async move { syncing.await.map(drop) })
    }
}

impl Disk for UringDisk {
    fn report(&self) -> EngineReport {
        EngineReport {
            kind: EngineKind::IoUring,
            buffers_registered: self.0.registration.borrow().is_some(),
            caveat: self.0.caveat.clone(),
        }
    }

    fn slab(&self) -> &Slab {
        &self.0.slab
    }

    fn create_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = path.to_owned();
        self.blocking("create directory", move || syscall::create_dir(&path))
    }

    fn list_dir(&self, path: &Path) -> Op<DiskResult<Vec<OsString>>> {
        let path = path.to_owned();
        self.blocking("list directory", move || syscall::list_dir(&path))
    }

    fn create_unnamed(&self, staging: &Path) -> Op<DiskResult<File>> {
        const NAME: &str = "create";
        let flags = libc::O_TMPFILE | libc::O_RDWR;
        let unnamed = if self.0.journal.get().is_kept() {
            self.open_with(NAME, c_path(staging), flags)
        } else {
            ready(Err(DiskError::from_errno(NAME, libc::EOPNOTSUPP)))
        };
        let this = self.clone();
        let staging = staging.to_owned();
        Box::pin(async move {
            match unnamed.await {
                Ok(fd) => Ok(File::from_fd(fd)),
                Err(error) if syscall::lacks_unnamed(error.io()) => this
                    .blocking(NAME, move || syscall::open_temporary(&staging))
                    .await
                    .map(|(fd, name)| File::from_fd_named(fd, name)),
                Err(error) => Err(error),
            }
        })
    }

    fn open(&self, path: &Path) -> Op<DiskResult<File>> {
        let opening = self.open_with("open", c_path(path), libc::O_RDONLY);
        Box::pin(async move { opening.await.map(File::from_fd) })
    }

    fn open_beneath(&self, dir: &Path, path: &Path) -> Op<DiskResult<File>> {
        const NAME: &str = "open";
        let path = match c_path(path) {
            Ok(path) => path,
            Err(error) => return ready(Err(error)),
        };
        let this = self.clone();
        // Opened anew each time: operators replace a public directory under its name.
        let directory = self.open_with(NAME, c_path(dir), libc::O_PATH | libc::O_DIRECTORY);
        undroppable(NAME, async move {
            let directory = directory.await?;
            let fd = directory.as_raw_fd();
            // O_NONBLOCK: opening a pipe that lies there must not wait for its writer.
            let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
            let how = types::OpenHow::new()
                .flags(u64::from(flags.unsigned_abs()))
                .resolve(libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS);
            let data = (path, Box::new(how), directory);
            let opening = this.operate(NAME, &this.0.metadata, data, move |(path, how, _)| {
                opcode::OpenAt2::new(types::Fd(fd), path.as_ptr(), &raw const **how).build()
            });
            let file = fs::File::from(owned(opening.await?.0));
            // Left set, the ring would answer EAGAIN where a filesystem cannot read without waiting.
            syscall::set_flag(&file, libc::O_NONBLOCK, false)
                .map_err(|error| DiskError::new(NAME, error))?;
            Ok(File::from_fd(file.into()))
        })
    }

    fn stat(&self, file: &File) -> Op<DiskResult<Stat>> {
        const NAME: &str = "stat";
        let file = match os(NAME, file) {
            Ok(file) => file,
            Err(error) => return ready(Err(error)),
        };
        if self.0.metadata.is_closed() {
            return ready(Err(DiskError::cancelled(NAME)));
        }
        // `fstat` of an open file reads the inode in memory: no disk, no wait, no reason for an SQE.
        ready(syscall::stat(file).map_err(|error| DiskError::new(NAME, error)))
    }

    fn set_attributes(&self, file: &File, stat: Stat) -> Op<DiskResult<()>> {
        self.on_file("set attributes", file, move |file| syscall::set_attributes(file, &stat))
    }

    fn next_data(&self, file: &File, offset: u64) -> Op<DiskResult<Option<Range<u64>>>> {
        self.on_file("seek data", file, move |file| syscall::next_data(file, offset))
    }

    fn set_direct(&self, file: &File, direct: bool) -> DiskResult<bool> {
        const NAME: &str = "set direct I/O";
        syscall::set_direct(os(NAME, file)?, direct).map_err(|error| DiskError::new(NAME, error))
    }

    fn write(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        self.transfer("write", file, lease, span, move |Span { fd, address, size, region }| {
            match region {
                Some(region) => {
                    opcode::WriteFixed::new(fd, address, size, region).offset(offset).build()
                }
                None => opcode::Write::new(fd, address, size).offset(offset).build(),
            }
        })
    }

    fn read(&self, file: &File, lease: Lease, span: Range<usize>, offset: u64) -> Op<Transfer> {
        self.transfer("read", file, lease, span, move |Span { fd, address, size, region }| {
            match region {
                Some(region) => {
                    opcode::ReadFixed::new(fd, address, size, region).offset(offset).build()
                }
                None => opcode::Read::new(fd, address, size).offset(offset).build(),
            }
        })
    }

    fn open_resident(&self, path: &Path) -> Option<(File, u64)> {
        if self.0.metadata.is_closed() {
            return None;
        }
        syscall::open_resident(path).map(|(fd, size)| (File::from_fd(fd), size))
    }

    fn read_resident(&self, file: &File, buffer: &mut [u8], offset: u64) -> bool {
        !self.0.transfers.is_closed()
            && file.os().is_some_and(|file| syscall::read_resident(file, buffer, offset))
    }

    fn resident_size(&self, file: &File, range: Range<u64>) -> Option<u64> {
        residency::resident_size(file.os()?, range)
    }

    fn is_filled(&self, file: &File, range: Range<u64>) -> bool {
        file.os().is_some_and(|file| residency::is_filled(file, range))
    }

    fn open_direct(&self, file: &File) -> Op<DiskResult<File>> {
        self.on_file("open for direct I/O", file, |file| {
            Ok(File::from_fd(syscall::open_direct(file)?))
        })
    }

    fn allocate(&self, file: &File, offset: u64, len: u64) -> Op<DiskResult<()>> {
        const NAME: &str = "allocate";
        let fd = match descriptor(NAME, file) {
            Ok(fd) => fd,
            Err(error) => return ready(Err(error)),
        };
        let allocating = self.operate(NAME, &self.0.metadata, file.clone(), move |_| {
            opcode::Fallocate::new(types::Fd(fd), len).offset(offset).build()
        });
        Box::pin(async move { allocating.await.map(drop) })
    }

    fn truncate(&self, file: &File, len: u64) -> Op<DiskResult<()>> {
        self.on_file("truncate", file, move |file| syscall::truncate(file, len))
    }

    fn sync_data(&self, file: &File) -> Op<DiskResult<()>> {
        self.sync("sync data", file.clone(), types::FsyncFlags::DATASYNC)
    }

    fn link(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        const NAME: &str = "link";
        if file.temporary().is_some() {
            // One that cannot be renamed without replacing gets its name in two calls.
            let (file, path) = (file.clone(), path.to_owned());
            return self.blocking(NAME, move || naming::link(&file, &path));
        }
        let (source, target) = match (descriptor(NAME, file), c_path(path)) {
            (Ok(fd), Ok(target)) => (syscall::raw::descriptor_path(&fd), target),
            (Err(error), _) | (_, Err(error)) => return ready(Err(error)),
        };
        let here = types::Fd(libc::AT_FDCWD);
        let data = (source, target, file.clone());
        let linking = self.operate(NAME, &self.0.metadata, data, move |(source, target, _)| {
            opcode::LinkAt::new(here, source.as_ptr(), here, target.as_ptr())
                .flags(libc::AT_SYMLINK_FOLLOW)
                .build()
        });
        undroppable(NAME, async move { linking.await.map(drop) })
    }

    fn replace(&self, file: &File, path: &Path) -> Op<DiskResult<()>> {
        let (file, path) = (file.clone(), path.to_owned());
        self.blocking("replace", move || naming::replace(&file, &path))
    }

    fn sync_dir(&self, path: &Path) -> Op<DiskResult<()>> {
        let this = self.clone();
        let directory = self.directory(path);
        Box::pin(async move {
            let directory = directory.await?;
            this.sync("sync directory", directory, types::FsyncFlags::empty()).await
        })
    }

    fn remove(&self, path: &Path) -> Op<DiskResult<()>> {
        let path = match c_path(path) {
            Ok(path) => path,
            Err(error) => return ready(Err(error)),
        };
        let removing = self.operate("remove", &self.0.metadata, path, |path| {
            opcode::UnlinkAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr()).build()
        });
        Box::pin(async move { removing.await.map(drop) })
    }

    fn free_space(&self, path: &Path) -> Op<DiskResult<FreeSpace>> {
        let path = path.to_owned();
        self.blocking("free space", move || syscall::free_space(&path))
    }

    fn shortcut(&self) -> Option<&dyn Shortcut> {
        Some(self)
    }

    fn drain(&self) -> Op<()> {
        let this = self.clone();
        Box::pin(async move {
            this.0.desk.drain().await;
            this.0.transfers.drain().await;
            this.0.syncs.drain().await;
            this.0.metadata.drain().await;
            this.0.directories.borrow_mut().clear();
            if let Some(registry) = this.0.registration.borrow_mut().take()
                && let Err(error) = registry.unregister()
            {
                tracing::debug!(%error, "buffers stay registered until the ring closes");
            }
            this.0.slab.retire();
        })
    }
}

/// The ring hands these calls to a thread of the kernel one by one, so nothing is lost by a thread
/// of ours that makes all of them.
impl Shortcut for UringDisk {
    fn create_written(
        &self,
        staging: &Path,
        lease: Lease,
        span: Range<usize>,
        care: Care,
    ) -> Op<Made> {
        let order = Order { staging: staging.to_owned(), journal: self.0.journal.get(), care };
        self.0.desk.create_written(order, lease, span)
    }

    fn link_all(&self, names: Vec<(File, PathBuf)>, care: Care) -> Op<Vec<DiskResult<()>>> {
        self.0.desk.link_all(names, care)
    }
}

/// What a transfer's SQE says of its file and its buffer.
struct Span {
    fd: types::Fd,
    address: *mut u8,
    size: u32,
    /// The registered region; `None` for a buffer the kernel does not know.
    region: Option<u16>,
}

/// Gives back what the operation held, with the kernel's answer.
struct Finish<D>(PhantomData<D>);

impl<D> OneshotOutputTransform for Finish<D> {
    type Output = (i32, D);
    type StoredData = D;

    fn transform_oneshot_output(self, data: D, cqe: cqueue::Entry) -> (i32, D) {
        (cqe.result(), data)
    }
}

fn count(name: &'static str, result: i32) -> DiskResult<usize> {
    usize::try_from(result).map_err(|_| DiskError::from_errno(name, -result))
}

fn descriptor(name: &'static str, file: &File) -> DiskResult<RawFd> {
    file.raw_fd().ok_or_else(|| DiskError::from_errno(name, libc::EBADF))
}

fn os<'a>(name: &'static str, file: &'a File) -> DiskResult<&'a fs::File> {
    file.os().ok_or_else(|| DiskError::from_errno(name, libc::EBADF))
}

fn c_path(path: &Path) -> DiskResult<CString> {
    syscall::raw::c_path(path).map_err(|error| DiskError::new("open", error))
}

fn owned(fd: i32) -> OwnedFd {
    #![expect(unsafe_code, reason = "a completion delivers a descriptor as a number")]
    // SAFETY: the number is the result of a successful open whose completion this is: nobody else
    // has seen it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn ready<T: 'static>(value: T) -> Op<T> {
    Box::pin(std::future::ready(value))
}

/// Runs a blocking call on the pool, through `gate`.
fn blocking_at<T: Send + 'static>(
    gate: &Gate,
    name: &'static str,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Op<DiskResult<T>> {
    let gate = gate.clone();
    Box::pin(async move {
        let permit = gate.enter(name).await?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            call().map_err(|error| DiskError::new(name, error))
        });
        task.await.unwrap_or_else(|_stopped| Err(DiskError::cancelled(name)))
    })
}

/// Runs to its end even when the caller stops listening.
fn undroppable<T: 'static>(
    name: &'static str,
    operation: impl Future<Output = DiskResult<T>> + 'static,
) -> Op<DiskResult<T>> {
    let task = tokio::task::spawn_local(operation);
    Box::pin(async move { task.await.unwrap_or_else(|_| Err(DiskError::cancelled(name))) })
}

fn unregistered(slab: &Slab, error: &io::Error) -> String {
    format!(
        "buffers of {} MiB a worker are not registered with io_uring ({error}): each transfer \
         costs a page walk more. Raise the locked-memory limit (ulimit -l, LimitMEMLOCK=, \
         docker --ulimit memlock=-1) to lift this",
        slab.size() >> 20
    )
}

#[cfg(test)]
pub(super) mod tests;
