//! What is on the device when an upload is acknowledged: an image of it, taken while the filesystem
//! is mounted, is checked by e2fsck, mounted, and must hold every acknowledged file. On an ext4 with
//! a journal and on one without, where each sync writes some blocks and no others. Needs root,
//! mkfs.ext4, e2fsck, and a loop device that bypasses the page cache.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::crash::{Acknowledged, check_files, check_root, upload};
use crate::harness::{Daemon, Engine, Setup, Volume, engines, payload};

/// A file with holes: it takes what is written to it.
const IMAGE_SIZE: u64 = 2 << 30;
/// Few of each, so that none is written by accident with another one later.
const UPLOADERS: u64 = 8;
const UPLOADS_EACH: u64 = 40;
const COPY_SIZE: usize = 300_000;

#[test]
fn what_is_acknowledged_is_on_the_device() {
    for engine in engines() {
        for options in [&["-O", "^has_journal"][..], &[]] {
            match Volume::ext4_on_device(IMAGE_SIZE, options) {
                Ok(volume) => check(&volume, engine),
                Err(reason) => return println!("skipped: {reason}"),
            }
        }
    }
}

fn check(volume: &Volume, engine: Engine) {
    let mut daemon = Setup::at(&volume.mount_point()).engine(engine).workers(2).start();
    let acknowledged = upload_all(&daemon);
    let deleted = daemon.connect().put("deleted", b"not for long");
    let token = format!("Bearer {}", deleted.delete_token);
    let answer = daemon.request("DELETE", &deleted.target(), &[("Authorization", &token)], b"");
    assert_eq!(answer.status, 204);
    copy(engine, &volume.mount_point());
    volume.keep_image();
    daemon.kill();
    volume.mount_kept_image();
    let copied = std::fs::read(volume.mount_point().join("copied"));
    assert!(
        copied.is_ok_and(|bytes| bytes == payload(1, COPY_SIZE)),
        "a copy that was made is lost"
    );
    let mut daemon = daemon.restart();
    check_files(&daemon, &acknowledged);
    assert_eq!(daemon.get(&deleted.target()).status, 404, "a deleted file is back");
    check_root(daemon.root(), &mut BTreeSet::new());
    daemon.stop();
}

fn upload_all(daemon: &Daemon) -> Acknowledged {
    let (address, acknowledged) = (daemon.address(), Mutex::new(Acknowledged::new()));
    thread::scope(|scope| {
        for uploader in 0..UPLOADERS {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                for index in 0..UPLOADS_EACH {
                    let stream = (uploader << 16) + index;
                    let (target, size) = upload(address, stream).unwrap();
                    acknowledged.lock().unwrap().insert(target, (stream, size));
                }
            });
        }
    });
    acknowledged.into_inner().unwrap()
}

/// By `ringhold copy`, from elsewhere.
fn copy(engine: Engine, to: &Path) {
    let source = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(source.path(), payload(1, COPY_SIZE)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.args(["copy", "--engine", engine.name()]).arg(source.path()).arg(to.join("copied"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
