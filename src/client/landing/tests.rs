//! Files that land on real disks by both engines, and on one that has bad days.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::poll;

use super::*;
use crate::disk::{
    Disk, EngineChoice, Fault, FaultPlan, FaultyDisk, MemoryDisk, Slab, SlabOptions,
};
use crate::worker::RuntimeKind;

const CHUNK: usize = 16 << 10;

fn options(engine: EngineChoice) -> DockOptions {
    DockOptions { engine, in_flight: 4, chunk_size: CHUNK, durable: true }
}

fn docks() -> [Dock; 2] {
    [EngineChoice::Auto, EngineChoice::Threads]
        .map(|engine| Dock::open(options(engine), &std::env::temp_dir()).unwrap())
}

fn bytes(size: usize) -> Bytes {
    (0..251u8).cycle().take(size).collect::<Vec<_>>().into()
}

fn berth(target: &Path, size_bytes: Option<u64>) -> Berth {
    Berth { target: target.to_owned(), replace: false, size_bytes }
}

/// Writes pieces of this size, the last ones first.
async fn write_backwards(landing: &Landing, data: &Bytes, piece: usize) {
    let starts = (0..data.len()).step_by(piece).rev();
    let writes = starts.map(|start| {
        let end = data.len().min(start + piece);
        landing.write(start as u64, data.slice(start..end))
    });
    try_join_all(writes).await.unwrap();
}

fn names(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn pieces_in_any_order_become_the_file() {
    let dir = tempfile::tempdir().unwrap();
    for (index, dock) in docks().into_iter().enumerate() {
        for size in [0, 1, 4095, 4096, CHUNK, CHUNK + 1, 10 * CHUNK + 77] {
            for (piece, told) in [(CHUNK, true), (4 * CHUNK, false), (1000, true), (333, false)] {
                let name = dir.path().join(format!("{index}-{size}-{piece}"));
                let told = told.then_some(size as u64);
                let landing = dock.create(berth(&name, told)).await.unwrap();
                let data = bytes(size);
                write_backwards(&landing, &data, piece).await;
                assert!(!name.exists(), "no name before it is whole");
                landing.publish(size as u64, None).await.unwrap();
                assert_eq!(fs::read(&name).unwrap(), data, "{size} bytes in pieces of {piece}");
            }
        }
    }
}

#[tokio::test]
async fn frames_of_any_size_become_one_piece() {
    let dir = tempfile::tempdir().unwrap();
    let data = bytes(3 * CHUNK + 9);
    for (index, dock) in docks().into_iter().enumerate() {
        for size in [1000, CHUNK, CHUNK + 1, 4 * CHUNK] {
            let name = dir.path().join(format!("{index}-{size}"));
            let landing = dock.create(berth(&name, Some(data.len() as u64))).await.unwrap();
            let mut frames: Vec<Bytes> = data.chunks(size).map(Bytes::copy_from_slice).collect();
            frames.insert(1, Bytes::new());
            landing.write_frames(0, frames).await.unwrap();
            landing.publish(data.len() as u64, None).await.unwrap();
            assert_eq!(fs::read(&name).unwrap(), data, "frames of {size}");
        }
    }
}

#[tokio::test]
async fn a_piece_that_is_found_bad_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    for (index, dock) in docks().into_iter().enumerate() {
        let name = dir.path().join(format!("{index}"));
        let landing = dock.create(berth(&name, Some(2 * CHUNK as u64))).await.unwrap();
        let data = bytes(CHUNK);
        for (offset, verdict) in [(0, true), (CHUNK as u64, false)] {
            let frames = data.chunks(999).map(Bytes::copy_from_slice).collect();
            let check = move |piece: &[u8]| (verdict, piece.len());
            let judged = landing.write_checked(offset, frames, check).await.unwrap();
            assert_eq!(judged, (verdict, CHUNK));
        }
        landing.publish(2 * CHUNK as u64, None).await.unwrap();
        assert_eq!(fs::read(&name).unwrap(), [&data[..], &[0; CHUNK]].concat());
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_replaced_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    for (index, dock) in docks().into_iter().enumerate() {
        let name = dir.path().join(format!("taken-{index}"));
        fs::write(&name, "old").unwrap();
        let landing = dock.create(berth(&name, Some(3))).await.unwrap();
        landing.write(0, Bytes::from_static(b"new")).await.unwrap();
        let refused = landing.publish(3, None).await.unwrap_err();
        assert!(matches!(refused, LandingError::Exists), "{refused}");
        assert_eq!(fs::read(&name).unwrap(), b"old");
        let again = landing.publish(3, None).await.unwrap_err();
        assert!(matches!(again, LandingError::Abandoned), "{again}");

        let wanted = Berth { replace: true, ..berth(&name, None) };
        let landing = dock.create(wanted).await.unwrap();
        landing.write(0, Bytes::from_static(b"new")).await.unwrap();
        landing.publish(3, None).await.unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"new");
    }
    assert_eq!(names(dir.path()), 2, "nothing else is left");
}

#[tokio::test]
async fn what_is_dropped_has_no_name() {
    let dir = tempfile::tempdir().unwrap();
    for dock in docks() {
        let landing = dock.create(berth(&dir.path().join("never"), Some(9))).await.unwrap();
        landing.write(0, bytes(9)).await.unwrap();
        drop(landing);
        assert_eq!(names(dir.path()), 0);
    }
}

#[tokio::test]
async fn a_part_is_gone_on_with_and_belongs_to_one() {
    let dir = tempfile::tempdir().unwrap();
    let (part, target) = (dir.path().join(".part"), dir.path().join("whole"));
    let data = bytes(3 * CHUNK + 5);
    for dock in docks() {
        let wanted = Berth { replace: true, ..berth(&target, Some(data.len() as u64)) };
        let first = dock.resume(&part, wanted.clone()).await.unwrap();
        first.write(CHUNK as u64, data.slice(CHUNK..3 * CHUNK)).await.unwrap();
        let second = dock.resume(&part, wanted.clone()).await.unwrap_err();
        assert!(matches!(second, LandingError::Busy), "{second}");
        drop(first);

        let landing = dock.resume(&part, wanted).await.unwrap();
        let kept = landing.read(CHUNK as u64 + 7, 2 * CHUNK - 7).await.unwrap();
        assert_eq!(kept, data.slice(CHUNK + 7..3 * CHUNK));
        landing.write(0, data.slice(..CHUNK)).await.unwrap();
        landing.write(3 * CHUNK as u64, data.slice(3 * CHUNK..)).await.unwrap();
        let end = landing.read(3 * CHUNK as u64, 5).await.unwrap();
        assert_eq!(end, data.slice(3 * CHUNK..));
        landing.publish(data.len() as u64, None).await.unwrap();
        assert_eq!(fs::read(&target).unwrap(), data);
        assert_eq!(names(dir.path()), 1, "the part has become the file");
    }
}

#[tokio::test]
async fn a_part_that_is_no_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join(".part");
    let [dock, _] = docks();
    let target = dir.path().join("file");
    std::os::unix::fs::symlink(&target, &part).unwrap();
    let refused = dock.resume(&part, berth(&target, None)).await.unwrap_err();
    assert!(matches!(refused, LandingError::NotRegular), "{refused}");
    fs::remove_file(&part).unwrap();
    fs::create_dir(&part).unwrap();
    let refused = dock.resume(&part, berth(&target, None)).await.unwrap_err();
    assert!(matches!(refused, LandingError::NotRegular), "{refused}");
    let nowhere = dir.path().join("missing/file");
    let refused = dock.create(berth(&nowhere, None)).await.unwrap_err();
    assert!(matches!(refused, LandingError::NoDirectory(_)), "{refused}");
}

#[tokio::test]
async fn permissions_and_time_are_those_that_were_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for (index, dock) in docks().into_iter().enumerate() {
        let name = dir.path().join(format!("{index}"));
        let landing = dock.create(berth(&name, Some(5))).await.unwrap();
        landing.write(0, bytes(5)).await.unwrap();
        let modified = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let wanted = Attributes { mode: 0o4751, modified };
        assert!(landing.publish(5, Some(wanted)).await.unwrap());
        let found = fs::metadata(&name).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, 0o751);
        assert_eq!(found.mtime(), 1_000_000_000);
    }
}

/// A dock in memory, whose disk does what `plan` says.
fn faulty(plan: FaultPlan) -> Dock {
    let open = move || -> std::io::Result<Rc<dyn Disk>> {
        let sizes = SlabOptions { chunk_size: CHUNK, chunk_count: 2, read_count: 1 };
        let memory = Rc::new(MemoryDisk::new(Slab::new(sizes)?, 2));
        memory.plant(Path::new("/to/other"), b"other");
        Ok(Rc::new(FaultyDisk::new(memory, plan)))
    };
    Dock::start(RuntimeKind::Plain, 2, true, open).unwrap()
}

#[tokio::test]
async fn after_a_failed_write_a_landing_stays_failed() {
    // Operations: 0 creates, 1 writes.
    let dock = faulty(FaultPlan::fail_nth(1, Fault::Errno(libc::EIO)));
    let landing = dock.create(berth(Path::new("/to/file"), None)).await.unwrap();
    let failed = landing.write(0, bytes(CHUNK)).await.unwrap_err();
    assert!(matches!(failed, LandingError::Failed(_)), "{failed}");
    for next in [landing.write(0, bytes(1)).await, landing.publish(0, None).await.map(drop)] {
        assert!(matches!(next, Err(LandingError::Abandoned)), "{next:?}");
    }
}

#[tokio::test]
async fn no_room_is_an_error_of_its_own() {
    let dock = faulty(FaultPlan::fail_nth(1, Fault::Errno(libc::ENOSPC)));
    let refused = dock.create(berth(Path::new("/to/file"), Some(9))).await.unwrap_err();
    assert!(matches!(refused, LandingError::Full(_)), "{refused}");
}

#[tokio::test]
async fn no_step_of_publishing_is_skipped_when_one_fails() {
    // 0 creates, 1 writes, 2 cuts, 3 syncs, 4 links, 5 syncs the directory.
    for failing in 2..=5 {
        let dock = faulty(FaultPlan::fail_nth(failing, Fault::Errno(libc::EIO)));
        let landing = dock.create(berth(Path::new("/to/file"), None)).await.unwrap();
        landing.write(0, bytes(10)).await.unwrap();
        let failed = landing.publish(10, None).await.unwrap_err();
        assert!(matches!(failed, LandingError::Failed(_)), "{failing}: {failed}");
        let found = dock.run(|disk| async move { Ok(disk.open(Path::new("/to/file")).await?) });
        assert!(found.await.is_err(), "operation {failing} failed, and the name is there");
    }
}

#[tokio::test]
async fn a_dropped_write_goes_on_and_publishing_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    for (index, dock) in docks().into_iter().enumerate() {
        for polls in 0..4 {
            let name = dir.path().join(format!("{index}-{polls}"));
            let data = bytes(8 * CHUNK);
            let landing = dock.create(berth(&name, Some(data.len() as u64))).await.unwrap();
            write_backwards(&landing, &data, CHUNK).await;
            {
                let mut again = std::pin::pin!(landing.write(0, data.clone()));
                for _ in 0..polls {
                    let _ = poll!(&mut again);
                }
            }
            landing.publish(data.len() as u64, None).await.unwrap();
            assert_eq!(fs::read(&name).unwrap(), data, "dropped after {polls} polls");
        }
    }
}

#[test]
fn a_dock_serves_several_runtimes_at_once() {
    fn is_send<T: Send + Sync + Clone>(_: &T) {}
    let dir = tempfile::tempdir().unwrap();
    let [dock, _] = docks();
    is_send(&dock);
    let threads = (0..3).map(|index| {
        let (dock, name) = (dock.clone(), dir.path().join(format!("{index}")));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let landing = dock.create(berth(&name, None)).await.unwrap();
                is_send(&landing);
                write_backwards(&landing, &bytes(20 * CHUNK), CHUNK).await;
                landing.publish(20 * CHUNK as u64, None).await.unwrap();
            });
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(names(dir.path()), 3);
}
