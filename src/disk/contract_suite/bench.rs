//! What a contract test stands on: an engine, a disk of it, and a way to its files past it.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_util::poll;
use tempfile::TempDir;
use tokio::task::{LocalSet, yield_now};

use crate::base::limits::BLOCK_SIZE;
use crate::disk::{
    Disk, DiskErrorKind, DiskResult, File, Journal, Lease, MemoryDisk, Op, Pool, Slab, SlabOptions,
};

/// Upload buffers of a bench's slab: more than any queue depth here.
pub(super) const CHUNK_COUNT: usize = 12;
pub(super) const CHUNK_SIZE: usize = 4 * BLOCK_SIZE;

/// What a test asks of an engine.
pub(in crate::disk) struct Options {
    pub(in crate::disk) queue_depth: usize,
    /// Whether unnamed files are really without a name.
    pub(in crate::disk) tmpfile: bool,
}

impl Options {
    /// A journal that lets unnamed files be without a name, or none.
    pub(in crate::disk) fn journal(&self) -> Journal {
        if self.tmpfile { Journal::Kept } else { Journal::Absent }
    }
}

/// An engine under test.
pub(in crate::disk) trait Engine {
    /// Whether an operation that waits for its turn ends with its future. The contract leaves it
    /// open; the engines do, and so show how many are really in flight.
    const DROPS_WHAT_WAITS: bool = true;
    /// Runs one test in the kind of runtime that the engine lives in.
    fn run(test: impl Future<Output = ()> + 'static);
    /// A fresh disk and an empty directory on it.
    fn bench(options: &Options) -> Bench;
}

/// A disk under test, and a way to its files past it.
pub(in crate::disk) struct Bench {
    pub(super) disk: Rc<dyn Disk>,
    pub(super) root: PathBuf,
    /// The disk itself, or the one below it, if it is one in memory.
    pub(super) memory: Option<Rc<MemoryDisk>>,
    _dir: Option<TempDir>,
}

pub(in crate::disk) fn slab() -> Slab {
    let options = SlabOptions { chunk_size: CHUNK_SIZE, chunk_count: CHUNK_COUNT, read_count: 2 };
    Slab::new(options).unwrap()
}

/// The runtime of the engines that need no ring.
pub(in crate::disk) fn run_local(test: impl Future<Output = ()> + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

impl Bench {
    /// A bench on the real filesystem.
    pub(in crate::disk) fn on_os(disk: Rc<dyn Disk>) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        Bench { disk, root: dir.path().to_owned(), memory: None, _dir: Some(dir) }
    }

    /// A bench on a disk in memory, perhaps with another one around it.
    pub(in crate::disk) fn on_memory(disk: Rc<dyn Disk>, memory: Rc<MemoryDisk>) -> Bench {
        Bench { disk, root: PathBuf::from("/"), memory: Some(memory), _dir: None }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn plant(&self, name: &str, data: &[u8]) {
        let path = self.at(name);
        if let Some(memory) = &self.memory {
            return memory.plant(&path, data);
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    pub(super) fn plant_symlink(&self, target: &Path, name: &str) {
        match &self.memory {
            Some(memory) => memory.plant_symlink(target, &self.at(name)),
            None => std::os::unix::fs::symlink(target, self.at(name)).unwrap(),
        }
    }

    pub(super) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        match &self.memory {
            Some(memory) => memory.contents(&self.at(name)),
            None => fs::read(self.at(name)).ok(),
        }
    }

    /// A lease with these bytes at its start.
    pub(super) async fn filled(&self, bytes: &[u8]) -> Lease {
        let mut lease = self.disk.slab().take(Pool::Upload).await;
        lease[..bytes.len()].copy_from_slice(bytes);
        lease
    }

    /// Writes all of `bytes`.
    pub(super) async fn write(&self, file: &File, bytes: &[u8], offset: u64) {
        let mut lease = self.filled(bytes).await;
        let mut done = 0;
        while done < bytes.len() {
            let write = self.disk.write(file, lease, done..bytes.len(), offset + done as u64).await;
            done += write.result.unwrap();
            lease = write.lease;
        }
    }

    /// Reads up to `size` bytes, fewer only at the end of the file.
    pub(super) async fn read(&self, file: &File, size: usize, offset: u64) -> Vec<u8> {
        let mut lease = self.disk.slab().take(Pool::Download).await;
        let mut done = 0;
        while done < size {
            let read = self.disk.read(file, lease, done..size, offset + done as u64).await;
            lease = read.lease;
            match read.result.unwrap() {
                0 => break,
                moved => done += moved,
            }
        }
        lease[..done].to_vec()
    }

    pub(super) async fn names(&self) -> Vec<String> {
        let mut names = self.disk.list_dir(&self.root).await.unwrap();
        names.sort();
        names.into_iter().map(|name| name.into_string().unwrap()).collect()
    }

    /// Drains the disk: nothing is in flight, no buffer is lost, no file is left open.
    pub(super) async fn finish(self) {
        self.disk.drain().await;
        assert_eq!(self.disk.slab().in_use(Pool::Upload), 0);
        assert_eq!(self.disk.slab().in_use(Pool::Download), 0);
        assert_eq!(kind(self.disk.list_dir(&self.root).await), DiskErrorKind::Cancelled);
        if let Some(memory) = &self.memory {
            assert_eq!(memory.handle_count(), 0);
        }
    }
}

#[track_caller]
pub(super) fn kind<T: std::fmt::Debug>(result: DiskResult<T>) -> DiskErrorKind {
    result.unwrap_err().kind()
}

/// Bytes that differ from their neighbours and from other streams.
pub(super) fn pattern(stream: usize, size: usize) -> Vec<u8> {
    (0..size).map(|index| u8::try_from((index + 37 * stream) % 251).unwrap()).collect()
}

/// Polls `polls` times with a turn of the loop after each, then gives the future up; whether it
/// was ready by then.
pub(super) async fn abandon<T>(mut op: Op<T>, polls: usize) -> bool {
    for _ in 0..polls {
        if poll!(&mut op).is_ready() {
            return true;
        }
        yield_now().await;
    }
    false
}

pub(super) fn depth<E: Engine>(queue_depth: usize) -> Bench {
    E::bench(&Options { queue_depth, tmpfile: true })
}
