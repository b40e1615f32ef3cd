//! Byte ranges (RFC 9110, section 14): which bytes a `Range` header asks for, and how a partial
//! answer is framed.
//!
//! Liberties the RFC gives, and which we take:
//! - A header that is malformed, in another unit, or lists more than [`RANGES_MAX`] ranges is
//!   ignored: the answer is the whole file (section 14.2).
//! - Ranges that overlap or touch are joined, so no answer repeats a byte; the others keep the
//!   order they were asked in (section 15.3.7.2).

use std::ops::Range;

use crate::base::limits::RANGES_MAX;

/// The bytes a request selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them: no `Range`, or one to be ignored. Status 200.
    Whole,
    /// These, none of them empty. Status 206; several make a multipart answer.
    Partial(Vec<Range<u64>>),
    /// None of the ranges asked for has a byte in it. Status 416.
    Unsatisfiable,
}

/// Resolves the value of a `Range` header against a file of `size_bytes`.
pub fn select(header: &str, size_bytes: u64) -> Selection {
    let Some(specs) = parse(header) else { return Selection::Whole };
    // A suffix of nothing is nothing, which no Content-Range can say: the empty file answers 200.
    if size_bytes == 0 && specs.iter().any(Spec::is_satisfiable_suffix) {
        return Selection::Whole;
    }
    let mut ranges = Vec::with_capacity(specs.len());
    for range in specs.iter().filter_map(|spec| spec.resolve(size_bytes)) {
        join(&mut ranges, range);
    }
    if ranges.is_empty() { Selection::Unsatisfiable } else { Selection::Partial(ranges) }
}

/// The value of `Content-Range` for one range of a file; the range must not be empty.
pub fn content_range(range: &Range<u64>, size_bytes: u64) -> String {
    assert!(range.start < range.end);
    assert!(range.end <= size_bytes);
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

/// The value of `Content-Range` in a 416.
pub fn content_range_unsatisfied(size_bytes: u64) -> String {
    format!("bytes */{size_bytes}")
}

/// The frame of a `multipart/byteranges` answer (RFC 9110, section 14.6).
#[derive(Clone, Debug)]
pub struct RangedParts {
    boundary: String,
    content_type: String,
    file_size_bytes: u64,
    ranges: Vec<Range<u64>>,
}

impl RangedParts {
    /// Frames `ranges` of a file. `boundary` must not occur in the file.
    pub fn new(
        boundary: String,
        content_type: String,
        file_size_bytes: u64,
        ranges: Vec<Range<u64>>,
    ) -> RangedParts {
        RangedParts { boundary, content_type, file_size_bytes, ranges }
    }

    /// The answer's own `Content-Type`.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// The ranges, in the order of the parts.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// What goes before the bytes of the part at `index`; `None` after the last part.
    pub fn head(&self, index: usize) -> Option<String> {
        let range = self.ranges.get(index)?;
        let line_break = if index == 0 { "" } else { "\r\n" };
        Some(format!(
            "{line_break}--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            self.boundary,
            self.content_type,
            content_range(range, self.file_size_bytes),
        ))
    }

    /// What goes after the last part.
    pub fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }

    /// Size of the whole answer, bytes: its exact `Content-Length`.
    pub fn size_bytes(&self) -> u64 {
        let heads = (0..).map_while(|index| self.head(index)).map(|head| head.len() as u64);
        let data = self.ranges.iter().map(|range| range.end - range.start);
        heads.sum::<u64>() + data.sum::<u64>() + self.tail().len() as u64
    }
}

/// One `range-spec`, before the size is known.
#[derive(Clone, Copy, Debug)]
enum Spec {
    From { first: u64, last: u64 },
    Suffix { size_bytes: u64 },
}

impl Spec {
    fn parse(text: &str) -> Option<Spec> {
        let (first, last) = text.split_once('-')?;
        if first.is_empty() {
            return Some(Spec::Suffix { size_bytes: number(last)? });
        }
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        (first <= last).then_some(Spec::From { first, last })
    }

    fn is_satisfiable_suffix(&self) -> bool {
        matches!(self, Spec::Suffix { size_bytes } if *size_bytes > 0)
    }

    fn resolve(&self, size_bytes: u64) -> Option<Range<u64>> {
        let range = match *self {
            Spec::From { first, last } => first..last.saturating_add(1).min(size_bytes),
            Spec::Suffix { size_bytes: suffix } => size_bytes.saturating_sub(suffix)..size_bytes,
        };
        (range.start < range.end).then_some(range)
    }
}

/// The specs of a header; `None` when it is to be ignored.
fn parse(header: &str) -> Option<Vec<Spec>> {
    let (unit, list) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    // Empty list elements are legal (RFC 9110, section 5.6.1.2) and mean nothing.
    for element in list.split(',').map(|element| element.trim_matches([' ', '\t'])) {
        if element.is_empty() {
            continue;
        }
        if specs.len() == RANGES_MAX {
            return None;
        }
        specs.push(Spec::parse(element)?);
    }
    (!specs.is_empty()).then_some(specs)
}

/// A decimal number; one beyond 64 bits is larger than any file, which is all it needs to be.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Adds a range to those chosen so far, joining it with every one it overlaps or touches; the
/// result stands where the first of them stood.
fn join(ranges: &mut Vec<Range<u64>>, added: Range<u64>) {
    let mut joined = added;
    let mut place = ranges.len();
    let mut index = 0;
    while let Some(range) = ranges.get(index) {
        if range.start <= joined.end && joined.start <= range.end {
            joined = joined.start.min(range.start)..joined.end.max(range.end);
            ranges.remove(index);
            place = place.min(index);
            // The grown range may now reach one that was passed over.
            index = 0;
        } else {
            index += 1;
        }
    }
    ranges.insert(place.min(ranges.len()), joined);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From (start, end) pairs, the end not included.
    fn partial(ranges: &[(u64, u64)]) -> Selection {
        Selection::Partial(ranges.iter().map(|(start, end)| *start..*end).collect())
    }

    #[test]
    fn the_examples_of_rfc_9110_section_14_1_2_resolve_as_written() {
        let size = 10_000;
        assert_eq!(select("bytes=0-499", size), partial(&[(0, 500)]));
        assert_eq!(select("bytes=500-999", size), partial(&[(500, 1000)]));
        assert_eq!(select("bytes=-500", size), partial(&[(9500, 10_000)]));
        assert_eq!(select("bytes=9500-", size), partial(&[(9500, 10_000)]));
        assert_eq!(select("bytes=0-0,-1", size), partial(&[(0, 1), (9999, 10_000)]));
        assert_eq!(
            select("bytes= 0-999, 4500-5499, -1000", size),
            partial(&[(0, 1000), (4500, 5500), (9000, 10_000),])
        );
        assert_eq!(select("bytes=500-600,601-999", size), partial(&[(500, 1000)]));
        assert_eq!(select("bytes=500-700,601-999", size), partial(&[(500, 1000)]));
    }

    #[test]
    fn a_range_beyond_the_end_is_cut_or_unsatisfiable() {
        assert_eq!(select("bytes=5-99999999999999999999999999", 10), partial(&[(5, 10)]));
        assert_eq!(select("bytes=-20", 10), partial(&[(0, 10)]));
        assert_eq!(select("bytes=10-", 10), Selection::Unsatisfiable);
        assert_eq!(select("bytes=-0", 10), Selection::Unsatisfiable);
        assert_eq!(select("bytes=10-11,20-", 10), Selection::Unsatisfiable);
        assert_eq!(select("bytes=10-11,2-3", 10), partial(&[(2, 4)]));
    }

    #[test]
    fn an_empty_file_has_no_satisfiable_range_but_an_empty_suffix() {
        assert_eq!(select("bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(select("bytes=0-0", 0), Selection::Unsatisfiable);
        assert_eq!(select("bytes=-0", 0), Selection::Unsatisfiable);
        assert_eq!(select("bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn a_header_that_is_no_byte_range_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=5-4",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "bytes=1 -2",
            "items=0-5",
            "bytes 0-5",
            "bytes=0-1;2-3",
            "bytes=0-5,x",
            "bytes=--5",
        ] {
            assert_eq!(select(header, 10), Selection::Whole, "{header}");
        }
    }

    #[test]
    fn the_unit_has_no_case_and_empty_list_elements_mean_nothing() {
        assert_eq!(select("BYTES=0-1", 10), partial(&[(0, 2)]));
        assert_eq!(select("bytes=, 0-1 ,,\t4-5,", 10), partial(&[(0, 2), (4, 6)]));
    }

    #[test]
    fn more_ranges_than_the_limit_are_ignored() {
        let list = |count: usize| {
            let specs: Vec<_> = (0..count).map(|i| format!("{}-{}", i * 2, i * 2)).collect();
            format!("bytes={}", specs.join(","))
        };
        let Selection::Partial(ranges) = select(&list(RANGES_MAX), 10_000) else {
            panic!("the limit itself is allowed");
        };
        assert_eq!(ranges.len(), RANGES_MAX);
        assert_eq!(select(&list(RANGES_MAX + 1), 10_000), Selection::Whole);
    }

    #[test]
    fn ranges_keep_the_order_asked_for_and_join_where_the_first_stood() {
        assert_eq!(select("bytes=8-9,0-1", 10), partial(&[(8, 10), (0, 2)]));
        assert_eq!(select("bytes=6-7,0-1,8-9", 10), partial(&[(6, 10), (0, 2)]));
        assert_eq!(select("bytes=0-1,8-9,2-7", 10), partial(&[(0, 10)]));
    }

    #[test]
    fn a_multipart_answer_is_framed_byte_by_byte_as_measured() {
        let ranges = vec![500..1000, 7000..8000];
        let parts = RangedParts::new("SEP".into(), "application/pdf".into(), 8000, ranges);
        assert_eq!(
            parts.head(0).unwrap(),
            "--SEP\r\nContent-Type: application/pdf\r\nContent-Range: bytes 500-999/8000\r\n\r\n"
        );
        assert_eq!(
            parts.head(1).unwrap(),
            "\r\n--SEP\r\nContent-Type: application/pdf\r\n\
             Content-Range: bytes 7000-7999/8000\r\n\r\n"
        );
        assert_eq!(parts.head(2), None);
        assert_eq!(parts.tail(), "\r\n--SEP--\r\n");
        assert_eq!(parts.content_type(), "multipart/byteranges; boundary=SEP");
        let frame = parts.head(0).unwrap() + &parts.head(1).unwrap() + &parts.tail();
        assert_eq!(parts.size_bytes(), frame.len() as u64 + 1500);
    }

    #[test]
    fn a_416_names_the_size() {
        assert_eq!(content_range_unsatisfied(47_022), "bytes */47022");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(header in ".{0,64}", size in any::<u64>()) {
            let _ = select(&header, size);
            let _ = select(&format!("bytes={header}"), size);
        }

        #[test]
        fn a_selection_covers_exactly_the_bytes_asked_for(
            specs in prop::collection::vec((0_u64..120, 0_u64..40), 1..20),
            size in 1_u64..100,
        ) {
            let list: Vec<_> = specs.iter().map(|(f, n)| format!("{f}-{}", f + n)).collect();
            let asked = |byte: u64| specs.iter().any(|(f, n)| (*f..=f + n).contains(&byte));
            let ranges = match select(&format!("bytes={}", list.join(",")), size) {
                Selection::Partial(ranges) => ranges,
                other @ (Selection::Whole | Selection::Unsatisfiable) => {
                    prop_assert_eq!(other, Selection::Unsatisfiable);
                    Vec::new()
                }
            };
            for byte in 0..size {
                let hits = ranges.iter().filter(|range| range.contains(&byte)).count();
                prop_assert_eq!(hits, usize::from(asked(byte)), "byte {}", byte);
            }
            prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size));
        }
    }
}
