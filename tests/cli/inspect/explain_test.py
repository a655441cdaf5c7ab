# SPDX-License-Identifier: MIT
"""explain --error: messages of QEMU, the file that each is about, and the place it must lead to.

QEMU up to 10 prints a line for each level, QEMU 11 all of them in one.
"""
import json
import os
import sys
import tempfile
import unittest

from captures import unpacked
from streams import *

DATA = sys.argv.pop(1)
FAILED = "load of migration failed: "
INVALID = "Invalid argument"
CUT = "Input/output error"


class Guest:
    """A real stream, and where its parts stand."""

    def __init__(self, name):
        with tempfile.TemporaryDirectory() as folder:
            path = unpacked(os.path.join(DATA, f"{name}.qevm.zst"), folder)
            with open(path, "rb") as file:
                self.bytes = file.read()
            self.sections = Run("sections", "--json", path).json["sections"]

    def place(self, idstr, what="", instance=0, kind=None):
        """Of a section: its head, or its "name", "instance", "version", "body", "footer"."""
        section = next(one for one in self.sections
                       if (one.get("idstr") == idstr and one["instance_id"] == instance
                           and kind in (None, one["type"])) or (kind is None and one["type"] == idstr))
        name = section["offset"] + 6
        body = name + len(section.get("idstr", "")) + 8
        end = section["offset"] + section["length"]
        return {"": section["offset"], "name": name, "instance": body - 8, "version": body - 4,
                "body": body, "footer": end - 5, "end": end}[what]

    def find(self, content, start=0):
        return self.bytes.index(content, start)

    def changed(self, at, content):
        return self.bytes[:at] + content + self.bytes[at + len(content):]


PC = Guest("x86-pc-7.2-min-m4")
VIRTIO = Guest("refused/vq")
POSTCOPY = Guest("x86-pc-7.2-postcopy")


def device(idstr, instance=0):
    return f"error while loading state for instance 0x{instance:x} of device '{idstr}'"


def lines(*all):
    """As QEMU up to 10 prints them."""
    return "".join(f"qemu-system-x86_64: {line}\n" for line in all)


def chain(*all):
    """As QEMU 11 prints them."""
    return "qemu-system-x86_64: " + ": ".join(all) + "\n"


def of_whole_files():
    """(message, guest, place): the file is sound, and the destination is another one."""
    dma, ide = PC.place("dma", "body", 1), PC.place("0000:00:01.1/ide", "body")
    disk = VIRTIO.place("0000:00:04.0/virtio-blk", "body")
    return [
        # Sections
        (lines("Unknown savevm section or instance 'dma' 1. Make sure that your current VM setup "
               "matches your saved VM setup, including any hotplugged devices", FAILED + INVALID),
         PC, PC.place("dma", "", 1)),
        (chain(FAILED + INVALID, "Unknown section or instance 'dma' 1. Make sure that your current VM "
               "setup matches your saved VM setup, including any hotplugged devices"),
         PC, PC.place("dma", "", 1)),
        (lines("savevm: unsupported version 12 for 'cpu' v11"), PC, PC.place("cpu", "version")),
        (chain(FAILED + INVALID, "savevm: unsupported version 12 for 'cpu' v11"),
         PC, PC.place("cpu", "version")),
        (lines("i8254: incoming version_id 3 is too old for local minimum version_id  4",
               device("i8254")), PC, PC.place("i8254", "version")),
        (lines("Missing section footer for hpet"), PC, PC.place("hpet", "footer")),
        (lines("Missing section footer for i8259", "Section footer error, section_id: 16"),
         PC, PC.place("i8259", "footer", 1)),
        (lines("Mismatched section id in footer for i8259 - read 0x7 expected 0x10"),
         PC, PC.place("i8259", "footer", 1)),
        (lines("Expected vmdescription section, but got 0"), PC, PC.place("eof")),
        (lines(device("dma", 1), FAILED + INVALID), PC, PC.place("dma", "", 1)),
        (chain(FAILED + INVALID, device("ram"), "Failed to load vmstate version_id: 4, ret: -22"),
         PC, PC.place("ram")),
        (lines("Failed to load vmstate version_id: 4, ret: -22"), PC, PC.place("ram")),
        (lines("Unknown savevm section type 7"), PC, 8),
        # Fields
        (lines("Failed to load dma:mask", device("dma", 1)), PC, PC.place("dma", "body", 1) + 1),
        (chain(FAILED + INVALID, device("dma", 1), "Failed to load element of type uint8 for mask: -22"),
         PC, dma + 1),
        (lines("get_pci_config_device: Bad config data: i=0x2 read: 10 device: 0 cmask: ff wmask: 0 "
               "w1cmask:0", "Failed to load PCIDevice:config", "Failed to load ide:parent_obj",
               device("0000:00:01.1/ide")), PC, ide + 4 + 2),
        (chain(FAILED + INVALID, device("0000:00:01.1/ide"),
               "Failed to load element of type pci config for config: -22"), PC, ide + 4),
        (lines("invalid parameter value: paused", device("globalstate")), PC,
         PC.place("globalstate", "body") + 4),
        (chain(FAILED + INVALID, device("cpu"),
               "VM subsection 'cpu/msr_smi_count' in 'cpu' does not exist"),
         PC, PC.find(b"\x05\x11cpu/msr_smi_count")),
        (chain(FAILED + INVALID, device("cpu"), "Loading VM subsection 'cpu/fpop_ip_dp' in 'cpu' failed",
               "Failed to load element of type uint16 for env.fpop: -22"),
         PC, PC.find(b"\x05\x0ecpu/fpop_ip_dp") + 2 + 14 + 4),
        (lines("cpu/fpop_ip_dp: incoming version_id 1 is too new for local version_id 0", device("cpu")),
         PC, PC.find(b"\x05\x0ecpu/fpop_ip_dp") + 2 + 14),
        (chain(FAILED + INVALID, device("hpet"), "post load hook failed for: hpet, version_id: 2, "
               "minimum_version: 1, ret: -22"), PC, PC.place("hpet")),
        # virtio
        (lines("VQ 0 size 0x100 Guest index 0x2c inconsistent with Host index 0x12c: delta 0xff00",
               device("0000:00:04.0/virtio-blk")), VIRTIO, disk + 0x19c),
        (lines("VQ 0 size 0x100 < last_avail_idx 0x12c - used_idx 0x3e30"), VIRTIO, disk + 0x19c),
        (chain(FAILED + "Operation not permitted", device("0000:00:04.0/virtio-blk"),
               "Failed to load element of type virtio for virtio: -1"), VIRTIO, disk),
        (lines("Features 0x100000044 unsupported. Allowed features: 0x44",
               "Failed to load virtio-blk:virtio"), VIRTIO,
         VIRTIO.find(b"\x05\x15virtio/64bit_features", disk) + 2 + 21 + 4),
        # RAM
        (lines("Size mismatch: pc.ram: 0x400000 != 0x800000: Invalid argument", device("ram")),
         PC, PC.find(b"\x06pc.ram")),
        (lines('Unknown ramblock "pc.bios", cannot accept migration', device("ram")),
         PC, PC.find(b"\x07pc.bios")),
        # Commands
        (lines("CMD_PING (0x1) received with no return path"), POSTCOPY, 0x1f),
        (lines("CMD_POSTCOPY_ADVISE in wrong postcopy state (1)"), POSTCOPY, 0x28),
        (lines("RAM postcopy is disabled but have 16 byte advise"), POSTCOPY, 0x28),
        (lines("Postcopy needs matching RAM page sizes (s=1000 d=201000)"), POSTCOPY, 0x28),
        # Head
        (lines("Machine type received is 'pc-i440fx-7.2' and local is 'pc-q35-7.2'"), PC, 8),
    ]


def of_damaged_files():
    """(message, content, place): QEMU's words for the damage."""
    flags = PC.place("ram", kind="part") + 5
    features = VIRTIO.find(b"\x05\x15virtio/64bit_features", VIRTIO.place("0000:00:04.0/virtio-blk"))
    ping = POSTCOPY.changed(0x1f + 1, be(2, 2) + be(2, 0))
    return [
        (lines("Unknown savevm section or instance 'tiger' 0"),
         PC.changed(PC.place("timer", "name"), b"tiger"), PC.place("timer")),
        (lines("Unknown savevm section or instance 'ti' 0"),
         PC.changed(PC.place("timer", "name"), b"ti\0er"), PC.place("timer")),
        (chain(FAILED + INVALID, "savevm: unsupported version -2147483646 for 'timer' v2"),
         PC.changed(PC.place("timer", "version"), be32(0x80000002)), PC.place("timer", "version")),
        (lines("Unknown combination of migration flags: 0x800", "error while loading state section id "
               "2(ram)", FAILED + INVALID), PC.changed(flags + 6, b"\x08\0"), flags),
        (lines("Unknown combination of migration flags: 0x100", "error while loading state section id "
               "2(ram)", FAILED + INVALID), compressed_stream(), compressed_stream().index(be64(0x100))),
        (lines('Unknown ramblock "", cannot accept migration', device("ram")),
         PC.changed(PC.place("ram", "body") + 4, b"\1"), PC.place("ram", "body")),
        (lines("Mismatched section id in footer for hpet - read 0x12 expected 0x13"),
         PC.changed(PC.place("hpet") + 1, be32(0x13)), PC.place("hpet") + 1),
        (lines("Mismatched section id in footer for hpet - read 0x13 expected 0x12"),
         PC.changed(PC.place("hpet", "footer") + 1, be32(0x13)), PC.place("hpet", "footer") + 1),
        (lines("Missing section footer for 0000:00:01.1/ide"),
         PC.changed(PC.place("0000:00:01.1/ide", "version"), be32(0)),
         PC.place("0000:00:01.1/ide", "version")),
        (lines("""Unknown savevm section or instance '{"page_size": 4096, "d' 1702259043"""),
         PC.changed(PC.place("eof"), b"\1"), PC.place("eof")),
        (lines("Unknown savevm section type 32"), PC.changed(PC.place("eof"), b"\x20"), PC.place("eof")),
        (lines("Unknown savevm section type 36"), PC.changed(PC.place("hpet"), b"\x24"),
         PC.place("hpet")),
        (lines("Unknown savevm section type 6"), PC.changed(PC.place("hpet"), b"\6"), PC.place("hpet")),
        (lines("Unable to read ID string for section 18"), PC.changed(PC.place("hpet") + 5, b"\0"),
         PC.place("hpet", "name")),
        (lines("Missing section footer for 0000:00:04.0/virtio-blk"), VIRTIO.changed(features, b"\7"),
         features),
        (lines("Failed to load virtio-blk:virtio", device("0000:00:04.0/virtio-blk"),
               FAILED + "No such file or directory"), VIRTIO.changed(features + 2 + 10, b"x"), features),
        (lines("Missing section footer for dma"), PC.changed(PC.place("dma", "footer", 1), b"\x6e"),
         PC.place("dma", "footer", 1)),
        (lines("MIG_CMD 0x7f unknown (len 0x4)"), POSTCOPY.changed(0x1f + 1, be(2, 0x7f)), 0x1f),
        (chain(FAILED + "Numerical result out of range",
               "PING received with bad length - expecting 4, got 0"), ping, 0x1f),
        (lines("check_section_footer: Read section footer failed: -5", FAILED + INVALID),
         PC.bytes[:PC.place("hpet", "footer")], PC.place("hpet", "footer")),
        (lines("Unable to read ID string for section 18", FAILED + INVALID),
         PC.bytes[:PC.place("hpet", "name") + 2], PC.place("hpet", "name")),
        (chain(FAILED + CUT, device("hpet"), "Failed to load hpet state: stream error: -5"),
         PC.bytes[:PC.place("hpet", "body") + 20], PC.place("hpet", "body") + 20),
    ]


def compressed_stream():
    page = be64(0x100) + counted("pc.ram") + be32(3) + b"zip"
    return HEADER + CONFIGURATION + ram_start(4) + ram_part(page) + ram_end() + EOF


class Explain(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "guest.qevm")

    def answer(self, message, content, *options, stdin=None):
        with open(self.path, "wb") as out:
            out.write(content)
        run = Run("explain", "--json", "--error", message, self.path, *options, stdin=stdin)
        self.assertIn(run.status, (0, 3), run.err)
        return run.json

    def places(self, message, content):
        return [advice["offset"] for advice in self.answer(message, content)["message"]]

    def check(self, message, content, place):
        """All of the message leads there first, and so does each line that names it."""
        places = self.places(message, content)
        self.assertEqual(hex(place), hex(places[0]) if places and places[0] is not None else places,
                         message)

    def test_messages_about_sound_files(self):
        for message, guest, place in of_whole_files():
            with self.subTest(message):
                self.check(message, guest.bytes, place)

    def test_messages_about_damaged_files(self):
        for message, content, place in of_damaged_files():
            with self.subTest(message):
                self.check(message, content, place)

    def test_files_that_a_real_qemu_refused(self):
        for name, message, place in (
                ("ram-block-length-0", lines(
                    "Size mismatch: pc.ram: 0x0 != 0x100000: Invalid argument", device("ram"),
                    FAILED + INVALID), 0x51),
                ("xhci", lines(
                    "get_pci_config_device: Bad config data: i=0x34 read: 90 device: 70 cmask: ff "
                    "wmask: 0 w1cmask:0", "Failed to load PCIDevice:config",
                    "Failed to load xhci:parent_obj", device("0000:00:02.0/xhci"), FAILED + INVALID),
                 0x35955 + 0x34)):
            with self.subTest(name):
                self.check(message, Guest(f"refused/{name}").bytes, place)

    # ---- What is around a message

    def test_prefixes_of_logs_change_nothing(self):
        message = "Missing section footer for hpet"
        for text in (f"2026-11-30T09:47:15.123456Z qemu-system-x86_64: {message}\n",
                     f"Nov 30 09:47:15 host qemu-system-x86_64[812]: qemu-system-x86_64: {message}",
                     f"/usr/libexec/qemu-kvm: -incoming defer: {message}\r\n",
                     "error: internal error: QEMU unexpectedly closed the monitor (vm='a'): "
                     f"2026-11-30T09:47:15.123456Z qemu-kvm: {message}",
                     json.dumps({"error": {"class": "GenericError", "desc": message}})):
            answer = self.answer(text, PC.bytes)
            self.assertEqual([PC.place("hpet", "footer")], [one["offset"] for one in answer["message"]])
            self.assertEqual([], answer["not_understood"], text)

    def test_messages_pasted_on_one_line_are_apart(self):
        for between in (" qemu-system-x86_64: ", " "):
            text = between.join(("qemu-system-x86_64: Failed to load dma:mask", device("dma", 1),
                                 FAILED + INVALID))
            answer = self.answer(text, PC.bytes)
            self.assertEqual([PC.place("dma", "body", 1) + 1, PC.place("dma", "", 1)],
                             [advice["offset"] for advice in answer["message"]])
            self.assertEqual([], answer["not_understood"])

    def test_a_line_that_was_broken_is_put_together(self):
        text = ("VQ 0 size 0x100 Guest index 0x2c inconsistent with\n Host index 0x12c: delta 0xff00\n"
                "Unknown savevm section or instance 'dma' 1. Make sure that your current VM setup\n"
                "matches your saved VM setup, including any hotplugged devices")
        answer = self.answer(text, VIRTIO.bytes)
        self.assertEqual([VIRTIO.place("0000:00:04.0/virtio-blk", "body") + 0x19c,
                          VIRTIO.place("dma", "", 1)],
                         [advice["offset"] for advice in answer["message"]])
        self.assertEqual([], answer["not_understood"])

    def test_each_load_in_a_log_has_its_own_device(self):
        text = (lines("Failed to load dma:mask", device("dma", 1), FAILED + INVALID) +
                lines("Failed to load dma:mask", device("dma", 0), FAILED + INVALID))
        places = self.places(text, PC.bytes)
        self.assertEqual({PC.place("dma", "body", one) + 1 for one in (0, 1)}, set(places[:2]))
        first = self.places(lines("Failed to load dma:mask", device("dma", 1)), PC.bytes)
        self.assertEqual(PC.place("dma", "body", 1) + 1, first[0])

    def test_stdin_is_read(self):
        answer = self.answer("-", PC.bytes, stdin=b"Missing section footer for hpet\n")
        self.assertEqual(PC.place("hpet", "footer"), answer["message"][0]["offset"])
        long = Run("explain", "--error", "-", self.path, stdin=b"x" * ((1 << 20) + 1))
        self.assertEqual(2, long.status)
        self.assertIn(b"tail", long.err)
        both = Run("explain", "--error", "-", "-", stdin=b"")
        self.assertEqual((2, b"both want stdin" in both.err), (2, True))

    def test_made_up_texts_end_soon(self):
        for text in (b"Failed to load " * 60000, b"Missing section footer for a " * 30000,
                     b"a" * (1 << 20), b"VQ 0 size\n" * 100000):
            self.answer("-", compressed_stream(), stdin=text[:1 << 20])

    # ---- What is said is so

    def text(self, message, content):
        return " ".join(advice["text"] for advice in self.answer(message, content)["message"])

    def test_a_message_of_another_file_is_told(self):
        with_capability = (HEADER + CONFIGURATION + b"\x05" + counted("configuration/capabilities") +
                           be32(1) + be32(1) + counted("mapped-ram"))
        capability = "Capability mapped-ram is off, but received capability is on"
        self.assertIn("mapped-ram was on there. Set it", self.text(capability, with_capability + EOF))
        for message in (capability, "savevm: unsupported version 99 for 'cpu' v12",
                        "Size mismatch: pc.ram: 0x1000 != 0x400000",
                        "Machine type received is 'pc-q35-7.2' and local is 'pc'",
                        "UUID received is 6ba7b810-9dad-11d1-80b4-00c04fd430c8 and local is 0",
                        "Missing section footer for rtc", "MIG_CMD 0x7f unknown (len 0x4)",
                        "VQ 0 size 0x100 Guest index 0x1 inconsistent with Host index 0x2: delta 0x1",
                        "Unsupported migration stream version", "Illegal RAM offset 4000000",
                        "Bad config data: i=0x2 read: ee device: 0 cmask: ff wmask: 0 w1cmask:0"):
            self.assertIn("of another file", self.text(message, PC.bytes), message)
        self.assertNotIn("was on there", self.text(capability, PC.bytes))

    def test_a_whole_file_is_not_called_cut(self):
        text = self.text("check_section_footer: Read section footer failed: -5", PC.bytes)
        self.assertIn("This file is whole", text)

    def test_what_a_message_names_goes_before_later_damage(self):
        content = PC.changed(PC.place("hpet", "footer"), b"\x33")
        message = lines("Size mismatch: pc.ram: 0x400000 != 0x800000: Invalid argument", device("ram"),
                        FAILED + INVALID)
        self.assertEqual([PC.find(b"\x06pc.ram"), PC.place("ram")], self.places(message, content))

    def test_what_was_not_understood_is_named(self):
        text = (lines("tpm-emulator: TPM result for CMD_INIT: 0x9 \x1b[2Joperation failed",
                      device("hpet"), FAILED + INVALID) +
                "qemu-system-x86_64: warning: TCG doesn't support requested feature\n")
        answer = self.answer(text, PC.bytes)
        self.assertEqual(["tpm-emulator: TPM result for CMD_INIT: 0x9 \\x1b[2Joperation failed"],
                         answer["not_understood"])
        shown = Run("explain", "--error", text, self.path).text
        self.assertIn('Not understood:\n  "tpm-emulator: TPM result', shown)
        tail = chain(FAILED + INVALID, device("hpet"), "Setting the stateblob failed")
        self.assertEqual(["Setting the stateblob failed"], self.answer(tail, PC.bytes)["not_understood"])
        unknown = Run("explain", "--error", "a new message of QEMU", self.path).text
        self.assertIn('not known here:\n  "a new message of QEMU"\nWhat can be said', unknown)


if __name__ == "__main__":
    unittest.main()
