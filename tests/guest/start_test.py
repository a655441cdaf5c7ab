# SPDX-License-Identifier: MIT
"""The arguments that info shows start a QEMU that loads the file."""

import json
import shlex
import subprocess
import unittest

from real_guest import Monitor
from support import ToolTest

QUIET = ("-display", "none", "-net", "none")


class Start(ToolTest):
    def start(self, name, *arguments):
        process = subprocess.Popen(["qemu-system-x86_64", *arguments, *QUIET, "-qmp", f"unix:{name}.qmp,server=on,wait=off"],
                                   cwd=self.folder, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        Monitor(self.folder / f"{name}.qmp").close()

    def check(self, *arguments, memory, cpus):
        self.start("source", *arguments, "-S")
        self.assert_status(0, self.run_tool("vmdump", "--qmp", "source.qmp", "-o", "guest.zst"))
        info = self.run_tool("vmstream-inspect", "--json", "guest.zst")
        self.assert_status(0, info)
        start = json.loads(info.stdout)["start"]
        self.assertEqual((memory, cpus), (start["memory_bytes"] >> 20, start["cpus"]))
        words = shlex.split(" ".join([start["arguments"], *(device["argument"] for device in start["devices"])]))
        self.start("destination", *words, "-incoming", "defer")
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", "destination.qmp", "--paused", "guest.zst"))

    def test_pc_with_its_defaults(self):
        self.check("-machine", "pc", "-m", "128M", memory=128, cpus=1)

    def test_pc_with_devices_of_its_users(self):
        self.check("-machine", "pc", "-m", "64", "-smp", "2", "-nodefaults", "-device", "virtio-rng-pci", "-device",
                   "e1000,addr=0x9", "-device", "isa-serial", memory=64, cpus=2)

    def test_q35(self):
        self.check("-machine", "q35", "-m", "192M", "-smp", "3", "-device", "virtio-balloon-pci", "-device", "virtio-scsi-pci",
                   "-device", "qemu-xhci,addr=0x14.7", "-device", "pcie-root-port,chassis=1", memory=192, cpus=3)

    def test_memory_with_a_name(self):
        self.check("-object", "memory-backend-ram,id=mine,size=96M", "-machine", "pc,memory-backend=mine", "-m", "96M",
                   memory=96, cpus=1)


if __name__ == "__main__":
    unittest.main()
