# SPDX-License-Identifier: MIT
"""Restores into a QEMU that vmrestore starts itself, each with one fault in either of the two."""

import contextlib
import os
import signal
import time
from pathlib import Path

from bench import PATIENCE, children, reap
from outcomes import REFUSED, UNKNOWN, WHOLE, promise
from real_guest import QEMU, STRIPES, Guest
from restore_bench import SETTLE, RestoreBench


def program_of(pid):
    """The name of what it runs; none where it has just ended."""
    with contextlib.suppress(OSError):
        return Path(os.readlink(f"/proc/{pid}/exe")).name
    return None


class NewQemuBench(RestoreBench):
    """vmrestore stays with its QEMU until that ends, and takes it along if it must give up."""

    def counts_of(self, restore, program):
        with self.copied_state(), self.new_guest() as guest:
            ran = self.attempt(restore, None, guest, program)
            assert ran.status == 0, ran
            return self.read_counts()

    def inject(self, restore, fault, sampled=False):
        with self.copied_state(), self.new_guest() as guest:
            ran = self.attempt(restore, fault, guest)
            if not ran.fired:
                return None
            self.check_status(fault, ran)
            return self.check(ran, guest)

    @contextlib.contextmanager
    def new_guest(self):
        guest = Guest(self.root, "second")
        try:
            yield guest
        finally:
            guest.forget()

    def attempt(self, restore, fault, guest, counted=None):
        known = children()

        def watch(process):
            self.quit_when_seen(process, guest)
            if process.poll() == -signal.SIGKILL:
                self.end_orphan(known, process)

        return self.run(fault, "vmrestore", *self.arguments(restore, fault), "--",
                        *guest.command(), counted=counted, meanwhile=watch)

    def quit_when_seen(self, process, guest):
        """Lets the guest check its memory, and then its QEMU end as if it had been shut down."""
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and guest.last_tick() <= self.last_tick + STRIPES:
            if time.monotonic() > deadline:
                return  # whoever waits for the end of the tool will say so
            time.sleep(0.01)
        if process.poll() is None:
            with contextlib.suppress(OSError, ValueError):  # QEMU may die on its own just now
                guest.open_monitor().ask("quit")

    @staticmethod
    def end_orphan(known, tool):
        """A QEMU whose vmrestore was killed: it waits in vain, or runs the guest."""
        time.sleep(SETTLE)
        for pid in children() - known - {tool.pid}:
            if program_of(pid) == QEMU[0] and not reap(pid):
                os.kill(pid, signal.SIGKILL)

    def check(self, ran, guest):
        name = self.name_of_state()
        ticks = guest.ticks()
        promise(not ticks or ticks[0] == self.last_tick + 1, "does not go on where it was saved")
        if ran.status == 0:
            promise(name == "x.zst.restored" and ticks, f"succeeded with {name} and {ticks}")
            return WHOLE
        promise(not ticks or name != "x.zst", "the guest ran, and its file can be used again")
        return REFUSED if name == "x.zst" else UNKNOWN
