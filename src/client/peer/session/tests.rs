//! Tests of the whole way to a line, over a relay of a few lines that keeps to the protocol, and over
//! some that do not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpListener;

use super::*;
use crate::client::peer::Patience;
use crate::wire::{RefusalCode, RelayMessage, TLV_HEAD_SIZE, rendezvous_value_size};

const NUMBER: u32 = 7;

/// Who waits, by what for.
type Waiting = Arc<Mutex<BTreeMap<Vec<u8>, TcpStream>>>;

/// A relay that pairs, and moves bytes until one side ends.
async fn relay() -> RelayAddress {
    let (listener, address) = listen().await;
    let waiting = Waiting::default();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, waiting.clone()));
        }
    });
    address
}

async fn listen() -> (TcpListener, RelayAddress) {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let listener = TcpListener::bind(any).await.unwrap();
    let address = RelayAddress::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    (listener, address)
}

/// A relay that hears one message of each end and says this, whatever it was.
async fn saying(said: Vec<u8>) -> RelayAddress {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            heard(&mut connection).await;
            connection.write_all(&said).await.unwrap();
        }
    });
    address
}

async fn heard(connection: &mut TcpStream) -> EndMessage {
    let mut head = [0; TLV_HEAD_SIZE];
    connection.read_exact(&mut head).await.unwrap();
    let mut value = vec![0; rendezvous_value_size(head).unwrap()];
    connection.read_exact(&mut value).await.unwrap();
    EndMessage::decode(head[0], &value).unwrap()
}

async fn serve(mut connection: TcpStream, waiting: Waiting) {
    let place = match heard(&mut connection).await {
        EndMessage::Register => {
            say(&mut connection, &RelayMessage::Nameplate { number: NUMBER, expires_s: 60 }).await;
            NUMBER.to_be_bytes().to_vec()
        }
        EndMessage::Claim { nameplate } => nameplate.to_be_bytes().to_vec(),
        EndMessage::Join { channel, .. } => channel.to_vec(),
    };
    say(&mut connection, &RelayMessage::Waiting).await;
    let other = waiting.lock().unwrap().remove(&place);
    let Some(mut other) = other else {
        waiting.lock().unwrap().insert(place, connection);
        return;
    };
    for end in [&mut connection, &mut other] {
        say(end, &RelayMessage::Matched).await;
    }
    // An end may leave in the middle.
    let _ = copy_bidirectional(&mut connection, &mut other).await;
}

async fn say(connection: &mut TcpStream, message: &RelayMessage) {
    connection.write_all(&message.encode()).await.unwrap();
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

/// What a sender with one code and a receiver with another come to.
async fn meet(
    relay: &RelayAddress,
    sender: &str,
    receiver: &str,
) -> [Result<Session, PeerError>; 2] {
    let registered = Session::register(relay).await.unwrap();
    assert_eq!((registered.nameplate(), registered.expires().as_secs()), (NUMBER, 60));
    let (sender, receiver) = (code(sender), code(receiver));
    let ends = tokio::join!(registered.agree(&sender), Session::claim(relay, &receiver));
    [ends.0, ends.1]
}

#[tokio::test]
async fn two_ends_with_a_code_have_lines_and_replace_those_that_break() {
    let relay = relay().await;
    let [sender, receiver] = meet(&relay, "7-amber-lagoon", "7-amber-lagoon").await;
    let (sender, receiver) = (sender.unwrap(), receiver.unwrap());
    assert_eq!((sender.role(), receiver.role()), (Role::Sender, Role::Receiver));
    for index in [0, 1, 1, 65_535] {
        let (line, other) = tokio::join!(sender.line(index), receiver.line(index));
        let ((mut writer, reader), (other_writer, mut other_reader)) =
            (line.unwrap().split(), other.unwrap().split());
        writer.send(&[b"over ", b"the relay"]).await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(other_reader.receive().await.unwrap().unwrap(), &b"over the relay"[..]);
        drop((writer, reader));
        let broken = other_reader.receive().await.unwrap_err();
        assert!(matches!(broken, PeerError::Broken(_)), "{broken}");
        drop(other_writer);
    }
}

#[tokio::test]
async fn a_wrong_code_ends_both_and_both_are_told() {
    let relay = relay().await;
    for end in meet(&relay, "7-amber-lagoon", "7-amber-walnut").await {
        assert_eq!(end.unwrap_err(), PeerError::WrongCode);
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_relays_words() {
    let refused = RelayMessage::refused(RefusalCode::Full, "come back later");
    let relay = saying(refused.encode()).await;
    let (session, _) = session_pair(&relay);
    for error in [
        Session::register(&relay).await.map(drop).unwrap_err(),
        Session::claim(&relay, &code("7-amber-lagoon")).await.map(drop).unwrap_err(),
        session.line(0).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the relay refused: come back later");
        assert!(error.is_worth_a_retry());
    }
    let gone = RelayMessage::refused(RefusalCode::NoSuchNameplate, "no such number");
    let relay = saying(gone.encode()).await;
    let claimed = Session::claim(&relay, &code("7-amber-lagoon")).await.map(drop);
    assert_eq!(claimed, Err(PeerError::NoSuchNameplate("no such number".to_owned())));
}

#[tokio::test]
async fn what_is_no_relay_is_found_out() {
    let nameplate = |number| RelayMessage::Nameplate { number, expires_s: 1 }.encode();
    for said in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0x84, 0xff, 0xff],
        nameplate(0),
        RelayMessage::Matched.encode(),
    ] {
        let relay = saying(said).await;
        let error = Session::register(&relay).await.map(drop).unwrap_err();
        assert!(matches!(error, PeerError::Nonsense(_)), "{error}");
    }
    let relay = saying(nameplate(3)).await;
    let error = Session::claim(&relay, &code("7-amber-lagoon")).await.map(drop).unwrap_err();
    assert!(matches!(error, PeerError::Nonsense(_)), "{error}");
    let relay = saying(vec![0x81]).await;
    let error = Session::register(&relay).await.map(drop).unwrap_err();
    assert!(matches!(error, PeerError::Broken(_)), "{error}");
}

#[tokio::test]
async fn a_relay_that_is_not_there_says_where_it_is_not() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = Session::register(&address).await.map(drop).unwrap_err();
    assert!(matches!(error, PeerError::Unreachable(_)), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(error.is_worth_a_retry());
}

#[tokio::test]
async fn silence_of_the_relay_and_of_the_other_end_is_borne_for_its_time() {
    let short = Duration::from_millis(50);
    let patience = Patience { idle: short, agree: short, ..Patience::default() };
    let (_deaf, address) = listen().await;
    let relay = address.with_patience(patience);
    let silent = Session::register(&relay).await.map(drop);
    assert_eq!(silent, Err(PeerError::TimedOut("the relay is silent for 0.05 s".to_owned())));

    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        heard(&mut connection).await;
        say(&mut connection, &RelayMessage::Matched).await;
        connection.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let relay = address.with_patience(patience);
    let silent = Session::claim(&relay, &code("7-amber-lagoon")).await.map(drop);
    let told = PeerError::Unagreed("the other end is silent for 0.05 s".to_owned());
    assert_eq!(silent, Err(told));
}

#[tokio::test]
async fn an_end_that_never_comes_is_waited_for_for_a_time_however_alive_the_relay_is() {
    let patience = Patience { meet: Duration::from_millis(200), ..Patience::default() };
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        heard(&mut connection).await;
        while connection.write_all(&RelayMessage::Waiting.encode()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let (session, _) = session_pair(&address.with_patience(patience));
    let error = session.line(0).await.map(drop).unwrap_err();
    assert_eq!(error, PeerError::TimedOut("the other end did not come within 0.2 s".to_owned()));
}

#[test]
fn what_waits_does_not_print_its_key() {
    let relay = RelayAddress::parse("127.0.0.1:9").unwrap();
    let (session, _) = session_pair(&relay);
    let shown = format!("{session:?}");
    assert!(shown.ends_with("role: Sender, key: SessionKey { .. } }"), "{shown}");
}
