#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares mapped restores with lazy and full ones, and writes a table.

A counting guest with a quarter of its RAM in use is saved once for each size. Every way of bringing
it back is run once a round, each with a QEMU of its own that vmrestore starts: measured is the time
from the start of vmrestore to the guest's first tick, QEMU's own start included, which is the same for all.
For mapped restores also the time from the load's begin to its end, what was read until then, the
same for a second guest of the file, and what each guest has of the memory for itself.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import tempfile
import time

from lazy import DATA_ADDRESS, Bench, make_content
import report

MIB = 1 << 20
PATIENCE = 300  # seconds
WAYS = ["--map", "--map, second guest", "--map=copy", "--lazy", ""]


class Run:
    """A vmrestore with the guest that it brings back."""

    def __init__(self, bench, way, megabytes, name):
        self.bench, self.name = bench, name
        serial = bench.folder / f"{name}.serial"
        serial.unlink(missing_ok=True)
        image = bench.image("test_guest")
        option = way.split(",")[0]
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [bench.tool("vmrestore"), *([option] if option else []), "--json", "--cont",
             str(bench.folder / "guest.zst"), "--", "qemu-system-x86_64", "-machine", "pc", "-accel",
             bench.options.accel, "-nodefaults", "-display", "none", "-m", str(megabytes), "-drive",
             f"file={image},format=raw,if=floppy,readonly=on", "-serial", f"file:{serial}"],
            stdout=subprocess.PIPE)
        self.first = bench.await_lines(name) - self.begin
        self.summary = self.read_summary()

    def read_summary(self):
        text = ""
        for line in iter(self.process.stdout.readline, b""):
            text += line.decode()
            if line == b"}\n":
                return json.loads(text)
        raise RuntimeError("vmrestore told nothing")

    def private_bytes(self):
        """What the guest's memory takes for itself, and its share of what others have too."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text(encoding="ascii").split():
            maps = pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8")
            found = re.search(r"^\S+ rw-p \S+ \S+ \d+ +/\d+.*?^Pss:\s+(\d+) kB"
                              r".*?^Private_Dirty:\s+(\d+) kB", maps, re.M | re.S)
            if found:
                return int(found[1]) * 1024, int(found[2]) * 1024
        return None

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def measure_way(bench, way, megabytes):
    others = [Run(bench, "--map", megabytes, "other")] if "second" in way else []
    run = Run(bench, way, megabytes, "destination")
    time.sleep(0.3)
    told = run.summary
    result = {"first": run.first, "load": told.get("lazy", {}).get("loaded_seconds",
                                                                   told["total_seconds"])}
    if way.startswith("--map") and "copy" not in way:
        result["read"] = told["map"]["read_bytes"]
        if found := run.private_bytes():
            result["pss"], result["dirty"] = found
    for one in [run, *others]:
        one.end()
    return result


def measure_clones(bench, megabytes, count):
    """Wall time until all of them have ticked."""
    begin = time.monotonic()
    serials = []
    processes = []
    for number in range(count):
        serial = bench.folder / f"clone{number}.serial"
        serial.unlink(missing_ok=True)
        serials.append(f"clone{number}")
        processes.append(subprocess.Popen(
            [bench.tool("vmrestore"), "--map", "--quiet", "--cont", str(bench.folder / "guest.zst"),
             "--", "qemu-system-x86_64", "-machine", "pc", "-accel", bench.options.accel,
             "-nodefaults", "-display", "none", "-m", str(megabytes), "-serial", f"file:{serial}",
             "-drive", f"file={bench.image('test_guest')},format=raw,if=floppy,readonly=on"]))
    for name in serials:
        bench.await_lines(name)
    taken = time.monotonic() - begin
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
    return taken


def median(runs, key):
    values = [run[key] for run in runs if key in run]
    return statistics.median(values) if values else None


def milliseconds(seconds):
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"


def mebibytes(count):
    return "" if count is None else f"{count / MIB:.1f} MiB"


def table(sizes):
    lines = [report.row("RAM", "restored by", "first tick", "load", "read until then", "Pss of the memory",
                        "written by the guest"),
             report.row("---:", "---", "---:", "---:", "---:", "---:", "---:")]
    for megabytes, runs in sizes:
        for way in WAYS:
            lines.append(report.row(
                f"{megabytes / 1024:g} GiB", f"`vmrestore {way}`".replace(" `", "`"),
                milliseconds(median(runs[way], "first")), milliseconds(median(runs[way], "load")),
                mebibytes(median(runs[way], "read")), mebibytes(median(runs[way], "pss")),
                mebibytes(median(runs[way], "dirty"))))
    return lines


def make_report(options, sizes, clones):
    vmrestore = pathlib.Path(options.build).resolve() / "bin/vmrestore"
    return "\n".join([
        "# Mapped restores", "", "Written by `bench/mapped.py`; run it again to replace it.", "",
        f"- date: {datetime.date.today()}",
        f"- machine: {report.cpu_name()}, {os.cpu_count()} cores, {report.memory_gib():.0f} GiB RAM, "
        f"Linux {platform.release()}",
        f"- versions: {report.first_line(vmrestore, '--version')}; "
        f"{report.first_line('qemu-system-x86_64', '--version')}",
        f"- guests run by {options.accel.upper()}; medians of {options.runs} interleaved rounds; files in "
        "the page cache",
        f"- load of the machine by others at the start: {options.load:.1f} processes", "",
        "The first tick counts from the start of vmrestore, so it includes the start of QEMU; the load from "
        "QEMU's answer to the loaded guest.", "", *table(sizes), "",
        f"{options.clones} guests of {sizes[0][0]} MiB, started at once from one file, had all ticked after "
        f"{clones:.2f} s ({clones / options.clones * 1000:.0f} ms each).", ""])


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")],
                        default=[1024, 4096], help="MiB (default: 1024,4096)")
    parser.add_argument("--clones", type=int, default=25, help="started at once (default: 25)")
    parser.add_argument("--accel", choices=["tcg", "kvm"], default="tcg",
                        help="what runs the guests (default: tcg)")
    parser.add_argument("--build", default=here.parent / "build/release",
                        help="build folder (default: build/release)")
    parser.add_argument("--work", help="folder for the files (default: a new one in /tmp)")
    report.add_output_option(parser, "mapped")
    return parser.parse_args()


def main():
    options = parse_arguments()
    options.load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.work) as folder:
        bench = Bench(options, folder)
        sizes, clones = [], 0
        for megabytes in options.sizes:
            bench.save("test_guest", megabytes, make_content(bench, megabytes), DATA_ADDRESS)
            runs = {way: [] for way in WAYS}
            for _ in range(options.runs):
                for way in WAYS:
                    runs[way].append(measure_way(bench, way, megabytes))
            sizes.append((megabytes, runs))
            clones = clones or measure_clones(bench, megabytes, options.clones)
    report.write(options.output, make_report(options, sizes, clones))


if __name__ == "__main__":
    main()
