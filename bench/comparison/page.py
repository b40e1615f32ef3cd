"""docs/performance.md: every figure of the page comes from the newest runs of bench/runs.

The page is written by hand but for its blocks, which `bench/compare --page` fills anew, and which
a test holds in step with the runs:

    <!-- block: bars -->
    ...
    <!-- end -->
"""

import os
import re

from . import profiles, report
from .bars import BARS_OF
from .options import BENCH, REPOSITORY

PAGE = os.path.join(REPOSITORY, "docs", "performance.md")
BLOCK = re.compile(r"<!-- block: (?P<name>[^>]*?) -->\n.*?<!-- end -->", re.DOTALL)


def write():
    """Fills the blocks."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(filled(text))


def filled(text):
    """The page with its blocks as the runs have them."""
    def block(match):
        name = match["name"]
        return f"<!-- block: {name} -->\n{content(name)}\n<!-- end -->"
    return BLOCK.sub(block, text)


def content(name):
    """Of a block: `run KIND`, `bars KIND`, `work KIND WORK`, `profile WORK`."""
    what, *words = name.split()
    kind = "profile" if what == "profile" else words[0]
    folder = newest(kind)
    if folder is None:
        return f"No run is kept yet: `bench/{kind}` makes one."
    if what == "profile":
        return profiles.table(
            words[0], profiles.read_csv(os.path.join(folder, "symbols.csv"), profiles.Symbol),
            profiles.read_csv(os.path.join(folder, "calls.csv"), profiles.Call))
    link = os.path.relpath(folder, os.path.dirname(PAGE))
    run, machine = report.read_told(folder)
    if what == "run":
        return (f"From [{os.path.basename(folder)}]({link}/summary.md):\n\n"
                + report.about(run, machine))
    figures = report.read_figures(folder)
    if what == "bars":
        return report.bars_table(figures, BARS_OF[kind])
    work = words[1]
    if not any(figure.work == work for figure in figures):
        return "Not measured in that run."
    title = report.title_of(work, run)
    return f"{report.work_table(figures, work)}\n\n![{title}]({link}/{work}.svg)"


def newest(kind):
    """The folder of the latest run of a kind: by its date, then by its number of that day."""
    pattern = re.compile(rf"(\d{{4}}-\d\d-\d\d)-{re.escape(kind)}(?:-(\d+))?")
    runs = os.path.join(BENCH, "runs")
    found = [(match[1], int(match[2] or 1), name) for name in os.listdir(runs)
             if (match := pattern.fullmatch(name))
             and os.path.exists(os.path.join(runs, name, "run.json"))]
    return os.path.join(runs, max(found)[2]) if found else None
