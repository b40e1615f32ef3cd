//! What the ID service hands out: an issued ID, and what an opened one says.

use std::fmt;

use super::ObjectNumber;

/// Digits of an access hash.
pub(super) const ACCESS_HASH_SIZE: usize = 16;

/// What an ID stands for. Codes are forever; a later kind takes the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One stored file.
    Object,
}

/// A genuine file ID, `access_hash:file_name`: issued by a service or checked by it.
///
/// It is a capability (who has it can download), so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct FileId {
    text: String,
    /// Which of the service's secrets made it; its delete token is made with the same one.
    pub(super) keys_index: usize,
}

/// What a genuine ID says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedId {
    /// What it stands for.
    pub kind: Kind,
    /// Which object.
    pub object: ObjectNumber,
    /// The name it was uploaded under.
    pub name: String,
    /// The ID itself, for the delete token.
    pub id: FileId,
}

impl Kind {
    /// The byte that says it in an ID.
    pub(super) fn code(self) -> u8 {
        match self {
            Kind::Object => 1,
        }
    }

    /// `None` for a code of no known kind.
    pub(super) fn from_code(code: u8) -> Option<Kind> {
        match code {
            1 => Some(Kind::Object),
            _ => None,
        }
    }
}

impl FileId {
    pub(super) fn new(text: String, keys_index: usize) -> FileId {
        assert_eq!(text.find(':'), Some(ACCESS_HASH_SIZE), "the hash comes before the colon");
        FileId { text, keys_index }
    }

    /// The whole ID.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What follows the colon.
    pub fn file_name(&self) -> &str {
        &self.text[ACCESS_HASH_SIZE + 1..]
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileId").field("keys_index", &self.keys_index).finish_non_exhaustive()
    }
}
