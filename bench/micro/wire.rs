//! What the gate looks at in every request before hyper sees it: the head, and the frames of a
//! chunked body.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use ringhold::wire::{Chunks, HeadScan, RequestHead};

/// What a load generator or a small client sends.
const PLAIN: &str = "GET /files/0123456789abcdef:AbCdEfGh HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
/// What a browser sends.
const BROWSER: &str =
    "GET /files/0123456789abcdef:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_ HTTP/1.1\r
Host: files.example.org\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
Accept-Language: en-GB,en;q=0.5\r
Accept-Encoding: gzip, deflate, br, zstd\r
Referer: https://files.example.org/\r
Connection: keep-alive\r
Upgrade-Insecure-Requests: 1\r
Sec-Fetch-Dest: document\r
Sec-Fetch-Mode: navigate\r
Sec-Fetch-Site: same-origin\r
Sec-Fetch-User: ?1\r
Priority: u=0, i\r
\r
";
/// Content of the chunked bodies.
const CONTENT_SIZE: usize = 1 << 20;
/// What is read at once into the gate's own buffer.
const READ_SIZE: usize = 16 << 10;

pub(crate) fn measure(criterion: &mut Criterion) {
    heads(criterion);
    chunks(criterion);
}

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request head");
    for (name, head) in [("plain", PLAIN), ("browser", BROWSER)] {
        let head = head.as_bytes();
        assert_eq!(scan(head, head.len()).unwrap().size, head.len());
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(BenchmarkId::new("at once", name), |bencher| {
            bencher.iter(|| scan(black_box(head), head.len()));
        });
        group.bench_function(BenchmarkId::new("byte by byte", name), |bencher| {
            bencher.iter(|| scan(black_box(head), 1));
        });
    }
    group.finish();
}

/// The head, of which `step` bytes more are there each time.
fn scan(head: &[u8], step: usize) -> Option<RequestHead> {
    let mut scan = HeadScan::default();
    let mut came = (step..=head.len()).step_by(step);
    came.find_map(|size| scan.scan(&head[..size]).unwrap())
}

fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunked body");
    group.throughput(Throughput::Bytes(CONTENT_SIZE as u64));
    for chunk_size in [64, 1 << 10, 64 << 10] {
        let body = chunked(chunk_size);
        assert!(feed(&body).has_ended());
        group.bench_function(BenchmarkId::new("chunks of", chunk_size), |bencher| {
            bencher.iter(|| feed(black_box(&body)));
        });
    }
    group.finish();
}

fn chunked(chunk_size: usize) -> Vec<u8> {
    let chunk = [format!("{chunk_size:x}\r\n").as_bytes(), &vec![7; chunk_size], b"\r\n"].concat();
    [chunk.repeat(CONTENT_SIZE / chunk_size), b"0\r\n\r\n".to_vec()].concat()
}

fn feed(body: &[u8]) -> Chunks {
    let mut chunks = Chunks::new();
    for read in body.chunks(READ_SIZE) {
        chunks.feed(read).unwrap();
    }
    chunks
}
