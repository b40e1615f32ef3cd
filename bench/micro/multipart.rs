//! The multipart path: the splitter of `wire/` and multer behind it, over a form with one large
//! file that arrives in pieces, as `http/multipart.rs` connects them but for the lock between
//! them, which nobody ever waits for, and hyper's body, which has its own costs.
//!
//! Pieces come one a turn, as hyper gives them: multer takes all that a stream has at once, and
//! from one that always has more it would gather the whole file.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::{Stream, StreamExt as _};
use multer::Multipart;
use ringhold::wire::{Documents, Event};

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
const FILE_SIZE: usize = 64 << 20;
/// What hyper gives at once: a read of a slow connection, and one of a fast.
const PIECE_SIZES: [(&str, usize); 2] = [("16 KiB", 16 << 10), ("1 MiB", 1 << 20)];

pub(crate) fn measure(criterion: &mut Criterion) {
    let form = form();
    let mut group = criterion.benchmark_group("multipart");
    group.throughput(Throughput::Bytes(FILE_SIZE as u64));
    for (name, piece_size) in PIECE_SIZES {
        let pieces: VecDeque<Bytes> = pieces(&form, piece_size);
        assert_eq!(split(pieces.clone()), parse(pieces.clone()) + overhead_size(&form));
        group.bench_function(BenchmarkId::new("splitter", name), |bencher| {
            bencher.iter_with_setup(|| pieces.clone(), split);
        });
        group.bench_function(BenchmarkId::new("splitter and multer", name), |bencher| {
            bencher.iter_with_setup(|| pieces.clone(), parse);
        });
    }
    group.finish();
}

/// A form with one file, whose bytes have as many line breaks as noise has: each is a place where
/// a boundary might begin.
fn form() -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"lake.jpg\"\r\n\
         Content-Type: image/jpeg\r\n\r\n"
    );
    let mut form = head.into_bytes();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    form.extend(std::iter::repeat_with(|| noise(&mut state)).take(FILE_SIZE / 8).flatten());
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    Bytes::from(form)
}

/// The next eight bytes of a xorshift generator (Marsaglia, 2003).
fn noise(state: &mut u64) -> [u8; 8] {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.to_ne_bytes()
}

fn pieces(form: &Bytes, size: usize) -> VecDeque<Bytes> {
    let starts = (0..form.len()).step_by(size);
    starts.map(|start| form.slice(start..form.len().min(start + size))).collect()
}

/// What a form has besides its file, bytes.
fn overhead_size(form: &Bytes) -> usize {
    // The splitter hands the document out without the line break that follows it.
    form.len() - FILE_SIZE - 2
}

/// The splitter alone; bytes of the document.
fn split(pieces: VecDeque<Bytes>) -> usize {
    let mut feed = Feed::new(pieces);
    let mut size = 0;
    loop {
        match feed.poll_event() {
            Poll::Ready(Some(Event::Data(data))) => size += data.len(),
            Poll::Ready(None) => return size,
            Poll::Ready(Some(Event::Begin(_) | Event::End)) | Poll::Pending => {}
        }
    }
}

/// The splitter and the parser; bytes of the file.
fn parse(pieces: VecDeque<Bytes>) -> usize {
    let mut document = Multipart::new(Feed::new(pieces), BOUNDARY);
    let mut parsing = pin!(async {
        let mut size = 0;
        while let Some(mut field) = document.next_field().await.unwrap() {
            while let Some(frame) = field.next().await {
                size += frame.unwrap().len();
            }
        }
        size
    });
    let mut turn = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(size) = parsing.as_mut().poll(&mut turn) {
            return size;
        }
    }
}

/// A body in pieces behind its splitter; as a stream, the bytes of its one document.
struct Feed {
    documents: Documents,
    pieces: VecDeque<Bytes>,
    /// Whether this turn's piece was taken.
    is_taken: bool,
}

impl Feed {
    fn new(pieces: VecDeque<Bytes>) -> Feed {
        Feed { documents: Documents::declared(BOUNDARY), pieces, is_taken: false }
    }

    fn poll_event(&mut self) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.documents.pull().unwrap() {
                return Poll::Ready(Some(event));
            }
            self.is_taken = !self.is_taken;
            if !self.is_taken {
                return Poll::Pending;
            }
            let Some(piece) = self.pieces.pop_front() else { return Poll::Ready(None) };
            self.documents.push(piece);
        }
    }
}

impl Stream for Feed {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.poll_event()) {
                Some(Event::Data(data)) => return Poll::Ready(Some(Ok(data))),
                Some(Event::Begin(_)) => {}
                Some(Event::End) | None => return Poll::Ready(None),
            }
        }
    }
}
