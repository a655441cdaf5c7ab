# SPDX-License-Identifier: MIT
"""The parts of a multifd guest read as one, on a real capture of QEMU 7.2: every command on the folder and with
--multifd, vmrestore, and what is said of parts that are not one guest."""
import hashlib
import json
import subprocess
import unittest

from support import MALFORMED, SOURCE, UNSUPPORTED, USAGE, ToolTest

CAPTURE = SOURCE / "tests" / "data" / "multifd"
NAMES = ("qevm", "chan1.bin", "chan2.bin")
# What QEMU itself told of the guest's memory.
TRUTH = {"pc.ram": "ea26637a0cc9ab3ecd981093f6284cb5c31f4d8e60f0929544c05f385bd73695",
         "pc.bios": "2da2018c7555e50b660a84a273a14a79cb87b9070fe6a90e9f151a53e357f7e6"}


def unpack(name):
    packed = CAPTURE / f"x86-pc-7.2-multifd.{name}.zst"
    return subprocess.run(["zstd", "-dcq", "--long=25", packed], check=True, capture_output=True).stdout


PARTS = {name: unpack(name) for name in NAMES}


class JoinedTest(ToolTest):
    def setUp(self):
        super().setUp()
        (self.folder / "set").mkdir()
        for name, content in PARTS.items():
            self.write(f"set/{name}", content)

    def inspect(self, *arguments, status=0):
        ran = self.run_tool("vmstream-inspect", *arguments)
        self.assert_status(status, ran)
        return ran

    def refused(self, status, *words, tool="vmstream-inspect", arguments=("verify", "--json", "set")):
        ran = self.run_tool(tool, *arguments)
        self.assert_status(status, ran)
        for word in words:
            self.assertIn(word, ran.stderr.decode())
        return ran


class Commands(JoinedTest):
    def test_info(self):
        told = json.loads(self.inspect("info", "--json", "set").stdout)
        self.assertEqual(["multifd", "qevm"], [one["type"] for one in told["containers"]])
        self.assertTrue(told["stream"]["complete"])
        self.assertEqual("pc-i440fx-7.2", told["stream"]["machine"])
        self.assertEqual([], told["problems"])

    def test_the_parts_may_be_given_in_any_order(self):
        one = self.inspect("sections", "--json", "--multifd", *[f"set/{name}" for name in NAMES]).stdout
        other = self.inspect("sections", "--json", "--multifd", *[f"set/{name}" for name in reversed(NAMES)]).stdout
        self.assertEqual(json.loads(one)["sections"], json.loads(other)["sections"])
        self.assertEqual(json.loads(one)["sections"],
                         json.loads(self.inspect("sections", "--json", "set").stdout)["sections"])
        self.inspect("--multifd", *[f"set/{name}" for name in NAMES])

    def test_each_part_may_be_packed_in_its_own_way(self):
        for name, packer in zip(NAMES, ("lzop -c", "gzip -c", "zstd -qc")):
            self.write(f"set/{name}", subprocess.run(packer.split(), input=PARTS[name], check=True,
                                                     capture_output=True).stdout)
        told = json.loads(self.inspect("info", "--json", "set").stdout)
        self.assertEqual(["multifd", "lzop", "qevm"], [one["type"] for one in told["containers"]])
        self.assertTrue(told["stream"]["complete"])

    def test_memory_is_what_qemu_said(self):
        for block, digest in TRUTH.items():
            self.inspect("extract", "ram", "set", "--block", block, "-o", block)
            self.assertEqual(digest, hashlib.sha256(self.read(block)).hexdigest())
        blocks = json.loads(self.inspect("ram", "--json", "set").stdout)["blocks"]
        self.assertEqual([0] * len(blocks), [block["absent_pages"] for block in blocks])
        self.assertEqual(341, sum(block["data_pages"] for block in blocks))

    def test_devices_dump_hexdump_and_explain(self):
        listed = json.loads(self.inspect("devices", "--json", "set").stdout)["devices"]
        self.assertIn("cpu", [device["idstr"] for device in listed])
        self.inspect("device", "set", "cpu", "rip")
        self.assertIn("cpu (5)", json.loads(self.inspect("dump", "--format", "qemu", "set").stdout))
        self.inspect("explain", "set")
        self.assertIn(b"machine", self.inspect("hexdump", "--length", "64", "set").stdout)
        self.assertIn("devices", json.loads(self.inspect("vmdesc", "set").stdout))

    def test_the_stream_is_one_of_one_connection(self):
        self.inspect("extract", "stream", "set", "-o", "plain")
        self.assert_status(0, self.run_tool("vmrestore", "set", "-o", "restored"))
        self.assertEqual(self.read("plain"), self.read("restored"))
        self.assert_status(0, self.run_tool("vmrestore", "--multifd", "-o", "again",
                                            *[f"set/{name}" for name in NAMES]))
        self.assertEqual(self.read("plain"), self.read("again"))
        told = json.loads(self.inspect("verify", "--json", "plain").stdout)
        self.assertEqual((True, "loads", 0), (told["ok"], told["verdict"], told["absent_pages"]))
        piped = self.run_tool("vmrestore", "set")
        self.assertEqual(self.read("plain"), piped.stdout)
        self.assert_status(0, self.run_tool("vmrestore", "--verify-first", "set", "-o", "proved"))
        self.assertEqual(self.read("plain"), self.read("proved"))


class NotByPosition(JoinedTest):
    def test_what_reads_by_position_names_the_way_out(self):
        for arguments in (("index", "set"), ("index", "set", "-o", "x.vmsx")):
            self.refused(UNSUPPORTED, "parts of one guest", "vmdump --from FOLDER", arguments=arguments)
        self.refused(UNSUPPORTED, "vmdump --from FOLDER", tool="vmrestore",
                     arguments=("--lazy", "set", "--qmp", "nobody"))

    def test_what_makes_no_sense_is_told(self):
        parts = [f"set/{name}" for name in NAMES]
        self.refused(USAGE, "--once", tool="vmrestore", arguments=("--once", "--multifd", *parts))
        self.refused(USAGE, "- is none", tool="vmrestore", arguments=("--multifd", "-", *parts))
        self.refused(USAGE, "unexpected argument", tool="vmrestore", arguments=parts)
        self.refused(USAGE, "a folder is one guest", arguments=("info", "--multifd", "set", "set/qevm"))
        self.refused(USAGE, "device does not know --multifd", arguments=("device", "--multifd", *parts))


class NotOneGuest(JoinedTest):
    def both(self, *words, status=MALFORMED):
        """Of a command, and of a restore that leaves nothing behind."""
        self.refused(status, *words, arguments=("info", "set"))
        self.refused(status, *words, tool="vmrestore", arguments=("set", "-o", "plain"))
        self.assertEqual(["set"], self.files())

    def test_a_channel_is_missing(self):
        (self.folder / "set" / "chan1.bin").unlink()
        self.both("channel 0 is missing")
        self.write("set/chan1.bin", PARTS["chan1.bin"])
        (self.folder / "set" / "chan2.bin").unlink()
        self.both("number")
        (self.folder / "set" / "chan1.bin").unlink()
        self.both("no page channel")

    def test_the_main_stream_is_missing_or_there_twice(self):
        self.write("set/again", PARTS["qevm"])
        self.both("a main stream, as", status=USAGE)
        for name in ("again", "qevm"):
            (self.folder / "set" / name).unlink()
        self.both("no main stream among 2 files")

    def test_a_channel_is_there_twice(self):
        self.write("set/again", PARTS["chan1.bin"])
        self.both("this is channel 0, which another part is")

    def test_a_channel_is_cut(self):
        for length in (0, 40, 64, 1000, 100_000, len(PARTS["chan1.bin"]) - 1):
            self.write("set/chan1.bin", PARTS["chan1.bin"][:length])
            self.both("chan1.bin: ")

    def test_a_channel_is_of_another_guest(self):
        self.write("set/chan1.bin", PARTS["chan1.bin"][:8] + b"\x11" * 16 + PARTS["chan1.bin"][24:])
        self.both("of guest ")

    def test_the_main_stream_is_cut(self):
        for length, words in ((len(PARTS["qevm"]) - 1, "set: offset"), (20_000, "set: offset"), (100, "qevm: ")):
            self.write("set/qevm", PARTS["qevm"][:length])
            self.both(words)

    def test_something_else_is_in_the_folder(self):
        self.write("set/notes.txt", b"what this is about")
        self.both("notes.txt: not a state file")


if __name__ == "__main__":
    unittest.main()
