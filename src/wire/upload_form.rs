//! An upload as a multipart/form-data document (RFC 7578), written piece by piece: the head of each
//! file, its bytes as they are, the end.
//!
//! ```text
//!   head(name) bytes  head(name) bytes  ...  end()
//! ```

use bytes::Bytes;

use super::file_name::safe_file_name;

/// Random bytes of a boundary; written as twice as many hex digits. A file would have to guess them
/// to end its part early.
pub const BOUNDARY_RANDOM_SIZE: usize = 16;

/// The document's writer: its boundary, and whether a part was begun.
#[derive(Clone, Debug)]
pub struct UploadForm {
    boundary: String,
    has_parts: bool,
}

impl UploadForm {
    /// A document whose boundary is made of `random` bytes.
    pub fn new(random: [u8; BOUNDARY_RANDOM_SIZE]) -> UploadForm {
        let boundary = format!("ringhold-{}", data_encoding::HEXLOWER.encode(&random));
        UploadForm { boundary, has_parts: false }
    }

    /// The `Content-Type` of the request.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// What stands before a file's bytes, and the name that it is sent under: the one that the
    /// daemon would keep. No type is claimed: the daemon knows one from the name.
    pub fn head(&mut self, name: &str) -> (Bytes, String) {
        let name = safe_file_name(name);
        // A safe name has no backslash and no control character: a quote is all that could end
        // the parameter.
        let quoted = name.replace('"', "\\\"");
        let line_end = if self.has_parts { "\r\n" } else { "" };
        self.has_parts = true;
        let head = format!(
            "{line_end}--{}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"{quoted}\"\r\n\r\n",
            self.boundary
        );
        (head.into(), name)
    }

    /// Bytes of a whole document of files with these names and sizes, bytes.
    pub fn size_of(&self, files: &[(&str, u64)]) -> u64 {
        let mut form = self.clone();
        let size = |piece: Bytes| piece.len() as u64;
        let parts =
            files.iter().map(|&(name, bytes)| bytes.saturating_add(size(form.head(name).0)));
        parts.fold(size(self.end()), u64::saturating_add)
    }

    /// What stands after the last file's bytes.
    pub fn end(&self) -> Bytes {
        format!("\r\n--{}--\r\n", self.boundary).into()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use proptest::prelude::*;

    use super::*;

    const BOUNDARY: &str = "ringhold-01010101010101010101010101010101";

    fn form() -> UploadForm {
        UploadForm::new([1; BOUNDARY_RANDOM_SIZE])
    }

    #[test]
    fn a_document_of_two_files_is_written_byte_by_byte() {
        let mut form = form();
        let document =
            [&form.head("a.txt").0[..], b"one", &form.head("b").0, b"", &form.end()].concat();
        let part = |name| {
            format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n")
        };
        let expected = format!(
            "--{BOUNDARY}\r\n{}one\r\n--{BOUNDARY}\r\n{}\r\n--{BOUNDARY}--\r\n",
            part("a.txt"),
            part("b")
        );
        let sized = UploadForm::new([1; BOUNDARY_RANDOM_SIZE]).size_of(&[("a.txt", 3), ("b", 0)]);
        assert_eq!(sized, expected.len() as u64);
        assert_eq!(String::from_utf8(document).unwrap(), expected);
        assert_eq!(form.content_type(), format!("multipart/form-data; boundary={BOUNDARY}"));
        assert!(BOUNDARY.len() <= crate::base::limits::BOUNDARY_SIZE_MAX);
    }

    proptest! {
        #[test]
        fn every_name_arrives_as_it_is_sent(given in any::<String>()) {
            let mut form = form();
            let (head, sent) = form.head(&given);
            let body = Bytes::from([&head[..], b"x", &form.end()].concat());
            let stream = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
            let mut parser = multer::Multipart::new(stream, BOUNDARY);
            let field = parser.next_field().now_or_never().unwrap().unwrap().unwrap();
            prop_assert_eq!(field.file_name(), Some(sent.as_str()));
            prop_assert_eq!(field.name(), Some("file"));
        }
    }
}
