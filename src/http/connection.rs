//! One connection, from its first byte to its last.
//!
//! Everything that belongs to it runs in one task: hyper, which calls [`answer`] for each request;
//! the rest of refused bodies; the wish to drain; the clock. They are polled in this order, so that
//! each sees what those before it changed and nobody has to be woken for it.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};

use super::access_log::Entry;
use super::body::{Body, BodyError};
use super::counter::{Counter, Today};
use super::error::HttpError;
use super::face::FaceParts;
use super::gate::{Gate, Refused, Scratch};
use super::linger::{Leftover, Linger};
use super::outlet::{Backlog, Outgoing, Outlet, SendBudget, Turn};
use super::request_body::RequestBody;
use super::routes;
use super::running::Running;
use super::watch::{Expiry, Watch, Watched};
use crate::base::limits::{
    CONNECTION_BUFFER_SIZE_MAX, FIRST_REQUEST_GRACE_MS, HEAD_SIZE_MAX, LARGE_SENDS_PER_WORKER_MAX,
};
use crate::worker::{Attended, SendExtent, SendQueue};

/// What all connections of a worker have in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    scratch: Scratch,
    send_budget: SendBudget,
    today: Today,
}

impl Common {
    pub(super) fn new() -> Common {
        let send_budget = SendBudget::new(LARGE_SENDS_PER_WORKER_MAX);
        Common { scratch: Scratch::new(), send_budget, today: Today::default() }
    }
}

/// What a connection's sides and its requests share.
#[derive(Clone)]
struct Shared {
    peer: SocketAddr,
    watch: Rc<Watch>,
    leftover: Leftover,
    backlog: Rc<Backlog>,
    refused: Refused,
}

/// Why a connection is no longer served.
enum End {
    Done(hyper::Result<()>),
    Expired(Expiry),
    /// The client left, and nobody else wants what was done for it.
    Left,
}

/// Serves one connection to its end.
pub(super) async fn serve<S>(face: Rc<FaceParts>, socket: S, peer: SocketAddr, common: Common)
where
    S: AsyncRead + AsyncWrite + SendQueue + SendExtent + Attended + Unpin + 'static,
{
    let shared = Shared {
        peer,
        watch: Watch::new(socket.presence()),
        leftover: Leftover::default(),
        backlog: Backlog::new(common.send_budget, socket.takes_extents()),
        refused: Rc::default(),
    };
    let watch = Rc::clone(&shared.watch);
    let linger = Linger::new(shared.leftover.clone());
    let drain = face.drain.clone();
    let socket = Watched::new(socket, Rc::clone(&watch));
    let socket = Outlet::new(socket, Rc::clone(&shared.backlog));
    let was_asked = Rc::new(Cell::new(false));
    let counter = Counter {
        face: Rc::clone(&face),
        peer,
        watch: Rc::clone(&watch),
        was_asked: Rc::clone(&was_asked),
        today: common.today,
    };
    let refused = Rc::clone(&shared.refused);
    let socket = Gate::new(socket, common.scratch, refused, Some(counter));
    let service = service_fn({
        let was_asked = Rc::clone(&was_asked);
        move |request| {
            was_asked.set(true);
            shared.watch.request_began();
            answer(Rc::clone(&face), shared.clone(), request)
        }
    });
    let mut connection = pin!(builder().serve_connection(socket, service));
    let mut draining = pin!(async move {
        drain.wait().await;
        // A client that was accepted just now has its first request on the way.
        if !was_asked.get() {
            tokio::time::sleep(Duration::from_millis(FIRST_REQUEST_GRACE_MS)).await;
        }
    });
    let mut told = false;
    let end = poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(End::Done(result));
        }
        linger.poll(cx);
        if !told && draining.as_mut().poll(cx).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
            // An idle connection is closed by this, which only another poll finds out.
            cx.waker().wake_by_ref();
        }
        if watch.poll_left(cx).is_ready() {
            return Poll::Ready(End::Left);
        }
        watch.poll_expired(cx).map(End::Expired)
    })
    .await;
    match end {
        End::Done(Ok(())) => {}
        End::Done(Err(error)) => tracing::debug!(%peer, %error, "connection ended"),
        End::Left => tracing::debug!(%peer, "the client left while it was served"),
        End::Expired(expiry) => tracing::debug!(%peer, ?expiry, "connection timed out"),
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A client may close its sending side after its request and still read the answer; it
        // also spares a read per response that would only look for that.
        .half_close(true)
        // `Watch` keeps this time, and tells it from keep-alive.
        .header_read_timeout(None)
        .max_header_size(HEAD_SIZE_MAX)
        .max_buf_size(CONNECTION_BUFFER_SIZE_MAX)
        .writev(true);
    builder
}

/// Answers one request. Never fails: what goes wrong is an answer too.
async fn answer(
    face: Rc<FaceParts>,
    shared: Shared,
    request: Request<Incoming>,
) -> Result<Response<Logged>, Infallible> {
    let metrics = face.worker_metrics.clone();
    let Shared { peer, watch, leftover, backlog, refused } = shared;
    let entry = Entry::begin(peer, request.method().clone(), request.uri(), metrics);
    let mut running = Running::new(entry, watch);
    let is_head = request.method() == Method::HEAD;
    let awaits_continue = request.headers().contains_key(EXPECT);
    let received_bytes = running.entry.received_bytes();
    let request = request.map(|incoming| {
        RequestBody::new(incoming, awaits_continue, received_bytes, leftover.clone())
    });
    let answered = match refused.take() {
        // Dropping the request leaves what follows to be thrown away.
        Some(fault) => {
            drop(request);
            Err(HttpError::from(fault))
        }
        None => routes::dispatch(&face, running.watch(), request).await,
    };
    let mut response = answered.unwrap_or_else(|error| refuse(error, &running.entry));
    // The client may still be sending, or may be waiting to be told to: either way the next bytes
    // on this connection need not be a request.
    if leftover.is_unread() || awaits_continue && !response.status().is_success() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    running.entry.answered(response.status());
    Ok(response.map(|body| {
        let body = if is_head { Body::empty() } else { body };
        backlog.begin();
        Logged { body, running, backlog }
    }))
}

fn refuse(error: HttpError, entry: &Entry) -> Response<Body> {
    if let Some(cause) = error.cause() {
        let (path, status) = (entry.path(), error.status().as_u16());
        // A full disk or too much to do is told to the client, counted, and passes; what the disk
        // did to somebody's file needs a person.
        if error.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(path, status, cause, "request failed");
        } else {
            tracing::info!(path, status, cause, "request refused");
        }
    }
    error.into_response()
}

/// A response body in turns with the socket, that notes what becomes of it.
struct Logged {
    body: Body,
    running: Running,
    backlog: Rc<Backlog>,
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.backlog.end();
    }
}

impl hyper::body::Body for Logged {
    type Data = Outgoing;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Outgoing>, BodyError>>> {
        match self.backlog.turn(cx) {
            Turn::Give => {}
            Turn::Wait => return Poll::Pending,
            Turn::Park => {
                self.body.park();
                return Poll::Pending;
            }
        }
        let takes_extents = self.backlog.takes_extents();
        Poll::Ready(match ready!(self.body.poll_data(cx, takes_extents)) {
            Some(Ok(data)) => {
                self.running.entry.sent(data.size());
                Some(Ok(Frame::data(Outgoing::new(data, &self.backlog))))
            }
            Some(Err(error)) => {
                if error.is_damage() {
                    self.running.entry.met_damage();
                }
                let missing_bytes = self.body.left_bytes();
                tracing::error!(path = self.running.entry.path(), missing_bytes, %error);
                Some(Err(error))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.left_bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.left_bytes())
    }
}

#[cfg(test)]
mod tests;
