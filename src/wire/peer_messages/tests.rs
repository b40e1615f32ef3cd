//! Each message as its bytes, there and back, and what is refused.

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> PeerPath {
    PeerPath::parse(text).unwrap()
}

const ID: BlockId = BlockId { file: 0x0102_0304, block: 0x0506_0708_090a_0b0c };
const ID_BYTES: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn entry() -> Entry {
    Entry {
        kind: EntryKind::File,
        mode: 0o644,
        modified_s: -2,
        modified_ns: 999_999_999,
        size_bytes: 5,
        path: path("a/é"),
    }
}

fn parts(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn every_message_has_the_bytes_of_the_page() {
    let head = OfferHead { version: 1, lines: 2, entries: 3, size_bytes: 4 };
    let entry_bytes = parts(&[
        &[0, 1, 0xa4],
        &(-2_i64).to_be_bytes(),
        &999_999_999_u32.to_be_bytes(),
        &5_u64.to_be_bytes(),
        &[0, 4],
        "a/é".as_bytes(),
    ]);
    for (message, bytes) in [
        (PeerMessage::Hello { version: 1, has_offer: true }, vec![1, 1, 1]),
        (PeerMessage::Offer(head), vec![0x10, 1, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]),
        (PeerMessage::Entries(vec![entry()]), parts(&[&[0x11], &entry_bytes])),
        (PeerMessage::Match { file: 7 }, vec![0x12, 0, 0, 0, 7]),
        (PeerMessage::Accept, vec![0x20]),
        (PeerMessage::Decline("no".to_owned()), vec![0x21, b'n', b'o']),
        (
            PeerMessage::Whole { file: 7, size_bytes: 8, blake3: [9; 32] },
            parts(&[&[0x22, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8], &[9; 32]]),
        ),
        (PeerMessage::Done, vec![0x30]),
        (PeerMessage::Failed("é".to_owned()), vec![0x31, 0xc3, 0xa9]),
        (
            PeerMessage::Want { id: ID, low: 9 },
            parts(&[&[0x40], &ID_BYTES, &[0, 0, 0, 0, 0, 0, 0, 9]]),
        ),
        (
            PeerMessage::Block { id: ID, bytes: Bytes::from_static(b"xy") },
            parts(&[&[0x50], &ID_BYTES, b"xy"]),
        ),
        (
            PeerMessage::End { id: ID, size_bytes: 9 },
            parts(&[&[0x51], &ID_BYTES, &[0, 0, 0, 0, 0, 0, 0, 9]]),
        ),
        (
            PeerMessage::Spoiled { id: ID, reason: "changed".to_owned() },
            parts(&[&[0x52], &ID_BYTES, b"changed"]),
        ),
    ] {
        assert_eq!(message.encode(), bytes, "{message:?}");
        assert_eq!(PeerMessage::decode(bytes.clone().into()), Ok(message.clone()));
        let longer = [&bytes[..], &[0]].concat();
        let shorter = bytes[..bytes.len() - 1].to_vec();
        for cut in [longer, shorter] {
            assert_ne!(PeerMessage::decode(cut.into()), Ok(message.clone()), "{message:?}");
        }
    }
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut changed = entry();
        change(&mut changed);
        PeerMessage::Entries(vec![changed]).encode()
    };
    let dots = {
        let mut bytes = PeerMessage::Entries(vec![entry()]).encode();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(b"../a");
        bytes
    };
    let offer = |lines, entries| {
        PeerMessage::Offer(OfferHead { version: 1, lines, entries, size_bytes: 0 }).encode()
    };
    let beyond = u32::try_from(PEER_ENTRIES_MAX + 1).unwrap();
    let long = PEER_BLOCK_SIZE + 1;
    for (bytes, words) in [
        (vec![], "kind"),
        (vec![0], "kind"),
        (vec![0x60], "kind"),
        (vec![1, 1, 2], "flag"),
        (vec![0x11], "length"),
        (vec![0x21, 0xff], "text"),
        ([&[0x31][..], &[b'a'; PEER_REASON_SIZE_MAX + 1]].concat(), "length"),
        (PeerMessage::Block { id: ID, bytes: Bytes::new() }.encode(), "length"),
        (PeerMessage::Block { id: ID, bytes: vec![0; long].into() }.encode(), "length"),
        (PeerMessage::End { id: ID, size_bytes: u64::MAX }.encode(), "size"),
        (offer(0, 1), "lines"),
        (offer(PEER_LINES_MAX + 1, 1), "lines"),
        (offer(1, 0), "files"),
        (offer(1, beyond), "files"),
        (dots, ".."),
        (with(&|entry| entry.mode = 0o4755), "permissions"),
        (with(&|entry| entry.modified_ns = NANOSECONDS), "nanoseconds"),
        (with(&|entry| entry.kind = EntryKind::Folder), "size"),
    ] {
        let refused = PeerMessage::decode(bytes.clone().into()).unwrap_err().to_string();
        assert!(refused.contains(words), "{bytes:?}: {refused}");
    }
}

#[test]
fn a_long_sentence_is_cut_between_letters() {
    let why = "é".repeat(PEER_REASON_SIZE_MAX);
    let sent = PeerMessage::Failed(why.clone()).encode();
    let Ok(PeerMessage::Failed(told)) = PeerMessage::decode(sent.into()) else { panic!("lost") };
    assert_eq!(told.len(), PEER_REASON_SIZE_MAX);
    assert!(why.starts_with(&told));
}

fn entries() -> impl Strategy<Value = Entry> {
    let kinds = vec![EntryKind::File, EntryKind::Folder, EntryKind::Stream];
    let times = (any::<i64>(), 0..NANOSECONDS);
    let rest = (0..=MODE_MAX, times, 0..=OBJECT_SIZE_MAX, "[a-zé]{1,9}(/[a-z ]{1,9}){0,3}");
    (prop::sample::select(kinds), rest).prop_map(|(kind, (mode, time, size, text))| Entry {
        kind,
        mode,
        modified_s: time.0,
        modified_ns: time.1,
        size_bytes: if kind == EntryKind::File { size } else { 0 },
        path: path(&text),
    })
}

proptest! {
    #[test]
    fn entries_come_back(entries in prop::collection::vec(entries(), 1..9)) {
        let sizes: usize = entries.iter().map(Entry::encoded_size).sum();
        let message = PeerMessage::Entries(entries);
        let bytes = message.encode();
        prop_assert_eq!(bytes.len(), 1 + sizes);
        prop_assert_eq!(PeerMessage::decode(bytes.into()), Ok(message));
    }

    #[test]
    fn whatever_is_taken_is_written_the_same(
        kind in prop::sample::select(&[1, 16, 17, 18, 32, 33, 34, 48, 49, 64, 80, 81, 82][..]),
        value in prop::collection::vec(prop_oneof![0..3_u8, any::<u8>()], 0..60),
    ) {
        let bytes = [&[kind], &value[..]].concat();
        if let Ok(message) = PeerMessage::decode(bytes.clone().into()) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
