# SPDX-License-Identifier: MIT
"""Containers as people and enemies have them: packed, damaged, huge, with the wrong thing in them."""
import gzip
import json
import subprocess
import sys
import time
import unittest

from containers import *
from streams import *
from support import ENVIRONMENT, MALFORMED, UNSUPPORTED, USAGE, ToolTest, stream as ram_stream

STREAM = small_stream()
SECONDS = 3  # far more than any of these needs, far less than the slow way took


class EdgeTest(ToolTest):
    def inspect(self, *arguments, status=0, stdin=b""):
        ran = self.run_tool("vmstream-inspect", *arguments, stdin=stdin)
        self.assert_status(status, ran)
        return ran

    def answer(self, *arguments, **more):
        return json.loads(self.inspect("--json", *arguments, **more).stdout)

    def check_quick(self, status, *arguments):
        begin = time.monotonic()
        ran = self.inspect(*arguments, status=status)
        self.assertLess(time.monotonic() - begin, SECONDS)
        return ran


class Vma(EdgeTest):
    def test_blocks_that_are_left_out_are_zeros(self):
        content = small_stream(device=bytes(200_000))
        packed = vma(content, disk=b"")
        self.assertLess(len(packed), len(vma(bytes([1]) * len(content), disk=b"")))
        name = self.write("backup.vma", packed)
        for subject, stdin in ((name, b""), ("-", packed)):
            self.assertTrue(self.answer("verify", subject, stdin=stdin)["ok"])
            got = self.inspect("extract", "stream", subject, "-o", "-", stdin=stdin).stdout
            self.assertEqual(content, got[:len(content)])
            self.assertFalse(any(got[len(content):]))
            self.assertEqual(0, len(got) % 65536)


class Packed(EdgeTest):
    def check_index(self, name, types, by_position):
        made = self.answer("index", name, "--force")
        self.assertEqual(by_position, made["by_position"])
        verified = self.answer("verify", name)
        self.assertTrue(verified["ok"], verified["problems"])
        self.assertEqual(types, [one["type"] for one in verified["containers"]])
        if by_position:
            answer = self.answer("sections", name)
            self.assertEqual("index", answer["source"])
            self.assertEqual(types, [one["type"] for one in answer["containers"]])
            self.inspect("extract", "ram", name, "--block", "pc.ram", "-o", "out", "--force")

    def test_an_index_of_a_packed_container_verifies_and_is_used(self):
        plain = ram_stream(256)
        archive = tar([("notes", b"hello"), ("guest", plain), ("other", b"x" * 100_000)])
        self.check_index(self.write("a.tar.gz", gzip.compress(archive)), ["gzip", "tar", "qevm"], True)
        self.check_index(self.write("b.gz", gzip.compress(libvirt(plain))), ["gzip", "libvirt", "qevm"], True)
        self.check_index(self.write("c.gz", gzip.compress(vma(plain))), ["gzip", "vma", "qevm"], False)
        twice = gzip.compress(tar([("guest.gz", gzip.compress(plain))]))
        self.check_index(self.write("d.tar.gz", twice), ["gzip", "tar", "gzip", "qevm"], False)
        zstd = subprocess.run(["zstd", "-qc"], input=archive, capture_output=True, check=True).stdout
        self.write("e.tar.zst", zstd)
        self.answer("index", "e.tar.zst")
        self.assertTrue(self.answer("verify", "e.tar.zst")["ok"])

    def test_damage_behind_the_stream_spoils_the_index(self):
        packed = bytearray(gzip.compress(tar([("guest", ram_stream(64)), ("other", b"x" * 100_000)])))
        packed[-6] ^= 1
        self.assert_fails(MALFORMED, self.run_tool("vmstream-inspect", "index", self.write("a.tar.gz", packed)),
                          "gzip member")

    def test_a_stream_behind_foreign_bytes_is_found_in_a_coding(self):
        content = b"\xee" * 4096 + ram_stream(256)
        name = self.write("guest.gz", gzip.compress(content))
        for subject, stdin in ((name, b""), ("-", self.read(name))):
            answer = self.answer("verify", subject, stdin=stdin)
            self.assertTrue(answer["ok"], answer["problems"])
            self.assertEqual(["gzip", "offset", "qevm"], [one["type"] for one in answer["containers"]])
        self.check_index(name, ["gzip", "offset", "qevm"], True)


class Qcow2(EdgeTest):
    # A header of version 2, cluster_bits 16, whose snapshot table is at 0x10000.
    def image(self, table, count=1):
        head = (b"QFI\xfb" + be32(2) + bytes(12) + be32(16) + be64(1 << 20) + be32(0) + bytes(24) + be32(count) +
                be64(65536))
        return head.ljust(65536, b"\0") + table.ljust(131072, b"\0")

    def entry(self, identity, name):
        entry = (be64(0x20000) + be32(1) + len(identity).to_bytes(2, "big") + len(name).to_bytes(2, "big") +
                 bytes(16) + be32(4096) + be32(0) + identity + name)
        return entry + bytes(-len(entry) % 8)

    def test_an_image_that_is_packed_is_not_supported(self):
        image = self.image(self.entry(b"1", b"snap"))
        for content in (gzip.compress(image), tar([("disk.qcow2", image)]),
                        gzip.compress(tar([("disk.qcow2", image)])), libvirt(image)):
            name = self.write("disk", content)
            for subject in (name, name + "#snap"):
                for command in ("info", "verify", "explain"):
                    ran = self.run_tool("vmstream-inspect", command, subject)
                    self.assert_fails(UNSUPPORTED, ran, "a qcow2 image")
                    self.assertIn(b"FILE#SNAPSHOT", ran.stderr)
        # A state file beside the image is what the archive was made for.
        both = self.write("both.tar", tar([("disk.qcow2", image), ("guest", STREAM)]))
        self.assertTrue(self.answer("verify", both)["ok"])

    def test_what_is_no_image_has_no_snapshots(self):
        self.assert_fails(USAGE, self.run_tool("vmstream-inspect", "info", self.write("plain", STREAM) + "#snap"),
                          "is no qcow2 image")
        cut = self.write("cut.gz", gzip.compress(STREAM * 20)[:40])
        self.assert_fails(MALFORMED, self.run_tool("vmstream-inspect", "info", cut + "#snap"), "gzip")

    def test_a_damaged_table_is_damage(self):
        for table in (bytes(40), self.entry(b"", b"snap"), self.entry(b"1", b"\0nap")):
            name = self.write("disk", self.image(table))
            ran = self.run_tool("vmstream-inspect", "device", name + "#snap", "timer")
            self.assert_fails(MALFORMED, ran, "snapshot")
            self.assertNotIn(b"did you mean", ran.stderr)

    def test_names_of_64_kib_make_no_long_message(self):
        long_name = b"\x1b" * 65535
        table = self.entry(b"1", long_name) + self.entry(b"2", b"")
        name = self.write("disk", self.image(table, 2))
        for subject in (name + "#other", name + "#1"):
            ran = self.run_tool("vmstream-inspect", "device", subject, "timer")
            self.assertNotEqual(0, ran.returncode)
            self.assertLess(len(ran.stderr), 4000)
            self.assertNotIn(b"\x1b", ran.stderr)
            self.assertNotIn(b"''?", ran.stderr)
        ran = self.run_tool("vmstream-inspect", "device", name, "timer")
        self.assert_fails(USAGE, ran, "2 snapshots hold a state")
        self.assertLess(len(ran.stderr), 4000)


class Bounded(EdgeTest):
    def test_many_empty_records_of_xen(self):
        memory = b"\xff" * 8 + b"XENF" + struct.pack(">IH", 3, 0) + bytes(6 + 16)
        empty = struct.pack("<2I", 9, 0) * 3_000_000
        record = struct.pack("<2I", 1, 0)
        content = b"LibxlFmt" + struct.pack(">2I", 2, 0) + record + memory + empty
        self.check_quick(MALFORMED, "info", self.write("xen", content))

    def test_an_xml_of_too_many_names(self):
        names = b" ".join(b"a%d=''" % number for number in range(1_000_000))
        tag = b"<domain " + names[:60_000].rpartition(b" ")[0] + b"/>"
        for xml, words in ((b"<domain " + names + b"/>", "a tag of more than 65536 bytes"),
                           (b"<d>" + b"<a b='c'/>" * 1_000_000 + b"</d>", "too many elements and attributes"),
                           (b"<d>" + tag * 150 + b"</d>", "too many elements and attributes")):
            name = self.write("guest.sav", libvirt(STREAM, xml=xml))
            ran = self.check_quick(MALFORMED, "--json", "info", name)
            self.assertIn(words, json.loads(ran.stdout)["problems"][0]["message"])
        # Quotes and comments may hold anything.
        long = b"<domain><!-- '" + b"x" * 100_000 + b"--><name>a</name><b c=\"'>\" d='>'/></domain>"
        self.assertEqual("a", self.answer("info", self.write("good.sav", libvirt(STREAM, xml=long)))
                         ["containers"][0]["domain_name"])


class Messages(EdgeTest):
    def test_a_size_of_tar_that_is_no_number(self):
        archive = bytearray(tar([("guest", STREAM)], tarfile.USTAR_FORMAT))
        archive[124:136] = b"99999999999\0"
        archive[148:156] = b" " * 8
        archive[148:156] = b"%06o\0 " % sum(archive[:512])
        self.assert_fails(MALFORMED, self.run_tool("vmstream-inspect", self.write("a.tar", archive)),
                          "offset 0x7c: the size of a tar member is '99999999999")

    def test_containers_are_named_where_nothing_is_known(self):
        ran = self.run_tool("vmstream-inspect", self.write("x", b"hello world" * 100))
        self.assert_fails(MALFORMED, ran, "or a container: libvirt save image, qcow2, tar, VMA, Xen")

    def test_the_xml_is_given_whatever_the_payload_is(self):
        name = self.write("guest.sav", libvirt(b"hello world" * 100))
        self.assert_fails(MALFORMED, self.run_tool("vmstream-inspect", "extract", "xml", name, "-o", "xml"),
                          "not a state file")
        self.assertEqual(XML, self.read("xml"))

    def test_sections_and_explain_tell_of_the_container(self):
        name = self.write("guest.sav", libvirt(STREAM, magic=b"LibvirtQemudPart"))
        sections = json.loads(self.inspect("--json", "sections", name, status=MALFORMED).stdout)
        self.assertIn("not finished", sections["problems"][-1]["message"])
        self.assertIn("not finished", self.answer("explain", name)["problems"][-1]["message"])
        self.assertIn(b"was not finished", self.inspect("explain", name).stdout)

    def test_outputs_that_cannot_be_written_are_named(self):
        name = self.write("guest", ram_stream(512))
        for arguments in (("stream",), ("section", "--section", "ram")):
            ran = self.run_tool("vmstream-inspect", "extract", *arguments, name, "-o", "/dev/full", "--force")
            self.assert_status(ENVIRONMENT, ran)
            self.assertIn(b"/dev/full: ", ran.stderr)

    def test_explain_knows_releases_and_capabilities(self):
        configuration = (b"\x07" + be32(2) + b"pc" + b"\x05" + counted("configuration/capabilities") + be32(1) +
                         be32(1) + counted("time-travel"))
        name = self.write("guest", STREAM.replace(CONFIGURATION, configuration))
        ran = self.inspect("explain", "--qemu", "7.2", name, status=MALFORMED)
        self.assertIn(b"does not know the capability 'time-travel'", ran.stdout)
        plain = self.write("plain", STREAM)
        self.inspect("explain", "--qemu", "7.2.1", plain)
        for release in ("7.2.x", "7.2.", "7.2.1.1", "7"):
            self.inspect("explain", "--qemu", release, plain, status=USAGE)
        for message, words in (("Unknown section type 4", "known to each QEMU"),
                               ("qemu: invalid parameter value:", "run state ''")):
            self.assertIn(words, " ".join(self.inspect("explain", plain, "--error", message).stdout.decode().split()))

    def test_an_index_goes_to_stdout(self):
        name = self.write("guest", ram_stream())
        ran = self.inspect("index", name, "-o", "-")
        self.assertFalse((self.folder / "-").exists())
        self.inspect("index", name)
        self.assertEqual(self.read(name + ".vmsx"), ran.stdout)

    def test_a_section_that_is_not_there_is_an_error_object(self):
        ran = self.run_tool("vmstream-inspect", "--json", "hexdump", "--section", "zz", self.write("guest", STREAM))
        self.assert_status(USAGE, ran)
        self.assertEqual("vmstream.error/1", json.loads(ran.stdout)["schema"])


if __name__ == "__main__":
    sys.exit(unittest.main())
