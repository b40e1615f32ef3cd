//! A power cut on a real filesystem: ext4 on a loop device is shut down in the middle of 100
//! uploads (`EXT4_IOC_SHUTDOWN` without flushing its journal: what was not synced is lost, as in
//! the crash tests of the filesystem's own authors), mounted again, and looked at. Needs root,
//! mkfs.ext4, mount with a loop device, and python3 for the one ioctl.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crash::{check_files, check_root, upload_until};
use crate::harness::{Setup, Volume, engines, heavy};

/// A file with holes: it takes what is written to it, about a gigabyte a round.
const IMAGE_SIZE: u64 = 16 << 30;
const ROUNDS_HEAVY: u64 = 8;
const ROUNDS_LIGHT: u64 = 1;

#[test]
fn after_a_power_cut_every_acknowledged_file_is_whole() {
    let rounds = if heavy() { ROUNDS_HEAVY } else { ROUNDS_LIGHT };
    for engine in engines() {
        let volume = match Volume::ext4_to_cut(IMAGE_SIZE) {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point())
            .engine(engine)
            .workers(2)
            // The disk is gone under it, and it says so until it is killed.
            .allow("request failed")
            .allow("the volume failed")
            .allow("could not be removed");
        let mut sound = BTreeSet::new();
        let mut acknowledged_count = 0;
        let mut daemon = setup.start();
        for round in 0..rounds {
            let pause = Duration::from_millis(300 + 90 * round);
            let acknowledged = upload_until(&mut daemon, round, pause, |daemon| {
                volume.cut();
                daemon.kill();
            });
            volume.mount_again();
            daemon = daemon.restart();
            check_files(&daemon, &acknowledged);
            check_root(daemon.root(), &mut sound);
            acknowledged_count += acknowledged.len();
        }
        println!("{engine:?}: {rounds} power cuts, {acknowledged_count} files acknowledged");
        assert!(acknowledged_count > 0, "the test uploaded something");
        daemon.stop();
        drop((daemon, setup));
    }
}
