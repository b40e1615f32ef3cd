//! Ends that say what no honest one says, after the agreement on a key: they are told apart from
//! broken lines, and the transfer ends.

use std::fs;
use std::future::{Future, pending};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::join;

use super::table::Table;
use crate::client::peer::{Line, LineReader, LineWriter};
use crate::client::transfer::{
    Destination, Meeting, Moved, Offer, ReceiveOptions, Receiving, SendOptions, Sending,
    TransferError,
};
use crate::wire::{BlockId, Entry, EntryKind, OfferHead, PEER_VERSION, PeerMessage, PeerPath};

const PATIENCE: Duration = Duration::from_secs(20);

type Ended = Result<Moved, TransferError>;

/// Says messages on a line.
async fn say(writer: &mut LineWriter, messages: &[PeerMessage]) {
    for message in messages {
        writer.send(&[&message.encode()]).await.unwrap();
    }
    writer.flush().await.unwrap();
}

/// What the other end says last; the end of the line when it says nothing.
async fn last_word(reader: &mut LineReader) -> Option<PeerMessage> {
    let mut last = None;
    while let Ok(Some(message)) = reader.receive().await {
        last = Some(PeerMessage::decode(message).unwrap());
    }
    last
}

async fn line(meeting: &Meeting, index: u16) -> Line {
    (meeting.0)(index).await.unwrap()
}

fn hello() -> PeerMessage {
    PeerMessage::Hello { version: PEER_VERSION, has_offer: false }
}

/// The sender of a file of 5 bytes, and where its other end meets it.
fn sender(dir: &Path) -> (impl Future<Output = Ended> + use<>, Meeting) {
    let path = dir.join("file");
    fs::write(&path, b"12345").unwrap();
    let (at_sender, at_receiver) = Table::new(|_, _| None).meetings();
    let offer = Offer::of_paths(&[path]).unwrap();
    let (sending, watch) =
        Sending::new(at_sender, offer, None, SendOptions { lines: 1, patience: PATIENCE });
    let run = async move {
        let _watch = watch;
        sending.run(pending()).await
    };
    (run, at_receiver)
}

fn assert_senseless(ended: &Ended) {
    assert!(matches!(ended, Err(TransferError::Nonsense(_))), "{ended:?}");
}

#[tokio::test]
async fn a_receiver_that_talks_nonsense_ends_the_sending_and_is_told() {
    let whole = |file, size_bytes| PeerMessage::Whole { file, size_bytes, blake3: [0; 32] };
    for messages in [
        vec![PeerMessage::Accept],
        vec![PeerMessage::Hello { version: 9, has_offer: false }],
        vec![hello(), hello()],
        vec![hello(), PeerMessage::Done],
        vec![hello(), PeerMessage::Accept, PeerMessage::Done],
        vec![hello(), PeerMessage::Accept, whole(0, 5)],
        vec![hello(), PeerMessage::Accept, whole(0, 6)],
        vec![hello(), PeerMessage::Accept, whole(1, 0)],
        vec![hello(), PeerMessage::Match { file: 0 }],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (sending, meeting) = sender(dir.path());
        let receiver = async {
            let (mut writer, mut reader) = line(&meeting, 0).await.split();
            say(&mut writer, &messages).await;
            last_word(&mut reader).await
        };
        let (ended, last) = join!(sending, receiver);
        assert_senseless(&ended);
        assert!(matches!(last, Some(PeerMessage::Failed(_))), "{messages:?}: {last:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_what_is_not_there_ends_the_sending() {
    let want = |file, block| PeerMessage::Want { id: BlockId { file, block }, low: 0 };
    let many = vec![want(0, 0); 1000];
    for messages in
        [vec![want(0, 1)], vec![want(1, 0)], vec![want(0, u64::MAX)], many, vec![hello()]]
    {
        let dir = tempfile::tempdir().unwrap();
        let (sending, meeting) = sender(dir.path());
        let receiver = async {
            let (mut control, mut from_control) = line(&meeting, 0).await.split();
            say(&mut control, &[hello(), PeerMessage::Accept]).await;
            let (mut writer, _reader) = line(&meeting, 1).await.split();
            for message in &messages {
                // It may have had enough already.
                if writer.send(&[&message.encode()]).await.is_err() {
                    break;
                }
            }
            let _gone = writer.flush().await;
            last_word(&mut from_control).await
        };
        let (ended, last) = join!(sending, receiver);
        assert_senseless(&ended);
        assert!(matches!(last, Some(PeerMessage::Failed(_))), "{last:?}");
    }
}

fn entry(kind: EntryKind, path: &str, size_bytes: u64) -> Entry {
    let path = PeerPath::parse(path).unwrap();
    Entry { kind, mode: 0o644, modified_s: 0, modified_ns: 0, size_bytes, path }
}

fn offer(entries: &[Entry]) -> Vec<PeerMessage> {
    let size_bytes = entries.iter().map(|entry| entry.size_bytes).sum();
    let count = u32::try_from(entries.len()).unwrap();
    let head = OfferHead { version: PEER_VERSION, lines: 1, entries: count, size_bytes };
    vec![PeerMessage::Offer(head), PeerMessage::Entries(entries.to_vec())]
}

/// A receiver into a folder, and where its other end meets it.
fn receiver(dir: &Path) -> (impl Future<Output = Ended> + use<>, Meeting) {
    let (at_sender, at_receiver) = Table::new(|_, _| None).meetings();
    let destination = Destination::Folder(dir.to_owned());
    let options = ReceiveOptions { destination, overwrite: false, patience: PATIENCE };
    let decide = Box::new(|_| async { Ok(()) }.boxed());
    let (receiving, watch) = Receiving::new(at_receiver, options, decide);
    let run = async move {
        let _watch = watch;
        receiving.run(pending()).await
    };
    (run, at_sender)
}

#[tokio::test]
async fn a_sender_that_offers_nonsense_gets_nothing_done() {
    let five = entry(EntryKind::File, "file", 5);
    let [PeerMessage::Offer(head), entries] = &offer(std::slice::from_ref(&five))[..] else {
        unreachable!()
    };
    let with = |head| vec![PeerMessage::Offer(head), entries.clone()];
    for messages in [
        vec![PeerMessage::Accept],
        vec![entries.clone()],
        with(OfferHead { version: 9, ..*head }),
        with(OfferHead { size_bytes: 6, ..*head }),
        vec![PeerMessage::Offer(*head), PeerMessage::Offer(*head)],
        vec![PeerMessage::Offer(*head), PeerMessage::Entries(vec![five.clone(), five.clone()])],
        [offer(std::slice::from_ref(&five)), vec![PeerMessage::Done]].concat(),
        offer(&[entry(EntryKind::Stream, "stream", 0), five]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (receiving, meeting) = receiver(dir.path());
        let sender = async {
            let (mut writer, mut reader) = line(&meeting, 0).await.split();
            say(&mut writer, &messages).await;
            last_word(&mut reader).await
        };
        let (ended, last) = join!(receiving, sender);
        assert_senseless(&ended);
        assert!(matches!(last, Some(PeerMessage::Failed(_))), "{messages:?}: {last:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_sender_that_answers_what_was_not_asked_gets_no_file_made() {
    let block = |file, block, bytes: &'static [u8]| PeerMessage::Block {
        id: BlockId { file, block },
        bytes: Bytes::from_static(bytes),
    };
    let id = BlockId { file: 0, block: 0 };
    for message in [
        block(0, 1, b"12345"),
        block(1, 0, b"12345"),
        block(0, 0, b"1234"),
        block(0, 0, b"123456"),
        PeerMessage::End { id, size_bytes: 0 },
        PeerMessage::Spoiled { id: BlockId { file: 3, ..id }, reason: String::new() },
        PeerMessage::Accept,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (receiving, meeting) = receiver(dir.path());
        let sender = async {
            let (mut control, mut from_control) = line(&meeting, 0).await.split();
            say(&mut control, &offer(&[entry(EntryKind::File, "file", 5)])).await;
            let (mut writer, mut reader) = line(&meeting, 1).await.split();
            reader.receive().await.unwrap();
            say(&mut writer, std::slice::from_ref(&message)).await;
            last_word(&mut from_control).await
        };
        let (ended, last) = join!(receiving, sender);
        assert_senseless(&ended);
        assert!(matches!(last, Some(PeerMessage::Failed(_))), "{message:?}: {last:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_hash_that_differs_gives_no_file_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let (receiving, meeting) = receiver(dir.path());
    let sender = async {
        let (mut control, mut reader) = line(&meeting, 0).await.split();
        say(&mut control, &offer(&[entry(EntryKind::File, "a/file", 5)])).await;
        let (mut writer, _from) = line(&meeting, 1).await.split();
        let id = BlockId { file: 0, block: 0 };
        say(&mut writer, &[PeerMessage::Block { id, bytes: Bytes::from_static(b"12345") }]).await;
        loop {
            let message = reader.receive().await.unwrap().unwrap();
            if let PeerMessage::Whole { blake3, .. } = PeerMessage::decode(message).unwrap() {
                assert_eq!(blake3, *blake3::hash(b"12345").as_bytes());
                break;
            }
        }
        let reason = "BLAKE3 differs".to_owned();
        say(&mut control, &[PeerMessage::Spoiled { id, reason }]).await;
        let mut last = None;
        while last != Some(PeerMessage::Done) {
            last = Some(PeerMessage::decode(reader.receive().await.unwrap().unwrap()).unwrap());
        }
        say(&mut control, &[PeerMessage::Done]).await;
        control.finish().await.unwrap();
    };
    let (ended, ()) = join!(receiving, sender);
    assert_eq!(ended.unwrap(), Moved { files: 0, spoiled: 1, size_bytes: 0 });
    assert!(!dir.path().join("a/file").exists());
}

#[tokio::test]
async fn a_receiver_that_has_everything_is_done_although_the_sender_left_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let (receiving, meeting) = receiver(dir.path());
    let sender = async {
        let (mut control, mut reader) = line(&meeting, 0).await.split();
        say(&mut control, &offer(&[entry(EntryKind::File, "empty", 0)])).await;
        let mut heard = None;
        while heard != Some(PeerMessage::Done) {
            heard = Some(PeerMessage::decode(reader.receive().await.unwrap().unwrap()).unwrap());
            if let Some(PeerMessage::Whole { file, .. }) = heard {
                say(&mut control, &[PeerMessage::Match { file }]).await;
            }
        }
        // Nothing is under way but the wait for a line that never comes.
        tokio::time::pause();
    };
    let (ended, ()) = join!(receiving, sender);
    assert_eq!(ended.unwrap(), Moved { files: 1, spoiled: 0, size_bytes: 0 });
    assert_eq!(fs::read(dir.path().join("empty")).unwrap(), b"");
}
