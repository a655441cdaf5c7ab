# SPDX-License-Identifier: MIT
"""Lazy restores of files that were read first, and what becomes of the indexes that they make."""

import contextlib
import os
import signal
import subprocess
import unittest
from pathlib import Path

from lazy_guest import LazyTest
from real_guest import wait_until
from support import DONE, INTERRUPTED, MALFORMED, tool, unmount

BESIDE = "foreign.gz.vmsx"
FORGE = os.environ["VMSTREAM_FORGE_INDEX"]


class ProofTest(LazyTest):
    def setUp(self):
        super().setUp()
        self.expected = self.saved("a.zst")
        self.shell(f"{tool('vmrestore')} a.zst > a.plain; gzip -c -1 a.plain > foreign.gz")

    def plan(self, number, action, argument=0):
        return {**os.environ, "LD_PRELOAD": os.environ["VMSTREAM_FAULT_LIBRARY"],
                "VMSTREAM_FAULT_LOG": str(self.folder / "log"),
                "VMSTREAM_FAULT": f"vmrestore file-read {number} {action} {argument}"}

    def reads_of_a_restore(self, *arguments):
        with self.start("second", "-incoming", "defer") as second:
            self.assert_status(DONE, self.run_tool("vmrestore", "--lazy", "--qmp", second.qmp,
                                                   *arguments, env=self.plan(0, "count")))
        counts = dict(map(str.split, (self.folder / "log").read_text().splitlines()))
        return int(counts["file-read"])

    @contextlib.contextmanager
    def stopped_at(self, number, qemu, *arguments):
        """A restore that stands still at a read for as long as the block lasts."""
        restore = self.start_tool("vmrestore", "--lazy", "--cont", "--qmp", qemu.qmp, *arguments,
                                  env=self.plan(number, "signal", int(signal.SIGSTOP)))
        stat = Path(f"/proc/{restore.pid}/stat")
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] in "TZ", "the stop")
        yield restore
        restore.send_signal(signal.SIGCONT)


class ReadFirst(ProofTest):
    def test_every_form_of_file(self):
        self.assert_status(DONE, self.run_tool("vmdump", "--stdin", "-o", "a.gz",
                                               stdin=self.read("a.plain")))
        before = self.files()
        for file in ("a.zst", "a.gz", "a.plain", "foreign.gz"):
            with self.subTest(file):
                with self.start("second", "-incoming", "defer") as second:
                    self.restore("--cont", "--verify-first", "--qmp", second.qmp, file)
                    self.assert_whole(second, self.expected)
        self.assertEqual([], [name for name in self.files()
                              if name not in before and name.endswith(".vmsx")])

    def test_an_index_that_lies_changes_nothing(self):
        for lie in ("drop-counted", "drop-all"):
            subprocess.run([FORGE, lie, "a.zst", "forged.zst"], cwd=self.folder, check=True)
            with self.subTest(lie), self.start("second", "-incoming", "defer") as second:
                summary = self.restore("--cont", "--verify-first", "--qmp", second.qmp,
                                       "forged.zst")
                self.assertEqual(0, summary["lazy"]["absent_pages"])
                self.assert_whole(second, self.expected)

    def test_another_file_in_its_place_changes_nothing(self):
        reads = self.reads_of_a_restore("--verify-first", "a.zst")
        for number in (reads // 3, reads // 2, reads - 5):
            self.write("new", b"something else")
            with self.subTest(number), self.start("second", "-incoming", "defer") as second:
                kept = self.read("a.zst")
                with self.stopped_at(number, second, "--verify-first", "a.zst") as restore:
                    (self.folder / "new").rename(self.folder / "a.zst")
                self.assertEqual(DONE, restore.wait(60), restore.stderr.read())
                self.assert_whole(second, self.expected)
                self.write("a.zst", kept)

    def test_a_change_is_never_a_page(self):
        reads = self.reads_of_a_restore("--verify-first", "a.plain")
        second = self.start("second", "-incoming", "defer")
        with self.stopped_at(2 * reads // 3, second, "--verify-first", "a.plain") as restore:
            with open(self.folder / "a.plain", "r+b") as file:
                size = os.path.getsize(self.folder / "a.plain")
                file.seek(size // 2)  # pages that come late, in front of the devices
                file.write(bytes(size * 7 // 16))
        self.assertEqual(MALFORMED, restore.wait(60))
        self.assertIn("has changed since it was checked", restore.stderr.read().decode())
        self.assertLessEqual(set(second.sums()[1:]), {self.expected})


class IndexesMade(ProofTest):
    def assert_restores(self, *arguments):
        with self.start("second", "-incoming", "defer") as second:
            ran = self.run_tool("vmrestore", "--lazy", "--cont", "--qmp", second.qmp, "foreign.gz",
                                *arguments)
            self.assert_status(DONE, ran)
            self.assert_whole(second, self.expected)
        return ran

    def test_what_has_the_name_stays(self):
        self.write("precious", b"precious")
        beside = self.folder / BESIDE
        for make in (lambda: beside.symlink_to("precious"), lambda: beside.symlink_to("missing"),
                     lambda: beside.write_bytes(b"precious"), beside.mkdir,
                     lambda: os.mkfifo(beside)):
            make()
            before = os.lstat(beside)
            ran = self.assert_restores()
            self.assertIn(b"its index is not kept: foreign.gz.vmsx exists already and stays",
                          ran.stderr)
            self.assertEqual((before.st_ino, before.st_size, before.st_mtime_ns),
                             (os.lstat(beside).st_ino, os.lstat(beside).st_size,
                              os.lstat(beside).st_mtime_ns))
            self.assertEqual(b"precious", self.read("precious"))
            self.assertNotIn("missing", self.files())
            beside.rmdir() if beside.is_dir() else beside.unlink()

    def test_a_folder_that_takes_none(self):
        here = self.folder / "readonly"
        here.mkdir()
        mounts = f"mount --bind {here} {here} && mount -o remount,bind,ro {here}"
        (self.folder / "foreign.gz").rename(here / "foreign.gz")
        if os.geteuid() != 0 or self.shell(mounts).returncode:
            self.skipTest("a file system can be mounted by root only")
        try:
            with self.start("second", "-incoming", "defer") as second:
                ran = self.run_tool("vmrestore", "--lazy", "--cont", "--qmp", second.qmp,
                                    "readonly/foreign.gz")
                self.assert_status(DONE, ran)
                self.assertIn(b"its index is not kept: ", ran.stderr)
                self.assertIn(b"Read-only file system", ran.stderr)
                self.assert_whole(second, self.expected)
        finally:
            unmount(here)

    def test_interrupted_while_it_is_made(self):
        second = self.start("second", "-incoming", "defer")
        before = self.files()
        with self.stopped_at(16, second, "foreign.gz") as restore:  # ends are known
            restore.send_signal(signal.SIGINT)
        self.assertEqual(INTERRUPTED, restore.wait(60))
        told = restore.stderr.read()
        self.assertIn(b"read from front to end", told)
        self.assertNotIn(b"index made", told)
        (self.folder / "log").unlink(missing_ok=True)
        self.assertEqual([name for name in before if name != "log"], self.files())
        self.assertEqual("inmigrate", second.monitor.status())

    def test_interrupted_while_the_guest_runs(self):
        second = self.start("second", "-incoming", "defer")
        restore = self.start_tool("vmrestore", "--lazy", "--cont", "--qmp", second.qmp, "-v",
                                  "foreign.gz", "--prefetch", "none")
        while line := restore.stderr.readline():
            if b"devices loaded" in line:
                break
        restore.send_signal(signal.SIGINT)
        self.assertEqual(INTERRUPTED, restore.wait(60), restore.stderr.read())
        self.assertNotIn(BESIDE, self.files())
        self.await_paused(second)
        self.resume(second, "foreign.gz")
        self.assert_whole(second, self.expected)
        self.assertIn(BESIDE, self.files())
        self.assertEqual(0o600, os.stat(self.folder / BESIDE).st_mode & 0o777)


if __name__ == "__main__":
    unittest.main()
