//! Downloads of what is in the page cache: sent from there, and the same bytes, whatever of the file
//! is there and whenever it goes.

use std::fs::{self, File};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use rustix::fs::{Advice, fadvise};

use crate::harness::{Daemon, Setup, engines, objects, page_cache_is_told, payload};

/// Two windows and a part of a third, which no page ends.
const SIZE: usize = (9 << 20) + 12_345;
const WINDOW: usize = 4 << 20;
/// Longer than a client may stall without being taken for slow.
const STALL: Duration = Duration::from_millis(400);

fn sent_from_page_cache(daemon: &Daemon) -> f64 {
    let samples = daemon.samples("ringhold_sent_from_page_cache_bytes_total");
    samples.iter().map(|(_, value)| value).sum()
}

/// Takes a part of the only object out of the page cache.
fn evict(daemon: &Daemon, start: usize, size: usize) {
    let [path] = <[_; 1]>::try_from(objects(daemon.root())).unwrap();
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, start as u64, NonZero::new(size as u64), Advice::DontNeed).unwrap();
}

#[test]
fn what_is_in_the_page_cache_is_sent_from_there_and_is_the_same() {
    for engine in engines() {
        let daemon = Setup::new().engine(engine).workers(1).start();
        if !page_cache_is_told(daemon.root()) {
            return;
        }
        let body = payload(1, SIZE);
        let target = daemon.connect().put("a.bin", &body).target();
        // Past the page cache, through it, and from it.
        for _ in 0..3 {
            assert!(daemon.get(&target).body == body);
        }
        let before = sent_from_page_cache(&daemon);
        assert!(daemon.get(&target).body == body);
        let whole = sent_from_page_cache(&daemon) - before;
        assert_eq!(whole.to_string(), SIZE.to_string());

        evict(&daemon, WINDOW, WINDOW);
        let before = sent_from_page_cache(&daemon);
        assert!(daemon.get(&target).body == body);
        let some = sent_from_page_cache(&daemon) - before;
        assert!(some < whole, "{some} bytes, and one window from the disk");
        for (start, end) in [(0, 1), (WINDOW - 3, WINDOW + 5), (4095, 8193), (SIZE - 1, SIZE)] {
            let range = format!("bytes={start}-{}", end - 1);
            let answer = daemon.request("GET", &target, &[("Range", &range)], b"");
            assert_eq!(answer.status, 206);
            assert!(answer.body == body[start..end], "{range}");
        }
        let ranges = format!("bytes=0-99999,{}-", WINDOW + 7);
        let answer = daemon.request("GET", &target, &[("Range", &ranges)], b"");
        let has = |part: &[u8]| answer.body.windows(part.len()).any(|window| window == part);
        assert!(has(&body[..100_000]) && has(&body[WINDOW + 7..]), "several parts");
    }
}

#[test]
fn a_client_that_stalls_gets_what_left_the_page_cache_meanwhile() {
    let daemon = Setup::new().workers(1).start();
    let body = payload(2, SIZE);
    let target = daemon.connect().put("a.bin", &body).target();
    for _ in 0..2 {
        assert!(daemon.get(&target).body == body);
    }
    let mut client = daemon.connect();
    client.head("GET", &target, &[]).unwrap();
    let head = client.read_head().unwrap();
    thread::sleep(STALL);
    evict(&daemon, 0, SIZE);
    assert!(client.body_of(&head) == body);
}

#[test]
fn what_is_checked_is_not_sent_unseen() {
    let daemon = Setup::new().workers(1).bare_flag("--verify-reads").start();
    let body = payload(3, SIZE);
    let target = daemon.connect().put("a.bin", &body).target();
    for _ in 0..4 {
        assert!(daemon.get(&target).body == body);
    }
    assert!(sent_from_page_cache(&daemon) < 1.0);
}

#[test]
fn a_public_file_that_is_cut_ends_its_answer_early() {
    const MESSAGES: [&str; 2] = ["its file could not be read", "the response was cut off"];
    let public = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = public.path().join("log");
    fs::write(&path, payload(4, 4 * SIZE)).unwrap();
    let setup = Setup::new().workers(1).flag("--public", public.path().display());
    let daemon = setup.allow(MESSAGES[0]).allow(MESSAGES[1]).start();
    let mut client = daemon.connect();
    client.head("GET", "/log", &[]).unwrap();
    let head = client.read_head().unwrap();
    thread::sleep(STALL);
    File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    let mut got = Vec::new();
    let ended = client.read_body(&head, &mut |piece| got.extend_from_slice(piece));
    assert!(ended.is_err() && got.len() < 4 * SIZE, "no client takes it for whole");
    let log = daemon.log_text();
    assert!(MESSAGES.iter().any(|message| log.contains(message)), "{log}");
}
