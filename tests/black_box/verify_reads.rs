//! `--verify-reads`: bytes that the disk changed are never handed out as if they were the file.

use std::io;

use crate::harness::{Daemon, Engine, Setup, Uploaded, engines, flip, objects, payload};

const BLOCK: usize = 1 << 20;
const SIZE: usize = 4 * BLOCK + 12_345;
/// The damaged byte: in the third block, and not in its last read.
const DAMAGED_AT: usize = 2 * BLOCK + 100;
const LOGGED: &str = "block 2 (bytes 2097152-3145727) does not match its hash";

/// A daemon that checks, with one object that its disk damaged.
fn damaged(engine: Engine) -> (Daemon, Uploaded, Vec<u8>) {
    let setup = Setup::new().engine(engine).bare_flag("--verify-reads").workers(1).allow(LOGGED);
    let daemon = setup.start();
    let body = payload(1, SIZE);
    let uploaded = daemon.connect().put("a.bin", &body);
    let path = &objects(daemon.root())[0];
    flip(path, DAMAGED_AT as u64);
    (daemon, uploaded, body)
}

/// The status, the bytes that came, and whether the answer was whole.
fn download(daemon: &Daemon, target: &str, range: Option<&str>) -> (u16, Vec<u8>, bool) {
    let mut client = daemon.connect();
    let headers: Vec<_> = range.map(|range| ("Range", range)).into_iter().collect();
    client.head("GET", target, &headers).unwrap();
    let head = client.read_head().unwrap();
    let mut body = Vec::new();
    let ended: io::Result<()> = client.read_body(&head, &mut |piece| body.extend_from_slice(piece));
    (head.status, body, ended.is_ok())
}

#[test]
fn a_damaged_block_cuts_every_download_of_it_and_no_other() {
    for engine in engines() {
        let (daemon, uploaded, body) = damaged(engine);
        let target = uploaded.target();
        for (range, start) in [
            (None, 0),
            (Some("bytes=2097152-3145727"), 2 * BLOCK),
            (Some("bytes=2097252-2097252"), DAMAGED_AT),
            (Some("bytes=2097152-2097152"), 2 * BLOCK),
            (Some("bytes=3145727-3145728"), 3 * BLOCK - 1),
            (Some("bytes=100-3000000"), 100),
        ] {
            let (_, got, is_whole) = download(&daemon, &target, range);
            assert!(!is_whole, "{range:?} is cut off");
            let intact = (2 * BLOCK).saturating_sub(start);
            assert!(got.len() >= intact, "{range:?}: the blocks before it come through");
            assert!(got[..intact] == body[start..start + intact], "{range:?}: as they were");
            assert!(start + got.len() < 3 * BLOCK, "{range:?}: never the whole block");
        }
        for (range, span) in [
            ("bytes=0-2097151", 0..2 * BLOCK),
            ("bytes=3145728-", 3 * BLOCK..SIZE),
            ("bytes=-1", SIZE - 1..SIZE),
        ] {
            let (status, got, is_whole) = download(&daemon, &target, Some(range));
            assert_eq!((status, is_whole), (206, true), "{range}");
            assert!(got == body[span], "{range}");
        }
        assert_eq!(daemon.request("HEAD", &target, &[], b"").status, 200, "the seal is whole");
        assert_eq!(daemon.get(&format!("{target}/manifest")).status, 200);
        assert_eq!(daemon.samples("ringhold_damaged_reads_total")[0].1.to_string(), "6");
    }
}

#[test]
fn one_damaged_range_of_several_cuts_the_answer_where_it_begins() {
    let (daemon, uploaded, body) = damaged(Engine::Threads);
    let target = uploaded.target();
    let ranges = "bytes=0-9,2097152-2097161,4194304-4194313";
    let (status, got, is_whole) = download(&daemon, &target, Some(ranges));
    assert_eq!((status, is_whole), (206, false));
    let holds = |part: &[u8]| got.windows(part.len()).any(|window| window == part);
    assert!(holds(&body[..10]), "the intact part before it came through");
    assert!(!holds(&body[2 * BLOCK..2 * BLOCK + 10]), "nothing of the damaged block did");
    let (status, _, is_whole) = download(&daemon, &target, Some("bytes=0-9,4194304-4194313"));
    assert_eq!((status, is_whole), (206, true));
}

#[test]
fn each_event_is_logged_once_with_object_and_block_and_no_file_id() {
    let (mut daemon, uploaded, _) = damaged(Engine::Threads);
    let (_, _, is_whole) = download(&daemon, &uploaded.target(), None);
    assert!(!is_whole);
    daemon.stop();
    let log = daemon.log_text();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("\"ERROR\"")).collect();
    let [line] = lines[..] else { panic!("one line for one event: {lines:?}") };
    let path = &objects(daemon.root())[0];
    let object = path.file_name().unwrap().to_str().unwrap();
    assert!(line.contains(LOGGED) && line.contains(object), "{line}");
    assert!(!log.contains(&uploaded.file_id), "an ID in a log is a key to the file");
}

#[test]
fn a_small_damaged_object_is_refused_and_never_cached() {
    let setup = Setup::new().bare_flag("--verify-reads").allow("block 0 (bytes 0-4999)");
    let daemon = setup.start();
    let uploaded = daemon.connect().put("small", &payload(1, 5000));
    flip(&objects(daemon.root())[0], 4000);
    for _ in 0..2 {
        daemon.get(&uploaded.target()).error(500);
    }
}

#[test]
fn without_the_flag_the_bytes_come_as_the_disk_gives_them() {
    let daemon = Daemon::start();
    let body = payload(1, SIZE);
    let uploaded = daemon.connect().put("a.bin", &body);
    flip(&objects(daemon.root())[0], DAMAGED_AT as u64);
    let got = daemon.get(&uploaded.target()).body;
    assert_eq!(got.len(), SIZE);
    assert_eq!(got.iter().zip(&body).filter(|(one, other)| one != other).count(), 1);
}

#[test]
fn the_environment_switches_it_on_and_off() {
    for (value, is_on) in [("1", true), ("true", true), ("no", false), ("0", false)] {
        let setup = Setup::new().env("RINGHOLD_VERIFY_READS", value).allow("does not match");
        let daemon = setup.start();
        let uploaded = daemon.connect().put("small", &payload(1, 5000));
        flip(&objects(daemon.root())[0], 0);
        assert_eq!(daemon.get(&uploaded.target()).status == 500, is_on, "{value}");
    }
    let refusal = Setup::new().env("RINGHOLD_VERIFY_READS", "maybe").refusal().unwrap();
    assert!(refusal.contains("--verify-reads"), "{refusal}");
}
