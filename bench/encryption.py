#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares encrypted saves and restores with the gpg recipes, side by side, and writes a table.

As bench/run.py: one stopped guest, every case once a round, medians. The key is made for the run, in a
home of its own. What gpg itself can do at most is measured beside: one process, one core, the
bytes from a file in the page cache to /dev/null.
"""
import argparse
import contextlib
import datetime
import os
import pathlib
import subprocess
import tempfile

from qemu import Guest
from run import DATA_ADDRESS, MIB, UNLIMITED, Bench, Case, run_rounds
import guest_memory
import report

KEY = "bench@example.org"
GPG = "gpg -q --batch"
GOALS = [  # ours, theirs, times as fast
    ("vmdump zstd:1 -e", "exec:zstd -1 -T0 into gpg -e -z 0", 1.0),
    ("vmdump zstd:1 -e", "exec:zstd -1 -T0 into gpg -e", 1.0),
    ("vmdump zstd:1 -e", "exec:gpg -e", 4.0),
]


@contextlib.contextmanager
def gpg_home():
    """GNUPGHOME with one key; its agent ends with the block."""
    with tempfile.TemporaryDirectory(prefix="vmstream-gpg-") as home:
        os.environ["GNUPGHOME"] = home
        try:
            subprocess.run([*GPG.split(), "--passphrase", "", "--quick-gen-key", KEY,
                            "future-default", "default", "never"], check=True, capture_output=True)
            yield
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], check=False)
            del os.environ["GNUPGHOME"]


def save_cases(bench):
    def by_exec(label, command, file, **kind):
        target = bench.path(file)
        return Case("save", f"exec:{label}",
                    lambda: bench.save_by_exec(f"sh -c '{command} > {target}'"), file=target, **kind)

    def by_vmdump(coding, file, options):
        target = bench.path(file)
        command = (f"{bench.tool('vmdump')} --quiet --qmp {bench.source.socket_path} "
                   f"--compress {coding} -o {target} {options}")
        return Case("save", f"vmdump {coding} {options.split()[0]}",
                    lambda: subprocess.run(bench.timed(command), shell=True, check=True) and None,
                    file=target, durable=True)

    encrypt = f"{GPG} -e -r {KEY}"
    return [
        by_exec("cat", "cat", "cat"),
        by_exec("gpg -e", encrypt, "exec.gpg", slow=True),
        by_exec("gpg -e -z 0", f"{encrypt} -z 0", "exec-0.gpg"),
        by_exec("zstd -1 -T0 into gpg -e", f"zstd -q -1 -T0 -c | {encrypt}", "exec-z.zst.gpg", slow=True),
        by_exec("zstd -1 -T0 into gpg -e -z 0", f"zstd -q -1 -T0 -c | {encrypt} -z 0", "exec.zst.gpg"),
        by_vmdump("none", "vmdump.gpg", f"-e {KEY}"),
        by_vmdump("zstd:1", "vmdump.zst.gpg", f"-e {KEY}"),
        by_vmdump("zstd:1", "signed.zst.gpg", f"--sign {KEY}"),
    ]


def read_cases(bench):
    def reads(label, command, file):
        source = bench.path(file)
        return Case("read", f"{label} {file}", lambda: bench.read(command.format(source)),
                    file=source)

    vmrestore = f"{bench.tool('vmrestore')} {{0}}"
    return [
        reads("gpg -e -z 0", f"{GPG} -e -z 0 -r {KEY} -o - {{0}}", "cat"),
        reads("gpg -d", f"{GPG} -d {{0}}", "vmdump.gpg"),
        reads("vmrestore", vmrestore, "vmdump.gpg"),
        reads("gpg -d into zstd -dc", f"sh -c '{GPG} -d {{0}} | zstd -q -dc'", "exec.zst.gpg"),
        reads("vmrestore", vmrestore, "exec.zst.gpg"),
        reads("vmrestore", vmrestore, "vmdump.zst.gpg"),
        reads("vmrestore", vmrestore, "signed.zst.gpg"),
    ]


def goals_table(data_set):
    lines = [report.row("goal", "wanted", "measured"), report.row("---", "---", "---:")]
    for ours, theirs, wanted in GOALS:
        times = data_set.seconds("save", theirs) / data_set.seconds("save", ours)
        lines.append(report.row(f"{ours} against {theirs}", f">= {wanted:.1f} times as fast",
                                f"{times:.2f} times"))
    return lines


def make_report(options, data_set, date):
    vmdump = pathlib.Path(options.build).resolve() / "bin/vmdump"
    lines = ["# Encryption", "",
             "Written by `bench/encryption.py`; run it again to replace it. `gpg -e -z 0 cat` and "
             "`gpg -d` are gpg alone: it works on one core, and no save or restore through it can be "
             "faster than that.", "",
             *report.circumstances(options, vmdump, date),
             f"- gpg: {report.first_line('gpg', '--version')}",
             f"- content: {data_set.description}", "", "## Saving", ""]
    lines += report.save_table(data_set.group("save"), data_set.plain_bytes())
    lines += ["", "## Reading to /dev/null", ""]
    lines += report.load_table("read", data_set.group("read"), data_set.plain_bytes())
    lines += ["", "## Goals", "", *goals_table(data_set), ""]
    return "\n".join(lines)


def parse_arguments():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--slow-runs", type=int, default=2,
                        help="rounds with gpg's own compression (default: 2)")
    parser.add_argument("--memory", type=int, default=2048, help="MiB of guest RAM (default: 2048)")
    parser.add_argument("--data", type=int, default=700, help="MB of content in it (default: 700)")
    parser.add_argument("--data-set", default=next(iter(guest_memory.DATA_SETS)),
                        choices=list(guest_memory.DATA_SETS), help="what that content is")
    parser.add_argument("--build", default=here.parent / "build/release",
                        help="folder of the build (default: build/release)")
    parser.add_argument("--dir", help="where the state files go (default: a new temporary folder)")
    report.add_output_option(parser, "encryption")
    options = parser.parse_args()
    if DATA_ADDRESS + options.data * 1000000 > options.memory * MIB:
        parser.error("--data does not fit into --memory")
    return options


def measure(options):
    with tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.dir) as folder:
        bench = Bench(options, folder)
        data_file = bench.path("data")
        data_bytes = guest_memory.write(options.data_set, data_file, options.data * 1000000)
        loader = f"loader,file={data_file},addr={DATA_ADDRESS:#x},force-raw=on"
        with Guest(folder, "source", options.memory, ["-device", loader]) as bench.source:
            with bench.source.session() as qmp:
                qmp.execute("migrate-set-parameters", **{"max-bandwidth": UNLIMITED})
            cases = save_cases(bench)
            run_rounds(bench, cases, options)
        more = read_cases(bench)
        run_rounds(bench, more, options)
        return report.DataSet(options.data_set, guest_memory.DATA_SETS[options.data_set][0],
                              data_bytes, cases + more)


def main():
    options = parse_arguments()
    started = datetime.date.today().isoformat()
    with gpg_home():
        text = make_report(options, measure(options), started)
    report.write(options.output, text)


if __name__ == "__main__":
    main()
