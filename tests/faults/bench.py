# SPDX-License-Identifier: MIT
"""What every bench of faults does: run a tool with a fault, see that nothing of it is left."""

import contextlib
import ctypes
import dataclasses
import errno
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

PATIENCE = 30  # seconds; a tool that takes longer hangs
STATUSES = (0, 1, 2, 3, 4, 5, 130)  # what the manual pages name
# GPGME 1.18 follows a null pointer when it cannot read what gpgconf prints.
GPGME_CRASH = faults.Kind("read", "error", errno.EIO)
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


def reap(pid):
    """Whether the orphan has ended."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return True


class Bench:
    """A folder for the tools to work in, a QEMU or two, and the looks before and after."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="vmstream-faults-"))
        self.folder = self.root / "work"
        self.folder.mkdir()
        self.log = self.root / "fault.log"

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def files(self):
        return sorted(os.listdir(self.folder))

    def run(self, fault, name, *arguments, stdin=None, peer=0, counted=None, more=None):
        """A tool in which `fault` strikes; without one, calls of it or of `counted` are counted."""
        self.log.unlink(missing_ok=True)
        planned = (fault.environment(self.log, peer) if fault
                   else faults.counting(counted or name, self.log))
        before = children()
        with (open(self.root / "out", "wb") as out, open(self.root / "err", "wb") as err,
              open(stdin or os.devnull, "rb") as source):
            process = subprocess.Popen([tool(name), *arguments], stdin=source, stdout=out,
                                       stderr=err, cwd=self.folder,
                                       env={**os.environ, **planned, **(more or {})})
            status = self.await_end(process)
            self.await_no_orphans(before, fault)
        return Ran(status, (self.root / "out").read_text(errors="replace"),
                   (self.root / "err").read_text(errors="replace"),
                   self.log.exists() and "fired" in self.log.read_text())

    @staticmethod
    def await_end(process):
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            promise(False, f"hung for {PATIENCE} seconds")

    @staticmethod
    def await_no_orphans(known, fault):
        deadline = time.monotonic() + 5
        while orphans := {pid for pid in children() - known if not reap(pid)}:
            if fault and fault.program == "gpg" and fault.kind.is_stall():
                for pid in orphans:
                    os.kill(pid, signal.SIGCONT)  # GPGME keeps to itself which process it is
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
