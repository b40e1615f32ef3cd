//! The counter: a small file that is at hand is given out here, before hyper sees the request.
//!
//! A `GET` of a small object in memory costs hyper, its header map and the routes more than the
//! answer itself. The gate has the whole head, in order; what is missing is to make the answer:
//!
//! 1. The gate asks for each head, while nothing that hyper has is unanswered or unsent: answers
//!    come in the order of the requests.
//! 2. The counter says no to all but a plain `GET` (`wire/plain_get.rs`) of an object that the store
//!    recalls. No error is made here: the ways of hyper and the routes have all of them.
//! 3. The gate sends the [`Reply`], and reads on when the socket took the last byte.
//!
//! What the answer says of the file is said by the same [`description`] as any other's.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::{Buf as _, Bytes};
use http::StatusCode;
use tokio::io::AsyncWrite;

use super::access_log::Entry;
use super::download::description;
use super::face::FaceParts;
use super::file_answer::http_date;
use super::running::Running;
use super::watch::Watch;
use crate::wire::plain_get;

/// What an answer begins with.
const STATUS_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";
/// Room for the head of an answer, bytes: one with a name of 64 letters has 500.
const HEAD_SIZE_USUAL: usize = 640;

/// The counter of one connection.
pub(super) struct Counter {
    pub(super) face: Rc<FaceParts>,
    pub(super) peer: SocketAddr,
    pub(super) watch: Rc<Watch>,
    /// Whether the connection had a request.
    pub(super) was_asked: Rc<Cell<bool>>,
    pub(super) today: Today,
}

/// An answer on its way.
pub(super) struct Reply {
    head: Bytes,
    body: Bytes,
    _running: Running,
}

/// The time as a `Date` field has it (RFC 9110, section 6.6.1), written once a second; one per
/// worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Today(Rc<RefCell<Written>>);

#[derive(Debug, Default)]
struct Written {
    second: u64,
    text: String,
}

impl Counter {
    /// Answers a request, of which this is the whole head, if that can be done at once.
    pub(super) fn answer(&self, head: &[u8]) -> Option<Reply> {
        // A connection that is to end says so in its last answer: hyper does.
        if self.face.drain.is_draining() {
            return None;
        }
        let file_id = plain_get(head)?;
        let opened = self.face.ids.open(file_id)?;
        let (seal, body) = self.face.store.recall(opened.object)?;
        self.was_asked.set(true);
        self.watch.request_began();
        let metrics = &self.face.worker_metrics;
        metrics.downloads.increment();
        let mut entry = Entry::begin_plain(self.peer, file_id, Arc::clone(metrics));
        entry.answered(StatusCode::OK);
        entry.sent(body.len());
        let mut head = Vec::with_capacity(HEAD_SIZE_USUAL);
        head.extend_from_slice(STATUS_LINE);
        description(&seal, &opened.name).fields(|name, value| {
            field(&mut head, name.as_str(), value.as_bytes());
        });
        field(&mut head, "content-length", body.len().to_string().as_bytes());
        self.today.with(|date| field(&mut head, "date", date.as_bytes()));
        head.extend_from_slice(b"\r\n");
        let running = Running::new(entry, Rc::clone(&self.watch));
        Some(Reply { head: head.into(), body, _running: running })
    }

    /// Whether a request runs on this connection.
    pub(super) fn is_busy(&self) -> bool {
        self.watch.is_busy()
    }
}

fn field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(piece);
    }
}

impl Reply {
    /// Sends what is left of it.
    pub(super) fn poll_send(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !(self.head.is_empty() && self.body.is_empty()) {
            let rest = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
            let sent = ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = sent.min(self.head.len());
            self.head.advance(of_head);
            self.body.advance(sent - of_head);
        }
        Poll::Ready(Ok(()))
    }
}

impl Today {
    fn with(&self, tell: impl FnOnce(&str)) {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut written = self.0.borrow_mut();
        if written.text.is_empty() || written.second != second {
            *written = Written { second, text: http_date(now) };
        }
        tell(&written.text);
    }
}
