# SPDX-License-Identifier: MIT
"""A state file as a folder: its files hold what extract writes, and the mount never stays."""

import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import time
import unittest
from pathlib import Path

from support import SOURCE, UNSUPPORTED, USAGE, ToolTest, be, counted, stream, tool, why_no_fuse

EVIL = ["../../etc/passwd", ".", "a/b", "new\nline", "x" * 255, "%s%n"]


def evil_stream():
    """RAM blocks of a page each, with names that are no good names of files."""
    machine = b"pc-i440fx-7.2"
    footer = be(1, 0x7E) + be(4, 2)
    parts = [b"QEVM", be(4, 3), be(1, 7), be(4, len(machine)), machine]
    parts += [be(1, 1), be(4, 2), counted("ram"), be(4, 0), be(4, 4), be(8, 4096 * len(EVIL) | 4)]
    parts += [counted(name) + be(8, 4096) for name in EVIL]
    parts += [be(8, 0x10), footer, be(1, 3), be(4, 2)]
    parts += [be(8, 8) + counted(name) + bytes([number + 1]) * 4096
              for number, name in enumerate(EVIL)]
    return b"".join([*parts, be(8, 0x10), footer, be(1, 0)])


@unittest.skipIf(why_no_fuse(), why_no_fuse())
class Mounts(ToolTest):
    def unpack_guest(self):
        capture = SOURCE / "tests/data/x86-pc-7.2-min-m4.qevm.zst"
        subprocess.run(["zstd", "-dqf", "--long=25", capture, "-o", self.folder / "guest"],
                       check=True)

    def mount(self, name, *options):
        folder = self.folder / "m"
        folder.mkdir(exist_ok=True)
        process = subprocess.Popen([tool("vmstream-inspect"), "mount", name, "m", "--json",
                                    *options], cwd=self.folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        text = b""
        for line in iter(process.stdout.readline, b""):
            text += line
            if line == b"}\n":
                self.assertEqual("vmstream.mount/1", json.loads(text)["schema"])
                return folder, process
        self.fail(process.stderr.read().decode())

    def end(self, process):
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20)
        process.stdout.close()
        process.stderr.close()

    def extract(self, name, part, *options):
        out = f"x.{part}"
        self.assert_status(0, self.run_tool("vmstream-inspect", "extract", part, name, "-o", out,
                                            *options))
        return self.read(out)

    def wait_gone(self):
        deadline = time.monotonic() + 20
        while os.path.ismount(self.folder / "m") or self.is_dead():
            self.assertLess(time.monotonic(), deadline, "the mount is still there")
            time.sleep(0.05)

    def is_dead(self):
        try:
            os.stat(self.folder / "m")
        except OSError as error:
            return error.errno == errno.ENOTCONN
        return False

    def test_files_hold_what_extract_writes(self):
        self.unpack_guest()
        folder, process = self.mount("guest")
        self.assertEqual(self.read("guest"), (folder / "stream").read_bytes())
        for part in ("physical", "core"):
            self.assertEqual(self.extract("guest", part), (folder / part).read_bytes(), part)
        ram = self.extract("guest", "ram", "--block", "pc.ram")
        self.assertEqual(ram, (folder / "ram/pc.ram").read_bytes())
        self.assertEqual(self.extract("guest", "vmdesc"), (folder / "vmdesc.json").read_bytes())
        with open(folder / "core", "rb") as core:  # across the head, and not on pages
            whole = self.read("x.core")
            for at, size in ((0, 5000), (3, 7), (4095, 2), (len(whole) - 3, 100)):
                core.seek(at)
                self.assertEqual(whole[at:at + size], core.read(size))
        self.assertIn("pc", (folder / "info.txt").read_text())
        self.assertTrue(json.loads((folder / "info.json").read_text())["stream"]["complete"])
        self.assertTrue(json.loads((folder / "devices.json").read_text())["devices"])
        self.assert_read_only(folder)
        subprocess.run(["fusermount3", "-u", folder], check=True)
        self.assertEqual(0, process.wait(timeout=20))

    def assert_read_only(self, folder):
        for path in (folder, *folder.rglob("*")):
            wanted = 0o500 if path.is_dir() else 0o400
            self.assertEqual(wanted, stat.S_IMODE(path.stat().st_mode), path)
        for attempt in (lambda: (folder / "new").touch(), (folder / "core").unlink,
                        lambda: (folder / "core").write_bytes(b"x")):
            with self.assertRaises(OSError):
                attempt()

    def test_names_of_the_stream_stay_in_the_folder(self):
        self.write("guest", evil_stream())
        folder, _ = self.mount("guest", "--place", "a/b@0")
        found = {path.read_bytes()[0]: path.name for path in (folder / "ram").iterdir()}
        self.assertEqual(len(EVIL), len(found))
        self.assertEqual("..\\x2f..\\x2fetc\\x2fpasswd", found[1])
        self.assertEqual("\\x2e", found[2])
        self.assertEqual("a\\x2fb", found[3])
        self.assertNotIn("\n", found[4])
        self.assertLess(len(found[5]), 255)

    def test_damage_is_an_error_of_the_reader_and_told(self):
        plain = stream(pages=4096)
        self.write("plain", plain)
        packed = subprocess.run([tool("vmdump"), "--from", "plain", "-o", "guest.zst", "--threads",
                                 "1"], cwd=self.folder, capture_output=True, check=False)
        self.assert_status(0, packed)
        folder, process = self.mount("guest.zst")
        with open(self.folder / "guest.zst", "r+b") as file:  # behind its back
            file.seek(os.path.getsize(self.folder / "guest.zst") // 3)
            file.write(bytes(2000))
        with self.assertRaises(OSError) as caught:
            (folder / "ram/pc.ram").read_bytes()
        self.assertEqual(errno.EIO, caught.exception.errno)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(3, process.wait(timeout=20))
        self.assertIn(b"ram/pc.ram: ", process.stderr.read())
        self.wait_gone()

    def test_no_signal_leaves_it_behind(self):
        self.unpack_guest()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
            with self.subTest(number):
                folder, process = self.mount("guest")
                with contextlib.suppress(OSError), open(folder / "stream", "rb") as held:
                    self.assertEqual(10, len(held.read(10)))
                    process.send_signal(number)
                    status = process.wait(timeout=20)  # closing is the error
                self.assertEqual(-9 if number == signal.SIGKILL else 0, status)
                self.wait_gone()
                self.end(process)

    def test_it_ends_when_nobody_reads_and_not_before(self):
        self.unpack_guest()
        folder, process = self.mount("guest", "--idle", "300ms")
        with open(folder / "stream", "rb"), self.assertRaises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        self.assertEqual(0, process.wait(timeout=20))
        self.wait_gone()

    def test_in_the_background(self):
        self.unpack_guest()
        (self.folder / "m").mkdir()
        ran = self.run_tool("vmstream-inspect", "mount", "guest", "m", "--background")
        self.addCleanup(lambda: subprocess.run(["fusermount3", "-u", "-q", self.folder / "m"],
                                               check=False))
        self.assert_status(0, ran)
        self.assertEqual(self.read("guest"), (self.folder / "m/stream").read_bytes())
        subprocess.run(["fusermount3", "-u", self.folder / "m"], check=True)
        self.wait_gone()
        (self.folder / "m/x").touch()
        ran = self.run_tool("vmstream-inspect", "mount", "guest", "m", "--background")
        self.assert_fails(USAGE, ran, "m: ", "not empty")

    def test_what_cannot_be_mounted(self):
        self.unpack_guest()
        self.write("file", b"")
        (self.folder / "m").mkdir()
        mount = ["vmstream-inspect", "mount"]
        self.assert_fails(USAGE, self.run_tool(*mount, "guest"), "FILE DIR")
        self.assert_fails(USAGE, self.run_tool(*mount, "guest", "file"),
                          "no folder")
        ran = self.run_tool(*mount, "-", "m", stdin=self.read("guest"))
        self.assert_fails(UNSUPPORTED, ran)
        self.assertFalse(os.path.ismount(Path(self.folder / "m")))


if __name__ == "__main__":
    unittest.main()
