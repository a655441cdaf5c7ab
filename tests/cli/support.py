# SPDX-License-Identifier: MIT
"""What the tests of the tools share: running a tool, a folder that goes away, small streams."""

import contextlib
import json
import os
import pty
import random
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

BIN = Path(os.environ["VMSTREAM_BIN"])
SOURCE = Path(__file__).resolve().parents[2]

DONE, ENVIRONMENT, USAGE, MALFORMED, UNSUPPORTED, REFUSED = range(6)
INTERRUPTED = 130


def tool(name):
    """The path of a tool, for use inside a shell command."""
    return str(BIN / name)


def why_no_fuse():
    """Why this user cannot mount anything of his own here; None where he can."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened"
    if shutil.which("fusermount3") is None:
        return "no fusermount3"
    return None


def thinned(places):
    """All of very many, but where the environment says otherwise, as it does under sanitizers,
    which make each try slow."""
    return list(places)[::int(os.environ.get("VMSTREAM_TEST_EVERY", 1))]


def without_doubles(pairs):
    """An object, which no reader takes if a key of it comes twice."""
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), keys
    return dict(pairs)


def be(width, value):
    return struct.pack({1: ">B", 2: ">H", 4: ">I", 8: ">Q"}[width], value)


def counted(text):
    return be(1, len(text)) + text.encode()


def stream(pages=64, page_size=4096, seed=1):
    """A complete stream of a machine that has nothing but RAM; every fourth page is zero."""
    noise = random.Random(seed)
    machine = b"pc-i440fx-7.2"
    total = pages * page_size
    footer = be(1, 0x7E) + be(4, 2)
    parts = [b"QEVM", be(4, 3), be(1, 7), be(4, len(machine)), machine]
    parts += [be(1, 1), be(4, 2), counted("ram"), be(4, 0), be(4, 4)]
    parts += [be(8, total | 4), counted("pc.ram"), be(8, total), be(8, 0x10), footer]
    parts += [be(1, 3), be(4, 2)]
    for page in range(pages):
        name = counted("pc.ram") if page == 0 else b""
        flags = (0 if page == 0 else 0x20) | (2 if page % 4 == 3 else 8)
        content = b"\0" if page % 4 == 3 else noise.randbytes(page_size // 4) * 4
        parts += [be(8, page * page_size | flags), name, content]
    parts += [be(8, 0x10), footer, be(1, 0)]
    return b"".join(parts)


def unmount(mount_point):
    """QEMU may close a file there a moment after it was told to."""
    deadline = time.monotonic() + 10
    while subprocess.run(["umount", str(mount_point)], check=False).returncode:
        assert time.monotonic() < deadline, f"{mount_point} is in use"
        time.sleep(0.1)


class ToolTest(unittest.TestCase):
    """A test in a folder of its own, which is the working directory of the tools it runs."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="vmstream-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return name

    def read(self, name):
        return (self.folder / name).read_bytes()

    def files(self):
        """All names in the folder, hidden ones too."""
        return sorted(os.listdir(self.folder))

    def run_tool(self, name, *arguments, stdin=b"", **more):
        return subprocess.run([tool(name), *arguments], input=stdin, cwd=self.folder,
                              capture_output=True, timeout=60, check=False, **more)

    def shell(self, command):
        return subprocess.run(command, shell=True, cwd=self.folder, capture_output=True,
                              timeout=60, check=False)

    def assert_status(self, status, ran):
        self.assertEqual(status, ran.returncode, ran.stderr.decode(errors="replace"))

    def assert_fails(self, status, ran, *words):
        """One line with the tool's name and all `words`, then at most a hint; nothing on stdout."""
        self.assert_status(status, ran)
        lines = ran.stderr.decode().splitlines()
        self.assertIn(len(lines), (1, 2), lines)
        self.assertRegex(lines[0], r"^(vmdump|vmrestore|vmstream-inspect): ")
        for word in words:
            self.assertIn(word, lines[0])
        if len(lines) == 2:
            self.assertRegex(lines[1], r"^hint: ")

    def assert_silent(self, ran):
        self.assertEqual((b"", b""), (ran.stdout, ran.stderr))

    def assert_progress(self, lines, last_phase):
        """Every line an object with the promised keys, the last one of `last_phase`."""
        objects = [json.loads(line) for line in lines]
        for line in objects:
            for key in ("tool", "phase", "stream_bytes", "page_bytes", "guest_bytes", "percent",
                        "bytes_per_second", "seconds_left", "elapsed_seconds"):
                self.assertIn(key, line)
        self.assertEqual(last_phase, objects[-1]["phase"])
        self.assertEqual(100, objects[-1]["percent"])

    def run_on_terminal(self, command):
        """Runs a shell command whose stdin, stdout and stderr are a terminal: (status, output)."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execv("/bin/sh", ["/bin/sh", "-c", command])
        output = b""
        with contextlib.suppress(OSError):  # Linux ends a terminal's output by EIO
            while piece := os.read(terminal, 65536):
                output += piece
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.decode()

    @contextlib.contextmanager
    def small_disk(self, size):
        """A folder on a file system of its own with room for `size` bytes."""
        mount_point = self.folder / "small"
        mount_point.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mount_point)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            mount_point.rmdir()
            self.skipTest("a file system can be mounted by root only")
        try:
            yield mount_point
        finally:
            unmount(mount_point)
            mount_point.rmdir()
