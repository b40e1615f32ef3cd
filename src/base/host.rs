//! What this process is given by the kernel: which kernel, whose process, which limits. Read,
//! never changed.

use std::fs;

use rustix::process::{Resource, geteuid, getrlimit};

/// Bit of `CAP_IPC_LOCK` (capabilities(7)): no limit on locked memory.
const CAP_IPC_LOCK: u64 = 1 << 14;

/// The kernel and what it allows this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// As `uname -r` says it.
    pub kernel_release: String,
    /// Effective user.
    pub user_id: u32,
    /// Most memory that may be locked, bytes; `None` for no limit.
    pub locked_memory_bytes: Option<u64>,
    /// Most descriptors that may be open, the hard limit: the daemon raises its soft one.
    pub descriptor_count: Option<u64>,
    /// Memory of the machine, bytes; 0 where the kernel does not say.
    pub memory_bytes: u64,
}

impl Host {
    /// As it is now.
    pub fn of_process() -> Host {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let is_exempt = capabilities(&text("/proc/self/status")) & CAP_IPC_LOCK != 0;
        let locked = getrlimit(Resource::Memlock).current;
        Host {
            kernel_release: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            user_id: geteuid().as_raw(),
            locked_memory_bytes: if is_exempt { None } else { locked },
            descriptor_count: getrlimit(Resource::Nofile).maximum,
            memory_bytes: memory_total(&text("/proc/meminfo")),
        }
    }
}

/// Major and minor number of a kernel's release: `6.1.0-18-amd64` is 6.1.
pub fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-', '+']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The effective set, a line of proc(5)'s `status`.
fn capabilities(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

/// `MemTotal:` of proc(5)'s `meminfo`, bytes.
fn memory_total(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.map_or(0, |kib: u64| kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_read_as_versions() {
        for (release, version) in [
            ("6.1.0-18-amd64", Some((6, 1))),
            ("5.15", Some((5, 15))),
            ("6.18.44+", Some((6, 18))),
            ("6.19-rc1", Some((6, 19))),
            ("", None),
            ("linux", None),
        ] {
            assert_eq!(kernel_version(release), version, "{release}");
        }
    }

    #[test]
    fn the_kernels_files_are_read_as_it_writes_them() {
        assert_eq!(capabilities("Name:\tx\nCapEff:\t0000000000004000\n"), CAP_IPC_LOCK);
        assert_eq!(capabilities(""), 0);
        assert_eq!(memory_total("MemTotal:       24679808 kB\nMemFree: 1 kB\n"), 24_679_808 << 10);
        assert_eq!(memory_total("nonsense"), 0);
    }

    #[test]
    fn this_process_has_a_kernel_and_memory() {
        let host = Host::of_process();
        assert!(kernel_version(&host.kernel_release).is_some(), "{host:?}");
        assert!(host.memory_bytes > 0, "{host:?}");
    }
}
