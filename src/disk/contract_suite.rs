//! The contract of `contract.rs` as tests, run on every engine.
//!
//! An engine joins with an [`Engine`] of its own and one line: `contract_suite!(name, Type);`.
//! Each test makes a [`Bench`], works, and ends with [`Bench::finish`], which drains the disk and
//! looks for lost buffers.

pub(super) mod bench;
mod engines;
mod names;

use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use futures_util::poll;

use self::bench::{Bench, CHUNK_COUNT, CHUNK_SIZE, Engine, Options, abandon, depth, kind, pattern};
use self::names::{
    a_link_never_replaces, a_replacement_takes_the_name_of_another_file,
    a_small_file_is_made_in_one_step, names_are_given_together_and_answered_one_by_one,
};
use super::{
    Care, DiskErrorKind, EngineKind, File, Lease, Op, Pool, Stat, TEMPORARY_PREFIX, Transfer,
    create_written, link_all, read_blocks,
};
use crate::base::limits::BLOCK_SIZE;

/// Runs the suite on an engine, as a module of this name.
macro_rules! contract_suite {
    ($module:ident, $engine:ty) => {
        contract_suite!($module, $engine:
            the_slab_is_the_one_it_was_given
            bytes_come_back_from_odd_spans_and_offsets
            a_read_at_the_end_gives_nothing
            direct_transfers_are_aligned_and_buffered_ones_need_not_be
            a_link_never_replaces
            a_replacement_takes_the_name_of_another_file
            a_small_file_is_made_in_one_step
            names_are_given_together_and_answered_one_by_one
            a_file_without_a_name_leaves_nothing
            no_path_leads_out_of_open_beneath
            allocation_lengthens_and_truncation_cuts
            attributes_are_those_that_were_set
            data_is_found_between_holes
            directories_are_made_once_and_listed
            a_removed_file_stays_readable_until_it_is_closed
            what_needs_no_wait_is_the_same_bytes_or_nothing
            a_file_is_opened_once_more_past_the_page_cache
            a_failed_transfer_gives_its_lease_back
            a_thousand_operations_pass_a_queue_of_two
            no_more_than_the_queue_depth_is_in_flight
            what_was_begun_is_done_when_the_drain_resolves
            futures_dropped_at_every_await_lose_nothing
            after_the_drain_everything_is_refused
        );
    };
    ($module:ident, $engine:ty: $($test:ident)*) => {
        mod $module {
            use super::Engine;
            $(
                #[test]
                fn $test() {
                    <$engine>::run(super::$test::<$engine>());
                }
            )*
        }
    };
}

contract_suite!(threads, super::engines::Threads);
contract_suite!(memory, super::engines::Memory);
contract_suite!(faulty, super::engines::Faulty);
contract_suite!(delayed, super::engines::Delayed);
contract_suite!(metered, super::engines::Metered);
contract_suite!(uring, crate::disk::uring::tests::Ring);
contract_suite!(uring_unregistered, crate::disk::uring::tests::Unregistered);
contract_suite!(uring_with_two_completions, crate::disk::uring::tests::TwoCompletions);

async fn the_slab_is_the_one_it_was_given<E: Engine>() {
    let bench = depth::<E>(2);
    assert_eq!(bench.disk.slab().count(Pool::Upload), CHUNK_COUNT);
    let in_memory = bench.memory.is_some();
    assert_eq!(bench.disk.report().kind == EngineKind::Memory, in_memory);
    bench.finish().await;
}

async fn bytes_come_back_from_odd_spans_and_offsets<E: Engine>() {
    let bench = depth::<E>(4);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    let mut expected: Vec<u8> = Vec::new();
    let spans = [0..1, 5..5, 1..4096, 4095..4097, 3..CHUNK_SIZE];
    for (stream, span) in spans.into_iter().enumerate() {
        let lease = bench.filled(&pattern(stream, CHUNK_SIZE)).await;
        let write = bench.disk.write(&file, lease, span.clone(), expected.len() as u64).await;
        assert_eq!(write.result.unwrap(), span.len());
        assert_eq!(write.lease[..], pattern(stream, CHUNK_SIZE), "a write leaves its buffer alone");
        expected.extend(&pattern(stream, CHUNK_SIZE)[span]);
    }
    let size = expected.len();
    for span in [0..size, 1..2, 4090..4100, size - 1..size] {
        let found = bench.read(&file, span.len(), span.start as u64).await;
        assert_eq!(found, expected[span]);
    }
    let lease = bench.filled(&[9; CHUNK_SIZE]).await;
    let read = bench.disk.read(&file, lease, 10..20, 0).await;
    assert_eq!(read.result.unwrap(), 10);
    assert_eq!(read.lease[10..20], expected[..10]);
    assert!(read.lease[..10].iter().chain(&read.lease[20..]).all(|&byte| byte == 9));
    drop((read.lease, file));
    bench.finish().await;
}

async fn a_read_at_the_end_gives_nothing<E: Engine>() {
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    assert_eq!(bench.read(&file, 10, 0).await, b"");
    bench.write(&file, b"end", 0).await;
    assert_eq!(bench.read(&file, 10, 1).await, b"nd");
    assert_eq!(bench.read(&file, 10, 3).await, b"");
    assert_eq!(bench.read(&file, 10, 1 << 40).await, b"");
    drop(file);
    bench.finish().await;
}

async fn direct_transfers_are_aligned_and_buffered_ones_need_not_be<E: Engine>() {
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    let is_direct = bench.disk.set_direct(&file, true).unwrap();
    let data = pattern(1, CHUNK_SIZE);
    bench.write(&file, &data, BLOCK_SIZE as u64).await;
    assert_eq!(bench.read(&file, CHUNK_SIZE, BLOCK_SIZE as u64).await, data);
    // The tail of a direct file: a read across its end is short.
    bench.disk.truncate(&file, BLOCK_SIZE as u64 + 5).await.unwrap();
    let lease = bench.disk.slab().take(Pool::Upload).await;
    let tail = bench.disk.read(&file, lease, 0..BLOCK_SIZE, BLOCK_SIZE as u64).await;
    assert_eq!(tail.result.unwrap(), 5);
    assert_eq!(tail.lease[..5], data[..5]);
    // Some filesystems take direct I/O at any alignment; where it fails, it says EINVAL.
    let odd = bench.disk.write(&file, tail.lease, 0..BLOCK_SIZE, 1).await;
    let errno = odd.result.err().map(|error| error.errno());
    assert!(errno.is_none() || (is_direct && errno == Some(Some(libc::EINVAL))), "{errno:?}");
    drop(odd.lease);
    assert!(bench.disk.set_direct(&file, false).unwrap());
    bench.write(&file, b"odd", 1).await;
    assert_eq!(bench.read(&file, 3, 1).await, b"odd");
    drop(file);
    bench.finish().await;
}

async fn a_file_without_a_name_leaves_nothing<E: Engine>() {
    for tmpfile in [true, false] {
        let bench = E::bench(&Options { queue_depth: 2, tmpfile });
        let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
        let clone = file.clone();
        drop(file);
        bench.write(&clone, b"nobody will know", 0).await;
        let names = bench.names().await;
        if !tmpfile {
            assert_eq!(names.len(), 1);
        }
        assert!(names.iter().all(|name| name.starts_with(TEMPORARY_PREFIX)));
        drop(clone);
        assert_eq!(bench.names().await, [""; 0]);
        let nowhere = bench.disk.create_unnamed(&bench.at("missing")).await;
        assert_eq!(kind(nowhere), DiskErrorKind::NotFound);
        bench.finish().await;
    }
}

async fn no_path_leads_out_of_open_beneath<E: Engine>() {
    let bench = depth::<E>(2);
    bench.plant("secret", b"secret");
    bench.plant("public/file", b"file");
    bench.plant("public/sub/deep", b"deep");
    bench.plant_symlink(Path::new("../secret"), "public/out");
    bench.plant_symlink(&bench.at("secret"), "public/absolute");
    bench.plant_symlink(Path::new("sub/../../public/file"), "public/out-and-in");
    bench.plant_symlink(Path::new("loop"), "public/loop");
    bench.plant_symlink(Path::new("../file"), "public/sub/inside");
    let public = bench.at("public");
    for path in ["file", "./file", "sub/../file", "sub/inside", "sub/./inside"] {
        let file = bench.disk.open_beneath(&public, Path::new(path)).await.unwrap();
        assert_eq!(bench.read(&file, 10, 0).await, b"file", "{path}");
    }
    let secret = bench.at("secret");
    let ways_out = ["../secret", "..", "out", "absolute", "out-and-in", "loop", "missing"];
    let more = ["sub/../../secret", "file/below", "missing/../file", "/", "", "nul\0", "/file"];
    for path in ways_out.into_iter().chain(more).chain(secret.to_str()) {
        let refused = bench.disk.open_beneath(&public, Path::new(path)).await;
        assert_eq!(kind(refused), DiskErrorKind::NotFound, "{path:?}");
    }
    let directory = bench.disk.open_beneath(&public, Path::new("sub")).await.unwrap();
    assert!(!bench.disk.stat(&directory).await.unwrap().is_file);
    drop(directory);
    bench.finish().await;
}

async fn allocation_lengthens_and_truncation_cuts<E: Engine>() {
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    bench.write(&file, b"hello", 0).await;
    match bench.disk.allocate(&file, 0, 1 << 20).await {
        Ok(()) => assert_eq!(bench.disk.stat(&file).await.unwrap().size, 1 << 20),
        Err(error) => assert_eq!(error.kind(), DiskErrorKind::Unsupported),
    }
    assert_eq!(bench.read(&file, 5, 0).await, b"hello");
    bench.disk.truncate(&file, 3).await.unwrap();
    assert_eq!(bench.disk.stat(&file).await.unwrap().size, 3);
    bench.disk.truncate(&file, 5).await.unwrap();
    assert_eq!(bench.read(&file, 10, 0).await, b"hel\0\0");
    drop(file);
    bench.finish().await;
}

async fn attributes_are_those_that_were_set<E: Engine>() {
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    bench.write(&file, b"data", 0).await;
    let before = bench.disk.stat(&file).await.unwrap();
    assert_eq!(before.mode, 0o600);
    let modified = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    let wanted = Stat { modified, mode: 0o754, ..before };
    bench.disk.set_attributes(&file, wanted).await.unwrap();
    assert_eq!(bench.disk.stat(&file).await.unwrap(), wanted);
    bench.write(&file, b"more", 0).await;
    assert_ne!(bench.disk.stat(&file).await.unwrap().modified, modified);
    drop(file);
    bench.finish().await;
}

async fn data_is_found_between_holes<E: Engine>() {
    const HOLE: u64 = 1 << 20;
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    let next = async |offset| bench.disk.next_data(&file, offset).await.unwrap();
    assert_eq!(next(0).await, None, "an empty file has none");
    bench.write(&file, &[7; BLOCK_SIZE], HOLE).await;
    bench.disk.truncate(&file, 3 * HOLE).await.unwrap();
    let block = HOLE..HOLE + BLOCK_SIZE as u64;
    let found = next(0).await.unwrap();
    // What knows no holes says that all is data, and tmpfs may know them in larger pieces.
    assert!(found.start <= block.start && found.end >= block.end, "{found:?}");
    let within = next(block.start + 5).await.unwrap();
    assert_eq!((within.start, within.end), (block.start + 5, found.end));
    if found.end < 3 * HOLE {
        assert_eq!(next(found.end).await, None, "the file ends with a hole");
    }
    assert_eq!(next(3 * HOLE).await, None);
    assert_eq!(next(1 << 40).await, None);
    drop(file);
    bench.finish().await;
}

async fn directories_are_made_once_and_listed<E: Engine>() {
    let bench = depth::<E>(2);
    bench.disk.create_dir(&bench.at("a")).await.unwrap();
    bench.disk.create_dir(&bench.at("a")).await.unwrap();
    bench.disk.create_dir(&bench.at("a/b")).await.unwrap();
    let orphan = bench.disk.create_dir(&bench.at("missing/b")).await;
    assert_eq!(kind(orphan), DiskErrorKind::NotFound);
    bench.plant("file", b"");
    let taken = bench.disk.create_dir(&bench.at("file")).await;
    assert_eq!(kind(taken), DiskErrorKind::Exists);
    assert_eq!(bench.names().await, ["a", "file"]);
    assert_eq!(kind(bench.disk.list_dir(&bench.at("x")).await), DiskErrorKind::NotFound);
    bench.disk.sync_dir(&bench.at("a")).await.unwrap();
    assert_eq!(kind(bench.disk.sync_dir(&bench.at("x")).await), DiskErrorKind::NotFound);
    assert!(bench.disk.free_space(&bench.root).await.unwrap().bytes > 0);
    assert_eq!(kind(bench.disk.free_space(&bench.at("x")).await), DiskErrorKind::NotFound);
    bench.finish().await;
}

async fn a_removed_file_stays_readable_until_it_is_closed<E: Engine>() {
    let bench = depth::<E>(2);
    bench.plant("file", b"still here");
    assert_eq!(kind(bench.disk.open(&bench.at("x")).await), DiskErrorKind::NotFound);
    let file = bench.disk.open(&bench.at("file")).await.unwrap();
    let stat = bench.disk.stat(&file).await.unwrap();
    assert_eq!((stat.size, stat.is_file), (10, true));
    bench.disk.remove(&bench.at("file")).await.unwrap();
    assert_eq!(kind(bench.disk.remove(&bench.at("file")).await), DiskErrorKind::NotFound);
    assert_eq!(kind(bench.disk.open(&bench.at("file")).await), DiskErrorKind::NotFound);
    assert_eq!(bench.read(&file, 20, 0).await, b"still here");
    drop(file);
    bench.finish().await;
}

async fn what_needs_no_wait_is_the_same_bytes_or_nothing<E: Engine>() {
    let bench = depth::<E>(2);
    let disk = &bench.disk;
    bench.plant("file", b"in memory");
    let opened = disk.open_resident(&bench.at("file"));
    assert!(opened.is_none_or(|(_, size)| size == 9));
    assert!(disk.open_resident(&bench.at("x")).is_none());
    let file = disk.open(&bench.at("file")).await.unwrap();
    let mut buffer = [0; 6];
    if disk.read_resident(&file, &mut buffer, 3) {
        assert_eq!(&buffer, b"memory");
    }
    assert!(!disk.read_resident(&file, &mut buffer, 4), "less than was asked for is nothing");
    disk.drain().await;
    assert!(disk.open_resident(&bench.at("file")).is_none());
    assert!(!disk.read_resident(&file, &mut buffer, 3), "refused after the drain");
    drop(file);
    bench.finish().await;
}

async fn a_file_is_opened_once_more_past_the_page_cache<E: Engine>() {
    const SIZE: usize = 2 * BLOCK_SIZE + 5;
    let bench = depth::<E>(2);
    let data = pattern(1, SIZE);
    bench.plant("file", &data);
    let file = bench.disk.open(&bench.at("file")).await.unwrap();
    // Just written, so it is in memory, in whole pages; or nobody can tell.
    let resident = bench.disk.resident_size(&file, 0..SIZE as u64);
    assert!(resident.is_none_or(|size| size >= SIZE as u64), "{resident:?}");
    match bench.disk.open_direct(&file).await {
        Ok(direct) => {
            let lease = bench.disk.slab().take(Pool::Upload).await;
            let offset = BLOCK_SIZE as u64;
            let read = read_blocks(&*bench.disk, &direct, lease, BLOCK_SIZE + 5, offset).await;
            assert_eq!(read.result.unwrap(), BLOCK_SIZE + 5);
            assert_eq!(read.lease[..BLOCK_SIZE + 5], data[BLOCK_SIZE..]);
        }
        Err(error) => println!("skipped: no direct I/O here ({error})"),
    }
    assert_eq!(bench.read(&file, 3, 1).await, data[1..4], "the first handle is as it was");
    drop(file);
    bench.finish().await;
}

async fn a_failed_transfer_gives_its_lease_back<E: Engine>() {
    let bench = depth::<E>(2);
    bench.plant("file", b"read only");
    let file = bench.disk.open(&bench.at("file")).await.unwrap();
    let lease = bench.filled(b"x").await;
    let write = bench.disk.write(&file, lease, 0..1, 0).await;
    assert_eq!(write.result.unwrap_err().errno(), Some(libc::EBADF));
    assert_eq!(write.lease[0], b'x');
    drop(write.lease);
    assert_eq!(bench.read(&file, 9, 0).await, b"read only");
    drop(file);
    bench.finish().await;
}

async fn a_thousand_operations_pass_a_queue_of_two<E: Engine>() {
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    let writes = (0..500).map(|index| {
        let mut lease = Lease::heap(512);
        lease.copy_from_slice(&pattern(index, 512));
        bench.disk.write(&file, lease, 0..512, index as u64 * 512)
    });
    for write in join_all(writes).await {
        assert_eq!(write.result.unwrap(), 512);
    }
    let reads =
        (0..500u64).map(|index| bench.disk.read(&file, Lease::heap(512), 0..512, index * 512));
    for (index, read) in join_all(reads).await.into_iter().enumerate() {
        assert_eq!(read.result.unwrap(), 512);
        assert_eq!(read.lease[..], pattern(index, 512));
    }
    let syncs = (0..20).map(|_| bench.disk.sync_data(&file));
    let stats = (0..100).map(|_| bench.disk.stat(&file));
    let (syncs, stats) = futures_util::join!(join_all(syncs), join_all(stats));
    assert!(syncs.iter().all(Result::is_ok));
    assert!(stats.iter().all(|stat| stat.as_ref().unwrap().size == 500 * 512));
    drop(file);
    bench.finish().await;
}

async fn no_more_than_the_queue_depth_is_in_flight<E: Engine>() {
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    let mut writes: Vec<Op<Transfer>> = Vec::new();
    for index in 0..10u64 {
        let lease = bench.filled(&pattern(1, CHUNK_SIZE)).await;
        let offset = index * CHUNK_SIZE as u64;
        let mut write = bench.disk.write(&file, lease, 0..CHUNK_SIZE, offset);
        assert!(poll!(&mut write).is_pending());
        writes.push(write);
    }
    assert_eq!(bench.disk.slab().in_use(Pool::Upload), 10);
    drop(writes);
    // What waited for its turn gave its lease back at once; what is in flight keeps it.
    if E::DROPS_WHAT_WAITS {
        assert!(bench.disk.slab().in_use(Pool::Upload) <= 2);
    }
    drop(file);
    bench.finish().await;
}

async fn what_was_begun_is_done_when_the_drain_resolves<E: Engine>() {
    let bench = depth::<E>(4);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    bench.disk.link(&file, &bench.at("file")).await.unwrap();
    for index in 0..4 {
        let lease = bench.filled(&pattern(index, CHUNK_SIZE)).await;
        let offset = (index * CHUNK_SIZE) as u64;
        let write = bench.disk.write(&file, lease, 0..CHUNK_SIZE, offset);
        abandon(write, 1).await;
    }
    drop(file);
    bench.disk.drain().await;
    let contents = bench.contents("file").unwrap();
    assert_eq!(contents.len(), 4 * CHUNK_SIZE);
    for (index, chunk) in (0..4).zip(contents.chunks(CHUNK_SIZE)) {
        assert_eq!(chunk, pattern(index, CHUNK_SIZE));
    }
    bench.finish().await;
}

async fn futures_dropped_at_every_await_lose_nothing<E: Engine>() {
    for tmpfile in [true, false] {
        let bench = E::bench(&Options { queue_depth: 2, tmpfile });
        bench.plant("other", b"other");
        let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
        bench.disk.link(&file, &bench.at("file")).await.unwrap();
        for polls in 0..8 {
            drop_each_operation(&bench, &file, polls).await;
            let mark = pattern(100 + polls, 8);
            bench.write(&file, &mark, region(polls).end as u64 - 8).await;
            assert_eq!(bench.read(&file, 8, region(polls).end as u64 - 8).await, mark);
        }
        drop(file);
        bench.disk.drain().await;
        let contents = bench.contents("file").unwrap();
        for polls in 0..8 {
            let found = &contents[region(polls)];
            let (written, mark) = found.split_at(found.len() - 8);
            assert_eq!(mark, pattern(100 + polls, 8));
            // Never polled, never begun; polled once, done to the end.
            let expected =
                if polls == 0 { vec![0; CHUNK_SIZE] } else { pattern(polls, CHUNK_SIZE) };
            assert!(written == expected, "given up after {polls} polls");
        }
        assert_eq!(bench.contents("other").unwrap(), b"other");
        for polls in 0..8 {
            let given = bench.contents(&format!("small-{polls}")).is_some();
            assert_eq!(given, polls > 0, "names given up after {polls} polls");
        }
        bench.finish().await;
    }
}

/// The part of the file that the round of `polls` writes to: a chunk and a mark of 8 bytes.
fn region(polls: usize) -> Range<usize> {
    let size = CHUNK_SIZE + 8;
    polls * size..(polls + 1) * size
}

async fn drop_each_operation(bench: &Bench, file: &File, polls: usize) {
    let (disk, root) = (&bench.disk, &bench.root);
    let lease = bench.filled(&pattern(polls, CHUNK_SIZE)).await;
    let offset = region(polls).start as u64;
    abandon(disk.write(file, lease, 0..CHUNK_SIZE, offset), polls).await;
    let lease = disk.slab().take(Pool::Download).await;
    abandon(disk.read(file, lease, 0..CHUNK_SIZE, 0), polls).await;
    abandon(disk.create_unnamed(root), polls).await;
    abandon(disk.open(&bench.at("other")), polls).await;
    abandon(disk.open_beneath(root, Path::new("other")), polls).await;
    let unnamed = disk.create_unnamed(root).await.unwrap();
    abandon(disk.link(&unnamed, &bench.at(&format!("link-{polls}"))), polls).await;
    let unnamed = disk.create_unnamed(root).await.unwrap();
    abandon(disk.replace(&unnamed, &bench.at(&format!("link-{polls}"))), polls).await;
    abandon(disk.set_attributes(&unnamed, disk.stat(&unnamed).await.unwrap()), polls).await;
    abandon(disk.next_data(&unnamed, 0), polls).await;
    abandon(disk.open_direct(&unnamed), polls).await;
    abandon(disk.sync_data(&unnamed), polls).await;
    abandon(disk.allocate(&unnamed, 0, 4096), polls).await;
    abandon(disk.truncate(&unnamed, 100), polls).await;
    abandon(disk.stat(&unnamed), polls).await;
    abandon(disk.create_dir(&bench.at("dir")), polls).await;
    abandon(disk.list_dir(root), polls).await;
    abandon(disk.sync_dir(root), polls).await;
    abandon(disk.free_space(root), polls).await;
    abandon(disk.remove(&bench.at("missing")), polls).await;
    for care in [Care::Cached, Care::Durable] {
        let (disk, root) = (Rc::clone(disk), root.clone());
        let lease = bench.filled(&pattern(polls, CHUNK_SIZE)).await;
        let making = async move { create_written(&*disk, &root, lease, 0..BLOCK_SIZE, care).await };
        abandon(Box::pin(making), polls).await;
    }
    let unnamed = disk.create_unnamed(root).await.unwrap();
    let (disk, names) = (Rc::clone(disk), vec![(unnamed, bench.at(&format!("small-{polls}")))]);
    let linking = async move { link_all(&*disk, names, Care::Durable).await };
    abandon(Box::pin(linking), polls).await;
}

async fn after_the_drain_everything_is_refused<E: Engine>() {
    let bench = depth::<E>(2);
    let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
    let stat = bench.disk.stat(&file).await.unwrap();
    let root = &bench.root;
    {
        // A drain whose answer nobody took is no trouble, and a second one neither.
        let mut abandoned = pin!(bench.disk.drain());
        assert!(poll!(&mut abandoned).is_ready(), "nothing was in flight");
    }
    bench.disk.drain().await;
    bench.disk.drain().await;
    let disk = &bench.disk;
    let refusals = [
        kind(disk.open_direct(&file).await.map(drop)),
        kind(disk.create_dir(&bench.at("x")).await),
        kind(disk.list_dir(root).await),
        kind(disk.create_unnamed(root).await),
        kind(disk.open(root).await),
        kind(disk.open_beneath(root, Path::new("x")).await),
        kind(disk.stat(&file).await),
        kind(disk.allocate(&file, 0, 1).await),
        kind(disk.truncate(&file, 0).await),
        kind(disk.sync_data(&file).await),
        kind(disk.link(&file, &bench.at("x")).await),
        kind(disk.replace(&file, &bench.at("x")).await),
        kind(disk.set_attributes(&file, stat).await),
        kind(disk.next_data(&file, 0).await),
        kind(disk.sync_dir(root).await),
        kind(disk.remove(&bench.at("x")).await),
        kind(disk.free_space(root).await),
        kind(disk.write(&file, bench.filled(b"x").await, 0..1, 0).await.result),
        kind(disk.read(&file, bench.filled(b"x").await, 0..1, 0).await.result),
    ];
    assert_eq!(refusals, [DiskErrorKind::Cancelled; 19]);
    for care in [Care::Cached, Care::Durable] {
        let made = create_written(&**disk, root, bench.filled(b"x").await, 0..1, care).await;
        assert_eq!(kind(made.result), DiskErrorKind::Cancelled);
        let named = link_all(&**disk, vec![(file.clone(), bench.at("x"))], care).await.remove(0);
        assert_eq!(kind(named), DiskErrorKind::Cancelled);
    }
    drop(file);
    bench.finish().await;
}
