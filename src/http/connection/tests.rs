//! A connection's promises that take longer than a black-box test should: time is simulated, the
//! disk is in memory, the socket is a pipe.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::{self, Read as _, Write as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::base::limits::{
    BODY_IDLE_TIMEOUT_S, BODY_RATE_GRACE_S, BODY_RATE_MIN, HEAD_TIMEOUT_S, KEEP_ALIVE_TIMEOUT_S,
    LINGER_TIMEOUT_S, SEND_IDLE_TIMEOUT_S,
};
use crate::disk::{Disk as _, Extent, MemoryDisk, Pool, Slab, SlabOptions};
use crate::http::HttpOptions;
use crate::id::IdService;
use crate::import::{ImportOptions, Importer, SystemNetwork};
use crate::store::{
    CacheSizes, Caches, Digester, Digests, Durability, Layout, Store, StoreOptions, VolumeState,
};
use crate::telemetry::Metrics;
use crate::worker::{Drain, Presence};

const ROOT: &str = "/root";
/// What fits into the pipe; a client that sends more waits for the server to read.
const PIPE_SIZE: usize = 16 << 10;
const UPLOAD_SIZE_MAX: u64 = 8 << 20;

/// Nobody knows what a pipe's reader took.
impl SendQueue for DuplexStream {
    fn queued_bytes(&self) -> Option<u64> {
        None
    }
}

/// A pipe is no socket.
impl SendExtent for DuplexStream {
    fn takes_extents(&self) -> bool {
        false
    }

    fn poll_write_ahead(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::Unsupported.into()))
    }

    fn poll_send_extent(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &Extent,
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::Unsupported.into()))
    }
}

impl Attended for DuplexStream {
    fn presence(&self) -> Presence {
        Presence::unknown()
    }
}

/// A client and the server's end of its connection.
struct Bench {
    client: DuplexStream,
    server: JoinHandle<()>,
    drain: Drain,
    disk: Rc<MemoryDisk>,
    face: Rc<FaceParts>,
}

impl Bench {
    async fn new() -> Bench {
        Bench::with(|disk| disk, CacheSizes::of_process(None)).await
    }

    async fn with(make: impl FnOnce(MemoryDisk) -> MemoryDisk, sizes: CacheSizes) -> Bench {
        let options = SlabOptions { chunk_size: 16 << 10, chunk_count: 4, read_count: 4 };
        let disk = Rc::new(make(MemoryDisk::new(Slab::new(options).unwrap(), 4)));
        Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
        let options = StoreOptions {
            root: ROOT.into(),
            durability: Durability::Full,
            min_free: 0,
            verify_reads: false,
        };
        let volume = Arc::new(VolumeState::default());
        let cache = Arc::new(Caches::new(sizes));
        let store = Store::new(Rc::clone(&disk) as _, cache, volume, &options);
        let (drain, metrics) = (Drain::new(), Metrics::new(1));
        let face = Rc::new(FaceParts {
            options: HttpOptions { max_upload_size_bytes: Some(UPLOAD_SIZE_MAX), public: None },
            store,
            digests: Digests::new(Digester::start().unwrap(), metrics.worker(0)),
            ids: Arc::new(IdService::new(b"a secret of a test", &[]).unwrap()),
            worker_metrics: metrics.worker(0),
            metrics,
            drain: drain.signal(),
            importer: Importer::new(ImportOptions::default(), Box::new(SystemNetwork::default())),
        });
        let (client, server) = duplex(PIPE_SIZE);
        let peer = ([127, 0, 0, 1], 1).into();
        let server = spawn_local(serve(Rc::clone(&face), server, peer, Common::new()));
        Bench { client, server, drain, disk, face }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The head of the next response.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.client.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// The next response, which must have a length.
    async fn response(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let (_, rest) = head.split_once("content-length: ").unwrap();
        let size = rest.split_once('\r').unwrap().0.parse().unwrap();
        let mut body = vec![0; size];
        self.client.read_exact(&mut body).await.unwrap();
        (head, body)
    }

    /// Everything up to the end of the connection.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.client.read_to_end(&mut rest).await.unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Asks for a file with these fields beside the `Host`.
    async fn get(&mut self, path: &str, fields: &str) -> (String, Vec<u8>) {
        self.send(get(path, fields)).await;
        self.response().await
    }

    /// The counter of a connection to the same daemon.
    fn counter(&self) -> Counter {
        Counter {
            face: Rc::clone(&self.face),
            peer: ([127, 0, 0, 1], 1).into(),
            watch: Watch::new(Presence::unknown()),
            was_asked: Rc::default(),
            today: Today::default(),
        }
    }

    /// Whether it has this file at hand.
    fn is_at_hand(&self, path: &str) -> bool {
        self.counter().answer(get(path, "").as_bytes()).is_some()
    }

    /// Uploads `size` bytes and returns their path.
    async fn upload(&mut self, size: usize) -> String {
        self.send(format!("PUT /files/a HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n"))
            .await;
        self.send(vec![7; size]).await;
        let (head, body) = self.response().await;
        assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
        let answer: crate::wire::UploadAnswer = serde_json::from_slice(&body).unwrap();
        format!("/files/{}", answer.file_id)
    }
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// The lines of a head in one order, the `date` apart, which may be that of the next second.
fn fields(head: &str) -> Vec<&str> {
    let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
    assert_eq!(lines.len() + 1, head.lines().count(), "one date: {head}");
    lines.sort_unstable();
    lines
}

/// Runs a test in simulated time.
fn simulate(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_connection_serves_one_request_after_another() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(100_000).await;
        sleep(seconds(KEEP_ALIVE_TIMEOUT_S - 1)).await;
        bench.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let (head, body) = bench.response().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(body, vec![7; 100_000]);
        let idle_since = Instant::now();
        assert_eq!(bench.rest().await, "");
        assert_eq!(idle_since.elapsed().as_secs(), KEEP_ALIVE_TIMEOUT_S);
    });
}

#[test]
fn a_body_that_stops_is_given_up_and_nothing_is_kept() {
    simulate(async {
        let mut bench = Bench::new().await;
        let inode_count = bench.disk.inode_count();
        bench.send("PUT /files/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n").await;
        bench.send(vec![7; 50_000]).await;
        let stopped_at = Instant::now();
        let (head, body) = bench.response().await;
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert!(body.starts_with(b"{\"error\":"));
        // The pause in which the upload gave its buffer back is part of the time.
        assert_eq!(stopped_at.elapsed().as_secs(), BODY_IDLE_TIMEOUT_S);
        bench.server.await.unwrap();
        assert_eq!(bench.disk.inode_count(), inode_count);
    });
}

#[test]
fn a_body_that_trickles_is_given_up_and_a_slow_one_is_not() {
    simulate(async {
        let mut bench = Bench::new().await;
        bench.send("PUT /files/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n").await;
        let began_at = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(bench.client);
        let trickle = spawn_local(async move {
            while writer.write_all(b"x").await.is_ok() {
                sleep(seconds(1)).await;
            }
        });
        let mut start = [0; 12];
        reader.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 408");
        let waited_s = began_at.elapsed().as_secs();
        assert!((BODY_RATE_GRACE_S..BODY_RATE_GRACE_S + 5).contains(&waited_s), "{waited_s}");
        trickle.abort();

        let mut bench = Bench::new().await;
        bench.send("PUT /files/a HTTP/1.1\r\nHost: h\r\nContent-Length: 102400\r\n\r\n").await;
        for _ in 0..102_400 / BODY_RATE_MIN {
            sleep(seconds(1)).await;
            bench.send(vec![7; usize::try_from(BODY_RATE_MIN).unwrap()]).await;
        }
        let (head, _) = bench.response().await;
        assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    });
}

#[test]
fn a_refused_client_that_goes_on_sending_finds_the_answer() {
    simulate(async {
        let mut bench = Bench::new().await;
        let size = UPLOAD_SIZE_MAX + 1;
        bench
            .send(format!("PUT /files/a HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n"))
            .await;
        bench.send(vec![7; usize::try_from(size).unwrap()]).await;
        let answer = bench.rest().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    });
}

#[test]
fn a_refused_client_is_not_listened_to_for_ever() {
    simulate(async {
        let mut bench = Bench::new().await;
        let refused_at = Instant::now();
        bench.send("POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx").await;
        let answer = bench.rest().await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert_eq!(refused_at.elapsed().as_secs(), LINGER_TIMEOUT_S);
    });
}

#[test]
fn a_client_that_waits_to_be_asked_is_refused_without_being_asked() {
    simulate(async {
        let mut bench = Bench::new().await;
        let size = UPLOAD_SIZE_MAX + 1;
        bench.send("PUT /files/a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n").await;
        bench.send(format!("Content-Length: {size}\r\n\r\n")).await;
        let refused_at = Instant::now();
        let answer = bench.rest().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert_eq!(refused_at.elapsed().as_secs(), 0, "there is nothing to wait for");
    });
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(4 << 20).await;
        bench.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let asked_at = Instant::now();
        timeout(seconds(600), &mut bench.server).await.expect("the server gives up").unwrap();
        assert_eq!(asked_at.elapsed().as_secs(), SEND_IDLE_TIMEOUT_S);
    });
}

#[test]
fn a_drain_finishes_what_runs_and_closes_what_does_not() {
    simulate(async {
        let mut idle = Bench::new().await;
        idle.upload(10).await;
        let drained_at = Instant::now();
        idle.drain.begin();
        assert_eq!(idle.rest().await, "");

        let mut busy = Bench::new().await;
        busy.send("PUT /files/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n").await;
        busy.send(vec![7; 50_000]).await;
        busy.drain.begin();
        busy.send(vec![7; 50_000]).await;
        let answer = busy.rest().await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert_eq!(drained_at.elapsed().as_secs(), 0, "nobody waited for a timeout");
    });
}

#[test]
fn a_failed_read_cuts_the_download_off() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(4 << 20).await;
        bench.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let head = bench.head().await;
        assert!(head.contains("content-length: 4194304\r\n"), "{head}");
        // From here on the disk refuses to read.
        bench.disk.drain().await;
        let mut body = Vec::new();
        let _cut_off = bench.client.read_to_end(&mut body).await;
        assert!(body.len() < 4 << 20, "no client takes it for whole");
    });
}

#[test]
fn a_client_of_a_kibibyte_a_second_holds_no_buffer_and_gets_every_byte() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(2 << 20).await;
        bench.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let head = bench.head().await;
        assert!(head.contains("content-length: 2097152\r\n"), "{head}");
        let mut body = vec![0; 2 << 20];
        let (slow, fast) = body.split_at_mut(300 << 10);
        for (second, piece) in slow.chunks_mut(1 << 10).enumerate() {
            sleep(seconds(1)).await;
            assert_eq!(bench.disk.slab().in_use(Pool::Download), 0, "after {second} s");
            bench.client.read_exact(piece).await.unwrap();
        }
        bench.client.read_exact(fast).await.unwrap();
        assert!(body.iter().all(|byte| *byte == 7));
        assert_eq!(bench.disk.slab().in_use(Pool::Download), 0);
        bench.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert!(bench.head().await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_request_that_is_none_is_answered_in_json_and_not_listened_to_for_ever() {
    simulate(async {
        let mut bench = Bench::new().await;
        let refused_at = Instant::now();
        bench.send("GET / HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let (head, body) = bench.response().await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert!(body.starts_with(b"{\"error\":"));
        assert_eq!(refused_at.elapsed().as_secs(), 0, "the answer does not wait");
        assert_eq!(bench.rest().await, "");
        assert_eq!(refused_at.elapsed().as_secs(), LINGER_TIMEOUT_S);
    });
}

#[test]
fn a_head_that_does_not_end_is_given_up() {
    simulate(async {
        for start in ["", "GET / HTTP/1.1\r\nHost: h\r\n"] {
            let mut bench = Bench::new().await;
            let began_at = Instant::now();
            bench.send(start).await;
            assert_eq!(bench.rest().await, "");
            assert_eq!(began_at.elapsed().as_secs(), HEAD_TIMEOUT_S);
        }
    });
}

#[test]
fn what_is_at_hand_is_answered_as_everything_else() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(5000).await;
        // Any field that is not known to be harmless leads to the other way.
        let (long_way, body) = bench.get(&path, "Something-New: 1\r\n").await;
        assert_eq!(body, vec![7; 5000]);
        assert!(bench.is_at_hand(&path), "remembered since it was read");
        let (at_hand, body) = bench.get(&path, "Accept: */*\r\nConnection: keep-alive\r\n").await;
        assert_eq!(body, vec![7; 5000]);
        assert_eq!(fields(&at_hand), fields(&long_way));
        assert_eq!(bench.face.worker_metrics.downloads.get(), 3, "two, and the look before");

        let mut empty = Bench::new().await;
        let path = empty.upload(0).await;
        let (long_way, _) = empty.get(&path, "Something-New: 1\r\n").await;
        assert!(empty.is_at_hand(&path));
        let (at_hand, body) = empty.get(&path, "").await;
        assert_eq!((fields(&at_hand), body), (fields(&long_way), Vec::new()));
    });
}

#[test]
fn what_nobody_asked_for_yet_is_answered_the_same_where_the_kernel_has_it() {
    simulate(async {
        let mut bench = Bench::with(MemoryDisk::knowing_names, CacheSizes::none()).await;
        let path = bench.upload(5000).await;
        let (long_way, body) = bench.get(&path, "Something-New: 1\r\n").await;
        assert_eq!(body, vec![7; 5000]);
        assert!(bench.is_at_hand(&path), "although nothing is remembered");
        let (at_hand, body) = bench.get(&path, "").await;
        assert_eq!(body, vec![7; 5000]);
        assert_eq!(fields(&at_hand), fields(&long_way));
        let large = bench.upload(100_000).await;
        assert!(!bench.is_at_hand(&large), "it is not for the counter");
        let (_, body) = bench.get(&large, "").await;
        assert_eq!(body, vec![7; 100_000]);
        assert_eq!(bench.face.worker_metrics.downloads.get(), 4, "three, and one look");

        let mut cold = Bench::with(|disk| disk.knowing_names().cold(), CacheSizes::none()).await;
        let path = cold.upload(5000).await;
        assert!(!cold.is_at_hand(&path), "it has to be read");
        let (waited, body) = cold.get(&path, "").await;
        assert_eq!((body, fields(&waited).len()), (vec![7; 5000], fields(&long_way).len()));
    });
}

#[test]
fn answers_keep_the_order_of_their_requests_whoever_makes_them() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(3000).await;
        bench.get(&path, "").await;
        assert!(bench.is_at_hand(&path));
        let put = "PUT /files/b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGET ";
        let (plain, ranged) = (get(&path, ""), get(&path, "Range: bytes=0-9\r\n"));
        let health = get("/healthz", "");
        let long_path = bench.upload(100_000).await;
        let (_, long_body) = bench.get(&long_path, "").await;
        assert_eq!(long_body.len(), 100_000);
        assert!(!bench.is_at_hand(&long_path));
        let long = get(&long_path, "");
        for requests in [
            [&long, &plain, &long, &plain],
            [&plain, &plain, &ranged, &plain],
            [&ranged, &plain, &plain, &health],
            [&plain, &put.to_owned(), &plain, &ranged],
            [&health, &plain, &health, &plain],
        ] {
            bench.send(requests.map(String::as_str).concat()).await;
            for request in requests {
                let (head, body) = bench.response().await;
                let expected = match request {
                    one if *one == plain => (200, 3000),
                    one if *one == ranged => (206, 10),
                    one if *one == long => (200, 100_000),
                    one if *one == health => (200, body.len()),
                    _ => (201, body.len()),
                };
                assert!(head.starts_with(&format!("HTTP/1.1 {} ", expected.0)), "{head}");
                assert_eq!(body.len(), expected.1, "{request}");
            }
        }
    });
}

#[test]
fn a_slow_client_gets_what_was_at_hand_and_one_that_takes_nothing_is_cut_off() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(60_000).await;
        bench.get(&path, "").await;
        assert!(bench.is_at_hand(&path), "larger than the pipe and yet small");
        bench.send([get(&path, ""), get(&path, "Range: bytes=1-2\r\n")].concat()).await;
        for _ in 0..60 {
            sleep(seconds(1)).await;
            bench.client.read_exact(&mut [0; 500]).await.unwrap();
        }
        let mut rest = vec![0; 60_000 - 30_000];
        bench.client.read_exact(&mut rest).await.unwrap();
        assert!(bench.head().await.contains("HTTP/1.1 206 "), "what follows comes after it");
        bench.client.read_exact(&mut [0; 2]).await.unwrap();
        bench.send(get(&path, "")).await;
        let asked_at = Instant::now();
        timeout(seconds(600), &mut bench.server).await.expect("the server gives up").unwrap();
        assert_eq!(asked_at.elapsed().as_secs(), SEND_IDLE_TIMEOUT_S);
    });
}

#[test]
fn what_was_deleted_is_not_at_hand_and_a_drain_says_that_it_closes() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(100).await;
        bench.get(&path, "").await;
        assert!(bench.is_at_hand(&path));
        let file_id = path.strip_prefix("/files/").unwrap();
        let opened = bench.face.ids.open(file_id).unwrap();
        bench.face.store.delete(opened.object).await.unwrap();
        assert!(!bench.is_at_hand(&path));
        let (head, _) = bench.get(&path, "").await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");

        let path = bench.upload(100).await;
        bench.get(&path, "").await;
        assert!(bench.is_at_hand(&path));
        bench.send("PUT /files/c HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n").await;
        sleep(seconds(1)).await;
        bench.drain.begin();
        assert!(!bench.is_at_hand(&path), "the last answer is hyper's");
        bench.send("x").await;
        assert!(bench.rest().await.contains("connection: close\r\n"));
    });
}

#[test]
fn nothing_is_answered_at_the_counter_while_an_earlier_answer_is_owed() {
    simulate(async {
        let mut bench = Bench::new().await;
        let path = bench.upload(100).await;
        bench.get(&path, "").await;
        let counter = bench.counter();
        let watch = Rc::clone(&counter.watch);
        let (mut client, server) = duplex(PIPE_SIZE);
        let mut gate = Gate::new(server, Scratch::new(), Refused::default(), Some(counter));
        let (first, plain) = (get("/healthz", ""), get(&path, ""));
        client.write_all([&first[..], &plain].concat().as_bytes()).await.unwrap();
        for passed in [&first, &plain] {
            let mut space = [MaybeUninit::uninit(); 1000];
            let mut buf = rt::ReadBuf::uninit(&mut space);
            let read = poll_fn(|cx| Pin::new(&mut gate).poll_read(cx, buf.unfilled()));
            timeout(seconds(1), read).await.expect("it is passed on").unwrap();
            assert_eq!(buf.filled(), passed.as_bytes(), "one after the other");
            watch.request_began();
            poll_fn(|cx| Pin::new(&mut gate).poll_flush(cx)).await.unwrap();
        }
        watch.response_ended();
        // Ended, and not flushed.
        client.write_all(plain.as_bytes()).await.unwrap();
        let mut space = [MaybeUninit::uninit(); 1000];
        let mut buf = rt::ReadBuf::uninit(&mut space);
        let read = poll_fn(|cx| Pin::new(&mut gate).poll_read(cx, buf.unfilled()));
        timeout(seconds(1), read).await.expect("it is passed on").unwrap();
        assert_eq!(buf.filled(), plain.as_bytes());
        poll_fn(|cx| Pin::new(&mut gate).poll_flush(cx)).await.unwrap();
        client.write_all(plain.as_bytes()).await.unwrap();
        let mut buf = rt::ReadBuf::uninit(&mut space);
        let passed = poll_fn(|cx| Poll::Ready(Pin::new(&mut gate).poll_read(cx, buf.unfilled())));
        assert!(passed.await.is_pending(), "answered here");
        let mut start = [0; 15];
        client.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
    });
}
