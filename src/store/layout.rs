//! Where things lie under the root, and making it so at start.
//!
//! `<root>/objects/<2 hex>/<32 hex>` holds the objects, `<root>/staging` the files that have no
//! name yet, where the filesystem cannot hold nameless ones. Sweeping the leftovers of a crash is
//! emptying `staging`: its time does not grow with the number of objects.

use std::path::{Path, PathBuf};

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
        self.directory(object.as_bytes()[0]).join(object.to_string())
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
        let mut made = false;
        for prefix in 0..=u8::MAX {
            if !present.contains(&format!("{prefix:02x}")) {
                disk.create_dir(&self.directory(prefix)).await?;
                made = true;
            }
        }
        let swept = self.sweep(disk).await?;
        if made {
            disk.sync_dir(&self.objects).await?;
            disk.sync_dir(&self.root).await?;
            self.sync_parent(disk).await;
        }
        Ok(swept)
    }

    /// The root's own name, if it is new. A parent that may not be opened held the root before us.
    async fn sync_parent(&self, disk: &dyn Disk) {
        let Some(parent) = self.root.parent() else { return };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if let Err(error) = disk.sync_dir(parent).await {
            tracing::debug!(%error, "the directory above the root was not synced");
        }
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
