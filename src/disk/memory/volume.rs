//! The state of a disk in memory: files and names, as seen and as durable. Pure: no clock, no
//! task, no buffer; errors are errnos.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::limits::{BLOCK_SIZE, SYMLINKS_FOLLOWED_MAX};
use crate::disk::Stat;
use crate::disk::syscall::FILE_MODE;

/// What the kernel would say.
pub(super) type Errno = i32;

/// A directory's entries.
pub(super) type Names = BTreeMap<String, Entry>;

/// Files, names, and the room they have.
#[derive(Default)]
pub(super) struct Volume {
    pub(super) directories: BTreeMap<PathBuf, Directory>,
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) capacity: u64,
    /// Counts changes: the clock of modification times, and the order of snapshots.
    pub(super) tick: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Node(u64),
    Symlink(PathBuf),
}

#[derive(Default)]
pub(super) struct Directory {
    pub(super) seen: Version<Names>,
    pub(super) durable: Version<Names>,
}

pub(super) struct Inode {
    pub(super) is_file: bool,
    pub(super) seen: Version<Vec<u8>>,
    pub(super) durable: Version<Vec<u8>>,
    modified: SystemTime,
    mode: u32,
    handle_count: usize,
    name_count: usize,
}

/// A state and when it came about. Cheap to clone: that is how a sync remembers.
#[derive(Clone, Default)]
pub(super) struct Version<T> {
    pub(super) tick: u64,
    pub(super) state: Arc<T>,
}

impl Volume {
    pub(super) fn new(capacity: u64) -> Volume {
        let mut volume = Volume::default();
        volume.set_capacity(capacity);
        volume.directories.insert(PathBuf::from("/"), Directory::default());
        volume
    }

    /// Whole blocks, so that a full disk never cuts a direct write within one.
    pub(super) fn set_capacity(&mut self, size: u64) {
        self.capacity = size - size % BLOCK_SIZE as u64;
    }

    // ---- names ------------------------------------------------------------------------------

    pub(super) fn create_dir(&mut self, path: &Path) -> Result<(), Errno> {
        let path = absolute(path)?;
        if self.directories.contains_key(&path) {
            return Ok(());
        }
        let inode = self.add_inode(false);
        if let Err(errno) = self.link(inode, &path) {
            self.inodes.remove(&inode);
            return Err(errno);
        }
        self.directories.insert(path, Directory::default());
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> Result<Vec<String>, Errno> {
        let directory = self.directories.get(&absolute(path)?).ok_or(libc::ENOENT)?;
        Ok(directory.seen.state.keys().cloned().collect())
    }

    /// Whether the path names anything.
    pub(super) fn exists(&self, path: &Path) -> Result<(), Errno> {
        let path = absolute(path)?;
        if self.directories.contains_key(&path) { Ok(()) } else { self.find(&path).map(drop) }
    }

    pub(super) fn find(&self, path: &Path) -> Result<u64, Errno> {
        match self.entry(&absolute(path)?)? {
            Some(Entry::Node(inode)) => Ok(*inode),
            Some(Entry::Symlink(_)) => Err(libc::ELOOP),
            None => Err(libc::ENOENT),
        }
    }

    /// Resolves a stranger's path as `RESOLVE_BENEATH` does.
    pub(super) fn find_beneath(&self, dir: &Path, path: &Path) -> Result<u64, Errno> {
        let dir = absolute(dir)?;
        if path.as_os_str().is_empty() {
            return Err(libc::ENOENT);
        }
        let mut at = dir.clone();
        let mut ahead: VecDeque<PathBuf> = parts(path);
        let mut followed = 0;
        while let Some(part) = ahead.pop_front() {
            if !self.directories.contains_key(&at) {
                return Err(libc::ENOTDIR);
            }
            match part.components().next() {
                Some(Component::Normal(_)) => {}
                Some(Component::ParentDir) if at != dir => {
                    at.pop();
                    continue;
                }
                Some(Component::CurDir) | None => continue,
                Some(_the_way_out) => return Err(libc::EXDEV),
            }
            match self.entry(&at.join(&part))? {
                Some(Entry::Node(_)) => at.push(part),
                Some(Entry::Symlink(_)) if followed == SYMLINKS_FOLLOWED_MAX => {
                    return Err(libc::ELOOP);
                }
                Some(Entry::Symlink(target)) => {
                    followed += 1;
                    parts(target).into_iter().rev().for_each(|part| ahead.push_front(part));
                }
                None => return Err(libc::ENOENT),
            }
        }
        self.find(&at)
    }

    pub(super) fn link(&mut self, inode: u64, path: &Path) -> Result<(), Errno> {
        self.name(&absolute(path)?, Entry::Node(inode))?;
        self.inode_mut(inode).name_count += 1;
        Ok(())
    }

    /// Links the file, in place of any other of that name.
    pub(super) fn replace(&mut self, inode: u64, path: &Path) -> Result<(), Errno> {
        if self.entry(&absolute(path)?)?.is_some() {
            self.remove(path)?;
        }
        self.link(inode, path)
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<(), Errno> {
        let path = absolute(path)?;
        if self.directories.contains_key(&path) {
            return Err(libc::EISDIR);
        }
        if self.entry(&path)?.is_none() {
            return Err(libc::ENOENT);
        }
        let (directory, name) = self.parent_mut(&path)?;
        let removed = Arc::make_mut(&mut directory.seen.state).remove(&name);
        if let Some(Entry::Node(inode)) = removed {
            self.inode_mut(inode).name_count -= 1;
            self.reap(inode);
        }
        Ok(())
    }

    /// What a sync of the directory will make durable.
    pub(super) fn names(&self, path: &Path) -> Result<Version<Names>, Errno> {
        let directory = self.directories.get(&absolute(path)?).ok_or(libc::ENOENT)?;
        Ok(directory.seen.clone())
    }

    /// What a sync of the directory made durable, unless a later one came first.
    pub(super) fn keep_names(&mut self, path: &Path, names: Version<Names>) {
        let directory = absolute(path).ok().and_then(|path| self.directories.get_mut(&path));
        let Some(directory) = directory.filter(|at| names.tick >= at.durable.tick) else { return };
        let before = std::mem::replace(&mut directory.durable, names);
        for entry in before.state.values() {
            if let Entry::Node(inode) = entry {
                self.reap(*inode);
            }
        }
    }

    fn name(&mut self, path: &Path, entry: Entry) -> Result<(), Errno> {
        if self.entry(path)?.is_some() {
            return Err(libc::EEXIST);
        }
        let (directory, name) = self.parent_mut(path)?;
        Arc::make_mut(&mut directory.seen.state).insert(name, entry);
        Ok(())
    }

    fn entry(&self, path: &Path) -> Result<Option<&Entry>, Errno> {
        let (parent, name) = split(path)?;
        let directory = self.directories.get(parent).ok_or(libc::ENOENT)?;
        Ok(directory.seen.state.get(&name))
    }

    /// The directory that a name is about to change in.
    fn parent_mut(&mut self, path: &Path) -> Result<(&mut Directory, String), Errno> {
        let (parent, name) = split(path)?;
        self.tick += 1;
        let directory = self.directories.get_mut(parent).ok_or(libc::ENOENT)?;
        directory.seen.tick = self.tick;
        Ok((directory, name))
    }

    // ---- files ------------------------------------------------------------------------------

    /// A file without a name or handle, if `staging` is a directory.
    pub(super) fn create(&mut self, staging: &Path) -> Result<u64, Errno> {
        self.directories.get(&absolute(staging)?).ok_or(libc::ENOENT)?;
        Ok(self.add_inode(true))
    }

    fn add_inode(&mut self, is_file: bool) -> u64 {
        self.tick += 1;
        let seen = Version { tick: self.tick, state: Arc::default() };
        let durable = Version::default();
        let inode = Inode { is_file, seen, ..Inode::restored(is_file, durable) };
        // The tick is as good a number as any, and never comes again.
        self.inodes.insert(self.tick, inode);
        self.tick
    }

    pub(super) fn opened(&mut self, inode: u64) {
        self.inode_mut(inode).handle_count += 1;
    }

    pub(super) fn closed(&mut self, inode: u64) {
        self.inode_mut(inode).handle_count -= 1;
        self.reap(inode);
    }

    pub(super) fn stat(&self, inode: u64) -> Stat {
        let inode = self.inode(inode);
        let Inode { modified, is_file, mode, .. } = *inode;
        Stat { size: inode.size(), modified, is_file, mode }
    }

    pub(super) fn set_attributes(&mut self, inode: u64, stat: &Stat) {
        let inode = self.inode_mut(inode);
        (inode.modified, inode.mode) = (stat.modified, stat.mode);
    }

    /// Blocks of zeros are holes: the kernel may see a file so, and tests then need no other way to
    /// make them.
    pub(super) fn next_data(&self, inode: u64, offset: u64) -> Option<Range<u64>> {
        let data = &self.inode(inode).seen.state;
        let is_data = |block: &[u8]| block.iter().any(|&byte| byte != 0);
        let mut blocks = data.chunks(BLOCK_SIZE).map(is_data);
        let first = index(offset) / BLOCK_SIZE;
        let start = first + blocks.by_ref().skip(first).position(|is_data| is_data)?;
        let end = start + 1 + blocks.take_while(|&is_data| is_data).count();
        let place = |block: usize| (block * BLOCK_SIZE).min(data.len()) as u64;
        Some(place(start).max(offset)..place(end)).filter(|run| run.start < run.end)
    }

    pub(super) fn read(&self, inode: u64, offset: u64, into: &mut [u8]) -> Result<usize, Errno> {
        let inode = self.inode(inode);
        if !inode.is_file {
            return Err(libc::EISDIR);
        }
        let rest = inode.seen.state.get(index(offset)..).unwrap_or_default();
        let moved = rest.len().min(into.len());
        into[..moved].copy_from_slice(&rest[..moved]);
        Ok(moved)
    }

    /// Writes what there is room for, as the kernel does.
    pub(super) fn write(&mut self, inode: u64, offset: u64, from: &[u8]) -> Result<usize, Errno> {
        let end_max = blocks(self.inode(inode).size()) + self.free();
        let room = index(end_max.saturating_sub(offset)).min(from.len());
        if room == 0 && !from.is_empty() {
            return Err(libc::ENOSPC);
        }
        let start = index(offset);
        let data = self.change(inode);
        data.resize(data.len().max(start + room), 0);
        data[start..start + room].copy_from_slice(&from[..room]);
        Ok(room)
    }

    /// Makes the file at least `size` long, with nothing done if there is no room.
    pub(super) fn extend(&mut self, inode: u64, size: u64) -> Result<(), Errno> {
        let before = self.inode(inode).size();
        if size <= before { Ok(()) } else { self.truncate(inode, size) }
    }

    pub(super) fn truncate(&mut self, inode: u64, size: u64) -> Result<(), Errno> {
        if size > blocks(self.inode(inode).size()) + self.free() {
            return Err(libc::ENOSPC);
        }
        self.change(inode).resize(index(size), 0);
        Ok(())
    }

    /// What a sync of the file will make durable.
    pub(super) fn data(&self, inode: u64) -> Version<Vec<u8>> {
        self.inode(inode).seen.clone()
    }

    /// What a sync of the file made durable, unless a later one came first.
    pub(super) fn keep_data(&mut self, inode: u64, data: Version<Vec<u8>>) {
        let inode = self.inode_mut(inode);
        if data.tick >= inode.durable.tick {
            inode.durable = data;
        }
    }

    fn change(&mut self, inode: u64) -> &mut Vec<u8> {
        self.tick += 1;
        let tick = self.tick;
        let inode = self.inode_mut(inode);
        inode.seen.tick = tick;
        inode.modified = time(tick);
        Arc::make_mut(&mut inode.seen.state)
    }

    fn inode(&self, inode: u64) -> &Inode {
        match self.inodes.get(&inode) {
            Some(inode) => inode,
            None => unreachable!("a file with a handle or a name is there"),
        }
    }

    fn inode_mut(&mut self, inode: u64) -> &mut Inode {
        match self.inodes.get_mut(&inode) {
            Some(inode) => inode,
            None => unreachable!("a file with a handle or a name is there"),
        }
    }

    /// Forgets a file that nobody sees any more, unless a power cut could bring it back.
    fn reap(&mut self, inode: u64) {
        let entry = Entry::Node(inode);
        let durable = |at: &Directory| at.durable.state.values().any(|name| *name == entry);
        let gone = self.inodes.get(&inode).is_some_and(|inode| !inode.is_seen());
        if gone && !self.directories.values().any(durable) {
            self.inodes.remove(&inode);
        }
    }

    // ---- counts -----------------------------------------------------------------------------

    pub(super) fn free(&self) -> u64 {
        let seen = self.inodes.values().filter(|inode| inode.is_seen());
        self.capacity.saturating_sub(seen.map(|inode| blocks(inode.size())).sum())
    }

    pub(super) fn inode_count(&self) -> usize {
        self.inodes.values().filter(|inode| inode.is_file && inode.is_seen()).count()
    }

    pub(super) fn handle_count(&self) -> usize {
        self.inodes.values().map(|inode| inode.handle_count).sum()
    }

    // ---- from outside -----------------------------------------------------------------------

    pub(super) fn plant(&mut self, path: &Path, data: &[u8]) {
        let inode = self.add_inode(true);
        *self.change(inode) = data.to_vec();
        let data = self.data(inode);
        self.keep_data(inode, data);
        self.plant_entry(path, Entry::Node(inode));
    }

    pub(super) fn plant_symlink(&mut self, target: &Path, path: &Path) {
        self.plant_entry(path, Entry::Symlink(target.to_owned()));
    }

    pub(super) fn overwrite(&mut self, path: &Path, data: &[u8]) {
        match self.find(path) {
            Ok(inode) => *self.change(inode) = data.to_vec(),
            Err(errno) => panic!("there is a file to overwrite: errno {errno}"),
        }
    }

    pub(super) fn flip_unnamed(&mut self, offset: usize) {
        let unnamed = self.inodes.values_mut().filter(|inode| inode.name_count == 0);
        for inode in unnamed {
            if let Some(byte) = Arc::make_mut(&mut inode.seen.state).get_mut(offset) {
                *byte ^= 0x40;
            }
        }
    }

    fn plant_entry(&mut self, path: &Path, entry: Entry) {
        let mut ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
        ancestors.reverse();
        for &ancestor in &ancestors {
            assert_eq!(self.create_dir(ancestor), Ok(()), "a planted file's directory");
        }
        if self.entry(path) != Ok(None) {
            assert_eq!(self.remove(path), Ok(()), "a planted file replaces a file");
        }
        let planted = match entry {
            Entry::Node(inode) => self.link(inode, path),
            Entry::Symlink(_) => self.name(path, entry),
        };
        assert_eq!(planted, Ok(()), "a planted file has a path");
        for ancestor in ancestors {
            if let Ok(names) = self.names(ancestor) {
                self.keep_names(ancestor, names);
            }
        }
    }

    pub(super) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let inode = self.inode(self.find(path).ok()?);
        inode.is_file.then(|| inode.seen.state.to_vec())
    }
}

impl Inode {
    /// A file read back from the platter.
    pub(super) fn restored(is_file: bool, data: Version<Vec<u8>>) -> Inode {
        let (modified, mode) = (time(data.tick), FILE_MODE);
        let (handle_count, name_count) = (0, 0);
        let (seen, durable) = (data.clone(), data);
        Inode { is_file, seen, durable, modified, mode, handle_count, name_count }
    }

    /// The file has one name more.
    pub(super) fn named(&mut self) {
        self.name_count += 1;
    }

    fn size(&self) -> u64 {
        self.seen.state.len() as u64
    }

    fn is_seen(&self) -> bool {
        self.handle_count > 0 || self.name_count > 0
    }
}

/// The path from `/`, without `.` and `..`.
fn absolute(path: &Path) -> Result<PathBuf, Errno> {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir => {}
            Component::Prefix(_) => return Err(libc::ENOENT),
        }
    }
    Ok(clean)
}

/// A path's parent and last name. `/` has none, and is always taken.
fn split(path: &Path) -> Result<(&Path, String), Errno> {
    let parent = path.parent().ok_or(libc::EEXIST)?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(libc::ENOENT)?;
    Ok((parent, name.to_owned()))
}

fn parts(path: &Path) -> VecDeque<PathBuf> {
    path.components().map(|part| PathBuf::from(part.as_os_str())).collect()
}

/// The time that a tick stands for.
fn time(tick: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(tick)
}

/// A size in whole blocks, bytes.
fn blocks(size: u64) -> u64 {
    size.saturating_add(BLOCK_SIZE as u64 - 1) / BLOCK_SIZE as u64 * BLOCK_SIZE as u64
}

/// An offset into memory. What does not fit lies beyond every capacity.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
