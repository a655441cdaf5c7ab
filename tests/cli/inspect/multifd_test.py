# SPDX-License-Identifier: MIT
"""verify of the parts of a multifd guest, on a real capture of QEMU 7.2: what is whole, and what is said of
parts that are missing, cut or of another guest."""
import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest

from support import MALFORMED, SOURCE, USAGE
from streams import Run

CAPTURE = SOURCE / "tests" / "data" / "multifd"
NAMES = ("chan1.bin", "chan2.bin", "qevm")
HEADER = 1344


def unpack(name):
    packed = CAPTURE / f"x86-pc-7.2-multifd.{name}.zst"
    return subprocess.run(["zstd", "-dcq", "--long=25", packed], check=True, capture_output=True).stdout


PARTS = {name: unpack(name) for name in NAMES}


class MultifdTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        for name, content in PARTS.items():
            self.write(name, content)

    def write(self, name, content):
        with open(os.path.join(self.folder, name), "wb") as out:
            out.write(content)

    def path(self, name):
        return os.path.join(self.folder, name)

    def verify(self, *names):
        return Run("verify", "--json", "--multifd", *[self.path(name) for name in names])

    def assert_told(self, run, *words, status=MALFORMED):
        """An answer that calls the guest damaged, and what is said of it."""
        self.assertEqual(run.status, status, run.err)
        self.assertIs(run.json["ok"], False)
        told = "\n".join(f"{problem['file']}: {problem['message']}" for problem in run.json["problems"])
        for word in words:
            self.assertIn(word, told)
        return run.json


class Pipes(MultifdTest):
    def test_a_part_that_can_be_read_once_is_refused(self):
        os.unlink(self.path("chan1.bin"))
        os.mkfifo(self.path("chan1.bin"))
        run = self.verify(*NAMES)  # nobody writes into it
        self.assertEqual(run.status, 2)
        self.assertIn(b"read twice", run.err)


class Whole(MultifdTest):
    def check(self, answer):
        self.assertEqual(answer["schema"], "vmstream.verify/1")
        self.assertEqual((answer["ok"], answer["complete"], answer["verdict"], answer["problems"]),
                         (True, True, "loads", []))
        self.assertEqual(answer["absent_pages"], 0)
        main, first, second = sorted(answer["parts"], key=lambda part: part.get("channel", -1))
        self.assertEqual((main["kind"], main["pages"], main["zero_pages"]), ("main", 0, 813))
        for part, pages, packets, name in ((first, 167, 8, "chan1.bin"), (second, 174, 5, "chan2.bin")):
            self.assertEqual((part["kind"], part["method"], part["pages"], part["packets"], part["syncs"]),
                             ("channel", "none", pages, packets, 3))
            self.assertEqual(part["sha256"], hashlib.sha256(PARTS[name]).hexdigest())
            self.assertEqual(part["plain_bytes"], len(PARTS[name]))

    def test_the_order_of_the_parts_does_not_matter(self):
        self.check(self.verify(*NAMES).json)
        self.check(self.verify(*reversed(NAMES)).json)

    def test_parts_may_be_compressed(self):
        run = Run("verify", "--json", CAPTURE)
        self.assertEqual(run.status, 0, run.err)
        self.check(run.json)
        self.assertEqual([part["containers"][0]["type"] for part in run.json["parts"]], ["zstd"] * 3)

    def test_a_folder_of_parts(self):
        for name in (".hidden", "of-another.vmsx"):
            self.write(name, b"nothing to read")
        for words in (("verify", "--json"), ("verify", "--json", "--multifd")):
            self.check(Run(*words, self.folder).json)
        run = Run("verify", self.folder)
        lines = run.text.splitlines()
        self.assertEqual((run.status, run.err, lines[0]), (0, b"", "whole and consistent"))
        self.assertEqual([line.split(": ")[0].strip() for line in lines[1:]],
                         [self.path(name) for name in ("qevm", "chan1.bin", "chan2.bin")])
        self.assertIn("channel 1, 719488 bytes, 5 packets, 174 pages, 0 zero pages", lines[3])


class NotWhole(MultifdTest):
    def test_a_channel_that_is_missing(self):
        answer = self.assert_told(self.verify("qevm", "chan1.bin"), "wanted 12", "lacks 128 of 1024 pages")
        self.assertEqual((answer["complete"], answer["verdict"]), (False, "depends"))
        self.assert_told(self.verify("qevm", "chan2.bin"), "channel 0 is missing, wanted all of 0 to 1")
        self.assert_told(self.verify("qevm"), "no page channel")

    def test_a_channel_that_is_there_twice(self):
        self.write("again", PARTS["chan1.bin"])
        self.assert_told(self.verify(*NAMES, "again"), f"{self.path('again')}: this is channel 0, which another")

    def test_numbers_and_room_by_what_qemu_does_with_them(self):
        for at, value, verdict in ((64 + HEADER + 31, 0, "loads"), (64 + HEADER + 24, 1, "loads"),
                                   (64 + HEADER + 15, 1, "refused")):
            with self.subTest(at):
                changed = bytearray(PARTS["chan2.bin"])
                changed[at] = value
                self.write("chan2.bin", changed)
                run = self.verify(*NAMES)
                self.assertEqual((run.status, run.json["ok"], run.json["verdict"]), (MALFORMED, False, verdict))

    def test_a_channel_that_is_cut(self):
        for length in (0, 7, 40, 64, 64 + 100, 64 + HEADER, 100_000, len(PARTS["chan1.bin"]) - 1,
                       len(PARTS["chan1.bin"]) - HEADER):
            with self.subTest(length):
                self.write("chan1.bin", PARTS["chan1.bin"][:length])
                run = self.verify(*NAMES)
                self.assertEqual(run.status, MALFORMED, run.err)
                self.assertIn(self.path("chan1.bin").encode(), run.err)

    def test_the_main_stream_is_cut(self):
        self.write("qevm", PARTS["qevm"][:-1000])
        answer = self.assert_told(self.verify(*NAMES), self.path("qevm"))
        self.assertEqual([part["ok"] for part in answer["parts"]], [False, True, True])

    def test_a_flipped_header(self):
        for at in (3, 8, 24, 30, 64 + 3, 64 + 11, 64 + HEADER + 11, 64 + HEADER + 19, 64 + HEADER + 31,
                   64 + HEADER + 64, 64 + HEADER + 320, 64 + HEADER + 326):
            with self.subTest(at):
                flipped = bytearray(PARTS["chan2.bin"])
                flipped[at] ^= 0x11
                self.write("chan2.bin", flipped)
                self.assertEqual(self.verify(*NAMES).status, MALFORMED)

    def test_a_flipped_page_is_not_told(self):
        flipped = bytearray(PARTS["chan2.bin"])
        flipped[64 + 2 * HEADER + 1000] ^= 0x11
        self.write("chan2.bin", flipped)
        self.assertIs(self.verify(*NAMES).json["ok"], True)

    def test_text_names_the_part_and_the_place(self):
        self.write("chan1.bin", PARTS["chan1.bin"][:100])
        run = Run("verify", self.folder)
        self.assertEqual((run.status, run.text.splitlines()[0]), (MALFORMED, "DAMAGED: not whole"))
        self.assertIn("QEMU refuses them", run.text)
        self.assertIn(f"{self.path('chan1.bin')}: offset 0x64: the channel ends within the header of a packet: "
                      "36 bytes, wanted 1344", run.text)


class NoGuest(MultifdTest):
    def refused(self, status, *args):
        run = Run(*args)
        self.assertEqual((run.status, run.out), (status, b""), run.err)
        return run.err.decode()

    def test_exactly_one_main_stream_is_wanted(self):
        channels = [self.path(name) for name in NAMES[:2]]
        self.assertIn("no main stream among 2 files", self.refused(MALFORMED, "verify", "--multifd", *channels))
        self.write("second", PARTS["qevm"])
        said = self.refused(USAGE, "verify", self.folder)
        self.assertIn("second: a main stream, as ", said)

    def test_a_folder_holds_nothing_else(self):
        os.mkdir(self.path("deeper"))
        self.assertIn("'deeper' in it is no file", self.refused(USAGE, "verify", self.folder))
        os.rmdir(self.path("deeper"))
        self.write("notes.txt", b"what this is about")
        self.assertIn("notes.txt: not a state file", self.refused(MALFORMED, "verify", self.folder))
        for name in (*NAMES, "notes.txt"):
            os.remove(self.path(name))
        self.assertIn("no file in it", self.refused(MALFORMED, "verify", self.folder))

    def test_a_folder_is_given_alone(self):
        for args in ((self.folder, self.folder), (self.path("qevm"), self.folder),
                     ("--multifd", self.folder, self.path("absent"))):
            said = self.refused(USAGE, "verify", *args)
            self.assertIn(f"{self.folder}: a folder is one guest, and must be given alone", said)
            self.assertIn("hint: verify each guest with a call of its own", said)

    def test_the_option_wants_files(self):
        self.assertIn("- is none", self.refused(USAGE, "verify", "--multifd", "-", self.path("qevm")))

    def test_a_channel_alone_is_told_how_to_be_read(self):
        self.assertIn("give both with --multifd", self.refused(4, "verify", self.path("chan1.bin")))


if __name__ == "__main__":
    unittest.main()
