//! Names that strangers choose: none of them leads out of a directory, blocks a worker, or gets
//! into a header. What paths below `--public` do is in `public.rs`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Daemon, Form, Setup, names_below};

/// Names as they come in a path, percent-encoded where they must be, and what is kept of them.
const NAMES: [(&str, &str); 16] = [
    ("..%2f..%2fescaped", "escaped"),
    ("%2e%2e%2fescaped", "escaped"),
    ("..%5c..%5cescaped", "escaped"),
    ("%2fetc%2fescaped", "escaped"),
    ("C:%5cescaped", "escaped"),
    ("%2e%2e", "file"),
    ("%2e", "file"),
    ("%2f", "file"),
    // Encoded twice: what is left is a name, and stays one.
    ("%252e%252e%252fescaped", "%2e%2e%2fescaped"),
    ("a%0d%0aX-Injected:%20yes", "aX-Injected: yes"),
    ("a%22;%20filename=%22b", "a\"; filename=\"b"),
    ("%c3%a4%e2%82%ac.txt", "\u{e4}\u{20ac}.txt"),
    // Turned around on the screen, `gpj.exe` reads `exe.jpg`.
    ("photo%e2%80%aegpj.exe", "photogpj.exe"),
    ("a%1b%5b31mb", "a[31mb"),
    ("a%7fb%c2%85c", "abc"),
    ("..%ef%bc%8f..%ef%bc%8fescaped", "..\u{ff0f}..\u{ff0f}escaped"),
];

/// What cannot be a name at all: overlong and broken UTF-8, a NUL, broken encoding.
const NO_NAMES: [&str; 6] = ["%c0%ae%c0%ae%c0%afescaped", "%e0%80%ae", "a%00b", "%ff", "%", "%zz"];

#[test]
fn an_uploads_name_leads_nowhere_and_injects_nothing() {
    let mut daemon = Daemon::start();
    let mut client = daemon.connect();
    for (given, kept) in NAMES {
        let uploaded = client.put(given, b"hello");
        assert_eq!(uploaded.name, kept, "{given}");
        let answer = client.get(&uploaded.target());
        let disposition = answer.header("content-disposition").expect("a disposition");
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        assert!(disposition.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{disposition}");
        assert_eq!(disposition.matches('"').count(), 2, "{disposition}");
        assert_eq!(answer.header("x-injected"), None);
    }
    for given in NO_NAMES {
        client.request("PUT", &format!("/files/{given}"), &[], b"").error(400);
    }
    daemon.stop();
    assert_contained(&daemon);
}

#[test]
fn a_forms_name_leads_nowhere_and_injects_nothing() {
    let mut daemon = Daemon::start();
    for (given, kept) in [
        ("../../escaped", "escaped"),
        ("..\\\\..\\\\escaped", "escaped"),
        ("/etc/escaped", "escaped"),
        ("..", "file"),
        ("", "file"),
        ("photo\u{202e}gpj.exe", "photogpj.exe"),
        ("%2e%2e%2fescaped", "%2e%2e%2fescaped"),
        ("\u{e4}\u{20ac}.txt", "\u{e4}\u{20ac}.txt"),
    ] {
        let form = Form::new("x").file("f", given, b"hello");
        let headers = [("Content-Type", form.content_type())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = daemon.request("POST", "/uploadFile", &headers, &form.body());
        assert_eq!(answer.uploaded().name, kept, "{given:?}");
    }
    let form = Form::new("x").file("f", "a\0b", b"hello");
    let headers = [("Content-Type", "multipart/form-data; boundary=x")];
    daemon.request("POST", "/uploadFile", &headers, &form.body()).error(400);
    daemon.stop();
    assert_contained(&daemon);
}

/// Everything lies where objects lie, under a name of ours, and nobody else may read it.
fn assert_contained(daemon: &Daemon) {
    for path in names_below(daemon.root().parent().unwrap()) {
        assert!(!path.display().to_string().contains("escaped"), "{}", path.display());
    }
    for object in names_below(&daemon.root().join("objects")) {
        let name = object.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        assert_eq!(fs::metadata(&object).unwrap().mode() & 0o077, 0);
    }
}

#[test]
fn an_id_is_no_path() {
    let daemon = Daemon::start();
    for target in [
        "/files/..%2f..%2fsecret.key",
        "/files/%2e%2e",
        "/files/../secret.key",
        "/files/%2fetc%2fpasswd",
        "/files/%00",
        "/files/0123456789abcdef:..%2f..%2fsecret.key",
        "/files/0123456789abcdef:%c0%ae",
        "/files/..%2fx/manifest",
    ] {
        daemon.get(target).error(404);
    }
}

/// A public directory, and its daemon.
fn public(fill: impl FnOnce(&Path)) -> (Daemon, tempfile::TempDir) {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = place.path().join("public");
    fs::create_dir(&dir).unwrap();
    fs::write(place.path().join("secret.txt"), "secret").unwrap();
    fill(&dir);
    (Setup::new().flag("--public", dir.display()).start(), place)
}

#[test]
fn what_is_no_file_is_not_there_and_holds_nobody_up() {
    let (daemon, _place) = public(|dir| {
        let made = Command::new("mkfifo").arg(dir.join("pipe")).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every system");
        let _listening = UnixListener::bind(dir.join("socket")).unwrap();
        symlink("/dev/zero", dir.join("zeros")).unwrap();
        symlink("/proc/self/environ", dir.join("environment")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();
        fs::create_dir(dir.join("index.html")).unwrap();
        // Root alone may make one; where it cannot be made the request finds nothing either.
        let node = dir.join("device");
        let _may_fail = Command::new("mknod").arg(&node).args(["c", "1", "5"]).output();
    });
    for name in ["pipe", "socket", "zeros", "environment", "loop", "device", "pipe/x", "index.html"]
    {
        let answer = daemon.get(&format!("/{name}"));
        assert!(matches!(answer.status, 301 | 404), "{name}: {}", answer.status);
        if answer.status == 404 {
            answer.error(404);
        }
    }
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn a_file_that_the_daemon_may_not_read_is_not_there() {
    let place = tempfile::tempdir().unwrap();
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: needs root, to be somebody who may not");
        return;
    }
    let dir = place.path().join("public");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("mine"), "secret").unwrap();
    fs::write(dir.join("ours"), "hello").unwrap();
    fs::set_permissions(dir.join("mine"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = place.path().join("ringhold");
    fs::copy(env!("CARGO_BIN_EXE_ringhold"), &binary).unwrap();
    let setup = Setup::at(place.path()).flag("--public", dir.display());
    std::os::unix::fs::chown(setup.root(), Some(NOBODY), Some(NOBODY)).unwrap();
    let daemon = setup.allow("LimitMEMLOCK").user(NOBODY, binary).start();
    assert_eq!(daemon.get("/ours").body, b"hello");
    daemon.get("/mine").error(404);
}

/// `nobody`, everywhere.
const NOBODY: u32 = 65534;

#[test]
fn a_public_name_injects_nothing_into_a_header() {
    let (daemon, _place) = public(|dir| {
        fs::write(dir.join("a\r\nX-Injected: yes"), "hello").unwrap();
        fs::write(dir.join("b\"; x=\"y"), "hello").unwrap();
        fs::create_dir(dir.join("d\r\nX-Injected: yes")).unwrap();
        fs::write(dir.join("d\r\nX-Injected: yes/index.html"), "hello").unwrap();
    });
    for target in ["/a%0d%0aX-Injected:%20yes", "/b%22;%20x=%22y"] {
        let answer = daemon.get(target);
        assert_eq!((answer.status, answer.header("x-injected")), (200, None), "{target}");
        let disposition = answer.header("content-disposition").unwrap_or_default();
        assert_eq!(disposition.matches('"').count(), 2, "{disposition}");
    }
    let redirect = daemon.get("/d%0d%0aX-Injected:%20yes");
    assert_eq!((redirect.status, redirect.header("x-injected")), (301, None));
}

#[test]
fn a_link_that_is_turned_outward_meanwhile_leads_nowhere() {
    let (daemon, place) = public(|dir| {
        fs::create_dir(dir.join("inner")).unwrap();
        fs::write(dir.join("inner/secret.txt"), "hello").unwrap();
        symlink("inner", dir.join("turning")).unwrap();
    });
    let dir = place.path().join("public");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for target in ["..", "inner"] {
                    symlink(target, dir.join("next")).unwrap();
                    fs::rename(dir.join("next"), dir.join("turning")).unwrap();
                }
            }
        });
        let mut client = daemon.connect();
        for _ in 0..2_000 {
            let answer = client.get("/turning/secret.txt");
            assert!(matches!(answer.status, 200 | 404), "{}", answer.status);
            assert_ne!(answer.body, b"secret");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
