//! `ringhold get` when something is in its way: bytes that change, connections that break, servers
//! that lie, signals, deaths. The end is the whole file or a clear error, and what was good is not
//! fetched again.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::get::{failure, get, names, told};
use crate::harness::{Bend, Bender, Daemon, Part, Payload, Source, Uploaded, payload, signal};

const BLOCK: u64 = 1 << 20;
const SIZE: usize = 9_000_001;
const BLOCKS: usize = 9;
const PART: &str = ".a.bin.ringhold-part";
const JOURNAL: &str = ".a.bin.ringhold-journal";

/// A daemon with a file of nine blocks, and what lies before it.
struct Bench {
    daemon: Daemon,
    bender: Bender,
    stored: Uploaded,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new<F>(size: usize, pause: Duration, script: F) -> Bench
    where
        F: Fn(Part) -> Bend + Send + Sync + 'static,
    {
        let daemon = Daemon::start();
        let stored = daemon.connect().put("a.bin", &payload(1, size));
        let bender = Bender::start(daemon.address(), pause, script);
        let directory = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Bench { daemon, bender, stored, directory }
    }

    fn bent<F>(script: F) -> Bench
    where
        F: Fn(Part) -> Bend + Send + Sync + 'static,
    {
        Bench::new(SIZE, Duration::ZERO, script)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn get(&self, flags: &[&str]) -> Output {
        let from = self.bender.address().to_string();
        let arguments = [flags, &["--json", "--from", &from, &self.stored.file_id]].concat();
        get(self.path(), &arguments).output().unwrap()
    }

    fn is_whole(&self, size: usize) -> bool {
        names(self.path()) == ["a.bin"]
            && fs::read(self.path().join("a.bin")).unwrap() == payload(1, size)
    }

    /// How often each block was asked for.
    fn tries(&self) -> Vec<usize> {
        let parts = self.bender.parts();
        assert!(parts.keys().all(|start| start.is_multiple_of(BLOCK)), "{parts:?}");
        (0..BLOCKS as u64).map(|index| *parts.get(&(index * BLOCK)).unwrap_or(&0)).collect()
    }
}

/// What is done to the first request for block 4, and to no other.
fn once(bend: Bend) -> impl Fn(Part) -> Bend {
    move |part| {
        if part == (Part { start: 4 * BLOCK, try_index: 0 }) { bend } else { Bend::Pass }
    }
}

/// All blocks once, block 4 twice.
const ONE_MORE: [usize; BLOCKS] = [1, 1, 1, 1, 2, 1, 1, 1, 1];

#[test]
fn a_flipped_byte_costs_one_block() {
    for flipped in [0, 777_777, (1 << 20) - 1] {
        let bench = Bench::bent(once(Bend::Flip(flipped)));
        let told = told(&bench.get(&["-j", "3"]));
        assert!(bench.is_whole(SIZE));
        assert_eq!(bench.tries(), ONE_MORE);
        assert_eq!(told["retried_blocks"], 1);
        assert_eq!(told["fetched_bytes"], SIZE as u64 + BLOCK);
    }
}

#[test]
fn on_stdout_no_bad_byte_goes_out_either() {
    let bench = Bench::bent(once(Bend::Flip(5)));
    let output = bench.get(&["-o", "-", "-j", "3"]);
    assert!(output.status.success() && output.stdout == payload(1, SIZE));
    assert_eq!(bench.tries(), ONE_MORE);
}

#[test]
fn a_cut_connection_costs_one_block() {
    for end in [0, 1, 500_000] {
        let bench = Bench::bent(once(Bend::Cut(end)));
        assert_eq!(told(&bench.get(&["-j", "3"]))["retried_blocks"], 1);
        assert!(bench.is_whole(SIZE));
        assert_eq!(bench.tries(), ONE_MORE);
    }
}

#[test]
fn an_error_page_that_says_200_costs_one_block() {
    let bench = Bench::bent(once(Bend::Page));
    assert_eq!(told(&bench.get(&["-j", "3"]))["retried_blocks"], 1);
    assert!(bench.is_whole(SIZE));
    assert_eq!(bench.tries(), ONE_MORE);
}

#[test]
fn a_silent_connection_is_given_up_and_its_block_fetched_over_another() {
    let bench = Bench::bent(once(Bend::Silence(1000)));
    assert_eq!(told(&bench.get(&["-j", "3", "--stall", "4s"]))["retried_blocks"], 1);
    assert!(bench.is_whole(SIZE));
    assert_eq!(bench.tries(), ONE_MORE);
}

#[test]
fn a_server_that_forgets_the_range_in_the_middle_is_read_to_its_end() {
    let bench = Bench::bent(once(Bend::Whole));
    told(&bench.get(&["-j", "1"]));
    assert!(bench.is_whole(SIZE));
    assert_eq!(bench.bender.whole_count(), 1, "one stream, of which only the rest counts");
    let output = bench.get(&["-o", "-", "-j", "2"]);
    assert!(output.stdout == payload(1, SIZE));
}

#[test]
fn a_server_that_forgets_every_range_is_read_in_one_stream() {
    let bench = Bench::bent(|_| Bend::Whole);
    told(&bench.get(&["-j", "3"]));
    assert!(bench.is_whole(SIZE));
    let output = bench.get(&["-o", "-", "-j", "3"]);
    assert!(output.stdout == payload(1, SIZE));
}

#[test]
fn a_block_that_never_comes_good_ends_in_an_error_and_keeps_the_others() {
    let bench =
        Bench::bent(|part| if part.start == 4 * BLOCK { Bend::Flip(9) } else { Bend::Pass });
    let said = failure(&bench.get(&["-j", "3", "--retries", "1"]), 1);
    assert!(said.contains("block 4 has not its hash"), "{said}");
    assert!(said.contains("the same command goes on"), "{said}");
    assert_eq!(bench.tries()[4], 2);
    assert_eq!(names(bench.path()), [JOURNAL, PART]);
}

#[test]
fn what_was_changed_on_the_disk_meanwhile_is_fetched_again() {
    let bench = Bench::bent(|part| match (part.start / BLOCK, part.try_index) {
        (8, 0..=1) => Bend::Cut(10),
        _ => Bend::Pass,
    });
    failure(&bench.get(&["-j", "1", "--retries", "1"]), 1);
    crate::harness::flip(&bench.path().join(PART), 2 * BLOCK + 5);
    let told = told(&bench.get(&["-j", "1"]));
    assert!(bench.is_whole(SIZE));
    assert_eq!(bench.tries(), [1, 1, 2, 1, 1, 1, 1, 1, 3]);
    assert_eq!(told["found_bytes"], 7 * BLOCK);
}

#[test]
fn a_part_of_another_file_is_started_over() {
    let bench = Bench::bent(|part| {
        if part.start == 8 * BLOCK && part.try_index < 1 { Bend::Cut(10) } else { Bend::Pass }
    });
    failure(&bench.get(&["-j", "1", "--retries", "0"]), 1);
    let other = bench.daemon.connect().put("a.bin", &payload(2, SIZE));
    let from = bench.daemon.address().to_string();
    let output = get(bench.path(), &["--json", "--from", &from, &other.file_id]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("starting over"), "{said}");
    assert_eq!(told(&output)["found_bytes"], 0);
    assert!(fs::read(bench.path().join("a.bin")).unwrap() == payload(2, SIZE));
    assert_eq!(names(bench.path()), ["a.bin"]);
}

#[test]
fn a_signal_keeps_what_is_there_and_says_how_to_go_on() {
    for name in ["TERM", "INT"] {
        let bench = Bench::bent(|part| {
            let is_stuck = part.start == 8 * BLOCK && part.try_index == 0;
            if is_stuck { Bend::Silence(9) } else { Bend::Pass }
        });
        let from = bench.bender.address().to_string();
        let arguments = ["-j", "1", "--from", &from, &bench.stored.file_id];
        let mut child = get(bench.path(), &arguments).spawn().unwrap();
        bench.bender.wait_for(8 * BLOCK + 9, || child.try_wait().unwrap().is_some());
        // Another one at the same time has nothing to do here.
        let second = get(bench.path(), &arguments).output().unwrap();
        assert!(failure(&second, 1).contains("another process"));
        signal(child.id(), name);
        let said = failure(&child.wait_with_output().unwrap(), 1);
        assert!(said.contains("the same command goes on"), "{said}");
        assert_eq!(names(bench.path()), [JOURNAL, PART]);
        let told = told(&bench.get(&[]));
        assert_eq!(told["found_bytes"], 8 * BLOCK);
        assert!(bench.is_whole(SIZE));
    }
}

#[test]
fn a_signal_on_stdout_leaves_nothing() {
    let bench = Bench::bent(|_| Bend::Silence(9));
    let from = bench.bender.address().to_string();
    let arguments = ["-o", "-", "--from", &from, &bench.stored.file_id];
    let mut child = get(bench.path(), &arguments).spawn().unwrap();
    bench.bender.wait_for(9, || child.try_wait().unwrap().is_some());
    signal(child.id(), "TERM");
    let said = failure(&child.wait_with_output().unwrap(), 1);
    assert!(said.contains("nothing of it is kept"), "{said}");
    assert!(names(bench.path()).is_empty());
}

/// Killed whenever a random number of bytes more has passed, from none to six blocks, now in the
/// middle of more, now when no more come: so the moments lie in the looking, the fetching, the writing
/// and the noting.
#[test]
fn twenty_deaths_cost_no_more_than_a_block_for_each_connection() {
    const CONNECTIONS: u64 = 4;
    const DEATHS: u64 = 20;
    let size = 96 << 20;
    let bench = Bench::new(size, Duration::from_millis(1), |_| Bend::Pass);
    let from = bench.bender.address().to_string();
    let arguments = ["-j", "4", "--json", "--from", &from, &bench.stored.file_id];
    let mut random = Payload::new(7);
    for _ in 0..DEATHS {
        let more = random.below(6 * BLOCK);
        let bytes = bench.bender.passed_bytes() + more;
        bench.bender.allow(Some(more + random.below(2) * 2 * BLOCK));
        let mut child = get(bench.path(), &arguments).spawn().unwrap();
        bench.bender.wait_for(bytes, || child.try_wait().unwrap().is_some());
        signal(child.id(), "KILL");
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
        assert!(!bench.path().join("a.bin").exists());
    }
    bench.bender.allow(None);
    let told = told(&bench.get(&["-j", "4"]));
    assert!(bench.is_whole(size));
    assert!(told["found_bytes"].as_u64().unwrap() > 0, "{told}");
    let twice = bench.bender.passed_bytes() - size as u64;
    println!("{twice} bytes passed twice after {DEATHS} deaths of {CONNECTIONS} connections");
    assert!(twice <= DEATHS * CONNECTIONS * BLOCK, "{twice} bytes passed twice");
}

/// Any server with ranges and a tag, which `script` may change: the tag and the first byte of the part
/// that it sends for the one that begins there, or nothing.
fn tagged<F>(content: Vec<u8>, script: F) -> Source
where
    F: Fn(u64) -> Option<(&'static str, u64)> + Send + Sync + 'static,
{
    Source::start(move |asked, stream| {
        let size = content.len() as u64;
        let Some(range) = asked.header("range").and_then(|range| range.strip_prefix("bytes="))
        else {
            let head = "Accept-Ranges: bytes\r\nConnection: close\r\nETag: \"a\"\r\n";
            return write!(stream, "HTTP/1.1 200 OK\r\n{head}Content-Length: {size}\r\n\r\n");
        };
        let (start, last) = range.split_once('-').unwrap();
        let (start, last): (u64, u64) = (start.parse().unwrap(), last.parse().unwrap());
        let Some((tag, sent)) = script(start) else { return Ok(()) };
        let (last, length) = (last - start + sent, last - start + 1);
        let part = content.iter().skip(usize::try_from(sent).unwrap());
        let part: Vec<u8> = part.take(usize::try_from(length).unwrap()).copied().collect();
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nETag: \"{tag}\"\r\n\
             Content-Range: bytes {sent}-{last}/{size}\r\nContent-Length: {length}\r\n\r\n"
        )?;
        stream.write_all(&part)
    })
}

#[test]
fn a_file_that_becomes_another_one_ends_it_and_nothing_is_kept() {
    let server =
        tagged(payload(1, SIZE), |start| Some((if start < 5 * BLOCK { "a" } else { "b" }, start)));
    let directory = tempfile::tempdir().unwrap();
    let output = get(directory.path(), &["-j", "2", &server.url("/a.bin")]).output().unwrap();
    let said = failure(&output, 1);
    assert!(said.contains("another one by now"), "{said}");
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_part_that_nobody_asked_for_is_never_written() {
    let server =
        tagged(payload(1, SIZE), |start| Some(("a", if start == 4 * BLOCK { 0 } else { start })));
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--retries", "1", &server.url("/a.bin")];
    let said = failure(&get(directory.path(), &arguments).output().unwrap(), 1);
    assert!(said.contains("bytes 0-1048575"), "{said}");
    assert_eq!(names(directory.path()), [JOURNAL, PART]);
}

#[test]
fn what_no_manifest_tells_of_is_gone_on_with_too() {
    let is_back = Arc::new(AtomicBool::new(false));
    let server = tagged(payload(1, SIZE), {
        let is_back = Arc::clone(&is_back);
        move |start| {
            let is_there = start < 8 * BLOCK || is_back.load(Ordering::SeqCst);
            is_there.then_some(("a", start))
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["-j", "1", "--json", "--retries", "0", &server.url("/a.bin")];
    failure(&get(directory.path(), &arguments).output().unwrap(), 1);
    assert_eq!(names(directory.path()), [JOURNAL, PART]);
    is_back.store(true, Ordering::SeqCst);
    crate::harness::flip(&directory.path().join(PART), 3 * BLOCK);
    let told = told(&get(directory.path(), &arguments).output().unwrap());
    assert_eq!(told["found_bytes"], 7 * BLOCK, "the one that was changed is fetched again");
    assert_eq!(told["blake3"], blake3::hash(&payload(1, SIZE)).to_string());
    assert!(fs::read(directory.path().join("a.bin")).unwrap() == payload(1, SIZE));
}
