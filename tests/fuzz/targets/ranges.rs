//! Any `Range` header over any size: what is selected lies within the file, holds exactly the bytes
//! asked for, and a multipart answer is as long as it says and can be read back.
#![no_main]

use std::ops::Range;

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use libfuzzer_sys::fuzz_target;
use ringhold::base::limits::RANGES_MAX;
use ringhold::wire::{RangedParts, Selection, content_range, select};

/// Files up to this size are checked byte by byte.
const SMALL_SIZE: u64 = 512;

fuzz_target!(|input: (u64, bool, &str)| {
    let (size, is_small, header) = input;
    let size = if is_small { size % SMALL_SIZE } else { size };
    let selection = select(header, size);
    if let Selection::Partial(ranges) = &selection {
        check(ranges, size);
        if size < SMALL_SIZE {
            read_back(ranges, size);
        }
    }
    if size < SMALL_SIZE {
        same_bytes(header, size, &selection);
    }
});

fn check(ranges: &[Range<u64>], size: u64) {
    assert!((1..=RANGES_MAX).contains(&ranges.len()));
    assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size));
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    assert!(sorted.windows(2).all(|two| two[0].end < two[1].start), "they touch: {ranges:?}");
    let frame = RangedParts::new("b".repeat(32), "text/plain".to_owned(), size, ranges.to_vec());
    let heads: u64 = (0..ranges.len()).map(|at| frame.head(at).unwrap().len() as u64).sum();
    assert_eq!(frame.head(ranges.len()), None);
    let data: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    assert!(data <= size, "no byte twice");
    // A file near the largest size may only be checked as far as a sum goes.
    let sum = heads.checked_add(data).and_then(|sum| sum.checked_add(frame.tail().len() as u64));
    if let Some(sum) = sum {
        assert_eq!(frame.size_bytes(), sum);
    }
}

/// As a client reads a multipart answer.
fn read_back(ranges: &[Range<u64>], size: u64) {
    let file: Vec<u8> = (0..size).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
    let boundary = "0123456789abcdef0123456789abcdef";
    let frame =
        RangedParts::new(boundary.to_owned(), "text/plain".to_owned(), size, ranges.to_vec());
    let slice = |range: &Range<u64>| {
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
        &file[start..end]
    };
    let mut body = Vec::new();
    for (at, range) in frame.ranges().iter().enumerate() {
        body.extend(frame.head(at).unwrap().bytes());
        body.extend(slice(range));
    }
    body.extend(frame.tail().bytes());
    assert_eq!(body.len() as u64, frame.size_bytes());
    let stream = stream::iter([Ok::<_, std::io::Error>(Bytes::from(body))]);
    let mut parts = multer::Multipart::new(stream, boundary);
    for range in ranges {
        let part = parts.next_field().now_or_never().unwrap().unwrap().expect("a part a range");
        assert_eq!(part.headers()["content-range"], content_range(range, size));
        assert_eq!(part.bytes().now_or_never().unwrap().unwrap(), slice(range));
    }
    assert!(parts.next_field().now_or_never().unwrap().unwrap().is_none());
}

/// The RFC once more, the slow way: which bytes does each element ask for?
fn same_bytes(header: &str, size: u64, selection: &Selection) {
    let Some(specs) = elements(header) else {
        assert_eq!(*selection, Selection::Whole);
        return;
    };
    let asked = |byte: u64| {
        let byte = u128::from(byte);
        specs.iter().any(|spec| match *spec {
            (Some(first), Some(last)) => (first..=last).contains(&byte),
            (Some(first), None) => first <= byte,
            (None, suffix) => byte + suffix.unwrap_or(0) >= u128::from(size),
        })
    };
    let ranges = match selection {
        Selection::Partial(ranges) => ranges.as_slice(),
        Selection::Unsatisfiable => &[],
        Selection::Whole => {
            assert_eq!(size, 0, "only an empty file answers whole to a legal range");
            return;
        }
    };
    for byte in 0..size {
        assert_eq!(ranges.iter().any(|range| range.contains(&byte)), asked(byte), "byte {byte}");
    }
}

type Element = (Option<u128>, Option<u128>);

/// The elements of a legal header of a bounded length; `None` for any other.
fn elements(header: &str) -> Option<Vec<Element>> {
    let (unit, list) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let list: Vec<&str> = list
        .split(',')
        .map(|one| one.trim_matches([' ', '\t']))
        .filter(|one| !one.is_empty())
        .collect();
    if list.is_empty() || list.len() > RANGES_MAX {
        return None;
    }
    list.into_iter().map(element).collect()
}

fn element(text: &str) -> Option<Element> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if first.min(u64::MAX.into()) > last.min(u64::MAX.into()) => None,
        legal => Some(legal),
    }
}

/// Digits, or nothing. A number too long for any file is as good as the largest.
fn number(digits: &str) -> Option<Option<u128>> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(u128::MAX >> 1)))
}
