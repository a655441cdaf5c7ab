#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the tools on streams that hold very many of one thing, and writes a table.

Each class of input is made four times, each twice as large as the one before. Time that doubles with
the input is linear; memory stays below a bound whatever the input. Nothing here is a pass-or-fail
test: tests/cli/inspect/hostile_test.py is.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import hostile_inputs
from hostile_inputs import Hostile
from report import MIB, add_output_option, opening, row, write

STEPS = (1, 2, 4, 8)
# A time below this is that of a process which begins and ends.
LEAST_SECONDS = 0.05


def command_of(build, name, state, sidecar):
    """On one thread: what handing over from thread to thread costs depends on who else is running."""
    if name == "restore":
        return [f"{build}/bin/vmrestore", "--threads", "1", state]
    inspect = [f"{build}/bin/vmstream-inspect", name, "--threads", "1"]
    if name == "dump":
        return [*inspect, "--format", "json", state]
    if name == "index":
        return [*inspect, state, "--force", "-o", sidecar]
    return [*inspect, state]


def build_type(build):
    text = pathlib.Path(build, "CMakeCache.txt").read_text(encoding="utf-8")
    return re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", text, re.MULTILINE)[1]


def measure(command, figures):
    """CPU seconds, peak in MiB and exit status. CPU time, because others may use the machine too."""
    ran = subprocess.run(["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", figures, *command],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    user, system, kib = pathlib.Path(figures).read_text(encoding="ascii").split()
    return float(user) + float(system), int(kib) / 1024, ran.returncode


def measure_class(options, folder, hostile: Hostile):
    """A row for each command: the times of all steps, how the last doubling went, the peaks."""
    state = f"{folder}/{hostile.name}"
    found = {name: [] for name in hostile.commands}
    sizes = []
    for step in STEPS:
        pathlib.Path(state).write_bytes(hostile.make(hostile.count * step))
        sizes.append(os.path.getsize(state))
        for name in hostile.commands:
            command = command_of(options.build, name, state, f"{folder}/sidecar")
            runs = [measure(command, f"{folder}/figures") for _ in range(options.runs)]
            found[name].append((statistics.median(seconds for seconds, _, _ in runs),
                                max(peak for _, peak, _ in runs), runs[-1][2]))
    os.unlink(state)
    for name, steps in found.items():
        before, last = steps[-2][0], steps[-1][0]
        ratio = f"{last / before:.1f}" if before >= LEAST_SECONDS else "-"
        yield row(hostile.title, f"{hostile.count * STEPS[-1]:,}", f"{sizes[-1] / MIB:.1f}", name,
                  *(f"{seconds:.2f}" for seconds, _, _ in steps), ratio,
                  f"{max(peak for _, peak, _ in steps):.0f}", steps[-1][2])


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each command (default: 3)")
    parser.add_argument("--only", help="the class of this name")
    parser.add_argument("--build", default=pathlib.Path(__file__).resolve().parent.parent / "build/release",
                        help="folder of the build (default: build/release)")
    parser.add_argument("--dir", help="where the files go (default: a new temporary folder)")
    add_output_option(parser, "hostile")
    return parser.parse_args()


def main():
    options = parse_arguments()
    lines = [row("many", "8n", "MiB", "command", "n, s", "2n, s", "4n, s", "8n, s", "8n / 4n",
                 "peak MiB", "status"),
             row("---", "---:", "---:", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:")]
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.dir) as folder:
        for hostile in hostile_inputs.CLASSES:
            if options.only not in (None, hostile.name):
                continue
            for line in measure_class(options, folder, hostile):
                lines.append(line)
                print(line, file=sys.stderr)
    write(options.output, "\n".join([
        *opening("hostile", "Hostile sizes", [f"{options.build}/bin/vmstream-inspect"], [
            f"built as {build_type(options.build)}",
            f"medians of {options.runs} runs on one thread, in seconds of CPU; a file that is made of one thing very "
            "often (`bench/hostile_inputs.py`)",
            f"wanted: 8n / 4n of about 2 (linear; not told below {LEAST_SECONDS} s), and at most 256 MiB; 640 for "
            "the largest description there may be",
            "status: 3 where the stream is damaged, 4 where a limit is passed, which the message names"]),
        *lines]) + "\n")


if __name__ == "__main__":
    main()
