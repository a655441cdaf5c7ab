# SPDX-License-Identifier: MIT
"""What vmstream-inspect prints, and how it ends."""
import bz2
import gzip
import hashlib
import json
import os
import subprocess
import tempfile
import time
import unittest

from streams import *

RECORD_TYPES = {"header", "configuration", "start", "part", "end", "full", "command", "eof", "vmdesc",
                "trailing", "unparsed"}


class InspectTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, content, name="guest.qevm"):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def inspect(self, *args, content=None, status=0):
        """Runs on a file of `content`; checks the status."""
        run = Run(*args, self.file(content if content is not None else small_stream()))
        self.assertEqual(run.status, status, run.err)
        if status == 0:
            self.assertEqual(run.err, b"")
        return run

    def check_tiling(self, listing, length):
        position = 0
        for row in listing["sections"]:
            self.assertEqual(row["offset"], position, row)
            self.assertGreater(row["length"], 0, row)
            self.assertIn(row["type"], RECORD_TYPES)
            position += row["length"]
        self.assertEqual(position, length)


class Answers(InspectTest):
    def test_info_is_the_default_and_has_the_keys_of_its_schema(self):
        answer = self.inspect("--json").json
        self.assertEqual(answer, self.inspect("info", "--json").json)
        self.assertEqual(answer["schema"], "vmstream.info/1")
        self.assertEqual(answer["containers"], [{"type": "qevm"}])
        stream = answer["stream"]
        self.assertEqual(stream["version"], 3)
        self.assertEqual(stream["machine"], "pc-i440fx-7.2")
        self.assertIs(stream["complete"], True)
        self.assertEqual(stream["length"], len(small_stream()))
        self.assertEqual(stream["target_page_size"], PAGE)
        self.assertEqual(stream["configuration"]["machine"], "pc-i440fx-7.2")
        self.assertEqual(answer["ram"]["total"], 4 * PAGE)
        block = answer["ram"]["blocks"][0]
        self.assertEqual((block["name"], block["size"]), ("pc.ram", 4 * PAGE))
        self.assertEqual((block["pages"], block["data_pages"], block["zero_pages"]), (4, 2, 2))
        self.assertIs(answer["vmdesc"], True)
        self.assertEqual(answer["problems"], [])
        self.assertEqual(answer["qemu"]["at_least"], "7.2")
        self.assertEqual(answer["qemu"]["at_most"], "8.1")
        self.assertIn("machine type pc-i440fx-7.2 since 7.2", answer["qemu"]["because"])

    def test_devices_have_place_and_size(self):
        answer = self.inspect("devices", "--json").json
        self.assertEqual(answer["schema"], "vmstream.devices/1")
        content = small_stream()
        offset = content.index(b"\x04" + be32(3) + b"\x05timer")
        device = answer["devices"][0]
        self.assertEqual(len(answer["devices"]), 1)
        self.assertEqual(device["idstr"], "timer")
        self.assertEqual((device["instance_id"], device["version_id"], device["section_id"]), (0, 1, 3))
        self.assertEqual((device["offset"], device["length"]), (offset, 19 + 4 + 5))
        self.assertEqual((device["fields"], device["subsections"]), (1, 0))
        self.assertEqual(device["bounded_by"], "vmdesc")
        self.assertEqual(device, self.inspect("info", "--json").json["devices"][0])

    def test_sections_cover_every_byte(self):
        answer = self.inspect("sections", "--json").json
        self.assertEqual(answer["schema"], "vmstream.sections/1")
        self.check_tiling(answer, len(small_stream()))
        rows = answer["sections"]
        self.assertEqual([row["type"] for row in rows],
                         ["header", "configuration", "start", "part", "end", "full", "eof", "vmdesc"])
        part = rows[3]
        self.assertEqual((part["section_id"], part["idstr"], part["instance_id"], part["version_id"]),
                         (RAM_ID, "ram", 0, 4))
        self.assertIs(part["footer"], True)

    def test_the_digest_is_that_of_the_plain_stream(self):
        content = small_stream()
        run = self.inspect("--json", "--digest", content=gzip.compress(content))
        self.assertEqual(run.json["sha256"], hashlib.sha256(content).hexdigest())
        self.assertNotIn("sha256", self.inspect("--json").json)

    def test_the_way_in_makes_no_difference(self):
        content = small_stream(pages=64)
        zstd = subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout
        wrapped = {"gzip": gzip.compress(content), "bzip2": bz2.compress(content), "zstd": zstd}
        for command in ("info", "sections", "devices"):
            plain = self.inspect(command, "--json", content=content).json
            piped = Run(command, "--json", "-", stdin=content).json
            self.assertEqual(piped.pop("file"), "-")
            plain.pop("file")
            self.assertEqual(piped, plain)
            self.assertEqual(plain.pop("containers"), [{"type": "qevm"}])
            for coding, packed in wrapped.items():
                answer = self.inspect(command, "--json", content=packed).json
                answer.pop("file")
                self.assertEqual(answer.pop("containers"), [{"type": coding}, {"type": "qevm"}])
                self.assertEqual(answer, plain)

    def test_a_stream_behind_bytes_of_the_owner(self):
        content = small_stream(pages=64)
        containers = [{"type": "offset", "content_offset": 4096, "content_offset_hex": "0x1000"}, {"type": "qevm"}]
        behind = b"HEADER".ljust(4096, b".") + content
        for command in ("info", "sections", "devices", "ram"):
            plain = self.inspect(command, "--json", content=content).json
            found = self.inspect(command, "--json", content=behind).json
            piped = Run(command, "--json", "-", stdin=behind).json
            for answer in (plain, found, piped):
                answer.pop("file")
            self.assertEqual(piped, found)
            self.assertEqual(found.pop("containers"), containers)
            self.assertEqual(found, {key: plain[key] for key in found})
        self.assertIn("offset 0x1000 > qevm", self.inspect(content=behind).text)

    def test_a_large_plain_file_is_read_from_its_ends(self):
        content = small_stream(pages=36_000)  # every other one is 4096 bytes long
        quick = self.inspect("--json", content=content).json
        full = self.inspect("--json", "--full-scan", content=content).json
        self.assertIs(quick["stream"]["ram_read"], False)
        self.assertIs(full["stream"]["ram_read"], True)
        self.assertNotIn("pages", quick["ram"])
        self.assertEqual(full["ram"]["pages"], 36_000)
        for key in ("devices", "vmdesc", "qemu", "problems", "containers"):
            self.assertEqual(quick[key], full[key], key)
        self.assertIn("RAM not read", self.inspect(content=content).text)
        piped = Run("--json", "-", stdin=content).json
        self.assertEqual({**piped, "file": ""}, {**full, "file": ""})
        cut = self.inspect("--json", content=content[:-1], status=3).json
        self.assertIs(cut["stream"]["ram_read"], True)

    def test_a_stream_without_a_description_leaves_fields_unknown(self):
        content = small_stream()
        content = content[:content.index(vmdesc(described("timer", 4)))]
        device = self.inspect("devices", "--json", content=content).json["devices"][0]
        self.assertIsNone(device["fields"])
        self.assertEqual(device["bounded_by"], "footer")

    def test_thousands_of_empty_parts_are_all_listed(self):
        content = small_stream(parts=50_000)
        rows = self.inspect("sections", "--json", content=content).json["sections"]
        self.assertEqual(sum(row["type"] == "part" for row in rows), 50_000)
        text = self.inspect("sections", content=content).text
        self.assertIn("ram, 49999 empty parts", text)
        self.assertLess(len(text.splitlines()), 20)

    def test_trailing_bytes_are_named_and_no_fault(self):
        content = small_stream() + b"\0" * 700
        self.assertEqual(self.inspect("--json", content=content).json["stream"]["trailing_bytes"], 700)
        self.assertIn("700 bytes behind the end", self.inspect(content=content).text)
        answer = self.inspect("sections", "--json", content=content).json
        self.check_tiling(answer, len(content))
        self.assertEqual(answer["sections"][-1]["type"], "trailing")
        self.assertEqual(answer["length"], len(content) - 700)


class Start(InspectTest):
    """How the guest is started, and its clocks."""

    @staticmethod
    def guest(*devices, machine="pc-i440fx-7.2"):
        sections = b"".join(full(3 + i, idstr, version, body) for i, (idstr, version, body) in enumerate(devices))
        configuration = b"\x07" + be32(len(machine)) + machine.encode()
        return (HEADER + configuration + ram_start(4) + ram_part(zero_page(0)) + ram_end() + sections + EOF +
                vmdesc(*(described(idstr, len(body)) for idstr, _, body in devices)))

    def test_info_says_how_to_start_it(self):
        content = self.guest(("cpu", 1, b"\0"), ("mc146818rtc", 1, b"\0"), ("0000:00:03.0/virtio-net", 1, b"\0"), ("0000:00:04.0/novel", 1, b"\0"))
        start = self.inspect("--json", content=content).json["start"]
        self.assertEqual(start["arguments"], "-machine pc-i440fx-7.2 -m 16K -smp 1 -nodefaults")
        self.assertEqual((start["memory_bytes"], start["memory_bytes_hex"], start["cpus"]), (16384, "0x4000", 1))
        self.assertEqual(start["devices"], [
            {"name": "0000:00:03.0/virtio-net", "argument": "-device virtio-net-pci,addr=0x3"},
            {"name": "0000:00:04.0/novel", "argument": None}])
        text = self.inspect(content=content).text
        self.assertIn("start with   -machine pc-i440fx-7.2 -m 16K -smp 1 -nodefaults\n", text)
        self.assertIn("             -device virtio-net-pci,addr=0x3\n", text)
        self.assertIn("             and what makes 0000:00:04.0/novel\n", text)

    def test_clocks_are_dates(self):
        cmos = bytearray(128)
        for place, value in {0: 0x51, 2: 0x19, 4: 0x22, 7: 0x20, 8: 0x11, 9: 0x26, 11: 2, 0x32: 0x20}.items():
            cmos[place] = value
        rtc = bytes(cmos) + bytes(77) + be64(1795213191) + be64(1795213200_000000000) + bytes(24)
        content = self.guest(("timer", 2, bytes(16) + be64(3723_000000000)), ("mc146818rtc", 3, rtc),
                             ("kvmclock", 1, be64(60_000000001)))
        # The description that all of these streams share knows an older timer.
        clocks = self.inspect("--json", content=content, status=3).json["clocks"]
        self.assertEqual(clocks, {
            "save_time": "2026-11-20T22:20:00Z", "save_time_source": "rtc", "rtc": "2026-11-20T22:19:51",
            "kvmclock_ns": 60_000000001, "kvmclock_ns_hex": "0xdf8475801", "run_ns": 3723_000000000,
            "run_ns_hex": hex(3723_000000000)})
        text = self.inspect(content=content, status=3).text
        for line in ("saved        2026-11-20 22:20:00 UTC by the source's clock", "guest clock  2026-11-20 22:19:51 in its RTC",
                     "counted by kvmclock since 2026-11-20 22:18:51", "has run      1:02:03"):
            self.assertIn(line + "\n", text)

    def test_a_file_without_ram_is_said_to_have_none(self):
        content = HEADER + full(3, "timer", 1, b"\1\2\3\4") + EOF + vmdesc(described("timer", 4))
        self.assertIs(self.inspect("--json", content=content).json["ram"]["present"], False)
        self.assertIn("RAM: none in this file", self.inspect(content=content).text)
        self.assertIs(self.inspect("--json").json["ram"]["present"], True)


class BehindTheEnd(InspectTest):
    def test_four_gib_of_zeros_cost_small_questions_no_time(self):
        path = self.file(small_stream())
        length = os.path.getsize(path)
        os.truncate(path, length + (4 << 30))
        for words in (("info",), ("devices",), ("device", "timer"), ("vmdesc",), ("dump",), ("ram",)):
            begin = time.monotonic()
            run = Run(words[0], path, *words[1:])
            self.assertEqual(run.status, 0, run.err)
            self.assertLess(time.monotonic() - begin, 2, words)
        stream = Run("--json", path).json["stream"]
        self.assertEqual((stream["length"], stream["trailing_bytes"]), (length, 4 << 30))


class Text(InspectTest):
    def test_the_first_screen_answers(self):
        text = self.inspect().text
        head = "\n".join(text.splitlines()[:24])
        for wanted in ("yes, ", "pc-i440fx-7.2", "7.2 to 8.1", "pc.ram", "timer", "4096"):
            self.assertIn(wanted, head)

    def test_lines_fit_a_terminal(self):
        for command in ("info", "sections", "devices"):
            for line in self.inspect(command).text.replace(self.folder, "").splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_long_names_have_a_line_to_themselves(self):
        idstr = "0000:00:0b.0:00.0:00.0/xio3130-express-downstream-port"
        for command in ("info", "sections", "devices"):
            lines = self.inspect(command, content=small_stream(idstr=idstr)).text.replace(self.folder, "").splitlines()
            self.assertIn("    " + idstr, lines)
            self.assertEqual([], [line for line in lines if len(line) > 80])

    def test_names_cannot_reach_the_terminal(self):
        content = small_stream(idstr="\x1b[2Jtimer")
        for command, status in (("info", 3), ("sections", 0), ("devices", 3)):
            run = self.inspect(command, content=content, status=status)
            self.assertNotIn("\x1b", run.text + run.err.decode())
            self.assertIn("\\x1b[2Jtimer", run.text)
        answer = self.inspect("devices", "--json", content=content, status=3).json
        self.assertEqual(answer["devices"][0]["idstr"], "\\x1b[2Jtimer")

    def test_colour_is_for_terminals(self):
        self.assertNotIn("\x1b", self.inspect().text)
        self.assertIn("\x1b[1m", self.inspect("--color", "always").text)


class Damage(InspectTest):
    def test_a_cut_stream_gives_what_can_be_had(self):
        content = small_stream()
        heads = content.index(b"\x03" + be32(RAM_ID))  # from here on there are no pages
        for length in (*range(9, 120, 3), *range(120, heads, 977), *range(heads, len(content), 3)):
            path = self.file(content[:length])
            run = Run("sections", "--json", path)
            cut_behind_eof = content[length:] == vmdesc(described("timer", 4))
            if cut_behind_eof:  # a stream without a description is whole
                self.assertEqual(run.status, 0)
                continue
            self.assertEqual(run.status, 3, length)
            self.assertIn(b"offset 0x", run.err)
            self.check_tiling(run.json, length)
            self.assertIs(run.json["complete"], False)
            self.assertGreaterEqual(len(run.json["problems"]), 1)
            self.assertLessEqual(run.json["problems"][0]["offset"], length)

    def test_info_of_a_cut_stream_tells_what_was_read(self):
        content = small_stream()
        cut = content.index(b"\x03" + be32(RAM_ID))
        for command in ("info", "devices"):
            run = self.inspect(command, "--json", content=content[:cut], status=3)
            self.assertEqual(run.json["problems"][0]["offset"], cut)
        answer = self.inspect("--json", content=content[:cut], status=3).json
        self.assertIs(answer["stream"]["complete"], False)
        self.assertEqual(answer["stream"]["machine"], "pc-i440fx-7.2")
        self.assertEqual(answer["ram"]["pages"], 4)
        text = self.inspect(content=content[:cut], status=3).text
        self.assertIn("NO, ", text)
        self.assertIn("1 problem", text)

    def test_a_malformed_place_ends_the_parsing_but_not_the_account(self):
        content = bytearray(small_stream())
        place = content.index(ram_end())
        content[place] = 0x55
        run = self.inspect("sections", "--json", content=bytes(content), status=3)
        self.check_tiling(run.json, len(content))
        lost = [row for row in run.json["sections"] if row["type"] == "unparsed"]
        self.assertEqual([(row["offset"], row["length"]) for row in lost], [(place, 5)])  # up to the end mark
        self.assertIn("reading goes on", run.json["problems"][0]["message"])
        for command in ("info", "devices"):
            answer = self.inspect(command, "--json", content=bytes(content), status=3).json
            self.assertEqual(len(answer["devices"]), 1)
            self.assertEqual(answer["problems"][0]["offset"], place)

    def test_a_damaged_compressed_file_gives_the_blocks_before(self):
        packed = bytearray(gzip.compress(small_stream(pages=2048)))
        packed[-6] ^= 0xff  # in the checksum
        run = self.inspect("--json", content=bytes(packed), status=3)
        self.assertIs(run.json["stream"]["complete"], False)

    def test_a_later_version_is_told(self):
        content = b"QEVM" + be32(4) + small_stream()[8:]
        text = self.inspect(content=content, status=4).text
        self.assertIn("stream       version 4,", text)
        self.assertIn("QEMU         unknown\n", text)
        self.assertEqual(self.inspect("--json", content=content, status=4).json["stream"]["version"], 4)

    def test_what_is_no_state_file_is_refused_in_one_line(self):
        for content in (b"", b"#!/bin/sh\n", b"\x1f\x8b\x08", gzip.compress(b"hello")):
            run = self.inspect("--json", content=content, status=3)
            self.assertEqual(("vmstream.error/1", 3), (run.json["schema"], run.json["code"]))
            self.assertTrue(run.err.startswith(b"vmstream-inspect: "), run.err)
            self.assertEqual(b"", self.inspect(content=content, status=3).out)


class Manners(InspectTest):
    def test_wrong_usage(self):
        path = self.file(small_stream())
        for args in ((), ("info",), ("explode", path), ("info", path, path), ("--no-such", path), ("extract",), ("extract", "ram")):
            run = Run(*args)
            self.assertEqual(run.status, 2, args)
            self.assertEqual(run.out, b"")
            self.assertTrue(run.err.startswith(b"vmstream-inspect: "), run.err)

    def test_the_command_may_stand_behind_the_file(self):
        path = self.file(small_stream())
        for words in (("ram",), ("device", "timer"), ("hexdump", "--length", "8"), ("verify",)):
            behind = Run(path, *words, "--json")
            self.assertEqual((behind.status, behind.out), (0, Run(words[0], path, *words[1:], "--json").out))
        out = os.path.join(self.folder, "ram.img")
        self.assertEqual(Run(path, "extract", "ram", "-o", out).status, 0)
        self.assertEqual(os.path.getsize(out), 4 * PAGE)

    def test_options_that_a_command_does_not_know_are_refused(self):
        path = self.file(small_stream())
        out = os.path.join(self.folder, "out")
        for words, known in {("info", "--map"): "info does not know --map, which is of ram",
                             ("--block", "pc.ram"): "info does not know --block, which is of extract ram, extract block",
                             ("verify", "--section", "ram"): "which is of hexdump, extract section",
                             ("extract", "vmdesc", "-o", out, "--block", "x"): "extract vmdesc does not know --block",
                             ("explain", "-o", out): "which is of extract, index",
                             ("dump", "--json", "--format", "xml"): "exclude each other"}.items():
            run = Run(*words, path)
            self.assertEqual((run.status, run.out == b""), (2, "--json" not in words), words)
            self.assertIn(known, run.err.decode())
        self.assertFalse(os.path.exists(out))

    def test_what_may_have_been_meant_is_said(self):
        path = self.file(small_stream())
        for words, meant in {("verfy", path): "'verify'", (path, "devcies"): "'devices'", (path, "--digset"): "'--digest'",
                             ("extract", "rma", path): "'ram'", (path, "--tread=2"): "'--threads'"}.items():
            run = Run(*words)
            self.assertEqual(run.status, 2)
            self.assertIn(f"hint: did you mean {meant}", run.err.decode())

    def test_a_missing_file_is_the_environments_fault(self):
        run = Run(os.path.join(self.folder, "nowhere"))
        self.assertEqual(run.status, 1)
        self.assertIn(b"nowhere", run.err)

    def test_a_full_disk_is_noticed_and_a_reader_that_leaves_is_not(self):
        path = self.file(small_stream(parts=20_000))
        with open("/dev/full", "wb") as full_disk:
            for command in ("info", "sections"):
                done = subprocess.run([TOOL, command, path], stdout=full_disk, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"stdout", done.stderr)
        done = subprocess.run(["sh", "-c", '{ "$0" sections --json "$1"; echo $? >&2; } | head -1', TOOL, path],
                              capture_output=True)
        self.assertEqual(done.stderr, b"0\n")

    def test_progress_as_json_ends_with_done(self):
        for command in ("info", "sections"):
            run = Run(command, "--progress", "json", self.file(small_stream()))
            last = json.loads(run.err.splitlines()[-1])
            self.assertEqual((last["phase"], last["percent"]), ("done", 100))
            self.assertEqual(last["stream_bytes"], len(small_stream()))

    def test_memory_does_not_grow_with_the_stream(self):
        def peak(pages):
            path = self.file(small_stream(pages))
            child = subprocess.Popen([TOOL, "--full-scan", path], stdout=subprocess.DEVNULL)
            usage = os.wait4(child.pid, 0)[2]
            child.returncode = 0
            return usage.ru_maxrss  # KiB
        self.assertLess(peak(40_000) - peak(500), 16 * 1024)


if __name__ == "__main__":
    unittest.main()
