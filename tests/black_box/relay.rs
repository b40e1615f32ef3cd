//! The relay: two ends that both connect out meet by a nameplate or at a channel, and then their
//! bytes are moved, all of them and nothing else.

use std::net::TcpStream;
use std::thread;

use ringhold::wire::{EndMessage, RefusalCode, RelayMessage, Role};

use crate::harness::{RelayEnd, Setup, paired_at_a_channel, paired_by_nameplate, payload, request};

const CHANNEL: [u8; 32] = [7; 32];
const EACH_WAY: usize = 5_000_000;

#[test]
fn bytes_go_both_ways_at_once_as_they_were_sent() {
    let relay = Setup::relay().workers(2).start();
    for round in 0..4 {
        let (sender, receiver) = paired_by_nameplate(relay.address());
        exchange(sender, receiver, round);
    }
}

#[test]
fn many_pairings_on_all_workers_do_not_mix() {
    let relay = Setup::relay().workers(2).start();
    let pairs: Vec<_> = (0..16_u8)
        .map(|index| paired_at_a_channel(relay.address(), Role::Sender, [index; 32]))
        .collect();
    thread::scope(|scope| {
        for (round, (one, other)) in pairs.into_iter().enumerate() {
            scope.spawn(move || exchange(one, other, round as u64));
        }
    });
}

#[test]
fn ends_that_come_at_once_all_meet() {
    let relay = Setup::relay().workers(2).start();
    let address = relay.address();
    let join = |role, index: u8| EndMessage::Join { role, channel: [index; 32] };
    for round in 0..10 {
        let ends = thread::scope(|scope| {
            let come = |role| {
                let all = move || (0..40).map(move |it| RelayEnd::saying(address, join(role, it)));
                scope.spawn(move || all().collect::<Vec<_>>())
            };
            // They leave before anybody is there for them, and are in nobody's way.
            scope.spawn(move || {
                (40..80).for_each(|it| drop(RelayEnd::saying(address, join(Role::Sender, it))));
            });
            [Role::Sender, Role::Receiver].map(come).map(|coming| coming.join().unwrap())
        });
        let [senders, receivers] = ends;
        for (index, (mut sender, mut receiver)) in senders.into_iter().zip(receivers).enumerate() {
            for end in [&mut sender, &mut receiver] {
                let said = end.hear();
                let said = if said == RelayMessage::Waiting { end.hear() } else { said };
                assert_eq!(said, RelayMessage::Matched, "channel {index}, round {round}");
            }
            let greeting = format!("channel {index}, round {round}");
            sender.send(greeting.as_bytes());
            receiver.expect(greeting.as_bytes());
        }
    }
}

#[test]
fn a_sender_whose_receiver_comes_while_it_leaves_is_not_met_by_halves() {
    let relay = Setup::relay().workers(2).start();
    for _ in 0..100 {
        let (sender, nameplate) = RelayEnd::registered(relay.address());
        let leaving = thread::spawn(move || drop(sender));
        let mut receiver = RelayEnd::claiming(relay.address(), nameplate);
        leaving.join().unwrap();
        let said = receiver.hear();
        let is_told = matches!(said, RelayMessage::Matched | RelayMessage::Refused { .. });
        assert!(is_told && receiver.has_ended(), "{said:?}");
    }
}

#[test]
fn who_closes_one_side_still_receives() {
    let relay = Setup::relay().start();
    let (mut sender, mut receiver) = paired_by_nameplate(relay.address());
    sender.send(b"the last of it");
    sender.finish();
    receiver.expect(b"the last of it");
    assert!(receiver.has_ended(), "the end is passed on");
    let answer = payload(1, 1_000_000);
    receiver.send(&answer);
    receiver.finish();
    sender.expect(&answer);
    assert!(sender.has_ended());
}

#[test]
fn ends_meet_at_a_channel_in_either_order_and_again_and_again() {
    let relay = Setup::relay().workers(2).start();
    for first in [Role::Sender, Role::Receiver, Role::Sender] {
        let (mut there, mut here) = paired_at_a_channel(relay.address(), first, CHANNEL);
        there.send(b"ping");
        here.expect(b"ping");
        here.send(b"pong");
        there.expect(b"pong");
    }
}

#[test]
fn the_first_byte_after_the_match_is_the_other_ends() {
    let relay = Setup::relay().start();
    let (mut sender, nameplate) = RelayEnd::registered(relay.address());
    let mut receiver = RelayEnd::claiming(relay.address(), nameplate);
    sender.matched();
    // Before the receiver has read that it is matched.
    sender.send(b"at once");
    receiver.matched();
    receiver.expect(b"at once");
}

#[test]
fn a_nameplate_is_for_one_receiver() {
    let relay = Setup::relay().workers(2).start();
    let (mut sender, nameplate) = RelayEnd::registered(relay.address());
    let mut first = RelayEnd::claiming(relay.address(), nameplate);
    sender.matched();
    first.matched();
    let mut second = RelayEnd::claiming(relay.address(), nameplate);
    let sentence = second.refused(RefusalCode::NoSuchNameplate);
    assert!(sentence.contains("ask for a new one"), "{sentence}");
    sender.send(b"undisturbed");
    first.expect(b"undisturbed");
}

#[test]
fn a_number_that_nobody_has_is_refused() {
    let relay = Setup::relay().start();
    let (_sender, nameplate) = RelayEnd::registered(relay.address());
    for wrong in [0, nameplate ^ 1, u32::MAX] {
        let sentence =
            RelayEnd::claiming(relay.address(), wrong).refused(RefusalCode::NoSuchNameplate);
        assert!(sentence.contains(&wrong.to_string()), "{sentence}");
    }
}

#[test]
fn a_sender_that_left_is_not_waited_for() {
    let relay = Setup::relay().flag("--metrics", "127.0.0.1:0").start();
    let (sender, nameplate) = RelayEnd::registered(relay.address());
    drop(sender);
    wait_until_nobody_waits(&relay);
    RelayEnd::claiming(relay.address(), nameplate).refused(RefusalCode::NoSuchNameplate);
}

#[test]
fn an_end_that_leaves_takes_the_other_along() {
    let relay = Setup::relay().workers(2).start();
    for sender_leaves in [true, false] {
        let (sender, receiver) = paired_by_nameplate(relay.address());
        let (leaver, mut stayer) =
            if sender_leaves { (sender, receiver) } else { (receiver, sender) };
        leave_abruptly(leaver.stream);
        assert!(stayer.has_ended());
    }
}

#[test]
fn ends_meet_again_at_their_channel_after_a_restart() {
    let mut relay = Setup::relay().start();
    let address = relay.address();
    let (mut there, mut here) = paired_at_a_channel(address, Role::Sender, CHANNEL);
    let mut waiting = RelayEnd::waiting(address, Role::Sender, [8; 32]);
    relay.kill();
    for end in [&mut there, &mut here, &mut waiting] {
        assert!(end.has_ended(), "they are told by their connection");
    }
    let relay = Setup::relay().flag("--listen", address).start();
    let (mut there, mut here) = paired_at_a_channel(relay.address(), Role::Receiver, CHANNEL);
    there.send(b"on it goes");
    here.expect(b"on it goes");
}

#[test]
fn who_waits_is_told_every_now_and_then_that_the_relay_is_there() {
    let relay = Setup::relay().start();
    let (mut sender, nameplate) = RelayEnd::registered(relay.address());
    let mut at_channel = RelayEnd::waiting(relay.address(), Role::Receiver, CHANNEL);
    assert_eq!(sender.hear(), RelayMessage::Waiting);
    assert_eq!(at_channel.hear(), RelayMessage::Waiting);
    let mut receiver = RelayEnd::claiming(relay.address(), nameplate);
    sender.matched();
    receiver.matched();
}

#[test]
fn the_newer_connection_of_a_role_has_the_channel() {
    let relay = Setup::relay().workers(2).start();
    let mut old = RelayEnd::waiting(relay.address(), Role::Sender, CHANNEL);
    let mut new = RelayEnd::waiting(relay.address(), Role::Sender, CHANNEL);
    old.refused(RefusalCode::RoleTaken);
    let mut receiver = RelayEnd::saying(
        relay.address(),
        EndMessage::Join { role: Role::Receiver, channel: CHANNEL },
    );
    new.matched();
    receiver.matched();
}

#[test]
fn the_daemon_relays_beside_http() {
    let mut daemon = Setup::new().workers(2).flag("--relay", "127.0.0.1:0").start();
    let relay = daemon.address_of("relay");
    let (sender, receiver) = paired_by_nameplate(relay);
    exchange(sender, receiver, 1);
    let uploaded = daemon.connect().put("a", b"hello");
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello");
    let moved = daemon.samples("ringhold_relay_moved_bytes_total");
    assert!(moved.iter().map(|(_, value)| value).sum::<f64>() >= 1e7, "{moved:?}");
    let mut waiting = RelayEnd::waiting(relay, Role::Sender, CHANNEL);
    crate::harness::signal(daemon.pid(), "TERM");
    waiting.refused(RefusalCode::Stopping);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_relay_whose_port_is_taken_keeps_the_daemon_from_starting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let why = Setup::new().flag("--relay", address).refusal().unwrap();
    assert!(why.contains("another program has that port"), "{why}");
}

/// Both send at once, each on a thread of its own, and receive the other's.
fn exchange(one: RelayEnd, other: RelayEnd, round: u64) {
    let seeds = [2 * round, 2 * round + 1];
    thread::scope(|scope| {
        for (end, sent, received) in [(one, seeds[0], seeds[1]), (other, seeds[1], seeds[0])] {
            scope.spawn(move || {
                let mut writer = RelayEnd::over(end.stream.try_clone().unwrap());
                let mut reader = end;
                let writing = thread::spawn(move || {
                    writer.send(&payload(sent, EACH_WAY));
                    writer.finish();
                });
                reader.expect(&payload(received, EACH_WAY));
                assert!(reader.has_ended(), "and no more");
                writing.join().unwrap();
            });
        }
    });
}

/// By a reset, as a process that crashes or a network that breaks.
fn leave_abruptly(stream: TcpStream) {
    let socket = socket2::Socket::from(stream);
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

fn wait_until_nobody_waits(relay: &crate::harness::Daemon) {
    let metrics = relay.address_of("metrics");
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let page = request(metrics, "GET", "/metrics", &[], b"").body;
        let page = String::from_utf8(page).unwrap();
        let waiting = page
            .lines()
            .filter(|line| line.starts_with("ringhold_relay_waiting{"))
            .any(|line| !line.ends_with(" 0"));
        if !waiting {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "still waiting: {page}");
        thread::sleep(std::time::Duration::from_millis(5));
    }
}
