# SPDX-License-Identifier: MIT
"""Guests whose memory is mapped: all of it is right, shared by clones, and never changed by them."""

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import time
import unittest
from pathlib import Path

from lazy_guest import MIB, REGION, SWEEP_IMAGE, LazyTest, SweepQemu
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, Guest, wait_until
from support import ENVIRONMENT, MALFORMED, UNSUPPORTED, USAGE, why_no_fuse

SERVER_MEMORY = 48 * MIB  # of this small guest, with two threads; what is shared counts too
FALLOC_PUNCH_KEEP = 3


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def children_of(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def views():
    """Command lines, each that of the vmrestore which started it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if entry.read_text() == "vmstream-view\n" and is_alive(entry.parent.name):
                found.append((entry.parent / "cmdline").read_bytes())
    return found


class MappedGuest(Guest):
    """A guest behind a vmrestore of its own."""

    def __init__(self, test, name, *options, file="a.zst", qemu=QEMU, more=(), image=SWEEP_IMAGE):
        super().__init__(test.folder, name)
        command = [*self.command(qemu=qemu, image=image), *more]
        self.process = test.start_tool("vmrestore", *(options or ["--map"]), "--cont", "--json",
                                       file, "--", *command)
        test.addCleanup(self.end)

    sums = SweepQemu.sums

    def summary(self):
        """What vmrestore says once the guest is loaded."""
        text = ""
        for line in iter(self.process.stdout.readline, b""):
            text += line.decode()
            if line == b"}\n" and "vmstream.error" not in text:
                return json.loads(text)
        raise AssertionError(self.process.stderr.read().decode())

    def qemu_pid(self):
        return next(pid for pid in children_of(self.process.pid)
                    if "qemu" in Path(f"/proc/{pid}/comm").read_text())

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)


class MapTest(LazyTest):
    def setUp(self):
        super().setUp()
        if reason := why_no_fuse():
            self.skipTest(reason)

    def tearDown(self):
        kinds = [line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()]
        self.assertNotIn("fuse.vmstream", kinds)
        super().tearDown()

    def clone(self, name, *options, **how):
        return MappedGuest(self, name, *options, **how)

    def assert_sweeps(self, guest, expected):
        wait_until(lambda: len(guest.sums()) >= 3, "sums of its memory")
        # The line that was being printed when the guest was saved is cut.
        self.assertEqual({expected}, set(guest.sums()[1:]))

    def assert_ends(self, pid):
        wait_until(lambda: not is_alive(pid), "the view to end")


class Restores(MapTest):
    def test_every_form_of_file(self):
        expected = self.saved("a.zst")
        self.assert_status(0, self.run_tool("vmrestore", "-o", "a.plain", "a.zst"))
        self.shell("gzip -c -1 a.plain > foreign.gz")
        self.assert_status(0, self.run_tool("vmdump", "--stdin", "-o", "a.gz",
                                            stdin=self.read("a.plain")))
        for file in ("a.zst", "a.gz", "a.plain", "foreign.gz"):
            with self.subTest(file):
                before = self.read(file)
                guest = self.clone("second", file=file)
                summary = guest.summary()
                self.assertEqual(("running", "view", False), (
                    summary["run_state"], summary["map"]["way"], summary["map"]["joined"]))
                self.assertGreaterEqual(summary["map"]["mapped_bytes"], 32 * MIB)
                self.assert_sweeps(guest, expected)
                guest.end()
                self.assert_ends(summary["map"]["server_pid"])
                self.assertEqual(before, self.read(file))
                guest.forget()
        self.assertIn("foreign.gz.vmsx", self.files())

    @NEEDS_NEWER_QEMU
    def test_a_newer_qemu_and_mapped_ram(self):
        first = self.sweeping_guest(qemu=NEWER_QEMU)
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "a.zst"))
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "own",
                                            "--mapped-ram"))
        expected = first.sums()[0]
        first.end()
        for file in ("a.zst", "own"):
            with self.subTest(file):
                guest = self.clone("second", file=file, qemu=NEWER_QEMU)
                guest.summary()
                self.assert_sweeps(guest, expected)
                guest.end()
                guest.forget()

    def test_a_copy_in_memory(self):
        expected = self.saved("a.zst")
        guest = self.clone("second", "--map=copy")
        summary = guest.summary()
        self.assertEqual("copy", summary["map"]["way"])
        self.assert_sweeps(guest, expected)
        self.assert_is_not_punched(guest, "memfd:vmstream-memory")
        self.shell("dd if=/dev/urandom of=a.zst conv=notrunc bs=4096 seek=20 count=20")
        self.assert_sweeps(guest, expected)  # the file is done with

    def test_a_file_that_was_proved(self):
        expected = self.saved("a.zst")
        guest = self.clone("second", "--map", "--verify-first")
        guest.summary()
        self.assert_sweeps(guest, expected)

    def assert_is_not_punched(self, guest, name):
        """What a balloon makes QEMU do to the file of its memory."""
        libc = ctypes.CDLL(None, use_errno=True)
        folder = Path(f"/proc/{guest.qemu_pid()}/fd")
        files = [entry for entry in folder.iterdir() if name in os.readlink(entry)]
        self.assertTrue(files)
        for entry in files:
            try:
                fd = os.open(entry, os.O_RDWR)
            except OSError:
                continue
            punched = libc.fallocate(fd, FALLOC_PUNCH_KEEP, ctypes.c_long(0),
                                     ctypes.c_long(REGION + MIB))
            self.assertEqual(-1, punched)
            for change in (lambda fd=fd: os.pwrite(fd, b"x", 0), lambda fd=fd: os.ftruncate(fd, 0)):
                with self.assertRaises(OSError):
                    change()
            os.close(fd)

    def test_what_a_guest_has_is_not_changed_by_another(self):
        expected = self.saved("a.zst")
        digest = hashlib.sha256(self.read("a.zst")).digest()
        guest, sibling = self.clone("second"), self.clone("third")
        for one in (guest, sibling):
            one.summary()
        self.assert_is_not_punched(guest, "/0")
        for one in (guest, sibling):
            self.assert_sweeps(one, expected)
        self.assertEqual(digest, hashlib.sha256(self.read("a.zst")).digest())

    def test_explain(self):
        self.saved("a.zst")
        ran = self.run_tool("vmrestore", "--map", "--explain", "a.zst", "--",
                            *Guest(self.folder, "x").command())
        self.assert_status(0, ran)
        self.assertIn(b"mem-path=VIEW/pc.ram,share=off", ran.stdout)
        self.assertEqual(["a.zst", "content"], self.files())


class Clones(MapTest):
    def test_one_after_the_other(self):
        expected = self.saved("a.zst")
        first = self.clone("second")
        server = first.summary()["map"]["server_pid"]
        self.assert_sweeps(first, expected)
        second = self.clone("third")
        joined = second.summary()["map"]
        self.assertEqual((True, server, 0), (joined["joined"], joined["server_pid"],
                                             joined["reads"]))
        first.end()
        self.assert_sweeps(second, expected)
        fourth = self.clone("fourth")
        self.assertEqual(server, fourth.summary()["map"]["server_pid"])
        second.end()
        self.assert_sweeps(fourth, expected)
        memory = Path(f"/proc/{server}/status").read_text()
        peak = next(line for line in memory.split("\n") if line.startswith("VmHWM")).split()[1]
        self.assertLess(int(peak) * 1024, SERVER_MEMORY)
        fourth.end()
        self.assert_ends(server)

    def test_eight_at_once(self):
        expected = self.saved("a.zst")
        clones = [self.clone(f"clone{number}") for number in range(8)]
        servers = {clone.summary()["map"]["server_pid"] for clone in clones}
        self.assertEqual(1, len(servers))
        for clone in clones:
            self.assert_sweeps(clone, expected)

    def test_another_file_of_the_name(self):
        expected = self.saved("a.zst")
        first = self.clone("second")
        server = first.summary()["map"]["server_pid"]
        self.shell("cp a.zst b.zst; mv b.zst a.zst")
        second = self.clone("third")
        self.assertNotEqual(server, second.summary()["map"]["server_pid"])
        for one in (first, second):
            self.assert_sweeps(one, expected)


class Damage(MapTest):
    def damaged(self):
        """Where the guest looks only once it runs."""
        expected = self.saved("a.zst")
        content = bytearray(self.read("a.zst"))
        middle = len(content) // 2
        for at in range(middle, middle + 64):
            content[at] ^= 0xff
        self.write("a.zst", bytes(content))
        return expected

    def test_no_guest_goes_on_with_wrong_memory(self):
        expected = self.damaged()
        guest = self.clone("second")
        guest.summary()
        line = guest.process.stderr.readline().decode()
        self.assertRegex(line, r"a\.zst: .*RAM block 'pc\.ram', page at 0x[0-9a-f]+ cannot be read")
        self.assertIn("waits at this page", guest.process.stderr.readline().decode())
        time.sleep(0.5)
        # What is behind the damage has never come into a sum.
        self.assertLessEqual(set(guest.sums()[1:]), {expected})
        os.kill(guest.qemu_pid(), signal.SIGKILL)
        self.assertEqual(MALFORMED, guest.process.wait(timeout=10))

    def test_a_proof_finds_it_before(self):
        self.damaged()
        ran = self.run_tool("vmrestore", "--map", "--verify-first", "a.zst", "--",
                            *Guest(self.folder, "x").command())
        self.assert_status(MALFORMED, ran)
        self.assertFalse((self.folder / "x.serial").exists())

    def test_a_copy_finds_it_before(self):
        self.damaged()
        ran = self.run_tool("vmrestore", "--map=copy", "a.zst", "--",
                            *Guest(self.folder, "x").command())
        self.assert_status(MALFORMED, ran)
        self.assertFalse((self.folder / "x.serial").exists())


class Ends(MapTest):
    def test_vmrestore_is_killed(self):
        expected = self.saved("a.zst")
        guest = self.clone("second")
        server = guest.summary()["map"]["server_pid"]
        qemu = guest.qemu_pid()
        guest.process.kill()
        guest.process.wait()
        self.assert_sweeps(guest, expected)
        os.kill(server, signal.SIGTERM)  # as a host that shuts down does
        time.sleep(0.2)
        self.assertTrue(is_alive(server))
        os.kill(qemu, signal.SIGKILL)
        self.assert_ends(server)

    def test_qemu_is_killed(self):
        self.saved("a.zst")
        guest = self.clone("second")
        server = guest.summary()["map"]["server_pid"]
        os.kill(guest.qemu_pid(), signal.SIGKILL)
        self.assertEqual(ENVIRONMENT, guest.process.wait(timeout=10))
        self.assert_ends(server)

    def test_the_view_is_killed(self):
        self.saved("a.zst")
        guest = self.clone("second")
        server = guest.summary()["map"]["server_pid"]
        qemu = guest.qemu_pid()
        os.kill(server, signal.SIGKILL)
        self.assertEqual(ENVIRONMENT, guest.process.wait(timeout=10))
        self.assertIn("the process that serves the guest's memory has ended",
                      guest.process.stderr.read().decode())
        self.assertFalse(is_alive(qemu))

    def test_a_qemu_that_does_not_start(self):
        self.saved("a.zst")
        ran = self.run_tool("vmrestore", "--map", "a.zst", "--", *QEMU, "-M", "pc", "-m", "32",
                            "-display", "none", "-name", self.folder.name, "-device", "no-such-device")
        self.assert_status(ENVIRONMENT, ran)
        mine = os.fsencode(self.folder.name)
        wait_until(lambda: not any(mine in view for view in views()), "the view to end")


class Refusals(MapTest):
    def test_usage(self):
        qemu = ["--", "qemu-system-x86_64"]
        for arguments in (["--map", "a.zst"], ["--map", "--qmp", "x", "a.zst"],
                          ["--map", "-", *qemu], ["--map=other", "a.zst", *qemu],
                          ["--map", "--lazy", "a.zst", *qemu], ["--map", "--once", "a.zst", *qemu],
                          ["--map", "--require-signature", "me", "a.zst", *qemu]):
            with self.subTest(arguments):
                self.assert_status(USAGE, self.run_tool("vmrestore", *arguments))

    def test_files_that_cannot_be_read_by_position(self):
        self.saved("a.zst")
        self.shell("bzip2 -c a.zst > a.zst.bz2")
        ran = self.run_tool("vmrestore", "--map", "a.zst.bz2", "--", "qemu-system-x86_64")
        self.assert_status(UNSUPPORTED, ran)
        self.assertIn(b"restore it without --map, or unpack it first", ran.stderr)

    def test_a_guest_of_another_size(self):
        self.saved("a.zst")
        command = Guest(self.folder, "x").command(megabytes=48)
        ran = self.run_tool("vmrestore", "--map", "a.zst", "--", *command)
        self.assert_status(UNSUPPORTED, ran)


if __name__ == "__main__":
    unittest.main()
