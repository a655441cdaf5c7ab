#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares lazy restores with full ones, size by size, and writes a table.

A counting guest with a quarter of its RAM in use is saved once for each size. Every way of bringing
it back is run once a round, into a QEMU that waits already: measured are the time to the guest's
first tick, the time until all of its memory is there, and the memory that vmrestore needs for it. A
second guest, which reads all of its memory in a scattered order, shows how long it waits for pages.
"""
import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import struct
import subprocess
import tempfile
import threading
import time

from qemu import Guest
import guest_memory
import report

MIB = 1 << 20
REGION = MIB  # where the sweeping guest reads from
DATA_ADDRESS = 16 * MIB
PATIENCE = 300  # seconds
POLL_SECONDS = 0.0005


def peak_memory(pid):
    """The most bytes that a process has had so far; None once it is gone."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)
    return int(found[1]) * 1024 if found else None


def watch_memory(process, run):
    """Keeps the process's peak in `run` until it ends."""
    while process.poll() is None:
        run["memory"] = peak_memory(process.pid) or run["memory"]
        time.sleep(POLL_SECONDS)


@dataclasses.dataclass
class Way:
    """One way of bringing the guest back."""
    name: str
    runs: list = dataclasses.field(default_factory=list)

    def median(self, key):
        values = [run[key] for run in self.runs if run.get(key) is not None]
        return statistics.median(values) if values else None


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.build = pathlib.Path(options.build).resolve()

    def tool(self, name):
        return str(self.build / "bin" / name)

    def image(self, name):
        return self.build / "tests/support/test_guest" / f"{name}.img"

    def guest(self, name, image, megabytes, *more):
        serial = self.folder / f"{name}.serial"
        serial.unlink(missing_ok=True)
        # Some KVMs lose a floppy's interrupt in real mode, but not a disk's.
        drive = "if=floppy,readonly=on" if self.options.accel == "tcg" else "if=ide,snapshot=on"
        return Guest(str(self.folder), name, megabytes,
                     ["-drive", f"file={self.image(image)},format=raw,{drive}",
                      "-serial", f"file:{serial}", *more], self.options.accel)

    def await_lines(self, name, count=1):
        """The time at which the guest had printed so many whole lines."""
        serial = self.folder / f"{name}.serial"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if serial.exists() and serial.read_bytes().count(b"\n") >= count:
                return time.monotonic()
            time.sleep(POLL_SECONDS)
        raise TimeoutError(f"{name} prints nothing")

    def save(self, image, megabytes, content, address):
        """guest.zst, guest.vms.gz, guest.plain and a gzip's guest.gz of a guest that runs on from
        `content`."""
        loader = f"loader,file={content},addr={address},force-raw=on"
        with self.guest("source", image, megabytes, "-device", loader) as guest:
            with guest.session() as monitor:
                monitor.execute("cont")
            self.await_lines("source", 3)
            self.run("vmdump", "--quiet", "--qmp", guest.socket_path, "--force", "-o",
                     self.folder / "guest.zst")
        self.run("vmrestore", "--force", "-o", self.folder / "guest.plain",
                 self.folder / "guest.zst")
        with open(self.folder / "guest.plain", "rb") as plain:
            self.run("vmdump", "--quiet", "--stdin", "--force", "-o", self.folder / "guest.vms.gz",
                     stdin=plain)
        with open(self.folder / "guest.gz", "wb") as out:
            subprocess.run(["gzip", "-1", "-c", self.folder / "guest.plain"], stdout=out, check=True)

    def run(self, name, *arguments, **more):
        return subprocess.run([self.tool(name), *map(str, arguments)], check=True,
                              capture_output=True, **more).stdout

    def bring_back(self, way, image, megabytes):
        """Seconds to the first line and to the end, and what a lazy restore says of itself."""
        guest_memory.touch(megabytes)
        with self.guest("destination", image, megabytes, "-incoming", "defer") as guest:
            guest.session().__exit__()  # it answers: QEMU's own start is over
            begin = time.monotonic()
            tell = self.start(way, guest)
            first = self.await_lines("destination")
            run = tell()
            run.setdefault("all", time.monotonic() - begin)
            run["first"] = first - begin
        return run

    def start(self, way, guest):
        """Begins; what it gives waits for the end."""
        if way.startswith("vmrestore"):
            *options, file = way.split()[1:]
            process = subprocess.Popen(
                [self.tool("vmrestore"), *options, "--json", "--cont", "--qmp", guest.socket_path,
                 str(self.folder / file)], stdout=subprocess.PIPE)
            run = {"memory": 0}
            watch = threading.Thread(target=watch_memory, args=(process, run))
            watch.start()
            return lambda: self.told(process, watch, run)
        begin = time.monotonic()
        with guest.session() as monitor:
            monitor.execute("migrate-incoming", uri=f"exec:{way} {self.folder}/guest."
                            + ("gz" if way.startswith("gzip") else "plain"))
            monitor.wait_for_migration()
            taken = time.monotonic() - begin
            monitor.execute("cont")  # it was saved paused
        return lambda: {"all": taken}

    @staticmethod
    def told(process, watch, run):
        watch.join()
        if process.returncode != 0:
            raise RuntimeError(f"vmrestore ended with {process.returncode}")
        with process.stdout as output:
            summary = json.load(output)
        return {"all": summary["total_seconds"], **run, **summary.get("lazy", {})}


def make_content(bench, megabytes):
    path = bench.folder / "content"
    guest_memory.write("idle", str(path), megabytes * MIB // 4)
    return path


def make_swept_content(bench, megabytes):
    """The first word says how much is read."""
    path = make_content(bench, megabytes)
    with open(path, "r+b") as file:
        file.write(struct.pack("<I", megabytes // 2 * MIB))
    return path


def measure(bench, image, megabytes, names):
    """Every way once a round."""
    ways = [Way(name) for name in names]
    for _ in range(bench.options.runs):
        for way in ways:
            way.runs.append(bench.bring_back(way.name, image, megabytes))
    return ways


def measure_size(bench, megabytes):
    bench.save("test_guest", megabytes, make_content(bench, megabytes), DATA_ADDRESS)
    return measure(bench, "test_guest", megabytes,
                   ["vmrestore --lazy guest.zst", "vmrestore guest.zst",
                    "vmrestore --lazy guest.vms.gz", "vmrestore guest.vms.gz", "cat", "gzip -dc"])


def measure_service(bench, megabytes):
    bench.save("sweep_guest", megabytes, make_swept_content(bench, megabytes), REGION)
    return measure(bench, "sweep_guest", megabytes,
                   ["vmrestore --lazy guest.zst",
                    "vmrestore --lazy --max-bandwidth 20M/s guest.zst"])


def milliseconds(seconds):
    if seconds is None:
        return ""
    return f"{seconds * 1000:.{2 if seconds < 0.01 else 0}f} ms"


def against_full(way, ways):
    """How long a lazy restore takes to bring everything, in times of the full one of its file."""
    full = next(each for each in ways if each.name == way.name.replace("--lazy ", ""))
    return f"{way.median('all') / full.median('all'):.2f}"


def sizes_table(sizes):
    lines = [report.row("RAM", "brought back by", "first tick", "all memory", "of full restore",
                        "memory"),
             report.row("---:", "---", "---:", "---:", "---:", "---:")]
    for megabytes, ways in sizes:
        for way in ways:
            is_lazy = "--lazy " in way.name
            lines.append(report.row(f"{megabytes / 1024:g} GiB", f"`{way.name}`",
                                    milliseconds(way.median("first")),
                                    milliseconds(way.median("all")),
                                    against_full(way, ways) if is_lazy else "",
                                    f"{way.median('memory') / MIB:.0f} MiB" if is_lazy else ""))
    return lines


def service_table(ways):
    lines = [report.row("", "requests", "median", "99th percentile", "worst"),
             report.row("---", "---:", "---:", "---:", "---:")]
    for way in ways:
        lines.append(report.row(f"`{way.name}`", f"{way.median('requests'):.0f}",
                                *(milliseconds(way.median(f"{key}_service_seconds"))
                                  for key in ("median", "p99", "worst"))))
    return lines


def make_report(options, sizes, service, date):
    vmrestore = pathlib.Path(options.build).resolve() / "bin/vmrestore"
    lines = ["# Lazy restores", "",
             "Written by `bench/lazy.py`; run it again to replace it. Times count from the moment "
             "when QEMU answers and the restore is started; medians.", "",
             f"- date: {date}",
             f"- machine: {report.cpu_name()}, {os.cpu_count()} cores, "
             f"{report.memory_gib():.0f} GiB RAM, Linux {platform.release()}",
             f"- versions: {report.first_line(vmrestore, '--version')}; "
             f"{report.first_line('qemu-system-x86_64', '--version')}",
             f"- guests run by {options.accel.upper()}; medians of {options.runs} interleaved "
             "rounds; files in the page cache; memory touched before each restore",
             f"- load of the machine by others at the start: {options.load:.1f} processes", "",
             "## By size, a quarter in use", "",
             "Memory is the most that a lazy restore had at a time; `guest.vms.gz` is a gzip file "
             "of vmdump's.", "",
             *sizes_table(sizes), "", "## Waiting for a page", "",
             f"A guest that reads half of its {options.service_size} MiB page by page, scattered, "
             "from a zstd file in the page cache: from the arrival of a request to the sending of "
             "its page.", "", *service_table(service), ""]
    return "\n".join(lines)


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")],
                        default=[512, 1024, 2048, 4096], help="MiB (default: 512,1024,2048,4096)")
    parser.add_argument("--accel", choices=["tcg", "kvm"], default="tcg",
                        help="what runs the guests (default: tcg)")
    parser.add_argument("--service-size", type=int, default=512, help="MiB (default: 512)")
    parser.add_argument("--build", default=here.parent / "build/release",
                        help="build folder (default: build/release)")
    parser.add_argument("--work", help="folder for the files (default: a new one in /tmp)")
    report.add_output_option(parser, "lazy")
    return parser.parse_args()


def main():
    options = parse_arguments()
    options.load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.work) as folder:
        bench = Bench(options, folder)
        sizes = [(size, measure_size(bench, size)) for size in options.sizes]
        service = measure_service(bench, options.service_size)
    report.write(options.output, make_report(options, sizes, service, datetime.date.today()))


if __name__ == "__main__":
    main()
