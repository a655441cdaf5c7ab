# SPDX-License-Identifier: MIT
"""What every bench of faults does: run a tool with a fault, see that nothing of it is left."""

import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import faults
from outcomes import promise
from support import tool

PATIENCE = 60  # seconds; a tool that takes longer hangs
TO_FILL = 0.3  # seconds in which a stream fills its pipes
STATUSES = (0, 1, 2, 3, 4, 5, 130)  # what the manual pages name
# GPGME 1.18 follows a null pointer when it cannot read what gpgconf prints.
GPGME_CRASH = faults.Kind("read", "error", errno.EIO)
LINKS = "/tmp"
PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass(frozen=True)
class Ran:
    status: int
    stdout: str
    stderr: str
    fired: bool


def adopt_orphans():
    """What a killed tool leaves running becomes a child of this process, where it is seen."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in text.split()}


def link_folders():
    """Where the tools meet a QEMU that they cannot hand a descriptor."""
    return set(glob.glob(f"{LINKS}/vmstream-??????"))


@contextlib.contextmanager
def turn_of(operation):
    """With such folders one at a time: what SIGKILL leaves of one is not another's fault."""
    if not operation.over_tcp:
        yield
        return
    folder = os.open(LINKS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def reap(pid):
    """Whether the orphan has ended."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return True


def wake(stopped):
    """Processes, with those that they have started."""
    for pid in stopped:
        group = os.getpgid(pid)
        if group == os.getpgrp():
            os.kill(pid, signal.SIGCONT)
        else:
            os.killpg(group, signal.SIGCONT)


class Bench:
    """A folder for the tools to work in, a QEMU or two, and the looks before and after."""

    ORPHANS_LAST = 5  # seconds at most, until what a killed tool leaves has done its work

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="vmstream-faults-"))
        self.folder = self.root / "work"
        self.folder.mkdir()
        self.log = self.root / "fault.log"

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def files(self):
        return sorted(os.listdir(self.folder))

    def run(self, fault, name, *arguments, stdin=None, peer=0, counted=None, more=None,
            meanwhile=None):
        """A tool in which `fault` strikes; without one, calls of it or of `counted` are counted.

        `meanwhile` is called with its process, and `peer` is the process id of its QEMU.
        """
        self.log.unlink(missing_ok=True)
        planned = (fault.environment(self.log, peer) if fault
                   else faults.counting(counted or name, self.log))
        before = children()
        with (open(self.root / "out", "wb") as out, open(self.root / "err", "wb") as err,
              open(stdin or os.devnull, "rb") as source):
            process = subprocess.Popen([tool(name), *arguments], stdin=source, stdout=out,
                                       stderr=err, cwd=self.folder,
                                       env={**os.environ, **planned, **(more or {})})
            if meanwhile:
                meanwhile(process)
            if fault and fault.kind.then:
                self.follow_up(process, fault.kind.then)
            status = self.await_end(process)
            if peer and fault and fault.kind.is_stall():
                os.kill(peer, signal.SIGCONT)
            self.await_no_orphans(before, fault)
        return Ran(status, (self.root / "out").read_text(errors="replace"),
                   (self.root / "err").read_text(errors="replace"), self.has_fired())

    def has_fired(self):
        return self.log.exists() and "fired" in self.log.read_text()

    def follow_up(self, process, number):
        """The signal, once the fault has struck and all pipes are full."""
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and not self.has_fired() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(TO_FILL)
        process.send_signal(number)

    @staticmethod
    def await_end(process):
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            promise(False, f"hung for {PATIENCE} seconds")

    def await_no_orphans(self, known, fault):
        deadline = time.monotonic() + self.ORPHANS_LAST
        while orphans := {pid for pid in children() - known if not reap(pid)}:
            if fault and fault.kind.is_stall() and (fault.program == "gpg" or fault.kind.is_kill()):
                wake(orphans)  # GPGME keeps to itself which process it is, and the dead wake nobody
            if time.monotonic() > deadline:
                names = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                         for pid in orphans]
                for pid in orphans:
                    os.kill(pid, 9)
                promise(False, f"left running: {names}")
            time.sleep(0.01)

    def read_counts(self):
        """How often each call was made when nothing went wrong."""
        return faults.read_counts(self.log)

    @staticmethod
    def check_status(fault, ran):
        """The status is one that is documented, and a failure says something."""
        if ran.status == -signal.SIGKILL and fault.kind.is_kill():
            return
        if ran.status == -signal.SIGSEGV and fault.kind == GPGME_CRASH:
            return
        promise(ran.status in STATUSES, f"ended with {ran.status}: {ran.stderr}")
        promise(ran.status == 0 or ran.stderr, f"status {ran.status} without a word")
        promise(ran.status == 0 or not fault.kind.is_jump(), f"minds the clock: {ran.stderr}")

    @staticmethod
    def check_links(before, fault, next_run):
        """Nothing of a monitor that carries no descriptors stays; others' last as long as they run.

        After SIGKILL, and where nothing could be removed, the next run takes it away.
        """
        if fault.kind.is_kill() or fault.kind.call == "unlink":
            next_run()
        deadline = time.monotonic() + 5
        while (left := link_folders() - before) and time.monotonic() < deadline:
            time.sleep(0.05)
        promise(not left, f"left {left}")
