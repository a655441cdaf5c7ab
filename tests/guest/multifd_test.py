# SPDX-License-Identifier: MIT
"""The parts of a multifd migration as real QEMUs send them: judged, whole and with a channel left out or cut;
and read as one guest, which is the one that sent them and loads without the capability."""

import json
import unittest

from multifd_record import record_multifd
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, GuestTest
from support import MALFORMED

CHANNELS = 3
MEGABYTES = 16
HOLE = slice(0xA0000, 0x100000)  # of the machine's memory, where others than pc.ram answer
SLOW = {"max-bandwidth": 16 << 20, "downtime-limit": 100}  # so that a guest is sent in passes


class MultifdTest(GuestTest):
    def recorded(self, qemu, method, live):
        """The parts of a guest, as files."""
        guest = self.qemu("first", qemu=qemu, megabytes=MEGABYTES)
        guest.wait_for_tick(40)
        if not live:
            guest.monitor.ask("stop")
        main, channels = record_multifd(guest, self.folder, method, CHANNELS, **(SLOW if live else {}))
        guest.monitor.ask("pmemsave", val=0, size=MEGABYTES << 20, filename="truth")
        self.sent_at = guest.ticks()
        guest.end()
        (self.folder / "recorder").unlink()
        (self.folder / "set").mkdir(exist_ok=True)
        return (self.write("set/main", main),
                [self.write(f"set/channel{i}", one) for i, one in enumerate(channels)])

    def verify(self, *files):
        return self.run_tool("vmstream-inspect", "verify", "--json", "--multifd", *files)

    def assert_told(self, *files):
        run = self.verify(*files)
        self.assert_status(MALFORMED, run)
        answer = json.loads(run.stdout)
        self.assertFalse(answer["ok"])
        self.assertNotEqual("loads", answer["verdict"])

    def assert_is_the_guest(self, qemu, live):
        """The parts as one: their memory, and what becomes of it in a QEMU."""
        ran = self.run_tool("vmstream-inspect", "extract", "ram", "set", "--block", "pc.ram", "-o", "pc.ram",
                            "--force")
        self.assert_status(0, ran)
        found, wanted = bytearray(self.read("pc.ram")), bytearray(self.read("truth"))
        for memory in (found, wanted):
            memory[HOLE] = b""
        # A QEMU that emulates loses pages of guests that run, before 9.0.
        if not live or qemu != QEMU:
            self.assertTrue(found == wanted, "the memory is the guest's")
        self.assert_status(0, self.run_tool("vmrestore", "set", "-o", "plain", "--force"))
        answer = json.loads(self.run_tool("vmstream-inspect", "verify", "--json", "plain").stdout)
        self.assertEqual((True, "loads", 0), (answer["ok"], answer["verdict"], answer["absent_pages"]))

    def assert_goes_on(self, qemu):
        second = self.qemu("second", "-incoming", "defer", qemu=qemu, megabytes=MEGABYTES)
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", "set"))
        self.assertTrue(second.is_counting())
        self.assertIn(second.ticks()[0] - 1, [0, *self.sent_at])
        second.end()

    def check(self, qemu, method, live):
        main, channels = self.recorded(qemu, method, live)
        self.assert_is_the_guest(qemu, live)
        if not live:
            self.assert_goes_on(qemu)
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
