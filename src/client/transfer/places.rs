//! Where the files of an offer go at the receiver, decided before anything is accepted: below one
//! folder, by safe names, beside what is there already. Everything here blocks.
//!
//! What is wrong is told to both ends, so it is said with names below the folder: where that is, is
//! nothing to the sender. A folder on the way that is a symbolic link is refused, before the transfer
//! and again when a file is begun. Whoever can change the folders in between is the receiver itself.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::TransferError;
use crate::wire::{Entry, EntryKind, PeerPath};

/// Names that are listed in a sentence.
const LISTED_MAX: usize = 3;

/// Where what is received goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Below a folder, by their names.
    Folder(PathBuf),
    /// A single file, under this name.
    Named(PathBuf),
    /// A single file, to standard output.
    Stdout,
}

/// The places of all entries.
#[derive(Debug)]
pub(super) struct Places {
    root: PathBuf,
    /// Below the root; in the order of the offer.
    paths: Vec<PathBuf>,
    /// Whether files that are there are replaced.
    pub(super) overwrite: bool,
}

/// An entry whose name is another here.
pub(super) type Renamed = (String, String);

impl Places {
    /// The directory that everything goes to, or into folders below it.
    pub(super) fn directory(&self) -> PathBuf {
        self.root.clone()
    }

    /// Looks where each entry may go.
    ///
    /// # Errors
    /// `Unwanted`: why nothing of it can be taken.
    pub(super) fn new(
        entries: &[Entry],
        destination: &Destination,
        overwrite: bool,
    ) -> Result<(Places, Vec<Renamed>), TransferError> {
        check_stream(entries)?;
        let (root, paths, renamed) = match destination {
            Destination::Folder(root) => {
                let (paths, renamed) = safe_paths(entries)?;
                (root.clone(), paths, renamed)
            }
            Destination::Named(name) => {
                check_single(entries)?;
                let file = name.file_name().map(PathBuf::from).unwrap_or_default();
                (parent(name).to_owned(), vec![file], Vec::new())
            }
            Destination::Stdout => {
                check_single(entries)?;
                return Ok((
                    Places { root: PathBuf::new(), paths: Vec::new(), overwrite },
                    Vec::new(),
                ));
            }
        };
        let places = Places { root, paths, overwrite };
        places.check(entries)?;
        Ok((places, renamed))
    }

    /// Where an entry goes.
    pub(super) fn target(&self, file: u32) -> PathBuf {
        self.paths.get(file as usize).map_or_else(|| self.root.clone(), |path| self.root.join(path))
    }

    /// Makes the folders that an entry goes to; those that were made.
    ///
    /// # Errors
    /// When one cannot be made, or leads elsewhere.
    pub(super) fn make_folders(&self, file: u32, is_folder: bool) -> io::Result<Vec<PathBuf>> {
        let Some(path) = self.paths.get(file as usize) else { return Ok(Vec::new()) };
        let folder = if is_folder { Some(path.as_path()) } else { path.parent() };
        let mut made = Vec::new();
        let mut at = self.root.clone();
        for component in folder.iter().flat_map(|folder| folder.components()) {
            at.push(component);
            match DirBuilder::new().create(&at) {
                Ok(()) => made.push(at.clone()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => leads_down(&at)?,
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// Gives folders that were made here the permissions that they came with: last, as files could
    /// not be made in one that may not be written to.
    pub(super) fn finish_folders(&self, entries: &[Entry], made: &BTreeSet<PathBuf>) {
        let folders = entries.iter().zip(0..).filter(|(entry, _)| entry.kind == EntryKind::Folder);
        for (entry, file) in folders {
            let path = self.target(file);
            if made.contains(&path) {
                // A filesystem without permissions keeps its own.
                let _ = fs::set_permissions(&path, Permissions::from_mode(u32::from(entry.mode)));
            }
        }
    }

    /// Bytes that are free where the files go; `None` where nobody can say.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(&self.root).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Every folder on the way is one or can be made, and no file is in the way.
    fn check(&self, entries: &[Entry]) -> Result<(), TransferError> {
        let mut looked_at = BTreeSet::new();
        let mut taken = Vec::new();
        for (path, entry) in self.paths.iter().zip(entries) {
            let is_folder = entry.kind == EntryKind::Folder;
            let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
            if is_folder {
                folders.insert(0, path);
            }
            for folder in folders.into_iter().filter(|folder| !folder.as_os_str().is_empty()) {
                if looked_at.insert(folder.to_owned()) {
                    self.check_folder(folder)?;
                }
            }
            if is_folder {
                continue;
            }
            match fs::symlink_metadata(self.root.join(path)) {
                Ok(found) if found.is_dir() => {
                    return Err(in_the_way(path, "a folder of that name is there"));
                }
                Ok(_) if !self.overwrite => taken.push(shown(path)),
                // A link itself is replaced, wherever it leads.
                Ok(found) if !found.is_file() && !found.is_symlink() => {
                    return Err(in_the_way(path, "something that is no regular file is there"));
                }
                Ok(_) | Err(_) => {}
            }
        }
        if taken.is_empty() { Ok(()) } else { Err(unwanted(conflict(&taken))) }
    }

    fn check_folder(&self, folder: &Path) -> Result<(), TransferError> {
        let path = self.root.join(folder);
        match leads_down(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(in_the_way(folder, &error.to_string()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Whether a folder is one, and no link to another.
fn leads_down(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Err(io::Error::other("a symbolic link is there, which could lead anywhere"));
    }
    if !found.is_dir() {
        return Err(io::Error::other("something that is no folder is there"));
    }
    Ok(())
}

/// The entries' paths with safe names, which still have to be different ones.
fn safe_paths(entries: &[Entry]) -> Result<(Vec<PathBuf>, Vec<Renamed>), TransferError> {
    let safe: Vec<PeerPath> = entries.iter().map(|entry| entry.path.made_safe()).collect();
    let mut names = BTreeSet::new();
    for path in &safe {
        if !names.insert(path) {
            return Err(unwanted(format!("two of the files would both be {}", shown_name(path))));
        }
    }
    let files = entries.iter().zip(&safe).filter(|(entry, _)| entry.kind != EntryKind::Folder);
    let files: BTreeSet<&PeerPath> = files.map(|(_, path)| path).collect();
    for path in &safe {
        if let Some(file) = path.ancestors().find(|ancestor| files.contains(ancestor)) {
            let file = shown_name(&file);
            return Err(unwanted(format!("{file} would be a file and a folder")));
        }
    }
    let both = entries.iter().zip(&safe).filter(|(entry, path)| entry.path != **path);
    let renamed = both.map(|(entry, path)| (entry.path.to_string(), path.to_string())).collect();
    Ok((safe.iter().map(PeerPath::to_path).collect(), renamed))
}

fn check_single(entries: &[Entry]) -> Result<(), TransferError> {
    match entries {
        [entry] if entry.kind != EntryKind::Folder => Ok(()),
        [_folder] => Err(unwanted("-o takes one file, and a folder is offered: use --dir")),
        several => Err(unwanted(format!(
            "-o takes one file, and {} files and folders are offered: use --dir",
            several.len()
        ))),
    }
}

/// A stream is alone: nobody knows where it ends.
fn check_stream(entries: &[Entry]) -> Result<(), TransferError> {
    let has_stream = entries.iter().any(|entry| entry.kind == EntryKind::Stream);
    if has_stream && entries.len() > 1 {
        return Err(TransferError::Nonsense("a stream beside other files".to_owned()));
    }
    Ok(())
}

fn conflict(taken: &[String]) -> String {
    let listed = taken.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = match taken.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let verb = if taken.len() == 1 { "is" } else { "are" };
    format!(
        "{listed}{more} {verb} there already: the receiver can give --overwrite, or another --dir"
    )
}

fn in_the_way(path: &Path, why: &str) -> TransferError {
    unwanted(format!("{}: {why}: the receiver can give another --dir", shown(path)))
}

fn unwanted(why: impl Into<String>) -> TransferError {
    TransferError::Unwanted(why.into())
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

fn shown_name(path: &PeerPath) -> String {
    path.to_string().escape_debug().to_string()
}

/// The folder of a name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn entry(kind: EntryKind, path: &str) -> Entry {
        Entry {
            kind,
            mode: 0o750,
            modified_s: 0,
            modified_ns: 0,
            size_bytes: 0,
            path: PeerPath::parse(path).unwrap(),
        }
    }

    fn file(path: &str) -> Entry {
        entry(EntryKind::File, path)
    }

    fn refusal(entries: &[Entry], root: &Path) -> String {
        let destination = Destination::Folder(root.to_owned());
        Places::new(entries, &destination, false).unwrap_err().to_string()
    }

    #[test]
    fn folders_are_made_as_needed_and_get_their_permissions_last() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        let entries =
            [file("a/b/c/file"), entry(EntryKind::Folder, "a/b"), entry(EntryKind::Folder, "a")];
        let destination = Destination::Folder(dir.path().to_owned());
        let (places, renamed) = Places::new(&entries, &destination, false).unwrap();
        assert!(renamed.is_empty());
        let made: BTreeSet<_> = places.make_folders(0, false).unwrap().into_iter().collect();
        assert_eq!(made, ["a/b", "a/b/c"].map(|path| dir.path().join(path)).into());
        assert!(places.make_folders(0, false).unwrap().is_empty(), "once");
        assert_eq!(places.target(0), dir.path().join("a/b/c/file"));
        let permissions =
            |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        let before = permissions("a");
        places.finish_folders(&entries, &made);
        assert_eq!(permissions("a/b"), 0o750);
        assert_eq!(permissions("a"), before, "what was there is left alone");
    }

    #[test]
    fn nothing_goes_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("link")).unwrap();
        for entries in [[file("link/file")], [entry(EntryKind::Folder, "link")]] {
            let refused = refusal(&entries, dir.path());
            assert!(refused.contains("symbolic link"), "{refused}");
        }
        let destination = Destination::Folder(dir.path().to_owned());
        let (places, _) = Places::new(&[file("later/file")], &destination, false).unwrap();
        symlink(outside.path(), dir.path().join("later")).unwrap();
        let refused = places.make_folders(0, false).unwrap_err().to_string();
        assert!(refused.contains("symbolic link"), "{refused}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_in_the_way_is_told_before_anything_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["1", "2", "3", "4", "5"];
        for name in names {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("folder")).unwrap();
        let taken = refusal(&names.map(file), dir.path());
        assert!(taken.contains("3 and 2 more are there already"), "{taken}");
        assert!(taken.contains("--overwrite"), "{taken}");
        assert!(refusal(&[file("1")], dir.path()).contains("1 is there"));
        assert!(refusal(&[file("1/below")], dir.path()).contains("no folder"));
        assert!(refusal(&[file("folder")], dir.path()).contains("a folder of that name"));
        let destination = Destination::Folder(dir.path().to_owned());
        assert!(Places::new(&[file("1")], &destination, true).is_ok());
        symlink("folder", dir.path().join("link")).unwrap();
        assert!(
            Places::new(&[file("link")], &destination, true).is_ok(),
            "it is the link that goes"
        );
        let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
        for name in ["folder", "socket"] {
            assert!(Places::new(&[file(name)], &destination, true).is_err(), "a {name} stays");
        }
    }

    #[test]
    fn names_that_become_the_same_or_contradict_each_other_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(&[file("a"), file("a")], dir.path()).contains("both be a"));
        assert!(refusal(&[file("a\u{7}"), file("a")], dir.path()).contains("both be a"));
        assert!(refusal(&[file("a/b"), file("a")], dir.path()).contains("a file and a folder"));
        let stream = entry(EntryKind::Stream, "b");
        assert!(refusal(&[file("a"), stream], dir.path()).contains("stream"));
        let destination = Destination::Folder(dir.path().to_owned());
        let (places, renamed) = Places::new(&[file("a\u{1b}[2J")], &destination, false).unwrap();
        assert_eq!(renamed, [("a\u{1b}[2J".to_owned(), "a[2J".to_owned())]);
        assert_eq!(places.target(0), dir.path().join("a[2J"));
    }

    #[test]
    fn a_name_of_its_own_is_for_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let out = Destination::Named(dir.path().join("out"));
        let (places, _) = Places::new(&[file("deep/name")], &out, false).unwrap();
        assert_eq!(places.target(0), dir.path().join("out"));
        for destination in [out, Destination::Stdout] {
            for entries in [vec![file("a"), file("b")], vec![entry(EntryKind::Folder, "a")]] {
                let refused = Places::new(&entries, &destination, false).unwrap_err();
                assert!(refused.to_string().contains("-o takes one file"), "{refused}");
            }
        }
    }
}
