//! Memory is a contract: workers x slab + 64 KiB per connection + 32 MiB, whatever the file sizes.

use std::sync::Barrier;
use std::thread;

use crate::harness::{
    Daemon, Engine, Payload, Setup, Source, UNOPTIMIZED_KIB, engines, free_bytes, heavy, payload,
};
use crate::import::import;

const UPLOADS: u64 = 64;
const WORKERS: usize = 2;
/// The defaults: a slab has a chunk and a read buffer for each file operation in flight.
const QUEUE_DEPTH: u64 = 64;
const CHUNK_KIB: u64 = 1024;
const READ_KIB: u64 = 256;
const CONNECTION_KIB: u64 = 64;
const BASE_KIB: u64 = 32 << 10;
const PIECE_SIZE: usize = 256 << 10;
/// Imports at once (`IMPORTS_MAX`), and pieces of each.
const IMPORTS: u64 = 4;
const IMPORT_PIECES: usize = 16;
const UPLOAD_SIZE_HEAVY: u64 = 1 << 30;
const UPLOAD_SIZE_LIGHT: u64 = 16 << 20;
/// Left free for everybody else while the heavy case runs.
const SPARE: u64 = 16 << 30;

#[test]
fn sixty_four_uploads_at_once_stay_within_the_memory_contract() {
    for engine in engines() {
        let mut daemon =
            Setup::new().engine(engine).workers(WORKERS).flag("--durability", "none").start();
        let upload_size = upload_size(&daemon);
        upload_all(&daemon, upload_size);
        let resident = daemon.resident_kib_max();
        let allowed = allowed_kib(UPLOADS);
        println!(
            "{engine:?}: {UPLOADS} uploads of {upload_size} bytes: {resident} KiB resident, \
             {allowed} KiB allowed"
        );
        assert!(resident <= allowed, "{resident} KiB resident, {allowed} KiB allowed");
        daemon.stop();
    }
}

#[test]
fn slow_downloads_and_slow_uploads_hold_no_large_buffers() {
    let connections = 400;
    let engine = engines().first().copied().unwrap_or(Engine::Threads);
    let daemon = Setup::new().engine(engine).workers(WORKERS).start();
    let uploaded = daemon.connect().put("big", &payload(1, 20 << 20));
    let mut slow = Vec::new();
    for index in 0..connections {
        let mut client = daemon.connect();
        if index % 2 == 0 {
            client.head("GET", &uploaded.target(), &[]).unwrap();
        } else {
            client.head("PUT", "/files/slow", &[("Content-Length", "20000000")]).unwrap();
            client.send(&payload(2, 50_000)).unwrap();
        }
        slow.push(client);
    }
    assert_eq!(daemon.get("/healthz").status, 200);
    let fast = daemon.connect().put("fast", &payload(3, 5 << 20));
    assert_eq!(daemon.get(&fast.target()).status, 200, "slow peers hold up nobody");
    let (resident, allowed) = (daemon.resident_kib_max(), allowed_kib(connections));
    println!("{connections} slow connections: {resident} KiB resident, {allowed} KiB allowed");
    assert!(resident <= allowed, "{resident} KiB resident, {allowed} KiB allowed");
}

#[test]
fn as_many_imports_as_there_may_be_stay_within_the_memory_contract() {
    for engine in engines() {
        // A slab so small that what is left is the imports' own.
        let daemon = Setup::new()
            .engine(engine)
            .workers(1)
            .flag("--queue-depth", IMPORTS)
            .flag("--chunk-size", "4KiB")
            .flag("--durability", "none")
            .flag("--import-allow", "127.0.0.0/8")
            .start();
        let idle = daemon.resident_kib_max();
        let source = Source::start(|_, stream| {
            let piece = payload(4, PIECE_SIZE);
            let size = IMPORT_PIECES * PIECE_SIZE;
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")?;
            (0..IMPORT_PIECES).try_for_each(|_| stream.write_all(&piece))
        });
        thread::scope(|scope| {
            for _ in 0..IMPORTS {
                scope.spawn(|| import(&daemon, &source.url("/a")).uploaded());
            }
        });
        let resident = daemon.resident_kib_max();
        let allowed = IMPORTS * (4 + READ_KIB) + IMPORTS * CONNECTION_KIB + BASE_KIB;
        println!(
            "{engine:?}: {IMPORTS} imports: {resident} KiB resident, {idle} KiB before them, \
             {allowed} KiB allowed"
        );
        assert!(resident <= allowed, "{resident} KiB resident, {allowed} KiB allowed");
    }
}

/// A gigabyte each where the disk has room for all of them and for everybody else.
fn upload_size(daemon: &Daemon) -> u64 {
    if !heavy() {
        return UPLOAD_SIZE_LIGHT;
    }
    let free = free_bytes(daemon.root());
    if free > UPLOADS * UPLOAD_SIZE_HEAVY + SPARE {
        return UPLOAD_SIZE_HEAVY;
    }
    let scaled = free / 4 / UPLOADS;
    println!("{free} bytes free: uploads of {scaled} bytes instead of {UPLOAD_SIZE_HEAVY}");
    scaled
}

fn upload_all(daemon: &Daemon, size: u64) {
    let barrier = Barrier::new(usize::try_from(UPLOADS).unwrap());
    thread::scope(|scope| {
        for stream in 0..UPLOADS {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut piece = vec![0; PIECE_SIZE];
                Payload::new(stream).fill(&mut piece);
                let mut client = daemon.connect();
                let length = size.to_string();
                client.head("PUT", "/files/a", &[("Content-Length", &length)]).unwrap();
                barrier.wait();
                let mut left = size;
                while left > 0 {
                    let count = usize::try_from(left).unwrap_or(PIECE_SIZE).min(PIECE_SIZE);
                    client.send(&piece[..count]).unwrap();
                    left -= count as u64;
                }
                assert_eq!(client.response("PUT").uploaded().size, size);
            });
        }
    });
}

fn allowed_kib(connections: u64) -> u64 {
    let slab_kib = QUEUE_DEPTH * (CHUNK_KIB + READ_KIB);
    WORKERS as u64 * slab_kib + connections * CONNECTION_KIB + BASE_KIB + UNOPTIMIZED_KIB
}
