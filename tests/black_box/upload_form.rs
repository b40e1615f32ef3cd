//! `POST /uploadFile`: what browsers, scripts and the older system's clients send.

use crate::harness::{Daemon, Form, Response, Uploaded, objects, payload, staged};

#[test]
fn several_files_in_one_form_are_all_kept() {
    let daemon = Daemon::start();
    let contents = [payload(1, 10), payload(2, 2_500_000), payload(3, 0)];
    let form = Form::new("xyz")
        .file("file", "a.txt", &contents[0])
        .file("file", "b.bin", &contents[1])
        .file("other", "c", &contents[2]);
    let answer = post(&daemon, &form);
    let files = files(&answer);
    assert_eq!(answer.json()["file_id"], files[0].file_id.as_str(), "the first file's ID");
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a.txt", "b.bin", "c"], "in the order of the form");
    for (file, content) in files.iter().zip(&contents) {
        assert!(daemon.get(&file.target()).body == *content);
    }
}

#[test]
fn one_file_is_answered_with_one_object_and_its_location() {
    let daemon = Daemon::start();
    let answer = post(&daemon, &Form::new("xyz").file("file", "a.txt", b"hello"));
    let uploaded = answer.uploaded();
    assert!(answer.json().get("files").is_none());
    let location = answer.header("location").expect("a Location");
    assert!(location.ends_with(&uploaded.target()), "{location}");
    assert!(uploaded.url.ends_with(&uploaded.target()), "{}", uploaded.url);
}

#[test]
fn text_fields_around_a_file_are_passed_over() {
    let daemon = Daemon::start();
    let form = Form::new("xyz")
        .text("comment", "before")
        .file("anything", "a.txt", b"hello")
        .text("comment", "after");
    let uploaded = post(&daemon, &form).uploaded();
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello");
}

#[test]
fn a_body_without_content_type_is_a_form_when_it_starts_with_its_boundary() {
    let daemon = Daemon::start();
    let form = Form::new("a-strange-boundary").file("file", "a.txt", b"hello");
    let uploaded = daemon.request("POST", "/uploadFile", &[], &form.body()).uploaded();
    assert_eq!(uploaded.name, "a.txt");
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello");
}

#[test]
fn several_multipart_documents_in_one_body_are_all_kept() {
    let daemon = Daemon::start();
    let content = payload(4, 300_000);
    let mut body = Form::new("one").file("file", "a.txt", b"hello").body();
    body.extend(Form::new("two").file("file", "b.bin", &content).body());
    body.extend(Form::new("three").file("file", "c.txt", b"").body());
    let files = files(&daemon.request("POST", "/uploadFile", &[], &body));
    assert_eq!(files.len(), 3);
    assert_eq!(daemon.get(&files[0].target()).body, b"hello");
    assert!(daemon.get(&files[1].target()).body == content);
    assert_eq!(daemon.get(&files[2].target()).body, b"");
}

#[test]
fn a_content_that_looks_like_a_boundary_is_content() {
    let daemon = Daemon::start();
    let content = b"\r\n--xy\r\n--xyz0 \r\n-- \r\n\r--xyz-\r\n\r\n--";
    let uploaded = post(&daemon, &Form::new("xyzz").file("file", "a", content)).uploaded();
    assert_eq!(daemon.get(&uploaded.target()).body, content);
}

#[test]
fn a_form_without_a_file_is_refused() {
    let daemon = Daemon::start();
    post(&daemon, &Form::new("xyz").text("file", "not a file")).error(400);
    assert_eq!(objects(daemon.root()).len(), 0);
}

#[test]
fn a_name_with_a_path_keeps_its_last_part() {
    let daemon = Daemon::start();
    for name in ["../../etc/passwd", "/etc/passwd", "C:\\\\temp\\\\passwd"] {
        let uploaded = post(&daemon, &Form::new("xyz").file("file", name, b"x")).uploaded();
        assert_eq!(uploaded.name, "passwd", "from {name}");
    }
}

#[test]
fn a_form_that_breaks_off_keeps_nothing() {
    let mut daemon = Daemon::start();
    let form = Form::new("xyz").file("file", "whole.bin", &payload(5, 100_000)).file(
        "file",
        "broken.bin",
        &payload(6, 3_000_000),
    );
    let body = form.body();
    let mut client = daemon.connect();
    let content_type = form.content_type();
    let length = body.len().to_string();
    let headers = [("Content-Type", content_type.as_str()), ("Content-Length", &length)];
    client.head("POST", "/uploadFile", &headers).unwrap();
    client.send(&body[..body.len() - 10]).unwrap();
    drop(client);
    daemon.stop();
    assert_eq!(objects(daemon.root()), staged(daemon.root()), "nothing in either place");
}

#[test]
fn a_form_whose_end_never_comes_is_refused_and_keeps_nothing() {
    let mut daemon = Daemon::start();
    let form = Form::new("xyz").file("file", "whole.bin", &payload(7, 100_000));
    let body = form.body();
    let cut = &body[..body.len() - 6];
    let content_type = form.content_type();
    let headers = [("Content-Type", content_type.as_str())];
    daemon.request("POST", "/uploadFile", &headers, cut).error(400);
    daemon.stop();
    assert_eq!(objects(daemon.root()).len(), 0);
}

fn post(daemon: &Daemon, form: &Form) -> Response {
    let content_type = form.content_type();
    let headers = [("Content-Type", content_type.as_str())];
    daemon.request("POST", "/uploadFile", &headers, &form.body())
}

fn files(answer: &Response) -> Vec<Uploaded> {
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let json = answer.json();
    json["files"].as_array().expect("files").iter().map(Uploaded::from_json).collect()
}
