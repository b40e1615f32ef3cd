//! Where things lie under the root, and making it so at start.
//!
//! `<root>/objects/<2 hex>/<32 hex>` holds the objects, `<root>/staging` the files that have no
//! name yet, where the filesystem cannot hold nameless ones. Sweeping the leftovers of a crash is
//! emptying `staging`: its time does not grow with the number of objects.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;

use super::error::StoreResult;
use crate::disk::{Disk, DiskErrorKind};
use crate::id::ObjectNumber;

/// Paths under one root.
#[derive(Clone, Debug)]
pub struct Layout {
    objects: PathBuf,
    staging: PathBuf,
    root: PathBuf,
}

impl Layout {
    /// The layout below `root`.
    pub fn new(root: &Path) -> Layout {
        Layout {
            objects: root.join("objects"),
            staging: root.join("staging"),
            root: root.to_owned(),
        }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name that a probe of the volume gives to its file for a moment.
    pub(super) fn probe(&self) -> PathBuf {
        self.staging.join("probe")
    }

    /// What holds the directories of objects.
    pub fn objects(&self) -> &Path {
        &self.objects
    }

    /// Where files wait for their names.
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// The directory of all objects whose number starts with `prefix`.
    pub fn directory(&self, prefix: u8) -> PathBuf {
        self.objects.join(format!("{prefix:02x}"))
    }

    /// Where an object lies.
    pub fn object(&self, object: ObjectNumber) -> PathBuf {
        let number = object.to_string();
        // Both parts in one go: this is the way of every download that finds nothing remembered.
        let mut path = PathBuf::with_capacity(self.objects.as_os_str().len() + 4 + number.len());
        path.push(&self.objects);
        path.push(&number[..2]);
        path.push(&number);
        path
    }

    /// Makes the directories durable and sweeps what unfinished work left behind. Returns how many
    /// leftovers there were. Runs once per process, before the first worker accepts.
    ///
    /// # Errors
    /// When the root cannot be made, read or swept.
    pub async fn prepare(&self, disk: &dyn Disk) -> StoreResult<usize> {
        disk.create_dir(&self.root).await?;
        disk.create_dir(&self.objects).await?;
        disk.create_dir(&self.staging).await?;
        let present = disk.list_dir(&self.objects).await?;
        let mut made = Vec::new();
        for prefix in 0..=u8::MAX {
            if !present.contains(&format!("{prefix:02x}").into()) {
                made.push(self.directory(prefix));
                disk.create_dir(&self.directory(prefix)).await?;
            }
        }
        let swept = self.sweep(disk).await?;
        if !made.is_empty() {
            self.sync(disk, &made).await?;
        }
        Ok(swept)
    }

    /// Makes new directories durable, those above them last. Each by itself: without a journal the
    /// sync of the one above brings no more than their names.
    async fn sync(&self, disk: &dyn Disk, made: &[PathBuf]) -> StoreResult<()> {
        try_join_all(made.iter().map(|directory| disk.sync_dir(directory))).await?;
        for directory in [&self.staging, &self.objects, &self.root] {
            disk.sync_dir(directory).await?;
        }
        // Who made the root may have made what it lies in. What may not be opened was there before.
        for above in self.root.ancestors().skip(1) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            if let Err(error) = disk.sync_dir(above).await {
                tracing::debug!(%error, "a directory above the root was not synced");
            }
        }
        Ok(())
    }

    async fn sweep(&self, disk: &dyn Disk) -> StoreResult<usize> {
        let leftovers = disk.list_dir(&self.staging).await?;
        for name in &leftovers {
            match disk.remove(&self.staging.join(name)).await {
                Err(error) if error.kind() != DiskErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(leftovers.len())
    }
}
