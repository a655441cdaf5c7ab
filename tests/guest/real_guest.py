# SPDX-License-Identifier: MIT
"""Real QEMUs with the counting test guest, for tests that run the tools as a user does."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import BIN, SOURCE, ToolTest, tool

IMAGE = os.environ["VMSTREAM_TEST_GUEST"]
STRIPES = 32  # of the guest's memory: after so many ticks it has checked all of it
# Seconds; an emulated guest on a busy machine is slow.
PATIENCE = int(os.environ.get("VMSTREAM_PATIENCE", "20"))

ACCEL = os.environ.get("VMSTREAM_ACCEL", "tcg")
QEMU = ["qemu-system-x86_64"]


def find_newer_qemu():
    """A QEMU of 9.0 or later, with its arguments such as -L, or nothing: what VMSTREAM_NEWER_QEMU
    says, what scripts/newer-qemu.sh has unpacked, or the installed one."""
    if "VMSTREAM_NEWER_QEMU" in os.environ:
        return shlex.split(os.environ["VMSTREAM_NEWER_QEMU"])
    unpacked = SOURCE / "build" / "newer-qemu" / QEMU[0]
    if unpacked.exists():
        return [str(unpacked)]
    version = subprocess.run([*QEMU, "--version"], capture_output=True, text=True, check=False)
    major = re.search(r"version (\d+)", version.stdout)
    return QEMU if major and int(major[1]) >= 9 else []


NEWER_QEMU = find_newer_qemu()
# One whose live saves lose nothing: any under KVM, but of those that emulate only newer ones.
LIVE_QEMU = QEMU if ACCEL == "kvm" else NEWER_QEMU

NO_NEWER_QEMU = "no QEMU of 9.0 or later, see scripts/newer-qemu.sh"
NEEDS_NEWER_QEMU = unittest.skipUnless(NEWER_QEMU, NO_NEWER_QEMU)
NEEDS_LIVE_QEMU = unittest.skipUnless(LIVE_QEMU, NO_NEWER_QEMU)

MACHINE = ["-M", "pc", "-accel", ACCEL, "-display", "none", "-nodefaults"]


def boot_from(image):
    """A floppy; some KVMs lose its interrupt in real mode, but not a disk's."""
    how = "if=floppy,readonly=on" if ACCEL == "tcg" else "if=ide,snapshot=on"
    return ["-drive", f"file={image},format=raw,{how}"]


def wait_until(condition, what):
    """The first true answer of `condition`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"timed out waiting for {what}")


class Monitor:
    """A QMP session of the test's own, beside the one that the tools use."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self.socket.connect_ex(str(path)) == 0, f"{path}")
        self.socket.settimeout(PATIENCE)
        self.lines = self.socket.makefile("r")
        self.lines.readline()
        self.events = []  # heard between questions and answers: name and status
        self.ask("qmp_capabilities")

    def send(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        while True:
            answer = json.loads(self.lines.readline() or '{"error": {"desc": "QEMU has ended"}}')
            if "error" in answer:
                raise AssertionError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
            self.events.append((answer["event"], answer.get("data", {}).get("status")))

    def status(self):
        return self.ask("query-status")["status"]

    def migration(self):
        return self.ask("query-migrate").get("status", "none")

    def type(self, line):
        """A line typed into the human monitor."""
        return self.ask("human-monitor-command", **{"command-line": line})

    def close(self):
        self.lines.close()
        self.socket.close()


def free_port():
    """A number of TCP that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Guest:
    """What a QEMU shows of its guest, in files of `folder` that begin with `name`."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.serial = folder / f"{name}.serial"

    def command(self, qemu=QEMU, image=IMAGE, megabytes=32):
        """That makes a QEMU with two monitors: `name`.qmp for the tools, another for the test."""
        command = [*qemu, *MACHINE, "-m", str(megabytes), "-serial", f"file:{self.serial}",
                   *boot_from(image)]
        for monitor in (self.qmp, f"{self.name}.own"):
            command += ["-qmp", f"unix:{self.folder / monitor},server=on,wait=off"]
        return command

    def open_monitor(self):
        return Monitor(self.folder / f"{self.name}.own")

    @property
    def qmp(self):
        return f"{self.name}.qmp"

    def ticks(self):
        """Numbers of the whole lines of the guest's count so far; it must not have said BAD."""
        text = self.serial.read_text(errors="replace") if self.serial.exists() else ""
        assert "BAD" not in text, text
        return [int(number) for number in re.findall(r"^T (\d+) OK [0-9a-f]{8}\r?$", text, re.M)]

    def last_tick(self):
        return (self.ticks() or [-1])[-1]

    def wait_for_tick(self, number):
        wait_until(lambda: self.last_tick() >= number, f"tick {number} of {self.name}")

    def is_counting(self):
        self.wait_for_tick(self.last_tick() + 3)
        return True

    def forget(self):
        """What it left behind makes room for another of the name."""
        for leftover in self.folder.glob(f"{self.name}.*"):
            leftover.unlink()


class Qemu(Guest):
    """A process of the test's own."""

    def __init__(self, folder, name, *arguments, **how):
        super().__init__(folder, name)
        self.process = subprocess.Popen([*self.command(**how), *arguments], cwd=folder,
                                        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.monitor = None
        try:
            self.monitor = self.open_monitor()
        except Exception:
            self.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def settings(self):
        """What its migrations are set to."""
        return [self.monitor.ask(f"query-migrate-{what}") for what in ("parameters", "capabilities")]

    def has_ended(self):
        return self.process.poll() is not None

    def end(self):
        """Ends the process, once."""
        if self.process.stderr.closed:
            return
        if self.monitor:
            self.monitor.close()
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.forget()


def kill_family(process):
    """SIGKILL to a tool and to all that it has started, which then cannot do anything for it."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    for pid in children.split():
        os.kill(int(pid), signal.SIGKILL)
    process.kill()
    process.wait()


def why_not(capability, qemu=QEMU):
    """Why this QEMU, or the kernel, will not have the capability; None where they will."""
    if not qemu:
        return "VMSTREAM_NEWER_QEMU names no QEMU of 9.0 or later"
    with tempfile.TemporaryDirectory() as folder:
        with Qemu(Path(folder), "probe", "-S", qemu=qemu) as probe:
            try:
                probe.monitor.ask("migrate-set-capabilities",
                                  capabilities=[{"capability": capability, "state": True}])
            except AssertionError as refusal:
                return str(refusal)
    return None


class GuestTest(ToolTest):
    """A test with guests; each is ended with it."""

    def qemu(self, name, *arguments, **how):
        started = Qemu(self.folder, name, *arguments, **how)
        self.addCleanup(started.end)
        return started

    def counting_guest(self, *arguments):
        guest = self.qemu("first", *arguments)
        guest.wait_for_tick(40)  # every stripe of its memory has been written
        return guest

    def state_files(self):
        return [name for name in self.files() if not name.startswith(("first", "second"))]

    def start_tool(self, name, *arguments, **more):
        """The tool in the background; ended with the test if it has not by then."""
        process = subprocess.Popen([tool(name), *arguments], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assert_restores(self, file, first):
        """`file` brought back in a fresh QEMU counts on where `first` was saved."""
        second = self.qemu("second", "-incoming", "defer")
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", file))
        self.assert_went_on(first, second)

    def assert_went_on(self, first, second):
        self.assertTrue(second.is_counting())
        begun = second.ticks()[0]
        self.assertIn(begun - 1, [0, *first.ticks()])
        self.assertGreater(begun, 40)
