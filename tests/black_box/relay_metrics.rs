//! What the relay tells its operator: `/metrics`, `/healthz`, `/readyz` when it runs alone, and a
//! log in which no channel stands.

use std::io;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringhold::telemetry::{Kind, TABLE};
use ringhold::wire::{EndMessage, RefusalCode, Role};

use crate::harness::{
    Client, Daemon, RelayEnd, Setup, paired_at_a_channel, paired_by_nameplate, request, signal,
};

#[test]
fn the_figures_follow_what_happens() {
    let relay = Setup::relay().workers(2).flag("--metrics", "127.0.0.1:0").start();
    let (_sender, _) = RelayEnd::registered(relay.address());
    let _at_channel = RelayEnd::waiting(relay.address(), Role::Sender, [1; 32]);
    let (mut one, mut other) = paired_by_nameplate(relay.address());
    one.send(b"12345");
    other.expect(b"12345");
    RelayEnd::claiming(relay.address(), 0).refused(RefusalCode::NoSuchNameplate);
    let figure = |name: &str| figure(&relay, name);
    assert_eq!(figure("ringhold_relay_waiting{place=\"nameplate\""), 1);
    assert_eq!(figure("ringhold_relay_waiting{place=\"channel\""), 1);
    assert_eq!(figure("ringhold_relay_paired{"), 2);
    assert_eq!(figure("ringhold_relay_moved_bytes_total{"), 5);
    assert_eq!(figure("ringhold_relay_refused_total{reason=\"nameplate\""), 1);
    assert_eq!(figure("ringhold_relay_pairings_total{"), 0);
    one.finish();
    other.finish();
    let closed = "ringhold_relay_pairings_total{result=\"closed\"";
    until(closed, || figure(closed) == 1);
}

#[test]
fn every_figure_of_the_relay_moves_and_every_gauge_comes_back() {
    let patient = Setup::relay().flag("--metrics", "127.0.0.1:0").start();
    let strict = Setup::relay()
        .flag("--metrics", "127.0.0.1:0")
        .flag("--expire", "1s")
        .flag("--idle", "1s")
        .flag("--lifetime", "2s")
        .flag("--max-waiting", 1)
        .start();
    let crowded = Setup::relay()
        .flag("--metrics", "127.0.0.1:0")
        .flag("--max-waiting-per-address", 1)
        .start();
    let mut silent = RelayEnd::connect(patient.address());
    meet_and_part(patient.address());
    be_refused(patient.address());
    run_out_of_time(strict.address());
    let waiting = RelayEnd::registered(crowded.address());
    RelayEnd::saying(crowded.address(), EndMessage::Register).refused(RefusalCode::AddressFull);
    silent.refused(RefusalCode::TooSlow);
    drop(waiting);
    let relays = [&patient, &strict, &crowded];
    let moves = TABLE.iter().filter(|spec| spec.name.starts_with("ringhold_relay_"));
    for spec in moves.filter(|spec| spec.kind == Kind::Counter) {
        // What a relay that stops does is counted when nobody can ask any more; its log tells.
        let is_seen = !spec.label.contains("\"stopping\"");
        let start = format!("{}{{{}", spec.name, spec.label);
        let sum = || relays.iter().map(|relay| figure(relay, &start)).sum::<u64>();
        until(&start, || !is_seen || sum() > 0);
    }
    for gauge in ["ringhold_relay_waiting{", "ringhold_relay_paired{"] {
        until(gauge, || relays.iter().all(|relay| figure(relay, gauge) == 0));
    }
}

/// Both ends close, one breaks off, one leaves before anybody comes.
fn meet_and_part(relay: SocketAddr) {
    let (mut one, mut other) = paired_by_nameplate(relay);
    one.send(b"hello");
    other.expect(b"hello");
    drop((one, other));
    let (one, mut other) = paired_at_a_channel(relay, Role::Sender, [1; 32]);
    let socket = socket2::Socket::from(one.stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(socket);
    assert!(other.has_ended());
    drop(RelayEnd::registered(relay));
}

fn be_refused(relay: SocketAddr) {
    for (bytes, code) in [
        (&[0x01, 0, 1, 2][..], RefusalCode::Version),
        (b"GET / HTTP/1.1", RefusalCode::Malformed),
        (&[0x02, 0, 5, 1, 0, 0, 0, 0], RefusalCode::NoSuchNameplate),
    ] {
        let mut end = RelayEnd::connect(relay);
        end.send(bytes);
        end.refused(code);
    }
    let mut old = RelayEnd::waiting(relay, Role::Receiver, [2; 32]);
    let _new = RelayEnd::waiting(relay, Role::Receiver, [2; 32]);
    old.refused(RefusalCode::RoleTaken);
}

/// On a relay with one place, that gives an end one second and a pairing two, if it moves something
/// each second.
fn run_out_of_time(relay: SocketAddr) {
    let (mut sender, _) = RelayEnd::registered(relay);
    RelayEnd::saying(relay, EndMessage::Register).refused(RefusalCode::Full);
    sender.refused(RefusalCode::Expired);
    let (mut idle, _other) = paired_by_nameplate(relay);
    assert!(idle.has_ended());
    let (mut busy, other) = paired_by_nameplate(relay);
    while io::Write::write_all(&mut busy.stream, b"a").is_ok() {
        sleep(Duration::from_millis(20));
    }
    drop(other);
}

#[test]
fn the_watcher_is_answered_and_nobody_else() {
    let mut relay = Setup::relay().flag("--metrics", "127.0.0.1:0").start();
    let address = relay.address_of("metrics");
    for (method, target, status) in [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/files/a", 404),
        ("POST", "/metrics", 405),
    ] {
        assert_eq!(request(address, method, target, &[], b"").status, status, "{target}");
    }
    let mut kept_alive = Client::connect(address);
    assert_eq!(kept_alive.get("/readyz").status, 200);
    let pair = paired_by_nameplate(relay.address());
    signal(relay.pid(), "TERM");
    sleep(Duration::from_millis(300));
    let ready = kept_alive.head("GET", "/readyz", &[]).and_then(|()| kept_alive.read_head());
    assert!(ready.is_err() || ready.unwrap().status == 503, "ready while draining");
    drop(pair);
    assert_eq!(relay.wait().code(), Some(0));
}

#[test]
fn no_channel_stands_in_the_log() {
    let mut relay = Setup::relay().env("RINGHOLD_LOG", "trace").start();
    let channel = *b"a channel of thirty-two letters.";
    let (mut there, mut here) = paired_at_a_channel(relay.address(), Role::Sender, channel);
    there.send(b"the bytes of others");
    here.expect(b"the bytes of others");
    drop((there, here));
    let mut refused = RelayEnd::waiting(relay.address(), Role::Sender, channel);
    refused.send(&EndMessage::Join { role: Role::Sender, channel }.encode());
    refused.refused(RefusalCode::Malformed);
    relay.stop();
    let hex = data_encoding::HEXLOWER.encode(&channel);
    let log = relay.log_text();
    assert!(log.contains("refused"), "{log}");
    for secret in ["thirty-two", &hex, "97, 32, 99", "bytes of others"] {
        assert!(!log.to_lowercase().contains(secret), "{log}");
    }
}

/// What happens is counted a moment later.
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5));
    }
}

/// The sum over the workers of the samples whose name and label begin like this, whatever the
/// order of the labels.
fn figure(relay: &Daemon, start: &str) -> u64 {
    let page = request(relay.address_of("metrics"), "GET", "/metrics", &[], b"").body;
    let page = String::from_utf8(page).unwrap();
    let (name, label) = start.split_once('{').unwrap();
    let samples = page
        .lines()
        .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    samples.sum()
}
