//! The head of an answer: status, how the body is framed (RFC 9112, section 6.3), and the few
//! headers that matter here. Pure.

use std::fmt;

use httparse::{EMPTY_HEADER, Response, Status};
use ringhold::wire::parse_content_range;

/// Most headers of an answer.
const HEADERS_MAX: usize = 96;
/// Longest head, bytes.
pub(crate) const HEAD_SIZE_MAX: usize = 64 << 10;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length.
    Sized(u64),
    /// By its last chunk.
    Chunked,
    /// By the end of the connection.
    ToClose,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// Whether the connection may be used again.
    pub(crate) is_kept: bool,
    pub(crate) location: Option<&'a str>,
    /// First and last position and the size of the whole.
    pub(crate) content_range: Option<(u64, u64, u64)>,
}

/// Why something is no answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    Syntax(httparse::Error),
    Length,
    TooLarge,
}

impl fmt::Display for HeadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeadFault::Syntax(error) => write!(f, "the answer is no HTTP/1: {error}"),
            HeadFault::Length => f.write_str("the answer's Content-Length is no length"),
            HeadFault::TooLarge => write!(f, "the answer's head exceeds {HEAD_SIZE_MAX} bytes"),
        }
    }
}

/// Reads the head at the start of `bytes`: it and its size, or nothing when its end is not in.
pub(crate) fn read_head(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, HeadFault> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    let size = match response.parse(bytes).map_err(HeadFault::Syntax)? {
        Status::Complete(size) => size,
        Status::Partial if bytes.len() >= HEAD_SIZE_MAX => return Err(HeadFault::TooLarge),
        Status::Partial => return Ok(None),
    };
    let mut head = Head {
        status: response.code.unwrap_or(0),
        framing: Framing::ToClose,
        is_kept: response.version == Some(1),
        location: None,
        content_range: None,
    };
    let (mut length, mut is_chunked) = (None, false);
    for header in response.headers.iter() {
        let value = str::from_utf8(header.value).unwrap_or_default().trim();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            length = Some(value.parse().map_err(|_| HeadFault::Length)?);
        } else if is("transfer-encoding") {
            is_chunked = has_word(value, "chunked");
        } else if is("connection") {
            let asks = has_word(value, "keep-alive") || head.is_kept;
            head.is_kept = asks && !has_word(value, "close");
        } else if is("location") {
            head.location = Some(value);
        } else if is("content-range") {
            head.content_range = parse_content_range(value);
        }
    }
    head.framing = match (head.status, is_chunked, length) {
        (100..=199 | 204 | 304, _, _) => Framing::Sized(0),
        (_, true, _) => Framing::Chunked,
        (_, false, Some(length)) => Framing::Sized(length),
        (_, false, None) => Framing::ToClose,
    };
    head.is_kept &= head.framing != Framing::ToClose;
    Ok(Some((head, size)))
}

fn has_word(list: &str, word: &str) -> bool {
    list.split(',').any(|item| item.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Head<'_> {
        let (head, size) = read_head(text.as_bytes()).unwrap().unwrap();
        assert_eq!(size, text.len());
        head
    }

    #[test]
    fn the_framing_of_a_body_is_what_the_rfc_says() {
        for (text, framing, is_kept) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", Framing::Sized(12), true),
            (
                "HTTP/1.1 200\r\ncontent-length:0\r\nconnection: Close\r\n\r\n",
                Framing::Sized(0),
                false,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked, true),
            ("HTTP/1.1 204 No Content\r\n\r\n", Framing::Sized(0), true),
            ("HTTP/1.1 100 Continue\r\n\r\n", Framing::Sized(0), true),
            ("HTTP/1.1 200 OK\r\n\r\n", Framing::ToClose, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", Framing::Sized(1), false),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n",
                Framing::Sized(1),
                true,
            ),
        ] {
            assert_eq!((head(text).framing, head(text).is_kept), (framing, is_kept), "{text}");
        }
    }

    #[test]
    fn headers_that_matter_are_read() {
        let text = "HTTP/1.1 206 Partial\r\nLocation: /files/a\r\nContent-Length: 5\r\n\
                    Content-Range: bytes 5-9/100\r\n\r\n";
        assert_eq!(head(text).location, Some("/files/a"));
        assert_eq!(head(text).content_range, Some((5, 9, 100)));
        assert_eq!(head(text).status, 206);
    }

    #[test]
    fn a_head_that_goes_on_is_waited_for_and_a_wrong_one_is_not() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n";
        for size in 0..text.len() {
            assert_eq!(read_head(&text[..size]), Ok(None));
        }
        for wrong in ["SSH-2.0-x\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "\0\0\0\0\0\0\0\0\0"] {
            let fault = read_head(wrong.as_bytes()).unwrap_err();
            assert!(matches!(fault, HeadFault::Syntax(_)), "{wrong}");
        }
        for wrong in ["-1", "x", "1,1", "99999999999999999999"] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {wrong}\r\n\r\n");
            assert_eq!(read_head(text.as_bytes()), Err(HeadFault::Length));
        }
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_SIZE_MAX));
        assert_eq!(read_head(endless.as_bytes()), Err(HeadFault::TooLarge));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200),
                                     text in "HTTP/1.1 [0-9]{3} [ -~\r\n:]{0,100}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(Some((_, size))) = read_head(bytes) {
                    prop_assert!(size <= bytes.len());
                }
            }
        }
    }
}
