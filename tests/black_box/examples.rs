//! The programs of examples/ do what their first lines say.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::harness::{Client, Daemon, signal};

#[test]
fn hello_world_answers_from_every_worker_and_stops_at_a_signal() {
    let mut example = Example(start("hello_world", &["127.0.0.1:0"]));
    let mut said = BufReader::new(example.0.stdout.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    let (url, rest) = first.split_once(" answers from ").unwrap();
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let workers: usize = rest.split(' ').next().unwrap().parse().unwrap();
    let mut clients: Vec<Client> = (0..workers).map(|_| Client::connect(address)).collect();
    let greeted: BTreeSet<String> = clients.iter_mut().map(greeting).collect();
    assert_eq!(greeted.len(), workers, "one connection a worker: {greeted:?}");
    signal(example.0.id(), "TERM");
    assert!(example.0.wait().unwrap().success());
    assert_eq!(said.next().unwrap().unwrap(), "stopping");
}

#[test]
fn client_server_shows_the_states_of_both_ends() {
    let output = start("client_server", &[]).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let mut rest = said.as_str();
    for state in ["LISTEN", "ESTABLISHED", "hello!", "FIN_WAIT2", "CLOSE_WAIT", "TIME_WAIT"] {
        let (_, after) = rest.split_once(state).unwrap_or_else(|| panic!("{state} in {said}"));
        rest = after;
    }
}

#[test]
fn upload_stores_a_greeting_and_the_files() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    std::fs::write(&path, "a file").unwrap();
    let url = format!("http://{}", daemon.address());
    let output = start("upload", &[&url, path.to_str().unwrap()]).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let stored: Vec<_> = said.lines().map(|line| line.split_once(' ').unwrap()).collect();
    let expected = [("greeting.txt", "hello from the library"), ("a.txt", "a file")];
    for ((id, name), (expected_name, content)) in stored.into_iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert_eq!(daemon.get(&format!("/files/{id}")).body, content.as_bytes());
    }
}

#[test]
fn download_saves_a_file_with_every_block_verified() {
    let daemon = Daemon::start();
    let stored = daemon.connect().put("a.txt", b"a file");
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("fetched");
    let url = format!("http://{}{}", daemon.address(), stored.target());
    let output = start("download", &[&url, target.to_str().unwrap()]).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("fetched 6 bytes, every block verified\n"), "{said}");
    assert_eq!(std::fs::read(target).unwrap(), b"a file");
}

/// The worker that a client is told of.
fn greeting(client: &mut Client) -> String {
    let answer = client.get("/");
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.starts_with("Hello, 127.0.0.1:"), "{text}");
    text.split_once("This is ").unwrap().1.trim().to_owned()
}

/// Cargo builds what is not built yet, then becomes the example.
fn start(name: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--example", name]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.arg("--").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Ended with the test, if the test has not.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            let _gone = self.0.kill();
            let _reaped = self.0.wait();
        }
    }
}
