"""Where a daemon's time goes: perf's samples by symbol, strace's count of system calls."""

import csv
import re
import signal
import subprocess
import time
from dataclasses import dataclass

from .charts import number
from .processes import Failed, run

# A prime, so that nothing periodic is met in step.
SAMPLES_A_SECOND = 997
# How long perf and strace need to take hold of a process, seconds.
TAKE_HOLD_S = 1.0
# What a table shows.
SYMBOLS_SHOWN = 12
SHARE_MIN = 0.5
CALLS_MIN = 0.005


@dataclass
class Symbol:
    """A function and its share of a work's samples, percent."""
    work: str
    share: float
    side: str
    name: str


@dataclass
class Call:
    """A system call and how often it is made."""
    work: str
    name: str
    count: int
    requests: int


class Watch:
    """A tool that looks at a process until it is told to stop."""

    def __init__(self, command):
        self.child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(TAKE_HOLD_S)
        if self.child.poll() is not None:
            raise Failed(f"{command[0]}: {self.child.stderr.read().strip()}")

    def stop(self):
        """As Ctrl-C does it: then it writes what it has."""
        self.child.send_signal(signal.SIGINT)
        self.child.communicate()


def sampled(work, pid, path, load):
    """Calls `load` and samples the process meanwhile; its symbols, most samples first."""
    watch = Watch(["perf", "record", "-F", str(SAMPLES_A_SECOND), "-e", "cpu-clock", "-p",
                   str(pid), "-o", path])
    try:
        load()
    finally:
        watch.stop()
    report = run(["perf", "report", "-i", path, "--stdio", "--no-children", "--sort", "symbol",
                  "--percent-limit", "0.1"])
    return symbols(work, report)


def symbols(work, report):
    """The lines of `perf report --stdio --sort symbol`: `12.34%  [k] name`."""
    found = []
    for line in report.splitlines():
        # Behind the name there may be columns of counters that this machine does not have.
        match = re.match(r"\s+([\d.]+)%\s+\[(.)\]\s+(\S.*?)(?:\s{2,}[-\s]*)?$", line)
        if match:
            side = "kernel" if match[2] == "k" else "user"
            found.append(Symbol(work, float(match[1]), side, plain(match[3])))
    return found


def plain(name):
    """A symbol without the hash of its build, generic arguments, and the trait it belongs to:
    `<a::B<C> as d::E>::f::h0123456789abcdef` is `a::B::f`."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name.strip())
    while (shorter := re.sub(r"(?<=[\w:])<[^<>]*>", "", name)) != name:
        name = shorter
    while (shorter := re.sub(r"<([^<>]*?)(?: as [^<>]*)?>", r"\1", name)) != name:
        name = shorter
    return name.replace("::::", "::")


def counted(work, pid, path, load):
    """Calls `load`, which gives what the generator said, and counts the system calls meanwhile."""
    watch = Watch(["strace", "-c", "-f", "-q", "-o", path, "-p", str(pid)])
    try:
        requests = load().requests
    finally:
        watch.stop()
    with open(path, encoding="utf-8") as file:
        return calls(work, requests, file.read())


def calls(work, requests, table):
    """The lines of `strace -c`: % time, seconds, usecs/call, calls, perhaps errors, syscall."""
    found = []
    for line in table.splitlines():
        words = line.split()
        if len(words) in (5, 6) and words[3].isdecimal() and words[-1] != "total":
            found.append(Call(work, words[-1], int(words[3]), requests))
    return sorted(found, key=lambda call: -call.count)


def write_csv(path, rows):
    """One line an item, under the names of its fields."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(vars(rows[0]))
        writer.writerows(vars(row).values() for row in rows)


def read_csv(path, kind):
    """What `write_csv` wrote."""
    types = kind.__annotations__
    with open(path, encoding="utf-8", newline="") as file:
        return [kind(**{name: types[name](value) for name, value in row.items()})
                for row in csv.DictReader(file)]


def table(work, all_symbols, all_calls):
    """A work's top symbols, and its system calls a request."""
    own = [symbol for symbol in all_symbols if symbol.work == work]
    kernel = sum(symbol.share for symbol in own if symbol.side == "kernel")
    listed = sum(symbol.share for symbol in own) or 1
    lines = [f"In the kernel: {100 * kernel / listed:.0f} % of the samples.", "",
             "| % | where | symbol |", "|---|---|---|"]
    top = [symbol for symbol in own if symbol.share >= SHARE_MIN][:SYMBOLS_SHOWN]
    lines += [f"| {symbol.share:.1f} | {symbol.side} | `{symbol.name}` |" for symbol in top]
    made = [call for call in all_calls
            if call.work == work and call.count / call.requests >= CALLS_MIN]
    told = ", ".join(f"{call.name} {number(call.count / call.requests)}" for call in made)
    return "\n".join([*lines, "", f"System calls a request (strace): {told or 'none counted'}."])
