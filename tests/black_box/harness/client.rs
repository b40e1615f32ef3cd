//! A small HTTP/1.1 client over a plain socket. It can do what a library hides: stop in the middle
//! of a body, send slowly, send nonsense, and read an answer that comes before the body is sent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for bytes before it fails.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest head of a response a test accepts, bytes.
const HEAD_SIZE_MAX: usize = 64 << 10;
/// Bytes asked of the socket at once.
const READ_SIZE: usize = 256 << 10;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What an upload is answered with.
#[derive(Clone, Debug)]
pub(crate) struct Uploaded {
    pub(crate) file_id: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) blake3: String,
    pub(crate) delete_token: String,
    pub(crate) url: String,
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    Client::connect(address).request(method, target, headers, body)
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).expect("the daemon accepts connections")
    }

    /// Connects, if anybody listens.
    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, received: Vec::new() })
    }

    /// Sends a request with a body of known length and reads the answer. A daemon that refuses
    /// early may close before it took the whole body: only the answer counts.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        if !body.is_empty() || matches!(method, "PUT" | "POST") {
            headers.push(("Content-Length", &length));
        }
        self.head(method, target, &headers).expect("the head fits the socket buffer");
        let _refused_early = self.send(body);
        self.response(method)
    }

    /// A GET.
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, &[], b"")
    }

    /// A PUT of known length.
    pub(crate) fn put(&mut self, name: &str, body: &[u8]) -> Uploaded {
        self.request("PUT", &format!("/files/{name}"), &[], body).uploaded()
    }

    /// A PUT in chunks of `chunk_size` bytes.
    pub(crate) fn put_chunked(&mut self, name: &str, body: &[u8], chunk_size: usize) -> Uploaded {
        let target = format!("/files/{name}");
        self.head("PUT", &target, &[("Transfer-Encoding", "chunked")]).unwrap();
        for chunk in body.chunks(chunk_size) {
            self.send_chunk(chunk).unwrap();
        }
        self.send(b"0\r\n\r\n").unwrap();
        self.response("PUT").uploaded()
    }

    /// The request line and headers; `Host` is added.
    pub(crate) fn head(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.send(head.as_bytes())
    }

    /// Bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent. A daemon that closed already has heard enough.
    pub(crate) fn close_sending(&mut self) {
        let _closed_already = self.stream.shutdown(Shutdown::Write);
    }

    /// Everything up to the end of the connection, as far as it can be read.
    pub(crate) fn rest(&mut self) -> String {
        while self.receive().is_ok() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    /// One chunk of a chunked body.
    pub(crate) fn send_chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes())?;
        self.send(bytes)?;
        self.send(b"\r\n")
    }

    /// Reads the answer to a `method` request, body and all.
    pub(crate) fn response(&mut self, method: &str) -> Response {
        let mut body = Vec::new();
        let mut response = self
            .response_into(method, &mut |piece| body.extend_from_slice(piece))
            .expect("a whole response");
        response.body = body;
        response
    }

    /// Reads the answer to a `method` request and hands its body out piece by piece.
    pub(crate) fn response_into(
        &mut self,
        method: &str,
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Response> {
        let response = loop {
            let head = self.read_head()?;
            if head.status >= 200 {
                break head;
            }
        };
        if method != "HEAD" && response.status != 204 && response.status != 304 {
            self.read_body(&response, sink)?;
        }
        Ok(response)
    }

    /// Reads one head: of an interim answer (`100 Continue`) or of the final one.
    pub(crate) fn read_head(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(self.received.len() < HEAD_SIZE_MAX, "a response head without an end");
            self.receive()?;
        };
        let head = String::from_utf8(self.received.drain(..end + 4).collect()).unwrap();
        Ok(parse_head(&head))
    }

    /// The whole body that follows `head`.
    pub(crate) fn body_of(&mut self, head: &Response) -> Vec<u8> {
        let mut body = Vec::new();
        self.read_body(head, &mut |piece| body.extend_from_slice(piece)).expect("a whole body");
        body
    }

    /// The body that follows `head`, piece by piece; an error when it is cut off.
    pub(crate) fn read_body(
        &mut self,
        head: &Response,
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        if head.header("transfer-encoding") == Some("chunked") {
            return self.read_chunks(sink);
        }
        let length = head.header("content-length").expect("a framed body").parse().unwrap();
        self.read_exactly(length, sink)
    }

    fn read_chunks(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        loop {
            let line = self.read_line()?;
            let size = u64::from_str_radix(line.trim(), 16).expect("a chunk size in hexadecimal");
            self.read_exactly(size, sink)?;
            self.read_line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn read_exactly(&mut self, size: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            if self.received.is_empty() {
                self.receive()?;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.received.len());
            sink(&self.received[..count]);
            self.received.drain(..count);
            left -= count as u64;
        }
        Ok(())
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.received.windows(2).position(|window| window == b"\r\n") {
                return Ok(String::from_utf8(self.received.drain(..at + 2).collect()).unwrap());
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let held = self.received.len();
        self.received.resize(held + READ_SIZE, 0);
        let outcome = loop {
            match self.stream.read(&mut self.received[held..]) {
                // A machine that was suspended interrupts reads that have a timeout.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        self.received.truncate(held + *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Response {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// The body as the answer to an upload.
    pub(crate) fn uploaded(&self) -> Uploaded {
        assert_eq!(self.status, 201, "{}", String::from_utf8_lossy(&self.body));
        Uploaded::from_json(&self.json())
    }

    /// Asserts a JSON error with `status` and returns its sentence.
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let json = self.json();
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(1), "only `error` in {json}");
        let message = json["error"].as_str().expect("`error` is a sentence").to_owned();
        assert!(message.len() > 8, "an error says what and what to do: {message:?}");
        message
    }
}

impl Uploaded {
    /// From the object that describes one upload.
    pub(crate) fn from_json(json: &Value) -> Uploaded {
        let text = |key: &str| json[key].as_str().unwrap_or_else(|| panic!("{key} in {json}"));
        Uploaded {
            file_id: text("file_id").to_owned(),
            name: text("name").to_owned(),
            size: json["size"].as_u64().expect("a size"),
            blake3: text("blake3").to_owned(),
            delete_token: text("delete_token").to_owned(),
            url: text("url").to_owned(),
        }
    }

    /// Where the file is.
    pub(crate) fn target(&self) -> String {
        format!("/files/{}", self.file_id)
    }
}

fn parse_head(head: &str) -> Response {
    let mut lines = head.trim_end().split("\r\n");
    let status_line = lines.next().unwrap();
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let headers = lines
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("a header: {line:?}")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Response { status: status.expect("a status line"), headers, body: Vec::new() }
}
