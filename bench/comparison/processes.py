"""Processes of a run: started, their processor time counted with that of their threads and
children, stopped by their own ids and by nothing else.
"""

import os
import resource
import signal
import socket
import subprocess
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# How long a server may take to listen, and to stop when it is asked to, seconds.
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
# Between two looks at a server that is about to listen, seconds.
TICK_S = 0.02


class Failed(Exception):
    """Something of a run did not work; the message says what, and what to do."""


def raise_open_files():
    """As many open files as the machine lets us have: children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def children(pid):
    """The processes that this one started and that still run, and theirs."""
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        for child in read(f"/proc/{pid}/task/{task}/children").split():
            found += [int(child), *children(child)]
    return found


def cpu_seconds(pid):
    """Used so far by a process: its threads, its children, and those of them that have ended
    (proc_pid_stat(5): fields 14 to 17)."""
    ticks = 0
    for member in [pid, *children(pid)]:
        fields = read(f"/proc/{member}/stat").rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_A_SECOND


def machine_cpu_seconds():
    """Used so far by everything on this machine, the kernel's own threads included
    (proc_stat(5)): user, nice, system, irq, softirq; no idle time, none of other machines."""
    fields = [int(field) for field in read("/proc/stat").splitlines()[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / TICKS_A_SECOND


def resident_kib(pid):
    """What a process and its children hold in memory, KiB."""
    total = 0
    for member in [pid, *children(pid)]:
        for line in read(f"/proc/{member}/status").splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


def read(path):
    """A file of /proc; empty when its process has ended."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def free_port():
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A server while it runs; `with` stops it."""

    def __init__(self, name, command, environment, log_path):
        self.name = name
        self.log_path = log_path
        with open(log_path, "wb") as log:
            # A session of its own: Ctrl-C reaches the script alone, which then stops it in order.
            self.child = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        self.pid = self.child.pid

    def wait_for(self, port):
        """Until somebody listens there."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.child.poll() is not None or time.monotonic() > deadline:
                log = read(self.log_path)[-2000:]
                self.stop()
                raise Failed(f"{self.name} does not start: {log}")
            time.sleep(TICK_S)

    def cpu_seconds(self):
        """Used so far by it and its children."""
        return cpu_seconds(self.pid)

    def stop(self):
        """Asks it to; what is still there after a while is killed, it and its children by id."""
        family = [self.pid, *children(self.pid)]
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            for pid in family:
                kill(pid)
            self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def kill(pid):
    """At once; nothing when it has ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(command, **options):
    """A program to its end; its stdout as text."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        words = " ".join(map(str, command))
        raise Failed(f"{words}: exit code {result.returncode}: {result.stderr.strip()[-1000:]}")
    return result.stdout
