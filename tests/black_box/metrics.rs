//! Every metric of the tables moves when what it tells of happens, and gauges come back.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringhold::telemetry::{Kind, PROCESS_TABLE, Spec, TABLE};

use crate::harness::{
    Client, Daemon, Engine, Setup, engines, flip, objects, page_cache_is_told, payload,
};

/// How long a metric may take to show what happens all the time.
const PATIENCE: Duration = Duration::from_mins(1);
/// More than the buffers of a socket hold.
const LARGE_SIZE: usize = 32 << 20;
/// One piece of the endless upload, and the most pieces of it.
const PIECE_SIZE: usize = 1 << 20;
const PIECES_MAX: usize = 2048;
/// Most connections opened while watching.
const CONNECTIONS_MAX: usize = 500;
/// More than the first step of a preallocation, and no multiple of one.
const PREALLOCATED_SIZE: usize = 20 << 20;
/// Too much for the cache of small objects, too little to be read past the page cache.
const MIDDLING_SIZE: usize = 100 << 10;
/// Pause between two looks at something that is about to happen.
const TICK: Duration = Duration::from_millis(5);

#[test]
fn every_metric_moves_and_every_gauge_comes_back() {
    let mut unmoved = movable();
    let full = Setup::new().flag("--min-free", "4000000GB").start();
    assert_eq!(full.request("PUT", "/files/a", &[], b"hello").status, 507);
    look(&full, &mut unmoved);
    lose_the_volume(&mut unmoved);

    let daemon =
        Setup::new().workers(2).flag("--import-allow", "127.0.0.0/8").allow("damaged seal").start();
    read_damage(&daemon);
    let own = format!("http://{}", daemon.address());
    import(&daemon, &format!("{own}/healthz"), 201);
    import(&daemon, &format!("{own}/nothing"), 502);
    import(&daemon, "http://10.0.0.1/", 403);
    let large = daemon.connect().put("large", &payload(1, LARGE_SIZE)).target();
    assert_eq!(daemon.request("GET", &large, &[("If-None-Match", "*")], b"").status, 304);
    assert_eq!(daemon.get("/files/unknown").status, 404);
    let small = daemon.connect().put("small", b"hello").target();
    let wanted = daemon.request("HEAD", &small, &[("Want-Repr-Digest", "md5=1")], b"");
    assert!(wanted.header("repr-digest").is_some());
    assert_eq!(daemon.get(&small).body, b"hello", "this time from memory");
    let middling = daemon.connect().put("middling", &payload(4, MIDDLING_SIZE)).target();
    for _ in 0..2 {
        // The first one brings it into the page cache.
        assert_eq!(daemon.get(&middling).body.len(), MIDDLING_SIZE);
    }
    break_an_upload_off(&daemon);
    cut_and_delete(&daemon);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| upload_until(&is_over, daemon.connect()));
        watch(&daemon, &large, &mut unmoved);
        is_over.store(true, Ordering::Relaxed);
    });
    let unmoved: Vec<_> = unmoved.iter().map(|spec| (spec.name, spec.label)).collect();
    assert!(unmoved.is_empty(), "nobody feeds {unmoved:?}");
    wait_for_gauges_to_come_back(&daemon);
}

/// What moves on a machine like this.
fn movable() -> Vec<&'static Spec> {
    let is_told = page_cache_is_told(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let has_ring = engines().contains(&Engine::IoUring);
    let moves = |spec: &&Spec| {
        // A healthy disk has none; `disk/metered.rs` tests them on a disk that fails.
        spec.name != "ringhold_disk_errors_total"
            // `relay_metrics.rs` moves those.
            && !spec.name.starts_with("ringhold_relay_")
            && (is_told || spec.name != "ringhold_sent_from_page_cache_bytes_total")
            && (has_ring || !spec.name.starts_with("ringhold_ring_"))
    };
    TABLE.iter().chain(PROCESS_TABLE).filter(moves).collect()
}

/// A daemon whose directories are taken from under it.
fn lose_the_volume(unmoved: &mut Vec<&Spec>) {
    let daemon = Setup::new().allow("the volume failed").start();
    fs::rename(daemon.root().join("staging"), daemon.root().join("away")).unwrap();
    assert_eq!(daemon.request("PUT", "/files/a", &[], b"hello").status, 503);
    look(&daemon, unmoved);
}

/// An upload that is preallocated beyond its end, and its end.
fn cut_and_delete(daemon: &Daemon) {
    let body = payload(3, PREALLOCATED_SIZE);
    let uploaded = daemon.connect().put_chunked("long", &body, PIECE_SIZE);
    let bearer = format!("Bearer {}", uploaded.delete_token);
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(daemon.request("DELETE", &uploaded.target(), &headers, b"").status, 204);
}

/// Scrapes until everything has moved, or patience ends.
fn watch(daemon: &Daemon, large: &str, unmoved: &mut Vec<&Spec>) {
    // Downloads that nobody reads hold their buffers: the first, past the page cache, chunks, and
    // the second, through it, those of downloads.
    let mut readers = [daemon.connect(), daemon.connect()];
    for reader in &mut readers {
        reader.head("GET", large, &[]).unwrap();
    }
    let mut held = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while !unmoved.is_empty() && Instant::now() < deadline && held.len() < CONNECTIONS_MAX {
        // Sooner or later the kernel deals one to the worker that has more of them.
        let mut connection = daemon.connect();
        assert_eq!(connection.get("/healthz").status, 200);
        held.push(connection);
        look(daemon, unmoved);
    }
}

fn import(daemon: &Daemon, url: &str, status: u16) {
    let headers = [("Content-Type", "application/json")];
    let body = format!("{{\"file\": \"{url}\"}}");
    let answer = daemon.request("POST", "/uploadFile", &headers, body.as_bytes());
    assert_eq!(answer.status, status, "{url}");
}

fn break_an_upload_off(daemon: &Daemon) {
    let mut client = daemon.connect();
    client.head("PUT", "/files/broken", &[("Content-Length", "100")]).unwrap();
    client.send(b"not a hundred bytes").unwrap();
}

/// The seal of a small object is broken before anybody reads it.
fn read_damage(daemon: &Daemon) {
    let target = daemon.connect().put("damaged", b"hello").target();
    let [path] = <[_; 1]>::try_from(objects(daemon.root())).unwrap();
    flip(&path, 5000);
    assert_eq!(daemon.get(&target).status, 500);
}

fn upload_until(is_over: &AtomicBool, mut client: Client) {
    let piece = payload(2, PIECE_SIZE);
    client.head("PUT", "/files/endless", &[("Transfer-Encoding", "chunked")]).unwrap();
    for _ in 0..PIECES_MAX {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        client.send_chunk(&piece).unwrap();
    }
}

/// Crosses off what has moved.
fn look(daemon: &Daemon, unmoved: &mut Vec<&Spec>) {
    let samples = daemon.samples("");
    unmoved.retain(|spec| sum(&samples, spec) <= 0.0);
}

/// Over the workers, if it is theirs; of a histogram, how many it holds.
fn sum(samples: &[(String, f64)], spec: &Spec) -> f64 {
    let suffix = if spec.kind == Kind::Histogram { "_count" } else { "" };
    let name = format!("{}{suffix}", spec.name);
    let its = samples.iter().filter(|(series, _)| {
        series.split('{').next() == Some(&name) && series.contains(spec.label)
    });
    its.map(|(_, value)| value).sum()
}

/// One connection is left, the one that asks.
fn wait_for_gauges_to_come_back(daemon: &Daemon) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let samples = daemon.samples("ringhold_");
        let gauges = TABLE.iter().filter(|spec| spec.kind == Kind::Gauge);
        let held: Vec<_> = gauges
            .map(|spec| (spec.name, sum(&samples, spec)))
            .filter(|(_, value)| *value > 0.0)
            .collect();
        if held == [("ringhold_connections_open", 1.0)] {
            return;
        }
        assert!(Instant::now() < deadline, "still held: {held:?}");
        thread::sleep(TICK);
    }
}

#[test]
fn the_head_of_the_metrics_is_theirs_without_the_body() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let head = client.request("HEAD", "/metrics", &[], b"");
    let whole = client.get("/metrics");
    assert_eq!((head.status, head.header("content-type")), (200, whole.header("content-type")));
    let size: usize = head.header("content-length").unwrap().parse().unwrap();
    // Counters may have gained a digit in between.
    assert!(size.abs_diff(whole.body.len()) < 200, "{size} and {}", whole.body.len());
}

#[test]
fn several_operations_share_one_submission() {
    if !engines().contains(&Engine::IoUring) {
        return;
    }
    let daemon = Setup::new().engine(Engine::IoUring).workers(1).start();
    thread::scope(|scope| {
        for seed in 0..8 {
            let mut client = daemon.connect();
            scope.spawn(move || client.put("a", &payload(seed, LARGE_SIZE)));
        }
    });
    let total = |name: &str| daemon.samples(name).iter().map(|(_, value)| value).sum::<f64>();
    let operations = total("ringhold_ring_operations_total");
    let submissions = total("ringhold_ring_submissions_total");
    // 8 x 32 writes, and for each file what makes and names it.
    assert!(operations >= 8.0 * 34.0, "{operations}");
    assert!(submissions > 0.0 && submissions < operations, "{submissions} of {operations}");
}
