//! What strangers send to the relay: every refused case has its code and its sentence, and costs
//! nobody else anything.

use std::io::Read as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringhold::wire::{EndMessage, RefusalCode, Role};

use crate::harness::{Daemon, RelayEnd, Setup, paired_by_nameplate};

const CHANNEL: [u8; 32] = [7; 32];
/// Until a byte has surely arrived.
const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn bytes_that_are_no_message_are_refused_by_what_is_wrong_with_them() {
    let relay = Setup::relay().start();
    for (bytes, code, words) in [
        (&[0x00, 0, 1, 1][..], RefusalCode::Malformed, "type 0x00"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", RefusalCode::Malformed, "type 0x47"),
        (&[0x82, 0, 0], RefusalCode::Malformed, "type 0x82"),
        (&[0x83, 0, 0], RefusalCode::Malformed, "type 0x83"),
        (&[0x01, 2, 1], RefusalCode::Malformed, "at most 512"),
        (&[0x03, 255, 255], RefusalCode::Malformed, "at most 512"),
        (&[0x01, 0, 0], RefusalCode::Malformed, "does not have 0 bytes"),
        (&[0x02, 0, 2, 1, 0], RefusalCode::Malformed, "does not have 2 bytes"),
        (&[0x01, 0, 1, 2], RefusalCode::Version, "version 1 is spoken here"),
    ] {
        let mut end = RelayEnd::connect(relay.address());
        end.send(bytes);
        let sentence = end.refused(code);
        assert!(sentence.contains(words), "{sentence}");
    }
    still_works(&relay);
}

#[test]
fn a_message_that_is_oversize_is_not_waited_for() {
    let relay = Setup::relay().start();
    let mut end = RelayEnd::connect(relay.address());
    end.send(&[0x01, 255, 255]);
    end.send(&vec![0; 30_000]);
    assert!(end.refused(RefusalCode::Malformed).contains("65535"));
}

#[test]
fn a_message_that_is_cut_short_is_told_so() {
    let relay = Setup::relay().start();
    let whole = EndMessage::Join { role: Role::Sender, channel: CHANNEL }.encode();
    for cut in 1..whole.len() {
        let mut end = RelayEnd::connect(relay.address());
        end.send(&whole[..cut]);
        end.finish();
        let sentence = end.refused(RefusalCode::Malformed);
        assert!(sentence.contains(&format!("after {cut} bytes")), "{sentence}");
    }
    still_works(&relay);
}

#[test]
fn who_says_nothing_is_waited_for_no_longer_than_a_message_takes() {
    let relay = Setup::relay().start();
    let begin = Instant::now();
    let mut silent = RelayEnd::connect(relay.address());
    let mut stalled = RelayEnd::connect(relay.address());
    stalled.send(&[0x03, 0, 34, 1]);
    assert!(silent.refused(RefusalCode::TooSlow).contains("10 s"));
    stalled.refused(RefusalCode::TooSlow);
    assert!(begin.elapsed() >= Duration::from_secs(9), "it was given its time");
}

#[test]
fn who_speaks_before_it_is_matched_is_refused() {
    let relay = Setup::relay().start();
    let (mut sender, nameplate) = RelayEnd::registered(relay.address());
    sender.send(b"too early");
    assert!(sender.refused(RefusalCode::Malformed).contains("until it is matched"));
    RelayEnd::claiming(relay.address(), nameplate).refused(RefusalCode::NoSuchNameplate);
    let mut at_channel = RelayEnd::waiting(relay.address(), Role::Sender, CHANNEL);
    at_channel.send(&EndMessage::Register.encode());
    at_channel.refused(RefusalCode::Malformed);
}

#[test]
fn what_is_sent_along_with_a_claim_does_not_reach_the_sender() {
    let relay = Setup::relay().start();
    let (mut sender, nameplate) = RelayEnd::registered(relay.address());
    let mut eager = RelayEnd::connect(relay.address());
    eager.send(&[EndMessage::Claim { nameplate }.encode(), b"too early".to_vec()].concat());
    eager.refused(RefusalCode::Malformed);
    let mut receiver = RelayEnd::claiming(relay.address(), nameplate);
    sender.matched();
    receiver.matched();
}

#[test]
fn a_peer_that_reads_nothing_stops_its_sender_and_nobody_else() {
    let relay = Setup::relay().workers(1).start();
    let (sender, receiver) = paired_by_nameplate(relay.address());
    sender.stream.set_nonblocking(true).unwrap();
    let before = relay.resident_kib_max();
    let piece = vec![0; 65_536];
    let mut sent: usize = 0;
    let mut refused_last = Instant::now();
    while refused_last.elapsed() < 2 * MOMENT {
        match std::io::Write::write(&mut &sender.stream, &piece) {
            Ok(count) => {
                sent += count;
                refused_last = Instant::now();
            }
            Err(_) => sleep(Duration::from_millis(10)),
        }
        assert!(sent < 64 << 20, "the relay holds what nobody reads");
    }
    let grown = relay.resident_kib_max() - before;
    assert!(grown < 1024, "{grown} KiB for {sent} bytes that nobody reads");
    still_works(&relay);
    let reading = std::thread::spawn(move || {
        let mut taken = 0;
        let mut stream = receiver.stream;
        let mut bytes = vec![0; 1 << 20];
        while taken < sent {
            taken += stream.read(&mut bytes).unwrap();
        }
        taken
    });
    assert_eq!(reading.join().unwrap(), sent, "nothing was lost meanwhile");
}

fn still_works(relay: &Daemon) {
    let (mut sender, mut receiver) = paired_by_nameplate(relay.address());
    sender.send(b"still works");
    receiver.expect(b"still works");
}
