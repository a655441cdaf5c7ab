# SPDX-License-Identifier: MIT
"""Runs the bench of faults: every fault of the lists at steps spread over a whole save or restore.

    run.py             a few kinds, each in the middle of an operation, in less than a minute
    run.py --all       all kinds at many steps
    run.py --only WORD the operations whose name holds it
    run.py --jobs N    so many groups of operations at once (4: they wait more than they work)
    run.py --write F   puts the tables into file F, between its two marks
"""

import argparse
import contextlib
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path

import operations
from bench import adopt_orphans
from faults import Fault, spread
from gpg_home import GpgHomeTest
from outcomes import Broken, Tally
from save_bench import SaveBench
from support import tool

STRIDE = 50  # without --all, of all that a group meets every so many-th kind is tried
BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->\n"


class Runner:
    """Runs the operations of one group and counts what became of them."""

    def __init__(self, arguments, state, plain, last_tick):
        self.all = arguments.all
        self.only = arguments.only
        self.state, self.plain = state, plain  # a file of a guest, and what is in it
        self.last_tick = last_tick  # where that guest stands in it
        self.met = 0  # kinds of fault so far
        self.tally = Tally()

    def run(self, bench, operation, program, kinds, most):
        """Every kind of fault at up to `most` steps of `operation`."""
        if self.only and self.only not in operation.name:
            return
        chosen = kinds if self.all else self.choose(kinds)
        if not chosen:
            return
        try:
            counts = bench.counts_of(operation, program)
        except (AssertionError, OSError) as failure:
            self.note_broken(operation, "no fault", failure)
            return
        for kind in chosen:
            numbers = spread(counts[kind.call], most if self.all else 1)
            for number in numbers:
                self.inject(bench, operation, Fault(program, kind, number), number == numbers[-1])

    def choose(self, kinds):
        """So that each operation has its turn, and other kinds than the one before."""
        begun, self.met = self.met, self.met + len(kinds)
        return [kind for number, kind in enumerate(kinds, begun) if number % STRIDE == STRIDE // 2]

    def inject(self, bench, operation, fault, sampled):
        try:
            outcome = bench.inject(operation, fault, sampled)
        except (Broken, AssertionError, OSError) as broken:
            self.note_broken(operation, fault, broken)
            return
        if outcome:
            self.tally.add(operation.name, fault.row(), outcome)

    def note_broken(self, operation, fault, reason):
        self.tally.add_broken(operation.name, fault, reason)
        print(f"BROKEN {operation.name}: {fault}: {reason}", flush=True)

    def note_restores(self, bench):
        self.tally.restores += bench.restores


def run_group(group, *how):
    adopt_orphans()
    runner = Runner(*how)
    group(runner)
    print(f"{group.__name__}: {runner.tally.injected()} faults", flush=True)
    return runner.tally


def save_once(bench):
    """A file and its plain stream for the restores, and the tick that it stands at."""
    guest = bench.running_guest()
    subprocess.run([tool("vmdump"), "--qmp", guest.qmp, "-o", "x.zst", "-q", "--after", "pause"],
                   cwd=bench.root, check=True)
    subprocess.run("zstd -dcq x.zst > plain", shell=True, cwd=bench.root, check=True)
    last_tick = guest.last_tick()
    bench.end_guest()
    return bench.root / "x.zst", bench.root / "plain", last_tick


def run_all(arguments):
    """The outcomes of all groups, in their order."""
    tally = Tally()
    with contextlib.closing(SaveBench()) as bench:
        saved = save_once(bench)
        groups, left_out = operations.choose_groups()
        with multiprocessing.Pool(arguments.jobs, maxtasksperchild=1) as pool:
            running = [pool.apply_async(run_group, (group, arguments, *saved)) for group in groups]
            for group in running:
                tally.merge(group.get())
    return tally, left_out


def write_tables(path, tables):
    text = Path(path).read_text()
    marked = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.S)
    Path(path).write_text(marked.sub(lambda _: BEGIN + tables + END, text))


def main():
    parser = argparse.ArgumentParser(description="inject faults into saves and restores")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", metavar="WORD")
    parser.add_argument("--jobs", type=int, default=4, metavar="N")
    parser.add_argument("--write", metavar="FILE")
    arguments = parser.parse_args()
    adopt_orphans()
    GpgHomeTest.setUpClass()
    try:
        tally, left_out = run_all(arguments)
    finally:
        GpgHomeTest.doClassCleanups()
    print(tally.report())
    if arguments.write:
        write_tables(arguments.write, tally.report())
    for group in left_out:
        print(f"left out: {group}")
    print(f"{tally.injected()} faults, {len(tally.broken)} broken promises")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
