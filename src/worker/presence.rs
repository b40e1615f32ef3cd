//! Whether a peer is still there while nobody reads from it.
//!
//! hyper does not look at a connection whose request is being answered, so that a client may close
//! its sending side and still read the answer. Whoever does long work that only this client wants
//! looks here. A socket cannot tell a client that only stopped sending from one that has gone: to
//! those who ask here, both have left.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection's stream, where its presence can be asked for as well.
#[derive(Clone, Debug)]
pub(super) struct SharedStream(pub(super) Rc<RefCell<TcpStream>>);

impl SharedStream {
    pub(super) fn new(stream: TcpStream) -> SharedStream {
        SharedStream(Rc::new(RefCell::new(stream)))
    }

    /// The stream, if nobody else has it.
    pub(super) fn into_stream(self) -> Option<TcpStream> {
        Rc::into_inner(self.0).map(RefCell::into_inner)
    }
}

/// Tells when a peer leaves.
#[derive(Debug)]
pub struct Presence(Option<SharedStream>);

impl Presence {
    /// Of a connection's peer.
    pub(super) fn of(stream: &SharedStream) -> Presence {
        Presence(Some(stream.clone()))
    }

    /// Of somebody nothing is known of, who stays.
    pub fn unknown() -> Presence {
        Presence(None)
    }

    /// Ready when the peer sends nothing more, ever: its end, or the connection's. What it sent
    /// before and nobody read yet hides that.
    pub fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Presence(Some(SharedStream(stream))) = self else { return Poll::Pending };
        let mut byte = [0];
        let peeked = ready!(stream.borrow_mut().poll_peek(cx, &mut ReadBuf::new(&mut byte)));
        if peeked.is_ok_and(|count| count > 0) { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// A socket that knows of its peer's presence.
pub trait Attended {
    /// The peer's presence.
    fn presence(&self) -> Presence;
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buf)
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::poll_fn;
    use futures_util::poll;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, SharedStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, SharedStream::new(listener.accept().await.unwrap().0))
    }

    #[tokio::test]
    async fn a_peer_that_closes_has_left_and_one_that_waits_has_not() {
        let (mut client, mut stream) = pair().await;
        let presence = Presence::of(&stream);
        assert!(poll!(poll_fn(|cx| presence.poll_left(cx))).is_pending());
        client.write_all(b"x").await.unwrap();
        assert_eq!(
            stream.read_u8().await.unwrap(),
            b'x',
            "what it sends is still there to be read"
        );
        assert!(poll!(poll_fn(|cx| presence.poll_left(cx))).is_pending());
        drop(client);
        poll_fn(|cx| presence.poll_left(cx)).await;
    }

    #[tokio::test]
    async fn a_peer_that_has_sent_more_is_there() {
        let (mut client, stream) = pair().await;
        client.write_all(b"the next request").await.unwrap();
        poll_fn(|cx| stream.0.borrow().poll_read_ready(cx)).await.unwrap();
        let presence = Presence::of(&stream);
        assert!(poll!(poll_fn(|cx| presence.poll_left(cx))).is_pending());
    }

    #[tokio::test]
    async fn nobody_known_never_leaves() {
        assert!(poll!(poll_fn(|cx| Presence::unknown().poll_left(cx))).is_pending());
    }
}
