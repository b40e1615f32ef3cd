//! What `ringhold copy` was asked for, file by file, and what can be refused before a byte is read.
//!
//! These looks are for good messages. That no file is replaced unasked and none appears half is the
//! copier's to keep: what is seen here may be different a moment later.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Failure, printable};

/// One file to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) source: PathBuf,
    /// The name of the copy.
    pub(super) target: PathBuf,
    /// Length of the source, bytes.
    pub(super) size_bytes: u64,
}

/// The files to copy, in order.
pub(super) fn jobs(sources: &[PathBuf], target: &Path, replace: bool) -> Result<Vec<Job>, Failure> {
    let into_directory = fs::metadata(target).is_ok_and(|found| found.is_dir());
    if sources.len() > 1 && !into_directory {
        return Err(Failure::usage(format!(
            "several files are copied into a directory, and {} is none: make it first, or give one \
             file and the name of its copy",
            printable::path(target)
        )));
    }
    let mut names = BTreeSet::new();
    let job = |source: &PathBuf| {
        let target = if into_directory { below(target, source)? } else { target.to_owned() };
        let job = check(source, target, replace)?;
        if names.insert(job.target.clone()) {
            return Ok(job);
        }
        let name = printable::path(&job.target);
        Err(Failure::usage(format!("two of the files would become {name}: copy them apart")))
    };
    sources.iter().map(job).collect()
}

/// The source's file name in the directory.
fn below(directory: &Path, source: &Path) -> Result<PathBuf, Failure> {
    match source.file_name() {
        Some(name) => Ok(directory.join(name)),
        None => Err(refused(source, "it has no file name: give that of a regular file")),
    }
}

fn check(source: &Path, target: PathBuf, replace: bool) -> Result<Job, Failure> {
    let from = fs::metadata(source).map_err(|error| refused(source, &unread(&error)))?;
    if !from.is_file() {
        return Err(refused(source, kind(&from)));
    }
    let target = check_target(&from, target, replace)?;
    Ok(Job { source: source.to_owned(), target, size_bytes: from.len() })
}

fn check_target(from: &Metadata, target: PathBuf, replace: bool) -> Result<PathBuf, Failure> {
    let Ok(entry) = fs::symlink_metadata(&target) else { return check_directory(target) };
    let refuse =
        |why: &str| Failure::failed(format!("cannot copy to {}: {why}", printable::path(&target)));
    match (entry, fs::metadata(&target)) {
        (_, Ok(to)) if (to.dev(), to.ino()) == (from.dev(), from.ino()) => {
            Err(refuse("it is the source itself, by this or another name"))
        }
        (entry, _) if entry.is_dir() => Err(refuse("it is a directory")),
        _ if !replace => Err(refuse("it exists: give --force to replace it")),
        // A link itself is replaced, wherever it leads.
        (entry, _) if entry.is_file() || entry.is_symlink() => Ok(target),
        _ => Err(refuse("it is no regular file, and stays what it is")),
    }
}

/// A name that is free needs a directory around it.
fn check_directory(target: PathBuf) -> Result<PathBuf, Failure> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let names_directory = target.as_os_str().as_encoded_bytes().ends_with(b"/");
    if !names_directory && fs::metadata(parent).is_ok_and(|found| found.is_dir()) {
        return Ok(target);
    }
    let missing = printable::path(if names_directory { &target } else { parent });
    Err(Failure::failed(format!("there is no directory {missing}: make it first")))
}

fn refused(source: &Path, why: &str) -> Failure {
    Failure::failed(format!("cannot copy {}: {why}", printable::path(source)))
}

fn unread(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "there is no such file".to_owned()
    } else {
        error.to_string()
    }
}

fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_dir() {
        "it is a directory: name the files in it, or use cp -r"
    } else if kind.is_fifo() {
        "it is a pipe: use cat"
    } else if kind.is_block_device() || kind.is_char_device() {
        "it is a device: use dd"
    } else {
        "it is no regular file"
    }
}
