//! The JSON that both ends speak. Field order is the order on the wire. `Debug` does not print what
//! gives access: IDs and delete tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One stored file: the answer to an upload (201).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadAnswer {
    /// The file ID: `access_hash:file_name`.
    pub file_id: String,
    /// The name kept, which may be a safer one than the name given.
    pub name: String,
    /// Size, bytes.
    pub size: u64,
    /// BLAKE3 of the bytes, 64 lower-case hex digits.
    pub blake3: String,
    /// What `DELETE` wants as a bearer token.
    pub delete_token: String,
    /// Where to get it.
    pub url: String,
}

/// Several stored files: the answer to an upload with more than one file part (201).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadsAnswer {
    /// The ID of the first, for clients that know only one.
    pub file_id: String,
    /// All of them, in the order of their parts.
    pub files: Vec<UploadAnswer>,
}

/// Every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// What happened and what to do.
    pub error: String,
}

/// What a parallel, verifying download needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestAnswer {
    /// Size, bytes.
    pub size: u64,
    /// BLAKE3 of the bytes, 64 lower-case hex digits.
    pub blake3: String,
    /// Bytes under one block hash; the last block may be shorter.
    pub block_size: u64,
    /// One BLAKE3 chaining value per block, 64 lower-case hex digits each; none when there is only
    /// one block, whose hash is `blake3` itself.
    pub block_hashes: Vec<String>,
}

/// `POST /downloadFile` as JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadRequest {
    /// The file ID.
    pub file_id: String,
}

/// `POST /uploadFile` as JSON: fetch this URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRequest {
    /// The URL.
    pub file: String,
}

impl fmt::Debug for UploadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("UploadAnswer");
        shown.field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

impl fmt::Debug for UploadsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadsAnswer").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for DownloadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadRequest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    fn snapshot<T>(value: &T, text: &str)
    where
        T: Serialize + DeserializeOwned + PartialEq + fmt::Debug,
    {
        assert_eq!(serde_json::to_string(value).unwrap(), text);
        assert_eq!(&serde_json::from_str::<T>(text).unwrap(), value);
    }

    fn upload() -> UploadAnswer {
        UploadAnswer {
            file_id: "00:ab".into(),
            name: "日.txt".into(),
            size: u64::MAX,
            blake3: "ff".into(),
            delete_token: "11".into(),
            url: "http://h/files/00:ab".into(),
        }
    }

    const UPLOAD: &str = "{\"file_id\":\"00:ab\",\"name\":\"日.txt\",\"size\":18446744073709551615,\
        \"blake3\":\"ff\",\"delete_token\":\"11\",\"url\":\"http://h/files/00:ab\"}";

    #[test]
    fn answers_are_written_byte_by_byte_as_promised() {
        snapshot(&upload(), UPLOAD);
        snapshot(
            &UploadsAnswer { file_id: "00:ab".into(), files: vec![upload()] },
            &format!("{{\"file_id\":\"00:ab\",\"files\":[{UPLOAD}]}}"),
        );
        snapshot(&ErrorAnswer { error: "a \"b\"".into() }, r#"{"error":"a \"b\""}"#);
        let manifest = ManifestAnswer {
            size: 2,
            blake3: "00".into(),
            block_size: 1,
            block_hashes: vec!["01".into(), "02".into()],
        };
        let text = r#"{"size":2,"blake3":"00","block_size":1,"block_hashes":["01","02"]}"#;
        snapshot(&manifest, text);
    }

    #[test]
    fn what_gives_access_is_not_printed() {
        let request = DownloadRequest { file_id: "00:ab".into() };
        let uploads = UploadsAnswer { file_id: "00:ab".into(), files: vec![upload()] };
        let printed = format!("{:?} {request:?} {uploads:?}", upload());
        assert!(!printed.contains("00:ab") && !printed.contains("\"11\""), "{printed}");
        assert!(printed.contains("日.txt"));
    }

    #[test]
    fn requests_ignore_what_they_do_not_know() {
        let request: DownloadRequest = serde_json::from_str(r#"{"file_id":"x","y":1}"#).unwrap();
        assert_eq!(request.file_id, "x");
        let request: ImportRequest = serde_json::from_str(r#"{"file":"http://x/"}"#).unwrap();
        assert_eq!(request.file, "http://x/");
        assert!(serde_json::from_str::<DownloadRequest>("{}").is_err());
        assert!(serde_json::from_str::<DownloadRequest>(r#"{"file_id":1}"#).is_err());
    }
}
