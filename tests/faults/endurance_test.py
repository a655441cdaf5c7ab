# SPDX-License-Identifier: MIT
"""What many uses in a row or at once leave behind: nothing."""

import os
import re
import subprocess
import unittest

from real_guest import GuestTest, wait_until
from support import ENVIRONMENT, REFUSED, tool

SAVES = 100
RESTORES = 20


class Endurance(GuestTest):
    def peak_memory_of_a_save(self, guest, file):
        """Saves, and gives the most memory in KiB that vmdump had."""
        command = [tool("vmdump"), "-q", "--qmp", guest.qmp, "-o", file, "--threads", "2"]
        process = subprocess.Popen(command, cwd=self.folder)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(0, process.returncode)
        return usage.ru_maxrss

    @staticmethod
    def holdings(guest):
        """Descriptors and resident KiB of QEMU."""
        process = f"/proc/{guest.process.pid}"
        with open(f"{process}/status", encoding="ascii") as status:
            resident = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        return len(os.listdir(f"{process}/fd")), resident

    def test_a_hundred_saves_in_a_row(self):
        guest = self.counting_guest()
        peaks, held = [], []
        for _ in range(SAVES):
            peaks.append(self.peak_memory_of_a_save(guest, "x.zst"))
            self.assertEqual(["x.zst"], self.state_files())
            (self.folder / "x.zst").unlink()
            held.append(self.holdings(guest))
        self.assertTrue(guest.is_counting())
        # What the first saves warm up is no growth.
        self.assertLess(max(peaks[-10:]), 1.2 * max(peaks[:10]))
        self.assertEqual(held[9][0], held[-1][0])
        self.assertLess(held[-1][1], held[9][1] + 8192)

    def test_twenty_restores_of_one_file_at_once(self):
        guest = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst"))
        targets = [self.qemu(f"second{number}", "-incoming", "defer") for number in range(RESTORES)]
        restores = [self.start_tool("vmrestore", "--qmp", target.qmp, "--cont", "x.zst")
                    for target in targets]
        for restore, target in zip(restores, targets):
            self.assertEqual(0, restore.wait(60), restore.stderr.read())
            self.assert_went_on(guest, target)

    def test_of_twenty_restores_that_may_happen_once_one_does(self):
        guest = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst"))
        restores = [self.start_tool("vmrestore", "--once", "--cont", "--qmp", target.qmp, "x.zst")
                    for target in (self.qemu(f"second{number}", "-incoming", "defer")
                                   for number in range(4))
                    for _ in range(RESTORES // 4)]
        statuses = sorted(restore.wait(60) for restore in restores)
        self.assertEqual(1, statuses.count(0), statuses)
        self.assertLessEqual(set(statuses), {0, ENVIRONMENT, REFUSED})
        self.assertEqual(["x.zst.restored"], self.state_files())

    def test_a_save_that_cannot_end_ends_by_its_time_out(self):
        guest = self.counting_guest()
        save = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--max-bandwidth", "1K/s",
                             "--timeout", "1s")
        self.assert_fails(ENVIRONMENT, save, "timed out")
        wait_until(lambda: guest.monitor.status() == "running", "the guest to go on")
        self.assertTrue(guest.is_counting())
        self.assertEqual([], self.state_files())


if __name__ == "__main__":
    unittest.main()
