//! A published object, opened: its seal checked, its data readable by ranges.

use std::ops::{Deref, Range};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;

use super::block_check::BlockCheck;
use super::cache::{Caches, Hot, Opened, Origin, Ticket};
use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::reader::Reader;
use super::seal::{Seal, TAIL_SIZE, Tail};
use super::verified::VerifiedReader;
use super::volume::Store;
use super::way::Way;
use crate::base::limits::{CACHE_OBJECT_SIZE_MAX, OPEN_READ_SIZE};
use crate::disk::{Disk, File, Lease, Pool, Stat, read_full};
use crate::id::ObjectNumber;

/// An object, open for reading. Cloning it is cheap.
#[derive(Clone)]
pub struct Stored {
    seal: Arc<Seal>,
    data: Data,
}

/// Where its data is.
#[derive(Clone)]
pub(super) enum Data {
    /// All of it, of a small object.
    Memory(Bytes),
    /// From offset 0 on.
    File { disk: Rc<dyn Disk>, file: File, origin: Origin, is_verified: bool },
}

/// Why an object was not opened without a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAtHand {
    /// Its file is larger than what was asked for.
    Large,
    /// Not all that is needed is in the kernel's memory, or it is not there, or not in order.
    Absent,
}

/// A file below the public directory, open for reading.
pub struct PublicFile {
    disk: Rc<dyn Disk>,
    caches: Arc<Caches>,
    file: File,
    stat: Stat,
}

impl Stored {
    pub(super) fn from_hot(hot: Hot) -> Stored {
        Stored { seal: hot.seal, data: Data::Memory(hot.data) }
    }

    /// Opens the object's file and reads its seal, and keeps it open for the next one; a small
    /// object comes with all its data in the same read.
    pub(super) async fn open(
        store: &Store,
        object: ObjectNumber,
        ticket: &Ticket,
        hot_ticket: &Ticket,
    ) -> StoreResult<Stored> {
        let opening = async {
            let disk = store.disk();
            let (file, size) = open_sized(&*disk, &store.layout().object(object)).await?;
            let (seal, end) = read_sealed_end(&*disk, &file, size, OPEN_READ_SIZE).await?;
            let opened = Opened { seal: Arc::new(seal), file, since: Instant::now() };
            Stored::after_end(store, object, opened, (&end, size), (ticket, hot_ticket))
        };
        opening.await.map_err(|error: StoreError| error.of(object))
    }

    /// The same without a wait, where all of it is in the kernel's memory and in order, of a file
    /// of at most `size_max` bytes.
    pub(super) fn at_hand(
        store: &Store,
        object: ObjectNumber,
        tickets: (&Ticket, &Ticket),
        size_max: u64,
    ) -> Result<Stored, NotAtHand> {
        let disk = store.disk();
        let path = store.layout().object(object);
        let (file, size) = disk.open_resident(&path).ok_or(NotAtHand::Absent)?;
        if size > size_max {
            return Err(NotAtHand::Large);
        }
        let (mut end, offset) = End::of(&*disk, size, OPEN_READ_SIZE);
        if !disk.read_resident(&file, end.as_mut_slice(), offset) {
            return Err(NotAtHand::Absent);
        }
        let seal = end.seal(size).ok().flatten().ok_or(NotAtHand::Absent)?;
        let opened = Opened { seal: Arc::new(seal), file, since: Instant::now() };
        Stored::after_end(store, object, opened, (&end, size), tickets)
            .map_err(|_told_by_open| NotAtHand::Absent)
    }

    /// With the end of its file read: all of a file of that `size`, if it is small. What is kept
    /// whole need not be kept open: descriptors are for what has no room there.
    fn after_end(
        store: &Store,
        object: ObjectNumber,
        opened: Opened,
        (end, size): (&End, u64),
        (ticket, hot_ticket): (&Ticket, &Ticket),
    ) -> StoreResult<Stored> {
        let keep_open = |opened: &Opened| {
            store.caches().opened.offer(object, ticket, opened.clone());
        };
        // The data lies before its seal: a file that was read whole has it all.
        let Some(data_size) = opened.size_if_small().filter(|_| end.len() as u64 == size) else {
            keep_open(&opened);
            return Ok(Stored::over_file(store, object, opened));
        };
        let data = Bytes::copy_from_slice(&end[..data_size]);
        let seal = Arc::clone(&opened.seal);
        let (stored, is_kept) = Stored::in_memory(store, object, seal, data, hot_ticket)?;
        if !is_kept {
            keep_open(&opened);
        }
        Ok(stored)
    }

    /// An object that is open already, without a wait: where the data of a small one is not in
    /// memory, or not what was sealed, it is for [`Stored::of_opened`] to say why.
    pub(super) fn of_opened_at_hand(
        store: &Store,
        object: ObjectNumber,
        opened: Opened,
        hot_ticket: &Ticket,
    ) -> Option<Stored> {
        let Some(data_size) = opened.size_if_small() else {
            return Some(Stored::over_file(store, object, opened));
        };
        let data = read_resident(&*store.disk(), &opened.file, data_size)?;
        let (stored, _) = Stored::in_memory(store, object, opened.seal, data, hot_ticket).ok()?;
        Some(stored)
    }

    /// An object that is open already; one read brings the data of a small one.
    pub(super) async fn of_opened(
        store: &Store,
        object: ObjectNumber,
        opened: Opened,
        hot_ticket: &Ticket,
    ) -> StoreResult<Stored> {
        let Some(data_size) = opened.size_if_small() else {
            return Ok(Stored::over_file(store, object, opened));
        };
        let data = read_whole(&*store.disk(), &opened.file, data_size).await;
        data.and_then(|data| Stored::in_memory(store, object, opened.seal, data, hot_ticket))
            .map(|(stored, _)| stored)
            .map_err(|error| error.of(object))
    }

    /// Over the data of a small object, which is offered to the cache; whether that keeps it.
    fn in_memory(
        store: &Store,
        object: ObjectNumber,
        seal: Arc<Seal>,
        data: Bytes,
        ticket: &Ticket,
    ) -> StoreResult<(Stored, bool)> {
        if store.verifies_reads() {
            check_whole(&seal, &data)?;
        }
        let hot = Hot { seal: Arc::clone(&seal), data: data.clone() };
        let is_kept = store.caches().hot.offer(object, ticket, hot);
        Ok((Stored { seal, data: Data::Memory(data) }, is_kept))
    }

    fn over_file(store: &Store, object: ObjectNumber, opened: Opened) -> Stored {
        let Opened { seal, file, .. } = opened;
        let origin = Origin { object, caches: Arc::clone(store.caches()) };
        let (disk, is_verified) = (store.disk(), store.verifies_reads());
        Stored { seal, data: Data::File { disk, file, origin, is_verified } }
    }

    /// What the object says of itself.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    /// Seal and data, where all of it is in memory.
    pub(super) fn into_memory(self) -> Option<(Arc<Seal>, Bytes)> {
        match self.data {
            Data::Memory(data) => Some((self.seal, data)),
            Data::File { .. } => None,
        }
    }

    /// A range of the data.
    ///
    /// # Panics
    /// When the range is not inside the data: the caller checks what strangers ask for.
    pub fn read(&self, range: Range<u64>) -> Reader {
        assert!(range.start <= range.end, "a range runs forward");
        assert!(range.end <= self.seal.size_bytes, "a range lies inside the data");
        match &self.data {
            Data::Memory(data) => {
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                let end = usize::try_from(range.end).unwrap_or(usize::MAX);
                Reader::from_memory(data.slice(start..end))
            }
            Data::File { disk, file, origin, is_verified } => {
                let read = |range| {
                    let way = Way::new(&origin.caches, &origin.object);
                    let source = (file.clone(), Some(origin.clone()));
                    Reader::from_file(Rc::clone(disk), source, way, range)
                };
                if !*is_verified {
                    return read(range);
                }
                let seal = Arc::clone(&self.seal);
                Reader::verified(VerifiedReader::new(origin.object, seal, range, read))
            }
        }
    }
}

impl Opened {
    /// The size of an object that is kept in memory whole.
    fn size_if_small(&self) -> Option<usize> {
        let size = usize::try_from(self.seal.size_bytes).ok()?;
        (size <= CACHE_OBJECT_SIZE_MAX).then_some(size)
    }
}

impl PublicFile {
    pub(super) fn new(store: &Store, file: File, stat: Stat) -> PublicFile {
        PublicFile { disk: store.disk(), caches: Arc::clone(store.caches()), file, stat }
    }

    /// Size, bytes, when it was opened.
    pub fn size_bytes(&self) -> u64 {
        self.stat.size
    }

    /// Last modification when it was opened.
    pub fn modified(&self) -> SystemTime {
        self.stat.modified
    }

    /// A range of the file. One that is cut meanwhile ends in an error.
    ///
    /// # Panics
    /// When the range is not inside the file as it was opened.
    pub fn read(&self, range: Range<u64>) -> Reader {
        assert!(range.end <= self.stat.size, "a range lies inside the file");
        // Two files of one size and time are taken for the same: one of them is read through the
        // page cache then, no more.
        let way = Way::new(&self.caches, &(self.stat.size, self.stat.modified));
        Reader::from_file(Rc::clone(&self.disk), (self.file.clone(), None), way, range)
    }
}

/// Opens a file and says its size; through the ring only where the disk is needed for that.
async fn open_sized(disk: &dyn Disk, path: &Path) -> StoreResult<(File, u64)> {
    if let Some(opened) = disk.open_resident(path) {
        return Ok(opened);
    }
    let file = disk.open(path).await?;
    let size = disk.stat(&file).await?.size;
    Ok((file, size))
}

/// The first `size` bytes of a file, in memory of their own.
async fn read_whole(disk: &dyn Disk, file: &File, size: usize) -> StoreResult<Bytes> {
    if let Some(data) = read_resident(disk, file, size) {
        return Ok(data);
    }
    // A file of that size and no more: what is behind the data was checked when it was opened.
    let read = read_end(disk, file, size as u64, size).await?;
    Ok(Bytes::copy_from_slice(&read))
}

/// The same where they are in the page cache.
fn read_resident(disk: &dyn Disk, file: &File, size: usize) -> Option<Bytes> {
    let mut data = vec![0; size];
    disk.read_resident(file, &mut data, 0).then(|| Bytes::from(data))
}

/// Checks an object that was read whole, before it goes into the cache: from there it is handed
/// out without another look.
fn check_whole(seal: &Arc<Seal>, data: &[u8]) -> StoreResult<()> {
    let mut check = BlockCheck::new(Arc::clone(seal), 0);
    check.update(data);
    if check.is_intact() { Ok(()) } else { Err(check.damage()) }
}

/// The seal of an open file of `size` bytes, and what came with it: the last `read_size` bytes of
/// the file, or all of a smaller one.
///
/// # Errors
/// `Damaged` when there is no seal, or what the disk says.
pub(super) async fn read_sealed_end(
    disk: &dyn Disk,
    file: &File,
    size: u64,
    read_size: usize,
) -> StoreResult<(Seal, End)> {
    let end = read_end(disk, file, size, read_size).await?;
    if let Some(seal) = end.seal(size)? {
        return Ok((seal, end));
    }
    let longer = read_end(disk, file, size, end.tail(size)?.seal_size).await?;
    let seal = longer.seal(size)?.ok_or_else(|| cut(size))?;
    Ok((seal, end))
}

/// The last bytes of a file, in a buffer.
pub(super) struct End {
    lease: Lease,
    size: usize,
}

impl Deref for End {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.lease[..self.size]
    }
}

impl End {
    /// Room for the last `size_max` bytes of a file, or all of a smaller one, and where they begin.
    /// In a buffer of the slab if one is free: a heap would be asked for an aligned piece at every
    /// request.
    fn of(disk: &dyn Disk, file_size: u64, size_max: usize) -> (End, u64) {
        let size = usize::try_from(file_size).unwrap_or(usize::MAX).min(size_max);
        let free = disk.slab().try_take(Pool::Download).filter(|lease| lease.len() >= size);
        let lease = free.unwrap_or_else(|| Lease::heap(size));
        (End { lease, size }, file_size - size as u64)
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.lease[..self.size]
    }

    /// The tail of a file of `size` bytes.
    fn tail(&self, size: u64) -> StoreResult<Tail> {
        let tail = self.last_chunk::<TAIL_SIZE>().ok_or_else(|| cut(size))?;
        Ok(Tail::decode(tail, size)?)
    }

    /// The seal of a file of `size` bytes; `None` when it is longer than this.
    fn seal(&self, size: u64) -> StoreResult<Option<Seal>> {
        let tail = self.tail(size)?;
        let Some(start) = self.len().checked_sub(tail.seal_size) else { return Ok(None) };
        let seal = Seal::decode(&self[start..])?;
        if seal.size_bytes != tail.data_size {
            return Err(StoreError::new(StoreErrorKind::Damaged, "seal and tail disagree"));
        }
        Ok(Some(seal))
    }
}

/// The last `size_max` bytes of a file, or all of a smaller one.
async fn read_end(
    disk: &dyn Disk,
    file: &File,
    file_size: u64,
    size_max: usize,
) -> StoreResult<End> {
    let (mut end, offset) = End::of(disk, file_size, size_max);
    if disk.read_resident(file, end.as_mut_slice(), offset) {
        return Ok(end);
    }
    let End { lease, size } = end;
    let read = read_full(disk, file, lease, 0..size, offset).await;
    if read.result? < size {
        return Err(cut(file_size));
    }
    Ok(End { lease: read.lease, size })
}

fn cut(size: u64) -> StoreError {
    let message = format!("a file of {size} bytes is no sealed object");
    StoreError::new(StoreErrorKind::Damaged, message)
}
