//! One request and its answer, over a connection of its own.
//!
//! hyper's connection is no task of its own here: it is polled with the answer and ends with it,
//! so whoever drops an [`Exchange`] has closed its socket. After the last frame [`Exchange::end`]
//! looks at what is left on the wire: a source that goes on after the length it told has cut the
//! file short.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, response};
use http_body_util::Empty;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::transport::Transport;
use crate::base::limits::{IMPORT_BUFFER_SIZE_MAX, IMPORT_END_WAIT_MS, IMPORT_HEAD_SIZE_MAX};

/// An answer whose head has come.
pub(super) struct Exchange {
    connection: Connection<TokioIo<Transport>, Empty<Bytes>>,
    /// The connection must not be polled any more.
    has_ended: bool,
    body: Incoming,
}

impl Exchange {
    /// Sends a request and waits for the head of its answer. The request says
    /// `Connection: close`.
    pub(super) async fn begin(
        transport: Transport,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<(response::Parts, Exchange)> {
        let mut builder = Builder::new();
        builder.max_buf_size(IMPORT_BUFFER_SIZE_MAX).max_header_size(IMPORT_HEAD_SIZE_MAX);
        let (mut sender, mut connection) = builder.handshake(TokioIo::new(transport)).await?;
        let mut has_ended = false;
        let response = {
            let mut answered = pin!(sender.send_request(request));
            poll_fn(|cx| {
                // How the connection fails is told to whoever waits for the answer.
                has_ended = has_ended || connection.poll_without_shutdown(cx).is_ready();
                answered.as_mut().poll(cx)
            })
            .await?
        };
        let (head, body) = response.into_parts();
        Ok((head, Exchange { connection, has_ended, body }))
    }

    /// The length of the body, if the source told it.
    pub(super) fn told_bytes(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next frame; `None` after the last.
    pub(super) async fn frame(&mut self) -> Option<hyper::Result<Bytes>> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// Whether the connection holds nothing more. To be asked after the last frame.
    pub(super) async fn end(mut self) -> bool {
        let wait = Duration::from_millis(IMPORT_END_WAIT_MS);
        let ended = poll_fn(|cx| {
            self.drive(cx);
            if self.has_ended { Poll::Ready(()) } else { Poll::Pending }
        });
        if timeout(wait, ended).await.is_err() {
            return true;
        }
        let parts = self.connection.into_parts();
        if !parts.read_buf.is_empty() {
            return false;
        }
        let mut transport = parts.io.into_inner();
        // An end, an error and silence are all the same: nothing more.
        !matches!(timeout(wait, transport.read(&mut [0])).await, Ok(Ok(1)))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Bytes>>> {
        loop {
            self.drive(cx);
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                // Trailers say nothing that is understood here.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        // Its failures reach the body.
        self.has_ended = self.has_ended || self.connection.poll_without_shutdown(cx).is_ready();
    }
}
