//! What a power cut leaves: everything durable, and of the rest what a [`Loss`] says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::volume::{Directory, Entry, Inode, Names, Version, Volume};
use crate::base::limits::BLOCK_SIZE;
use crate::disk::seeded::Seeded;

/// What becomes of names and data that no sync covered. What one covered is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is lost, removals too: the disk as of the last syncs.
    Everything,
    /// Names survive, data and size do not: the file is there with 0 bytes, as ext4 and XFS leave
    /// one that was linked without a data sync.
    Data,
    /// Names and sizes survive, data does not: zeros where it was.
    DataToZeros,
    /// Each name, size and block survives or not by a coin of this seed.
    Mixed(u64),
}

impl Loss {
    /// Every kind of loss, the mixed one by each of the seeds: what a test sweeps.
    pub fn each(seeds: Range<u64>) -> impl Iterator<Item = Loss> {
        [Loss::Everything, Loss::Data, Loss::DataToZeros].into_iter().chain(seeds.map(Loss::Mixed))
    }
}

/// The volume after the cut.
pub(super) fn image(before: &Volume, loss: Loss) -> Volume {
    let seed = if let Loss::Mixed(seed) = loss { seed } else { 0 };
    let mut after = Volume::new(before.capacity);
    after.tick = before.tick;
    let mut cut = Cut { before, after, loss, coins: Seeded::new(seed) };
    cut.restore_dir(Path::new("/"));
    cut.after
}

struct Cut<'a> {
    before: &'a Volume,
    after: Volume,
    loss: Loss,
    coins: Seeded,
}

impl Cut<'_> {
    /// Recursion is as deep as the tree; directories are made by tests.
    fn restore_dir(&mut self, path: &Path) {
        let Some(directory) = self.before.directories.get(path) else { return };
        let names = Arc::new(self.surviving_names(directory));
        let version = Version { tick: directory.seen.tick, state: Arc::clone(&names) };
        let restored = Directory { seen: version.clone(), durable: version };
        self.after.directories.insert(path.to_owned(), restored);
        for (name, entry) in names.iter() {
            if let Entry::Node(inode) = entry {
                self.restore_inode(*inode);
                self.restore_dir(&path.join(name));
            }
        }
    }

    fn surviving_names(&mut self, directory: &Directory) -> Names {
        let (seen, durable) = (&directory.seen.state, &directory.durable.state);
        match self.loss {
            Loss::Everything => (**durable).clone(),
            Loss::Data | Loss::DataToZeros => (**seen).clone(),
            Loss::Mixed(_) => {
                let all: BTreeMap<_, _> = durable.iter().chain(seen.iter()).collect();
                let survivor = |name| {
                    let state = if self.coins.coin() { seen } else { durable };
                    state.get(name).map(|entry: &Entry| (String::clone(name), entry.clone()))
                };
                all.into_keys().filter_map(survivor).collect()
            }
        }
    }

    fn restore_inode(&mut self, number: u64) {
        if let Some(restored) = self.after.inodes.get_mut(&number) {
            return restored.named();
        }
        let Some(inode) = self.before.inodes.get(&number) else { return };
        let state = Arc::new(self.surviving_data(inode));
        let data = Version { tick: inode.seen.tick, state };
        let mut restored = Inode::restored(inode.is_file, data);
        restored.named();
        self.after.inodes.insert(number, restored);
    }

    fn surviving_data(&mut self, inode: &Inode) -> Vec<u8> {
        let (seen, durable) = (&inode.seen.state, &inode.durable.state);
        let all_durable = inode.seen.tick == inode.durable.tick;
        match self.loss {
            _ if all_durable => durable.to_vec(),
            Loss::Everything | Loss::Data => durable.to_vec(),
            Loss::DataToZeros => sized(durable, seen.len()),
            Loss::Mixed(_) => {
                let size = if self.coins.coin() { seen.len() } else { durable.len() };
                let (seen, mut data) = (sized(seen, size), sized(durable, size));
                for (new, old) in seen.chunks(BLOCK_SIZE).zip(data.chunks_mut(BLOCK_SIZE)) {
                    if self.coins.coin() {
                        old.copy_from_slice(new);
                    }
                }
                data
            }
        }
    }
}

/// The data cut, or lengthened by zeros, to `size` bytes.
fn sized(data: &[u8], size: usize) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(size, 0);
    data
}
