//! Which engine works here: asked of the kernel once per start, by use and not by version.
//!
//! 1. [`choose`] makes a small ring with the flags the workers want and asks it for each opcode
//!    that `uring.rs` uses. What fails is told with its errno, its likely cause and the remedy.
//! 2. [`Chosen::open`] makes the worker's disk, inside the worker's own runtime.

use std::fmt;
use std::io;
use std::path::Path;
use std::rc::Rc;

use io_uring::{IoUring, Probe, opcode};

use super::{Disk, EngineKind, Journal, Slab, ThreadsDisk, UringDisk};

/// Which engine the operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// `io_uring` if it works, else `threads` with a warning.
    #[default]
    Auto,
    /// `io_uring` or no start.
    IoUring,
    /// Blocking calls on threads.
    Threads,
}

/// Flags that the kernel accepted for a ring of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFlags {
    /// `IORING_SETUP_COOP_TASKRUN` (5.19): no interrupt of the thread for a completion.
    pub coop_taskrun: bool,
    /// `IORING_SETUP_SINGLE_ISSUER` (6.0): no lock around submissions.
    pub single_issuer: bool,
}

/// The engine of this process.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Ring flags; `None` is the `threads` engine.
    pub ring: Option<RingFlags>,
    /// Why `io_uring` is not used although it was wanted: errno, cause, remedy.
    pub warning: Option<String>,
    /// That of the filesystem that files are made on.
    pub journal: Journal,
}

/// Why `io_uring` does not work here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingRefused {
    /// Errno and likely cause, one or two sentences without the last full stop.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for RingRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. Remedy: {}", self.what, self.remedy)
    }
}

impl std::error::Error for RingRefused {}

/// Decides the engine.
///
/// # Errors
/// When `io_uring` was demanded and does not work.
pub fn choose(choice: EngineChoice) -> Result<Chosen, RingRefused> {
    if choice == EngineChoice::Threads {
        return Ok(Chosen::new(None, None));
    }
    match probe_ring() {
        Ok(flags) => Ok(Chosen::new(Some(flags), None)),
        Err(refused) if choice == EngineChoice::IoUring => Err(refused),
        Err(refused) => Ok(Chosen::new(None, Some(refused.to_string()))),
    }
}

impl Chosen {
    fn new(ring: Option<RingFlags>, warning: Option<String>) -> Chosen {
        Chosen { ring, warning, journal: Journal::default() }
    }

    /// For a disk that makes files in these directories, which exist. Without this nothing is known
    /// of their filesystems, and each name costs a little more.
    pub fn for_files_in<'a>(mut self, directories: impl IntoIterator<Item = &'a Path>) -> Chosen {
        let mut journals = directories.into_iter().map(Journal::of);
        self.journal = journals.find(|journal| !journal.is_kept()).unwrap_or(Journal::Kept);
        self
    }

    /// Which engine this is.
    pub fn kind(&self) -> EngineKind {
        if self.ring.is_some() { EngineKind::IoUring } else { EngineKind::Threads }
    }

    /// The disk of the current worker. With a ring, the current runtime must be tokio-uring's.
    ///
    /// # Errors
    /// When the threads engine cannot start its threads.
    pub fn open(&self, slab: Slab, queue_depth: usize) -> io::Result<Rc<dyn Disk>> {
        Ok(match self.ring {
            Some(_) => Rc::new(UringDisk::new(slab, queue_depth)?.with_journal(self.journal)),
            None => Rc::new(ThreadsDisk::new(slab, queue_depth)?.with_journal(self.journal)),
        })
    }
}

/// Flags to try, best first: older kernels answer `EINVAL` to what they do not know.
const FLAGS: [RingFlags; 3] = [
    RingFlags { coop_taskrun: true, single_issuer: true },
    RingFlags { coop_taskrun: true, single_issuer: false },
    RingFlags { coop_taskrun: false, single_issuer: false },
];

/// Names of the opcodes that the engine submits. The kernel has all of them, or the threads engine
/// does everything.
pub fn opcode_names() -> impl Iterator<Item = &'static str> {
    OPCODES.iter().map(|&(_, name)| name)
}

/// What `uring.rs` submits.
const OPCODES: [(u8, &str); 10] = [
    (opcode::Read::CODE, "READ"),
    (opcode::Write::CODE, "WRITE"),
    (opcode::ReadFixed::CODE, "READ_FIXED"),
    (opcode::WriteFixed::CODE, "WRITE_FIXED"),
    (opcode::Fsync::CODE, "FSYNC"),
    (opcode::Fallocate::CODE, "FALLOCATE"),
    (opcode::OpenAt::CODE, "OPENAT"),
    (opcode::OpenAt2::CODE, "OPENAT2"),
    (opcode::LinkAt::CODE, "LINKAT"),
    (opcode::UnlinkAt::CODE, "UNLINKAT"),
];

fn probe_ring() -> Result<RingFlags, RingRefused> {
    let mut refusal = io::Error::from_raw_os_error(libc::EINVAL);
    for flags in FLAGS {
        match build(flags) {
            Ok(ring) => return check_opcodes(&ring).map(|()| flags),
            Err(error) => refusal = error,
        }
        if refusal.raw_os_error() != Some(libc::EINVAL) {
            break;
        }
    }
    Err(explain(&refusal))
}

fn build(flags: RingFlags) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    if flags.coop_taskrun {
        builder.setup_coop_taskrun();
    }
    if flags.single_issuer {
        builder.setup_single_issuer();
    }
    builder.build(8)
}

fn check_opcodes(ring: &IoUring) -> Result<(), RingRefused> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| explain(&error))?;
    let missing: Vec<&str> = OPCODES
        .iter()
        .filter(|&&(code, _)| !probe.is_supported(code))
        .map(|&(_, name)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(RingRefused {
        what: format!("io_uring here lacks {}: the kernel is too old", missing.join(", ")),
        remedy: "use a kernel of 5.15 or later, or choose --engine threads to silence this"
            .to_owned(),
    })
}

/// The sentence for an errno of `io_uring_setup`.
fn explain(error: &io::Error) -> RingRefused {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    let disabled = disabled.as_deref().map_or("0", str::trim);
    let (name, cause, remedy) = match (error.raw_os_error(), disabled) {
        (Some(libc::EPERM), "1" | "2") => (
            "EPERM",
            "the sysctl kernel.io_uring_disabled forbids it",
            "set it to 0, or to 1 and start with CAP_SYS_ADMIN or in kernel.io_uring_group",
        ),
        (Some(libc::EPERM), _) => (
            "EPERM",
            "a seccomp filter denies io_uring_setup, as Docker's default profile does",
            "allow the three io_uring calls in the container's seccomp profile, or run it \
             --privileged",
        ),
        (Some(libc::ENOSYS), _) => (
            "ENOSYS",
            "the kernel has no io_uring, or a seccomp filter hides it, as Podman's default does",
            "use a kernel of 5.15 or later, or allow the three io_uring calls in the seccomp \
             profile",
        ),
        (Some(libc::ENOMEM), _) => (
            "ENOMEM",
            "the locked-memory limit has no room for a ring",
            "raise it (ulimit -l, LimitMEMLOCK=, docker --ulimit memlock=-1)",
        ),
        (Some(libc::EMFILE | libc::ENFILE), _) => {
            ("EMFILE", "no file descriptor is left", "raise the limit (ulimit -n, LimitNOFILE=)")
        }
        _ => ("error", "the kernel refused a ring", "see the errno, or choose --engine threads"),
    };
    RingRefused {
        what: format!("io_uring does not work here: {name} ({error}). Likely cause: {cause}"),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_errno_cause_and_remedy() {
        for (errno, words) in [
            (libc::EPERM, ["EPERM", "Likely cause", "Remedy"]),
            (libc::ENOSYS, ["ENOSYS", "5.15", "seccomp"]),
            (libc::ENOMEM, ["ENOMEM", "locked-memory", "ulimit -l"]),
        ] {
            let sentence = explain(&io::Error::from_raw_os_error(errno)).to_string();
            for word in words {
                assert!(sentence.contains(word), "{sentence} lacks {word}");
            }
        }
    }

    #[test]
    fn threads_are_chosen_without_asking_the_kernel() {
        let chosen = choose(EngineChoice::Threads).unwrap();
        assert_eq!((chosen.kind(), chosen.warning), (EngineKind::Threads, None));
    }
}
