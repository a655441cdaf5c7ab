# SPDX-License-Identifier: MIT
"""Real captures: where memory is, against QEMU's own tree of it where that was kept; and images of
files that cannot be read by position."""
import bz2
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

from captures import run_over_captures, unpacked
from memory_tree import MemoryTree
from streams import *

FOLDER = sys.argv.pop(1)
UNKNOWN = {"anc-0.12.5-min"}  # ram version 3 has no blocks
# Of captures that have no tree: block and address of the main memory.
MAIN = {"alpha-clipper-5.2": ("ram", 0), "arm64-virt-7.2-min": ("mach-virt.ram", 0x40000000),
        "avr-mega2560-7.2": ("sram", 0x800200), "s390x-ccw-7.2": ("s390.ram", 0),
        "x86-none-7.2-m2": ("ram", 0), "x86-pc-10.0-mapped": ("pc.ram", 0)}


def read_tree(truth):
    path = os.path.join(truth, "mtree.txt")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as text:
            return text.read()
    if os.path.exists(path + ".zst"):
        return subprocess.run(["zstd", "-dqc", path + ".zst"], capture_output=True,
                              check=True).stdout.decode()
    return ""


def is_same(block, region):
    return block == region or block.split("/")[-1].split(".")[-1] == region.split(".")[-1]


class Maps(unittest.TestCase):
    def check_capture(self, path, truth):
        name = os.path.basename(path).split(".qevm")[0]
        run = Run("memory-map", "--json", path)
        if name in UNKNOWN:
            return self.assertEqual(4, run.status)
        self.assertEqual((0, b""), (run.status, run.err))
        ranges = run.json["ranges"]
        end = 0
        for part in ranges:
            self.assertGreaterEqual(part["address"], end)
            self.assertGreater(part["length"], 0)
            end = part["address"] + part["length"]
        if name in MAIN:
            block, address = MAIN[name]
            self.assertIn((block, address, 0),
                          [(part["block"], part["address"], part["offset"]) for part in ranges])
        self.check_tree(ranges, MemoryTree(read_tree(truth)))

    def check_tree(self, ranges, tree):
        """All that is in the map is so in the tree; memory that is not is of devices."""
        if not any(kind in ("ram", "rom") for _, _, kind, _, _ in tree.view):
            return
        borders = {at for start, end, *_ in tree.view for at in (start, end)}
        for part in ranges:
            first, last = part["address"], part["address"] + part["length"] - 1
            for at in sorted({first, last} | {at for at in borders if first <= at <= last}):
                kind, region, offset = tree.find(at)
                self.assertIn(kind, ("ram", "rom", "romd"), hex(at))
                self.assertTrue(is_same(part["block"], region), f"{at:#x}: {region}")
                self.assertEqual(part["offset"] + at - first, offset, hex(at))
        known = {part["block"] for part in ranges if part["kind"] == "ram"}
        for start, _, kind, region, _ in tree.view:
            if kind == "ram" and region in known:
                self.assertTrue(any(part["address"] <= start < part["address"] + part["length"]
                                    for part in ranges), f"{region} at {start:#x}")


class Images(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        path = os.path.join(FOLDER, "x86-pc-7.2-min-m4.qevm.zst")
        if not os.path.exists(path):
            self.skipTest("no capture of a PC")
        self.plain = unpacked(path, self.home.name)
        with open(self.plain, "rb") as stream:
            self.stream = stream.read()

    def place(self, name, content=None):
        path = os.path.join(self.home.name, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return path

    def extract(self, part, source, out, *more, **how):
        run = Run("extract", part, source, "-o", self.place(out), *more, **how)
        self.assertEqual((0, b""), (run.status, run.err))
        with open(self.place(out), "rb") as image:
            return image.read()

    def test_any_way_to_the_stream_gives_the_same_image(self):
        core = self.extract("core", self.plain, "a")
        packed = self.place("guest.bz2", bz2.compress(self.stream))
        self.assertEqual(core, self.extract("core", packed, "b"))
        self.assertEqual(core, self.extract("core", "-", "c", stdin=self.stream))
        self.assertEqual(core, self.extract("core", self.plain, "d", "--threads", "1"))
        kdump = self.extract("kdump", self.plain, "e")
        self.assertEqual(kdump, self.extract("kdump", self.plain, "f", "--threads", "1"))
        # Nothing else was left, and nobody else may read them.
        left = sorted(os.listdir(self.home.name))
        self.assertEqual(["a", "b", "c", "capture", "d", "e", "f", "guest.bz2"], left)
        self.assertEqual(0o600, os.stat(self.place("a")).st_mode & 0o777)

    def test_a_record_says_what_was_done(self):
        image = self.extract("lime", self.plain, "lime", "--record", self.place("record"))
        with open(self.place("record"), encoding="utf-8") as text:
            record = json.load(text)
        self.assertEqual("vmstream.record/1", record["schema"])
        self.assertEqual("lime", record["command"]["part"])
        self.assertEqual(hashlib.sha256(image).hexdigest(), record["output_sha256"])
        stream = hashlib.sha256(self.stream).hexdigest()
        self.assertEqual((stream, stream), (record["stream_sha256"], record["input_sha256"]))
        self.assertLessEqual(record["begun"], record["ended"])
        self.assertEqual([], record["problems"])

    def test_a_damaged_or_cut_stream_gives_no_image(self):
        for name, content in (("cut", self.stream[:len(self.stream) // 2]), ("empty", b"")):
            run = Run("extract", "core", self.place(name, content), "-o", self.place("out"))
            self.assertEqual(3, run.status, run.err)
            self.assertFalse(os.path.exists(self.place("out")))

    def test_what_cannot_be(self):
        run = Run("extract", "physical", self.plain, "-o", "-")
        self.assertEqual(2, run.status)
        self.assertIn(b"stdout cannot take it", run.err)
        for place, status in (("pc.bios@0xffffffffff000000", 2), ("nothing@0", 2), ("pc.ram", 2)):
            run = Run("memory-map", self.plain, "--place", place)
            self.assertEqual(status, run.status, run.err)
        far = ["--place", "pc.ram@0x100000000000"]
        run = Run("extract", "physical", self.plain, "-o", self.place("out"), *far)
        self.assertEqual(5, run.status)
        self.assertIn(b"would seem to have", run.err)
        core = self.extract("core", self.plain, "core", *far)
        self.assertLess(len(core), 16 << 20)
        self.assertIn(struct.pack("<Q", 0x100000000000), core[:4096])


if __name__ == "__main__":
    run_over_captures(Maps, FOLDER)
