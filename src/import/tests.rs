//! What a test with real sockets could not wait for or could not arrange: time is simulated where
//! a source is slow, names resolve as the test wants them to.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep};

use super::importer::Answer;
use super::*;
use crate::base::limits::{
    BODY_RATE_GRACE_S, IMPORT_BUFFER_SIZE, IMPORT_IDLE_TIMEOUT_S, IMPORT_RATE_MIN, IMPORT_TIMEOUT_S,
};
use crate::wire::SourceUrl;

/// Answers in turn, the last one for ever.
#[derive(Clone, Default)]
struct Names {
    answers: Arc<Mutex<Vec<Vec<&'static str>>>>,
    asked: Arc<AtomicUsize>,
    own: Option<IpAddr>,
}

impl Names {
    fn of<const N: usize>(answers: [&[&'static str]; N]) -> Names {
        let answers = answers.into_iter().rev().map(<[_]>::to_vec).collect();
        Names { answers: Arc::new(Mutex::new(answers)), ..Names::default() }
    }
}

impl Network for Names {
    fn resolve(&self, _name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
        let addresses = answer.unwrap_or_default();
        async move { Ok(addresses.iter().map(|text| text.parse().unwrap()).collect()) }.boxed()
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own == Some(address)
    }
}

fn importer(names: &Names, allow: &[&str]) -> Arc<Importer> {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    Importer::new(ImportOptions { allow }, Box::new(names.clone()))
}

async fn begin(importer: &Arc<Importer>, url: &str) -> Result<Source, ImportError> {
    importer.begin(SourceUrl::parse(url).unwrap(), None).await
}

fn kind(result: Result<Source, ImportError>) -> ImportErrorKind {
    result.err().expect("an error").kind()
}

/// Answers every connection with `answer`; the port.
async fn serve(answer: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

#[tokio::test]
async fn one_address_that_is_not_public_spoils_the_name() {
    for answer in [
        &["10.0.0.1"][..],
        &["192.0.32.10", "10.0.0.1"],
        &["10.0.0.1", "192.0.32.10"],
        &["2606:4700::1", "::ffff:192.0.32.10"],
    ] {
        let importer = importer(&Names::of([answer]), &["127.0.0.0/8"]);
        let refused = begin(&importer, "http://example.org/").await.err().unwrap();
        assert_eq!(refused.kind(), ImportErrorKind::Refused, "{answer:?}");
        assert!(!refused.to_string().contains("10.0"), "{refused}");
        assert!(refused.detail().unwrap().contains("example.org"), "{refused:?}");
    }
    let nothing = importer(&Names::of([&[]]), &[]);
    assert_eq!(kind(begin(&nothing, "http://example.org/").await), ImportErrorKind::Failed);
}

#[tokio::test]
async fn the_machines_own_addresses_are_not_public() {
    let own = "192.0.32.10".parse().unwrap();
    let names = Names { own: Some(own), ..Names::of([&["192.0.32.10"]]) };
    for url in ["http://example.org/", "http://192.0.32.10/"] {
        let refused = begin(&importer(&names, &[]), url).await;
        assert_eq!(kind(refused), ImportErrorKind::Refused, "{url}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_it_says_later_is_not_heard() {
    let port = serve("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_owned()).await;
    let names = Names::of([&["127.0.0.1"], &["10.0.0.1"]]);
    let importer = importer(&names, &["127.0.0.1/32"]);
    let source = begin(&importer, &format!("http://example.org:{port}/")).await.unwrap();
    let frames: Vec<_> = source.into_frames().collect().await;
    assert!(matches!(&frames[..], [Ok(frame)] if frame.as_ref() == b"hello"), "{frames:?}");
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_that_changes_between_two_hops_is_vetted_again() {
    let port = serve("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n".to_owned()).await;
    let names = Names::of([&["127.0.0.1"], &["10.0.0.1"]]);
    let importer = importer(&names, &["127.0.0.1/32"]);
    let refused = begin(&importer, &format!("http://example.org:{port}/")).await;
    assert_eq!(kind(refused), ImportErrorKind::Refused);
    assert_eq!(names.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_name_of_many_addresses_is_asked_at_one_of_them() {
    let port = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let names = Names::of([&["127.0.0.2", "::1", "127.0.0.1"]]);
    let importer = importer(&names, &["127.0.0.0/8", "::1/128"]);
    assert!(begin(&importer, &format!("http://example.org:{port}/")).await.is_ok());
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_more_is_read_at_once_than_the_memory_contract_counts() {
    let size = 8 * IMPORT_BUFFER_SIZE;
    let body = "x".repeat(size);
    let port = serve(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{body}")).await;
    let importer = importer(&Names::default(), &["127.0.0.0/8"]);
    let source = begin(&importer, &format!("http://127.0.0.1:{port}/")).await.unwrap();
    let frames: Vec<_> = source.into_frames().collect().await;
    let sizes: Vec<_> = frames.iter().map(|frame| frame.as_ref().unwrap().len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), size);
    assert!(sizes.iter().all(|size| *size <= IMPORT_BUFFER_SIZE), "{sizes:?}");
}

/// A source whose head has come, and where to put the frames of its file, which has no end.
fn fed() -> (mpsc::Sender<Bytes>, Source) {
    let (feed, frames) = mpsc::channel(1);
    let frames = stream::unfold(frames, |mut frames| async move {
        let frame: Bytes = frames.recv().await?;
        Some((Ok::<_, io::Error>(Frame::data(frame)), frames))
    });
    let body = reqwest::Body::wrap(StreamBody::new(frames));
    let importer = importer(&Names::default(), &[]);
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let url = SourceUrl::parse("http://example.org/").unwrap();
    let answer = Answer { url: url.clone(), response: http::Response::new(body).into() };
    let deadline = Instant::now() + Duration::from_secs(IMPORT_TIMEOUT_S);
    (feed, Source::of(importer, place, url, answer, u64::MAX, deadline).unwrap())
}

/// Reads to the error, while `chunk_size` bytes come every second; the seconds it took.
async fn read_at(chunk_size: usize) -> (u64, ImportError) {
    let (feed, source) = fed();
    let began = Instant::now();
    tokio::spawn(async move {
        let chunk = Bytes::from(vec![b'x'; chunk_size]);
        loop {
            sleep(Duration::from_secs(1)).await;
            if feed.send(chunk.clone()).await.is_err() {
                return;
            }
        }
    });
    let mut frames = Box::pin(source.into_frames());
    loop {
        match frames.next().await.expect("no end without an error") {
            Ok(_) => {}
            Err(error) => return (began.elapsed().as_secs(), error),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_falls_silent_is_given_up() {
    let (_feed, source) = fed();
    let began = Instant::now();
    let error = Box::pin(source.into_frames()).next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ImportErrorKind::TooSlow);
    assert_eq!(began.elapsed().as_secs(), IMPORT_IDLE_TIMEOUT_S);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_drips_is_given_up_and_a_slow_one_is_not() {
    let (seconds, error) = read_at(1).await;
    assert_eq!(error.kind(), ImportErrorKind::TooSlow);
    assert!((BODY_RATE_GRACE_S..=BODY_RATE_GRACE_S + 2).contains(&seconds), "{seconds} s");
    let (seconds, error) = read_at(usize::try_from(IMPORT_RATE_MIN).unwrap()).await;
    assert_eq!(error.kind(), ImportErrorKind::TooSlow);
    assert_eq!(seconds, IMPORT_TIMEOUT_S, "until the time for one import is over");
}
