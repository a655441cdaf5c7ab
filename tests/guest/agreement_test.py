# SPDX-License-Identifier: MIT
"""What is said of damaged streams is what a real QEMU does with them: a sample of bench/agreement.py.

Of kinds of damage whose outcome the bytes decide, whatever the guest was doing when it was saved.
"""

import json
import shlex
import subprocess
import sys
import unittest

from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU
from support import BIN, SOURCE, ToolTest

GUESTS = ["pc", "several passes, xbzrle", "mapped-ram"]
KINDS = ["none", "header", "section_id", "footer", "bytes_inserted", "devices_swapped", "ram_end", "block_list",
         "page_flags", "page_address", "page_past_block", "page_block", "page_content", "delta_page",
         "mapped_bitmap", "early_end", "description_cut", "cut_between", "cut_within"]
CASES = 2 * len(KINDS)


class Agreement(ToolTest):
    def results(self):
        command = [sys.executable, "-B", SOURCE / "bench" / "agreement.py", "--bin", BIN, "--cases", str(CASES),
                   "--saved", "saved", "--results", "results"]
        qemus = [shlex.join(QEMU), shlex.join(NEWER_QEMU)]
        for option, values in (("--guest", GUESTS), ("--only", KINDS), ("--qemu", qemus)):
            for value in values:
                command += [option, value]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in (self.folder / "results").read_text().splitlines()]

    @NEEDS_NEWER_QEMU
    def test_sample(self):
        results = self.results()
        self.assertEqual(CASES, len(results))
        for result in results:
            with self.subTest(case=result["case"]):
                self.assertEqual([], result["faults"], result)


if __name__ == "__main__":
    unittest.main()
