//! `kill -9` in the middle of everything: what was acknowledged is whole, everything else is gone
//! or whole, and the next start is quick.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, Engine, Payload, Setup, Uploaded};
use crate::harness::{engines, heavy, names_below, objects, payload, staged, verify_object};

const UPLOADS_AT_ONCE: u64 = 100;
const ROUNDS_HEAVY: u64 = 20;
const ROUNDS_LIGHT: u64 = 3;
/// Around a second is promised; debug builds and busy machines get room, a scan of the objects
/// would not.
const RESTART_TIME_MAX: Duration = Duration::from_secs(5);

/// What was acknowledged, with the stream its bytes came from.
type Acknowledged = Mutex<BTreeMap<String, (Uploaded, u64, usize)>>;

#[test]
fn kill_nine_leaves_every_acknowledged_file_whole_and_nothing_else() {
    let rounds = if heavy() { ROUNDS_HEAVY } else { ROUNDS_LIGHT };
    for engine in engines() {
        survive(engine, rounds);
    }
}

#[test]
fn what_a_crash_left_behind_is_swept_at_start() {
    let mut daemon = Daemon::start();
    let kept = daemon.connect().put("a", b"hello");
    daemon.kill();
    std::fs::write(daemon.root().join("staging/left-over"), "half a file").unwrap();
    let daemon = daemon.restart();
    assert_eq!(staged(daemon.root()).len(), 0);
    assert_eq!(daemon.get(&kept.target()).body, b"hello");
}

fn survive(engine: Engine, rounds: u64) {
    let acknowledged = Acknowledged::default();
    let mut daemon = Setup::new().engine(engine).workers(2).start();
    let mut chance = Payload::new(77);
    let mut slowest_start = Duration::ZERO;
    for round in 0..rounds {
        let pause = Duration::from_millis(50 + chance.below(600));
        upload_until_killed(&mut daemon, round, pause, &acknowledged);
        let begin = Instant::now();
        daemon = daemon.restart();
        slowest_start = slowest_start.max(begin.elapsed());
        check_files(&daemon, &acknowledged);
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    println!(
        "{engine:?}: {rounds} kills, {} files acknowledged, {} on disk, slowest start {slowest_start:?}",
        acknowledged.len(),
        objects(daemon.root()).len()
    );
    assert!(!acknowledged.is_empty(), "the test uploaded something");
    assert!(slowest_start < RESTART_TIME_MAX, "{slowest_start:?} from exec to listening");
    daemon.stop();
}

fn upload_until_killed(daemon: &mut Daemon, round: u64, pause: Duration, to: &Acknowledged) {
    let address = daemon.address();
    thread::scope(|scope| {
        for uploader in 0..UPLOADS_AT_ONCE {
            scope.spawn(move || {
                let mut serial = (round * UPLOADS_AT_ONCE + uploader) << 16;
                while let Ok((uploaded, size)) = upload(address, serial) {
                    let entry = (uploaded, serial, size);
                    to.lock().unwrap().insert(entry.0.file_id.clone(), entry);
                    serial += 1;
                }
            });
        }
        thread::sleep(pause);
        daemon.kill();
    });
}

/// One upload: mostly small files, some of several chunks. An error is the end of the daemon.
fn upload(address: SocketAddr, stream: u64) -> io::Result<(Uploaded, usize)> {
    let mut chance = Payload::new(!stream);
    let bound = if chance.below(4) == 0 { 3_000_000 } else { 20_000 };
    let size = usize::try_from(chance.below(bound)).unwrap();
    let body = payload(stream, size);
    let mut client = Client::try_connect(address)?;
    client.head("PUT", "/files/crash.bin", &[("Content-Length", &size.to_string())])?;
    for piece in body.chunks(100_000) {
        client.send(piece)?;
    }
    let mut answer = Vec::new();
    let mut response = client.response_into("PUT", &mut |got| answer.extend_from_slice(got))?;
    response.body = answer;
    Ok((response.uploaded(), size))
}

fn check_files(daemon: &Daemon, acknowledged: &Acknowledged) {
    let mut client = daemon.connect();
    let acknowledged = acknowledged.lock().unwrap();
    for (uploaded, stream, size) in acknowledged.values() {
        let back = client.get(&uploaded.target());
        assert_eq!(back.status, 200, "acknowledged and gone: {}", uploaded.file_id);
        assert!(back.body == payload(*stream, *size), "acknowledged and changed");
    }
    let objects = objects(daemon.root());
    assert!(objects.len() >= acknowledged.len());
    for object in &objects {
        verify_object(object).unwrap_or_else(|error| panic!("{}: {error}", object.display()));
    }
    assert_eq!(staged(daemon.root()), Vec::<std::path::PathBuf>::new());
    let stray: Vec<_> = names_below(daemon.root())
        .into_iter()
        .filter(|path| !objects.contains(path) && !path.ends_with("lock"))
        .collect();
    assert!(stray.is_empty(), "left under the root: {stray:?}");
}
