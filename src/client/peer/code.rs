//! The code that a sender tells a receiver: the number under which he waits at the relay, and words
//! that only the two know. Its normal form, `7-amber-lagoon-walnut`, is the password of the agreement
//! on a key, so what was typed is brought into that form first.

use std::cmp::Reverse;
use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

use super::words::{BITS_PER_WORD, WORDS};
use crate::base::limits::{CODE_TEXT_SIZE_MAX, CODE_WORDS_MAX, CODE_WORDS_MIN};

/// Letters by which a word is known from all others.
const PREFIX_SIZE: usize = 4;

/// A code. It shows itself by [`text`](Code::text) alone, and is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    nameplate: u32,
    /// Which words of the list.
    words: Zeroizing<Vec<u16>>,
}

/// Why a text is no code. It never repeats the text, which may be most of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeError {
    /// There is nothing.
    Empty,
    /// It does not begin with a number that a relay may have given.
    Number,
    /// Fewer or more words than a code may have; how many there are.
    WordCount(usize),
    /// A word that is not in the list.
    Word {
        /// Which of the words, from 1.
        position: usize,
        /// The word of the list that is the most like it.
        nearest: &'static str,
    },
    /// Longer than any code; its size, bytes.
    TooLong(usize),
    /// This machine gives no randomness.
    NoRandomness,
}

impl Code {
    /// A new code for a nameplate, with so many random words.
    ///
    /// # Errors
    /// [`CodeError::WordCount`] for a number of words that no code has, and
    /// [`CodeError::NoRandomness`].
    pub fn random(nameplate: u32, word_count: usize) -> Result<Code, CodeError> {
        if !(CODE_WORDS_MIN..=CODE_WORDS_MAX).contains(&word_count) {
            return Err(CodeError::WordCount(word_count));
        }
        let mut drawn = Zeroizing::new([0; 2 * CODE_WORDS_MAX]);
        let drawn = &mut drawn[..2 * word_count];
        getrandom::fill(drawn).map_err(|_| CodeError::NoRandomness)?;
        Ok(Code::drawn(nameplate, drawn))
    }

    /// Two random bytes a word. 1,024 divides 65,536, so every word is as likely as any other.
    fn drawn(nameplate: u32, random: &[u8]) -> Code {
        const { assert!(WORDS.len().is_power_of_two()) };
        let of_pair = |pair: &[u8; 2]| u16::from_be_bytes(*pair) % (1 << BITS_PER_WORD);
        let (pairs, _odd) = random.as_chunks();
        Code { nameplate, words: Zeroizing::new(pairs.iter().map(of_pair).collect()) }
    }

    /// Of a text that somebody typed: in small or capital letters, with dashes or spaces, words whole
    /// or by at least their first four letters.
    ///
    /// # Errors
    /// [`CodeError`], but for [`CodeError::NoRandomness`].
    pub fn parse(text: &str) -> Result<Code, CodeError> {
        if text.len() > CODE_TEXT_SIZE_MAX {
            return Err(CodeError::TooLong(text.len()));
        }
        let lower = Zeroizing::new(text.to_lowercase());
        let mut pieces = lower.split(is_separator).filter(|piece| !piece.is_empty());
        let nameplate = parse_nameplate(pieces.next().ok_or(CodeError::Empty)?)?;
        let words = (1..).zip(pieces).map(|(position, word)| {
            position_of(word).ok_or_else(|| CodeError::Word { position, nearest: nearest(word) })
        });
        let words: Zeroizing<Vec<u16>> = Zeroizing::new(words.collect::<Result<_, _>>()?);
        if !(CODE_WORDS_MIN..=CODE_WORDS_MAX).contains(&words.len()) {
            return Err(CodeError::WordCount(words.len()));
        }
        Ok(Code { nameplate, words })
    }

    /// The number under which the sender waits at the relay. Not secret.
    pub fn nameplate(&self) -> u32 {
        self.nameplate
    }

    /// How many bits a stranger has to guess: 10 a word. The number is not counted, as the relay
    /// knows it.
    pub fn bits(&self) -> usize {
        BITS_PER_WORD * self.words.len()
    }

    /// The code itself, for the one who is to tell it.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(CODE_TEXT_SIZE_MAX));
        text.push_str(&self.nameplate.to_string());
        for index in self.words.iter() {
            text.push('-');
            text.push_str(WORDS[usize::from(*index)]);
        }
        text
    }
}

/// How what was typed so far of a code can go on: the words that its last piece may become, in
/// order; none for the number, and none for what is in no word.
pub fn code_completions(typed: &str) -> &'static [&'static str] {
    let lower = Zeroizing::new(typed.to_lowercase());
    match lower.rsplit_once(is_separator) {
        Some((before, last)) if !before.is_empty() => words_with(last),
        _ => &[],
    }
}

fn is_separator(letter: char) -> bool {
    letter == '-' || letter == '_' || letter == '.' || letter.is_whitespace()
}

/// Relays give numbers from 1 on, written without anything before them.
fn parse_nameplate(text: &str) -> Result<u32, CodeError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number > 0 && is_plain);
    number.ok_or(CodeError::Number)
}

fn position_of(word: &str) -> Option<u16> {
    if word.len() < PREFIX_SIZE {
        return None;
    }
    let start = WORDS.partition_point(|known| *known < word);
    let known = WORDS.get(start).filter(|known| known.starts_with(word))?;
    debug_assert!(known.len() >= PREFIX_SIZE);
    u16::try_from(start).ok()
}

/// The words that begin with this.
fn words_with(prefix: &str) -> &'static [&'static str] {
    let start = WORDS.partition_point(|word| *word < prefix);
    let count = WORDS[start..].partition_point(|word| word.starts_with(prefix));
    &WORDS[start..start + count]
}

/// The word that is the fewest slips away; of several, one that begins the same. What is typed is at
/// most [`CODE_TEXT_SIZE_MAX`] bytes.
fn nearest(word: &str) -> &'static str {
    let by_likeness = |known: &&str| {
        let is_same = |(one, other): &(u8, u8)| one == other;
        let begins_same = word.bytes().zip(known.bytes()).take_while(is_same).count();
        (slips(word, known), Reverse(begins_same))
    };
    WORDS.into_iter().min_by_key(by_likeness).unwrap_or(WORDS[0])
}

/// Letters to add, to leave out or to replace, to make one word of another (Levenshtein).
fn slips(typed: &str, word: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (index, letter) in typed.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (at, other) in word.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    let slips = row[word.len()];
    row.zeroize();
    slips
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("nameplate", &self.nameplate).finish_non_exhaustive()
    }
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodeError::Empty => f.write_str("no code was given: it looks like 7-amber-lagoon"),
            CodeError::Number => f.write_str(
                "a code begins with a number from 1 on, like 7-amber-lagoon: take all of it over",
            ),
            CodeError::WordCount(count) => write!(
                f,
                "a code has {CODE_WORDS_MIN} to {CODE_WORDS_MAX} words, and this one {count}: take \
                 all of it over"
            ),
            CodeError::Word { position, nearest } => write!(
                f,
                "word {position} of the code is none that codes are made of; the nearest is \
                 \"{nearest}\""
            ),
            CodeError::TooLong(size) => {
                write!(f, "{size} bytes are no code: at most {CODE_TEXT_SIZE_MAX} are looked at")
            }
            CodeError::NoRandomness => {
                f.write_str("this machine gives no randomness: no code can be made")
            }
        }
    }
}

impl std::error::Error for CodeError {}

#[cfg(test)]
mod tests;
