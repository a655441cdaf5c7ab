# SPDX-License-Identifier: MIT
"""Files on block devices that held something before. Needs root, for loop devices."""

import json
import subprocess
import unittest

from support import DONE, ENVIRONMENT, MALFORMED, REFUSED, USAGE, ToolTest, stream, tool, unmount

STREAM = stream(pages=512)
OLDER = stream(pages=1024, seed=2)
MIB = 1 << 20
SIZE = 8 * MIB
CODINGS = ("none", "gzip", "bzip2", "zstd")


class DeviceTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.device = self.attach("image", b"\0" * SIZE)

    def attach(self, name, content):
        """A loop device that holds `content`."""
        self.write(name, content)
        made = subprocess.run(["losetup", "-f", "--show", str(self.folder / name)],
                              capture_output=True, text=True, check=False)
        if made.returncode != 0:
            self.skipTest("loop devices are root's to make")
        device = made.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "-d", device], check=True)
        return device

    def fill(self, content):
        with open(self.device, "r+b") as device:
            device.write(content)

    def content(self):
        with open(self.device, "rb") as device:
            return device.read()

    def save(self, *options, stdin=STREAM):
        return self.run_tool("vmdump", "--stdin", "-o", self.device, *options, stdin=stdin)


class Overwriting(DeviceTest):
    def test_an_empty_device_needs_no_force(self):
        self.assert_status(DONE, self.save())

    def test_anything_in_the_first_or_last_mib_is_kept_without_force(self):
        for offset in (0, MIB - 1, SIZE - MIB, SIZE - 1):
            with self.subTest(offset):
                with open(self.device, "r+b") as device:
                    device.seek(offset)
                    device.write(b"x")
                before = self.content()
                self.assert_fails(REFUSED, self.save(), f"byte {offset:#x} is not zero")
                self.write("f", STREAM)
                ran = self.run_tool("vmrestore", "f", "-o", self.device)
                self.assert_fails(REFUSED, ran, f"byte {offset:#x} is not zero")
                self.assertEqual(before, self.content())
                self.assert_status(DONE, self.save("--force"))
                self.fill(b"\0" * SIZE)

    def test_a_mounted_device_is_kept_whatever_is_asked(self):
        made = subprocess.run(["mkfs.ext4", "-q", self.device], capture_output=True, check=False)
        self.assertEqual(0, made.returncode, made.stderr)
        mount_point = self.folder / "mounted"
        mount_point.mkdir()
        subprocess.run(["mount", self.device, str(mount_point)], check=True)
        try:
            (mount_point / "file").write_text("precious")
            self.assert_fails(REFUSED, self.save("--force"), "the device is in use")
            self.write("f", STREAM)
            ran = self.run_tool("vmrestore", "f", "-o", self.device, "--force")
            self.assert_fails(REFUSED, ran, "the device is in use")
            self.assertEqual("precious", (mount_point / "file").read_text())
        finally:
            unmount(mount_point)
        checked = subprocess.run(["fsck.ext4", "-fn", self.device], capture_output=True,
                                 check=False)
        self.assertEqual(0, checked.returncode, checked.stdout)

    def test_the_device_that_is_read_is_kept_whatever_is_asked(self):
        self.assert_status(DONE, self.save("-c", "zstd"))
        before = self.content()
        for command in (["vmrestore", self.device, "-o", self.device],
                        ["vmstream-inspect", "extract", "stream", self.device, "-o", self.device]):
            self.assert_fails(REFUSED, self.run_tool(*command, "--force"), "the file that is read")
            self.assertEqual(before, self.content())

    def test_a_save_that_does_not_begin_leaves_the_older_one(self):
        self.assert_status(DONE, self.save("-c", "zstd"))
        ran = self.run_tool("vmdump", "--qmp", "no-socket", "-o", self.device, "--force")
        self.assert_status(ENVIRONMENT, ran)
        restored = self.run_tool("vmrestore", self.device)
        self.assert_status(DONE, restored)
        self.assertEqual(STREAM, restored.stdout)

    def test_character_devices_are_not_asked(self):
        ran = self.run_tool("vmdump", "--stdin", "-o", "/dev/null", stdin=STREAM)
        self.assert_status(DONE, ran)

    def test_what_needs_a_regular_file_says_so_before_anything_is_written(self):
        self.fill(OLDER)
        for option in ("--verify", "--compact"):
            self.assert_fails(USAGE, self.save("--force", option), option)


class ReadingBack(DeviceTest):
    def assert_restores(self, expected=STREAM):
        ran = self.run_tool("vmrestore", self.device)
        self.assert_status(DONE, ran)
        self.assertEqual(expected, ran.stdout)
        with open(self.device, "rb") as device:
            ran = subprocess.run([tool("vmrestore"), "-"], stdin=device, capture_output=True,
                                 timeout=60, check=False)
        self.assert_status(DONE, ran)
        self.assertEqual(expected, ran.stdout)
        for command in (["verify", "--json"], ["info", "--json"]):
            ran = self.run_tool("vmstream-inspect", *command, self.device)
            self.assert_status(DONE, ran)
            told = json.loads(ran.stdout)
            self.assertEqual([], told["problems"])
            length = told["stream_bytes"] if "stream_bytes" in told else told["stream"]["length"]
            self.assertEqual(len(expected), length)

    def test_every_coding_over_every_older_save(self):
        for older in CODINGS:
            for coding in CODINGS:
                with self.subTest(older=older, coding=coding):
                    self.assert_status(DONE, self.save("-c", older, "--force", stdin=OLDER))
                    self.assert_restores(OLDER)
                    self.assert_status(DONE, self.save("-c", coding, "--force"))
                    self.assert_restores()

    def test_over_copies_of_an_older_save(self):
        self.write("older.zst", b"")
        self.run_tool("vmdump", "--stdin", "--force", "-o", "older.zst", stdin=OLDER)
        older = self.read("older.zst")
        self.fill((older * (SIZE // len(older) + 1))[:SIZE])
        self.assert_status(DONE, self.save("--force"))
        self.assert_restores()

    def test_stock_tools(self):
        self.fill(b"X" * SIZE)
        ran = self.save("-c", "zstd", "--force", "--json")
        self.assertEqual(STREAM, self.checked(f"zstd -qdc < {self.device}"))
        length = json.loads(ran.stdout)["file_bytes"]
        self.assertEqual(STREAM, self.checked(f"head -c {length} {self.device} | zstd -qdc"))
        for coding in ("gzip", "bzip2"):
            ran = self.save("-c", coding, "--force", "--json")
            length = json.loads(ran.stdout)["file_bytes"]
            self.assertEqual(STREAM, self.checked(f"head -c {length} {self.device} | {coding} -dc"))
            self.assertEqual(STREAM, self.shell(f"{coding} -dc < {self.device}").stdout)

    def checked(self, command):
        ran = self.shell(command)
        self.assertEqual((0, b""), (ran.returncode, ran.stderr))
        return ran.stdout

    def test_an_own_compressor(self):
        self.fill(b"X" * SIZE)
        self.assert_status(DONE, self.save("--filter", "xz -1 -c", "--force"))
        self.assert_restores()

    def test_a_plain_copy_is_restored_too(self):
        self.assert_status(DONE, self.save())
        copy = self.attach("copy", OLDER.ljust(SIZE, b"X"))
        self.assert_status(DONE, self.run_tool("vmrestore", self.device, "-o", copy, "--force"))
        self.device = copy
        self.assert_restores()

    def test_a_save_that_failed_leaves_the_older_one_or_nothing(self):
        """The older one as long as it has written nothing."""
        for coding in CODINGS:
            with self.subTest(coding):
                self.assert_status(DONE, self.save("-c", coding, "--force", stdin=OLDER))
                self.assert_status(MALFORMED, self.save("-c", coding, "--force",
                                                        stdin=OLDER[:len(OLDER) // 2]))
                ran = self.run_tool("vmrestore", self.device)
                outcomes = [(MALFORMED, b"")] + [(DONE, OLDER)] * (coding != "none")
                self.assertIn((ran.returncode, ran.stdout), outcomes)

    def test_a_mark_does_not_outlive_what_it_speaks_of(self):
        self.assert_status(DONE, self.save())
        self.run_tool("vmdump", "--stdin", "-o", "other.zst", "--no-index", stdin=OLDER)
        self.fill(self.read("other.zst"))
        ran = self.run_tool("vmrestore", self.device)
        self.assertTrue(ran.stdout == OLDER or ran.returncode != DONE)
        self.assertNotEqual(STREAM, ran.stdout)

    def test_a_device_that_is_filled_or_nearly_filled(self):
        """The lengths of devices are multiples of 512: pages of noise bring a file near one."""
        whole = (len(STREAM) + 511) // 512 * 512
        for size in (whole - 512, whole, whole + 512):
            with self.subTest(size):
                self.device = self.attach(f"tight-{size}", b"\0" * size)
                ran = self.save("-c", "none")
                room = size - len(STREAM)
                if room < 0:
                    self.assert_fails(ENVIRONMENT, ran, "No space left")
                elif 0 < room < 48:
                    self.assert_fails(ENVIRONMENT, ran, "do not fit")
                else:
                    self.assert_status(DONE, ran)
                    self.assert_restores()


if __name__ == "__main__":
    unittest.main()
