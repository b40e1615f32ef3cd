//! The cores this process may use: which ones, how many workers they carry, pinning a thread to
//! one, and a thread that only takes what the others leave. Linux only.

use std::fmt;
use std::io;
use std::num::NonZero;
use std::thread;

/// A core, by the kernel's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(usize);

/// The cores the calling thread may run on, ascending. Ask before the first pin: threads inherit
/// it.
///
/// # Errors
/// On a machine with more than 1,024 cores, whose mask does not fit in a `cpu_set_t`: workers
/// then run unpinned.
pub fn allowed_cores() -> io::Result<Vec<CoreId>> {
    affinity::get()
}

/// Keeps the calling thread on `core`.
///
/// # Errors
/// When the core does not exist, is offline, or the process may not use it.
pub fn pin_current_thread(core: CoreId) -> io::Result<()> {
    affinity::set(core)
}

/// From now on the calling thread runs only where a core has nothing else to do (`SCHED_IDLE`,
/// sched(7)); whoever else wakes takes its core at once. Such a thread may stop for long at any
/// point: nobody may ever wait for a lock that it takes.
///
/// # Errors
/// When a sandbox forbids the call.
pub fn run_when_idle() -> io::Result<()> {
    affinity::set_idle()
}

/// Workers to start when nobody said how many: the cores that affinity allows, and no more than
/// a cgroup's `cpu.max` pays for, rounded down (1.5 cores are 1 worker: a second one would be
/// throttled in the middle of its work); at least 1.
///
/// std reads both, for cgroup v2 up to the root and for v1.
pub fn default_worker_count() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The unsafe half: three system calls, and the bit mask of two.
mod affinity {
    #![expect(unsafe_code, reason = "the scheduler's calls take pointers")]

    use std::io;
    use std::mem;

    use super::CoreId;

    const MASK_SIZE: usize = size_of::<libc::cpu_set_t>();
    const CALLING_THREAD: libc::pid_t = 0;

    pub(super) fn get() -> io::Result<Vec<CoreId>> {
        let mut mask = empty();
        // SAFETY: the kernel writes at most MASK_SIZE bytes, the size of `mask`, which lives
        // through the call.
        if unsafe { libc::sched_getaffinity(CALLING_THREAD, MASK_SIZE, &raw mut mask) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((0..MASK_SIZE * 8).filter(|&core| is_set(core, &mask)).map(CoreId).collect())
    }

    pub(super) fn set(core: CoreId) -> io::Result<()> {
        if core.0 >= MASK_SIZE * 8 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let mut mask = empty();
        // SAFETY: the mask has a bit for `core`, checked above; the function sets that one bit.
        unsafe { libc::CPU_SET(core.0, &mut mask) };
        // SAFETY: the kernel reads MASK_SIZE bytes, the size of `mask`, which lives through the
        // call.
        match unsafe { libc::sched_setaffinity(CALLING_THREAD, MASK_SIZE, &raw const mask) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn set_idle() -> io::Result<()> {
        // SAFETY: a `sched_param` is made of integers; this policy wants a priority of zero.
        let parameters: libc::sched_param = unsafe { mem::zeroed() };
        // SAFETY: the kernel reads `parameters`, which lives through the call.
        match unsafe {
            libc::sched_setscheduler(CALLING_THREAD, libc::SCHED_IDLE, &raw const parameters)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn empty() -> libc::cpu_set_t {
        // SAFETY: a `cpu_set_t` is an array of integers, and all of them zero is the empty set.
        unsafe { mem::zeroed() }
    }

    fn is_set(core: usize, mask: &libc::cpu_set_t) -> bool {
        // SAFETY: `get`, the only caller, asks for cores below the number of bits in the mask.
        unsafe { libc::CPU_ISSET(core, mask) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_that_core_alone() {
        let all = allowed_cores().unwrap();
        assert!(!all.is_empty());
        assert!(all.is_sorted());
        for &core in &all {
            let seen = thread::spawn(move || {
                pin_current_thread(core).unwrap();
                allowed_cores().unwrap()
            });
            assert_eq!(seen.join().unwrap(), [core]);
        }
        assert_eq!(allowed_cores().unwrap(), all, "the other threads are where they were");
    }

    #[test]
    fn a_thread_that_runs_when_idle_says_so_to_the_kernel() {
        let policy = |stat: &str| {
            // The 41st field of proc_pid_stat(5); the second, in parentheses, may hold spaces.
            let (_, after_name) = stat.rsplit_once(')').unwrap();
            after_name.split_whitespace().nth(38).unwrap().to_owned()
        };
        let stat = || std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let seen = thread::spawn(move || run_when_idle().map(|()| policy(&stat())));
        assert_eq!(seen.join().unwrap().unwrap(), libc::SCHED_IDLE.to_string());
        assert_eq!(policy(&stat()), "0", "the other threads run as they did");
    }

    #[test]
    fn a_core_that_is_not_there_is_an_error() {
        for core in [1023, 1024, usize::MAX] {
            assert!(pin_current_thread(CoreId(core)).is_err(), "core {core}");
        }
    }

    #[test]
    fn the_default_is_at_least_one_worker_and_at_most_one_per_core() {
        let count = default_worker_count();
        assert!((1..=allowed_cores().unwrap().len()).contains(&count));
    }

    #[test]
    fn a_pinned_thread_counts_one_core() {
        let core = allowed_cores().unwrap()[0];
        let count = thread::spawn(move || {
            pin_current_thread(core).unwrap();
            default_worker_count()
        });
        assert_eq!(count.join().unwrap(), 1);
    }
}
