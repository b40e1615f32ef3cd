//! Going on with a transfer that broke (RFC 9110, sections 13.1.5, 14.2 and 15.3.7): whether a
//! source allows it, what to ask for, and whether the answer is the rest of the same file. What is
//! in doubt is a no: two halves of two files are worse than none.

use std::ops::Range;
use std::time::Duration;

use super::EntityTag;
use crate::base::limits::{IMPORT_RESUME_PAUSE_MS, VALIDATOR_AGE_MIN_S};

/// What a source says of its file, as its headers have it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceHeaders<'a> {
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Last-Modified`.
    pub last_modified: Option<&'a str>,
    /// `Date`.
    pub date: Option<&'a str>,
    /// `Accept-Ranges`.
    pub accept_ranges: Option<&'a str>,
    /// `Content-Range`.
    pub content_range: Option<&'a str>,
}

/// The file as the source described it at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representation {
    /// Its size, bytes; `None` while nobody told it.
    pub size_bytes: Option<u64>,
    /// What the rest must have in common with the beginning; `None` when the source gave nothing
    /// that is strong enough, or takes no ranges.
    validator: Option<Validator>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Validator {
    Tag(EntityTag),
    /// As it was written: a server may compare the text.
    Modified(String),
}

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRequest {
    /// `Range`.
    pub range: String,
    /// `If-Range`.
    pub if_range: String,
}

/// What the status of the answer to that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeStatus {
    /// The rest follows, if its headers agree.
    Partial,
    /// The file is another one by now, or comes only whole.
    Whole,
    /// The source is in trouble that may pass.
    TryAgain,
    /// No.
    Refused,
}

/// Why an answer is not the rest of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeMismatch {
    /// `Content-Range` is missing, malformed, or not what was asked for.
    Range,
    /// The validator is another one.
    Changed,
}

impl Representation {
    /// Of a whole file that begins to arrive.
    pub fn new(size_bytes: Option<u64>, headers: &SourceHeaders<'_>) -> Representation {
        let takes_ranges =
            headers.accept_ranges.is_none_or(|units| !units.trim().eq_ignore_ascii_case("none"));
        let tag = headers.etag.and_then(EntityTag::parse).filter(EntityTag::is_strong);
        let validator = tag.map(Validator::Tag).or_else(|| strong_date(headers));
        Representation { size_bytes, validator: validator.filter(|_| takes_ranges) }
    }

    /// How to ask for everything from `offset` on; `None` when that cannot be told from the rest
    /// of another file.
    pub fn resume_from(&self, offset: u64) -> Option<ResumeRequest> {
        Some(ResumeRequest { range: format!("bytes={offset}-"), if_range: self.pin()? })
    }

    /// How to ask for a part that is not empty; `None` as above.
    pub fn part(&self, part: &Range<u64>) -> Option<ResumeRequest> {
        let last = part.end.saturating_sub(1);
        Some(ResumeRequest { range: format!("bytes={}-{last}", part.start), if_range: self.pin()? })
    }

    /// What all parts have in common, as `If-Range` has it.
    pub fn pin(&self) -> Option<String> {
        Some(match self.validator.as_ref()? {
            Validator::Tag(tag) => tag.spelled(),
            Validator::Modified(date) => date.clone(),
        })
    }

    /// Checks a 206: it must bring exactly this part of this file. `body_size_bytes` is its own
    /// length, if told.
    pub fn check_part(
        &self,
        part: &Range<u64>,
        body_size_bytes: Option<u64>,
        headers: &SourceHeaders<'_>,
    ) -> Result<(), ResumeMismatch> {
        let (first, last, total) =
            headers.content_range.and_then(parse_content_range).ok_or(ResumeMismatch::Range)?;
        let is_the_part = (first, last.checked_add(1)) == (part.start, Some(part.end))
            && self.size_bytes.is_none_or(|size| size == total)
            && body_size_bytes.is_none_or(|size| size == part.end - part.start);
        if !is_the_part {
            return Err(ResumeMismatch::Range);
        }
        if self.is_same(headers) { Ok(()) } else { Err(ResumeMismatch::Changed) }
    }

    /// Whether these headers are those of the same file, as far as they say.
    pub fn is_same(&self, headers: &SourceHeaders<'_>) -> bool {
        match &self.validator {
            Some(Validator::Tag(tag)) => headers.etag.is_none_or(|other| {
                EntityTag::parse(other).is_some_and(|other| other.matches_strongly(tag))
            }),
            Some(Validator::Modified(date)) => {
                headers.last_modified.is_none_or(|other| other.trim() == date)
            }
            None => false,
        }
    }

    /// Checks a 206: it must bring exactly the bytes from `offset` to the end of this file.
    /// `body_size_bytes` is its own length, if told. From here on the size is known.
    pub fn check_rest(
        &mut self,
        offset: u64,
        body_size_bytes: Option<u64>,
        headers: &SourceHeaders<'_>,
    ) -> Result<(), ResumeMismatch> {
        let (first, last, total) =
            headers.content_range.and_then(parse_content_range).ok_or(ResumeMismatch::Range)?;
        let is_the_rest = first == offset
            && last.checked_add(1) == Some(total)
            && self.size_bytes.is_none_or(|size| size == total)
            && body_size_bytes.is_none_or(|size| size == total - first);
        if !is_the_rest {
            return Err(ResumeMismatch::Range);
        }
        if !self.is_same(headers) {
            return Err(ResumeMismatch::Changed);
        }
        self.size_bytes = Some(total);
        Ok(())
    }
}

impl ResumeStatus {
    /// Of an HTTP status.
    pub fn of(status: u16) -> ResumeStatus {
        match status {
            206 => ResumeStatus::Partial,
            // 416: the file has become shorter than what was received of it.
            200 | 412 | 416 => ResumeStatus::Whole,
            429 | 500 | 502..=504 => ResumeStatus::TryAgain,
            _ => ResumeStatus::Refused,
        }
    }
}

/// The pause before the try of this index, from 0: each twice the one before.
pub fn pause_before_resume(try_index: u32) -> Duration {
    Duration::from_millis(IMPORT_RESUME_PAUSE_MS.saturating_mul(1 << try_index.min(16)))
}

/// `Last-Modified`, if a second change within the same second cannot have happened unseen: the
/// answer was made some time after it (RFC 9110, section 8.8.2.2).
fn strong_date(headers: &SourceHeaders<'_>) -> Option<Validator> {
    let text = headers.last_modified?.trim();
    let modified = httpdate::parse_http_date(text).ok()?;
    let date = httpdate::parse_http_date(headers.date?.trim()).ok()?;
    let age = date.duration_since(modified).ok()?;
    (age.as_secs() >= VALIDATOR_AGE_MIN_S).then(|| Validator::Modified(text.to_owned()))
}

/// First and last position and the size, of `bytes 5-9/10`. A size of `*` tells nothing that could
/// be relied on.
pub fn parse_content_range(value: &str) -> Option<(u64, u64, u64)> {
    let (unit, rest) = value.trim().split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    (unit.eq_ignore_ascii_case("bytes") && first <= last && last < total)
        .then_some((first, last, total))
}

fn number(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const SOON_AFTER: &str = "Sun, 06 Nov 1994 08:50:36 GMT";
    const A_MINUTE_AFTER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";

    fn tagged(etag: &str) -> SourceHeaders<'_> {
        SourceHeaders { etag: Some(etag), ..SourceHeaders::default() }
    }

    fn dated(date: Option<&str>) -> SourceHeaders<'_> {
        SourceHeaders { last_modified: Some(MODIFIED), date, ..SourceHeaders::default() }
    }

    fn if_range(headers: &SourceHeaders<'_>) -> Option<String> {
        Representation::new(Some(10), headers).resume_from(4).map(|request| request.if_range)
    }

    #[test]
    fn only_a_strong_validator_lets_a_transfer_go_on() {
        let tag_and_date = SourceHeaders { etag: Some("\"a\""), ..dated(Some(A_MINUTE_AFTER)) };
        let weak_and_date = SourceHeaders { etag: Some("W/\"a\""), ..dated(Some(A_MINUTE_AFTER)) };
        let no_ranges = SourceHeaders { accept_ranges: Some(" None"), ..tagged("\"a\"") };
        let ranges = SourceHeaders { accept_ranges: Some("bytes"), ..tagged("\"a\"") };
        for (headers, expected) in [
            (tagged("\"a\""), Some("\"a\"")),
            (ranges, Some("\"a\"")),
            (tag_and_date, Some("\"a\"")),
            (weak_and_date, Some(MODIFIED)),
            (dated(Some(A_MINUTE_AFTER)), Some(MODIFIED)),
            (tagged("W/\"a\""), None),
            (tagged("a"), None),
            (tagged("\"a\", \"b\""), None),
            (dated(Some(SOON_AFTER)), None),
            (dated(Some("yesterday")), None),
            (dated(None), None),
            (no_ranges, None),
            (SourceHeaders::default(), None),
        ] {
            assert_eq!(if_range(&headers).as_deref(), expected, "{headers:?}");
        }
    }

    #[test]
    fn the_rest_is_asked_for_from_the_first_missing_byte() {
        let representation = Representation::new(None, &tagged("\"a\""));
        let expected = ResumeRequest { range: "bytes=4-".into(), if_range: "\"a\"".into() };
        assert_eq!(representation.resume_from(4), Some(expected));
    }

    fn check(size: Option<u64>, body: Option<u64>, headers: &SourceHeaders<'_>) -> Option<u64> {
        let mut representation = Representation::new(size, &tagged("\"a\""));
        representation.check_rest(4, body, headers).ok().and(representation.size_bytes)
    }

    #[test]
    fn an_answer_that_is_not_the_rest_of_the_same_file_is_refused() {
        let range = |content_range| SourceHeaders {
            content_range: Some(content_range),
            ..SourceHeaders::default()
        };
        for (size, body, content_range, expected) in [
            (Some(10), Some(6), "bytes 4-9/10", Some(10)),
            (Some(10), None, "bytes 4-9/10", Some(10)),
            (None, Some(6), "Bytes 4-9/10", Some(10)),
            (Some(10), Some(5), "bytes 4-9/10", None),
            (Some(10), Some(6), "bytes 3-8/10", None),
            (Some(10), Some(5), "bytes 4-8/10", None),
            (Some(10), Some(7), "bytes 4-10/11", None),
            (Some(10), Some(6), "bytes 4-9/*", None),
            (Some(10), Some(6), "bytes 4-9/8", None),
            (Some(10), Some(6), "bytes */10", None),
            (Some(10), Some(6), "bytes +4-9/10", None),
            (Some(10), Some(6), "items 4-9/10", None),
            (Some(10), Some(6), "bytes 4-18446744073709551615/18446744073709551615", None),
            (Some(10), Some(6), "", None),
        ] {
            assert_eq!(check(size, body, &range(content_range)), expected, "{content_range}");
        }
        assert_eq!(check(Some(10), Some(6), &SourceHeaders::default()), None);
        for (etag, expected) in [("\"a\"", Some(10)), ("\"b\"", None), ("W/\"a\"", None)] {
            let headers = SourceHeaders { etag: Some(etag), ..range("bytes 4-9/10") };
            assert_eq!(check(Some(10), Some(6), &headers), expected, "{etag}");
        }
    }

    #[test]
    fn a_part_is_that_part_of_the_same_file_and_nothing_else() {
        let whole = Representation::new(Some(10), &tagged("\"a\""));
        let expected = ResumeRequest { range: "bytes=4-6".into(), if_range: "\"a\"".into() };
        assert_eq!(whole.part(&(4..7)), Some(expected));
        let (range, changed) = (Err(ResumeMismatch::Range), Err(ResumeMismatch::Changed));
        for (content_range, etag, body, expected) in [
            (Some("bytes 4-6/10"), Some("\"a\""), Some(3), Ok(())),
            (Some("bytes 4-6/10"), None, None, Ok(())),
            (Some("bytes 4-6/10"), Some("\"b\""), None, changed),
            (Some("bytes 4-6/10"), Some("W/\"a\""), None, changed),
            (Some("bytes 4-6/10"), None, Some(4), range),
            (Some("bytes 4-7/10"), None, None, range),
            (Some("bytes 3-6/10"), None, None, range),
            (Some("bytes 4-6/11"), None, None, range),
            (None, None, None, range),
        ] {
            let headers = SourceHeaders { etag, content_range, ..SourceHeaders::default() };
            assert_eq!(whole.check_part(&(4..7), body, &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_date_that_moved_is_another_file() {
        let mut representation = Representation::new(Some(10), &dated(Some(A_MINUTE_AFTER)));
        let rest = |last_modified| SourceHeaders {
            content_range: Some("bytes 4-9/10"),
            last_modified,
            ..SourceHeaders::default()
        };
        assert_eq!(
            representation.check_rest(4, None, &rest(Some(A_MINUTE_AFTER))),
            Err(ResumeMismatch::Changed)
        );
        assert_eq!(representation.check_rest(4, None, &rest(Some(MODIFIED))), Ok(()));
        assert_eq!(representation.check_rest(4, None, &rest(None)), Ok(()));
    }

    #[test]
    fn every_status_has_its_meaning() {
        for (status, meaning) in [
            (206, ResumeStatus::Partial),
            (200, ResumeStatus::Whole),
            (416, ResumeStatus::Whole),
            (412, ResumeStatus::Whole),
            (503, ResumeStatus::TryAgain),
            (429, ResumeStatus::TryAgain),
            (404, ResumeStatus::Refused),
            (302, ResumeStatus::Refused),
            (501, ResumeStatus::Refused),
        ] {
            assert_eq!(ResumeStatus::of(status), meaning, "{status}");
        }
    }

    #[test]
    fn each_pause_is_twice_the_one_before_and_none_overflows() {
        assert_eq!(pause_before_resume(0), Duration::from_millis(IMPORT_RESUME_PAUSE_MS));
        assert_eq!(pause_before_resume(3), 8 * pause_before_resume(0));
        assert_eq!(pause_before_resume(u32::MAX), pause_before_resume(16));
    }

    proptest! {
        #[test]
        fn any_content_range_is_survived(value in "(bytes )?[0-9*/ -]{0,50}|.{0,40}") {
            if let Some((first, last, total)) = parse_content_range(&value) {
                prop_assert!(first <= last && last < total);
            }
        }
    }
}
