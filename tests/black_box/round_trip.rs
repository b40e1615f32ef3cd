//! The same bytes come back, whatever the size, the way in, the engine and the worker count.

use std::io;
use std::thread;

use crate::harness::{Client, Daemon, Engine, Form, Payload, Setup, Uploaded};
use crate::harness::{engines, free_bytes, heavy, payload};

const CHUNK_SIZE: usize = 1 << 20;
/// Around the block of direct I/O and around the chunk.
const SIZES: [usize; 9] =
    [0, 1, 4095, 4096, 4097, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, CHUNK_SIZE * 7 / 2];
/// Bytes made and compared at once while streaming.
const PIECE_SIZE: usize = 256 << 10;
/// A streamed file that no cache or buffer of the daemon can hold.
const SIZE_HEAVY: u64 = 5 << 30;
const SIZE_LIGHT: u64 = 48 << 20;

#[derive(Clone, Copy, Debug)]
enum Way {
    Put,
    PutChunked,
    Form,
}

const WAYS: [Way; 3] = [Way::Put, Way::PutChunked, Way::Form];

#[test]
fn the_same_bytes_come_back_on_one_worker() {
    for engine in engines() {
        every_size_comes_back(engine, 1);
    }
}

#[test]
fn the_same_bytes_come_back_on_two_workers() {
    for engine in engines() {
        every_size_comes_back(engine, 2);
    }
}

#[test]
fn the_same_bytes_come_back_in_the_smallest_chunks() {
    let daemon = Setup::new().flag("--chunk-size", "4KiB").flag("--queue-depth", 4).start();
    for (stream, size) in [4095, 4096, 4097, 14_336, 1_000_000].into_iter().enumerate() {
        comes_back(&daemon, Way::Put, &payload(stream as u64, size));
    }
}

#[test]
fn two_hundred_uploads_at_once_come_back() {
    for engine in engines() {
        let mut daemon = Setup::new().engine(engine).workers(2).start();
        thread::scope(|scope| {
            for upload in 0..200_u64 {
                let daemon = &daemon;
                scope.spawn(move || {
                    let size = usize::try_from(Payload::new(upload).below(400_000)).unwrap();
                    let way = WAYS[usize::try_from(upload % 3).unwrap()];
                    comes_back(daemon, way, &payload(1000 + upload, size));
                });
            }
        });
        daemon.stop();
    }
}

#[test]
fn a_large_file_streams_in_and_out() {
    let size = if heavy() { SIZE_HEAVY } else { SIZE_LIGHT };
    for engine in engines() {
        let mut daemon = Setup::new().engine(engine).start();
        assert!(free_bytes(daemon.root()) > size * 2, "not enough free space for this test");
        for (stream, way) in WAYS.into_iter().enumerate() {
            println!("{size} bytes by {way:?} on {engine:?}");
            let uploaded = stream_up(&daemon, way, stream as u64, size);
            assert_eq!(uploaded.size, size);
            stream_down(&daemon, &uploaded, stream as u64, size);
            let bearer = format!("Bearer {}", uploaded.delete_token);
            let gone =
                daemon.request("DELETE", &uploaded.target(), &[("Authorization", &bearer)], b"");
            assert_eq!(gone.status, 204);
        }
        daemon.stop();
    }
}

#[test]
fn many_files_go_over_one_connection() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for stream in 0..50 {
        let body = payload(stream, 3000);
        let uploaded = client.put("small.bin", &body);
        assert_eq!(client.get(&uploaded.target()).body, body);
    }
}

fn every_size_comes_back(engine: Engine, workers: usize) {
    let mut daemon = Setup::new().engine(engine).workers(workers).start();
    for (stream, size) in SIZES.into_iter().enumerate() {
        for way in WAYS {
            println!("{size} bytes by {way:?} on {engine:?}, {workers} workers");
            comes_back(&daemon, way, &payload(stream as u64, size));
        }
    }
    daemon.stop();
}

fn comes_back(daemon: &Daemon, way: Way, body: &[u8]) {
    let uploaded = upload(&mut daemon.connect(), way, body);
    assert_eq!(uploaded.name, "round trip.bin");
    assert_eq!(uploaded.size, body.len() as u64);
    assert_eq!(uploaded.blake3, blake3::hash(body).to_hex().as_str());
    let back = daemon.get(&uploaded.target());
    assert_eq!(back.status, 200);
    assert_eq!(back.header("content-length"), Some(body.len().to_string().as_str()));
    assert!(back.body == body, "{} bytes came back changed", body.len());
}

fn upload(client: &mut Client, way: Way, body: &[u8]) -> Uploaded {
    match way {
        Way::Put => client.put("round%20trip.bin", body),
        Way::PutChunked => client.put_chunked("round%20trip.bin", body, 70_001),
        Way::Form => {
            let form = Form::new("a-boundary").file("file", "round trip.bin", body);
            let content_type = form.content_type();
            let headers = [("Content-Type", content_type.as_str())];
            client.request("POST", "/uploadFile", &headers, &form.body()).uploaded()
        }
    }
}

fn stream_up(daemon: &Daemon, way: Way, stream: u64, size: u64) -> Uploaded {
    let mut client = daemon.connect();
    match way {
        Way::Put => {
            client.head("PUT", "/files/big", &[("Content-Length", &size.to_string())]).unwrap();
            pieces(stream, size, |piece| client.send(piece)).unwrap();
        }
        Way::PutChunked => {
            client.head("PUT", "/files/big", &[("Transfer-Encoding", "chunked")]).unwrap();
            pieces(stream, size, |piece| client.send_chunk(piece)).unwrap();
            client.send(b"0\r\n\r\n").unwrap();
        }
        Way::Form => {
            let empty = Form::new("a-boundary").file("file", "big", b"");
            let frame = empty.body();
            let (before, after) = frame.split_at(frame.len() - b"\r\n--a-boundary--\r\n".len());
            let length = (size + frame.len() as u64).to_string();
            let content_type = empty.content_type();
            let headers = [("Content-Type", content_type.as_str()), ("Content-Length", &length)];
            client.head("POST", "/uploadFile", &headers).unwrap();
            client.send(before).unwrap();
            pieces(stream, size, |piece| client.send(piece)).unwrap();
            client.send(after).unwrap();
        }
    }
    client.response("PUT").uploaded()
}

fn pieces(stream: u64, size: u64, mut send: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut payload = Payload::new(stream);
    let mut piece = vec![0; PIECE_SIZE];
    let mut left = size;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(PIECE_SIZE).min(PIECE_SIZE);
        payload.fill(&mut piece[..count]);
        send(&piece[..count])?;
        left -= count as u64;
    }
    Ok(())
}

fn stream_down(daemon: &Daemon, uploaded: &Uploaded, stream: u64, size: u64) {
    let mut client = daemon.connect();
    client.head("GET", &uploaded.target(), &[]).unwrap();
    let mut payload = Payload::new(stream);
    let mut expected = vec![0; PIECE_SIZE];
    let (mut at, mut count) = (PIECE_SIZE, 0_u64);
    let response = client
        .response_into("GET", &mut |mut got| {
            while !got.is_empty() {
                if at == PIECE_SIZE {
                    payload.fill(&mut expected);
                    at = 0;
                }
                let step = got.len().min(PIECE_SIZE - at);
                assert!(got[..step] == expected[at..at + step], "changed after byte {count}");
                got = &got[step..];
                at += step;
                count += step as u64;
            }
        })
        .unwrap();
    assert_eq!((response.status, count), (200, size));
}
