#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures how long a guest stands still while it is saved, how long the save takes, and how much
slower the guest runs meanwhile; beside what the same QEMU does alone.

The test guest writes at a moderate rate and counts on its serial port. Its pause is told twice: by
QEMU's STOP and RESUME events, and as the largest gap in its count. Nothing here is a pass-or-fail
test.

The first background save of a guest is measured on its own: it finds the memory in huge pages, which
the kernel write-protects in no time. QEMU lifts the protection page by page, which splits them, and
every later one has each small page to protect, whoever asks for it.
"""
import argparse
import contextlib
import dataclasses
import itertools
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import guest_memory
from guest_memory import MIB
from qemu import Guest
from report import add_output_option, opening, row, write
from run import DATA_ADDRESS, UNLIMITED

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/support/test_guest"))
from writing_guest import writing_image  # pylint: disable=wrong-import-position

PAGES, PAGES_PER_SECOND = 4096, 1600  # 16 MiB, of which the guest writes 6 MiB a second
MODES = ("stop", "live", "background")
CAPABILITY = {"stop": None, "live": None, "background": "background-snapshot"}
BEFORE = 1.5  # seconds in which an undisturbed guest is watched


class Lines:
    """Lines from a unix socket of QEMU's, each with the time at which it came."""

    def __init__(self, path):
        self.client = socket.socket(socket.AF_UNIX)
        self.client.connect(path)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError):
            for line in self.client.makefile("r", encoding="utf-8", errors="replace"):
                self.lines.append((time.monotonic(), line))

    def between(self, start, end):
        return [line for line in self.lines if start <= line[0] <= end]


class WritingGuest:
    """A running guest, a quarter of its RAM in use, watched."""

    def __init__(self, options, folder, memory_mib):
        data = f"{folder}/data"
        guest_memory.write("idle", data, memory_mib * MIB // 4)
        image = writing_image(options.build / "tests/support/test_guest/test_guest.img",
                              f"{folder}/guest.img", PAGES, PAGES_PER_SECOND)
        self.folder = folder
        self.guest = Guest(folder, "guest", memory_mib, [
            "-drive", f"file={image},format=raw,if=floppy,readonly=on",
            "-device", f"loader,file={data},addr={DATA_ADDRESS:#x},force-raw=on",
            "-serial", f"unix:{folder}/serial,server=on,wait=off",
            "-qmp", f"unix:{folder}/events,server=on,wait=off"])

    def __enter__(self):
        self.guest.__enter__()
        with self.guest.session() as qmp:
            self.ticks = Lines(f"{self.folder}/serial")
            self.events = Lines(f"{self.folder}/events")
            self.events.client.sendall(b'{"execute": "qmp_capabilities"}\n')
            qmp.execute("migrate-set-parameters", **{"max-bandwidth": UNLIMITED})
            qmp.execute("cont")
        while len(self.ticks.lines) < PAGES // 16 + 20:
            time.sleep(0.1)
        return self

    def __exit__(self, *error):
        self.guest.__exit__(*error)

    def pause(self, start, end):
        """Seconds between STOP and RESUME, by QEMU's own stamps."""
        stopped, total = None, 0.0
        for _, line in self.events.between(start, end):
            message = json.loads(line)
            if message.get("event") not in ("STOP", "RESUME"):
                continue
            stamp = message["timestamp"]
            now = stamp["seconds"] + stamp["microseconds"] / 1e6
            if message["event"] == "STOP":
                stopped = now
            elif stopped is not None:
                total, stopped = total + now - stopped, None
        return total

    def rate(self, start, end):
        return len(self.ticks.between(start, end)) / (end - start)

    def gap(self, start, end):
        times = [moment for moment, _ in self.ticks.between(start - 0.1, end + 0.3)]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)


@dataclasses.dataclass
class Save:
    pause: float
    gap: float
    total: float
    speed: float  # of the guest while it ran, 1: as before


def save_by_qemu(writing, mode, _options, command="cat > /dev/null"):
    with writing.guest.session() as qmp:
        if CAPABILITY[mode]:
            qmp.execute("migrate-set-capabilities",
                        capabilities=[{"capability": CAPABILITY[mode], "state": True}])
        if mode == "stop":
            qmp.execute("stop")
        qmp.execute("migrate", uri=f"exec:{command}")
        qmp.wait_for_migration()
        if mode != "background":
            qmp.execute("cont")
        if CAPABILITY[mode]:
            qmp.execute("migrate-set-capabilities",
                        capabilities=[{"capability": CAPABILITY[mode], "state": False}])


def save_by_zstd(writing, mode, options):
    """What a user would type, and would have to wait for: QEMU does not."""
    state = f"{writing.folder}/state.zst"
    save_by_qemu(writing, mode, options, f"zstd -1 -T0 -q -f -o {state}")
    subprocess.run(["sync", state], check=True)


def run_vmdump(writing, mode, options, *output, stdout=None):
    subprocess.run([options.build / "bin/vmdump", "--quiet", "--qmp", writing.guest.socket_path,
                    "--mode", mode, *output],
                   check=True, stdout=stdout, stderr=subprocess.DEVNULL)


def save_by_vmdump_to_null(writing, mode, options):
    """What QEMU alone does, through vmdump."""
    run_vmdump(writing, mode, options, "-c", "none", "-o", "-", stdout=subprocess.DEVNULL)


def save_by_vmdump(writing, mode, options):
    run_vmdump(writing, mode, options, "-o", f"{writing.folder}/state.zst", "--force")


SAVERS = {"QEMU alone": save_by_qemu, "vmdump to /dev/null": save_by_vmdump_to_null,
          "exec:zstd": save_by_zstd, "vmdump": save_by_vmdump}
FIRST_SAVERS = ("QEMU alone", "vmdump")


def measure(writing, save, mode, options):
    watched = time.monotonic()
    time.sleep(BEFORE)
    start = time.monotonic()
    before = writing.rate(watched, start)
    save(writing, mode, options)
    end = time.monotonic()
    time.sleep(0.5)
    pause = writing.pause(start - 0.1, end + 0.4)
    ran = max(end - start - pause, 1e-3)
    speed = len(writing.ticks.between(start, end)) / ran / before
    return Save(pause, writing.gap(start, end), end - start, speed)


def median(saves, figure):
    return statistics.median(getattr(save, figure) for save in saves)


def first_saves(options, memory_mib):
    """What each does to a guest that was never saved before."""
    saves = {who: [] for who in FIRST_SAVERS}
    for _ in range(options.runs):
        for who in saves:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                with WritingGuest(options, folder, memory_mib) as writing:
                    saves[who].append(measure(writing, SAVERS[who], "background", options))
    return saves


def later_saves(options, memory_mib):
    """What each does, in turn, to one guest: (mode, saves) for each mode."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        with WritingGuest(options, folder, memory_mib) as writing:
            save_by_qemu(writing, "background", options)
            for mode in MODES:
                saves = {who: [] for who in SAVERS}
                for _ in range(options.runs):
                    for who, save in SAVERS.items():
                        saves[who].append(measure(writing, save, mode, options))
                yield mode, saves


def measure_size(options, memory_mib):
    rows = []
    first = ("background, first", first_saves(options, memory_mib))
    for mode, saves in itertools.chain(later_saves(options, memory_mib), [first]):
        for who, those in saves.items():
            rows.append(row(f"{memory_mib} MiB", mode, who,
                            f"{1000 * median(those, 'pause'):.1f}",
                            f"{1000 * median(those, 'gap'):.1f}",
                            f"{median(those, 'total'):.2f}",
                            "-" if mode == "stop" else f"{100 * median(those, 'speed'):.0f} %"))
            print(rows[-1], file=sys.stderr)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--memory", type=int, nargs="+", default=[512, 1024, 2048, 4096],
                        help="sizes of the guest in MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where files are made (default: the system's)")
    add_output_option(parser, "pause")
    options = parser.parse_args()
    lines = [*opening("pause", "The pause of a guest", ("qemu-system-x86_64", options.build / "bin/vmdump"), [
                 f"guest: emulated (TCG), a quarter of its RAM in use, writing {PAGES_PER_SECOND} pages a "
                 f"second to {PAGES * 4 // 1024} MiB; QEMU alone writes to /dev/null by exec:cat, exec:zstd "
                 "(-1 -T0) and vmdump a synced file",
                 f"medians of {options.runs} interleaved runs; 'first' is the first save of a guest: QEMU "
                 "leaves its memory in small pages, and protecting those takes the later ones longer"]),
             row("guest", "mode", "who", "pause, events, ms", "largest gap in the count, ms",
                 "seconds", "speed of the running guest"),
             row("---", "---", "---", "---:", "---:", "---:", "---:")]
    for memory_mib in options.memory:
        lines += measure_size(options, memory_mib)
    write(options.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
