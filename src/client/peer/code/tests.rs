//! Tests of codes: the list, what can be typed, what is told about the rest.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::limits::CODE_WORDS_DEFAULT;

#[test]
fn the_words_are_in_order_and_plain() {
    assert!(WORDS.is_sorted());
    for word in WORDS {
        assert!((PREFIX_SIZE..=8).contains(&word.len()), "{word}");
        assert!(word.bytes().all(|letter| letter.is_ascii_lowercase()), "{word}");
    }
}

#[test]
fn four_letters_are_enough_and_no_slip_makes_another_word() {
    let prefixes: BTreeSet<&str> = WORDS.iter().map(|word| &word[..PREFIX_SIZE]).collect();
    assert_eq!(prefixes.len(), WORDS.len());
    for (index, word) in WORDS.iter().enumerate() {
        for other in &WORDS[..index] {
            assert!(slips(word, other) > 1, "{word} and {other}");
        }
    }
}

#[test]
fn slips_are_counted() {
    for (typed, word, count) in [
        ("amber", "amber", 0),
        ("", "amber", 5),
        ("ambre", "amber", 2),
        ("amer", "amber", 1),
        ("ambers", "amber", 1),
        ("kitten", "sitting", 3),
    ] {
        assert_eq!(slips(typed, word), count, "{typed} {word}");
    }
}

#[test]
fn a_code_is_understood_however_it_is_typed() {
    let normal = "7-amber-lagoon-walnut";
    for typed in [
        normal,
        "  7-amber-lagoon-walnut\n",
        "7 amber lagoon walnut",
        "7 - Amber - LAGOON - walnut",
        "7_amber.lagoon\twalnut",
        "007-amber-lagoon-walnut",
        "7-ambe-lago-waln",
        "7-amber-lagoo-walnu",
    ] {
        let code = Code::parse(typed).unwrap();
        assert_eq!(code.text().as_str(), normal, "{typed}");
        assert_eq!((code.nameplate(), code.bits()), (7, 30));
    }
}

#[test]
fn what_is_no_code_is_told_why() {
    let many = format!("7{}", "-amber".repeat(CODE_WORDS_MAX + 1));
    let long = "7-".repeat(CODE_TEXT_SIZE_MAX);
    for (typed, fault) in [
        ("", CodeError::Empty),
        (" - ", CodeError::Empty),
        ("amber-lagoon", CodeError::Number),
        ("0-amber-lagoon", CodeError::Number),
        ("+7-amber-lagoon", CodeError::Number),
        ("4294967296-amber-lagoon", CodeError::Number),
        ("7", CodeError::WordCount(0)),
        ("7-amber", CodeError::WordCount(1)),
        (&many, CodeError::WordCount(CODE_WORDS_MAX + 1)),
        ("7-amber-lagon-walnut", CodeError::Word { position: 2, nearest: "lagoon" }),
        ("7-ambre-lagoon", CodeError::Word { position: 1, nearest: "amber" }),
        ("7-amberx-lagoon", CodeError::Word { position: 1, nearest: "amber" }),
        ("7-amb-lagoon", CodeError::Word { position: 1, nearest: "amber" }),
        (&long, CodeError::TooLong(2 * CODE_TEXT_SIZE_MAX)),
    ] {
        assert_eq!(Code::parse(typed), Err(fault), "{typed}");
    }
}

#[test]
fn a_wrong_word_is_told_by_its_place_and_not_repeated() {
    let error = Code::parse("7-amber-\u{1b}[2Jlagune").unwrap_err().to_string();
    assert!(error.starts_with("word 2 of the code is none that codes are made of"), "{error}");
    assert!(!error.contains('\u{1b}') && !error.contains("lagune"), "{error}");
}

#[test]
fn a_code_does_not_print_itself() {
    assert_eq!(
        format!("{:?}", Code::parse("7-amber-lagoon").unwrap()),
        "Code { nameplate: 7, .. }"
    );
}

#[test]
fn what_is_typed_so_far_can_go_on() {
    assert_eq!(code_completions("7-lag"), ["lagoon"]);
    assert_eq!(code_completions("7 AMBER wal"), ["walnut", "walrus", "waltz"]);
    assert_eq!(code_completions("7-").len(), WORDS.len());
    assert_eq!(code_completions("7-zz"), [""; 0]);
    assert_eq!(code_completions("7"), [""; 0]);
    assert_eq!(code_completions("-am"), [""; 0]);
}

#[test]
fn random_codes_have_the_words_they_should_and_differ() {
    let codes: Vec<Code> = (0..50).map(|_| Code::random(9, CODE_WORDS_DEFAULT).unwrap()).collect();
    assert!(codes.iter().all(|code| (code.nameplate(), code.bits()) == (9, 30)));
    let texts: BTreeSet<String> = codes.iter().map(|code| code.text().to_string()).collect();
    // Two of fifty are equal once in 876,000 runs.
    assert!(texts.len() >= 49);
    for count in [0, CODE_WORDS_MIN - 1, CODE_WORDS_MAX + 1] {
        assert_eq!(Code::random(9, count), Err(CodeError::WordCount(count)));
    }
    assert_eq!(Code::random(9, CODE_WORDS_MAX).unwrap().bits(), 80);
}

#[test]
fn every_word_is_drawn_by_as_many_numbers() {
    let mut counts = vec![0; WORDS.len()];
    for number in 0..=u16::MAX {
        let code = Code::drawn(1, &number.to_be_bytes());
        counts[usize::from(code.words[0])] += 1;
    }
    assert!(counts.iter().all(|count| *count == 64));
}

proptest! {
    #[test]
    fn every_code_is_read_back(nameplate in 1_u32.., random: [u8; 2 * CODE_WORDS_MAX], count in 2_usize..=8) {
        let code = Code::drawn(nameplate, &random[..2 * count]);
        prop_assert!(code.text().len() <= CODE_TEXT_SIZE_MAX);
        prop_assert_eq!(Code::parse(&code.text()).unwrap(), code);
    }

    #[test]
    fn any_text_is_a_code_or_is_told_why(text in "[0-9]{0,3}[- a-z\\PC]{0,40}") {
        match Code::parse(&text) {
            Ok(code) => prop_assert_eq!(Code::parse(&code.text()).unwrap(), code),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        code_completions(&text);
    }
}
