//! Tests of the splitter: what it finds, what it refuses, and that it does not matter where the
//! network cuts the body.

use proptest::prelude::*;

use super::*;

/// Boundaries and bytes of documents.
type Found = Vec<(String, Vec<u8>)>;
type Split = Result<Found, DocumentError>;

/// All documents of a body that comes in `pieces`.
fn split<'a>(mut documents: Documents, pieces: impl IntoIterator<Item = &'a [u8]>) -> Split {
    let mut found = Vec::new();
    let mut open = false;
    for piece in pieces {
        documents.push(Bytes::copy_from_slice(piece));
        while let Some(event) = documents.pull()? {
            match event {
                Event::Begin(boundary) => {
                    assert!(!std::mem::replace(&mut open, true));
                    found.push((boundary, Vec::new()));
                }
                Event::Data(bytes) => {
                    assert!(open);
                    found.last_mut().unwrap().1.extend_from_slice(&bytes);
                }
                Event::End => assert!(std::mem::replace(&mut open, false)),
            }
        }
    }
    documents.finish()?;
    assert!(!open);
    Ok(found)
}

fn sniff(body: &str) -> Split {
    split(Documents::sniffed(), [body.as_bytes()])
}

fn declared(boundary: &str, body: &str) -> Split {
    split(Documents::declared(boundary), [body.as_bytes()])
}

fn document(boundary: &str, data: &str) -> String {
    format!("--{boundary}\r\nContent-Disposition: form-data\r\n\r\n{data}\r\n--{boundary}--")
}

fn found(documents: &[(&str, &str)]) -> Found {
    documents
        .iter()
        .map(|(boundary, data)| ((*boundary).to_owned(), document(boundary, data).into_bytes()))
        .collect()
}

#[test]
fn one_document_is_handed_on_as_it_is() {
    let body = document("x", "data") + "\r\n";
    assert_eq!(declared("x", &body), Ok(found(&[("x", "data")])));
    assert_eq!(sniff(&body), Ok(found(&[("x", "data")])));
}

#[test]
fn documents_one_after_another_are_told_apart() {
    let body = document("a", "1") + "\r\n" + &document("b", "2") + "\r\n\r\n" + &document("b", "");
    assert_eq!(sniff(&body), Ok(found(&[("a", "1"), ("b", "2"), ("b", "")])));
    assert_eq!(declared("a", &body), Ok(found(&[("a", "1"), ("b", "2"), ("b", "")])));
}

#[test]
fn data_may_look_like_a_boundary_but_for_its_last_byte() {
    let data = "\r\n--boundar\r\n--\r\n\r\n-boundary--\r--boundary\n--boundary\r\n--Boundary";
    assert_eq!(sniff(&document("boundary", data)), Ok(found(&[("boundary", data)])));
}

#[test]
fn a_closing_delimiter_alone_is_an_empty_document() {
    let empty = Ok(vec![("x".to_owned(), b"--x--".to_vec())]);
    assert_eq!(declared("x", "--x--\r\n"), empty);
    assert_eq!(sniff("--x--\r\n"), empty);
}

#[test]
fn a_preamble_is_skipped_where_the_boundary_is_known() {
    let body = "This is a preamble.\r\n--y\r\n\r\n".to_owned() + &document("x", "data");
    assert_eq!(declared("x", &body), Ok(found(&[("x", "data")])));
    assert_eq!(sniff(&format!("preamble\r\n{body}")), Err(DocumentError::NoBoundary));
    let blank = "\r\n\r\n".to_owned() + &document("x", "data");
    assert_eq!(sniff(&blank), Ok(found(&[("x", "data")])));
}

#[test]
fn a_preamble_is_bounded() {
    let preamble = |size: usize| "p".repeat(size - 2) + "\r\n" + &document("x", "");
    let line_size = "--x\r\n".len();
    assert!(declared("x", &preamble(PREAMBLE_SIZE_MAX - line_size)).is_ok());
    let too_long = declared("x", &preamble(PREAMBLE_SIZE_MAX - line_size + 1));
    assert_eq!(too_long, Err(DocumentError::NoBoundary));
}

#[test]
fn an_epilogue_is_ignored() {
    for epilogue in ["\r\nbye", "\r\nbye\r\n--y\r\nA: b\r\n\r\n", "\r\n \r\n", "\r\n--", " "] {
        let body = document("x", "data") + epilogue;
        assert_eq!(sniff(&body), Ok(found(&[("x", "data")])), "{epilogue}");
    }
}

#[test]
fn a_body_without_a_boundary_line_is_refused() {
    for body in ["", "hello", "hello\r\n", "--\r\n", "--a@b\r\n", "-x\r\n", "\r\n\r\n"] {
        assert_eq!(sniff(body), Err(DocumentError::NoBoundary), "{body}");
    }
    let long = format!("--{}\r\n", "x".repeat(BOUNDARY_SIZE_MAX + 1));
    assert_eq!(sniff(&long), Err(DocumentError::NoBoundary));
    assert_eq!(declared("x", &document("y", "data")), Err(DocumentError::NoBoundary));
    assert_eq!(declared("x", "--xy\r\nA: b\r\n\r\n"), Err(DocumentError::NoBoundary));
}

#[test]
fn every_unfinished_document_is_truncated() {
    let body = document("x", "data");
    for size in 3..body.len() {
        assert_eq!(sniff(&body[..size]), Err(DocumentError::Truncated), "{size}");
    }
    let second = body.clone() + "\r\n--x\r\nA: b\r\n\r\n";
    assert_eq!(sniff(&second), Err(DocumentError::Truncated));
}

#[test]
fn a_boundary_is_followed_by_a_line_break_or_by_two_dashes() {
    let body = |after: &str| format!("--x\r\nA: b\r\n\r\n1\r\n--x{after}A: b\r\n\r\n2\r\n--x--");
    assert!(sniff(&body("\r\n")).is_ok());
    assert!(sniff(&body(" \t \r\n")).is_ok());
    for after in ["y", "\n", "\r\r", "-\r\n", " --", &" ".repeat(PADDING_SIZE_MAX + 1)] {
        assert_eq!(sniff(&body(after)), Err(DocumentError::BrokenDelimiter), "{after:?}");
    }
}

#[test]
fn the_headers_of_a_part_are_needed_and_bounded() {
    let body = |head: &str| format!("--x\r\n{head}\r\n1\r\n--x--");
    assert_eq!(sniff(&body("")), Err(DocumentError::HeadMissing));
    let padded = |size: usize| body(&format!("A: {}\r\n", "b".repeat(size - 7)));
    assert!(sniff(&padded(PART_HEAD_SIZE_MAX)).is_ok());
    assert_eq!(sniff(&padded(PART_HEAD_SIZE_MAX + 1)), Err(DocumentError::HeadTooLarge));
}

#[test]
fn parts_are_counted_over_all_documents() {
    let body = |count: usize| (document("x", "") + "\r\n").repeat(count);
    assert!(sniff(&body(PARTS_MAX)).is_ok());
    assert_eq!(sniff(&body(PARTS_MAX + 1)), Err(DocumentError::TooManyParts));
}

/// Bodies made of the bytes that delimiters are made of, so that near misses are common.
fn tricky_body() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec!["\r", "\n", "\r\n", "-", "--", "x", "--x", "\r\n--x"]);
    let junk = prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat());
    prop::collection::vec((prop::sample::select(vec!["x", "xx", "y"]), junk.clone()), 0..4)
        .prop_map(|documents| {
            let texts = documents.iter().map(|(boundary, data)| document(boundary, data));
            texts.collect::<Vec<_>>().join("\r\n")
        })
        .prop_flat_map(move |body| (Just(body), junk.clone()))
        .prop_map(|(body, epilogue)| body + &epilogue)
}

proptest! {
    #[test]
    fn it_does_not_matter_where_the_body_is_cut(
        body in tricky_body(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let body = body.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts {
            pieces.push(&body[start..cut]);
            start = cut;
        }
        pieces.push(&body[start..]);
        let whole = split(Documents::sniffed(), [body]);
        prop_assert_eq!(&split(Documents::sniffed(), pieces.iter().copied()), &whole);
        prop_assert_eq!(&split(Documents::sniffed(), body.chunks(1)), &whole);
        let whole = split(Documents::declared("x"), [body]);
        prop_assert_eq!(&split(Documents::declared("x"), pieces), &whole);
    }

    #[test]
    fn data_without_the_boundary_comes_out_as_it_went_in(
        data in prop::collection::vec("[^x]{0,40}", 1..4),
    ) {
        let bodies: Vec<_> = data.iter().map(|data| document("x", data)).collect();
        let expected: Vec<_> = data.iter().map(|data| ("x", data.as_str())).collect();
        prop_assert_eq!(sniff(&bodies.join("\r\n")), Ok(found(&expected)));
    }
}
