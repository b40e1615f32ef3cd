//! Tests of the agreement on a key: its bytes, the right code, the wrong one, and an end that does
//! not keep to the protocol.

use data_encoding::HEXLOWER;
use tokio::io::{DuplexStream, duplex};

use super::*;

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

/// Both ends, their secrets drawn as bytes that are all 1 and all 2.
fn exchanges(sender: &str, receiver: &str) -> (Exchange, Exchange) {
    let start =
        |role, text, byte| Exchange::start(role, &code(text), Zeroizing::new([byte; SECRET_SIZE]));
    (start(Role::Sender, sender, 1), start(Role::Receiver, receiver, 2))
}

/// What both ends of a pipe come to.
async fn meet(sender: &str, receiver: &str) -> [Result<[u8; 32], PeerError>; 2] {
    let (mut one, mut other) = duplex(1024);
    let (sender, receiver) = (code(sender), code(receiver));
    let (one, other) = tokio::join!(
        agree(&mut one, Role::Sender, &sender),
        agree(&mut other, Role::Receiver, &receiver),
    );
    [one, other].map(|key| key.map(|key| key.channel_name(0)))
}

/// What an end comes to when this is all that the other says.
async fn hear(said: &[u8]) -> Result<SessionKey, PeerError> {
    let (mut one, mut other) = duplex(1024);
    other.write_all(said).await.unwrap();
    other.shutdown().await.unwrap();
    agree(&mut one, Role::Sender, &code("7-amber-lagoon")).await
}

/// Computed with Python's spake2, hmac and hashlib.
#[test]
fn messages_and_keys_are_these() {
    let (sender, receiver) = exchanges("7-amber-lagoon-walnut", "7-amber-lagoon-walnut");
    let (x, y) = (sender.own, receiver.own);
    let keys = sender.finish(&y).unwrap();
    for (bytes, expected) in [
        (&x[..], "41a5a5d082fe598c51c05f3ca83da26fef443c847b0c973791fb32e274bdb42e22"),
        (&y, "428976596880349b478851da21dd7b7c2cd6ed9c08dda1282a7dc2a69aa0fe9b63"),
        (&*keys.own_proof, "2a0ca1e8a9eb1197135b3004fdb0c295c0e5ed89106fff4a3a432135eb52a071"),
        (&*keys.other_proof, "13f32ca2598f7d67f21dd0164083d32ab33c0983c11702f706f324b8b0b50822"),
        (&*keys.session, "c809edad265ac0c2e6200f144c1d316948bf508fda58c027cbe5465b7c87d5c5"),
    ] {
        assert_eq!(HEXLOWER.encode(bytes), expected);
    }
    let other = receiver.finish(&x).unwrap();
    assert_eq!((&other.session, &other.own_proof), (&keys.session, &keys.other_proof));
    let name = HEXLOWER.encode(&SessionKey::new(keys.session).channel_name(0));
    assert_eq!(name, "34550e959f8083951330d5a5779472b7d6ac14ee666d431c838332b379f97a0c");
}

#[tokio::test]
async fn two_ends_with_one_code_come_to_one_key_and_never_to_the_same_again() {
    let [one, other] = meet("7-amber-lagoon", "7 AMBE lagoon").await;
    assert_eq!(one.clone().unwrap(), other.unwrap());
    let [again, _] = meet("7-amber-lagoon", "7-amber-lagoon").await;
    assert_ne!(one.unwrap(), again.unwrap());
}

#[tokio::test]
async fn two_ends_with_different_codes_are_both_told_so() {
    for other in ["7-amber-walnut", "7-lagoon-amber", "7-amber-lagoon-walnut", "8-amber-lagoon"] {
        let ends = meet("7-amber-lagoon", other).await;
        assert_eq!(ends, [Err(PeerError::WrongCode), Err(PeerError::WrongCode)], "{other}");
    }
}

#[tokio::test]
async fn an_end_that_hears_itself_agrees_with_nobody() {
    let (mut one, mut mirror) = duplex(1024);
    let echo = tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok(size @ 1..) = mirror.read(&mut buffer).await {
            mirror.write_all(&buffer[..size]).await.unwrap();
        }
    });
    let agreed = agree(&mut one, Role::Receiver, &code("7-amber-lagoon")).await;
    let error = agreed.unwrap_err();
    assert_eq!(error, PeerError::Unagreed("its message cannot be used: bad side".to_owned()));
    drop(one);
    echo.await.unwrap();
}

#[tokio::test]
async fn a_proof_that_is_sent_back_proves_nothing() {
    let (mut one, mut other) = duplex(1024);
    let liar = async {
        let random = Zeroizing::new([3; SECRET_SIZE]);
        let guess = Exchange::start(Role::Receiver, &code("7-amber-walnut"), random);
        send(&mut other, &AgreementMessage::Pake(guess.own)).await.unwrap();
        receive(&mut other).await.unwrap();
        let proof = receive(&mut other).await.unwrap();
        send(&mut other, &proof).await.unwrap();
    };
    let code = code("7-amber-lagoon");
    let (agreed, ()) = tokio::join!(agree(&mut one, Role::Sender, &code), liar);
    assert_eq!(agreed.unwrap_err(), PeerError::WrongCode);
}

#[tokio::test]
async fn a_point_that_is_none_is_refused() {
    // The second is y = 2, which is on no point of the curve.
    let mut off_curve = [0; 33];
    (off_curve[0], off_curve[1]) = (0x42, 2);
    for pake in [[0xff; 33], off_curve] {
        let agreed = hear(&AgreementMessage::Pake(pake).encode()).await;
        assert!(matches!(agreed, Err(PeerError::Unagreed(_))), "{agreed:?}");
    }
}

#[tokio::test]
async fn points_of_small_order_give_no_key_away() {
    // The neutral point and the one of order 2, compressed: a message with the side before it.
    for y in ["01", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"] {
        let mut pake = [0; 33];
        pake[0] = 0x42;
        let y = HEXLOWER.decode(y.as_bytes()).unwrap();
        pake[1..=y.len()].copy_from_slice(&y);
        let (sender, _) = exchanges("7-amber-lagoon", "7-amber-lagoon");
        let (twin, _) = exchanges("7-amber-walnut", "7-amber-walnut");
        let (keys, of_twin) = (sender.finish(&pake).unwrap(), twin.finish(&pake).unwrap());
        assert_ne!(keys.session, of_twin.session, "the key still depends on the code");
    }
}

#[tokio::test]
async fn an_end_that_does_not_keep_to_the_protocol_is_told_from_one_with_a_wrong_code() {
    let pake = exchanges("7-amber-lagoon", "7-amber-lagoon").1.own;
    let pake = AgreementMessage::Pake(pake).encode();
    let confirm = AgreementMessage::Confirm([0; 32]).encode();
    let mut newer = pake.clone();
    newer[3] = 2;
    for (said, why) in [
        (vec![], "left before it proved"),
        (pake[..20].to_vec(), "left before it proved"),
        (pake.clone(), "left before it proved"),
        (confirm.clone(), "out of order"),
        ([&pake[..], &pake].concat(), "out of order"),
        (newer, "version 2 of the protocol"),
        (vec![0x41, 0xff, 0xff], "a message of 65535 bytes"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "no message has the type 0x48"),
    ] {
        match hear(&said).await {
            Err(PeerError::Unagreed(told)) => assert!(told.contains(why), "{told}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    let agreed = hear(&[&pake[..], &confirm].concat()).await;
    assert_eq!(agreed.unwrap_err(), PeerError::WrongCode);
}

#[tokio::test]
async fn no_byte_behind_the_agreement_is_taken() {
    let (one, other) = duplex(1024);
    let (sender, receiver) = (code("7-amber-lagoon"), code("7-amber-lagoon"));
    let end = |mut pipe: DuplexStream, role, code: Code| async move {
        agree(&mut pipe, role, &code).await.unwrap();
        pipe.write_all(b"next").await.unwrap();
        let mut next = [0; 4];
        pipe.read_exact(&mut next).await.unwrap();
        next
    };
    let ends = tokio::join!(end(one, Role::Sender, sender), end(other, Role::Receiver, receiver));
    assert_eq!(ends, (*b"next", *b"next"));
}
