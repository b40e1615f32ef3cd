//! The folder that a run leaves: made once, never written over.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Where a run's files go.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Whether nothing was written yet into a folder that was made here.
    is_fresh: bool,
}

/// Why a run cannot be kept.
#[derive(Debug)]
pub(crate) enum FolderError {
    /// There is something in the folder: choose another one.
    Taken(PathBuf),
    /// The filesystem refused: see why.
    Refused {
        /// What was to be written.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FolderError::Taken(path) => write!(
                f,
                "{} is not empty, and a run is never written over: give a new directory as --out",
                path.display()
            ),
            FolderError::Refused { path, source } => write!(
                f,
                "cannot write {}: {source}. Give a directory as --out that you may write to",
                path.display()
            ),
        }
    }
}

impl std::error::Error for FolderError {}

impl Folder {
    /// Makes the folder, and those above it; an empty one that is there is fine. Before the
    /// measuring, so that a minute of it is not lost to a wrong path.
    ///
    /// # Errors
    /// `Taken` when something is in it.
    pub(crate) fn create(path: &Path) -> Result<Folder, FolderError> {
        let refused = |source| FolderError::Refused { path: path.to_owned(), source };
        let was_there = path.exists();
        fs::create_dir_all(path).map_err(refused)?;
        if fs::read_dir(path).map_err(refused)?.next().is_some() {
            return Err(FolderError::Taken(path.to_owned()));
        }
        Ok(Folder { path: path.to_owned(), is_fresh: !was_there })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file.
    pub(crate) fn write(&mut self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        self.is_fresh = false;
        written.map_err(|source| FolderError::Refused { path, source })
    }

    /// Writes a new file of JSON, indented.
    pub(crate) fn write_json(
        &mut self,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), FolderError> {
        let text = serde_json::to_string_pretty(value).map_err(|error| FolderError::Refused {
            path: self.path.join(name),
            source: error.into(),
        })?;
        self.write(name, &(text + "\n"))
    }
}

/// A run that failed before it had something to keep leaves no folder.
impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_fresh {
            // Somebody else put a file there, or took the folder away: theirs.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("runs/today");
        let mut folder = Folder::create(&path).unwrap();
        folder.write("summary.csv", "a\n").unwrap();
        assert!(folder.write("summary.csv", "b\n").is_err());
        drop(folder);
        let error = Folder::create(&path).unwrap_err();
        assert!(matches!(error, FolderError::Taken(_)), "{error}");
        assert!(error.to_string().contains("--out"), "{error}");
        assert_eq!(fs::read_to_string(path.join("summary.csv")).unwrap(), "a\n");
    }

    #[test]
    fn a_folder_that_got_nothing_goes_away_unless_it_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        drop(Folder::create(&path).unwrap());
        assert!(!path.exists());
        drop(Folder::create(dir.path()).unwrap());
        assert!(dir.path().exists());
    }

    #[test]
    fn a_folder_below_a_file_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = Folder::create(&dir.path().join("file/run")).unwrap_err().to_string();
        assert!(error.contains("file/run"), "{error}");
    }
}
