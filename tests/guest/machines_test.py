# SPDX-License-Identifier: MIT
"""Streams of many machines and devices, just made by the QEMU at hand, are read to the last byte.

Each guest has run its firmware and holds a stretch of noise in its RAM. It is stopped, its memory is
taken with pmemsave, and vmdump saves it: what is read from the stream must be the same memory.
"""

import json
import random
import subprocess
import unittest

from real_guest import Monitor, wait_until
from support import ENVIRONMENT, ToolTest

MIB = 1 << 20
MEMORY = 32 * MIB
NOISE_ADDRESS = 4 * MIB
NOISE_BYTES = MIB + 1234
# What pmemsave reads here belongs to the display and to the firmware's copies, not to the RAM block.
HOLE = slice(0xA0000, 0x100000)

VIRTIO = ["-drive", "if=none,id=a,driver=null-co,size=16M", "-device", "virtio-blk-pci,drive=a",
          "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n",
          "-device", "virtio-rng-pci", "-device", "virtio-balloon-pci",
          "-device", "virtio-serial-pci", "-device", "virtserialport",
          "-drive", "if=none,id=b,driver=null-co,size=16M",
          "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=b"]
NVME = ["-drive", "if=none,id=c,driver=null-co,size=16M", "-device", "nvme,drive=c,serial=1"]
AHCI = ["-drive", "if=none,id=d,driver=null-co,size=16M", "-device", "ide-hd,drive=d,bus=ide.0"]
TABLET = ["-device", "qemu-xhci", "-device", "usb-tablet"]
E1000 = ["-netdev", "user,id=e,restrict=on", "-device", "e1000,netdev=e"]

# Name, machine type, vCPUs, devices, and the idstrs (their ends) that must be among the sections.
GUESTS = [
    ("pc", "pc", 1, [], ["timer", "cpu", "i8259"]),
    ("pc_virtio", "pc", 2, VIRTIO, ["virtio-blk", "virtio-net", "virtio-rng", "virtio-balloon",
                                    "virtio-console", "virtio-scsi"]),
    ("pc_e1000_tablet", "pc", 4, E1000 + TABLET, ["e1000", "xhci", "usb-ptr"]),
    ("q35_ahci", "q35", 2, AHCI + TABLET, ["ich9_ahci", "xhci"]),
    # NVMe cannot be migrated: QEMU says so, and there is no file.
    ("q35_nvme", "q35", 1, NVME, None),
    ("q35_virtio", "q35", 3, VIRTIO + E1000, ["virtio-blk", "e1000"]),
    ("microvm", "microvm", 2, [], ["cpu"]),
    ("isapc", "isapc", 1, [], ["i8259"]),
    ("pc_old", "pc-i440fx-2.1", 2, E1000, ["e1000"]),
]


class Machines(ToolTest):
    def start(self, machine, vcpus, devices):
        """A guest without display and disk, ended with the test."""
        noise = random.Random(machine).randbytes(NOISE_BYTES)
        (self.folder / "noise").write_bytes(noise)
        log = open(self.folder / "log", "wb")  # of QEMU's own words
        self.addCleanup(log.close)
        command = ["qemu-system-x86_64", "-M", machine, "-accel", "tcg", "-m", str(MEMORY // MIB),
                   "-smp", str(vcpus), "-display", "none", "-nodefaults", "-no-user-config",
                   "-device", f"loader,file=noise,addr={NOISE_ADDRESS},force-raw=on", *devices]
        for name in ("tool.qmp", "own.qmp"):
            command += ["-qmp", f"unix:{name},server=on,wait=off"]
        process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        monitor = Monitor(self.folder / "own.qmp")
        self.addCleanup(monitor.close)
        return monitor

    def word(self, monitor, address):
        """One word of guest memory, as the monitor prints it."""
        return monitor.type(f"xp /1wx {address:#x}").split(":")[-1].strip()

    def stopped_guest(self, machine, vcpus, devices):
        monitor = self.start(machine, vcpus, devices)
        # The firmware has set up its interrupt table.
        wait_until(lambda: self.word(monitor, 0) != "0x00000000", "the firmware")
        monitor.ask("stop")
        return monitor

    def ask_tool(self, *arguments):
        run = self.run_tool("vmstream-inspect", *arguments)
        self.assert_status(0, run)
        return json.loads(run.stdout)

    def check_ram(self, block):
        out = self.folder / "block"
        self.assert_status(0, self.run_tool("vmstream-inspect", "extract", "ram", "state", "--block",
                                            block, "-o", out))
        ram, truth = bytearray(out.read_bytes()), bytearray((self.folder / "ram").read_bytes())
        self.assertEqual(MEMORY, len(ram))
        for memory in (ram, truth):
            memory[HOLE] = b""
        self.assertTrue(ram == truth, "the RAM block is not what pmemsave read")
        self.assertIn((self.folder / "noise").read_bytes(), ram)

    def check_bytes(self, length):
        """The stretches that hexdump names follow each other from 0 to the end."""
        end = 0
        for stretch in self.ask_tool("hexdump", "--json", "state")["bytes"]:
            self.assertEqual(end, stretch["offset"])
            self.assertTrue(stretch["meaning"])
            self.assertNotIn(stretch["kind"], ("lost", "unknown"))
            end += stretch["length"]
        self.assertEqual(length, end)

    def check_devices(self, idstrs, described):
        found = [device["idstr"] for device in self.ask_tool("devices", "--json", "state")["devices"]]
        for idstr in idstrs:
            self.assertTrue(any(name.endswith(idstr) for name in found), f"{idstr} in {found}")
        state = self.ask_tool("dump", "--format", "json", "state")
        self.assertEqual([], state["problems"])
        self.assertEqual(sorted(found), sorted(device["idstr"] for device in state["devices"]))
        sources = {device["source"] for device in state["devices"]}
        self.assertEqual({"vmdesc" if described else "none"}, sources)

    def check(self, machine, vcpus, devices, idstrs):
        monitor = self.stopped_guest(machine, vcpus, devices)
        monitor.ask("pmemsave", val=0, size=MEMORY, filename=str(self.folder / "ram"))
        saved = self.run_tool("vmdump", "--qmp", "tool.qmp", "-c", "none", "-o", "state")
        if idstrs is None:
            self.assert_status(ENVIRONMENT, saved)
            self.assertRegex(saved.stderr.decode(), r"State blocked by non-migratable device '.*/nvme'")
            self.assertFalse((self.folder / "state").exists())
            return
        self.assert_status(0, saved)
        verdict = self.ask_tool("verify", "--json", "state")
        self.assertTrue(verdict["ok"] and verdict["complete"], verdict)
        described = machine != "pc-i440fx-2.1"  # has no description: QEMU 2.3 was the first
        self.assertEqual(described, verdict["vmdesc"])
        self.assertEqual(verdict["devices"] if described else 0, verdict["described_devices"])
        self.assertEqual((self.folder / "state").stat().st_size, verdict["stream_bytes"])
        self.check_devices(idstrs, described)
        self.check_bytes(verdict["stream_bytes"])
        blocks = [block["name"] for block in self.ask_tool("info", "--json", "state")["ram"]["blocks"]]
        self.check_ram(next(name for name in blocks if name in ("pc.ram", "microvm.ram")))


def add_tests():
    for name, *guest in GUESTS:
        setattr(Machines, f"test_{name}", lambda self, guest=guest: self.check(*guest))


add_tests()

if __name__ == "__main__":
    unittest.main()
