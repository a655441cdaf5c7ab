# SPDX-License-Identifier: MIT
"""Runs the bench of faults: every fault of the lists at steps spread over a whole save or restore.

    run.py             a few kinds in the middle of each operation, in a minute
    run.py --all       all kinds at many steps, in a quarter of an hour or less
    run.py --only WORD the operations whose name holds it
    run.py --write F   puts the tables into file F, between its two marks
"""

import argparse
import contextlib
import re
import subprocess
import sys
from pathlib import Path

from bench import adopt_orphans
from copy_bench import Copy, CopyBench
from faults import (CALLS, COMMAND, COMMAND_STALLED, QEMU_KILLED, QEMU_STALLED, SIGNALS, Fault,
                    spread)
from gpg_home import GpgHomeTest
from outcomes import Broken, Tally
from restore_bench import Restore, RestoreBench
from save_bench import PLAIN, Save, SaveBench
from support import tool

STRIDE = 6  # without --all each operation meets every so many-th kind, another one than the last
BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->\n"


class Runner:
    def __init__(self, arguments):
        self.all = arguments.all
        self.only = arguments.only
        self.tally = Tally()
        self.operations = 0
        self.restores = 0

    def run(self, bench, operation, program, kinds, most):
        """Every kind of fault at up to `most` steps of `operation`."""
        if self.only and self.only not in operation.name:
            return
        counts = bench.counts_of(operation, program)
        self.operations += 1
        for kind in kinds if self.all else kinds[self.operations % STRIDE::STRIDE]:
            numbers = spread(counts[kind.call], most if self.all else 1)
            for number in numbers:
                self.inject(bench, operation, Fault(program, kind, number), number == numbers[-1])

    def report(self):
        return (f"{self.tally.markdown()}\n{self.restores} of the files that were whole have been "
                "loaded into a QEMU again.\n")

    def inject(self, bench, operation, fault, sampled):
        try:
            outcome = bench.inject(operation, fault, sampled)
        except (Broken, AssertionError) as broken:
            self.tally.add_broken(operation.name, fault, broken)
            print(f"BROKEN {operation.name}: {fault}: {broken}", flush=True)
            return
        if outcome:
            self.tally.add(operation.name, fault.row(), outcome)


def run_saves(runner, bench, key):
    runner.run(bench, PLAIN, "vmdump", [*CALLS, *SIGNALS, *QEMU_KILLED], 5)
    live = Save("save, live", ("-o", "x.zst", "--mode", "live"))
    runner.run(bench, live, "vmdump", [*CALLS, *SIGNALS], 2)
    openpgp = Save("save, encrypted and signed",
                   ("-o", "x.zst.gpg", "-e", key, "--sign", key), "x.zst.gpg")
    runner.run(bench, openpgp, "vmdump", [*CALLS, *SIGNALS], 3)
    runner.run(bench, openpgp, "gpg", COMMAND, 4)
    command = Save("save, --exec", ("--exec", "cat > x.zst"), leaves_pieces=True)
    runner.run(bench, command, "vmdump", [*CALLS, *SIGNALS], 2)
    runner.run(bench, command, "cat", COMMAND, 3)
    filtered = Save("save, --filter", ("-o", "x.gz", "--filter", "gzip -1 -c"), "x.gz")
    runner.run(bench, filtered, "vmdump", [*CALLS, *SIGNALS], 2)
    runner.run(bench, filtered, "gzip", COMMAND, 3)
    ended = Save("save, --verify --after quit",
                 ("-o", "x.gz", "--verify", "--after", "quit"), "x.gz", ends_qemu=True)
    runner.run(bench, ended, "vmdump", [*CALLS, *SIGNALS], 3)
    paused = Save("save, found paused", ("-o", "x.none", "-c", "none"), "x.none", paused=True)
    runner.run(bench, paused, "vmdump", [*CALLS, *SIGNALS], 2)


def run_stalls(runner, bench, key):
    limit = ("--timeout", "1s")
    file = Save("save, --timeout", ("-o", "x.bz2", *limit), "x.bz2")
    runner.run(bench, file, "vmdump", QEMU_STALLED, 3)
    command = Save("save, --timeout --exec", ("--exec", "cat > x.zst", *limit), leaves_pieces=True)
    runner.run(bench, command, "cat", COMMAND_STALLED, 3)
    openpgp = Save("save, --timeout, encrypted", ("-o", "x.zst.gpg", "-e", key, *limit),
                   "x.zst.gpg")
    runner.run(bench, openpgp, "gpg", COMMAND_STALLED, 3)


def run_copies(runner, folder):
    with contextlib.closing(CopyBench(folder / "x.zst", folder / "plain")) as bench:
        unpacked = Copy("restore to a file", "vmrestore", ("x.zst", "-o", "copy"), "copy")
        runner.run(bench, unpacked, "vmrestore", [*CALLS, *SIGNALS], 6)
        packed = Copy("save from stdin", "vmdump", ("--stdin", "-o", "y.zst"), "y.zst", "plain")
        runner.run(bench, packed, "vmdump", [*CALLS, *SIGNALS], 6)
        replaced = Copy("save, --force", "vmdump", ("--stdin", "--force", "-o", "y.gz"), "y.gz",
                        "plain", replaces=True)
        runner.run(bench, replaced, "vmdump", [*CALLS, *SIGNALS], 4)
        named = Copy("save, no unnamed files", "vmdump", ("--stdin", "-o", "y.bz2"), "y.bz2",
                     "plain", is_named=True)
        runner.run(bench, named, "vmdump", [*CALLS, *SIGNALS], 4)


def run_restores(runner, folder, last_tick):
    with contextlib.closing(RestoreBench(folder / "x.zst", last_tick)) as bench:
        runner.run(bench, Restore("restore", ()), "vmrestore", [*CALLS, *SIGNALS, *QEMU_KILLED], 3)
        runner.run(bench, Restore("restore, --timeout", ("--timeout", "1s")), "vmrestore",
                   QEMU_STALLED, 3)


def save_once(bench):
    """A file and its plain stream for the restores, and the tick that it stands at."""
    guest = bench.running_guest()
    subprocess.run([tool("vmdump"), "--qmp", guest.qmp, "-o", "x.zst", "-q", "--after", "pause"],
                   cwd=bench.root, check=True)
    subprocess.run("zstd -dcq x.zst > plain", shell=True, cwd=bench.root, check=True)
    last_tick = guest.last_tick()
    guest.monitor.ask("cont")
    return last_tick


def run_all(runner):
    with contextlib.closing(SaveBench()) as bench:
        last_tick = save_once(bench)
        run_copies(runner, bench.root)
        run_restores(runner, bench.root, last_tick)
        run_saves(runner, bench, GpgHomeTest.jo)
        run_stalls(runner, bench, GpgHomeTest.jo)
        runner.restores = bench.restores


def write_tables(path, tables):
    text = Path(path).read_text()
    marked = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.S)
    Path(path).write_text(marked.sub(lambda _: BEGIN + tables + END, text))


def main():
    parser = argparse.ArgumentParser(description="inject faults into saves and restores")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", metavar="WORD")
    parser.add_argument("--write", metavar="FILE")
    arguments = parser.parse_args()
    runner = Runner(arguments)
    adopt_orphans()
    GpgHomeTest.setUpClass()
    try:
        run_all(runner)
    finally:
        GpgHomeTest.doClassCleanups()
    print(runner.report())
    if arguments.write:
        write_tables(arguments.write, runner.report())
    print(f"{runner.tally.injected()} faults, {len(runner.tally.broken)} broken promises")
    return 1 if runner.tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
