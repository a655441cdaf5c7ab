# SPDX-License-Identifier: MIT
"""vmdump --from: a state file that is made into another."""

import hashlib
import json
import os
import struct
import subprocess
import unittest
from pathlib import Path

from support import (DONE, ENVIRONMENT, MALFORMED, REFUSED, USAGE, ToolTest, stream, tool)

STREAM = stream()
BIG_STREAM = stream(pages=4096)
CAPTURES = Path(__file__).resolve().parents[1] / "data"


class ConvertTest(ToolTest):
    def save(self, name, *options, stdin=STREAM):
        self.assert_status(DONE, self.run_tool("vmdump", "--stdin", "-o", name, *options, stdin=stdin))
        return name

    def convert(self, source, target, *options, **more):
        return self.run_tool("vmdump", "--from", source, "-o", target, *options, **more)

    def plain(self, name):
        ran = self.run_tool("vmrestore", name)
        self.assert_status(DONE, ran)
        return ran.stdout


class Recoding(ConvertTest):
    def test_any_coding_becomes_any_other(self):
        for source in ("a.gz", "a.bz2", "a.zst"):
            self.save(source)
        self.write("a.qevm", STREAM)
        self.shell("xz -k a.qevm && lz4 -q a.qevm a.lz4 && gzip -k a.qevm && gzip -c a.zst > twice.gz")
        for source, target in (("a.gz", "b.zst"), ("a.bz2", "b.gz"), ("a.zst", "b.bz2"), ("a.qevm", "b.zst"),
                               ("a.qevm.xz", "b.gz"), ("a.lz4", "b.zst"), ("a.qevm.gz", "b.bz2"),
                               ("twice.gz", "b.zst")):
            with self.subTest(source=source, target=target):
                ran = self.convert(source, target, "--force", "--verify")
                self.assert_status(DONE, ran)
                self.assert_silent(ran)
                self.assertEqual(STREAM, self.plain(target))
        ran = self.convert("a.zst", "b", "-c", "none")
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, self.read("b"))

    def test_there_and_back_gives_the_same_bytes(self):
        self.save("a.zst", "--no-index", stdin=BIG_STREAM)
        for source, target in (("a.zst", "b.gz"), ("b.gz", "c.bz2"), ("c.bz2", "d.zst")):
            self.assert_status(DONE, self.convert(source, target, "--no-index"))
        self.assertEqual(self.read("a.zst"), self.read("d.zst"))

    def test_stdin_stdout_and_commands(self):
        ran = self.convert("-", "-", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.write("a.zst", ran.stdout)
        self.assertEqual(STREAM, self.plain("a.zst"))
        ran = self.run_tool("vmdump", "--from", "a.zst", "--exec", "cat > b.part", "--then",
                            "mv b.part b.zst", "--filter", "gzip -c")
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, self.shell("gzip -dc < b.zst").stdout)

    def test_compact_writes_each_page_once(self):
        twice = STREAM.replace(b"\0\0\0\0\0\0\0\x10\x7e\0\0\0\2\3\0\0\0\2", b"\0\0\0\0\0\0\0\x10\x7e\0\0\0\2"
                               b"\2\0\0\0\2" + b"\0\0\0\0\0\0\0\x08\6pc.ram" + bytes(range(256)) * 16 +
                               b"\0\0\0\0\0\0\0\x10\x7e\0\0\0\2\3\0\0\0\2")
        self.assertEqual(len(STREAM) + 4096 + 33, len(twice))
        self.write("a", twice)
        self.assert_status(DONE, self.convert("a", "b.zst", "--compact", "--verify"))
        self.assertLess(len(self.plain("b.zst")), len(STREAM) + 64)
        images = []
        for name in ("a", "b.zst"):
            ran = self.run_tool("vmstream-inspect", "extract", "ram", name, "--block", "pc.ram", "-o",
                                name + ".ram")
            self.assert_status(DONE, ran)
            images.append(self.read(name + ".ram"))
        self.assertEqual(images[0], images[1])

    def test_compact_takes_a_stream_with_the_flaws_of_its_qemu(self):
        self.shell(f"zstd -dqo a {CAPTURES}/s390x-ccw-7.2.qevm.zst")
        self.assert_status(DONE, self.convert("a", "b.zst", "--compact", "--verify"))
        self.assert_status(DONE, self.run_tool("vmstream-inspect", "verify", "b.zst"))

    def test_the_summary(self):
        self.save("a.gz")
        ran = self.convert("a.gz", "b.zst", "--json")
        self.assert_status(DONE, ran)
        summary = json.loads(ran.stdout)
        self.assertEqual("vmstream.dump/1", summary["schema"])
        self.assertEqual(("a.gz", "b.zst"), (summary["from"], summary["file"]))
        self.assertEqual(["gzip", "qevm"], [each["type"] for each in summary["containers"]])
        self.assertEqual(hashlib.sha256(STREAM).hexdigest(), summary["sha256"])
        self.assertEqual(hashlib.sha256(self.read("b.zst")).hexdigest(), summary["file_sha256"])
        for key in ("mode", "pause_seconds", "ended_by"):
            self.assertIsNone(summary[key])


class MappedRam(ConvertTest):
    def image(self, name):
        ran = self.run_tool("vmstream-inspect", "extract", "ram", name, "--block", "pc.ram", "-o", "image", "--force")
        self.assert_status(DONE, ran)
        return self.read("image")

    def test_there_and_back_is_the_same_guest(self):
        self.save("a.gz", stdin=BIG_STREAM)
        ran = self.convert("a.gz", "b", "--to", "mapped-ram", "--verify", "--json")
        self.assert_status(DONE, ran)
        summary = json.loads(ran.stdout)
        self.assertEqual(("mapped-ram", "none"), (summary["container"], summary["coding"]))
        self.assertEqual(hashlib.sha256(self.read("b")).hexdigest(), summary["sha256"])
        self.assertEqual((len(self.read("b")),) * 2, (summary["file_bytes"], summary["stream_bytes"]))
        self.assertLess(summary["disk_bytes"], summary["file_bytes"])
        self.assertEqual(["a.gz", "b", "b.vmsx"], self.files())
        self.assert_status(DONE, self.convert("b", "c.zst"))
        self.assert_status(DONE, self.run_tool("vmrestore", "c.zst", "--to", "mapped-ram", "-o", "d"))
        images = {self.image(name) for name in ("a.gz", "b", "c.zst", "d")}
        self.assertEqual(1, len(images))

    def test_an_original_that_is_damaged_beside_its_pages_gives_nothing(self):
        """No other stream that is made of it shows this."""
        self.shell(f"zstd -dqo whole {CAPTURES}/x86-pc-10.0-mapped.qevm.zst")
        self.assert_status(DONE, self.convert("whole", "b.zst"))
        whole = self.read("whole")
        header = whole.index(b"\6pc.ram") + 7 + 8
        _, _, bitmap, pages = struct.unpack_from(">IQQQ", whole, header)
        wrong = {"its bitmap is said to be at": (1, 4096, bitmap + (1 << 20), pages + (1 << 20)),
                 "wanted a multiple of 0x100000": (1, 4096, bitmap, pages + 4096),
                 "pages of 8192 bytes": (1, 8192, bitmap, pages),
                 "version 0": (0, 4096, bitmap, pages)}
        for words, fields in wrong.items():
            with self.subTest(words):
                damaged = bytearray(whole)
                struct.pack_into(">IQQQ", damaged, header, *fields)
                self.write("a", bytes(damaged))
                self.assert_fails(MALFORMED, self.run_tool("vmstream-inspect", "verify", "a"), "a", words)
                self.assert_fails(MALFORMED, self.convert("a", "c.zst"), "a", words)
        self.write("a", whole[:pages + 100])
        self.assert_fails(MALFORMED, self.convert("a", "c.zst"), "a")
        self.assertNotIn("c.zst", self.files())

    def test_what_does_not_go_with_it(self):
        for options in (["-c", "zstd"], ["--filter", "cat"], ["-e", "key"], ["--compact"], ["--max-size", "1G"]):
            self.assert_fails(USAGE, self.convert("a", "b", "--to", "mapped-ram", *options), "mapped-ram")
        for target in ("-", "b.zst", "b.gz", "b.gpg"):
            self.assert_status(USAGE, self.convert("a", target, "--to", "mapped-ram"))
        self.write("a", STREAM)
        for target in ("-", "/dev/null"):
            ran = self.run_tool("vmrestore", "a", "--to", "mapped-ram", "-o", target)
            self.assert_fails(USAGE, ran)

    def test_a_damaged_file_gives_none(self):
        self.write("a", BIG_STREAM[:-1])
        self.assert_fails(MALFORMED, self.convert("a", "b", "--to", "mapped-ram"), "a")
        self.assert_fails(MALFORMED, self.run_tool("vmrestore", "a", "--to", "mapped-ram", "-o", "b"), "a")
        self.assertEqual(["a"], self.files())


XML = b"<domain type='qemu'><name>tiny</name><graphics type='vnc' passwd='secret'/></domain>\n"


class Libvirt(ConvertTest):
    def setUp(self):
        super().setUp()
        self.write("dom.xml", XML)
        self.write("a", STREAM)

    def header(self, name):
        """Magic, version, bytes to the stream, was running, format, offset of the cookie."""
        return struct.unpack("=16s5I", self.read(name)[:36])

    def test_an_image_is_what_libvirt_writes(self):
        self.write("cookie.xml", b"<cookie/>")
        ran = self.convert("a", "b.zst", "--to", "libvirt", "--xml", "dom.xml", "--cookie", "cookie.xml", "--paused",
                           "--verify", "--json")
        self.assert_status(DONE, ran)
        self.assertNotIn(b"secret", ran.stdout + ran.stderr)
        text = XML + b"\0<cookie/>\0" + bytes(65536)
        self.assertEqual((b"LibvirtQemudSave", 2, len(text), 0, 0, len(XML) + 1), self.header("b.zst"))
        self.assertEqual(text + STREAM, self.read("b.zst")[92:])
        summary = json.loads(ran.stdout)
        self.assertEqual(("libvirt", "none"), (summary["container"], summary["coding"]))
        self.assertEqual(hashlib.sha256(self.read("b.zst")).hexdigest(), summary["file_sha256"])
        self.assertEqual(hashlib.sha256(STREAM).hexdigest(), summary["sha256"])
        self.assertEqual(0o600, (self.folder / "b.zst").stat().st_mode & 0o777)

    def test_from_an_image_the_domain_is_kept(self):
        self.assert_status(DONE, self.convert("a", "b", "--to", "libvirt", "--xml", "dom.xml", "--paused"))
        for options in ([], ["-c", "gzip"], ["-c", "bzip2"], ["--compact"]):
            with self.subTest(options):
                self.assert_status(DONE, self.convert("b", "c", "--to", "libvirt", "--force", *options))
                magic, *_, running, form, _ = self.header("c")
                self.assertEqual((b"LibvirtQemudSave", 0), (magic, running))
                self.assertEqual({"gzip": 1, "bzip2": 2}.get((options or [""])[-1], 0), form)
                self.assertEqual(XML, self.read("c")[92:92 + len(XML)])
        self.assert_status(DONE, self.run_tool("vmrestore", "b", "--to", "libvirt", "--cont", "-o", "d"))
        self.assertEqual(1, self.header("d")[3])
        self.assert_status(DONE, self.convert("d", "e", "-c", "none"))
        self.assertEqual(STREAM, self.read("e"))

    def test_zstd_comes_with_a_warning(self):
        ran = self.convert("a", "b", "--to", "libvirt", "--xml", "dom.xml", "-c", "zstd")
        self.assert_status(DONE, ran)
        self.assertIn(b"refuse images that are packed with zstd", ran.stderr)
        self.assertEqual(5, self.header("b")[4])

    def test_an_image_that_is_not_finished_gives_nothing(self):
        self.assert_status(DONE, self.convert("a", "b", "--to", "libvirt", "--xml", "dom.xml"))
        self.write("b", self.read("b").replace(b"LibvirtQemudSave", b"LibvirtQemudPart"))
        self.assert_fails(MALFORMED, self.convert("b", "c"), "b", "not finished")
        self.assertNotIn("c", self.files())

    def test_what_does_not_go_with_it(self):
        to_libvirt = ["--to", "libvirt", "--xml", "dom.xml"]
        for options in (["--filter", "cat"], ["-e", "key"], ["--symmetric"]):
            self.assert_fails(USAGE, self.convert("a", "b", *to_libvirt, *options), "--to libvirt")
        self.assert_fails(USAGE, self.convert("a", "b", "--to", "libvirt"), "--xml")
        self.assert_fails(USAGE, self.convert("a", "b", "--xml", "dom.xml"), "--xml")
        self.assert_fails(USAGE, self.convert("a", "b", "--cont"), "--to libvirt")
        for target in ("-", "/dev/null"):
            self.assert_status(USAGE, self.convert("a", target, *to_libvirt))
            self.assert_status(USAGE, self.run_tool("vmrestore", "a", "-o", target, *to_libvirt))
        self.write("dom.xml", b"<domstatus>" + XML + b"</domstatus>")
        self.assert_fails(USAGE, self.convert("a", "b", *to_libvirt), "not that of a domain")
        self.assert_fails(ENVIRONMENT, self.convert("a", "b", "--to", "libvirt", "--xml", "missing"), "missing")
        self.assertNotIn("b", self.files())


class Refusing(ConvertTest):
    def assert_gives_nothing(self, status, ran, *words):
        self.assert_fails(status, ran, *words)
        self.assertNotIn("b.zst", self.files())

    def test_a_cut_file_gives_nothing(self):
        self.save("a.zst")
        whole = self.read("a.zst")
        for name, content in (("cut", STREAM[:-1]), ("cut.zst", whole[:len(whole) // 2]), ("none", b"")):
            self.write(name, content)
            self.assert_gives_nothing(MALFORMED, self.convert(name, "b.zst"), name)
            ran = self.run_tool("vmdump", "--from", "-", "-o", "b.zst", stdin=content)
            self.assert_gives_nothing(MALFORMED, ran, "stdin")

    def test_a_changed_file_gives_nothing(self):
        self.save("a.zst")
        content = bytearray(self.read("a.zst"))
        content[len(content) // 3] ^= 1
        self.write("a.zst", content)
        self.assert_gives_nothing(MALFORMED, self.convert("a.zst", "b.zst"), "a.zst")

    def test_a_stream_that_contradicts_itself_gives_nothing(self):
        page = b"\0\0\0\0\0\0\x10\x28"  # the second, and then behind the end
        self.write("a", STREAM.replace(page, b"\0\0\x7f\0\0\0\x10\x28", 1))
        self.assert_gives_nothing(MALFORMED, self.convert("a", "b.zst"), "a", "offset")

    def test_a_command_does_not_take_a_part_for_the_whole(self):
        self.write("cut", BIG_STREAM[:-1])
        ran = self.run_tool("vmdump", "--from", "cut", "-c", "none", "--exec", "cat > part && mv part whole")
        self.assert_fails(MALFORMED, ran, "cut")
        self.assertNotIn("whole", self.files())

    def test_a_dry_run_reads_everything_and_writes_nothing(self):
        self.save("a.zst")
        ran = self.convert("a.zst", "b.gz", "--dry-run", "--json")
        self.assert_status(DONE, ran)
        told = json.loads(ran.stdout)
        self.assertEqual(("vmstream.dry-run/1", "a.zst", "b.gz", "gzip"),
                         (told["schema"], told["from"], told["file"], told["coding"]))
        self.assertEqual(["zstd", "qevm"], [each["type"] for each in told["containers"]])
        self.write("b.gz", b"mine")
        self.assert_fails(REFUSED, self.convert("a.zst", "b.gz", "--dry-run"), "exists already")
        self.write("cut", STREAM[:-1])
        self.assert_fails(MALFORMED, self.convert("cut", "c", "--dry-run"), "cut")
        self.assertEqual(["a.zst", "b.gz", "cut"], self.files())

    def test_what_is_no_state_file(self):
        self.write("a", b"hello, world\n" * 100)
        self.assert_gives_nothing(MALFORMED, self.convert("a", "b.zst"), "a", "not a state file")
        self.assert_gives_nothing(ENVIRONMENT, self.convert("missing", "b.zst"), "missing")

    def test_the_file_itself_is_not_overwritten(self):
        self.save("a.zst")
        before = self.read("a.zst")
        self.assert_fails(REFUSED, self.convert("a.zst", "a.zst", "--force"), "the file that is read")
        self.assertEqual(before, self.read("a.zst"))

    def test_a_used_file_is_not_copied(self):
        self.save("a.zst")
        os.rename(self.folder / "a.zst", self.folder / "a.zst.restored")
        self.assert_gives_nothing(REFUSED, self.convert("a.zst.restored", "b.zst"), "restored")

    def test_bytes_behind_the_stream_are_left_out(self):
        for length in (1, 511, 3 << 20):
            self.write("a", STREAM + b"old" * length)
            ran = self.convert("a", "b.zst", "--force")
            self.assert_status(DONE, ran)
            self.assertIn(f"{3 * length} bytes behind the end", ran.stderr.decode())
            self.assertEqual(STREAM, self.plain("b.zst"))

    def test_options_about_a_guest_are_refused(self):
        for options in (["--qmp", "x"], ["--stdin"], ["--mode", "live"], ["--after", "quit"], ["--max-bandwidth", "1M"],
                        ["--disk-snapshot", "."], ["--explain"], ["--mapped-ram"],
                        ["--max-passes", "2"]):
            with self.subTest(options):
                self.assert_gives_nothing(USAGE, self.convert("a", "b.zst", *options), options[0])
        ran = self.run_tool("vmdump", "--stdin", "-o", "b.zst", "--require-signature", "x", stdin=STREAM)
        self.assert_gives_nothing(USAGE, ran, "--require-signature needs --from")


class Interrupting(ConvertTest):
    def test_a_source_that_falls_silent_can_be_given_up(self):
        with subprocess.Popen([tool("vmdump"), "--from", "-", "-o", "b.zst", "--timeout", "200ms"],
                              stdin=subprocess.PIPE, cwd=self.folder, stderr=subprocess.PIPE) as running:
            running.stdin.write(BIG_STREAM[:1 << 20])
            running.stdin.flush()
            self.assertEqual(ENVIRONMENT, running.wait(timeout=30))
            self.assertIn(b"stdin", running.stderr.read())
        self.assertEqual([], self.files())


if __name__ == "__main__":
    unittest.main()
