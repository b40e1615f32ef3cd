//! What is known of a file before its first byte: who asks for it, and in which of three ways it can
//! be fetched.
//!
//! 1. **Verified**: a ringhold daemon tells the hash of each block.
//! 2. **Pinned**: any server that gives ranges and says which file they are of.
//! 3. **Plain**: one stream, from its beginning to its end.

use std::future::Future;
use std::time::Duration;

use data_encoding::HEXLOWER;
use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Response;
use tokio::time::sleep;
use url::Url;

use super::digests::{Expected, told_digests};
use super::error::DownloadError;
use super::origin::{Origin, refusal, source_headers, text};
use super::outline::Outline;
use crate::base::chance::chance;
use crate::base::limits::MANIFEST_SIZE_MAX;
use crate::client::ClientError;
use crate::plan::retry_pause;
use crate::wire::{
    JournalIdentity, ManifestAnswer, Representation, SourceHeaders, parse_content_range,
    source_name,
};

/// A file that can be fetched.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) origin: Origin,
    /// A safe name for it.
    pub(super) name: String,
    /// Bytes, if the server says so.
    pub(super) size_bytes: Option<u64>,
    /// How it comes.
    pub(super) way: Way,
    /// What the whole of it should hash to, by what the server says.
    pub(super) told: Vec<Expected>,
}

/// How a file comes.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// In blocks, by ranges that have this in common.
    Blocks(Outline, Representation),
    /// In one stream.
    Plain,
}

impl Remote {
    /// Asks the server, as often as may help.
    pub(super) async fn find(
        origin: Origin,
        is_ringhold: bool,
        retries: u32,
    ) -> Result<Remote, DownloadError> {
        patiently(retries, || async {
            let mut remote = Remote::look(origin.clone()).await?;
            if let Some(url) = manifest_url(origin.url()) {
                let manifest = remote.origin.beside(url);
                if let Some(manifest) = manifest_of(&manifest, is_ringhold).await? {
                    remote.trust(&manifest)?;
                }
            }
            Ok(remote)
        })
        .await
    }

    /// What names the part of this file; `None` where it cannot be gone on with.
    pub(super) fn identity(&self) -> Option<JournalIdentity> {
        let Way::Blocks(outline, representation) = &self.way else { return None };
        if let Some(root) = outline.root() {
            return Some(JournalIdentity::Content(root));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.origin.shown().as_bytes());
        hasher.update(&[0]);
        hasher.update(representation.pin()?.as_bytes());
        Some(JournalIdentity::Source(hasher.finalize().into()))
    }

    /// Whether every block is checked by its hash.
    pub(super) fn is_verified(&self) -> bool {
        matches!(&self.way, Way::Blocks(outline, _) if outline.root().is_some())
    }

    /// By what any server says.
    async fn look(origin: Origin) -> Result<Remote, DownloadError> {
        let mut origin = origin;
        let answer = origin.head().await?;
        let answer = match answer.status() {
            status if status.is_success() => answer,
            // Those who do not speak HEAD, or have it forbidden by a signature that is for GET.
            StatusCode::FORBIDDEN
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => origin.first_byte().await?,
            _ => return Err(refusal(&answer).into()),
        };
        if !matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Err(refusal(&answer).into());
        }
        origin.settle(&answer);
        let headers = answer.headers();
        let size_bytes = size(&answer);
        let (way, name) = (way(size_bytes, headers), name(origin.url(), headers));
        let is_part = answer.status() == StatusCode::PARTIAL_CONTENT;
        Ok(Remote { name, size_bytes, way, told: told_digests(headers, is_part), origin })
    }

    /// By a manifest, which has to be about the same file.
    fn trust(&mut self, manifest: &ManifestAnswer) -> Result<(), DownloadError> {
        let damaged = |why: &str| DownloadError::Damaged(format!("in its manifest {why}"));
        let outline = Outline::of_manifest(manifest).map_err(damaged)?;
        if self.size_bytes.is_some_and(|size| size != outline.size_bytes()) {
            return Err(damaged("it has another size"));
        }
        let root = HEXLOWER.encode(&outline.root().unwrap_or_default());
        let tag = format!("\"{root}\"");
        let headers = SourceHeaders { etag: Some(&tag), ..SourceHeaders::default() };
        let representation = Representation::new(Some(outline.size_bytes()), &headers);
        self.size_bytes = Some(outline.size_bytes());
        self.way = Way::Blocks(outline, representation);
        // The hashes of the manifest say more.
        self.told.clear();
        Ok(())
    }
}

/// Does something again that may succeed then, after a pause.
pub(super) async fn patiently<T, F>(
    retries: u32,
    mut attempt: impl FnMut() -> F,
) -> Result<T, DownloadError>
where
    F: Future<Output = Result<T, DownloadError>>,
{
    for try_index in 0.. {
        match attempt().await {
            Err(error) if try_index < retries && error.may_pass() => {
                let pause = pause_after(&error, try_index);
                tracing::info!("{error}; trying again in {:.1} s", pause.as_secs_f32());
                sleep(pause).await;
            }
            ended => return ended,
        }
    }
    unreachable!("the last try returns")
}

/// How long to wait after a failure.
pub(super) fn pause_after(error: &DownloadError, try_index: u32) -> Duration {
    let asked = if let DownloadError::Server(error) = error { error.retry_after() } else { None };
    retry_pause(try_index, chance(), asked)
}

fn way(size_bytes: Option<u64>, headers: &HeaderMap) -> Way {
    let representation = Representation::new(size_bytes, &source_headers(headers));
    let takes_ranges = text(headers, &ACCEPT_RANGES)
        .is_none_or(|units| units.split(',').any(|unit| unit.trim().eq_ignore_ascii_case("bytes")));
    match size_bytes.and_then(Outline::of_size) {
        Some(outline) if takes_ranges && representation.pin().is_some() => {
            Way::Blocks(outline, representation)
        }
        _ => Way::Plain,
    }
}

fn size(answer: &Response) -> Option<u64> {
    let headers = answer.headers();
    if answer.status() == StatusCode::PARTIAL_CONTENT {
        let (_, _, total) = parse_content_range(source_headers(headers).content_range?)?;
        return Some(total);
    }
    text(headers, &CONTENT_LENGTH)?.trim().parse().ok()
}

fn name(url: &Url, headers: &HeaderMap) -> String {
    let segment = url.path().rsplit('/').next().unwrap_or_default();
    let segment = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
    source_name(headers.get(CONTENT_DISPOSITION).map(HeaderValue::as_bytes), &segment)
}

/// Where a daemon's manifest of the file would be, if this is a URL of a daemon's file.
fn manifest_url(url: &Url) -> Option<Url> {
    let (before, id) = url.path().trim_end_matches('/').rsplit_once('/')?;
    if id.is_empty() || before.rsplit('/').next() != Some("files") {
        return None;
    }
    let mut manifest = url.clone();
    manifest.set_path(&format!("{before}/{id}/manifest"));
    manifest.set_query(None);
    manifest.set_fragment(None);
    Some(manifest)
}

/// The manifest, if there is one; where there has to be, its lack is an error.
async fn manifest_of(
    origin: &Origin,
    is_ringhold: bool,
) -> Result<Option<ManifestAnswer>, DownloadError> {
    let answer = origin.get(None).await?;
    if answer.status() != StatusCode::OK {
        let error = refusal(&answer);
        return if is_ringhold || error.is_worth_a_retry() { Err(error.into()) } else { Ok(None) };
    }
    let (mut body, mut document) = (origin.body(answer), Vec::new());
    while let Some(bytes) = body.next(MANIFEST_SIZE_MAX).await? {
        if document.len() + bytes.len() > MANIFEST_SIZE_MAX {
            let why = "a manifest that is far too long".to_owned();
            return Err(ClientError::Nonsense(why).into());
        }
        document.extend_from_slice(&bytes);
    }
    match serde_json::from_slice(&document) {
        Ok(manifest) => Ok(Some(manifest)),
        // A daemon's that was damaged on its way may come whole the next time.
        Err(error) if is_ringhold || document.starts_with(b"{\"size\"") => {
            Err(DownloadError::Damaged(format!("its manifest cannot be read ({error})")))
        }
        Err(_other) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemons_file_has_its_manifest_beside_it() {
        let manifest =
            |url: &str| manifest_url(&Url::parse(url).unwrap()).map(|url| url.to_string());
        assert_eq!(manifest("http://a/files/0:b").unwrap(), "http://a/files/0:b/manifest");
        assert_eq!(manifest("http://a/x/files/0:b/?q#f").unwrap(), "http://a/x/files/0:b/manifest");
        for other in ["http://a/", "http://a/files/", "http://a/b", "http://a/files/b/c"] {
            assert_eq!(manifest(other), None, "{other}");
        }
    }

    fn is_in_blocks(headers: &[(&'static str, &'static str)], size: Option<u64>) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        matches!(way(size, &map), Way::Blocks(..))
    }

    #[test]
    fn only_a_pinned_file_of_known_size_comes_in_blocks() {
        let tag = ("etag", "\"a\"");
        assert!(is_in_blocks(&[tag], Some(9)));
        assert!(is_in_blocks(&[tag, ("accept-ranges", "bytes")], Some(9)));
        assert!(!is_in_blocks(&[tag, ("accept-ranges", "none")], Some(9)));
        assert!(!is_in_blocks(&[tag, ("accept-ranges", "lines")], Some(9)));
        assert!(!is_in_blocks(&[tag], None));
        assert!(!is_in_blocks(&[tag], Some(u64::MAX)));
        assert!(!is_in_blocks(&[("etag", "W/\"a\"")], Some(9)));
    }
}
