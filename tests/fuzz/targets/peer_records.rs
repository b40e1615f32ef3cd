//! The records of an encrypted line: messages come out as they went in, wherever what was received
//! is cut; and after any change of their bytes what comes out is a beginning of what went in.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ringhold::client::peer::{Opened, Opener, Pieces, Sealer};
use ringhold::wire::{RecordFault, RecordKind};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    messages: Vec<(u16, &'a [u8])>,
    is_ended: bool,
    cuts: Vec<u16>,
    change: Change<'a>,
}

#[derive(Arbitrary, Debug)]
enum Change<'a> {
    Nothing,
    Replace { at: u16, with: &'a [u8] },
    Insert { at: u16, what: &'a [u8] },
    Remove { at: u16, size: u16 },
    Repeat { at: u16, size: u16 },
    Only(&'a [u8]),
}

fuzz_target!(|input: Input<'_>| {
    let messages: Vec<Vec<u8>> = input
        .messages
        .iter()
        .map(|(repeats, part)| {
            // A few are longer than a record.
            part.repeat(1 + usize::from(repeats % 2000) / part.len().max(1))
        })
        .collect();
    let key = key_of(&messages, input.is_ended);
    let sealed = seal(&key, &messages, input.is_ended);
    let changed = input.change.apply(&sealed);
    let (came, has_ended, fault) = open(&key, &changed, &input.cuts);
    assert_eq!(came, messages[..came.len()], "a beginning of what went in");
    assert!(!has_ended || (input.is_ended && came.len() == messages.len()), "no end but the end");
    if changed == sealed {
        assert_eq!((came.len(), has_ended, fault), (messages.len(), input.is_ended, None));
    }
});

/// A key is used for one line: under a shared one, the fuzzer would take records of other inputs
/// (it sees what is compared) for forged ones.
fn key_of(messages: &[Vec<u8>], is_ended: bool) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(is_ended)]);
    for message in messages {
        hasher.update(&message.len().to_le_bytes()).update(message);
    }
    *hasher.finalize().as_bytes()
}

fn seal(key: &[u8; 32], messages: &[Vec<u8>], is_ended: bool) -> Vec<u8> {
    let (mut sealer, mut sealed) = (Sealer::new(key), Vec::new());
    sealer.seal_mark(RecordKind::Greeting, &mut sealed).unwrap();
    for message in messages {
        let parts = [message.as_slice()];
        let mut pieces = Pieces::new(&parts);
        sealer.seal_next(&mut pieces, &mut sealed).unwrap();
        while !pieces.is_empty() {
            sealer.seal_next(&mut pieces, &mut sealed).unwrap();
        }
    }
    if is_ended {
        sealer.seal_mark(RecordKind::Final, &mut sealed).unwrap();
    }
    sealed
}

/// Takes bytes as they would come from a socket.
fn open(key: &[u8; 32], bytes: &[u8], cuts: &[u16]) -> (Vec<Vec<u8>>, bool, Option<RecordFault>) {
    let mut ends: Vec<usize> =
        cuts.iter().map(|cut| usize::from(*cut) % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let (mut opener, mut held, mut came) = (Opener::new(key), Vec::new(), Vec::new());
    let (mut at, mut has_ended) = (0, false);
    for end in ends {
        held.extend_from_slice(&bytes[at..end]);
        at = end;
        loop {
            match opener.open(&mut held) {
                Ok(Some((size, opened))) => {
                    drop(held.drain(..size));
                    match opened {
                        Opened::Message(message) => came.push(message.to_vec()),
                        Opened::End => has_ended = true,
                        Opened::Progress => {}
                    }
                }
                Ok(None) => break,
                Err(fault) => return (came, has_ended, Some(fault)),
            }
        }
    }
    (came, has_ended, None)
}

impl Change<'_> {
    fn apply(&self, sealed: &[u8]) -> Vec<u8> {
        let place = |at: u16| usize::from(at) % (sealed.len() + 1);
        let until = |from: usize, size: u16| (from + usize::from(size)).min(sealed.len());
        let (head, middle, tail) = match *self {
            Change::Nothing => (sealed.len(), &[][..], sealed.len()),
            Change::Replace { at, with } => {
                let from = place(at);
                (from, with, (from + with.len()).min(sealed.len()))
            }
            Change::Insert { at, what } => (place(at), what, place(at)),
            Change::Remove { at, size } => (place(at), &[][..], until(place(at), size)),
            Change::Repeat { at, size } => {
                let (from, to) = (place(at), until(place(at), size));
                (to, &sealed[from..to], to)
            }
            Change::Only(bytes) => (0, bytes, sealed.len()),
        };
        [&sealed[..head], middle, &sealed[tail..]].concat()
    }
}
