# SPDX-License-Identifier: MIT
"""TCP monitors on a machine with other users, who see the name of the stream's socket."""

import os
import subprocess
import unittest

from real_guest import GuestTest, free_port, wait_until
from stranger import STRANGER_USER, start_stranger
from support import DONE, ENVIRONMENT, tool

ANOTHER_USER = 65533


@unittest.skipUnless(os.geteuid() == 0, "other users are root's to play")
class Strangers(GuestTest):
    def tcp_guest(self, name="first", *arguments):
        port = free_port()
        guest = self.qemu(name, "-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off", *arguments)
        return guest, f"tcp:127.0.0.1:{port}"

    def counting_tcp_guest(self, *arguments):
        guest, address = self.tcp_guest("first", *arguments)
        guest.wait_for_tick(40)
        return guest, address

    def stranger(self, user):
        process = start_stranger(user)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process):
        """What the stranger has met with."""
        process.kill()
        return process.stdout.read().decode().split()

    def save(self, address, **how):
        return self.run_tool("vmdump", "--qmp", address, "--force", "-o", "x.zst", **how)

    def assert_is_of(self, guest):
        """The file holds the guest's memory, not the stranger's."""
        self.assertIn(b"pc.bios", self.run_tool("vmstream-inspect", "ram", "x.zst").stdout)
        self.assertTrue(guest.is_counting())

    def test_no_other_user_comes_near_the_socket(self):
        guest, address = self.counting_tcp_guest()
        stranger = self.stranger(STRANGER_USER)
        for _ in range(5):
            self.assert_status(DONE, self.save(address))
            self.assert_is_of(guest)
        self.assertNotIn("in", self.end(stranger))
        self.assert_restores("x.zst", guest)

    def test_who_comes_in_the_place_of_qemu_is_sent_away(self):
        """A user who is neither root nor QEMU's cannot close the folder to others."""
        guest, address = self.counting_tcp_guest()
        self.folder.chmod(0o777)
        stranger = self.stranger(STRANGER_USER)
        for _ in range(5):
            self.assert_status(DONE, self.save(address, user=ANOTHER_USER))
            self.assert_is_of(guest)
        self.end(stranger)

    def test_who_is_the_same_user_is_found_out_by_the_pages(self):
        guest, address = self.counting_tcp_guest()
        stranger = self.stranger(0)
        for _ in range(5):
            ran = self.save(address)
            self.assertIn(ran.returncode, (DONE, ENVIRONMENT), ran.stderr)
            if ran.returncode == DONE:
                self.assert_is_of(guest)
            else:
                guest.monitor.ask("cont")
                self.assertTrue(guest.is_counting())
        self.assertIn("in", self.end(stranger))

    def test_a_qemu_of_another_user(self):
        guest, address = self.counting_tcp_guest("-runas", "nobody")
        self.assert_status(DONE, self.save(address))
        self.assert_restores("x.zst", guest)
        second, address = self.tcp_guest("third", "-runas", "nobody", "-incoming", "defer")
        self.assert_status(DONE, self.run_tool("vmrestore", "--cont", "--qmp", address, "x.zst"))
        self.assertTrue(second.is_counting())
        self.assertEqual([], [name for name in os.listdir("/tmp") if name.startswith("vmstream-")
                              and len(name) == len("vmstream-XXXXXX")])

    def test_a_folder_that_was_given_away_goes_with_the_next_save(self):
        guest, address = self.counting_tcp_guest("-runas", "nobody")
        before = set(os.listdir("/tmp"))
        save = subprocess.Popen([tool("vmdump"), "--qmp", address, "-o", "y.zst",
                                 "--max-bandwidth", "1M/s"], cwd=self.folder)
        self.addCleanup(save.wait)
        wait_until(lambda: guest.monitor.migration() == "active", "the save to begin")
        left = [name for name in set(os.listdir("/tmp")) - before if len(name) == 15]
        self.assertEqual(1, len(left))
        self.assertEqual(STRANGER_USER, os.stat(f"/tmp/{left[0]}").st_uid)
        self.assertEqual(0o700, os.stat(f"/tmp/{left[0]}").st_mode & 0o7777)
        save.kill()
        save.wait()
        wait_until(lambda: guest.monitor.status() == "running", "the guest to go on")
        self.assert_status(DONE, self.save(address))
        self.assertNotIn(left[0], os.listdir("/tmp"))


if __name__ == "__main__":
    unittest.main()
