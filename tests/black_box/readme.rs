//! The first upload of README.md and the Python program of docs/clients.md work as they stand
//! there, but for the address.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{Daemon, fenced, payload};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_first_upload_of_the_readme_works() {
    if is_missing("curl") {
        return;
    }
    let daemon = Daemon::start();
    let scripts = blocks("README.md", "sh", &daemon);
    assert_eq!(scripts.len(), 1, "one script, the first upload");
    let work = tempfile::tempdir().unwrap();
    let script = scripts.concat();
    let output = Command::new("sh").args(["-euc", &script]).current_dir(work.path()).output();
    let shown = shown(&output.unwrap());
    let (answer, downloads) = shown.split_once('}').expect("the answer, then the downloads");
    assert!(answer.contains("\"delete_token\""), "{shown}");
    assert_eq!(downloads.trim(), "hello, ring\nhello");
}

#[test]
fn the_python_program_of_the_clients_page_works() {
    if is_missing("python3") {
        return;
    }
    let daemon = Daemon::start();
    let programs = blocks("docs/clients.md", "python", &daemon);
    let work = tempfile::tempdir().unwrap();
    let (file, content) = (work.path().join("file.bin"), payload(1, 300_000));
    fs::write(&file, &content).unwrap();
    let output = Command::new("python3").args(["-c", &programs[0]]).arg(&file).output();
    let file_id = shown(&output.unwrap());
    assert!(daemon.get(&format!("/files/{}", file_id.trim())).body == content);
    assert!(fs::read(work.path().join("file.bin.back")).unwrap() == content);
}

/// The blocks of a page in one language, with the daemon's address in place of the default one.
fn blocks(page: &str, language: &str, daemon: &Daemon) -> Vec<String> {
    let page = fs::read_to_string(Path::new(REPOSITORY).join(page)).unwrap();
    let address = daemon.address().to_string();
    let port = daemon.address().port().to_string();
    let blocks = fenced(&page, language).into_iter();
    blocks.map(|block| block.replace("127.0.0.1:8080", &address).replace("8080", &port)).collect()
}

fn is_missing(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        println!("skipped: {program} is not installed");
    }
    missing
}

/// What a program printed; it must have succeeded.
fn shown(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}
