//! Response bodies. Every one knows its size before its first byte, and ends with an error rather
//! than early: hyper then cuts the connection, so no client takes half a file for a whole one.

use std::fmt;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use super::file_answer::FileSource;
use crate::base::limits::MANIFEST_HASHES_PER_FRAME;
use crate::disk::Extent;
use crate::store::{Frame, Piece, Reader, StoreError, StoreErrorKind, Stored};
use crate::wire::{ManifestText, RangedParts};

/// A response body.
pub(super) struct Body {
    left_bytes: u64,
    content: Content,
}

enum Content {
    Bytes(Bytes),
    File(Reader),
    Parts(Parts),
    Manifest(Manifest),
}

/// Several ranges of a file, each under its own header.
struct Parts {
    source: FileSource,
    frame: RangedParts,
    part_index: usize,
    reader: Option<Reader>,
}

struct Manifest {
    stored: Stored,
    text: ManifestText,
    hash_index: usize,
}

impl Body {
    /// No body.
    pub(super) fn empty() -> Body {
        Body::bytes(Bytes::new())
    }

    /// A short text.
    pub(super) fn bytes(bytes: Bytes) -> Body {
        Body { left_bytes: bytes.len() as u64, content: Content::Bytes(bytes) }
    }

    /// What a reader yields, which must be `size_bytes`.
    pub(super) fn file(reader: Reader, size_bytes: u64) -> Body {
        Body { left_bytes: size_bytes, content: Content::File(reader) }
    }

    /// The ranges in `frame` of a file.
    pub(super) fn parts(source: FileSource, frame: RangedParts) -> Body {
        let left_bytes = frame.size_bytes();
        let parts = Parts { source, frame, part_index: 0, reader: None };
        Body { left_bytes, content: Content::Parts(parts) }
    }

    /// The manifest of an object, written piece by piece: that of a large one has 4 MiB.
    pub(super) fn manifest(stored: Stored) -> Body {
        let seal = stored.seal();
        let text = ManifestText::new(seal.size_bytes, &seal.blake3, seal.block_size_bytes);
        let left_bytes = text.size_bytes(seal.block_hashes.len());
        let manifest = Manifest { stored, text, hash_index: 0 };
        Body { left_bytes, content: Content::Manifest(manifest) }
    }

    /// Bytes still to come.
    pub(super) fn left_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// Gives back the buffers of what was read ahead, because the client is slow.
    pub(super) fn park(&mut self) {
        match &mut self.content {
            Content::File(reader) => reader.park(),
            Content::Parts(parts) => {
                if let Some(reader) = &mut parts.reader {
                    reader.park();
                }
            }
            Content::Bytes(_) | Content::Manifest(_) => {}
        }
    }

    /// The next bytes; `None` after the last.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        takes_extents: bool,
    ) -> Poll<Option<Result<Data, BodyError>>> {
        if self.left_bytes == 0 {
            return Poll::Ready(None);
        }
        let data = ready!(self.content.poll_data(cx, takes_extents))?;
        let size_bytes = data.size() as u64;
        if size_bytes == 0 || size_bytes > self.left_bytes {
            let message = format!("{} bytes missing, {size_bytes} given", self.left_bytes);
            return Poll::Ready(Some(Err(BodyError { message, is_damage: false })));
        }
        self.left_bytes -= size_bytes;
        Poll::Ready(Some(Ok(data)))
    }
}

impl Content {
    /// The next bytes; none of them when there are no more.
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        takes_extents: bool,
    ) -> Poll<Result<Data, BodyError>> {
        match self {
            Content::Bytes(bytes) => Poll::Ready(Ok(Data::Bytes(std::mem::take(bytes)))),
            Content::File(reader) => poll_reader(reader, cx, takes_extents)
                .map_ok(|data| data.unwrap_or_else(Data::none)),
            Content::Parts(parts) => parts.poll_data(cx, takes_extents),
            Content::Manifest(manifest) => Poll::Ready(Ok(manifest.next())),
        }
    }
}

impl Parts {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        takes_extents: bool,
    ) -> Poll<Result<Data, BodyError>> {
        if let Some(reader) = &mut self.reader {
            if let Some(data) = ready!(poll_reader(reader, cx, takes_extents))? {
                return Poll::Ready(Ok(data));
            }
            self.reader = None;
        }
        let head = self.frame.head(self.part_index);
        let range = self.frame.ranges().get(self.part_index);
        let text = match head.zip(range) {
            Some((head, range)) => {
                self.reader = Some(self.source.read(range.clone()));
                head
            }
            None => self.frame.tail(),
        };
        self.part_index += 1;
        Poll::Ready(Ok(Data::Bytes(Bytes::from(text))))
    }
}

impl Manifest {
    fn next(&mut self) -> Data {
        let hashes = &self.stored.seal().block_hashes;
        let end = hashes.len().min(self.hash_index + MANIFEST_HASHES_PER_FRAME);
        let text = self.text.piece(hashes, self.hash_index..end);
        self.hash_index = end;
        Data::Bytes(Bytes::from(text))
    }
}

fn poll_reader(
    reader: &mut Reader,
    cx: &mut Context<'_>,
    takes_extents: bool,
) -> Poll<Result<Option<Data>, BodyError>> {
    let next = if takes_extents {
        reader.poll_piece(cx).map_ok(|piece| match piece {
            Piece::Frame(frame) => Data::Frame(frame),
            Piece::Extent(extent) => Data::Extent(extent),
        })
    } else {
        reader.poll_next(cx).map_ok(Data::Frame)
    };
    next.map(|next| next.transpose().map_err(BodyError::from))
}

/// Bytes of a response: a text, or a piece of a file that still sits in the disk's buffer, or that
/// does in the page cache.
pub(super) enum Data {
    Bytes(Bytes),
    Frame(Frame),
    Extent(Extent),
}

impl Data {
    /// How many.
    pub(super) fn size(&self) -> usize {
        match self {
            Data::Bytes(bytes) => bytes.remaining(),
            Data::Frame(frame) => frame.remaining(),
            Data::Extent(extent) => extent.size(),
        }
    }

    fn none() -> Data {
        Data::Bytes(Bytes::new())
    }
}

/// Why a body ended early.
#[derive(Debug)]
pub(super) struct BodyError {
    message: String,
    is_damage: bool,
}

impl BodyError {
    /// Whether the stored object is to blame.
    pub(super) fn is_damage(&self) -> bool {
        self.is_damage
    }
}

impl From<StoreError> for BodyError {
    fn from(error: StoreError) -> BodyError {
        let is_damage = error.kind() == StoreErrorKind::Damaged;
        BodyError { message: error.to_string(), is_damage }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response was cut off: {}", self.message)
    }
}

impl std::error::Error for BodyError {}
