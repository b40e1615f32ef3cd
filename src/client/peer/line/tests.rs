//! Tests of lines between two ends, over pipes in memory.

use std::time::Duration;

use tokio::io::{DuplexStream, duplex, split};

use super::*;
use crate::base::limits::RECORD_SIZE_MAX;
use crate::client::peer::{PeerError, RelayAddress, Session, session_pair};

/// Smaller than a record, so that nothing comes in one piece.
const PIPE_SIZE: usize = 10_000;

fn relay() -> RelayAddress {
    RelayAddress::parse("127.0.0.1:9").unwrap()
}

async fn open(session: &Session, index: u16, pipe: DuplexStream) -> Result<Line, PeerError> {
    let (from, to) = split(pipe);
    session.line_over(index, from, to).await
}

/// A line of the sender and one of the receiver, connected.
async fn lines() -> (Line, Line) {
    let (sender, receiver) = session_pair(&relay());
    let (one, other) = duplex(PIPE_SIZE);
    let lines = tokio::join!(open(&sender, 1, one), open(&receiver, 1, other));
    (lines.0.unwrap(), lines.1.unwrap())
}

/// The same with somebody between them who has what each said, for as long as he lets it pass.
async fn tapped_lines(size_max: usize) -> (Line, Line, tokio::task::JoinHandle<[Vec<u8>; 2]>) {
    let (sender, receiver) = session_pair(&relay());
    let (one, his_one) = duplex(PIPE_SIZE);
    let (other, his_other) = duplex(PIPE_SIZE);
    let tap = tokio::spawn(tap(his_one, his_other, size_max));
    let lines = tokio::join!(open(&sender, 1, one), open(&receiver, 1, other));
    (lines.0.unwrap(), lines.1.unwrap(), tap)
}

async fn tap(one: DuplexStream, other: DuplexStream, size_max: usize) -> [Vec<u8>; 2] {
    let ((mut from_one, mut to_one), (mut from_other, mut to_other)) = (split(one), split(other));
    let (there, back) = tokio::join!(
        pass_on(&mut from_one, &mut to_other, size_max),
        pass_on(&mut from_other, &mut to_one, size_max),
    );
    [there, back]
}

async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    size_max: usize,
) -> Vec<u8> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while seen.len() < size_max {
        let room = buffer.len().min(size_max - seen.len());
        let size = from.read(&mut buffer[..room]).await.unwrap();
        if size == 0 || to.write_all(&buffer[..size]).await.is_err() {
            break;
        }
        seen.extend_from_slice(&buffer[..size]);
    }
    // It may have gone already.
    let _ = to.shutdown().await;
    seen
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at % 253).unwrap()).collect()
}

#[tokio::test]
async fn messages_go_both_ways_at_once_and_end() {
    let (sender, receiver) = lines().await;
    let both = [sender, receiver].map(|line| {
        tokio::spawn(async move {
            let (mut writer, mut reader) = line.split();
            let sending = async move {
                for size in [0, 1, RECORD_SIZE_MAX, MESSAGE_SIZE_MAX, 5] {
                    writer.send(&[&[9], &pattern(size)[..size - size / 2 * 2], &[]]).await.unwrap();
                    writer.send(&[&pattern(size)]).await.unwrap();
                }
                writer.finish().await.unwrap();
            };
            let receiving = async move {
                let mut came = Vec::new();
                while let Some(message) = reader.receive().await.unwrap() {
                    came.push(message);
                }
                assert_eq!(reader.receive().await, Ok(None), "the end stays the end");
                came
            };
            tokio::join!(sending, receiving).1
        })
    });
    for end in both {
        let came = end.await.unwrap();
        assert_eq!(came.len(), 10);
        for (index, size) in [0, 1, RECORD_SIZE_MAX, MESSAGE_SIZE_MAX, 5].into_iter().enumerate() {
            assert_eq!(came[2 * index + 1], pattern(size));
            assert_eq!(came[2 * index][..1], [9]);
        }
    }
}

#[tokio::test]
async fn what_passes_between_shows_neither_content_nor_names() {
    let (sender, receiver, tap) = tapped_lines(usize::MAX).await;
    let (mut writer, mut reader) = sender.split();
    let (other_writer, mut other_reader) = receiver.split();
    let secret = b"holiday-photo-of-the-lake.jpg";
    let content = [&secret[..], &[b'.'; 5000]].concat();
    for _ in 0..20 {
        writer.send(&[&content]).await.unwrap();
    }
    let receiving = async {
        let mut count = 0;
        while let Some(message) = other_reader.receive().await.unwrap() {
            assert_eq!(message, content);
            count += 1;
        }
        count
    };
    let (finished, count) = tokio::join!(writer.finish(), receiving);
    assert_eq!((finished, count), (Ok(()), 20));
    other_writer.finish().await.unwrap();
    assert_eq!(reader.receive().await, Ok(None));
    let [there, back] = tap.await.unwrap();
    assert!(there.len() > 20 * content.len());
    for seen in [&there, &back] {
        for plain in [&secret[..4], &[b'.'; 6], &[7; 8]] {
            assert!(memchr::memmem::find(seen, plain).is_none(), "{plain:?}");
        }
    }
    let half = there.len() / 2;
    assert_ne!(
        there[100..half],
        there[half + 100..][..half - 100],
        "equal messages look different"
    );
}

#[tokio::test]
async fn a_connection_that_ends_before_the_final_record_is_broken() {
    let (sender, receiver, tap) = tapped_lines(5_000).await;
    let (mut writer, _reader) = sender.split();
    let (_writer, mut reader) = receiver.split();
    let sending = async {
        writer.send(&[&pattern(1000)]).await?;
        writer.send(&[&pattern(9000)]).await?;
        writer.finish().await
    };
    let receiving = async {
        assert_eq!(reader.receive().await.unwrap().unwrap(), pattern(1000));
        (reader.receive().await, reader.receive().await)
    };
    let (_may_break, (cut, after)) = tokio::join!(sending, receiving);
    let cut = cut.unwrap_err();
    assert!(matches!(cut, PeerError::Broken(_)) && cut.is_worth_a_retry(), "{cut}");
    assert_eq!(after, Err(PeerError::Abandoned));
    tap.abort();
}

#[tokio::test]
async fn an_end_with_another_key_is_found_out_before_anything_is_said() {
    let (sender, _) = session_pair(&relay());
    let (_, stranger) = session_pair(&relay());
    let (one, other) = duplex(PIPE_SIZE);
    // The same session, but another channel: the keys differ as if the session's did.
    let (one, other) = tokio::join!(open(&sender, 1, one), open(&stranger, 2, other));
    for line in [one.map(drop), other.map(drop)] {
        assert_eq!(line, Err(PeerError::Tampered(crate::wire::RecordFault::Seal)));
    }
}

#[tokio::test]
async fn two_ends_of_one_role_do_not_come_together() {
    let (sender, _) = session_pair(&relay());
    let (one, other) = duplex(PIPE_SIZE);
    let (one, other) = tokio::join!(open(&sender, 1, one), open(&sender, 1, other));
    assert!(one.is_err() && other.is_err());
}

#[tokio::test]
async fn an_end_is_not_fooled_by_its_own_echo() {
    let (sender, _) = session_pair(&relay());
    let (one, mirror) = duplex(PIPE_SIZE);
    let echo = tokio::spawn(async move {
        let (mut from, mut to) = split(mirror);
        pass_on(&mut from, &mut to, usize::MAX).await
    });
    let line = open(&sender, 1, one).await;
    assert_eq!(line.map(drop), Err(PeerError::Tampered(crate::wire::RecordFault::Seal)));
    assert!(echo.await.unwrap().len() > NONCE_SIZE);
}

#[tokio::test]
async fn a_recorded_line_cannot_be_played_again() {
    let (sender, receiver, tap) = tapped_lines(usize::MAX).await;
    let (mut writer, reader) = sender.split();
    writer.send(&[b"pay him"]).await.unwrap();
    writer.finish().await.unwrap();
    drop((reader, receiver));
    let [recorded, _] = tap.await.unwrap();
    let (_, receiver) = session_pair(&relay());
    let (pipe, mut player) = duplex(1 << 20);
    player.write_all(&recorded).await.unwrap();
    let line = open(&receiver, 1, pipe).await;
    assert_eq!(line.map(drop), Err(PeerError::Tampered(crate::wire::RecordFault::Seal)));
}

#[tokio::test(start_paused = true)]
async fn silence_is_borne_for_its_time_and_no_longer() {
    let (sender, receiver) = lines().await;
    let (mut writer, _reader) = sender.split();
    let (_writer, mut reader) = receiver.split();
    let alive = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            writer.keep_alive().await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(50)).await;
        writer.send(&[b"at last"]).await.unwrap();
        writer.flush().await.unwrap();
    };
    let (came, ()) = tokio::join!(reader.receive(), alive);
    assert_eq!(came.unwrap().unwrap(), &b"at last"[..]);
    let silent = reader.receive().await.unwrap_err();
    assert_eq!(silent, PeerError::TimedOut("the other end is silent for 60 s".to_owned()));
    assert!(silent.is_worth_a_retry());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_takes_nothing_is_given_up() {
    let (sender, receiver) = lines().await;
    let (mut writer, _reader) = sender.split();
    let stuck = writer.send(&[&pattern(MESSAGE_SIZE_MAX)]).await;
    assert!(matches!(stuck, Err(PeerError::TimedOut(_))), "{stuck:?}");
    assert_eq!(writer.send(&[b"more"]).await, Err(PeerError::Abandoned));
    assert_eq!(writer.flush().await, Err(PeerError::Abandoned));
    drop(receiver);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_never_greets_is_given_up() {
    let (sender, _) = session_pair(&relay());
    let (one, _silent) = duplex(PIPE_SIZE);
    let line = open(&sender, 1, one).await.map(drop);
    assert_eq!(line, Err(PeerError::TimedOut("the other end is silent for 30 s".to_owned())));
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_the_line_goes_on() {
    let (sender, receiver) = lines().await;
    let (mut writer, _reader) = sender.split();
    let (_writer, mut reader) = receiver.split();
    let half = pattern(MESSAGE_SIZE_MAX / 2 + 1);
    let refused = writer.send(&[&half, &half]).await;
    assert_eq!(refused, Err(PeerError::TooLarge(2 * half.len())));
    writer.send(&[b"short"]).await.unwrap();
    let (flushed, came) = tokio::join!(writer.flush(), reader.receive());
    assert_eq!((flushed, came.unwrap().unwrap()), (Ok(()), Bytes::from_static(b"short")));
}

#[tokio::test]
async fn a_dropped_receive_or_flush_loses_nothing() {
    let (sender, receiver) = lines().await;
    let (mut writer, _reader) = sender.split();
    let (_writer, mut reader) = receiver.split();
    for _ in 0..3 {
        let none = futures_util::FutureExt::now_or_never(reader.receive());
        assert!(none.is_none());
    }
    let message = pattern(5 * PIPE_SIZE);
    writer.send(&[&message]).await.unwrap();
    let mut tries = 0;
    let came = loop {
        // Each is dropped where the pipe is full or empty.
        let flushed = futures_util::FutureExt::now_or_never(writer.flush());
        let came = futures_util::FutureExt::now_or_never(reader.receive());
        tries += 1;
        if let Some(came) = came {
            assert_eq!(flushed, Some(Ok(())));
            break came;
        }
        assert!(tries < 100, "it comes to an end");
    };
    assert!(tries > 3, "some were dropped");
    assert_eq!(came.unwrap().unwrap(), message);
}

#[tokio::test]
async fn a_dropped_send_breaks_its_half() {
    let (sender, receiver) = lines().await;
    let (mut writer, _reader) = sender.split();
    let message = pattern(MESSAGE_SIZE_MAX);
    let parts = [&message[..]];
    assert!(futures_util::FutureExt::now_or_never(writer.send(&parts)).is_none());
    assert_eq!(writer.send(&[b"more"]).await, Err(PeerError::Abandoned));
    assert_eq!(writer.keep_alive().await, Err(PeerError::Abandoned));
    assert_eq!(writer.finish().await, Err(PeerError::Abandoned));
    drop(receiver);
}
