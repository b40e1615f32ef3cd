//! Whether the bytes of a request head are one, and how its body is framed (RFC 9112).
//!
//! Two readers of the same bytes who disagree about where a request ends can be made to take a
//! body for a request. So what can be read in two ways is refused here, before the parser that
//! follows sees it: it forgives what the RFC lets it forgive, and drops a `Content-Length` beside
//! a `Transfer-Encoding` without a word.
//!
//! [`HeadScan::scan`] is called with all bytes of a head so far, as often as some come; it looks at
//! each line once, when it is whole.

use std::fmt;

use http::Uri;
use http::uri::Authority;

use crate::base::limits::{HEAD_SIZE_MAX, HEADERS_MAX, OBJECT_SIZE_MAX};

/// Which of all bytes are of one kind: a look is cheaper than the questions, and every request asks
/// for each byte of its head.
type Class = [bool; 256];

/// What a path may hold anywhere: `unreserved`, `:` and `/` (RFC 3986, sections 2.3 and 3.3).
static PLAIN_IN_PATH: Class = alphanumeric_and(b"-._~:/");
/// What a `token` is made of.
static IN_TOKEN: Class = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// How the body behind a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// That many bytes; 0 when the head says nothing (RFC 9112, section 6.3, rule 7).
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Its bytes, the empty line at its end included.
    pub size: usize,
    /// What follows it.
    pub framing: Framing,
}

/// Why bytes are refused as the head of a request. In the order of the statuses they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// No request line: a method, a target and a version with one space between them.
    RequestLine,
    /// The target is neither a path nor a URL of http or https.
    Target,
    /// A line that does not end in CR LF, or a control character.
    LineEnd,
    /// A header without a colon, with a space in its name, or continued from the line before.
    Field,
    /// No `Host` in HTTP/1.1, several, or one that names no host.
    Host,
    /// `Content-Length` is no number, too large a one, or there are several.
    Length,
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// `Transfer-Encoding` in HTTP/1.0, several, or one that does not end in `chunked`.
    Coding,
    /// The request line alone exceeds the limit.
    TargetTooLong,
    /// All of it exceeds the limit, or it has too many headers.
    TooLarge,
    /// A transfer coding besides `chunked`.
    CodingUnknown,
    /// `CONNECT`: this is no proxy.
    Connect,
    /// A version that is neither 1.0 nor 1.1.
    Version,
}

impl fmt::Display for HeadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeadFault::RequestLine => {
                "this is no HTTP/1.1 request: begin with a method, a path and HTTP/1.1"
            }
            HeadFault::Target => "the request target is neither a path nor an http URL",
            HeadFault::LineEnd => {
                "the request head has a control character, or a line that does not end in CR LF"
            }
            HeadFault::Field => "a header is malformed: send 'Name: value', one on each line",
            HeadFault::Host => "send one Host header with the name of this server",
            HeadFault::Length => "send one Content-Length, a plain decimal number",
            HeadFault::TwoLengths => "send Content-Length or Transfer-Encoding, not both",
            HeadFault::Coding => "send Transfer-Encoding: chunked once, in HTTP/1.1, or none",
            HeadFault::TargetTooLong => "the request line is too long: shorten the path",
            HeadFault::TooLarge => "the request head is too large: send fewer or shorter headers",
            HeadFault::CodingUnknown => "no transfer coding but chunked is understood here",
            HeadFault::Connect => "this server is no proxy: send the request itself",
            HeadFault::Version => "this server speaks HTTP/1.1 and 1.0",
        })
    }
}

impl std::error::Error for HeadFault {}

/// What the whole lines of a head said so far.
#[derive(Debug, Default)]
pub struct HeadScan {
    /// Where the next line starts.
    line_start: usize,
    /// Up to where its end was looked for.
    searched: usize,
    version: Option<Version>,
    header_count: usize,
    host_count: usize,
    length: Option<u64>,
    coding_count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

impl HeadScan {
    /// Looks at what came. `bytes` begins with the head (which may be preceded by empty lines:
    /// RFC 9112, section 2.2) and is the same as last time with more behind it.
    ///
    /// # Errors
    /// The first fault.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<RequestHead>, HeadFault> {
        while let Some(found) = memchr::memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + found;
            let line = &bytes[self.line_start..end];
            self.line_start = end + 1;
            self.searched = self.line_start;
            if self.line_start > HEAD_SIZE_MAX {
                return Err(self.too_large());
            }
            let line = line.strip_suffix(b"\r").ok_or(HeadFault::LineEnd)?;
            if let Some(framing) = self.line(line)? {
                return Ok(Some(RequestHead { size: self.line_start, framing }));
            }
        }
        self.searched = bytes.len();
        if bytes.len() > HEAD_SIZE_MAX { Err(self.too_large()) } else { Ok(None) }
    }

    fn too_large(&self) -> HeadFault {
        if self.version.is_none() { HeadFault::TargetTooLong } else { HeadFault::TooLarge }
    }

    /// One line; the framing when it is the last.
    fn line(&mut self, line: &[u8]) -> Result<Option<Framing>, HeadFault> {
        let Some(version) = self.version else {
            if !line.is_empty() {
                self.request_line(line)?;
            }
            return Ok(None);
        };
        if line.is_empty() {
            return self.framing(version).map(Some);
        }
        self.header_count += 1;
        if self.header_count > HEADERS_MAX {
            return Err(HeadFault::TooLarge);
        }
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.host_count += 1;
            if self.host_count > 1 || !is_host(value) {
                return Err(HeadFault::Host);
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(HeadFault::Length);
            }
            self.length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.coding_count += 1;
            if self.coding_count > 1 || version == Version::Http10 {
                return Err(HeadFault::Coding);
            }
            transfer_coding(value)?;
        }
        Ok(None)
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), HeadFault> {
        if hold_any(line, is_control) {
            return Err(HeadFault::LineEnd);
        }
        let mut words = line.split(|byte| *byte == b' ');
        let [Some(method), Some(target), Some(version), None] =
            [words.next(), words.next(), words.next(), words.next()]
        else {
            return Err(HeadFault::RequestLine);
        };
        if !is_token(method) || target.is_empty() {
            return Err(HeadFault::RequestLine);
        }
        self.version = Some(match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(HeadFault::Version);
            }
            _ => return Err(HeadFault::RequestLine),
        });
        if method == b"CONNECT" {
            return Err(HeadFault::Connect);
        }
        check_target(method, target)
    }

    fn framing(&self, version: Version) -> Result<Framing, HeadFault> {
        if self.host_count == 0 && version == Version::Http11 {
            return Err(HeadFault::Host);
        }
        match (self.length, self.coding_count) {
            (Some(_), 1..) => Err(HeadFault::TwoLengths),
            (None, 1..) => Ok(Framing::Chunked),
            (length, 0) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// Origin-form, absolute-form, and the asterisk of `OPTIONS` (RFC 9112, section 3.2).
fn check_target(method: &[u8], target: &[u8]) -> Result<(), HeadFault> {
    if target == b"*" {
        return if method == b"OPTIONS" { Ok(()) } else { Err(HeadFault::Target) };
    }
    // Most targets, file IDs among them; what else a path may hold the parser knows.
    if target.starts_with(b"/") && are_all(&PLAIN_IN_PATH, target) {
        return Ok(());
    }
    // A fragment stays with the client; the parser would drop it without a word.
    let has_fragment = target.contains(&b'#');
    let uri = Uri::try_from(target).ok().filter(|_| !has_fragment).ok_or(HeadFault::Target)?;
    let is_absolute = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| is_host(authority.as_str().as_bytes()));
    if target.starts_with(b"/") || is_absolute { Ok(()) } else { Err(HeadFault::Target) }
}

/// Name and value of a header line (RFC 9112, section 5).
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), HeadFault> {
    let colon = memchr::memchr(b':', line).ok_or(HeadFault::Field)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err(HeadFault::Field);
    }
    if hold_any(value, |byte| byte != b'\t' && is_control(byte)) {
        return Err(HeadFault::LineEnd);
    }
    Ok((name, trim(value)))
}

/// `1*DIGIT`, and no list of them: RFC 9110, section 8.6, lets a recipient refuse that.
fn content_length(value: &[u8]) -> Result<u64, HeadFault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HeadFault::Length);
    }
    let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    number.filter(|number| *number <= OBJECT_SIZE_MAX).ok_or(HeadFault::Length)
}

/// `chunked` and nothing else. Where other codings come before it they are not understood; where
/// it is not the last, nobody knows where the body ends (RFC 9112, section 6.3, rule 4).
fn transfer_coding(value: &[u8]) -> Result<(), HeadFault> {
    let mut codings = value.rsplit(|byte| *byte == b',').map(trim);
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_some_and(is_chunked) {
        return Err(HeadFault::Coding);
    }
    match codings.next() {
        None => Ok(()),
        Some(coding) if is_token(coding) && !is_chunked(coding) => Err(HeadFault::CodingUnknown),
        Some(_) => Err(HeadFault::Coding),
    }
}

/// `uri-host [ ":" port ]`, or empty, as RFC 9110, section 7.2, has it for targets without one.
fn is_host(value: &[u8]) -> bool {
    value.is_empty()
        || Authority::try_from(value).is_ok_and(|authority| {
            !authority.as_str().contains('@') && !authority.host().is_empty()
        })
}

/// Without the spaces and tabs around it.
fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(*byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn is_control(byte: u8) -> bool {
    byte < b' ' || byte == 0x7F
}

/// Looks at all of them, whatever it finds: many at a time.
fn hold_any(bytes: &[u8], is_one: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_one(*byte))
}

/// Letters, digits, and these.
const fn alphanumeric_and(others: &[u8]) -> Class {
    let mut class = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        class[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        class[others[index] as usize] = true;
        index += 1;
    }
    class
}

fn are_all(class: &Class, bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| class[usize::from(*byte)])
}

/// `token` of RFC 9110, section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && are_all(&IN_TOKEN, text)
}

#[cfg(test)]
mod tests;
