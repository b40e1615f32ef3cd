//! Large files that are not in memory are read past the page cache, once in a while, and are the same
//! bytes in every way.

use super::*;
use crate::base::limits::{BLOCK_SIZE, COLD_READ_SIZE_MIN, COLD_WINDOW_SIZE};
use crate::disk::{Fault, FaultPlan, FaultyDisk};

const MIB: usize = 1 << 20;
const WINDOW: usize = 4 * MIB;
const _: () = assert!(WINDOW as u64 == COLD_WINDOW_SIZE);
const _: () = assert!(MIB as u64 == COLD_READ_SIZE_MIN);

async fn prepared_cold(is_cold: bool) -> Rc<MemoryDisk> {
    let slab = SlabOptions { chunk_size: 1 << 20, chunk_count: 3, read_count: 20 };
    let disk = MemoryDisk::new(Slab::new(slab).unwrap(), 16);
    let disk = Rc::new(if is_cold { disk.cold() } else { disk });
    Layout::new(Path::new(ROOT)).prepare(&*disk).await.unwrap();
    disk
}

/// A disk that holds an object of that data.
async fn with_object(data: &[u8], is_cold: bool) -> (Rc<MemoryDisk>, ObjectNumber) {
    let disk = prepared_cold(is_cold).await;
    let published = put(&store_over(Rc::clone(&disk) as Rc<dyn Disk>), data).await.unwrap();
    (disk, published.object)
}

#[test]
fn what_is_not_in_memory_is_read_past_the_page_cache_and_when_asked_for_again_through_it() {
    run(async {
        let data = bytes(2 * WINDOW + 2 * MIB + 5, 1);
        let (disk, object) = with_object(&data, true).await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let stored = store.open(object).await.unwrap();
        assert!(read_all(&stored).await.unwrap() == data, "other bytes came back");
        let past = disk.direct_read_size();
        assert_eq!(past, data.len().next_multiple_of(BLOCK_SIZE) as u64);
        assert!(read_all(&stored).await.unwrap() == data, "other bytes came back");
        assert_eq!(disk.direct_read_size(), past);
    });
}

#[test]
fn what_is_in_memory_or_small_is_read_through_the_page_cache() {
    run(async {
        let data = bytes(2 * WINDOW, 2);
        for (is_cold, range) in
            [(false, 0..2 * COLD_WINDOW_SIZE), (true, 5..5 + COLD_READ_SIZE_MIN - 1)]
        {
            let (disk, object) = with_object(&data, is_cold).await;
            let stored = store_over(Rc::clone(&disk) as Rc<dyn Disk>).open(object).await.unwrap();
            read_range(&stored, range).await.unwrap();
            assert_eq!(disk.direct_read_size(), 0);
        }
    });
}

#[test]
fn every_range_of_a_cold_object_is_the_same_bytes_verified_or_not() {
    run(async {
        let data = bytes(2 * WINDOW + 12_345, 3);
        let (disk, object) = with_object(&data, true).await;
        let (size, block) = (data.len(), BLOCK_SIZE);
        for (start, end) in [
            (0, size),
            (1, size - 1),
            (block - 1, WINDOW + 1),
            (WINDOW - MIB, WINDOW + MIB + 7),
            (block + 7, 3 * MIB + 9),
            (size - 2 * MIB - 7, size),
        ] {
            for verify in [false, true] {
                let before = disk.direct_read_size();
                // Of a store of its own: nobody else read it.
                let store = store_with(Rc::clone(&disk) as Rc<dyn Disk>, verify);
                let stored = store.open(object).await.unwrap();
                let back = read_range(&stored, start as u64..end as u64).await.unwrap();
                assert!(back == data[start..end], "{start}..{end} came back as other bytes");
                assert!(disk.direct_read_size() > before, "{start}..{end} was read as usual");
            }
        }
    });
}

#[test]
fn a_public_file_that_is_not_in_memory_is_read_past_the_page_cache_too() {
    run(async {
        let data = bytes(WINDOW + 3, 4);
        let disk = prepared_cold(true).await;
        disk.plant(Path::new("/public/file"), &data);
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let file = store.open_public(Path::new("/public"), Path::new("file")).await.unwrap();
        let mut reader = file.read(1..data.len() as u64);
        let mut back = Vec::new();
        while let Some(frame) = reader.next().await {
            back.extend_from_slice(frame.unwrap().chunk());
        }
        assert!(back == data[1..], "other bytes came back");
        assert!(disk.direct_read_size() > 0);
    });
}

#[test]
fn where_direct_reads_are_refused_all_of_it_comes_through_the_page_cache() {
    run(async {
        let data = bytes(WINDOW, 5);
        let (memory, object) = with_object(&data, true).await;
        // Its opening, its size, its seal, and then the handle for direct reads and those reads.
        for nth in 3..8 {
            let plan = FaultPlan::fail_nth(nth, Fault::Errno(libc::EINVAL));
            let disk = FaultyDisk::new(Rc::clone(&memory) as Rc<dyn Disk>, plan);
            let stored = store_over(Rc::new(disk)).open(object).await.unwrap();
            assert!(read_all(&stored).await.unwrap() == data, "other bytes came back");
        }
        let plan = FaultPlan::fail_nth(5, Fault::Errno(libc::EIO));
        let disk = FaultyDisk::new(memory, plan);
        let stored = store_over(Rc::new(disk)).open(object).await.unwrap();
        assert_eq!(read_all(&stored).await.unwrap_err().kind(), StoreErrorKind::Failed);
    });
}

#[test]
fn a_download_that_pauses_goes_on_where_it_was() {
    run(async {
        let data = bytes(2 * WINDOW, 6);
        let (disk, object) = with_object(&data, true).await;
        let stored = store_over(Rc::clone(&disk) as Rc<dyn Disk>).open(object).await.unwrap();
        let mut reader = stored.read(0..data.len() as u64);
        let (mut back, mut frames) = (Vec::new(), 0);
        while let Some(frame) = reader.next().await {
            back.extend_from_slice(frame.unwrap().chunk());
            frames += 1;
            if frames % 50 == 7 {
                reader.park();
                assert_eq!(disk.slab().in_use(Pool::Download), 0, "a pause gives its buffers back");
            }
        }
        assert!(back == data, "other bytes came back");
        assert!(disk.direct_read_size() > 0);
    });
}
