# SPDX-License-Identifier: MIT
"""Restores of one file, each with one fault, and what must be true after each of them."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from bench import Bench, link_folders, turn_of
from outcomes import REFUSED, RESUMED, UNKNOWN, WHOLE, promise
from real_guest import QEMU, STRIPES, Qemu, free_port, wait_until

# Of a QEMU whose main thread, which is also its monitor, touched memory that nobody brings.
SILENT = "silent"
SETTLE = 0.2  # seconds in which a guest that runs would have counted


@dataclasses.dataclass(frozen=True)
class Restore:
    """A way to restore x.zst."""

    name: str
    arguments: tuple = ()
    over_tcp: bool = False  # the monitor is, and carries no descriptors
    limit: tuple = ()  # options that end a restore which a fault has stalled
    file: str = "x.zst"  # as the tool is told


class RestoreBench(Bench):
    """The file into a QEMU that waits for it. It is claimed, so that nobody runs it twice."""

    def __init__(self, state, last_tick, qemu=QEMU):
        super().__init__()
        self.state = state
        self.last_tick = last_tick
        self.qemu = qemu
        (self.root / "link").symlink_to("work/x.zst")

    def counts_of(self, restore, program):
        with self.waiting_qemu() as qemu:
            ran = self.attempt(restore, None, qemu, program)
            assert ran.status == 0, ran
            return self.read_counts()

    def inject(self, restore, fault, sampled=False):
        with turn_of(restore):
            return self.inject_alone(restore, fault)

    def inject_alone(self, restore, fault):
        links = link_folders()
        with self.waiting_qemu() as qemu:
            ran = self.attempt(restore, fault, qemu)
            if not ran.fired:
                return None
            self.check_status(fault, ran)
            if fault.kind.to_peer and fault.kind.is_kill():
                qemu.process.wait()  # killed it is, but perhaps not dead yet
            outcome = self.check(ran, qemu)
        if restore.over_tcp:
            self.check_links(links, fault, lambda: self.counts_of(restore, "vmrestore"))
        return outcome

    @contextlib.contextmanager
    def waiting_qemu(self):
        self.port = free_port()
        qemu = Qemu(self.root, "second", "-incoming", "defer", "-qmp",
                    f"tcp:127.0.0.1:{self.port},server=on,wait=off", qemu=self.qemu)
        try:
            with self.copied_state():
                yield qemu
        finally:
            qemu.end()

    @contextlib.contextmanager
    def copied_state(self):
        shutil.copy(self.state, self.folder / "x.zst")
        try:
            yield
        finally:
            for name in self.files():
                (self.folder / name).unlink()

    def attempt(self, restore, fault, qemu, counted=None):
        monitor = f"tcp:127.0.0.1:{self.port}" if restore.over_tcp else f"../{qemu.qmp}"
        return self.run(fault, "vmrestore", "--qmp", monitor,
                        *self.arguments(restore, fault), peer=qemu.process.pid, counted=counted)

    @staticmethod
    def arguments(restore, fault):
        limit = restore.limit if fault else ()
        return ("--once", "--cont", *restore.arguments, *limit, restore.file, "--threads", "2")

    def check(self, ran, qemu):
        name = self.name_of_state()
        if ran.status == 0:
            promise(name == "x.zst.restored", f"succeeded and left {name}")
            if not qemu.has_ended():
                self.check_runs(qemu)
            return WHOLE
        if name == "x.zst":
            self.check_never_runs(qemu)
            return REFUSED
        # Nobody can use the file again, so the guest may run, but then it is the very guest.
        if self.runs(qemu):
            self.check_runs(qemu)
        return UNKNOWN

    def name_of_state(self):
        """What has become of the file; nothing stands beside it but an index that was made."""
        there = [name for name in self.files() if name != "x.zst.vmsx"]
        promise(len(there) == 1 and there[0] in ("x.zst", "x.zst.restoring", "x.zst.restored"),
                f"left {there}")
        return there[0]

    @staticmethod
    def runs(qemu):
        time.sleep(SETTLE)
        return not qemu.has_ended() and qemu.monitor.status() == "running"

    def check_runs(self, guest):
        """From where it was saved, until it has checked all of its memory."""
        first = wait_until(guest.ticks, "a tick")[0]
        promise(first == self.last_tick + 1, "does not go on where it was saved")
        guest.wait_for_tick(first + STRIPES)

    @staticmethod
    def check_never_runs(qemu):
        time.sleep(SETTLE)
        promise(not qemu.ticks(), "the guest ran, and its file can be used again")
        if not qemu.has_ended():
            promise(qemu.monitor.status() == "inmigrate", f"QEMU is {qemu.monitor.status()}")


class LazyBench(RestoreBench):
    """Where the guest runs before its memory is there, the rest can be delivered later."""

    def check(self, ran, qemu):
        state = self.migration(qemu) if ran.status != 0 else None
        if state not in ("postcopy-paused", SILENT):
            return super().check(ran, qemu)
        name = self.name_of_state()
        promise(name != "x.zst", "the guest has begun to run, and its file can be used again")
        if state == SILENT:
            return UNKNOWN
        resumed = self.run(None, "vmrestore", "--resume-lazy", "--qmp", f"../{qemu.qmp}", name)
        promise(resumed.status == 0, f"does not go on: {resumed.stderr}")
        self.check_runs(qemu)
        return RESUMED

    @staticmethod
    def migration(qemu):
        """Its state, once QEMU has seen that nobody brings memory any more."""
        time.sleep(SETTLE)
        try:
            return qemu.monitor.migration() if not qemu.has_ended() else None
        except TimeoutError:
            return SILENT


class SidecarBench(LazyBench):
    """Beside the file lies an index that leaves out all of the memory, and belongs to a stranger."""

    STRANGER = 65534

    def __init__(self, plain, last_tick):
        super().__init__(plain, last_tick)
        forged = self.root / "forged"
        subprocess.run([os.environ["VMSTREAM_FORGE_INDEX"], "drop-all", plain, forged, "--sidecar"],
                       check=True)
        self.state, self.sidecar = forged, self.root / "forged.vmsx"

    @contextlib.contextmanager
    def copied_state(self):
        with super().copied_state():
            beside = self.folder / "x.zst.vmsx"
            shutil.copy(self.sidecar, beside)
            os.chown(beside, self.STRANGER, self.STRANGER)
            yield


class SwapBench(RestoreBench):
    """The restore stands still at a read, and somebody is at the file."""

    def __init__(self, state, last_tick, swap):
        super().__init__(state, last_tick)
        self.swap = swap

    def attempt(self, restore, fault, qemu, counted=None):
        return self.run(fault, "vmrestore", "--qmp", f"../{qemu.qmp}",
                        *self.arguments(restore, fault), counted=counted,
                        meanwhile=self.swap_when_it_stops if fault else None)

    def swap_when_it_stops(self, process):
        stat = Path(f"/proc/{process.pid}/stat")
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] in "TZ", "the stop")
        self.swap(self.folder / self.name_of_state())
        process.send_signal(signal.SIGCONT)


def put_another(path):
    """In the place of the file."""
    path.with_name("other").write_bytes(path.read_bytes()[:1000])
    path.with_name("other").rename(path)


def write_over(path):
    """The middle of it, without a change of its length or its time."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(before.st_size // 4)
        file.write(os.urandom(before.st_size // 2))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
