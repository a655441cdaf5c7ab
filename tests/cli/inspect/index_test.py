# SPDX-License-Identifier: MIT
"""Indices: those that files carry, and those that lie beside them."""
import gzip
import os
import shutil
import subprocess
import tempfile
import unittest

import support
from streams import *

PAGES = 2048  # 8 MiB of RAM: several blocks, and points within a gzip member
STREAM = support.stream(pages=PAGES)


class IndexTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vmstream-index-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as out:
            out.write(content)
        return self.path(name)

    def make_index(self, file, *more):
        run = Run("index", "--json", file, *more)
        self.assertEqual(run.status, 0, run.err)
        return run.json


class Sidecars(IndexTest):
    def test_a_plain_file_gets_one_beside_it(self):
        file = self.write("guest", STREAM)
        made = self.make_index(file)
        self.assertEqual(made["schema"], "vmstream.index/1")
        self.assertEqual(made["index"], file + ".vmsx")
        self.assertEqual(os.path.getsize(file + ".vmsx"), made["index_bytes"])
        self.assertEqual(os.stat(file + ".vmsx").st_mode & 0o777, 0o600)
        self.assertEqual(made["plain_bytes"], len(STREAM))
        self.assertTrue(made["by_position"])
        self.assertGreater(made["records"], 3)

    def test_an_existing_one_is_kept(self):
        file = self.write("guest", STREAM)
        self.write("guest.vmsx", b"precious")
        self.assertEqual(Run("index", file).status, 5)
        self.make_index(file, "--force")

    def test_what_is_no_file_is_left_alone(self):
        file = self.write("guest", STREAM)
        self.write("victim", b"precious")
        for make in (lambda path: os.symlink(self.path("victim"), path), os.mkfifo):
            make(file + ".vmsx")
            for words in ([], ["--force"]):
                self.assertEqual(Run("index", file, *words).status, 5)
            os.unlink(file + ".vmsx")
        with open(self.path("victim"), "rb") as victim:
            self.assertEqual(victim.read(), b"precious")

    def test_a_foreign_gzip_file_can_be_read_by_position_with_it(self):
        file = self.write("guest.gz", gzip.compress(STREAM))
        self.assertTrue(self.make_index(file)["by_position"])

    def test_a_file_that_cannot_is_said_so(self):
        file = self.write("guest.gz.gz", gzip.compress(gzip.compress(STREAM)))
        self.assertFalse(self.make_index(file)["by_position"])
        self.assertIn("front to end only", Run("index", file, "--force").text)

    def test_a_damaged_file_gets_none(self):
        file = self.write("guest", STREAM[:-1])
        run = Run("index", file)
        self.assertEqual(run.status, 3)
        self.assertFalse(os.path.exists(file + ".vmsx"))

    def test_a_pipe_has_none(self):
        self.assertEqual(Run("index", "-", stdin=STREAM).status, 2)


class Answers(IndexTest):
    """The index answers as the stream does."""

    def save(self, name, stream, *options):
        subprocess.run([support.tool("vmdump"), "--stdin", "-o", self.path(name), *options],
                       input=stream, check=True)
        return self.path(name)

    def files(self, stream):
        """One stream, wherever its index lies."""
        yield self.save("guest.zst", stream)
        yield self.save("guest.gz", stream)
        plain = self.write("plain", stream)
        foreign = self.write("foreign.gz", gzip.compress(stream))
        for file in (plain, foreign):
            self.make_index(file)
            yield file

    def ask(self, *words):
        run = Run(*words)
        self.assertEqual((run.status, run.err), (0, b""))
        return run

    def answer(self, *words):
        answer = self.ask("--json", *words).json
        answer.pop("table_bytes", None)
        answer.pop("source", None)
        return answer

    def test_the_answers_are_those_of_a_scan(self):
        stream = support.stream(pages=32768)  # 128 MiB of RAM: worth not being read for info
        for file in self.files(stream):
            for question in ("info", "devices", "sections", "ram"):
                with self.subTest(file=os.path.basename(file), question=question):
                    scanned = self.answer(question, file, "--full-scan")
                    self.assertEqual(self.answer(question, file), scanned)

    def test_parts_are_those_of_a_scan(self):
        stream = small_stream(pages=40)
        device = str(stream.index(b"timer"))
        for file in self.files(stream):
            for words in (["hexdump", file, "--section", "ram"],
                          ["hexdump", file, "--offset", device, "--length", "20"]):
                with self.subTest(file=os.path.basename(file), words=words):
                    self.assertEqual(self.ask(*words).out, self.ask(*words, "--full-scan").out)
            timer = ["hexdump", file, "--section", "timer"]
            self.assertEqual(self.answer(*timer), self.answer(*timer, "--full-scan"))

    def test_parts_are_had_without_what_lies_elsewhere(self):
        for with_sidecar in (False, True):
            stream = bytearray(small_stream(pages=5000))  # an index knows the file by its ends
            plain = self.write("plain", stream)
            if with_sidecar:
                self.make_index(plain)
            middle = len(stream) // 2
            stream[middle:middle + 2 * PAGE] = b"\xff" * 2 * PAGE
            self.write("plain", stream)
            words = ["hexdump", plain, "--section", "timer"]
            with self.subTest(with_sidecar=with_sidecar):
                scanned = Run(*words, "--full-scan")
                self.assertEqual(scanned.status, 3)
                self.assertEqual(self.ask(*words).out, scanned.out)

    def test_info_tells_how_a_file_was_captured(self):
        saved = self.answer("info", self.save("guest.zst", STREAM))["capture"]
        self.assertEqual(saved["mode"], "stream")
        self.assertEqual(sorted(saved), ["mode", "vmstream_version"])
        for more in ([], ["--full-scan"]):  # which reads all the rest from the stream
            told = self.ask("info", *more, self.path("guest.zst")).text
            self.assertRegex(told, r"captured     mode stream, vmstream [\d.]+; by the index\n")
        self.assertNotIn("capture", self.answer("info", self.save("bare.zst", STREAM, "--no-index")))

    def test_what_is_extracted_is_read_from_the_stream(self):
        stream = bytearray(small_stream(pages=5000))
        plain = self.write("plain", stream)
        self.make_index(plain)
        middle = len(stream) // 2
        stream[middle:middle + 2 * PAGE] = b"\xff" * 2 * PAGE
        self.write("plain", stream)
        for words in (["extract", "section", plain, "--section", "timer", "-o", "-"],
                      ["extract", "vmdesc", plain, "-o", "-"]):
            run = Run(*words)
            self.assertEqual(run.status, 3)
            self.assertTrue(run.out)

    def test_a_small_block_is_extracted(self):
        blocks = [("pc.ram", 64), ("pc.bios", 4)]
        listed = b"".join(counted(name) + be64(pages * PAGE) for name, pages in blocks)
        start = section(1, RAM_ID, "ram", 4, be64(68 * PAGE | 4) + listed + END_MARK)
        pages = b""
        for name, count in blocks:
            for number in range(count):
                flags, head = (0x28, b"") if number else (8, counted(name))
                pages += be64(number * PAGE | flags) + head + bytes([number + len(name)]) * PAGE
        stream = (b"QEVM" + be32(3) + start + b"\x03" + be32(RAM_ID) + pages + END_MARK +
                  footer(RAM_ID) + b"\0")
        for file in self.files(stream):
            image = self.path("image")
            self.ask("extract", "ram", file, "--block", "pc.bios", "-o", image, "--force")
            with open(image, "rb") as content:
                self.assertEqual(content.read(), b"".join(bytes([n + 7]) * PAGE for n in range(4)))

    def test_verify_holds_the_index_against_the_stream(self):
        for file in self.files(STREAM):
            self.assertTrue(self.ask("verify", "--json", file).json["ok"])


class Wrong(IndexTest):
    """An index that is not to be believed is told of and not used."""

    def save(self, name, stream):
        subprocess.run([support.tool("vmdump"), "--stdin", "-o", self.path(name)], input=stream,
                       check=True)
        return self.path(name)

    def assert_read_without(self, file, words):
        run = Run("sections", "--json", file)
        self.assertEqual(run.status, 0, run.err)
        self.assertIn(words, run.err.decode())
        self.assertEqual(run.json["sections"], Run("sections", "--json", file,
                                                   "--full-scan").json["sections"])

    def assert_contradicts(self, file, words):
        """The file may have changed since."""
        run = Run("verify", "--json", file)
        self.assertEqual((run.status, run.json["ok"]), (3, False))
        problem, = run.json["problems"]
        self.assertIn(words, problem["message"])

    def test_a_sidecar_of_another_file(self):
        self.make_index(self.write("other", support.stream(pages=PAGES, seed=2)))
        file = self.write("guest", STREAM)
        os.rename(self.path("other.vmsx"), file + ".vmsx")
        self.assert_read_without(file, "not the one that it was made for")
        self.assert_contradicts(file, "not the one that it was made for")

    def test_a_sidecar_that_is_none(self):
        file = self.write("guest", STREAM)
        self.write("guest.vmsx", b"something else altogether, longer than an index's tail is at all")
        self.assert_read_without(file, "does not begin as one")
        self.assert_contradicts(file, "does not begin as one")

    def test_a_flipped_byte_anywhere_in_the_trailer(self):
        for name in ("guest.zst", "guest.gz"):
            file = self.save(name, support.stream(pages=16))
            bare = subprocess.run([support.tool("vmdump"), "--stdin", "-o", "-", "--no-index", "-c",
                                   "zstd" if name.endswith("zst") else "gzip"],
                                  input=support.stream(pages=16), capture_output=True, check=True)
            with open(file, "rb") as source:
                whole = source.read()
            self.assertEqual(whole[:len(bare.stdout)], bare.stdout)
            for place in support.thinned(range(len(bare.stdout), len(whole), 7)):
                with self.subTest(name=name, place=place):
                    damaged = self.write(name, whole[:place] + bytes([whole[place] ^ 4]) +
                                         whole[place + 1:])
                    listed = Run("sections", "--json", damaged)
                    self.assertEqual(listed.json["sections"],
                                     Run("sections", "--json", damaged, "--full-scan").json["sections"])
                    self.assertEqual(Run("verify", damaged).status, 3)


if __name__ == "__main__":
    unittest.main()
