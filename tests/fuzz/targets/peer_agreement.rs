//! Messages by which two ends agree on a key, and codes that somebody types: any bytes are refused
//! or are what would be written; a message is never whole before its last byte; a text is a code that
//! reads back, or is refused without being repeated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringhold::base::limits::{CODE_WORDS_MAX, CODE_WORDS_MIN, RENDEZVOUS_VALUE_SIZE_MAX};
use ringhold::client::peer::{Code, code_completions};
use ringhold::wire::{AgreementMessage, TLV_HEAD_SIZE, TlvError, agreement_value_size};

fuzz_target!(|input: &[u8]| {
    if let Ok(Some((message, size))) = read(input) {
        assert_eq!(message.encode(), &input[..size]);
        for cut in 0..size {
            assert_eq!(read(&input[..cut]), Ok(None));
        }
    }
    typed(&String::from_utf8_lossy(input));
});

/// The message at the beginning of these bytes and its size; `None` while it is not whole.
fn read(bytes: &[u8]) -> Result<Option<(AgreementMessage, usize)>, TlvError> {
    let Some((head, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let size = agreement_value_size(*head)?;
    assert!(size <= RENDEZVOUS_VALUE_SIZE_MAX);
    let Some(value) = rest.get(..size) else { return Ok(None) };
    Ok(Some((AgreementMessage::decode(head[0], value)?, TLV_HEAD_SIZE + size)))
}

fn typed(text: &str) {
    match Code::parse(text) {
        Ok(code) => {
            let normal = code.text();
            assert_eq!(Code::parse(&normal).as_ref(), Ok(&code));
            assert_eq!(Code::parse(&normal.to_uppercase().replace('-', " ")).as_ref(), Ok(&code));
            assert!((CODE_WORDS_MIN * 10..=CODE_WORDS_MAX * 10).contains(&code.bits()));
        }
        Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
    }
    let completions = code_completions(text);
    assert!(completions.iter().all(|word| word.is_ascii()));
}
