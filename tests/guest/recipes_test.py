# SPDX-License-Identifier: MIT
"""A guest is saved and goes on elsewhere: every way that the manual pages show."""

import json
import subprocess
import unittest

from real_guest import MACHINE, GuestTest, wait_until
from support import ENVIRONMENT, REFUSED, tool


class Recipes(GuestTest):
    def test_every_coding_through_qmp(self):
        for number, file in enumerate(("a.zst", "a.gz", "a.bz2", "a.none")):
            with self.subTest(file):
                first = self.counting_guest() if number == 0 else first
                coding = ["-c", "none"] if file == "a.none" else []
                self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", file,
                                                    *coding))
                self.assertEqual("running", first.monitor.status())
                self.assertTrue(first.is_counting())
                second = self.qemu("second", "-incoming", "defer")
                self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont",
                                                    file))
                self.assert_went_on(first, second)
                second.end()

    def test_classic_save_typed_into_the_monitor(self):
        first = self.counting_guest()
        first.monitor.type('migrate "exec:vmdump --stdin -o guest.gz"')
        wait_until(lambda: (self.folder / "guest.gz").exists(), "the file")
        self.assertEqual("completed", first.monitor.migration())
        self.assertEqual(0, self.shell("gzip -t guest.gz").returncode)
        self.assert_restores("guest.gz", first)

    def test_classic_load_of_our_file(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.gz"))
        second = self.qemu("second", "-incoming", "exec:vmrestore guest.gz")
        wait_until(lambda: second.monitor.status() == "paused", "the load")
        second.monitor.ask("cont")
        self.assert_went_on(first, second)

    def test_a_file_of_the_old_gzip_recipe(self):
        first = self.counting_guest()
        first.monitor.type('migrate "exec:gzip -c > old.gz"')
        wait_until(lambda: first.monitor.migration() == "completed", "the old recipe")
        wait_until(lambda: self.shell("gzip -t old.gz").returncode == 0, "gzip")
        second = self.qemu("second", "-incoming", "exec:vmrestore old.gz")
        wait_until(lambda: second.monitor.status() in ("running", "paused"), "the load")
        self.assertTrue(second.is_counting())

    def test_stock_tools_load_our_file(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.zst"))
        second = self.qemu("second", "-incoming", "exec:zstd -dc guest.zst")
        wait_until(lambda: second.monitor.status() == "paused", "the load")
        second.monitor.ask("cont")
        self.assert_went_on(first, second)

    def test_vmrestore_starts_qemu(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.zst",
                                            "--after", "pause"))
        second = self.start_tool(
            "vmrestore", "guest.zst", "--cont", "--", "qemu-system-x86_64", *MACHINE, "-m", "32",
            "-serial", "file:second.serial")
        serial = self.folder / "second.serial"
        wait_until(lambda: serial.exists() and serial.read_text().count(" OK ") > 3, "the guest")
        self.assertNotIn("BAD", serial.read_text())
        second.terminate()
        self.assertEqual(130, second.wait())

    def test_a_qemu_that_may_start_no_program(self):
        """As libvirt confines it: `exec:` would kill it, a pipe that it is handed does not."""
        first = self.counting_guest("-sandbox", "on,obsolete=deny,elevateprivileges=deny,"
                                    "spawn=deny,resourcecontrol=deny")
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.zst"))
        self.assert_restores("guest.zst", first)
        run = self.run_tool("vmdump", "--qmp", first.qmp, "-o", "x.gz", "--explain")
        self.assertRegex(run.stdout.decode(), "spawn=deny.*\n(.*\n)*.*exec:")

    def test_through_a_command_both_ways(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "--exec",
                                            "cat > far.zst"))
        second = self.qemu("second", "-incoming", "defer")
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", "--exec",
                                            "cat far.zst"))
        self.assert_went_on(first, second)

    def test_after_quit_ends_qemu_once_the_file_is_there(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.zst",
                                            "--after", "quit"))
        first.process.wait(10)
        self.assert_restores("guest.zst", first)

    def test_inspect_agrees_with_the_summary(self):
        first = self.counting_guest()
        ran = self.run_tool("vmdump", "--qmp", first.qmp, "-o", "guest.zst", "--json")
        self.assert_status(0, ran)
        saved = json.loads(ran.stdout)
        seen = json.loads(self.run_tool("vmstream-inspect", "info", "guest.zst", "--json").stdout)
        self.assertTrue(seen["stream"]["complete"])
        self.assertEqual(saved["stream_bytes"], seen["stream"]["length"])
        self.assertEqual(saved["guest_bytes"], seen["ram"]["total"])
        self.assertEqual([], seen["problems"])
        plain = subprocess.run([tool("vmrestore"), "guest.zst"], cwd=self.folder,
                               stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(saved["stream_bytes"], len(plain))
        digest = subprocess.run(["sha256sum"], input=plain, stdout=subprocess.PIPE, check=True)
        self.assertEqual(saved["sha256"], digest.stdout.split()[0].decode())


class Promises(GuestTest):
    def test_a_verified_save_may_end_the_guest_and_its_file_is_used_once(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "x.zst", "--verify",
                                            "--after", "quit"))
        wait_until(first.has_ended, "QEMU to end")
        second = self.qemu("second", "-incoming", "defer")
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--once",
                                            "--verify-first", "--cont", "x.zst"))
        self.assertEqual(["x.zst.restored"], self.state_files())
        self.assert_went_on(first, second)
        second.end()
        twin = self.qemu("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--qmp", twin.qmp, "--once", "x.zst")
        self.assert_fails(REFUSED, ran, "x.zst: the file has been used")
        self.assertEqual("inmigrate", twin.monitor.status())

    def test_a_file_that_another_machine_refuses_is_given_back(self):
        first = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "x.zst"))
        other = self.qemu("second", "-M", "q35", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--qmp", other.qmp, "--once", "x.zst")
        self.assert_status(ENVIRONMENT, ran)
        self.assertEqual(["x.zst"], self.state_files())


if __name__ == "__main__":
    unittest.main()
