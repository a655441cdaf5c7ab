#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares vmdump and vmrestore with the classic exec: recipes, side by side, and writes a table.

One stopped guest for each data set (bench/guest_memory.py) is saved again and again: each round runs
every case once, so that a slow moment of the machine hits all alike. Times are medians; memory
is the largest peak that /usr/bin/time saw for the process. Nothing here is a pass-or-fail test.
"""
import argparse
import datetime
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from qemu import POLL_SECONDS, Guest
import guest_memory
import report

DATA_ADDRESS = 0x1000000  # above the first MiB's holes and the firmware's own use of low memory
MIB = 1 << 20
TO_NOWHERE = "exec:cat > /dev/null"  # how fast QEMU itself is
UNLIMITED = 1 << 50  # bytes a second: QEMU's default would hold every save at 128 MiB/s


class Case:
    """One thing to measure. `run` returns nothing; the file it makes or reads is `file`."""

    def __init__(self, group, name, run, file=None, slow=False, durable=False):
        self.group = group
        self.name = name
        self.run = run
        self.file = file
        self.slow = slow
        self.durable = durable
        self.seconds = []
        self.peaks_kib = []
        self.cpu_seconds = []
        self.file_bytes = None

    def median(self):
        return statistics.median(self.seconds)

    def cpu(self):
        """Of the process, and of QEMU while it was saved."""
        return statistics.median(self.cpu_seconds)


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.bin = pathlib.Path(options.build).resolve() / "bin"
        self.peak_file = f"{folder}/peak"
        self.done_file = f"{folder}/done"
        self.source = None

    def tool(self, name):
        return f"{self.bin}/{name}"

    def path(self, name):
        return f"{self.folder}/{name}"

    def timed(self, command):
        """The same shell command under /usr/bin/time, which leaves CPU seconds and peak memory."""
        return f"/usr/bin/time -f '%U %S %M' -o {self.peak_file} {command}"

    def save_by_exec(self, command):
        """From `migrate` until QEMU says completed and the command has ended."""
        with self.source.session() as qmp:
            qmp.execute("migrate",
                        uri=f"exec:{self.timed(command)}; echo $? > {self.done_file}")
            qmp.wait_for_migration()
            if self.command_status() != "0":
                raise RuntimeError(f"{command}: failed")

    def pause_anew(self):
        """QEMU refuses to save a guest that stands where the last save left it."""
        with self.source.session() as qmp:
            qmp.execute("cont")
            qmp.execute("stop")

    def command_status(self):
        """Waits for the command behind exec: and gives its exit status, which QEMU drops."""
        done = pathlib.Path(self.done_file)
        while not (done.exists() and (status := done.read_text(encoding="ascii").strip())):
            time.sleep(POLL_SECONDS)
        return status

    def save_by_vmdump(self, coding, file):
        subprocess.run(
            self.timed(f"{self.tool('vmdump')} --quiet --qmp {self.source.socket_path} "
                       f"--compress {coding} -o {file}"), shell=True, check=True)

    def load_by_exec(self, target, command):
        with target.session() as qmp:
            started = time.monotonic()
            qmp.execute("migrate-incoming", uri=f"exec:{self.timed(command)}")
            qmp.wait_for_migration()
            return time.monotonic() - started

    def load_by_vmrestore(self, target, file):
        started = time.monotonic()
        subprocess.run(
            self.timed(f"{self.tool('vmrestore')} --quiet --qmp {target.socket_path} {file}"),
            shell=True, check=True)
        return time.monotonic() - started

    def load(self, feed):
        """Starts a QEMU that waits for a stream; only the load itself is timed."""
        with Guest(self.folder, "target", self.options.memory, ["-incoming", "defer"]) as target:
            with target.session():
                pass  # answers: it has started
            return feed(target)

    def read(self, command):
        subprocess.run(self.timed(f"{command} > /dev/null"), shell=True, check=True)

    def measure(self, case):
        for leftover in (self.peak_file, self.done_file):
            pathlib.Path(leftover).unlink(missing_ok=True)
        if case.group == "save":
            if case.file != os.devnull:
                pathlib.Path(case.file).unlink(missing_ok=True)
            self.pause_anew()
        os.sync()  # what earlier cases wrote is not this one's business
        qemu_cpu = self.source.cpu_seconds() if case.group == "save" else 0
        started = time.monotonic()
        seconds = case.run()
        case.seconds.append(seconds or time.monotonic() - started)
        if case.group == "save":
            qemu_cpu = self.source.cpu_seconds() - qemu_cpu
        user, system, peak = pathlib.Path(self.peak_file).read_text(encoding="ascii").split()[-3:]
        case.cpu_seconds.append(float(user) + float(system) + qemu_cpu)
        case.peaks_kib.append(int(peak))
        case.file_bytes = os.path.getsize(case.file)


def save_cases(bench):
    def by_exec(label, command, file, **kind):
        target = bench.path(file)
        return Case("save", f"exec:{label}", lambda: bench.save_by_exec(command.format(target)),
                    file=target, **kind)

    def by_vmdump(coding, file):
        target = bench.path(file)
        return Case("save", f"vmdump {coding}", lambda: bench.save_by_vmdump(coding, target),
                    file=target, durable=True)

    return [
        Case("save", TO_NOWHERE, lambda: bench.save_by_exec("cat > /dev/null"), file="/dev/null"),
        by_exec("cat", "cat > {}", "cat"),
        by_exec("cat + fsync", "sh -c 'cat > {0}; sync {0}'", "cat-sync", durable=True),
        by_exec("gzip -1", "gzip -1 -c > {}", "exec-1.gz", slow=True),
        by_exec("gzip", "gzip -c > {}", "exec.gz", slow=True),
        by_exec("pigz", "pigz -c > {}", "exec-pigz.gz", slow=True),
        by_exec("zstd -1 -T0", "zstd -q -1 -T0 -c > {}", "exec-1.zst"),
        by_exec("zstd -T0", "zstd -q -T0 -c > {}", "exec.zst"),
        by_vmdump("none", "vmdump"),
        by_vmdump("gzip:1", "vmdump-1.gz"),
        by_vmdump("gzip", "vmdump.gz"),
        by_vmdump("zstd:1", "vmdump-1.zst"),
        by_vmdump("zstd", "vmdump.zst"),
    ]


def restore_cases(bench):
    def by_exec(command, file):
        source = bench.path(file)
        return Case("restore", f"exec:{command} {file}",
                    lambda: bench.load(lambda t: bench.load_by_exec(t, f"{command} {source}")),
                    file=source)

    def by_vmrestore(file):
        source = bench.path(file)
        return Case("restore", f"vmrestore {file}",
                    lambda: bench.load(lambda t: bench.load_by_vmrestore(t, source)), file=source)

    return [
        by_exec("cat", "cat"), by_exec("gzip -dc", "exec.gz"), by_exec("zstd -q -dc", "exec-1.zst"),
        by_vmrestore("vmdump"), by_vmrestore("vmdump.gz"), by_vmrestore("vmdump-1.zst"),
        by_vmrestore("exec.gz"), by_vmrestore("exec-1.zst"),
    ]


def read_cases(bench):
    def reads(command, file, **kind):
        source = bench.path(file)
        label = command.split("/")[-1]
        return Case("read", f"{label} {file}", lambda: bench.read(f"{command} {source}"),
                    file=source, **kind)

    vmrestore = bench.tool("vmrestore")
    return [
        reads("gzip -dc", "exec.gz"), reads("gzip -dc", "vmdump.gz"),
        reads("zstd -q -dc", "exec-1.zst"), reads("zstd -q -dc", "vmdump-1.zst"),
        reads(vmrestore, "vmdump.gz"), reads(vmrestore, "vmdump-1.zst"),
        reads(vmrestore, "exec.gz"), reads(vmrestore, "exec-1.zst"),
        reads("bzip2 -dc", "streams.bz2", slow=True), reads(vmrestore, "streams.bz2", slow=True),
        reads("bzip2 -dc", "vmdump.bz2", slow=True), reads(vmrestore, "vmdump.bz2", slow=True),
    ]


def make_bzip2_files(bench):
    """The stream as our file, and as a row of streams that bzip2 wrote one by one."""
    plain = bench.path("cat")
    pieces = f"split -b 64000000 --filter='bzip2 -c' {plain}"
    for command in (f"{pieces} > {bench.path('streams.bz2')}",
                    f"{bench.tool('vmdump')} --quiet --stdin -o {bench.path('vmdump.bz2')} "
                    f"< {plain}"):
        subprocess.run(command, shell=True, check=True)


def thread_cases(bench):
    """The encoder and the decoder alone, without QEMU, on one thread and on two."""
    source = bench.path("cat")

    def packs(coding, threads):
        command = (f"{bench.tool('vmdump')} --quiet --stdin -c {coding} --threads {threads} "
                   f"-o - < {source}")
        return Case("threads", f"vmdump {coding}, {threads} threads", lambda: bench.read(command),
                    file=source)

    def unpacks(file, threads):
        command = f"{bench.tool('vmrestore')} --threads {threads} {bench.path(file)}"
        return Case("threads", f"vmrestore {file}, {threads} threads",
                    lambda: bench.read(command), file=source)

    return [
        packs("zstd:1", 1), packs("zstd:1", 2), packs("zstd", 1), packs("zstd", 2),
        packs("gzip", 1), packs("gzip", 2), packs("gzip:1", 1), packs("gzip:1", 2),
        unpacks("vmdump-1.zst", 1), unpacks("vmdump-1.zst", 2),
        unpacks("vmdump.gz", 1), unpacks("vmdump.gz", 2),
    ]


def run_rounds(bench, cases, options):
    for number in range(options.runs):
        for case in cases:
            if number >= (options.slow_runs if case.slow else options.runs):
                continue
            bench.measure(case)
            print(f"{number + 1}/{options.runs}  {case.name:34} {case.seconds[-1]:7.2f} s  "
                  f"{case.peaks_kib[-1] / 1024:6.1f} MiB", file=sys.stderr)


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--slow-runs", type=int, default=2,
                        help="rounds of gzip, pigz and bzip2 (default: 2)")
    parser.add_argument("--memory", type=int, default=2048, help="MiB of guest RAM (default: 2048)")
    parser.add_argument("--data", type=int, default=700, help="MB of content in it (default: 700)")
    parser.add_argument("--data-set", action="append", choices=list(guest_memory.DATA_SETS),
                        help="what that content is (default: each in turn)")
    parser.add_argument("--build", default=here.parent / "build/release",
                        help="folder of the build (default: build/release)")
    parser.add_argument("--dir", help="where the state files go (default: a new temporary folder)")
    report.add_output_option(parser, "capture")
    options = parser.parse_args()
    if not 1 <= options.slow_runs <= options.runs:
        parser.error("--slow-runs must be between 1 and --runs")
    if DATA_ADDRESS + options.data * 1000000 > options.memory * MIB:
        parser.error("--data does not fit into --memory")
    options.data_set = options.data_set or list(guest_memory.DATA_SETS)
    return options


def measure_data_set(options, name):
    """Every case, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.dir) as folder:
        bench = Bench(options, folder)
        data_file = bench.path("data")
        data_bytes = guest_memory.write(name, data_file, options.data * 1000000)
        loader = f"loader,file={data_file},addr={DATA_ADDRESS:#x},force-raw=on"
        cases = save_cases(bench)
        with Guest(folder, "source", options.memory, ["-device", loader]) as bench.source:
            with bench.source.session() as qmp:
                qmp.execute("migrate-set-parameters", **{"max-bandwidth": UNLIMITED})
            run_rounds(bench, cases, options)
        make_bzip2_files(bench)
        for more in (restore_cases(bench), read_cases(bench), thread_cases(bench)):
            run_rounds(bench, more, options)
            cases += more
    return report.DataSet(name, guest_memory.DATA_SETS[name][0], data_bytes, cases)


def main():
    options = parse_arguments()
    started = datetime.date.today().isoformat()
    data_sets = [measure_data_set(options, name) for name in options.data_set]
    vmdump = pathlib.Path(options.build).resolve() / "bin/vmdump"
    report.write(options.output, report.make(options, data_sets, vmdump, started))


if __name__ == "__main__":
    main()
