# SPDX-License-Identifier: MIT
"""Saves of one running guest, each with one fault, and what must be true after each of them."""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess

from bench import Bench
from outcomes import GONE, REFUSED, RESUMED, WHOLE, Broken, promise
from real_guest import Qemu, wait_until
from support import tool

BANDWIDTH = 128 << 20  # QEMU's own, bytes a second
UNPACK = {"zst": "zstd -dcq", "gz": "gzip -dc", "bz2": "bzip2 -dc", "none": "cat",
          "zst.gpg": "gpg -q --batch -d | zstd -dcq"}


@dataclasses.dataclass(frozen=True)
class Save:
    """A way to save: the options, and the file that comes of it."""

    name: str
    arguments: tuple
    file: str = "x.zst"
    leaves_pieces: bool = False  # a command writes the file, under its final name at once
    ends_qemu: bool = False  # once the file is safe
    paused: bool = False  # the guest is found so

    def unpack(self):
        return UNPACK[self.file.partition(".")[2]]


PLAIN = Save("save", ("-o", "x.zst"))


class SaveBench(Bench):
    """One guest that is saved over and over, and is replaced when a fault has ended its QEMU."""

    def __init__(self):
        super().__init__()
        self.guest = None
        self.restores = 0

    def close(self):
        self.end_guest()
        super().close()

    def end_guest(self):
        if self.guest:
            self.guest.end()
        self.guest = None

    def running_guest(self):
        if self.guest and self.guest.has_ended():
            self.end_guest()
        if not self.guest:
            self.guest = Qemu(self.root, "guest")
            self.guest.wait_for_tick(40)
            self.descriptors = self.count_descriptors()
        return self.guest

    def arguments(self, save):
        return ("--qmp", f"../{self.guest.qmp}", *save.arguments, "--json", "--threads", "2")

    def counts_of(self, save, program):
        self.forget_files()
        self.prepare(save)
        ran = self.run(None, "vmdump", *self.arguments(save), counted=program)
        assert ran.status == 0, ran
        self.forget_files()
        return self.read_counts()

    def inject(self, save, fault, sampled=False):
        """The outcome, or None if the step was not reached. `sampled`: a whole file is loaded."""
        self.prepare(save)
        try:
            ran = self.run(fault, "vmdump", *self.arguments(save), peer=self.guest.process.pid)
            if not ran.fired:
                return None
            self.check_status(fault, ran)
            self.guest.process.send_signal(signal.SIGCONT)  # it may be what was stalled
            is_whole = self.check_file(save, ran, sampled)
            if fault.kind.to_peer and fault.kind.is_kill():
                return GONE
            if save.ends_qemu and self.check_ended(ran, is_whole):
                return WHOLE if ran.status == 0 else REFUSED
            return self.check_guest(save, ran)
        except (Broken, AssertionError):
            self.end_guest()  # the next fault shall not suffer from this one
            raise
        finally:
            self.forget_files()

    def prepare(self, save):
        guest = self.running_guest()
        if save.paused:
            guest.monitor.ask("stop")

    def forget_files(self):
        for name in self.files():
            (self.folder / name).unlink()

    # ---- The file

    def check_file(self, save, ran, sampled):
        """Whether there is one; then it is whole."""
        there = self.files()
        promise(ran.status != 0 or there == [save.file], f"succeeded and left {there}")
        promise(set(there) <= {save.file}, f"left {there}")
        if not there:
            return False
        if save.leaves_pieces and ran.status != 0:
            self.check_piece(save)
            return False
        self.check_whole(save, ran)
        if sampled:
            self.check_restores(save)
        return True

    def check_whole(self, save, ran):
        path = self.folder / save.file
        promise(path.stat().st_mode & 0o777 == 0o600 or save.leaves_pieces, "readable by others")
        with open(path, "rb") as source:
            plain = subprocess.run(save.unpack(), shell=True, stdin=source, capture_output=True,
                                   check=False)
        promise(plain.returncode == 0, f"{save.file} does not unpack: {plain.stderr}")
        verified = self.plain_tool("vmstream-inspect", "verify", save.file)
        promise(verified.returncode == 0, f"{save.file} does not verify: {verified.stdout}")
        if ran.status == 0:
            found = hashlib.sha256(plain.stdout).hexdigest()
            promise(found == json.loads(ran.stdout)["sha256"], "not the stream that was sent")

    def check_piece(self, save):
        """What a command was left with is whole, or is refused."""
        verified = self.plain_tool("vmrestore", save.file, "-o", "plain")
        promise(verified.returncode in (0, 3), f"a piece is taken: {verified.stderr}")
        promise((verified.returncode == 0) == ("plain" in self.files()), "a piece is unpacked")

    def plain_tool(self, name, *arguments):
        return subprocess.run([tool(name), *arguments], cwd=self.folder,
                              capture_output=True, check=False)

    def check_restores(self, save):
        """The file makes a guest that goes on counting, and whose memory is what it was."""
        second = Qemu(self.root, "second", "-incoming", "defer")
        try:
            ran = self.plain_tool("vmrestore", "--qmp", f"../{second.qmp}", "--cont", save.file)
            promise(ran.returncode == 0, f"does not restore: {ran.stderr}")
            second.is_counting()
            promise(second.ticks()[0] - 1 in self.guest.ticks(), "does not go on from there")
            self.restores += 1
        finally:
            second.end()

    # ---- The guest

    def check_ended(self, ran, is_whole):
        """Whether QEMU has been ended, which must not be before the file is safe."""
        if ran.status == 0:
            wait_until(self.guest.has_ended, "QEMU to end")
        promise(is_whole or not self.guest.has_ended(), "QEMU was ended without a file")
        return self.guest.has_ended()

    def check_guest(self, save, ran):
        guest = self.guest
        wait_until(lambda: guest.monitor.migration() not in ("active", "setup", "cancelling"),
                   "the migration to end")
        as_found = (guest.monitor.status() == "running") != save.paused
        promise(as_found or (not save.paused and self.is_given_up(ran)),
                f"the guest is {guest.monitor.status()}: {ran.stderr}")
        guest.monitor.ask("cont")
        self.check_qemu(ran)
        promise(guest.is_counting(), "the guest does not count")
        if not as_found:
            return RESUMED
        return WHOLE if ran.status == 0 else REFUSED

    @staticmethod
    def is_given_up(ran):
        """Killed at once, or unable to reach QEMU any more, and saying so."""
        return (ran.status == -signal.SIGKILL or "could not be put back" in ran.stderr
                or "type quit or cont" in ran.stderr)

    def check_qemu(self, ran):
        """Settings and descriptors are as they were."""
        ask = self.guest.monitor.ask
        bandwidth = ask("query-migrate-parameters")["max-bandwidth"]
        promise(bandwidth == BANDWIDTH or self.is_given_up(ran), f"max-bandwidth stays {bandwidth}")
        ask("migrate-set-parameters", **{"max-bandwidth": BANDWIDTH})
        if self.is_given_up(ran):
            self.counts_of(PLAIN, "vmdump")  # the next run takes back what was left with QEMU
        wait_until(lambda: self.count_descriptors() <= self.descriptors,
                   "QEMU to close what it was handed")

    def count_descriptors(self):
        return len(os.listdir(f"/proc/{self.guest.process.pid}/fd"))
