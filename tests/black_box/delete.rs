//! `DELETE /files/{file_id}`: only with the token that came with the upload, and for good.

use std::fs;

use crate::harness::{Daemon, Setup, objects, payload};

#[test]
fn a_deleted_file_is_gone_also_after_a_restart() {
    for size in [10, 3_000_000] {
        let mut daemon = Daemon::start();
        let uploaded = daemon.connect().put("a.bin", &payload(1, size));
        let bearer = format!("Bearer {}", uploaded.delete_token);
        let authorization = [("Authorization", bearer.as_str())];
        assert_eq!(daemon.get(&uploaded.target()).status, 200);
        let deleted = daemon.request("DELETE", &uploaded.target(), &authorization, b"");
        assert_eq!((deleted.status, deleted.body.len()), (204, 0));
        daemon.get(&uploaded.target()).error(404);
        daemon.request("DELETE", &uploaded.target(), &authorization, b"").error(404);
        assert_eq!(objects(daemon.root()).len(), 0);
        daemon.stop();
        let daemon = daemon.restart();
        daemon.get(&uploaded.target()).error(404);
    }
}

#[test]
fn a_wrong_or_missing_token_deletes_nothing() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let uploaded = client.put("a.bin", b"precious");
    let other = client.put("b.bin", b"other");
    for value in [
        String::new(),
        "Bearer".to_owned(),
        format!("Bearer {}", "0".repeat(32)),
        format!("Bearer {}", other.delete_token),
        format!("Bearer {}0", uploaded.delete_token),
        format!("Basic {}", uploaded.delete_token),
    ] {
        let headers = [("Authorization", value.as_str())];
        let refused = daemon.request("DELETE", &uploaded.target(), &headers, b"");
        assert!(matches!(refused.status, 401 | 403), "{value:?} got {}", refused.status);
        refused.error(refused.status);
    }
    let missing = daemon.request("DELETE", &uploaded.target(), &[], b"");
    missing.error(401);
    assert!(missing.header("www-authenticate").is_some(), "RFC 9110, section 15.5.2");
    assert_eq!(daemon.get(&uploaded.target()).body, b"precious");
}

#[test]
fn a_deleted_file_is_gone_on_every_worker_and_nobody_keeps_it_open() {
    let daemon = Setup::new().workers(2).start();
    let (mut first, mut second) = (daemon.connect(), daemon.connect());
    for size in [4_000, 300_000] {
        let uploaded = first.put("a.bin", &payload(1, size));
        for client in [&mut first, &mut second, &mut daemon.connect(), &mut daemon.connect()] {
            assert_eq!(client.get(&uploaded.target()).status, 200);
        }
        let bearer = format!("Bearer {}", uploaded.delete_token);
        let headers = [("Authorization", bearer.as_str())];
        assert_eq!(daemon.request("DELETE", &uploaded.target(), &headers, b"").status, 204);
        for client in [&mut first, &mut second, &mut daemon.connect(), &mut daemon.connect()] {
            client.get(&uploaded.target()).error(404);
        }
        assert_eq!(deleted_files_open(daemon.pid()), 0, "{size}: its blocks are free");
    }
}

/// Descriptors of a process whose files have no name any more.
fn deleted_files_open(pid: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().ends_with("(deleted)")).count()
}

#[test]
fn a_download_that_runs_while_its_file_is_deleted_ends_whole() {
    let daemon = Daemon::start();
    let body = payload(2, 24 << 20);
    let uploaded = daemon.connect().put("a.bin", &body);
    let mut reader = daemon.connect();
    reader.head("GET", &uploaded.target(), &[]).unwrap();
    let head = reader.read_head().unwrap();
    assert_eq!(head.status, 200);
    let bearer = format!("Bearer {}", uploaded.delete_token);
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(daemon.request("DELETE", &uploaded.target(), &headers, b"").status, 204);
    assert!(reader.body_of(&head) == body);
    daemon.get(&uploaded.target()).error(404);
}
