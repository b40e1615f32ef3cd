//! An open upload: one request, one connection, one file after another.
//!
//! ```text
//!   open ──► between files ── send_unclose ──► sending ──► between files ── close ──► stored
//!                                                │ fails, or its future is dropped
//!                                                ▼
//!                                             abandoned: only dropping is left
//! ```
//! The request is driven by a task of its connection; its answer is looked for whenever something is
//! waited for here, as a server may refuse before it has everything.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use futures_util::{Stream, StreamExt as _, stream};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use reqwest::Response;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::{QueuedBody, Step};
use super::error::ClientError;
use super::server::Client;
use crate::base::limits::{
    CLIENT_IDLE_TIMEOUT_S, PARTS_MAX, UPLOAD_ANSWER_SIZE_MAX, UPLOAD_FRAME_SIZE,
};
use crate::wire::{BOUNDARY_RANDOM_SIZE, ErrorAnswer, UploadAnswer, UploadForm, UploadsAnswer};

const ROUTE: &str = "/uploadFile";
const PATIENCE: Duration = Duration::from_secs(CLIENT_IDLE_TIMEOUT_S);

type Answer = Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>;

/// An upload that takes files. Dropping it ends the request, and nothing is kept.
pub struct Upload {
    answer: Answer,
    queue: mpsc::Sender<Step>,
    form: UploadForm,
    sent: Vec<Sent>,
    /// What is left to send of a request that told its length, bytes.
    left_bytes: Option<u64>,
    /// Between two files. Otherwise a call is running, or one did not come to its end.
    is_whole: bool,
}

/// A file that was sent and is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The name it was sent under: a safe one, which the daemon keeps.
    pub name: String,
    /// Size, bytes.
    pub size_bytes: u64,
    /// BLAKE3 of its bytes.
    pub blake3: [u8; 32],
}

impl Upload {
    pub(super) async fn open(
        client: &Client,
        files: Option<&[(&str, u64)]>,
    ) -> Result<Upload, ClientError> {
        let mut random = [0; BOUNDARY_RANDOM_SIZE];
        getrandom::fill(&mut random).map_err(|error| ClientError::Unequipped(error.to_string()))?;
        let form = UploadForm::new(random);
        let size_bytes = files.map(|files| form.size_of(files));
        let (body, queue, has_begun) = QueuedBody::new(size_bytes);
        let request = client
            .http
            .post(client.url(ROUTE))
            .header(CONTENT_TYPE, form.content_type())
            .body(reqwest::Body::wrap(body));
        let mut answer: Answer = Box::pin(request.send());
        race(&mut answer, has_begun).await?.map_err(|_| broken())?;
        Ok(Upload { answer, queue, form, sent: Vec::new(), left_bytes: size_bytes, is_whole: true })
    }

    /// Sends a file and leaves the upload open for the next. The daemon keeps its `name`, or a safer
    /// one.
    ///
    /// # Errors
    /// Any but [`ClientError::Mismatch`]. The upload can then only be dropped.
    pub async fn send_unclose<R: AsyncRead>(
        &mut self,
        name: &str,
        reader: R,
    ) -> Result<Sent, ClientError> {
        let reader = pin!(reader);
        let frames = stream::try_unfold(
            (reader, BytesMut::new()),
            async |(mut reader, mut buffer)| -> io::Result<_> {
                // What a small read leaves of a buffer is for the next ones.
                if buffer.capacity() < UPLOAD_FRAME_SIZE / 4 {
                    buffer = BytesMut::with_capacity(UPLOAD_FRAME_SIZE);
                }
                let count = reader.read_buf(&mut buffer).await?;
                Ok((count > 0).then(|| (buffer.split().freeze(), (reader, buffer))))
            },
        );
        self.send_frames_unclose(name, frames).await
    }

    /// The same of frames, none of which is copied: [`ReadAhead`](super::ReadAhead) has those of a
    /// file.
    pub async fn send_frames_unclose<S>(
        &mut self,
        name: &str,
        frames: S,
    ) -> Result<Sent, ClientError>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        self.begin()?;
        if self.sent.len() == PARTS_MAX {
            return Err(ClientError::TooManyFiles);
        }
        let (head, name) = self.form.head(name);
        self.queue(Step::Frame(head)).await?;
        let mut frames = pin!(frames);
        let mut hasher = blake3::Hasher::new();
        while let Some(frame) = race(&mut self.answer, frames.next()).await? {
            let frame = frame.map_err(ClientError::Source)?;
            // hyper takes an empty frame for nothing.
            hasher.update(&frame);
            self.queue(Step::Frame(frame)).await?;
        }
        let sent = Sent { name, size_bytes: hasher.count(), blake3: hasher.finalize().into() };
        self.sent.push(sent.clone());
        self.is_whole = true;
        Ok(sent)
    }

    /// Ends the request and waits until all files are stored: all of them or none. The answers are
    /// in the order of the files.
    ///
    /// # Errors
    /// Any. After [`ClientError::Mismatch`] all files are stored, one of them wrongly.
    pub async fn close(mut self) -> Result<Vec<UploadAnswer>, ClientError> {
        self.begin()?;
        self.queue(Step::Frame(self.form.end())).await?;
        self.count(&Step::End)?;
        if self.left_bytes.is_none() {
            // One that told its length has ended by itself, and may be answered already.
            self.queue(Step::End).await?;
        }
        let silent = |_| ClientError::TimedOut(format!("no answer in {CLIENT_IDLE_TIMEOUT_S} s"));
        let response = timeout(PATIENCE, &mut self.answer).await.map_err(silent)??;
        if response.status() != StatusCode::CREATED {
            return Err(timeout(PATIENCE, refusal(response)).await.unwrap_or_else(silent));
        }
        let document = timeout(PATIENCE, collect(response)).await.map_err(silent)??;
        check(&self.sent, parse(&document)?)
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        if std::mem::replace(&mut self.is_whole, false) {
            return Ok(());
        }
        Err(ClientError::Abandoned)
    }

    /// A request is as long as it said.
    fn count(&mut self, step: &Step) -> Result<(), ClientError> {
        let Some(left_bytes) = &mut self.left_bytes else { return Ok(()) };
        let size_bytes = match step {
            Step::Frame(frame) => frame.len() as u64,
            Step::End if *left_bytes > 0 => return Err(ClientError::SizeDiffers),
            Step::End => 0,
        };
        *left_bytes = left_bytes.checked_sub(size_bytes).ok_or(ClientError::SizeDiffers)?;
        Ok(())
    }

    async fn queue(&mut self, step: Step) -> Result<(), ClientError> {
        self.count(&step)?;
        let queued = timeout(PATIENCE, self.queue.send(step));
        match race(&mut self.answer, queued).await? {
            Ok(Ok(())) => Ok(()),
            // The connection has ended, and says why.
            Ok(Err(_)) => match timeout(PATIENCE, &mut self.answer).await {
                Ok(answer) => Err(early(answer).await),
                Err(_) => Err(broken()),
            },
            Err(_) => {
                Err(ClientError::TimedOut(format!("it took no byte in {CLIENT_IDLE_TIMEOUT_S} s")))
            }
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Does the work unless the answer comes before.
async fn race<T>(answer: &mut Answer, work: impl Future<Output = T>) -> Result<T, ClientError> {
    tokio::select! {
        biased;
        answer = answer => Err(early(answer).await),
        done = work => Ok(done),
    }
}

/// An answer before the end of the request: a refusal, or a broken connection.
async fn early(answer: reqwest::Result<Response>) -> ClientError {
    match answer {
        Ok(response) => timeout(PATIENCE, refusal(response)).await.unwrap_or_else(|_| broken()),
        Err(error) => error.into(),
    }
}

fn broken() -> ClientError {
    ClientError::Broken("it ended without an answer".to_owned())
}

async fn refusal(response: Response) -> ClientError {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).map(HeaderValue::to_str);
    let after = after.and_then(|text| text.ok()?.trim().parse().ok()).map(Duration::from_secs);
    if status.is_success() {
        return ClientError::Nonsense(format!("{status} before it was sent everything"));
    }
    // The status says enough where the sentence is missing.
    let document = collect(response).await.unwrap_or_default();
    let message = match serde_json::from_slice::<ErrorAnswer>(&document) {
        Ok(answer) => answer.error,
        Err(_) => "without a sentence of ringhold; check that it is one".to_owned(),
    };
    ClientError::of_status(status, message, after)
}

async fn collect(mut response: Response) -> Result<Vec<u8>, ClientError> {
    let mut document = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if document.len() + piece.len() > UPLOAD_ANSWER_SIZE_MAX {
            return Err(ClientError::Nonsense("it is far too long".to_owned()));
        }
        document.extend_from_slice(&piece);
    }
    Ok(document)
}

/// One file's answer, or those of several.
fn parse(document: &[u8]) -> Result<Vec<UploadAnswer>, ClientError> {
    if let Ok(several) = serde_json::from_slice::<UploadsAnswer>(document) {
        return Ok(several.files);
    }
    match serde_json::from_slice(document) {
        Ok(one) => Ok(vec![one]),
        Err(error) => Err(ClientError::Nonsense(format!("a 201 that cannot be read: {error}"))),
    }
}

/// What was stored must be what was sent.
fn check(sent: &[Sent], stored: Vec<UploadAnswer>) -> Result<Vec<UploadAnswer>, ClientError> {
    if sent.len() != stored.len() {
        let (sent, stored) = (sent.len(), stored.len());
        return Err(ClientError::Nonsense(format!("{sent} files were sent, {stored} are told")));
    }
    for (sent, stored) in sent.iter().zip(&stored) {
        let blake3 = HEXLOWER.encode(&sent.blake3);
        let size_bytes = sent.size_bytes;
        if stored.blake3 != blake3 || stored.size != size_bytes {
            let stored = Box::new(stored.clone());
            return Err(ClientError::Mismatch { stored, blake3, size_bytes });
        }
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(content: &[u8]) -> Sent {
        let size_bytes = content.len() as u64;
        Sent { name: "a".to_owned(), size_bytes, blake3: blake3::hash(content).into() }
    }

    fn stored(content: &[u8]) -> UploadAnswer {
        let text = String::new;
        UploadAnswer {
            file_id: text(),
            name: text(),
            size: content.len() as u64,
            blake3: blake3::hash(content).to_string(),
            delete_token: text(),
            url: text(),
        }
    }

    #[test]
    fn only_what_was_sent_counts_as_stored() {
        let both = [sent(b"one"), sent(b"two")];
        assert_eq!(check(&both, vec![stored(b"one"), stored(b"two")]).unwrap().len(), 2);
        let swapped = check(&both, vec![stored(b"two"), stored(b"one")]);
        assert!(matches!(swapped, Err(ClientError::Mismatch { .. })));
        assert!(matches!(check(&both, vec![stored(b"one")]), Err(ClientError::Nonsense(_))));
    }

    #[test]
    fn an_upload_can_be_moved_between_threads() {
        fn is_send<T: Send>(_: &T) {}
        async fn all(client: Client) -> Result<(), ClientError> {
            let mut upload = client.upload().await?;
            upload.send_unclose("a", &b"a"[..]).await?;
            upload.close().await.map(drop)
        }
        is_send(&all(Client::new("127.0.0.1:1").unwrap()));
    }

    #[tokio::test]
    async fn nobody_there_is_worth_a_retry() {
        // Bound and not listening: nobody else gets the port meanwhile.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let client = Client::new(&socket.local_addr().unwrap().to_string()).unwrap();
        let error = client.upload().await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable(_)), "{error}");
        assert!(error.is_worth_a_retry());
    }
}
