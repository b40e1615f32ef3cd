//! Conditional requests (RFC 9110, section 13): entity tags and the order in which preconditions
//! are weighed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An entity tag (RFC 9110, section 8.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag {
    weak: bool,
    opaque: String,
}

impl EntityTag {
    /// A strong tag. `opaque` is what stands between the quotes and must be legal there.
    pub fn strong(opaque: &str) -> EntityTag {
        assert!(opaque.bytes().all(is_tag_byte));
        EntityTag { weak: false, opaque: opaque.to_owned() }
    }

    /// The tag of an `ETag` header.
    pub fn parse(text: &str) -> Option<EntityTag> {
        let (tag, rest) = EntityTag::take(text.trim())?;
        rest.is_empty().then_some(tag)
    }

    /// Whether the same tag means the same bytes.
    pub fn is_strong(&self) -> bool {
        !self.weak
    }

    /// Both are strong and the same: the bytes are the same (section 8.8.3.2).
    pub fn matches_strongly(&self, other: &EntityTag) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// The same but for strength.
    pub fn matches_weakly(&self, other: &EntityTag) -> bool {
        self.opaque == other.opaque
    }

    /// As a header says it.
    pub fn spelled(&self) -> String {
        [if self.weak { "W/\"" } else { "\"" }, &self.opaque, "\""].concat()
    }

    /// Takes one tag off the front of `text`.
    fn take(text: &str) -> Option<(EntityTag, &str)> {
        let (weak, quoted) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        let legal = opaque.bytes().all(is_tag_byte);
        legal.then(|| (EntityTag { weak, opaque: opaque.to_owned() }, rest))
    }
}

/// What a file says of its state.
#[derive(Clone, Debug)]
pub struct Validators {
    /// Its tag.
    pub tag: EntityTag,
    /// When it last changed; compared in whole seconds, as headers carry them.
    pub modified: SystemTime,
    /// Whether `modified` alone tells two states apart: true when the file cannot have changed
    /// twice in that second (section 8.8.2.2). `If-Range` needs that.
    pub modified_is_strong: bool,
}

/// The conditional headers of a GET or HEAD; a field that came in several lines is joined with
/// commas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions<'a> {
    /// `If-Match`.
    pub if_match: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<&'a str>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Perform the request; `range_applies` tells whether a `Range` header counts.
    Proceed {
        /// False when `If-Range` names another state of the file.
        range_applies: bool,
    },
    /// 304: the client's copy is good.
    NotModified,
    /// 412: the file is not what the client takes it for.
    PreconditionFailed,
}

/// Weighs the preconditions of a GET or HEAD in the order of RFC 9110, section 13.2.2. A date
/// that does not parse counts as absent.
pub fn evaluate(conditions: &Conditions<'_>, file: &Validators) -> Outcome {
    if let Some(list) = conditions.if_match {
        if !any_tag(list, |tag| tag.matches_strongly(&file.tag)) {
            return Outcome::PreconditionFailed;
        }
    } else if let Some(date) = conditions.if_unmodified_since.and_then(parse_date)
        && seconds(file.modified) > seconds(date)
    {
        return Outcome::PreconditionFailed;
    }
    if let Some(list) = conditions.if_none_match {
        if any_tag(list, |tag| tag.matches_weakly(&file.tag)) {
            return Outcome::NotModified;
        }
    } else if let Some(date) = conditions.if_modified_since.and_then(parse_date)
        && seconds(file.modified) <= seconds(date)
    {
        return Outcome::NotModified;
    }
    let range_applies = conditions.if_range.is_none_or(|value| same_state(value, file));
    Outcome::Proceed { range_applies }
}

/// Whether `If-Range` names the present state of the file (section 13.1.5). Anything that is
/// neither a tag nor a date names no state.
fn same_state(value: &str, file: &Validators) -> bool {
    let value = value.trim();
    if let Some((tag, rest)) = EntityTag::take(value) {
        return rest.is_empty() && tag.matches_strongly(&file.tag);
    }
    file.modified_is_strong
        && parse_date(value).is_some_and(|date| seconds(date) == seconds(file.modified))
}

/// Whether a list of tags, or `*`, holds one that `matches`. What is left of a malformed list
/// from its first flaw on does not count.
fn any_tag(list: &str, matches: impl Fn(&EntityTag) -> bool) -> bool {
    let mut rest = skip_separators(list);
    if rest.trim_end() == "*" {
        return true;
    }
    while let Some((tag, after)) = EntityTag::take(rest) {
        if matches(&tag) {
            return true;
        }
        rest = skip_separators(after);
    }
    false
}

fn skip_separators(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', ','])
}

/// `etagc`: visible characters but the quote, and anything above ASCII.
fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7E | 0x80..)
}

fn parse_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const WHOLE: Outcome = Outcome::Proceed { range_applies: false };
    const RANGED: Outcome = Outcome::Proceed { range_applies: true };

    /// Half a second after [`DATE`]: what a header cannot say must not count.
    fn file() -> Validators {
        Validators {
            tag: EntityTag::strong("abc"),
            modified: UNIX_EPOCH + Duration::from_millis(784_111_777_500),
            modified_is_strong: true,
        }
    }

    fn tag(text: &str) -> EntityTag {
        let (tag, rest) = EntityTag::take(text).unwrap();
        assert_eq!(rest, "");
        tag
    }

    #[test]
    fn tags_compare_as_in_the_table_of_rfc_9110_section_8_8_3_2() {
        for (left, right, strongly, weakly) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(tag(left).matches_strongly(&tag(right)), strongly, "{left} {right}");
            assert_eq!(tag(left).matches_weakly(&tag(right)), weakly, "{left} {right}");
        }
    }

    #[test]
    fn a_tag_is_written_as_it_was_read() {
        for text in ["\"\"", "\"xyzzy\"", "W/\"xyzzy\"", "\"a,b\""] {
            assert_eq!(tag(text).spelled(), text);
        }
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["", "abc", "\"abc", "w/\"abc\"", "\"a b\"", "W/abc", "\"a\u{1}\""] {
            assert_eq!(EntityTag::take(text), None, "{text}");
        }
    }

    #[test]
    fn if_match_wants_a_strong_match() {
        for (list, outcome) in [
            ("\"abc\"", RANGED),
            ("*", RANGED),
            (" * ", RANGED),
            ("\"x\", \"abc\"", RANGED),
            ("\"a,b\" ,, \"abc\"", RANGED),
            ("W/\"abc\"", Outcome::PreconditionFailed),
            ("\"x\"", Outcome::PreconditionFailed),
            ("", Outcome::PreconditionFailed),
            ("abc", Outcome::PreconditionFailed),
        ] {
            let conditions = Conditions { if_match: Some(list), ..Conditions::default() };
            assert_eq!(evaluate(&conditions, &file()), outcome, "{list}");
        }
    }

    #[test]
    fn if_none_match_is_content_with_a_weak_match() {
        for (list, outcome) in [
            ("\"abc\"", Outcome::NotModified),
            ("W/\"abc\"", Outcome::NotModified),
            ("*", Outcome::NotModified),
            ("\"x\", W/\"abc\"", Outcome::NotModified),
            ("\"x\"", RANGED),
            ("abc", RANGED),
        ] {
            let conditions = Conditions { if_none_match: Some(list), ..Conditions::default() };
            assert_eq!(evaluate(&conditions, &file()), outcome, "{list}");
        }
    }

    #[test]
    fn dates_compare_in_whole_seconds() {
        for (date, modified, unmodified) in [
            (BEFORE, RANGED, Outcome::PreconditionFailed),
            (DATE, Outcome::NotModified, RANGED),
            (AFTER, Outcome::NotModified, RANGED),
            ("yesterday", RANGED, RANGED),
        ] {
            let since = Conditions { if_modified_since: Some(date), ..Conditions::default() };
            assert_eq!(evaluate(&since, &file()), modified, "modified since {date}");
            let since = Conditions { if_unmodified_since: Some(date), ..Conditions::default() };
            assert_eq!(evaluate(&since, &file()), unmodified, "unmodified since {date}");
        }
    }

    #[test]
    fn tags_outrank_dates() {
        let conditions = Conditions {
            if_match: Some("\"abc\""),
            if_unmodified_since: Some(BEFORE),
            if_none_match: Some("\"x\""),
            if_modified_since: Some(AFTER),
            if_range: None,
        };
        assert_eq!(evaluate(&conditions, &file()), RANGED);
    }

    #[test]
    fn a_failed_if_match_comes_before_a_matching_if_none_match() {
        let conditions = Conditions {
            if_match: Some("\"x\""),
            if_none_match: Some("\"abc\""),
            ..Conditions::default()
        };
        assert_eq!(evaluate(&conditions, &file()), Outcome::PreconditionFailed);
    }

    #[test]
    fn if_range_lets_a_range_apply_only_to_the_same_state() {
        for (value, outcome) in [
            ("\"abc\"", RANGED),
            ("W/\"abc\"", WHOLE),
            ("\"x\"", WHOLE),
            ("\"abc\", \"x\"", WHOLE),
            (DATE, RANGED),
            (BEFORE, WHOLE),
            (AFTER, WHOLE),
            ("nonsense", WHOLE),
        ] {
            let conditions = Conditions { if_range: Some(value), ..Conditions::default() };
            assert_eq!(evaluate(&conditions, &file()), outcome, "{value}");
        }
    }

    #[test]
    fn a_weak_date_never_lets_a_range_apply() {
        let conditions = Conditions { if_range: Some(DATE), ..Conditions::default() };
        let file = Validators { modified_is_strong: false, ..file() };
        assert_eq!(evaluate(&conditions, &file), WHOLE);
    }
}
