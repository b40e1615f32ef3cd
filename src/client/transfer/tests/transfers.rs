//! What goes in comes out, whatever happens on the way; or both ends say why not, and nothing is left.

use std::fs;
use std::future::{Future, pending};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::join;

use super::table::{Table, Trouble};
use crate::base::limits::PEER_BLOCK_SIZE;
use crate::client::transfer::{
    Decide, Destination, Frames, Moved, Notice, Offer, ReceiveOptions, Receiving, SendOptions,
    Sending, TransferError, Watch,
};

const MIB: usize = PEER_BLOCK_SIZE;
const PATIENCE: Duration = Duration::from_secs(20);

type Ended = Result<Moved, TransferError>;

fn take_all() -> Decide {
    Box::new(|_| async { Ok(()) }.boxed())
}

fn into(dir: &Path) -> ReceiveOptions {
    let destination = Destination::Folder(dir.to_owned());
    ReceiveOptions { destination, overwrite: false, patience: PATIENCE }
}

fn content(seed: u8, size: usize) -> Vec<u8> {
    (0..251_u8).cycle().map(|byte| byte ^ seed).take(size).collect()
}

fn file(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// Takes what is told, as long as the transfer lasts.
async fn told(mut watch: Watch, transfer: impl Future<Output = Ended>) -> (Ended, Vec<Notice>) {
    let (mut notices, mut transfer) = (Vec::new(), std::pin::pin!(transfer));
    let ended = loop {
        tokio::select! {
            biased;
            Some(notice) = watch.next() => notices.push(notice),
            ended = &mut transfer => break ended,
        }
    };
    notices.extend(std::iter::from_fn(|| watch.left()));
    (ended, notices)
}

struct Both {
    sent: Ended,
    received: Ended,
    notices: Vec<Notice>,
}

/// Runs both ends to their end.
async fn transfer(
    table: &Arc<Table>,
    offer: Offer,
    frames: Option<Frames>,
    options: ReceiveOptions,
    decide: Decide,
) -> Both {
    let (at_sender, at_receiver) = table.meetings();
    let send_options = SendOptions { lines: 3, patience: PATIENCE };
    let (sending, sender_watch) = Sending::new(at_sender, offer, frames, send_options);
    let (receiving, receiver_watch) = Receiving::new(at_receiver, options, decide);
    let ((sent, _), (received, notices)) = join!(
        Box::pin(told(sender_watch, sending.run(pending()))),
        Box::pin(told(receiver_watch, receiving.run(pending())))
    );
    Both { sent, received, notices }
}

/// A folder of files of every awkward size, sent over connections with trouble.
async fn tree_arrives(table: &Arc<Table>) {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sizes = [0, 1, 4095, MIB - 1, MIB, MIB + 1, 5 * MIB + 77];
    for (index, size) in sizes.into_iter().enumerate() {
        let seed = u8::try_from(index).unwrap();
        file(from.path(), &format!("top/{}/f{size}", index % 3), &content(seed, size));
    }
    (0..90).for_each(|index| {
        file(from.path(), &format!("top/small/{index}"), &content(7, index));
    });
    fs::create_dir_all(from.path().join("top/nothing/here")).unwrap();
    let offer = Offer::of_paths(&[from.path().join("top")]).unwrap();
    let (files, size) = (offer.file_count() as u64, offer.size_bytes());
    let both = transfer(table, offer, None, into(to.path()), take_all()).await;
    let moved = Moved { files, spoiled: 0, size_bytes: size };
    assert_eq!((both.sent.unwrap(), both.received.unwrap()), (moved, moved));
    assert_eq!(tree(from.path()), tree(to.path()));
}

/// Every path below a folder, with mode and content.
fn tree(dir: &Path) -> Vec<(PathBuf, u32, Option<Vec<u8>>)> {
    use std::os::unix::fs::PermissionsExt as _;
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let below = path.strip_prefix(dir).unwrap().to_owned();
            let content = metadata.is_file().then(|| fs::read(&path).unwrap());
            found.push((below, metadata.permissions().mode(), content));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_all_that_is_in_it_arrives() {
    let table = Table::new(|_, _| None);
    tree_arrives(&table).await;
    assert_eq!(table.met(), 4, "a control line and three others, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_break_again_and_again_cost_nothing_but_time() {
    // The first three connections of data lines are cut, in a nonce, in a head, in a block.
    let table = Table::new(|index, before| {
        (index > 0 && before < 8)
            .then(|| Trouble::Cut([20, 100, 700_001, 2_000_003][before as usize % 4]))
    });
    tree_arrives(&table).await;
    assert!(table.met() > 6, "{}", table.met());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_line_that_breaks_anywhere_begins_again() {
    for at in [10, 40, 90, 300, 3_000, 4_500, 5_500] {
        let table = Table::new(move |index, before| {
            (index == 0 && before == 0).then_some(Trouble::Cut(at))
        });
        tree_arrives(&table).await;
        assert!(table.met() >= 5, "cut at {at}: {}", table.met());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_changed_or_lost_on_the_way_never_reach_a_file() {
    for trouble in [Trouble::Flip(1_000_000), Trouble::Lose(500_000), Trouble::Flip(90)] {
        let table = Table::new(move |_, before| (before < 4).then_some(trouble));
        tree_arrives(&table).await;
        assert!(table.met() > 4, "{trouble:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_stalls_is_replaced() {
    let table =
        Table::new(|index, before| (index > 0 && before < 4).then_some(Trouble::Stall(300_000)));
    let table = table.impatient(Duration::from_secs(3));
    tree_arrives(&table).await;
    assert!(table.met() > 4, "{}", table.met());
}

fn frames(content: &[u8], size: usize) -> Frames {
    let pieces: Vec<_> = content.chunks(size).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces).boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_becomes_a_file_whatever_breaks() {
    for size in [0, 1, MIB, 40 * MIB + 5] {
        let to = tempfile::tempdir().unwrap();
        let content = content(9, size);
        let table = Table::new(|index, before| {
            (index > 0 && before < 7).then_some(Trouble::Cut(1_500_000))
        });
        let offer = Offer::of_stream("from stdin").unwrap();
        let frames = Some(frames(&content, 300_000));
        let both = transfer(&table, offer, frames, into(to.path()), take_all()).await;
        let moved = Moved { files: 1, spoiled: 0, size_bytes: size as u64 };
        assert_eq!((both.sent.unwrap(), both.received.unwrap()), (moved, moved));
        assert!(fs::read(to.path().join("from stdin")).unwrap() == content, "{size} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_read_is_told_to_both_and_leaves_nothing() {
    let to = tempfile::tempdir().unwrap();
    let table = Table::new(|_, _| None);
    let broken =
        stream::iter([Ok(Bytes::from_static(b"some")), Err(std::io::Error::other("worn out"))]);
    let offer = Offer::of_stream("s").unwrap();
    let both = transfer(&table, offer, Some(broken.boxed()), into(to.path()), take_all()).await;
    assert!(matches!(both.sent, Err(TransferError::Source(_))), "{:?}", both.sent);
    let received = both.received.unwrap_err().to_string();
    assert!(received.contains("gave up") && received.contains("worn out"), "{received}");
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_is_left_out_and_the_others_arrive() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [grown, whole] = ["top/grown", "top/whole"].map(|name| file(from.path(), name, b"12345"));
    let gone = file(from.path(), "top/gone", &content(1, 3 * MIB));
    let offer = Offer::of_paths(&[from.path().join("top")]).unwrap();
    fs::write(&grown, b"123456").unwrap();
    fs::remove_file(gone).unwrap();
    let table = Table::new(|_, _| None);
    let both = transfer(&table, offer, None, into(to.path()), take_all()).await;
    let moved = Moved { files: 1, spoiled: 2, size_bytes: 5 };
    assert_eq!((both.sent.unwrap(), both.received.unwrap()), (moved, moved));
    let names: Vec<_> = tree(to.path()).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(names, [PathBuf::from("top"), PathBuf::from("top/whole")]);
    assert_eq!(fs::read(whole).unwrap(), b"12345");
    let spoiled = both.notices.iter().filter(|one| matches!(one, Notice::Spoiled { .. })).count();
    assert_eq!(spoiled, 2, "{:?}", both.notices);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_is_declined_with_its_reason() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = file(from.path(), "name", b"new");
    let offer = || Offer::of_paths(std::slice::from_ref(&path)).unwrap();
    let refuse: Decide = Box::new(|_| async { Err("no, thank you".to_owned()) }.boxed());
    let both = transfer(&Table::new(|_, _| None), offer(), None, into(to.path()), refuse).await;
    assert!(matches!(&both.sent, Err(TransferError::Declined(why)) if why == "no, thank you"));
    assert!(matches!(&both.received, Err(TransferError::Unwanted(why)) if why == "no, thank you"));

    file(to.path(), "name", b"old");
    let asked: Decide = Box::new(|_| panic!("nobody is asked about what cannot be taken"));
    let both = transfer(&Table::new(|_, _| None), offer(), None, into(to.path()), asked).await;
    for error in [both.sent.unwrap_err(), both.received.unwrap_err()] {
        assert!(error.to_string().contains("there already"), "{error}");
    }
    assert_eq!(fs::read(to.path().join("name")).unwrap(), b"old");

    let options = ReceiveOptions { overwrite: true, ..into(to.path()) };
    let both = transfer(&Table::new(|_, _| None), offer(), None, options, take_all()).await;
    both.received.unwrap();
    assert_eq!(fs::read(to.path().join("name")).unwrap(), b"new");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_stopped_says_so_and_nothing_is_left() {
    for sender_stops in [true, false] {
        let to = tempfile::tempdir().unwrap();
        let (at_sender, at_receiver) = Table::new(|_, _| None).meetings();
        // It never ends, and goes into a folder that has to be made.
        let endless: Frames =
            stream::iter([Ok(Bytes::from_static(b"some"))]).chain(stream::pending()).boxed();
        let offer = Offer::of_stream("folder/stream").unwrap();
        let options = SendOptions { lines: 1, patience: PATIENCE };
        let (sending, sender_watch) = Sending::new(at_sender, offer, Some(endless), options);
        let (receiving, receiver_watch) = Receiving::new(at_receiver, into(to.path()), take_all());
        let folder = to.path().join("folder");
        let begun = |stops: bool| {
            let folder = folder.clone();
            async move {
                while !(stops && folder.exists()) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                "SIGTEST".to_owned()
            }
        };
        let ((sent, _), (received, _)) = join!(
            Box::pin(told(sender_watch, sending.run(begun(sender_stops)))),
            Box::pin(told(receiver_watch, receiving.run(begun(!sender_stops)))),
        );
        let (stopped, other) = if sender_stops { (sent, received) } else { (received, sent) };
        assert!(matches!(stopped, Err(TransferError::Stopped(_))), "{stopped:?}");
        let Err(TransferError::GivenUp(why)) = other else { panic!("{other:?}") };
        assert!(why.contains("stopped there (SIGTEST)"), "{why}");
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0, "folders too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_never_comes_back_is_given_up() {
    let to = tempfile::tempdir().unwrap();
    let (at_sender, at_receiver) = Table::new(|_, _| None).meetings();
    let offer = Offer::of_stream("stream").unwrap();
    let endless: Frames = stream::pending().boxed();
    let options = SendOptions { lines: 1, patience: Duration::from_secs(2) };
    let (sending, mut sender_watch) = Sending::new(at_sender, offer, Some(endless), options);
    let options = ReceiveOptions { patience: Duration::from_secs(2), ..into(to.path()) };
    let (receiving, receiver_watch) = Receiving::new(at_receiver, options, take_all());
    let sending = tokio::spawn(sending.run(pending()));
    let killing = async {
        while sender_watch.next().await != Some(Notice::Accepted) {}
        sending.abort();
    };
    let ((received, _), ()) =
        join!(Box::pin(told(receiver_watch, receiving.run(pending()))), killing);
    let error = received.unwrap_err();
    assert!(matches!(error, TransferError::Lost { .. }), "{error}");
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
}
