# SPDX-License-Identifier: MIT
"""Memory images of a saved guest against what QEMU itself writes of the same stopped guest:
dump-guest-memory for cores, pmemsave for physical images, registers for notes.

QEMU's cores hold more than ours: firmware at the top of 4 GiB and memory of PCI devices. Its header
has faults (e_ehsize, the place of the program headers) that ours must not have.
"""

import json
import random
import struct
import subprocess
import unittest

from real_guest import IMAGE, Monitor, wait_until
from support import ENVIRONMENT, ToolTest

MIB = 1 << 20
GIB4 = 1 << 32
NOISE_BYTES = 256 * 1024 + 4321

# Name, machine type, MiB, more arguments, and where noise is put.
GUESTS = {
    "pc": ("pc", 64, [], [5 * MIB]),
    "split": ("q35,max-ram-below-4g=64M", 96, ["-device", "VGA"], [33 * MIB, GIB4 + 3 * MIB]),
    "nodes": ("pc", 48, ["-object", "memory-backend-ram,id=na,size=16M", "-object",
                         "memory-backend-ram,id=nb,size=32M", "-numa", "node,memdev=nb", "-numa",
                         "node,memdev=na"], [20 * MIB, 40 * MIB]),
    "microvm": ("microvm", 32, [], [9 * MIB]),
    "isapc": ("isapc", 32, [], [9 * MIB]),
}


class Core:
    """Segments and notes of an ELF core of 64 bits, little endian."""

    def __init__(self, data):
        self.data = data
        offset, = struct.unpack_from("<Q", data, 32)
        count, = struct.unpack_from("<H", data, 56)
        self.loads, self.notes = [], b""
        for i in range(count):
            kind, _, at, _, address, size, _, _ = struct.unpack_from("<IIQQQQQQ", data,
                                                                     offset + 56 * i)
            if kind == 4:
                self.notes = data[at:at + size]
            else:
                self.loads.append((address, data[at:at + size]))
        self.loads.sort()

    def read(self, address, size):
        """Bytes at physical addresses; None where some are missing."""
        found = b""
        for start, content in self.loads:
            if start <= address < start + len(content):
                part = content[address - start:address - start + size]
                found += part
                address += len(part)
                size -= len(part)
        return None if size else found

    def extent(self):
        """Ranges of addresses, neighbours joined."""
        ranges = []
        for start, content in self.loads:
            if ranges and ranges[-1][1] == start:
                ranges[-1][1] = start + len(content)
            else:
                ranges.append([start, start + len(content)])
        return ranges


class Images(ToolTest):
    def start(self, name):
        machine, megabytes, more, places = GUESTS[name]
        noise = random.Random(name).randbytes(NOISE_BYTES)
        (self.folder / "noise").write_bytes(noise)
        command = ["qemu-system-x86_64", "-M", machine, "-accel", "tcg", "-m", str(megabytes),
                   "-smp", "1" if machine == "isapc" else "2", "-display", "none", "-nodefaults", "-no-user-config", *more]
        if name == "pc":
            command += ["-drive", f"file={IMAGE},format=raw,if=floppy,readonly=on"]
        for place in places:
            command += ["-device", f"loader,file=noise,addr={place},force-raw=on"]
        for monitor in ("tool.qmp", "own.qmp"):
            command += ["-qmp", f"unix:{self.folder / monitor},server=on,wait=off"]
        process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        monitor = Monitor(self.folder / "own.qmp")
        self.addCleanup(monitor.close)
        return monitor

    def stop_and_save(self, monitor):
        """When firmware has had its turn."""
        wait_until(lambda: monitor.ask("query-status")["running"], "the guest to run")
        wait_until(lambda: not self.is_at_reset(monitor), "the firmware to be through")
        monitor.ask("stop")
        self.assert_status(0, self.run_tool("vmdump", "--qmp", "tool.qmp", "-o", "guest.zst"))

    def is_at_reset(self, monitor):
        return "EIP=0000fff0" in monitor.type("info registers")

    def extract(self, part, out, *options):
        run = self.run_tool("vmstream-inspect", "extract", part, "guest.zst", "-o", out, *options)
        self.assert_status(0, run)
        return self.folder / out

    def qemu_core(self, monitor):
        path = self.folder / "qemu.core"
        monitor.ask("dump-guest-memory", paging=False, protocol=f"file:{path}")
        return path.read_bytes()

    def assert_same_core(self, ours, theirs):
        self.assertEqual(theirs.notes, ours.notes)
        for start, content in ours.loads:
            self.assertEqual(content, theirs.read(start, len(content)), f"at {start:#x}")
        missing = [hex(start) for start, _ in theirs.loads if ours.read(start, 1) is None]
        for start in missing:  # devices and firmware are below 4 GiB, above the memory
            self.assertGreaterEqual(int(start, 16), 0xE0000000)
            self.assertLess(int(start, 16), GIB4)

    def check(self, name):
        monitor = self.start(name)
        self.stop_and_save(monitor)
        raw = self.extract("core", "core").read_bytes()
        ours = Core(raw)
        self.assertEqual((64, 64), (struct.unpack_from("<Q", raw, 32)[0],
                                    struct.unpack_from("<H", raw, 52)[0]))
        self.assert_same_core(ours, Core(self.qemu_core(monitor)))
        self.assertGreater(len(ours.notes), 440)
        noise = (self.folder / "noise").read_bytes()
        for place in GUESTS[name][3]:
            self.assertEqual(noise, ours.read(place, len(noise)))
        self.check_others(ours)
        return monitor

    def check_others(self, ours):
        """Images of other forms hold the same bytes."""
        lime = self.extract("lime", "lime").read_bytes()
        at = 0
        for start, end in ours.extent():
            head = struct.unpack_from("<IIQQQ", lime, at)
            self.assertEqual((0x4C694D45, 1, start, end - 1, 0), head)
            self.assertEqual(ours.read(start, end - start), lime[at + 32:at + 32 + end - start])
            at += 32 + end - start
        self.assertEqual(at, len(lime))
        self.extract("physical", "physical")
        with open(self.folder / "physical", "rb") as image:
            for start, content in ours.loads:
                image.seek(start)
                self.assertEqual(content, image.read(len(content)))

    def test_pc(self):
        monitor = self.check("pc")
        saved = self.folder / "saved"
        monitor.ask("pmemsave", val=MIB, size=63 * MIB, filename=str(saved))
        image = (self.folder / "physical").read_bytes()
        self.assertEqual(saved.read_bytes(), image[MIB:])
        piped = self.run_tool("vmstream-inspect", "extract", "core", "guest.zst", "-o", "-",
                              text=False)
        self.assertEqual((self.folder / "core").read_bytes(), piped.stdout)

    def test_split(self):
        self.check("split")
        answer = self.run_tool("vmstream-inspect", "memory-map", "--json", "guest.zst")
        ranges = json.loads(answer.stdout)["ranges"]
        high = [r for r in ranges if r["address"] == GIB4]
        self.assertEqual([(32 * MIB, 64 * MIB, "pc.ram", "proved")],
                         [(r["length"], r["offset"], r["block"], r["known_by"]) for r in high])
        # The file has a hole of 4 GiB, and takes no room for it.
        size = (self.folder / "physical").stat()
        self.assertEqual(GIB4 + 32 * MIB, size.st_size)
        self.assertLess(size.st_blocks * 512, 32 * MIB)

    def test_nodes(self):
        self.check("nodes")

    def test_microvm(self):
        self.check("microvm")

    def test_isapc(self):
        self.check("isapc")


if __name__ == "__main__":
    unittest.main()
