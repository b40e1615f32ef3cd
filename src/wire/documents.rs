//! The splitter ahead of the multipart parser: finds where multipart documents begin and end in
//! the bytes of a request, and keeps every unbounded part of the grammar bounded.
//!
//! The parser behind it (multer) reads one document whose boundary is known, and buffers preambles
//! and part headers without a limit. Clients of the older system send several documents one after
//! another, or one without saying its boundary. So the bytes pass through here first:
//!
//! 1. [`Documents::push`] gives a piece of the body, cut anywhere.
//! 2. [`Documents::pull`] until it returns `None`: [`Event::Begin`] names the boundary of a
//!    document, [`Event::Data`] are its bytes from its first boundary line to its closing
//!    delimiter, uncopied, and [`Event::End`] follows them.
//! 3. [`Documents::finish`] at the end of the body tells whether the body was whole.
//!
//! ```text
//!            boundary line             CRLFCRLF          CRLF--boundary
//! Between ------------------> PartHead ---------> PartData ------------> AfterDelimiter
//!  ^   |                         ^                                         |        |
//!  |   | another line            +------------------ CRLF -----------------+        |
//!  |   v                                                                            |
//!  | Epilogue                                                                       |
//!  +------------------------------------ "--" --------------------------------------+
//! ```

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::content_type::is_boundary;
use crate::base::limits::{BOUNDARY_SIZE_MAX, PART_HEAD_SIZE_MAX, PARTS_MAX, PREAMBLE_SIZE_MAX};

/// Spaces that may follow a boundary on its line.
const PADDING_SIZE_MAX: usize = 64;
/// A boundary line with its dashes, padding and line break, bytes; a longer line is none.
const LINE_SIZE_MAX: usize = 2 + BOUNDARY_SIZE_MAX + 2 + PADDING_SIZE_MAX + 2;

/// What the bytes hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A document begins; its boundary.
    Begin(String),
    /// Bytes of the document.
    Data(Bytes),
    /// The document ended with its closing delimiter.
    End,
}

/// Why the bytes are no multipart documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// No boundary line where the first document should begin.
    NoBoundary,
    /// Something else than a line break or `--` after a boundary.
    BrokenDelimiter,
    /// A part without any header.
    HeadMissing,
    /// The headers of a part exceed their limit.
    HeadTooLarge,
    /// More parts than allowed.
    TooManyParts,
    /// The body ended before the closing delimiter.
    Truncated,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DocumentError::NoBoundary => {
                f.write_str("the body does not start with its multipart boundary line")
            }
            DocumentError::BrokenDelimiter => {
                f.write_str("a boundary in the body is not followed by a line break")
            }
            DocumentError::HeadMissing => {
                f.write_str("a part has no headers; it needs Content-Disposition")
            }
            DocumentError::HeadTooLarge => {
                write!(f, "the headers of a part exceed {PART_HEAD_SIZE_MAX} bytes")
            }
            DocumentError::TooManyParts => {
                write!(f, "the body has more than {PARTS_MAX} parts; send several requests")
            }
            DocumentError::Truncated => {
                f.write_str("the body ends before its closing multipart boundary")
            }
        }
    }
}

impl std::error::Error for DocumentError {}

/// The splitter; one per request.
#[derive(Debug)]
pub struct Documents {
    declared: Option<String>,
    stage: Stage,
    input: Bytes,
    ready: VecDeque<Event>,
    delimiter: Search,
    head_end: Search,
    part_count: usize,
    document_count: usize,
}

#[derive(Debug)]
enum Stage {
    Between(Line),
    PartHead { size_bytes: usize },
    PartData,
    AfterDelimiter(Delimiter),
    Epilogue,
}

/// How much of what follows a boundary has been seen.
#[derive(Clone, Copy, Debug)]
enum Delimiter {
    Boundary { padding_size: usize },
    Dash,
    CarriageReturn,
}

impl Documents {
    /// For a request whose Content-Type names the boundary of its first document.
    pub fn declared(boundary: &str) -> Documents {
        Documents::new(Some(boundary.to_owned()))
    }

    /// For a request that names none: its first line must be a boundary line.
    pub fn sniffed() -> Documents {
        Documents::new(None)
    }

    /// Takes the next bytes of the body. All events of the bytes before must have been pulled.
    pub fn push(&mut self, bytes: Bytes) {
        assert!(self.input.is_empty());
        self.input = bytes;
    }

    /// The next event, or `None` when more bytes are needed.
    pub fn pull(&mut self) -> Result<Option<Event>, DocumentError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.input.is_empty() {
                return Ok(None);
            }
            self.step()?;
        }
    }

    /// Whether the body may end here.
    pub fn finish(&self) -> Result<(), DocumentError> {
        match &self.stage {
            Stage::Between(line) if line.boundary(self.expected()).is_some() => {
                Err(DocumentError::Truncated)
            }
            Stage::Between(_) if self.document_count == 0 => Err(DocumentError::NoBoundary),
            Stage::Between(_) | Stage::Epilogue => Ok(()),
            Stage::PartHead { .. } | Stage::PartData | Stage::AfterDelimiter(_) => {
                Err(DocumentError::Truncated)
            }
        }
    }

    fn new(declared: Option<String>) -> Documents {
        Documents {
            declared,
            stage: Stage::Between(Line::default()),
            input: Bytes::new(),
            ready: VecDeque::new(),
            delimiter: Search::new(b"\r\n--"),
            head_end: Search::new(b"\r\n\r\n"),
            part_count: 0,
            document_count: 0,
        }
    }

    /// Consumes at least one byte of the input.
    fn step(&mut self) -> Result<(), DocumentError> {
        match &mut self.stage {
            Stage::Between(_) => self.step_between(),
            Stage::PartHead { size_bytes } => {
                let (found, size) = self.head_end.feed(&self.input);
                *size_bytes += size;
                let head_size_bytes = *size_bytes;
                self.pass(size);
                if head_size_bytes > PART_HEAD_SIZE_MAX {
                    return Err(DocumentError::HeadTooLarge);
                }
                if found {
                    // The search began with the line break of the boundary line.
                    if head_size_bytes == b"\r\n".len() {
                        return Err(DocumentError::HeadMissing);
                    }
                    self.delimiter.restart(b"");
                    self.stage = Stage::PartData;
                }
                Ok(())
            }
            Stage::PartData => {
                let (found, size) = self.delimiter.feed(&self.input);
                self.pass(size);
                if found {
                    self.stage = Stage::AfterDelimiter(Delimiter::Boundary { padding_size: 0 });
                }
                Ok(())
            }
            Stage::AfterDelimiter(seen) => {
                let seen = *seen;
                self.step_after_delimiter(seen)
            }
            Stage::Epilogue => {
                self.input.clear();
                Ok(())
            }
        }
    }

    /// Looks at whole lines for the one that begins a document.
    fn step_between(&mut self) -> Result<(), DocumentError> {
        let Stage::Between(line) = &mut self.stage else { return Ok(()) };
        let is_whole = line.take(&mut self.input);
        if line.skipped_size > PREAMBLE_SIZE_MAX {
            return self.no_boundary();
        }
        if !is_whole {
            return Ok(());
        }
        // A borrow of one field, where `expected()` would borrow all.
        let expected = if self.document_count == 0 { self.declared.as_deref() } else { None };
        if let Some((boundary, is_closing)) = line.boundary(expected) {
            return self.begin(&boundary, is_closing);
        }
        // A preamble is skipped where the boundary is known; where it is not, the first line with
        // anything on it decides.
        if expected.is_some() || line.is_blank() {
            line.skip();
            return Ok(());
        }
        self.no_boundary()
    }

    /// The boundary that the next document must have: only the first one's can be declared.
    fn expected(&self) -> Option<&str> {
        if self.document_count == 0 { self.declared.as_deref() } else { None }
    }

    fn begin(&mut self, boundary: &str, is_closing: bool) -> Result<(), DocumentError> {
        self.document_count += 1;
        self.ready.push_back(Event::Begin(boundary.to_owned()));
        if is_closing {
            self.ready.push_back(Event::Data(Bytes::from(format!("--{boundary}--"))));
            self.end();
            return Ok(());
        }
        self.ready.push_back(Event::Data(Bytes::from(format!("--{boundary}\r\n"))));
        self.delimiter = Search::new(format!("\r\n--{boundary}").as_bytes());
        self.begin_part()
    }

    fn begin_part(&mut self) -> Result<(), DocumentError> {
        self.part_count += 1;
        if self.part_count > PARTS_MAX {
            return Err(DocumentError::TooManyParts);
        }
        self.head_end.restart(b"\r\n");
        self.stage = Stage::PartHead { size_bytes: 0 };
        Ok(())
    }

    fn step_after_delimiter(&mut self, seen: Delimiter) -> Result<(), DocumentError> {
        let Some(byte) = self.input.first().copied() else { return Ok(()) };
        self.pass(1);
        let next = match (seen, byte) {
            (Delimiter::Boundary { padding_size: 0 }, b'-') => Delimiter::Dash,
            (Delimiter::Boundary { padding_size }, b' ' | b'\t')
                if padding_size < PADDING_SIZE_MAX =>
            {
                Delimiter::Boundary { padding_size: padding_size + 1 }
            }
            (Delimiter::Boundary { .. }, b'\r') => Delimiter::CarriageReturn,
            (Delimiter::CarriageReturn, b'\n') => return self.begin_part(),
            (Delimiter::Dash, b'-') => {
                self.end();
                return Ok(());
            }
            _ => return Err(DocumentError::BrokenDelimiter),
        };
        self.stage = Stage::AfterDelimiter(next);
        Ok(())
    }

    fn end(&mut self) {
        self.ready.push_back(Event::End);
        self.stage = Stage::Between(Line::default());
    }

    /// No further document. What follows a whole one is its epilogue, which is to be ignored (RFC
    /// 2046, section 5.1.1).
    fn no_boundary(&mut self) -> Result<(), DocumentError> {
        if self.document_count == 0 {
            return Err(DocumentError::NoBoundary);
        }
        self.stage = Stage::Epilogue;
        Ok(())
    }

    /// Hands on the next bytes of the input as they are.
    fn pass(&mut self, size: usize) {
        self.ready.push_back(Event::Data(self.input.split_to(size)));
    }
}

/// The line at the end of what was skipped.
#[derive(Debug, Default)]
struct Line {
    text: Vec<u8>,
    skipped_size: usize,
}

impl Line {
    /// Takes bytes up to the end of the line; true when the line is whole. A line too long to be a
    /// boundary line is cut: its end is all that is kept of it.
    fn take(&mut self, input: &mut Bytes) -> bool {
        let end = memchr::memchr(b'\n', input).map(|index| index + 1);
        let taken = input.split_to(end.unwrap_or(input.len()));
        self.skipped_size = self.skipped_size.saturating_add(taken.len());
        let room = (LINE_SIZE_MAX + 1).saturating_sub(self.text.len());
        self.text.extend(taken.iter().take(room));
        end.is_some()
    }

    /// Begins the next line.
    fn skip(&mut self) {
        self.text.clear();
    }

    fn is_blank(&self) -> bool {
        self.text.trim_ascii().is_empty()
    }

    /// The boundary on this line and whether it closes an empty document, if this is a boundary
    /// line (of the `expected` boundary).
    fn boundary(&self, expected: Option<&str>) -> Option<(String, bool)> {
        if self.text.len() > LINE_SIZE_MAX {
            return None;
        }
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        let text = text.strip_suffix(b"\r").unwrap_or(text).trim_ascii_end();
        let text = std::str::from_utf8(text.strip_prefix(b"--")?).ok()?;
        if let Some(expected) = expected {
            let rest = text.strip_prefix(expected)?;
            return matches!(rest, "" | "--").then(|| (expected.to_owned(), rest == "--"));
        }
        let (boundary, is_closing) = match text.strip_suffix("--") {
            Some(boundary) => (boundary, true),
            None => (text, false),
        };
        is_boundary(boundary.as_bytes()).then(|| (boundary.to_owned(), is_closing))
    }
}

/// A search for a short needle in bytes that come in pieces.
#[derive(Debug)]
struct Search {
    finder: Finder<'static>,
    /// The last bytes before the next piece, fewer than the needle has.
    tail: Vec<u8>,
}

impl Search {
    fn new(needle: &[u8]) -> Search {
        Search { finder: Finder::new(needle).into_owned(), tail: Vec::new() }
    }

    /// Forgets what came before; the next piece follows `tail`.
    fn restart(&mut self, tail: &[u8]) {
        self.tail.clear();
        self.tail.extend_from_slice(tail);
    }

    /// Looks at the next piece: whether the needle ends in it, and the size of the piece up to
    /// there (all of it when it does not).
    fn feed(&mut self, piece: &[u8]) -> (bool, usize) {
        let needle_size = self.finder.needle().len();
        // First where the needle straddles the pieces: it has at least one byte in this one, and
        // its last byte is at most a needle's size into it.
        let seam_size = piece.len().min(needle_size - 1);
        let tail_size = self.tail.len();
        self.tail.extend(piece.iter().take(seam_size));
        if let Some(start) = self.finder.find(&self.tail) {
            return (true, start + needle_size - tail_size);
        }
        if let Some(start) = self.finder.find(piece) {
            return (true, start + needle_size);
        }
        if piece.len() > seam_size {
            self.tail.clear();
            self.tail.extend(piece.iter().skip(piece.len() - seam_size));
        }
        let excess = self.tail.len().saturating_sub(needle_size - 1);
        self.tail.drain(..excess);
        (false, piece.len())
    }
}

#[cfg(test)]
mod tests;
