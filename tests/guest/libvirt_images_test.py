#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files that a real libvirt writes: save images in every format that it has, dumps, the memory of a
snapshot. Each is read as the stream in it, which stock tools unpack."""

import json
import struct
import subprocess
import unittest

from libvirt_test import LibvirtTest
from support import DONE, tool

HEADER_BYTES = 92
# What unpacks a stream, by the number in the header.
UNPACKERS = [["cat"], ["gzip", "-dc"], ["bzip2", "-dc"], ["xz", "-dc"], ["lzop", "-dc"]]
FORMATS = {"raw": 0, "gzip": 1, "bzip2": 2, "xz": 3, "lzop": 4}


def can_read(name):
    """Whether these tools read what is packed so."""
    ran = subprocess.run([tool("vmstream-inspect"), "--version"], capture_output=True, text=True,
                         check=True)
    return name == "raw" or f" {name}" in ran.stdout


def stream_of(image):
    """The plain stream in a save image, and the number of its format."""
    version, data_bytes, _, number = struct.unpack_from("<4I", image, 16)
    assert (image[:16], version) == (b"LibvirtQemudSave", 2), image[:20]
    ran = subprocess.run(UNPACKERS[number], input=image[HEADER_BYTES + data_bytes:],
                         capture_output=True, check=True)
    return ran.stdout, number


class Images(LibvirtTest):
    def assert_read_as(self, plain, file):
        """`file` is read as the stream that `plain` holds: the same RAM, and nothing wrong."""
        ran = self.run_tool("vmstream-inspect", "verify", file)
        self.assert_status(DONE, ran)
        for name, source in (("of-plain", plain), ("of-file", file)):
            self.assert_status(DONE, self.run_tool("vmstream-inspect", "extract", "ram", source,
                                                   "--block", "pc.ram", "-o", name))
        self.assertEqual(self.read("of-plain"), self.read("of-file"))
        for name in ("of-plain", "of-file"):
            (self.folder / name).unlink()

    def use(self, **settings):
        """The daemon begins anew with these in its qemu.conf; domains run on."""
        self.libvirt.kill(15)
        self.libvirt.configure(**settings)
        self.libvirt.start()

    def test_save_images_of_every_format(self):
        domain = self.domain()
        for name in filter(can_read, FORMATS):
            with self.subTest(format=name):
                self.use(save_image_format=name)
                path = self.folder / f"{name}.sav"
                self.libvirt.virsh("save", domain.name, str(path))
                plain, number = stream_of(path.read_bytes())
                self.assertEqual(FORMATS[name], number)
                self.write("plain", plain)
                self.assert_read_as("plain", path.name)
                containers = json.loads(self.run_tool("vmstream-inspect", "info", "--json",
                                                      path.name).stdout)["containers"]
                self.assertEqual("libvirt", containers[0]["type"])
                ran = self.run_tool("vmrestore", f"--libvirt={self.libvirt.uri}", path.name)
                self.assert_status(DONE, ran)
                self.assertEqual(("running", "restored"), domain.state())
                self.assertTrue(domain.is_counting())

    def test_dumps(self):
        domain = self.domain()
        for how in ([], ["--live"]):
            path = self.folder / "a.dump"
            self.libvirt.virsh("dump", *how, domain.name, str(path))
            self.assert_read_as("a.dump", "a.dump")

    def test_the_memory_of_a_snapshot(self):
        domain = self.domain(writable=True)
        path = self.folder / "memory.sav"
        self.libvirt.virsh("snapshot-create-as", domain.name, "one", "--live", "--memspec",
                           f"file={path},snapshot=external", "--diskspec",
                           f"hda,snapshot=external,file={domain.folder}/{domain.name}.overlay")
        self.assertTrue(domain.is_counting())
        self.write("plain", stream_of(path.read_bytes())[0])
        self.assert_read_as("plain", "memory.sav")


if __name__ == "__main__":
    unittest.main()
