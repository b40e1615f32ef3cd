//! An ordinary user with the 8 MiB of locked memory a default container has: the buffers are used
//! unregistered, the daemon says so once, and everything works.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use crate::harness::{Engine, Setup, engines, payload};

const MEMLOCK_KIB: u32 = 8 << 10;
/// `nobody`, everywhere.
const NOBODY: u32 = 65534;

#[test]
fn an_ordinary_user_with_little_locked_memory_is_served_unregistered() {
    if !engines().contains(&Engine::IoUring) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mut setup = Setup::at(place.path())
        .engine(Engine::IoUring)
        .workers(2)
        .memlock_kib(MEMLOCK_KIB)
        .allow("LimitMEMLOCK");
    if is_root() {
        setup = as_nobody(setup, place.path());
    }
    let mut daemon = setup.start();
    for (stream, size) in [10, 4096, 5_000_000].into_iter().enumerate() {
        let body = payload(stream as u64, size);
        let uploaded = daemon.connect().put("a", &body);
        assert!(daemon.get(&uploaded.target()).body == body);
    }
    daemon.stop();
    let log = daemon.log_text();
    let said = log.lines().filter(|line| line.contains("LimitMEMLOCK")).count();
    assert_eq!(said, 1, "said once:\n{log}");
}

/// Root is exempt from the limit: become somebody who is not. The build's output may lie where
/// only root can look, so the binary comes along.
fn as_nobody(setup: Setup, place: &Path) -> Setup {
    let copy = place.join("ringhold");
    fs::copy(env!("CARGO_BIN_EXE_ringhold"), &copy).unwrap();
    chown(place, Some(NOBODY), Some(NOBODY)).unwrap();
    chown(setup.root(), Some(NOBODY), Some(NOBODY)).unwrap();
    setup.user(NOBODY, copy)
}

/// Whether a file we make belongs to user 0.
fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
