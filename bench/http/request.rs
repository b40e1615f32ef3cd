//! What goes out: a head, the content of a file, and what closes a form; never copied together.

use std::io::{IoSlice, Write as _};

use super::content::Content;

/// Most bytes of content given to the kernel in one call: enough that the call costs nothing
/// beside them.
const SEND_SIZE_MAX: u64 = 1 << 20;
/// Pieces of one call: the head, five of noise (four whole ones hold less than a call), the end.
const SLICES_MAX: usize = 7;

/// Ends the one part of a form, and the form.
const FORM_END: &[u8] = b"\r\n--ringhold-bench-5eL2qV9xT0cN7rYw--\r\n";
const FORM_TYPE: &str = "multipart/form-data; boundary=ringhold-bench-5eL2qV9xT0cN7rYw";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PUT of a file, or a form with one.
    Upload,
    /// GET of a whole file.
    Download,
    /// GET of a range.
    Range,
}

/// One request; its buffers are used again for the next.
#[derive(Debug)]
pub(crate) struct Request {
    /// The target of the request line.
    pub(crate) path: String,
    front: Vec<u8>,
    content_size: u64,
    back: &'static [u8],
    sent: u64,
}

impl Request {
    /// No request yet.
    pub(crate) fn new() -> Request {
        Request { path: String::new(), front: Vec::new(), content_size: 0, back: b"", sent: 0 }
    }

    /// Uploads the content of `size` bytes to the path.
    pub(crate) fn put(&mut self, host: &str, size: u64) {
        self.begin("PUT", host, size, b"");
        self.header(&format!("Content-Length: {size}\r\n\r\n"));
    }

    /// Uploads the content of `size` bytes to the path, as the one file of a form.
    pub(crate) fn post_form(&mut self, host: &str, name: &str, size: u64) {
        let part = format!(
            "--ringhold-bench-5eL2qV9xT0cN7rYw\r\nContent-Disposition: form-data; name=\"f\"; \
             filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        self.begin("POST", host, size, FORM_END);
        let length = size.saturating_add((part.len() + FORM_END.len()) as u64);
        self.header(&format!(
            "Content-Type: {FORM_TYPE}\r\nContent-Length: {length}\r\n\r\n{part}"
        ));
    }

    /// Downloads the path.
    pub(crate) fn get(&mut self, host: &str) {
        self.begin("GET", host, 0, b"");
        self.header("\r\n");
    }

    /// Downloads `count` bytes of the path, from `first` on.
    pub(crate) fn get_range(&mut self, host: &str, first: u64, count: u64) {
        self.begin("GET", host, 0, b"");
        let last = first.saturating_add(count.max(1)) - 1;
        self.header(&format!("Range: bytes={first}-{last}\r\n\r\n"));
    }

    /// Bytes of file content in it.
    pub(crate) fn content_size(&self) -> u64 {
        self.content_size
    }

    /// Whether every byte went out.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent == (self.front.len() + self.back.len()) as u64 + self.content_size
    }

    /// Notes that the kernel took so many more bytes.
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent += count as u64;
    }

    /// The same request from its first byte, for another connection.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The next bytes to send, as far as one call takes them, and how many slices they are.
    pub(crate) fn rest<'a>(&'a self, content: &'a Content) -> ([IoSlice<'a>; SLICES_MAX], usize) {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let mut push = |bytes: &'a [u8]| {
            if !bytes.is_empty() && count < SLICES_MAX {
                slices[count] = IoSlice::new(bytes);
                count += 1;
            }
        };
        let front_size = self.front.len() as u64;
        push(tail(&self.front, self.sent));
        let mut offset = self.sent.saturating_sub(front_size).min(self.content_size);
        let end = self.content_size.min(offset + SEND_SIZE_MAX);
        while offset < end {
            let (noise, at) = content.place(self.content_size, offset);
            let piece = &noise[at..];
            let wanted = usize::try_from(end - offset).unwrap_or(piece.len());
            let piece = &piece[..piece.len().min(wanted)];
            push(piece);
            offset += piece.len() as u64;
        }
        if end == self.content_size {
            push(tail(self.back, self.sent.saturating_sub(front_size + self.content_size)));
        }
        (slices, count)
    }

    fn begin(&mut self, method: &str, host: &str, content_size: u64, back: &'static [u8]) {
        self.front.clear();
        for piece in [method, " ", &self.path, " HTTP/1.1\r\nHost: ", host, "\r\n"] {
            self.front.extend_from_slice(piece.as_bytes());
        }
        self.content_size = content_size;
        self.back = back;
        self.sent = 0;
    }

    fn header(&mut self, text: &str) {
        // Writing to a Vec does not fail.
        let _infallible = self.front.write_all(text.as_bytes());
    }
}

/// What is left of `bytes` when `sent` of them are out.
fn tail(bytes: &[u8], sent: u64) -> &[u8] {
    usize::try_from(sent).ok().and_then(|sent| bytes.get(sent..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server receives when the kernel takes at most `step` bytes a call.
    fn received(request: &mut Request, content: &Content, step: usize) -> Vec<u8> {
        let mut received = Vec::new();
        while !request.is_sent() {
            let (slices, count) = request.rest(content);
            let slices: Vec<&[u8]> = slices[..count].iter().map(|slice| &**slice).collect();
            let bytes = slices.concat();
            assert!(!bytes.is_empty(), "there is more to send");
            let taken = bytes.len().min(step);
            received.extend_from_slice(&bytes[..taken]);
            request.advance(taken);
        }
        received
    }

    fn to(path: &str) -> Request {
        let mut request = Request::new();
        path.clone_into(&mut request.path);
        request
    }

    #[test]
    fn an_upload_is_the_same_however_the_kernel_takes_it() {
        let content = Content::new();
        for size in [0, 1, 4096, 1 << 20, 3_000_000] {
            let mut request = to("/files/a");
            request.put("here:80", size);
            let head =
                format!("PUT /files/a HTTP/1.1\r\nHost: here:80\r\nContent-Length: {size}\r\n\r\n");
            for step in [1_000_000_000, 999_983, 7919] {
                request.rewind();
                let bytes = received(&mut request, &content, step);
                let body = bytes.strip_prefix(head.as_bytes()).unwrap();
                assert_eq!(body.len() as u64, size);
                assert_eq!(content.first_wrong(size, 0, body), None, "{size} by {step}");
            }
        }
    }

    #[test]
    fn a_form_is_as_long_as_it_says() {
        let content = Content::new();
        let mut request = to("/uploadFile");
        request.post_form("here", "a.bin", 300_000);
        let bytes = received(&mut request, &content, 10_007);
        let at = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = bytes.split_at(at);
        let head = String::from_utf8_lossy(head);
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        let part = String::from_utf8_lossy(&body[..200]).into_owned();
        assert!(part.contains("filename=\"a.bin\""), "{part}");
        let from = body.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let file = &body[from..body.len() - FORM_END.len()];
        assert_eq!(file.len(), 300_000);
        assert_eq!(content.first_wrong(300_000, 0, file), None);
        assert!(body.ends_with(FORM_END));
    }

    #[test]
    fn a_download_is_its_head() {
        let content = Content::new();
        let mut request = to("/files/x");
        request.get("h");
        let bytes = received(&mut request, &content, 5);
        assert_eq!(bytes, b"GET /files/x HTTP/1.1\r\nHost: h\r\n\r\n");
        request.get_range("h", 10, 5);
        let bytes = received(&mut request, &content, 1000);
        assert!(bytes.ends_with(b"\r\nRange: bytes=10-14\r\n\r\n"));
    }
}
