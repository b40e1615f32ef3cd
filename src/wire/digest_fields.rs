//! The fields that carry digests: `Content-MD5` (RFC 1864), `Content-Digest` and `Repr-Digest`
//! (RFC 9530, sections 2 and 3), and the wish for one, `Want-Repr-Digest` (section 4).

use std::fmt;
use std::ops::RangeInclusive;

use super::digest::{Digest, DigestAlgorithm};
use super::structured::{Value, decode_base64, dictionary};

/// What a preference may be (section 4); 0 says that the algorithm is not acceptable.
const PREFERENCES: RangeInclusive<i64> = 0..=10;

/// Why a field cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestFieldError {
    /// It is no dictionary of Structured Fields.
    NoDictionary,
    /// It is no base64.
    NoBase64,
    /// A member that should be a byte sequence is something else.
    NoBytes(DigestAlgorithm),
    /// A digest has not the size that its algorithm makes.
    WrongSize(DigestAlgorithm),
}

impl fmt::Display for DigestFieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DigestFieldError::NoDictionary => {
                f.write_str("it is no dictionary; send one like sha-256=:<base64>:")
            }
            DigestFieldError::NoBase64 => f.write_str("it is no base64"),
            DigestFieldError::NoBytes(algorithm) => {
                let key = algorithm.key();
                write!(f, "{key} is no byte sequence; send {key}=:<base64>:")
            }
            DigestFieldError::WrongSize(algorithm) => {
                let (key, size) = (algorithm.key(), algorithm.size());
                write!(f, "{key} is the base64 of {size} bytes, not of hexadecimal digits")
            }
        }
    }
}

impl std::error::Error for DigestFieldError {}

/// The digest in a `Content-MD5`.
///
/// # Errors
/// When it is not the base64 of 16 bytes.
pub fn content_md5(text: &str) -> Result<Digest, DigestFieldError> {
    let bytes = decode_base64(text.trim()).ok_or(DigestFieldError::NoBase64)?;
    Digest::new(DigestAlgorithm::Md5, &bytes)
        .ok_or(DigestFieldError::WrongSize(DigestAlgorithm::Md5))
}

/// The digests in a `Content-Digest` or `Repr-Digest`; algorithms that are not known here are
/// passed over, whatever they say.
///
/// # Errors
/// When the field is malformed, or a digest of a known algorithm cannot be one.
pub fn digest_members(text: &str) -> Result<Vec<Digest>, DigestFieldError> {
    let members = dictionary(text).ok_or(DigestFieldError::NoDictionary)?;
    let known = DigestAlgorithm::ALL
        .into_iter()
        .filter_map(|algorithm| members.get(algorithm.key()).map(|value| (algorithm, value)));
    known
        .map(|(algorithm, value)| match value {
            Value::Bytes(bytes) => {
                Digest::new(algorithm, bytes).ok_or(DigestFieldError::WrongSize(algorithm))
            }
            Value::Integer(_) | Value::Other => Err(DigestFieldError::NoBytes(algorithm)),
        })
        .collect()
}

/// The algorithm that a `Want-Repr-Digest` prefers among those known here. A wish that cannot be
/// read is none: it is a hint, and ignoring it is always right (section 4).
pub fn wanted_algorithm(text: &str) -> Option<DigestAlgorithm> {
    let members = dictionary(text)?;
    let preference = |algorithm: DigestAlgorithm| match members.get(algorithm.key()) {
        Some(Value::Integer(preference)) if PREFERENCES.contains(preference) => *preference,
        _ => 0,
    };
    // Of equals, `max_by_key` takes the last: the order is turned round.
    let preferred =
        DigestAlgorithm::ALL.into_iter().rev().max_by_key(|&algorithm| preference(algorithm));
    preferred.filter(|&algorithm| preference(algorithm) > 0)
}

/// The field that says this digest: `sha-256=:<base64>:`.
pub fn digest_member(digest: &Digest) -> String {
    format!("{}=:{digest}:", digest.algorithm().key())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::digest::DigestHasher;
    use super::*;

    fn digest(algorithm: DigestAlgorithm, data: &[u8]) -> Digest {
        let mut hasher = DigestHasher::new(algorithm);
        hasher.update(data);
        hasher.finish()
    }

    /// RFC 9530, appendix B.1 and B.3: a JSON document, and a range of it.
    #[test]
    fn the_examples_of_the_rfc_are_understood() {
        let content = br#"{"hello": "world"}"#;
        let content = [&content[..], b"\n"].concat();
        let field = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        let expected = digest(DigestAlgorithm::Sha256, &content);
        assert_eq!(digest_members(field), Ok(vec![expected]));
        assert_eq!(digest_member(&expected), field);
        let range = "sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:";
        assert_eq!(
            digest_members(range).unwrap(),
            [digest(DigestAlgorithm::Sha256, &content[10..])]
        );
    }

    /// RFC 9530, appendix C: the same content by several algorithms.
    #[test]
    fn known_algorithms_count_and_unknown_ones_are_passed_over() {
        let field = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCs\
                     yRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:, unixsum=30637, x=(1 2);y, adler32=:A8AFag==:";
        let members = digest_members(field).unwrap();
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].algorithm(), DigestAlgorithm::Sha512);
        assert_eq!(digest_members("adler32=:A8AFag==:, crc32c").unwrap(), []);
        assert_eq!(digest_members("").unwrap(), []);
    }

    #[test]
    fn malformed_fields_say_what_is_wrong_with_them() {
        use DigestFieldError::{NoBase64, NoBytes, NoDictionary, WrongSize};
        for (field, error) in [
            ("sha-256", NoBytes(DigestAlgorithm::Sha256)),
            ("md5=5", NoBytes(DigestAlgorithm::Md5)),
            ("sha-512=(:AA==:)", NoBytes(DigestAlgorithm::Sha512)),
            ("sha-256=:AAAA:", WrongSize(DigestAlgorithm::Sha256)),
            ("sha-256=::", WrongSize(DigestAlgorithm::Sha256)),
            ("SHA-256=:AAAA:", NoDictionary),
            ("sha-256=abc=", NoDictionary),
            ("sha-256=:AAAA:,", NoDictionary),
        ] {
            assert_eq!(digest_members(field), Err(error), "{field}");
        }
        assert_eq!(content_md5("no base64!"), Err(NoBase64));
        assert_eq!(
            content_md5("900150983cd24fb0d6963f7d28e17f72"),
            Err(WrongSize(DigestAlgorithm::Md5)),
            "hexadecimal, a common mistake"
        );
        let example = digest(DigestAlgorithm::Md5, b"abc");
        assert_eq!(content_md5(" kAFQmDzST7DWlj99KOF/cg== "), Ok(example));
    }

    #[test]
    fn the_preferred_known_algorithm_is_taken() {
        use DigestAlgorithm::{Md5, Sha256, Sha512};
        for (field, wanted) in [
            ("sha-256=10, sha-512=3", Some(Sha256)),
            ("sha-256=1, sha-512=3", Some(Sha512)),
            ("sha-512=3, sha-256=3, md5=3", Some(Sha256)),
            ("md5=1, unixsum=10", Some(Md5)),
            ("md5=0", None),
            ("md5=0, sha-256=0", None),
            ("sha-256=11, md5=1;x=2", Some(Md5)),
            ("sha-256=-1", None),
            ("sha-256", None),
            ("sha-256=1.0", None),
            ("crc32c=5", None),
            ("sha-256=5,", None),
            ("", None),
        ] {
            assert_eq!(wanted_algorithm(field), wanted, "{field}");
        }
    }

    proptest! {
        #[test]
        fn a_written_digest_is_read_back(data: Vec<u8>, index in 0usize..3) {
            let digest = digest(DigestAlgorithm::ALL[index], &data);
            prop_assert_eq!(digest_members(&digest_member(&digest)), Ok(vec![digest]));
        }

        #[test]
        fn no_field_is_too_hostile(field in "\\PC*|(sha-256|md5)=[:A-Za-z0-9+/=;, ]{0,80}") {
            let _ = digest_members(&field);
            let _ = content_md5(&field);
            let _ = wanted_algorithm(&field);
        }
    }
}
