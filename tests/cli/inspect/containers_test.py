# SPDX-License-Identifier: MIT
"""Containers that do not pack: each command answers of the stream in them, on files and on pipes."""
import bz2
import gzip
import json
import lzma
import os
import stat
import subprocess
import sys
import unittest
from pathlib import Path

from containers import *
from streams import *
from support import MALFORMED, REFUSED, UNSUPPORTED, USAGE, ToolTest, stream as ram_stream

STREAM = small_stream()
UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"


class ContainerTest(ToolTest):
    def inspect(self, *arguments, status=0, stdin=b""):
        ran = self.run_tool("vmstream-inspect", *arguments, stdin=stdin)
        self.assert_status(status, ran)
        return ran

    def answer(self, *arguments, **more):
        return json.loads(self.inspect("--json", *arguments, **more).stdout)

    def check_reads(self, content, types, stream=STREAM):
        """Every way to read gives the stream."""
        name = self.write("file", content)
        for how in ({}, {"stdin": content}):
            subject = "-" if how else name
            answer = self.answer("verify", subject, **how)
            self.assertEqual(types + ["qevm"], [one["type"] for one in answer["containers"]])
            self.assertTrue(answer["ok"], answer["problems"])
            self.assertEqual(len(stream), answer["stream_bytes"])
            got = self.inspect("extract", "stream", subject, "-o", "-", **how).stdout
            self.assertEqual(stream, got[:len(stream)])
        return self.answer("info", name)


class Libvirt(ContainerTest):
    def test_every_coding_is_read(self):
        zstd = subprocess.run(["zstd", "-qc"], input=STREAM, capture_output=True, check=True).stdout
        for form, content, coding in ((RAW, STREAM, []), (GZIP, gzip.compress(STREAM), ["gzip"]),
                                      (BZIP2, bz2.compress(STREAM), ["bzip2"]),
                                      (XZ, lzma.compress(STREAM), ["xz"]), (ZSTD, zstd, ["zstd"])):
            for order in "<>":
                with self.subTest(form=form, order=order):
                    info = self.check_reads(libvirt(content, form, order=order), ["libvirt"] + coding)
                    facts = info["containers"][0]
                    self.assertEqual(("tiny", UUID, True, True, "qemu64"),
                                     (facts["domain_name"], facts["uuid"], facts["was_running"], facts["finished"],
                                      facts["cookie_cpu"]))
                    self.assertEqual(92 + len(XML) + 1 + len(COOKIE) + 1 + 65536, facts["content_offset"])

    def test_info_names_the_domain_and_keeps_its_password(self):
        name = self.write("guest.sav", libvirt(STREAM, running=0))
        text = self.inspect("info", name).stdout.decode()
        self.assertRegex(text, rf"(?m)^domain +tiny \({UUID}\)$")
        self.assertRegex(text, r"(?m)^libvirt +version 2, format raw, was paused, processor qemu64$")
        self.assertNotIn("s3cret", text + self.inspect("--json", "info", name).stdout.decode())

    def test_names_are_escaped(self):
        xml = XML.replace(b"tiny", "a\u009b31m".encode())
        text = self.inspect("info", self.write("guest.sav", libvirt(STREAM, xml=xml))).stdout
        self.assertNotIn("\u009b".encode(), text)

    def test_texts_are_extracted_for_their_owner_alone(self):
        name = self.write("guest.sav", libvirt(STREAM))
        for part, text in (("xml", XML), ("cookie", COOKIE)):
            os.umask(0)
            self.inspect("extract", part, name, "-o", part)
            self.assertEqual(text, self.read(part))
            self.assertEqual(0o600, stat.S_IMODE((self.folder / part).stat().st_mode))
            self.assertEqual(text, self.inspect("extract", part, "-", "-o", "-", stdin=self.read(name)).stdout)
        status, output = self.run_on_terminal(f"{TOOL} extract xml {name} -o -")
        self.assertEqual(REFUSED, status)
        self.assertNotIn("s3cret", output)
        self.inspect("extract", "xml", self.write("plain", STREAM), "-o", "none", status=USAGE)
        self.assertFalse((self.folder / "none").exists())

    def test_an_unfinished_image_is_decoded_with_status_3(self):
        name = self.write("guest.sav", libvirt(STREAM, magic=b"LibvirtQemudPart"))
        answer = self.answer("info", name, status=MALFORMED)
        self.assertFalse(answer["containers"][0]["finished"])
        self.assertIn("not finished", answer["problems"][0]["message"])
        self.assertEqual(len(STREAM), answer["stream"]["length"])
        self.assertFalse(self.answer("verify", name, status=MALFORMED)["ok"])
        for arguments in ((name,), (name, "-o", "out"), (name, "--verify-first")):
            ran = self.run_tool("vmrestore", *arguments)
            self.assert_fails(MALFORMED, ran, "was not finished")
            self.assertEqual(b"", ran.stdout)
        self.assertFalse((self.folder / "out").exists())
        cut = self.write("cut.sav", libvirt(STREAM[:-40], magic=b"LibvirtQemudPart"))
        self.assertFalse(self.answer("info", cut, status=MALFORMED)["stream"]["complete"])

    def test_a_format_that_the_stream_does_not_have_is_said(self):
        name = self.write("guest.sav", libvirt(STREAM, GZIP))
        answer = self.answer("verify", name, status=MALFORMED)
        self.assertIn("format 1 (gzip), the stream begins with 51 45 56 4d (raw)", answer["problems"][0]["message"])
        content = ram_stream()
        ran = self.run_tool("vmrestore", self.write("ram.sav", libvirt(content, GZIP)))
        self.assert_status(0, ran)
        self.assertIn(b"format 1 (gzip)", ran.stderr)
        self.assertEqual(content, ran.stdout)

    def test_headers_that_lie_are_refused(self):
        for content, status, words in (
                (libvirt(STREAM, said=100_000_000), MALFORMED, "100000000 bytes of XML"),
                (libvirt(STREAM, said=0), MALFORMED, "0 bytes of XML"),
                (libvirt(STREAM, said=10_000_000), MALFORMED, "10000000 bytes"),
                (libvirt(STREAM, 7), UNSUPPORTED, "of format 7"),
                (libvirt(STREAM, version=3), UNSUPPORTED, "of version 3"),
                (libvirt(STREAM, version=3, order=">"), UNSUPPORTED, "of version 3"),
                (libvirt(STREAM, version=0), MALFORMED, "of version 0, want 1 to 2"),
                (libvirt(STREAM)[:50], MALFORMED, "needs 92 bytes, 50 left"),
                (libvirt(b""), MALFORMED, "libvirt holds nothing"),
                (libvirt(b"hello world"), MALFORMED, "libvirt holds not a state file")):
            name = self.write("guest.sav", content)
            for subject, how in ((name, {}), ("-", {"stdin": content})):
                self.assert_fails(status, self.run_tool("vmstream-inspect", "info", subject, **how), words)
            self.assert_fails(status, self.run_tool("vmrestore", name), words)

    def test_bytes_behind_a_raw_stream_are_said(self):
        content = ram_stream()
        name = self.write("guest.sav", libvirt(content + b"old data" * 1000))
        self.assertEqual(8000, self.answer("verify", name)["trailing_bytes"])
        ran = self.run_tool("vmrestore", name)
        self.assert_status(0, ran)
        self.assertEqual(content, ran.stdout)
        self.assertIn(b"8000 bytes behind the end of the stream were dropped", ran.stderr)

    def test_damage_is_told_by_its_place_in_the_file(self):
        plain = ram_stream(256)
        packed = bytearray(subprocess.run(["zstd", "-qc"], input=plain, capture_output=True, check=True).stdout)
        packed[-1] ^= 1
        image = libvirt(bytes(packed), ZSTD)
        start = len(image) - len(packed)
        name = self.write("guest.sav", image)
        ran = self.run_tool("vmrestore", name, "-o", "out")
        self.assert_fails(MALFORMED, ran, f"file offset {start:#x}: zstd frame")
        self.write("alone.zst", bytes(packed))
        self.assert_fails(MALFORMED, self.run_tool("vmrestore", "alone.zst", "-o", "out"), "file offset 0x0: zstd frame")

    def test_an_index_makes_a_packed_image_readable_by_position(self):
        self.write("plain", ram_stream(256))
        self.assert_status(0, self.run_tool("vmdump", "--stdin", "-o", "own.gz", stdin=self.read("plain")))
        for content in (self.read("own.gz"), gzip.compress(self.read("plain"))):
            name = self.write("guest.sav", libvirt(content, GZIP))
            Path(self.folder / "guest.sav.vmsx").unlink(missing_ok=True)
            self.inspect("index", name)
            self.assertTrue(self.answer("verify", name)["ok"])
            answer = self.answer("sections", name)
            self.assertEqual("index", answer["source"])
        # The index is of the whole image: another header is another file.
        self.write("guest.sav", libvirt(content, GZIP, running=0))
        self.assertIn(b"not the one that it was made for", self.inspect("sections", "guest.sav").stderr)


class Others(ContainerTest):
    def test_xen_and_vma(self):
        self.check_reads(libxl(STREAM), ["libxl"])
        self.check_reads(xl(libxl(STREAM)), ["xl", "libxl"])
        info = self.check_reads(libvirt_xen(libxl(STREAM)), ["libvirt-xen", "libxl"])
        self.assertEqual("tiny", info["containers"][0]["domain_name"])
        self.check_reads(xen_record(STREAM), ["xen-record"])
        memory = b"DeviceModelRecord0002" * 1000
        self.check_reads(xl(memory + xen_record(STREAM), flags=1), ["xl"])
        big = ram_stream()
        self.check_reads(vma(big), ["vma"], big)

    def test_archives(self):
        members = [("notes.txt", b"hello" * 300), ("guest.qevm", STREAM), ("other", b"")]
        for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            info = self.check_reads(tar(members, form), ["tar"])
            self.assertEqual("guest.qevm", info["containers"][0]["member"])
        long_name = "folder/" * 30 + "guest"
        info = self.check_reads(tar([(long_name, STREAM)]), ["tar"])
        self.assertEqual(long_name, info["containers"][0]["member"])
        self.check_reads(gzip.compress(tar(members)), ["gzip", "tar"])
        self.check_reads(tar([("guest.gz", gzip.compress(STREAM))]), ["tar", "gzip"])
        self.check_reads(tar([("guest.sav", libvirt(STREAM))]), ["tar", "libvirt"])
        self.assert_fails(MALFORMED, self.run_tool("vmstream-inspect", self.write("none.tar", tar(members[:1]))),
                          "without a state file in it")

    def test_memory_dumps_are_named_with_what_reads_them(self):
        for start, kind in ((b"\x7fELF\2\1\1", "an ELF file"), (b"KDUMP   ", "a kdump file"),
                            (b"makedumpfile\0\0\0\0", "a kdump file, flattened"),
                            (b"PAGEDU64", "a Windows memory dump"), (b"EMiL\1\0\0\0", "a LiME memory image"),
                            (b"AVML\2\0\0\0", "an AVML memory image")):
            ran = self.run_tool("vmstream-inspect", self.write("image", start + bytes(5000)))
            self.assert_fails(MALFORMED, ran, f"({kind})")
            self.assertIn(b"\nhint: a guest's memory without its devices cannot be restored", ran.stderr)


class Mapped(ContainerTest):
    """Places of mapped-ram count from the front of QEMU's file."""

    def setUp(self):
        super().setUp()
        self.start = 67573
        content = b"\x2a" * PAGE
        name, length = b"pc.ram", 4 * PAGE
        head = b"QEVM" + be32(3) + b"\x07" + be32(2) + b"pc"
        head += b"\x05" + counted("configuration/capabilities") + be32(1) + be32(1) + counted("mapped-ram")
        head += b"\x01" + be32(2) + counted("ram") + be32(0) + be32(4) + be64(length | 4)
        head += bytes([len(name)]) + name + be64(length)
        self.head, self.length = head, length
        self.pages = content + bytes(3 * PAGE)

    def stream(self, base):
        bitmap = base + len(self.head) + 28
        pages = (bitmap + 8 + (1 << 20) - 1) & -(1 << 20)
        gap = bytes(pages - bitmap - 8)
        header = be32(1) + be64(PAGE) + be64(bitmap) + be64(pages)
        tail = END_MARK + footer(2) + b"\x03" + be32(2) + END_MARK + footer(2) + b"\x00"
        return self.head + header + (1).to_bytes(8, "little") + gap + self.pages + tail

    def image(self, stream):
        return libvirt(stream, SPARSE, room=self.start - 92 - len(XML) - len(COOKIE) - 2)

    def test_a_sparse_image_is_read_and_rebuilt(self):
        content = self.stream(self.start)
        name = self.write("guest.sav", self.image(content))
        answer = self.answer("verify", name)
        self.assertEqual(([], self.start), (answer["problems"], answer["containers"][0]["content_offset"]))
        self.inspect("extract", "ram", name, "--block", "pc.ram", "-o", "ram")
        self.assertEqual(self.pages, self.read("ram"))
        ran = self.run_tool("vmrestore", name)
        self.assert_status(0, ran)
        self.assertNotIn(b"mapped-ram", ran.stdout)
        self.assertIn(self.pages[:PAGE], ran.stdout)

    def test_bytes_behind_its_end_are_said(self):
        name = self.write("guest", self.stream(0) + b"old data" * 1000)
        self.assertEqual(8000, self.answer("verify", name)["trailing_bytes"])
        whole = self.run_tool("vmrestore", self.write("plain", self.stream(0)))
        ran = self.run_tool("vmrestore", name)
        self.assert_status(0, ran)
        self.assertEqual(whole.stdout, ran.stdout)
        self.assertIn(b"8000 bytes behind the end of the stream were dropped", ran.stderr)

    def test_places_of_another_file_are_a_problem(self):
        front = bytes([0xee]) * 4096
        for content in (front + self.stream(0), front + self.stream(4096)):
            self.assertEqual([], self.answer("verify", self.write("guest", content))["problems"])
        for content in (self.image(self.stream(0)), self.stream(self.start)):
            answer = self.answer("verify", self.write("guest", content), status=MALFORMED)
            self.assertRegex(answer["problems"][0]["message"], "its bitmap is said to be at .* of the file, it is at")
        self.assertEqual([], self.answer("verify", self.write("plain", self.stream(0)))["problems"])


if __name__ == "__main__":
    sys.exit(unittest.main())
