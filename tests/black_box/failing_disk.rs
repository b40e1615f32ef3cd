//! A volume that stops working under a running daemon: uploads are refused, clearly and soon at
//! once; what can still be read is read; `/readyz` says why; and when the volume works again, so
//! does the daemon.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, Setup, Uploaded, Volume, engines, payload, staged};

const IMAGE_SIZE: u64 = 512 << 20;
/// Larger than what the sockets and the daemon hold of a download between them.
const LARGE_SIZE: usize = 64 << 20;
/// `VOLUME_FAILURES_MAX` of the daemon's limits.
const FAILURES_MAX: usize = 3;
/// A probe comes every 5 s; a busy machine gets more time for it.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_volume_that_dies_fails_uploads_clearly_then_at_once_and_works_after_a_mount_and_a_restart() {
    for engine in engines() {
        let volume = match Volume::ext4_to_cut(IMAGE_SIZE) {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point())
            .engine(engine)
            .workers(2)
            .allow("the volume failed")
            .allow("request failed")
            .allow("missing_bytes");
        let mut daemon = setup.start();
        let kept = daemon.connect().put("kept", b"hello");
        let large = daemon.connect().put("large", &payload(1, LARGE_SIZE));
        assert_eq!(daemon.get(&kept.target()).body, b"hello", "now it is in the cache");
        let mut download = daemon.connect();
        download.head("GET", &large.target(), &[]).unwrap();
        let head = download.read_head().unwrap();
        assert_eq!(head.status, 200);

        volume.cut();
        let statuses = statuses_until_refused(&daemon);
        assert!(statuses.len() <= FAILURES_MAX, "{statuses:?}");
        check_failed(&daemon, "Input/output error");
        assert_eq!(daemon.get(&kept.target()).body, b"hello", "what is in memory goes on");
        let mut received = 0;
        let cut = download.read_body(&head, &mut |piece| received += piece.len());
        assert!(cut.is_err() && received < LARGE_SIZE, "a download is cut off, not ended");
        daemon.get(&large.target()).error(500);
        daemon.stop();
        let log = daemon.log_text();
        assert_eq!(log.matches("the volume failed").count(), 1, "{log}");
        assert!(log.contains("object "), "damage is told with the object's number: {log}");

        volume.mount_again();
        let mut daemon = daemon.restart();
        check_working(&daemon, &kept);
        assert_eq!(staged(daemon.root()).len(), 0);
        daemon.stop();
        drop((daemon, setup));
    }
}

#[test]
fn a_volume_remounted_read_only_is_read_and_takes_uploads_again_when_it_is_writable() {
    for engine in engines() {
        let volume = match Volume::ext4(IMAGE_SIZE, &[]) {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point())
            .engine(engine)
            .workers(2)
            .allow("the volume failed")
            .allow("request failed");
        let mut daemon = setup.start();
        let kept = daemon.connect().put("kept", &payload(2, 300_000));
        volume.remount("ro");
        refused(&daemon);
        check_failed(&daemon, "Read-only file system");
        assert!(daemon.get(&kept.target()).body == payload(2, 300_000), "reads go on");
        let bearer = format!("Bearer {}", kept.delete_token);
        let headers = [("Authorization", bearer.as_str())];
        daemon.request("DELETE", &kept.target(), &headers, b"").error(503);
        volume.remount("rw");
        wait_until_ready(&daemon);
        daemon.connect().put("after", &payload(3, 3_000_000));
        assert!(!has_failed(&daemon));
        assert_eq!(staged(daemon.root()).len(), 0, "the probe left nothing");
        daemon.stop();
        let log = daemon.log_text();
        assert_eq!(log.matches("the volume works again").count(), 1, "{log}");
        drop((daemon, setup));
    }
}

#[test]
fn a_root_that_is_taken_away_fails_and_works_when_it_is_back_but_not_when_it_is_another() {
    for engine in engines() {
        let setup = Setup::new().engine(engine).allow("the volume failed").allow("request failed");
        let mut daemon = setup.start();
        let kept = daemon.connect().put("kept", &payload(4, 300_000));
        let root = daemon.root().to_owned();
        let away = root.with_extension("away");

        fs::rename(&root, &away).unwrap();
        refused(&daemon);
        check_failed(&daemon, "No such file or directory");
        daemon.get(&kept.target()).error(503);
        fs::rename(&away, &root).unwrap();
        wait_until_ready(&daemon);
        check_working(&daemon, &kept);

        // Another one that looks like it: names would be synced in the old one.
        fs::rename(&root, &away).unwrap();
        copy_directories(&away, &root);
        thread::sleep(Duration::from_secs(1));
        refused(&daemon);
        check_failed(&daemon, "not the one that was there at first");
        fs::remove_dir_all(&root).unwrap();
        fs::rename(&away, &root).unwrap();
        wait_until_ready(&daemon);
        check_working(&daemon, &kept);
        daemon.stop();
    }
}

/// Uploads until one is refused before it was tried; how those before it were answered.
fn statuses_until_refused(daemon: &Daemon) -> Vec<u16> {
    let mut statuses = Vec::new();
    loop {
        let answer = daemon.request("PUT", "/files/a", &[], b"hello");
        assert!(answer.error(answer.status).contains("tell the operator"), "{answer:?}");
        statuses.push(answer.status);
        match answer.status {
            500 => assert!(statuses.len() < FAILURES_MAX, "{statuses:?}"),
            status => {
                assert_eq!(status, 503);
                return statuses;
            }
        }
    }
}

/// No second try is needed.
fn refused(daemon: &Daemon) {
    let answer = daemon.request("PUT", "/files/a", &[], b"hello");
    assert!(answer.error(503).contains("tell the operator"));
    assert!(answer.header("retry-after").is_some());
}

fn check_failed(daemon: &Daemon, cause: &str) {
    // Before its body, whatever its size.
    let mut client = daemon.connect();
    let headers = [("Content-Length", "1000000"), ("Expect", "100-continue")];
    client.head("PUT", "/files/a", &headers).unwrap();
    client.response("PUT").error(503);
    let reason = daemon.get("/readyz").error(503);
    assert!(reason.contains(cause), "{reason}");
    assert_eq!(daemon.get("/healthz").status, 200);
    assert!(has_failed(daemon));
}

fn has_failed(daemon: &Daemon) -> bool {
    let samples = daemon.samples("ringhold_volume_failed");
    samples.first().is_some_and(|(_, value)| *value > 0.5)
}

fn wait_until_ready(daemon: &Daemon) {
    let deadline = Instant::now() + PATIENCE;
    while daemon.get("/readyz").status != 200 {
        assert!(Instant::now() < deadline, "{}", daemon.log_text());
        thread::sleep(Duration::from_millis(50));
    }
}

fn check_working(daemon: &Daemon, kept: &Uploaded) {
    assert_eq!(daemon.get("/readyz").status, 200);
    let back = daemon.get(&kept.target());
    assert_eq!((back.status, back.body.len() as u64), (200, kept.size));
    let body = payload(9, 2_000_000);
    let uploaded = daemon.connect().put("again", &body);
    assert!(daemon.get(&uploaded.target()).body == body);
}

/// The directories of a root, without the files.
fn copy_directories(source: &Path, target: &Path) {
    fs::create_dir(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_directories(&entry.path(), &target.join(entry.file_name()));
        }
    }
}
