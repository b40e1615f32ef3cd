//! `GET /{path}`: files below `--public`, and nothing outside of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::{Daemon, Setup, payload};

/// A public directory beside a file that must never be served.
struct Fixture {
    daemon: Daemon,
    outside: TempDir,
    page: Vec<u8>,
}

impl Fixture {
    fn new() -> Fixture {
        let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let public = outside.path().join("public");
        let page = payload(1, 700_000);
        fs::create_dir_all(public.join("sub dir")).unwrap();
        fs::write(outside.path().join("secret.txt"), "secret").unwrap();
        fs::write(public.join("page.html"), &page).unwrap();
        fs::write(public.join("sub dir/ä.txt"), "umlaut").unwrap();
        fs::write(public.join("empty"), "").unwrap();
        symlink("../secret.txt", public.join("way-out")).unwrap();
        symlink(outside.path().join("secret.txt"), public.join("absolute-way-out")).unwrap();
        symlink("..", public.join("up")).unwrap();
        let daemon = Setup::new().flag("--public", public.display()).start();
        Fixture { daemon, outside, page }
    }

    fn secret(&self) -> PathBuf {
        self.outside.path().join("secret.txt")
    }
}

#[test]
fn a_public_file_is_served_by_its_path() {
    let fixture = Fixture::new();
    let page = fixture.daemon.get("/page.html");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type").map(|value| value.starts_with("text/html")), Some(true));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(page.body == fixture.page);
    assert_eq!(fixture.daemon.get("/sub%20dir/%C3%A4.txt").body, b"umlaut");
    assert_eq!(fixture.daemon.get("/empty").header("content-length"), Some("0"));
}

#[test]
fn a_public_file_has_ranges_and_conditions() {
    let fixture = Fixture::new();
    let part = fixture.daemon.request("GET", "/page.html", &[("Range", "bytes=10-19")], b"");
    assert_eq!(part.status, 206);
    assert!(part.body == fixture.page[10..20]);
    let modified = part.header("last-modified").unwrap().to_owned();
    let condition = [("If-Modified-Since", modified.as_str())];
    assert_eq!(fixture.daemon.request("GET", "/page.html", &condition, b"").status, 304);
    let head = fixture.daemon.request("HEAD", "/page.html", &[], b"");
    assert_eq!(head.header("content-length"), Some("700000"));
}

#[test]
fn nothing_leads_out_of_the_public_directory() {
    let fixture = Fixture::new();
    let absolute = fixture.secret().display().to_string();
    for target in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/sub%20dir/../../secret.txt",
        "/sub%20dir/%2e%2e/%2e%2e/secret.txt",
        "/./../secret.txt",
        "//../secret.txt",
        "/..;/secret.txt",
        "/way-out",
        "/absolute-way-out",
        "/up/secret.txt",
        "/page.html%00/../../secret.txt",
        &format!("/{absolute}"),
        &absolute.replacen('/', "/%2f", 1),
    ] {
        let answer = fixture.daemon.get(target);
        assert!(matches!(answer.status, 400 | 404), "{target} got {}", answer.status);
        answer.error(answer.status);
    }
}

#[test]
fn a_directory_is_its_index_and_never_a_listing() {
    let fixture = Fixture::new();
    for target in ["/", "/sub%20dir/", "/nothing", "/nothing/", "/page.html/", "/page.html/x"] {
        fixture.daemon.get(target).error(404);
    }
    fs::write(fixture.outside.path().join("public/sub dir/index.html"), "index").unwrap();
    assert_eq!(fixture.daemon.get("/sub%20dir/").body, b"index");
    let redirect = fixture.daemon.get("/sub%20dir");
    assert_eq!((redirect.status, redirect.header("location")), (301, Some("./sub%20dir/")));
}

#[test]
fn without_the_flag_nothing_is_public() {
    Daemon::start().get("/page.html").error(404);
}
