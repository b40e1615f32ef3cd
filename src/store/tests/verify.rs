//! `verify` on the memory disk: a whole store is found whole, each kind of damage is found, told
//! with its place, and nothing else is.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::*;
use crate::disk::{Fault, FaultPlan, FaultyDisk};

const BLOCK: usize = 1 << 20;
const LARGE: usize = 2 * BLOCK + 100_001;

fn options() -> VerifyOptions {
    VerifyOptions { root: ROOT.into(), rate: None }
}

/// Checks everything; the findings in the order of their paths, and whether all could be listed.
async fn check(disk: Rc<dyn Disk>, progress: &Progress) -> (StoreResult<()>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut tell = |finding| {
        findings.push(finding);
        ControlFlow::Continue(())
    };
    let listed = verify(disk, &options(), progress, &mut tell).await;
    findings.sort_by_key(|finding| match finding {
        Finding::Damaged(damaged) => damaged.path.clone(),
        Finding::Strange { path, .. } => path.clone(),
    });
    (listed, findings)
}

async fn found(disk: Rc<dyn Disk>, progress: &Progress) -> Vec<Finding> {
    let (listed, findings) = check(disk, progress).await;
    listed.unwrap();
    findings
}

struct Planted {
    disk: Rc<MemoryDisk>,
    object: ObjectNumber,
    /// The object's file, as it was sealed.
    file: Vec<u8>,
}

impl Planted {
    async fn new(data: &[u8]) -> Planted {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let object = put(&store, data).await.unwrap().object;
        let file = disk.contents(&Layout::new(Path::new(ROOT)).object(object)).unwrap();
        Planted { disk, object, file }
    }

    fn path(&self) -> PathBuf {
        Layout::new(Path::new(ROOT)).object(self.object)
    }

    /// What is found wrong when the file is `changed`.
    async fn damages(&self, changed: &[u8]) -> Vec<Damage> {
        self.disk.plant(&self.path(), changed);
        let progress = Progress::default();
        let findings = found(Rc::clone(&self.disk) as Rc<dyn Disk>, &progress).await;
        assert_eq!(progress.damaged(), findings.len() as u64);
        let mut told = Vec::new();
        for finding in findings {
            let Finding::Damaged(damaged) = finding else { panic!("{finding:?}") };
            assert_eq!(Path::new(ROOT).join(&damaged.path), self.path());
            told.extend(damaged.damages);
        }
        told
    }

    async fn damages_of_flip(&self, at: usize) -> Vec<Damage> {
        let mut file = self.file.clone();
        file[at] ^= 1;
        self.damages(&file).await
    }
}

fn block(index: u64, start: usize, end: usize) -> Damage {
    let bytes = start as u64..end as u64;
    Damage::Blocks { first: index, last: index, bytes, fault: BlockFault::Hash }
}

fn is_seal(damages: &[Damage], words: &str) -> bool {
    matches!(damages, [Damage::Seal(why)] if why.contains(words))
}

#[test]
fn a_whole_store_is_found_whole() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let sizes = [0, 1, 4095, 4096, 200_000, 256 << 10, 300_000, BLOCK, BLOCK + 1, LARGE];
        for size in sizes {
            put(&store, &bytes(size, 1)).await.unwrap();
        }
        let progress = Progress::default();
        assert_eq!(found(Rc::clone(&disk) as Rc<dyn Disk>, &progress).await, []);
        assert_eq!((progress.objects(), progress.damaged()), (sizes.len() as u64, 0));
        assert_eq!(progress.directories(), 256);
        assert!(progress.bytes() > sizes.iter().sum::<usize>() as u64);
        assert_eq!(disk.handle_count(), 0, "every file is closed again");
    });
}

#[test]
fn a_flipped_byte_is_told_with_its_block() {
    run(async {
        let large = Planted::new(&bytes(LARGE, 1)).await;
        assert_eq!(large.damages(&large.file).await, []);
        for at in [0, BLOCK - 1] {
            assert_eq!(large.damages_of_flip(at).await, [block(0, 0, BLOCK)]);
        }
        assert_eq!(large.damages_of_flip(BLOCK).await, [block(1, BLOCK, 2 * BLOCK)]);
        assert_eq!(large.damages_of_flip(LARGE - 1).await, [block(2, 2 * BLOCK, LARGE)]);
        let small = Planted::new(&bytes(5000, 1)).await;
        assert_eq!(small.damages_of_flip(4999).await, [block(0, 0, 5000)]);
    });
}

#[test]
fn zeroed_neighbours_are_told_as_one_run() {
    run(async {
        let large = Planted::new(&bytes(LARGE, 1)).await;
        let mut file = large.file.clone();
        file[BLOCK..].iter_mut().take(BLOCK + 10).for_each(|byte| *byte = 0);
        let bytes = BLOCK as u64..LARGE as u64;
        let run = Damage::Blocks { first: 1, last: 2, bytes, fault: BlockFault::Hash };
        assert_eq!(large.damages(&file).await, [run]);
    });
}

#[test]
fn a_byte_between_data_and_seal_is_damage_of_the_padding_alone() {
    run(async {
        for size in [LARGE, 5000, 1] {
            let planted = Planted::new(&bytes(size, 1)).await;
            for at in [size, size.next_multiple_of(4096) - 1] {
                assert_eq!(planted.damages_of_flip(at).await, [Damage::Padding], "{at}");
            }
        }
    });
}

#[test]
fn damage_of_seal_tail_and_size_is_told_with_its_reason() {
    run(async {
        for size in [LARGE, 5000] {
            let planted = Planted::new(&bytes(size, 1)).await;
            let (start, end) = (size.next_multiple_of(4096), planted.file.len());
            assert!(is_seal(&planted.damages_of_flip(start).await, "checksum"));
            assert!(is_seal(&planted.damages_of_flip(start + 200).await, "checksum"));
            assert!(is_seal(&planted.damages_of_flip(end - 1).await, "checksum"));
            assert!(is_seal(&planted.damages_of_flip(end - 64).await, "tail magic"));
            assert!(is_seal(&planted.damages_of_flip(end - 40).await, "checksum"));
            let file = &planted.file;
            assert!(is_seal(&planted.damages(&file[..end - 4096]).await, "damaged seal"));
            assert!(is_seal(&planted.damages(&file[..end - 1]).await, "damaged seal"));
            assert!(is_seal(&planted.damages(&file[4096..]).await, "file size"));
            assert!(is_seal(&planted.damages(&[]).await, "no sealed object"));
        }
    });
}

#[test]
fn a_seal_whose_hashes_contradict_each_other_is_told() {
    run(async {
        let planted = Planted::new(&bytes(LARGE, 1)).await;
        let start = LARGE.next_multiple_of(4096);
        let mut seal = Seal::decode(&planted.file[start..]).unwrap();
        seal.blake3[0] ^= 1;
        let file = [&planted.file[..start], &seal.encode()].concat();
        assert_eq!(planted.damages(&file).await, [Damage::Root]);
    });
}

#[test]
fn an_object_in_the_wrong_directory_is_damage_and_others_are_strange() {
    run(async {
        let planted = Planted::new(&bytes(10, 1)).await;
        let disk = &planted.disk;
        let objects = Path::new(ROOT).join("objects");
        let other = planted.object.as_bytes()[0].wrapping_add(1);
        let wrong = format!("{other:02x}/{}", planted.object);
        disk.plant(&objects.join(&wrong), &planted.file);
        disk.plant(&objects.join("ff/readme"), b"hello");
        disk.plant(&objects.join("ff/.unnamed-1"), b"hello");
        disk.plant(&objects.join("readme"), b"hello");
        disk.plant(&objects.join("FF/x"), b"hello");
        let progress = Progress::default();
        let findings = found(Rc::clone(disk) as Rc<dyn Disk>, &progress).await;
        let damaged: Vec<_> = findings
            .iter()
            .filter_map(|finding| match finding {
                Finding::Damaged(damaged) => Some((damaged.path.clone(), &damaged.damages[..])),
                Finding::Strange { .. } => None,
            })
            .collect();
        assert_eq!(damaged, [(Path::new("objects").join(&wrong), &[Damage::Misplaced][..])]);
        let strange: Vec<_> = findings
            .iter()
            .filter_map(|finding| match finding {
                Finding::Strange { path, why } => Some((path.to_str().unwrap(), *why)),
                Finding::Damaged(_) => None,
            })
            .collect();
        assert_eq!(
            strange,
            [
                ("objects/FF", "it is no directory of objects"),
                ("objects/ff/.unnamed-1", "it is left from an unfinished upload"),
                ("objects/ff/readme", "it is no object"),
                ("objects/readme", "it is no directory of objects"),
            ]
        );
        assert_eq!((progress.damaged(), progress.strange()), (1, 4));
    });
}

#[test]
fn what_is_no_regular_file_cannot_be_read() {
    run(async {
        let disk = prepared().await;
        let number = "00".repeat(16);
        for (target, why) in
            [("/etc/passwd", "leads out of its directory"), ("nowhere", "leads nowhere")]
        {
            let path = Path::new(ROOT).join("objects/00").join(&number);
            disk.plant_symlink(Path::new(target), &path);
            let findings = found(Rc::clone(&disk) as Rc<dyn Disk>, &Progress::default()).await;
            let [Finding::Damaged(damaged)] = &findings[..] else { panic!("{findings:?}") };
            let [Damage::Unreadable(said)] = &damaged.damages[..] else { panic!("{damaged:?}") };
            assert!(said.contains(why), "{said}");
        }
    });
}

#[test]
fn a_read_error_is_told_with_its_block_and_the_others_are_still_checked() {
    run(async {
        let planted = Planted::new(&bytes(LARGE, 1)).await;
        let mut told = 0;
        // 257 listings, and more than 130 reads somewhere among them.
        for nth in (0..390).step_by(13) {
            let plan = FaultPlan::fail_nth(nth, Fault::Errno(libc::EIO));
            let inner = Rc::clone(&planted.disk) as Rc<dyn Disk>;
            let disk = Rc::new(FaultyDisk::new(inner, plan)) as Rc<dyn Disk>;
            let (listed, findings) = check(disk, &Progress::default()).await;
            assert!(listed.is_err() || findings.len() <= 1, "one failure, one finding");
            for finding in findings {
                let Finding::Damaged(damaged) = finding else { panic!("{finding:?}") };
                if let [Damage::Blocks { first, last, fault: BlockFault::Read(why), .. }] =
                    &damaged.damages[..]
                {
                    assert_eq!(first, last);
                    assert!(why.contains("os error 5"), "{why}");
                    told += 1;
                }
            }
            assert_eq!(planted.disk.slab().in_use(Pool::Upload), 0);
        }
        assert!(told > 5, "reads of the data failed: {told}");
    });
}

#[test]
fn an_object_that_goes_while_it_is_checked_is_no_error() {
    run(async {
        let disk = prepared().await;
        let store = store_over(Rc::clone(&disk) as Rc<dyn Disk>);
        let mut objects = Vec::new();
        for _ in 0..40 {
            objects.push(put(&store, &bytes(100, 1)).await.unwrap().object);
        }
        let progress = Progress::default();
        let deletes = async {
            for object in objects {
                store.delete(object).await.unwrap();
            }
        };
        let (findings, ()) =
            futures_util::join!(found(Rc::clone(&disk) as Rc<dyn Disk>, &progress), deletes);
        assert_eq!(findings, []);
    });
}

#[test]
fn a_missing_directory_is_told_and_a_missing_store_is_an_error() {
    run(async {
        let disk = Rc::new(MemoryDisk::new(slab(), 4));
        let dyn_disk = || Rc::clone(&disk) as Rc<dyn Disk>;
        let (missing, _) = check(dyn_disk(), &Progress::default()).await;
        assert_eq!(missing.unwrap_err().kind(), StoreErrorKind::NotFound);
        disk.plant(&Path::new(ROOT).join("objects/00").join("00".repeat(16)), b"");
        let findings = found(dyn_disk(), &Progress::default()).await;
        assert_eq!(findings.len(), 1 + 255);
    });
}

#[test]
fn who_listens_may_break_off() {
    run(async {
        let disk = prepared().await;
        for index in 0..10 {
            disk.plant(&Path::new(ROOT).join(format!("objects/00/strange{index}")), b"");
        }
        let mut told = 0;
        verify(Rc::clone(&disk) as Rc<dyn Disk>, &options(), &Progress::default(), &mut |_| {
            told += 1;
            ControlFlow::Break(())
        })
        .await
        .unwrap();
        assert_eq!(told, 1);
    });
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept() {
    LocalSet::new()
        .run_until(async {
            let planted = Planted::new(&bytes(LARGE, 1)).await;
            let limited = VerifyOptions { rate: Some(100_000), ..options() };
            let began = tokio::time::Instant::now();
            let disk = Rc::clone(&planted.disk) as Rc<dyn Disk>;
            let mut nothing = |finding| panic!("{finding:?}");
            verify(disk, &limited, &Progress::default(), &mut nothing).await.unwrap();
            let seconds = began.elapsed().as_secs();
            assert!((20..30).contains(&seconds), "2.2 MB at 100 kB/s took {seconds} s");
        })
        .await;
}
