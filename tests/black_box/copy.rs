//! `ringhold copy`: what comes out is what went in, with its holes, permissions and time; a name is
//! replaced only on request and in one step; whatever ends a copy early leaves nothing.

use std::fs::{self, FileTimes, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Volume, allocated_bytes, engines, heavy, names_below, payload, signal};

const CHUNK: usize = 64 << 10;
/// The defaults are too large to have borders in small files.
const SMALL_CHUNKS: [&str; 4] = ["--chunk-size", "64KiB", "--queue-depth", "4"];

/// A directory on the disk, and not in memory.
fn place() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn command(arguments: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    command.arg("copy").args(arguments).env_clear();
    command
}

fn copy(flags: &[&str], paths: &[&Path]) -> Output {
    command(paths).args(flags).output().unwrap()
}

/// Copies, which must work; what it says on stdout.
fn copied(flags: &[&str], paths: &[&Path]) -> String {
    let output = copy(flags, paths);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Tries to copy; the exit code, and what it says on stderr.
fn refused(flags: &[&str], paths: &[&Path]) -> (i32, String) {
    let output = copy(flags, paths);
    assert_eq!(output.stdout, b"");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn write(path: &Path, data: &[u8]) -> PathBuf {
    fs::write(path, data).unwrap();
    path.to_owned()
}

#[test]
fn every_size_comes_out_as_it_went_in_on_every_engine() {
    let place = place();
    for engine in engines() {
        for size in [0, 1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 1] {
            for extra in [&[][..], &["--verify"], &["--durability", "none"]] {
                let data = payload(size as u64, size);
                let source = write(&place.path().join("source"), &data);
                let target = place.path().join("target");
                let flags = [&["--engine", engine.name()], &SMALL_CHUNKS[..], extra].concat();
                let said = copied(&flags, &[&source, &target]);
                assert_eq!(fs::read(&target).unwrap(), data, "{size} bytes, {flags:?}");
                if extra == ["--verify"] {
                    let hash = blake3::hash(&data).to_hex();
                    assert_eq!(said, format!("{hash}  {}\n", target.display()));
                } else {
                    assert_eq!(said, "", "stdout is for data");
                }
                fs::remove_file(&target).unwrap();
            }
        }
    }
    assert_eq!(names_below(place.path()).len(), 1, "the source alone");
}

#[test]
fn a_large_file_is_copied_with_the_defaults() {
    let place = place();
    let size = if heavy() { 1 << 30 } else { 40 << 20 };
    let data = payload(1, size + 12_345);
    let source = write(&place.path().join("source"), &data);
    let output = copy(&["--verify"], &[&source, &place.path().join("target")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("copied 1 file, ") && said.ends_with(", verified\n"), "{said}");
    assert!(fs::read(place.path().join("target")).unwrap() == data);
}

#[test]
fn holes_stay_holes_and_a_hole_at_the_end_keeps_its_length() {
    let place = place();
    let source = place.path().join("source");
    let file = OpenOptions::new().create_new(true).write(true).open(&source).unwrap();
    file.write_all_at(&payload(1, 100_000), 5 << 20).unwrap();
    file.write_all_at(&payload(2, 4096), 20 << 20).unwrap();
    file.set_len((1 << 30) + 77).unwrap();
    file.sync_all().unwrap();
    for engine in engines() {
        for verify in [&[][..], &["--verify"]] {
            let target = place.path().join(format!("{}-{}", engine.name(), verify.len()));
            copied(&[&["--engine", engine.name()], verify].concat(), &[&source, &target]);
            assert_eq!(fs::metadata(&target).unwrap().len(), (1 << 30) + 77);
            let taken = fs::metadata(&target).unwrap().blocks() * 512;
            assert!(taken <= 1 << 20, "{taken} bytes are taken");
            let same = Command::new("cmp").args([&source, &target]).status().unwrap();
            assert!(same.success());
        }
    }
}

#[test]
fn permissions_and_time_are_kept() {
    let place = place();
    let source = write(&place.path().join("source"), b"#!/bin/sh\n");
    let modified = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::set_permissions(&source, Permissions::from_mode(0o4754)).unwrap();
    let file = OpenOptions::new().write(true).open(&source).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    for engine in engines() {
        let target = place.path().join(engine.name());
        copied(&["--engine", engine.name()], &[&source, &target]);
        let found = fs::metadata(&target).unwrap();
        assert_eq!(found.modified().unwrap(), modified);
        assert_eq!(found.permissions().mode() & 0o7777, 0o754, "all but the set-user-ID bit");
    }
}

#[test]
fn a_directory_takes_files_under_their_own_names() {
    let place = place();
    let sources = ["a", "b"].map(|name| write(&place.path().join(name), name.as_bytes()));
    let directory = place.path().join("directory");
    fs::create_dir(&directory).unwrap();
    copied(&[], &[&sources[0], &directory]);
    assert_eq!(fs::read(directory.join("a")).unwrap(), b"a");
    let said = copied(&["--force", "--json"], &[&sources[0], &sources[1], &directory]);
    assert_eq!(fs::read(directory.join("b")).unwrap(), b"b");
    let told: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1]["target"], directory.join("b").to_str().unwrap());
    assert_eq!((&told[1]["size"], &told[1]["blake3"]), (&1.into(), &Value::Null));
    // In the directory that one is in.
    let output = command(&[&directory.join("b"), Path::new("c")]).current_dir(&place).output();
    assert_eq!(output.unwrap().status.code(), Some(0));
    assert_eq!(fs::read(place.path().join("c")).unwrap(), b"b");
}

#[test]
fn what_cannot_be_copied_is_refused_with_a_reason() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    let (source, other) = (write(&at("source"), b"source"), write(&at("other"), b"other"));
    fs::hard_link(&source, at("again")).unwrap();
    symlink("source", at("link")).unwrap();
    fs::create_dir_all(at("directory/source")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let (free, null) = (at("free"), PathBuf::from("/dev/null"));
    for (flags, paths, code, words) in [
        (&[][..], &[&source, &other][..], 1, "it exists: give --force"),
        (&["--force"], &[&source, &at("again")], 1, "the source itself"),
        (&["--force"], &[&source, &source], 1, "the source itself"),
        (&["--force"], &[&source, &at("link")], 1, "the source itself"),
        (&["--force"], &[&source, &null], 1, "no regular file"),
        (&["--force"], &[&source, &at("directory")], 1, "it is a directory"),
        (&[], &[&at("directory"), &free], 1, "it is a directory"),
        (&[], &[&at("pipe"), &free], 1, "it is a pipe"),
        (&[], &[&null, &free], 1, "it is a device"),
        (&[], &[&at("missing"), &free], 1, "no such file"),
        (&[], &[&source, &at("missing/free")], 1, "there is no directory"),
        (&[], &[&source, &at("missing/")], 1, "there is no directory"),
        (&[], &[&source, &other, &free], 2, "into a directory"),
        (&["--force"], &[&source, &source, &at("directory")], 1, "it is a directory"),
        (&[], &[&other, &other, &at("directory")], 2, "two of the files"),
        (&["--chunk-size", "5KiB"], &[&source, &free], 2, "--chunk-size"),
        (&["--queue-depth", "2000"], &[&source, &free], 2, "--queue-depth"),
        (&["--engine", "steam"], &[&source, &free], 2, "steam"),
    ] {
        let paths: Vec<&Path> = paths.iter().map(|path| path.as_path()).collect();
        let (found, said) = refused(flags, &paths);
        assert_eq!(found, code, "{paths:?}: {said}");
        assert!(said.contains(words), "{paths:?}: {said}");
    }
    assert!(!free.exists());
    assert_eq!(fs::read(&source).unwrap(), b"source");
    assert_eq!(fs::read(&other).unwrap(), b"other");
}

#[test]
fn a_replacement_is_whole_and_who_had_the_old_one_open_reads_on_in_it() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    let (source, target) = (write(&at("source"), &payload(1, 300_000)), write(&at("old"), b"old"));
    for engine in engines() {
        fs::write(&target, b"old").unwrap();
        let reader = fs::File::open(&target).unwrap();
        copied(&["--force", "--engine", engine.name()], &[&source, &target]);
        assert_eq!(fs::read(&target).unwrap(), payload(1, 300_000));
        let mut old = [0; 3];
        reader.read_exact_at(&mut old, 0).unwrap();
        assert_eq!(&old, b"old", "who had it open reads on in the old one");
    }
    assert_eq!(names_below(place.path()).len(), 2, "no temporary name is left");
}

#[test]
fn a_link_is_replaced_itself_and_what_it_leads_to_stays() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    let (source, old) = (write(&at("source"), b"source"), write(&at("old"), b"old"));
    fs::create_dir_all(at("directory/below")).unwrap();
    for leads_to in ["old", "nowhere", "/dev/null"] {
        symlink(leads_to, at("link")).unwrap();
        let (code, said) = refused(&[], &[&source, &at("link")]);
        assert!(code == 1 && said.contains("it exists: give --force"), "{said}");
        copied(&["--force"], &[&source, &at("link")]);
        assert!(fs::symlink_metadata(at("link")).unwrap().is_file(), "{leads_to}");
        assert_eq!(fs::read(at("link")).unwrap(), b"source");
        fs::remove_file(at("link")).unwrap();
    }
    assert_eq!(fs::read(&old).unwrap(), b"old");
    assert!(!at("nowhere").exists());
    // In a directory, too; one that is given by a link is still the directory.
    symlink("below", at("directory/source")).unwrap();
    symlink("directory", at("to")).unwrap();
    copied(&["--force"], &[&source, &at("to")]);
    assert_eq!(fs::read(at("directory/source")).unwrap(), b"source");
    assert!(at("directory/below").is_dir());
}

/// A copy that takes long enough to be interrupted: one chunk at a time of a large file.
fn slow_copy(place: &Path, flags: &[&str]) -> (Child, PathBuf) {
    let source = place.join("source");
    if !source.exists() {
        let file = OpenOptions::new().create_new(true).write(true).open(&source).unwrap();
        let mebibyte = payload(1, 1 << 20);
        for index in 0..64 {
            file.write_all_at(&mebibyte, index << 20).unwrap();
        }
        file.sync_all().unwrap();
    }
    let target = place.join("below/target");
    fs::create_dir_all(place.join("below")).unwrap();
    let mut slow = command(&[&source, &target]);
    slow.args(["--chunk-size", "4KiB", "--queue-depth", "1"]).args(flags);
    let mut child = slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_under_way(&mut child);
    (child, target)
}

/// Until the process has read something of the size of a file (proc(5), `io`).
fn wait_until_under_way(child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        if written.is_some_and(|bytes| bytes.parse::<u64>().unwrap() > 1 << 20) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        assert!(Instant::now() < deadline, "it never began: {io}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let place = place();
    for engine in engines() {
        for name in ["INT", "TERM"] {
            let (child, target) = slow_copy(place.path(), &["--engine", engine.name()]);
            signal(child.id(), name);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1), "SIG{name}: {output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains(&format!("SIG{name} stopped it")), "{said}");
            assert_eq!(names_below(target.parent().unwrap()), [""; 0].map(PathBuf::from));
        }
    }
}

#[test]
fn a_killed_copy_leaves_nothing_behind_and_an_old_file_as_it_was() {
    let place = place();
    for engine in engines() {
        let old = place.path().join("below/target");
        fs::create_dir_all(place.path().join("below")).unwrap();
        fs::write(&old, b"old").unwrap();
        let flags = ["--force", "--engine", engine.name()];
        let (mut child, target) = slow_copy(place.path(), &flags);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let mut left = names_below(target.parent().unwrap());
        if !is_nameless(place.path()) {
            left.retain(|path| {
                !path.file_name().unwrap().as_encoded_bytes().starts_with(b".unnamed-")
            });
        }
        assert_eq!(left, [target]);
    }
}

/// Whether a file gets no name there before it is whole: where a journal is known of.
fn is_nameless(dir: &Path) -> bool {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_ringhold"));
    doctor.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--root"]).arg(dir).env_clear();
    let told = String::from_utf8(doctor.output().unwrap().stdout).unwrap();
    told.lines().any(|line| line.contains("\"journal\"") && line.contains("\"kept\""))
}

#[test]
fn a_full_disk_is_told_with_a_remedy_and_nothing_is_left() {
    let volume = match Volume::ext4(16 << 20, &[]) {
        Ok(volume) => volume,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let place = place();
    let source = write(&place.path().join("source"), &payload(1, 20 << 20));
    let before = allocated_bytes(&volume.mount_point());
    for engine in engines() {
        let target = volume.mount_point().join("target");
        let (code, said) = refused(&["--engine", engine.name()], &[&source, &target]);
        assert_eq!(code, 1);
        assert!(said.contains("there is no room for it") && said.contains("free some"), "{said}");
        assert_eq!(allocated_bytes(&volume.mount_point()), before);
        assert!(!target.exists());
    }
}

#[test]
fn a_filesystem_in_memory_is_copied_to_and_from() {
    let volume = match Volume::tmpfs(64 << 20) {
        Ok(volume) => volume,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let place = place();
    let data = payload(1, (9 << 20) + 4321);
    let source = write(&place.path().join("source"), &data);
    for engine in engines() {
        let (there, back) = (volume.mount_point().join("there"), place.path().join("back"));
        let flags = ["--force", "--verify", "--engine", engine.name()];
        copied(&flags, &[&source, &there]);
        copied(&flags, &[&there, &back]);
        assert!(fs::read(&back).unwrap() == data);
    }
}

#[test]
fn a_source_that_grows_is_told_and_no_copy_is_kept() {
    let place = place();
    let (child, target) = slow_copy(place.path(), &[]);
    let source = OpenOptions::new().append(true).open(place.path().join("source")).unwrap();
    source.set_len(300 << 20).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("was written to while it was copied"), "{said}");
    assert_eq!(names_below(target.parent().unwrap()), [""; 0].map(PathBuf::from));
}

#[test]
fn progress_is_shown_where_it_is_asked_for() {
    let place = place();
    let (child, _) = slow_copy(place.path(), &["--progress", "always"]);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("source") && said.contains("left"), "{said:?}");
    let other = place.path().join("other");
    let quiet = copy(&[], &[&place.path().join("source"), &other]);
    let said = String::from_utf8(quiet.stderr).unwrap();
    assert!(said.lines().count() == 1 && said.starts_with("copied 1 file"), "{said:?}");
    let never = copy(&["--progress", "never", "--force", "--json"], &[&other, place.path()]);
    assert_eq!(never.status.code(), Some(1), "it is the file itself");
}
