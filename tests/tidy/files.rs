//! The files that the rules look at.

use std::fs;
use std::path::PathBuf;

/// A complaint: where, and what to do about it.
pub(crate) type Complaints = Vec<String>;

pub(crate) struct Source {
    /// Relative to the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below some folders.
pub(crate) fn sources(folders: &[&str]) -> Vec<Source> {
    let mut files = texts(folders);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    read(files)
}

/// The pages a reader finds.
pub(crate) fn documents() -> Vec<Source> {
    let mut pages = texts(&["docs", "deploy"]);
    pages.push(PathBuf::from("README.md"));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    read(pages)
}

/// Every file below some folders, relative to the repository, in order.
pub(crate) fn texts(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(folder) = next.pop() {
        let Ok(entries) = fs::read_dir(repository().join(&folder)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = folder.join(entry.file_name());
            let is_built = entry.file_name() == "target";
            if !entry.file_type().unwrap().is_dir() {
                found.push(path);
            } else if !is_built {
                next.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Files as text; one that is missing or no text is left out.
pub(crate) fn read(paths: Vec<PathBuf>) -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(repository().join(&path)).ok()?;
        Some(Source { path: path.to_str()?.to_owned(), text })
    };
    paths.into_iter().filter_map(read).collect()
}
