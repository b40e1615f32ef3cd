//! Any body, cut anywhere: the cuts change nothing, and what the splitter hands out are the body's
//! own bytes, in order.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{arbitrary::Unstructured, fuzz_target};
use ringhold_fuzz::{Split, cut, parse, split};

fuzz_target!(|input: &[u8]| {
    // A line of cuts, then the body: hand-written seeds are readable.
    let Some((cuts, body)) = input.iter().position(|byte| *byte == b'\n').map(|at| {
        let (cuts, body) = input.split_at(at);
        (cuts, Bytes::copy_from_slice(&body[1..]))
    }) else {
        return;
    };
    // The first letter of the cuts says whether the request names the boundary `b`.
    let (declared, cuts) = match cuts.split_first() {
        Some((b'd', rest)) => (Some("b"), rest),
        Some((_, rest)) => (None, rest),
        None => (None, cuts),
    };
    let pieces = cut(&body, &mut Unstructured::new(cuts)).expect("cuts from any bytes");
    let bytewise: Vec<Bytes> = body.chunks(1).map(Bytes::copy_from_slice).collect();
    let whole = split(declared, &[body.clone()]);
    let in_pieces = split(declared, &pieces);
    same(&whole, &in_pieces);
    same(&whole, &split(declared, &bytewise));
    verbatim(&whole.joined(), &body);
    if whole.end.is_ok() {
        for (one, other) in whole.documents.iter().zip(&in_pieces.documents) {
            assert_eq!(parse(&one.0, &one.1), parse(&other.0, &other.1), "multer sees the cuts");
        }
    }
});

/// The same end, and up to it the same documents. How much of a document is handed out before an
/// error is found depends on the cuts, and does not matter: nothing of the request is kept.
fn same(one: &Split, other: &Split) {
    assert_eq!(one.end, other.end);
    let (mut ones, mut others) = (one.joined(), other.joined());
    if one.end.is_err() {
        let (last, other_last) = (ones.pop(), others.pop());
        if let (Some((boundary, data)), Some((other_boundary, other_data))) = (last, other_last) {
            assert_eq!(boundary, other_boundary);
            assert!(data.starts_with(&other_data) || other_data.starts_with(&data));
        }
    }
    assert_eq!(ones, others);
}

/// Each document is its boundary line, written anew, and then a stretch of the body.
fn verbatim(documents: &[(String, Vec<u8>)], body: &[u8]) {
    let mut rest = body;
    for (boundary, data) in documents {
        if data.is_empty() || *data == format!("--{boundary}--").into_bytes() {
            continue;
        }
        let line = format!("--{boundary}\r\n");
        let stretch = data.strip_prefix(line.as_bytes()).expect("a document begins with its line");
        let at = memchr::memmem::find(rest, stretch).expect("the bytes of the body, in order");
        rest = &rest[at + stretch.len()..];
    }
}
