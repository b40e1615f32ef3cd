//! Keeps what strangers send from speaking to the operator's terminal, and from beginning a line of
//! its own. Every line of the log passes through here, as a whole, on its way to its writer.
//!
//! JSON escapes the control characters of ASCII; those of Latin-1 (U+0080 to U+009F, which some
//! terminals obey) and DEL it does not. The formatter for people lets line breaks pass, and in
//! values that are shown by their `Display` everything. So whatever is left is escaped here, in
//! JSON's spelling. That is why lines have no colours: they are control characters too.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Escapes the lines for another writer.
#[derive(Clone, Debug)]
pub(super) struct Escaping<M>(pub(super) M);

/// The way of one line.
#[derive(Debug)]
pub(super) struct EscapingLine<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaping<M> {
    type Writer = EscapingLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingLine(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        EscapingLine(self.0.make_writer_for(metadata))
    }
}

impl<W: Write> Write for EscapingLine<W> {
    /// A whole line, as the subscriber writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&escape(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escape(line: &[u8]) -> Cow<'_, [u8]> {
    let (text, end) = match line.split_last() {
        Some((b'\n', text)) => (text, "\n"),
        _ => (line, ""),
    };
    // 0xC2 begins the control characters of Latin-1, and a few others.
    if !text.iter().any(|byte| matches!(byte, 0..=0x1F | 0x7F | 0xC2)) {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for character in String::from_utf8_lossy(text).chars() {
        if character.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped.push_str(end);
    Cow::Owned(escaped.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_end_and_its_letters() {
        for (line, escaped) in [
            ("plain\n", "plain\n"),
            ("", ""),
            ("\n", "\n"),
            ("\u{1b}[2Jx\n", "\\u001b[2Jx\n"),
            ("a\nb\r\0\t\u{7f}\n", "a\\u000ab\\u000d\\u0000\\u0009\\u007f\n"),
            ("\u{9b}31m", "\\u009b31m"),
            ("2 \u{a2}, \u{e4}\n", "2 \u{a2}, \u{e4}\n"),
        ] {
            assert_eq!(escape(line.as_bytes()), escaped.as_bytes(), "{line:?}");
        }
    }
}
