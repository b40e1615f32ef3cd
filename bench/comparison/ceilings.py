"""What the machine itself gives: the disk by fio, the loopback by one TCP stream, one thread that
keeps a durable server's promise. And what copies files: the tools beside `ringhold copy`.
"""

import itertools
import json
import os
import shutil
import socket
import threading
import time

from .processes import Failed, run

MIB = 1 << 20
# How long the loopback and the one thread are measured, seconds.
MOMENT_S = 2.0
SMALL_SIZE = 4096
# What fio is tried with for its best direct read: (block, queue depth).
READ_SHAPES = (("1M", 8), ("1M", 32), ("512k", 32))


def have_fio():
    """Whether it is installed."""
    return shutil.which("fio") is not None


def fio(directory, *arguments):
    """One call; its jobs as it says them in JSON."""
    common = ["fio", "--output-format=json", "--direct=1", "--ioengine=io_uring",
              f"--directory={directory}"]
    return json.loads(run([*common, *arguments]))["jobs"]


def fio_write(directory, size):
    """Seconds of a direct write of a new file with a sync at the end, at the better of growing it
    and reserving its blocks before."""
    rates = []
    for reserving in ("none", "native"):
        path = os.path.join(directory, "ceiling")
        if os.path.exists(path):
            os.remove(path)
        job = fio(directory, "--name=write", "--rw=write", "--bs=1M", "--iodepth=8",
                  f"--size={size}", "--end_fsync=1", "--filename=ceiling",
                  f"--fallocate={reserving}")[0]
        rates.append(job["write"]["bw_bytes"] or 1)
    return size / max(rates)


def fio_read(directory, size):
    """Seconds of a direct read of the same file, at the best of some shapes."""
    rates = []
    for block, depth in READ_SHAPES:
        job = fio(directory, "--name=read", "--rw=read", f"--bs={block}", f"--iodepth={depth}",
                  f"--size={size}", "--filename=ceiling")[0]
        rates.append(job["read"]["bw_bytes"] or 1)
    return size / max(rates)


def fio_copy(directory, size):
    """Seconds in which it reads one file and writes another at once, synced."""
    jobs = fio(directory, "--bs=1M", "--iodepth=8", f"--size={size}", "--name=read", "--rw=read",
               "--filename=source", "--name=write", "--rw=write", "--filename=target",
               "--end_fsync=1")
    return max(size / (job[kind]["bw_bytes"] or 1)
               for job, kind in zip(jobs, ("read", "write"), strict=True))


def loopback():
    """One stream, in pieces of a MiB, read as a server must read it: (bytes, seconds)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = os.fork()
        if sender == 0:
            try:
                pour(listener.getsockname())
            finally:
                # Not even an exception may run the parent's clean-up here.
                os._exit(0)
        stream, _ = listener.accept()
        with stream:
            buffer = bytearray(MIB)
            size, start = 0, time.monotonic()
            while got := stream.recv_into(buffer):
                size += got
            seconds = time.monotonic() - start
        os.waitpid(sender, 0)
    return size, seconds


def pour(address):
    """The other end: sends for a moment."""
    piece = bytes(MIB)
    with socket.create_connection(address) as stream:
        until = time.monotonic() + MOMENT_S
        while time.monotonic() < until:
            stream.sendall(piece)


def one_thread(directory):
    """Small files, each written, synced, named and its directory synced: (files, seconds)."""
    folder = os.path.join(directory, "one-thread")
    os.makedirs(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    body = os.urandom(SMALL_SIZE)
    count, start = 0, time.monotonic()
    while time.monotonic() - start < MOMENT_S:
        temporary = os.path.join(folder, "temporary")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(file, body)
        os.fdatasync(file)
        os.close(file)
        os.rename(temporary, os.path.join(folder, str(count)))
        os.fsync(handle)
        count += 1
    seconds = time.monotonic() - start
    os.close(handle)
    return count, seconds


def open_read_close(paths, size, seconds):
    """Files of that size, one after another in the order of `paths`, over and over:
    (files, seconds, p50 and p99 of one in microseconds). What this takes in Python is the same
    for any of them: some microseconds of each."""
    took, start = [], time.monotonic()
    for path in itertools.cycle(paths):
        before = time.perf_counter_ns()
        file = os.open(path, os.O_RDONLY)
        data = os.read(file, size)
        os.close(file)
        took.append(time.perf_counter_ns() - before)
        if len(data) != size:
            raise Failed(f"{path} has {len(data)} bytes, not {size}")
        if time.monotonic() - start >= seconds:
            break
    seconds = time.monotonic() - start
    took.sort()
    p50, p99 = (took[len(took) * share // 100] / 1000 for share in (50, 99))
    return len(took), seconds, p50, p99


def make_file(path, size):
    """A file of noise, on the disk when this returns."""
    piece = os.urandom(MIB)
    with open(path, "wb", buffering=0) as file:
        left = size
        while left > 0:
            left -= file.write(piece[:min(left, MIB)])
        os.fsync(file.fileno())


def copiers(ringhold, source, target):
    """What copies a file here: column, command."""
    dd = ["dd", f"if={source}", f"of={target}", "bs=1M", "status=none"]
    return [
        ("ringhold copy", [ringhold, "copy", source, target]),
        ("cp", ["cp", "--reflink=never", source, target]),
        ("dd", dd),
        ("dd, direct", [*dd, "iflag=direct", "oflag=direct"]),
    ]


def drop_caches():
    """The page cache; False where we may not (not root)."""
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3\n")
        return True
    except OSError:
        return False


def sync(directory):
    """The filesystem below a directory, to its end; seconds."""
    start = time.monotonic()
    run(["sync", "-f", directory])
    return time.monotonic() - start


def sampled(interval_s, sample):
    """Calls `sample` in a thread again and again; the function that is given ends it and returns
    what it saw."""
    seen, over = [], threading.Event()

    def watch():
        while not over.wait(interval_s):
            seen.append(sample())

    watcher = threading.Thread(target=watch)
    watcher.start()

    def end():
        over.set()
        watcher.join()
        return seen

    return end
