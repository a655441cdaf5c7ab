# SPDX-License-Identifier: MIT
"""States of guests in qcow2 images: made by QEMU's savevm, and put there by its tools."""

import hashlib
import json
import os
import struct
import subprocess
import unittest

from guest_disks import create_encrypted
from real_guest import GuestTest
from support import DONE, MALFORMED, REFUSED, UNSUPPORTED, USAGE, ToolTest, stream


class ImageTest(ToolTest):
    def img(self, *arguments):
        subprocess.run(["qemu-img", *arguments], cwd=self.folder, check=True, capture_output=True)

    def io(self, image, command):
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, image], cwd=self.folder, check=True,
                       capture_output=True)

    def put_state(self, image, name, state):
        """What savevm does, for any bytes: into the area of states, a snapshot, and its length."""
        padded = state + bytes(-len(state) % (2 << 20))
        self.write("padded", padded)
        self.io(image, f"write -b -s padded 0 {len(padded)}")
        self.img("snapshot", "-c", name, image)
        content = bytearray(self.read(image))
        count, entry = struct.unpack_from(">IQ", content, 60)
        for _ in range(count - 1):
            id_bytes, name_bytes = struct.unpack_from(">HH", content, entry + 12)
            extra, = struct.unpack_from(">I", content, entry + 36)
            entry += (40 + extra + id_bytes + name_bytes + 7) // 8 * 8
        struct.pack_into(">I", content, entry + 32, len(state) & 0xffffffff)
        struct.pack_into(">Q", content, entry + 40, len(state))
        self.write(image, bytes(content))

    def inspect(self, status, *arguments):
        ran = self.run_tool("vmstream-inspect", *arguments)
        self.assert_status(status, ran)
        return ran

    def ask(self, *arguments, status=DONE):
        return json.loads(self.inspect(status, "--json", *arguments).stdout)


class Images(ImageTest):
    def test_any_image_that_qemu_makes(self):
        state = stream(pages=700)
        digest = hashlib.sha256(state).hexdigest()
        for options in ("cluster_size=512", "cluster_size=4k", "cluster_size=2M", "compat=0.10",
                        "extended_l2=on", "compression_type=zstd"):
            with self.subTest(options):
                self.img("create", "-f", "qcow2", "-o", options, "d.qcow2", "1M")
                self.put_state("d.qcow2", "one", state)
                before = self.read("d.qcow2")
                self.assertEqual(digest, self.ask("verify", "d.qcow2#one")["sha256"])
                self.assertEqual(before, self.read("d.qcow2"))

    def test_several_snapshots_of_a_disk_that_grew(self):
        states = {f"s{i}": stream(pages=100 * i, seed=i) for i in (3, 2, 1)}
        self.img("create", "-f", "qcow2", "d.qcow2", "1M")
        for name, state in states.items():
            self.put_state("d.qcow2", name, state)
            self.img("resize", "d.qcow2", "+700M")
        self.img("snapshot", "-c", "disk only", "d.qcow2")
        for number, (name, state) in enumerate(states.items(), 1):
            for called in (name, str(number)):
                self.inspect(DONE, "extract", "stream", f"d.qcow2#{called}", "-o", "out", "--force")
                self.assertEqual(state, self.read("out"))
        listed = self.ask("d.qcow2")
        self.assertEqual([{"type": "qcow2"}], listed["containers"])
        self.assertEqual([*states, "disk only"], [s["name"] for s in listed["snapshots"]])
        self.assertEqual([len(s) for s in states.values()] + [0],
                         [s["state_bytes"] for s in listed["snapshots"]])
        self.assertEqual([True] * 3 + [False], [s["holds_state"] for s in listed["snapshots"]])
        self.assertEqual((1 << 20) + (700 << 20), listed["snapshots"][1]["disk_bytes"])
        shown = self.inspect(DONE, "d.qcow2").stdout.decode()
        self.assertIn("Snapshots: 4, 3 with the state of a guest", shown)
        ran = self.run_tool("vmstream-inspect", "verify", "d.qcow2")
        self.assert_fails(USAGE, ran, "3 snapshots hold a state")
        self.assertIn(b"'s3' (id 1), 's2' (id 2)", ran.stderr)

    def make(self, name="one", state=None):
        self.img("create", "-f", "qcow2", "d.qcow2", "1M")
        self.put_state("d.qcow2", name, state or stream())

    def test_the_only_state_is_read_and_told_of(self):
        self.make()
        ran = self.inspect(DONE, "sections", "d.qcow2")
        self.assertIn(b"its only snapshot with a state is read, 'one' (id 1), made ", ran.stderr)
        named = self.inspect(DONE, "sections", "d.qcow2#one")
        self.assertEqual((ran.stdout, b""), (named.stdout, named.stderr))
        container = self.ask("info", "d.qcow2#1")["containers"][0]
        self.assertEqual(("qcow2", "one"), (container["type"], container["snapshot"]["name"]))
        self.assertIn(b"snapshot     'one' (id 1)", self.inspect(DONE, "d.qcow2#one").stdout)

    def test_names_that_lead_nowhere(self):
        self.make("before-update")
        ran = self.run_tool("vmstream-inspect", "d.qcow2#before-updaet")
        self.assert_fails(USAGE, ran, "there is no snapshot 'before-updaet'")
        self.assertIn(b"did you mean 'before-update'?", ran.stderr)
        self.write("plain#1", stream())  # a file of all the name comes first
        self.assertEqual("qevm", self.ask("plain#1")["containers"][0]["type"])
        self.assert_fails(USAGE, self.run_tool("vmstream-inspect", "plain#1#1"),
                          "is no qcow2 image, and has no snapshot '1'")
        self.assert_fails(1, self.run_tool("vmstream-inspect", "none#1"), "No such file")

    def test_names_are_never_terminal_codes(self):
        self.make("\x1b[31mred#x")
        for ran in (self.inspect(DONE, "d.qcow2"), self.inspect(DONE, "verify", "d.qcow2"),
                    self.inspect(DONE, "d.qcow2#\x1b[31mred#x"), self.inspect(DONE, "--json", "d.qcow2"),
                    self.run_tool("vmstream-inspect", "d.qcow2#\x1b[31mred")):
            self.assertNotIn(b"\x1b", ran.stdout + ran.stderr)

    def test_what_has_no_positions_is_refused(self):
        self.make()
        ran = self.run_tool("vmstream-inspect", "-", stdin=self.read("d.qcow2"))
        self.assert_fails(UNSUPPORTED, ran, "a qcow2 image, which is not read")
        self.assertIn(b"FILE#SNAPSHOT", ran.stderr)
        self.shell("gzip -k d.qcow2; mkfifo fifo")
        for words in (["vmrestore", "d.qcow2.gz"], ["vmstream-inspect", "d.qcow2.gz#1"]):
            self.assert_fails(UNSUPPORTED, self.run_tool(*words), "gzip holds a qcow2 image")
        writer = subprocess.Popen("cat d.qcow2 > fifo", shell=True, cwd=self.folder)
        ran = self.run_tool("vmstream-inspect", "fifo#one")
        writer.kill()
        writer.wait()
        self.assert_fails(UNSUPPORTED, ran, "not from a pipe")

    def test_an_image_is_never_written(self):
        self.make()
        before = self.read("d.qcow2")
        for output in ("d.qcow2", "./d.qcow2"):
            for ran in (self.run_tool("vmrestore", "d.qcow2#one", "-o", output, "--force"),
                        self.run_tool("vmstream-inspect", "extract", "stream", "d.qcow2#one", "-o",
                                      output, "--force"),
                        self.run_tool("vmstream-inspect", "index", "d.qcow2#one", "-o", output,
                                      "--force")):
                self.assertIn(ran.returncode, (USAGE, 5), ran.stderr)
        ran = self.run_tool("vmrestore", "--once", "d.qcow2#one", "--qmp", "x")
        self.assert_fails(USAGE, ran, "does not go with a snapshot")
        self.assertEqual(before, self.read("d.qcow2"))

    def test_encrypted_images_have_a_way_out(self):
        create_encrypted("qcow2", ["-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"],
                         self.folder / "d.qcow2", "data=x", "1M")
        ran = self.run_tool("vmstream-inspect", "verify", "d.qcow2")
        self.assert_fails(UNSUPPORTED, ran, "encrypted (method 2, LUKS)")
        self.assertIn(b"qemu-io", ran.stderr)

    def test_an_index_beside_a_snapshot(self):
        self.make()
        self.inspect(DONE, "index", "d.qcow2#one")
        self.assertIn("d.qcow2#one.vmsx", self.files())
        self.assertEqual("index", self.ask("sections", "d.qcow2#one")["source"])
        self.io("d.qcow2", "write -P 7 0 64k")  # the guest goes on; the state is as it was
        self.assertEqual("index", self.ask("sections", "d.qcow2#one")["source"])
        self.put_state("d.qcow2", "two", stream(seed=9))
        os.rename(self.folder / "d.qcow2#one.vmsx", self.folder / "d.qcow2#two.vmsx")
        ran = self.inspect(DONE, "sections", "d.qcow2#two")
        self.assertIn(b"not the one that it was made for", ran.stderr)

    def test_a_cut_image_and_a_cut_state(self):
        self.make(state=stream(pages=300)[:900_000])
        answer = self.ask("verify", "d.qcow2#one", status=MALFORMED)
        self.assertFalse(answer["complete"])
        self.make(state=stream(pages=300))
        content = self.read("d.qcow2")
        for end in (50, 70_000, 400_000):
            self.write("cut.qcow2", content[:end])
            ran = self.run_tool("vmrestore", "cut.qcow2#one")
            self.assert_status(MALFORMED, ran)
            self.assertIn(b"file offset 0x", ran.stderr)


class SavedByQemu(ImageTest, GuestTest):
    """One guest, saved twice while it ran; then it went on, and its disk grew."""

    def setUp(self):
        super().setUp()
        self.img("create", "-f", "qcow2", "disk.qcow2", "8M")
        guest = self.qemu("first", "-drive", "file=disk.qcow2,if=virtio,format=qcow2")
        self.guest = guest
        guest.wait_for_tick(40)
        self.assertEqual("", guest.monitor.type("savevm early"))
        guest.wait_for_tick(guest.last_tick() + 2)
        guest.monitor.ask("stop")
        self.assertEqual("", guest.monitor.type("savevm late"))
        self.seen_in_use = self.inspect(DONE, "verify", "disk.qcow2#late").stderr
        guest.monitor.ask("migrate", uri="exec:cat > plain")
        while guest.monitor.migration() not in ("completed", "failed"):
            pass

        self.told = guest.ticks()
        guest.end()

    def assert_counts_on(self, guest):
        self.assertTrue(guest.is_counting())
        self.assertIn(guest.ticks()[0] - 1, self.told)
        self.assertGreater(guest.ticks()[0], 40)

    def ram_of(self, file):
        self.inspect(DONE, "extract", "ram", file, "--block", "pc.ram", "-o", "ram", "--force")
        return hashlib.sha256(self.read("ram")).hexdigest()

    def restored(self, *arguments):
        second = self.qemu("second", "-incoming", "defer",
                           "-drive", "file=copy.qcow2,if=virtio,format=qcow2")
        self.assert_status(DONE, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", *arguments))
        self.assert_counts_on(second)
        second.end()

    def test_a_state_becomes_a_snapshot(self):
        self.run_tool("vmrestore", "-o", "state", "disk.qcow2#late")
        self.img("create", "-f", "qcow2", "new.qcow2", "8M")
        self.img("snapshot", "-c", "taken", "new.qcow2")
        qemu = [*self.guest.command()[:-4], "-drive", "file=new.qcow2,if=virtio,format=qcow2"]
        into = lambda name, file="state": self.run_tool(
            "vmrestore", "--json", "--into", f"new.qcow2#{name}", file, "--", *qemu)
        before = self.read("new.qcow2")
        ran = into("taken")
        self.assert_status(REFUSED, ran)
        self.assertIn(b"it has a snapshot 'taken' already", ran.stderr)
        for name in ("n" * 256, "\udcff"):  # QEMU would take another
            self.assert_status(USAGE, into(name))
        self.write("cut", self.read("state")[:-300])
        self.assert_status(MALFORMED, into("moved", "cut"))
        self.assertEqual(["taken"], [s["name"] for s in self.ask("new.qcow2")["snapshots"]])
        self.assertEqual(before[:64], self.read("new.qcow2")[:64])
        self.img("create", "-f", "qcow2", "other.qcow2", "8M")
        ran = self.run_tool("vmrestore", "--into", "other.qcow2#x", "state", "--", *qemu)
        self.assert_status(USAGE, ran)
        self.assertIn(b"none of the qcow2 disks", ran.stderr)
        self.assert_fails(USAGE, self.run_tool("vmrestore", "--into", "new.qcow2#x", "state"),
                          "--into needs --qmp or --")
        ran = into("moved")
        self.assert_status(DONE, ran)
        self.assertEqual("paused", json.loads(ran.stdout)["run_state"])
        self.img("check", "new.qcow2")
        self.assertEqual(self.ram_of("state"), self.ram_of("new.qcow2#moved"))
        os.rename(self.folder / "new.qcow2", self.folder / "disk.qcow2")
        second = self.qemu("second", "-drive", "file=disk.qcow2,if=virtio,format=qcow2", "-loadvm",
                           "moved")
        self.assert_counts_on(second)

    def test_a_state_is_what_a_migration_would_have_been(self):
        self.assertIn(b"a QEMU writes to this image: what is read may be half-written",
                      self.seen_in_use)
        self.assertEqual(b"", self.inspect(DONE, "verify", "disk.qcow2#late").stderr)
        self.assertEqual(self.ram_of("plain"), self.ram_of("disk.qcow2#late"))
        self.assertNotEqual(self.ram_of("plain"), self.ram_of("disk.qcow2#early"))
        rip_of = lambda file: self.ask("device", file, "cpu", "rip")["instances"][0]["fields"][0]["value"]
        self.assertEqual(rip_of("plain"), rip_of("disk.qcow2#late"))
        self.inspect(DONE, "explain", "disk.qcow2#late")
        snapshots = self.ask("disk.qcow2")["snapshots"]
        said = json.loads(subprocess.run(["qemu-img", "info", "--output=json", "disk.qcow2"],
                                         cwd=self.folder, check=True, capture_output=True).stdout)
        for ours, theirs in zip(snapshots, said["snapshots"], strict=True):
            self.assertEqual(theirs["id"], ours["id"])
            self.assertEqual(theirs["name"], ours["name"])
            self.assertEqual(theirs["vm-state-size"], ours["state_bytes"])
            clock = theirs["vm-clock-sec"] * 10**9 + theirs["vm-clock-nsec"]
            self.assertEqual(clock, ours["run_ns"])
        # Restored in every way. The disk belongs to the state.
        self.img("convert", "-l", "snapshot.name=early", "-O", "qcow2", "disk.qcow2", "copy.qcow2")
        self.restored("disk.qcow2#early")
        self.restored("--verify-first", "disk.qcow2#late")
        self.restored("--lazy", "disk.qcow2#early")
        self.restored("--lazy", "--verify-first", "disk.qcow2#2")
        self.run_tool("vmrestore", "-o", "out", "disk.qcow2#late")
        self.assertEqual(self.ram_of("plain"), self.ram_of("out"))


if __name__ == "__main__":
    unittest.main()
