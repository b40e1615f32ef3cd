//! The files that are read and copied: laid before each run, one a worker, and removed after it.

use std::fs;
use std::path::{Path, PathBuf};

use ringhold::cli::Failure;
use ringhold::disk::{Chosen, Disk, DiskErrorKind, DiskResult, Slab, SlabOptions};
use ringhold::plan::Geometry;
use ringhold::worker::{RuntimeKind, run_alone};
use rustix::fs::{Advice, fadvise};

use super::crew::{no_disk, told};
use super::lanes::{Until, Work, filled_leases, new_file, run};
use crate::report::Stop;

/// How they are written: what most disks are at their best with.
const CHUNK_SIZE: usize = 1 << 20;
const QUEUE_DEPTH: usize = 8;

/// The files of one run.
#[derive(Debug)]
pub(super) struct Sources {
    paths: Vec<PathBuf>,
}

impl Sources {
    /// Where the file of a worker lies.
    pub(super) fn path(scratch: &Path, worker_index: usize) -> PathBuf {
        scratch.join(format!("source-{worker_index}"))
    }

    /// Writes files of these sizes, past the page cache where that works, and syncs them.
    pub(super) fn lay(
        scratch: &Path,
        sizes: &[u64],
        chosen: &Chosen,
        stop: &Stop,
    ) -> Result<Sources, Failure> {
        let paths = (0..sizes.len()).map(|index| Sources::path(scratch, index)).collect();
        if !sizes.is_empty() {
            let runtime = RuntimeKind::for_disk(chosen.ring, QUEUE_DEPTH);
            let laid = run_alone(runtime, lay_all(scratch, sizes, chosen, stop));
            laid.map_err(|error| no_disk(&error))??;
        }
        Ok(Sources { paths })
    }

    /// Takes the files out of the page cache. They are synced, so all of it goes.
    pub(super) fn forget(&self) -> Result<(), Failure> {
        for path in &self.paths {
            let failed = |error: std::io::Error| {
                Failure::failed(format!("cannot drop {} from memory: {error}", path.display()))
            };
            let file = fs::File::open(path).map_err(failed)?;
            fadvise(&file, 0, None, Advice::DontNeed).map_err(|error| failed(error.into()))?;
        }
        Ok(())
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        // What cannot be removed goes with the directory, which says so if it cannot either.
        self.paths.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

async fn lay_all(
    scratch: &Path,
    sizes: &[u64],
    chosen: &Chosen,
    stop: &Stop,
) -> Result<(), Failure> {
    let sizes_of_slab =
        SlabOptions { chunk_size: CHUNK_SIZE, chunk_count: QUEUE_DEPTH, read_count: 1 };
    let slab = Slab::new(sizes_of_slab).map_err(|error| no_disk(&error))?;
    let disk = chosen.open(slab, QUEUE_DEPTH).map_err(|error| no_disk(&error))?;
    let mut outcome = Ok(());
    for (index, &size) in sizes.iter().enumerate() {
        let path = Sources::path(scratch, index);
        outcome = outcome.and(lay_one(&*disk, scratch, &path, size, stop).await);
    }
    disk.drain().await;
    outcome.map_err(|error| told(&error))
}

async fn lay_one(
    disk: &dyn Disk,
    scratch: &Path,
    path: &Path,
    size: u64,
    stop: &Stop,
) -> DiskResult<()> {
    let Ok(chunks) = Geometry::new(CHUNK_SIZE).and_then(|geometry| geometry.chunks(size)) else {
        unreachable!("a constant chunk size, and a size that was checked")
    };
    let work = Work::Write(new_file(disk, scratch, size, true).await?);
    let leases = filled_leases(disk, QUEUE_DEPTH).await;
    let (_leases, moved) = run(disk, &work, chunks, leases, Until { deadline: None, stop }).await;
    moved?;
    if let Some(file) = work.target() {
        disk.sync_data(file).await?;
        match disk.link(file, path).await {
            Err(error) if error.kind() != DiskErrorKind::Exists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
