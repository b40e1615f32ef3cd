//! Judging the machine and its limits against what the workers need. Pure.

use super::finding::Finding;
use crate::base::cgroup::CgroupLimits;
use crate::base::host::{Host, kernel_version};
use crate::base::limits::{
    CACHE_SIZE_DEFAULT, CONNECTION_MEMORY, DISK_THREADS_MAX, METADATA_IN_FLIGHT_MAX,
    PROCESS_MEMORY, READ_SIZE,
};
use crate::base::units::ByteSize;
use crate::cli::figures;

/// The kernel that has all that the engine needs.
const KERNEL_MIN: (u32, u32) = (5, 15);
/// Descriptors of a worker beside connections: its ring, listener and directories, open files.
const DESCRIPTORS_PER_WORKER: u64 = 1_000;
/// Fewer than this, and a worker cannot even start and open its directories.
const DESCRIPTORS_MIN: u64 = 256;
/// Threads of the process beside the workers and theirs: the main one and the log's.
const THREADS_BESIDE: u64 = 4;
/// Connections that a limit on memory should leave room for before it is worth a warning.
const CONNECTIONS_EXPECTED: u64 = 1_000;
/// A clock before this (November 2023, in milliseconds) was never set.
const CLOCK_MIN_MS: u64 = 1_700_000_000_000;

/// What `serve` would take of the machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub(super) worker_count: usize,
    /// Of a worker.
    pub(super) connections_max: usize,
    pub(super) queue_depth: usize,
    pub(super) chunk_size: usize,
    /// Of small objects in memory, bytes.
    pub(super) cache_size: usize,
    /// Whether the ring will be used.
    pub(super) uses_ring: bool,
}

impl Needs {
    fn workers(self) -> u64 {
        self.worker_count as u64
    }

    /// The buffers of all workers, bytes.
    fn slabs(self) -> u64 {
        let slab = (self.queue_depth as u64) * (self.chunk_size as u64 + READ_SIZE as u64);
        self.workers().saturating_mul(slab)
    }

    /// What the process takes beside connections, bytes: its share has room for the usual cache.
    fn fixed(self) -> u64 {
        let beside = PROCESS_MEMORY - CACHE_SIZE_DEFAULT + self.cache_size;
        self.slabs().saturating_add(beside as u64)
    }
}

/// All of it.
pub(super) fn judge(needs: Needs, host: &Host, cgroup: &CgroupLimits, now_ms: u64) -> Vec<Finding> {
    vec![
        kernel(host),
        descriptors(needs, host),
        locked_memory(needs, host),
        memory(needs, host, cgroup),
        cores(needs, cgroup),
        threads(needs, cgroup),
        time(now_ms),
    ]
}

fn kernel(host: &Host) -> Finding {
    const CHECK: &str = "kernel";
    let release = &host.kernel_release;
    match kernel_version(release) {
        Some(version) if version < KERNEL_MIN => Finding::warning(
            CHECK,
            format!("{release}: io_uring needs 5.15, the threads engine is used"),
            "use a kernel of 5.15 or later",
        ),
        Some(_) => Finding::ok(CHECK, release.clone()),
        None => Finding::warning(
            CHECK,
            format!("'{release}' is no version of a kernel"),
            "see that /proc is mounted",
        ),
    }
}

fn descriptors(needs: Needs, host: &Host) -> Finding {
    const CHECK: &str = "open files";
    const REMEDY: &str = "raise the hard limit (ulimit -Hn, LimitNOFILE=, docker --ulimit nofile=), \
                          or lower --max-connections";
    let connections = needs.workers() * needs.connections_max as u64;
    let wanted = connections + needs.workers() * DESCRIPTORS_PER_WORKER;
    match host.descriptor_count {
        None => Finding::ok(CHECK, "no limit"),
        Some(limit) if limit >= wanted => {
            Finding::ok(CHECK, format!("{limit} allowed, {wanted} can be needed"))
        }
        Some(limit) if limit < DESCRIPTORS_MIN * needs.workers() => Finding::problem(
            CHECK,
            format!("{limit} allowed: too few to start {} workers", needs.worker_count),
            REMEDY,
        ),
        Some(limit) => Finding::warning(
            CHECK,
            format!(
                "{limit} allowed, {wanted} needed for {connections} connections: \
                 beyond it new ones wait"
            ),
            REMEDY,
        ),
    }
}

fn locked_memory(needs: Needs, host: &Host) -> Finding {
    const CHECK: &str = "locked memory";
    let wanted = needs.slabs();
    match host.locked_memory_bytes {
        _ if !needs.uses_ring => Finding::ok(CHECK, "not needed by the threads engine"),
        None => Finding::ok(CHECK, format!("no limit, {} of buffers", ByteSize(wanted))),
        Some(limit) if limit >= wanted => Finding::ok(
            CHECK,
            format!("{} allowed, {} of buffers", ByteSize(limit), ByteSize(wanted)),
        ),
        Some(limit) => Finding::warning(
            CHECK,
            format!(
                "{} allowed, {} of buffers to register: they are used unregistered, and each \
                 transfer costs a page walk more",
                ByteSize(limit),
                ByteSize(wanted)
            ),
            "raise the limit (ulimit -l, LimitMEMLOCK=, docker --ulimit memlock=-1)",
        ),
    }
}

/// The memory contract: buffers, the rest of the process, and a share for each connection.
fn memory(needs: Needs, host: &Host, cgroup: &CgroupLimits) -> Finding {
    const CHECK: &str = "memory";
    let machine = Some(host.memory_bytes).filter(|&bytes| bytes > 0);
    let (limit, whose) = match (cgroup.memory_bytes, machine) {
        (Some(group), Some(machine)) if group <= machine => (group, "memory.max of the cgroup"),
        (Some(group), None) => (group, "memory.max of the cgroup"),
        (_, Some(machine)) => (machine, "the machine"),
        (None, None) => return Finding::ok(CHECK, "the kernel names no limit"),
    };
    let fixed = needs.fixed();
    let remedy = "allow more memory, or take fewer --workers, a smaller --queue-depth, \
                  --chunk-size or --cache-size";
    let has = format!("{} ({whose})", figures::size(limit));
    let wants = format!("{} of buffers and the daemon itself", figures::size(fixed));
    if limit < fixed {
        return Finding::problem(CHECK, format!("{has} for {wants}: it would be killed"), remedy);
    }
    let connections = (limit - fixed) / CONNECTION_MEMORY as u64;
    if connections < CONNECTIONS_EXPECTED {
        let detail = format!("{has} for {wants}: the rest is room for {connections} connections");
        return Finding::warning(CHECK, detail, remedy);
    }
    Finding::ok(CHECK, format!("{has} for {wants}"))
}

fn cores(needs: Needs, cgroup: &CgroupLimits) -> Finding {
    const CHECK: &str = "cores";
    let workers = needs.workers();
    match cgroup.cpu_millicores {
        None => Finding::ok(CHECK, format!("no cpu.max, {workers} workers")),
        // One worker is the least there is.
        Some(millicores) if workers == 1 || workers * 1000 <= millicores => {
            Finding::ok(CHECK, format!("cpu.max is {}, {workers} workers", thousandths(millicores)))
        }
        Some(millicores) => Finding::warning(
            CHECK,
            format!(
                "cpu.max is {} cores, {workers} workers: they are stopped in the middle of \
                 their work",
                thousandths(millicores)
            ),
            "leave --workers out, and there are as many as the group pays for",
        ),
    }
}

fn thousandths(millicores: u64) -> String {
    format!("{}.{}", millicores / 1000, millicores % 1000 / 100)
}

fn threads(needs: Needs, cgroup: &CgroupLimits) -> Finding {
    const CHECK: &str = "threads";
    // What the ring has no opcode for runs on threads as well, a few at a time.
    let helpers = if needs.uses_ring { METADATA_IN_FLIGHT_MAX } else { DISK_THREADS_MAX } as u64;
    let wanted = needs.workers() * (1 + helpers) + THREADS_BESIDE;
    match cgroup.thread_count {
        None => Finding::ok(CHECK, format!("no pids.max, at most {wanted}")),
        Some(limit) if limit >= wanted => {
            Finding::ok(CHECK, format!("pids.max is {limit}, at most {wanted}"))
        }
        Some(limit) if limit < needs.workers() + THREADS_BESIDE => Finding::problem(
            CHECK,
            format!("pids.max is {limit}: too few for {} workers", needs.worker_count),
            "raise pids.max (docker --pids-limit, TasksMax=)",
        ),
        Some(limit) => Finding::warning(
            CHECK,
            format!("pids.max is {limit}, and {wanted} can be needed"),
            "raise pids.max (docker --pids-limit, TasksMax=)",
        ),
    }
}

fn time(now_ms: u64) -> Finding {
    const CHECK: &str = "clock";
    if now_ms >= CLOCK_MIN_MS {
        return Finding::ok(CHECK, "set");
    }
    Finding::warning(
        CHECK,
        "it was never set: Last-Modified of new files will be wrong",
        "set it, best by NTP",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const NEEDS: Needs = Needs {
        worker_count: 2,
        connections_max: 10_000,
        queue_depth: 64,
        chunk_size: 1 << 20,
        cache_size: CACHE_SIZE_DEFAULT,
        uses_ring: true,
    };

    fn host() -> Host {
        Host {
            kernel_release: "6.1.0-18-amd64".to_owned(),
            user_id: 1000,
            locked_memory_bytes: Some(1 << 30),
            descriptor_count: Some(1 << 20),
            memory_bytes: 8 << 30,
        }
    }

    fn no_group() -> CgroupLimits {
        CgroupLimits::default()
    }

    #[test]
    fn an_ordinary_machine_is_fine() {
        let findings = judge(NEEDS, &host(), &no_group(), CLOCK_MIN_MS);
        assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:#?}");
        assert_eq!(NEEDS.slabs(), 160 << 20, "80 MiB a worker, as the contract says");
    }

    #[test]
    fn an_old_kernel_gets_threads() {
        for (release, level) in
            [("5.15.0", Level::Ok), ("5.14.21", Level::Warning), ("", Level::Warning)]
        {
            let host = Host { kernel_release: release.to_owned(), ..host() };
            assert_eq!(kernel(&host).level, level, "{release}");
        }
    }

    #[test]
    fn few_descriptors_cost_connections_and_fewer_still_the_start() {
        for (limit, level) in [
            (None, Level::Ok),
            (Some(22_000), Level::Ok),
            (Some(21_999), Level::Warning),
            (Some(511), Level::Problem),
        ] {
            let found = descriptors(NEEDS, &Host { descriptor_count: limit, ..host() });
            assert_eq!(found.level, level, "{found:?}");
        }
    }

    #[test]
    fn little_locked_memory_is_a_warning_for_a_ring_alone() {
        let container = Host { locked_memory_bytes: Some(8 << 20), ..host() };
        let found = locked_memory(NEEDS, &container);
        assert_eq!(found.level, Level::Warning);
        assert!(found.detail.contains("8MiB allowed, 160MiB"), "{}", found.detail);
        assert!(found.remedy.unwrap().contains("LimitMEMLOCK"));
        let threads = Needs { uses_ring: false, ..NEEDS };
        assert_eq!(locked_memory(threads, &container).level, Level::Ok);
        let exempt = Host { locked_memory_bytes: None, ..host() };
        assert_eq!(locked_memory(NEEDS, &exempt).level, Level::Ok);
    }

    #[test]
    fn memory_must_hold_the_contract() {
        let fixed = (160 + 32) << 20;
        for (limit, level) in [
            (fixed - 1, Level::Problem),
            (fixed, Level::Warning),
            (fixed + (999 << 16), Level::Warning),
            (fixed + (1000 << 16), Level::Ok),
        ] {
            let group = CgroupLimits { memory_bytes: Some(limit), ..no_group() };
            let found = memory(NEEDS, &host(), &group);
            assert_eq!(found.level, level, "{found:?}");
            assert!(found.detail.contains("memory.max"), "{}", found.detail);
        }
        let small = Host { memory_bytes: 100 << 20, ..host() };
        assert_eq!(memory(NEEDS, &small, &no_group()).level, Level::Problem);
        let large = Needs { cache_size: 8 << 30, ..NEEDS };
        let found = memory(large, &host(), &no_group());
        assert_eq!(found.level, Level::Problem, "{found:?}");
        assert!(found.remedy.unwrap().contains("--cache-size"));
        let none = Needs { cache_size: 0, ..NEEDS };
        assert_eq!(none.fixed() + CACHE_SIZE_DEFAULT as u64, NEEDS.fixed());
        let unknown = Host { memory_bytes: 0, ..host() };
        assert_eq!(memory(NEEDS, &unknown, &no_group()).level, Level::Ok);
    }

    #[test]
    fn more_workers_than_the_group_pays_for_are_a_warning() {
        for (millicores, level) in [(2000, Level::Ok), (1999, Level::Warning)] {
            let group = CgroupLimits { cpu_millicores: Some(millicores), ..no_group() };
            assert_eq!(cores(NEEDS, &group).level, level);
            let one = Needs { worker_count: 1, ..NEEDS };
            assert_eq!(cores(one, &group).level, Level::Ok);
        }
        let half = CgroupLimits { cpu_millicores: Some(500), ..no_group() };
        assert_eq!(cores(Needs { worker_count: 1, ..NEEDS }, &half).level, Level::Ok);
    }

    #[test]
    fn threads_must_fit_the_group() {
        for (limit, level) in [(70, Level::Ok), (69, Level::Warning), (5, Level::Problem)] {
            let group = CgroupLimits { thread_count: Some(limit), ..no_group() };
            let found = threads(NEEDS, &group);
            assert_eq!(found.level, level, "{found:?}");
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_a_warning() {
        assert_eq!(time(0).level, Level::Warning);
        assert_eq!(time(CLOCK_MIN_MS).level, Level::Ok);
    }
}
