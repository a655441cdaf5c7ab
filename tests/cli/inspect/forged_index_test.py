# SPDX-License-Identifier: MIT
"""Indexes that lie: memory and sections taken out of a file are the stream's all the same, and verify
names the lie. The program forge_index writes them, in the trailer and beside the file."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import support
from support import be, counted
from streams import *

FORGE = os.environ["VMSTREAM_FORGE_INDEX"]
MAPPED = str(support.SOURCE / "tests/data/x86-pc-10.0-mapped.qevm.zst")
SKIPPED = 77
STRANGER = 4711
LIES = subprocess.run([FORGE, "list"], capture_output=True, check=True, text=True).stdout.split()
BLOCKS = {"pc.ram": 40, "vga": 8}


def page_record(index, content, name=None):
    flags, head = (8, counted(name)) if name else (0x28, b"")
    return be64(index * PAGE | flags) + head + content


def xbzrle_record(index, new):
    """The first bytes of the page become `new`."""
    body = b"\0" + bytes([len(new)]) + new
    return be64(index * PAGE | 0x60) + b"\1" + be(2, len(body)) + body


def live_stream():
    """Two blocks whose pages have the same offsets; every fourth is zero, some are sent again."""
    listed = b"".join(counted(name) + be64(pages * PAGE) for name, pages in BLOCKS.items())
    total = sum(BLOCKS.values()) * PAGE
    start = section(1, RAM_ID, "ram", 4, be64(total | 4) + listed + END_MARK)
    images, first = {}, b""
    for name, count in BLOCKS.items():
        images[name] = bytearray()
        for index in range(count):
            content = bytes([index + len(name)]) * PAGE
            if index % 4 == 3:
                first += be64(index * PAGE | 0x22) + b"\0"
                content = bytes(PAGE)
            else:
                first += page_record(index, content, None if index else name)
            images[name] += content
    again = b""
    for index in (0, 5, 9):
        content = bytes([0x80 + index]) * PAGE
        again += page_record(index, content, None if index else "pc.ram")
        images["pc.ram"][index * PAGE:(index + 1) * PAGE] = content
    again += xbzrle_record(10, b"delta")
    images["pc.ram"][10 * PAGE:10 * PAGE + 5] = b"delta"
    stream = (HEADER + CONFIGURATION + start + ram_part(first) + ram_part(again) + ram_end() +
              full(3, "timer", 1, b"\1\2\3\4") + EOF + vmdesc(described("timer", 4)))
    return stream, {name: bytes(image) for name, image in images.items()}


STREAM, IMAGES = live_stream()


class ForgedTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vmstream-forged-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.plain = self.path("stream")
        pathlib.Path(self.plain).write_bytes(STREAM)

    def path(self, name):
        return os.path.join(self.folder, name)

    def forge(self, lie, name, *more):
        """The path of the file, None where the stream gives no occasion."""
        done = subprocess.run([FORGE, lie, self.plain, self.path(name), *more], check=False)
        if done.returncode == SKIPPED:
            return None
        self.assertEqual(done.returncode, 0)
        return self.path(name)

    def files(self, lie):
        for name, more in (("guest.zst", []), ("guest.gz", []), ("plain", ["--sidecar"]),
                           ("beside.zst", ["--sidecar"]), ("beside.gz", ["--sidecar"])):
            yield self.forge(lie, name, *more)

    def assert_extracts_the_truth(self, file, behind=b""):
        image = self.path("image")
        for block, content in IMAGES.items():
            run = Run("extract", "ram", file, "--block", block, "-o", image, "--force")
            self.assertEqual((run.status, run.err), (0, b""))
            self.assertTrue(pathlib.Path(image).read_bytes() == content, block)
        for words, wanted in ((["section", file, "--section", "timer"],
                               full(3, "timer", 1, b"\1\2\3\4")),
                              (["stream", file], STREAM + behind)):
            run = Run("extract", *words, "-o", "-")
            self.assertEqual((run.status, run.out), (0, wanted))
        described_ = Run("extract", "vmdesc", file, "-o", "-")
        self.assertEqual(described_.out, Run("extract", "vmdesc", self.plain, "-o", "-").out)


class Lies(ForgedTest):
    def test_the_truth_is_no_lie(self):
        for file in self.files("none"):
            with self.subTest(file=os.path.basename(file)):
                self.assert_extracts_the_truth(file)
                run = Run("verify", "--json", file)
                self.assertEqual((run.status, run.json["problems"]), (0, []), run.err)

    def test_what_is_extracted_is_the_stream(self):
        for lie in LIES:
            for file in self.files(lie):
                with self.subTest(lie=lie, file=os.path.basename(file)):
                    self.assert_extracts_the_truth(file)

    def test_verify_names_the_lie(self):
        for lie in LIES:
            for file in self.files(lie):
                with self.subTest(lie=lie, file=os.path.basename(file)):
                    run = Run("verify", "--json", file)
                    self.assertEqual(run.status, 3)
                    self.assertFalse(run.json["ok"])
                    told = [problem["message"] for problem in run.json["problems"]]
                    self.assertTrue(told)
                    self.assertTrue(all(message.startswith("index: ") for message in told), told)
                    self.assertIn(b"index: ", run.err)

    def test_an_index_of_another_stream_of_the_same_length(self):
        other = self.path("other")
        pathlib.Path(other).write_bytes(STREAM.replace(be64(4 * PAGE | 0x28), be64(3 * PAGE | 0x28), 1)
                                        .replace(be64(3 * PAGE | 0x22), be64(4 * PAGE | 0x22), 1))
        for file in self.files("of=" + other):
            with self.subTest(file=os.path.basename(file)):
                self.assert_extracts_the_truth(file)
                run = Run("verify", "--json", file)
                self.assertEqual(run.status, 3)
                told = [problem["message"] for problem in run.json["problems"]]
                self.assertTrue(told and all(words.startswith("index: ") for words in told), told)

    def test_the_page_is_named(self):
        run = Run("verify", "--json", self.forge("drop-one", "guest.zst"))
        told = " ".join(problem["message"] for problem in run.json["problems"])
        self.assertRegex(told, r"page 0x[0-9a-f]+ of RAM block 'pc.ram' is at nowhere, "
                               r"in the stream at 0x[0-9a-f]+ \(data\)")

    def test_full_scans_do_not_listen_to_it(self):
        for question in ("info", "devices", "sections", "ram"):
            wanted = Run(question, "--full-scan", "--json", self.plain).json
            for lie in LIES:
                with self.subTest(lie=lie, question=question):
                    run = Run(question, "--full-scan", "--json", self.forge(lie, "plain", "--sidecar"))
                    answer = run.json
                    self.assertEqual(answer["source"], "stream")
                    for key in ("file", "capture"):
                        answer.pop(key, None)
                        wanted.pop(key, None)
                    self.assertEqual(answer, wanted)


class Absent(ForgedTest):
    """A page that an index leaves out is told of, not taken for zero."""

    def setUp(self):
        super().setUp()
        pathlib.Path(self.plain).write_bytes(small_stream(pages=40))  # one pass

    def test_questions_say_where_the_answer_comes_from(self):
        file = self.forge("none", "guest.zst")
        for question in ("sections", "ram"):
            self.assertEqual(Run(question, "--json", file).json["source"], "index")
            self.assertIn("by the file's index", Run(question, file).text)
            self.assertEqual(Run(question, "--json", "--full-scan", file).json["source"], "stream")
            self.assertNotIn("by the file's index", Run(question, "--full-scan", file).text)

    def test_a_page_left_out_is_absent(self):
        for file in self.files("drop-counted"):
            with self.subTest(file=os.path.basename(file)):
                answer = Run("ram", "--json", file).json
                self.assertEqual(answer["source"], "index")
                self.assertEqual(answer["blocks"][0]["absent_pages"], 1)
                answer = Run("ram", "--json", "--full-scan", file).json
                self.assertEqual(answer["blocks"][0]["absent_pages"], 0)

    def test_a_map_with_fewer_pages_than_records_gives_no_answer(self):
        for file in self.files("drop-one"):
            self.assertEqual(Run("ram", "--json", file).json["source"], "stream")

    def test_an_index_that_miscounts_is_told_of(self):
        file = self.forge("drop-uncounted", "guest.zst")
        run = Run("ram", "--json", file)
        self.assertEqual(run.json["source"], "stream")
        self.assertIn(b"it is read without its index: index: its page map has SHA-256", run.err)


    def test_an_extracted_block_counts_them(self):
        stream = small_stream(pages=40)
        gone = data_page(7, 0x40 + 7)
        self.assertIn(gone, stream)
        pathlib.Path(self.plain).write_bytes(stream.replace(gone, b""))
        for file in (self.plain, *self.files("none")):
            run = Run("extract", "ram", file, "--json", "-o", self.path("image"), "--force")
            self.assertEqual(run.status, 0)
            self.assertIn(b"1 pages of the block were never sent", run.err)
            answer = run.json
            self.assertEqual((answer["schema"], answer["source"]), ("vmstream.extract/1", "stream"))
            self.assertEqual((answer["part"], answer["block"]), ("ram", "pc.ram"))
            self.assertEqual((answer["bytes"], answer["absent_pages"]), (40 * PAGE, 1))
            self.assertEqual(Run("info", "--json", file).json["ram"]["blocks"][0]["absent_pages"], 1)


class Hidden(ForgedTest):
    """A stream behind another one, which only the index beside the file knows of."""

    def test_a_restore_gives_the_first(self):
        mapped = self.path("mapped")
        subprocess.run(["zstd", "-dqf", "--long=25", MAPPED, "-o", mapped], check=True)
        file = self.path("guest.gz")
        subprocess.run([FORGE, "behind=" + mapped, self.plain, file], check=True)
        restored = self.path("restored")
        run = subprocess.run([support.tool("vmrestore"), file, "-o", restored], capture_output=True,
                             check=True)
        self.assertTrue(pathlib.Path(restored).read_bytes() == STREAM)
        self.assertIn(b"behind the end of the stream were dropped", run.stderr)
        self.assert_extracts_the_truth(file, behind=pathlib.Path(mapped).read_bytes())
        self.assertEqual(Run("verify", file).status, 3)

    def test_a_packed_mapped_file_is_restored_as_ever(self):
        mapped = self.path("mapped")
        subprocess.run(["zstd", "-dqf", "--long=25", MAPPED, "-o", mapped], check=True)
        given = []
        for name in ("mapped", "packed.zst", "packed.gz"):
            if name != "mapped":
                subprocess.run([FORGE, "none", mapped, self.path(name)], check=True)
            subprocess.run([support.tool("vmrestore"), self.path(name), "-o", self.path("out"),
                            "--force"], check=True)
            given.append(pathlib.Path(self.path("out")).read_bytes())
        self.assertTrue(given[0] == given[1] == given[2])


class Owners(ForgedTest):
    """Who may have written the sidecar."""

    def setUp(self):
        super().setUp()
        self.file = self.forge("drop-all", "guest", "--sidecar")
        self.sidecar = self.file + ".vmsx"

    def assert_not_believed(self, reason):
        run = Run("sections", "--json", self.file)
        self.assertEqual((run.status, run.json["source"]), (0, "stream"))
        self.assertIn(b"is not believed: " + reason, run.err)
        verified = Run("verify", "--json", self.file)
        self.assertEqual((verified.status, verified.json["ok"], verified.json["problems"]), (0, True, []))
        self.assertIn(b"verified without its index: ", verified.err)
        self.assertIn(b"is not believed: " + reason, verified.err)
        self.assert_extracts_the_truth(self.file)

    def test_a_link(self):
        os.rename(self.sidecar, self.path("elsewhere"))
        os.symlink(self.path("elsewhere"), self.sidecar)
        self.assert_not_believed(b"it is a symbolic link")

    def test_one_that_all_may_write(self):
        os.chmod(self.sidecar, 0o666)
        self.assert_not_believed(b"its mode is 666")

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a file away")
    def test_one_of_somebody_else_in_a_folder_that_all_may_write(self):
        os.chmod(self.folder, 0o777)
        os.chown(self.sidecar, STRANGER, STRANGER)
        self.assert_not_believed(b"it belongs to user 4711")

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a file away")
    def test_one_of_the_owner_of_the_file(self):
        for path in (self.file, self.sidecar):
            os.chown(path, STRANGER, STRANGER)
        self.assertEqual(Run("sections", "--json", self.file).json["source"], "index")


if __name__ == "__main__":
    unittest.main()
