//! The URL of a file that somebody asks us to fetch, checked (WHATWG URL Standard, RFC 9110
//! section 4.2). The parser writes every notation of an address in one way: `http://0x7f.1/`,
//! `http://2130706433/` and `http://127.1/` all name 127.0.0.1 here, so a check of the host sees
//! what the kernel would connect to.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::base::limits::URL_SIZE_MAX;

/// A URL that can be asked for: http or https, a host, no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl(Url);

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceHost {
    /// An address, however it was written.
    Address(IpAddr),
    /// A name that has to be resolved, in ASCII.
    Name(String),
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceUrlError {
    /// It does not parse; why.
    Malformed(String),
    /// It is longer than [`URL_SIZE_MAX`].
    TooLong,
    /// Neither http nor https.
    Scheme(String),
    /// It carries a user name or a password.
    Credentials,
}

impl fmt::Display for SourceUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceUrlError::Malformed(why) => {
                write!(f, "it is no URL ({why}): write it like https://example.org/file")
            }
            SourceUrlError::TooLong => write!(f, "it is longer than {URL_SIZE_MAX} bytes"),
            SourceUrlError::Scheme(scheme) => {
                write!(f, "'{scheme}' is not fetched: give one that begins with http or https")
            }
            SourceUrlError::Credentials => f.write_str(
                "it holds a user name or password, which are not sent on: give one without them",
            ),
        }
    }
}

impl std::error::Error for SourceUrlError {}

impl SourceUrl {
    /// Parses and checks.
    pub fn parse(text: &str) -> Result<SourceUrl, SourceUrlError> {
        SourceUrl::check(text, Url::parse(text))
    }

    /// Where a `Location` leads from here (RFC 9110, section 10.2.2), with all checks again.
    pub fn join(&self, location: &str) -> Result<SourceUrl, SourceUrlError> {
        SourceUrl::check(location, self.0.join(location))
    }

    /// Who is asked.
    pub fn host(&self) -> SourceHost {
        match self.0.host() {
            Some(Host::Ipv4(address)) => SourceHost::Address(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => SourceHost::Address(IpAddr::V6(address)),
            Some(Host::Domain(name)) => SourceHost::Name(name.to_owned()),
            None => unreachable!("an http URL has a host"),
        }
    }

    /// The port, told or usual.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// Whether the connection is to be TLS.
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, and the port unless it is the usual one.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// For whoever asks.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The last segment of the path, decoded: what the file may be called.
    pub fn last_segment(&self) -> String {
        let segment = self.0.path().rsplit('/').next().unwrap_or_default();
        percent_decode_str(segment).decode_utf8_lossy().into_owned()
    }

    fn check(
        text: &str,
        parsed: Result<Url, url::ParseError>,
    ) -> Result<SourceUrl, SourceUrlError> {
        if text.len() > URL_SIZE_MAX {
            return Err(SourceUrlError::TooLong);
        }
        let url = parsed.map_err(|error| SourceUrlError::Malformed(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SourceUrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SourceUrlError::Credentials);
        }
        Ok(SourceUrl(url))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> SourceUrl {
        SourceUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_notation_of_an_address_names_that_address() {
        for (host, address) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("127.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0x7F.1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("%31%32%37.0.0.1", "127.0.0.1"),
            ("１２７.0.0.1", "127.0.0.1"),
            ("127。0。0。1", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("[::1]", "::1"),
            ("[0:0:0:0:0:0:0:1]", "::1"),
            ("[0000::0001]", "::1"),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
            ("[::FFFF:7f00:1]", "::ffff:127.0.0.1"),
            ("[::127.0.0.1]", "::7f00:1"),
        ] {
            let url = parse(&format!("http://{host}/"));
            assert_eq!(url.host(), SourceHost::Address(address.parse().unwrap()), "{host}");
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_told_apart() {
        for (text, expected) in [
            ("ftp://example.org/a", SourceUrlError::Scheme("ftp".into())),
            ("file:///etc/passwd", SourceUrlError::Scheme("file".into())),
            ("gopher://example.org/", SourceUrlError::Scheme("gopher".into())),
            ("data:text/plain,hello", SourceUrlError::Scheme("data".into())),
            ("http://me@example.org/", SourceUrlError::Credentials),
            ("http://me:secret@example.org/", SourceUrlError::Credentials),
            ("http://:secret@example.org/", SourceUrlError::Credentials),
            ("http://example.org@10.0.0.1/", SourceUrlError::Credentials),
        ] {
            assert_eq!(SourceUrl::parse(text), Err(expected), "{text}");
        }
        for text in [
            "",
            "example.org/a",
            "/a",
            "http://",
            "http:///",
            "http://256.0.0.1/",
            "http://1.2.3.4.5/",
            "http://0x.example.0x/",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "http://exa mple.org/",
            "http://example.org:99999/",
            "http://exam\0ple.org/",
        ] {
            let refused = SourceUrl::parse(text).unwrap_err();
            assert!(matches!(refused, SourceUrlError::Malformed(_)), "{text}: {refused:?}");
        }
        let long = format!("http://example.org/{}", "a".repeat(URL_SIZE_MAX));
        assert_eq!(SourceUrl::parse(&long), Err(SourceUrlError::TooLong));
    }

    #[test]
    fn a_request_is_made_of_its_parts() {
        let url = parse("HTTP://Example.ORG:8080/a%20b/c?d=e&f#g");
        assert_eq!(url.host(), SourceHost::Name("example.org".into()));
        assert_eq!((url.port(), url.is_tls()), (8080, false));
        assert_eq!(url.authority(), "example.org:8080");
        assert_eq!(url.as_url().as_str(), "http://example.org:8080/a%20b/c?d=e&f#g");
        let url = parse("https://example.org");
        assert_eq!((url.port(), url.is_tls(), url.as_url().path()), (443, true, "/"));
        assert_eq!(url.authority(), "example.org");
        assert_eq!(parse("http://[::1]:80/").authority(), "[::1]");
    }

    #[test]
    fn a_redirect_is_checked_like_the_first_url() {
        let from = parse("https://example.org/a/b");
        assert_eq!(from.join("c").unwrap(), parse("https://example.org/a/c"));
        assert_eq!(from.join("//other.example/d").unwrap(), parse("https://other.example/d"));
        assert_eq!(from.join("http://127.1/").unwrap(), parse("http://127.0.0.1/"));
        assert_eq!(from.join("//u:p@other.example/"), Err(SourceUrlError::Credentials));
        assert_eq!(from.join("file:///a"), Err(SourceUrlError::Scheme("file".into())));
    }

    #[test]
    fn the_last_segment_is_decoded() {
        for (url, segment) in [
            ("http://h/a/b%20c.txt?x=/y", "b c.txt"),
            ("http://h/a/..%2f..%2fetc%2fpasswd", "../../etc/passwd"),
            ("http://h/%E6%97%A5.txt", "日.txt"),
            ("http://h/%FF", "\u{FFFD}"),
            ("http://h/a/", ""),
            ("http://h", ""),
        ] {
            assert_eq!(parse(url).last_segment(), segment, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_request_of_more_than_one_line(text in "(http://h/)?.{0,60}") {
            if let Ok(url) = SourceUrl::parse(&text) {
                let sent = url.as_url().as_str();
                prop_assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{sent}");
                // Whoever connects reads it again, and must mean the same host.
                if let Ok(read) = sent.parse::<http::Uri>() {
                    prop_assert_eq!(read.host(), url.as_url().host_str());
                    prop_assert_eq!(read.port_u16(), url.as_url().port());
                }
                let _ = (url.authority(), url.last_segment());
            }
        }

        /// What is looked up as a name here must not be taken for an address by whoever connects.
        #[test]
        fn no_name_is_an_address(host in "[0-9a-fx.:%\\[\\]]{1,20}") {
            if let Ok(url) = SourceUrl::parse(&format!("http://{host}/"))
                && let SourceHost::Name(name) = url.host()
            {
                prop_assert!(name.parse::<IpAddr>().is_err(), "{name}");
            }
        }
    }
}
