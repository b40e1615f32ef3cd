//! Sources that fail, lie and change their minds: an import is whole or an error that says why.

use std::io;
use std::net::TcpListener;

use crate::harness::{Asked, Daemon, Source, Stream, heavy, payload};
use crate::import::{import, nothing_is_kept, setup};

/// Requests for the rest after a transfer broke (`IMPORT_RESUMES_MAX`).
const RESUMES_MAX: usize = 5;
const TAG: &str = "ETag: \"v1\"\r\n";
const DATES: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                     Date: Mon, 07 Nov 1994 08:49:37 GMT\r\n";

#[test]
fn any_status_but_200_is_an_error_that_names_it() {
    let daemon = setup().start();
    for status in [
        "201 Created",
        "204 No Content",
        "206 Partial Content",
        "300 Multiple Choices",
        "302 Found",
        "304 Not Modified",
        "401 Unauthorized",
        "404 Not Found",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ] {
        let body = if status.starts_with("204") || status.starts_with("304") { "" } else { "page" };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        let source = Source::answering(answer);
        let refused = import(&daemon, &source.url("/")).error(502);
        assert!(refused.contains(&status[..3]), "{refused}");
        assert_eq!(source.asked().len(), 1);
    }
    nothing_is_kept(daemon);
}

#[test]
fn a_source_that_lies_about_its_length_is_an_error() {
    let daemon = setup().start();
    for (answer, sentence) in [
        ("Content-Length: 100\r\n\r\nfewer than a hundred", "broke off after 20 bytes"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "broke off after 5 bytes"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense", "broke off after 5 bytes"),
        ("Content-Length: 4\r\nContent-Length: 5\r\n\r\nfour5", "no answer"),
        ("Content-Length: four\r\n\r\nfour", "no answer"),
    ] {
        let source = Source::answering(format!("HTTP/1.1 200 OK\r\n{answer}"));
        let refused = import(&daemon, &source.url("/")).error(502);
        assert!(refused.contains(sentence), "{answer:?}: {refused}");
        assert_eq!(source.asked().len(), 1);
    }
    nothing_is_kept(daemon);
}

/// The message ends there (RFC 9112, section 6.3); what follows is not seen.
#[test]
fn a_source_that_sends_more_than_it_told_is_taken_at_its_word() {
    let daemon = setup().start();
    for (answer, file) in [
        ("Content-Length: 4\r\n\r\nmore than four", "more"),
        ("Content-Length: 0\r\n\r\nmore", ""),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nmore", "hi"),
    ] {
        let source = Source::answering(format!("HTTP/1.1 200 OK\r\n{answer}"));
        let uploaded = import(&daemon, &source.url("/")).uploaded();
        assert_eq!(daemon.get(&uploaded.target()).body, file.as_bytes(), "{answer:?}");
        assert_eq!(source.asked().len(), 1);
    }
    let body = payload(1, 2_000_000);
    let told = body[..1_000_000].to_vec();
    let endless = Source::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        // Until the daemon closes it.
        loop {
            stream.write_all(&body)?;
        }
    });
    let uploaded = import(&daemon, &endless.url("/")).uploaded();
    assert!(daemon.get(&uploaded.target()).body == told);
}

#[test]
fn a_source_that_keeps_its_connection_open_is_done_all_the_same() {
    let daemon = setup().start();
    let source = Source::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")?;
        // Until the daemon closes it.
        stream.read(&mut [0]).map(drop)
    });
    let uploaded = import(&daemon, &source.url("/")).uploaded();
    assert_eq!(daemon.get(&uploaded.target()).body, b"hello");
}

#[test]
fn what_is_coded_is_not_taken() {
    let daemon = setup().start();
    for coding in
        ["Content-Encoding: gzip", "Content-Encoding: br, identity", "Content-Encoding: x"]
    {
        let source = Source::with_file(&format!("{coding}\r\n"), b"\x1F\x8B");
        let refused = import(&daemon, &source.url("/")).error(502);
        assert!(refused.contains("coded"), "{refused}");
    }
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    import(&daemon, &Source::answering(answer).url("/")).error(502);
    nothing_is_kept(daemon);
}

#[test]
fn what_is_no_http_is_not_taken() {
    let daemon = setup().start();
    let huge_header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(20_000));
    for answer in ["", "hello", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200", &huge_header, &many_headers]
    {
        let refused = import(&daemon, &Source::answering(answer).url("/")).error(502);
        assert!(refused.contains("no answer"), "{refused}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = import(&daemon, &format!("http://{closed}/")).error(502);
    assert!(refused.contains("no connection"), "{refused}");
    let refused = import(&daemon, "http://no-such-host.invalid/").error(502);
    assert!(refused.contains("no address"), "{refused}");
    nothing_is_kept(daemon);
}

#[test]
fn a_source_that_falls_silent_is_504() {
    if !heavy() {
        println!("skipped: it takes half a minute, RINGHOLD_TEST_HEAVY=1 runs it");
        return;
    }
    let daemon = setup().start();
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"] {
        let source = Source::start(move |_, stream| {
            stream.write_all(head.as_bytes())?;
            // Until the daemon closes it.
            stream.read(&mut [0]).map(drop)
        });
        import(&daemon, &source.url("/")).error(504);
    }
    nothing_is_kept(daemon);
}

/// A source that cuts its first answer short, at a third of the file, and then answers ranges as
/// told.
fn cutting_source<F>(validators: &'static str, body: Vec<u8>, then: F) -> Source
where
    F: Fn(&Asked, &[u8], &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
{
    Source::start(move |asked, stream| {
        if asked.index > 0 {
            return then(asked, &body, stream);
        }
        write!(stream, "HTTP/1.1 200 OK\r\n{validators}Content-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body[..body.len() / 3])
    })
}

/// Where the range asked for begins.
fn start_of(asked: &Asked) -> usize {
    let range = asked.header("range").expect("a range");
    range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).unwrap().parse().unwrap()
}

/// A right answer of at most `size` of the bytes it announces.
fn partial(asked: &Asked, body: &[u8], size: usize, stream: &mut dyn Stream) -> io::Result<()> {
    let (start, total) = (start_of(asked), body.len());
    let (last, length) = (total - 1, total - start);
    write!(stream, "HTTP/1.1 206 Partial Content\r\n{TAG}Content-Length: {length}\r\n")?;
    write!(stream, "Content-Range: bytes {start}-{last}/{total}\r\n\r\n")?;
    stream.write_all(&body[start..(start + size).min(total)])
}

#[test]
fn a_transfer_that_breaks_goes_on_where_it_broke() {
    let daemon = setup().start();
    let body = payload(2, 3_000_000);
    let source = cutting_source(TAG, body.clone(), |asked, body, stream| match asked.index {
        1 => partial(asked, body, 500_000, stream),
        2 => stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
        _ => partial(asked, body, body.len(), stream),
    });
    let uploaded = import(&daemon, &source.url("/a.bin")).uploaded();
    assert!(daemon.get(&uploaded.target()).body == body);
    let asked = source.asked();
    let starts: Vec<_> = asked[1..].iter().map(start_of).collect();
    assert_eq!(starts, [1_000_000, 1_500_000, 1_500_000]);
    assert!(asked[1..].iter().all(|asked| asked.header("if-range") == Some("\"v1\"")));
    assert_eq!((asked[0].header("range"), asked[0].header("if-range")), (None, None));
}

#[test]
fn a_date_is_as_good_as_a_tag_when_it_is_old_enough() {
    let daemon = setup().start();
    let body = payload(3, 90_000);
    let source = cutting_source(DATES, body.clone(), |asked, body, stream| {
        assert_eq!(asked.header("if-range"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        partial(asked, body, body.len(), stream)
    });
    let uploaded = import(&daemon, &source.url("/")).uploaded();
    assert!(daemon.get(&uploaded.target()).body == body);
}

#[test]
fn chunks_that_break_off_go_on_too() {
    let daemon = setup().start();
    let body = payload(4, 100_000);
    let content = body.clone();
    let source = Source::start(move |asked, stream| {
        if asked.index > 0 {
            return partial(asked, &content, content.len(), stream);
        }
        write!(stream, "HTTP/1.1 200 OK\r\n{TAG}Transfer-Encoding: chunked\r\n\r\n9c40\r\n")?;
        stream.write_all(&content[..40_000])
    });
    let uploaded = import(&daemon, &source.url("/")).uploaded();
    assert!(daemon.get(&uploaded.target()).body == body);
    assert_eq!(start_of(&source.asked()[1]), 40_000);
}

#[test]
fn without_a_strong_validator_nothing_is_asked_again() {
    let daemon = setup().start();
    for validators in
        ["", "ETag: W/\"v1\"\r\n", "ETag: \"v1\"\r\nAccept-Ranges: none\r\n", "ETag: v1\r\n"]
    {
        let source = cutting_source(validators, payload(5, 3_000), |_, _, _| unreachable!());
        let refused = import(&daemon, &source.url("/")).error(502);
        assert!(refused.contains("broke off after 1000 bytes"), "{refused}");
        assert_eq!(source.asked().len(), 1);
    }
    nothing_is_kept(daemon);
}

/// Every answer to a range that is not the rest of the same file ends the import at once.
fn refuses_rest(daemon: &Daemon, answer: &'static str) {
    let source = cutting_source(TAG, payload(6, 3_000), move |_, body, stream| {
        stream.write_all(answer.as_bytes())?;
        stream.write_all(&body[1_000..])
    });
    let refused = import(daemon, &source.url("/")).error(502);
    assert!(refused.contains("broke off after 1000 bytes"), "{answer}: {refused}");
    assert_eq!(source.asked().len(), 2, "{answer}");
}

#[test]
fn what_is_not_the_rest_of_the_same_file_is_not_taken() {
    let daemon = setup().start();
    for answer in [
        "HTTP/1.1 200 OK\r\nETag: \"v2\"\r\nContent-Length: 2000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 3000\r\n\r\n",
        "HTTP/1.1 416 No\r\nContent-Range: bytes */500\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 206 x\r\nContent-Length: 2000\r\n\r\n",
        "HTTP/1.1 206 x\r\nContent-Range: bytes 999-2998/3000\r\nContent-Length: 2000\r\n\r\n",
        "HTTP/1.1 206 x\r\nContent-Range: bytes 1000-2999/4000\r\nContent-Length: 2000\r\n\r\n",
        "HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1999/3000\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 206 x\r\nContent-Range: bytes 1000-2999/*\r\nContent-Length: 2000\r\n\r\n",
        "HTTP/1.1 206 x\r\nContent-Range: bytes 1000-2999/3000\r\nContent-Length: 1999\r\n\r\n",
        "HTTP/1.1 206 x\r\nETag: \"v2\"\r\nContent-Range: bytes 1000-2999/3000\r\n\
         Content-Length: 2000\r\n\r\n",
    ] {
        refuses_rest(&daemon, answer);
    }
    nothing_is_kept(daemon);
}

#[test]
fn a_rest_that_is_longer_than_it_should_be_is_an_error() {
    let daemon = setup().start();
    let source = cutting_source(TAG, payload(7, 3_000), |_, body, stream| {
        let head = "HTTP/1.1 206 x\r\nContent-Range: bytes 1000-2999/3000\r\n\
                    Transfer-Encoding: chunked\r\n\r\n7d1\r\n";
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body[1_000..])?;
        stream.write_all(b"!\r\n0\r\n\r\n")
    });
    let refused = import(&daemon, &source.url("/")).error(502);
    assert!(refused.contains("more than the 3000 bytes"), "{refused}");
    nothing_is_kept(daemon);
}

#[test]
fn a_source_that_breaks_again_and_again_is_given_up() {
    let daemon = setup().start();
    let source = cutting_source(TAG, payload(8, 3_000), |asked, body, stream| {
        partial(asked, body, 10, stream)
    });
    let refused = import(&daemon, &source.url("/")).error(502);
    assert!(refused.contains("failed too often"), "{refused}");
    assert_eq!(source.asked().len(), 1 + RESUMES_MAX);
    nothing_is_kept(daemon);
}
