//! A filesystem of a test's own, to fill, to break and to cut off: ext4 on a loop device, or tmpfs.
//! Needs root; what is missing is the reason why a test skips.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::names_below;

const UNMOUNT_TIME_MAX: Duration = Duration::from_secs(30);
/// `EXT4_GOING_FLAGS_NOLOGFLUSH` (2) by `EXT4_IOC_SHUTDOWN`.
const CUT: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// A mounted filesystem; unmounted when dropped, which is to be after everything on it.
pub(crate) struct Volume {
    place: tempfile::TempDir,
}

impl Volume {
    /// An ext4 on an image with holes, or what is missing for one. Nothing is kept for root alone,
    /// so that it is as full as it says; `options` are those of mkfs.ext4.
    pub(crate) fn ext4(size: u64, options: &[&str]) -> Result<Volume, String> {
        let volume = Volume::place();
        volume.format(size, options)?;
        volume.mount()?;
        Ok(volume)
    }

    /// An ext4 whose image holds what was written to the device, and nothing that only waits to be:
    /// for [`Volume::keep_image`].
    pub(crate) fn ext4_on_device(size: u64, options: &[&str]) -> Result<Volume, String> {
        succeed("e2fsck", &["-V".as_ref()])?;
        let volume = Volume::place();
        volume.format(size, options)?;
        let attach = ["--find", "--show", "--direct-io=on"].map(Path::new);
        let image = volume.image();
        let device = succeed("losetup", &[&attach[..], &[&image]].concat())?;
        let device = Path::new(device.trim());
        let mounted = succeed("mount", &[device, &volume.mount_point()]);
        // It goes with the mount, or at once if there is none.
        succeed("losetup", &["-d".as_ref(), device])?;
        mounted?;
        Ok(volume)
    }

    /// An ext4 that [`Volume::cut`] works on.
    pub(crate) fn ext4_to_cut(size: u64) -> Result<Volume, String> {
        succeed("python3", &["-c".as_ref(), "pass".as_ref()])?;
        Volume::ext4(size, &[])
    }

    /// A tmpfs, which counts its bytes exactly and at once.
    pub(crate) fn tmpfs(size: u64) -> Result<Volume, String> {
        let volume = Volume::place();
        let options = format!("size={size}");
        let kind = ["-t", "tmpfs", "-o", &options, "tmpfs"].map(Path::new);
        let mut arguments = kind.to_vec();
        let mount_point = volume.mount_point();
        arguments.push(&mount_point);
        succeed("mount", &arguments)?;
        Ok(volume)
    }

    fn place() -> Volume {
        let prefix = "ringhold-test-";
        let place = tempfile::Builder::new().prefix(prefix).tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let volume = Volume { place: place.unwrap() };
        std::fs::create_dir(volume.mount_point()).unwrap();
        volume
    }

    /// Where it is mounted.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.place.path().join("mounted")
    }

    fn image(&self) -> PathBuf {
        self.place.path().join("image")
    }

    fn kept_image(&self) -> PathBuf {
        self.place.path().join("kept")
    }

    fn format(&self, size: u64, options: &[&str]) -> Result<(), String> {
        let image = self.image();
        std::fs::File::create(&image).unwrap().set_len(size).unwrap();
        let mut arguments: Vec<&Path> = ["-q", "-F", "-m", "0"].map(Path::new).to_vec();
        arguments.extend(options.iter().map(Path::new));
        arguments.push(&image);
        succeed("mkfs.ext4", &arguments).map(drop)
    }

    fn mount(&self) -> Result<(), String> {
        let (how, image) = (["-o", "loop"].map(Path::new), self.image());
        succeed("mount", &[&how[..], &[&image, &self.mount_point()]].concat()).map(drop)
    }

    /// Keeps what is on the device now, while it is mounted and in use.
    pub(crate) fn keep_image(&self) {
        let sparse = Path::new("--sparse=always");
        succeed("cp", &[sparse, &self.image(), &self.kept_image()]).unwrap();
    }

    /// The power comes back when what was kept was on the device: it is checked and mended, as
    /// every start does with a volume that was not unmounted.
    pub(crate) fn mount_kept_image(&self) {
        self.unmount().unwrap();
        std::fs::rename(self.kept_image(), self.image()).unwrap();
        let mended = Command::new("e2fsck").arg("-fy").arg(self.image()).output().unwrap();
        // 1: errors were found, and are none any more.
        let is_sound = matches!(mended.status.code(), Some(0 | 1));
        assert!(is_sound, "{}", String::from_utf8_lossy(&mended.stdout));
        self.mount().unwrap();
    }

    /// The power goes: what was not synced is lost, and everything fails with `EIO` from here on.
    pub(crate) fn cut(&self) {
        succeed("python3", &["-c".as_ref(), CUT.as_ref(), &self.mount_point()]).unwrap();
    }

    /// Changes how it is mounted: `ro`, `rw`.
    pub(crate) fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        succeed("mount", &["-o".as_ref(), options.as_ref(), &self.mount_point()]).unwrap();
    }

    /// The power comes back.
    pub(crate) fn mount_again(&self) {
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
                ended => return ended.map(drop),
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

/// Bytes on disk of all files below `dir`, whatever their sizes say.
pub(crate) fn allocated_bytes(dir: &Path) -> u64 {
    names_below(dir).iter().map(|path| path.metadata().unwrap().blocks() * 512).sum()
}

/// Runs a program; what it prints, or why it did not succeed.
fn succeed(program: &str, arguments: &[&Path]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            Err(format!("{program} fails: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => Err(format!("{program} cannot be run: {error}")),
    }
}
