//! An object while it is received: bytes in, chunks to the disk, at the end a sealed file without
//! a name.
//!
//! One [`Receiving`] per file being uploaded. Its life:
//!
//! ```text
//!                  write                   seal                     publish
//!   create ──► Receiving ◄──► (parked) ──► Sealed ──► (publisher.rs) ──► Published
//!                  │  drop                   │ drop
//!                  └──► nothing left ◄───────┘
//! ```
//!
//! 1. `write` copies bytes into a lease and hashes them there, in steps that begin and end on the
//!    object's own grid, however the frames are cut; a full chunk goes to the disk at its planned
//!    offset, several chunks in flight. When no lease is free it waits, the body is not polled, and
//!    TCP makes the sender wait.
//! 2. `park` gives the lease back when the sender is slow: what is block-aligned is written, the
//!    rest (less than a block) is kept aside. What comes then is kept there too, until it is worth
//!    a lease: a thousand senders of a few bytes now and then would have all of them. What is aside
//!    is hashed.
//! 3. `seal` appends padding and seal to the last chunk, so a small object is one write, waits for
//!    all writes and cuts what was preallocated beyond the end.
//! 4. The first failure stays: every later call repeats it.
//!
//! Writes run as tasks that own their lease, so a lease returns with its completion, whatever the
//! upload's own task waits for. Dropping this value drops the tasks; the kernel keeps the buffers
//! until it is done with them (disk/uring.rs) and the file, having no name, vanishes.

use std::cell::Cell;
use std::rc::Rc;

use tokio::task::{JoinError, JoinSet};

use super::error::{StoreError, StoreErrorKind, StoreResult};
use super::hash::ObjectHasher;
use super::publisher::Durability;
use super::room::Grant;
use super::seal::Seal;
use super::volume::Store;
use crate::base::limits::{
    BLOCK_SIZE, DIRECT_SIZE_MIN, HASH_STEP_SIZE, OBJECT_SIZE_MAX, PARKED_SIZE_MAX,
    SMALL_FILE_SIZE_MAX, WRITES_PER_UPLOAD_MAX,
};
use crate::disk::{Care, DiskErrorKind, DiskResult, File, Lease, Pool, create_written, write_all};
use crate::plan::{Chunk, Cursor, Geometry, Preallocation, Tail};

/// What is known of an object before its first byte.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// Original name, at most `NAME_SIZE_MAX` bytes.
    pub name: String,
    /// Media type, at most `CONTENT_TYPE_SIZE_MAX` bytes.
    pub content_type: String,
    /// Claimed size, bytes; `None` when unknown. Reserves nothing.
    pub size_bytes: Option<u64>,
}

/// An object being received.
pub struct Receiving {
    store: Store,
    new: NewObject,
    file: Option<File>,
    /// The chunk being filled.
    filling: Option<Filling>,
    /// What is kept while parked, at most `PARKED_SIZE_MAX`; it belongs at the cursor.
    aside: Vec<u8>,
    /// Whether the sender was slow and has sent little since.
    is_parked: bool,
    /// Where the next chunk goes.
    cursor: Cursor,
    /// Boxed: 2 KiB that every future holding an upload would carry inside.
    hasher: Box<ObjectHasher>,
    /// Data received, bytes.
    size: u64,
    preallocation: Preallocation,
    /// Up to here the file has room on the volume: it was taken chunk by chunk, or ahead of them.
    granted: u64,
    /// How far the file reaches by preallocation, bytes.
    allocated: u64,
    /// Set by a preallocation that failed: what it took room for has none yet.
    is_unallocated: Rc<Cell<bool>>,
    tasks: JoinSet<DiskResult<()>>,
    failed: Option<StoreError>,
    is_alone: bool,
    /// Whether the data was synced with the write.
    is_synced: bool,
}

/// A lease being filled.
struct Filling {
    lease: Lease,
    /// Where its first byte lies in the file.
    offset: u64,
    filled: usize,
    /// How many of the filled bytes were hashed.
    hashed: usize,
    /// What fits up to the planner's next chunk border.
    room: usize,
}

/// A whole object without a name.
pub struct Sealed {
    pub(super) file: File,
    pub(super) seal: Seal,
    /// Whether data and size are durable.
    pub(super) is_synced: bool,
}

impl Receiving {
    pub(super) fn new(store: Store, new: NewObject) -> StoreResult<Receiving> {
        let preallocation = Preallocation::new(new.size_bytes)?;
        let cursor = Geometry::new(store.disk().slab().buffer_size(Pool::Upload))?.cursor();
        Ok(Receiving {
            store,
            new,
            file: None,
            filling: None,
            aside: Vec::new(),
            is_parked: false,
            cursor,
            hasher: Box::default(),
            size: 0,
            preallocation,
            granted: 0,
            allocated: 0,
            is_unallocated: Rc::default(),
            tasks: JoinSet::new(),
            failed: None,
            is_alone: false,
            is_synced: false,
        })
    }

    /// This object will be published as soon as it is sealed, and no other with it: a small one is
    /// synced in the same step that writes it. Those of one request sync together, later.
    pub fn alone(mut self) -> Receiving {
        self.is_alone = true;
        self
    }

    /// Data received so far, bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes. Returns when they are in a buffer, not when they are on disk; waits
    /// while there is no buffer.
    ///
    /// # Errors
    /// The first failure of this object, from here on.
    pub async fn write(&mut self, data: &[u8]) -> StoreResult<()> {
        let grown = self.size.checked_add(data.len() as u64);
        if grown.is_none_or(|size| size > OBJECT_SIZE_MAX) {
            let message = format!("an object holds at most {OBJECT_SIZE_MAX} bytes");
            return self.fail(StoreError::new(StoreErrorKind::TooLarge, message));
        }
        self.size += data.len() as u64;
        let result = self.append(data).await;
        self.keep_failure(result)
    }

    /// Gives the buffer back because the sender is slow: writes what is block-aligned and keeps
    /// the rest, less than a block, aside.
    ///
    /// # Errors
    /// The first failure of this object.
    pub async fn park(&mut self) -> StoreResult<()> {
        self.is_parked = true;
        let result = self.spill().await;
        self.keep_failure(result)
    }

    /// Ends the object: padding and seal, then every write awaited.
    ///
    /// # Errors
    /// The first failure of this object. Nothing is left of it then.
    pub async fn seal(mut self) -> StoreResult<Sealed> {
        self.check_failed()?;
        self.hash_filled();
        let hash = std::mem::take(&mut self.hasher).finish();
        let NewObject { name, content_type, .. } = self.new.clone();
        let seal = Seal::new(name, content_type, self.size, hash);
        let bytes = seal.encode();
        let tail = Tail::of(self.size)?;
        self.is_parked = false;
        self.append_unhashed(&[0; BLOCK_SIZE][..tail.padding_size()]).await?;
        self.append_unhashed(&bytes).await?;
        let end = tail.padded_size() + bytes.len() as u64;
        self.flush(Some(end)).await?;
        while !self.tasks.is_empty() {
            self.reap().await?;
        }
        let Some(file) = self.file.take() else { unreachable!("a seal is at least one write") };
        if self.allocated > end {
            let cut = self.store.disk().truncate(&file, end).await;
            cut.map_err(|error| self.store.caretaker().lost(error))?;
        }
        Ok(Sealed { file, seal, is_synced: self.is_synced })
    }

    /// Data: copied step by step and hashed where it was copied to, while it is in the cache.
    async fn append(&mut self, data: &[u8]) -> StoreResult<()> {
        self.check_failed()?;
        if self.keep_aside(data)? {
            return Ok(());
        }
        let mut rest = data;
        while !rest.is_empty() {
            let filling = self.filling().await?;
            let step_end = filling.step_end();
            rest = filling.fill(rest, step_end);
            if filling.filled == step_end {
                self.hash_filled();
                self.flush_full().await?;
            }
        }
        Ok(())
    }

    /// What comes after the data: not hashed.
    async fn append_unhashed(&mut self, bytes: &[u8]) -> StoreResult<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let filling = self.filling().await?;
            let room = filling.room;
            rest = filling.fill(rest, room);
            self.flush_full().await?;
        }
        Ok(())
    }

    /// Hashes what was filled and not hashed yet.
    fn hash_filled(&mut self) {
        if let Some(filling) = &mut self.filling {
            self.hasher.update(&filling.lease[filling.hashed..filling.filled]);
            filling.hashed = filling.filled;
        }
    }

    /// Keeps what comes while parked aside, if there is room; what is kept fits the next chunk.
    fn keep_aside(&mut self, data: &[u8]) -> StoreResult<bool> {
        let room = self.cursor.room()?.size.min(PARKED_SIZE_MAX);
        let fits = self.aside.len() + data.len() <= room;
        self.is_parked = self.is_parked && self.filling.is_none() && fits;
        if self.is_parked {
            self.hasher.update(data);
            self.aside.extend_from_slice(data);
        }
        Ok(self.is_parked)
    }

    /// The chunk being filled; a new one, with what was kept aside, when there is none.
    async fn filling(&mut self) -> StoreResult<&mut Filling> {
        if self.filling.is_none() {
            let mut lease = self.store.disk().slab().take(Pool::Upload).await;
            let filled = self.aside.len();
            lease[..filled].copy_from_slice(&self.aside);
            // Its memory goes with it: most senders are slow once and never again.
            self.aside = Vec::new();
            let Chunk { offset, size: room } = self.cursor.room()?;
            self.filling = Some(Filling { lease, offset, filled, hashed: filled, room });
        }
        match &mut self.filling {
            Some(filling) => Ok(filling),
            None => unreachable!("made above"),
        }
    }

    async fn spill(&mut self) -> StoreResult<()> {
        self.check_failed()?;
        self.hash_filled();
        let Some(Filling { lease, filled, .. }) = self.filling.take() else { return Ok(()) };
        let spill = self.cursor.spill(filled)?;
        self.aside.extend_from_slice(&lease[filled - spill.kept_size..filled]);
        match spill.write {
            Some(chunk) => self.write_chunk(lease, chunk, None).await,
            None => Ok(()),
        }
    }

    /// Sends the chunk being filled to the disk if it is full.
    async fn flush_full(&mut self) -> StoreResult<()> {
        match &self.filling {
            Some(filling) if filling.filled == filling.room => self.flush(None).await,
            _ => Ok(()),
        }
    }

    /// Sends the chunk being filled to the disk; `end` as in [`Receiving::write_chunk`].
    async fn flush(&mut self, end: Option<u64>) -> StoreResult<()> {
        let Some(Filling { lease, filled, .. }) = self.filling.take() else { return Ok(()) };
        match (self.cursor.next(filled)?, end) {
            (Some(whole), Some(end)) if self.file.is_none() && end <= SMALL_FILE_SIZE_MAX => {
                self.write_whole(lease, whole).await
            }
            (Some(chunk), end) => self.write_chunk(lease, chunk, end).await,
            (None, _) => Ok(()),
        }
    }

    /// Makes the file of the only chunk there is, in one step.
    async fn write_whole(&mut self, lease: Lease, whole: Chunk) -> StoreResult<()> {
        assert!(whole.offset == 0 && whole.is_aligned(), "the only chunk is all of the file");
        let grant = self.room_for(&whole).await?;
        let care = match self.store.durability() {
            Durability::None => Care::Cached,
            Durability::Full if self.is_alone => Care::Durable,
            Durability::Full => Care::Direct,
        };
        let (disk, staging) = (self.store.disk(), self.store.layout().staging());
        let made = create_written(&*disk, staging, lease, 0..whole.size, care).await;
        drop((made.lease, grant));
        let file = made.result.map_err(|error| self.store.caretaker().lost(error))?;
        self.file = Some(file);
        self.is_synced = care == Care::Durable;
        Ok(())
    }

    /// Starts the write of a planned chunk. `end` is the size of the whole file once it is known.
    async fn write_chunk(
        &mut self,
        lease: Lease,
        chunk: Chunk,
        end: Option<u64>,
    ) -> StoreResult<()> {
        assert!(chunk.is_aligned(), "only whole blocks go to the disk");
        while self.tasks.len() >= WRITES_PER_UPLOAD_MAX {
            self.reap().await?;
        }
        while let Some(done) = self.tasks.try_join_next() {
            self.finish(done)?;
        }
        let grant = self.room_for(&chunk).await?;
        let file = self.opened(end).await?;
        if end.is_none() {
            self.preallocate(&file);
        }
        let disk = self.store.disk();
        self.tasks.spawn_local(async move {
            let span = 0..chunk.size;
            let (lease, result) = write_all(&*disk, &file, lease, span, chunk.offset).await;
            drop((lease, grant));
            result
        });
        Ok(())
    }

    /// Room for a chunk, unless it was taken ahead.
    async fn room_for(&mut self, chunk: &Chunk) -> StoreResult<Option<Grant>> {
        if self.is_unallocated.take() {
            self.granted = self.granted.min(chunk.offset);
            self.preallocation.stop();
        }
        let missing = chunk.end().saturating_sub(self.granted);
        if missing == 0 {
            return Ok(None);
        }
        let caretaker = self.store.caretaker();
        let grant = match self.granted {
            0 => caretaker.take_first(missing).await?,
            _ => caretaker.take_more(missing).await?,
        };
        self.granted = chunk.end();
        Ok(Some(grant))
    }

    /// The file, opened with the first chunk: only then is it known whether it is small.
    async fn opened(&mut self, end: Option<u64>) -> StoreResult<File> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let (disk, caretaker) = (self.store.disk(), self.store.caretaker());
        let created = disk.create_unnamed(self.store.layout().staging()).await;
        let file = created.map_err(|error| caretaker.lost(error))?;
        // Neither claimed nor ended yet: a full chunk of something long.
        let size = end.or(self.new.size_bytes).unwrap_or(u64::MAX);
        // What must be on disk before the answer gains nothing by the page cache: straight there,
        // small objects are a third faster (docs/decisions.md).
        if size >= DIRECT_SIZE_MIN || self.store.durability() == Durability::Full {
            disk.set_direct(&file, true).map_err(|error| caretaker.lost(error))?;
        }
        self.file = Some(file.clone());
        Ok(file)
    }

    /// Preallocates beside the writes, never in their way.
    fn preallocate(&mut self, file: &File) {
        let Some(range) = self.preallocation.next(self.cursor.offset()) else { return };
        let size = range.end - range.start;
        // Without preallocation writing is slower, not wrong; and where there is no room ahead
        // there may still be enough for what is really sent: the chunks find out.
        let Some(grant) = self.store.caretaker().take_ahead(size) else {
            return self.preallocation.stop();
        };
        (self.granted, self.allocated) = (range.end, range.end);
        let disk = self.store.disk();
        let file = file.clone();
        let is_unallocated = Rc::clone(&self.is_unallocated);
        self.tasks.spawn_local(async move {
            let result = disk.allocate(&file, range.start, size).await;
            drop(grant);
            match result {
                Err(error)
                    if matches!(error.kind(), DiskErrorKind::Unsupported | DiskErrorKind::Full) =>
                {
                    is_unallocated.set(true);
                    Ok(())
                }
                other => other,
            }
        });
    }

    async fn reap(&mut self) -> StoreResult<()> {
        match self.tasks.join_next().await {
            Some(done) => self.finish(done),
            None => Ok(()),
        }
    }

    fn finish(&self, done: Result<DiskResult<()>, JoinError>) -> StoreResult<()> {
        match done {
            Ok(result) => result.map_err(|error| self.store.caretaker().lost(error)),
            Err(_stopped) => {
                Err(StoreError::new(StoreErrorKind::Stopping, "the worker is stopping"))
            }
        }
    }

    fn check_failed(&self) -> StoreResult<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn keep_failure(&mut self, result: StoreResult<()>) -> StoreResult<()> {
        match result {
            Err(error) => self.fail(error),
            Ok(()) => Ok(()),
        }
    }

    fn fail(&mut self, error: StoreError) -> StoreResult<()> {
        self.filling = None;
        self.file = None;
        Err(self.failed.get_or_insert(error).clone())
    }
}

impl Filling {
    /// Where the next step of the hash ends: on the object's grid, or with the chunk.
    fn step_end(&self) -> usize {
        let position = self.offset + self.filled as u64;
        let into_step = usize::try_from(position % HASH_STEP_SIZE as u64).unwrap_or(0);
        self.room.min(self.filled + HASH_STEP_SIZE - into_step)
    }

    /// Takes what fits below `end`; the rest comes back.
    fn fill<'d>(&mut self, data: &'d [u8], end: usize) -> &'d [u8] {
        let (now, later) = data.split_at(data.len().min(end - self.filled));
        let end = self.filled + now.len();
        self.lease[self.filled..end].copy_from_slice(now);
        self.filled = end;
        later
    }
}

impl Sealed {
    /// Size of the data, bytes.
    pub fn size_bytes(&self) -> u64 {
        self.seal.size_bytes
    }

    /// BLAKE3 of the data.
    pub fn blake3(&self) -> [u8; 32] {
        self.seal.blake3
    }
}
