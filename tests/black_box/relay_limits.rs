//! The limits of the relay: who waits, from where, how long; how long and how fast a pairing is; and
//! what ten thousand who wait cost.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringhold::base::limits::NAMEPLATE_GUESSES_MAX;
use ringhold::wire::{EndMessage, RefusalCode, RelayMessage, Role};
use socket2::{Domain, Socket, Type};

use crate::harness::{
    Daemon, RelayEnd, Setup, UNOPTIMIZED_KIB, heavy, paired_at_a_channel, paired_by_nameplate,
    payload, request,
};

const CHANNEL: [u8; 32] = [7; 32];
/// What one end that waits may cost the relay, KiB (docs/relay.md).
const WAITING_KIB: u64 = 6;
/// What the relay has besides, KiB.
const BASE_KIB: u64 = 32 << 10;

#[test]
fn who_waits_too_long_is_told_so() {
    let relay = Setup::relay().flag("--expire", "1s").start();
    let mut sender = RelayEnd::saying(relay.address(), EndMessage::Register);
    let RelayMessage::Nameplate { number, expires_s } = sender.hear() else { panic!("a number") };
    assert_eq!(expires_s, 1);
    let mut at_channel = RelayEnd::waiting(relay.address(), Role::Sender, CHANNEL);
    assert!(sender.refused(RefusalCode::Expired).contains("within 1s"));
    at_channel.refused(RefusalCode::Expired);
    RelayEnd::claiming(relay.address(), number).refused(RefusalCode::NoSuchNameplate);
}

#[test]
fn who_claims_number_after_number_is_held_up_and_has_burnt_none() {
    let relay = Setup::relay().workers(2).start();
    let (mut sender, nameplate) = RelayEnd::registered(relay.address());
    for _ in 0..NAMEPLATE_GUESSES_MAX {
        RelayEnd::claiming(relay.address(), 0).refused(RefusalCode::NoSuchNameplate);
    }
    for number in [0, nameplate] {
        let sentence =
            RelayEnd::claiming(relay.address(), number).refused(RefusalCode::AddressFull);
        assert!(sentence.contains("wrong numbers") && sentence.contains("try again"), "{sentence}");
    }
    // Places and channels are another matter, and so is another address.
    let (_another, _) = RelayEnd::registered(relay.address());
    let mut receiver = connect_from(Ipv4Addr::new(127, 0, 0, 2), relay.address());
    receiver.send(&EndMessage::Claim { nameplate }.encode());
    sender.matched();
    receiver.matched();
}

#[test]
fn right_numbers_are_not_counted_however_many_they_are() {
    let relay = Setup::relay().start();
    for _ in 0..2 * NAMEPLATE_GUESSES_MAX {
        paired_by_nameplate(relay.address());
    }
}

#[test]
fn one_address_cannot_take_all_places() {
    let relay = Setup::relay().flag("--max-waiting-per-address", 3).start();
    let here = |host| connect_from(Ipv4Addr::new(127, 0, 0, host), relay.address());
    let mut waiting: Vec<RelayEnd> = (0..3).map(|_| here(2)).collect();
    waiting.iter_mut().for_each(register);
    let mut further = here(2);
    further.send(&EndMessage::Register.encode());
    let sentence = further.refused(RefusalCode::AddressFull);
    assert!(sentence.contains("3 ends from your address"), "{sentence}");
    register(&mut here(3));
    waiting.pop();
    until_admitted(|| here(2));
}

#[test]
fn who_is_paired_takes_no_place_of_those_who_wait() {
    let relay = Setup::relay().flag("--max-waiting", 2).start();
    let pairs: Vec<_> = (0..8).map(|_| paired_by_nameplate(relay.address())).collect();
    let waiting = [(); 2].map(|()| RelayEnd::registered(relay.address()).0);
    let mut further = RelayEnd::saying(relay.address(), EndMessage::Register);
    let sentence = further.refused(RefusalCode::Full);
    assert!(sentence.contains("2 ends wait already"), "{sentence}");
    drop(pairs);
    waiting[0].finish();
    until_admitted(|| RelayEnd::connect(relay.address()));
}

#[test]
fn who_is_waited_for_can_come_to_a_relay_that_is_full() {
    let full = Setup::relay().flag("--max-waiting", 1).flag("--max-waiting-per-address", 1);
    let relay = full.start();
    for round in 0..8 {
        let (mut sender, nameplate) = RelayEnd::registered(relay.address());
        RelayEnd::saying(relay.address(), EndMessage::Register).refused(RefusalCode::Full);
        let mut receiver = RelayEnd::claiming(relay.address(), nameplate);
        sender.matched();
        receiver.matched();
        paired_at_a_channel(relay.address(), Role::Receiver, [round; 32]);
    }
}

#[test]
fn who_says_nothing_takes_the_places_of_its_own_address_alone() {
    // Of several workers, a later one may see its connection first.
    let relay = Setup::relay().workers(1).flag("--max-waiting-per-address", 3).start();
    let here = |host| connect_from(Ipv4Addr::new(127, 0, 0, host), relay.address());
    let _silent: Vec<RelayEnd> = (0..3).map(|_| here(2)).collect();
    here(2).refused(RefusalCode::AddressFull);
    register(&mut here(3));
}

#[test]
fn a_pairing_that_says_nothing_is_ended() {
    let relay = Setup::relay().flag("--idle", "1s").start();
    let (mut sender, mut receiver) = paired_by_nameplate(relay.address());
    for _ in 0..8 {
        sleep(Duration::from_millis(250));
        sender.send(b"a");
        receiver.expect(b"a");
    }
    assert!(receiver.has_ended() && sender.has_ended());
}

#[test]
fn a_pairing_that_lasts_too_long_is_ended() {
    let relay = Setup::relay().flag("--lifetime", "2s").start();
    let (mut sender, mut receiver) = paired_by_nameplate(relay.address());
    let begin = Instant::now();
    // The relay resets who sends on.
    while std::io::Write::write_all(&mut sender.stream, b"a").is_ok() {
        sleep(Duration::from_millis(20));
        assert!(begin.elapsed() < Duration::from_mins(1));
    }
    while !receiver.has_ended() {}
    assert!(begin.elapsed() >= Duration::from_millis(1900));
}

#[test]
fn a_pairing_is_no_faster_than_its_rate() {
    let relay = Setup::relay().flag("--rate", "100kB").start();
    let (mut sender, mut receiver) = paired_by_nameplate(relay.address());
    let body = payload(1, 150_000);
    let begin = Instant::now();
    let sent = body.clone();
    let sending = std::thread::spawn(move || {
        sender.send(&sent);
        sender
    });
    receiver.expect(&body);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1200), "150 kB at 100 kB a second took {took:?}");
    sending.join().unwrap();
}

#[test]
fn those_who_wait_cost_a_few_kilobytes_each() {
    let count = if heavy() { 10_000 } else { 1_000 };
    if !may_open(count + 1_000) {
        println!("skipped: {count} connections need as many descriptors, here and there");
        return;
    }
    let mut relay = Setup::relay()
        .workers(2)
        .flag("--max-waiting", count)
        .flag("--max-waiting-per-address", count)
        .flag("--metrics", "127.0.0.1:0")
        .start();
    let before = relay.resident_kib_max();
    let mut waiting = Vec::new();
    for index in 0..count {
        let mut channel = CHANNEL;
        channel[..8].copy_from_slice(&index.to_be_bytes());
        waiting.push(if index % 2 == 0 {
            RelayEnd::registered(relay.address()).0
        } else {
            RelayEnd::waiting(relay.address(), Role::Sender, channel)
        });
    }
    assert_eq!(waiting_ends(&relay), count);
    RelayEnd::saying(relay.address(), EndMessage::Register).refused(RefusalCode::Full);
    let resident = relay.resident_kib_max();
    let allowed = count as u64 * WAITING_KIB + BASE_KIB + UNOPTIMIZED_KIB;
    let each = (resident - before) * 1024 / count as u64;
    println!("{count} waiting ends: {each} bytes each, {resident} KiB resident, {allowed} allowed");
    assert!(resident <= allowed, "{resident} KiB resident, {allowed} KiB allowed");
    // Of a few, the first pages that are touched hide what each costs.
    assert!(!heavy() || each <= WAITING_KIB * 1024, "{each} bytes each");
    relay.stop();
    for end in &mut waiting {
        end.refused(RefusalCode::Stopping);
    }
}

#[test]
fn idle_pairings_hold_no_buffers() {
    let count = 200;
    let relay = Setup::relay().workers(2).start();
    let before = relay.resident_kib_max();
    let pairs: Vec<_> = (0..count)
        .map(|index: u64| {
            let mut channel = CHANNEL;
            channel[..8].copy_from_slice(&index.to_be_bytes());
            let (mut one, mut other) =
                paired_at_a_channel(relay.address(), Role::Receiver, channel);
            one.send(&payload(index, 10_000));
            other.expect(&payload(index, 10_000));
            (one, other)
        })
        .collect();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).unwrap().count();
    let each = (relay.resident_kib_max() - before) / count;
    println!("{count} idle pairings: {each} KiB and {descriptors} descriptors in all");
    assert!(each <= 3 * WAITING_KIB, "{each} KiB a pairing");
    assert!(descriptors < 2 * pairs.len() + 200, "{descriptors} descriptors");
}

fn register(end: &mut RelayEnd) {
    end.send(&EndMessage::Register.encode());
    assert!(matches!(end.hear(), RelayMessage::Nameplate { .. }));
}

/// A connection from one of the addresses that are all this machine.
fn connect_from(source: Ipv4Addr, relay: SocketAddr) -> RelayEnd {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&relay.into()).unwrap();
    RelayEnd::over(TcpStream::from(socket))
}

/// The relay sees a moment later that a place is free.
fn until_admitted(connect: impl Fn() -> RelayEnd) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let mut end = connect();
        // Who is refused may have been reset by what it said.
        let said = std::io::Write::write_all(&mut end.stream, &EndMessage::Register.encode());
        if said.is_ok() && matches!(end.try_hear(), Ok(RelayMessage::Nameplate { .. })) {
            return;
        }
        assert!(Instant::now() < deadline, "no place became free");
        sleep(Duration::from_millis(5));
    }
}

fn waiting_ends(relay: &Daemon) -> usize {
    let page = request(relay.address_of("metrics"), "GET", "/metrics", &[], b"").body;
    let page = String::from_utf8(page).unwrap();
    let values = page
        .lines()
        .filter(|line| line.starts_with("ringhold_relay_waiting{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap());
    values.sum()
}

/// Raises this process's soft limit as far as it may.
fn may_open(count: usize) -> bool {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.maximum.is_none_or(|most| most >= count as u64)
}
