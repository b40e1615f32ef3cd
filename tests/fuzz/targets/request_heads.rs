//! Bytes that may be a request head: where they are cut changes nothing, and what is let through
//! the next parser reads in the same way: the same end, the same framing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringhold::base::limits::{HEAD_SIZE_MAX, HEADERS_MAX, OBJECT_SIZE_MAX};
use ringhold::wire::{Framing, HeadFault, HeadScan, RequestHead};

fuzz_target!(|input: (Vec<u16>, &[u8])| {
    let (cuts, bytes) = input;
    let whole = HeadScan::default().scan(bytes);
    assert_eq!(in_pieces(&cuts, bytes), whole);
    if let Ok(Some(head)) = whole {
        assert!(head.size <= bytes.len() && head.size <= HEAD_SIZE_MAX);
        read_again(head, bytes);
    }
});

/// As the socket gives them.
fn in_pieces(cuts: &[u16], bytes: &[u8]) -> Result<Option<RequestHead>, HeadFault> {
    let mut scan = HeadScan::default();
    let mut ends: Vec<usize> =
        cuts.iter().map(|cut| usize::from(*cut) % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let mut last = Ok(None);
    for end in ends {
        last = scan.scan(&bytes[..end]);
        if !matches!(last, Ok(None)) {
            break;
        }
    }
    last
}

/// With the parser that the daemon's HTTP library uses, and its rules for the framing, lax as they
/// are.
fn read_again(head: RequestHead, bytes: &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(bytes).expect("what is let through is a request");
    assert_eq!(status, httparse::Status::Complete(head.size));
    let values = |name: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    match head.framing {
        Framing::Chunked => {
            assert!(lengths.is_empty() && request.version == Some(1));
            assert!(codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked"));
        }
        Framing::Length(length) => {
            assert!(codings.is_empty() && lengths.len() <= 1 && length <= OBJECT_SIZE_MAX);
            let told = lengths.first().map_or("0", |told| std::str::from_utf8(told).unwrap());
            assert_eq!(told.parse(), Ok(length));
        }
    }
}
