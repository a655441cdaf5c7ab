# SPDX-License-Identifier: MIT
"""What is said of damaged streams is what a real QEMU does with them: a sample of bench/agreement.py.

Of kinds of damage whose outcome the bytes decide, whatever the guest was doing when it was saved.
"""

import json
import subprocess
import sys
import unittest

from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU
from support import BIN, SOURCE, ToolTest

GUESTS = ["pc", "no footers", "mapped-ram"]
KINDS = ["none", "header", "section_type", "section_id", "footer", "bytes_inserted", "device_twice", "ram_start",
         "block_list", "page_flags", "page_past_block", "page_content", "mapped_header", "command", "end_mark",
         "early_end", "description_cut", "cut_between", "cut_within", "padding"]
CASES = 60


class Agreement(ToolTest):
    def results(self):
        command = [sys.executable, "-B", SOURCE / "bench" / "agreement.py", "--bin", BIN, "--cases", str(CASES),
                   "--saved", "saved", "--results", "results"]
        for option, values in (("--guest", GUESTS), ("--only", KINDS), ("--qemu", [" ".join(QEMU), " ".join(NEWER_QEMU)])):
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
