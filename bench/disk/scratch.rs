//! The directory of its own that everything is measured in. Made below `--dir`, and removed with
//! all that is in it however the command ends, short of SIGKILL; the files that are written have no
//! name, so even then only those that are read stay.

use std::fs::{self, DirBuilder};
use std::io::{self, Write, stderr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;

use ringhold::base::units::ByteSize;
use ringhold::cli::Failure;
use ringhold::disk::{Filesystem, Refusal};

use super::arguments::Mode;
use super::options::Options;

/// Room that is left to others, bytes.
const FREE_MIN: u64 = 64 << 20;

/// The directory, while it is there.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it, and checks that the cells can be measured there.
    ///
    /// # Errors
    /// `Failed`, with cause and remedy: not writable, read-only, too little room, no direct I/O.
    pub(super) fn make(options: &Options) -> Result<Scratch, Failure> {
        let scratch = Scratch::below(&options.dir).map_err(|error| {
            Failure::failed(format!(
                "cannot make a directory in {}: {error}. Give one as --dir that you may write to",
                options.dir.display()
            ))
        })?;
        scratch.check(options)?;
        Ok(scratch)
    }

    fn below(dir: &Path) -> io::Result<Scratch> {
        let path = dir.join(format!(".ringhold-bench-{}", process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn check(&self, options: &Options) -> Result<(), Failure> {
        let dir = options.dir.display();
        let failed = |error: io::Error| Failure::failed(format!("cannot look at {dir}: {error}"));
        let found = Filesystem::probe(&self.path).map_err(failed)?;
        let tried = found.tried.map_err(|Refusal { why, .. }| {
            Failure::failed(format!("no file can be made in {dir}: {why}"))
        })?;
        let needed = options.footprint().saturating_add(FREE_MIN);
        if found.free_bytes < needed {
            return Err(Failure::failed(format!(
                "{dir} has {} MiB free, and {} MiB are needed ({} of files at once, and 64MiB are \
                 left free): free some, give a smaller --size, or another --dir",
                found.free_bytes >> 20,
                needed.div_ceil(1 << 20),
                ByteSize(options.footprint()),
            )));
        }
        let is_direct = |mode| mode != Mode::Buffered;
        match tried.direct {
            Err(why) if options.cells.iter().any(|cell| is_direct(cell.group.mode)) => {
                Err(Failure::failed(format!(
                    "the filesystem of {dir} has no direct I/O ({why}): measure --mode buffered, \
                     or another --dir"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            let path = self.path.display();
            // Without anybody to read it there is nobody to tell.
            let _ = writeln!(stderr(), "ringhold-bench: {path} is left behind: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::below(dir.path()).unwrap();
        fs::write(scratch.path().join("source-0"), "x").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
