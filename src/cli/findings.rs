//! How `verify` says what it found: a line of text for people, a line of JSON for programs.

use std::path::Path;

use serde::Serialize;

use super::printable;
use crate::id::ObjectNumber;
use crate::store::{BlockFault, Damage, Damaged, Finding};

/// A finding as text.
pub(super) fn text(finding: &Finding) -> String {
    match finding {
        Finding::Strange { path, why } => format!("strange {}: {why}", printable::path(path)),
        Finding::Damaged(damaged) => damaged_text(damaged),
    }
}

/// A finding as JSON.
pub(super) fn json(finding: &Finding) -> String {
    // Structs of numbers and strings always serialize.
    printable::ascii(&serde_json::to_string(&Line::of(finding)).unwrap_or_default())
}

fn damaged_text(damaged: &Damaged) -> String {
    let path = printable::path(&damaged.path);
    let sealed = damaged.sealed.as_ref().map_or(String::new(), |(name, size)| {
        format!(" ({size} bytes, named {})", printable::quoted(name))
    });
    let mut sentences: Vec<_> = damaged.damages.iter().map(sentence).collect();
    if damaged.untold > 0 {
        sentences.push(format!("and {} more", damaged.untold));
    }
    format!("damaged {path}{sealed}: {}", sentences.join("; "))
}

fn sentence(damage: &Damage) -> String {
    match damage {
        Damage::Unreadable(why) => why.escape_debug().to_string(),
        Damage::Misplaced => {
            "it lies in another directory than its number says, and no ID finds it there".to_owned()
        }
        Damage::Seal(why) => format!("its seal cannot be read ({})", why.escape_debug()),
        Damage::Blocks { first, last, bytes, fault } => {
            let last_byte = bytes.end.saturating_sub(1);
            let (blocks, verb) = if first == last {
                (format!("block {first}"), ("does not match its hash", "cannot be read"))
            } else {
                (format!("blocks {first}-{last}"), ("do not match their hashes", "cannot be read"))
            };
            let range = format!("bytes {}-{last_byte}", bytes.start);
            match fault {
                BlockFault::Hash => format!("{blocks} ({range}) {}", verb.0),
                BlockFault::Read(why) => {
                    format!("{blocks} ({range}) {}: {}", verb.1, why.escape_debug())
                }
            }
        }
        Damage::Root => "the hashes of its blocks do not make the hash of the object".to_owned(),
        Damage::Padding => {
            "the zeros between data and seal are not all zero; the data is whole unless said so"
                .to_owned()
        }
    }
}

/// One line of JSON.
#[derive(Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
enum Line {
    Damaged {
        path: String,
        /// The object's number; none for a directory.
        object: Option<String>,
        name: Option<String>,
        size: Option<u64>,
        damages: Vec<DamageLine>,
        /// Further damages that are not listed.
        untold: u64,
    },
    Strange {
        path: String,
        why: &'static str,
    },
}

/// One damage.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum DamageLine {
    Unreadable {
        why: String,
    },
    Misplaced,
    Seal {
        why: String,
    },
    Blocks {
        first: u64,
        last: u64,
        offset: u64,
        size: u64,
        fault: &'static str,
        why: Option<String>,
    },
    Root,
    Padding,
}

impl Line {
    fn of(finding: &Finding) -> Line {
        match finding {
            Finding::Strange { path, why } => Line::Strange { path: lossy(path), why },
            Finding::Damaged(Damaged { path, sealed, damages, untold }) => Line::Damaged {
                path: lossy(path),
                object: object(path),
                name: sealed.as_ref().map(|(name, _)| name.clone()),
                size: sealed.as_ref().map(|(_, size)| *size),
                damages: damages.iter().map(DamageLine::of).collect(),
                untold: *untold,
            },
        }
    }
}

impl DamageLine {
    fn of(damage: &Damage) -> DamageLine {
        match damage {
            Damage::Unreadable(why) => DamageLine::Unreadable { why: why.clone() },
            Damage::Misplaced => DamageLine::Misplaced,
            Damage::Seal(why) => DamageLine::Seal { why: why.clone() },
            Damage::Blocks { first, last, bytes, fault } => DamageLine::Blocks {
                first: *first,
                last: *last,
                offset: bytes.start,
                size: bytes.end - bytes.start,
                fault: match fault {
                    BlockFault::Hash => "hash",
                    BlockFault::Read(_) => "read",
                },
                why: match fault {
                    BlockFault::Hash => None,
                    BlockFault::Read(why) => Some(why.clone()),
                },
            },
            Damage::Root => DamageLine::Root,
            Damage::Padding => DamageLine::Padding,
        }
    }
}

fn object(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.parse::<ObjectNumber>().ok().map(|number| number.to_string())
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const OBJECT: &str = "0001020304050607f8f9fafbfcfdfeff";

    fn example() -> Finding {
        Finding::Damaged(Damaged {
            path: Path::new("objects/00").join(OBJECT),
            sealed: Some(("a\u{1b}[2J.txt".to_owned(), 3_000_000)),
            damages: vec![
                Damage::Blocks { first: 1, last: 1, bytes: 10..20, fault: BlockFault::Hash },
                Damage::Blocks {
                    first: 3,
                    last: 5,
                    bytes: 30..60,
                    fault: BlockFault::Read("read: EIO".to_owned()),
                },
                Damage::Padding,
            ],
            untold: 2,
        })
    }

    #[test]
    fn a_line_of_text_names_object_blocks_and_faults() {
        assert_eq!(
            text(&example()),
            "damaged objects/00/0001020304050607f8f9fafbfcfdfeff (3000000 bytes, named \
             \"a\\u{1b}[2J.txt\"): block 1 (bytes 10-19) does not match its hash; blocks 3-5 \
             (bytes 30-59) cannot be read: read: EIO; the zeros between data and seal are not all \
             zero; the data is whole unless said so; and 2 more"
        );
        let strange = Finding::Strange { path: PathBuf::from("objects/\u{7}"), why: "it rings" };
        assert_eq!(text(&strange), "strange objects/\\u{7}: it rings");
    }

    #[test]
    fn a_line_of_json_says_the_same() {
        assert_eq!(
            json(&example()),
            concat!(
                r#"{"finding":"damaged","path":"objects/00/0001020304050607f8f9fafbfcfdfeff","#,
                r#""object":"0001020304050607f8f9fafbfcfdfeff","name":"a\u001b[2J.txt","#,
                r#""size":3000000,"damages":["#,
                r#"{"what":"blocks","first":1,"last":1,"offset":10,"size":10,"fault":"hash","#,
                r#""why":null},{"what":"blocks","first":3,"last":5,"offset":30,"size":30,"#,
                r#""fault":"read","why":"read: EIO"},{"what":"padding"}],"untold":2}"#
            )
        );
    }
}
