# SPDX-License-Identifier: MIT
"""Turns the measured cases into bench/RESULTS.md."""
import os
import pathlib
import platform
import re
import subprocess

MIB = 1 << 20


def first_line(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (result.stdout + result.stderr).strip().splitlines()
    return lines[0].strip("* ") if lines else "unknown"


def cpu_name():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    match = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1] if match else platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def circumstances(options, vmdump, date):
    versions = [first_line(vmdump, "--version"), first_line("qemu-system-x86_64", "--version"),
                first_line("gzip", "--version"), first_line("pigz", "--version"),
                first_line("zstd", "--version")]
    return [
        f"- date: {date}",
        f"- machine: {cpu_name()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB RAM, "
        f"Linux {platform.release()}",
        f"- versions: {'; '.join(versions)}",
        f"- guest: {options.memory} MiB RAM, {options.data_bytes / 1e6:.0f} MB of it files of "
        f"/usr/lib, stopped; QEMU's own bandwidth limit lifted for every case",
        f"- medians of {options.runs} interleaved rounds ({options.slow_runs} for exec:gzip and "
        "exec:pigz); memory is the largest peak of the process, QEMU's not counted",
    ]


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def save_table(cases, plain_bytes):
    lines = [row("save", "seconds", "file MiB", "ratio", "peak MiB", "durable at the end"),
             row("---", "---:", "---:", "---:", "---:", "---")]
    for case in cases:
        lines.append(row(case.name, f"{case.median():.2f}", f"{case.file_bytes / MIB:.1f}",
                         f"{plain_bytes / case.file_bytes:.2f}", f"{max(case.peaks_kib) / 1024:.1f}",
                         "yes" if case.durable else "no"))
    return lines


def load_table(title, cases, plain_bytes):
    lines = [row(title, "seconds", "plain MiB/s", "peak MiB"), row("---", "---:", "---:", "---:")]
    for case in cases:
        lines.append(row(case.name, f"{case.median():.2f}",
                         f"{plain_bytes / MIB / case.median():.0f}",
                         f"{max(case.peaks_kib) / 1024:.1f}"))
    return lines


def goal_table(cases):
    """The goals of the project beside what was measured."""
    by_name = {(case.group, case.name): case for case in cases}
    ours = [case for case in cases if case.name.startswith("vm")]

    def seconds(name, group="save"):
        return by_name[group, name].median()

    def size(name):
        return by_name["save", name].file_bytes

    peak = max(max(case.peaks_kib) for case in ours) / 1024
    goals = [
        ("vmdump zstd:1 as fast as exec:zstd -1 -T0", ">= 1.00 times",
         f"{seconds('exec:zstd -1 -T0') / seconds('vmdump zstd:1'):.2f} times"),
        ("its file larger by", "<= 0.5 %",
         f"{100 * (size('vmdump zstd:1') / size('exec:zstd -1 -T0') - 1):.2f} %"),
        ("vmdump gzip faster than exec:pigz", ">= 3.0 times",
         f"{seconds('exec:pigz') / seconds('vmdump gzip'):.2f} times"),
        ("its file larger by", "<= 5 %",
         f"{100 * (size('vmdump gzip') / size('exec:pigz') - 1):.2f} %"),
        ("vmrestore of vmdump's gzip faster than gzip -dc (reading)", ">= 2.5 times",
         f"{seconds('gzip -dc vmdump.gz', 'read') / seconds('vmrestore vmdump.gz', 'read'):.2f} "
         "times"),
        ("vmdump none against exec:cat + fsync", "<= 1.10 times the time",
         f"{seconds('vmdump none') / seconds('exec:cat + fsync'):.2f} times"),
        ("vmdump none against exec:cat, which leaves the data in the page cache", "-",
         f"{seconds('vmdump none') / seconds('exec:cat'):.2f} times"),
        ("peak memory of vmdump and vmrestore", "< 128 MiB", f"{peak:.1f} MiB"),
    ]
    return [row("goal", "wanted", "measured"), row("---", "---", "---:"),
            *(row(*goal) for goal in goals)]


def make(options, cases, vmdump, date):
    groups = {name: [case for case in cases if case.group == name]
              for name in ("save", "restore", "read")}
    plain_bytes = next(case.file_bytes for case in groups["save"] if case.name == "exec:cat")
    lines = ["# Results of the benchmark", "", "Written by `bench/run.py`; run it again to replace it.",
             "", *circumstances(options, vmdump, date), "",
             "## Saving: from the migrate command to completed, and the command's end", "",
             *save_table(groups["save"], plain_bytes), "",
             "## Restoring into a waiting QEMU", "",
             *load_table("restore", groups["restore"], plain_bytes), "",
             "## Reading to /dev/null", "",
             *load_table("read", groups["read"], plain_bytes), "",
             "## Goals", "", *goal_table(cases)]
    return "\n".join(lines) + "\n"
