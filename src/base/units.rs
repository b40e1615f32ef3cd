//! Sizes and durations as people write them on a command line: `64KiB`, `10GB`, `500ms`, `5m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A size in bytes that reads and prints with a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A duration that reads and prints with a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationArg(pub Duration);

/// A text that is no size or duration; says what would be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    text: String,
    problem: Problem,
    accepted: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Number,
    Unit,
    TooLarge,
}

/// Longest part of a wrong text that is repeated in the error, characters: a line is enough to
/// recognise it.
const ECHO_CHARS_MAX: usize = 40;

const SIZES_ACCEPTED: &str = "a whole number with B, KiB, MiB, GiB, TiB (powers of 1024), \
    kB, MB, GB, TB (powers of 1000) or nothing (bytes), like 64KiB, 10GB or 4096";
/// Descending, so that printing takes the first unit that divides.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

const DURATIONS_ACCEPTED: &str = "a whole number with ms, s, m or h, like 500ms, 30s, 5m or 1h";
/// Milliseconds, descending.
const DURATION_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration; the shape that a command-line parser takes.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let ms = parse(text, &DURATION_UNITS, None);
    let error = |problem| UnitError::new(text, problem, DURATIONS_ACCEPTED);
    ms.map(Duration::from_millis).map_err(error)
}

/// `number unit`, in units' worth. Without a unit the number counts `bare`.
fn parse(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Result<u64, Problem> {
    let digits_size = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at_checked(digits_size).ok_or(Problem::Number)?;
    if digits.is_empty() {
        return Err(Problem::Number);
    }
    let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let worth = match (unit, known) {
        ("", _) => bare,
        (_, known) => known.map(|&(_, worth)| worth),
    };
    let worth = worth.ok_or(Problem::Unit)?;
    // Only digits are left, so the one way to fail is a number beyond 2^64.
    let number: u64 = digits.parse().map_err(|_| Problem::TooLarge)?;
    number.checked_mul(worth).ok_or(Problem::TooLarge)
}

/// In the largest unit that leaves no remainder, so that it reads back as the same value.
fn print(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = units.iter().find(|&&(_, worth)| value != 0 && value.is_multiple_of(worth));
    match fits.or(units.last()) {
        Some((name, worth)) => write!(f, "{}{name}", value / worth),
        None => write!(f, "{value}"),
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<ByteSize, UnitError> {
        let error = |problem| UnitError::new(text, problem, SIZES_ACCEPTED);
        parse(text, &SIZE_UNITS, Some(1)).map(ByteSize).map_err(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.0, &SIZE_UNITS)
    }
}

impl FromStr for DurationArg {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<DurationArg, UnitError> {
        parse_duration(text).map(DurationArg)
    }
}

impl fmt::Display for DurationArg {
    /// Whole milliseconds; what lies below them is dropped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
    }
}

impl UnitError {
    fn new(text: &str, problem: Problem, accepted: &'static str) -> UnitError {
        UnitError { text: text.chars().take(ECHO_CHARS_MAX).collect(), problem, accepted }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.problem {
            Problem::Number => "does not start with a whole number",
            Problem::Unit => "has no known unit",
            Problem::TooLarge => "is too large",
        };
        write!(f, "{:?} {what}: write {}", self.text, self.accepted)
    }
}

impl std::error::Error for UnitError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("7B", 7),
            ("64KiB", 65_536),
            ("64kib", 65_536),
            ("1MiB", 1 << 20),
            ("3GIB", 3 << 30),
            ("2TiB", 2 << 40),
            ("5kB", 5000),
            ("5KB", 5000),
            ("10GB", 10_000_000_000),
            ("10gb", 10_000_000_000),
            ("007MB", 7_000_000),
            ("18446744073709551615", u64::MAX),
            ("16777215TiB", 16_777_215 << 40),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn a_wrong_size_says_what_would_be_right() {
        for (text, problem) in [
            ("", "does not start with a whole number"),
            ("KiB", "does not start"),
            ("-1", "does not start"),
            ("+1", "does not start"),
            (" 1", "does not start"),
            ("１MB", "does not start"),
            ("1.5GiB", "has no known unit"),
            ("1 MiB", "has no known unit"),
            ("1K", "has no known unit"),
            ("1é", "has no known unit"),
            ("18446744073709551616", "is too large"),
            ("16777216TiB", "is too large"),
        ] {
            let error = text.parse::<ByteSize>().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("64KiB, 10GB or 4096"), "{error}");
        }
        let echo = "9".repeat(1000).parse::<ByteSize>().unwrap_err().to_string();
        assert!(echo.len() < 300, "a long text is not repeated");
    }

    #[test]
    fn sizes_print_in_the_largest_unit_that_divides() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (4096, "4KiB"),
            (1 << 20, "1MiB"),
            (10_000_000_000, "10GB"),
            (1_024_000, "1000KiB"),
            (1001, "1001B"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn durations_read_and_print_with_their_unit() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(text), Ok(duration));
            assert_eq!(text.to_uppercase().parse(), Ok(DurationArg(duration)));
            assert_eq!(DurationArg(duration).to_string(), text);
        }
        assert_eq!(DurationArg(Duration::from_millis(90_500)).to_string(), "90500ms");
        for text in ["", "30", "s", "1d", "1.5s", "-1s", "99999999999999999999s"] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains("500ms, 30s, 5m or 1h"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes: u64, shift in 0..64_u32, ms: u64) {
            for bytes in [bytes, bytes >> shift, bytes << shift] {
                prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
            }
            let duration = DurationArg(Duration::from_millis(ms));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_breaks_the_parser(text: String, number in "[0-9]{0,30}[a-zA-Z]{0,4}") {
            for text in [text, number] {
                let _: Result<ByteSize, UnitError> = text.parse();
                let _: Result<DurationArg, UnitError> = text.parse();
            }
        }
    }
}
