# SPDX-License-Identifier: MIT
"""Disks of a guest: how QEMU is given them, which files they are on, and what those hold."""

import subprocess
import unittest

from real_guest import ACCEL

WHERE = "0 64k"
FORMATS = ("qcow2", "raw")
# That boot disk is one of snapshot=on, which no snapshot can be taken of.
NEEDS_NO_BOOT_DISK = unittest.skipUnless(ACCEL == "tcg", "under KVM the guest boots from a disk")


def create_disks(folder):
    """Disks for drives(), which are empty."""
    for form in FORMATS:
        subprocess.run(["qemu-img", "create", "-q", "-f", form, folder / f"disk.{form}", "4M"],
                       check=True)


def create_encrypted(form, options, path, secret, size="4M"):
    """An image behind a passphrase. qemu-img measures its own speed for that, and gives up where the
    machine is too busy to measure anything."""
    words = ["qemu-img", "create", "-q", "-f", form, "--object", f"secret,id=s,{secret}", *options, path, size]
    for _ in range(20):
        ran = subprocess.run(words, capture_output=True, text=True)
        if "accurate CPU usage" not in ran.stderr:
            break
    ran.check_returncode()


def drives(folder):
    """A qcow2 disk as -drive, a raw one as -blockdev."""
    return ["-drive", f"file={folder}/disk.qcow2,format=qcow2,if=virtio",
            "-blockdev", f"driver=raw,node-name=plain,file.driver=file,"
                         f"file.filename={folder}/disk.raw",
            "-device", "virtio-blk,drive=plain,id=second"]


def disks_of(guest):
    """Device and file of each writable disk."""
    found = guest.monitor.ask("query-block")
    return {drive["qdev"]: drive["inserted"]["file"] for drive in found
            if not drive.get("inserted", {"ro": True})["ro"]}


def write_disks(guest, pattern):
    """As the guest would, through its devices."""
    for device in disks_of(guest):
        for command in (f"write -P {pattern:#x} {WHERE}", "flush"):
            answer = guest.monitor.type(f'qemu-io -d {device} "{command}"')
            assert not answer, answer


def holds(file, pattern):
    """Read beside the QEMU that uses it, through the files below it."""
    form = "raw" if file.endswith(".raw") else "qcow2"
    run = subprocess.run(["qemu-io", "-r", "-U", "-f", form, "-c", f"read -P {pattern:#x} {WHERE}",
                          file], capture_output=True, text=True, check=False)
    return run.returncode == 0 and "verification failed" not in run.stdout
