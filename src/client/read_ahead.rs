//! A blocking source read ahead on a thread of its own: files, pipes, standard input.
//!
//! 1. The thread takes a free buffer, reads once, and queues what came.
//! 2. Whoever sends the frame lets go of it; the buffer goes back by itself and is read into again.
//!
//! So there are at most [`READ_AHEAD_BUFFERS`] of them, and a slow taker stops the thread.

use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::sync::mpsc as free_list;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

use crate::base::limits::{READ_AHEAD_BUFFERS, READ_AHEAD_STACK_SIZE, UPLOAD_FRAME_SIZE};

/// The frames of a source. Dropping it ends the thread with its next read.
#[derive(Debug)]
pub struct ReadAhead {
    /// `None` is the end; a queue that closes without it lost its thread.
    frames: mpsc::Receiver<Option<io::Result<Bytes>>>,
    has_ended: bool,
}

impl ReadAhead {
    /// Begins to read.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn new(source: impl Read + Send + 'static) -> io::Result<ReadAhead> {
        let (queue, frames) = mpsc::channel(READ_AHEAD_BUFFERS);
        thread::Builder::new()
            .name("rh-read".to_owned())
            .stack_size(READ_AHEAD_STACK_SIZE)
            .spawn(move || read_all(source, &queue))?;
        Ok(ReadAhead { frames, has_ended: false })
    }
}

impl Stream for ReadAhead {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let next = ready!(self.frames.poll_recv(cx));
        let next = next.unwrap_or_else(|| Some(Err(io::Error::other("the reader panicked"))));
        self.has_ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

fn read_all(mut source: impl Read, queue: &mpsc::Sender<Option<io::Result<Bytes>>>) {
    let (home, free) = free_list::channel();
    for _ in 0..READ_AHEAD_BUFFERS {
        // Memory is taken when one is first read into: a small file needs one of them.
        let _ = home.send(Vec::new());
    }
    // Ends only by a return: `home` lives as long as the loop.
    while let Ok(mut bytes) = free.recv() {
        if bytes.is_empty() {
            bytes = vec![0; UPLOAD_FRAME_SIZE];
        }
        let read = read_once(&mut source, &mut bytes);
        let next = match read {
            Ok(0) => None,
            Ok(filled) => {
                let buffer = Buffer { bytes, filled, home: home.clone() };
                Some(Ok(Bytes::from_owner(buffer)))
            }
            Err(error) => Some(Err(error)),
        };
        let is_last = !matches!(next, Some(Ok(_)));
        if queue.blocking_send(next).is_err() || is_last {
            return;
        }
    }
}

fn read_once(source: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// A filled buffer; goes back to the free ones when the last part of its frame is dropped.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    home: free_list::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // The thread may have ended.
        let _ = self.home.send(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, TryStreamExt as _};

    use super::*;

    struct Source {
        left: usize,
        fails: bool,
        panics: bool,
    }

    impl Read for Source {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                assert!(!self.panics, "on purpose");
                return if self.fails { Err(ErrorKind::NotConnected.into()) } else { Ok(0) };
            }
            let count = bytes.len().min(self.left);
            bytes[..count].fill(u8::try_from(self.left % 251).unwrap());
            self.left -= count;
            Ok(count)
        }
    }

    fn source(left: usize) -> Source {
        Source { left, fails: false, panics: false }
    }

    #[tokio::test]
    async fn the_bytes_come_in_order_in_few_buffers() {
        let size = 3 * READ_AHEAD_BUFFERS * UPLOAD_FRAME_SIZE + 7;
        let mut expected = Vec::new();
        source(size).read_to_end(&mut expected).unwrap();
        let frames = ReadAhead::new(source(size)).unwrap();
        let read =
            frames.map_ok(|frame| frame.len()).try_fold(0, |sum, len| async move { Ok(sum + len) });
        assert_eq!(read.await.unwrap(), expected.len());
    }

    #[tokio::test]
    async fn a_taker_that_keeps_frames_stops_the_reading() {
        let mut frames = ReadAhead::new(source(usize::MAX)).unwrap();
        let mut kept = Vec::new();
        for _ in 0..READ_AHEAD_BUFFERS {
            kept.push(frames.next().await.unwrap().unwrap());
        }
        tokio::select! {
            biased;
            _ = frames.next() => panic!("a buffer more than there are"),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
        kept.pop();
        assert!(frames.next().await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn neither_an_error_nor_a_panic_is_an_end() {
        let failing = ReadAhead::new(Source { fails: true, ..source(10) }).unwrap();
        let results: Vec<_> = failing.collect().await;
        assert_eq!(results.len(), 2);
        assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::NotConnected);
        let panicking = ReadAhead::new(Source { panics: true, ..source(10) }).unwrap();
        let results: Vec<_> = panicking.collect().await;
        assert!(results[1].as_ref().unwrap_err().to_string().contains("panicked"));
    }
}
