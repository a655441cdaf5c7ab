# SPDX-License-Identifier: MIT
"""Lazy restores of every kind of save: guests that wrote meanwhile find each word as it was."""

import os
import unittest
from pathlib import Path

from lazy_guest import missing_postcopy
from modes_test import PAGES, SLOW_LINK, ModeTest
from real_guest import LIVE_QEMU, NEEDS_LIVE_QEMU, QEMU

# The guest's memory in two RAM blocks, both of which it writes to. With the lower one made first
# QEMU 10.0 aborts in live saves, whoever takes the stream (tlb_reset_dirty_range_all).
HIGH = ["-object", "memory-backend-ram,id=high,size=28M"]
LOW = ["-object", "memory-backend-ram,id=low,size=4M"]
NODES = ["-numa", "node,memdev=low", "-numa", "node,memdev=high"]
TWO_BLOCKS = [*HIGH, *LOW, *NODES]
HUGE_PAGES = ["-object", "memory-backend-memfd,id=pc.ram,size=32M,hugetlb=on,hugetlbsize=2M",
              "-machine", "memory-backend=pc.ram"]
HUGE_PAGES_NEEDED = 16
# The first pass and one more, at least; then what is left.
LIVE = ["--mode", "live", *SLOW_LINK, "--max-passes", "3", "--converge", "stalls=99,dirty-pages=0"]


class LazySaves(ModeTest):
    def setUp(self):
        super().setUp()
        if reason := missing_postcopy():
            self.skipTest(reason)

    def assert_comes_back(self, guest, *arguments, file="guest.zst", qemu=QEMU):
        """The guest goes on where it was saved, and finds nothing changed."""
        with self.qemu("second", "-incoming", "defer", *arguments, qemu=qemu) as second:
            run = self.run_tool("vmrestore", "--lazy", "--cont", "--qmp", second.qmp, file)
            self.assert_status(0, run)
            self.assert_went_round(second, PAGES // 16, guest.last_tick())
            self.assertEqual("completed", second.monitor.migration())

    def count(self, kind, file="guest.zst"):
        return sum(block[f"{kind}_pages"] for block in self.ram_in(file)["blocks"])


class StandingStill(LazySaves):
    def test_several_blocks(self):
        guest = self.writing_guest(*TWO_BLOCKS)
        self.save(guest, "--mode", "stop")
        self.assert_comes_back(guest, *TWO_BLOCKS)

    def test_several_blocks_in_another_order(self):
        guest = self.writing_guest(*TWO_BLOCKS)
        self.save(guest, "--mode", "stop")
        self.assert_comes_back(guest, *LOW, *HIGH, *NODES)


class Background(LazySaves):
    def setUp(self):
        super().setUp()
        self.require_background()

    def test_one_block(self):
        guest = self.writing_guest()
        self.save(guest, "--mode", "background")
        self.assert_comes_back(guest)

    def test_several_blocks(self):
        guest = self.writing_guest(*TWO_BLOCKS)
        self.save(guest, "--mode", "background", "--compact")
        self.assert_comes_back(guest, *TWO_BLOCKS)


@NEEDS_LIVE_QEMU
class Live(LazySaves):
    """The same pages stand in the file several times."""

    def check(self, *arguments, save=()):
        guest = self.writing_guest(*arguments, qemu=LIVE_QEMU)
        if "xbzrle" in save:
            guest.monitor.ask("migrate-set-capabilities",
                              capabilities=[{"capability": "xbzrle", "state": True}])
        self.save(guest, *LIVE)
        self.assertGreater(self.count("resent"), PAGES)
        self.assertEqual("xbzrle" in save, self.count("xbzrle") > 0)
        self.assert_comes_back(guest, *arguments, qemu=LIVE_QEMU)

    def test_one_block(self):
        self.check()

    def test_several_blocks(self):
        self.check(*TWO_BLOCKS)

    def test_changes_of_pages(self):
        self.check(save=["xbzrle"])

    def test_changes_of_pages_of_several_blocks(self):
        self.check(*TWO_BLOCKS, save=["xbzrle"])


class HugePages(LazySaves):
    POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")

    def setUp(self):
        super().setUp()
        self.reserve()

    def reserve(self):
        """Says by name where the host has none and gives none."""
        if not self.POOL.exists():
            self.skipTest("this kernel has no huge pages of 2 MiB")
        missing = HUGE_PAGES_NEEDED - self.number("free_hugepages")
        before = self.number("nr_hugepages")
        if missing > 0 and os.access(self.POOL / "nr_hugepages", os.W_OK):
            self.addCleanup(self.set_number, before)
            self.set_number(before + missing)
        if self.number("free_hugepages") < HUGE_PAGES_NEEDED:
            self.skipTest(f"{HUGE_PAGES_NEEDED} huge pages of 2 MiB are needed: vm.nr_hugepages")

    def number(self, name):
        return int((self.POOL / name).read_text())

    def set_number(self, count):
        (self.POOL / "nr_hugepages").write_text(str(count))

    def test_of_the_new_guest(self):
        guest = self.writing_guest()
        self.save(guest, "--mode", "stop")
        self.assert_comes_back(guest, *HUGE_PAGES)


if __name__ == "__main__":
    unittest.main()
