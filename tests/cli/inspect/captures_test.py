# SPDX-License-Identifier: MIT
"""Real captures: every byte accounted for, and the devices that QEMU's own analyser finds."""
import json
import os
import re
import sys
import tempfile
import unittest

from captures import run_over_captures, unpacked
from streams import *

FOLDER = sys.argv.pop(1)


def analysed_devices(truth):
    """Section ids and names of what analyze-migration.py printed: keys such as "timer (0)"."""
    for name in ("analyze-state.json", "analyze-state.json.zst"):
        path = os.path.join(truth, name)
        if os.path.exists(path):
            with tempfile.TemporaryDirectory() as folder:
                with open(unpacked(path, folder)) as text:
                    keys = json.load(text)
            return {(int(m[2]), m[1]) for m in (re.fullmatch(r"(.*) \((\d+)\)", key) for key in keys) if m}
    return None


def started_with(truth):
    """The guest's memory in bytes and its number of processors, as they were asked for, if that is known."""
    path = os.path.join(truth, "meta.json")
    if not os.path.exists(path):
        return None
    with open(path) as text:
        words = json.load(text)["cmdline"].split()
    def value(option, otherwise):
        return int(words[words.index(option) + 1].split(",")[0]) if option in words else otherwise
    memory = value("-m", 0) << 20
    return memory, value("-smp", 1)


class Captures(unittest.TestCase):
    def check_capture(self, path, truth):
        with tempfile.TemporaryDirectory() as folder:
            plain = unpacked(path, folder)
            length = os.path.getsize(plain)
            listing = Run("sections", "--json", plain)
            info = Run("info", "--json", plain)
            text = Run("info", plain)
            verdict = Run("verify", "--json", plain)
            dump = Run("hexdump", "--json", plain)
        self.assertEqual((listing.status, listing.err), (0, b""))
        self.assertEqual((info.status, info.err), (0, b""))
        self.assertEqual((text.status, text.err), (0, b""))
        self.check_tiling(listing.json["sections"], length)
        self.assertEqual((verdict.status, verdict.json["ok"]), (0, True), verdict.err)
        self.assertEqual(verdict.json["described_devices"],
                         verdict.json["devices"] if verdict.json["vmdesc"] else 0)
        self.assertEqual(dump.status, 0, dump.err)
        self.check_naming(dump.json["bytes"], length)
        self.assertIs(info.json["stream"]["complete"], True)
        damage = [problem for problem in info.json["problems"] if not problem["known_flaw"]]
        self.assertEqual(damage, [])
        self.check_devices(listing.json["sections"], info.json, analysed_devices(truth))
        self.check_start(info.json, text.text, truth)

    def check_tiling(self, rows, length):
        position = 0
        for row in rows:
            self.assertEqual(row["offset"], position, row)
            self.assertNotEqual(row["type"], "unparsed")
            position += row["length"]
        self.assertEqual(position, length)

    def check_naming(self, stretches, length):
        position = 0
        for stretch in stretches:
            self.assertEqual(stretch["offset"], position, stretch)
            self.assertNotEqual(stretch["meaning"], "")
            self.assertNotIn(stretch["meaning"], ("not told", "between records"))
            position += stretch["length"]
        self.assertEqual(position, length)

    def check_start(self, info, text, truth):
        start = info["start"]
        if asked := started_with(truth):
            memory, cpus = asked
            # Of streams without block names the ROMs cannot be told from the memory.
            self.assertEqual(start["memory_bytes"], memory if info["ram"]["blocks"] else 0)
            self.assertEqual(start["cpus"], 0 if start["machine"] == "none" else cpus)
        self.assertIs(info["ram"]["present"], True)
        if info["clocks"]["rtc"]:
            self.assertTrue(info["clocks"]["rtc"].startswith("2026-11-2"), info["clocks"])
        if info["clocks"]["save_time"]:
            self.assertTrue(info["clocks"]["save_time"].startswith("2026-11-2"), info["clocks"])
        self.assertEqual([], [line for line in text.splitlines()[1:] if len(line) > 80 and "problem" not in line
                              and not line.startswith("  offset")])

    def check_devices(self, rows, info, analysed):
        fulls = [(row["section_id"], row["idstr"]) for row in rows if row["type"] == "full"]
        devices = [(device["section_id"], device["idstr"]) for device in info["devices"]]
        self.assertEqual(devices, fulls)
        if info["vmdesc"]:
            self.assertNotIn(None, [device["fields"] for device in info["devices"]])
        if analysed is None:
            return
        iterables = {(it["section_id"], it["idstr"]) for it in info["iterables"]}
        self.assertEqual(set(devices) | iterables, analysed)


if __name__ == "__main__":
    run_over_captures(Captures, FOLDER)
