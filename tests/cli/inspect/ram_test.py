# SPDX-License-Identifier: MIT
"""ram and extract, on described streams whose answers are known."""
import hashlib
import os
import random
import stat
import struct
import tempfile
import unittest
import zlib

from streams import *

KNOWN_PASSES = [133168, 6901, 2696, 2345, 1301, 1185, 574, 528, 455, 311, 284, 258, 211, 133, 39]

MIB = 1 << 20


def xbzrle(index, delta):
    return be64(index * PAGE | 0x40) + counted("pc.ram") + b"\x01" + be(2, len(delta)) + delta


def compressed(index, content):
    packed = zlib.compress(content)
    return be64(index * PAGE | 0x100) + counted("pc.ram") + be32(len(packed)) + packed


def fill_page(index, fill):
    return be64(index * PAGE | 2) + counted("pc.ram") + bytes([fill])


def ram_of(*slices, pages=8):
    """A stream whose RAM comes in these slices."""
    return (HEADER + CONFIGURATION + ram_start(pages) + b"".join(ram_part(body) for body in slices) +
            ram_end() + full(3, "timer", 1, b"\x01\x02\x03\x04") + EOF + vmdesc(described("timer", 4)))


class FileTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.out = os.path.join(self.folder, "out")

    def file(self, content, name="guest.qevm"):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def ram(self, content, *options):
        run = Run("ram", *options, self.file(content))
        self.assertEqual((run.status, run.err), (0, b""))
        return run

    def extract(self, part, content, *options, status=0):
        run = Run("extract", part, self.file(content), "-o", self.out, *options)
        self.assertEqual(run.status, status, run.err)
        self.assertEqual(os.path.exists(self.out), status == 0)
        if status != 0:
            return run
        with open(self.out, "rb") as out:
            return out.read()


class Passes(FileTest):
    def test_the_known_save_of_15_passes(self):
        pages = KNOWN_PASSES[0]
        dice = random.Random(15)
        passes = [range(pages)] + [sorted(dice.sample(range(pages), count)) for count in KNOWN_PASSES[1:]]
        # A pass begins where the offset goes back: it would not if it began behind the last page.
        for before, after in zip(passes, passes[1:]):
            self.assertLessEqual(after[0], before[-1])
        sent = [0] * pages
        for one in passes:
            for page in one:
                sent[page] += 1
        slices = []
        for one in passes:
            records = b"".join(struct.pack(">QB", page * PAGE | 0x22, 0) for page in one)
            slices.append(zero_page(one[0]) + records[9:])
        slices[0] = slices[0][:-9] + data_page(pages - 1, 7)
        usage = self.ram(ram_of(*slices, pages=pages), "--json").json
        self.assertEqual(usage["schema"], "vmstream.ram/1")
        self.assertEqual([one["pages"] for one in usage["passes"]], KNOWN_PASSES)
        self.assertEqual(usage["resends"],
                         [sent.count(times) for times in range(1, max(sent) + 1)])
        block = usage["blocks"][0]
        self.assertEqual((block["pages"], block["absent_pages"]), (sum(KNOWN_PASSES), 0))
        self.assertEqual(block["resent_pages"], sum(times > 1 for times in sent))
        self.assertLessEqual(usage["table_bytes"], 2 * (pages + 512))

    def test_a_pass_counts_the_bytes_of_its_records(self):
        usage = self.ram(ram_of(zero_page(0) + data_page(1, 5), data_page(1, 6)), "--json").json
        head = 8 + len(counted("pc.ram"))
        self.assertEqual([(one["pages"], one["bytes"]) for one in usage["passes"]],
                         [(2, head + 1 + head + PAGE), (1, head + PAGE)])

    def test_kinds_are_counted_block_by_block(self):
        content = ram_of(data_page(0, 1) + zero_page(1) + fill_page(2, 9) + compressed(3, bytes(PAGE)),
                         xbzrle(0, b"\x00\x01\xff"))
        block = self.ram(content, "--json").json["blocks"][0]
        self.assertEqual({key: block[key] for key in block if key.endswith("pages")},
                         {"pages": 5, "data_pages": 1, "zero_pages": 1, "fill_pages": 1, "xbzrle_pages": 1,
                          "compressed_pages": 1, "absent_pages": 4, "resent_pages": 1, "block_pages": 8})
        self.assertEqual((block["name"], block["size"]), ("pc.ram", 8 * PAGE))

    def test_pages_sent_out_of_turn_do_not_end_the_first_pass(self):
        order = [0, 1, 6, 2, 5, 3, 4, 7]  # as a background snapshot sends them
        usage = self.ram(ram_of(b"".join(data_page(page, 1) for page in order)), "--json").json
        self.assertEqual([one["pages"] for one in usage["passes"]], [8])

    def test_the_picture_shows_what_became_of_each_page(self):
        content = ram_of(data_page(0, 1) + zero_page(1) + fill_page(2, 9) + data_page(4, 1), data_page(4, 2))
        self.assertIn("|#.f +   |", self.ram(content, "--map").text)
        cells = self.ram(content, "--map", "--json").json["blocks"][0]["map"]
        self.assertEqual(cells, {"pages_per_cell": 1, "cells": "dzfaraaa"})

    def test_rows_that_are_alike_are_folded(self):
        text = self.ram(ram_of(data_page(0, 1), pages=1 << 20), "--map").text
        self.assertIn("x15", text)
        self.assertLess(len(text.splitlines()), 10)

    def test_text_fits_a_terminal_and_plots(self):
        content = ram_of(b"".join(data_page(i, 1) for i in range(100)), data_page(0, 2), pages=100)
        for options in ((), ("--passes",), ("--resends",), ("--map",)):
            for line in self.ram(content, *options).text.splitlines():
                self.assertLessEqual(len(line), 80, line)
        self.assertRegex(self.ram(content, "--passes").text, r"1    100 .* #{41}\n.* 2      1 .* #\n")
        self.assertRegex(self.ram(content, "--resends").text, r"1x     99 +#+\n +2x      1 +#\n")

    def test_a_cut_stream_gives_what_came_before(self):
        content = ram_of(data_page(0, 1) + data_page(1, 1))
        cut = content.index(data_page(1, 1)) + 100
        run = Run("ram", "--json", self.file(content[:cut]))
        self.assertEqual(run.status, 3)
        self.assertEqual(run.json["blocks"][0]["pages"], 1)
        self.assertEqual(len(run.json["problems"]), 1)


class Memory(FileTest):
    def test_the_last_word_on_a_page_counts(self):
        noise = random.Random(1).randbytes(PAGE)
        content = ram_of(data_page(0, 1) + data_page(1, 2) + zero_page(2) + fill_page(3, 0x55) +
                         compressed(4, noise) + data_page(5, 5),
                         zero_page(1) + data_page(2, 7) + xbzrle(4, b"\x03\x02\xaa\xbb") +
                         xbzrle(5, b"\x00\x01\xcc\xff\x1e\x01\xdd"))
        delta4 = noise[:3] + b"\xaa\xbb" + noise[5:]
        delta5 = b"\xcc" + b"\x05" * (0xf7f) + b"\xdd" + b"\x05" * (PAGE - 0xf81)
        image = (b"\x01" * PAGE + bytes(PAGE) + b"\x07" * PAGE + b"\x55" * PAGE + delta4 + delta5)
        run = self.extract("ram", content, "--block", "pc.ram")
        self.assertEqual(run, image + bytes(2 * PAGE))
        self.assertEqual(run, self.extract("ram", content, "--force"))

    def test_the_image_is_private_and_has_holes(self):
        pages = 4096
        content = ram_of(b"".join(zero_page(i) for i in range(pages - 1)) + data_page(pages - 1, 1), pages=pages)
        self.assertEqual(self.extract("ram", content), bytes((pages - 1) * PAGE) + b"\x01" * PAGE)
        status = os.stat(self.out)
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        self.assertLess(status.st_blocks * 512, 64 * PAGE)

    def test_a_page_that_became_zero_gives_its_room_back(self):
        pages = 1024
        content = ram_of(b"".join(data_page(i, 1) for i in range(pages)),
                         b"".join(zero_page(i) for i in range(pages)), pages=pages)
        self.assertEqual(self.extract("ram", content), bytes(pages * PAGE))
        self.assertLess(os.stat(self.out).st_blocks * 512, 64 * PAGE)

    def test_pages_never_sent_are_zero_and_said(self):
        run = Run("extract", "ram", self.file(ram_of(data_page(0, 1))), "-o", self.out)
        self.assertEqual(run.status, 0)
        self.assertIn(b"7 pages of the block were never sent", run.err)

    def test_an_existing_file_is_not_touched(self):
        self.file(b"precious", "out")
        run = Run("extract", "ram", self.file(ram_of(data_page(0, 1))), "-o", self.out)
        self.assertEqual(run.status, 5)
        with open(self.out, "rb") as out:
            self.assertEqual(out.read(), b"precious")

    def test_a_damaged_stream_leaves_no_image(self):
        content = ram_of(data_page(0, 1) + data_page(1, 2))
        self.extract("ram", content[:content.index(data_page(1, 2)) + 5], status=3)
        bad_delta = ram_of(data_page(0, 1), xbzrle(0, b"\xff\x7f\x01\x01"))
        self.assertIn(b"delta", self.extract("ram", bad_delta, status=3).err)
        bad_zlib = compressed(0, bytes(PAGE))[:-1] + b"\x00"
        self.assertIn(b"inflate", self.extract("ram", ram_of(bad_zlib), status=3).err)
        self.assertEqual(os.listdir(self.folder), ["guest.qevm"])

    def test_a_stream_that_breaks_behind_its_ram_gives_the_image_and_status_3(self):
        content = ram_of(b"".join(data_page(i, 1) for i in range(8)))
        path = self.file(content[:content.index(b"\x05timer")])
        run = Run("extract", "ram", path, "-o", self.out)
        self.assertEqual(run.status, 3)
        self.assertIn(b"is whole", run.err)
        self.assertEqual(os.path.getsize(self.out), 8 * PAGE)

    def test_names_choose_and_never_become_paths(self):
        content = ram_of(b"").replace(counted("pc.ram"), counted("../../x"))
        self.assertIn(b"'pc.ram'", self.extract("ram", content, "--block", "pc.ram", status=2).err)
        self.assertIn(b"../../x", self.extract("ram", content, "--block", "pc.ram", status=2).err)

    def test_wrong_usage(self):
        path = self.file(ram_of(data_page(0, 1)))
        for args in (("extract", path), ("extract", "ram", path), ("extract", "nonsense", path, "-o", self.out),
                     ("extract", "ram", path, "-o", "-"), ("extract", "section", path, "-o", self.out),
                     ("extract", "block", path, "-o", self.out)):
            run = Run(*args)
            self.assertEqual((run.status, run.out), (2, b""), args)
            self.assertFalse(os.path.exists(self.out))


class Disks(FileTest):
    @staticmethod
    def chunk(device, number, content):
        flags = 1 if content else 9
        return be64(number * MIB | flags) + counted(device) + content

    def disks(self):
        body = (self.chunk("d0", 0, b"\x01" * MIB) + self.chunk("d1", 0, b"\x02" * MIB) +
                self.chunk("d0", 2, b"\x03" * MIB) + self.chunk("d0", 0, b"") + be64(50 << 9 | 4))
        block = (section(1, 1, "block", 1, be64(2)) + b"\x02" + be32(1) + body + be64(2) + footer(1) +
                 b"\x03" + be32(1) + self.chunk("d0", 1, b"\x04" * MIB) + be64(2) + footer(1))
        return HEADER + CONFIGURATION + block + EOF

    def test_a_disk_is_put_together_from_its_chunks(self):
        image = self.extract("block", self.disks(), "--block", "d0")
        self.assertEqual(image, bytes(MIB) + b"\x04" * MIB + b"\x03" * MIB)
        self.assertEqual(self.extract("block", self.disks(), "--block", "d1", "--force"), b"\x02" * MIB)

    def test_the_disk_must_be_clear(self):
        self.assertIn(b"d0, d1", self.extract("block", self.disks(), status=2).err)
        self.assertIn(b"'d2'", self.extract("block", self.disks(), "--block", "d2", status=2).err)
        self.extract("block", self.disks()[:-100_000], "--block", "d0", status=3)


class Parts(FileTest):
    def test_sections_are_the_streams_own_bytes(self):
        timer = full(3, "timer", 1, b"\x01\x02\x03\x04")
        content = small_stream()
        for choice in ("timer", "timer#0", "3"):
            self.assertEqual(self.extract("section", content, "--section", choice, "--force"), timer)
        ram = content[content.index(b"\x01" + be32(RAM_ID)):content.index(timer)]
        self.assertEqual(self.extract("section", content, "--section", "ram", "--force"), ram)
        run = Run("extract", "section", self.file(content), "--section", "timer", "-o", "-")
        self.assertEqual((run.status, run.out), (0, timer))

    def test_json_tells_bytes_and_digest_of_what_was_written(self):
        content = small_stream()
        for part, options in (("ram", ()), ("stream", ()), ("vmdesc", ()), ("section", ("--section", "timer"))):
            out = os.path.join(self.folder, part)
            answer = Run("extract", part, self.file(content), "-o", out, "--json", *options).json
            with open(out, "rb") as written:
                written = written.read()
            self.assertEqual((answer["part"], answer["output"], answer["bytes"], answer["sha256"]),
                             (part, out, len(written), hashlib.sha256(written).hexdigest()))

    def test_several_instances_want_a_choice(self):
        content = HEADER + full(0, "x", 1, b"a") + full(1, "x", 1, b"b", instance=1) + EOF
        self.assertIn(b"several", self.extract("section", content, "--section", "x", status=2).err)
        self.assertEqual(self.extract("section", content, "--section", "x#1"), full(1, "x", 1, b"b", instance=1))

    def test_what_is_not_there_is_said(self):
        content = HEADER + full(0, "x", 1, b"a") + EOF
        self.assertIn(b"'y'", self.extract("section", content, "--section", "y", status=2).err)
        self.assertIn(b"vmdesc", self.extract("vmdesc", content, status=2).err)

    def test_description_and_stream(self):
        content = small_stream()
        self.assertEqual(self.extract("vmdesc", content), vmdesc(described("timer", 4))[5:])
        self.assertEqual(self.extract("stream", content, "--force"), content)
        os.remove(self.out)
        self.extract("stream", content[:-1], status=3)
        piped = Run("extract", "stream", "-", "-o", "-", stdin=zlib.compress(content, wbits=31))
        self.assertEqual((piped.status, piped.out), (0, content))


if __name__ == "__main__":
    unittest.main()
