#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A debugger on a saved guest, and on the QEMU that was stopped for the save: the same answers."""

import json
import re
import shutil
import subprocess
import unittest

from real_guest import GuestTest
from support import tool

ADDRESSES = [0x7c00, 0x7f00, 0x100000, 0x180000, 0xf0000]
REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "rip", "eflags", "cs", "ss",
             "ds", "cr0", "cr3", "mxcsr"]


class Debugger(GuestTest):
    def save(self):
        """The guest stopped, and its state in a file. With a stub of QEMU's own."""
        guest = self.counting_guest("-gdb", f"unix:{self.folder}/stub,server=on,wait=off")
        guest.monitor.ask("stop")
        guest.monitor.ask("migrate", uri="exec:cat > saved")
        while guest.monitor.migration() not in ("completed", "failed"):
            pass
        return guest

    def gdb(self, target, *commands):
        """What the real gdb prints."""
        arguments = [part for command in commands for part in ("-ex", command)]
        run = subprocess.run(["gdb", "-nx", "-batch", "-ex", "set pagination off",
                              "-ex", "set architecture i386:x86-64", "-ex", f"target remote {target}",
                              *arguments],
                             cwd=self.folder, capture_output=True, text=True, timeout=60)
        return run.stdout, run.stderr

    def test_memory_equals_the_running_guests(self):
        guest = self.save()
        guest.monitor.ask("pmemsave", val=0, size=1 << 21, filename="truth")
        truth = (self.folder / "truth").read_bytes()
        for address in ADDRESSES:
            run = self.run_tool("vmstream-inspect", "memory", "saved", f"{address:#x},4096",
                                "--json")
            answer = json.loads(run.stdout)
            self.assertEqual(truth[address:address + 4096].hex(), answer["bytes"], hex(address))

    @unittest.skipUnless(shutil.which("gdb"), "no gdb")
    def test_gdb_says_the_same_of_both(self):
        self.save()
        inspect = f"| {tool('vmstream-inspect')} gdb saved"
        commands = [f'printf "{name} %lx\\n", ${name}' for name in REGISTERS]
        commands += [f"x/8xg {address:#x}" for address in ADDRESSES]
        saved, errors = self.gdb(inspect, *commands)
        running, _ = self.gdb("stub", *commands)

        def values(text):
            return re.findall(r"^(?:\w+ [0-9a-f]+|0x.*)$", text, re.M)
        self.assertGreater(len(values(saved)), len(REGISTERS) + 4 * len(ADDRESSES) - 1, errors)
        self.assertEqual(values(running), values(saved))

    @unittest.skipUnless(shutil.which("gdb"), "no gdb")
    def test_nothing_can_be_changed(self):
        self.save()
        before = (self.folder / "saved").read_bytes()
        _, errors = self.gdb(f"| {tool('vmstream-inspect')} gdb saved", "set $rax = 1", "stepi")
        self.assertIn("cannot be changed", errors)
        self.assertIn("does not run", errors)
        self.assertEqual(before, (self.folder / "saved").read_bytes())


if __name__ == "__main__":
    unittest.main()
