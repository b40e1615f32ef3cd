//! The ID service against the vectors of docs/ids.md, and what a stranger may try.

use std::collections::HashMap;

use aes::Aes256;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use proptest::collection::vec;
use proptest::prelude::*;

use super::keys::Keys;
use super::primitives::{aes_256, aes_256_ctr, siphash_64, siphash_128};
use super::{IdService, KeyError, Kind, NameTooLong, ObjectNumber, plaintext};
use crate::base::limits::{FILE_ID_SIZE_MAX, NAME_SIZE_MAX, SECRETS_PREVIOUS_MAX};

const SECRET: &[u8] = b"a secret of more than 16 bytes";
const OTHER: &[u8] = b"a secret of another house, long";

fn service(secret: &[u8], previous: &[&[u8]]) -> IdService {
    let previous: Vec<Vec<u8>> = previous.iter().map(|secret| secret.to_vec()).collect();
    IdService::new(secret, &previous).unwrap()
}

/// An ID's two parts as bytes, so that a test can change one bit and spell the result.
fn parts(file_id: &str) -> (Vec<u8>, Vec<u8>) {
    let (access_hash, file_name) = file_id.split_once(':').unwrap();
    let access_hash = HEXLOWER.decode(access_hash.as_bytes()).unwrap();
    (access_hash, BASE64URL_NOPAD.decode(file_name.as_bytes()).unwrap())
}

fn spelled((access_hash, file_name): &(Vec<u8>, Vec<u8>)) -> String {
    format!("{}:{}", HEXLOWER.encode(access_hash), BASE64URL_NOPAD.encode(file_name))
}

/// The `name = value` blocks of docs/ids.md.
fn vectors() -> Vec<HashMap<&'static str, &'static str>> {
    let document = include_str!("../../docs/ids.md");
    let blocks = document.split("```text vector\n").skip(1);
    let lines = blocks.map(|block| block.split("```").next().unwrap().lines());
    let pair = |line: &'static str| {
        let (name, value) = line.split_once('=').unwrap();
        (name.trim(), value.trim())
    };
    lines.map(|lines| lines.map(pair).collect()).collect()
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// What tells one encryption key from another.
fn keystream(cipher: &Aes256) -> [u8; 32] {
    let mut zeros = [0; 32];
    aes_256_ctr(cipher, &[0; 16], &mut zeros);
    zeros
}

#[test]
fn the_vectors_in_the_docs_are_what_the_service_makes() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let keys = Keys::derive(&hex(vector["secret"]));
        let enc: [u8; 32] = hex(vector["enc"]).try_into().unwrap();
        assert_eq!(keystream(&keys.enc), keystream(&aes_256(&enc)));
        assert_eq!(HEXLOWER.encode(keys.mac.as_ref()), vector["mac"]);
        assert_eq!(HEXLOWER.encode(keys.access.as_ref()), vector["access"]);
        assert_eq!(HEXLOWER.encode(keys.delete.as_ref()), vector["delete"]);
        assert_eq!(HEXLOWER.encode(&keys.fingerprint), vector["fingerprint"]);

        let object: ObjectNumber = vector["object"].parse().unwrap();
        let name = String::from_utf8(hex(vector["name"])).unwrap();
        let plain = plaintext::encode(Kind::Object, object, &name).unwrap();
        assert_eq!(HEXLOWER.encode(&plain), vector["P"]);

        let ids = service(&hex(vector["secret"]), &[]);
        let id = ids.issue(object, &name).unwrap();
        assert_eq!(id.as_str(), vector["file_id"]);
        assert_eq!(id.file_name(), vector["file_name"]);
        let (access_hash, bytes) = parts(id.as_str());
        assert_eq!(HEXLOWER.encode(&access_hash), vector["access_hash"]);
        assert_eq!(HEXLOWER.encode(&bytes[..3]), format!("01{}", vector["fingerprint"]));
        assert_eq!(HEXLOWER.encode(&bytes[3..19]), vector["S"]);
        assert_eq!(HEXLOWER.encode(&bytes[19..]), vector["C"]);
        assert_eq!(ids.delete_token(&id), vector["delete_token"]);
        assert_eq!(ids.open(vector["file_id"]).unwrap().object, object);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let ids = service(SECRET, &[]);
    let genuine = ids.issue(ObjectNumber::from_bytes([3; 16]), "holiday.jpg").unwrap();
    let (access_hash, file_name) = parts(genuine.as_str());
    for bit in 0..access_hash.len() * 8 {
        let mut forged = (access_hash.clone(), file_name.clone());
        forged.0[bit / 8] ^= 1 << (bit % 8);
        assert!(ids.open(&spelled(&forged)).is_none(), "bit {bit} of the access hash");
    }
    for bit in 0..file_name.len() * 8 {
        let mut forged = (access_hash.clone(), file_name.clone());
        forged.1[bit / 8] ^= 1 << (bit % 8);
        assert!(ids.open(&spelled(&forged)).is_none(), "bit {bit} of the file name");
    }
    for index in 0..genuine.as_str().len() {
        for bit in 0..7 {
            let mut forged = genuine.as_str().as_bytes().to_vec();
            forged[index] ^= 1 << bit;
            let forged = String::from_utf8(forged).unwrap();
            assert!(ids.open(&forged).is_none(), "bit {bit} of character {index}");
        }
    }
}

#[test]
fn a_truncated_or_extended_id_is_refused() {
    let ids = service(SECRET, &[]);
    let genuine = ids.issue(ObjectNumber::from_bytes([3; 16]), "holiday.jpg").unwrap();
    let text = genuine.as_str();
    for size in 0..text.len() {
        assert!(ids.open(&text[..size]).is_none(), "cut to {size}");
        assert!(ids.open(&text[size + 1..]).is_none(), "the first {size} gone");
    }
    for extra in ["A", "AAAA", "=", "==", "\n", " ", ":", "\0", "é"] {
        assert!(ids.open(&format!("{text}{extra}")).is_none(), "{extra:?} after");
        assert!(ids.open(&format!("{extra}{text}")).is_none(), "{extra:?} before");
    }
    for blocks in 1..40 {
        let (access_hash, mut file_name) = parts(text);
        file_name.extend(vec![0; blocks * 16]);
        assert!(ids.open(&spelled(&(access_hash, file_name))).is_none(), "{blocks} more blocks");
    }
    assert!(ids.open(&"a".repeat(FILE_ID_SIZE_MAX + 1)).is_none());
    assert!(ids.open(&format!("{text}{}", "A".repeat(1 << 20))).is_none());
}

#[test]
fn an_id_has_one_spelling() {
    let ids = service(SECRET, &[]);
    // 3 + 16 + 32 bytes leave no stray bits, 3 + 16 + 48 leave four: both are tried.
    for name in ["short", "one block more of a name"] {
        let genuine = ids.issue(ObjectNumber::from_bytes([0xab; 16]), name).unwrap();
        let text = genuine.as_str();
        let (access_hash, file_name) = text.split_once(':').unwrap();
        assert!(ids.open(&format!("{}:{file_name}", access_hash.to_uppercase())).is_none());
        assert!(ids.open(&format!("{text}=")).is_none());
        assert!(ids.open(&format!("{text}==")).is_none());
        let last = text.chars().last().unwrap();
        for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_', '+', '/']) {
            let spelled = format!("{}{other}", &text[..text.len() - 1]);
            assert_eq!(ids.open(&spelled).is_some(), other == last, "{other} in place of {last}");
        }
        if text.contains(['-', '_']) {
            assert!(ids.open(&text.replace('-', "+").replace('_', "/")).is_none());
        }
    }
}

#[test]
fn swapped_halves_are_refused() {
    let ids = service(SECRET, &[]);
    let [first, second] = [1, 2].map(|byte| {
        let id = ids.issue(ObjectNumber::from_bytes([byte; 16]), "the same name").unwrap();
        parts(id.as_str())
    });
    assert!(ids.open(&spelled(&(first.0.clone(), second.1.clone()))).is_none());
    for border in [19, 35] {
        let mixed = [&first.1[..border], &second.1[border..]].concat();
        assert!(ids.open(&spelled(&(first.0.clone(), mixed.clone()))).is_none());
        assert!(ids.open(&spelled(&(second.0.clone(), mixed))).is_none());
    }
}

/// An ID around `plaintext` whose access hash is true: what only a holder of the keys can make.
fn sealed(keys: &Keys, synthetic_iv: [u8; 16], mut plaintext: Vec<u8>) -> String {
    let head = [&[1], &keys.fingerprint[..]].concat();
    aes_256_ctr(&keys.enc, &synthetic_iv, &mut plaintext);
    let file_name = [head.as_slice(), &synthetic_iv, &plaintext].concat();
    spelled(&(siphash_64(&keys.access, &[&file_name]).to_vec(), file_name))
}

#[test]
fn behind_a_true_access_hash_the_synthetic_iv_and_the_plaintext_are_still_checked() {
    let (ids, keys) = (service(SECRET, &[]), Keys::derive(SECRET));
    let object = ObjectNumber::from_bytes([4; 16]);
    let genuine = plaintext::encode(Kind::Object, object, "name.txt").unwrap();
    let iv_of = |plaintext: &[u8]| siphash_128(&keys.mac, &[&[1], &keys.fingerprint, plaintext]);
    let id = sealed(&keys, iv_of(&genuine), genuine.clone());
    assert_eq!(id, ids.issue(object, "name.txt").unwrap().as_str(), "the helper makes genuine IDs");
    for bit in 0..128 {
        let mut synthetic_iv = iv_of(&genuine);
        synthetic_iv[bit / 8] ^= 1 << (bit % 8);
        assert!(ids.open(&sealed(&keys, synthetic_iv, genuine.clone())).is_none(), "bit {bit}");
    }
    for (index, value) in [(0, 2), (17, 7), (31, 1)] {
        let mut other = genuine.clone();
        other[index] = value;
        assert!(ids.open(&sealed(&keys, iv_of(&other), other)).is_none(), "byte {index}");
    }
}

#[test]
fn ids_with_the_same_name_differ_in_every_block() {
    let ids = service(SECRET, &[]);
    let name = "the same long name ".repeat(12);
    let [first, second] = [1, 2].map(|byte| {
        parts(ids.issue(ObjectNumber::from_bytes([byte; 16]), &name).unwrap().as_str())
    });
    assert_ne!(first.0, second.0);
    for (one, other) in first.1[3..].chunks(16).zip(second.1[3..].chunks(16)) {
        assert_ne!(one, other, "no block of one tells of a block of the other");
    }
}

#[test]
fn a_previous_secret_opens_its_ids_and_deletes_them() {
    let old = service(OTHER, &[]);
    let id = old.issue(ObjectNumber::from_bytes([5; 16]), "kept.txt").unwrap();
    let token = old.delete_token(&id);

    let rotated = service(SECRET, &[b"one more previous secret", OTHER]);
    let opened = rotated.open(id.as_str()).unwrap();
    assert_eq!((opened.object.as_bytes(), opened.name.as_str()), (&[5; 16], "kept.txt"));
    assert_eq!(opened.kind, Kind::Object);
    assert!(rotated.check_delete_token(&opened.id, &token), "made with the key it is checked with");
    assert_eq!(rotated.delete_token(&opened.id), token);

    let issued_now = rotated.issue(opened.object, &opened.name).unwrap();
    assert_ne!(issued_now.as_str(), id.as_str(), "new IDs are made with the current secret");
    assert!(!rotated.check_delete_token(&issued_now, &token));
    assert!(service(SECRET, &[]).open(id.as_str()).is_none(), "a dropped secret opens nothing");
    assert!(old.open(issued_now.as_str()).is_none());
}

#[test]
fn two_secrets_with_one_fingerprint_both_open_their_ids() {
    // A fingerprint has 16 bits: among 65,537 secrets two share one, most likely among 300.
    let mut by_fingerprint = HashMap::new();
    let (first, second) = (0..=1 << 16)
        .find_map(|number| {
            let secret = format!("{number:032}").into_bytes();
            let fingerprint = Keys::derive(&secret).fingerprint;
            let earlier = by_fingerprint.insert(fingerprint, secret.clone())?;
            Some((earlier, secret))
        })
        .unwrap();
    let rotated = service(&first, &[&second]);
    for secret in [&first, &second] {
        let id = service(secret, &[]).issue(ObjectNumber::from_bytes([6; 16]), "n").unwrap();
        let token = service(secret, &[]).delete_token(&id);
        let opened = rotated.open(id.as_str()).unwrap();
        assert!(rotated.check_delete_token(&opened.id, &token));
    }
}

#[test]
fn a_delete_token_fits_one_id_only() {
    let ids = service(SECRET, &[]);
    let id = ids.issue(ObjectNumber::from_bytes([7; 16]), "a").unwrap();
    let neighbour = ids.issue(ObjectNumber::from_bytes([7; 16]), "b").unwrap();
    let token = ids.delete_token(&id);
    assert_eq!(token.len(), 32);
    assert!(ids.check_delete_token(&id, &token));
    assert!(!ids.check_delete_token(&neighbour, &token));
    for wrong in ["", &token[1..], &token[2..], &format!("{token}00"), &format!(" {token}"), "é"] {
        assert!(!ids.check_delete_token(&id, wrong), "{wrong:?}");
    }
    assert!(!ids.check_delete_token(&id, &"ABCDEF00".repeat(4)), "upper case is no token");
    for index in 0..token.len() {
        let mut wrong = token.clone().into_bytes();
        wrong[index] = if wrong[index] == b'0' { b'1' } else { b'0' };
        assert!(!ids.check_delete_token(&id, &String::from_utf8(wrong).unwrap()));
    }
}

#[test]
fn unfit_secrets_and_names_are_refused() {
    let short = IdService::new(b"fifteen bytes..", &[]).unwrap_err();
    assert_eq!(short, KeyError::SecretTooShort { size: 15 });
    assert!(IdService::new(b"sixteen bytes ok", &[]).is_ok());
    let previous = [SECRET.to_vec(), Vec::new()];
    let error = IdService::new(SECRET, &previous).unwrap_err();
    assert_eq!(error, KeyError::PreviousTooShort { index: 1, size: 0 });
    let many = vec![OTHER.to_vec(); SECRETS_PREVIOUS_MAX + 1];
    let count = SECRETS_PREVIOUS_MAX + 1;
    assert_eq!(IdService::new(SECRET, &many).unwrap_err(), KeyError::TooManyPrevious { count });

    let name = "é".repeat(128);
    let refused = service(SECRET, &[]).issue(ObjectNumber::from_bytes([0; 16]), &name);
    assert_eq!(refused, Err(NameTooLong { size: 256 }));
}

#[test]
fn nothing_secret_is_printed() {
    let ids = service(SECRET, &[]);
    let id = ids.issue(ObjectNumber::from_bytes([8; 16]), "n").unwrap();
    let opened = ids.open(id.as_str()).unwrap();
    let printed = format!("{ids:?} {opened:?}");
    assert!(!printed.contains(id.file_name()));
    assert!(!printed.contains(&format!("{:?}", *Keys::derive(SECRET).mac)));
    assert!(printed.contains("fingerprint"));
}

/// Any name an ID can hold: up to 255 bytes of any UTF-8.
fn any_name() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=NAME_SIZE_MAX).prop_map(|chars| {
        let mut name = String::new();
        for next in chars {
            if name.len() + next.len_utf8() <= NAME_SIZE_MAX {
                name.push(next);
            }
        }
        name
    })
}

proptest! {
    #[test]
    fn any_name_of_any_object_comes_back(object: [u8; 16], name in any_name()) {
        let object = ObjectNumber::from_bytes(object);
        let ids = service(SECRET, &[OTHER]);
        let id = ids.issue(object, &name).unwrap();
        prop_assert!(id.as_str().len() <= FILE_ID_SIZE_MAX);
        prop_assert_eq!(id.to_string(), id.as_str());
        prop_assert_eq!(&ids.issue(object, &name).unwrap(), &id);
        let opened = ids.open(id.as_str()).unwrap();
        prop_assert_eq!((opened.object, opened.name, opened.id), (object, name, id));
    }

    #[test]
    fn an_id_of_another_secret_is_refused(secret in vec(any::<u8>(), 16..64), object: [u8; 16]) {
        prop_assume!(secret != SECRET);
        let id = service(&secret, &[]).issue(ObjectNumber::from_bytes(object), "n").unwrap();
        prop_assert!(service(SECRET, &[OTHER]).open(id.as_str()).is_none());
    }

    #[test]
    fn no_text_is_a_genuine_id(
        text in "\\PC{0,80}",
        hash: [u8; 8],
        blocks in vec(any::<[u8; 16]>(), 3..20),
    ) {
        let ids = service(SECRET, &[OTHER]);
        prop_assert!(ids.open(&text).is_none());
        let head = [&[1], &Keys::derive(SECRET).fingerprint[..]].concat();
        let file_name = [head, blocks.concat()].concat();
        prop_assert!(ids.open(&spelled(&(hash.to_vec(), file_name))).is_none());
    }
}
