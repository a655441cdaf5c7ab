# SPDX-License-Identifier: MIT
"""Encrypted guests: the tools, the old gpg recipes, and each reading the other's files."""

import unittest

from gpg_home import GpgHomeTest
from real_guest import GuestTest, wait_until


class EncryptedGuests(GpgHomeTest, GuestTest):
    def test_our_file_is_loaded_by_us_and_by_the_old_recipe(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.zst.gpg",
                                            "-e", self.jo, "--sign", self.jo, "--verify"))
        self.assertTrue(first.is_counting())
        second = self.qemu("second", "-incoming", "defer")
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont",
                                            "--require-signature", self.jo, "guest.zst.gpg"))
        self.assert_went_on(first, second)
        second.end()

        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.gpg", "-c",
                                            "none", "-e", self.jo))
        third = self.qemu("third", "-incoming", "exec:gpg -q --batch -d guest.gpg")
        wait_until(lambda: third.monitor.status() == "paused", "the load")
        third.monitor.ask("cont")
        self.assert_went_on(first, third)

    def test_a_file_of_the_old_recipe(self):
        first = self.counting_guest()
        first.monitor.type(f'migrate "exec:gpg -q --batch -e -r {self.jo} -o old.gpg"')
        wait_until(lambda: first.monitor.migration() == "completed", "the old recipe")
        wait_until(lambda: self.shell("gpg -q --batch -d old.gpg").returncode == 0, "gpg")
        second = self.qemu("second", "-incoming", "exec:vmrestore old.gpg")
        wait_until(lambda: second.monitor.status() in ("running", "paused"), "the load")
        self.assertTrue(second.is_counting())

    def test_typed_into_the_monitor(self):
        first = self.counting_guest()
        first.monitor.type(f'migrate "exec:vmdump --stdin -o guest.gz.gpg -e {self.jo}"')
        wait_until(lambda: (self.folder / "guest.gz.gpg").exists(), "the file")
        self.assert_restores("guest.gz.gpg", first)

    def test_a_guest_without_the_demanded_signature_never_runs(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "al.zst.gpg", "-e",
                                            self.jo, "--sign", "al@example.org"))
        second = self.qemu("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", "--require-signature",
                            self.jo, "-", stdin=self.read("al.zst.gpg"))
        self.assertEqual(5, ran.returncode, ran.stderr)
        self.assertEqual("", second.serial.read_text() if second.serial.exists() else "")

    def test_an_unknown_key_leaves_the_guest_alone(self):
        first = self.counting_guest()
        ran = self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.gpg", "-e", "nobody")
        self.assert_fails(1, ran, "key 'nobody' is unknown")
        self.assertEqual("none", first.monitor.migration())
        self.assertTrue(first.is_counting())
        self.assertFalse((self.folder / "guest.gpg").exists())


if __name__ == "__main__":
    unittest.main()
