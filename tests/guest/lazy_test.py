# SPDX-License-Identifier: MIT
"""Guests that run before their memory is there: all of it comes, once, from every kind of file."""

import json
import os
import signal
import time
import unittest

from gpg_home import GpgHomeTest
from lazy_guest import FILLED, MIB, SLOW, SWEEP_IMAGE, LazyTest
from real_guest import MACHINE, NEEDS_NEWER_QEMU, NEWER_QEMU, boot_from, free_port, wait_until
from support import ENVIRONMENT, INTERRUPTED, MALFORMED, UNSUPPORTED, USAGE, tool

SERVER_MEMORY = 140 * MIB  # as the manual says


class Restores(LazyTest):
    def test_every_form_of_file(self):
        expected = self.saved("a.zst")
        self.assert_status(0, self.run_tool("vmrestore", "-o", "a.plain", "a.zst"))
        self.shell("gzip -c -1 a.plain > foreign.gz")
        self.assert_status(0, self.run_tool("vmdump", "--stdin", "-o", "a.gz",
                                            stdin=self.read("a.plain")))
        for file in ("a.zst", "a.gz", "a.plain", "foreign.gz"):
            with self.subTest(file):
                with self.start("second", "-incoming", "defer") as second:
                    summary = self.restore("--cont", "--qmp", second.qmp, file)
                    self.assertEqual("running", summary["run_state"])
                    self.assertGreaterEqual(summary["lazy"]["pushed_pages"] +
                                            summary["lazy"]["served_pages"], FILLED // 4096)
                    self.assert_whole(second, expected)
        self.assertIn("foreign.gz.vmsx", self.files())

    def test_from_a_device_that_held_an_older_save(self):
        self.saved("older.zst")
        self.shell(f"while cat older.zst 2> /dev/null; do :; done | head -c {64 * MIB} > image")
        self.assertEqual(64 * MIB, (self.folder / "image").stat().st_size)
        made = self.shell("losetup -f --show image")
        if made.returncode != 0:
            self.skipTest("loop devices are root's to make")
        device = made.stdout.decode().strip()
        self.addCleanup(self.shell, f"losetup -d {device}")
        for options in (["-c", "zstd"], ["-c", "gzip"], ["-c", "none"]):
            with self.subTest(options):
                expected = self.saved(device, "--force", *options)
                with self.start("second", "-incoming", "defer") as second:
                    self.restore("--cont", "--qmp", second.qmp, device)
                    self.assert_whole(second, expected)

    def test_an_index_stays_with_the_name_of_a_file_that_is_used_once(self):
        expected = self.saved("a.zst")
        self.shell(f"{tool('vmrestore')} a.zst | gzip -1 > foreign.gz")
        for _ in range(2):
            with self.start("second", "-incoming", "defer") as second:
                ran = self.run_tool("vmrestore", "--lazy", "--once", "--cont", "--qmp", second.qmp,
                                    "foreign.gz")
                self.assert_status(0, ran)
                self.assert_whole(second, expected)
            names = [name for name in self.files() if name.startswith("foreign")]
            self.assertEqual(["foreign.gz.restored", "foreign.gz.vmsx"], names)
            (self.folder / "foreign.gz.restored").rename(self.folder / "foreign.gz")
        self.assertNotIn(b"index made", ran.stderr)  # the second time

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
                with self.qemu("second", "-incoming", "defer") as second:
                    summary = self.restore("--qmp", second.qmp, file, *arguments)
                    self.assertEqual(state, summary["run_state"])
                    if state == "paused":
                        self.assertEqual([], second.ticks())
                        second.monitor.ask("cont")
                    self.assertTrue(second.is_counting())
                    self.assertGreater(second.ticks()[0], 40)

    def test_a_new_qemu(self):
        expected = self.saved("a.zst")
        process = self.start_tool(
            "vmrestore", "--lazy", "--cont", "--json", "a.zst", "--", "qemu-system-x86_64",
            *MACHINE, "-m", "32", "-serial", "file:new.serial", *boot_from(SWEEP_IMAGE), "-qmp",
            "unix:new.qmp,server=on,wait=off")
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
        port = free_port()
        second = self.start("second", "-incoming", "defer",
                            "-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off")
        self.restore("--cont", "--qmp", f"tcp:127.0.0.1:{port}", "a.zst")
        self.assert_whole(second, expected)

    @NEEDS_NEWER_QEMU
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
                with self.start("second", "-incoming", "defer", qemu=NEWER_QEMU) as second:
                    self.restore("--cont", "--qmp", second.qmp, file)
                    self.assert_whole(second, expected)

    def test_the_working_set_comes_early(self):
        expected = self.saved("a.zst")
        served = []
        for _ in range(2):
            with self.start("second", "-incoming", "defer") as second:
                summary = self.restore("--cont", "--qmp", second.qmp, "a.zst", "--working-set",
                                       "set", *SLOW)
                served.append(summary["lazy"]["served_pages"])
                self.assert_whole(second, expected)
        self.assertTrue(self.read("set").startswith(b"vmstream working set 1\n"))
        self.assertGreater(served[0], 0)

    def test_twenty_at_once(self):
        expected = self.saved("a.zst")
        copies = [self.start(f"copy{number}", "-incoming", "defer") for number in range(20)]
        restores = [self.start_tool("vmrestore", "--lazy", "--cont", "--qmp", copy.qmp, "a.zst")
                    for copy in copies]
        for restore in restores:
            self.assertLess(self.peak_memory(restore), SERVER_MEMORY)
        for copy in copies:
            self.assert_whole(copy, expected)

    def peak_memory(self, process):
        """Most bytes that the process, which ends well, ever had in memory; no fewer than this one
        had when it started it, as Linux counts."""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(0, process.returncode, process.stderr.read())
        return usage.ru_maxrss * 1024


class Refusals(LazyTest):
    def test_destinations_that_do_not_fit(self):
        self.saved("a.zst")
        for what, megabytes, machine in (("ram size", 48, "pc"), ("machine", 32, "q35")):
            with self.subTest(what):
                with self.start("second", "-incoming", "defer", "-M", machine,
                                megabytes=megabytes) as second:
                    message = self.restore("--qmp", second.qmp, "a.zst", status=ENVIRONMENT)
                    self.assertIn("QEMU ended while it loaded the guest", message)
                    self.assertIn("hint: ", message)
                    wait_until(second.has_ended, "QEMU to end")
                    self.assertEqual([], second.sums())

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


class EncryptedFiles(GpgHomeTest, LazyTest):
    def test_the_way_out_is_told_and_works(self):
        expected = self.saved("a.zst.gpg", "-e", self.jo)
        with self.start("second", "-incoming", "defer") as second:
            message = self.restore("--cont", "--qmp", second.qmp, "a.zst.gpg", status=UNSUPPORTED)
            self.assertEqual(
                "vmrestore: a.zst.gpg: the file cannot be read by position: an OpenPGP message, "
                "which is not to be decrypted\n"
                "hint: restore it without --lazy, or unpack it first: vmstream-inspect extract stream FILE "
                "-o X\n", message)
            self.assertEqual("inmigrate", second.monitor.status())
            self.assert_status(0, self.run_tool("vmrestore", "-o", "plain", "a.zst.gpg"))
            self.restore("--cont", "--qmp", second.qmp, "plain")
            self.assert_whole(second, expected)


if __name__ == "__main__":
    unittest.main()
