//! What lies under a daemon's root, seen from outside.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringhold::disk::Filesystem;

/// Every file below `dir`, at any depth; none when there is no such directory.
pub(crate) fn names_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(names_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The published objects below a root.
pub(crate) fn objects(root: &Path) -> Vec<PathBuf> {
    names_below(&root.join("objects"))
}

/// Leftovers of unfinished work below a root.
pub(crate) fn staged(root: &Path) -> Vec<PathBuf> {
    names_below(&root.join("staging"))
}

/// Flips a bit of the byte at `offset`, as a failing disk does.
pub(crate) fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

/// Bytes that an ordinary user can still write on the filesystem of `path`.
pub(crate) fn free_bytes(path: &Path) -> u64 {
    let df = Command::new("df").args(["-Pk"]).arg(path).output().unwrap();
    let text = String::from_utf8(df.stdout).unwrap();
    let blocks = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)).unwrap();
    blocks.parse::<u64>().unwrap() * 1024
}

/// Whether the kernel tells what of a file in `dir` is in the page cache.
pub(crate) fn page_cache_is_told(dir: &Path) -> bool {
    let tried = Filesystem::probe(dir).unwrap().tried.unwrap();
    tried
        .page_cache
        .inspect_err(|why| println!("skipped: the page cache is not told: {why}"))
        .is_ok()
}
