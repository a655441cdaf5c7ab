# SPDX-License-Identifier: MIT
"""Real captures: devices as QEMU's own analyser reads them, value by value, and every byte of a field."""
import json
import os
import sys
import tempfile
import unittest
from xml.etree import ElementTree

from captures import run_over_captures, unpacked
from streams import *

FOLDER = sys.argv.pop(1)
# Types with a byte before each element that belongs to none.
LISTS = ("qtailq", "qlist", "gtree")
# Types that no description opens, but whose inside is known.
OPENED = ("pci config", "pci irq state", "msix state", "virtio", "virtio-gpu", "shpc",
          "scsi-requests")


def truth_of(folder):
    """What analyze-migration.py printed; None where it gave up."""
    for name in ("analyze-state.json", "analyze-state.json.zst"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with tempfile.TemporaryDirectory() as scratch:
                with open(unpacked(path, scratch)) as text:
                    return json.load(text)
    return None


class DumpCaptures(unittest.TestCase):
    maxDiff = 2000

    def check_capture(self, path, truth):
        with tempfile.TemporaryDirectory() as folder:
            plain = unpacked(path, folder)
            analysed = Run("dump", "--format", "qemu", plain)
            state = Run("dump", plain)
            xml = Run("dump", "--format", "xml", plain)
        for run in (analysed, state, xml):
            self.assertEqual((run.status, run.err), (0, b""))
        expected = truth_of(truth)
        if expected is not None:
            self.check_same(analysed.json, expected)
        for device in state.json["devices"]:
            self.check_device(device)
        self.check_xml(ElementTree.fromstring(xml.out), state.json)

    def check_same(self, ours, theirs):
        self.assertEqual(list(ours), list(theirs))
        for key in theirs:
            self.assertEqual(json.dumps(ours[key]), json.dumps(theirs[key]), key)

    def check_device(self, device):
        """Fields and subsections lie side by side from the body's first byte to its last."""
        end = self.check_tiling(device)
        if end is not None:
            self.assertLessEqual(end, device["offset"] + device["length"])
            self.assertLessEqual(device["offset"] + device["length"] - end, 5)

    def check_tiling(self, holder, start=None):
        position = start
        for field in holder["fields"]:
            if field["type"] in OPENED:
                self.assertIn("fields", field, field["name"])
            position = field["offset"] if position is None else position
            self.assertEqual(field["offset"], position, field["name"])
            position += field["size"]
            if "fields" in field and field["type"] not in LISTS:
                self.assertEqual(self.check_tiling(field, field["offset"]), position, field["name"])
        for subsection in holder.get("subsections", ()):
            position = subsection["offset"] if position is None else position
            self.assertEqual(subsection["offset"], position, subsection["name"])
            head = 2 + len(subsection["name"]) + 4
            position += subsection["size"]
            self.assertEqual(self.check_tiling(subsection, subsection["offset"] + head), position)
        return position

    def check_xml(self, tree, state):
        devices = tree.findall("device")
        self.assertEqual([device.get("idstr") for device in devices],
                         [device["idstr"] for device in state["devices"]])
        for field in tree.iter("field"):
            self.assertTrue(field.get("type"))
        for device, wanted in zip(devices, state["devices"]):
            for element, field in zip(device.findall("field"), wanted["fields"]):
                self.assertEqual((element.get("name"), element.get("type")),
                                 (field["name"], field["type"]))
                if isinstance(field.get("value"), int) and not isinstance(field["value"], bool):
                    self.assertEqual(int(element.text), field["value"])


if __name__ == "__main__":
    run_over_captures(DumpCaptures, FOLDER)
