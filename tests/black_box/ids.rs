//! File IDs from the outside: one that this daemon did not make, or whose file is gone, gets one
//! and the same answer.

use crate::harness::{Daemon, Response};

#[test]
fn every_changed_letter_of_an_id_is_refused_with_one_answer() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let uploaded = client.put("a.txt", b"hello");
    let never = client.get("/files/0011223344556677:AAAA");
    never.error(404);
    for at in 0..uploaded.file_id.len() {
        let mut forged = uploaded.file_id.clone().into_bytes();
        forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
        let forged = String::from_utf8(forged).unwrap();
        let answer = client.get(&format!("/files/{forged}"));
        assert_eq!(telling(&answer), telling(&never), "letter {at}");
    }
    assert_eq!(client.get(&uploaded.target()).body, b"hello", "the true one still opens");
}

#[test]
fn a_cut_or_lengthened_id_is_refused_with_the_same_answer() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let uploaded = client.put("a.txt", b"hello");
    let never = client.get("/files/0011223344556677:AAAA");
    let id = uploaded.file_id.as_str();
    let (hash, name) = id.split_once(':').unwrap();
    for forged in [
        id[..id.len() - 1].to_owned(),
        format!("{id}A"),
        format!("{id}="),
        name.to_owned(),
        format!("{hash}:"),
        format!(":{name}"),
        format!("{}:{name}", hash.to_ascii_uppercase().replace(char::is_numeric, "A")),
        format!("{hash}:{hash}:{name}"),
        format!("{hash}:{}", "A".repeat(2000)),
        "..".to_owned(),
        "%00".to_owned(),
    ] {
        let answer = client.get(&format!("/files/{forged}"));
        assert_eq!(telling(&answer), telling(&never), "{forged}");
    }
}

#[test]
fn a_deleted_id_looks_like_one_that_never_was() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let uploaded = client.put("a.txt", b"hello");
    let bearer = format!("Bearer {}", uploaded.delete_token);
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(client.request("DELETE", &uploaded.target(), &headers, b"").status, 204);
    let deleted = client.get(&uploaded.target());
    let never = client.get("/files/0011223344556677:AAAA");
    assert_eq!(telling(&deleted), telling(&never));
    let manifest = client.get(&format!("{}/manifest", uploaded.target()));
    assert_eq!(telling(&manifest), telling(&never));
}

#[test]
fn an_id_names_neither_its_file_nor_its_place() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let first = client.put("a-telling-name.txt", b"hello");
    let second = client.put("a-telling-name.txt", b"hello");
    assert_ne!(first.file_id, second.file_id, "the same file twice is two files");
    assert!(!first.file_id.contains("telling"));
}

/// What an answer tells: everything but the clock.
fn telling(answer: &Response) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    (answer.status, headers, answer.body.clone())
}
