//! What the control groups (cgroup v2) of this process allow it: a container's limits. Read, never
//! changed. Source: Documentation/admin-guide/cgroup-v2.rst of the kernel.

use std::fs;
use std::path::{Path, PathBuf};

/// Where cgroup v2 is mounted, everywhere.
const MOUNT: &str = "/sys/fs/cgroup";

/// The tightest limits on the way from this process's group up to the root; `None` where there is
/// none, or where cgroup v2 does not keep them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupLimits {
    /// `memory.max`, bytes.
    pub memory_bytes: Option<u64>,
    /// `cpu.max`, thousandths of a core.
    pub cpu_millicores: Option<u64>,
    /// `pids.max`, threads and processes.
    pub thread_count: Option<u64>,
}

impl CgroupLimits {
    /// Those of this process.
    pub fn of_process() -> CgroupLimits {
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let Some(path) = unified_path(&group) else { return CgroupLimits::default() };
        CgroupLimits::read(Path::new(MOUNT), path)
    }

    /// Those of the group at `path` below `mount`, and of the groups that hold it.
    fn read(mount: &Path, path: &str) -> CgroupLimits {
        let inner: PathBuf = mount.join(path.trim_start_matches('/'));
        let groups = inner.ancestors().take_while(|group| group.starts_with(mount));
        groups.fold(CgroupLimits::default(), |limits, group| {
            let text = |file: &str| fs::read_to_string(group.join(file)).unwrap_or_default();
            CgroupLimits {
                memory_bytes: least(limits.memory_bytes, number(&text("memory.max"))),
                cpu_millicores: least(limits.cpu_millicores, millicores(&text("cpu.max"))),
                thread_count: least(limits.thread_count, number(&text("pids.max"))),
            }
        })
    }
}

/// The path in the line of the unified hierarchy: `0::/path`.
fn unified_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// A number; `max` is none.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// `cpu.max`: a quota and a period, both in microseconds; rounded down.
fn millicores(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    quota.saturating_mul(1000).checked_div(period)
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (limit, None) | (None, limit) => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_of_all_groups_counts() {
        let mount = tempfile::tempdir().unwrap();
        let inner = mount.path().join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        let write = |path: &str, text: &str| fs::write(mount.path().join(path), text).unwrap();
        write("outer/memory.max", "1000\n");
        write("outer/inner/memory.max", "max\n");
        write("outer/cpu.max", "max 100000\n");
        write("outer/inner/cpu.max", "150000 100000\n");
        write("outer/pids.max", "50\n");
        write("outer/inner/pids.max", "70\n");
        let limits = CgroupLimits::read(mount.path(), "/outer/inner");
        assert_eq!(
            limits,
            CgroupLimits {
                memory_bytes: Some(1000),
                cpu_millicores: Some(1500),
                thread_count: Some(50),
            }
        );
        assert_eq!(CgroupLimits::read(mount.path(), "/nowhere"), CgroupLimits::default());
    }

    #[test]
    fn only_the_unified_hierarchy_is_read() {
        let text = "4:memory:/old\n0::/user.slice/x\n";
        assert_eq!(unified_path(text), Some("/user.slice/x"));
        assert_eq!(unified_path("4:memory:/old\n"), None);
    }

    #[test]
    fn nonsense_is_no_limit() {
        for text in ["", "max", "max 100000", "1", "1 0", "x y", "-1 100000"] {
            assert_eq!(millicores(text), None, "{text:?}");
        }
    }
}
