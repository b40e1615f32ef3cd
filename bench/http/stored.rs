//! Where an upload lies afterwards, in the server's words.

use serde::Deserialize;

/// The part of a JSON answer that tells it.
#[derive(Deserialize)]
struct Answer {
    url: Option<String>,
    file_id: Option<String>,
}

/// The path of a stored file: from `Location`, from `url` or `file_id` of a JSON answer, else the
/// path that was asked for.
pub(crate) fn stored_path(location: Option<&str>, body: &[u8], asked: &str) -> String {
    if let Some(location) = location {
        return path_of(location).to_owned();
    }
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let (url, file_id) = answer.map_or((None, None), |answer| (answer.url, answer.file_id));
    match (url, file_id) {
        (Some(url), _) => path_of(&url).to_owned(),
        (None, Some(file_id)) => format!("/files/{file_id}"),
        (None, None) => asked.to_owned(),
    }
}

/// The path of an absolute URL, or of one that is only a path.
fn path_of(url: &str) -> &str {
    let Some((_, rest)) = url.split_once("://") else { return url };
    rest.find('/').map_or("/", |at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_word_goes_before_ours() {
        let body = br#"{"file_id":"a:b","url":"http://h:1/files/c","name":"n"}"#;
        for (location, body, path) in [
            (Some("/files/x"), body.as_slice(), "/files/x"),
            (Some("http://h:80/files/x?y"), b"".as_slice(), "/files/x?y"),
            (Some("http://h"), b"", "/"),
            (None, body, "/files/c"),
            (None, br#"{"file_id":"a:b"}"#, "/files/a:b"),
            (None, b"<html>", "/files/asked"),
            (None, b"", "/files/asked"),
        ] {
            assert_eq!(stored_path(location, body, "/files/asked"), path);
        }
    }
}
