//! A second reading of docs/format.md, written from the page and not from the daemon's code: does
//! the data of an object's file match the seal behind it?

use std::fs;
use std::path::Path;

const BLOCK_SIZE: usize = 4096;
const TAIL_SIZE: usize = 64;
const CHECKSUM_SIZE: usize = 32;
/// Where the header holds the BLAKE3 of the data.
const ROOT_HASH_OFFSET: usize = 48;

/// Why the file at `path` is not a whole object.
pub(crate) fn verify_object(path: &Path) -> Result<(), String> {
    let file = fs::read(path).map_err(|error| error.to_string())?;
    let tail = file.len().checked_sub(TAIL_SIZE).map(|at| &file[at..]).ok_or("too short")?;
    check(&tail[..8] == b"ringtail", "magic of the tail")?;
    let seal_size = number(&tail[8..16]);
    let data_size = number(&tail[16..24]);
    let seal_start = data_size.next_multiple_of(BLOCK_SIZE);
    check(seal_start.checked_add(seal_size) == Some(file.len()), "sizes")?;
    let (data, padding) = file[..seal_start].split_at(data_size);
    check(padding.iter().all(|byte| *byte == 0), "padding")?;
    let seal = &file[seal_start..];
    check(&seal[..8] == b"ringseal", "magic of the seal")?;
    let (body, checksum) = seal.split_at(seal.len() - CHECKSUM_SIZE);
    check(blake3::hash(body).as_bytes() == checksum, "checksum of the seal")?;
    check(number(&seal[16..24]) == data_size, "size in the seal")?;
    let root_hash = &seal[ROOT_HASH_OFFSET..ROOT_HASH_OFFSET + CHECKSUM_SIZE];
    check(blake3::hash(data).as_bytes() == root_hash, "hash of the data")
}

fn number(bytes: &[u8]) -> usize {
    usize::try_from(u64::from_le_bytes(bytes.try_into().unwrap())).unwrap()
}

fn check(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
