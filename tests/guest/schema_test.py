# SPDX-License-Identifier: MIT
"""The declarations that QEMU dumps, held against the description that the same QEMU writes.

A guest is saved; its description is cut off, and what the dump makes of the devices then must be what
the description said, field by field. Few devices can be told by sizes alone, but none may be wrong.
"""

import json
import subprocess
import unittest

from real_guest import Monitor
from support import ToolTest

# Devices that both machines have, without arrays, which this release's dump does not tell from single fields.
TOLD_BY_SIZES = {"fw_cfg", "PCIHost", "i8259", "mc146818rtc", "pcspk", "ps2kbd", "ps2mouse", "pckbd", "port92"}


def leaves(fields, subsections):
    """(offset, size, name) of all that holds bytes of its own, what this library knows of them aside."""
    for field in fields:
        if "fields" in field and "layout" not in field:
            yield from leaves(field["fields"], field.get("subsections", []))
        else:
            yield field["offset"], field["size"], field["name"].partition("[")[0]
    for subsection in subsections:
        yield from leaves(subsection["fields"], subsection["subsections"])


class Schema(ToolTest):
    def save(self, machine):
        process = subprocess.Popen(["qemu-system-x86_64", "-M", machine, "-m", "16", "-S", "-nodefaults", "-display", "none",
                                    "-device", "virtio-rng-pci", "-device", "virtio-balloon-pci",
                                    "-qmp", "unix:guest.qmp,server=on,wait=off"], cwd=self.folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        Monitor(self.folder / "guest.qmp").close()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", "guest.qmp", "-c", "none", "-o", "described"))

    def cut_description(self):
        sections = self.ask("sections", "described")["sections"]
        description, = (record["offset"] for record in sections if record["type"] == "vmdesc")
        (self.folder / "bare").write_bytes((self.folder / "described").read_bytes()[:description])

    def ask(self, *arguments):
        run = self.run_tool("vmstream-inspect", "--json", *arguments)
        self.assert_status(0, run)
        return json.loads(run.stdout)

    def check(self, machine):
        subprocess.run(["qemu-system-x86_64", "-M", machine, "-dump-vmstate", "dump"], cwd=self.folder, check=True)
        self.save(machine)
        self.cut_description()
        described = self.ask("dump", "described")["devices"]
        inferred = self.ask("dump", "--schema", "dump", "bare")["devices"]
        self.assertEqual([device["idstr"] for device in described], [device["idstr"] for device in inferred])
        told = set()
        for truth, device in zip(described, inferred):
            if device["source"] == "none":
                self.assertTrue(device["note"])
                continue
            self.assertEqual(device["confidence"], "medium")
            self.assertEqual(list(leaves(truth["fields"], truth["subsections"])),
                             list(leaves(device["fields"], device["subsections"])), device["idstr"])
            told.add(device["idstr"].rpartition("/")[2])
        self.assertLessEqual(TOLD_BY_SIZES | {"virtio-rng", "virtio-balloon"}, told)

    def test_pc(self):
        self.check("pc")

    def test_q35(self):
        self.check("q35")


if __name__ == "__main__":
    unittest.main()
