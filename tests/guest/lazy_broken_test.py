# SPDX-License-Identifier: MIT
"""Lazy restores that break off, stall or find damage: the guest waits, goes on, and has lost nothing."""

import os
import time
import unittest

from lazy_guest import SLOW, LazyTest
from support import ENVIRONMENT, MALFORMED


class Interruptions(LazyTest):
    def test_killed_and_resumed(self):
        expected = self.saved("a.zst")
        killed = 0
        for number in range(20):
            with self.subTest(number), self.start("second", "-incoming", "defer") as second:
                restore = self.start_lazily("a.zst", second, *SLOW)
                time.sleep(0.012 * number)
                restore.kill()
                if restore.wait() != 0:  # else the guest has asked for everything by then
                    killed += 1
                    self.await_paused(second)
                    self.resume(second, "a.zst")
                self.assert_whole(second, expected)
        self.assertGreater(killed, 0)

    def test_killed_qemu(self):
        self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        restore = self.start_lazily("a.zst", second, *SLOW)
        second.process.kill()
        message = restore.stderr.read().decode()
        self.assertEqual(ENVIRONMENT, restore.wait(), message)
        self.assertIn("QEMU ended before it had all of its guest's memory", message)

    def test_a_damaged_block(self):
        expected = self.saved("a.zst")
        damaged = bytearray(self.read("a.zst"))
        damaged[len(damaged) // 2] ^= 0x10
        self.write("damaged.zst", damaged)
        second = self.start("second", "-incoming", "defer")
        message = self.restore("--cont", "--qmp", second.qmp, "damaged.zst", status=MALFORMED)
        self.assertRegex(message, r"the page at 0x[0-9a-f]+ of RAM block 'pc.ram' cannot be "
                                  r"delivered")
        self.assertIn("file offset 0x", message)
        self.await_paused(second)
        self.resume(second, "a.zst")
        self.assert_whole(second, expected)

    def test_nothing_to_resume(self):
        self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--resume-lazy", "--qmp", second.qmp, "a.zst")
        self.assert_fails(ENVIRONMENT, ran, "wanted 'postcopy-paused'")


if __name__ == "__main__":
    unittest.main()
