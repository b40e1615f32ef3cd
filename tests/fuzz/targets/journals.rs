//! Journals of downloads: any bytes are read or refused, what is accepted is written again byte by
//! byte, and what is claimed is of this file. Checksums are repaired for the fuzzer, which could not
//! guess them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringhold::wire::{JOURNAL_HEADER_SIZE, JOURNAL_RECORD_SIZE, JournalHeader, JournalRecord};

const CHECKSUM_SIZE: usize = 8;

fuzz_target!(|input: &[u8]| {
    canonical(input);
    let mut repaired = input.to_vec();
    if let Some(header) = repaired.first_chunk_mut::<JOURNAL_HEADER_SIZE>() {
        let body_size = JOURNAL_HEADER_SIZE - CHECKSUM_SIZE;
        let checksum = *blake3::hash(&header[..body_size]).as_bytes();
        header[body_size..].copy_from_slice(&checksum[..CHECKSUM_SIZE]);
        canonical(&repaired);
    }
});

fn canonical(bytes: &[u8]) {
    let Ok(header) = JournalHeader::decode(bytes) else { return };
    assert_eq!(header.encode(), bytes[..JOURNAL_HEADER_SIZE], "{header:?}");
    let rest = &bytes[JOURNAL_HEADER_SIZE..];
    let claims = header.records(rest);
    let written: Vec<u8> = claims.iter().flat_map(|claim| header.encode_record(claim)).collect();
    assert!(rest.starts_with(&written), "what counts is what is written");
    assert!(claims.iter().all(|claim| claim.index < header.block_count()));
    // What the fuzzer found in the place of a record, well written, is read.
    let (records, _) = rest.as_chunks::<JOURNAL_RECORD_SIZE>();
    for bytes in records.iter().filter(|_| header.block_count() > 0) {
        let index = u32::from(bytes[0]) % header.block_count();
        let record = JournalRecord { index, hash: *bytes.last_chunk().unwrap() };
        assert_eq!(header.records(&header.encode_record(&record)), [record]);
    }
}
