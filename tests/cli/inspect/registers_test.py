#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Registers of real captures: the values that QEMU showed of the same stopped guest."""

import json
import re
import sys
import unittest
from pathlib import Path

from support import ToolTest

CAPTURES = Path(sys.argv.pop(1))
# Names here, and how QEMU's "info registers" has them.
SHOWN = {"rax": r"[RE]AX=(\w+)", "rsp": r"[RE]SP=(\w+)", "rip": r"[RE]IP=(\w+)",
         "cr0": r"CR0=(\w+)", "cr3": r"CR3=(\w+)", "efer": r"EFER=(\w+)",
         "rflags": r"[RE]FL=(\w+)", "gdt_base": r"GDT=\s+(\w+)", "x3": r"X03=(\w+)",
         "pc": r"PC=(\w+)", "pstate": r"PSTATE=(\w+)", "pswa": r"PSW=mask \w+ addr (\w+)"}


class Registers(ToolTest):
    def read(self, capture, *options):
        return self.run_tool("vmstream-inspect", "registers", str(CAPTURES / capture), *options)

    def test_captures(self):
        compared = 0
        for truth in sorted(CAPTURES.glob("*.truth/registers.txt")):
            name = truth.parent.name.removesuffix(".truth")
            run = self.read(f"{name}.qevm.zst", "--json", "--cpu", "0")
            if run.returncode or "bgsnap" in name:  # that one shows a later moment
                continue
            cpu = json.loads(run.stdout)["cpus"][0]
            values = {one["name"]: one for one in cpu["registers"]}
            first = re.split("CPU#1", truth.read_text())[0]
            for register, pattern in SHOWN.items():
                found = re.search(pattern, first)
                if found and register in values:
                    self.assertEqual(int(found[1], 16), values[register]["value"], (name, register))
                    self.assertEqual(values[register]["value"], int(values[register]["hex"], 16))
                    compared += 1
        self.assertGreater(compared, 0)

    def test_refusals(self):
        self.assert_status(4, self.read("anc-0.12.5-min.qevm.zst"))
        self.assert_status(4, self.read("x86-none-7.2-m2.qevm.zst"))
        self.assert_status(2, self.read("x86-pc-7.2-min-m4.qevm.zst", "--cpu", "7"))

    def test_text_names_flags(self):
        text = self.read("x86-pc-7.2-min-m4.qevm.zst").stdout
        text = text if isinstance(text, str) else text.decode()
        self.assertRegex(text, r"cr0 +0x[0-9a-f]{16}  (PE|ET)")


if __name__ == "__main__":
    if not CAPTURES.is_dir():
        print(f"no captures in {CAPTURES}")
        sys.exit(77)
    unittest.main()
