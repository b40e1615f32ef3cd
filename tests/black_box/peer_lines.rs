//! Encrypted lines between two ends, over the real relay: the code, the agreement, and what is told
//! when it fails.

use std::future::Future;

use ringhold::client::peer::{Code, PeerError, RelayAddress, Session};
use tokio::runtime::Builder;

use crate::harness::Setup;

fn run<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A sender with a code of two words and a receiver who was told it, or what was made of it: the
/// code, and what both come to.
async fn meet(
    relay: &RelayAddress,
    told: fn(&str) -> String,
) -> (Code, [Result<Session, PeerError>; 2]) {
    let registered = Session::register(relay).await.unwrap();
    let code = Code::random(registered.nameplate(), 2).unwrap();
    let told = Code::parse(&told(&code.text())).unwrap();
    let ends = tokio::join!(registered.agree(&code), Session::claim(relay, &told));
    (code, [ends.0, ends.1])
}

#[test]
fn two_ends_with_one_code_exchange_messages_over_several_lines_and_end_them() {
    let relay = Setup::relay().workers(2).start();
    let address = RelayAddress::parse(&relay.address().to_string()).unwrap();
    run(async {
        let (_code, [sender, receiver]) = meet(&address, str::to_uppercase).await;
        let (sender, receiver) = (sender.unwrap(), receiver.unwrap());
        for index in [0, 1, 2, 1] {
            let (line, other) = tokio::join!(sender.line(index), receiver.line(index));
            let (mut writer, mut reader) = line.unwrap().split();
            let (other_writer, mut other_reader) = other.unwrap().split();
            let block = vec![9; 1 << 20];
            let sending = async {
                for _ in 0..8 {
                    writer.send(&[b"head", &block]).await.unwrap();
                }
                writer.finish().await.unwrap();
            };
            let receiving = async {
                let mut size = 0;
                while let Some(message) = other_reader.receive().await.unwrap() {
                    size += message.len();
                }
                other_writer.finish().await.unwrap();
                size
            };
            let ((), size) = tokio::join!(sending, receiving);
            assert_eq!(size, 8 * (4 + block.len()));
            assert_eq!(reader.receive().await, Ok(None));
        }
    });
}

#[test]
fn a_wrong_code_is_told_to_both_and_the_right_one_comes_too_late() {
    let relay = Setup::relay().start();
    let address = RelayAddress::parse(&relay.address().to_string()).unwrap();
    run(async {
        let (code, [sender, receiver]) = meet(&address, |text| format!("{text}-amber")).await;
        assert_eq!(sender.unwrap_err(), PeerError::WrongCode);
        assert_eq!(receiver.unwrap_err(), PeerError::WrongCode);
        let error = Session::claim(&address, &code).await.map(drop).unwrap_err();
        assert!(matches!(error, PeerError::NoSuchNameplate(_)), "{error}");
    });
}

#[test]
fn a_sender_who_left_is_not_there_any_more() {
    let relay = Setup::relay().start();
    let address = RelayAddress::parse(&relay.address().to_string()).unwrap();
    run(async {
        let registered = Session::register(&address).await.unwrap();
        let code = Code::random(registered.nameplate(), 3).unwrap();
        drop(registered);
        // The relay may not have noticed yet: then it pairs, and the agreement is cut.
        let error = Session::claim(&address, &code).await.map(drop).unwrap_err();
        let is_told = matches!(error, PeerError::NoSuchNameplate(_) | PeerError::Unagreed(_));
        assert!(is_told && !error.is_worth_a_retry(), "{error}");
    });
}
