//! What is known of the whole process when somebody asks: declared once, read at that moment, and
//! rendered beside the cells of the workers. Names that begin with `process_` are those of every
//! Prometheus client library, with their meaning.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

use super::table::{Kind, Spec};

/// `USER_HZ`, the unit of `/proc/<pid>/stat`: part of the kernel's interface (proc(5)).
const CLOCK_TICKS_PER_SECOND: f64 = 100.0;
/// Where `utime` and `stime` stand in `/proc/<pid>/stat` behind the name, which may hold spaces.
const UTIME_FIELD: usize = 11;
const STIME_FIELD: usize = 12;

macro_rules! declare {
    ($($field:ident: $kind:ident, $name:literal, $unit:literal, $help:literal;)*) => {
        /// One figure each; `None` for what could not be found out, which is left out.
        #[derive(Clone, Debug, Default)]
        pub struct ProcessFigures {
            $(#[doc = $help] pub $field: Option<f64>,)*
        }

        /// Every figure of the process.
        pub const PROCESS_TABLE: &[Spec] = &[$(Spec {
            name: $name,
            label: "",
            kind: Kind::$kind,
            unit: $unit,
            help: $help,
        },)*];

        impl ProcessFigures {
            /// The figures in the order of [`PROCESS_TABLE`].
            pub(super) fn values(&self) -> [Option<f64>; PROCESS_TABLE.len()] {
                [$(self.$field,)*]
            }
        }
    };
}

declare! {
    workers: Gauge, "ringhold_workers", "workers",
        "Worker threads; those of a relay beside HTTP come after the others.";
    queue_depth: Gauge, "ringhold_queue_depth", "operations",
        "Reads and writes that one worker may have in the kernel; what is in flight beyond it waits.";
    volume_free: Gauge, "ringhold_volume_free_bytes", "bytes",
        "Free space of the volume, as an upload sees it; left out while the volume does not answer.";
    volume_reserve: Gauge, "ringhold_volume_reserve_bytes", "bytes",
        "Free space that uploads leave (--min-free): with less they are refused.";
    volume_failed: Gauge, "ringhold_volume_failed", "volumes",
        "1 while the volume takes no uploads because writing to it failed.";
    cpu_time: Counter, "process_cpu_seconds_total", "seconds",
        "CPU time of the process, in user and kernel mode; that of kernel threads is not in it.";
    start_time: Gauge, "process_start_time_seconds", "seconds",
        "When the daemon started, since 1970.";
    resident: Gauge, "process_resident_memory_bytes", "bytes",
        "Memory in use.";
    virtual_size: Gauge, "process_virtual_memory_bytes", "bytes",
        "Address space in use.";
    threads: Gauge, "process_threads", "threads",
        "Threads of the process.";
    open_descriptors: Gauge, "process_open_fds", "descriptors",
        "Open files and connections.";
    descriptors_max: Gauge, "process_max_fds", "descriptors",
        "The most there may be.";
}

impl ProcessFigures {
    /// Asks the kernel about this process. Reads `/proc`, which never waits for a disk but may
    /// list thousands of descriptors: not for a worker's thread.
    pub fn read() -> ProcessFigures {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        ProcessFigures {
            cpu_time: cpu_seconds(&stat),
            resident: status_field(&status, "VmRSS:").map(|kib| kib * 1024.0),
            virtual_size: status_field(&status, "VmSize:").map(|kib| kib * 1024.0),
            threads: status_field(&status, "Threads:"),
            open_descriptors: open_descriptors(),
            descriptors_max: getrlimit(Resource::Nofile).current.map(figure),
            ..ProcessFigures::default()
        }
    }

    /// What the store knows of its volume.
    pub fn with_volume(
        self,
        free_bytes: Option<u64>,
        reserve_bytes: u64,
        has_failed: bool,
    ) -> ProcessFigures {
        ProcessFigures {
            volume_free: free_bytes.map(figure),
            volume_reserve: Some(figure(reserve_bytes)),
            volume_failed: Some(figure(u64::from(has_failed))),
            ..self
        }
    }
}

/// A count as Prometheus has it: exact up to 2^53, which is more bytes than any volume here has.
#[expect(clippy::cast_precision_loss, reason = "a figure on a page, not a size to compute with")]
pub(super) fn figure(count: u64) -> f64 {
    count as f64
}

/// A time as Prometheus has it.
pub(super) fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The number behind a field's name in `/proc/<pid>/status`.
fn status_field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let ticks = |index: usize| behind_name.split_whitespace().nth(index)?.parse::<f64>().ok();
    Some((ticks(UTIME_FIELD)? + ticks(STIME_FIELD)?) / CLOCK_TICKS_PER_SECOND)
}

/// Since Linux 6.2 the directory says how many it holds; before, they are counted, the one that
/// lists them not.
fn open_descriptors() -> Option<f64> {
    const DIRECTORY: &str = "/proc/self/fd";
    let told = fs::metadata(DIRECTORY).ok()?.len();
    let counted = || fs::read_dir(DIRECTORY).ok().map(|entries| entries.count() as u64 - 1);
    Some(figure(if told > 0 { told } else { counted()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_all_that_is_asked_of_it() {
        let figures = ProcessFigures::read();
        let resident = figures.resident.unwrap();
        assert!(resident > 1e6 && figures.virtual_size.unwrap() > resident);
        assert!(figures.threads.unwrap() >= 1.0);
        assert!(figures.open_descriptors.unwrap() >= 3.0);
        assert!(figures.descriptors_max.unwrap() >= figures.open_descriptors.unwrap());
        assert!(figures.cpu_time.unwrap() >= 0.0);
    }

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_move_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        assert_eq!(status_field("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12.0));
        assert_eq!(status_field("Name:\tx\n", "VmRSS:"), None);
    }

    #[test]
    fn an_open_file_is_counted() {
        let before = open_descriptors().unwrap();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        assert!(open_descriptors().unwrap() >= before + 25.0, "other tests close theirs meanwhile");
        drop(files);
    }
}
