//! Slow peers in both directions, many at once: they hold none of the large buffers, the memory
//! contract covers them, everybody else is served, and they get every byte in the end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::harness::{Daemon, Setup, UNOPTIMIZED_KIB, Uploaded, engines, heavy, payload};

const WORKERS: usize = 2;
/// The contract: slabs of the defaults, a connection's share, and the rest.
const SLABS_KIB: u64 = WORKERS as u64 * 64 * (1024 + 256);
const CONNECTION_KIB: u64 = 64;
const BASE_KIB: u64 = 32 << 10;
/// What a slow peer sends or takes in a [`TICK`]: 1 KiB a second.
const STEP_SIZE: usize = 256;
const TICK: Duration = Duration::from_millis(250);
/// Receive buffer of a slow download: a small one is full at once.
const RECEIVE_SIZE: usize = 16 << 10;
/// Bytes of a slow upload that come at once; some are a block, and some are left over.
const UPLOAD_START: usize = 50_000;
/// Longest wait for buffers to come back.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many peers of each kind, and how long they stay at least.
fn scale() -> (usize, Duration) {
    if heavy() { (1_000, Duration::from_secs(75)) } else { (100, Duration::from_secs(2)) }
}

#[test]
fn slow_peers_hold_no_buffers_and_slow_nobody_down_but_themselves() {
    let (count, stay) = scale();
    allow_descriptors();
    let setup = Setup::new().workers(WORKERS).flag("--durability", "none");
    let daemon = setup.engine(engines()[0]).start();
    let (content, fast) = (payload(1, 64 << 20), payload(2, 64 << 20));
    let stored = daemon.connect().put("slow", &content);
    let mut peers: Vec<Peer> = Vec::new();
    for _ in 0..count {
        peers.push(Peer::download(daemon.address(), &stored));
        peers.push(Peer::upload(daemon.address(), content.len()));
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let crowd = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let next = Instant::now() + TICK;
                for peer in &mut peers {
                    peer.step(&content);
                }
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            peers
        });
        let since = Instant::now();
        await_leases_free(&daemon);
        while since.elapsed() < stay {
            let uploaded = daemon.connect().put("fast", &fast);
            assert!(daemon.get(&uploaded.target()).body == fast);
            thread::sleep(TICK);
        }
        await_leases_free(&daemon);
        is_over.store(true, Ordering::Relaxed);
        let mut peers = crowd.join().unwrap();
        let (resident, allowed) = (daemon.resident_kib_max(), allowed_kib(peers.len()));
        println!("{} slow peers: {resident} KiB resident, {allowed} KiB allowed", peers.len());
        assert!(resident <= allowed, "{resident} KiB resident, {allowed} KiB allowed");
        // Some of each kind make haste now: what was set aside and read again comes in order.
        for peer in peers.drain(..).take(6) {
            peer.finish(&content);
        }
    });
    await_leases_free(&daemon);
}

/// No worker lends a buffer of either pool.
fn await_leases_free(daemon: &Daemon) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let held: f64 =
            daemon.samples("ringhold_leases_in_use").iter().map(|(_, value)| value).sum();
        if held == 0.0 {
            return;
        }
        assert!(Instant::now() < deadline, "{held} buffers are held while all peers are slow");
        thread::sleep(Duration::from_millis(20));
    }
}

fn allowed_kib(connections: usize) -> u64 {
    SLABS_KIB + connections as u64 * CONNECTION_KIB + BASE_KIB + UNOPTIMIZED_KIB
}

/// Each peer is a descriptor here, too.
fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// One slow connection.
struct Peer {
    stream: TcpStream,
    kind: Kind,
}

enum Kind {
    /// Everything received, head and all.
    Download(Vec<u8>),
    /// How much of the body was sent.
    Upload(usize),
}

impl Peer {
    fn download(address: SocketAddr, stored: &Uploaded) -> Peer {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(RECEIVE_SIZE).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        let request = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", stored.target());
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Peer { stream, kind: Kind::Download(Vec::new()) }
    }

    fn upload(address: SocketAddr, size: usize) -> Peer {
        let mut stream = TcpStream::connect(address).unwrap();
        let request =
            format!("PUT /files/slow HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Peer { stream, kind: Kind::Upload(0) }
    }

    /// A little further.
    fn step(&mut self, content: &[u8]) {
        let moved = match &mut self.kind {
            Kind::Download(received) => {
                let mut piece = [0; STEP_SIZE];
                self.stream.read(&mut piece).map(|size| {
                    assert!(size > 0, "a slow download was cut off after {}", received.len());
                    received.extend_from_slice(&piece[..size]);
                })
            }
            Kind::Upload(sent) => {
                let size = if *sent < UPLOAD_START { UPLOAD_START } else { STEP_SIZE };
                self.stream.write(&content[*sent..*sent + size]).map(|size| *sent += size)
            }
        };
        match moved {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                panic!("a slow peer was cut off: {error}")
            }
            _ => {}
        }
    }

    /// The rest at full speed; the bytes must be right.
    fn finish(mut self, content: &[u8]) {
        self.stream.set_nonblocking(false).unwrap();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match self.kind {
            Kind::Download(mut received) => {
                let head_size = |bytes: &[u8]| {
                    let at = bytes.windows(4).position(|end| end == b"\r\n\r\n");
                    at.expect("a head came long ago") + 4
                };
                let whole = head_size(&received) + content.len();
                let mut rest = vec![0; whole - received.len()];
                self.stream.read_exact(&mut rest).unwrap();
                received.extend(rest);
                let body = &received[head_size(&received)..];
                assert!(received.starts_with(b"HTTP/1.1 200 ") && body == content);
            }
            Kind::Upload(sent) => {
                self.stream.write_all(&content[sent..]).unwrap();
                let mut answer = [0; 4096];
                let size = self.stream.read(&mut answer).unwrap();
                let answer = String::from_utf8_lossy(&answer[..size]).into_owned();
                assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
                let hash = blake3::hash(content).to_hex();
                assert!(answer.contains(hash.as_str()), "{answer}");
            }
        }
    }
}
