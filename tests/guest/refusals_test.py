# SPDX-License-Identifier: MIT
"""What a real QEMU says when it refuses a stream, and what explain makes of its words.

One small guest is saved. Its plain stream is then edited, or is given to a QEMU that was started
differently. All that this QEMU prints, and the telling line of it alone, must lead to the place.
"""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from real_guest import Monitor, wait_until
from support import DONE, MALFORMED, ToolTest, be, tool

PATIENCE = 20
UUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
MACHINE = {"-M": "pc-i440fx-6.2", "-m": "16", "-smp": "2"}
DEVICES = {"net": "e1000,id=net", "rng": "virtio-rng-pci,id=rng,event_idx=on"}
SECTION, SLICE, PAGE = 1 + 4 + 1, 1 + 4, 8  # bytes in front of idstr, of a slice's body, of a page


def command(machine, devices):
    """A QEMU that runs no instruction of a guest."""
    words = ["qemu-system-x86_64", "-S", "-accel", "tcg", "-display", "none", "-nodefaults",
             "-no-user-config"]
    for option, value in {**MACHINE, **machine}.items():
        words += [option, value]
    for device in {**DEVICES, **devices}.values():
        words += ["-device", device] if device else []
    return words


class Saved:
    """The stream of a guest with the devices of the table, and where its parts stand."""

    def __init__(self, folder, *capabilities, **machine):
        process = subprocess.Popen(
            [*command({f"-{name}": value for name, value in machine.items()}, {}), "-qmp",
             "unix:tool.qmp,server=on,wait=off", "-qmp", "unix:own.qmp,server=on,wait=off"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            monitor = Monitor(folder / "own.qmp")
            monitor.ask("migrate-set-capabilities", capabilities=[
                {"capability": name, "state": True} for name in capabilities])
            if capabilities:  # which vmdump would switch off
                monitor.ask("migrate", uri="exec:cat > state")
                wait_until(lambda: monitor.migration() == "completed", "the migration")
            else:
                subprocess.run([tool("vmdump"), "--qmp", "tool.qmp", "-c", "none", "-o", "state"],
                               cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
            monitor.close()
        finally:
            process.kill()
            process.wait()
        for leftover in folder.glob("*.qmp"):
            leftover.unlink(missing_ok=True)
        self.bytes = (folder / "state").read_bytes()
        answer = subprocess.run([tool("vmstream-inspect"), "sections", "--json", "state"],
                                cwd=folder, check=True, capture_output=True)
        self.sections = json.loads(answer.stdout)["sections"]

    def section(self, name, kind="full", instance=0):
        return next(one for one in self.sections
                    if one.get("idstr", "").endswith(name) and one["type"] == kind
                    and one["instance_id"] == instance)

    def offset(self, *which):
        return self.section(*which)["offset"]

    def end(self, *which):
        return self.offset(*which) + self.section(*which)["length"]

    def body(self, *which):
        """Of a full or start section: behind idstr, instance and version."""
        return self.offset(*which) + SECTION + len(self.section(*which)["idstr"]) + 4 + 4

    def edited(self, offset, content):
        return self.bytes[:offset] + content + self.bytes[offset + len(content):]


class Refusals(ToolTest):
    @classmethod
    def setUpClass(cls):
        cls.home = Path(tempfile.mkdtemp(prefix="vmstream-refusals-"))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.saved = Saved(cls.home)

    def refusal(self, content, machine=None, devices=None):
        """All that a QEMU prints that is given `content`."""
        self.write("state", content)
        process = subprocess.Popen([*command(machine or {}, devices or {}), "-incoming",
                                    "exec:cat state"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.fail("QEMU took the stream")
        lines = [line for line in said.decode().splitlines() if "warning" not in line]
        return "\n".join(lines)

    def explained(self, text):
        run = self.run_tool("vmstream-inspect", "explain", "--json", "--error", text, "state")
        self.assertIn(run.returncode, (DONE, MALFORMED), run.stderr)
        return json.loads(run.stdout)["message"]

    def check(self, line, offset, words, content=None, original=None, **target):
        """QEMU says `line` (a regular expression), and explain leads from there to `offset`."""
        content = self.saved.bytes if content is None else content
        said = self.refusal(content, **target)
        self.assertRegex(said, line)
        if original is not None:  # QEMU was not given the file's own bytes
            self.write("state", original)
        for text in (said, next(one for one in said.splitlines() if re.search(line, one))):
            found = self.explained(text)
            places = [advice["text"] for advice in found if advice["offset"] == offset]
            self.assertTrue(any(words in place for place in places), (hex(offset), said, found))

    # ---- A target that was started differently

    def test_another_machine_type(self):
        for other in ("pc-i440fx-6.1", "pc-q35-6.2"):
            self.check(f"Machine type received is 'pc-i440fx-6.2' and local is '{other}'", 8,
                       "-machine pc-i440fx-6.2", machine={"-M": other})

    def test_another_ram_size(self):
        entry = self.saved.bytes.index(b"\x06pc.ram")
        self.check("Size mismatch: pc.ram: 0x1000000 != 0x2000000", entry, f"at {entry + 7:#x}",
                   machine={"-m": "32"})

    def test_a_missing_device(self):
        self.check("Unknown savevm section or instance '0000:00:03.0/virtio-rng' 0",
                   self.saved.offset("virtio-rng"), "no such device", devices={"rng": None})

    def test_another_device_in_its_place(self):
        self.check("Unknown savevm section or instance '0000:00:03.0/virtio-rng' 0",
                   self.saved.offset("virtio-rng"), "no such device",
                   devices={"rng": "virtio-balloon-pci"})

    def test_a_device_in_another_slot(self):
        rom = self.saved.bytes.index(b"\x160000:00:02.0/e1000.rom")
        self.check('Unknown ramblock "0000:00:02.0/e1000.rom"', rom, "another slot",
                   devices={"net": "e1000,addr=9"})

    def test_a_device_without_its_rom(self):
        rom = self.saved.bytes.index(b"\x160000:00:02.0/e1000.rom")
        self.check('Unknown ramblock "0000:00:02.0/e1000.rom"', rom, "no such block",
                   devices={"net": "e1000,romfile="})

    def test_fewer_vcpus(self):
        self.check("Unknown savevm section or instance 'cpu_common' 1",
                   self.saved.offset("cpu_common", "full", 1), "no such device",
                   machine={"-smp": "1"})

    def test_other_device_options(self):
        # A device that knows virtio 0.9 only has no list of capabilities. The PCI configuration
        # stands behind the four bytes of its version.
        self.check("Bad config data: i=0x6 read: 10 device: 0",
                   self.saved.body("virtio-rng") + 4 + 6, "(status)",
                   devices={"rng": "virtio-rng-pci,disable-modern=on"})

    def test_a_target_that_wants_no_configuration(self):
        self.check("Unknown savevm section type 7", 8, "send-configuration",
                   machine={"-global": "migration.send-configuration=off"})

    def test_a_target_that_wants_a_configuration(self):
        configuration = next(one for one in self.saved.sections if one["type"] == "configuration")
        without = self.saved.bytes[:8] + self.saved.bytes[8 + configuration["length"]:]
        self.check("Configuration section missing", 8, "send-configuration=off", without)

    # ---- An edited head

    def test_no_stream(self):
        # A compressed file handed to QEMU as it is; what is asked about it is in its inside.
        packed = subprocess.run(["gzip", "-c"], input=self.saved.bytes, capture_output=True,
                                check=True).stdout
        self.check("Not a migration stream", 0, "vmrestore", packed)

    def test_another_stream_version(self):
        self.check("Unsupported migration stream version", 4, "QEMU wants 3",
                   self.saved.edited(4, be(4, 9)), original=self.saved.bytes)

    def test_a_damaged_configuration(self):
        self.check("Failed to load configuration:name", 9, "5000000 bytes",
                   self.saved.edited(9, be(4, 5000000)))

    # ---- Edited sections

    def test_a_newer_section(self):
        version = self.saved.body("timer") - 4
        self.check("unsupported version 99 for 'timer' v2", version, "version 99",
                   self.saved.edited(version, be(4, 99)))

    def test_a_newer_subsection(self):
        name = b"e1000/mit_state"
        at = self.saved.bytes.index(b"\x05" + be(1, len(name)) + name)
        version = at + 2 + len(name)
        self.check("e1000/mit_state: incoming version_id 99 is too new", version, "version 99 stands here",
                   self.saved.edited(version, be(4, 99)))

    def test_an_unknown_subsection(self):
        name = b"e1000/mit_state"
        at = self.saved.bytes.index(b"\x05" + be(1, len(name)) + name)
        self.check("error while loading state.*e1000", at, "'e1000/mit_state' is described",
                   self.saved.edited(at + 2, b"e1000/mit_stats"))

    def test_a_subsection_of_a_foreign_name(self):
        name = b"e1000/mit_state"
        at = self.saved.bytes.index(b"\x05" + be(1, len(name)) + name)
        self.check("Missing section footer for 0000:00:02.0/e1000", at, "'e1000/mit_state' is described",
                   self.saved.edited(at + 2, b"X"))

    def test_a_damaged_name(self):
        at = self.saved.offset("timer")
        self.check("Unknown savevm section or instance 'tiger' 0", at, "damaged",
                   self.saved.edited(at + SECTION, b"tiger"))

    def test_a_bad_footer(self):
        footer = self.saved.end("timer") - 5
        self.check("Missing section footer for timer", footer, "footer stands here",
                   self.saved.edited(footer, b"\x11"))
        self.check("Mismatched section id in footer for timer - read 0x4d expected 0x0", footer + 1,
                   "in its footer", self.saved.edited(footer + 1, be(4, 77)))

    def test_a_bad_id(self):
        head = self.saved.offset("e1000") + 1
        self.check("Mismatched section id in footer for 0000:00:02.0/e1000 - read 0x", head,
                   "in its head", self.saved.edited(head, be(4, 77)))

    def test_versions_that_are_too_old(self):
        version = self.saved.body("i8254") - 4
        self.check("i8254: incoming version_id 0 is too old for local minimum version_id", version,
                   "has version 0", self.saved.edited(version, be(4, 0)))
        version = self.saved.body("ide") - 4
        self.check("Missing section footer for 0000:00:01.1/ide", version, "the description has 3",
                   self.saved.edited(version, be(4, 0)))

    def test_commands_that_cannot_be(self):
        end = self.saved.offset("ram", "end")
        for command, line, words in (
                (be(2, 0x7f) + be(2, 4) + be(4, 0), r"MIG_CMD 0x7f unknown \(len 0x4\)", "0x7f"),
                (be(2, 2) + be(2, 0), "PING received with bad length - expecting 4, got 0", "wants 4"),
                (be(2, 2) + be(2, 4) + be(4, 1), r"CMD_PING \(0x1\) received with no return path",
                 "two-way")):
            self.check(line, end, words, self.saved.bytes[:end] + b"\x08" + command + self.saved.bytes[end:])

    def test_an_end_that_is_none(self):
        end = next(one for one in self.saved.sections if one["type"] == "eof")["offset"]
        self.check("Unknown savevm section type 32", end, "EOF", self.saved.edited(end, b"\x20"))
        self.check("Unknown savevm section or instance", end, "EOF", self.saved.edited(end, b"\1"))

    def test_a_body_too_short(self):
        # One byte is missing, and QEMU reads over the footer.
        footer = self.saved.end("i8259") - 1 - 5
        body = self.saved.body("i8259")
        content = self.saved.bytes[:body] + self.saved.bytes[body + 1:]
        self.check("Missing section footer for i8259", footer, "ends here", content)

    def test_unknown_records(self):
        end = self.saved.offset("ram", "end")
        self.check("Unknown savevm section 55", end, "55, which was not started",
                   self.saved.edited(end + 1, be(4, 55)))
        device = self.saved.offset("e1000")
        self.check("Unknown savevm section type 51", device, "0x33",
                   self.saved.edited(device, b"\x33"))

    def test_fields_that_a_device_refuses(self):
        device_id = self.saved.body("e1000") + 4 + 2
        self.check("Bad config data: i=0x2 read: f", device_id, "device id",
                   self.saved.edited(device_id, b"\x0f"))
        self.check("Failed to load PCIDevice:config", device_id - 2, "'config",
                   self.saved.edited(device_id, b"\x0f"))
        self.check("Failed to load PCIDevice:version_id", self.saved.body("e1000"), "'version_id'",
                   self.saved.edited(self.saved.body("e1000"), b"\x01"))

    # ---- Edited RAM

    def first_page(self):
        """Where the head of the first page record stands, and what it says."""
        at = self.saved.offset("ram", "part") + SLICE
        return at, int.from_bytes(self.saved.bytes[at:at + PAGE], "big")

    def test_bad_page_flags(self):
        at, head = self.first_page()
        for flags in (0x800, 0x0, 0xa):
            self.check(f"Unknown combination of migration flags: {flags:#x}", at,
                       f"{flags:#x} is no ram record",
                       self.saved.edited(at, be(8, head & ~0xFFF | flags)))

    def test_pages_that_cannot_be(self):
        at, head = self.first_page()
        self.check("Illegal RAM offset 100000000", at, "past the end",
                   self.saved.edited(at, be(8, head + (1 << 32))))
        self.check("Can't find block Xc.ram", at + PAGE, "Xc.ram",
                   self.saved.edited(at + PAGE + 1, b"X"))
        self.check("Ack, bad migration stream", at, "none was named",
                   self.saved.edited(at, be(8, head | 0x20)))

    def test_pages_of_kinds_that_are_not_wanted(self):
        at, head = self.first_page()
        self.check("Received an unexpected compressed page", at, "capability compress",
                   self.saved.edited(at, be(8, head & ~0xFFF | 0x100)))
        self.check("Failed to decompress XBZRLE page", at + PAGE + 1 + len("pc.ram"), "xbzrle",
                   self.saved.edited(at, be(8, head & ~0xFFF | 0x40)))

    def test_a_wrong_block_name(self):
        entry = self.saved.bytes.index(b"\x06pc.ram")
        self.check('Unknown ramblock "Xc.ram"', entry, "Xc.ram",
                   self.saved.edited(entry + 1, b"X"))

    def test_a_wrong_block_size(self):
        entry = self.saved.bytes.index(b"\x06pc.ram")
        total = entry - 8
        content = bytearray(self.saved.bytes)
        for at, flags in ((total, 4), (entry + 7, 0)):
            size = int.from_bytes(content[at:at + 8], "big") - flags - (8 << 20)
            content[at:at + 8] = be(8, size | flags)
        self.check("Size mismatch: pc.ram: 0x800000 != 0x1000000", entry, "0x800000",
                   bytes(content))

    def test_a_list_that_is_too_long(self):
        total = self.saved.bytes.index(b"\x06pc.ram") - 8
        content = self.saved.edited(total + 4, bytes([self.saved.bytes[total + 4] ^ 2]))
        self.check('Unknown ramblock ""', total, "have 0x", content)

    # ---- Cut files

    def test_cut_files(self):
        in_ram = self.saved.offset("ram", "part") + 200000
        in_device = self.saved.offset("e1000") + 5000
        at_end = next(one for one in self.saved.sections if one["type"] == "eof")["offset"]
        for length, line in ((in_ram, r"error while loading state section id 2\(ram\)"),
                             (in_device, "error while loading state for instance 0x0 of device"),
                             (at_end, "load of migration failed: Input/output error")):
            content = self.saved.bytes[:length]
            self.write("state", content)
            fails = self.advice("fails")
            self.assertEqual(1, len(fails))
            self.check(line, fails[0]["offset"], "cut here", content)

    # ---- Said before any QEMU has been asked

    def advice(self, kind):
        run = self.run_tool("vmstream-inspect", "explain", "--json", "state")
        return [advice for advice in json.loads(run.stdout)["advice"] if advice["kind"] == kind]

    def test_what_is_needed_is_said_beforehand(self):
        self.write("state", self.saved.bytes)
        self.assertEqual([], self.advice("fails"))
        needs = " ".join(advice["text"] for advice in self.advice("needs"))
        for words in ("-machine pc-i440fx-6.2", "pc.ram of 16777216 bytes", "-smp 2",
                      "0000:00:03.0/virtio-rng", "Machine type received is", "Size mismatch: ",
                      "Unknown savevm section or instance"):
            self.assertIn(words, needs)

    def test_what_fails_is_said_beforehand(self):
        version = self.saved.body("timer") - 4
        name = self.saved.offset("timer")
        subsection = self.saved.bytes.index(b"\x05\x0fe1000/mit_state")
        for at, content, words in (
                (version, self.saved.edited(version, be(4, 99)), "unsupported version 99"),
                (name, self.saved.edited(name + SECTION, b"tiger"), "does not describe section 'tiger'"),
                (subsection, self.saved.edited(subsection + 2, b"X"), "'e1000/mit_state' is described")):
            self.write("state", content)
            fails = self.advice("fails")
            self.assertEqual([at], [advice["offset"] for advice in fails], fails)
            self.assertIn(words, fails[0]["text"])


class Configurations(ToolTest):
    check, refusal, explained = Refusals.check, Refusals.refusal, Refusals.explained

    def test_a_capability_that_the_target_has_not(self):
        self.saved = Saved(self.folder, "x-ignore-shared")
        self.check("Capability x-ignore-shared is off, but received capability is on", 8,
                   "x-ignore-shared was on")

    def test_another_uuid(self):
        self.saved = Saved(self.folder, "validate-uuid", uuid=UUID)
        self.check(f"UUID received is {UUID} and local is", 8, f"-uuid {UUID}",
                   machine={"-uuid": UUID.replace("6", "7")})


if __name__ == "__main__":
    unittest.main()
