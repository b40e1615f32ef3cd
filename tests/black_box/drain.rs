//! SIGTERM and SIGINT: what runs is finished within the grace time, and the exit code is 0.

use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, Setup, engines, objects, payload, signal, staged};

/// Until a signal has surely been seen.
const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn an_upload_in_the_middle_is_finished_before_the_exit() {
    for engine in engines() {
        for name in ["TERM", "INT"] {
            let mut daemon = Setup::new().engine(engine).start();
            let body = payload(1, 3_000_000);
            let mut client = half_upload(&daemon, &body);
            signal(daemon.pid(), name);
            std::thread::sleep(MOMENT);
            client.send(&body[body.len() / 2..]).unwrap();
            let uploaded = client.response("PUT").uploaded();
            assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log_text());
            let daemon = daemon.restart();
            assert!(daemon.get(&uploaded.target()).body == body);
        }
    }
}

#[test]
fn a_download_in_the_middle_is_finished_before_the_exit() {
    let mut daemon = Daemon::start();
    let body = payload(2, 24 << 20);
    let uploaded = daemon.connect().put("a", &body);
    let mut client = daemon.connect();
    client.head("GET", &uploaded.target(), &[]).unwrap();
    let head = client.read_head().unwrap();
    signal(daemon.pid(), "TERM");
    std::thread::sleep(MOMENT);
    assert!(client.body_of(&head) == body);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_draining_daemon_is_not_ready_and_takes_nobody_new() {
    let mut daemon = Daemon::start();
    let body = payload(3, 1_000_000);
    let mut kept_alive = daemon.connect();
    assert_eq!(kept_alive.get("/readyz").status, 200);
    let mut client = half_upload(&daemon, &body);
    signal(daemon.pid(), "TERM");
    std::thread::sleep(MOMENT);
    let ready = kept_alive.head("GET", "/readyz", &[]).and_then(|()| kept_alive.read_head());
    assert!(ready.is_err() || ready.unwrap().status == 503, "ready while draining");
    assert!(Client::try_connect(daemon.address()).is_err(), "a new connection while draining");
    client.send(&body[body.len() / 2..]).unwrap();
    assert_eq!(client.response("PUT").status, 201);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn idle_connections_do_not_hold_the_exit() {
    let mut daemon = Daemon::start();
    let mut idle: Vec<Client> = (0..10).map(|_| daemon.connect()).collect();
    for client in &mut idle[..5] {
        assert_eq!(client.get("/healthz").status, 200);
    }
    let begin = Instant::now();
    daemon.stop();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn an_upload_that_outlives_the_grace_time_is_dropped_whole() {
    for engine in engines() {
        let mut daemon = Setup::new().engine(engine).flag("--grace", "1s").start();
        let _stalled = half_upload(&daemon, &payload(4, 3_000_000));
        let begin = Instant::now();
        daemon.stop();
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(900), "the grace time was given: {took:?}");
        assert!(took < Duration::from_secs(10), "and no more: {took:?}");
        assert_eq!(objects(daemon.root()).len() + staged(daemon.root()).len(), 0);
    }
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut daemon = Setup::new().flag("--grace", "60s").allow("stopping at once").start();
    let _stalled = half_upload(&daemon, &payload(5, 3_000_000));
    signal(daemon.pid(), "TERM");
    std::thread::sleep(MOMENT);
    let begin = Instant::now();
    signal(daemon.pid(), "TERM");
    daemon.wait();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(objects(daemon.root()).len(), 0);
}

/// An upload whose second half is yet to come, and that the daemon has begun to take in.
fn half_upload(daemon: &Daemon, body: &[u8]) -> Client {
    let mut client = daemon.connect();
    client.head("PUT", "/files/a", &[("Content-Length", &body.len().to_string())]).unwrap();
    client.send(&body[..body.len() / 2]).unwrap();
    std::thread::sleep(MOMENT);
    client
}
