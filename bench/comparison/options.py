"""Command lines of the scripts: what their flags take, where their runs go, how they end."""

import argparse
import datetime
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile

from . import servers
from .processes import Failed, raise_open_files

# The folder of the scripts.
BENCH = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
REPOSITORY = os.path.dirname(BENCH)
UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
         "KB": 10**3, "MB": 10**6, "GB": 10**9}
# Flags that say where things are on this machine: they change nothing that is measured.
PLACES = ("--out", "--ringhold", "--bench", "--program", "--dir")


def size(text):
    """`256MiB` as bytes."""
    match = re.fullmatch(r"(\d+)([KMG]i?B|B|)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write 256MiB, 16GiB, 10GB")
    return int(match[1]) * UNITS[match[2]]


def count(text):
    """A number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return int(text)


def names(known):
    """A list with commas; an empty text is an empty list."""
    def parse(text):
        found = [name for name in text.split(",") if name]
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}': choose of {', '.join(known)}")
        return found
    return parse


def program(text):
    """`dufs=/opt/dufs` as a pair."""
    name, divider, path = text.partition("=")
    if not divider or name not in servers.COMMANDS or not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(
            f"'{text}': write NAME=FILE, of a program that can be run")
    return name, os.path.realpath(path)


def command_line(kind, words):
    """As others would write it: without the places of this machine."""
    kept, rest = [], iter(words)
    for word in rest:
        if word in PLACES:
            next(rest, None)
        elif not word.startswith(tuple(f"{place}=" for place in PLACES)):
            kept.append(word)
    return shlex.join([f"bench/{kind}", *kept])


def parser_of(text, kind):
    """A parser with the flags that every script has; `text` is the script's own."""
    release = os.path.join(REPOSITORY, "target", "release")
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    flag = parser.add_argument
    flag("--rounds", type=count, help="turns of each, of which the median counts [5]")
    flag("--dir", default=os.path.join(REPOSITORY, "target"), metavar="DIR",
         help="where servers keep their files [target]: on the filesystem to be measured")
    flag("--out", metavar="DIR", help=f"the run's folder [bench/runs/DATE-{kind}]")
    flag("--ringhold", default=os.path.join(release, "ringhold"), metavar="FILE",
         help="the daemon [target/release/ringhold]")
    flag("--bench", default=os.path.join(release, "ringhold-bench"), metavar="FILE",
         help="the generator [target/release/ringhold-bench]")
    return parser


def folder_of(options, kind):
    """A new one: earlier runs of the day stay."""
    if options.out:
        return options.out
    wanted = os.path.join(BENCH, "runs", f"{today()}-{kind}")
    found, number = wanted, 1
    while os.path.exists(found):
        number += 1
        found = f"{wanted}-{number}"
    return found


def today():
    """The date of a run."""
    return datetime.date.today().isoformat()


def say(text):
    """Talk goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def in_directory(options, work):
    """Calls `work` with a fresh directory, which is given back whatever happens; prints the path
    that it returns."""
    for path in (options.ringhold, options.bench):
        if not os.access(path, os.X_OK):
            raise Failed(f"{path} is missing: cargo build --release")
    if not os.path.isdir(options.dir):
        raise Failed(f"--dir {options.dir} is no directory: make it, or name another")
    raise_open_files()
    # A kill ends the run as Ctrl-C does: servers stopped, room given back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = tempfile.mkdtemp(prefix="bench-", dir=os.path.realpath(options.dir))
    try:
        print(work(directory))
    finally:
        shutil.rmtree(directory)


def end(kind, main):
    """Runs a script; its exit code is 0 done, 1 failed, 2 usage."""
    try:
        main()
    except Failed as failure:
        say(f"{kind}: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        say(f"{kind}: interrupted; everything is stopped and given back")
        sys.exit(1)
