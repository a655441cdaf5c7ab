# SPDX-License-Identifier: MIT
"""Lazy restores that break off, stall or find damage: the guest waits, goes on, and has lost nothing."""

import json
import os
import signal
import time
import unittest
from pathlib import Path

from lazy_guest import MIB, REGION, SLOW, LazyTest
from real_guest import wait_until
from support import ENVIRONMENT, MALFORMED, REFUSED


class SlowDisks(LazyTest):
    """The reads of the state file take their time, or the process that makes them stands still."""

    def faulty(self, action):
        return {**os.environ, "LD_PRELOAD": os.environ["VMSTREAM_FAULT_LIBRARY"],
                "VMSTREAM_FAULT_LOG": str(self.folder / "log"),
                "VMSTREAM_FAULT": f"vmrestore {action}"}

    def reads_of_a_restore(self, file):
        with self.start("second", "-incoming", "defer") as second:
            self.assert_status(0, self.run_tool("vmrestore", "--lazy", "--qmp", second.qmp, file,
                                                env=self.faulty("none 0 count 0")))
        counts = dict(line.split() for line in (self.folder / "log").read_text().splitlines())
        return int(counts["file-read"])

    def assert_takes(self, seconds, action, expected):
        with self.start("second", "-incoming", "defer") as second:
            ran = self.run_tool("vmrestore", "--lazy", "--cont", "--json", "--qmp", second.qmp,
                                "a.zst", env=self.faulty(action))
            self.assert_status(0, ran)
            self.assertGreater(json.loads(ran.stdout)["total_seconds"], seconds)
            self.assert_whole(second, expected)

    def test_every_read_is_slow(self):
        expected = self.saved("a.zst")
        reads = self.reads_of_a_restore("a.zst")
        self.assert_takes(reads * 0.02 / 5, "file-read 1+ delay 20", expected)  # on up to five threads

    def test_a_read_hangs(self):
        expected = self.saved("a.zst")
        self.assert_takes(2, f"file-read {self.reads_of_a_restore('a.zst') - 3} delay 2000", expected)

    def test_a_reader_that_stands_still(self):
        expected = self.saved("a.zst")
        stop = f"file-read {self.reads_of_a_restore('a.zst') - 3} signal {int(signal.SIGSTOP)}"
        second = self.start("second", "-incoming", "defer")
        restore = self.start_tool("vmrestore", "--lazy", "--cont", "--qmp", second.qmp, "a.zst",
                                  env=self.faulty(stop))
        stat = Path(f"/proc/{restore.pid}/stat")
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", "the stop")
        time.sleep(0.5)
        # It waits for pages; where its main thread does so too, its monitor would not answer.
        self.assertEqual([], second.sums()[1:])
        restore.send_signal(signal.SIGCONT)
        self.assertEqual(0, restore.wait(timeout=30), restore.stderr.read())
        self.assert_whole(second, expected)


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

    def test_a_claim_is_gone_on_with(self):
        expected = self.saved("a.zst")
        with self.start("second", "-incoming", "defer") as second:
            restore = self.start_lazily("a.zst", second, "--once", *SLOW)
            restore.kill()
            restore.wait()
            self.await_paused(second)
            ran = self.run_tool("vmrestore", "--resume-lazy", "--qmp", second.qmp, "a.zst")
            self.assert_fails(REFUSED, ran, "it has become .restoring")
            self.resume(second, "a.zst.restoring")
            self.assert_whole(second, expected)
        self.assertIn("a.zst.restored", self.files())
        self.assertNotIn("a.zst.restoring", self.files())

    def test_the_file_of_another_save_is_refused(self):
        expected = self.saved("a.zst")
        self.saved("b.zst")
        with self.start("second", "-incoming", "defer") as second:
            restore = self.start_lazily("a.zst", second, *SLOW)
            restore.kill()
            restore.wait()
            self.await_paused(second)
            ran = self.run_tool("vmrestore", "--resume-lazy", "--qmp", second.qmp, "b.zst")
            self.assert_fails(REFUSED, ran, "the guest that waits is of another save")
            self.await_paused(second)
            # A copy that is packed in another way is the same save.
            self.assert_status(0, self.run_tool("vmrestore", "a.zst", "-o", "a.qevm"))
            self.resume(second, "a.qevm")
            self.assert_whole(second, expected)
            objects = second.monitor.ask("qom-list", path="/objects")
            self.assertNotIn("vmstream-lazy", json.dumps(objects))

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

    def test_a_qemu_that_waits_for_a_page_itself(self):
        self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        restore = self.start_tool("vmrestore", "--lazy", "--paused", "--qmp", second.qmp, "-v",
                                  "--prefetch", "none", "a.zst")
        self.assertIn(b"devices loaded", restore.stderr.readline())
        restore.kill()
        self.await_paused(second)
        second.monitor.send("human-monitor-command", **{"command-line": f"xp /1wx {REGION + MIB}"})
        ran = self.run_tool("vmrestore", "--resume-lazy", "--qmp", second.qmp, "a.zst",
                            "--timeout", "3s")
        self.assert_fails(ENVIRONMENT, ran, "second.qmp is there but does not answer")
        self.assertIn(b"waits for a page", ran.stderr)

    def test_nothing_to_resume(self):
        self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--resume-lazy", "--qmp", second.qmp, "a.zst")
        self.assert_fails(ENVIRONMENT, ran, "wanted 'postcopy-paused'")


if __name__ == "__main__":
    unittest.main()
