//! Rendezvous messages: any bytes are refused or are what would be written; a message reads back
//! whatever follows it, and is never whole before its last byte; what may be printed is printable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringhold::base::limits::RENDEZVOUS_VALUE_SIZE_MAX;
use ringhold::wire::{
    EndMessage, RefusalCode, RelayMessage, RendezvousError, TLV_HEAD_SIZE, rendezvous_value_size,
};

fuzz_target!(|input: &[u8]| {
    if let Ok(Some((message, size))) = read(input, EndMessage::decode) {
        whole(&message.encode(), &input[..size]);
    }
    if let Ok(Some((message, size))) = read(input, RelayMessage::decode) {
        whole(&message.encode(), &input[..size]);
        printable(&message);
    }
    let text = String::from_utf8_lossy(input);
    let refusal = RelayMessage::refused(RefusalCode::Full, &text);
    printable(&refusal);
    let bytes = refusal.encode();
    assert_eq!(read(&bytes, RelayMessage::decode), Ok(Some((refusal, bytes.len()))));
});

/// The message at the beginning of these bytes and its size; `None` while it is not whole.
fn read<M>(
    bytes: &[u8],
    decode: fn(u8, &[u8]) -> Result<M, RendezvousError>,
) -> Result<Option<(M, usize)>, RendezvousError> {
    let Some((head, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let size = rendezvous_value_size(*head)?;
    assert!(size <= RENDEZVOUS_VALUE_SIZE_MAX);
    let Some(value) = rest.get(..size) else { return Ok(None) };
    Ok(Some((decode(head[0], value)?, TLV_HEAD_SIZE + size)))
}

fn whole(written: &[u8], given: &[u8]) {
    assert_eq!(written, given);
    for cut in 0..given.len() {
        assert_eq!(read(&given[..cut], |_, _| Ok(())), Ok(None));
    }
}

fn printable(message: &RelayMessage) {
    if let RelayMessage::Refused { sentence, .. } = message {
        assert!(!sentence.chars().any(char::is_control));
    }
}
