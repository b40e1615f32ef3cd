//! Where a file comes from, and the requests for it. Nothing is retried here.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use http::header::{ACCEPT_ENCODING, HeaderName, IF_RANGE, RANGE, RETRY_AFTER};
use http::{HeaderMap, Method};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use tokio::time::timeout;
use url::Url;

use crate::base::limits::DOWNLOAD_REDIRECTS_MAX;
use crate::base::tls::{no_trust, system_trust};
use crate::client::ClientError;
use crate::client::server::{connections, is_this_machine, shown};
use crate::wire::{ResumeRequest, SourceHeaders};

/// A URL, and the connections to its host.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    http: reqwest::Client,
    url: Url,
    stall: Duration,
}

/// The bytes of an answer, in pieces no longer than asked for.
pub(super) struct Body {
    response: Response,
    rest: Bytes,
    stall: Duration,
}

impl Origin {
    pub(super) fn new(url: Url, stall: Duration) -> Result<Origin, ClientError> {
        // A redirect may lead from http to https; without certificates it fails there.
        let trust = match url.scheme() {
            "https" => system_trust(),
            _ if is_this_machine(&url) => no_trust(),
            _ => system_trust().or_else(|_none| no_trust()),
        };
        let trust = trust.map_err(ClientError::Unequipped)?;
        let http = connections(&url, trust, redirects())?;
        Ok(Origin { http, url, stall })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Without what the URL holds of secrets.
    pub(super) fn shown(&self) -> String {
        shown(&self.url)
    }

    /// The same host's other document, over the same connections.
    pub(super) fn beside(&self, url: Url) -> Origin {
        Origin { url, ..self.clone() }
    }

    /// Goes on with where an answer came from, so that redirects are followed once. Credentials of
    /// the URL stay with their own host.
    pub(super) fn settle(&mut self, answer: &Response) {
        let mut url = answer.url().clone();
        if url.origin() == self.url.origin() {
            // Both fail only for URLs without a host.
            let _ = url.set_username(self.url.username());
            let _ = url.set_password(self.url.password());
        }
        self.url = url;
    }

    /// Asks for the headers alone.
    pub(super) async fn head(&self) -> Result<Response, ClientError> {
        self.send(self.request(Method::HEAD)).await
    }

    /// Asks for the file, or a part of it.
    pub(super) async fn get(&self, part: Option<&ResumeRequest>) -> Result<Response, ClientError> {
        let mut request = self.request(Method::GET);
        if let Some(ResumeRequest { range, if_range }) = part {
            request = request.header(RANGE, range).header(IF_RANGE, if_range);
        }
        self.send(request).await
    }

    /// Asks for the first byte, for the sake of the headers.
    pub(super) async fn first_byte(&self) -> Result<Response, ClientError> {
        self.send(self.request(Method::GET).header(RANGE, "bytes=0-0")).await
    }

    /// The body of an answer.
    pub(super) fn body(&self, response: Response) -> Body {
        Body { response, rest: Bytes::new(), stall: self.stall }
    }

    fn request(&self, method: Method) -> RequestBuilder {
        // What is stored is what is wanted, and what its hashes are of.
        self.http.request(method, self.url.clone()).header(ACCEPT_ENCODING, "identity")
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        timeout(self.stall, request.send().map_err(ClientError::from))
            .await
            .unwrap_or_else(|_| Err(silent(self.stall)))
    }
}

impl Body {
    /// The next bytes, at most so many; `None` at the end.
    pub(super) async fn next(&mut self, size_max: usize) -> Result<Option<Bytes>, ClientError> {
        while self.rest.is_empty() {
            let next = timeout(self.stall, self.response.chunk()).await;
            match next.map_err(|_| silent(self.stall))?? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(None),
            }
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(size_max))))
    }
}

/// What an answer says of its file.
pub(super) fn source_headers(headers: &HeaderMap) -> SourceHeaders<'_> {
    use http::header::{ACCEPT_RANGES, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
    SourceHeaders {
        etag: text(headers, &ETAG),
        last_modified: text(headers, &LAST_MODIFIED),
        date: text(headers, &DATE),
        accept_ranges: text(headers, &ACCEPT_RANGES),
        content_range: text(headers, &CONTENT_RANGE),
    }
}

/// The text of a header.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Why an answer is not the file that was asked for.
pub(super) fn refusal(response: &Response) -> ClientError {
    let status = response.status();
    let after = text(response.headers(), &RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let what = match status.as_u16() {
        404 | 410 => "there is no such file, or no longer",
        401 | 403 | 407 => "it may not be fetched by just anybody",
        _ => "instead of the file",
    };
    ClientError::of_status(status, what.to_owned(), after.map(Duration::from_secs))
}

fn silent(stall: Duration) -> ClientError {
    ClientError::TimedOut(format!("no byte in {} s", stall.as_secs_f32()))
}

fn redirects() -> Policy {
    Policy::custom(|attempt| {
        let was_tls = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > DOWNLOAD_REDIRECTS_MAX {
            attempt.error("more redirects than are followed")
        } else if !matches!(attempt.url().scheme(), "http" | "https") {
            attempt.error("a redirect to what is neither http nor https")
        } else if was_tls && attempt.url().scheme() == "http" {
            attempt.error("a redirect from https to plain http")
        } else {
            attempt.follow()
        }
    })
}
