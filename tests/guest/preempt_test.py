# SPDX-License-Identifier: MIT
"""A postcopy migration with preemption: pages that the destination asks for come through a second connection.
Both, recorded from real QEMUs, are one guest."""

import json
import unittest

from lazy_guest import LazyTest
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, why_not
from relay import record_postcopy
from support import DONE, MALFORMED


class PreemptTest(LazyTest):
    def record(self, qemu):
        """The folder "set" with both connections of a guest, and the sum that it must go on with."""
        source = self.sweeping_guest(qemu=qemu)
        target = self.start("second", "-incoming", "defer", qemu=qemu)
        capabilities = [{"capability": name, "state": True} for name in ("postcopy-ram", "postcopy-preempt")]
        for side in (source, target):
            side.monitor.ask("migrate-set-capabilities", capabilities=capabilities)
        target.monitor.ask("migrate-incoming", uri="unix:second.migration")
        expected = []

        def judge():
            expected.append(source.sums()[0])
            self.assert_whole(target, expected[0])

        main, urgent = record_postcopy(self.folder, source, target, judge)
        self.assertGreater(len(urgent), 8, "pages were asked for")
        (self.folder / "set").mkdir()
        self.write("set/main", main)
        self.write("set/urgent", urgent)
        return expected[0]

    def inspect(self, *arguments, status=DONE):
        ran = self.run_tool("vmstream-inspect", *arguments)
        self.assert_status(status, ran)
        return ran

    def check(self, qemu):
        if reason := why_not("postcopy-ram", qemu) or self.why_no_preemption(qemu):
            self.skipTest(reason)
        expected = self.record(qemu)
        told = json.loads(self.inspect("info", "--json", "set").stdout)
        self.assertEqual(["postcopy-preempt", "qevm"], [one["type"] for one in told["containers"]])
        self.assertTrue(told["stream"]["complete"])
        self.assertTrue(json.loads(self.inspect("verify", "--json", "set").stdout)["ok"])
        self.inspect("verify", "--multifd", "set/urgent", "set/main")
        restored = self.start("third", "-incoming", "defer", qemu=qemu)
        self.assert_status(DONE, self.run_tool("vmrestore", "--qmp", restored.qmp, "--cont", "set"))
        self.assert_whole(restored, expected)
        restored.end()
        urgent = self.read("set/urgent")
        self.write("set/urgent", urgent[:len(urgent) // 2])
        self.assert_status(MALFORMED, self.run_tool("vmrestore", "-o", "plain", "set"))
        self.assertNotIn("plain", self.files())

    @staticmethod
    def why_no_preemption(qemu):
        refusal = why_not("postcopy-preempt", qemu)
        return None if refusal is None or "postcopy-ram" in refusal else refusal

    def test_both_connections_are_one_guest(self):
        self.check(QEMU)

    @NEEDS_NEWER_QEMU
    def test_both_connections_of_a_newer_qemu_are(self):
        self.check(NEWER_QEMU)


if __name__ == "__main__":
    unittest.main()
