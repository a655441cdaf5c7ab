# SPDX-License-Identifier: MIT
"""Guests that run before their memory is there: all of it comes, once, whatever happens between."""

import json
import os
import signal
import socket
import struct
import time
import unittest

from real_guest import MACHINE, NEWER_QEMU, GuestTest, Qemu, wait_until
from support import ENVIRONMENT, INTERRUPTED, MALFORMED, UNSUPPORTED, USAGE

SWEEP_IMAGE = os.environ["VMSTREAM_SWEEP_GUEST"]
MIB = 1 << 20
REGION = MIB  # where the sweeping guest reads from
SWEPT = 16 * MIB
FILLED = 6 * MIB  # the rest of what it reads is zero
SLOW = ["--max-bandwidth", "4M/s"]


class SweepQemu(Qemu):
    """A guest that reads all of its memory over and over and prints the same sum each time."""

    def __init__(self, folder, name, *arguments, **more):
        super().__init__(folder, name, *arguments, image=SWEEP_IMAGE, **more)

    def sums(self):
        text = self.serial.read_text(errors="replace") if self.serial.exists() else ""
        return [line[2:] for line in text.split("\n")[:-1] if len(line.rstrip()) == 10]


class LazyTest(GuestTest):
    def setUp(self):
        super().setUp()
        self.require_postcopy()

    def require_postcopy(self):
        """Says by name where QEMU or the kernel has no postcopy: then nothing here can be tested."""
        probe = self.qemu("probe", "-incoming", "defer")
        try:
            probe.monitor.ask("migrate-set-capabilities",
                              capabilities=[{"capability": "postcopy-ram", "state": True}])
        except AssertionError as refusal:
            self.skipTest(f"no userfaultfd for postcopy: {refusal}")
        finally:
            probe.end()

    def start(self, name, *arguments, **more):
        qemu = SweepQemu(self.folder, name, *arguments, **more)
        self.addCleanup(qemu.end)
        return qemu

    def sweeping_guest(self, **more):
        content = bytearray(os.urandom(MIB // 2) * (FILLED * 2 // MIB))
        for page in range(0, FILLED, 4096):
            content[page:page + 8] = struct.pack("<Q", page)
        content[:4] = struct.pack("<I", SWEPT)
        self.write("content", content)
        guest = self.start("first", "-device",
                           f"loader,file=content,addr={REGION},force-raw=on", **more)
        wait_until(guest.sums, "the first sum")
        return guest

    def saved(self, file, *arguments):
        """A file of the sweeping guest, and the sum that it must go on with."""
        guest = self.sweeping_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", file, *arguments))
        expected = guest.sums()[0]
        guest.end()
        return expected

    def restore(self, *arguments, status=0):
        ran = self.run_tool("vmrestore", "--lazy", "--json", *arguments)
        self.assert_status(status, ran)
        return json.loads(ran.stdout) if status == 0 else ran.stderr.decode()

    def assert_whole(self, qemu, expected):
        """The guest has read all of its memory twice since now, and found what it must."""
        seen = len(qemu.sums())
        wait_until(lambda: len(qemu.sums()) >= seen + 2, "two more sums")
        # The line that was being printed when the guest was saved is cut.
        self.assertEqual({expected}, set(qemu.sums()[1:]))
        self.assertEqual("completed", qemu.monitor.migration())

    def start_lazily(self, file, qemu, *arguments):
        """A restore that takes its time, once the guest has its devices."""
        process = self.start_tool("vmrestore", "--lazy", "--cont", "--qmp", qemu.qmp, "-v", file,
                                  *arguments)
        line = process.stderr.readline().decode()
        self.assertIn("devices loaded", line)
        return process

    def await_paused(self, qemu):
        wait_until(lambda: qemu.monitor.migration() == "postcopy-paused", "the broken connection")

    def resume(self, qemu, file):
        self.assert_status(0, self.run_tool("vmrestore", "--resume-lazy", "--qmp", qemu.qmp, file))


class Restores(LazyTest):
    def test_every_form_of_file(self):
        expected = self.saved("a.zst")
        self.assert_status(0, self.run_tool("vmrestore", "-o", "a.plain", "a.zst"))
        self.shell("gzip -c -1 a.plain > foreign.gz")
        self.assert_status(0, self.run_tool("vmdump", "--stdin", "-o", "a.gz",
                                            stdin=self.read("a.plain")))
        for file in ("a.zst", "a.gz", "a.plain", "foreign.gz"):
            with self.subTest(file):
                second = self.start("second", "-incoming", "defer")
                summary = self.restore("--cont", "--qmp", second.qmp, file)
                self.assertEqual("running", summary["run_state"])
                self.assertGreaterEqual(summary["lazy"]["pushed_pages"] +
                                        summary["lazy"]["served_pages"], FILLED // 4096)
                self.assert_whole(second, expected)
                second.end()
        self.assertIn("foreign.gz.vmsx", self.files())

    def test_memory_that_is_only_asked_for(self):
        expected = self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        restore = self.start_lazily("a.zst", second, "--prefetch", "none")
        wait_until(lambda: len(second.sums()) > 2, "sums of memory that was asked for")
        self.assertEqual({expected}, set(second.sums()[1:]))
        restore.send_signal(signal.SIGINT)
        message = restore.stderr.read().decode()
        self.assertEqual(INTERRUPTED, restore.wait(), message)
        self.assertIn("--resume-lazy", message)
        self.await_paused(second)
        self.resume(second, "a.zst")
        self.assert_whole(second, expected)

    def test_run_states(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "stopped.zst"))
        first.monitor.ask("migrate", uri="exec:cat > running")
        wait_until(lambda: first.monitor.migration() == "completed", "the live save")
        time.sleep(0.1)  # cat's last write
        first.end()
        for file, arguments, state in (("stopped.zst", [], "paused"),
                                       ("stopped.zst", ["--cont"], "running"),
                                       ("running", [], "running"),
                                       ("running", ["--paused"], "paused")):
            with self.subTest(file=file, arguments=arguments):
                second = self.qemu("second", "-incoming", "defer")
                summary = self.restore("--qmp", second.qmp, file, *arguments)
                self.assertEqual(state, summary["run_state"])
                if state == "paused":
                    self.assertEqual([], second.ticks())
                    second.monitor.ask("cont")
                self.assertTrue(second.is_counting())
                self.assertGreater(second.ticks()[0], 40)
                second.end()

    def test_a_background_save(self):
        first = self.counting_guest()
        try:
            first.monitor.ask("migrate-set-capabilities",
                              capabilities=[{"capability": "background-snapshot", "state": True}])
        except AssertionError as refusal:
            self.skipTest(f"no background saves: {refusal}")
        first.monitor.ask("migrate", uri="exec:cat > background")
        wait_until(lambda: first.monitor.migration() == "completed", "the save")
        time.sleep(0.1)  # cat's last write
        first.end()
        second = self.qemu("second", "-incoming", "defer")
        self.restore("--cont", "--qmp", second.qmp, "background")
        self.assertTrue(second.is_counting())
        self.assertGreater(second.ticks()[0], 39)

    def test_a_new_qemu(self):
        expected = self.saved("a.zst")
        process = self.start_tool(
            "vmrestore", "--lazy", "--cont", "--json", "a.zst", "--", "qemu-system-x86_64",
            *MACHINE, "-m", "32", "-serial", "file:new.serial",
            "-drive", f"file={SWEEP_IMAGE},format=raw,if=floppy,readonly=on", "-qmp", "unix:new.qmp,server=on,wait=off")
        serial = self.folder / "new.serial"
        wait_until(lambda: serial.exists() and serial.read_text().count("\n") > 2, "sums")
        self.assertEqual({expected}, set(line[2:] for line in
                                         serial.read_text().split("\n")[1:-1]))
        self.shell("printf '%s\\n' '{\"execute\":\"qmp_capabilities\"}' '{\"execute\":\"quit\"}' |"
                   " timeout 5 socat -t2 - unix:new.qmp")
        self.assertEqual(0, process.wait(timeout=20))
        self.assertEqual("running", json.loads(process.stdout.read())["run_state"])

    def test_a_monitor_that_carries_no_descriptor(self):
        expected = self.saved("a.zst")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        second = self.start("second", "-incoming", "defer",
                            "-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off")
        self.restore("--cont", "--qmp", f"tcp:127.0.0.1:{port}", "a.zst")
        self.assert_whole(second, expected)

    @unittest.skipUnless(NEWER_QEMU, "no QEMU of 9.0 or later, see scripts/newer-qemu.sh")
    def test_a_newer_qemu_and_mapped_ram(self):
        first = self.sweeping_guest(qemu=NEWER_QEMU)
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "a.zst"))
        expected = first.sums()[0]
        first.monitor.ask("migrate-set-capabilities",
                          capabilities=[{"capability": "mapped-ram", "state": True}])
        first.monitor.ask("migrate", uri=f"file:{self.folder}/mapped")
        wait_until(lambda: first.monitor.migration() == "completed", "the mapped-ram save")
        first.monitor.ask("cont")
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "own",
                                            "--mapped-ram"))
        first.end()
        for file in ("a.zst", "mapped", "own"):
            with self.subTest(file):
                second = self.start("second", "-incoming", "defer", qemu=NEWER_QEMU)
                self.restore("--cont", "--qmp", second.qmp, file)
                self.assert_whole(second, expected)
                second.end()

    def test_the_working_set_comes_early(self):
        expected = self.saved("a.zst")
        served = []
        for _ in range(2):
            second = self.start("second", "-incoming", "defer")
            summary = self.restore("--cont", "--qmp", second.qmp, "a.zst", "--working-set", "set",
                                   *SLOW)
            served.append(summary["lazy"]["served_pages"])
            self.assert_whole(second, expected)
            second.end()
        self.assertTrue(self.read("set").startswith(b"vmstream working set 1\n"))
        self.assertGreater(served[0], 0)

    def test_several_at_once(self):
        expected = self.saved("a.zst")
        names = [f"copy{number}" for number in range(6)]
        copies = [self.start(name, "-incoming", "defer") for name in names]
        restores = [self.start_tool("vmrestore", "--lazy", "--cont", "--qmp", copy.qmp, "a.zst")
                    for copy in copies]
        for restore in restores:
            self.assertEqual(0, restore.wait(timeout=60), restore.stderr.read())
        for copy in copies:
            self.assert_whole(copy, expected)


class Interruptions(LazyTest):
    def test_killed_and_resumed(self):
        expected = self.saved("a.zst")
        killed = 0
        for number in range(int(os.environ.get("VMSTREAM_LAZY_KILLS", "6"))):
            with self.subTest(number):
                second = self.start("second", "-incoming", "defer")
                restore = self.start_lazily("a.zst", second, *SLOW)
                time.sleep(0.012 * number)
                restore.kill()
                if restore.wait() != 0:  # else the guest has asked for everything by then
                    killed += 1
                    self.await_paused(second)
                    self.resume(second, "a.zst")
                self.assert_whole(second, expected)
                second.end()
        self.assertGreater(killed, 0)

    def test_killed_qemu(self):
        self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        restore = self.start_lazily("a.zst", second, *SLOW)
        second.process.kill()
        message = restore.stderr.read().decode()
        self.assertEqual(ENVIRONMENT, restore.wait(), message)
        self.assertIn("QEMU ended before it had all of its guest's memory", message)

    def test_a_damaged_block(self):
        expected = self.saved("a.zst")
        damaged = bytearray(self.read("a.zst"))
        damaged[len(damaged) // 2] ^= 0x10
        self.write("damaged.zst", damaged)
        second = self.start("second", "-incoming", "defer")
        message = self.restore("--cont", "--qmp", second.qmp, "damaged.zst", status=MALFORMED)
        self.assertRegex(message, r"the page at 0x[0-9a-f]+ of RAM block 'pc.ram' cannot be "
                                  r"delivered")
        self.assertIn("file offset 0x", message)
        self.await_paused(second)
        self.resume(second, "a.zst")
        self.assert_whole(second, expected)

    def test_nothing_to_resume(self):
        self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--resume-lazy", "--qmp", second.qmp, "a.zst")
        self.assert_fails(ENVIRONMENT, ran, "wanted 'postcopy-paused'")


class Refusals(LazyTest):
    def test_destinations_that_do_not_fit(self):
        self.saved("a.zst")
        small = self.start("second", "-incoming", "defer", megabytes=48)
        message = self.restore("--qmp", small.qmp, "a.zst", status=ENVIRONMENT)
        self.assertIn("QEMU ended while it loaded the guest", message)
        self.assertIn("hint: ", message)
        wait_until(small.has_ended, "QEMU to end")
        self.assertEqual([], small.sums())

    def test_a_qemu_that_will_not_have_postcopy(self):
        self.saved("a.zst")
        second = self.start("second", "-incoming", "defer")
        second.monitor.ask("migrate-set-capabilities",
                           capabilities=[{"capability": "x-ignore-shared", "state": True}])
        message = self.restore("--qmp", second.qmp, "a.zst", status=ENVIRONMENT)
        self.assertIn("cannot take a guest before its memory", message)
        self.assertIn("userfaultfd", message)
        self.assertEqual("inmigrate", second.monitor.status())

    def test_a_qemu_that_waits_for_nothing(self):
        self.saved("a.zst")
        guest = self.counting_guest()
        message = self.restore("--qmp", guest.qmp, "a.zst", status=ENVIRONMENT)
        self.assertIn("waits for no guest", message)
        self.assertTrue(guest.is_counting())

    def test_files_that_cannot_be_read_by_position(self):
        self.saved("a.zst")
        self.shell("bzip2 -c a.zst > a.zst.bz2; head -c 500000 a.zst > cut.zst")
        second = self.start("second", "-incoming", "defer")
        message = self.restore("--qmp", second.qmp, "a.zst.bz2", status=UNSUPPORTED)
        self.assertIn("cannot be read by position", message)
        self.restore("--qmp", second.qmp, "cut.zst", status=MALFORMED)
        self.assertEqual("inmigrate", second.monitor.status())

    def test_usage(self):
        for arguments in (["--lazy", "a.zst"], ["--lazy", "--qmp", "x", "-"],
                          ["--resume-lazy", "a.zst", "--", "qemu"],
                          ["--prefetch", "none", "--qmp", "x", "a.zst"],
                          ["--lazy", "--prefetch", "working-set", "--qmp", "x", "a.zst"],
                          ["--lazy", "--require-signature", "me", "--qmp", "x", "a.zst"]):
            with self.subTest(arguments):
                self.assert_status(USAGE, self.run_tool("vmrestore", *arguments))


if __name__ == "__main__":
    unittest.main()
