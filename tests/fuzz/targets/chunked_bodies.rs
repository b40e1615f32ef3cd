//! Bytes that may be a chunked body: where they are cut changes nothing, a body that has ended is
//! one that a plain reading of RFC 9112 (section 7.1) ends at the same byte, and a body that is
//! written well is always let through.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringhold::wire::{ChunkFault, Chunks};

fuzz_target!(|input: (Vec<u16>, Vec<Vec<u8>>, &[u8])| {
    let (cuts, contents, bytes) = input;
    let whole = feed(&[], bytes);
    assert_eq!(feed(&cuts, bytes), whole);
    if let Ok((size, true)) = whole {
        assert_eq!(read_plainly(bytes), Some(size));
    }
    let written = write(&contents);
    let followed = [&written, bytes].concat();
    assert_eq!(feed(&cuts, &followed), Ok((written.len(), true)));
});

/// The size of the body so far and whether it has ended.
fn feed(cuts: &[u16], bytes: &[u8]) -> Result<(usize, bool), ChunkFault> {
    let mut chunks = Chunks::new();
    let mut ends: Vec<usize> =
        cuts.iter().map(|cut| usize::from(*cut) % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let mut fed = 0;
    for end in ends {
        fed += chunks.feed(&bytes[fed..end])?;
        if chunks.has_ended() {
            break;
        }
        assert_eq!(fed, end, "nothing is left until the end");
    }
    Ok((fed, chunks.has_ended()))
}

/// Where the body ends, line by line.
fn read_plainly(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = line(bytes, &mut at)?;
        let digits = line.split(|byte| b"; \t".contains(byte)).next()?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        at = at.checked_add(size)?;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    while !line(bytes, &mut at)?.is_empty() {}
    Some(at)
}

fn line<'b>(bytes: &'b [u8], at: &mut usize) -> Option<&'b [u8]> {
    let rest = bytes.get(*at..)?;
    let size = rest.windows(2).position(|two| two == b"\r\n")?;
    *at += size + 2;
    Some(&rest[..size])
}

fn write(contents: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for content in contents.iter().filter(|content| !content.is_empty()) {
        body.extend(format!("{:x}\r\n", content.len()).bytes());
        body.extend(content);
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n\r\n");
    body
}
