# SPDX-License-Identifier: MIT
"""The printed way back, executed by a shell: for every way in which QEMU is given a disk, the guest
comes back with the memory and the disks of the save, also of one that stood on earlier overlays."""

import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

from guest_disks import NEEDS_NO_BOOT_DISK, WHERE, disks_of
from real_guest import (IMAGE, MACHINE, NEWER_QEMU, QEMU, GuestTest, Monitor, boot_from, free_port,
                        wait_until)
from support import BIN

EMULATORS = [QEMU] + ([NEWER_QEMU] if NEWER_QEMU else [])
FIRST, SECOND, LATER = 0x11, 0x22, 0x33  # what the disks hold at each save, and afterwards
FIRMWARE = next((path for path in map(Path, ("/usr/share/seabios/bios-256k.bin",
                                             "/usr/share/qemu/bios-256k.bin")) if path.exists()), None)


class DisksTest(GuestTest):
    def setUp(self):
        super().setUp()
        (self.folder / "overlays").mkdir()

    def disk(self, name, form="raw", size="4M"):
        """The options of -drive for a new file."""
        subprocess.run(["qemu-img", "create", "-q", "-f", form, self.folder / name, size], check=True)
        return f"file={self.folder}/{name},format={form}"

    def file(self, name):
        """A new raw file that is given without a word on its format."""
        self.disk(name)
        return f"{self.folder}/{name}"

    def node(self, name, node, form="raw", size="4M"):
        self.disk(name, form, size)
        return ["-blockdev", f"driver={form},node-name={node},file.driver=file,"
                             f"file.filename={self.folder}/{name}"]


@NEEDS_NO_BOOT_DISK
class GoBack(DisksTest):
    def io(self, monitor, device, command):
        return monitor.type(f'qemu-io -d {device} "{command}"')

    def devices(self, monitor):
        """Name and device of each drive, which must be those of the guest that was saved."""
        return sorted((drive["device"], drive.get("qdev", "")) for drive in monitor.ask("query-block"))

    def write_all(self, guest, pattern):
        for device in disks_of(guest):
            for command in (f"write -P {pattern:#x} {WHERE}", "flush"):
                answer = self.io(guest.monitor, device, command)
                self.assertNotIn("rror", answer)

    def save(self, guest, file):
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", file, "--json", "--disk-snapshot",
                            "overlays")
        self.assert_status(0, run)
        summary = json.loads(run.stdout)
        self.assertNotIn("...'", summary["go_back"])
        return summary["go_back"]

    def command_path(self, qemu):
        """A PATH on which the tools are found, and `qemu` by the name that the command gives it."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        program = bin_folder / "qemu-system-x86_64"
        found = " ".join([shutil.which(qemu[0]), *qemu[1:]])
        program.write_text(f'#!/bin/sh\nexec {found} "$@"\n')
        program.chmod(0o755)
        return f"{bin_folder}:{BIN}:{os.environ['PATH']}"

    def go_back(self, command, qemu, others, first, pattern):
        """Runs the command with the guest's other arguments in place of "..."."""
        words = [*MACHINE, "-m", "32", "-serial", f"file:{self.folder}/second.serial",
                 *boot_from(IMAGE), "-qmp", f"unix:{self.folder}/second.own,server=on,wait=off",
                 *others]
        before, after = command.split("...")
        process = subprocess.Popen(f"exec {before}{' '.join(words)}{after}", shell=True,
                                   cwd=self.folder, env={**os.environ, "PATH": self.command_path(qemu)},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            monitor = Monitor(self.folder / "second.own")
            wait_until(lambda: monitor.status() in ("paused", "running"), "the guest")
            self.assertEqual(first["devices"], self.devices(monitor))
            for _, device in [one for one in first["devices"] if one[1] in first["writable"]]:
                answer = self.io(monitor, device, f"read -P {pattern:#x} {WHERE}")
                self.assertNotIn("rror", answer, device)
                self.assertNotIn("failed", answer, device)
            monitor.ask("cont")
            serial = self.folder / "second.serial"
            wait_until(lambda: serial.read_text().count(" OK ") > 3, "the guest to count")
            self.assertNotIn("BAD", serial.read_text())
            monitor.close()
        finally:
            process.terminate()
            _, words = process.communicate(timeout=20)
        for leftover in self.folder.glob("second.*"):
            leftover.unlink()

    def check(self, disks, others=()):
        for qemu in EMULATORS:
            with self.subTest(qemu=qemu[0]):
                for overlay in (self.folder / "overlays").iterdir():
                    overlay.unlink()
                self.check_with(qemu, disks, list(others))

    def check_with(self, qemu, disks, others):
        guest = self.qemu("first", *others, *disks, qemu=qemu)
        guest.wait_for_tick(40)
        saved = {"devices": self.devices(guest.monitor), "writable": list(disks_of(guest))}
        commands = {}
        for pattern in (FIRST, SECOND):
            self.write_all(guest, pattern)
            commands[pattern] = self.save(guest, f"{pattern}.zst")
        self.write_all(guest, LATER)
        guest.end()
        # The later one first: it writes to overlays of the earlier one, which that does not need.
        for pattern in (SECOND, FIRST):
            self.go_back(commands[pattern], qemu, others, saved, pattern)
            (self.folder / f"{pattern}.zst").unlink()

    def test_drives_of_every_interface(self):
        self.check(["-drive", self.disk("virtio.raw") + ",if=virtio",
                    "-drive", self.disk("named.qcow2", "qcow2") + ",if=virtio,id=named",
                    "-drive", self.disk("default.raw") + ",index=1",
                    "-drive", self.disk("ide.raw") + ",if=ide,index=2,id=third",
                    "-drive", self.disk("floppy.raw", size="1440K") + ",if=floppy,index=1"])

    def test_drives_that_devices_name(self):
        self.check(["-drive", self.disk("a.raw") + ",if=none,id=a",
                    "-drive", self.disk("b.qcow2", "qcow2") + ",if=none,id=b",
                    "-drive", self.disk("c.raw") + ",if=none,id=c",
                    "-drive", self.disk("d.raw") + ",if=none,id=d",
                    "-drive", self.disk("e.raw") + ",if=none,id=e,cache=none",
                    "-drive", self.disk("f.raw") + ",if=none,id=virtio0"],
                   ["-device", "virtio-blk-pci,drive=a", "-device", "virtio-blk-pci,drive=b,id=second",
                    "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=c", "-usb",
                    "-device", "usb-storage,drive=d", "-device", "ide-hd,drive=e,bus=ide.1",
                    "-device", "virtio-blk-pci,drive=virtio0"])

    def test_an_sd_card(self):
        self.check(["-drive", self.disk("card.raw") + ",if=none,id=card"],
                   ["-device", "sdhci-pci", "-device", "sd-card,drive=card"])

    def test_nodes(self):
        self.check([*self.node("a.raw", "a"), *self.node("b.qcow2", "b", "qcow2"),
                    *self.node("c.raw", "c"), *self.node("d.raw", "d"),
                    "-blockdev", "driver=raw,node-name=part,offset=1048576,size=2097152,"
                    f"file.driver=file,file.filename={self.file('part.raw')}"],
                   ["-device", "virtio-blk-pci,drive=a", "-device", "virtio-blk-pci,drive=b,id=second",
                    "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=c", "-usb",
                    "-device", "usb-storage,drive=d", "-device", "virtio-blk-pci,drive=part"])

    def test_options_instead_of_a_name(self):
        self.check(["-drive", "driver=raw,offset=1048576,size=2097152,file.driver=file,"
                              f"file.filename={self.file('part.raw')},if=virtio"])

    def test_the_disks_of_a_q35(self):
        self.check(["-drive", self.disk("a.raw") + ",index=3", "-hdb", self.file("b.raw")],
                   ["-M", "q35"])

    @unittest.skipUnless(FIRMWARE, "no firmware to put into a flash")
    def test_flash(self):
        shutil.copy(FIRMWARE, self.folder / "firmware")
        code = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={self.folder}/firmware"]
        self.check(["-drive", self.disk("variables.raw", size="128K") + ",if=pflash,unit=1"], code)

    @unittest.skipUnless(FIRMWARE, "no firmware to put into a flash")
    def test_flash_as_a_node(self):
        shutil.copy(FIRMWARE, self.folder / "firmware")
        self.check(self.node("variables.raw", "variables", size="128K"),
                   ["-blockdev", "driver=raw,node-name=code,read-only=on,file.driver=file,"
                    f"file.filename={self.folder}/firmware",
                    "-machine", "pflash0=code,pflash1=variables"])

    def test_nvme_cannot_be_saved(self):
        for qemu in EMULATORS:
            guest = self.qemu("first", "-drive", self.disk("n.raw") + ",if=none,id=n", "-device",
                              "nvme,drive=n,serial=1", qemu=qemu)
            disks = disks_of(guest)
            run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--disk-snapshot",
                                "overlays")
            self.assert_status(1, run)
            self.assertIn(b"nvme", run.stderr)
            self.assertEqual(disks, disks_of(guest))
            self.assertEqual([], list((self.folder / "overlays").iterdir()))
            guest.end()


@NEEDS_NO_BOOT_DISK
class ChangedDisks(DisksTest):
    def setUp(self):
        super().setUp()
        guest = self.qemu("first", "-drive", self.disk("a.raw") + ",if=virtio")
        self.assert_status(0, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.zst",
                                            "--disk-snapshot", "overlays"))
        guest.end()

    def warnings(self, *arguments):
        run = self.run_tool("vmrestore", *arguments)
        self.assert_status(0, run)
        return run.stderr.decode().count("disks have changed since the save")

    def test_vmrestore_warns_of_a_disk_that_is_newer_than_the_save(self):
        self.assertEqual(0, self.warnings("guest.zst", "-o", "plain"))
        with open(self.folder / "a.raw", "r+b") as disk:
            disk.write(b"somebody else")
        self.assertEqual(1, self.warnings("guest.zst", "-o", "plain", "--force"))
        second = self.qemu("second", "-drive", f"file={self.folder}/a.raw,format=raw,if=virtio",
                           "-incoming", "defer")
        self.assertEqual(1, self.warnings("--lazy", "--qmp", second.qmp, "guest.zst"))


@NEEDS_NO_BOOT_DISK
class WithoutTheCommandLine(DisksTest):
    """A TCP monitor does not lead to QEMU's process."""

    def save_by_tcp(self, *disks):
        (self.folder / "x.zst").unlink(missing_ok=True)
        port = free_port()
        guest = self.qemu("first", *disks, "-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off")
        run = self.run_tool("vmdump", "-v", "--qmp", f"tcp:127.0.0.1:{port}", "-o", "x.zst",
                            "--disk-snapshot", "overlays")
        self.assert_status(0, run)
        guest.end()
        return run.stderr.decode()

    def test_names_tell_most(self):
        words = self.save_by_tcp("-drive", self.disk("a.raw") + ",if=virtio", "-drive",
                                 self.disk("b.raw") + ",if=none,id=b", "-device",
                                 "virtio-blk-pci,drive=b,id=second")
        self.assertIn(",if=virtio,index=0'", words)
        self.assertIn(",if=none,id=b'", words)
        self.assertNotIn("does not tell", words)

    def test_what_is_not_known_is_not_guessed(self):
        for how in (["if=virtio,id=vd"], ["if=ide,index=1,id=vd"],
                    ["if=none,id=vd", "-device", "virtio-blk-pci,drive=vd"]):
            words = self.save_by_tcp("-drive", self.disk("a.raw") + "," + how[0], *how[1:])
            self.assertIn(",id=vd,...'", words)
            self.assertIn("does not tell", words)


if __name__ == "__main__":
    unittest.main()
