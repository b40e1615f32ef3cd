"""The bars: for each work, against whom, in what, how much. All on one machine in one run, hashing
on, as many workers as cores (2 where they were set), the generator on the same machine.
"""

from .figures import Bar

# Works and the servers' columns, as in raw.csv.
CEILING = "ceiling"
FIO_WRITE = (CEILING, "fio direct write")
FIO_READ = (CEILING, "fio direct read")
LOOPBACK = (CEILING, "loopback TCP")
ONE_THREAD = (CEILING, "one thread, durable")

BARS = (
    Bar("upload 4 x 256 MiB: rate against nginx, to synced", "GB/s to synced",
        ("put-large", "ringhold"), (("put-large", "nginx"),), at_least=2.5),
    Bar("upload 4 x 256 MiB: CPU a GB against nginx, sync counted", "CPU s/GB",
        ("put-large", "ringhold"), (("put-large", "nginx"),), at_most=0.4),
    Bar("upload 4 x 256 MiB: the lower of fio's direct write and loopback TCP", "GB/s",
        ("put-large", "ringhold"), (FIO_WRITE, LOOPBACK), at_least=0.75),
    Bar("upload by multipart against PUT", "GB/s",
        ("form-large", "ringhold"), (("put-large", "ringhold"),), at_least=0.9),
    Bar("upload 4 KiB x 32, durability none, against nginx", "requests/s",
        ("put-small", "ringhold-none"), (("put-small", "nginx"),), at_least=1.3),
    # The server that promises is compared at the moment when both have kept the promise.
    Bar("upload 4 KiB x 32, durability full, against nginx to synced", "requests/s to synced",
        ("put-small", "ringhold"), (("put-small", "nginx"),), at_least=1.3),
    # 12,000 a second where one thread does 3,200.
    Bar("upload 4 KiB x 32, durability full, against one thread that keeps the promise",
        "requests/s", ("put-small", "ringhold"), (ONE_THREAD,), at_least=3.75),
    Bar("download 4 x 256 MiB, cached: rate against nginx", "GB/s",
        ("get-large", "ringhold"), (("get-large", "nginx"),), at_least=1.4),
    Bar("download 4 x 256 MiB, cached: CPU a GB against nginx", "CPU s/GB",
        ("get-large", "ringhold"), (("get-large", "nginx"),), at_most=0.9),
    Bar("download 4 x 256 MiB, uncached, against fio's direct read", "GB/s",
        ("get-uncached", "ringhold"), (FIO_READ,), at_least=0.85),
    Bar("GET 4 KiB x 32, 500 files asked again and again, against nginx", "requests/s",
        ("get-hot", "ringhold"), (("get-hot", "nginx"),), at_least=1.2),
    Bar("GET 4 KiB x 32, more files than are kept, against nginx", "requests/s",
        ("get-wide", "ringhold"), (("get-wide", "nginx"),), at_least=1.2),
    Bar("copy a file, against fio that reads and writes at once", "GB/s to synced",
        ("copy", "ringhold copy"), (("copy", "fio"),), at_least=0.9),
    Bar("copy a file, against cp, uncached", "GB/s to synced",
        ("copy", "ringhold copy"), (("copy", "cp"),), at_least=1.5),
)

# Columns of bench/idle-connections and bench/many-objects.
ALONE, BESIDE, EACH = "alone", "beside idle ones", "one idle connection"
FEW, MANY = "few objects", "many objects"

IDLE_BARS = (
    Bar("an idle connection of 10,000: the daemon's memory", "resident KiB",
        ("idle-memory", EACH), at_most=16),
    Bar("GET 4 KiB beside 10,000 idle connections, against without", "p99 µs",
        ("get-idle", BESIDE), (("get-idle", ALONE),), at_most=1.2),
)

MANY_BARS = tuple(
    Bar(f"{title}, 1,000,000 objects against 1,000", metric, (work, MANY), ((work, FEW),),
        at_most=1.15)
    for work, title in (("get-same", "GET of 1,000 of them"), ("get-any", "GET of any"),
                        ("put-more", "PUT"))
    for metric in ("p50 µs", "p99 µs"))

# Works of bench/compare-relay.
RELAY_ONE, RELAY_FOUR = "relay-one", "relay-four"

RELAY_BARS = tuple(
    bar
    for work, title in ((RELAY_ONE, "1 connection"), (RELAY_FOUR, "4 connections"))
    for bar in (
        Bar(f"bytes through the relay, {title}: rate against socat", "GB/s",
            (work, "ringhold"), ((work, "socat"),), at_least=1.0),
        Bar(f"bytes through the relay, {title}: CPU a GB against socat", "server CPU s/GB",
            (work, "ringhold"), ((work, "socat"),), at_most=0.5)))

# By the kind of run.
BARS_OF = {"compare": BARS, "idle-connections": IDLE_BARS, "many-objects": MANY_BARS,
           "compare-relay": RELAY_BARS}
