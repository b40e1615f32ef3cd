//! Tests of the rendezvous messages: their bytes, their round trips, what is refused and how.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

/// The message at the beginning of these bytes, and how many it takes; `None` while it is not whole.
fn read<M>(
    bytes: &[u8],
    decode: fn(u8, &[u8]) -> Result<M, RendezvousError>,
) -> Result<Option<(M, usize)>, RendezvousError> {
    let Some((head, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let size = rendezvous_value_size(*head)?;
    let Some(value) = rest.get(..size) else { return Ok(None) };
    Ok(Some((decode(head[0], value)?, TLV_HEAD_SIZE + size)))
}

fn channel() -> [u8; 32] {
    std::array::from_fn(|index| u8::try_from(index).unwrap())
}

#[test]
fn each_message_of_an_end_is_these_bytes() {
    let counted = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for (said, bytes) in [
        (EndMessage::Register, "01000101".to_owned()),
        (EndMessage::Claim { nameplate: 0x0102_0304 }, "0200050101020304".to_owned()),
        (
            EndMessage::Join { role: Role::Sender, channel: channel() },
            format!("0300220100{counted}"),
        ),
        (
            EndMessage::Join { role: Role::Receiver, channel: channel() },
            format!("0300220101{counted}"),
        ),
    ] {
        assert_eq!(HEXLOWER.encode(&said.encode()), bytes, "{said:?}");
    }
}

#[test]
fn each_message_of_the_relay_is_these_bytes() {
    let refused = RelayMessage::refused(RefusalCode::NoSuchNameplate, "no");
    for (said, bytes) in [
        (RelayMessage::Nameplate { number: 7, expires_s: 3600 }, "8100080000000700000e10"),
        (RelayMessage::Waiting, "820000"),
        (RelayMessage::Matched, "830000"),
        (refused, "840003036e6f"),
    ] {
        assert_eq!(HEXLOWER.encode(&said.encode()), bytes, "{said:?}");
    }
}

#[test]
fn each_refusal_has_its_number() {
    let codes = [
        RefusalCode::Version,
        RefusalCode::Malformed,
        RefusalCode::NoSuchNameplate,
        RefusalCode::Expired,
        RefusalCode::AddressFull,
        RefusalCode::Full,
        RefusalCode::Stopping,
        RefusalCode::TooSlow,
        RefusalCode::RoleTaken,
    ];
    for (index, code) in codes.into_iter().enumerate() {
        let number = u8::try_from(index + 1).unwrap();
        assert_eq!((code.byte(), RefusalCode::of(number)), (number, code));
    }
    assert!((0..=u8::MAX).all(|byte| RefusalCode::of(byte).byte() == byte));
}

#[test]
fn what_is_no_message_is_refused_by_what_is_wrong_with_it() {
    for (bytes, fault) in [
        (&[0x00, 0, 1, 1][..], TlvError::Type(0)),
        (&[0x04, 0, 1, 1], TlvError::Type(4)),
        (b"GET / HTTP/1.1\r\n", TlvError::Type(b'G')),
        (&[0x83, 0, 0], TlvError::Type(0x83)),
        (&[0x01, 2, 1], TlvError::Oversize(513)),
        (&[0x03, 0xff, 0xff], TlvError::Oversize(65_535)),
        (&[0x01, 0, 0], TlvError::Length { kind: 1, size: 0 }),
        (&[0x01, 0, 2, 1, 0], TlvError::Length { kind: 1, size: 2 }),
        (&[0x02, 0, 1, 1], TlvError::Length { kind: 2, size: 1 }),
        (&[0x03, 0, 3, 1, 0, 0], TlvError::Length { kind: 3, size: 3 }),
        (&[0x01, 0, 1, 2], TlvError::Version { said: 2, spoken: 1 }),
        (&[0x01, 0, 3, 0, 1, 1], TlvError::Version { said: 0, spoken: 1 }),
    ] {
        assert_eq!(read(bytes, EndMessage::decode), Err(fault.into()), "{bytes:?}");
    }
    let mut join = EndMessage::Join { role: Role::Sender, channel: channel() }.encode();
    join[TLV_HEAD_SIZE + 1] = 2;
    assert_eq!(read(&join, EndMessage::decode), Err(RendezvousError::Role(2)));
}

#[test]
fn a_refusal_cannot_speak_to_the_terminal() {
    for text in [&b"\x1b[2J"[..], b"a\nb", b"\xff", "\u{9b}1m".as_bytes()] {
        let value = [&[2], text].concat();
        assert_eq!(RelayMessage::decode(REFUSED, &value), Err(RendezvousError::Sentence));
    }
    let long = RelayMessage::refused(RefusalCode::Full, &"ü\n".repeat(300));
    let RelayMessage::Refused { sentence, .. } = &long else { panic!("a refusal") };
    assert_eq!(sentence, &"ü".repeat(128), "cut where a letter ends");
    let written = RelayMessage::Refused { code: RefusalCode::Full, sentence: "ü\n".repeat(300) };
    assert_eq!(written.encode(), long.encode(), "whoever made it");
}

fn end_message() -> impl Strategy<Value = EndMessage> {
    let role = prop_oneof![Just(Role::Sender), Just(Role::Receiver)];
    prop_oneof![
        Just(EndMessage::Register),
        any::<u32>().prop_map(|nameplate| EndMessage::Claim { nameplate }),
        (role, any::<[u8; 32]>()).prop_map(|(role, channel)| EndMessage::Join { role, channel }),
    ]
}

fn relay_message() -> impl Strategy<Value = RelayMessage> {
    prop_oneof![
        any::<(u32, u32)>()
            .prop_map(|(number, expires_s)| RelayMessage::Nameplate { number, expires_s }),
        Just(RelayMessage::Waiting),
        Just(RelayMessage::Matched),
        (any::<u8>(), ".{0,300}")
            .prop_map(|(code, sentence)| RelayMessage::refused(RefusalCode::of(code), &sentence)),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back_wherever_it_ends(
        end in end_message(),
        relay in relay_message(),
        behind in prop::collection::vec(any::<u8>(), 0..10),
    ) {
        let bytes = end.encode();
        let all = [bytes.as_slice(), &behind].concat();
        prop_assert_eq!(read(&all, EndMessage::decode), Ok(Some((end, bytes.len()))));
        for cut in 0..bytes.len() {
            prop_assert_eq!(read(&bytes[..cut], EndMessage::decode), Ok(None));
        }
        let bytes = relay.encode();
        let all = [bytes.as_slice(), &behind].concat();
        prop_assert_eq!(read(&all, RelayMessage::decode), Ok(Some((relay, bytes.len()))));
        for cut in 0..bytes.len() {
            prop_assert_eq!(read(&bytes[..cut], RelayMessage::decode), Ok(None));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_are_what_would_be_written(
        kind in prop_oneof![0_u8..6, 0x80_u8..0x86, any::<u8>()],
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let size = u16::try_from(value.len()).unwrap().to_be_bytes();
        let bytes = [&[kind], &size[..], &value].concat();
        if let Ok(message) = EndMessage::decode(kind, &value) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        if let Ok(message) = RelayMessage::decode(kind, &value) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
