//! `GET` and `HEAD /files/{file_id}`, the manifest, and `POST /downloadFile`.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_root};
use serde_json::Value;

use crate::harness::{Daemon, Form, Response, Setup, Uploaded, payload};

const SIZE: usize = 2_500_000;

/// One daemon that holds one file.
struct Fixture {
    daemon: Daemon,
    uploaded: Uploaded,
    body: Vec<u8>,
}

impl Fixture {
    fn new() -> Fixture {
        let daemon = Daemon::start();
        let body = payload(1, SIZE);
        let uploaded = daemon.connect().put("movie.mp4", &body);
        Fixture { daemon, uploaded, body }
    }

    fn get(&self, headers: &[(&str, &str)]) -> Response {
        self.daemon.request("GET", &self.uploaded.target(), headers, b"")
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.uploaded.blake3)
    }
}

#[test]
fn a_download_says_what_it_is() {
    let fixture = Fixture::new();
    let whole = fixture.get(&[]);
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("etag"), Some(fixture.etag().as_str()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    assert!(whole.header("content-disposition").unwrap().starts_with("attachment"));
    assert!(whole.header("content-security-policy").unwrap().contains("sandbox"));
    assert!(whole.header("last-modified").unwrap().ends_with("GMT"));
    assert!(whole.body == fixture.body);
}

#[test]
fn head_is_a_get_without_the_body() {
    let fixture = Fixture::new();
    let target = fixture.uploaded.target();
    let mut client = fixture.daemon.connect();
    let head = client.request("HEAD", &target, &[], b"");
    let get = client.get(&target);
    let without_date = |response: &Response| -> Vec<_> {
        response.headers.iter().filter(|(name, _)| name != "date").cloned().collect()
    };
    assert_eq!(head.status, 200);
    assert_eq!(without_date(&head), without_date(&get));
    assert_eq!(head.header("content-length"), Some(SIZE.to_string().as_str()));
}

#[test]
fn a_single_range_is_exactly_its_bytes() {
    let fixture = Fixture::new();
    let last = SIZE - 1;
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=0-4095".to_owned(), 0, 4095),
        ("bytes=4095-4096".to_owned(), 4095, 4096),
        ("bytes=1048575-1048576".to_owned(), 1_048_575, 1_048_576),
        ("bytes=1000000-2000000".to_owned(), 1_000_000, 2_000_000),
        ("bytes=2499999-".to_owned(), last, last),
        ("bytes=-1".to_owned(), last, last),
        ("bytes=-1000".to_owned(), SIZE - 1000, last),
        ("bytes=-99999999".to_owned(), 0, last),
        (format!("bytes=5-{}", u64::MAX), 5, last),
    ] {
        let part = fixture.get(&[("Range", &range)]);
        assert_eq!(part.status, 206, "{range}");
        let content_range = format!("bytes {from}-{to}/{SIZE}");
        assert_eq!(part.header("content-range"), Some(content_range.as_str()), "{range}");
        assert!(part.body == fixture.body[from..=to], "{range}");
    }
}

#[test]
fn several_ranges_come_as_multipart_byteranges() {
    let fixture = Fixture::new();
    let part = fixture.get(&[("Range", "bytes=0-9, 1000-1999, -5")]);
    assert_eq!(part.status, 206);
    let content_type = part.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for range in [0..10, 1000..2000, SIZE - 5..SIZE] {
        let delimiter = format!("--{boundary}\r\n");
        let at = find(&part.body, delimiter.as_bytes(), expected.len()).expect("a delimiter");
        let head_end = find(&part.body, b"\r\n\r\n", at).expect("the end of the part's head") + 4;
        let head = String::from_utf8_lossy(&part.body[at..head_end]).to_ascii_lowercase();
        let line = format!("content-range: bytes {}-{}/{SIZE}\r\n", range.start, range.end - 1);
        assert!(head.contains(&line), "{head}");
        assert!(head.contains("content-type: video/mp4\r\n"), "{head}");
        let content_end = head_end + range.len();
        assert!(part.body[head_end..content_end] == fixture.body[range]);
        expected = part.body[..content_end].to_vec();
    }
    let rest = String::from_utf8_lossy(&part.body[expected.len()..]);
    assert_eq!(rest.trim(), format!("--{boundary}--"));
}

#[test]
fn a_range_beyond_the_end_is_416_with_the_size() {
    let fixture = Fixture::new();
    for range in [format!("bytes={SIZE}-"), "bytes=-0".to_owned(), "bytes=9999999-".to_owned()] {
        let refused = fixture.get(&[("Range", &range)]);
        assert_eq!(refused.status, 416, "{range}");
        let content_range = format!("bytes */{SIZE}");
        assert_eq!(refused.header("content-range"), Some(content_range.as_str()));
        refused.error(416);
    }
}

#[test]
fn a_range_that_makes_no_sense_is_ignored() {
    let fixture = Fixture::new();
    for range in ["bytes=5-4", "bytes=a-b", "lines=1-2", "bytes", "bytes=", "bytes=--5"] {
        assert_eq!(fixture.get(&[("Range", range)]).status, 200, "{range}");
    }
}

#[test]
fn a_flood_of_ranges_is_not_answered_with_a_flood() {
    let fixture = Fixture::new();
    let many: Vec<_> = (0..1500).map(|_| "0-").collect();
    let range = format!("bytes={}", many.join(","));
    let answer = fixture.get(&[("Range", &range)]);
    assert!(matches!(answer.status, 200 | 416), "{}", answer.status);
    assert!(answer.body.len() <= SIZE);
}

#[test]
fn if_range_gives_the_range_only_of_the_same_file() {
    let fixture = Fixture::new();
    let modified = fixture.get(&[]).header("last-modified").unwrap().to_owned();
    let etag = fixture.etag();
    let weak = format!("W/{etag}");
    for (validator, status) in [
        (etag.as_str(), 206),
        (weak.as_str(), 200),
        ("\"other\"", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
    ] {
        let answer = fixture.get(&[("Range", "bytes=0-9"), ("If-Range", validator)]);
        assert_eq!(answer.status, status, "{validator}");
    }
    let by_date = fixture.get(&[("Range", "bytes=0-9"), ("If-Range", &modified)]);
    assert!(matches!(by_date.status, 200 | 206), "a date is a strong validator or is passed over");
}

#[test]
fn conditions_are_answered() {
    let fixture = Fixture::new();
    let etag = fixture.etag();
    let weak = format!("W/{etag}, \"other\"");
    let modified = fixture.get(&[]).header("last-modified").unwrap().to_owned();
    let long_ago = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (name, value, status) in [
        ("If-None-Match", etag.as_str(), 304),
        ("If-None-Match", weak.as_str(), 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"other\"", 200),
        ("If-Modified-Since", modified.as_str(), 304),
        ("If-Modified-Since", long_ago, 200),
        ("If-Modified-Since", "not a date", 200),
        ("If-Match", etag.as_str(), 200),
        ("If-Match", "*", 200),
        ("If-Match", weak.as_str(), 412),
        ("If-Match", "\"other\"", 412),
    ] {
        let answer = fixture.get(&[(name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
        if status == 304 {
            assert_eq!(answer.header("etag"), Some(etag.as_str()));
        }
    }
    let both = [("If-None-Match", "\"other\""), ("If-Modified-Since", modified.as_str())];
    assert_eq!(fixture.get(&both).status, 200, "the entity tag wins (RFC 9110, section 13.2.2)");
}

#[test]
fn any_name_survives_in_the_content_disposition() {
    let daemon = Daemon::start();
    for (sent, name, extended) in [
        ("plain.txt", "plain.txt", None),
        ("%E2%82%AC%20rates.txt", "€ rates.txt", Some("%E2%82%AC%20rates.txt")),
        ("na%C3%AFve%22quote.txt", "naïve\"quote.txt", Some("na%C3%AFve%22quote.txt")),
        ("%F0%9F%A6%80.bin", "🦀.bin", Some("%F0%9F%A6%80.bin")),
    ] {
        let uploaded = daemon.connect().put(sent, b"x");
        assert_eq!(uploaded.name, name);
        let answer = daemon.get(&uploaded.target());
        let disposition = answer.header("content-disposition").unwrap();
        assert!(disposition.is_ascii(), "{disposition}");
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        if let Some(extended) = extended {
            let parameter = format!("filename*=UTF-8''{extended}");
            assert!(disposition.contains(&parameter), "{disposition}");
        }
    }
}

#[test]
fn a_name_cannot_smuggle_a_header() {
    let daemon = Daemon::start();
    let nul = daemon.request("PUT", "/files/a%00.txt", &[], b"x");
    nul.error(400);
    let uploaded = daemon.connect().put("a%0D%0ASet-Cookie:%20x=1.txt", b"x");
    assert!(uploaded.name.chars().all(|letter| !letter.is_control()), "{:?}", uploaded.name);
    assert_eq!(daemon.get(&uploaded.target()).header("set-cookie"), None);
}

#[test]
fn the_manifest_proves_every_block() {
    let daemon = Daemon::start();
    for size in [0, 1, 1 << 20, (1 << 20) + 1, SIZE, 4 << 20] {
        let body = payload(2, size);
        let uploaded = daemon.connect().put("a.bin", &body);
        let answer = daemon.get(&format!("{}/manifest", uploaded.target()));
        assert_eq!(answer.status, 200);
        let manifest = answer.json();
        assert_eq!(manifest["size"], size);
        assert_eq!(manifest["blake3"], uploaded.blake3.as_str());
        let block_size = usize::try_from(manifest["block_size"].as_u64().unwrap()).unwrap();
        assert_eq!(block_size, 1 << 20);
        let stated: Vec<_> = manifest["block_hashes"].as_array().unwrap().clone();
        if size <= block_size {
            assert!(stated.is_empty(), "one block needs no list");
            continue;
        }
        let hashes: Vec<[u8; 32]> =
            body.chunks(block_size).enumerate().map(|(i, b)| block_hash(i, b)).collect();
        let hex: Vec<_> = hashes
            .iter()
            .map(|hash| Value::from(blake3::Hash::from(*hash).to_hex().as_str()))
            .collect();
        assert_eq!(stated, hex);
        assert_eq!(root(&hashes).to_hex().as_str(), uploaded.blake3);
    }
}

#[test]
fn the_older_systems_download_route_takes_json_and_forms() {
    let fixture = Fixture::new();
    let file_id = fixture.uploaded.file_id.as_str();
    let json = format!("{{\"file_id\": \"{file_id}\"}}");
    let urlencoded = format!("file_id={}", file_id.replace(':', "%3A"));
    let form = Form::new("xyz").text("file_id", file_id);
    for (content_type, body) in [
        ("application/json".to_owned(), json.into_bytes()),
        ("application/x-www-form-urlencoded".to_owned(), urlencoded.into_bytes()),
        (form.content_type(), form.body()),
    ] {
        let headers = [("Content-Type", content_type.as_str())];
        let answer = fixture.daemon.request("POST", "/downloadFile", &headers, &body);
        assert_eq!(answer.status, 200, "{content_type}");
        assert!(answer.body == fixture.body, "{content_type}");
    }
    let headers = [("Content-Type", "application/json")];
    fixture.daemon.request("POST", "/downloadFile", &headers, b"{}").error(400);
    let unknown = b"{\"file_id\": \"0011223344556677:AAAA\"}";
    fixture.daemon.request("POST", "/downloadFile", &headers, unknown).error(404);
}

#[test]
fn a_file_of_an_older_secret_opens_after_a_rotation() {
    let setup = Setup::new().env("SECRET_KEY", "the first secret of this test");
    let mut daemon = setup.start();
    let uploaded = daemon.connect().put("a.txt", b"hello");
    daemon.stop();
    let rotated = setup.env("SECRET_KEY", "the second secret of this test");
    let mut daemon = rotated.start();
    daemon.get(&uploaded.target()).error(404);
    daemon.stop();
    let both = rotated.env("SECRET_KEY_PREVIOUS", "the first secret of this test");
    let daemon = both.start();
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello");
    assert_ne!(daemon.connect().put("a.txt", b"hello").file_id, uploaded.file_id);
}

/// The chaining value of one block in the tree of the whole file.
fn block_hash(index: usize, block: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset((index as u64) << 20).update(block);
    hasher.finalize_non_root()
}

/// The root over chaining values: the left subtree is the largest power of two that leaves
/// something for the right one.
fn root(hashes: &[[u8; 32]]) -> blake3::Hash {
    let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
    merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash)
}

fn subtree(hashes: &[[u8; 32]]) -> [u8; 32] {
    if let [one] = hashes {
        return *one;
    }
    let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
    blake3::hazmat::merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    haystack[from..].windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}
