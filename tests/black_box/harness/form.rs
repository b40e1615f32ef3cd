//! A multipart/form-data body, as a browser writes it (RFC 7578).

/// A form under construction.
pub(crate) struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// An empty form.
    pub(crate) fn new(boundary: &str) -> Form {
        Form { boundary: boundary.to_owned(), body: Vec::new() }
    }

    /// Adds a file field.
    pub(crate) fn file(mut self, field: &str, name: &str, content: &[u8]) -> Form {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            self.boundary
        );
        self.part(&head, content);
        self
    }

    /// Adds a file field with one more header.
    pub(crate) fn file_with(mut self, header: &str, name: &str, content: &[u8]) -> Form {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             {header}\r\n\r\n",
            self.boundary
        );
        self.part(&head, content);
        self
    }

    /// Adds a text field.
    pub(crate) fn text(mut self, field: &str, value: &str) -> Form {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n",
            self.boundary
        );
        self.part(&head, value.as_bytes());
        self
    }

    /// The header value that goes with the body.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The body, closed.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = self.body.clone();
        body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        body
    }

    fn part(&mut self, head: &str, content: &[u8]) {
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
    }
}
