//! A power cut on a real filesystem: ext4 on a loop device is shut down in the middle of 100
//! uploads (`EXT4_IOC_SHUTDOWN` without flushing its journal: what was not synced is lost, as in
//! the crash tests of the filesystem's own authors), mounted again, and looked at. Needs root,
//! mkfs.ext4, mount with a loop device, and python3 for the one ioctl.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::crash::{check_files, check_root, upload_until};
use crate::harness::{Setup, engines, heavy};

/// A file with holes: it takes what is written to it, about a gigabyte a round.
const IMAGE_SIZE: u64 = 16 << 30;
const UNMOUNT_TIME_MAX: Duration = Duration::from_secs(30);
const ROUNDS_HEAVY: u64 = 8;
const ROUNDS_LIGHT: u64 = 1;
/// `EXT4_GOING_FLAGS_NOLOGFLUSH` (2) by `EXT4_IOC_SHUTDOWN`.
const CUT: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

#[test]
fn after_a_power_cut_every_acknowledged_file_is_whole() {
    let rounds = if heavy() { ROUNDS_HEAVY } else { ROUNDS_LIGHT };
    for engine in engines() {
        let volume = match Volume::make() {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point())
            .engine(engine)
            .workers(2)
            // The disk is gone under it, and it says so until it is killed.
            .allow("request failed")
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

/// An ext4 of our own, on a loop device; unmounted when dropped.
struct Volume {
    place: tempfile::TempDir,
}

impl Volume {
    /// Makes and mounts it, or says what is missing.
    fn make() -> Result<Volume, String> {
        let prefix = "ringhold-test-";
        let place = tempfile::Builder::new().prefix(prefix).tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let volume = Volume { place: place.unwrap() };
        let image = std::fs::File::create(volume.image()).unwrap();
        image.set_len(IMAGE_SIZE).unwrap();
        std::fs::create_dir(volume.mount_point()).unwrap();
        succeed("python3", &["-c".as_ref(), "pass".as_ref()])?;
        succeed("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &volume.image()])?;
        volume.mount()?;
        Ok(volume)
    }

    fn image(&self) -> PathBuf {
        self.place.path().join("image")
    }

    fn mount_point(&self) -> PathBuf {
        self.place.path().join("mounted")
    }

    fn mount(&self) -> Result<(), String> {
        succeed("mount", &["-o".as_ref(), "loop".as_ref(), &self.image(), &self.mount_point()])
    }

    fn cut(&self) {
        succeed("python3", &["-c".as_ref(), CUT.as_ref(), &self.mount_point()]).unwrap();
    }

    fn mount_again(&self) {
        self.unmount().unwrap();
        self.mount().unwrap();
    }

    /// The kernel takes a killed process's ring apart after the process is gone, and until then
    /// the ring holds its files: the volume is busy for a moment.
    fn unmount(&self) -> Result<(), String> {
        let deadline = Instant::now() + UNMOUNT_TIME_MAX;
        loop {
            match succeed("umount", &[&self.mount_point()]) {
                Err(reason) if reason.contains("busy") && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(50));
                }
                ended => return ended,
            }
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Not mounted if it could not be made.
        let _ = self.unmount();
    }
}

/// Runs a program; why it did not succeed.
fn succeed(program: &str, arguments: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("{program} fails: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => Err(format!("{program} cannot be run: {error}")),
    }
}
