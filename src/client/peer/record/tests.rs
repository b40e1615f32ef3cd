//! Tests of sealing and opening: the bytes, the round trip, and everything that a relay could do to
//! them.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = [7; 32];

/// The records of a greeting and of these messages, each alone.
fn records(messages: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut sealer = Sealer::new(&KEY);
    let mut records = vec![mark(&mut sealer, RecordKind::Greeting)];
    for message in messages {
        let parts = [*message];
        let mut pieces = Pieces::new(&parts);
        loop {
            let mut record = Vec::new();
            sealer.seal_next(&mut pieces, &mut record).unwrap();
            records.push(record);
            if pieces.is_empty() {
                break;
            }
        }
    }
    records
}

fn mark(sealer: &mut Sealer, kind: RecordKind) -> Vec<u8> {
    let mut record = Vec::new();
    sealer.seal_mark(kind, &mut record).unwrap();
    record
}

/// What comes out of received bytes, up to their end or the first fault.
fn open(key: &[u8; 32], mut bytes: Vec<u8>) -> (Vec<Opened>, Option<RecordFault>) {
    let (mut opener, mut found, mut at) = (Opener::new(key), Vec::new(), 0);
    loop {
        match opener.open(&mut bytes[at..]) {
            Ok(Some((size, one))) => {
                at += size;
                found.push(one);
            }
            Ok(None) => return (found, None),
            Err(fault) => return (found, Some(fault)),
        }
    }
}

fn message(content: &[u8]) -> Opened {
    Opened::Message(Bytes::copy_from_slice(content))
}

#[test]
fn sealing_is_that_of_rfc_8439() {
    // Section 2.8.2. Its nonce is none of ours, so it is checked against the cipher itself.
    let key = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
    let key = HEXLOWER.decode(key.as_bytes()).unwrap();
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).unwrap());
    let nonce = [0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
    let aad = HEXLOWER.decode(b"50515253c0c1c2c3c4c5c6c7").unwrap();
    let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
        for the future, sunscreen would be it."
        .to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text).unwrap();
    assert_eq!(HEXLOWER.encode(&text[..16]), "d31a8d34648e60db7b86afbc53ef7ec2");
    assert_eq!(HEXLOWER.encode(tag.as_ref()), "1ae10b594f09e26a7e902ecbd0600691");
}

/// Computed with Python's cryptography.
#[test]
fn the_records_of_a_short_message_are_these_bytes() {
    let records = records(&[b"hello"]);
    assert_eq!(HEXLOWER.encode(&records[0]), "00000011341253ff12aa8ba2de9bd2b8b851b3559d");
    assert_eq!(
        HEXLOWER.encode(&records[1]),
        "0000001681723f7aa96c419199904454521b6a919a81f32949de"
    );
}

#[test]
fn messages_of_every_size_come_out_as_they_went_in() {
    let long: Vec<u8> = (0..MESSAGE_SIZE_MAX).map(|at| u8::try_from(at % 251).unwrap()).collect();
    for size in [
        0,
        1,
        RECORD_SIZE_MAX - 1,
        RECORD_SIZE_MAX,
        RECORD_SIZE_MAX + 1,
        3 * RECORD_SIZE_MAX,
        MESSAGE_SIZE_MAX,
    ] {
        let records = records(&[&long[..size]]);
        assert_eq!(records.len(), 1 + size.div_ceil(RECORD_SIZE_MAX).max(1));
        let (opened, fault) = open(&KEY, records.concat());
        assert_eq!((opened.last(), fault), (Some(&message(&long[..size])), None), "{size}");
        let progress = opened.iter().filter(|one| **one == Opened::Progress).count();
        assert_eq!(progress, records.len() - 1);
    }
}

#[test]
fn a_message_longer_than_any_may_be_is_refused() {
    let long = vec![0; MESSAGE_SIZE_MAX + 1];
    let (opened, fault) = open(&KEY, records(&[&long]).concat());
    assert!(opened.iter().all(|one| *one == Opened::Progress));
    assert_eq!(fault, Some(RecordFault::MessageSize));
}

#[test]
fn the_end_is_told_from_a_cut() {
    let mut sealer = Sealer::new(&KEY);
    let greeting = mark(&mut sealer, RecordKind::Greeting);
    let end = mark(&mut sealer, RecordKind::Final);
    let (opened, fault) = open(&KEY, [greeting.clone(), end.clone()].concat());
    assert_eq!((opened, fault), (vec![Opened::Progress, Opened::End], None));
    for cut in 0..end.len() {
        let (opened, fault) = open(&KEY, [&greeting, &end[..cut]].concat());
        assert_eq!((opened, fault), (vec![Opened::Progress], None), "no end, no fault yet");
    }
}

#[test]
fn nothing_follows_the_end() {
    let mut sealer = Sealer::new(&KEY);
    let kinds = [RecordKind::Greeting, RecordKind::Final, RecordKind::Final];
    let records: Vec<Vec<u8>> = kinds.iter().map(|kind| mark(&mut sealer, *kind)).collect();
    let (opened, fault) = open(&KEY, records.concat());
    assert_eq!(opened, [Opened::Progress, Opened::End]);
    assert_eq!(fault, Some(RecordFault::Order(RecordKind::Final)));
}

#[test]
fn a_line_begins_with_its_greeting() {
    let mut sealer = Sealer::new(&KEY);
    let (opened, fault) = open(&KEY, mark(&mut sealer, RecordKind::Idle));
    assert_eq!((opened, fault), (vec![], Some(RecordFault::Order(RecordKind::Idle))));
}

#[test]
fn what_is_moved_repeated_left_out_or_of_another_key_is_found_out() {
    let records = records(&[b"one", b"two", b"three"]);
    let at = |order: &[usize]| order.iter().flat_map(|index| records[*index].clone()).collect();
    for (order, right) in [
        (&[0, 2, 1, 3][..], 1),
        (&[0, 1, 1, 2], 2),
        (&[0, 1, 3], 2),
        (&[1, 2, 3], 0),
        (&[0, 1, 2, 3, 0], 4),
        (&[0, 1, 2, 3, 3], 4),
    ] {
        let (opened, fault) = open(&KEY, at(order));
        assert_eq!((opened.len(), fault), (right, Some(RecordFault::Seal)), "{order:?}");
    }
    let (opened, fault) = open(&[8; 32], at(&[0, 1]));
    assert_eq!((opened, fault), (vec![], Some(RecordFault::Seal)));
}

#[test]
fn a_key_that_is_used_up_seals_and_opens_nothing() {
    let mut sealer = Sealer::new(&KEY);
    sealer.cipher.record_index = RECORDS_PER_KEY_MAX - 1;
    let mut record = mark(&mut sealer, RecordKind::Greeting);
    let failed = sealer.seal_mark(RecordKind::Idle, &mut Vec::new());
    assert_eq!(failed, Err(RecordFault::KeyUsedUp));
    let mut opener = Opener::new(&KEY);
    opener.cipher.record_index = RECORDS_PER_KEY_MAX - 1;
    assert_eq!(opener.open(&mut record), Ok(Some((21, Opened::Progress))));
    assert_eq!(opener.open(&mut record), Err(RecordFault::KeyUsedUp));
}

#[test]
fn what_is_sealed_but_of_no_known_kind_is_refused() {
    let mut cipher = Cipher::new(&KEY);
    let header = record_header(0);
    let mut content = vec![77];
    let nonce = cipher.next_nonce().unwrap();
    let sealed = cipher.key.seal_in_place_separate_tag(nonce, Aad::from(header), &mut content);
    let record = [&header[..], &content, sealed.unwrap().as_ref()].concat();
    assert_eq!(open(&KEY, record), (vec![], Some(RecordFault::Kind(77))));
}

#[test]
fn keys_do_not_print_themselves() {
    let sealer = format!("{:?}", Sealer::new(&KEY));
    assert_eq!(sealer, "Sealer { record_index: 0, .. }");
    let opener = format!("{:?}", Opener::new(&KEY));
    assert_eq!(opener, "Opener { record_index: 0, stage: Greeting, .. }");
}

proptest! {
    #[test]
    fn parts_make_the_message_that_they_make_in_one_piece(
        sizes in prop::collection::vec(0_usize..100_000, 0..5),
    ) {
        let parts: Vec<Vec<u8>> = (1..).zip(&sizes).map(|(fill, size)| vec![fill; *size]).collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut sealer = Sealer::new(&KEY);
        let mut sealed = mark(&mut sealer, RecordKind::Greeting);
        let mut pieces = Pieces::new(&slices);
        sealer.seal_next(&mut pieces, &mut sealed).unwrap();
        while !pieces.is_empty() {
            sealer.seal_next(&mut pieces, &mut sealed).unwrap();
        }
        prop_assert_eq!(&sealed, &records(&[&parts.concat()]).concat());
        let (opened, fault) = open(&KEY, sealed);
        prop_assert_eq!((opened.last(), fault), (Some(&message(&parts.concat())), None));
    }

    #[test]
    fn a_changed_byte_anywhere_is_found_out_and_no_wrong_message_comes_out(
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        sizes in prop::collection::vec(0_usize..200, 1..5),
    ) {
        let messages: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0x5a; *size]).collect();
        let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let mut received = records(&slices).concat();
        let at = at.index(received.len());
        received[at] ^= flip;
        let (opened, fault) = open(&KEY, received);
        let right: Vec<Opened> = messages.iter().map(|content| message(content)).collect();
        let given: Vec<Opened> = opened.into_iter().skip(1).collect();
        // A length that grew makes a reader wait for bytes that do not come.
        prop_assert!(fault.is_some() || given.len() < right.len());
        prop_assert_eq!(&given[..], &right[..given.len()]);
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (opened, _fault) = open(&KEY, bytes);
        prop_assert_eq!(opened, vec![]);
    }
}
