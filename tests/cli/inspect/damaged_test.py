# SPDX-License-Identifier: MIT
"""Small streams that went wrong: what verify, explain and info make of each, in one voice."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

from streams import Run, tool

DATA = sys.argv.pop(1)

# Name: status of verify, verdict, sections that are read, a part of what is told ("" for nothing wrong).
WANTED = {
    "arm-netduino2-7.2": (0, "loads", 21, ""),
    "chance-footer-1in256": (0, "depends", 43, ""),
    "chance-footer-cut": (3, "loads", 33, "vmdesc needs 98918 bytes, 97918 left"),
    "command-7f-171": (3, "refused", 33, "command 0x7f is not known"),
    "config-twice": (3, "refused", 33, "a configuration record is out of place here; 19 bytes"),
    "cpu-and-ram-only": (0, "loads", 5, ""),
    "cutdesc": (3, "loads", 33, "vmdesc needs 98918 bytes, 31398 left"),
    "dup-section-same-id": (3, "loads", 34, "'cpu' instance 0 has the id 4 of another one"),
    "eof-early": (3, "loads", 33, "the end mark stands here, but the stream goes on at 0x19d61"),
    "flip-23-208-2": (3, "refused", 33, "page 0x400 does not begin at a multiple of 4096 bytes"),
    "footer-extra-bytes": (3, "refused", 33, "the section does not end there"),
    "mapped-pagesize-8192": (3, "loads", 33, "pages of 8192 bytes, others have 4096"),
    "missing-ram-end": (3, "loads", 32, "section 'ram' (id 1) has no END"),
    "pbsbad": (3, "refused", 34, "section 'pbs-state' (id 80)"),
    "ram-block-length-0": (3, "refused", 32, "are left of the total"),
    "ram-compress-bomb": (3, "refused", 33, "compressed page 0x10000 does not unpack to 4096 bytes"),
    "ram-xbzrle-overrun": (3, "refused", 33, "the delta of page 0x10000 cannot be applied"),
    "section-data-short": (3, "refused", 33, "the section does not end there"),
    "version-4": (4, "refused", 0, "stream version is 4, wanted 1 to 3"),
}
EXPLAIN_STATUS = {"loads": 0, "depends": 0, "refused": 3}


def path_of(name):
    for folder in ("damaged", "refused", "."):
        for ending in (".qevm.zst", ".bin.zst"):
            path = os.path.join(DATA, folder, name + ending)
            if os.path.exists(path):
                return path
    raise FileNotFoundError(name)


def plain(name):
    return subprocess.run(["zstd", "-qdc", "--long=25", path_of(name)], stdout=subprocess.PIPE, check=True).stdout


class Damaged(unittest.TestCase):
    def test_each_is_told_as_it_is(self):
        for name, (status, verdict, sections, told) in WANTED.items():
            with self.subTest(name):
                verified = Run("verify", "--json", path_of(name))
                self.assertEqual(verified.status, status, verified.err)
                self.assertEqual((verified.json["verdict"], verified.json["sections"]), (verdict, sections))
                messages = [problem["message"] for problem in verified.json["problems"]]
                self.assertEqual(any(told in message for message in messages), told != "", messages)

    def test_info_explain_and_dump_say_what_verify_says(self):
        for name, (status, verdict, _, _) in WANTED.items():
            with self.subTest(name):
                verified = Run("verify", "--json", path_of(name)).json
                info = Run("info", "--json", path_of(name))
                explained = Run("explain", "--json", path_of(name))
                dumped = Run("dump", "--full-scan", path_of(name))  # not of the ends alone
                answers = (verified, info.json, explained.json, dumped.json)
                self.assertEqual({answer["verdict"] for answer in answers}, {verdict})
                self.assertEqual(info.json["problems"], verified["problems"])
                self.assertEqual(explained.json["problems"], verified["problems"])
                self.assertEqual(info.status, status)
                self.assertEqual(explained.status, 4 if status == 4 else EXPLAIN_STATUS[verdict])

    def test_a_restore_takes_none_that_is_damaged(self):
        for name, (status, _, _, told) in WANTED.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                command = [tool("vmrestore"), "--verify-first", path_of(name), "-o", folder + "/plain"]
                ran = subprocess.run(command, capture_output=True, check=False)
                self.assertEqual(ran.returncode, status, ran.stderr)
                hinted = b"--accept-damaged-description" in ran.stderr
                self.assertEqual(hinted, told.startswith("vmdesc needs"), ran.stderr)
                accepted = subprocess.run([*command, "--accept-damaged-description"], capture_output=True, check=False)
                if status and hinted:
                    self.assertEqual(0, accepted.returncode, accepted.stderr)
                    self.assertEqual(0, Run("verify", folder + "/plain").status)
                elif status:
                    self.assertEqual(status, accepted.returncode, accepted.stderr)

    def test_every_byte_is_accounted_for(self):
        for name in WANTED:
            with self.subTest(name), tempfile.NamedTemporaryFile() as file:
                content = plain(name)
                file.write(content)
                file.flush()
                position = 0
                for row in Run("sections", "--json", file.name).json["sections"]:
                    self.assertEqual(row["offset"], position)
                    position += row["length"]
                self.assertEqual(position, len(content))


class Ends(unittest.TestCase):
    def test_zeros_behind_a_stream_without_a_description_are_no_damage(self):
        content = plain("x86-pc-10.0-noconf-nofooter-novmdesc")
        for footers in (b"", plain("chance-footer-1in256")):
            for zeros in (1, 2, 5, 512):
                with self.subTest(zeros=zeros, footers=bool(footers)), tempfile.NamedTemporaryFile() as file:
                    file.write((footers or content) + bytes(zeros))
                    file.flush()
                    run = Run("verify", "--json", file.name)
                    self.assertEqual((run.status, run.json["ok"]), (0, True), run.err)


class Footers(unittest.TestCase):
    """Whether a stream has footers, no single section decides."""

    def setUp(self):
        self.content = bytearray(plain("x86-pc-7.2-min-m4"))

    def verify(self, status):
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.content)
            file.flush()
            run = Run("verify", "--json", file.name)
        self.assertEqual(run.status, status, run.err)
        return run.json

    def test_one_bad_bit_of_the_first_one_costs_its_five_bytes(self):
        whole = self.verify(0)
        first = self.content.index(b"\x7e\0\0\0")
        for bit in range(40):
            self.content[first + bit // 8] ^= 1 << bit % 8
            found = self.verify(3)
            self.assertEqual(found["verdict"], "refused")
            self.assertEqual((found["devices"], found["described_devices"]),
                             (whole["devices"], whole["described_devices"]))
            self.assertEqual((found["sections"], found["lost_bytes"]), (whole["sections"] - 1, 5))
            self.content[first + bit // 8] ^= 1 << bit % 8

    def test_a_type_that_has_become_an_end_mark_does_not_end_the_stream(self):
        rows = None
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.content)
            file.flush()
            rows = Run("sections", "--json", file.name).json["sections"]
        for row in rows:
            if row["type"] not in ("full", "start", "part", "end"):
                continue
            old, self.content[row["offset"]] = self.content[row["offset"]], 0
            found = self.verify(3)
            self.assertEqual(found["verdict"], "loads", row)  # QEMU stops there, and is content
            self.assertIn("the end mark stands here", json.dumps(found["problems"]), row)
            self.content[row["offset"]] = old


if __name__ == "__main__":
    unittest.main()
