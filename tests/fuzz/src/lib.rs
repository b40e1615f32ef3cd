//! What several targets need: the multipart documents of a body, split and parsed as the daemon
//! does it (`src/http/multipart.rs`), without a connection around them.

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use ringhold::wire::{DocumentError, Documents, Event};

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The `name` of its Content-Disposition.
    pub name: Option<String>,
    /// Its `filename`.
    pub file_name: Option<String>,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// What the splitter finds in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Each document: its boundary, and its bytes as they were handed out.
    pub documents: Vec<(String, Vec<Bytes>)>,
    /// How it ended.
    pub end: std::result::Result<(), DocumentError>,
}

impl Split {
    /// The documents' bytes, each in one piece.
    pub fn joined(&self) -> Vec<(String, Vec<u8>)> {
        let joined =
            self.documents.iter().map(|(boundary, pieces)| (boundary.clone(), pieces.concat()));
        joined.collect()
    }
}

/// Gives a body to the splitter, piece by piece.
pub fn split(declared: Option<&str>, pieces: &[Bytes]) -> Split {
    let mut splitter = declared.map_or_else(Documents::sniffed, Documents::declared);
    let mut documents: Vec<(String, Vec<Bytes>)> = Vec::new();
    let mut is_open = false;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        splitter.push(piece.clone());
        loop {
            match splitter.pull() {
                Ok(Some(Event::Begin(boundary))) => {
                    assert!(!is_open, "a document begins inside another");
                    is_open = true;
                    documents.push((boundary, Vec::new()));
                }
                Ok(Some(Event::Data(bytes))) => {
                    assert!(is_open, "bytes outside of a document");
                    documents.last_mut().expect("an open document").1.push(bytes);
                }
                Ok(Some(Event::End)) => {
                    assert!(is_open, "the end of no document");
                    is_open = false;
                }
                Ok(None) => break,
                Err(error) => return Split { documents, end: Err(error) },
            }
        }
    }
    let end = splitter.finish();
    assert!(end.is_err() || !is_open, "a whole body leaves no document open");
    Split { documents, end }
}

/// Parses one document in the pieces it came in.
pub fn parse(boundary: &str, pieces: &[Bytes]) -> std::result::Result<Vec<Part>, String> {
    let stream = stream::iter(pieces.to_vec().into_iter().map(Ok::<_, std::io::Error>));
    let mut document = multer::Multipart::new(stream, boundary);
    let parsing = async {
        let mut parts = Vec::new();
        while let Some(mut field) = document.next_field().await? {
            let name = field.name().map(str::to_owned);
            let file_name = field.file_name().map(str::to_owned);
            let mut data = Vec::new();
            while let Some(piece) = field.next().await {
                data.extend_from_slice(&piece?);
            }
            parts.push(Part { name, file_name, data });
        }
        Ok(parts)
    };
    let parsed = parsing.now_or_never().expect("nothing to wait for");
    parsed.map_err(|error: multer::Error| error.to_string())
}

/// Cuts a body where the fuzzer says: into pieces of at most 255 bytes as long as it says
/// anything, the rest at once.
pub fn cut(body: &Bytes, cuts: &mut Unstructured<'_>) -> Result<Vec<Bytes>> {
    let mut rest = body.clone();
    let mut pieces = Vec::new();
    while !rest.is_empty() && !cuts.is_empty() {
        let size = usize::from(cuts.arbitrary::<u8>()?).clamp(1, rest.len());
        pieces.push(rest.split_to(size));
    }
    pieces.push(rest);
    Ok(pieces)
}
