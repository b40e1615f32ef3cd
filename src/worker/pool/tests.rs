//! The pool with a small hyper service: spread, drain, grace, failed starts, on both runtimes.

use std::convert::Infallible as Never;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::Semaphore;

use super::*;
use crate::disk::{EngineChoice, choose};
use crate::worker::{DrainSignal, Ending, Seat, Service, Signals, Socket};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a test and the services it started know of each other.
struct Scene {
    /// Requests to `/slow` that have begun.
    begun: AtomicUsize,
    /// Lets as many of them finish.
    finish: Semaphore,
    /// What happened, in order.
    events: Mutex<Vec<&'static str>>,
}

impl Scene {
    fn new() -> Arc<Scene> {
        let (begun, finish) = (AtomicUsize::new(0), Semaphore::new(0));
        Arc::new(Scene { begun, finish, events: Mutex::default() })
    }

    fn note(&self, event: &'static str) {
        self.events.lock().unwrap().push(event);
    }

    fn events(&self) -> Vec<&'static str> {
        self.events.lock().unwrap().clone()
    }
}

/// Answers `/where` with its worker's index, `/slow` when the scene lets it, panics at `/panic`.
struct Greeter {
    scene: Arc<Scene>,
    seat: Seat,
}

impl Service for Greeter {
    fn serve(&self, socket: Socket, _peer: SocketAddr) -> LocalBoxFuture<'static, ()> {
        let (scene, worker_index) = (Arc::clone(&self.scene), self.seat.worker_index);
        let drain = self.seat.drain.clone();
        let answer = move |request: Request<Incoming>| {
            let scene = Arc::clone(&scene);
            async move {
                match request.uri().path() {
                    "/slow" => slow(&scene).await,
                    "/panic" => panic!("asked to"),
                    _ => {}
                }
                Ok::<_, Never>(Response::new(Full::new(Bytes::from(worker_index.to_string()))))
            }
        };
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer));
        serve_until_drained(connection, drain).boxed_local()
    }

    fn close(&self) -> LocalBoxFuture<'static, ()> {
        let scene = Arc::clone(&self.scene);
        async move { scene.note("closed") }.boxed_local()
    }
}

async fn slow(scene: &Scene) {
    struct Cut<'a>(&'a Scene);
    impl Drop for Cut<'_> {
        fn drop(&mut self) {
            self.0.note("cut off");
        }
    }
    let cut = Cut(scene);
    scene.begun.fetch_add(1, Ordering::SeqCst);
    scene.finish.acquire().await.unwrap().forget();
    std::mem::forget(cut);
}

async fn serve_until_drained<S>(
    connection: http1::Connection<TokioIo<Socket>, S>,
    drain: DrainSignal,
) where
    S: hyper::service::HttpService<Incoming, ResBody = Full<Bytes>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = drain.wait() => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        // A client that broke off is no concern of these tests.
        let _ = connection.await;
    }
}

fn greeters(scene: &Arc<Scene>) -> Arc<Factory> {
    let scene = Arc::clone(scene);
    Arc::new(move |seat| {
        let greeter = Greeter { scene: Arc::clone(&scene), seat };
        async move { Ok(Rc::new(greeter) as Rc<dyn Service>) }.boxed_local()
    })
}

/// Plain, and the ring where this machine lets us have one.
fn runtimes() -> Vec<RuntimeKind> {
    let chosen = choose(EngineChoice::Auto).unwrap();
    let ring = chosen.ring.map(|flags| RuntimeKind::Ring { entries: 64, completions: 256, flags });
    [Some(RuntimeKind::Plain), ring].into_iter().flatten().collect()
}

fn options(runtime: RuntimeKind, worker_count: usize) -> PoolOptions {
    let listen = Listen::Address(SocketAddr::from(([127, 0, 0, 1], 0)));
    let (connections_max, team) = (1_000, Team::default());
    PoolOptions { listen, worker_count, connections_max, runtime, grace: PATIENCE, team }
}

/// Sends a request and keeps the connection.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    stream
}

/// Reads one response; its body is one digit.
fn answer(stream: &mut TcpStream) -> usize {
    let mut response = Vec::new();
    let mut byte = [0];
    while !response.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        response.push(byte[0]);
    }
    assert!(response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response));
    stream.read_exact(&mut byte).unwrap();
    usize::from(byte[0] - b'0')
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn open_connections(metrics: &Metrics, worker_count: usize) -> i64 {
    (0..worker_count).map(|index| metrics.worker(index).connections_open.get()).sum()
}

#[test]
fn four_connections_on_two_workers_are_always_two_and_two() {
    for runtime in runtimes() {
        let metrics = Metrics::new(2);
        let pool = Pool::start(&options(runtime, 2), &metrics, &greeters(&Scene::new())).unwrap();
        for round in 0..100 {
            let mut streams: Vec<_> = (0..4).map(|_| ask(pool.local_addr(), "/where")).collect();
            let served: Vec<usize> = streams.iter_mut().map(answer).collect();
            let on_first = served.iter().filter(|&&worker_index| worker_index == 0).count();
            assert_eq!(on_first, 2, "round {round} on {runtime:?}: {served:?}");
            drop(streams);
            wait_until("the connections have ended", || open_connections(&metrics, 2) == 0);
        }
        let accepted: u64 = (0..2).map(|i| metrics.worker(i).connections_accepted.get()).sum();
        assert_eq!(accepted, 400);
        pool.drain();
        pool.join().unwrap();
    }
}

#[test]
fn a_drain_finishes_what_runs_and_refuses_what_comes() {
    for runtime in runtimes() {
        let (metrics, scene) = (Metrics::new(2), Scene::new());
        let pool = Pool::start(&options(runtime, 2), &metrics, &greeters(&scene)).unwrap();
        let address = pool.local_addr();
        let mut running = ask(address, "/slow");
        let mut idle = ask(address, "/where");
        answer(&mut idle);
        wait_until("the slow request runs", || scene.begun.load(Ordering::SeqCst) == 1);
        pool.drain();
        wait_until("the port is closed", || match TcpStream::connect(address) {
            Ok(_) => false,
            Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        });
        assert_eq!(idle.read(&mut [0]).unwrap(), 0, "an idle connection is closed at once");
        scene.finish.add_permits(1);
        answer(&mut running);
        pool.join().unwrap();
        assert_eq!(scene.events(), ["closed", "closed"], "nothing was cut off");
    }
}

#[test]
fn what_outlives_the_grace_time_is_cut_off_before_the_disk_is_closed() {
    for runtime in runtimes() {
        let (metrics, scene) = (Metrics::new(1), Scene::new());
        let options = PoolOptions { grace: Duration::from_millis(50), ..options(runtime, 1) };
        let pool = Pool::start(&options, &metrics, &greeters(&scene)).unwrap();
        let mut running = ask(pool.local_addr(), "/slow");
        wait_until("the slow request runs", || scene.begun.load(Ordering::SeqCst) == 1);
        pool.drain();
        pool.join().unwrap();
        assert_eq!(scene.events(), ["cut off", "closed"]);
        assert!(matches!(running.read(&mut [0]), Ok(0) | Err(_)), "the client is told");
        assert_eq!(open_connections(&metrics, 1), 0);
    }
}

#[test]
fn a_worker_whose_service_fails_stops_the_others_and_is_the_answer() {
    for runtime in runtimes() {
        let scene = Scene::new();
        let healthy = greeters(&scene);
        let factory: Arc<Factory> = Arc::new(move |seat| {
            if seat.worker_index == 1 {
                return async { Err(StartError::service("no disk")) }.boxed_local();
            }
            healthy(seat)
        });
        let metrics = Metrics::new(3);
        let refused = Pool::start(&options(runtime, 3), &metrics, &factory).unwrap_err();
        assert_eq!(refused.to_string(), "no disk");
        assert_eq!(scene.events(), ["closed", "closed"], "the other two were closed");
        assert_eq!(Arc::strong_count(&factory), 1, "no thread is left that holds it");
    }
}

#[test]
fn a_worker_that_panics_before_it_is_ready_is_an_error() {
    let factory: Arc<Factory> = Arc::new(|seat| {
        assert!(seat.worker_index != 0, "asked to");
        greeters(&Scene::new())(seat)
    });
    let options = options(RuntimeKind::Plain, 2);
    let refused = Pool::start(&options, &Metrics::new(2), &factory).unwrap_err();
    assert!(matches!(refused, StartError::Panicked), "{refused}");
}

#[test]
fn a_taken_port_is_said_before_any_worker_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = Listen::Address(taken.local_addr().unwrap());
    let options = PoolOptions { listen, ..options(RuntimeKind::Plain, 2) };
    let factory: Arc<Factory> = Arc::new(|_| panic!("no worker may start"));
    let refused = Pool::start(&options, &Metrics::new(2), &factory).unwrap_err();
    assert!(matches!(refused, StartError::Listen(_)), "{refused}");
}

#[test]
fn one_inherited_socket_serves_all_workers_and_begins_with_its_backlog() {
    for runtime in runtimes() {
        let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        inherited.set_nonblocking(true).unwrap();
        let address = inherited.local_addr().unwrap();
        let mut early: Vec<_> = (0..4).map(|_| ask(address, "/where")).collect();
        let listen = Listen::Inherited(Arc::new(inherited));
        let options = PoolOptions { listen, ..options(runtime, 2) };
        let metrics = Metrics::new(2);
        let pool = Pool::start(&options, &metrics, &greeters(&Scene::new())).unwrap();
        drop(options);
        assert_eq!(pool.local_addr(), address);
        let served: Vec<usize> = early.iter_mut().map(answer).collect();
        let on_first = served.iter().filter(|&&worker_index| worker_index == 0).count();
        assert_eq!(on_first, 2, "{runtime:?}: {served:?}");
        let accepted = [0, 1].map(|index| metrics.worker(index).connections_accepted.get());
        assert!(accepted == [4, 0] || accepted == [0, 4], "one worker accepts: {accepted:?}");
        pool.drain();
        wait_until("the port is closed", || TcpStream::connect(address).is_err());
        pool.join().unwrap();
    }
}

#[test]
fn when_all_are_full_a_connection_waits_until_one_leaves() {
    let (metrics, scene) = (Metrics::new(2), Scene::new());
    let options = PoolOptions { connections_max: 1, ..options(RuntimeKind::Plain, 2) };
    let pool = Pool::start(&options, &metrics, &greeters(&scene)).unwrap();
    let mut streams: Vec<_> = (0..2).map(|_| ask(pool.local_addr(), "/where")).collect();
    for stream in &mut streams {
        answer(stream);
    }
    let mut waiting = ask(pool.local_addr(), "/where");
    waiting.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let early = waiting.read(&mut [0]).unwrap_err();
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
    streams.pop();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    answer(&mut waiting);
    pool.drain();
    pool.join().unwrap();
}

#[test]
fn a_connection_that_panics_takes_nobody_with_it() {
    let metrics = Metrics::new(1);
    let options = options(RuntimeKind::Plain, 1);
    let pool = Pool::start(&options, &metrics, &greeters(&Scene::new())).unwrap();
    let mut doomed = ask(pool.local_addr(), "/panic");
    assert!(matches!(doomed.read(&mut [0]), Ok(0) | Err(_)));
    answer(&mut ask(pool.local_addr(), "/where"));
    pool.drain();
    pool.join().unwrap();
}

#[test]
fn a_pool_whose_worker_panics_ends_and_says_which() {
    struct Doomed;
    impl Service for Doomed {
        fn serve(&self, _socket: Socket, _peer: SocketAddr) -> LocalBoxFuture<'static, ()> {
            panic!("asked to")
        }
        fn close(&self) -> LocalBoxFuture<'static, ()> {
            std::future::ready(()).boxed_local()
        }
    }
    let factory: Arc<Factory> =
        Arc::new(|_| async { Ok(Rc::new(Doomed) as Rc<dyn Service>) }.boxed_local());
    let pool = Pool::start(&options(RuntimeKind::Plain, 1), &Metrics::new(1), &factory).unwrap();
    let _doomed = TcpStream::connect(pool.local_addr()).unwrap();
    assert_eq!(pool.join().unwrap_err().to_string(), "worker 0 panicked");
}

#[test]
fn workers_beyond_the_cores_begin_again_at_the_first() {
    let cores = allowed_cores().unwrap();
    assert_eq!(core_of(0, &cores), Some(cores[0]));
    assert_eq!(core_of(cores.len(), &cores), Some(cores[0]));
    assert_eq!(core_of(1, &[]), None, "where cores are unknown workers run unpinned");
}

#[test]
fn large_reads_stay_within_the_memory_they_are_promised() {
    assert_eq!([1, 2, 4, 8, 64].map(large_reads_per_worker), [4, 2, 1, 1, 1]);
}

#[test]
fn pools_of_one_team_stop_together() {
    let (one, other) = (Scene::new(), Scene::new());
    let team = Team::default();
    let metrics = Metrics::new(3);
    let start = |name, worker_count, cells_from, scene: &Arc<Scene>| {
        let team = Team { name, cells_from, ..team.clone() };
        let options = PoolOptions { team, ..options(RuntimeKind::Plain, worker_count) };
        Pool::start(&options, &metrics, &greeters(scene)).unwrap()
    };
    let (first, second) = (start("one", 2, 0, &one), start("other", 1, 2, &other));
    let _asked = ask(second.local_addr(), "/where");
    wait_until("its own cells count", || metrics.worker(2).connections_accepted.get() == 1);
    assert_eq!([0, 1].map(|index| metrics.worker(index).connections_accepted.get()), [0, 0]);
    // A worker that fails does the same.
    first.drain();
    second.join().unwrap();
    first.join().unwrap();
    assert_eq!((one.events(), other.events()), (vec!["closed", "closed"], vec!["closed"]));
}

/// One test for both: signals reach the whole process, so two tests would hear each other's.
#[test]
fn the_first_signal_drains_and_the_second_one_does_not_wait() {
    let send = |signal| kill_process(getpid(), signal).unwrap();
    let start = |scene| {
        let metrics = Metrics::new(1);
        Pool::start(&options(RuntimeKind::Plain, 1), &metrics, &greeters(scene)).unwrap()
    };
    let scene = Scene::new();
    let signals = Signals::catch().unwrap();
    let pool = start(&scene);
    send(Signal::TERM);
    let note = || scene.note("stopping");
    assert_eq!(signals.supervise(vec![pool], note).unwrap(), Ending::Drained);
    let events = scene.events();
    assert!(events.contains(&"stopping") && events.contains(&"closed"), "{events:?}");

    let signals = Signals::catch().unwrap();
    let pool = start(&scene);
    let address = pool.local_addr();
    let _running = ask(address, "/slow");
    wait_until("the slow request runs", || scene.begun.load(Ordering::SeqCst) == 1);
    let supervising = thread::spawn(move || signals.supervise(vec![pool], || ()).unwrap());
    send(Signal::INT);
    wait_until("the port is closed", || TcpStream::connect(address).is_err());
    send(Signal::TERM);
    assert_eq!(supervising.join().unwrap(), Ending::CutShort);
    assert_eq!(scene.events(), events, "the running request was not waited for");
}
