# SPDX-License-Identifier: MIT
"""The parts of a multifd migration as real QEMUs send them: whole, and with a channel left out or cut."""

import json
import unittest

from multifd_record import record_multifd
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, GuestTest
from support import MALFORMED

CHANNELS = 3
SLOW = {"max-bandwidth": 16 << 20, "downtime-limit": 100}  # so that a guest is sent in passes


class MultifdTest(GuestTest):
    def recorded(self, qemu, method, live):
        """The parts of a guest, as files."""
        guest = self.qemu("first", qemu=qemu, megabytes=16)
        guest.wait_for_tick(40)
        if not live:
            guest.monitor.ask("stop")
        main, channels = record_multifd(guest, self.folder, method, CHANNELS, **(SLOW if live else {}))
        guest.end()
        (self.folder / "recorder").unlink()
        return self.write("main", main), [self.write(f"channel{i}", one) for i, one in enumerate(channels)]

    def verify(self, *files):
        return self.run_tool("vmstream-inspect", "verify", "--json", "--multifd", *files)

    def assert_told(self, *files):
        run = self.verify(*files)
        self.assert_status(MALFORMED, run)
        answer = json.loads(run.stdout)
        self.assertFalse(answer["ok"])
        self.assertNotEqual("loads", answer["verdict"])

    def check(self, qemu, method, live):
        main, channels = self.recorded(qemu, method, live)
        run = self.verify(*channels, main)
        self.assert_status(0, run)
        answer = json.loads(run.stdout)
        self.assertEqual((True, "loads", 0), (answer["ok"], answer["verdict"], answer["absent_pages"]))
        self.assertEqual([None, *range(CHANNELS)], [part.get("channel") for part in answer["parts"]])
        self.assertLessEqual({part["method"] for part in answer["parts"][1:]}, {method, None})
        for channel in channels:
            self.assert_told(main, *[one for one in channels if one != channel])
            whole = self.read(channel)
            for length in (0, 64, len(whole) // 2, len(whole) - 1344, len(whole) - 1):
                self.write(channel, whole[:length])
                run = self.verify(main, *channels)
                # Old senders end with a packet that holds nothing, now and then.
                if qemu == QEMU and length == len(whole) - 1344 and run.returncode == 0:
                    self.assertEqual(0, json.loads(run.stdout)["absent_pages"])
                    continue
                self.assert_status(MALFORMED, run)
            self.write(channel, whole)

    def check_all(self, qemu):
        for method in ("none", "zlib", "zstd"):
            for live in (False, True):
                with self.subTest(method=method, live=live):
                    self.check(qemu, method, live)

    def test_the_installed_qemu(self):
        self.check_all(QEMU)

    @NEEDS_NEWER_QEMU
    def test_a_newer_qemu(self):
        self.check_all(NEWER_QEMU)


if __name__ == "__main__":
    unittest.main()
