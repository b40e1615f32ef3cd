//! The part of the contract that is about small files made in one step, and about names.

use super::bench::{CHUNK_SIZE, Engine, Options, depth, kind, pattern};
use crate::base::limits::{BLOCK_SIZE, INLINE_LINKS_MAX};
use crate::disk::{Care, DiskErrorKind, create_written, link_all};

pub(super) async fn a_link_never_replaces<E: Engine>() {
    for tmpfile in [true, false] {
        let bench = E::bench(&Options { queue_depth: 2, tmpfile });
        let first = bench.disk.create_unnamed(&bench.root).await.unwrap();
        let second = bench.disk.create_unnamed(&bench.root).await.unwrap();
        bench.write(&first, b"first", 0).await;
        bench.write(&second, b"second", 0).await;
        bench.disk.link(&first, &bench.at("name")).await.unwrap();
        let taken = bench.disk.link(&second, &bench.at("name")).await;
        assert_eq!(kind(taken), DiskErrorKind::Exists);
        let nowhere = bench.disk.link(&second, &bench.at("missing/name")).await;
        assert_eq!(kind(nowhere), DiskErrorKind::NotFound);
        bench.disk.link(&second, &bench.at("other")).await.unwrap();
        drop((first, second));
        assert_eq!(bench.names().await, ["name", "other"]);
        assert_eq!(bench.contents("name").unwrap(), b"first");
        assert_eq!(bench.contents("other").unwrap(), b"second");
        bench.finish().await;
    }
}

pub(super) async fn a_replacement_takes_the_name_of_another_file<E: Engine>() {
    for tmpfile in [true, false] {
        let bench = E::bench(&Options { queue_depth: 2, tmpfile });
        bench.plant("name", b"old");
        bench.plant("directory/file", b"");
        let old = bench.disk.open(&bench.at("name")).await.unwrap();
        let new = bench.disk.create_unnamed(&bench.root).await.unwrap();
        bench.write(&new, b"new", 0).await;
        let nowhere = bench.disk.replace(&new, &bench.at("missing/name")).await;
        assert_eq!(kind(nowhere), DiskErrorKind::NotFound);
        let lost = bench.disk.create_unnamed(&bench.root).await.unwrap();
        let directory = bench.disk.replace(&lost, &bench.at("directory")).await;
        assert!(directory.is_err(), "a file is no directory's replacement");
        drop(lost);
        bench.disk.replace(&new, &bench.at("name")).await.unwrap();
        assert_eq!(bench.read(&old, 10, 0).await, b"old", "who has it open keeps it");
        let other = bench.disk.create_unnamed(&bench.root).await.unwrap();
        bench.disk.replace(&other, &bench.at("free")).await.unwrap();
        drop((old, new, other));
        assert_eq!(bench.names().await, ["directory", "free", "name"]);
        assert_eq!(bench.contents("name").unwrap(), b"new");
        bench.finish().await;
    }
}

pub(super) async fn a_small_file_is_made_in_one_step<E: Engine>() {
    for tmpfile in [true, false] {
        let bench = E::bench(&Options { queue_depth: 2, tmpfile });
        let disk = &*bench.disk;
        let data = pattern(3, 2 * BLOCK_SIZE);
        for care in [Care::Cached, Care::Direct, Care::Durable] {
            let name = format!("{care:?}");
            let lease = bench.filled(&pattern(3, CHUNK_SIZE)).await;
            let made = create_written(disk, &bench.root, lease, 0..data.len(), care).await;
            assert_eq!(made.lease[..], pattern(3, CHUNK_SIZE), "its buffer is left alone");
            let file = made.result.unwrap();
            assert_eq!(bench.contents(&name), None, "it has no name yet");
            assert_eq!(disk.stat(&file).await.unwrap().size, data.len() as u64);
            link_all(disk, vec![(file, bench.at(&name))], care).await.remove(0).unwrap();
            assert_eq!(bench.contents(&name).unwrap(), data);
            let nowhere = bench.at("missing");
            let made = create_written(disk, &nowhere, made.lease, 0..data.len(), care).await;
            assert_eq!(kind(made.result), DiskErrorKind::NotFound);
            assert_eq!((made.write_duration, made.sync_duration), (None, None));
            drop(made.lease);
            assert!(disk.sync_dir(&bench.root).await.is_ok());
        }
        assert_eq!(bench.names().await, ["Cached", "Direct", "Durable"]);
        bench.finish().await;
    }
}

pub(super) async fn names_are_given_together_and_answered_one_by_one<E: Engine>() {
    for care in [Care::Cached, Care::Durable] {
        let bench = depth::<E>(2);
        bench.plant("taken", b"somebody else's");
        // More than any engine takes at once.
        let mut names = Vec::new();
        for index in 0..100 {
            let file = bench.disk.create_unnamed(&bench.root).await.unwrap();
            let name = if index % 10 == 3 { "taken".to_owned() } else { format!("{index:02}") };
            names.push((file, bench.at(&name)));
        }
        for count in [100 - INLINE_LINKS_MAX, INLINE_LINKS_MAX] {
            let first = 100 - names.len();
            let answers = link_all(&*bench.disk, names.drain(..count).collect(), care).await;
            assert_eq!(answers.len(), count);
            for (index, answer) in (first..).zip(answers) {
                let expected = (index % 10 == 3).then_some(DiskErrorKind::Exists);
                assert_eq!(answer.err().map(|error| error.kind()), expected, "{index}");
            }
        }
        assert_eq!(bench.names().await.len(), 91);
        assert_eq!(bench.contents("taken").unwrap(), b"somebody else's");
        assert!(link_all(&*bench.disk, Vec::new(), care).await.is_empty());
        bench.finish().await;
    }
}
