//! What the relay tells its operator: `/metrics`, `/healthz`, `/readyz` when it runs alone, and a
//! log in which no channel stands.

use std::time::{Duration, Instant};

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
    let deadline = Instant::now() + Duration::from_mins(1);
    while figure(closed) != 1 {
        assert!(Instant::now() < deadline, "the pairing is over and not counted");
    }
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
    std::thread::sleep(Duration::from_millis(300));
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
