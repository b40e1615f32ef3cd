"""The works: what is done on a server in a turn, and what is measured of it.

A turn is one server on a fresh directory in one round; all servers take turns in each group of
works, beginning with another one each round, so that whatever else the machine does meets all:

| group | works |
|---|---|
| large | put-large, get-large (cached), get-uncached |
| form | form-large: the large files again, as forms |
| small | put-small, get-hot, get-wide |
| copy | copy: tools instead of servers |
| ceiling | what the machine itself gives |

Small files stay until the run ends: ext4 does not reuse inodes that were deleted in the last
minutes, and looks for others at a price. Large files are removed after each turn: they are few.
"""

import os
import shlex
import shutil
import time
from dataclasses import dataclass

from . import ceilings
from .bars import CEILING, FIO_READ, FIO_WRITE, LOOPBACK, ONE_THREAD
from .figures import Figure
from .processes import Failed, machine_cpu_seconds

WORKS = {
    "large": ("put-large", "get-large", "get-uncached"),
    "form": ("form-large",),
    "small": ("put-small", "get-hot", "get-wide"),
    "copy": ("copy",),
    "ceiling": (CEILING,),
}
SMALL_SIZE = 4096
SMALL_CONNECTIONS = 32
LARGE_CONNECTIONS = 4
# Files that get-hot asks for: what any server keeps at hand.
HOT_COUNT = 500
# A file for the ceilings of the disk: long enough to settle.
CEILING_SIZE = 4 << 30


@dataclass
class Sizes:
    """How much is done."""
    large: int
    total: int
    small: int
    copy: int
    # How long small files are asked for: a slow server takes no more time than a fast one.
    seconds: int

    def large_count(self):
        """Uploads of a turn: whole batches of as many as there are connections."""
        return max(self.total // self.large, LARGE_CONNECTIONS)

    def text(self):
        """For the report."""
        total = self.large * self.large_count()
        return (f"large files of {self.large / 2**20:g} MiB to {total / 2**30:.3g} GiB a turn,"
                f" {self.small} small files a turn, asked for during {self.seconds} s,"
                f" copy of {self.copy / 2**30:.3g} GiB")

    def bytes_needed(self, server_count, round_count):
        """What is on the disk at most: all small files, and the largest turn."""
        small = 2 * SMALL_SIZE * self.small * server_count * round_count
        large = self.large * self.large_count()
        return small + max(large, 2 * self.copy, self.ceiling_size()) + (1 << 30)

    def ceiling_size(self):
        """Of the file that fio writes and reads."""
        return min(self.total, CEILING_SIZE)


class Session:
    """One run: figures, commands and notes gather here."""

    def __init__(self, directory, sizes, wanted, generator, say):
        self.directory = directory
        self.sizes = sizes
        self.wanted = wanted
        self.generator = generator
        self.say = say
        self.figures = []
        self.commands = []
        self.configs = {}
        self.notes = []

    def note(self, text):
        """Something that the reader of the summary must know; once."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(text)

    def keep(self, figure):
        """A figure, if its work was asked for."""
        if figure.work not in self.wanted:
            return
        self.figures.append(figure)
        self.say(f"{figure.round} {figure.work:12} {figure.server:20} {figure.requests:7}"
                 f" requests {figure.bytes / 1e9:8.3f} GB {figure.seconds:8.3f} s"
                 f" + sync {figure.sync_s:7.3f} s, server {figure.server_cpu_s:7.2f}"
                 f" + sync {figure.sync_cpu_s:5.2f} CPU s, p99 {figure.p99_us:7.0f} us")

    def keep_command(self, work, server, command):
        """What was run, once for each work and server."""
        program, *words = map(str, command)
        if not any(known[:2] == (work, server) for known in self.commands):
            line = shlex.join([os.path.basename(program), *words])
            self.commands.append((work, server, line))

    def wants(self, *works):
        """Whether one of them was asked for."""
        return any(work in self.wanted for work in works)


class Turn:
    """One server in one round, on a directory of its own."""

    def __init__(self, session, server, round_index, name=None, directory=None):
        self.session = session
        self.server = server
        self.round = round_index
        # The column of its figures.
        self.name = name or server.name
        fresh = os.path.join(session.directory, f"{self.name}-{time.monotonic_ns()}")
        self.directory = directory or fresh
        os.makedirs(self.directory, exist_ok=True)
        self.running = server.start(self.directory)
        words = self.running.command
        session.keep_command("serve", self.name, words)
        if self.running.config:
            session.configs.setdefault(server.name, self.running.config)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running.process.stop()

    def measure(self, work, kind, size, writes=False, **flags):
        """One call of the generator over files of one size, with the sync that follows a write."""
        if writes:
            flags["size"] = size
            # What others left to be written is not for this figure to pay.
            ceilings.sync(self.session.directory)
        server_before = self.running.process.cpu_seconds()
        machine_before = machine_cpu_seconds()
        load = self.load(kind, **flags)
        if load.bytes != load.requests * size:
            raise Failed(f"{work}: {load.requests} requests of {size} bytes moved {load.bytes}")
        server_between = self.running.process.cpu_seconds()
        machine_between = machine_cpu_seconds()
        sync_s = ceilings.sync(self.session.directory) if writes else 0.0
        server_after = self.running.process.cpu_seconds()
        machine_after = machine_cpu_seconds()
        in_sync = (machine_after - machine_between) - (server_after - server_between)
        self.session.keep_command(work, self.name, load.command)
        self.session.keep(Figure(
            self.round, work, self.name, load.requests, load.bytes, load.seconds, sync_s,
            server_after - server_before, max(in_sync, 0.0) if writes else 0.0,
            max(machine_after - machine_before - load.cpu_s, 0.0), load.cpu_s,
            load.p50_us, load.p99_us, load.verified))

    def load(self, kind, **flags):
        """One call that is not measured."""
        return self.session.generator.run(self.running.target, kind, **flags)

    def list(self, name, paths):
        """A file of paths for the generator."""
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in paths)
        return path

    def put(self, work, size, count, connections):
        """Uploads, or for a server that takes none the same files made by hand; their paths."""
        if self.server.put_prefix is None:
            ceilings.sync(self.session.directory)
            return make_files(self.running.root, size, count)
        stored = os.path.join(self.directory, f"{work}.paths")
        flags = {"count": count, "connections": connections, "prefix": self.server.put_prefix,
                 "paths_out": stored}
        if self.server.plays(work):
            self.measure(work, "upload", size, writes=True, **flags)
        else:
            self.load("upload", size=size, **flags)
            ceilings.sync(self.session.directory)
        with open(stored, encoding="utf-8") as file:
            return file.read().split()

    # Files made by hand hold what the generator does not know.
    def verify(self, every):
        """The flag's value."""
        return every if self.server.put_prefix else 0


def make_files(root, size, count):
    """In `files/`, all of them on the disk; their paths in URLs."""
    names = [f"{size}-{index}.bin" for index in range(count)]
    for name in names:
        path = os.path.join(root, "files", name)
        if size >= ceilings.MIB:
            ceilings.make_file(path, size)
        else:
            with open(path, "wb") as file:
                file.write(os.urandom(size))
    ceilings.sync(root)
    return [f"/files/{name}" for name in names]


def large(turn):
    """The group of that name."""
    session, sizes = turn.session, turn.session.sizes
    count = sizes.large_count()
    paths = turn.put("put-large", sizes.large, count, LARGE_CONNECTIONS)
    few = turn.list("few", paths[:LARGE_CONNECTIONS])
    every = turn.list("every", paths)
    if session.wants("get-large"):
        # Into the page cache, and every byte checked.
        turn.load("download", paths=few, count=2 * LARGE_CONNECTIONS,
                  connections=LARGE_CONNECTIONS, verify_every=turn.verify(1))
        turn.measure("get-large", "download", sizes.large, paths=few,
                     count=max(count, 4 * LARGE_CONNECTIONS), connections=LARGE_CONNECTIONS,
                     verify_every=0)
    if session.wants("get-uncached"):
        if ceilings.drop_caches():
            turn.measure("get-uncached", "download", sizes.large, paths=every, count=len(paths),
                         connections=LARGE_CONNECTIONS, verify_every=0)
        else:
            session.note("get-uncached is left out: only root may drop the page cache")


def form(turn):
    """The group of that name."""
    sizes = turn.session.sizes
    turn.measure("form-large", "multipart", sizes.large, writes=True, count=sizes.large_count(),
                 connections=LARGE_CONNECTIONS, prefix=turn.server.form_prefix)


def small(turn):
    """The group of that name."""
    session, sizes = turn.session, turn.session.sizes
    paths = turn.put("put-small", SMALL_SIZE, sizes.small, SMALL_CONNECTIONS)
    for work, some in (("get-hot", paths[:HOT_COUNT]), ("get-wide", paths)):
        if session.wants(work) and turn.server.plays(work):
            asked = turn.list(work, some)
            verify_every = turn.verify(100)
            turn.load("download", paths=asked, count=len(some), connections=SMALL_CONNECTIONS,
                      verify_every=verify_every)
            turn.measure(work, "download", SMALL_SIZE, paths=asked,
                         duration=f"{sizes.seconds}s", connections=SMALL_CONNECTIONS,
                         verify_every=verify_every)


def copy(session, round_index, ringhold):
    """One file by each tool, from the disk and not from the page cache."""
    source = os.path.join(session.directory, "source")
    target = os.path.join(session.directory, "target")
    size = session.sizes.copy
    if not os.path.exists(source):
        ceilings.make_file(source, size)
    tools = ceilings.copiers(ringhold, source, target)
    if ceilings.have_fio():
        tools.append(("fio", None))
    shift = round_index % len(tools)
    for name, command in tools[shift:] + tools[:shift]:
        if not ceilings.drop_caches():
            session.note("copy is left out: only root may drop the page cache")
            return
        copy_once(session, round_index, name, command, size)
        os.remove(target)


def copy_once(session, round_index, name, command, size):
    """One tool; its processor time is that of the child that has ended."""
    own, machine = os.times(), machine_cpu_seconds()
    start = time.monotonic()
    if command is None:
        seconds = ceilings.fio_copy(session.directory, size)
    else:
        ceilings.run(command)
        seconds = time.monotonic() - start
        session.keep_command("copy", name, command)
    used = os.times()
    between = machine_cpu_seconds()
    # fio ends with a sync of its own, within its seconds.
    sync_s = ceilings.sync(session.directory)
    after = machine_cpu_seconds()
    server_cpu_s = (used.children_user + used.children_system
                    - own.children_user - own.children_system)
    session.keep(Figure(round_index, "copy", name, 1, size, seconds, sync_s, server_cpu_s,
                        after - between, after - machine))


def ceiling(session, round_index):
    """What the machine gives, as figures of servers that are none."""
    def keep(name, requests, amount, seconds):
        session.keep(Figure(round_index, CEILING, name[1], requests, amount, seconds))

    if ceilings.have_fio():
        size = session.sizes.ceiling_size()
        try:
            keep(FIO_WRITE, 0, size, ceilings.fio_write(session.directory, size))
            keep(FIO_READ, 0, size, ceilings.fio_read(session.directory, size))
        except Failed as failure:
            session.note(f"no ceiling of the disk: {failure}")
        remove(os.path.join(session.directory, "ceiling"))
    else:
        session.note("fio is not installed, so the disk's own rates are not known:"
                     " apt-get install fio")
    size, seconds = ceilings.loopback()
    keep(LOOPBACK, 0, size, seconds)
    count, seconds = ceilings.one_thread(
        os.path.join(session.directory, f"thread-{round_index}"))
    keep(ONE_THREAD, count, 0, seconds)


def remove(path):
    """A file that may not be there."""
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


GROUPS = {"large": large, "form": form, "small": small}


def take_turns(session, servers, round_index):
    """One round."""
    ours = next(server for server in servers if server.name == "ringhold")
    if session.wants(CEILING):
        ceiling(session, round_index)
    for group, work in GROUPS.items():
        if not session.wants(*WORKS[group]):
            continue
        playing = [server for server in servers if takes_part(server, group)]
        shift = round_index % len(playing)
        for server in playing[shift:] + playing[:shift]:
            turn_of(session, server, round_index, group, work)
    if session.wants("copy"):
        copy(session, round_index, ours.path)


def takes_part(server, group):
    """Whether it can, and has anything to show in the group."""
    if group == "form" and server.form_prefix is None:
        return False
    return any(server.plays(work) for work in WORKS[group])


def turn_of(session, server, round_index, group, work):
    """A peer that fails is noted and left at that; ringhold may not fail."""
    try:
        with Turn(session, server, round_index) as turn:
            work(turn)
    except Failed as failure:
        if server.program == "ringhold":
            raise
        session.note(f"{server.name} failed at {group} in round {round_index}: {failure}")
        return
    finally:
        ceilings.sync(session.directory)
    if group != "small":
        shutil.rmtree(turn.directory)
