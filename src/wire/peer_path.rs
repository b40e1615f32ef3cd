//! Where a file of a transfer goes, below a folder of the receiver's: components that lead down and
//! nowhere else. Pure.
//!
//! A path of a stranger is refused when it is not of that kind, and its names are then made safe as
//! all names of strangers are ([`safe_file_name`]). What links on the disk make of it is for whoever
//! opens it to see.

use std::fmt;
use std::path::PathBuf;

use super::file_name::safe_file_name;
use crate::base::limits::{NAME_SIZE_MAX, PEER_PATH_DEPTH_MAX, PEER_PATH_SIZE_MAX};

/// A path that leads down: `photos/2026/one.jpg`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerPath {
    /// At least one, none of them empty, `.` or `..`, none with a slash or a NUL.
    components: Vec<String>,
}

/// Why a path is none that leads down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerPathError {
    /// It is longer than [`PEER_PATH_SIZE_MAX`].
    TooLong,
    /// It leads through more than [`PEER_PATH_DEPTH_MAX`] folders.
    TooDeep,
    /// It begins or ends with a slash, or has two in a row.
    NoName,
    /// It has a `.` or `..`.
    Dots,
    /// A name in it is longer than [`NAME_SIZE_MAX`].
    NameTooLong,
    /// It has a NUL.
    Nul,
}

impl PeerPath {
    /// Reads a path with slashes.
    pub fn parse(text: &str) -> Result<PeerPath, PeerPathError> {
        if text.len() > PEER_PATH_SIZE_MAX {
            return Err(PeerPathError::TooLong);
        }
        let components: Vec<&str> = text.split('/').take(PEER_PATH_DEPTH_MAX + 1).collect();
        if components.len() > PEER_PATH_DEPTH_MAX {
            return Err(PeerPathError::TooDeep);
        }
        components.iter().try_for_each(|component| check(component))?;
        Ok(PeerPath { components: components.into_iter().map(str::to_owned).collect() })
    }

    /// The same with names that are safe on every screen and filesystem.
    pub fn made_safe(&self) -> PeerPath {
        let components = self.components.iter().map(|component| safe_file_name(component));
        PeerPath { components: components.collect() }
    }

    /// The folders that it leads through, from the top.
    pub fn ancestors(&self) -> impl Iterator<Item = PeerPath> + '_ {
        let depths = 1..self.components.len();
        depths.map(|depth| PeerPath {
            components: self.components.iter().take(depth).cloned().collect(),
        })
    }

    /// As the filesystem takes it; relative.
    pub fn to_path(&self) -> PathBuf {
        self.components.iter().collect()
    }
}

fn check(component: &str) -> Result<(), PeerPathError> {
    match component {
        "" => Err(PeerPathError::NoName),
        "." | ".." => Err(PeerPathError::Dots),
        long if long.len() > NAME_SIZE_MAX => Err(PeerPathError::NameTooLong),
        odd if odd.contains('\0') => Err(PeerPathError::Nul),
        _ => Ok(()),
    }
}

impl fmt::Display for PeerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.components.join("/"))
    }
}

impl fmt::Display for PeerPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerPathError::TooLong => {
                write!(f, "a path has more than {PEER_PATH_SIZE_MAX} bytes")
            }
            PeerPathError::TooDeep => {
                write!(f, "a path leads through more than {PEER_PATH_DEPTH_MAX} folders")
            }
            PeerPathError::NoName => f.write_str("a path has a part without a name"),
            PeerPathError::Dots => f.write_str("a path has a . or .. in it"),
            PeerPathError::NameTooLong => {
                write!(f, "a name has more than {NAME_SIZE_MAX} bytes")
            }
            PeerPathError::Nul => f.write_str("a name has a NUL in it"),
        }
    }
}

impl std::error::Error for PeerPathError {}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_leads_down_is_a_path() {
        let long = "a".repeat(NAME_SIZE_MAX + 1);
        let longest = "a/".repeat(PEER_PATH_SIZE_MAX);
        let deep = format!("{}a", "a/".repeat(PEER_PATH_DEPTH_MAX));
        for (text, error) in [
            ("", PeerPathError::NoName),
            ("/etc/passwd", PeerPathError::NoName),
            ("a//b", PeerPathError::NoName),
            ("a/", PeerPathError::NoName),
            (".", PeerPathError::Dots),
            ("..", PeerPathError::Dots),
            ("a/../b", PeerPathError::Dots),
            ("a/./b", PeerPathError::Dots),
            ("a\0b", PeerPathError::Nul),
            (&long, PeerPathError::NameTooLong),
            (&longest, PeerPathError::TooLong),
            (&deep, PeerPathError::TooDeep),
        ] {
            assert_eq!(PeerPath::parse(text), Err(error), "{text:?}");
        }
        for text in ["a", "a/b", "...", "a b/ c", "größe/1.jpg", ".profile"] {
            assert_eq!(PeerPath::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_path_knows_its_folders() {
        let folders: Vec<String> =
            PeerPath::parse("a/b/c").unwrap().ancestors().map(|path| path.to_string()).collect();
        assert_eq!(folders, ["a", "a/b"]);
        assert_eq!(PeerPath::parse("a").unwrap().ancestors().count(), 0);
    }

    #[test]
    fn names_are_made_safe_one_by_one() {
        let path = PeerPath::parse("a\u{1b}[2J/C:\\b\n/c").unwrap();
        assert_eq!(path.made_safe().to_string(), "a[2J/b/c");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_leads_down_and_reads_the_same(text in "[a./\\\\\0\u{202e} ]{0,12}") {
            if let Ok(path) = PeerPath::parse(&text) {
                prop_assert_eq!(path.to_string(), text);
                for path in [path.clone(), path.made_safe()] {
                    let below = path.to_path();
                    prop_assert!(below.components().all(|one| matches!(one, Component::Normal(_))));
                    prop_assert_eq!(PeerPath::parse(&path.to_string()), Ok(path));
                }
            }
        }
    }
}
