//! The journal beside a part: read once, then appended to. One per part, by whoever has its lock.
//!
//! A record is written after the disk has its block, and nothing is synced: a process that dies
//! leaves what it wrote to the kernel. After a power cut a record may be there and its block not, so
//! no record is believed before its block was read back and hashed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::base::limits::JOURNAL_SIZE_MAX;
use crate::wire::{JOURNAL_HEADER_SIZE, JOURNAL_RECORD_SIZE, JournalHeader, JournalRecord};

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    header: JournalHeader,
    file: Mutex<File>,
}

/// What a journal says.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) journal: Journal,
    /// Blocks that are said to be there.
    pub(super) claims: Vec<JournalRecord>,
    /// Whether there was a journal that cannot be gone on with: of another file, or damaged.
    pub(super) was_of_another: bool,
}

impl Journal {
    /// Opens the journal at `path` for the file of `header`, or begins one.
    pub(super) fn open(path: &Path, header: JournalHeader) -> io::Result<Opened> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the journal is no regular file"));
        }
        let mut bytes = Vec::new();
        (&mut file).take(JOURNAL_SIZE_MAX + 1).read_to_end(&mut bytes)?;
        let is_usable = bytes.len() as u64 <= JOURNAL_SIZE_MAX
            && JournalHeader::decode(&bytes).is_ok_and(|found| found == header);
        let claims = match bytes.split_at_checked(JOURNAL_HEADER_SIZE) {
            Some((_, records)) if is_usable => header.records(records),
            _ => Vec::new(),
        };
        if is_usable {
            // What was cut short would hide the records after it.
            let whole_size = JOURNAL_HEADER_SIZE + claims.len() * JOURNAL_RECORD_SIZE;
            file.set_len(whole_size as u64)?;
        } else {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header.encode())?;
        }
        file.seek(SeekFrom::End(0))?;
        let was_of_another = !is_usable && !bytes.is_empty();
        Ok(Opened { journal: Journal { header, file: Mutex::new(file) }, claims, was_of_another })
    }

    /// Says that a block is there. A few microseconds: 48 bytes to the page cache.
    pub(super) fn append(&self, record: &JournalRecord) -> io::Result<()> {
        let bytes = self.header.encode_record(record);
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }
}

/// Removes a part or a journal that is of no more use; one that stays is not believed.
pub(super) fn forget(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::debug!(%error, "what is of no more use stays beside the target");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::JournalIdentity;

    fn header(identity: u8) -> JournalHeader {
        JournalHeader {
            size_bytes: 9 << 20,
            block_size_bytes: 1 << 20,
            identity: JournalIdentity::Source([identity; 32]),
        }
    }

    fn record(index: u32) -> JournalRecord {
        JournalRecord { index, hash: [7; 32] }
    }

    #[test]
    fn what_was_written_is_claimed_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let opened = Journal::open(&path, header(1)).unwrap();
        assert!(opened.claims.is_empty() && !opened.was_of_another);
        opened.journal.append(&record(4)).unwrap();
        opened.journal.append(&record(2)).unwrap();
        drop(opened);
        // The process dies in the middle of a record.
        let torn = fs::read(&path).unwrap();
        fs::write(&path, [&torn[..], &[1; 20]].concat()).unwrap();
        let opened = Journal::open(&path, header(1)).unwrap();
        assert_eq!(opened.claims, [record(4), record(2)]);
        opened.journal.append(&record(8)).unwrap();
        assert_eq!(Journal::open(&path, header(1)).unwrap().claims.len(), 3);
    }

    #[test]
    fn a_journal_of_another_file_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        Journal::open(&path, header(1)).unwrap().journal.append(&record(4)).unwrap();
        let opened = Journal::open(&path, header(2)).unwrap();
        assert!(opened.claims.is_empty() && opened.was_of_another);
        opened.journal.append(&record(5)).unwrap();
        assert_eq!(Journal::open(&path, header(2)).unwrap().claims, [record(5)]);
    }

    #[test]
    fn a_journal_without_end_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        fs::write(&path, header(1).encode()).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(Journal::open(&path, header(1)).unwrap().was_of_another);
        assert_eq!(fs::metadata(&path).unwrap().len(), JOURNAL_HEADER_SIZE as u64);
    }
}
