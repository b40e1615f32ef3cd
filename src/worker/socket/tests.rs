//! How much a socket reads at a time.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::telemetry::Metrics;

async fn pair(budget: &ReadBudget) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (Socket::new(stream, budget, Metrics::new(1).worker(0)).unwrap(), peer)
}

/// One read into a buffer of `room` bytes; how many came.
async fn read(socket: &mut Socket, room: usize) -> usize {
    socket.read(&mut vec![0; room]).await.unwrap()
}

/// Reads until a read takes more than the small limit; how many it took, `None` if none did in
/// `bytes` bytes.
async fn first_large_read(socket: &mut Socket, bytes: usize) -> Option<usize> {
    let mut read_bytes = 0;
    while read_bytes < bytes {
        let count = read(socket, SOCKET_READ_SIZE_LARGE).await;
        assert!(count > 0, "the peer sends on");
        if count > SOCKET_READ_SIZE_SMALL {
            return Some(count);
        }
        read_bytes += count;
    }
    None
}

/// Sends without end and without a pause.
fn flood(mut peer: TcpStream) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let block = vec![7; 1 << 20];
        while peer.write_all(&block).await.is_ok() {}
    })
}

#[tokio::test]
async fn a_fast_sender_is_read_large_and_gives_its_permit_back_at_its_end() {
    let budget = ReadBudget::new(1);
    let (mut socket, peer) = pair(&budget).await;
    let sender = flood(peer);
    let count = first_large_read(&mut socket, 64 << 20).await.expect("a large read");
    assert!(count <= SOCKET_READ_SIZE_LARGE);
    assert_eq!(budget.permits_left.get(), 0);
    drop(socket);
    assert_eq!(budget.permits_left.get(), 1);
    sender.await.unwrap();
}

#[tokio::test]
async fn without_a_permit_a_fast_sender_is_read_small() {
    let budget = ReadBudget::new(0);
    let (mut socket, peer) = pair(&budget).await;
    let sender = flood(peer);
    assert_eq!(first_large_read(&mut socket, 16 << 20).await, None);
    drop(socket);
    sender.await.unwrap();
}

#[tokio::test]
async fn a_slow_sender_takes_no_permit() {
    let budget = ReadBudget::new(1);
    let (mut socket, mut peer) = pair(&budget).await;
    for _ in 0..4 * FULL_READS_BEFORE_LARGE {
        peer.write_all(&[1; 1000]).await.unwrap();
        assert_eq!(read(&mut socket, SOCKET_READ_SIZE_SMALL).await, 1000);
    }
    assert_eq!(budget.permits_left.get(), 1);
}

#[tokio::test]
async fn bytes_are_counted_both_ways_and_the_end_is_seen() {
    let (mut socket, mut peer) = pair(&ReadBudget::new(1)).await;
    peer.write_all(b"ping").await.unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!(read(&mut socket, 100).await, 4);
    assert_eq!(read(&mut socket, 100).await, 0);
    let parts = [IoSlice::new(b"po"), IoSlice::new(b"ng!")];
    assert!(socket.is_write_vectored());
    let sent = poll_fn(|cx| Pin::new(&mut socket).poll_write_vectored(cx, &parts)).await.unwrap();
    assert_eq!(sent, 5);
    assert_eq!(socket.metrics.received_bytes.get(), 4);
    assert_eq!(socket.metrics.sent_bytes.get(), 5);
    drop(socket);
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"pong!");
}

#[tokio::test]
async fn what_the_peer_did_not_acknowledge_is_known() {
    let (mut socket, mut peer) = pair(&ReadBudget::new(1)).await;
    assert_eq!(socket.queued_bytes(), Some(0));
    let block = vec![7; 64 << 10];
    let mut sent = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(100), socket.write(&block)).await
    {
        sent += written.unwrap() as u64;
    }
    let queued = socket.queued_bytes().unwrap();
    assert!((1..=sent).contains(&queued), "{queued} of {sent}");
    peer.read_exact(&mut vec![0; usize::try_from(sent).unwrap()]).await.unwrap();
    for _ in 0..1_000 {
        if socket.queued_bytes() == Some(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?} bytes are not acknowledged", socket.queued_bytes());
}

#[tokio::test]
async fn nothing_waits_for_the_peers_acknowledgement() {
    let (socket, _peer) = pair(&ReadBudget::new(1)).await;
    assert!(socket.stream.get_ref().0.borrow().nodelay().unwrap());
}
