#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures how soon every command of the tools ends after Ctrl-C and after --timeout, and writes a table.

Each command is run once to see how long it takes, and then again and again: interrupted at moments spread over
its run, or given a --timeout that strikes there. What counts is the longest time from the signal, or from the
expiry, to the end of the process, clean-up and the guest's way back included. Nothing here is a pass-or-fail
test.
"""
import argparse
import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from ends_inputs import NAME_SERVER, make_inputs, with_silent_name_server
from qemu import Guest
import report
from report import row

WANTED_SECONDS = 0.3
SHORTEST_SECONDS = 0.1  # of a run in which a moment can be met
PATIENCE_SECONDS = 60


@dataclasses.dataclass
class Case:
    """One command. What it writes goes into the folder, what it prints to nowhere."""
    tool: str
    words: list
    has_timeout: bool = True
    stdin: str | None = None  # a file, or "silent": a pipe without a word
    blocked_stdout: bool = False  # a pipe that nobody reads
    guest: str | None = None  # "source" or "waiting": a QEMU at {qmp}
    looks_up: bool = False  # a host, at a name server that says nothing

    def name(self):
        words = " ".join(f"'{word}'" if " " in word else word for word in self.words)
        source = {None: "", "silent": " < (a silent pipe)"}.get(self.stdin, f" < {self.stdin}")
        return f"{self.tool} {words}{source}{' > (no reader)' if self.blocked_stdout else ''}"


def inspect_cases():
    def inspect(*words, **how):
        return Case("vmstream-inspect", list(words), has_timeout=False, **how)

    scans = [["info", "--full-scan"], ["info", "--digest"], ["sections", "--full-scan"], ["devices", "--full-scan"],
             ["ram", "--full-scan"], ["ram", "--map", "--full-scan"], ["vmdesc", "--full-scan"],
             ["dump", "--format", "json", "--full-scan"], ["dump", "--format", "xml", "--full-scan"],
             ["dump", "--format", "qemu", "--full-scan"], ["verify"], ["explain"], ["hexdump"], ["hexdump", "-v"],
             ["extract", "stream", "-o", "out"], ["extract", "ram", "--block", "pc.ram", "-o", "out"],
             ["extract", "section", "--section", "timer", "-o", "out"], ["extract", "vmdesc", "-o", "out"],
             ["index", "-o", "out"]]
    for scan in scans:
        for file in ("guest.qevm", "guest.zst"):
            yield inspect(*scan, file)
    yield inspect("device", "guest.qevm", "timer", "--full-scan")
    for file in ("guest.gz", "own.gz", "own.bz2", "even.zst", "even.gz", "even.bz2", "even.xz", "even.lz4"):
        yield inspect("info", "--full-scan", file)
        yield inspect("verify", file)
    for command in ("ram", "index", "extract"):
        part = ["ram", "--block", "pc.ram", "-o", "out"] if command == "extract" else ["-o", "out"]
        yield inspect(command, *(part if command != "ram" else []), "guest.gz")
    yield inspect("verify", "indexed.gz")
    for command in ("info", "sections", "ram", "verify", "hexdump"):
        yield inspect(command, "fifo")
        yield inspect(command, "-", stdin="silent")
    yield inspect("info", "--full-scan", "--passphrase-file", "fifo", "guest.zst")
    yield inspect("device", "--schema", "fifo", "guest.qevm", "timer")
    yield inspect("extract", "stream", "-o", "fifo", "guest.zst")
    for words in (["hexdump"], ["sections", "--full-scan"], ["dump", "--format", "json"]):
        yield inspect(*words, "guest.qevm", blocked_stdout=True)
    yield inspect("extract", "stream", "-o", "-", "guest.zst", blocked_stdout=True)


def dump_cases():
    def dump(*words, **how):
        return Case("vmdump", list(words), **how)

    for coding in ("none", "zstd:1", "zstd:19", "gzip", "bzip2"):
        yield dump("--stdin", "-c", coding, "-o", "out", stdin="guest.qevm")
    for more in (["--verify"], ["--compact"], ["--filter", "gzip -1"], ["--symmetric", "--passphrase-file", "secret"]):
        yield dump("--stdin", *more, "-o", "out", stdin="guest.qevm")
    yield dump("--stdin", "--exec", "cat > out", stdin="guest.qevm")
    yield dump("--stdin", "--exec", "sleep 1000", stdin="guest.qevm")
    yield dump("--stdin", "--exec", "cat > /dev/null", "--then", "sleep 1000", stdin="guest.qevm")
    yield dump("--stdin", "-o", "out", stdin="silent")
    yield dump("--stdin", "-o", "fifo", stdin="guest.qevm")
    yield dump("--stdin", "-o", "-", stdin="guest.qevm", blocked_stdout=True)
    yield dump("--stdin", "--symmetric", "--passphrase-file", "fifo", "-o", "out", stdin="guest.qevm")
    yield dump("--qmp", "dumb.qmp", "-o", "out")
    yield dump("--qmp", "full.qmp", "-o", "out")
    yield dump("--qmp", "tcp:qemu.example:4444", "-o", "out", looks_up=True)
    for more in (["--mode", "stop"], ["--mode", "live"], ["--mode", "stop", "--verify"], ["--mode", "stop", "--compact"],
                 ["--mode", "stop", "-c", "none"]):
        yield dump("--qmp", "{qmp}", *more, "-o", "out", guest="source")
    yield dump("--qmp", "{qmp}", "--exec", "cat > out", guest="source")
    yield dump("--qmp", "{qmp}", "--exec", "sleep 1000", guest="source")


def restore_cases():
    def restore(*words, **how):
        return Case("vmrestore", list(words), **how)

    files = ("guest.qevm", "guest.zst", "guest.gz", "own.gz", "own.bz2", "even.zst", "even.gz", "even.bz2", "even.xz",
             "even.lz4")
    for file in files:
        yield restore(file)
        yield restore("--verify-first", file)
    for file in ("guest.qevm", "even.zst"):
        yield restore("-o", "out", file)
    yield restore("-o", "fifo", "guest.qevm")
    yield restore("fifo")
    yield restore("-", stdin="silent")
    yield restore("guest.zst", blocked_stdout=True)
    yield restore("--exec", "cat guest.zst")
    yield restore("--exec", "sleep 1000")
    yield restore("--qmp", "dumb.qmp", "guest.zst")
    yield restore("--qmp", "tcp:qemu.example:4444", "guest.zst", looks_up=True)
    for file in ("guest.qevm", "guest.zst", "even.zst"):
        yield restore("--qmp", "{qmp}", file, guest="waiting")
        yield restore("--qmp", "{qmp}", "--verify-first", file, guest="waiting")
    lazy = (["guest.qevm"], ["guest.zst"], ["guest.gz"], ["indexed.gz"], ["even.zst"], ["own.gz"],
            ["--verify-first", "guest.zst"], ["--verify-first", "even.gz"], ["--prefetch", "none", "guest.zst"])
    for words in lazy:
        yield restore("--lazy", "--qmp", "{qmp}", *words, guest="waiting")
    yield restore("guest.zst", "--", "qemu-system-x86_64", "{guest}")
    yield restore("--lazy", "guest.zst", "--", "qemu-system-x86_64", "{guest}")


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.bin = pathlib.Path(options.build).resolve() / "bin"

    @contextlib.contextmanager
    def guest(self, case):
        """What stands for {qmp} in the words of the case."""
        if case.guest is None:
            yield None
            return
        waits = ["-incoming", "defer"] if case.guest == "waiting" else []
        with Guest(str(self.folder), case.guest, self.options.memory, waits) as guest:
            guest.session().__exit__()  # answers: it has started
            yield guest.socket_path

    def command(self, case, qmp, more):
        own_guest = Guest(str(self.folder), "own", self.options.memory).arguments[1:-2]
        words = [*more]
        for word in case.words:
            words += own_guest if word == "{guest}" else [qmp if word == "{qmp}" else word]
        through = with_silent_name_server(self.folder) if case.looks_up else []
        return [*through, str(self.bin / case.tool), *words]

    @contextlib.contextmanager
    def started(self, case, qmp, more=()):
        (self.folder / "out").unlink(missing_ok=True)
        silent = os.pipe()
        unread = os.pipe()
        try:
            with contextlib.ExitStack() as files:
                stdin = subprocess.DEVNULL
                if case.stdin:
                    stdin = silent[0] if case.stdin == "silent" else files.enter_context(open(
                        self.folder / case.stdin, "rb"))
                process = subprocess.Popen(
                    self.command(case, qmp, more), cwd=self.folder, stdin=stdin, stderr=subprocess.DEVNULL,
                    stdout=unread[1] if case.blocked_stdout else subprocess.DEVNULL)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for end in (*silent, *unread):
                os.close(end)

    def length(self, case):
        """Seconds of an undisturbed run."""
        with self.guest(case) as qmp:
            begun = time.monotonic()
            with self.started(case, qmp) as process, contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.options.longest)
                return time.monotonic() - begun
        return self.options.longest

    def after_signal(self, case, qmp, moment):
        """Seconds from Ctrl-C to the end, and the status; None where the run had ended before."""
        with self.started(case, qmp) as process:
            time.sleep(moment)
            if process.poll() is not None:
                return None
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            return self.end_of(process, begun)

    def after_timeout(self, case, qmp, moment):
        begun = time.monotonic() + moment
        with self.started(case, qmp, ["--timeout", f"{moment * 1000:.0f}ms"]) as process:
            end = self.end_of(process, begun)
            return end if end[0] >= 0 else None

    @staticmethod
    def end_of(process, begun):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SECONDS)
        return time.monotonic() - begun, process.returncode

    def measure(self, case):
        whole = self.length(case)
        lasts_longer = whole == self.options.longest
        count = self.options.moments
        moments = [whole * (number + 0.5) / count for number in range(count)]
        cells = []
        for measure in (self.after_signal, self.after_timeout):
            if measure == self.after_timeout and not case.has_timeout:
                cells += ["-", "-"]
                continue
            ends = []
            for moment in moments if whole >= SHORTEST_SECONDS else []:
                with self.guest(case) as qmp:
                    ends.append(measure(case, qmp, moment))
            met = [end for end in ends if end]
            cells += [f"{max(end[0] for end in met):.2f}" if met else "-",
                      ", ".join(sorted({str(end[1]) for end in met})) or "-"]
        return row(f"`{case.name()}`", f"> {whole:g}" if lasts_longer else f"{whole:.2f}", *cells)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", type=int, default=2048, help="MiB of guest RAM (default: 2048)")
    parser.add_argument("--data", type=int, default=1200, help="MB of real data in it (default: 1200)")
    parser.add_argument("--build", default=pathlib.Path(__file__).resolve().parent.parent / "build/release",
                        help="folder of the build (default: build/release)")
    parser.add_argument("--longest", type=float, default=5,
                        help="seconds of a run that is watched; a longer one is interrupted within these (default: 5)")
    parser.add_argument("--moments", type=int, default=6, help="of each run at which it is ended (default: 6)")
    parser.add_argument("--dir", help="where the files go (default: a new temporary folder)")
    parser.add_argument("--inputs", help="a folder with the inputs of an earlier run, or for those of this one")
    parser.add_argument("--only", help="only commands with this text in them")
    report.add_output_option(parser, "ends")
    return parser.parse_args()


@contextlib.contextmanager
def dumb_servers(folder):
    """Sockets that nobody serves: a name server; a monitor that takes connections; one whose queue is full."""
    with contextlib.ExitStack() as sockets:
        names = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        names.bind((NAME_SERVER, 53))
        for name, clients in (("dumb.qmp", 0), ("full.qmp", 2)):
            server = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            pathlib.Path(f"{folder}/{name}").unlink(missing_ok=True)
            server.bind(f"{folder}/{name}")
            server.listen(64 if clients == 0 else 1)
            for _ in range(clients):
                client = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                client.connect(f"{folder}/{name}")
        yield


def summary_of(lines):
    """How many commands end in time."""
    longest = [max(float(cell) for cell in line.split(" | ")[2:5:2] if cell != "-") for line in lines
               if line.split(" | ")[2:5:2] != ["-", "-"]]
    in_time = sum(seconds <= WANTED_SECONDS for seconds in longest)
    return f"{in_time} of {len(longest)} commands end within {WANTED_SECONDS} s at every moment"


def main():
    options = parse_arguments()
    cases = [case for case in (*inspect_cases(), *dump_cases(), *restore_cases())
             if not options.only or options.only in case.name()]
    load = os.getloadavg()[0]
    lines = []
    with contextlib.ExitStack() as stack:
        folder = options.inputs or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="vmstream-bench-", dir=options.dir))
        make_inputs(options, folder)
        bench = Bench(options, folder)
        with dumb_servers(folder):
            for case in cases:
                lines.append(bench.measure(case))
                print(lines[-1], file=sys.stderr)
    head = row("command", "runs for s", "s from Ctrl-C", "status", "s from --timeout", "status")
    report.write(options.output, "\n".join([
        *report.opening("ends", "Ends: Ctrl-C and --timeout", (bench.bin / "vmdump", "qemu-system-x86_64"), [
            f"guest: {options.memory} MiB RAM, {options.data} MB of it real data; `even` holds the same byte "
            "everywhere, so that a file of some MiB unpacks to all of it",
            f"the longest of {options.moments} ends each, at moments spread over the run or its first "
            f"{options.longest:g} s; load of the machine at the start: {load:.1f}",
            summary_of(lines)]),
        head, row("---", "---:", "---:", "---:", "---:", "---:"), *lines]) + "\n")


if __name__ == "__main__":
    main()
