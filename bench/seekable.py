#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures small questions to the compressed file of a large guest, and single pages out of it.

QEMU makes the file: a guest whose RAM looks like that of an idle Linux and is empty otherwise. How
much a question reads is what the kernel counted for the process, its libraries included. Nothing
here is a pass-or-fail test.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import guest_memory
from guest_memory import MIB
from qemu import Guest
from report import opening, parser_of_questions, row, write
from run import DATA_ADDRESS, UNLIMITED

CODINGS = {"zstd:1": "state-1.zst", "zstd": "state.zst", "gzip": "state.gz"}
QUESTIONS = (("info", "{0}"), ("devices", "{0}"), ("device", "{0}", "timer"), ("sections", "{0}"))


def ask(command):
    """Seconds that the command took, and bytes it read."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        seconds = time.monotonic() - started
        counters = pathlib.Path(f"/proc/{process.pid}/io").read_text(encoding="ascii")
    if process.returncode != 0:
        raise RuntimeError(f"{command}: status {process.returncode}")
    return seconds, int(counters.split()[1])


def save(options, folder):
    data = f"{folder}/data"
    guest_memory.write("idle", data, options.data * 1000000)
    loader = f"loader,file={data},addr={DATA_ADDRESS:#x},force-raw=on"
    with Guest(folder, "guest", options.memory, ["-device", loader]) as guest:
        for coding, name in CODINGS.items():
            with guest.session() as qmp:
                qmp.execute("migrate-set-parameters", **{"max-bandwidth": UNLIMITED})
                qmp.execute("cont")
                qmp.execute("stop")
            subprocess.run([f"{options.build}/bin/vmdump", "--quiet", "--qmp", guest.socket_path,
                            "--compress", coding, "-o", f"{folder}/{name}"], check=True)


def question_table(options, folder):
    lines = [row("question", "file", "file MiB", "milliseconds", "bytes read", "of the file"),
             row("---", "---", "---:", "---:", "---:", "---:")]
    for name in CODINGS.values():
        state = f"{folder}/{name}"
        for words in QUESTIONS:
            command = [f"{options.build}/bin/vmstream-inspect", *(w.format(state) for w in words)]
            answers = [ask(command) for _ in range(options.runs)]
            seconds = statistics.median(seconds for seconds, _ in answers)
            size, read = os.path.getsize(state), answers[-1][1]
            lines.append(row(words[0], name, f"{size / MIB:.1f}", f"{1000 * seconds:.1f}", read,
                             f"{100 * read / size:.2f} %"))
            print(lines[-1], file=sys.stderr)
    return lines


def page_table(options, folder):
    lines = [row("file", "block to be decoded, ms", "block decoded already, ms"),
             row("---", "---:", "---:")]
    for name in CODINGS.values():
        result = subprocess.run([f"{options.build}/bench/random_page", f"{folder}/{name}"],
                                check=True, capture_output=True)
        medians = json.loads(result.stdout)
        lines.append(row(name, f"{medians['cold_ms']:.2f}", f"{medians['cached_ms']:.4f}"))
    return lines


def main():
    options = parser_of_questions(__doc__, "seekable", "folder of the build, with random_page").parse_args()
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.dir) as folder:
        save(options, folder)
        questions = question_table(options, folder)
        pages = page_table(options, folder)
    write(options.output, "\n".join([
        *opening("seekable", "Reading compressed files by position",
                 (f"{options.build}/bin/vmstream-inspect", "qemu-system-x86_64"), [
                     f"guest: {options.memory} MiB RAM, of which {options.data} MB hold "
                     f"{guest_memory.DATA_SETS['idle'][0]}; its files are in the page cache",
                     f"questions: medians of {options.runs} runs; wanted at most 30 ms and 1 % of the file for "
                     "info and devices"]),
        *questions, "", "## One page of the guest", "",
        "Medians of 2001 pages in random order; wanted at most 1.5 ms and 0.1 ms.", "", *pages]) + "\n")


if __name__ == "__main__":
    main()
