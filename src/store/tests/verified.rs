//! `--verify-reads`: a flipped byte anywhere ends the download that would hand it out, and no
//! other; what is intact comes through byte for byte, whatever the range.

use proptest::prelude::*;

use super::*;

const BLOCK: usize = 1 << 20;
const SIZE: usize = 3 * BLOCK + 5000;

/// A store that checks its reads, with one object of [`SIZE`] bytes; `damage` changes its file.
async fn damaged(at: Option<usize>) -> (Rc<MemoryDisk>, Stored, Vec<u8>) {
    let disk = prepared().await;
    let store = store_with(Rc::clone(&disk) as Rc<dyn Disk>, true);
    let data = bytes(SIZE, 1);
    let object = put(&store, &data).await.unwrap().object;
    if let Some(at) = at {
        flip(&disk, object, at);
    }
    let stored = store.open(object).await.unwrap();
    (disk, stored, data)
}

fn flip(disk: &MemoryDisk, object: ObjectNumber, at: usize) {
    let path = Layout::new(Path::new(ROOT)).object(object);
    let mut file = disk.contents(&path).unwrap();
    file[at] ^= 0x40;
    disk.plant(&path, &file);
}

fn range(start: usize, end: usize) -> std::ops::Range<u64> {
    start as u64..end as u64
}

#[test]
fn a_flipped_byte_ends_every_range_of_its_block_and_no_other() {
    run(async {
        let at = BLOCK + 700_000;
        let (disk, stored, data) = damaged(Some(at)).await;
        for (start, end) in [
            (0, SIZE),
            (BLOCK, 2 * BLOCK),
            (at, at + 1),
            // Neither holds the byte itself; both are of its block.
            (BLOCK, BLOCK + 1),
            (2 * BLOCK - 1, 2 * BLOCK),
            (BLOCK - 1, BLOCK + 1),
        ] {
            let error = read_range(&stored, range(start, end)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Damaged, "{start}..{end}");
            let text = error.to_string();
            assert!(text.contains("block 1 (bytes 1048576-2097151)"), "{text}");
        }
        for (start, end) in [(0, BLOCK), (2 * BLOCK, SIZE), (SIZE - 1, SIZE), (BLOCK, BLOCK)] {
            let read = read_range(&stored, range(start, end)).await.unwrap();
            assert!(read == data[start..end], "{start}..{end}");
        }
        drop(stored);
        assert_eq!(disk.slab().in_use(Pool::Download), 0);
    });
}

#[test]
fn less_than_the_wanted_part_of_a_damaged_block_is_handed_out() {
    run(async {
        for at in [BLOCK, 2 * BLOCK - 1] {
            let (_disk, stored, data) = damaged(Some(at)).await;
            for (start, end) in [(0, SIZE), (100, BLOCK + 300_000), (BLOCK + 5, BLOCK + 6)] {
                let mut reader = stored.read(range(start, end));
                let mut given = 0;
                let ended = loop {
                    match reader.next().await {
                        Some(Ok(frame)) => given += frame.remaining(),
                        other => break other,
                    }
                };
                assert!(matches!(ended, Some(Err(_))), "it ends in an error");
                assert!(reader.next().await.is_none(), "and after it there is nothing");
                assert!(start + given < end.min(2 * BLOCK), "{given} of {start}..{end}");
                assert!(given >= BLOCK.saturating_sub(start), "the block before is whole");
            }
            assert_eq!(data.len(), SIZE);
        }
    });
}

#[test]
fn a_small_object_is_checked_before_the_cache_has_it() {
    run(async {
        let disk = prepared().await;
        let store = store_with(Rc::clone(&disk) as Rc<dyn Disk>, true);
        let (whole, broken) = (bytes(5000, 1), bytes(5000, 2));
        let intact = put(&store, &whole).await.unwrap().object;
        let object = put(&store, &broken).await.unwrap().object;
        flip(&disk, object, 4999);
        for _ in 0..2 {
            let error = store.open(object).await.err().unwrap();
            assert_eq!(error.kind(), StoreErrorKind::Damaged);
            assert!(error.to_string().contains(&object.to_string()), "{error}");
            let stored = store.open(intact).await.unwrap();
            assert!(read_all(&stored).await.unwrap() == whole);
        }
        let unchecked = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        assert!(unchecked.open(object).await.is_ok(), "without the flag nothing is checked");
    });
}

#[test]
fn a_range_goes_on_when_every_buffer_of_the_slab_is_taken() {
    run(async {
        let (disk, stored, data) = damaged(None).await;
        let mut taken = Vec::new();
        while let Some(lease) = disk.slab().try_take(Pool::Download) {
            taken.push(lease);
        }
        for (start, end) in [(0, SIZE), (10, 70_000), (BLOCK + 100, BLOCK + 200), (SIZE - 9, SIZE)]
        {
            let read = read_range(&stored, range(start, end)).await.unwrap();
            assert!(read == data[start..end], "{start}..{end}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_range_of_an_intact_object_comes_back(a in 0..=SIZE, b in 0..=SIZE) {
        let (start, end) = (a.min(b), a.max(b));
        run(async {
            let (_disk, stored, data) = damaged(None).await;
            assert!(read_range(&stored, range(start, end)).await.unwrap() == data[start..end]);
        });
    }
}
