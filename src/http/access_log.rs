//! One line in the log for each request, whatever became of it, and the same figures for the
//! metrics. No line holds a whole file ID: who can read logs shall not be able to read files.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::telemetry::{WorkerMetrics, short_id};

/// Digits before the colon of a file ID.
const ACCESS_HASH_SIZE: usize = 16;

/// What was asked for.
#[derive(Debug)]
enum Target {
    Parsed(Option<PathAndQuery>),
    /// The ID behind `/files/`.
    File(String),
}

/// The line of one request; written when it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    peer: SocketAddr,
    method: Method,
    target: Target,
    began: Instant,
    /// `None` when the connection broke before there was an answer.
    status: Option<StatusCode>,
    /// `None` of a request without a body.
    received_bytes: Option<Arc<AtomicU64>>,
    sent_bytes: u64,
    metrics: Arc<WorkerMetrics>,
}

impl Entry {
    /// Begins with a request.
    pub(super) fn begin(
        peer: SocketAddr,
        method: Method,
        uri: &Uri,
        metrics: Arc<WorkerMetrics>,
    ) -> Entry {
        Entry::of(peer, method, Target::Parsed(uri.path_and_query().cloned()), metrics)
    }

    /// Begins with a plain `GET` of a file.
    pub(super) fn begin_plain(
        peer: SocketAddr,
        file_id: &str,
        metrics: Arc<WorkerMetrics>,
    ) -> Entry {
        Entry::of(peer, Method::GET, Target::File(file_id.to_owned()), metrics)
    }

    fn of(peer: SocketAddr, method: Method, target: Target, metrics: Arc<WorkerMetrics>) -> Entry {
        let (began, status, received_bytes) = (Instant::now(), None, None);
        Entry { peer, method, target, began, status, received_bytes, sent_bytes: 0, metrics }
    }

    /// Where the request's body counts its bytes.
    pub(super) fn received_bytes(&mut self) -> Arc<AtomicU64> {
        Arc::clone(self.received_bytes.get_or_insert_default())
    }

    /// The path as the log may show it.
    pub(super) fn path(&self) -> String {
        match &self.target {
            Target::Parsed(target) => {
                loggable_path(&self.method, target.as_ref().map_or("", PathAndQuery::path))
            }
            Target::File(file_id) => loggable_path(&self.method, &format!("/files/{file_id}")),
        }
    }

    /// There is an answer.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The answer was cut off, because what is stored is damaged.
    pub(super) fn met_damage(&self) {
        self.metrics.damaged_reads.increment();
    }

    /// Bytes of the answer were handed to the connection.
    pub(super) fn sent(&mut self, size_bytes: usize) {
        self.sent_bytes += size_bytes as u64;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        self.metrics.request_duration.record(duration);
        let class = self.status.map_or(0, |status| status.as_u16() / 100);
        match class {
            2 => self.metrics.responses_2xx.increment(),
            3 => self.metrics.responses_3xx.increment(),
            4 => self.metrics.responses_4xx.increment(),
            5 => self.metrics.responses_5xx.increment(),
            _ => {}
        }
        tracing::info!(
            target: "ringhold::access",
            peer = %self.peer,
            method = %self.method,
            path = self.path(),
            status = self.status.map(|status| status.as_u16()),
            received_bytes =
                self.received_bytes.as_ref().map_or(0, |count| count.load(Ordering::Relaxed)),
            sent_bytes = self.sent_bytes,
            duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

/// A path with its file IDs cut short: the one after `/files/`, unless it is the name of an upload,
/// and every other segment that holds one, for people who leave `/files/` out or write the ID into
/// something else. In the letters of a URI (RFC 3986, section 2): what is not ASCII is encoded.
fn loggable_path(method: &Method, path: &str) -> String {
    let mut follows_files = false;
    let segments = path.split('/').map(|segment| {
        let is_id = (follows_files && method != Method::PUT) || holds_id(segment);
        follows_files = segment == "files";
        utf8_percent_encode(if is_id { short_id(segment) } else { segment }, CONTROLS).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether a segment holds an access hash and what divides it from the rest, plain or encoded.
fn holds_id(segment: &str) -> bool {
    let decoded = segment.contains('%').then(|| percent_decode_str(segment).collect::<Vec<u8>>());
    holds_hash(segment.as_bytes()) || decoded.is_some_and(|decoded| holds_hash(&decoded))
}

fn holds_hash(bytes: &[u8]) -> bool {
    let mut digit_count = 0;
    bytes.iter().any(|byte| {
        let is_end = matches!(byte, b':' | b'%') && digit_count >= ACCESS_HASH_SIZE;
        digit_count = if byte.is_ascii_hexdigit() { digit_count + 1 } else { 0 };
        is_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_id_is_logged_whole() {
        for (method, path, logged) in [
            (Method::GET, "/files/0123456789abcdef:AQID", "/files/01234567"),
            (Method::GET, "/files/0123456789abcdef%3AAQID/manifest", "/files/01234567/manifest"),
            (Method::DELETE, "/files/short", "/files/short"),
            (Method::GET, "/files/not-an-id-at-all", "/files/not-an-i"),
            (Method::GET, "/0123456789ABCDEF:AQID", "/01234567"),
            (Method::PUT, "/files/0123456789abcdef:AQID", "/files/01234567"),
            (Method::PUT, "/files/a long name.txt", "/files/a long name.txt"),
            (Method::GET, "/docs/a-page-with-a-name.html", "/docs/a-page-with-a-name.html"),
            (Method::GET, "/%30123456789abcdef:AQID", "/%3012345"),
            (Method::GET, "/files%2F0123456789abcdef:AQID", "/files%2F"),
            (Method::GET, "/see-0123456789abcdef%253AAQID", "/see-0123"),
            (Method::GET, "/0123456789abcdef", "/0123456789abcdef"),
            (Method::GET, "/a:b/100%25", "/a:b/100%25"),
            (Method::GET, "/ä\u{9b}31m", "/%C3%A4%C2%9B31m"),
            (Method::GET, "/", "/"),
        ] {
            assert_eq!(loggable_path(&method, path), logged, "{method} {path}");
        }
    }

    #[test]
    fn a_plain_download_is_logged_like_any_other() {
        let metrics = crate::telemetry::Metrics::new(1).worker(0);
        let peer = ([127, 0, 0, 1], 1).into();
        let plain = Entry::begin_plain(peer, "0123456789abcdef:AQID", Arc::clone(&metrics));
        let uri = Uri::from_static("/files/0123456789abcdef:AQID");
        let parsed = Entry::begin(peer, Method::GET, &uri, metrics);
        assert_eq!(plain.path(), "/files/01234567");
        assert_eq!((plain.path(), &plain.method), (parsed.path(), &parsed.method));
    }
}
