//! Blocks of files for whoever asks for them, in any order, hashed as they are read.
//!
//! 1. A block is read from the file, which has to be as it was offered, and put into the file's hash
//!    the first time. A block that is asked for again, over another line, is read again: should it
//!    be another one by then, the receiver's hash is not the sender's.
//! 2. When the receiver says that it has a file, the hashes are compared, and the file has to be
//!    still as it was offered.
//!
//! A file that is not is spoiled: it is told, and the others go on. Everything here blocks.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::offer::Item;
use crate::base::limits::{PEER_BLOCK_SIZE, PEER_SOURCES_OPEN_MAX};
use crate::plan::TreeHash;
use crate::wire::{BlockId, Entry, EntryKind};

/// The files of an offer.
#[derive(Debug)]
pub(super) struct Supply {
    items: Vec<Item>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last ones that were read, the latest at the end.
    open: VecDeque<(u32, Arc<File>)>,
    hashes: HashMap<u32, Hashed>,
}

/// What is known of a file's BLAKE3.
#[derive(Debug)]
enum Hashed {
    Partly(TreeHash),
    Whole([u8; 32]),
}

/// An answer to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The block.
    Block(Bytes),
    /// There is no such block, and the stream has that many bytes.
    End(u64),
    /// The file is not what was offered; why.
    Spoiled(String),
    /// The receiver has the block by now, over another line: nobody waits for this answer.
    Needless,
}

/// A question that no receiver asks that knows the offer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Senseless;

impl Supply {
    pub(super) fn new(items: Vec<Item>) -> Supply {
        Supply { items, state: Mutex::default() }
    }

    /// Reads a block.
    pub(super) fn block(&self, id: BlockId) -> Result<Answer, Senseless> {
        let (entry, path) = self.file(id.file)?;
        let offset = id.block.checked_mul(PEER_BLOCK_SIZE as u64).ok_or(Senseless)?;
        let left = entry.size_bytes.checked_sub(offset).filter(|left| *left > 0);
        let left = usize::try_from(left.ok_or(Senseless)?).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(PEER_BLOCK_SIZE)];
        let read = self.open(id.file, entry, path).and_then(|file| {
            file.read_exact_at(&mut bytes, offset).map_err(|error| {
                if error.kind() == io::ErrorKind::UnexpectedEof {
                    return "it shrank while it was sent".to_owned();
                }
                format!("it cannot be read: {error}")
            })
        });
        if let Err(reason) = read {
            return Ok(Answer::Spoiled(reason));
        }
        self.hash(id, entry, &bytes);
        Ok(Answer::Block(bytes.into()))
    }

    /// Whether the receiver has the file; if not, why.
    pub(super) fn check(
        &self,
        file: u32,
        size_bytes: u64,
        blake3: &[u8; 32],
    ) -> Result<Result<(), String>, Senseless> {
        let (entry, path) = self.file(file)?;
        if size_bytes != entry.size_bytes {
            return Err(Senseless);
        }
        let own = self.whole_hash(file, entry)?;
        let found = fs::metadata(path).map_err(|error| format!("it cannot be read: {error}"));
        Ok(found.and_then(|found| unchanged(entry, &found)).and_then(|()| {
            let is_same = own == *blake3;
            is_same.then_some(()).ok_or_else(|| {
                "what arrived is not what was sent: BLAKE3 differs; it may have been written to \
                 meanwhile"
                    .to_owned()
            })
        }))
    }

    fn file(&self, file: u32) -> Result<(&Entry, &Path), Senseless> {
        let item = self.items.get(file as usize).ok_or(Senseless)?;
        match &item.source {
            Some(path) if item.entry.kind == EntryKind::File => Ok((&item.entry, path)),
            _ => Err(Senseless),
        }
    }

    fn open(&self, file: u32, entry: &Entry, path: &Path) -> Result<Arc<File>, String> {
        let known = self.state().open.iter().find(|(open, _)| *open == file).cloned();
        if let Some((_, known)) = known {
            return Ok(known);
        }
        let cannot = |error| format!("it cannot be read: {error}");
        let opened = Arc::new(File::open(path).map_err(cannot)?);
        unchanged(entry, &opened.metadata().map_err(cannot)?)?;
        let mut state = self.state();
        if state.open.len() >= PEER_SOURCES_OPEN_MAX {
            state.open.pop_front();
        }
        state.open.push_back((file, Arc::clone(&opened)));
        Ok(opened)
    }

    /// Puts a block into the file's hash, if it is not there. The hashing is done side by side.
    fn hash(&self, id: BlockId, entry: &Entry, bytes: &[u8]) {
        let new = || Hashed::Partly(TreeHash::new(entry.size_bytes, PEER_BLOCK_SIZE));
        let shape = match self.state().hashes.entry(id.file).or_insert_with(new) {
            Hashed::Partly(tree) if !tree.has(id.block) => tree.shape(),
            Hashed::Partly(_) | Hashed::Whole(_) => return,
        };
        let leaf = shape.leaf(id.block * PEER_BLOCK_SIZE as u64, bytes);
        let mut state = self.state();
        let Some(Hashed::Partly(tree)) = state.hashes.get_mut(&id.file) else { return };
        if !tree.has(id.block) {
            tree.put(leaf);
        }
        if tree.is_whole() {
            let empty = Hashed::Partly(TreeHash::new(0, PEER_BLOCK_SIZE));
            if let Some(Hashed::Partly(tree)) = state.hashes.insert(id.file, empty) {
                state.hashes.insert(id.file, Hashed::Whole(tree.finish()));
            }
            state.open.retain(|(open, _)| *open != id.file);
        }
    }

    fn whole_hash(&self, file: u32, entry: &Entry) -> Result<[u8; 32], Senseless> {
        match self.state().hashes.get(&file) {
            Some(Hashed::Whole(hash)) => Ok(*hash),
            None if entry.size_bytes == 0 => Ok(*blake3::hash(b"").as_bytes()),
            // It says to have what was never sent.
            Some(Hashed::Partly(_)) | None => Err(Senseless),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a file is as it was offered.
fn unchanged(entry: &Entry, found: &Metadata) -> Result<(), String> {
    let time = (found.mtime(), found.mtime_nsec());
    if !found.is_file() {
        return Err("it is no file any more".to_owned());
    }
    if found.len() != entry.size_bytes {
        let (was, is) = (entry.size_bytes, found.len());
        return Err(format!("it changed while it was sent: from {was} bytes to {is}"));
    }
    if time != (entry.modified_s, i64::from(entry.modified_ns)) {
        return Err("it was written to while it was sent".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::offer::Offer;
    use super::*;

    const MIB: usize = PEER_BLOCK_SIZE;

    fn supply(dir: &Path, content: &[u8]) -> (Supply, PathBuf) {
        let path = dir.join("file");
        fs::write(&path, content).unwrap();
        let offer = Offer::of_paths(std::slice::from_ref(&path)).unwrap();
        (Supply::new(offer.items), path)
    }

    fn id(block: u64) -> BlockId {
        BlockId { file: 0, block }
    }

    #[test]
    fn blocks_come_in_any_order_and_again_and_the_hash_is_that_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..251_u8).cycle().take(2 * MIB + 5).collect();
        let (supply, _) = supply(dir.path(), &content);
        let hash = *blake3::hash(&content).as_bytes();
        let size = content.len() as u64;
        for block in [2_usize, 0, 2] {
            let expected = &content[block * MIB..content.len().min((block + 1) * MIB)];
            let answer = supply.block(id(block as u64)).unwrap();
            assert_eq!(answer, Answer::Block(Bytes::copy_from_slice(expected)));
        }
        assert_eq!(supply.check(0, size, &hash), Err(Senseless), "block 1 was not sent");
        supply.block(id(1)).unwrap();
        assert_eq!(supply.check(0, size, &hash), Ok(Ok(())));
        supply.block(id(1)).unwrap();
        assert_eq!(supply.check(0, size, &hash), Ok(Ok(())), "asked again");
        let differs = supply.check(0, size, &[0; 32]).unwrap().unwrap_err();
        assert!(differs.contains("BLAKE3"), "{differs}");
    }

    #[test]
    fn what_nobody_asks_who_knows_the_offer_is_senseless() {
        let dir = tempfile::tempdir().unwrap();
        let (supply, _) = supply(dir.path(), b"12345");
        for id in [id(1), id(u64::MAX), BlockId { file: 1, block: 0 }] {
            assert_eq!(supply.block(id), Err(Senseless), "{id:?}");
        }
        assert_eq!(supply.check(0, 4, &[0; 32]), Err(Senseless));
        assert_eq!(supply.check(1, 5, &[0; 32]), Err(Senseless));
    }

    #[test]
    fn a_file_that_changes_is_spoiled() {
        let dir = tempfile::tempdir().unwrap();
        let hash = *blake3::hash(b"12345").as_bytes();
        let (grown, path) = supply(dir.path(), b"12345");
        grown.block(id(0)).unwrap();
        fs::write(&path, b"123456").unwrap();
        let reason = grown.check(0, 5, &hash).unwrap().unwrap_err();
        assert!(reason.contains("from 5 bytes to 6"), "{reason}");

        let (touched, path) = supply(dir.path(), b"12345");
        File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let Ok(Answer::Spoiled(reason)) = touched.block(id(0)) else { panic!("it was sent") };
        assert!(reason.contains("written to"), "{reason}");

        let (gone, path) = supply(dir.path(), b"12345");
        fs::remove_file(path).unwrap();
        assert!(matches!(gone.block(id(0)), Ok(Answer::Spoiled(_))));
    }

    #[test]
    fn an_empty_file_needs_no_block() {
        let dir = tempfile::tempdir().unwrap();
        let (supply, _) = supply(dir.path(), b"");
        let hash = *blake3::hash(b"").as_bytes();
        assert_eq!(supply.check(0, 0, &hash), Ok(Ok(())));
        assert_eq!(supply.block(id(0)), Err(Senseless));
    }
}
