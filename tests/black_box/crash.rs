//! `kill -9` in the middle of everything: what was acknowledged is whole, everything else is gone
//! or whole, and the next start is quick.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, Engine, Payload, Setup};
use crate::harness::{engines, heavy, names_below, objects, payload, staged, verify_object};

const UPLOADS_AT_ONCE: u64 = 100;
const ROUNDS_HEAVY: u64 = 20;
const ROUNDS_LIGHT: u64 = 3;
/// Around a second is promised; debug builds and busy machines get room, a scan of the objects
/// would not.
const RESTART_TIME_MAX: Duration = Duration::from_secs(5);

/// What was acknowledged: the file's path, and the stream and size of its bytes.
pub(crate) type Acknowledged = BTreeMap<String, (u64, usize)>;

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
    let mut daemon = Setup::new().engine(engine).workers(2).start();
    let mut all = BTreeMap::new();
    let mut sound = BTreeSet::new();
    let mut chance = Payload::new(77);
    let mut slowest_start = Duration::ZERO;
    for round in 0..rounds {
        let pause = Duration::from_millis(50 + chance.below(600));
        let acknowledged = upload_until(&mut daemon, round, pause, Daemon::kill);
        let begin = Instant::now();
        daemon = daemon.restart();
        slowest_start = slowest_start.max(begin.elapsed());
        check_files(&daemon, &acknowledged);
        all.extend(acknowledged);
        check_root(daemon.root(), &mut sound);
        assert!(sound.len() >= all.len(), "every acknowledged file is an object");
    }
    check_files(&daemon, &all);
    println!(
        "{engine:?}: {rounds} kills, {} files acknowledged, {} on disk, slowest start \
         {slowest_start:?}",
        all.len(),
        sound.len()
    );
    assert!(!all.is_empty(), "the test uploaded something");
    assert!(slowest_start < RESTART_TIME_MAX, "{slowest_start:?} from exec to listening");
    daemon.stop();
}

/// Uploads from all sides until `end` ends the daemon; what was acknowledged.
pub(crate) fn upload_until(
    daemon: &mut Daemon,
    round: u64,
    pause: Duration,
    end: impl FnOnce(&mut Daemon),
) -> Acknowledged {
    let address = daemon.address();
    let acknowledged = Mutex::new(Acknowledged::new());
    thread::scope(|scope| {
        for uploader in 0..UPLOADS_AT_ONCE {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                let mut stream = (round * UPLOADS_AT_ONCE + uploader) << 16;
                while let Ok((target, size)) = upload(address, stream) {
                    acknowledged.lock().unwrap().insert(target, (stream, size));
                    stream += 1;
                }
            });
        }
        thread::sleep(pause);
        end(daemon);
    });
    acknowledged.into_inner().unwrap()
}

/// One upload: mostly small files, some of several chunks. An error is the end of the daemon.
pub(crate) fn upload(address: SocketAddr, stream: u64) -> io::Result<(String, usize)> {
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
    if matches!(response.status, 500 | 503 | 507) {
        // The disk went before the daemon did, or is full; where it should not go, the harness
        // sees the ERROR.
        return Err(io::Error::other("the daemon has no disk, or a full one"));
    }
    Ok((response.uploaded().target(), size))
}

pub(crate) fn check_files(daemon: &Daemon, acknowledged: &Acknowledged) {
    let mut client = daemon.connect();
    for (target, (stream, size)) in acknowledged {
        let back = client.get(target);
        assert_eq!(back.status, 200, "acknowledged and gone: {target}");
        assert!(back.body == payload(*stream, *size), "acknowledged and changed: {target}");
    }
}

/// Nothing but whole objects is left. Those in `sound` were looked at before and never change.
pub(crate) fn check_root(root: &Path, sound: &mut BTreeSet<PathBuf>) {
    let objects = objects(root);
    for object in &objects {
        if !sound.contains(object) {
            verify_object(object).unwrap_or_else(|error| panic!("{}: {error}", object.display()));
            sound.insert(object.clone());
        }
    }
    assert_eq!(staged(root), Vec::<PathBuf>::new());
    let mut stray = names_below(root);
    stray.retain(|path| !sound.contains(path));
    assert!(stray.is_empty(), "left under the root: {stray:?}");
}
