"""What the scripts compute, checked: `python3 -m unittest comparison.tests` in bench/. No server
is started and nothing is measured; tests/black_box/comparison.rs runs them, and a small comparison.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

from . import bars, charts, figures, machine, options, page, processes, profiles, report, servers
from .figures import Bar, Figure


def figure(server, seconds, work="put-large", **more):
    """4 GB in so many seconds."""
    return Figure(0, work, server, 16, 4_000_000_000, seconds, **more)


class Medians(unittest.TestCase):
    """figures.py"""

    RUN = (figure("ours", 2.0), figure("ours", 1.0), figure("ours", 4.0),
           figure("theirs", 8.0), figure("theirs", 4.0))

    def test_a_median_is_over_the_rounds_of_one_server_and_work(self):
        self.assertEqual(figures.median(self.RUN, "put-large", "ours", "GB/s"), 2.0)
        # Of an even number of rounds: the middle of the two in the middle.
        self.assertEqual(figures.median(self.RUN, "put-large", "theirs", "GB/s"), 0.75)
        self.assertIsNone(figures.median(self.RUN, "put-large", "nobody", "GB/s"))
        self.assertIsNone(figures.median(self.RUN, "get-large", "ours", "GB/s"))

    def test_to_synced_counts_the_sync_and_the_kernels_time_for_it(self):
        run = [figure("ours", 3.0, sync_s=1.0, server_cpu_s=2.0, sync_cpu_s=6.0)]
        read = {name: figures.median(run, "put-large", "ours", name) for name in figures.METRICS}
        self.assertEqual(read["GB/s to synced"], 1.0)
        self.assertEqual(read["requests/s to synced"], 4.0)
        self.assertEqual(read["CPU s/GB"], 2.0)
        self.assertEqual(read["server CPU s/GB"], 0.5)
        self.assertEqual(read["CPU µs/request"], 500_000.0)

    def test_a_ratio_needs_both_sides(self):
        ours, theirs = ("put-large", "ours"), ("put-large", "theirs")
        self.assertAlmostEqual(figures.ratio(self.RUN, "GB/s", ours, theirs), 2.0 / 0.75)
        self.assertIsNone(figures.ratio(self.RUN, "GB/s", ours, ("put-large", "nobody")))

    def test_figures_come_back_from_their_file(self):
        file = io.StringIO()
        run = [figure("ours", 1.5, sync_s=0.25, p99_us=123.0, verified=7), figure("b, c", 2.0)]
        figures.write_csv(run, file)
        file.seek(0)
        self.assertEqual(figures.read_csv(file), run)


class Bars(unittest.TestCase):
    """figures.py, bars.py"""

    RUN = (figure("ours", 2.0), figure("fast", 1.0), figure("slow", 4.0))

    def judge(self, *theirs, **limit):
        """The word for 2 GB/s against them."""
        against = tuple(("put-large", name) for name in theirs)
        bar = Bar("a title", "GB/s", ("put-large", "ours"), against, **limit)
        return bar.judge(self.RUN).word()

    def test_a_bar_is_reached_at_its_ratio_and_not_below(self):
        self.assertEqual(self.judge("slow", at_least=2.0), "reached")
        self.assertEqual(self.judge("slow", at_least=2.01), "not reached")
        self.assertEqual(self.judge("slow", at_most=2.0), "reached")
        self.assertEqual(self.judge("slow", at_most=1.99), "not reached")

    def test_the_lowest_of_several_counts(self):
        self.assertEqual(self.judge("fast", "slow", at_least=2.0), "reached")
        self.assertEqual(self.judge("fast", at_least=2.0), "not reached")

    def test_what_was_not_measured_is_not_reached_and_says_so(self):
        self.assertEqual(self.judge("slow", "nobody", at_least=0.1), "not measured")
        bar = Bar("a title", "GB/s", ("put-large", "nobody"), at_least=0.1)
        self.assertEqual(bar.judge(self.RUN).word(), "not measured")

    def test_without_others_it_is_an_amount_that_is_wanted(self):
        self.assertEqual(self.judge(at_least=2.0), "reached")
        self.assertEqual(self.judge(at_most=1.0), "not reached")

    def test_every_bar_names_a_metric_and_a_limit(self):
        for kind in bars.BARS_OF.values():
            for bar in kind:
                self.assertIn(bar.metric, figures.METRICS)
                self.assertEqual([bar.at_least, bar.at_most].count(None), 1, bar.title)
                self.assertIn(bar.ours[0], report.TITLES)
        titled = {metric for _, metrics in report.TITLES.values() for metric in metrics}
        self.assertLessEqual(titled, set(figures.METRICS))


class Reports(unittest.TestCase):
    """report.py, charts.py, profiles.py, page.py"""

    def test_a_run_is_written_again_from_its_own_files(self):
        run = {"kind": "compare", "date": "2026-01-01", "title": "a title", "command": "a command",
               "rounds": 1, "large": 256 << 20, "sizes": "small", "versions": {}, "notes": ["so"]}
        told = {"cpu": {"cores": 2, "model": "a model"}, "memory_bytes": 1 << 30,
                "kernel": "6.1", "filesystem": {"type": "ext4", "options": "rw"}}
        with tempfile.TemporaryDirectory() as folder:
            report.write_told(folder, run, told)
            with open(os.path.join(folder, "raw.csv"), "w", encoding="utf-8") as file:
                figures.write_csv([figure("ringhold", 1.0), figure("nginx", 4.0)], file)
            with open(report.write_again(folder), encoding="utf-8") as file:
                text = file.read()
            with open(os.path.join(folder, "put-large.svg"), encoding="utf-8") as file:
                ElementTree.fromstring(file.read())
        self.assertIn("| 4 | 1 | 4 | >= 2.5 | reached |", text)
        self.assertIn("- so", text)
        self.assertIn("| nginx | 1 (4.00) |", text)

    def test_a_chart_is_well_formed_whatever_the_names_are(self):
        chart = charts.bar_chart("a < b", "GB/s & more", [("<one>", [1.0, 3.0], True)])
        self.assertEqual(len(ElementTree.fromstring(chart)), 7)
        self.assertEqual([charts.number(value) for value in (12345.6, 123.4, 0.01234)],
                         ["12,346", "123", "0.0123"])

    def test_symbols_and_calls_are_read_from_what_the_tools_print(self):
        text = ("# Overhead  Symbol\n    29.01%  [k] _copy_to_iter    -      -  \n"
                "     1.50%  [.] <a::B<C> as d::E>::f::h0123456789abcdef\n")
        found = profiles.symbols("a", text)
        self.assertEqual([(s.share, s.side, s.name) for s in found],
                         [(29.01, "kernel", "_copy_to_iter"), (1.5, "user", "a::B::f")])
        table = ("% time     seconds  usecs/call     calls    errors syscall\n"
                 "------ ----------- ----------- --------- --------- ----------------\n"
                 " 60.00    0.000600           1       600         3 writev\n"
                 " 40.00    0.000400           4       100           epoll_wait\n"
                 "100.00    0.001000           1       700         3 total\n")
        made = profiles.calls("a", 200, table)
        self.assertEqual([(c.name, c.count) for c in made], [("writev", 600), ("epoll_wait", 100)])
        shown = profiles.table("a", found, made)
        self.assertIn("| 29.0 | kernel | `_copy_to_iter` |", shown)
        self.assertIn("writev 3, epoll_wait 0.5.", shown)

    def test_the_page_is_in_step_with_the_runs(self):
        with open(page.PAGE, encoding="utf-8") as file:
            text = file.read()
        self.assertGreater(len(page.BLOCK.findall(text)), 8)
        self.assertEqual(page.filled(text), text, "run bench/compare --page")


class Machines(unittest.TestCase):
    """processes.py, machine.py, options.py, servers.py"""

    def test_the_time_of_children_counts_while_they_run_and_after(self):
        spin = "i = 0\nwhile i < 3_000_000: i += 1\n"
        nested = (f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {spin!r}]);"
                  "print('done', flush=True); time.sleep(60)")
        with subprocess.Popen([sys.executable, "-c", nested], stdout=subprocess.PIPE) as parent:
            try:
                parent.stdout.readline()
                alone = processes.read(f"/proc/{parent.pid}/stat").rpartition(")")[2].split()
                own = sum(map(int, alone[11:13])) / processes.TICKS_A_SECOND
                self.assertGreater(processes.cpu_seconds(parent.pid), own)
                self.assertIn(parent.pid, processes.children(os.getpid()))
            finally:
                parent.kill()

    def test_a_run_that_does_not_fit_is_refused_with_a_remedy(self):
        with self.assertRaisesRegex(processes.Failed, "make the run smaller"):
            machine.check_room(".", 1 << 62, 1)
        machine.check_room(".", 1, 1)

    def test_a_command_is_kept_without_the_places_of_this_machine(self):
        words = ["--dir", "/a", "--out=/b", "--rounds", "3", "--program", "dufs=/c"]
        self.assertEqual(options.command_line("compare", words), "bench/compare --rounds 3")

    def test_sizes_are_read_as_the_programs_read_them(self):
        self.assertEqual([options.size(text) for text in ("4KiB", "10GB", "7")],
                         [4096, 10**10, 7])
        for text in ("", "1.5GiB", "4kb", "-1"):
            with self.assertRaises(argparse.ArgumentTypeError):
                options.size(text)

    def test_a_missing_peer_is_left_out_with_a_way_to_install_it(self):
        said = []
        missing = {name: "" for name in servers.COMMANDS}
        path, os.environ["PATH"] = os.environ["PATH"], ""
        try:
            found = servers.chosen(["nginx", "dufs"], {**missing, "ringhold": "/r"}, said.append)
        finally:
            os.environ["PATH"] = path
        self.assertEqual([server.name for server in found], ["ringhold", "ringhold-none", "ringhold-cached"])
        self.assertEqual(len(said), 2)
        self.assertIn("apt-get install nginx-light", said[0])


if __name__ == "__main__":
    unittest.main()
