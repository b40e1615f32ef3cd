//! Every curl line of docs/http.md works as it stands there, and gets the status beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Daemon, Setup, Uploaded, fenced, payload};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md");
/// Fewer lines found would mean that the page is no longer read right.
const CURL_LINES_MIN: usize = 20;

#[test]
fn every_curl_line_of_the_http_page_gets_its_status() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    // The page fetches from the daemon itself.
    let daemon = Setup::new().flag("--import-allow", "127.0.0.0/8").start();
    let uploaded = daemon.connect().put("report.pdf", &payload(1, 5000));
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(work.path().join("local-file"), payload(2, 3000)).unwrap();
    let page = fs::read_to_string(PAGE).unwrap();
    let mut curl_lines = 0;
    for line in fenced(&page, "sh").iter().flat_map(|block| block.lines()) {
        let Some(arguments) = line.strip_prefix("curl ") else {
            run(line, work.path(), &daemon, &uploaded);
            continue;
        };
        let (arguments, status) = arguments.rsplit_once(" # ").expect("a status after the `#`");
        let quiet = format!("curl -sS -o /dev/null -w '%{{http_code}}' {arguments}");
        assert_eq!(run(&quiet, work.path(), &daemon, &uploaded), status, "{line}");
        curl_lines += 1;
    }
    assert!(curl_lines >= CURL_LINES_MIN, "{curl_lines} curl lines found");
}

/// What a line prints, with the variables of the page.
fn run(line: &str, work: &Path, daemon: &Daemon, uploaded: &Uploaded) -> String {
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(work)
        .env("URL", format!("http://{}", daemon.address()))
        .env("FILE", "local-file")
        .env("ID", &uploaded.file_id)
        .env("TOKEN", &uploaded.delete_token)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
