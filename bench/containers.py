#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures containers and libvirt: conversions, questions, saves of a domain. Writes tables.

QEMU makes the plain file: a guest whose RAM is filled as that of a used Linux. It is converted into each form
and back, from and into the page cache, with the sync that a published file has had; cp and sync of the same file
stand beside. Nothing here is a pass-or-fail test. --only one of the three parts prints that alone.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import containers_info
import containers_libvirt
import guest_memory
from guest_memory import MIB
from plain_save import save_plain
from report import opening, parser_of_questions, row, write

XML = "<domain type='qemu'><name>bench</name></domain>\n"


def timed(command, runs, made, peak_file):
    """Medians of wall-clock and CPU seconds and the largest peak in MiB; what is `made` is gone before each run."""
    walls, cpus, peaks = [], [], []
    for _ in range(runs):
        for name in (made, made + ".vmsx"):
            pathlib.Path(name).unlink(missing_ok=True)
        os.sync()
        started = time.monotonic()
        subprocess.run(["/usr/bin/time", "-f", "%M %U %S", "-o", peak_file, *command], check=True,
                       stdout=subprocess.DEVNULL)
        walls.append(time.monotonic() - started)
        peak, user, system = pathlib.Path(peak_file).read_text(encoding="ascii").split()
        cpus.append(float(user) + float(system))
        peaks.append(int(peak) / 1024)
    return statistics.median(walls), statistics.median(cpus), max(peaks)


def conversions(options, folder):
    """Name, command and what it makes, in an order in which each finds its source."""
    vmdump, vmrestore = f"{options.build}/bin/vmdump", f"{options.build}/bin/vmrestore"
    plain, xml = f"{folder}/plain", f"{folder}/domain.xml"
    pathlib.Path(xml).write_text(XML, encoding="ascii")

    def convert(source, target, *how):
        return [vmdump, "--from", f"{folder}/{source}", "-o", f"{folder}/{target}", *how], f"{folder}/{target}"

    yield "cp, sync", ["sh", "-c", f"cp {plain} {folder}/copy && sync {folder}/copy"], f"{folder}/copy"
    yield ("plain to plain", *convert("plain", "copy", "-c", "none"))
    yield "plain to plain, vmrestore", [vmrestore, plain, "-o", f"{folder}/copy"], f"{folder}/copy"
    yield ("plain to libvirt", *convert("plain", "image", "--to", "libvirt", "--xml", xml))
    yield ("libvirt to plain", *convert("image", "copy", "-c", "none"))
    yield ("plain to mapped-ram", *convert("plain", "mapped", "--to", "mapped-ram"))
    yield ("mapped-ram to plain", *convert("mapped", "copy", "-c", "none"))
    yield ("plain to zstd:1", *convert("plain", "guest.zst", "-c", "zstd:1"))
    yield ("zstd to plain", *convert("guest.zst", "copy", "-c", "none"))
    yield ("zstd to gzip:1", *convert("guest.zst", "guest.gz", "-c", "gzip:1"))
    yield ("zstd to mapped-ram", *convert("guest.zst", "mapped", "--to", "mapped-ram"))


def measure(options, folder, data):
    save_plain(options, folder, data, f"{folder}/plain")
    stream_bytes = os.path.getsize(f"{folder}/plain")
    lines = [row("conversion", "seconds", "CPU seconds", "stream MB/s", "peak MiB"),
             row("---", "---:", "---:", "---:", "---:")]
    for name, command, made in conversions(options, folder):
        seconds, cpu, peak = timed(command, options.runs, made, f"{folder}/peak")
        lines.append(row(name, f"{seconds:.2f}", f"{cpu:.2f}", f"{stream_bytes / 1e6 / seconds:.0f}", f"{peak:.1f}"))
        print(lines[-1], file=sys.stderr)
    return stream_bytes, lines


def parts(options, folder):
    """Title and lines of each part."""
    data = f"{folder}/data"
    guest_memory.write("idle", data, options.data * 1000000)
    if options.only in (None, "conversions"):
        stream_bytes, lines = measure(options, folder, data)
        yield [f"## Conversions of a plain stream of {stream_bytes / MIB:.0f} MiB", "",
               f"A guest of {options.memory} MiB RAM; the file is in the page cache; medians of {options.runs} runs, "
               "files synced.", "", *lines]
    if options.only in (None, "info"):
        yield [f"## vmstream-inspect info of an empty guest of {containers_info.MEMORY_MIB // 1024} GiB", "",
               *containers_info.table(options, folder)]
    if options.only in (None, "libvirt"):
        yield [f"## Saves of a domain of {options.domain_memory} MiB", "",
               f"{options.data} MB of its RAM hold data; it runs; medians of {options.rounds} rounds, in which the ways "
               "take turns. libvirt ends a domain that it saves; this libvirt's virsh save knows no zstd.", "",
               *containers_libvirt.table(options, folder, data)]


def main():
    parser = parser_of_questions(__doc__, "containers")
    parser.set_defaults(memory=4096, data=2000)
    parser.add_argument("--only", choices=("conversions", "info", "libvirt"))
    parser.add_argument("--rounds", type=int, default=3, help="of the saves of a domain (default: 3)")
    parser.add_argument("--domain-memory", type=int, default=2048, help="MiB of RAM of the domain (default: 2048)")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.dir) as folder:
        found = ["\n".join(part) + "\n" for part in parts(options, folder)]
    programs = (f"{options.build}/bin/vmdump", "qemu-system-x86_64", "virsh")
    write(options.output, "\n".join([
        *opening("containers", "Containers", programs, [
            f"load of the machine at the start: {load:.1f}"]), *found]))


if __name__ == "__main__":
    main()
