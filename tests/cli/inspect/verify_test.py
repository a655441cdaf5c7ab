# SPDX-License-Identifier: MIT
"""verify, hexdump and explain: damage found, bytes named, failures foretold."""
import bz2
import gzip
import hashlib
import os
import tempfile
import unittest

from streams import *

# The start of a save by a QEMU of the 0.12 series.
KNOWN_START = bytes.fromhex(
    "51 45 56 4d 00 00 00 03 01 00 00 00 01 05 62 6c 6f 63 6b 00 00 00 00 00 00 00 01 00 00 00 00 00"
    "00 00 02 01 00 00 00 03 03 72 61 6d 00 00 00 00 00 00 00 03 00 00 00 00 02 87 00 04 00 00 00 00"
    "00 00 00 08 01 00 00 00 53 ff 00 f0 c3 e2 00 f0 53 ff 00 f0 53 ff 00 f0 53 ff 00 f0")


class FileTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def inspect(self, *args, content=None, status=0):
        path = os.path.join(self.folder, "guest.qevm")
        with open(path, "wb") as out:
            out.write(content if content is not None else small_stream())
        run = Run(*args, path)
        self.assertEqual(run.status, status, run.err)
        return run


class Verify(FileTest):
    def damage(self, content):
        return self.inspect("verify", "--json", content=bytes(content), status=3).json

    def test_a_whole_file_is_said_to_be_whole(self):
        content = small_stream()
        answer = self.inspect("verify", "--json").json
        self.assertEqual(answer["schema"], "vmstream.verify/1")
        self.assertEqual((answer["ok"], answer["complete"], answer["problems"]), (True, True, []))
        self.assertEqual(answer["sha256"], hashlib.sha256(content).hexdigest())
        self.assertEqual(answer["stream_bytes"], len(content))
        self.assertEqual((answer["devices"], answer["described_devices"]), (1, 1))
        self.assertTrue(self.inspect("verify").text.startswith("whole and consistent\n"))
        self.assertEqual(Run("verify", "--json", "-", stdin=gzip.compress(content)).json["ok"], True)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def test_the_digest_of_the_file_is_that_of_its_bytes_on_disk(self):
        content = small_stream()
        for packed in (content, gzip.compress(content), bz2.compress(content), gzip.compress(content) + b"\0" * 700,
                       b"HEADER".ljust(4096, b".") + content):
            path = self.write("guest", packed)
            digest = hashlib.sha256(packed).hexdigest()
            for answer in (Run("verify", "--json", path).json, Run("verify", "--json", "-", stdin=packed).json):
                self.assertEqual((answer["file_sha256"], answer["sha256"]), (digest, hashlib.sha256(content).hexdigest()))
            self.assertEqual(digest in Run("verify", path).text, True)
        damaged = gzip.compress(content)[:-9] + b"\xff" * 500_000
        answer = Run("verify", "--json", self.write("guest", damaged)).json
        self.assertEqual(answer["file_sha256"], hashlib.sha256(damaged).hexdigest())

    def test_many_files_have_a_line_each_and_the_worst_status(self):
        whole = self.write("whole", small_stream())
        packed = self.write("packed", gzip.compress(small_stream()))
        cut = self.write("cut", small_stream()[:-40])
        missing = os.path.join(self.folder, "missing")
        run = Run("verify", whole, packed)
        self.assertEqual((run.status, run.text, run.err),
                         (0, f"{whole}: whole and consistent\n{packed}: whole and consistent\n", b""))
        run = Run("verify", whole, missing, cut, packed)
        self.assertEqual((run.status, [line.split(": ")[1].split()[0] for line in run.text.splitlines()]),
                         (3, ["whole", "NOT", "DAMAGED", "whole"]))
        self.assertEqual([line.split(": ")[1] for line in run.err.decode().splitlines() if not line.startswith("hint")],
                         [missing, cut])
        self.assertEqual(Run("verify", missing, whole).status, 1)
        run = Run("verify", "--json", whole, missing, cut)
        self.assertEqual((run.status, run.json["schema"], run.json["ok"]), (3, "vmstream.verify_files/1", False))
        first, second, third = run.json["files"]
        self.assertEqual({**first, "file": ""}, {**Run("verify", "--json", whole).json, "file": ""})
        self.assertEqual((second["file"], second["ok"]), (missing, False))
        self.assertIn("No such file", second["message"])
        self.assertEqual((third["file"], third["ok"], third["complete"]), (cut, False, False))
        self.assertIs(Run("verify", "--json", whole, packed).json["ok"], True)
        self.assertEqual(Run("verify", "-", whole, "-").status, 2)
        self.assertEqual(Run("verify", whole, "-", stdin=small_stream()).text.splitlines()[1], "stdin: whole and consistent")

    def test_trailing_bytes_are_named(self):
        answer = self.inspect("verify", "--json", content=small_stream() + b"\0" * 9).json
        self.assertEqual((answer["ok"], answer["trailing_bytes"]), (True, 9))
        self.assertIn("9 bytes behind the end", self.inspect("verify", content=small_stream() + b"\0" * 9).text)

    def test_pages_that_went_another_way_are_told_of(self):
        content = small_stream(pages=4).replace(zero_page(2), b"")
        answer = self.inspect("verify", "--json", content=content).json
        self.assertEqual((answer["ok"], answer["absent_pages"]), (True, 1))
        self.assertIn("1 page of RAM is not in this stream", self.inspect("verify", content=content).text)
        self.assertIn("1 page is not in the stream", self.inspect("info", "--full-scan", content=content).text)
        self.assertEqual(self.inspect("verify", "--json").json["absent_pages"], 0)

    def test_an_end_that_nothing_confirms_is_said_to_be_inferred(self):
        bare = HEADER + bytes([4]) + be32(3) + counted("timer") + be32(0) + be32(1) + b"\1\0\0\2" + EOF
        cut = bare[:bare.index(b"\1\0\0\2") + 2]  # its last byte passes for EOF
        for content, inferred in ((bare, True), (cut, True), (small_stream(), False)):
            answer = self.inspect("verify", "--json", content=content).json
            self.assertEqual((answer["ok"], answer["end_inferred"]), (True, inferred))
            info = self.inspect("info", "--json", content=content).json
            self.assertIs(info["stream"]["end_inferred"], inferred)
            for command in ("verify", "info"):
                text = self.inspect(command, content=content).text
                self.assertEqual("a cut file may look like this too" in text, inferred)

    def test_every_flipped_byte_of_the_framing_is_found(self):
        content = small_stream()
        tail = content.index(ram_end())
        frame = [*range(8, 13), *range(26, 91), *range(tail, tail + 5 + 8 + 5)]
        device = tail + len(ram_end())
        frame += [*range(device, device + 11), *range(device + 23, device + 28)]
        for place in frame:
            flipped = bytearray(content)
            flipped[place] ^= 0x81
            answer = self.damage(flipped)
            self.assertIs(answer["ok"], False, place)
            self.assertGreaterEqual(answer["problem_count"], 1)

    def test_what_is_lost_is_told_with_its_range(self):
        content = bytearray(small_stream(pages=16))
        page = content.index(data_page(7, 0x47))
        content[page + 7] = 0x55
        answer = self.damage(content)
        self.assertIs(answer["complete"], False)
        gap, = answer["gaps"]
        self.assertEqual((gap["from"], gap["to"]), (page, page + len(data_page(7, 0x47))))
        self.assertEqual(answer["problems"][0]["offset"], page)
        text = self.inspect("verify", content=bytes(content), status=3).text
        self.assertTrue(text.startswith("DAMAGED: not whole\n"), text)
        self.assertIn("reading goes on at", text)
        info = self.inspect("info", "--json", content=bytes(content), status=3).json
        self.assertEqual((info["ram"]["pages"], len(info["devices"])), (15, 1))

    def test_a_description_must_fit_in_both_directions(self):
        content = small_stream()
        bare = content[:content.index(vmdesc(described("timer", 4)))]
        missing = self.damage(bare + vmdesc(described("timer", 4), described("rtc", 2)))
        self.assertIn("'rtc' instance 0, which is not in the stream", missing["problems"][0]["message"])
        other = self.damage(bare + vmdesc(described("rtc", 4)))
        self.assertIn("vmdesc does not describe section 'timer' instance 0",
                      [problem["message"] for problem in other["problems"]])
        self.assertIs(other["complete"], True)
        longer = self.damage(bare + vmdesc(described("timer", 5)))
        self.assertIn("5 bytes", longer["problems"][0]["message"])

    def test_heads_of_subsections_are_held_against_the_description(self):
        head = b"\x05" + counted("timer/tick") + be32(1)
        entry = {**described("timer", 4), "subsections": [
            {"vmsd_name": "timer/tick", "version": 1,
             "fields": [{"name": "ticks", "type": "uint32", "size": 4}]}]}
        def stream(body):
            return HEADER + CONFIGURATION + ram_start(1) + ram_end() + full(3, "timer", 1, body) + EOF + vmdesc(entry)
        good = stream(b"abcd" + head + b"\0\0\0\7")
        self.assertIs(self.inspect("verify", "--json", content=good).json["ok"], True)
        bad = stream(b"abcd" + head.replace(b"tick", b"tock") + b"\0\0\0\7")
        problem = self.damage(bad)["problems"][0]
        self.assertIn("found the name 'timer/tock'", problem["message"])
        self.assertEqual(problem["offset"], bad.index(b"abcd") + 4)

    def test_a_damaged_block_of_a_compressed_file_says_what_is_lost(self):
        packed = bytearray(gzip.compress(small_stream(pages=2048), mtime=0))
        packed[-6] ^= 0xff  # in the checksum
        answer = self.damage(packed)
        self.assertIs(answer["complete"], False)
        self.assertIn("of the plain stream all from", answer["problems"][-1]["message"])


class Hexdump(FileTest):
    def test_the_known_start_is_named_to_its_last_byte(self):
        run = self.inspect("hexdump", content=KNOWN_START, status=3)
        rows = [(int(line[:10], 16), line[12:35].strip(), line[37:]) for line in run.text.splitlines()]
        self.assertEqual(rows, [
            (0x00, "51 45 56 4d", "magic: QEVM"),
            (0x04, "00 00 00 03", "stream version 3"),
            (0x08, "01", "section type: start"),
            (0x09, "00 00 00 01", "section id 1"),
            (0x0d, "05", "length of idstr"),
            (0x0e, "62 6c 6f 63 6b", "idstr 'block'"),
            (0x13, "00 00 00 00", "instance id 0"),
            (0x17, "00 00 00 01", "version id 1"),
            (0x1b, "00 00 00 00 00 00 00 02", "flags 0x02: eos"),
            (0x23, "01", "section type: start"),
            (0x24, "00 00 00 03", "section id 3"),
            (0x28, "03", "length of idstr"),
            (0x29, "72 61 6d", "idstr 'ram'"),
            (0x2c, "00 00 00 00", "instance id 0"),
            (0x30, "00 00 00 03", "version id 3"),
            (0x34, "00 00 00 00 02 87 00 04", "RAM 0x2870000 bytes, flags 0x4: mem-size"),
            (0x3c, "00 00 00 00 00 00 00 08", "page 0x0, flags 0x8: page"),
            (0x44, "01 00 00 00 53 ff 00 f0", "page 0x0 from here on: breaks off"),
            (0x4c, "c3 e2 00 f0 53 ff 00 f0", "|....S...|"),
            (0x54, "53 ff 00 f0 53 ff 00 f0", "|S...S...|"),
        ])
        self.assertIn(b"offset 0x3c: section 'ram' (id 3): a record needs 4104 bytes, 32 left", run.err)

    def test_bytes_are_those_of_the_file_and_cover_it(self):
        content = small_stream()
        for args in ((), ("-v",)):
            position = 0
            for stretch in self.inspect("hexdump", "--json", *args, content=content).json["bytes"]:
                shown = bytes.fromhex(stretch["bytes"])
                self.assertEqual(stretch["offset"], position)
                self.assertEqual(shown, content[position:position + len(shown)], stretch)
                position += stretch["length"]
                if args:
                    self.assertEqual(len(shown), stretch["length"])
            self.assertEqual(position, len(content))

    def test_fields_have_names(self):
        text = self.inspect("hexdump", "--section", "timer").text
        self.assertIn("01 02 03 04              state (buffer)", text)
        self.assertNotIn("magic", text)
        self.assertEqual(text, self.inspect("hexdump", "--section", "3").text)
        self.inspect("hexdump", "--section", "nowhere", status=2)

    def test_a_range_shows_each_byte_of_it(self):
        content = small_stream()
        page = content.index(data_page(1, 0x41))
        run = self.inspect("hexdump", "--json", "--offset", hex(page + 100), "--length", "32", content=content)
        shown = b"".join(bytes.fromhex(stretch["bytes"]) for stretch in run.json["bytes"])
        self.assertEqual(shown, content[page + 100:page + 132])
        self.assertEqual(run.json["bytes"][0]["offset"], page + 100)
        behind = self.inspect("hexdump", "--offset", hex(len(content)), status=2)
        self.assertIn(f"none from {len(content):#x} on".encode(), behind.err)

    def test_reading_ends_behind_a_range(self):
        content = small_stream()
        page = content.index(data_page(1, 0x41))
        args = ("hexdump", "--json", "--offset", str(page), "--length", "8")
        for rest in (b"", b"\xff" * 100000):  # nothing looks at what comes behind
            run = Run(*args, "-", stdin=content[:page + len(data_page(1, 0x41))] + rest)
            self.assertEqual(run.status, 0, run.err)
            self.assertEqual([stretch["meaning"] for stretch in run.json["bytes"]], ["page 0x1000, flags 0x8: page"])
            self.assertEqual((run.json["complete"], run.json["problems"]), (None, []))

    def test_a_row_of_pages_is_told_of_in_full(self):
        row = b"".join(be64(page * PAGE | 0x22) + b"\0" for page in range(1, 4096))
        content = HEADER + ram_start(4096) + ram_part(zero_page(0) + row) + ram_end() + EOF
        lines = self.inspect("hexdump", content=content).text.splitlines()
        at = next(number for number, line in enumerate(lines) if "more pages" in line)
        self.assertEqual(lines[at][37:], "4095 more pages, 0x1000 to 0xfff000: 0")
        self.assertEqual(lines[at + 1], " " * 37 + f"data, 4095 zero ({len(row)} bytes)")

    def test_lines_fit_and_names_are_escaped(self):
        text = self.inspect("hexdump", content=small_stream(pages=400, idstr="\x1b[2J" + "x" * 90)).text
        self.assertLessEqual(max(len(line) for line in text.splitlines()), 80)
        self.assertNotIn("\x1b", text)
        self.assertIn("\x1b[", self.inspect("hexdump", "--color", "always").text)

    def test_a_pipe_gives_the_same(self):
        content = small_stream(pages=300)
        self.assertEqual(Run("hexdump", "-", stdin=content).text, self.inspect("hexdump", content=content).text)


class Explain(FileTest):
    def message(self, text, content=None):
        answer = self.inspect("explain", "--json", "--error", text, content=content).json
        self.assertEqual(answer["schema"], "vmstream.explain/1")
        return answer["message"]

    def test_what_a_destination_needs(self):
        text = self.inspect("explain").text
        self.assertIn("Nothing in the stream stops a load", text)
        self.assertIn("-machine pc-i440fx-7.2", text)
        self.assertIn("pc.ram of 16384 bytes", text)
        self.assertLessEqual(max(len(line) for line in text.splitlines()), 80)

    def test_a_cut_stream_fails_where_it_is_cut(self):
        content = small_stream()
        cut = content.index(ram_end())
        answer = self.inspect("explain", "--json", content=content[:cut], status=3).json
        self.assertEqual((answer["advice"][0]["kind"], answer["advice"][0]["offset"]), ("fails", cut))
        self.assertIn("The stream is cut", answer["advice"][0]["text"])
        self.assertIn("A load fails.", self.inspect("explain", content=content[:cut], status=3).text)

    def test_what_an_older_release_does_not_know(self):
        command = b"\x08" + be(2, 11) + be(2, 0)
        content = small_stream().replace(ram_end(), command + ram_end())
        def fails(release, status=3):
            answer = self.inspect("explain", "--json", "--qemu", release, content=content, status=status).json
            self.assertEqual(answer["verdict"], "refused" if status else "loads")
            return [advice["text"] for advice in answer["advice"] if advice["kind"] == "fails"]
        self.assertEqual(fails("10.0", status=0), [])
        self.assertIn("SWITCHOVER_START", fails("7.2")[0])
        self.assertIn("pc-i440fx-7.2", fails("6.0")[0])
        self.inspect("explain", "--qemu", "new", status=2)

    def test_messages_point_into_the_file(self):
        content = small_stream()
        section = content.index(b"\x04" + be32(3) + b"\x05timer")
        body = content.index(b"\x01\x02\x03\x04", section)
        block = content.index(b"\x06pc.ram" + be64(4 * PAGE))
        for text, offset, wanted in (
                ("qemu: Unknown savevm section or instance 'timer' 0. Make sure", section, "begins here"),
                ("qemu: Missing section footer for timer", body + 4, "ends here"),
                ("error while loading state for instance 0x0 of device 'timer'", section, "01 02 03 04"),
                ("Length mismatch: pc.ram: 0x4000 in != 0x8000: Invalid argument", block, "-m"),
                ("Unknown ramblock \"pc.ram\", cannot accept migration", block, "no such block"),
                ("Machine type received is 'pc-i440fx-7.2' and local is 'pc-q35-7.2'", 8, "'pc-q35-7.2'"),
                ("savevm: unsupported version 1 for 'timer' v0", body - 4, "older than the source"),
                ("Failed to load timer:state", body, "field 'state'"),
                ("Expected vmdescription section, but got 0", content.index(EOF + b"\x06"), "another file"),
                ("error while loading state for instance 0x0 of device 'ram'",
                 content.index(ram_start(4)), "starts here"),
                ("load of migration failed: Invalid argument", None, "Invalid argument")):
            found = self.message(text, content)
            self.assertEqual(len(found), 1, text)
            self.assertEqual(found[0]["offset"], offset, text)
            self.assertIn(wanted, found[0]["text"], text)

    def test_what_is_not_there_or_not_known_is_said(self):
        self.assertIn("not in this stream", self.message("Missing section footer for rtc")[0]["text"])
        self.assertEqual(self.message("segmentation fault"), [])
        text = self.inspect("explain", "--error", "segmentation fault").text
        self.assertTrue(text.startswith("This message of QEMU is not known"), text)


if __name__ == "__main__":
    unittest.main()
