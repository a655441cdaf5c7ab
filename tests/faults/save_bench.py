# SPDX-License-Identifier: MIT
"""Saves of one running guest, each with one fault, and what must be true after each of them."""

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

from bench import Bench, link_folders, turn_of
from outcomes import GONE, REFUSED, RESUMED, UNTOLD, WHOLE, Broken, is_untold, promise
from real_guest import QEMU, STRIPES, Qemu, free_port, wait_until
from stranger import STRANGER_USER, start_stranger
from support import tool

UNPACK = {"zst": "zstd -dcq", "gz": "gzip -dc", "bz2": "bzip2 -dc", "none": "cat",
          "mapped": "cat", "zst.gpg": "gpg -q --batch -d | zstd -dcq"}


@dataclasses.dataclass(frozen=True)
class Save:
    """A way to save: the options, and the file that comes of it."""

    name: str
    arguments: tuple
    file: str = "x.zst"
    leaves_pieces: bool = False  # a command writes the file, under its final name at once
    aside: str = ""  # where a command writes the file, before it is published
    ends_qemu: bool = False  # once the file is safe
    paused: bool = False  # the guest is found so
    loses_pages: bool = False  # by a fault of QEMU's: then the guest in the file is not looked at
    keeps_running: bool = False  # the guest, whatever happens to the tool
    over_tcp: bool = False  # the monitor is, and carries no descriptors
    by_qemu: bool = False  # who writes the file, and has it lent
    limit: tuple = ()  # options that end a save which a fault has stalled

    def files(self):
        """What there may be of it, the file itself first."""
        return [self.file, f"{self.file}.vmsx"] if self.by_qemu else [self.file]

    def unpack(self):
        return UNPACK[self.file.partition(".")[2]]


# States of a migration.
UNDER_WAY = ("setup", "active", "pre-switchover", "device", "cancelling")

PLAIN = Save("save", ("-o", "x.zst"))


class SaveBench(Bench):
    """One guest that is saved over and over, and is replaced when a fault has ended its QEMU."""

    def __init__(self, qemu=QEMU):
        super().__init__()
        self.qemu = qemu
        self.guest = None
        self.restores = 0

    def close(self):
        self.end_guest()
        super().close()

    @contextlib.contextmanager
    def strangers(self):
        """Another user, who connects to whatever of ours the kernel lists; played by root only."""
        process = start_stranger(STRANGER_USER) if os.geteuid() == 0 else None
        try:
            yield
        finally:
            if process:
                process.kill()
                process.wait()
                process.stdout.close()

    def end_guest(self):
        if self.guest:
            self.guest.end()
        self.guest = None

    def running_guest(self):
        if self.guest and self.guest.has_ended():
            self.end_guest()
        if not self.guest:
            self.port = free_port()
            self.guest = Qemu(self.root, "guest", *self.devices(), "-qmp",
                              f"tcp:127.0.0.1:{self.port},server=on,wait=off", qemu=self.qemu)
            self.guest.wait_for_tick(40)
            self.descriptors = self.count_descriptors()
            self.settings = self.read_settings()
        return self.guest

    def devices(self):
        """Arguments of its QEMU."""
        return []

    def copied_devices(self):
        """The same for a second one, while the first uses its own."""
        return []

    def version(self):
        version = self.running_guest().monitor.ask("query-version")["qemu"]
        return f"{version['major']}.{version['minor']}"

    def peer(self):
        """The process at the other end."""
        return self.guest.process.pid

    def arguments(self, save, fault):
        monitor = f"tcp:127.0.0.1:{self.port}" if save.over_tcp else f"../{self.guest.qmp}"
        return ("--qmp", monitor, *save.arguments, *(save.limit if fault else ()), "--json",
                "--threads", "2")

    def counts_of(self, save, program):
        self.forget_files()
        self.prepare(save)
        ran = self.run(None, "vmdump", *self.arguments(save, None), counted=program)
        assert ran.status == 0, ran
        if save.ends_qemu:
            wait_until(self.guest.has_ended, "QEMU to end")
        self.forget_files()
        return self.read_counts()

    def save_mapped(self):
        """A file for restores, which QEMU writes, and the tick that its guest stands at."""
        guest = self.running_guest()
        subprocess.run([tool("vmdump"), "--qmp", guest.qmp, "-o", "mapped", "--mapped-ram", "-q",
                        "--after", "pause"], cwd=self.root, check=True)
        last_tick = guest.last_tick()
        self.end_guest()
        return self.root / "mapped", last_tick

    def save_once_more(self, save):
        """What the next run does, and takes back of what a killed one has left."""
        again = save if save.by_qemu else dataclasses.replace(PLAIN, over_tcp=save.over_tcp)
        self.counts_of(again, "vmdump")

    def inject(self, save, fault, sampled=False):
        """The outcome, or None if the step was not reached. `sampled`: a whole file is loaded."""
        with turn_of(save):
            return self.inject_alone(save, fault, sampled)

    def inject_alone(self, save, fault, sampled):
        links = link_folders()
        try:
            self.prepare(save)
            ran = self.run(fault, "vmdump", *self.arguments(save, fault),
                           peer=self.peer())
            if not ran.fired:
                return None
            self.check_status(fault, ran)
            is_whole = self.check_file(save, ran, sampled)
            outcome = self.check_qemu(save, fault, ran, is_whole)
            if save.over_tcp:
                self.running_guest()
                self.check_links(links, fault, lambda: self.save_once_more(save))
            return outcome
        except (Broken, AssertionError, OSError):
            self.end_guest()  # the next fault shall not suffer from this one
            raise
        finally:
            self.forget_files()

    def prepare(self, save):
        guest = self.running_guest()
        guest.monitor.ask("cont")
        if save.paused:
            guest.monitor.ask("stop")

    def forget_files(self):
        for name in self.files():
            (self.folder / name).unlink()

    # ---- The file

    def check_file(self, save, ran, sampled):
        """Whether there is one; then it is whole."""
        there = [name for name in self.files() if name != save.aside]
        promise(set(there) <= set(save.files()), f"left {there}")
        if save.file not in there:
            promise(ran.status != 0 and not there, f"ended with {ran.status} and left {there}")
            return False
        if save.leaves_pieces and ran.status != 0:
            self.check_piece(save)
            return False
        promise(ran.status <= 0 or "all the same" in ran.stderr, f"a file in spite of {ran.stderr}")
        self.check_whole(save, ran)
        if sampled and not save.loses_pages:
            self.check_restores(save)
        return True

    def check_whole(self, save, ran):
        path = self.folder / save.file
        by_command = save.leaves_pieces or save.aside
        promise(path.stat().st_mode & 0o777 == 0o600 or by_command, "readable by others")
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
        second = Qemu(self.root, "second", "-incoming", "defer", *self.copied_devices(),
                      qemu=self.qemu)
        try:
            ran = self.plain_tool("vmrestore", "--qmp", f"../{second.qmp}", "--cont", save.file)
            promise(ran.returncode == 0, f"does not restore: {ran.stderr}")
            second.wait_for_tick(wait_until(second.ticks, "a tick")[0] + STRIPES)
            promise(second.ticks()[0] - 1 in self.guest.ticks(), "does not go on from there")
            self.restores += 1
        finally:
            second.end()

    # ---- The guest

    def check_qemu(self, save, fault, ran, is_whole):
        if fault.kind.to_peer and fault.kind.is_kill():
            wait_until(self.guest.has_ended, "the killed QEMU to end")
            return GONE
        if save.ends_qemu and self.check_ended(ran, is_whole):
            return self.outcome_of(ran)
        return self.check_guest(save, ran)

    def check_ended(self, ran, is_whole):
        """Whether QEMU has been ended, which must not be before the file is safe."""
        if ran.status == 0 or is_untold(ran):
            wait_until(self.guest.has_ended, "QEMU to end")
        promise(is_whole or not self.guest.has_ended(), "QEMU was ended without a file")
        return self.guest.has_ended()

    def check_guest(self, save, ran):
        guest = self.guest
        wait_until(lambda: guest.monitor.migration() not in UNDER_WAY, "the migration to end")
        as_found = (guest.monitor.status() == "running") != save.paused
        promise(as_found or self.may_stand(save, ran),
                f"the guest is {guest.monitor.status()}: {ran.stderr}")
        guest.monitor.ask("cont")
        promise(guest.is_counting(), "the guest does not count")
        self.check_settings(save, ran)
        if not as_found:
            return RESUMED
        return self.outcome_of(ran)

    @staticmethod
    def outcome_of(ran):
        if ran.status == 0:
            return WHOLE
        return UNTOLD if is_untold(ran) else REFUSED

    def may_stand(self, save, ran):
        """For its end, or after a word; in a save that lets it run only once QEMU has sent all."""
        if ran.status == -signal.SIGKILL:
            return save.ends_qemu
        begun = not save.keeps_running or self.guest.monitor.status() == "postmigrate"
        return begun and not save.paused and self.is_given_up(ran)

    @staticmethod
    def is_given_up(ran):
        """Killed at once, or unable to reach QEMU any more, and saying so."""
        return (ran.status == -signal.SIGKILL or "could not be put back" in ran.stderr
                or "type quit or cont" in ran.stderr)

    def check_settings(self, save, ran):
        """Parameters, capabilities and descriptors are as they were."""
        changed = self.changed_settings()
        promise(not changed or self.is_given_up(ran), f"{changed} stay")
        if self.is_given_up(ran):
            self.put_settings_back()
            self.save_once_more(save)
            promise(not self.changed_settings(), f"{self.changed_settings()} after the next run")
        wait_until(lambda: self.count_descriptors() <= self.descriptors,
                   "QEMU to close what it was handed")
        promise(not self.guest.monitor.ask("query-fdsets"), "QEMU still has what it was lent")

    def read_settings(self):
        ask = self.guest.monitor.ask
        parameters = ask("query-migrate-parameters").items()
        capabilities = ask("query-migrate-capabilities")
        return {**{("parameter", name): value for name, value in parameters},
                **{("capability", each["capability"]): each["state"] for each in capabilities}}

    def changed_settings(self):
        return {setting: value for setting, value in self.read_settings().items()
                if value != self.settings.get(setting)}

    def put_settings_back(self):
        """As a person does by hand."""
        ask = self.guest.monitor.ask
        for kind, name in self.changed_settings():
            before = self.settings[kind, name]
            if kind == "parameter":
                ask("migrate-set-parameters", **{name: before})
            else:
                ask("migrate-set-capabilities", capabilities=[{"capability": name, "state": before}])

    def count_descriptors(self):
        """But for one that QEMU opens at its first background save and keeps."""
        opened = Path(f"/proc/{self.guest.process.pid}/fd").iterdir()
        return sum(os.readlink(each) != "/dev/userfaultfd" for each in opened)
