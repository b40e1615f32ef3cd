//! Judging the root: its filesystem's promises, the room on it, whose it is; the secret of file
//! IDs; the address. Pure.

use std::io;
use std::net::SocketAddr;

use super::facts::{Root, SecretFact};
use super::finding::Finding;
use crate::base::limits::BLOCK_SIZE;
use crate::base::units::ByteSize;
use crate::cli::{figures, printable};
use crate::disk::{Filesystem, FilesystemKind, Journal, Refusal, Tried, Works};

/// Fewer free files than this are worth a word.
const FREE_FILES_FEW: u64 = 10_000;

/// The root, with all that depends on it.
pub(super) fn judge(root: &Root, user_id: u32, min_free: u64) -> Vec<Finding> {
    let mut findings = vec![place(root, user_id)];
    if !root.found_is_directory {
        return findings;
    }
    let filesystem = match &root.filesystem {
        Ok(filesystem) => filesystem,
        Err(why) => {
            findings.push(Finding::problem(
                "filesystem",
                format!("{} cannot be asked: {why}", printable::path(&root.found)),
                "choose another --root",
            ));
            return findings;
        }
    };
    findings.push(kind(filesystem));
    findings.extend(journal(filesystem));
    match &filesystem.tried {
        Ok(tried) => findings.extend(features(tried, filesystem)),
        Err(refusal) => findings.push(unwritable(root, filesystem, refusal, user_id)),
    }
    if !root.is_one_filesystem {
        findings.push(Finding::problem(
            "one filesystem",
            "`staging` and `objects` of the root lie on different ones: no upload gets its name",
            "mount the whole root, and nothing inside of it",
        ));
    }
    findings.push(room(filesystem, min_free));
    findings.extend(filesystem.free_file_count.map(free_files));
    findings
}

fn place(root: &Root, user_id: u32) -> Finding {
    const CHECK: &str = "root";
    let (path, found) = (printable::path(&root.path), printable::path(&root.found));
    if !root.found_is_directory {
        return Finding::problem(
            CHECK,
            format!("{found} is no directory"),
            "choose another --root, or remove what is there",
        );
    }
    if root.is_locked {
        return Finding::ok(
            CHECK,
            format!("{path}: a daemon works on it now, and a second one would be refused"),
        );
    }
    if user_id == 0 && root.owner_id != 0 && root.path == root.found {
        return Finding::warning(
            CHECK,
            format!(
                "{path} belongs to user {}, and root may do what that user may not",
                root.owner_id
            ),
            "ask again as that user",
        );
    }
    if root.path != root.found {
        return Finding::ok(CHECK, format!("{path} is not there yet: it would be made"));
    }
    Finding::ok(CHECK, format!("{path}, of user {}", root.owner_id))
}

fn kind(filesystem: &Filesystem) -> Finding {
    const CHECK: &str = "filesystem";
    const REMEDY: &str = "put --root on a local ext4, XFS or btrfs; in a container, on a volume";
    match filesystem.kind {
        FilesystemKind::Local(name) => Finding::ok(CHECK, name),
        FilesystemKind::Memory(name) => Finding::warning(
            CHECK,
            format!("{name}: everything is gone with the next restart, whatever was acknowledged"),
            REMEDY,
        ),
        FilesystemKind::Overlay => Finding::warning(
            CHECK,
            "overlay: a container's own layer, which goes with the container",
            REMEDY,
        ),
        FilesystemKind::Remote(name) => Finding::warning(
            CHECK,
            format!("{name}: what an acknowledgement is worth is decided on the other side"),
            REMEDY,
        ),
        FilesystemKind::Unknown(number) => Finding::warning(
            CHECK,
            format!("of a kind not known here ({number:#x}): see that its fsync keeps its word"),
            REMEDY,
        ),
    }
}

/// Of a disk of this machine: what others promise is not a matter of their journals.
fn journal(filesystem: &Filesystem) -> Option<Finding> {
    const CHECK: &str = "journal";
    let FilesystemKind::Local(name) = filesystem.kind else { return None };
    Some(match filesystem.journal {
        Journal::Kept => Finding::ok(CHECK, "kept"),
        Journal::Untold => Finding::ok(
            CHECK,
            format!("none of {name} is known of: files get temporary names, and stay all the same"),
        ),
        Journal::Absent => Finding::warning(
            CHECK,
            "none: after a power cut the volume must pass e2fsck before it is mounted again",
            "tune2fs -O has_journal, while it is not mounted",
        ),
    })
}

fn unwritable(root: &Root, filesystem: &Filesystem, refusal: &Refusal, user_id: u32) -> Finding {
    let found = printable::path(&root.found);
    let remedy = match refusal.errno {
        _ if filesystem.is_read_only => "mount it read-write, or choose another --root".to_owned(),
        Some(libc::EROFS) => "mount it read-write, or choose another --root".to_owned(),
        Some(libc::EACCES | libc::EPERM) => {
            format!(
                "give it to user {user_id} (chown), or run as its owner, user {}",
                root.owner_id
            )
        }
        Some(libc::ENOSPC | libc::EDQUOT) => "make room".to_owned(),
        _ => "choose another --root".to_owned(),
    };
    Finding::problem("writing", format!("no file can be made in {found}: {}", refusal.why), remedy)
}

fn features(tried: &Tried, filesystem: &Filesystem) -> Vec<Finding> {
    vec![
        unnamed(tried),
        direct(tried, filesystem),
        optional(
            "page cache",
            &tried.page_cache,
            "large downloads all come through it, and are copied on their way",
        ),
        optional("preallocation", &tried.preallocation, "files may lie in more pieces"),
        needed("fdatasync", &tried.sync, "no upload can be acknowledged"),
        needed("naming", &tried.naming, "no upload gets its name (is /proc mounted?)"),
        needed("directory sync", &tried.directory_sync, "no name can be made durable"),
    ]
}

fn unnamed(tried: &Tried) -> Finding {
    const CHECK: &str = "unnamed files";
    if tried.unnamed {
        return Finding::ok(CHECK, "O_TMPFILE");
    }
    Finding::warning(
        CHECK,
        "none (O_TMPFILE): unfinished uploads have temporary names, swept at the next start",
        "a local ext4, XFS, btrfs or tmpfs has them",
    )
}

fn direct(tried: &Tried, filesystem: &Filesystem) -> Finding {
    const CHECK: &str = "direct I/O";
    let alignment = filesystem.direct_alignment.map_or(String::new(), |(memory, offset)| {
        format!(", aligned to {offset} bytes, in memory to {memory}")
    });
    match (&tried.direct, filesystem.direct_alignment) {
        (Ok(()), _) => Finding::ok(CHECK, format!("blocks of {BLOCK_SIZE}{alignment}")),
        (Err(why), Some((memory, offset))) if memory.max(offset) as usize > BLOCK_SIZE => {
            Finding::problem(
                CHECK,
                format!("blocks of {BLOCK_SIZE} bytes are refused ({why}){alignment}"),
                "choose a volume with blocks of at most 4 KiB, or --durability none",
            )
        }
        (Err(why), _) => Finding::warning(
            CHECK,
            format!("none ({why}): uploads go through the page cache and push out what is there"),
            "a local ext4, XFS or btrfs has it",
        ),
    }
}

fn optional(check: &'static str, works: &Works, without: &str) -> Finding {
    match works {
        Ok(()) => Finding::ok(check, "works"),
        Err(why) => Finding::warning(
            check,
            format!("does not work ({why}): {without}"),
            "a local ext4, XFS or btrfs has it",
        ),
    }
}

fn needed(check: &'static str, works: &Works, without: &str) -> Finding {
    match works {
        Ok(()) => Finding::ok(check, "works"),
        Err(why) => Finding::problem(
            check,
            format!("does not work ({why}): {without}"),
            "choose another --root, on a local ext4, XFS or btrfs",
        ),
    }
}

fn room(filesystem: &Filesystem, min_free: u64) -> Finding {
    const CHECK: &str = "free space";
    let (free, kept) = (figures::size(filesystem.free_bytes), ByteSize(min_free));
    if filesystem.free_bytes > min_free {
        return Finding::ok(CHECK, format!("{free}, of which --min-free keeps {kept}"));
    }
    Finding::warning(
        CHECK,
        format!("{free}, and --min-free keeps {kept}: every upload would get 507"),
        "make room, or lower --min-free",
    )
}

fn free_files(count: u64) -> Finding {
    const CHECK: &str = "free inodes";
    if count >= FREE_FILES_FEW {
        return Finding::ok(CHECK, count.to_string());
    }
    Finding::warning(
        CHECK,
        format!("{count}: each object is a file"),
        "make room, or make the filesystem anew with more of them (mkfs.ext4 -N)",
    )
}

/// The secret of file IDs.
pub(super) fn judge_secret(secret: &SecretFact) -> Finding {
    const CHECK: &str = "secret";
    match secret {
        SecretFact::Environment => Finding::ok(CHECK, "from SECRET_KEY"),
        SecretFact::File { path, exposed: false } => Finding::ok(CHECK, printable::path(path)),
        SecretFact::File { path, exposed: true } => {
            let path = printable::path(path);
            Finding::warning(
                CHECK,
                format!("others may read {path}, and who has it can open every file"),
                format!("chmod 600 {path}"),
            )
        }
        SecretFact::Absent(path) => Finding::ok(
            CHECK,
            format!("none yet: the first start makes {}; keep that file", printable::path(path)),
        ),
        SecretFact::Unusable(why) => {
            Finding::problem(CHECK, why.clone(), "give SECRET_KEY, at least 16 bytes of it")
        }
    }
}

/// The address.
pub(super) fn judge_listen(
    address: SocketAddr,
    listen: &Result<(), (io::ErrorKind, String)>,
    is_locked: bool,
) -> Finding {
    const CHECK: &str = "address";
    match listen {
        Ok(()) => Finding::ok(CHECK, format!("{address} is free")),
        Err((io::ErrorKind::AddrInUse, _)) if is_locked => {
            Finding::ok(CHECK, format!("{address} is taken, as by the daemon that runs"))
        }
        Err((io::ErrorKind::AddrInUse, _)) => Finding::problem(
            CHECK,
            format!("{address} is taken by another process"),
            "stop it, or choose another one with --listen",
        ),
        Err((io::ErrorKind::PermissionDenied, why)) => Finding::problem(
            CHECK,
            format!("{address} may not be listened on: {why}"),
            "choose a port from 1024 on, or give CAP_NET_BIND_SERVICE",
        ),
        Err((_, why)) => Finding::problem(
            CHECK,
            format!("{address} cannot be listened on: {why}"),
            "choose an address of this machine with --listen",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::finding::Level;
    use super::*;

    /// What is made worse, how bad that is, and which check says so.
    type Case = (fn(&mut Tried, Works), Level, &'static str);

    const MIN_FREE: u64 = 256 << 20;

    fn tried() -> Tried {
        Tried {
            unnamed: true,
            direct: Ok(()),
            page_cache: Ok(()),
            preallocation: Ok(()),
            sync: Ok(()),
            naming: Ok(()),
            directory_sync: Ok(()),
        }
    }

    fn filesystem() -> Filesystem {
        Filesystem {
            kind: FilesystemKind::Local("ext4"),
            journal: Journal::Kept,
            is_read_only: false,
            free_bytes: 1 << 40,
            free_file_count: Some(1 << 20),
            direct_alignment: Some((4, 512)),
            tried: Ok(tried()),
        }
    }

    fn root(filesystem: Filesystem) -> Root {
        Root {
            path: PathBuf::from("/srv/files"),
            found: PathBuf::from("/srv/files"),
            found_is_directory: true,
            owner_id: 1000,
            is_locked: false,
            is_one_filesystem: true,
            filesystem: Ok(filesystem),
        }
    }

    /// The findings that are not fine.
    fn complaints(root: &Root) -> Vec<(Level, &'static str)> {
        let findings = judge(root, 1000, MIN_FREE).into_iter();
        findings
            .filter(|finding| finding.level != Level::Ok)
            .inspect(|finding| assert!(finding.remedy.is_some(), "{finding:?}"))
            .map(|finding| (finding.level, finding.check))
            .collect()
    }

    fn with(change: impl FnOnce(&mut Filesystem)) -> Vec<(Level, &'static str)> {
        let mut changed = filesystem();
        change(&mut changed);
        complaints(&root(changed))
    }

    fn with_tried(change: impl FnOnce(&mut Tried)) -> Vec<(Level, &'static str)> {
        let mut changed = tried();
        change(&mut changed);
        with(|filesystem| filesystem.tried = Ok(changed))
    }

    #[test]
    fn an_ordinary_root_is_fine_whether_it_is_there_or_not() {
        assert_eq!(complaints(&root(filesystem())), []);
        let absent = Root { path: PathBuf::from("/srv/files/new"), ..root(filesystem()) };
        assert_eq!(complaints(&absent), []);
        assert!(judge(&absent, 0, MIN_FREE)[0].detail.contains("would be made"));
    }

    #[test]
    fn a_running_daemon_is_information() {
        let locked = Root { is_locked: true, ..root(filesystem()) };
        assert_eq!(complaints(&locked), []);
        assert!(judge(&locked, 0, MIN_FREE)[0].detail.contains("a daemon works on it"));
    }

    #[test]
    fn root_judges_for_nobody_else() {
        let found = &judge(&root(filesystem()), 0, MIN_FREE)[0];
        assert_eq!(found.level, Level::Warning);
        assert!(found.detail.contains("user 1000"), "{}", found.detail);
    }

    #[test]
    fn a_root_that_is_no_directory_is_one_problem_and_no_more() {
        let file = Root { found_is_directory: false, ..root(filesystem()) };
        assert_eq!(complaints(&file), [(Level::Problem, "root")]);
        let mut unasked = root(filesystem());
        unasked.filesystem = Err("EIO".to_owned());
        assert_eq!(complaints(&unasked), [(Level::Problem, "filesystem")]);
        let split = Root { is_one_filesystem: false, ..root(filesystem()) };
        assert_eq!(complaints(&split), [(Level::Problem, "one filesystem")]);
    }

    #[test]
    fn filesystems_that_promise_less_are_a_warning() {
        for kind in [
            FilesystemKind::Memory("tmpfs"),
            FilesystemKind::Overlay,
            FilesystemKind::Remote("nfs"),
            FilesystemKind::Unknown(1),
        ] {
            let complaint = with(|filesystem| filesystem.kind = kind);
            assert_eq!(complaint, [(Level::Warning, "filesystem")], "{kind:?}");
        }
    }

    #[test]
    fn a_filesystem_without_a_journal_is_a_warning_and_one_of_which_none_is_known_is_not() {
        let absent = with(|filesystem| filesystem.journal = Journal::Absent);
        assert_eq!(absent, [(Level::Warning, "journal")]);
        assert_eq!(with(|filesystem| filesystem.journal = Journal::Untold), []);
    }

    #[test]
    fn what_the_store_can_do_without_is_a_warning_and_the_rest_a_problem() {
        let no = || Err("EOPNOTSUPP".to_owned());
        let cases: [Case; 6] = [
            (|tried, no| tried.direct = no, Level::Warning, "direct I/O"),
            (|tried, no| tried.page_cache = no, Level::Warning, "page cache"),
            (|tried, no| tried.preallocation = no, Level::Warning, "preallocation"),
            (|tried, no| tried.sync = no, Level::Problem, "fdatasync"),
            (|tried, no| tried.naming = no, Level::Problem, "naming"),
            (|tried, no| tried.directory_sync = no, Level::Problem, "directory sync"),
        ];
        for (change, level, check) in cases {
            assert_eq!(with_tried(|tried| change(tried, no())), [(level, check)]);
        }
        assert_eq!(with_tried(|t| t.unnamed = false), [(Level::Warning, "unnamed files")]);
    }

    #[test]
    fn blocks_larger_than_ours_are_a_problem() {
        let complaint = with(|filesystem| {
            filesystem.direct_alignment = Some((512, 16_384));
            filesystem.tried = Ok(Tried { direct: Err("EINVAL".to_owned()), ..tried() });
        });
        assert_eq!(complaint, [(Level::Problem, "direct I/O")]);
    }

    #[test]
    fn a_root_that_cannot_be_written_names_the_way_out() {
        for (errno, is_read_only, words) in [
            (Some(libc::EROFS), true, "read-write"),
            (Some(libc::EROFS), false, "read-write"),
            (Some(libc::EACCES), false, "chown"),
            (Some(libc::ENOSPC), false, "make room"),
            (None, false, "another --root"),
        ] {
            let refusal = Refusal { errno, why: "no".to_owned() };
            let refused = Filesystem { is_read_only, tried: Err(refusal), ..filesystem() };
            let findings = judge(&root(refused), 1000, MIN_FREE);
            let found = findings.iter().find(|found| found.level == Level::Problem).unwrap();
            assert_eq!(found.check, "writing");
            assert!(found.remedy.as_ref().unwrap().contains(words), "{found:?}");
        }
    }

    #[test]
    fn little_room_is_a_warning() {
        assert_eq!(with(|fs| fs.free_bytes = MIN_FREE), [(Level::Warning, "free space")]);
        assert_eq!(with(|fs| fs.free_bytes = MIN_FREE + 1), []);
        assert_eq!(with(|fs| fs.free_file_count = Some(9)), [(Level::Warning, "free inodes")]);
        assert_eq!(with(|fs| fs.free_file_count = None), []);
    }

    #[test]
    fn a_secret_is_good_exposed_absent_or_unusable() {
        let path = PathBuf::from("/srv/files/secret.key");
        for (secret, level) in [
            (SecretFact::Environment, Level::Ok),
            (SecretFact::File { path: path.clone(), exposed: false }, Level::Ok),
            (SecretFact::File { path: path.clone(), exposed: true }, Level::Warning),
            (SecretFact::Absent(path), Level::Ok),
            (SecretFact::Unusable("too short".to_owned()), Level::Problem),
        ] {
            assert_eq!(judge_secret(&secret).level, level, "{secret:?}");
        }
    }

    #[test]
    fn an_address_is_free_taken_or_forbidden() {
        let address = "127.0.0.1:80".parse().unwrap();
        let refused = |kind| Err((kind, "no".to_owned()));
        for (listen, is_locked, level) in [
            (Ok(()), false, Level::Ok),
            (refused(io::ErrorKind::AddrInUse), true, Level::Ok),
            (refused(io::ErrorKind::AddrInUse), false, Level::Problem),
            (refused(io::ErrorKind::PermissionDenied), false, Level::Problem),
            (refused(io::ErrorKind::AddrNotAvailable), false, Level::Problem),
        ] {
            assert_eq!(judge_listen(address, &listen, is_locked).level, level, "{listen:?}");
        }
    }
}
