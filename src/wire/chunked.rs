//! Where a chunked body ends (RFC 9112, section 7.1), read strictly: what two readers could
//! understand differently ends the body in an error.
//!
//! ```text
//!         digits        CR LF            size bytes        CR LF
//!  Size ----------> ... ------> Data ------------------------------> Size
//!    |  ";" extension            (size 0: Trailers)
//!    |                  CR LF           CR LF
//!    +--> Trailers ---------> Trailers --------> Ended, when the line between them is empty
//! ```

use std::fmt;

use crate::base::limits::{CHUNK_EXTENSIONS_SIZE_MAX, OBJECT_SIZE_MAX, TRAILERS_SIZE_MAX};

/// Most digits of a chunk's size: those of the largest file.
const SIZE_DIGITS_MAX: u32 = 16;

/// Why a body is not chunked as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkFault {
    /// A chunk's size is no hexadecimal number, or too large a one.
    Size,
    /// The extensions of all chunks together exceed the limit.
    ExtensionsTooLarge,
    /// A line or a chunk does not end in CR LF, or has a control character.
    LineEnd,
    /// The trailers exceed the limit.
    TrailersTooLarge,
}

impl fmt::Display for ChunkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChunkFault::Size => "the size of a chunk is no hexadecimal number that fits a file",
            ChunkFault::ExtensionsTooLarge => "the chunk extensions are too large",
            ChunkFault::LineEnd => "a chunk or a line of it does not end in CR LF",
            ChunkFault::TrailersTooLarge => "the trailers are too large",
        })
    }
}

impl std::error::Error for ChunkFault {}

/// How far a chunked body has come.
#[derive(Debug)]
pub struct Chunks {
    stage: Stage,
    extensions_size: usize,
    trailers_size: usize,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Size { digits: u32, size: u64 },
    Extension { size: u64 },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    Trailers { line_size: usize },
    TrailerLineFeed { line_size: usize },
    Ended,
    Failed(ChunkFault),
}

const NEXT: Stage = Stage::Size { digits: 0, size: 0 };

impl Chunks {
    /// Before the first byte.
    pub fn new() -> Chunks {
        Chunks { stage: NEXT, extensions_size: 0, trailers_size: 0 }
    }

    /// Whether the last byte of the body was seen.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Bytes that are the content of a chunk whatever they are.
    pub fn data_left(&self) -> u64 {
        if let Stage::Data { left } = self.stage { left } else { 0 }
    }

    /// Takes the next bytes; how many of them belong to the body: all until it ends.
    ///
    /// # Errors
    /// What is wrong with it, from here on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, ChunkFault> {
        let mut fed = 0;
        while let Some(byte) = bytes.get(fed).copied()
            && !self.has_ended()
        {
            let left = self.data_left();
            if left > 0 {
                let size = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - fed);
                self.skip_data(size as u64);
                fed += size;
            } else {
                self.stage = self.next(byte).unwrap_or_else(Stage::Failed);
                if let Stage::Failed(fault) = self.stage {
                    return Err(fault);
                }
                fed += 1;
            }
        }
        Ok(fed)
    }

    /// Passes over content, at most what [`Chunks::data_left`] says.
    pub fn skip_data(&mut self, size: u64) {
        let left = self.data_left().checked_sub(size);
        self.stage = match left {
            Some(0) => Stage::DataReturn,
            Some(left) => Stage::Data { left },
            None => unreachable!("nobody skips more than there is"),
        };
    }

    /// One byte that is no content.
    fn next(&mut self, byte: u8) -> Result<Stage, ChunkFault> {
        Ok(match (self.stage, byte) {
            (Stage::Size { digits, size }, _) => size_byte(digits, size, byte)?,
            (Stage::Extension { size } | Stage::SizeLineFeed { size }, _) => {
                self.line_end(size, byte)?
            }
            (Stage::DataReturn, b'\r') => Stage::DataLineFeed,
            (Stage::DataLineFeed, b'\n') => NEXT,
            (Stage::Trailers { line_size }, b'\r') => Stage::TrailerLineFeed { line_size },
            (Stage::Trailers { line_size }, _) if is_text(byte) => {
                self.trailers_size += 1;
                if self.trailers_size > TRAILERS_SIZE_MAX {
                    return Err(ChunkFault::TrailersTooLarge);
                }
                Stage::Trailers { line_size: line_size + 1 }
            }
            (Stage::TrailerLineFeed { line_size: 0 }, b'\n') => Stage::Ended,
            (Stage::Failed(fault), _) => return Err(fault),
            (Stage::TrailerLineFeed { .. }, b'\n') => Stage::Trailers { line_size: 0 },
            _ => return Err(ChunkFault::LineEnd),
        })
    }

    /// Behind the digits of a size: an extension, or the end of the line.
    fn line_end(&mut self, size: u64, byte: u8) -> Result<Stage, ChunkFault> {
        match (self.stage, byte) {
            (Stage::SizeLineFeed { .. }, b'\n') if size == 0 => {
                Ok(Stage::Trailers { line_size: 0 })
            }
            (Stage::SizeLineFeed { .. }, b'\n') => Ok(Stage::Data { left: size }),
            (Stage::Extension { .. }, b'\r') => Ok(Stage::SizeLineFeed { size }),
            (Stage::Extension { .. }, _) if is_text(byte) => {
                self.extensions_size += 1;
                if self.extensions_size > CHUNK_EXTENSIONS_SIZE_MAX {
                    return Err(ChunkFault::ExtensionsTooLarge);
                }
                Ok(Stage::Extension { size })
            }
            _ => Err(ChunkFault::LineEnd),
        }
    }
}

impl Default for Chunks {
    fn default() -> Chunks {
        Chunks::new()
    }
}

fn size_byte(digits: u32, size: u64, byte: u8) -> Result<Stage, ChunkFault> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        let grown = size.checked_mul(16).map(|size| size | u64::from(digit));
        let grown = grown.filter(|size| digits < SIZE_DIGITS_MAX && *size <= OBJECT_SIZE_MAX);
        let size = grown.ok_or(ChunkFault::Size)?;
        return Ok(Stage::Size { digits: digits + 1, size });
    }
    match byte {
        b';' if digits > 0 => Ok(Stage::Extension { size }),
        b'\r' if digits > 0 => Ok(Stage::SizeLineFeed { size }),
        _ => Err(ChunkFault::Size),
    }
}

/// What may stand in an extension or a trailer line.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7F
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of `step`; how many belong to the body, and whether it ended.
    fn feed(bytes: &[u8], step: usize) -> Result<(usize, bool), ChunkFault> {
        let mut chunks = Chunks::new();
        let mut fed = 0;
        for piece in bytes.chunks(step) {
            fed += chunks.feed(piece)?;
        }
        Ok((fed, chunks.has_ended()))
    }

    #[test]
    fn a_body_ends_where_its_last_chunk_and_trailers_do() {
        for (body, behind) in [
            ("0\r\n\r\n", "GET /"),
            ("5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n"),
            ("5;a=b;c=\"d\"\r\nhello\r\n00\r\nTrailer: a\r\nOther: b\r\n\r\n", "x"),
            ("A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
            ("0000000000000001\r\nx\r\n0\r\n\r\n", ""),
        ] {
            let bytes = format!("{body}{behind}");
            for step in [1, 2, 3, 1000] {
                assert_eq!(feed(bytes.as_bytes(), step), Ok((body.len(), true)), "{body:?} {step}");
            }
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let long = format!("5;{}\r\n", "x".repeat(CHUNK_EXTENSIONS_SIZE_MAX + 1));
        let trailers = format!("0\r\na: {}\r\n\r\n", "x".repeat(TRAILERS_SIZE_MAX));
        for (body, fault) in [
            ("-5\r\nhello", ChunkFault::Size),
            ("+5\r\nhello", ChunkFault::Size),
            ("0x5\r\nhello", ChunkFault::Size),
            (" 5\r\nhello", ChunkFault::Size),
            ("5 \r\nhello", ChunkFault::Size),
            ("5_0\r\n", ChunkFault::Size),
            ("\r\nhello", ChunkFault::Size),
            (";a\r\n", ChunkFault::Size),
            ("5\nhello", ChunkFault::Size),
            ("g\r\n", ChunkFault::Size),
            ("ffffffffffffffff\r\n", ChunkFault::Size),
            ("8000000000000000\r\n", ChunkFault::Size),
            ("00000000000000005\r\nhello", ChunkFault::Size),
            ("5\rhello", ChunkFault::LineEnd),
            ("5;a\nhello", ChunkFault::LineEnd),
            ("5;a\0\r\nhello", ChunkFault::LineEnd),
            ("5\r\nhelloworld\r\n", ChunkFault::LineEnd),
            ("5\r\nhello\n0\r\n\r\n", ChunkFault::LineEnd),
            ("0\r\na: b\nc: d\r\n\r\n", ChunkFault::LineEnd),
            ("0\r\n\rx", ChunkFault::LineEnd),
            (&long, ChunkFault::ExtensionsTooLarge),
            (&trailers, ChunkFault::TrailersTooLarge),
        ] {
            for step in [1, 1 << 20] {
                assert_eq!(feed(body.as_bytes(), step), Err(fault), "{body:?}");
            }
        }
    }

    #[test]
    fn content_may_be_passed_over_without_a_look_at_it() {
        let mut chunks = Chunks::new();
        chunks.feed(b"ff\r\nab").unwrap();
        assert_eq!(chunks.data_left(), 253);
        chunks.skip_data(253);
        assert_eq!((chunks.data_left(), chunks.feed(b"\r\n0\r\n\r\n")), (0, Ok(7)));
        assert!(chunks.has_ended());
    }

    #[test]
    fn a_body_that_goes_on_has_not_ended() {
        for body in ["", "5", "5\r\n", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\na: b\r\n"] {
            assert_eq!(feed(body.as_bytes(), 1), Ok((body.len(), false)), "{body:?}");
        }
    }
}
