//! What a measurement ran on: enough to know later why two runs differ. Read, never changed; what
//! the kernel does not tell is left empty.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ringhold::base::cgroup::CgroupLimits;
use ringhold::base::cores::allowed_cores;
use ringhold::base::host::Host;
use ringhold::disk::{EngineChoice, RingFlags, choose};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// The machine, as `machine.json` has it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Version of ringhold.
    version: &'static str,
    /// Whether the optimiser ran; figures of a debug build say nothing.
    is_optimised: bool,
    /// The command line.
    command: Vec<String>,
    /// When this was asked, as HTTP writes it (RFC 9110, section 5.6.7).
    time: String,
    cpu_model: String,
    /// Cores that are online.
    core_count: usize,
    /// Cores that this process may use.
    allowed_core_count: usize,
    /// What a control group leaves of them, thousandths of a core.
    cgroup_cpu_millicores: Option<u64>,
    cgroup_memory_bytes: Option<u64>,
    memory_bytes: u64,
    kernel: String,
    /// What the kernel says to a ring: its flags, or why there is none.
    io_uring: String,
    /// Soft and hard limit, bytes; `null` for none.
    limit_memlock_bytes: [Option<u64>; 2],
    /// Soft and hard limit of open descriptors.
    limit_nofile: [Option<u64>; 2],
    /// Of the directory that is measured, if there is one.
    filesystem: Option<Volume>,
}

/// The filesystem of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Volume {
    directory: PathBuf,
    /// Its type, as mount(8) writes it.
    kind: String,
    device: String,
    mount_point: String,
    /// Those of the mount and those of the filesystem.
    options: String,
    /// All there are for the device, the chosen one in brackets.
    io_scheduler: String,
    /// Whether the device has an arm.
    is_rotational: Option<bool>,
}

impl Machine {
    /// Asks. `directory` is the one that is measured; a load generator has none.
    ///
    /// # Errors
    /// When the directory is not there.
    pub(crate) fn look(directory: Option<&Path>) -> io::Result<Machine> {
        let (host, cgroup) = (Host::of_process(), CgroupLimits::of_process());
        let cpus = text("/proc/cpuinfo");
        Ok(Machine {
            version: env!("CARGO_PKG_VERSION"),
            is_optimised: !cfg!(debug_assertions),
            command: env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            time: httpdate::fmt_http_date(SystemTime::now()),
            cpu_model: cpu_model(&cpus),
            core_count: cpus.lines().filter(|line| line.starts_with("processor")).count(),
            allowed_core_count: allowed_cores().map_or(0, |cores| cores.len()),
            cgroup_cpu_millicores: cgroup.cpu_millicores,
            cgroup_memory_bytes: cgroup.memory_bytes,
            memory_bytes: host.memory_bytes,
            kernel: host.kernel_release,
            io_uring: ring(),
            limit_memlock_bytes: limit(Resource::Memlock),
            limit_nofile: limit(Resource::Nofile),
            filesystem: directory.map(Volume::of).transpose()?,
        })
    }
}

impl Volume {
    fn of(directory: &Path) -> io::Result<Volume> {
        let directory = fs::canonicalize(directory)?;
        let device = fs::metadata(&directory)?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let block = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
        // A partition has no queue of its own: its disk, one level up, has.
        let queue = |file: &str| {
            let own = fs::read_to_string(block.join("queue").join(file));
            own.or_else(|_| fs::read_to_string(block.join("../queue").join(file)))
        };
        let found = find_mount(&text("/proc/self/mountinfo"), &directory).unwrap_or_default();
        Ok(Volume {
            io_scheduler: queue("scheduler").unwrap_or_default().trim().to_owned(),
            is_rotational: queue("rotational").ok().map(|text| text.trim() == "1"),
            directory,
            ..found
        })
    }
}

/// The mount that holds `directory`: of those whose mount point is above it the deepest, and of
/// those the last, which hides the others. Source: `proc_pid_mountinfo(5)`.
fn find_mount(mountinfo: &str, directory: &Path) -> Option<Volume> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(4);
        let (point, options) = (unescaped(mount.next()?), mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let (kind, device) = (filesystem.next()?, unescaped(filesystem.next()?));
        let all = format!("{options},{}", filesystem.next().unwrap_or_default());
        directory.starts_with(&point).then(|| Volume {
            kind: kind.to_owned(),
            device,
            mount_point: point,
            options: all,
            ..Volume::default()
        })
    });
    mounts.max_by_key(|mount| Path::new(&mount.mount_point).components().count())
}

/// Spaces, tabs, line ends and backslashes come as three octal digits.
fn unescaped(field: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(field.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

fn cpu_model(cpuinfo: &str) -> String {
    // Arm has no such line; its `CPU part` says as much to who can read it.
    let names = ["model name", "Model", "CPU part"];
    let found = names.iter().find_map(|name| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    found.unwrap_or_default()
}

fn ring() -> String {
    match choose(EngineChoice::IoUring) {
        Ok(chosen) => chosen.ring.map_or_else(String::new, |flags| {
            let RingFlags { coop_taskrun, single_issuer } = flags;
            format!("works (coop_taskrun {coop_taskrun}, single_issuer {single_issuer})")
        }),
        Err(refused) => refused.to_string(),
    }
}

fn limit(resource: Resource) -> [Option<u64>; 2] {
    let limit = getrlimit(resource);
    [limit.current, limit.maximum]
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::look(Some(dir.path())).unwrap();
        assert!(machine.core_count >= machine.allowed_core_count);
        assert!(machine.allowed_core_count > 0 && machine.memory_bytes > 0);
        let mount = machine.filesystem.unwrap();
        assert!(!mount.kind.is_empty() && mount.mount_point.starts_with('/'), "{mount:?}");
        assert!(Machine::look(Some(&dir.path().join("nowhere"))).is_err());
    }

    #[test]
    fn the_deepest_mount_above_a_directory_is_its_filesystem() {
        let mountinfo = "\
            1 0 8:1 / / rw,relatime - ext4 /dev/root rw\n\
            2 1 8:2 / /data rw shared:1 master:2 - xfs /dev/sdb rw,noquota\n\
            3 1 8:3 / /data/my\\040disk ro - ext4 /dev/mapper/my\\040disk rw\n\
            4 1 8:4 / /dat rw - tmpfs tmpfs rw\n";
        let found = find_mount(mountinfo, Path::new("/data/x")).unwrap();
        assert_eq!((found.kind.as_str(), found.device.as_str()), ("xfs", "/dev/sdb"));
        assert_eq!(found.options, "rw,rw,noquota");
        let spaced = find_mount(mountinfo, Path::new("/data/my disk/y")).unwrap();
        assert_eq!(spaced.mount_point, "/data/my disk");
        assert_eq!(find_mount(mountinfo, Path::new("/else")).unwrap().device, "/dev/root");
        assert_eq!(find_mount("", Path::new("/")), None);
    }

    #[test]
    fn a_processor_is_named_as_well_as_it_names_itself() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: Fast One\n"), "Fast One");
        assert_eq!(cpu_model("CPU part\t: 0xd0c\n"), "0xd0c");
        assert_eq!(cpu_model(""), "");
    }
}
