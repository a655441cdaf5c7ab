#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures vmstream-inspect on the plain file of a large guest, and writes a table.

QEMU makes the file: a guest whose RAM looks like that of an idle Linux and is empty otherwise. Small questions
are to be independent of the RAM; a whole reading is to run at the speed of memory. With --analyzer
the script analyze-migration.py of QEMU's sources is run on the same file, once. Nothing here is a
pass-or-fail test.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import guest_memory
from guest_memory import MIB
from plain_save import save_plain
from report import opening, parser_of_questions, row, write

def timed(command, runs, peak_file, makes=None):
    """Median seconds, and the largest peak in MiB, of a command whose output nobody wants; the file that it
    `makes` is gone before each run, as removing an old one takes longer than writing."""
    seconds, peaks_kib = [], []
    for _ in range(runs):
        if makes:
            pathlib.Path(makes).unlink(missing_ok=True)
        started = time.monotonic()
        subprocess.run(["/usr/bin/time", "-f", "%M", "-o", peak_file, *command],
                       stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.monotonic() - started)
        peaks_kib.append(int(pathlib.Path(peak_file).read_text(encoding="ascii")))
    return statistics.median(seconds), max(peaks_kib) / 1024


def measure(options, folder):
    state = f"{folder}/state"
    data = f"{folder}/data"
    guest_memory.write("idle", data, options.data * 1000000)
    save_plain(options, folder, data, state)
    inspect = f"{options.build}/bin/vmstream-inspect"
    stream_bytes = os.path.getsize(state)
    lines = [row("question", "seconds", "stream MB/s", "peak MiB"), row("---", "---:", "---:", "---:")]

    def add(name, command, runs, whole, makes=None):
        seconds, peak = timed(command, runs, f"{folder}/peak", makes)
        rate = f"{stream_bytes / 1e6 / seconds:.0f}" if whole else "-"
        lines.append(row(name, f"{seconds:.3f}", rate, f"{peak:.1f}"))
        print(lines[-1], file=sys.stderr)

    for words in (["info"], ["devices"], ["device", state, "timer"]):
        add(words[0], [inspect, *words, *([] if len(words) > 1 else [state])], options.runs, False)
    add("info --full-scan", [inspect, "info", "--full-scan", state], options.runs, True)
    add("ram", [inspect, "ram", state], options.runs, True)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        for name, place in (("extract ram", folder), ("extract ram into /dev/shm", memory)):
            image = f"{place}/image"
            add(name, [inspect, "extract", "ram", state, "--block", "pc.ram", "-o", image], options.runs, True, image)
    if options.analyzer:
        add("analyze-migration.py", [sys.executable, options.analyzer, "-f", state], 1, True)
    return stream_bytes, lines


def parse_arguments():
    parser = parser_of_questions(__doc__, "offline")
    parser.add_argument("--analyzer", help="QEMU's analyze-migration.py, to run beside")
    return parser.parse_args()


def main():
    options = parse_arguments()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.dir) as folder:
        stream_bytes, lines = measure(options, folder)
    write(options.output, "\n".join([
        *opening("offline", "Inspecting", (f"{options.build}/bin/vmstream-inspect", "qemu-system-x86_64"), [
            f"guest: {options.memory} MiB RAM; its plain stream has {stream_bytes / MIB:.0f} MiB, in the page cache",
            f"medians of {options.runs} runs; load of the machine at the start: {load:.1f}"]),
        *lines]) + "\n")


if __name__ == "__main__":
    main()
