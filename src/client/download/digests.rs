//! Digests of the whole file: those that the caller asks for, those that the server tells, and what
//! the file turns out to have.

use data_encoding::{BASE64, HEXLOWER};
use http::HeaderMap;

use super::error::DownloadError;
use crate::wire::{Digest, DigestAlgorithm, DigestHasher, content_md5, digest_members};

/// A digest that the file should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) digest: Digest,
    /// Who says so, for a sentence.
    pub(super) asked_by: &'static str,
}

/// What hashes a file from its first byte to its last.
pub(super) struct FileHasher {
    expected: Vec<Expected>,
    hashers: Vec<DigestHasher>,
}

/// Digests of the whole file in the headers of an answer; those of a part are passed over, and so is
/// what cannot be read.
pub(super) fn told_digests(headers: &HeaderMap, is_part: bool) -> Vec<Expected> {
    const ASKED_BY: &str = "the server says";
    let texts = |name: &str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut digests: Vec<Digest> =
        texts("repr-digest").flat_map(|text| digest_members(text).unwrap_or_default()).collect();
    if !is_part {
        digests.extend(texts("content-md5").filter_map(|text| content_md5(text).ok()));
    }
    // That of an upload in parts is a digest of digests, and no base64.
    let amazon = texts("x-amz-checksum-sha256").filter_map(|text| {
        let bytes = BASE64.decode(text.trim().as_bytes()).ok()?;
        Digest::new(DigestAlgorithm::Sha256, &bytes)
    });
    let is_composite = texts("x-amz-checksum-type").any(|kind| kind.trim() == "COMPOSITE");
    digests.extend(amazon.filter(|_| !is_composite));
    let expected = |digest| Expected { digest, asked_by: ASKED_BY };
    digests.into_iter().map(expected).collect()
}

impl FileHasher {
    /// For these; of an algorithm that several ask for, the file is hashed once.
    pub(super) fn new(expected: Vec<Expected>) -> FileHasher {
        let is_asked = |algorithm: &DigestAlgorithm| {
            expected.iter().any(|one| one.digest.algorithm() == *algorithm)
        };
        let hashers = DigestAlgorithm::ALL.into_iter().filter(is_asked);
        FileHasher { hashers: hashers.map(DigestHasher::new).collect(), expected }
    }

    /// Whether nobody asks for any.
    pub(super) fn is_idle(&self) -> bool {
        self.hashers.is_empty()
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        for hasher in &mut self.hashers {
            hasher.update(bytes);
        }
    }

    /// Whether the file has all of them; their algorithms.
    pub(super) fn finish(self) -> Result<Vec<&'static str>, DownloadError> {
        let found: Vec<Digest> = self.hashers.into_iter().map(DigestHasher::finish).collect();
        for Expected { digest, asked_by } in &self.expected {
            let own = found.iter().find(|found| found.algorithm() == digest.algorithm());
            if let Some(own) = own.filter(|own| *own != digest) {
                return Err(DownloadError::Mismatch {
                    algorithm: digest.algorithm().key(),
                    asked_by,
                    expected: HEXLOWER.encode(digest.as_bytes()),
                    found: HEXLOWER.encode(own.as_bytes()),
                });
            }
        }
        Ok(found.iter().map(|found| found.algorithm().key()).collect())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn told(headers: &[(&'static str, &'static str)], is_part: bool) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        told_digests(&map, is_part).iter().map(|one| format!("{:?}", one.digest)).collect()
    }

    const MD5: (&str, &str) = ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    const SHA: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn what_a_server_tells_is_understood_in_every_way_it_is_said() {
        let repr = ("repr-digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, x=1");
        let amazon = ("x-amz-checksum-sha256", SHA);
        let (sha, md5) = (format!("sha-256=:{SHA}:"), format!("md5=:{}:", MD5.1));
        assert_eq!(told(&[repr], true), std::slice::from_ref(&sha));
        assert_eq!(told(&[amazon, MD5], false), [md5, sha]);
    }

    #[test]
    fn what_is_not_of_the_whole_file_is_passed_over() {
        let composite = [("x-amz-checksum-sha256", SHA), ("x-amz-checksum-type", "COMPOSITE")];
        assert!(told(&composite, false).is_empty());
        assert!(told(&[("x-amz-checksum-sha256", "AAAA-3")], false).is_empty());
        assert!(told(&[MD5], true).is_empty(), "of a part");
        assert!(told(&[("repr-digest", "sha-256=oops"), ("content-md5", "no")], false).is_empty());
    }

    #[test]
    fn a_file_that_has_another_digest_is_told_with_both() {
        let expected = Expected {
            digest: Digest::new(DigestAlgorithm::Md5, &[0; 16]).unwrap(),
            asked_by: "--md5 asks for",
        };
        let error = FileHasher::new(vec![expected]).finish().unwrap_err().to_string();
        assert!(error.contains("d41d8cd98f00b204e9800998ecf8427e"), "{error}");
        assert!(error.contains(&"0".repeat(32)), "{error}");
        assert!(FileHasher::new(Vec::new()).is_idle());
    }
}
