# SPDX-License-Identifier: MIT
"""Memory images of a saved guest against what QEMU itself writes of the same stopped guest:
dump-guest-memory for cores, pmemsave for physical images, registers for notes.

QEMU's cores hold more than ours: firmware at the top of 4 GiB and memory of PCI devices. Its header
has faults (e_ehsize, the place of the program headers) that ours must not have.
"""

import json
import random
import re
import shutil
import struct
import subprocess
import unittest
import zlib

from real_guest import IMAGE, Monitor, wait_until
from support import ENVIRONMENT, ToolTest

MIB = 1 << 20
GIB4 = 1 << 32
PAGE = 4096
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


def kdump_pages(dump):
    """By their numbers; None for those in a form that is not unpacked here."""
    assert dump[:8] == b"KDUMP   "
    sub_blocks, bitmap_blocks = struct.unpack_from("<II", dump, 432)
    last, = struct.unpack_from("<Q", dump, PAGE + 96)
    bitmaps = dump[(1 + sub_blocks) * PAGE:(1 + sub_blocks + bitmap_blocks) * PAGE]
    half = len(bitmaps) // 2
    assert bitmaps[:half] == bitmaps[half:]
    pages, at = {}, (1 + sub_blocks + bitmap_blocks) * PAGE
    for number in range(last):
        if not bitmaps[number // 8] >> number % 8 & 1:
            continue
        offset, size, flags, _ = struct.unpack_from("<QIIQ", dump, at)
        at += 24
        content = dump[offset:offset + size]
        assert len(content) == size and size <= PAGE
        if flags == 0:
            pages[number] = content
        else:
            pages[number] = zlib.decompress(content) if flags == 1 else None
    return pages


def avml_ranges(image):
    """First address and content of each; the frames have chunks that are not compressed."""
    ranges, at = [], 0
    while at < len(image):
        magic, version, start, end, _ = struct.unpack_from("<IIQQQ", image, at)
        assert (magic, version) == (0x4C4D5641, 2)
        begin = at = at + 32
        assert image[at:at + 10] == b"\xff\x06\x00\x00sNaPpY"
        at += 10
        content = b""
        while len(content) <= end - start:
            assert image[at] == 1
            size = int.from_bytes(image[at + 1:at + 4], "little")
            content += image[at + 8:at + 4 + size]
            at += 4 + size
        assert struct.unpack_from("<Q", image, at)[0] == at - begin
        at += 8
        ranges.append((start, content))
    return ranges


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

    def check_packed(self, ours):
        """kdump and avml hold the same pages."""
        for compression in ("zlib", "lzo", "zstd"):
            out = f"kdump.{compression}"
            dump = self.extract("kdump", out, "--compress", compression).read_bytes()
            pages = kdump_pages(dump)
            for start, end in ours.extent():
                self.assertLessEqual(set(range(start // PAGE, end // PAGE)), set(pages))
            for number, page in pages.items():
                if page is not None:
                    self.assertEqual(ours.read(number * PAGE, PAGE), page)
            notes_at, notes_bytes = struct.unpack_from("<QQ", dump, PAGE + 48)
            self.assertEqual(ours.notes, dump[notes_at:notes_at + notes_bytes])
        ranges = avml_ranges(self.extract("avml", "avml").read_bytes())
        for start, end in ours.extent():
            for at in range(start, end, PAGE):
                page = next((content[at - first:at - first + PAGE] for first, content in ranges
                             if first <= at < first + len(content)), bytes(PAGE))
                self.assertTrue(page == ours.read(at, PAGE), f"at {at:#x}")

    def check_with_gdb(self, monitor):
        """A debugger shows the registers of both processors, as QEMU does."""
        commands = ["info threads", "thread 2", "info registers eip eax", "thread 1",
                    "info registers eip eax"]
        run = subprocess.run(["gdb", "-nx", "-batch", *(f"-ex={line}" for line in commands), "-c",
                              self.folder / "core"], capture_output=True, text=True, check=True)
        shown = re.findall(r"^(eip|eax) +0x([0-9a-f]+)", run.stdout, re.M)
        registers = monitor.ask("human-monitor-command",
                                **{"command-line": "info registers -a"})
        theirs = [int(value, 16) for name in ("EIP", "EAX")
                  for value in re.findall(rf"\b{name}=([0-9a-f]+)", registers)]
        self.assertEqual([theirs[1], theirs[3], theirs[0], theirs[2]],
                         [int(value, 16) for name, value in sorted(shown[:2], reverse=True)] +
                         [int(value, 16) for name, value in sorted(shown[2:], reverse=True)])

    def check_with_libkdumpfile(self, ours):
        """A reader of kdump files finds the same bytes in each form that it knows."""
        address = GUESTS["pc"][3][0]
        script = ("import kdumpfile, sys\n"
                  "for name in sys.argv[2:]:\n"
                  "    dump = kdumpfile.kdumpfile(name)\n"
                  "    print(dump.attr['cpu.number'], dump.read(kdumpfile.KDUMP_MACHPHYSADDR,"
                  " int(sys.argv[1]), 64).hex())\n")
        files = ["core", "kdump.zlib", "kdump.lzo", "kdump.zstd"]
        run = subprocess.run(["/usr/bin/python3", "-c", script, str(address), *files],
                             cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual([f"2 {ours.read(address, 64).hex()}"] * len(files),
                         run.stdout.splitlines(), run.stderr)

    def test_pc_in_other_tools(self):
        gdb = shutil.which("gdb")
        kdump = subprocess.run(["/usr/bin/python3", "-c", "import kdumpfile"], capture_output=True,
                               check=False).returncode == 0
        if not gdb and not kdump:
            self.skipTest("no gdb and no python3-libkdumpfile")
        monitor = self.start("pc")
        self.stop_and_save(monitor)
        ours = Core(self.extract("core", "core").read_bytes())
        for compression in ("zlib", "lzo", "zstd"):
            self.extract("kdump", f"kdump.{compression}", "--compress", compression)
        with self.subTest("gdb"):
            if not gdb:
                self.skipTest("no gdb")
            self.check_with_gdb(monitor)
        with self.subTest("libkdumpfile"):
            if not kdump:
                self.skipTest("no python3-libkdumpfile")
            self.check_with_libkdumpfile(ours)

    def test_pc(self):
        monitor = self.check("pc")
        saved = self.folder / "saved"
        monitor.ask("pmemsave", val=MIB, size=63 * MIB, filename=str(saved))
        image = (self.folder / "physical").read_bytes()
        self.assertEqual(saved.read_bytes(), image[MIB:])
        ram = self.run_tool("vmstream-inspect", "extract", "ram", "guest.zst", "--block", "pc.ram",
                            "-o", "ram")
        self.assertEqual(b"", ram.stderr)
        piped = self.run_tool("vmstream-inspect", "extract", "core", "guest.zst", "-o", "-")
        self.assertEqual((self.folder / "core").read_bytes(), piped.stdout)
        self.check_packed(Core(piped.stdout))

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

        ram = self.run_tool("vmstream-inspect", "extract", "ram", "guest.zst", "--block", "pc.ram",
                            "-o", "ram")
        self.assertIn(b"offsets are no addresses", ram.stderr)

    def test_nodes(self):
        self.check("nodes")

    def test_microvm(self):
        self.check("microvm")

    def test_isapc(self):
        self.check("isapc")


if __name__ == "__main__":
    unittest.main()
