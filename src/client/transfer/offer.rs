//! What a sender offers: files, whole folders, or a stream. Looked at once, before anybody is asked.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::TransferError;
use crate::base::limits::{PEER_ENTRIES_MAX, PEER_ENTRIES_SIZE_MAX, PEER_OFFER_SIZE_MAX};
use crate::wire::{Entry, EntryKind, PeerMessage, PeerPath};

/// Permissions that travel.
const MODE_KEPT: u32 = 0o777;
/// Those of a stream, which has none.
const MODE_STREAM: u16 = 0o644;

/// What is offered, and where it is read.
#[derive(Clone, Debug)]
pub struct Offer {
    pub(super) items: Vec<Item>,
    /// What in the folders is not sent, and why.
    pub skipped: Vec<(PathBuf, &'static str)>,
}

/// An entry and its source.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) entry: Entry,
    /// A file's path; `None` of what has no bytes of its own here: folders, streams.
    pub(super) source: Option<PathBuf>,
}

impl Offer {
    /// Files and folders by their paths, with everything in them. Links that are named are followed,
    /// those in folders are not.
    ///
    /// # Errors
    /// `Source`, with the path: what cannot be read, has no name that travels, or is too much.
    pub fn of_paths(paths: &[PathBuf]) -> Result<Offer, TransferError> {
        let mut gathering = Gathering::default();
        for path in paths {
            let metadata = fs::metadata(path).map_err(|error| unread(path, &error))?;
            if !metadata.is_file() && !metadata.is_dir() {
                return Err(refused(path, other_kind(&metadata)));
            }
            let name = own_name(path)?;
            if !gathering.names.insert(name.clone()) {
                return Err(refused(path, "another one of the same name is sent: send it apart"));
            }
            gathering.add(path, &name, &metadata)?;
        }
        Ok(Offer { items: gathering.items, skipped: gathering.skipped })
    }

    /// A stream of this name.
    ///
    /// # Errors
    /// `Source`, when the name is none.
    pub fn of_stream(name: &str) -> Result<Offer, TransferError> {
        let path = PeerPath::parse(name).map_err(|error| refused(Path::new(name), error))?;
        let entry = Entry {
            kind: EntryKind::Stream,
            mode: MODE_STREAM,
            modified_s: 0,
            modified_ns: 0,
            size_bytes: 0,
            path,
        };
        Ok(Offer { items: vec![Item { entry, source: None }], skipped: Vec::new() })
    }

    /// Bytes of all files together.
    pub fn size_bytes(&self) -> u64 {
        self.items.iter().fold(0, |sum: u64, item| sum.saturating_add(item.entry.size_bytes))
    }

    /// Files, and a stream.
    pub fn file_count(&self) -> usize {
        self.items.iter().filter(|item| item.entry.kind != EntryKind::Folder).count()
    }

    /// Folders.
    pub fn folder_count(&self) -> usize {
        self.items.len() - self.file_count()
    }

    /// Whether it is a stream, whose end nobody knows.
    pub fn is_stream(&self) -> bool {
        self.items.iter().any(|item| item.entry.kind == EntryKind::Stream)
    }

    /// The entries, in messages of a bounded size.
    pub(super) fn messages(&self) -> impl Iterator<Item = PeerMessage> + '_ {
        let mut entries = self.items.iter().map(|item| &item.entry).peekable();
        std::iter::from_fn(move || {
            let (mut some, mut size) = (Vec::new(), 0);
            while let Some(entry) = entries.peek() {
                size += entry.encoded_size();
                if size > PEER_ENTRIES_SIZE_MAX && !some.is_empty() {
                    break;
                }
                some.extend(entries.next().cloned());
            }
            (!some.is_empty()).then_some(PeerMessage::Entries(some))
        })
    }
}

#[derive(Default)]
struct Gathering {
    items: Vec<Item>,
    names: BTreeSet<String>,
    skipped: Vec<(PathBuf, &'static str)>,
    size: usize,
}

impl Gathering {
    /// A file, or a folder with everything in it, which is looked at folder by folder.
    fn add(&mut self, path: &Path, name: &str, metadata: &Metadata) -> Result<(), TransferError> {
        self.item(path, name, metadata)?;
        let mut folders = Vec::new();
        if metadata.is_dir() {
            folders.push((path.to_owned(), name.to_owned()));
        }
        while let Some((folder, name)) = folders.pop() {
            for path in children(&folder)? {
                let metadata =
                    fs::symlink_metadata(&path).map_err(|error| unread(&path, &error))?;
                if !metadata.is_file() && !metadata.is_dir() {
                    self.skipped.push((path, other_kind(&metadata)));
                    continue;
                }
                let name = format!("{name}/{}", text_name(&path)?);
                self.item(&path, &name, &metadata)?;
                if metadata.is_dir() {
                    folders.push((path, name));
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, path: &Path, name: &str, metadata: &Metadata) -> Result<(), TransferError> {
        let kind = if metadata.is_dir() { EntryKind::Folder } else { EntryKind::File };
        let entry = Entry {
            kind,
            mode: u16::try_from(metadata.permissions().mode() & MODE_KEPT).unwrap_or_default(),
            modified_s: metadata.mtime(),
            modified_ns: u32::try_from(metadata.mtime_nsec()).unwrap_or_default(),
            size_bytes: if kind == EntryKind::File { metadata.len() } else { 0 },
            path: PeerPath::parse(name).map_err(|error| refused(path, error))?,
        };
        self.size += entry.encoded_size();
        if self.items.len() >= PEER_ENTRIES_MAX || self.size > PEER_OFFER_SIZE_MAX {
            return Err(TransferError::Source(format!(
                "more than {PEER_ENTRIES_MAX} files and folders, or too long names, for one \
                 transfer: send an archive: tar c FILE... | ringhold send -"
            )));
        }
        let source = (kind == EntryKind::File).then(|| path.to_owned());
        self.items.push(Item { entry, source });
        Ok(())
    }
}

/// What is in a folder, in order.
fn children(folder: &Path) -> Result<Vec<PathBuf>, TransferError> {
    let read = |error| unread(folder, &error);
    let entries = fs::read_dir(folder).map_err(read)?;
    let mut paths = Vec::new();
    for entry in entries.take(PEER_ENTRIES_MAX + 1) {
        paths.push(entry.map_err(read)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// The last name of a path; of one that has none, such as `.`, that of the folder it means.
fn own_name(path: &Path) -> Result<String, TransferError> {
    if path.file_name().is_some() {
        return text_name(path);
    }
    let whole = path.canonicalize().map_err(|error| unread(path, &error))?;
    text_name(&whole)
}

fn text_name(path: &Path) -> Result<String, TransferError> {
    let Some(name) = path.file_name() else {
        return Err(refused(path, "it has no name: name what is in it"));
    };
    name.to_str().map(str::to_owned).ok_or_else(|| {
        refused(path, "its name is no UTF-8, which names here are: rename it, or send an archive")
    })
}

/// What is neither a file nor a folder.
fn other_kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        "it is a symbolic link"
    } else if kind.is_fifo() {
        "it is a pipe: send it as -, from stdin"
    } else if kind.is_socket() {
        "it is a socket"
    } else {
        "it is a device"
    }
}

fn unread(path: &Path, error: &io::Error) -> TransferError {
    refused(path, format!("it cannot be read: {error}"))
}

fn refused(path: &Path, why: impl std::fmt::Display) -> TransferError {
    let shown = path.to_string_lossy().escape_debug().to_string();
    TransferError::Source(format!("cannot send {shown}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(offer: &Offer) -> Vec<String> {
        offer.items.iter().map(|item| item.entry.path.to_string()).collect()
    }

    #[test]
    fn a_folder_is_offered_with_everything_but_links_and_pipes() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        fs::create_dir_all(top.join("empty")).unwrap();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::write(top.join("a/b/file"), "12345").unwrap();
        fs::write(top.join("nothing"), "").unwrap();
        symlink("/etc/passwd", top.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
        let offer = Offer::of_paths(std::slice::from_ref(&top)).unwrap();
        assert_eq!(
            names(&offer),
            ["top", "top/a", "top/empty", "top/nothing", "top/a/b", "top/a/b/file"]
        );
        assert_eq!((offer.file_count(), offer.folder_count(), offer.size_bytes()), (2, 4, 5));
        let skipped: Vec<_> = offer.skipped.iter().map(|(path, why)| (path, *why)).collect();
        assert_eq!(
            skipped,
            [(&top.join("link"), "it is a symbolic link"), (&top.join("socket"), "it is a socket")]
        );
        let link = dir.path().join("named");
        symlink(top.join("nothing"), &link).unwrap();
        assert_eq!(names(&Offer::of_paths(&[link]).unwrap()), ["named"], "a link that is named");
    }

    #[test]
    fn what_cannot_be_sent_is_told_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("other")).unwrap();
        fs::write(path("same"), "").unwrap();
        fs::write(path("other/same"), "").unwrap();
        let odd = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
        fs::write(&odd, "").unwrap();
        for (paths, words) in [
            (vec![path("missing")], "missing"),
            (vec![path("same"), path("other/same")], "same name"),
            (vec![odd], "UTF-8"),
            (vec![PathBuf::from("/")], "no name"),
            (vec![PathBuf::from("/dev/null")], "device"),
        ] {
            let refused = Offer::of_paths(&paths).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(Offer::of_stream("a/../b").is_err());
    }

    #[test]
    fn an_offer_is_said_in_messages_of_a_bounded_size() {
        let dir = tempfile::tempdir().unwrap();
        let long = "n".repeat(200);
        (0..700).for_each(|index| {
            fs::write(dir.path().join(format!("{long}{index}")), "").unwrap();
        });
        let offer = Offer::of_paths(&[dir.path().to_owned()]).unwrap();
        let messages: Vec<_> = offer.messages().collect();
        assert!(messages.len() > 1);
        let mut entries = Vec::new();
        for message in messages {
            assert!(message.encode().len() <= PEER_ENTRIES_SIZE_MAX + 1);
            let PeerMessage::Entries(some) = message else { panic!("{message:?}") };
            entries.extend(some);
        }
        assert_eq!(entries.len(), 701);
        assert!(entries.iter().eq(offer.items.iter().map(|item| &item.entry)));
    }
}
