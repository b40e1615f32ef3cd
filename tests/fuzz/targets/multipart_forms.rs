//! Well-formed documents, cut anywhere: every part comes out with its name and its bytes, and a
//! body that is cut short is never taken for a whole one.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use ringhold_fuzz::{Part, cut, parse, split};

/// What a client means to send.
#[derive(Arbitrary, Debug)]
struct Meant {
    declares: bool,
    padding_size: u8,
    documents: Vec<Document>,
    cut_short: Option<u16>,
    cuts: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Document {
    boundary: [u8; 3],
    parts: Vec<(u16, Option<u16>, Vec<u8>)>,
}

fuzz_target!(|meant: Meant| {
    let (body, expected) = write(&meant);
    let Some((first, _)) = expected.first() else { return };
    let declared = meant.declares.then_some(first.as_str());
    let body = match meant.cut_short {
        Some(size) => body.slice(..body.len().min(usize::from(size))),
        None => body,
    };
    let pieces = cut(&body, &mut Unstructured::new(&meant.cuts)).expect("cuts from any bytes");
    let found = split(declared, &pieces);
    let parsed = found.documents.iter().map(|(boundary, data)| (boundary, parse(boundary, data)));
    if meant.cut_short.is_none() {
        assert_eq!(found.end, Ok(()));
        assert_eq!(found.documents.len(), expected.len());
        for ((boundary, parts), (meant_boundary, meant_parts)) in parsed.zip(&expected) {
            assert_eq!(boundary, meant_boundary);
            assert_eq!(parts.as_ref(), Ok(meant_parts));
        }
    } else if found.end.is_ok() {
        // It was cut between two documents, or after the last: what is there is whole.
        for ((_, parts), (_, meant_parts)) in parsed.zip(&expected) {
            assert_eq!(parts.as_ref(), Ok(meant_parts));
        }
    }
});

/// The body, and for each document what must come out.
fn write(meant: &Meant) -> (Bytes, Vec<(String, Vec<Part>)>) {
    let mut body = Vec::new();
    let mut expected = Vec::new();
    for document in meant.documents.iter().take(4) {
        let boundary = boundary(document.boundary);
        let mut parts = Vec::new();
        for (name, file_name, data) in document.parts.iter().take(20) {
            let part = Part {
                name: Some(format!("n{name}")),
                file_name: file_name.map(|name| format!("f {name}.txt")),
                data: without(data, &boundary),
            };
            let padding = " ".repeat(usize::from(meant.padding_size % 60));
            body.extend(format!("--{boundary}{padding}\r\n").bytes());
            body.extend(b"Content-Disposition: form-data; name=\"");
            body.extend(part.name.iter().flat_map(|name| name.bytes()));
            if let Some(file_name) = &part.file_name {
                body.extend(format!("\"; filename=\"{file_name}").bytes());
            }
            body.extend(b"\"\r\n\r\n");
            body.extend(&part.data);
            body.extend(b"\r\n");
            parts.push(part);
        }
        body.extend(format!("--{boundary}--\r\n").bytes());
        expected.push((boundary, parts));
    }
    (Bytes::from(body), expected)
}

fn boundary(letters: [u8; 3]) -> String {
    const ALPHABET: &[u8] = b"abcXYZ0123456789'()+_,./:=?-";
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    // It ends in a letter: two dashes at its end would read as a closing line.
    letters.iter().map(|byte| letter(*byte)).chain(['e']).collect()
}

/// Data that does not hold its own delimiter.
fn without(data: &[u8], boundary: &str) -> Vec<u8> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // A part may also begin with the delimiter's end, as its head ends with a line break.
    let mut data = data.to_vec();
    while let Some(at) = memchr::memmem::find(&[b"\r\n", &data[..]].concat(), &delimiter) {
        data.truncate(at.saturating_sub(2));
    }
    data
}
