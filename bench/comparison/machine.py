"""What a run was made on: machine.json, and the room it needs."""

import os
import platform
import re
import resource

from .processes import Failed, read


def describe(directory):
    """Processor, memory, kernel, the filesystem and device below a directory, limits."""
    mount = mount_of(directory)
    return {
        "cpu": {"model": cpu_field("model name"), "cores": os.cpu_count(),
                "flags": [flag for flag in ("avx2", "avx512f", "sha_ni", "hypervisor")
                          if flag in cpu_field("flags").split()]},
        "memory_bytes": memory_bytes(),
        "kernel": re.match(r"[\d.]*\d", platform.release())[0],
        "system": system(),
        "filesystem": {"type": mount["type"], "device": mount["device"],
                       "options": mount["options"], **device(mount["device"])},
        "limits": {
            "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "locked_memory_bytes": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
            "dirty_ratio": number("/proc/sys/vm/dirty_ratio"),
            "dirty_background_ratio": number("/proc/sys/vm/dirty_background_ratio"),
            "io_uring_disabled": number("/proc/sys/kernel/io_uring_disabled"),
            "tcp_rmem": read("/proc/sys/net/ipv4/tcp_rmem").split(),
            "tcp_wmem": read("/proc/sys/net/ipv4/tcp_wmem").split(),
        },
        "load_before": os.getloadavg()[0],
    }


def cpu_field(name):
    """Of the first processor."""
    for line in read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def memory_bytes():
    """All of it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def system():
    """The distribution's own name for itself."""
    for line in read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def mount_of(directory):
    """The line of /proc/self/mounts that the directory lies below: the longest of them."""
    path = os.path.realpath(directory)
    found = {"device": "", "at": "", "type": "", "options": ""}
    for line in read("/proc/self/mounts").splitlines():
        device_, at, kind, options = line.split()[:4]
        inside = path == at or path.startswith(at.rstrip("/") + "/")
        if inside and len(at) >= len(found["at"]):
            found = {"device": device_, "at": at, "type": kind, "options": options}
    return found


def device(path):
    """What the kernel says of a block device."""
    name = os.path.basename(os.path.realpath(path)) if path.startswith("/dev/") else ""
    queue = f"/sys/block/{name}/queue"
    if not name or not os.path.isdir(queue):
        return {}
    names = ("scheduler", "rotational", "nr_requests", "max_sectors_kb", "write_cache")
    return {key: read(f"{queue}/{key}").strip() for key in names}


def number(path):
    """A setting; None where the kernel has none."""
    text = read(path).strip()
    return int(text) if text else None


def free(directory):
    """Bytes and inodes that may still be used."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize, found.f_favail


def check_room(directory, bytes_needed, inodes_needed):
    """Refuses a run that would fill the disk."""
    bytes_free, inodes_free = free(directory)
    if bytes_needed > bytes_free:
        raise Failed(
            f"the run needs {bytes_needed / 1e9:.1f} GB and {directory} has {bytes_free / 1e9:.1f}"
            " free: make room, give --dir another filesystem, or make the run smaller"
            " (--total, --small, --copy, --rounds)")
    # Filesystems that make inodes as they need them say that they have none.
    if 0 < inodes_free < inodes_needed:
        raise Failed(
            f"the run needs {inodes_needed} inodes and {directory} has {inodes_free} free:"
            " make room, or make the run smaller (--small, --rounds)")
