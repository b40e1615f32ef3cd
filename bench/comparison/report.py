"""The folder of a run: machine.json, raw.csv, commands.md, configurations, charts, summary.md.

`summary.md` and the charts follow from the other files alone, so they can be written again
(`bench/compare --again DIR`).
"""

import json
import os

from .bars import BARS_OF, CEILING
from .charts import bar_chart, number
from .figures import METRICS, median, read_csv, servers_of, values, works_of, write_csv

# A work: what a reader calls it, and the metrics that tell of it. The first one is drawn.
TITLES = {
    "put-large": ("Upload, 256 MiB x 4 at once",
                  ("GB/s to synced", "GB/s", "CPU s/GB", "server CPU s/GB", "machine CPU s/GB")),
    "form-large": ("Upload as a form (multipart), 256 MiB x 4 at once",
                   ("GB/s to synced", "GB/s", "CPU s/GB")),
    "get-large": ("Download, 256 MiB x 4 at once, cached", ("GB/s", "CPU s/GB")),
    "get-uncached": ("Download, 256 MiB x 4 at once, from the disk", ("GB/s", "CPU s/GB")),
    "put-small": ("Upload, 4 KiB x 32 connections",
                  ("requests/s to synced", "requests/s", "CPU µs/request", "p50 µs", "p99 µs")),
    "get-hot": ("GET, 4 KiB x 32 connections, 500 files",
                ("requests/s", "CPU µs/request", "p50 µs", "p99 µs")),
    "get-wide": ("GET, 4 KiB x 32 connections, all small files",
                 ("requests/s", "CPU µs/request", "p50 µs", "p99 µs")),
    "copy": ("Copy a file, from the disk to synced", ("GB/s to synced", "GB/s", "CPU s/GB")),
    CEILING: ("What the machine gives", ("GB/s", "requests/s")),
    "get-idle": ("GET, 4 KiB x 32 connections, beside idle connections",
                 ("p99 µs", "p50 µs", "requests/s", "resident KiB")),
    "idle-memory": ("Memory of one further idle connection", ("resident KiB",)),
    "get-same": ("GET, 4 KiB x 32 connections, 1,000 of the objects",
                 ("p99 µs", "p50 µs", "requests/s")),
    "get-any": ("GET, 4 KiB x 32 connections, any of the objects",
                ("p99 µs", "p50 µs", "requests/s")),
    "open-any": ("Open, read and close any of the files, one after another, no server",
                 ("p50 µs", "p99 µs", "requests/s")),
    "relay-one": ("Bytes through a relay, 1 connection", ("GB/s", "server CPU s/GB")),
    "relay-four": ("Bytes through a relay, 4 connections", ("GB/s", "server CPU s/GB")),
    "put-more": ("PUT, 4 KiB x 32 connections", ("p99 µs", "p50 µs", "requests/s")),
}
OURS = ("ringhold", "ringhold-none", "ringhold-cached", "ringhold copy")


def title_of(work, run):
    """With the sizes of this run where they are others."""
    size = run["large"]
    title = TITLES[work][0]
    return title if size == 256 << 20 else title.replace("256 MiB", f"{size / 2**20:g} MiB")


def write_run(folder, run, machine, session):
    """Everything that was measured; then what follows from it."""
    write_told(folder, {**run, "notes": session.notes}, machine)
    with open(os.path.join(folder, "raw.csv"), "w", encoding="utf-8") as file:
        write_csv(session.figures, file)
    write_text(folder, "commands.md", commands_page(session))
    for server, config in session.configs.items():
        write_text(folder, f"{server}.conf", cleaned(config, session.directory))
    return write_again(folder)


def write_told(folder, run, machine):
    """What a run was told, and on which machine."""
    os.makedirs(folder, exist_ok=True)
    for name, content in (("machine.json", machine), ("run.json", run)):
        write_text(folder, name, json.dumps(content, indent=2) + "\n")


def write_again(folder):
    """summary.md and the charts, from the files beside them."""
    (run, machine), figures = read_told(folder), read_figures(folder)
    for work in works_of(figures):
        metric = TITLES[work][1][0]
        rows = [(server, values(figures, work, server, metric), server in OURS)
                for server in servers_of(figures, work)]
        rows = [row for row in rows if any(row[1])]
        write_text(folder, f"{work}.svg", bar_chart(title_of(work, run), metric, rows))
    return write_text(folder, "summary.md", summary(run, machine, figures))


def read_told(folder):
    """What `write_told` wrote: the run, the machine."""
    told = []
    for name in ("run.json", "machine.json"):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            told.append(json.load(file))
    return told


def read_figures(folder):
    """All of a run."""
    with open(os.path.join(folder, "raw.csv"), encoding="utf-8") as file:
        return read_csv(file)


def write_text(folder, name, text):
    """A file of the run; its path."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def cleaned(text, directory):
    """Without the place where this run happened to be."""
    return text.replace(directory, "DIR")


def commands_page(session):
    """Each server's command line and each work's, as they were run."""
    lines = ["# Commands of the run", "",
             "DIR is the run's own directory; ports are free ones.", "", "```text"]
    for work, server, command in session.commands:
        lines.append(f"{work:12} {server:14} {cleaned(command, session.directory)}")
    return "\n".join([*lines, "```", ""])


def summary(run, machine, figures):
    """summary.md."""
    parts = [f"# {run['date']}: {run['title']}", "", about(run, machine), ""]
    parts += ["## The bars", "", bars_table(figures, BARS_OF[run["kind"]]), ""]
    if run["notes"]:
        parts += ["## Notes", "", *[f"- {note}" for note in run["notes"]], ""]
    parts += ["## Medians", ""]
    if run["kind"] == "compare":
        parts += ["In brackets: ringhold by this server.", ""]
    for work in works_of(figures):
        parts += [f"### {title_of(work, run)}", "", work_table(figures, work), "",
                  f"![{title_of(work, run)}]({work}.svg)", ""]
    parts += ["Every figure of every round is in [raw.csv](raw.csv), what was run in"
              " [commands.md](commands.md), the machine in [machine.json](machine.json).", ""]
    return "\n".join(parts)


def about(run, machine):
    """The machine, the programs, the sizes, as a table."""
    rows = [
        ("machine", f"{machine['cpu']['cores']} cores {machine['cpu']['model']},"
                    f" {machine['memory_bytes'] / 2**30:.0f} GiB"),
        ("kernel, filesystem", f"{machine['kernel']}, {machine['filesystem']['type']}"
                               f" ({machine['filesystem']['options']})"),
        ("command", f"`{run['command']}`"),
        ("rounds", str(run["rounds"])),
        ("sizes", run["sizes"]),
        *run["versions"].items(),
    ]
    return "\n".join(["| | |", "|---|---|", *[f"| {name} | {text} |" for name, text in rows]])


def bars_table(figures, bars):
    """Each bar with its verdict."""
    lines = ["| bar | of | ringhold | against | ratio | wanted | |",
             "|---|---|---|---|---|---|---|"]
    for bar in bars:
        verdict = bar.judge(figures)
        shown = [number(value) if value is not None else "" for value in
                 (verdict.ours, verdict.theirs, verdict.ratio)]
        lines.append(f"| {bar.title} | {bar.metric} | {shown[0]} | {shown[1]} | {shown[2]} "
                     f"| {bar.wanted()} | {verdict.word()} |")
    return "\n".join(lines)


def work_table(figures, work):
    """Servers down, metrics across; beside a peer's median the ratio ringhold by peer."""
    metrics = [name for name in TITLES[work][1]
               if any(any(values(figures, work, server, name))
                      for server in servers_of(figures, work))]
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for server in servers_of(figures, work):
        cells = [cell(figures, work, server, metric) for metric in metrics]
        lines.append(f"| {server} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(figures, work, server, metric):
    """A median, and against whom it stands."""
    assert metric in METRICS
    value = median(figures, work, server, metric)
    ours = next((name for name in OURS if name in servers_of(figures, work)
                 and name != "ringhold-none"), None)
    if not value:
        return ""
    if ours is None or server in OURS:
        return number(value)
    return f"{number(value)} ({median(figures, work, ours, metric) / value:.2f})"
