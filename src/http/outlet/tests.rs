//! What reaches a client of heads, frames and extents: of a fast one, of one that stalls, and where
//! somebody took a stand-in for the bytes.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use tokio::time::timeout;

use super::*;
use crate::disk::File;

/// A client that takes no more than it has room for.
#[derive(Default)]
struct Client {
    room: usize,
    received: Vec<u8>,
}

impl Client {
    fn take(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.room == 0 {
            return Poll::Pending;
        }
        let size = bytes.len().min(self.room);
        self.room -= size;
        self.received.extend_from_slice(&bytes[..size]);
        Poll::Ready(Ok(size))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl SendExtent for Client {
    fn takes_extents(&self) -> bool {
        true
    }

    fn poll_write_ahead(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.take(&bufs[0])
    }

    fn poll_send_extent(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        extent: &Extent,
    ) -> Poll<io::Result<usize>> {
        // By way of a socket that the kernel can send to.
        let (near, mut far) = UnixStream::pair()?;
        let mut bytes = vec![0; extent.send(&near)?];
        far.read_exact(&mut bytes)?;
        self.take(&bytes)
    }
}

/// The sending side of a connection, as hyper drives it.
struct Bench {
    outlet: Outlet<Client>,
    frames: VecDeque<Outgoing>,
    file: File,
}

const FILE_SIZE: usize = 100_000;

fn content() -> Vec<u8> {
    (0..251u8).cycle().take(FILE_SIZE).collect()
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = std::fs::File::create_new(&path).unwrap();
        file.write_all(&content()).unwrap();
        let file = File::adopt(std::fs::File::open(&path).unwrap(), path);
        let backlog = Backlog::new(SendBudget::new(1), true);
        backlog.begin();
        Bench { outlet: Outlet::new(Client::default(), backlog), frames: VecDeque::new(), file }
    }

    fn give_bytes(&mut self, bytes: &'static [u8]) {
        self.give(Data::Bytes(Bytes::from_static(bytes)));
    }

    fn give_extent(&mut self, start: u64, end: u64) {
        self.give(Data::Extent(Extent::new(&self.file, start..end).unwrap()));
    }

    fn give(&mut self, data: Data) {
        self.frames.push_back(Outgoing::new(data, &self.outlet.backlog));
    }

    /// Writes until all frames are taken.
    async fn send(&mut self) -> io::Result<()> {
        while !self.frames.is_empty() {
            let mut sent = poll_fn(|cx| {
                let bufs: Vec<_> =
                    self.frames.iter().map(|frame| IoSlice::new(frame.chunk())).collect();
                Pin::new(&mut self.outlet).poll_write_vectored(cx, &bufs)
            })
            .await?;
            assert!(sent > 0, "nothing written of something is no progress");
            while let Some(frame) = self.frames.front_mut() {
                let size = sent.min(frame.remaining());
                frame.advance(size);
                sent -= size;
                if frame.has_remaining() {
                    break;
                }
                self.frames.pop_front();
            }
        }
        Ok(())
    }

    fn received(&self) -> &[u8] {
        &self.outlet.socket.received
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_and_extents_come_in_their_order() {
    let file = content();
    for room in [1 << 30, 70_000] {
        let mut bench = Bench::new();
        bench.outlet.socket.room = room;
        bench.give_bytes(b"head");
        bench.give_extent(5, 60_000);
        bench.give_extent(60_000, 60_001);
        bench.give_bytes(b"between");
        bench.give_bytes(b"parts");
        bench.give_extent(0, 20_000);
        if timeout(Duration::from_millis(1), bench.send()).await.is_err() {
            assert_eq!(bench.received().len(), room, "in the middle of an extent");
            bench.outlet.socket.room = 1 << 30;
            bench.send().await.unwrap();
        }
        let expected = [b"head", &file[5..60_001], b"betweenparts", &file[..20_000]].concat();
        assert!(bench.received() == expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_gets_what_was_set_aside_and_then_the_rest() {
    let file = content();
    let mut bench = Bench::new();
    bench.outlet.socket.room = 1000;
    bench.give_bytes(b"head");
    bench.give_extent(0, 50_000);
    bench.give_bytes(b"between");
    bench.give_extent(50_000, 100_000);
    // A buffer of the slab would wait for its end.
    bench.outlet.backlog.lent_count.set(1);
    bench.send().await.unwrap();
    bench.outlet.backlog.lent_count.set(0);
    assert_eq!(bench.received().len(), 1000, "hyper has nothing left, the client not much");
    let waker = poll_fn(|cx| Poll::Ready(bench.outlet.backlog.turn(cx))).await;
    assert_eq!(waker, Turn::Park);
    bench.give_bytes(b"behind");
    for _ in 0..200 {
        bench.outlet.socket.room = 777;
        let _ = timeout(Duration::from_millis(1), bench.send()).await;
    }
    let expected = [b"head", &file[..50_000], b"between", &file[50_000..], b"behind"].concat();
    assert!(bench.received() == expected);
    assert!(bench.outlet.aside.is_empty() && bench.frames.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_extent_alone_stays_where_it_is_while_its_client_stalls() {
    let mut bench = Bench::new();
    bench.give_extent(0, 50_000);
    assert!(timeout(Duration::from_secs(1), bench.send()).await.is_err());
    assert!(bench.outlet.aside.is_empty() && bench.frames.len() == 1);
    let turn = poll_fn(|cx| Poll::Ready(bench.outlet.backlog.turn(cx))).await;
    assert_eq!(turn, Turn::Park, "nothing is read ahead for it");
    bench.outlet.socket.room = 1 << 30;
    bench.send().await.unwrap();
    assert!(bench.received() == &content()[..50_000]);
}

#[tokio::test(start_paused = true)]
async fn extents_take_no_permit_from_those_who_send_frames() {
    let mut bench = Bench::new();
    bench.outlet.socket.room = 1 << 30;
    for _ in 0..2 * FRAMES_BEFORE_LARGE {
        bench.give_extent(0, 10);
        bench.send().await.unwrap();
    }
    assert!(bench.outlet.backlog.permit.borrow().is_none());
    for _ in 0..FRAMES_BEFORE_LARGE {
        bench.give_bytes(b"frame");
        bench.send().await.unwrap();
    }
    assert!(bench.outlet.backlog.permit.borrow().is_some());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_a_stand_in_was_taken_for_the_bytes() {
    let mut bench = Bench::new();
    bench.outlet.socket.room = 1 << 30;
    bench.give_extent(0, 1000);
    let copied = bench.frames[0].copy_to_bytes(500);
    assert!(copied.iter().all(|byte| *byte == 0));
    bench.frames.clear();
    bench.give_bytes(b"more");
    assert_eq!(bench.send().await.unwrap_err().kind(), io::ErrorKind::Other);
    assert!(bench.received().is_empty());
}
