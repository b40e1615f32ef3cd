//! What a test with real sockets could not wait for or could not arrange: time is simulated where
//! a source is slow, names resolve as the test wants them to.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use http::Request;
use http_body_util::Empty;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::exchange::Exchange;
use super::importer::Answer;
use super::*;
use crate::base::limits::{
    BODY_RATE_GRACE_S, IMPORT_IDLE_TIMEOUT_S, IMPORT_RATE_MIN, IMPORT_TIMEOUT_S,
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

/// A source at the other end of a pipe, whose head has come; its file has no end.
async fn pipe() -> (DuplexStream, Source) {
    let (mut far, near) = duplex(64 << 10);
    let request = Request::get("/").body(Empty::<Bytes>::new()).unwrap();
    let answered = async {
        assert!(far.read(&mut [0; 4096]).await.unwrap() > 0);
        far.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    };
    let (begun, ()) = tokio::join!(Exchange::begin(Box::new(near), request), answered);
    let (head, exchange) = begun.unwrap();
    let importer = importer(&Names::default(), &[]);
    let place = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
    let url = SourceUrl::parse("http://example.org/").unwrap();
    let answer = Answer { url: url.clone(), head, exchange };
    let deadline = Instant::now() + Duration::from_secs(IMPORT_TIMEOUT_S);
    let source = Source::of(importer, place, url, answer, u64::MAX, deadline).unwrap();
    (far, source)
}

/// Reads to the error, while `chunk_size` bytes come every second; the seconds it took.
async fn read_at(chunk_size: usize) -> (u64, ImportError) {
    let (mut far, source) = pipe().await;
    let began = Instant::now();
    tokio::spawn(async move {
        let chunk = format!("{chunk_size:x}\r\n{}\r\n", "x".repeat(chunk_size));
        loop {
            sleep(Duration::from_secs(1)).await;
            if far.write_all(chunk.as_bytes()).await.is_err() {
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
    let (_far, source) = pipe().await;
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
