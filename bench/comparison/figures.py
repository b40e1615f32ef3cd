"""Figures and what follows from them: medians, ratios, bars. Pure: no file, no clock, no process.

A figure is one piece of work on one server in one round. What is compared is the median over the
rounds of one run; a ratio is between two medians of the same run and travels to other machines,
where the figures themselves do not.
"""

import csv
import statistics
from dataclasses import asdict, dataclass, fields

GB = 1e9


@dataclass
class Figure:
    """A row of raw.csv. Seconds are wall time, `cpu` those of processors."""
    round: int
    work: str
    server: str
    requests: int
    bytes: int
    # Until the last answer.
    seconds: float
    # The `sync` afterwards; 0 for work that writes nothing.
    sync_s: float = 0.0
    # The server with its threads and children, until the end of the sync.
    server_cpu_s: float = 0.0
    # What the machine did for the sync besides: the kernel's threads that write back.
    sync_cpu_s: float = 0.0
    # Everything on the machine but the generator, until the end of the sync.
    machine_cpu_s: float = 0.0
    generator_cpu_s: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    # Bodies whose every byte was checked.
    verified: int = 0
    # Of the server's memory, at most meanwhile.
    resident_kib: float = 0.0


@dataclass(frozen=True)
class Metric:
    """A way to read a figure."""
    name: str
    of: object
    # Whether more is better.
    more: bool = True


def rate(amount, seconds):
    """Per second; nothing took no time at all."""
    return amount / seconds if seconds > 0 else 0.0


METRICS = {metric.name: metric for metric in (
    Metric("GB/s", lambda f: rate(f.bytes / GB, f.seconds)),
    Metric("GB/s to synced", lambda f: rate(f.bytes / GB, f.seconds + f.sync_s)),
    Metric("requests/s", lambda f: rate(f.requests, f.seconds)),
    Metric("requests/s to synced", lambda f: rate(f.requests, f.seconds + f.sync_s)),
    Metric("CPU s/GB", lambda f: rate(f.server_cpu_s + f.sync_cpu_s, f.bytes / GB), False),
    Metric("server CPU s/GB", lambda f: rate(f.server_cpu_s, f.bytes / GB), False),
    Metric("machine CPU s/GB", lambda f: rate(f.machine_cpu_s, f.bytes / GB), False),
    Metric("CPU µs/request",
           lambda f: rate((f.server_cpu_s + f.sync_cpu_s) * 1e6, f.requests), False),
    Metric("p50 µs", lambda f: f.p50_us, False),
    Metric("p99 µs", lambda f: f.p99_us, False),
    Metric("resident KiB", lambda f: f.resident_kib, False),
)}


def values(figures, work, server, metric):
    """Over the rounds, in their order."""
    of = METRICS[metric].of
    return [of(figure) for figure in figures
            if figure.work == work and figure.server == server]


def median(figures, work, server, metric):
    """Over the rounds; None where there is no figure."""
    found = values(figures, work, server, metric)
    return statistics.median(found) if found else None


def ratio(figures, metric, ours, theirs):
    """Between two medians, each of a (work, server); None where one is missing or 0."""
    above = median(figures, *ours, metric)
    below = median(figures, *theirs, metric)
    return above / below if above is not None and below else None


def servers_of(figures, work):
    """Who has figures for a work, in the order of their first."""
    return list(dict.fromkeys(figure.server for figure in figures if figure.work == work))


def works_of(figures):
    """The works of a run, in the order of their first figures."""
    return list(dict.fromkeys(figure.work for figure in figures))


@dataclass(frozen=True)
class Bar:
    """A ratio to reach: of the medians of `metric`, ours by the lowest of theirs. Where there are
    no others it is our own median that is wanted."""
    title: str
    metric: str
    ours: tuple
    theirs: tuple = ()
    at_least: float = None
    at_most: float = None

    def wanted(self):
        """As text."""
        return f">= {self.at_least}" if self.at_most is None else f"<= {self.at_most}"

    def judge(self, figures):
        """A `Verdict`."""
        ours = median(figures, *self.ours, self.metric)
        theirs = [median(figures, *one, self.metric) for one in self.theirs]
        if ours is None or any(not value for value in theirs):
            return Verdict(self, ours, None, None)
        if not theirs:
            return Verdict(self, ours, None, ours)
        lowest = min(theirs)
        return Verdict(self, ours, lowest, ours / lowest)


@dataclass(frozen=True)
class Verdict:
    """A bar beside what was measured; `ratio` is None where something was not measured."""
    bar: Bar
    ours: float
    theirs: float
    ratio: float

    def reached(self):
        """True, False, or None for not measured."""
        if self.ratio is None:
            return None
        if self.bar.at_most is not None:
            return self.ratio <= self.bar.at_most
        return self.ratio >= self.bar.at_least

    def word(self):
        """For a table."""
        return {True: "reached", False: "not reached", None: "not measured"}[self.reached()]


def write_csv(figures, file):
    """One line a figure, under the names of its fields."""
    names = [field.name for field in fields(Figure)]
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    for figure in figures:
        row = {name: f"{value:.6g}" if isinstance(value, float) else value
               for name, value in asdict(figure).items()}
        writer.writerow(row)


def read_csv(file):
    """What `write_csv` wrote."""
    kinds = {field.name: field.type for field in fields(Figure)}
    return [Figure(**{name: kinds[name](value) for name, value in row.items()})
            for row in csv.DictReader(file)]
