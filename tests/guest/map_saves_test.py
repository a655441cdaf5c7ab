# SPDX-License-Identifier: MIT
"""Mapped restores of every kind of save: guests that wrote meanwhile find each word as it was."""

import unittest

from lazy_saves_test import LIVE, TWO_BLOCKS
from map_test import MappedGuest
from modes_test import PAGES, ModeTest
from real_guest import IMAGE, LIVE_QEMU, NEEDS_LIVE_QEMU, QEMU, wait_until
from support import why_no_fuse


class MapSaves(ModeTest):
    def setUp(self):
        super().setUp()
        if reason := why_no_fuse():
            self.skipTest(reason)

    def assert_comes_back(self, guest, *arguments, qemu=QEMU):
        """The guest goes on where it was saved, and finds nothing changed."""
        second = MappedGuest(self, "second", file="guest.zst", qemu=qemu, more=arguments,
                             image=IMAGE)
        self.assertEqual("running", second.summary()["run_state"])
        begun = wait_until(second.ticks, "a tick")[0]
        self.assertLessEqual(begun, guest.last_tick() + 2)
        second.wait_for_tick(begun + PAGES // 16 + 1)
        second.end()


class StandingStill(MapSaves):
    def test_several_blocks(self):
        guest = self.writing_guest(*TWO_BLOCKS)
        self.save(guest, "--mode", "stop")
        self.assert_comes_back(guest, *TWO_BLOCKS)


class Background(MapSaves):
    def test_compact(self):
        self.require_background()
        guest = self.writing_guest()
        self.save(guest, "--mode", "background", "--compact")
        self.assert_comes_back(guest)


@NEEDS_LIVE_QEMU
class Live(MapSaves):
    """The same pages stand in the file several times."""

    def check(self, *arguments):
        guest = self.writing_guest(*arguments, qemu=LIVE_QEMU)
        if not arguments:
            guest.monitor.ask("migrate-set-capabilities",
                              capabilities=[{"capability": "xbzrle", "state": True}])
        self.save(guest, *LIVE)
        self.assert_comes_back(guest, *arguments, qemu=LIVE_QEMU)

    def test_several_blocks(self):
        self.check(*TWO_BLOCKS)

    def test_changes_of_pages(self):
        self.check()


if __name__ == "__main__":
    unittest.main()
