# SPDX-License-Identifier: MIT
"""Disks that a save with --disk-snapshot must leave alone: the overlay would not be what the disk is,
or nobody could come back to it. The guest is not touched, and can be saved without its disks."""

import subprocess
import unittest

from guest_disks import NEEDS_NO_BOOT_DISK, create_disks, create_encrypted
from real_guest import NEWER_QEMU, QEMU, GuestTest
from support import REFUSED, UNSUPPORTED

EMULATORS = [QEMU] + ([NEWER_QEMU] if NEWER_QEMU else [])
CIPHER = ["-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"]
VOLUME = ["-o", "key-secret=s,iter-time=10"]


@NEEDS_NO_BOOT_DISK
class RefusedDisks(GuestTest):
    def setUp(self):
        super().setUp()
        (self.folder / "overlays").mkdir()
        create_disks(self.folder)
        self.write("secret", b"secret")

    def nodes_of(self, guest):
        """What each drive is on; what else QEMU tells changes with what the guest does."""
        return [drive.get("inserted", {}).get("node-name") for drive in
                guest.monitor.ask("query-block")]

    def assert_refused(self, words, *arguments):
        """By each QEMU; the guest runs on as before, and can be saved without its disks."""
        for qemu in EMULATORS:
            guest = self.qemu("first", *arguments, qemu=qemu)
            settings, nodes = guest.settings(), self.nodes_of(guest)
            run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.zst", "--disk-snapshot",
                                "overlays")
            self.assert_fails(UNSUPPORTED, run, words)
            self.assertIn(b"hint: ", run.stderr)
            self.assertEqual([], list((self.folder / "overlays").iterdir()))
            self.assertEqual(settings, guest.settings())
            self.assertEqual(nodes, self.nodes_of(guest))
            self.assertEqual("running", guest.monitor.status())
            self.assertNotIn("guest.zst", self.files())
            run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.zst", "--force")
            self.assert_status(0, run)
            (self.folder / "guest.zst").unlink()
            guest.end()

    def test_a_relative_name(self):
        for how in ("file=disk.qcow2,format=qcow2,if=virtio", "file=disk.raw,format=raw,if=virtio",
                    "driver=raw,offset=0,size=1M,file.filename=disk.raw,if=virtio"):
            with self.subTest(how):
                self.assert_refused("another folder", "-drive", how)

    def test_an_output_that_is_a_disk_of_the_guest(self):
        create_disks(self.folder)
        (self.folder / "link").symlink_to("disk.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "disk.raw", "-F", "raw",
                        self.folder / "upper.qcow2"], check=True)
        drives = []
        for name in ("disk.qcow2", "upper.qcow2"):
            drives += ["-drive", f"file={self.folder}/{name},format=qcow2,if=virtio"]
        guest = self.qemu("first", *drives)
        for name in ("link", "disk.raw"):
            before = self.read(name)
            for options in ([], ["--disk-snapshot", "overlays"], ["--compact"]):
                ran = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", name, "--force", *options)
                self.assert_fails(REFUSED, ran, "as its disk")
            self.assertEqual(before, self.read(name))
        self.assertEqual("running", guest.monitor.status())

    def test_an_encrypted_disk(self):
        secret = f"file={self.folder}/secret"
        create_encrypted("qcow2", CIPHER, self.folder / "disk.secret", secret)
        create_encrypted("luks", VOLUME, self.folder / "disk.luks", secret)
        secret = ["-object", f"secret,id=s,file={self.folder}/secret"]
        volume = f"driver=luks,key-secret=s,file.driver=file,file.filename={self.folder}/disk.luks"
        within = ",".join(f"file.{option}" for option in volume.split(","))
        below = ",".join(f"backing.{option}" for option in volume.split(","))
        ways = {
            "drive": ["-drive", f"file={self.folder}/disk.secret,format=qcow2,if=virtio,"
                                "encrypt.format=luks,encrypt.key-secret=s"],
            "node": ["-blockdev", "driver=qcow2,node-name=n,encrypt.format=luks,encrypt.key-secret=s,"
                     f"file.driver=file,file.filename={self.folder}/disk.secret",
                     "-device", "virtio-blk,drive=n"],
            "luks": ["-drive", f"file={self.folder}/disk.luks,format=luks,key-secret=s,if=virtio"],
            "raw": ["-blockdev", f"driver=raw,node-name=n,{within}", "-device", "virtio-blk,drive=n"],
            "filter": ["-object", "throttle-group,id=t", "-blockdev",
                       f"driver=throttle,throttle-group=t,node-name=n,{within}", "-device",
                       "virtio-blk,drive=n"],
            "backing": ["-blockdev", f"driver=qcow2,node-name=n,{below},file.driver=file,"
                        f"file.filename={self.folder}/disk.qcow2", "-device", "virtio-blk,drive=n"]}
        for name, arguments in ways.items():
            with self.subTest(name):
                self.assert_refused("is encrypted", *secret, *arguments)

    def test_a_temporary_disk(self):
        drive = f"file={self.folder}/disk.raw,format=raw,if=virtio"
        for arguments in (["-drive", drive + ",snapshot=on"], ["-snapshot", "-drive", drive]):
            with self.subTest(arguments):
                self.assert_refused("does not exist", *arguments)

    def test_a_disk_that_has_been_removed(self):
        for qemu in EMULATORS:
            self.write("gone.raw", bytes(1 << 16))
            guest = self.qemu("first", "-drive", f"file={self.folder}/gone.raw,format=raw,if=virtio",
                              qemu=qemu)
            (self.folder / "gone.raw").unlink()
            run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.zst", "--disk-snapshot",
                                "overlays")
            self.assert_fails(UNSUPPORTED, run, "gone.raw", "does not exist")
            guest.end()

    def test_a_guest_of_libvirt(self):
        drive = ["-drive", f"file={self.folder}/disk.raw,format=raw,if=virtio"]
        self.assert_refused("libvirt", *drive, "-chardev", "null,id=charmonitor", "-mon",
                            "chardev=charmonitor,mode=control")
        self.assert_refused("libvirt", "-blockdev", "driver=raw,node-name=libvirt-1-format,"
                            f"file.driver=file,file.filename={self.folder}/disk.raw", "-device",
                            "virtio-blk,drive=libvirt-1-format")


if __name__ == "__main__":
    unittest.main()
