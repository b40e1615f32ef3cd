//! What lies beside a target while it is fetched: `.NAME.ringhold-part` and `.NAME.ringhold-journal`.
//! Pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::base::limits::NAME_SIZE_MAX;

const PART: &str = ".ringhold-part";
const JOURNAL: &str = ".ringhold-journal";
/// Bytes of a name's digest that stand for the end of a long one.
const DIGEST_SIZE: usize = 8;

/// The names beside one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) part: PathBuf,
    pub(super) journal: PathBuf,
}

impl Names {
    /// Beside `target`; `None` when that is no name of a file.
    pub(super) fn beside(target: &Path) -> Option<Names> {
        let name = target.file_name()?;
        let beside = |ending: &str| {
            let mut hidden = OsString::from(".");
            hidden.push(stem(name, ending.len() + 1));
            hidden.push(ending);
            target.with_file_name(hidden)
        };
        Some(Names { part: beside(PART), journal: beside(JOURNAL) })
    }
}

/// The name, if there is room for it and so many bytes more; else its beginning and a digest of all
/// of it.
fn stem(name: &OsStr, added: usize) -> OsString {
    if name.len() + added <= NAME_SIZE_MAX {
        return name.to_owned();
    }
    let digest = blake3::hash(name.as_bytes());
    let digest = HEXLOWER.encode(&digest.as_bytes()[..DIGEST_SIZE]);
    let text = name.to_string_lossy();
    let kept = text.floor_char_boundary(NAME_SIZE_MAX - added - digest.len());
    let mut stem = OsString::from(text.split_at(kept).0);
    stem.push(digest);
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_and_journal_lie_beside_the_target() {
        let names = Names::beside(Path::new("dir/a b.iso")).unwrap();
        assert_eq!(names.part, Path::new("dir/.a b.iso.ringhold-part"));
        assert_eq!(names.journal, Path::new("dir/.a b.iso.ringhold-journal"));
        assert_eq!(Names::beside(Path::new("..")), None);
    }

    #[test]
    fn a_long_name_still_has_room_beside_it() {
        let long = |end: &str| format!("{}{end}", "ä".repeat(126));
        let (one, other) =
            (Names::beside(Path::new(&long("a"))), Names::beside(Path::new(&long("b"))));
        assert_ne!(one, other, "two targets have two parts");
        for path in [one.clone().unwrap().part, one.unwrap().journal] {
            assert!(path.as_os_str().len() <= NAME_SIZE_MAX);
            assert!(path.as_os_str().len() > NAME_SIZE_MAX - 3);
        }
    }
}
