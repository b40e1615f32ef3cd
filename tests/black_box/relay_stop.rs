//! SIGTERM and SIGINT: who waits is told, pairings have the grace time, and the exit code is 0.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ringhold::wire::{RefusalCode, Role};

use crate::harness::{RelayEnd, Setup, paired_by_nameplate, payload, signal};

const CHANNEL: [u8; 32] = [7; 32];
/// Until a signal has surely been seen.
const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn who_waits_is_told_that_the_relay_stops() {
    for name in ["TERM", "INT"] {
        let mut relay = Setup::relay().workers(2).start();
        let (mut sender, _) = RelayEnd::registered(relay.address());
        let mut at_channel = RelayEnd::waiting(relay.address(), Role::Receiver, CHANNEL);
        let mut silent = RelayEnd::connect(relay.address());
        sleep(MOMENT);
        signal(relay.pid(), name);
        for end in [&mut sender, &mut at_channel, &mut silent] {
            assert!(end.refused(RefusalCode::Stopping).contains("try again"));
        }
        assert_eq!(relay.wait().code(), Some(0), "{}", relay.log_text());
    }
}

#[test]
fn a_pairing_that_ends_within_the_grace_time_is_whole() {
    let mut relay = Setup::relay().start();
    let (mut sender, mut receiver) = paired_by_nameplate(relay.address());
    let body = payload(1, 3_000_000);
    sender.send(&body[..100_000]);
    signal(relay.pid(), "TERM");
    sleep(MOMENT);
    assert!(std::net::TcpStream::connect(relay.address()).is_err(), "nobody new");
    let sending = std::thread::spawn({
        let rest = body[100_000..].to_vec();
        move || {
            sender.send(&rest);
            sender
        }
    });
    receiver.expect(&body);
    let mut sender = sending.join().unwrap();
    sender.finish();
    receiver.finish();
    assert!(sender.has_ended() && receiver.has_ended());
    assert_eq!(relay.wait().code(), Some(0), "{}", relay.log_text());
}

#[test]
fn a_pairing_that_outlives_the_grace_time_is_cut_off() {
    let mut relay = Setup::relay().workers(2).flag("--grace", "1s").start();
    let (mut sender, mut receiver) = paired_by_nameplate(relay.address());
    sender.send(b"hello");
    receiver.expect(b"hello");
    let begin = Instant::now();
    relay.stop();
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(900), "the grace time was given: {took:?}");
    assert!(sender.has_ended() && receiver.has_ended());
    let log = relay.log_text();
    let cut_off = log.lines().filter(|line| line.contains("a pairing outlived the grace time"));
    assert_eq!(cut_off.filter(|line| line.contains("\"moved_bytes\":5")).count(), 1, "{log}");
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut relay = Setup::relay().flag("--grace", "60s").allow("stopping at once").start();
    let _pair = paired_by_nameplate(relay.address());
    signal(relay.pid(), "TERM");
    sleep(MOMENT);
    let begin = Instant::now();
    signal(relay.pid(), "TERM");
    assert_eq!(relay.wait().code(), Some(1));
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn a_relay_passes_its_socket_on_to_the_next_one() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let setup = Setup::relay().workers(2).pass_socket(listener);
    for _ in 0..2 {
        let mut relay = setup.start();
        assert_eq!(relay.address(), address);
        let (mut sender, mut receiver) = paired_by_nameplate(address);
        sender.send(b"hello");
        receiver.expect(b"hello");
        drop((sender, receiver));
        relay.stop();
    }
}

#[test]
fn what_cannot_be_used_is_a_usage_error() {
    for (flag, value) in [("--expire", "0s"), ("--rate", "1"), ("--max-waiting", "0")] {
        let why = Setup::relay().flag(flag, value).refusal().unwrap();
        assert!(why.contains(flag), "{why}");
    }
}
