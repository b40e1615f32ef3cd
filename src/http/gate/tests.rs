//! What gets through the gate, in pieces of every size.

use std::future::poll_fn;
use std::mem::MaybeUninit;

use hyper::rt;
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::task::{LocalSet, spawn_local};

use super::*;

/// What hyper gets of `sent`, which comes in pieces of `step` and is read into as much room; and
/// the fault that was found.
fn through(sent: &[u8], step: usize) -> (io::Result<Vec<u8>>, Option<HeadFault>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (mut client, server) = duplex(step);
        let sent = sent.to_vec();
        spawn_local(async move { client.write_all(&sent).await });
        let refused = Refused::default();
        let mut gate = Gate::new(server, Scratch::new(), Rc::clone(&refused), None);
        let mut received = Vec::new();
        let result = loop {
            let mut space = vec![MaybeUninit::uninit(); step];
            let mut buf = rt::ReadBuf::uninit(&mut space);
            match poll_fn(|cx| Pin::new(&mut gate).poll_read(cx, buf.unfilled())).await {
                Ok(()) if buf.filled().is_empty() => break Ok(received),
                Ok(()) => received.extend_from_slice(buf.filled()),
                Err(error) => break Err(error),
            }
        };
        (result, refused.take())
    })
}

const STEPS: [usize; 4] = [1, 7, 100, 40_000];

fn chunked(size: usize) -> Vec<u8> {
    let mut body = format!("{size:x}\r\n").into_bytes();
    body.resize(body.len() + size, b'\n');
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    body
}

#[test]
fn requests_that_follow_one_another_get_through_as_they_are() {
    let mut sent = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    for size in [0, 1, 50_000] {
        sent.extend(format!("PUT /a HTTP/1.0\r\nContent-Length: {size}\r\n\r\n").bytes());
        sent.resize(sent.len() + size, b'\n');
        sent.extend(b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        sent.extend(chunked(size + 1));
    }
    sent.extend(b"GET / HTTP/1.0\r\n\r\n");
    for step in STEPS {
        let (received, fault) = through(&sent, step);
        assert!(received.unwrap() == sent, "step {step}");
        assert_eq!(fault, None);
    }
}

#[test]
fn what_is_no_request_and_all_behind_it_is_the_body_of_a_refused_one() {
    let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for step in STEPS {
        let (received, fault) = through(format!("{good}GET /\r\n{good}").as_bytes(), step);
        let received = String::from_utf8(received.unwrap()).unwrap();
        let refused = String::from_utf8_lossy(REFUSED_HEAD);
        assert!(received.starts_with(&format!("{good}{refused}")), "{received}");
        assert_eq!(fault, Some(HeadFault::RequestLine));
        let behind = received.len() - good.len() - REFUSED_HEAD.len();
        assert!(behind <= good.len(), "what came with the fault is dropped with it");
    }
}

#[test]
fn a_chunk_that_is_none_is_an_error_for_who_reads_the_body() {
    let head = "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for step in STEPS {
        let (received, fault) = through(format!("{head}5\r\nhello\n0\r\n\r\n").as_bytes(), step);
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(fault, None, "the head was in order");
    }
}
