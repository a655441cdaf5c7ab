# SPDX-License-Identifier: MIT
"""Restores of one file, each with one fault, and what must be true after each of them."""

import contextlib
import dataclasses
import shutil
import signal
import time

from bench import Bench
from outcomes import REFUSED, UNKNOWN, WHOLE, promise
from real_guest import Qemu

SETTLE = 0.2  # seconds in which a guest that runs would have counted


@dataclasses.dataclass(frozen=True)
class Restore:
    """A way to restore x.zst."""

    name: str
    arguments: tuple


class RestoreBench(Bench):
    """The file into a QEMU that waits for it. It is claimed, so that nobody runs it twice."""

    def __init__(self, state, last_tick):
        super().__init__()
        self.state = state
        self.last_tick = last_tick

    def counts_of(self, restore, _program):
        with self.waiting_qemu() as qemu:
            ran = self.attempt(restore, None, qemu)
            assert ran.status == 0, ran
            return self.read_counts()

    def inject(self, restore, fault, sampled=False):
        with self.waiting_qemu() as qemu:
            ran = self.attempt(restore, fault, qemu)
            if not ran.fired:
                return None
            self.check_status(fault, ran)
            qemu.process.send_signal(signal.SIGCONT)  # it may be what was stalled
            return self.check(ran, qemu)

    @contextlib.contextmanager
    def waiting_qemu(self):
        qemu = Qemu(self.root, "second", "-incoming", "defer")
        shutil.copy(self.state, self.folder / "x.zst")
        try:
            yield qemu
        finally:
            qemu.end()
            for name in self.files():
                (self.folder / name).unlink()

    def attempt(self, restore, fault, qemu):
        return self.run(fault, "vmrestore", "--qmp", f"../{qemu.qmp}", "--once", "--cont",
                        *restore.arguments, "x.zst", "--threads", "2", peer=qemu.process.pid)

    def check(self, ran, qemu):
        name, = self.files()
        promise(name in ("x.zst", "x.zst.restoring", "x.zst.restored"), f"left {name}")
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

    @staticmethod
    def runs(qemu):
        time.sleep(SETTLE)
        return not qemu.has_ended() and qemu.monitor.status() == "running"

    def check_runs(self, qemu):
        qemu.is_counting()
        promise(qemu.ticks()[0] == self.last_tick + 1, "does not go on where it was saved")

    @staticmethod
    def check_never_runs(qemu):
        time.sleep(SETTLE)
        promise(not qemu.ticks(), "the guest ran, and its file can be used again")
        if not qemu.has_ended():
            promise(qemu.monitor.status() == "inmigrate", f"QEMU is {qemu.monitor.status()}")
