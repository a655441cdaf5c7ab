# SPDX-License-Identifier: MIT
"""What the reports in bench/results have in common, and the one of bench/run.py."""
import argparse
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

MIB = 1 << 20


def add_output_option(parser, name):
    parser.add_argument("--output", default=pathlib.Path(__file__).resolve().parent / f"results/{name}.md",
                        help=f"the report (default: bench/results/{name}.md; - is stdout)")


def parser_of_questions(description, name, build="folder of the build"):
    """Options of the scripts that ask vmstream-inspect about a large guest."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each question (default: 5)")
    parser.add_argument("--memory", type=int, default=16384, help="MiB of guest RAM (default: 16384)")
    parser.add_argument("--data", type=int, default=1000, help="MB of real data in it (default: 1000)")
    parser.add_argument("--build", default=pathlib.Path(__file__).resolve().parent.parent / "build/release",
                        help=f"{build} (default: build/release)")
    parser.add_argument("--dir", help="where the files go (default: a new temporary folder)")
    add_output_option(parser, name)
    return parser


def write(output, text):
    if str(output) == "-":
        sys.stdout.write(text)
    else:
        pathlib.Path(output).write_text(text, encoding="utf-8")


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


def opening(script, title, programs, facts):
    """The head of a report by bench/`script`.py: where it was made, with which programs, and `facts`."""
    return [f"# {title}", "", f"Written by `bench/{script}.py`; run it again to replace it.", "",
            f"- date: {datetime.date.today().isoformat()}",
            f"- machine: {cpu_name()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB RAM",
            f"- versions: {'; '.join(first_line(str(program), '--version') for program in programs)}",
            *(f"- {fact}" for fact in facts), ""]


@dataclasses.dataclass
class DataSet:
    """What was measured with one content of the guest's RAM."""
    name: str
    description: str
    data_bytes: int
    cases: list

    def group(self, name):
        return [case for case in self.cases if case.group == name]

    def seconds(self, group, name):
        return self.find(group, name).median()

    def find(self, group, name):
        return next(case for case in self.cases if (case.group, case.name) == (group, name))

    def plain_bytes(self):
        return self.find("save", "exec:cat").file_bytes


def circumstances(options, vmdump, date):
    versions = [first_line(vmdump, "--version"), first_line("qemu-system-x86_64", "--version"),
                first_line("gzip", "--version"), first_line("pigz", "--version"),
                first_line("bzip2", "--help"), first_line("zstd", "--version")]
    return [
        f"- date: {date}",
        f"- machine: {cpu_name()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB RAM, "
        f"Linux {platform.release()}",
        f"- versions: {'; '.join(versions)}",
        f"- guest: {options.memory} MiB RAM, stopped; QEMU's own bandwidth limit lifted for every "
        "case",
        f"- medians of {options.runs} interleaved rounds ({options.slow_runs} for gzip, pigz and "
        "bzip2); memory is the largest peak of the process, QEMU's not counted",
    ]


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def save_table(cases, plain_bytes):
    lines = [row("save", "seconds", "at least", "file MiB", "ratio", "peak MiB",
                 "durable at the end"),
             row("---", "---:", "---:", "---:", "---:", "---:", "---")]
    for case in cases:
        ratio = f"{plain_bytes / case.file_bytes:.2f}" if case.file_bytes else "-"
        lines.append(row(case.name, f"{case.median():.2f}", f"{least_seconds(case):.2f}",
                         f"{case.file_bytes / MIB:.1f}", ratio,
                         f"{max(case.peaks_kib) / 1024:.1f}", "yes" if case.durable else "no"))
    return lines


def least_seconds(case):
    """What the work of QEMU and the process takes with all cores at it from start to end."""
    return case.cpu() / os.cpu_count()


def load_table(title, cases, plain_bytes):
    lines = [row(title, "seconds", "plain MiB/s", "peak MiB"), row("---", "---:", "---:", "---:")]
    for case in cases:
        lines.append(row(case.name, f"{case.median():.2f}",
                         f"{plain_bytes / MIB / case.median():.0f}",
                         f"{max(case.peaks_kib) / 1024:.1f}"))
    return lines


def goals(data):
    """The goals of the project beside what was measured: (goal, wanted, measured)."""
    def faster(group, other, ours):
        return f"{data.seconds(group, other) / data.seconds(group, ours):.2f} times"

    def larger(other, ours):
        ratio = data.find("save", ours).file_bytes / data.find("save", other).file_bytes
        return f"{100 * (ratio - 1):+.2f} %"

    ours = [case for case in data.cases if case.name.startswith("vm")]
    peak = max(max(case.peaks_kib) for case in ours) / 1024
    return [
        ("save zstd:1 against exec:zstd -1 -T0", ">= 1.5 times",
         faster("save", "exec:zstd -1 -T0", "vmdump zstd:1")),
        ("its file", "<= +0.5 %", larger("exec:zstd -1 -T0", "vmdump zstd:1")),
        ("save zstd against exec:zstd -1 -T0", ">= 1 times",
         faster("save", "exec:zstd -1 -T0", "vmdump zstd")),
        ("its file", "< 0 %", larger("exec:zstd -1 -T0", "vmdump zstd")),
        ("save gzip against exec:pigz", ">= 4 times", faster("save", "exec:pigz", "vmdump gzip")),
        ("its file", "<= +2 %", larger("exec:pigz", "vmdump gzip")),
        ("save gzip:1 against exec:gzip -1", ">= 12 times",
         faster("save", "exec:gzip -1", "vmdump gzip:1")),
        ("its file", "<= +5 %", larger("exec:gzip -1", "vmdump gzip:1")),
        ("save none against exec:cat + fsync", ">= 1 times",
         faster("save", "exec:cat + fsync", "vmdump none")),
        ("read own zstd against zstd -dc", ">= 1.7 times",
         faster("read", "zstd -q -dc vmdump-1.zst", "vmrestore vmdump-1.zst")),
        ("read own gzip against gzip -dc", ">= 5 times",
         faster("read", "gzip -dc vmdump.gz", "vmrestore vmdump.gz")),
        ("read foreign gzip against gzip -dc", ">= 2.5 times",
         faster("read", "gzip -dc exec.gz", "vmrestore exec.gz")),
        ("read own bzip2 against bzip2 -dc", ">= 1.9 times",
         faster("read", "bzip2 -dc vmdump.bz2", "vmrestore vmdump.bz2")),
        ("read foreign streams of bzip2 against bzip2 -dc", ">= 1.9 times",
         faster("read", "bzip2 -dc streams.bz2", "vmrestore streams.bz2")),
        *((f"{what}, from 1 thread to 2", ">= 1.8 times",
           faster("threads", f"{what}, 1 threads", f"{what}, 2 threads"))
          for what in ("vmdump zstd:1", "vmdump zstd", "vmdump gzip", "vmrestore vmdump-1.zst",
                       "vmrestore vmdump.gz")),
        ("peak memory of vmdump and vmrestore", "< 128 MiB", f"{peak:.1f} MiB"),
    ]


def limits(data):
    """What the goals of speed come to if nothing but the compressor and QEMU took time."""
    qemu = data.find("save", "exec:cat > /dev/null").cpu()
    lines = [row("save", "against", "QEMU, CPU s", "vmdump on one thread, CPU s", "at most"),
             row("---", "---", "---:", "---:", "---:")]
    for other, ours in (("exec:zstd -1 -T0", "zstd:1"), ("exec:zstd -1 -T0", "zstd"),
                        ("exec:pigz", "gzip"), ("exec:gzip -1", "gzip:1")):
        codec = data.find("threads", f"vmdump {ours}, 1 threads").cpu()
        fastest = (qemu + codec) / os.cpu_count()
        lines.append(row(f"vmdump {ours}", other, f"{qemu:.2f}", f"{codec:.2f}",
                         f"{data.seconds('save', other) / fastest:.2f} times"))
    return lines


def goal_table(data_sets):
    lines = [row("goal", "wanted", *(data.name for data in data_sets)),
             row("---", "---", *("---:" for _ in data_sets))]
    for columns in zip(*(goals(data) for data in data_sets)):
        lines.append(row(columns[0][0], columns[0][1], *(column[2] for column in columns)))
    return lines


def tables(data):
    plain_bytes = data.plain_bytes()
    return [f"## Content: {data.name}", "",
            f"{data.data_bytes / 1e6:.0f} MB of RAM hold {data.description}.", "",
            "### Saving: from the migrate command to completed, and the command's end", "",
            *save_table(data.group("save"), plain_bytes), "",
            "At least: the CPU seconds of QEMU and of the process by the number of cores. What the goals "
            "come to if nothing but QEMU and the compressor took time:", "", *limits(data), "",
            "### Restoring into a waiting QEMU", "",
            *load_table("restore", data.group("restore"), plain_bytes), "",
            "### Reading to /dev/null", "",
            *load_table("read", data.group("read"), plain_bytes), "",
            "### On one thread and on two, without QEMU, to /dev/null", "",
            *load_table("threads", data.group("threads"), plain_bytes), ""]


def make(options, data_sets, vmdump, date):
    lines = ["# Saving and restoring", "", "Written by `bench/run.py`; run it again to replace it.",
             "", *circumstances(options, vmdump, date), "", "## Goals", "", *goal_table(data_sets), ""]
    for data in data_sets:
        lines += tables(data)
    return "\n".join(lines).rstrip("\n") + "\n"
