//! The prompt for a code: letters, Backspace, and Tab, which completes the word that is being typed.
//!
//! The terminal gives each key by itself while it is asked, and is put back however that ends. What is
//! typed is a line of text and a list of keys; the rest of the terminal's own line editing is not
//! needed for three words.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _, stderr, stdin};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::Failure;
use crate::base::limits::CODE_TEXT_SIZE_MAX;
use crate::client::peer::{Code, code_completions};

const PROMPT: &str = "code: ";
/// Longest answer to a question, bytes.
const ANSWER_SIZE_MAX: u64 = 64;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Letter(char),
    Erase,
    EraseAll,
    Complete,
    Enter,
    Stop,
    /// Nothing that is known here.
    Other,
}

/// What is typed so far.
#[derive(Default)]
struct Editor {
    typed: Zeroizing<String>,
}

/// What is to be done after a key.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Show,
    /// These words are possible.
    Offer(&'static [&'static str]),
    Finish,
    Stop,
}

/// Asks for a code: at a terminal as often as one is wrong, else once, on a line of stdin.
pub(super) fn ask_code() -> Result<Code, Failure> {
    if !stdin().is_terminal() {
        let line = read_line(CODE_TEXT_SIZE_MAX as u64);
        let line = line.map_err(|error| Failure::failed(format!("cannot read stdin: {error}")))?;
        return Code::parse(&line).map_err(Failure::usage);
    }
    loop {
        let typed = edit().map_err(|error| {
            Failure::failed(format!("cannot ask at this terminal ({error}): give the code as CODE"))
        })?;
        let Some(typed) = typed else { return Err(Failure::failed("no code was given")) };
        match Code::parse(&typed) {
            Ok(code) => return Ok(code),
            Err(error) => say(&format!("{error}\n")),
        }
    }
}

/// A line of the terminal, as an answer to a question.
pub(super) fn read_answer() -> io::Result<String> {
    read_line(ANSWER_SIZE_MAX).map(|line| line.to_string())
}

fn read_line(size_max: u64) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    stdin().lock().take(size_max).read_line(&mut line)?;
    Ok(line)
}

/// The keys to the end of a line; `None` when whoever sits there wants to stop.
fn edit() -> io::Result<Option<Zeroizing<String>>> {
    let _raw = Raw::new()?;
    let mut editor = Editor::default();
    let mut keys = stdin().lock().bytes();
    loop {
        say(&format!("\r\x1b[K{PROMPT}{}", *editor.typed));
        let Some(byte) = keys.next().transpose()? else { return Ok(None) };
        match editor.press(key(byte)) {
            Next::Show => {}
            Next::Offer(words) => say(&format!("\r\n{}\r\n", words.join(" "))),
            Next::Finish => {
                say("\n");
                return Ok(Some(editor.typed));
            }
            Next::Stop => {
                say("\n");
                return Ok(None);
            }
        }
    }
}

fn key(byte: u8) -> Key {
    match byte {
        b'\t' => Key::Complete,
        b'\r' | b'\n' => Key::Enter,
        0x08 | 0x7f => Key::Erase,
        // Control with U, C and D.
        0x15 => Key::EraseAll,
        0x03 | 0x04 => Key::Stop,
        b' '..=b'~' => Key::Letter(char::from(byte)),
        _ => Key::Other,
    }
}

impl Editor {
    fn press(&mut self, key: Key) -> Next {
        match key {
            Key::Letter(letter) if self.typed.len() < CODE_TEXT_SIZE_MAX => self.typed.push(letter),
            Key::Erase => drop(self.typed.pop()),
            Key::EraseAll => self.typed.clear(),
            Key::Complete => return self.complete(),
            Key::Enter => return Next::Finish,
            Key::Stop => return Next::Stop,
            Key::Letter(_) | Key::Other => {}
        }
        Next::Show
    }

    /// As far as all the words go that begin so; a word that is the only one gets its dash.
    fn complete(&mut self) -> Next {
        let words = code_completions(&self.typed);
        let start = self.typed.rfind(['-', ' ']).map_or(0, |dash| dash + 1);
        match words {
            [] => Next::Show,
            [word] => {
                self.typed.truncate(start);
                self.typed.push_str(word);
                self.typed.push('-');
                Next::Show
            }
            [first, .., last] => {
                // They are in order, so what these two share all of them do.
                let shared = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
                let is_longer = shared > self.typed.len() - start;
                if is_longer && let Some(more) = first.get(..shared) {
                    self.typed.truncate(start);
                    self.typed.push_str(more);
                    return Next::Show;
                }
                Next::Offer(words)
            }
        }
    }
}

/// A terminal that gives each key by itself, until this is dropped.
struct Raw {
    before: Termios,
}

impl Raw {
    fn new() -> io::Result<Raw> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        Ok(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone has no modes.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// Who closed stderr does not want to know.
fn say(text: &str) {
    let mut out = stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, keys: &[u8]) -> Vec<Next> {
        keys.iter().map(|byte| editor.press(key(*byte))).collect()
    }

    #[test]
    fn a_word_is_completed_and_what_is_left_is_typed() {
        let code = Code::random(7, 3).unwrap();
        let mut editor = Editor::default();
        for (index, part) in code.text().split('-').enumerate() {
            // Four letters tell a word from all others; the number is typed to its end.
            let letters = part.bytes().take(if index == 0 { part.len() } else { 4 });
            typed(&mut editor, &letters.collect::<Vec<_>>());
            let last = if index == 0 { b'-' } else { b'\t' };
            assert_eq!(typed(&mut editor, &[last]), [Next::Show]);
        }
        assert_eq!(*editor.typed, format!("{}-", *code.text()));
        typed(&mut editor, &[0x7f]);
        assert_eq!(typed(&mut editor, b"\r"), [Next::Finish]);
        assert_eq!(Code::parse(&editor.typed).unwrap().text(), code.text());
    }

    #[test]
    fn what_is_not_clear_is_offered() {
        let mut editor = Editor::default();
        typed(&mut editor, b"7-");
        let Next::Offer(words) = editor.press(Key::Complete) else { panic!("one word") };
        assert!(words.len() > 100);
        assert_eq!(*editor.typed, "7-", "nothing is chosen");
    }

    #[test]
    fn keys_that_mean_nothing_change_nothing_and_the_line_has_an_end() {
        let mut editor = Editor::default();
        typed(&mut editor, b"7-ab\x1b\x00\xff");
        assert_eq!(*editor.typed, "7-ab");
        typed(&mut editor, b"\x08\x08");
        assert_eq!(*editor.typed, "7-");
        typed(&mut editor, &[b'a'; 2 * CODE_TEXT_SIZE_MAX]);
        assert_eq!(editor.typed.len(), CODE_TEXT_SIZE_MAX);
        typed(&mut editor, b"\x15");
        assert_eq!(*editor.typed, "");
        assert_eq!(typed(&mut editor, b"\x03"), [Next::Stop]);
    }
}
