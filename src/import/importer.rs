//! Asks sources, one hop at a time. One [`Importer`] per process, shared by all workers.
//!
//! A hop: the host is vetted, one of its vetted addresses connected to, the request sent, the head
//! of the answer read, all within one time. A redirect is another hop with all checks again.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONNECTION, HeaderMap, IF_RANGE, LOCATION, RANGE};
use http::{HeaderValue, StatusCode};
use ipnet::IpNet;
use reqwest::Response;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::client;
use super::error::ImportError;
use super::guard::Guard;
use super::network::Network;
use super::source::Source;
use super::trust::Trust;
use crate::base::limits::{IMPORT_ANSWER_TIMEOUT_S, IMPORT_REDIRECTS_MAX, IMPORTS_MAX};
use crate::wire::{ResumeRequest, SourceUrl};

/// What the operator decides about imports.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Networks that may be asked although they are not public.
    pub allow: Vec<IpNet>,
}

/// Fetches for whoever asks.
pub struct Importer {
    guard: Guard,
    trust: Trust,
    places: Arc<Semaphore>,
}

/// The answer of the last hop, its status not yet judged.
pub(super) struct Answer {
    pub(super) url: SourceUrl,
    pub(super) response: Response,
}

impl Importer {
    /// One that may ask the public Internet and what is allowed besides.
    pub fn new(options: ImportOptions, network: Box<dyn Network>) -> Arc<Importer> {
        Arc::new(Importer {
            guard: Guard::new(options.allow, network),
            trust: Trust::default(),
            places: Arc::new(Semaphore::new(IMPORTS_MAX)),
        })
    }

    /// Asks for a file; returns when it begins to arrive.
    ///
    /// # Errors
    /// Everything that can be known before its first byte.
    pub async fn begin(
        self: &Arc<Importer>,
        url: SourceUrl,
        limit_bytes: Option<u64>,
    ) -> Result<Source, ImportError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| ImportError::busy())?;
        Source::begin(Arc::clone(self), place, url, limit_bytes).await
    }

    /// Asks, and follows where the source leads.
    pub(super) async fn ask(
        &self,
        url: &SourceUrl,
        resume: Option<&ResumeRequest>,
    ) -> Result<Answer, ImportError> {
        let mut url = url.clone();
        for _ in 0..=IMPORT_REDIRECTS_MAX {
            let time = Duration::from_secs(IMPORT_ANSWER_TIMEOUT_S);
            let response = timeout(time, self.hop(&url, resume)).await.map_err(|_| {
                let message = format!("the source gave no answer in {time:?}: try later");
                ImportError::too_slow(message)
            })??;
            let Some(target) = redirect_target(&response) else {
                return Ok(Answer { url, response });
            };
            url = url.join(&target).map_err(|error| ImportError::bad_redirect(&error))?;
        }
        Err(ImportError::too_many_redirects())
    }

    async fn hop(
        &self,
        url: &SourceUrl,
        resume: Option<&ResumeRequest>,
    ) -> Result<Response, ImportError> {
        let headers = headers(resume)?;
        let addresses = self.guard.vet(url).await?;
        // Without certificates there is nobody to be asked.
        let tls = self.trust.config_for(url).await?;
        client::ask(url, addresses, tls, headers).await
    }
}

fn headers(resume: Option<&ResumeRequest>) -> Result<HeaderMap, ImportError> {
    let mut headers = HeaderMap::new();
    // The file as it is: what is decoded here could be a thousand times what came.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(resume) = resume {
        let value = |text: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| ImportError::failed("the source's validator fits into no request"))
        };
        headers.insert(RANGE, value(&resume.range)?);
        headers.insert(IF_RANGE, value(&resume.if_range)?);
    }
    Ok(headers)
}

/// Where an answer leads, if it does. A redirect that names no target is an answer like any other.
fn redirect_target(response: &Response) -> Option<String> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(LOCATION).filter(|_| redirects)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}
