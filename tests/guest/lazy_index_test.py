# SPDX-License-Identifier: MIT
"""Lazy restores by an index that leaves a page out: it is told of."""

import os
import subprocess
import unittest

from lazy_guest import LazyTest

FORGE = os.environ["VMSTREAM_FORGE_INDEX"]


class Absent(LazyTest):
    def test_a_page_left_out_is_told_of(self):
        self.saved("guest.zst")
        subprocess.run([FORGE, "drop-counted", "guest.zst", "forged.zst"], cwd=self.folder, check=True)
        for file, absent in (("guest.zst", 0), ("forged.zst", 1)):
            qemu = self.start(f"for {absent}", "-incoming", "defer")
            ran = self.run_tool("vmrestore", "--lazy", "--json", "--paused", "--qmp", qemu.qmp, file)
            self.assert_status(0, ran)
            self.assertIn(f'"absent_pages": {absent},', ran.stdout.decode())
            warned = b"1 pages of RAM are absent by the file's index" in ran.stderr
            self.assertEqual(absent == 1, warned, ran.stderr)
            qemu.end()


if __name__ == "__main__":
    unittest.main()
