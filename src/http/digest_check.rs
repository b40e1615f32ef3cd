//! Whether a body is what its digest fields say: `Content-MD5`, `Content-Digest` and `Repr-Digest`,
//! in the head of a request or of a form's part, or in the trailers of a chunked request.
//!
//! All three speak of the same bytes here: what follows the head they stand in, without the
//! chunks' framing. The steps:
//! 1. The fields of the head say which algorithms to hash with; without one nothing is hashed. A
//!    `Trailer` field that announces one says so too, but not with which algorithm: with all.
//! 2. Bytes are offered as they come, and come out in pieces that were just hashed and are still in
//!    the cache. Every [`DIGEST_TURN_SIZE`] the other connections of the worker have their turn.
//! 3. At the end every digest that was announced must be the one that was computed.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::TRAILER;
use http::{HeaderMap, HeaderName};

use super::file_answer::text;
use crate::base::limits::{DIGEST_PIECE_SIZE, DIGEST_TURN_SIZE};
use crate::wire::{
    Digest, DigestAlgorithm, DigestFieldError, DigestHasher, content_md5, digest_members,
};

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// The fields, with their names as messages show them.
const FIELDS: [(HeaderName, &str); 3] = [
    (CONTENT_MD5, "Content-MD5"),
    (CONTENT_DIGEST, "Content-Digest"),
    (REPR_DIGEST, "Repr-Digest"),
];

/// What is wrong with a digest.
#[derive(Debug)]
pub(super) enum DigestError {
    /// A field cannot be read.
    Malformed { field: &'static str, error: DigestFieldError },
    /// It came in the trailers and nobody said that it would: nothing was hashed for it, and to
    /// pass it over would make its sender believe that it was right.
    Unannounced { field: &'static str },
    /// The bytes are others.
    Mismatch { field: &'static str, announced: Box<Digest>, computed: Box<Digest> },
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DigestError::Malformed { field, error } => {
                write!(f, "the field {field} cannot be read: {error}")
            }
            DigestError::Unannounced { field } => write!(
                f,
                "{field} came as a trailer that was not announced: send the header \
                 Trailer: {field}"
            ),
            DigestError::Mismatch { field, announced, computed } => write!(
                f,
                "the {} of the bytes received is {computed}, and {field} says {announced}: nothing \
                 was kept, send it again",
                computed.algorithm().key()
            ),
        }
    }
}

/// The check of one body.
pub(super) struct DigestCheck {
    announced: Vec<Announced>,
    hashers: Vec<DigestHasher>,
    /// What was offered and not hashed yet.
    rest: Bytes,
    turn: Turn,
    computed: Vec<Digest>,
}

/// What a field says.
struct Announced {
    field: &'static str,
    digest: Digest,
}

/// Lets others have their turn.
#[derive(Default)]
struct Turn {
    hashed_bytes: usize,
    passing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl DigestCheck {
    /// Of what the head of a request asks for.
    pub(super) fn of_request(headers: &HeaderMap) -> Result<DigestCheck, DigestError> {
        Ok(DigestCheck::new(announced(headers)?, &trailing(headers)))
    }

    /// Of what the head of a part asks for, which has no trailers.
    pub(super) fn of_part(headers: &HeaderMap) -> Result<DigestCheck, DigestError> {
        Ok(DigestCheck::new(announced(headers)?, &[]))
    }

    fn new(announced: Vec<Announced>, trailing: &[DigestAlgorithm]) -> DigestCheck {
        let is_asked = |algorithm: &DigestAlgorithm| {
            trailing.contains(algorithm)
                || announced.iter().any(|announced| announced.digest.algorithm() == *algorithm)
        };
        let asked = DigestAlgorithm::ALL.into_iter().filter(is_asked);
        let hashers = asked.map(DigestHasher::new).collect();
        DigestCheck {
            announced,
            hashers,
            rest: Bytes::new(),
            turn: Turn::default(),
            computed: Vec::new(),
        }
    }

    /// Takes the next bytes. All pieces of those before must have been pulled.
    pub(super) fn offer(&mut self, bytes: Bytes) {
        assert!(self.rest.is_empty(), "bytes are hashed in their order");
        self.rest = bytes;
    }

    /// The next piece of what was offered, hashed if anything asks for it; `None` when more is to be offered.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        ready!(self.turn.poll_passed(cx));
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let is_hashed = !self.hashers.is_empty();
        let piece_size = if is_hashed { DIGEST_PIECE_SIZE } else { usize::MAX };
        let piece = self.rest.split_to(self.rest.len().min(piece_size));
        for hasher in &mut self.hashers {
            hasher.update(&piece);
            self.turn.hashed_bytes += piece.len();
        }
        Poll::Ready(Some(piece))
    }

    /// The verdict at the end of the body. It is given once.
    pub(super) fn finish(&mut self, trailers: Option<&HeaderMap>) -> Result<(), DigestError> {
        let hashers = std::mem::take(&mut self.hashers);
        self.computed.extend(hashers.into_iter().map(DigestHasher::finish));
        if let Some(trailers) = trailers {
            self.announced.extend(announced(trailers)?);
        }
        let announced = std::mem::take(&mut self.announced);
        announced.iter().try_for_each(|announced| announced.compare(&self.computed))
    }

    /// Every digest computed, after [`DigestCheck::finish`].
    pub(super) fn computed(&self) -> &[Digest] {
        &self.computed
    }
}

impl fmt::Debug for DigestCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCheck").field("computed", &self.computed).finish_non_exhaustive()
    }
}

impl Announced {
    fn compare(&self, computed: &[Digest]) -> Result<(), DigestError> {
        let Announced { field, digest } = *self;
        let same = computed.iter().find(|computed| computed.algorithm() == digest.algorithm());
        match same {
            None => Err(DigestError::Unannounced { field }),
            Some(computed) if *computed == digest => Ok(()),
            Some(&computed) => Err(DigestError::Mismatch {
                field,
                announced: Box::new(digest),
                computed: Box::new(computed),
            }),
        }
    }
}

impl Turn {
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.hashed_bytes >= DIGEST_TURN_SIZE {
            self.hashed_bytes = 0;
            // Not a mere wake-up: tokio's own yield lets sockets and disk be looked at before.
            self.passing = Some(Box::pin(tokio::task::yield_now()));
        }
        if let Some(passing) = &mut self.passing {
            ready!(passing.as_mut().poll(cx));
            self.passing = None;
        }
        Poll::Ready(())
    }
}

/// Every digest that these fields say, of an algorithm known here.
fn announced(headers: &HeaderMap) -> Result<Vec<Announced>, DigestError> {
    let mut all = Vec::new();
    for (name, field) in FIELDS {
        let Some(text) = text(headers, &name) else { continue };
        let digests = if name == CONTENT_MD5 {
            content_md5(&text).map(|digest| vec![digest])
        } else {
            digest_members(&text)
        };
        let digests = digests.map_err(|error| DigestError::Malformed { field, error })?;
        all.extend(digests.into_iter().map(|digest| Announced { field, digest }));
    }
    Ok(all)
}

/// The algorithms to hash with for the trailers that are announced.
fn trailing(headers: &HeaderMap) -> Vec<DigestAlgorithm> {
    let Some(names) = text(headers, &TRAILER) else { return Vec::new() };
    let is_named = |name: &HeaderName| {
        names.split(',').any(|other| other.trim().eq_ignore_ascii_case(name.as_str()))
    };
    if is_named(&CONTENT_DIGEST) || is_named(&REPR_DIGEST) {
        DigestAlgorithm::ALL.to_vec()
    } else if is_named(&CONTENT_MD5) {
        vec![DigestAlgorithm::Md5]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::poll_fn;
    use http::HeaderValue;

    use super::*;

    const MD5_ABC: &str = "kAFQmDzST7DWlj99KOF/cg==";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// Checks `body` and gives the verdict as its message, or what came out.
    async fn check(
        head: &[(&'static str, &str)],
        body: &[u8],
        trailers: &[(&'static str, &str)],
    ) -> Result<Vec<u8>, String> {
        let check = DigestCheck::of_request(&headers(head));
        let mut check = check.map_err(|error| error.to_string())?;
        let mut passed = Vec::new();
        for frame in body.chunks(300_000) {
            check.offer(Bytes::copy_from_slice(frame));
            while let Some(piece) = poll_fn(|cx| check.poll_piece(cx)).await {
                passed.extend_from_slice(&piece);
            }
        }
        check.finish(Some(&headers(trailers))).map_err(|error| error.to_string())?;
        Ok(passed)
    }

    #[tokio::test]
    async fn every_field_in_the_head_is_held_to() {
        let sha256 = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
        let sha512 = "sha-512=:3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9R\
                      U1EI2Q86A4qmslPpUyknw==:";
        for (field, value) in [
            ("content-md5", MD5_ABC),
            ("content-digest", sha256),
            ("repr-digest", sha512),
            ("repr-digest", &format!("md5=:{MD5_ABC}:, {sha256}")),
            ("content-digest", "crc32c=:AAAA:"),
        ] {
            assert_eq!(check(&[(field, value)], b"abc", &[]).await.unwrap(), b"abc", "{field}");
            let is_known = !value.starts_with("crc");
            assert_eq!(check(&[(field, value)], b"abd", &[]).await.is_err(), is_known, "{field}");
        }
        let two_lines = [("repr-digest", sha256), ("repr-digest", sha512)];
        assert!(check(&two_lines, b"abc", &[]).await.is_ok());
    }

    #[tokio::test]
    async fn a_mismatch_names_the_algorithm_and_both_values() {
        let message = check(&[("content-md5", MD5_ABC)], b"", &[]).await.unwrap_err();
        assert!(message.contains("md5"), "{message}");
        assert!(message.contains(MD5_ABC), "{message}");
        assert!(message.contains("1B2M2Y8AsgTpgAmY7PhCfg=="), "{message}");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_before_the_body() {
        for (field, value) in [
            ("content-md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("content-digest", "sha-256=:AAAA:"),
            ("repr-digest", "sha-256"),
            ("repr-digest", "\u{fc}"),
        ] {
            let error = check(&[(field, value)], b"", &[]).await.unwrap_err();
            assert!(error.to_lowercase().contains(field), "{error}");
        }
        let two = headers(&[("content-md5", MD5_ABC), ("content-md5", MD5_ABC)]);
        assert!(DigestCheck::of_part(&two).is_err());
    }

    #[tokio::test]
    async fn trailers_count_when_they_were_announced() {
        let right = format!("md5=:{MD5_ABC}:");
        for (announced, field, value) in [
            ("Content-MD5", "content-md5", MD5_ABC),
            ("X, repr-digest", "repr-digest", &right),
            ("Content-Digest", "repr-digest", &right),
        ] {
            let (head, trailers) = ([("trailer", announced)], [(field, value)]);
            assert!(check(&head, b"abc", &trailers).await.is_ok(), "{field}");
            assert!(check(&head, b"abd", &trailers).await.is_err(), "{field}");
            assert!(check(&head, b"abc", &[]).await.is_ok(), "a digest that never comes");
        }
        let head = [("trailer", "Content-MD5")];
        let sha256 = [("repr-digest", "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:")];
        assert!(check(&head, b"abc", &sha256).await.unwrap_err().contains("Trailer: Repr-Digest"));
        assert!(check(&head, b"abc", &[("repr-digest", "sha-256")]).await.is_err());
        let unannounced = check(&[], b"abc", &sha256).await.unwrap_err();
        assert!(unannounced.contains("Trailer: Repr-Digest"), "{unannounced}");
        assert!(check(&[], b"abc", &[("repr-digest", "crc32c=:AAAA:")]).await.is_ok());
    }

    #[test]
    fn nothing_is_hashed_unless_a_known_digest_asks() {
        for fields in [
            &[][..],
            &[("repr-digest", "crc32c=:AAAA:")],
            &[("content-digest", "")],
            &[("trailer", "Expires")],
            &[("digest", "md5=AAAA")],
        ] {
            let check = DigestCheck::of_request(&headers(fields)).unwrap();
            assert!(check.hashers.is_empty(), "{fields:?}");
        }
        let part = DigestCheck::of_part(&headers(&[("trailer", "Repr-Digest")])).unwrap();
        assert!(part.hashers.is_empty());
    }

    #[tokio::test]
    async fn a_large_body_lets_others_have_their_turn() {
        let head = headers(&[("trailer", "Repr-Digest")]);
        let mut check = DigestCheck::of_request(&head).unwrap();
        check.offer(Bytes::from(vec![1; 1 << 20]));
        let mut pieces_at_once = 0;
        let mut turns = 0;
        loop {
            match futures_util::poll!(poll_fn(|cx| check.poll_piece(cx))) {
                Poll::Ready(Some(piece)) => {
                    assert!(piece.len() <= DIGEST_PIECE_SIZE);
                    pieces_at_once += 1;
                }
                Poll::Ready(None) => break,
                Poll::Pending => {
                    let hashed_bytes = pieces_at_once * 3 * DIGEST_PIECE_SIZE;
                    assert!(hashed_bytes < DIGEST_TURN_SIZE + 3 * DIGEST_PIECE_SIZE);
                    (pieces_at_once, turns) = (0, turns + 1);
                }
            }
        }
        assert_eq!(turns, 8);
    }
}
