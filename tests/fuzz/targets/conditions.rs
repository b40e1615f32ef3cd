//! Conditional headers: any text is survived and no outcome comes from a header that is absent; a
//! list of tags is found to match exactly when one of its tags does.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ringhold::wire::{Conditions, EntityTag, Outcome, Validators, evaluate};

const TAG: &str = "abc";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    headers: [Option<&'a str>; 5],
    tags: Vec<(bool, &'a str, u8)>,
    modified_s: u32,
    since_s: u32,
}

fuzz_target!(|input: Input<'_>| {
    let file = Validators {
        tag: EntityTag::strong(TAG),
        modified: UNIX_EPOCH + Duration::from_secs(input.modified_s.into()),
        modified_is_strong: input.since_s.is_multiple_of(2),
    };
    any_text(&input.headers, &file);
    lists(&input.tags, &file);
    dates(&input, &file);
});

fn any_text(headers: &[Option<&str>; 5], file: &Validators) {
    let [if_match, if_none_match, if_modified_since, if_unmodified_since, if_range] = *headers;
    let conditions =
        Conditions { if_match, if_none_match, if_modified_since, if_unmodified_since, if_range };
    match evaluate(&conditions, file) {
        Outcome::PreconditionFailed => assert!(if_match.or(if_unmodified_since).is_some()),
        Outcome::NotModified => assert!(if_none_match.or(if_modified_since).is_some()),
        Outcome::Proceed { range_applies: false } => assert!(if_range.is_some()),
        Outcome::Proceed { range_applies: true } => {}
    }
}

/// Lists as RFC 9110, section 5.6.1, lets them be written, empty elements included.
fn lists(tags: &[(bool, &str, u8)], file: &Validators) {
    let tags: Vec<(bool, String, u8)> = tags
        .iter()
        .map(|(weak, text, separator)| {
            let legal = |c: &char| !c.is_ascii() || matches!(c, '\x21' | '\x23'..='\x7e');
            (*weak, text.chars().filter(legal).collect(), *separator)
        })
        .collect();
    let mut list = String::new();
    for (weak, opaque, separator) in &tags {
        let separator = [", ", ",", " ,\t", ",, ,"][usize::from(separator % 4)];
        list.extend([if *weak { "W/\"" } else { "\"" }, opaque, "\"", separator]);
    }
    let strongly = tags.iter().any(|(weak, opaque, _)| !weak && opaque == TAG);
    let weakly = tags.iter().any(|(_, opaque, _)| opaque == TAG);
    let conditions = Conditions { if_match: Some(&list), ..Conditions::default() };
    let failed = evaluate(&conditions, file) == Outcome::PreconditionFailed;
    assert_eq!(failed, !strongly, "{list}");
    let conditions = Conditions { if_none_match: Some(&list), ..Conditions::default() };
    let unmodified = evaluate(&conditions, file) == Outcome::NotModified;
    assert_eq!(unmodified, weakly, "{list}");
}

fn dates(input: &Input<'_>, file: &Validators) {
    let since = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(input.since_s.into()));
    let conditions = Conditions { if_modified_since: Some(&since), ..Conditions::default() };
    let unmodified = evaluate(&conditions, file) == Outcome::NotModified;
    assert_eq!(unmodified, input.modified_s <= input.since_s, "{since}");
    let conditions = Conditions { if_unmodified_since: Some(&since), ..Conditions::default() };
    let failed = evaluate(&conditions, file) == Outcome::PreconditionFailed;
    assert_eq!(failed, input.modified_s > input.since_s, "{since}");
    let conditions = Conditions { if_range: Some(&since), ..Conditions::default() };
    let range_applies = file.modified_is_strong && input.modified_s == input.since_s;
    assert_eq!(evaluate(&conditions, file), Outcome::Proceed { range_applies }, "{since}");
}
