//! What is so on this machine, gathered before anybody judges it. Nothing here is left behind: a
//! probe file has no name or loses it, a lock and a port are given back at once.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::cgroup::CgroupLimits;
use crate::base::clock;
use crate::base::host::Host;
use crate::config::{Environment, Secret, SecretOrigin, ServeOptions};
use crate::disk::{
    EngineChoice, Filesystem, RingFlags, RingRefused, RootLock, RootLockError, choose,
    is_same_filesystem,
};
use crate::id::IdService;
use crate::store::Layout;

/// Everything that is judged.
pub(super) struct Facts {
    pub(super) options: ServeOptions,
    pub(super) host: Host,
    pub(super) cgroup: CgroupLimits,
    pub(super) ring: Ring,
    pub(super) root: Root,
    pub(super) secret: SecretFact,
    /// Why the address cannot be listened on, by kind.
    pub(super) listen: Result<(), (io::ErrorKind, String)>,
    /// Milliseconds since 1970.
    pub(super) now_ms: u64,
}

/// What the kernel says to a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    pub(super) probed: Result<RingFlags, RingRefused>,
    /// The sysctl `kernel.io_uring_disabled`, where there is one.
    pub(super) disabled: Option<String>,
}

/// The root, or where it would be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    /// Its nearest ancestor that exists; the root itself, if it does.
    pub(super) found: PathBuf,
    pub(super) found_is_directory: bool,
    /// Owner of `found`.
    pub(super) owner_id: u32,
    /// Whether another process has the root's lock.
    pub(super) is_locked: bool,
    /// Whether files can get their names: unfinished and finished ones on one filesystem.
    pub(super) is_one_filesystem: bool,
    pub(super) filesystem: Result<Filesystem, String>,
}

/// The secret of file IDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretFact {
    /// Good, and where it is from.
    Environment,
    /// Good; whether others may read it.
    File { path: PathBuf, exposed: bool },
    /// None yet: the first start makes one, there.
    Absent(PathBuf),
    /// One that cannot be used, and why.
    Unusable(String),
}

impl Facts {
    /// Asks the machine.
    pub(super) fn gather(options: ServeOptions, environment: &Environment) -> Facts {
        let listening = TcpListener::bind(options.listen);
        Facts {
            host: Host::of_process(),
            cgroup: CgroupLimits::of_process(),
            ring: Ring::probe(),
            root: Root::look_at(&options.store.root),
            secret: SecretFact::find(environment, &options.store.root),
            listen: listening.map(drop).map_err(|error| (error.kind(), error.to_string())),
            now_ms: clock::to_unix_ms(SystemTime::now()),
            options,
        }
    }
}

impl Ring {
    fn probe() -> Ring {
        let probed = choose(EngineChoice::IoUring).map(|chosen| {
            let none = RingFlags { coop_taskrun: false, single_issuer: false };
            chosen.ring.unwrap_or(none)
        });
        let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        Ring { probed, disabled: disabled.map(|text| text.trim().to_owned()) }
    }
}

impl Root {
    fn look_at(path: &Path) -> Root {
        let found = nearest(path);
        let metadata = fs::metadata(&found).ok();
        let layout = Layout::new(path);
        // Where unfinished files are made, if there is such a place already: a probe that is
        // killed in the middle leaves nothing that the next start does not sweep.
        let probed =
            if layout.staging().is_dir() { layout.staging().to_owned() } else { found.clone() };
        Root {
            path: path.to_owned(),
            found_is_directory: metadata.as_ref().is_some_and(fs::Metadata::is_dir),
            owner_id: metadata.map_or(0, |metadata| metadata.uid()),
            is_locked: matches!(RootLock::acquire(path), Err(RootLockError::Taken)),
            is_one_filesystem: is_same_filesystem(layout.staging(), layout.objects())
                .unwrap_or(true),
            filesystem: Filesystem::probe(&probed).map_err(|error| error.to_string()),
            found,
        }
    }
}

/// The path itself, or the nearest directory above it that is there.
fn nearest(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|path| fs::symlink_metadata(path).is_ok());
    match there {
        Some(found) if !found.as_os_str().is_empty() => found.to_owned(),
        // A relative path of which nothing exists.
        Some(_) | None => PathBuf::from("."),
    }
}

impl SecretFact {
    fn find(environment: &Environment, root: &Path) -> SecretFact {
        let path = root.join("secret.key");
        let is_given = environment.get("SECRET_KEY").map(AsRef::<OsStr>::as_ref).is_some();
        if !is_given && fs::symlink_metadata(&path).is_err() {
            return SecretFact::Absent(path);
        }
        // There is one, so that nothing is made here.
        let secret = match Secret::resolve(environment, root) {
            Ok(secret) => secret,
            Err(error) => return SecretFact::Unusable(error.to_string()),
        };
        if let Err(error) = IdService::new(&secret.current, &secret.previous) {
            return SecretFact::Unusable(error.to_string());
        }
        match secret.origin {
            SecretOrigin::Environment => SecretFact::Environment,
            SecretOrigin::File { path, exposed } => SecretFact::File { path, exposed },
            SecretOrigin::Created(path) => SecretFact::File { path, exposed: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory_of_a_path_that_is_not_there_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(nearest(dir.path()), dir.path());
        assert_eq!(nearest(&dir.path().join("a/b/c")), dir.path());
        assert_eq!(nearest(Path::new("nowhere/at/all")), Path::new("."));
    }

    #[test]
    fn looking_for_a_secret_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let find = |environment| SecretFact::find(&environment, dir.path());
        assert_eq!(find(Environment::default()), SecretFact::Absent(path.clone()));
        assert!(!path.exists());
        fs::write(&path, "a secret of some length").unwrap();
        let found = find(Environment::default());
        assert!(matches!(found, SecretFact::File { exposed: true, .. }), "{found:?}");
        fs::write(&path, "short").unwrap();
        assert!(matches!(find(Environment::default()), SecretFact::Unusable(_)));
        let given = Environment::of([("SECRET_KEY", "a secret of some length")]);
        assert_eq!(find(given), SecretFact::Environment);
        let short = Environment::of([("SECRET_KEY", "short")]);
        assert!(matches!(find(short), SecretFact::Unusable(_)));
    }

    #[test]
    fn looking_at_a_root_leaves_nothing_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::look_at(dir.path());
        assert!(root.found_is_directory && !root.is_locked && root.is_one_filesystem);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let _lock = RootLock::acquire(dir.path()).unwrap();
        assert!(Root::look_at(dir.path()).is_locked);
    }
}
