//! A disk that fills up: uploads are refused with 507 and leave nothing, the reserve stays free,
//! reads go on, and there is room again as soon as something is deleted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringhold::base::limits::FREE_SPACE_AGE_REFUSAL_MS;

use crate::harness::{Client, Daemon, Engine, Payload, Response, Setup, Uploaded, Volume};
use crate::harness::{allocated_bytes, engines, free_bytes, heavy, objects, payload, staged};
use crate::harness::{names_below, verify_object};

const MIB: u64 = 1 << 20;
const TMPFS_SIZE: u64 = 48 * MIB;
const EXT4_SIZE: u64 = 300 * MIB;
const RESERVE: u64 = 8 * MIB;
const UPLOADERS: u64 = 8;
/// 507s that end a filling.
const REFUSALS: usize = 24;
/// What a filesystem may need for itself while it is filled: directories, extents.
const METADATA_SIZE_MAX: u64 = 4 * MIB;
/// How long freed blocks may take to show.
const PATIENCE: Duration = Duration::from_mins(1);

/// What was acknowledged: its stream and size.
type Kept = BTreeMap<String, (Uploaded, u64)>;

#[test]
fn a_small_disk_fills_to_its_reserve_and_is_emptied_and_filled_again() {
    for engine in engines() {
        match Volume::tmpfs(TMPFS_SIZE) {
            Ok(volume) => fill_and_empty(engine, &volume, 2, 6 * MIB, 0),
            Err(reason) => return println!("skipped: {reason}"),
        }
    }
}

#[test]
fn a_disk_of_300_mb_is_filled_under_load_and_loses_nothing() {
    if !heavy() {
        return println!("skipped: set RINGHOLD_TEST_HEAVY=1");
    }
    for engine in engines() {
        match Volume::ext4(EXT4_SIZE, &[]) {
            Ok(volume) => fill_and_empty(engine, &volume, 4, 40 * MIB, METADATA_SIZE_MAX),
            Err(reason) => return println!("skipped: {reason}"),
        }
    }
}

/// `metadata` is what the filesystem may take of the reserve for itself.
fn fill_and_empty(engine: Engine, volume: &Volume, rounds: u64, size_max: u64, metadata: u64) {
    let setup = Setup::at(&volume.mount_point()).engine(engine).workers(2);
    let mut daemon = setup.flag("--min-free", RESERVE).start();
    let witness = daemon.connect().put("witness", &payload(u64::MAX, 3_000_000));
    let empty = free_bytes(daemon.root());
    for round in 0..rounds {
        let (kept, least_free) = fill(&daemon, &witness, round, size_max);
        assert!(kept.len() > 1, "{} uploads on an empty disk", kept.len());
        assert!(least_free + metadata >= RESERVE, "the reserve: {least_free} were left");
        check_nothing_else(&daemon, &kept);
        println!("{engine:?}: {} files, at the least {least_free} bytes free", kept.len());
        for (target, (uploaded, stream)) in &kept {
            let size = usize::try_from(uploaded.size).unwrap();
            assert!(daemon.get(target).body == payload(*stream, size), "changed: {target}");
            delete(&daemon, uploaded);
        }
        wait_for_room(daemon.root(), empty - metadata);
    }
    assert_eq!(daemon.get("/readyz").status, 200);
    daemon.stop();
}

/// Uploads from all sides, of told and of untold length, until enough were refused, while somebody
/// reads and somebody watches what is free. What was acknowledged, and the least that was free.
fn fill(daemon: &Daemon, witness: &Uploaded, round: u64, size_max: u64) -> (Kept, u64) {
    let (kept, refused) = (Mutex::new(Kept::new()), AtomicUsize::new(0));
    let is_over = AtomicBool::new(false);
    let mut least_free = u64::MAX;
    thread::scope(|scope| {
        let uploads: Vec<_> = (0..UPLOADERS)
            .map(|uploader| {
                let (kept, refused) = (&kept, &refused);
                let first = (round * UPLOADERS + uploader) << 16;
                scope.spawn(move || upload_until_full(daemon, first, size_max, kept, refused))
            })
            .collect();
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(daemon.get(&witness.target()).status, 200, "reads go on");
                thread::sleep(Duration::from_millis(20));
            }
        });
        while !uploads.iter().all(thread::ScopedJoinHandle::is_finished) {
            least_free = least_free.min(free_bytes(daemon.root()));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    (kept.into_inner().unwrap(), least_free)
}

fn upload_until_full(
    daemon: &Daemon,
    first: u64,
    size_max: u64,
    kept: &Mutex<Kept>,
    refused: &AtomicUsize,
) {
    let mut chance = Payload::new(first);
    for stream in first.. {
        if refused.load(Ordering::Relaxed) >= REFUSALS {
            return;
        }
        let bound = if chance.below(4) == 0 { size_max } else { size_max / 20 };
        let body = payload(stream, usize::try_from(chance.below(bound)).unwrap());
        let answer = if chance.below(2) == 0 {
            daemon.request("PUT", "/files/known", &[], &body)
        } else {
            put_unknown(daemon.connect(), &body)
        };
        if answer.status == 507 {
            assert!(answer.error(507).contains("try again when there is room"));
            refused.fetch_add(1, Ordering::Relaxed);
        } else {
            let uploaded = answer.uploaded();
            kept.lock().unwrap().insert(uploaded.target(), (uploaded, stream));
        }
    }
}

/// An upload that does not say how long it is, and does not listen before it has sent everything.
fn put_unknown(mut client: Client, body: &[u8]) -> Response {
    client.head("PUT", "/files/unknown", &[("Transfer-Encoding", "chunked")]).unwrap();
    let sent = body.chunks(100_000).try_for_each(|chunk| client.send_chunk(chunk));
    let _refused_early = sent.and_then(|()| client.send(b"0\r\n\r\n"));
    client.response("PUT")
}

/// What lies on the disk is what was acknowledged, block for block, and every file of it is whole.
fn check_nothing_else(daemon: &Daemon, kept: &Kept) {
    let objects = objects(daemon.root());
    // The witness is there as well.
    assert_eq!(objects.len(), kept.len() + 1);
    for object in &objects {
        verify_object(object).unwrap_or_else(|error| panic!("{}: {error}", object.display()));
    }
    assert_eq!(staged(daemon.root()).len(), 0);
    let sizes: u64 = objects.iter().map(|path| path.metadata().unwrap().len()).sum();
    let allocated = allocated_bytes(&daemon.root().join("objects"));
    // An object of many pieces has a block that lists them.
    let lists = 4096 * objects.len() as u64;
    assert!(allocated <= sizes + lists, "{allocated} bytes on disk for files of {sizes}");
}

fn delete(daemon: &Daemon, uploaded: &Uploaded) {
    let bearer = format!("Bearer {}", uploaded.delete_token);
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(daemon.request("DELETE", &uploaded.target(), &headers, b"").status, 204);
}

/// Fills the disk with a file that is nobody's, but for `left` bytes.
fn take_up_all_but(left: u64, path: &Path) {
    let mut file = File::create(path).unwrap();
    let full = loop {
        // In steps of a block, so that not one is left.
        if let Err(error) = file.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(left)).unwrap();
    file.sync_all().unwrap();
}

fn wait_for_room(dir: &Path, expected: u64) {
    let deadline = Instant::now() + PATIENCE;
    while free_bytes(dir) < expected {
        assert!(Instant::now() < deadline, "{} of {expected} bytes free", free_bytes(dir));
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_refused_upload_gives_its_blocks_back_at_once_and_its_client_reads_why() {
    for engine in engines() {
        let volume = match Volume::tmpfs(TMPFS_SIZE) {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point()).engine(engine);
        let mut daemon = setup.flag("--min-free", RESERVE).start();
        let empty = free_bytes(daemon.root());
        let answer = put_unknown(daemon.connect(), &payload(1, 60_000_000));
        answer.error(507);
        wait_for_room(daemon.root(), empty);
        let mut form = daemon.connect();
        let head = "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n";
        let kind = ("Content-Type", "multipart/form-data; boundary=b");
        form.head("POST", "/uploadFile", &[kind, ("Transfer-Encoding", "chunked")]).unwrap();
        form.send_chunk(head.as_bytes()).unwrap();
        // The first part fits and the second does not: neither stays.
        form.send_chunk(&payload(2, 5_000_000)).unwrap();
        form.send_chunk(format!("\r\n{head}").as_bytes()).unwrap();
        let _refused_early = form.send_chunk(&payload(3, 60_000_000));
        form.response("POST").error(507);
        wait_for_room(daemon.root(), empty);
        assert_eq!(objects(daemon.root()).len(), 0);
        // An upload that breaks off had blocks ahead of what it sent.
        let mut broken = daemon.connect();
        broken.head("PUT", "/files/a", &[("Content-Length", "30000000")]).unwrap();
        broken.send(&payload(4, 20_000_000)).unwrap();
        drop(broken);
        wait_for_room(daemon.root(), empty);
        let body = payload(5, 30_000_000);
        let uploaded = daemon.connect().put("a", &body);
        assert!(daemon.get(&uploaded.target()).body == body);
        daemon.stop();
    }
}

#[test]
fn of_uploads_that_do_not_all_fit_some_are_whole_and_the_others_leave_nothing() {
    for engine in engines() {
        let volume = match Volume::tmpfs(TMPFS_SIZE) {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point()).engine(engine).workers(2);
        let mut daemon = setup.flag("--min-free", RESERVE).start();
        // Four fit, and all twenty are let in.
        let body = payload(1, 9_000_000);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let (daemon, body) = (&daemon, &body);
            let upload = move || put_unknown(daemon.connect(), body).status;
            let uploads: Vec<_> = (0..20).map(|_| scope.spawn(upload)).collect();
            uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
        });
        let whole = statuses.iter().filter(|status| **status == 201).count();
        println!("{engine:?}: {whole} of 20 are whole, and 4 fit");
        assert!((1..=4).contains(&whole), "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 507)), "{statuses:?}");
        assert_eq!(objects(daemon.root()).len(), whole);
        daemon.stop();
    }
}

#[test]
fn a_disk_that_others_fill_is_full_for_uploads_of_any_size_and_no_failed_one() {
    for engine in engines() {
        let volume = match Volume::ext4(32 * MIB, &[]) {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point()).engine(engine);
        let mut daemon = setup.flag("--min-free", 0).start();
        let kept = daemon.connect().put("kept", &payload(1, 300_000));
        // Read as free a moment ago: the writes find out, with whatever is left for each step.
        for left in [0, 4096, 8192, 16_384, 100_000] {
            daemon.connect().put("looked", b"at the free space");
            let other = volume.mount_point().join("other");
            take_up_all_but(left, &other);
            for size in [1_000_000, 200_000, 20_000] {
                let answer = daemon.request("PUT", "/files/a", &[], &payload(2, size));
                assert!(matches!(answer.status, 201 | 507), "{answer:?}");
            }
            daemon.request("PUT", "/files/a", &[], &payload(2, 1_000_000)).error(507);
            assert_eq!(daemon.get("/readyz").status, 200, "full is not failed");
            assert!(daemon.get(&kept.target()).body == payload(1, 300_000));
            std::fs::remove_file(&other).unwrap();
            // So long a refusal's look at the disk counts for those after it.
            thread::sleep(Duration::from_millis(FREE_SPACE_AGE_REFUSAL_MS));
            daemon.connect().put("again", &payload(3, 1_000_000));
        }
        assert_eq!(staged(daemon.root()).len(), 0);
        for object in objects(daemon.root()) {
            verify_object(&object).unwrap();
        }
        daemon.stop();
        assert!(daemon.log_text().contains("os error 28"), "the disk itself said it is full");
        take_up_all_but(0, &volume.mount_point().join("other"));
        let mut daemon = daemon.restart();
        assert_eq!(daemon.get("/readyz").status, 200, "a full disk is no reason not to start");
        assert!(daemon.get(&kept.target()).body == payload(1, 300_000));
        daemon.request("PUT", "/files/a", &[], b"hello").error(507);
        daemon.stop();
    }
}

#[test]
fn a_disk_without_inodes_is_as_full_as_one_without_blocks() {
    for engine in engines() {
        // 256 directories of the store, those above them, and room for some forty files.
        let volume = match Volume::ext4(32 * MIB, &["-N", "320"]) {
            Ok(volume) => volume,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let setup = Setup::at(&volume.mount_point()).engine(engine);
        let mut daemon = setup.flag("--min-free", 0).start();
        let mut kept = Vec::new();
        let mut client = daemon.connect();
        let refused = loop {
            let answer = client.request("PUT", "/files/a", &[], b"hello");
            match answer.status {
                201 => kept.push(answer.uploaded()),
                _ => break answer,
            }
        };
        refused.error(507);
        assert!(kept.len() > 20, "{} files", kept.len());
        // Seen before the body, and not only when a file is made.
        thread::sleep(Duration::from_millis(600));
        let mut waiting = daemon.connect();
        let headers = [("Content-Length", "5"), ("Expect", "100-continue")];
        waiting.head("PUT", "/files/a", &headers).unwrap();
        waiting.response("PUT").error(507);
        assert_eq!(daemon.get("/readyz").status, 200);
        assert_eq!(daemon.get(&kept[0].target()).body, b"hello");
        delete(&daemon, &kept.pop().unwrap());
        thread::sleep(Duration::from_millis(100));
        daemon.connect().put("again", b"hello");
        assert_eq!(names_below(daemon.root()).len(), kept.len() + 1);
        daemon.stop();
    }
}
