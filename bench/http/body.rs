//! The body of an answer as it comes in: where it ends, and which of its bytes may be dropped
//! without a look. Pure.

use ringhold::wire::{ChunkFault, Chunks};

use super::answer::Framing;

/// How far a body has come.
#[derive(Debug)]
pub(crate) enum Body {
    Sized { left: u64 },
    Chunked(Chunks),
    ToClose { is_closed: bool },
}

impl Body {
    /// Before its first byte.
    pub(crate) fn new(framing: Framing) -> Body {
        match framing {
            Framing::Sized(left) => Body::Sized { left },
            Framing::Chunked => Body::Chunked(Chunks::new()),
            Framing::ToClose => Body::ToClose { is_closed: false },
        }
    }

    /// Whether its last byte was seen.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Body::Sized { left } => *left == 0,
            Body::Chunked(chunks) => chunks.has_ended(),
            Body::ToClose { is_closed } => *is_closed,
        }
    }

    /// How many of the next bytes are content whatever they are.
    pub(crate) fn content_left(&self) -> u64 {
        match self {
            Body::Sized { left } => *left,
            Body::Chunked(chunks) => chunks.data_left(),
            Body::ToClose { .. } => u64::MAX,
        }
    }

    /// Passes over content, at most what [`Body::content_left`] says.
    pub(crate) fn skip(&mut self, size: u64) {
        match self {
            Body::Sized { left } => *left = left.saturating_sub(size),
            Body::Chunked(chunks) => chunks.skip_data(size.min(chunks.data_left())),
            Body::ToClose { .. } => {}
        }
    }

    /// Takes the next bytes and gives their content to `each`; how many belong to the body.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<usize, ChunkFault> {
        let mut fed = 0;
        while fed < bytes.len() && !self.has_ended() {
            let rest = &bytes[fed..];
            let content =
                usize::try_from(self.content_left()).unwrap_or(usize::MAX).min(rest.len());
            if content > 0 {
                each(&rest[..content]);
                self.skip(content as u64);
                fed += content;
            } else if let Body::Chunked(chunks) = self {
                // A byte at a time: the framing ends where content begins.
                fed += chunks.feed(&rest[..1])?;
            }
        }
        Ok(fed)
    }

    /// The connection was closed; whether that is how this body ends.
    pub(crate) fn close(&mut self) -> bool {
        if let Body::ToClose { is_closed } = self {
            *is_closed = true;
        }
        self.has_ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(framing: Framing, bytes: &[u8], step: usize) -> (Vec<u8>, usize, bool) {
        let (mut body, mut content, mut fed) = (Body::new(framing), Vec::new(), 0);
        for piece in bytes.chunks(step) {
            fed += body.feed(piece, |bytes| content.extend_from_slice(bytes)).unwrap();
        }
        (content, fed, body.has_ended())
    }

    #[test]
    fn content_is_told_from_framing() {
        let chunked = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nA: b\r\n\r\n";
        for step in [1, 2, 7, 1000] {
            let more = [chunked.as_slice(), b"HTTP/1.1"].concat();
            let expected = (b"hello world".to_vec(), chunked.len(), true);
            assert_eq!(content(Framing::Chunked, &more, step), expected, "{step}");
            let sized = content(Framing::Sized(5), b"hello, HTTP", step);
            assert_eq!(sized, (b"hello".to_vec(), 5, true));
        }
        assert_eq!(content(Framing::ToClose, b"hello", 2), (b"hello".to_vec(), 5, false));
    }

    #[test]
    fn a_closed_connection_ends_only_a_body_without_a_frame() {
        assert!(Body::new(Framing::ToClose).close());
        assert!(!Body::new(Framing::Sized(1)).close());
        assert!(!Body::new(Framing::Chunked).close());
        assert!(Body::new(Framing::Sized(0)).close());
    }

    #[test]
    fn what_is_dropped_unseen_counts_as_seen() {
        let mut body = Body::new(Framing::Chunked);
        body.feed(b"ff\r\n", |_| ()).unwrap();
        assert_eq!(body.content_left(), 255);
        body.skip(255);
        assert_eq!(body.feed(b"\r\n0\r\n\r\n", |_| ()), Ok(7));
        assert!(body.has_ended());
    }

    #[test]
    fn wrong_framing_is_an_error() {
        assert!(Body::new(Framing::Chunked).feed(b"xyz\r\n", |_| ()).is_err());
    }
}
