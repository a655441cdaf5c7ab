# SPDX-License-Identifier: MIT
"""The programs in examples/, as they stand there, with a real guest."""

import os
import subprocess
import unittest
from pathlib import Path

from real_guest import Guest, GuestTest

EXAMPLES = Path(os.environ["VMSTREAM_EXAMPLES"])


class ExamplesTest(GuestTest):
    def run_example(self, name, *arguments):
        return subprocess.run([EXAMPLES / name, *arguments], cwd=self.folder, capture_output=True,
                              timeout=60, check=False)

    def test_a_guest_is_saved_looked_at_and_brought_back(self):
        first = self.counting_guest()
        saved = self.run_example("save_guest", first.qmp, "guest.zst")
        self.assertEqual((0, b""), (saved.returncode, saved.stderr))
        self.assertTrue(first.is_counting())
        devices = self.run_example("list_devices", "guest.zst")
        self.assertEqual(0, devices.returncode, devices.stderr)
        self.assertIn(b"timer\n", devices.stdout)
        page = self.run_example("read_page", "guest.zst", "pc.ram", "0x7000")
        self.assertEqual((0, 4096), (page.returncode, len(page.stdout)), page.stderr)
        first.end()
        self.bring_back("guest.zst")

    def bring_back(self, name):
        second = Guest(self.folder, "second")
        self.addCleanup(second.forget)
        restoring = subprocess.Popen([EXAMPLES / "restore_guest", name, *second.command()],
                                     cwd=self.folder, stderr=subprocess.PIPE)
        self.addCleanup(restoring.stderr.close)
        monitor = second.open_monitor()
        try:
            self.assertTrue(second.is_counting())
        finally:
            monitor.ask("quit")
            monitor.close()
        self.assertEqual(0, restoring.wait(30), restoring.stderr.read())

    def test_they_say_what_is_wrong(self):
        self.write("text", b"no stream at all\n" * 100)
        for name, arguments in (("list_devices", []), ("read_page", ["pc.ram", "0"]),
                                ("restore_guest", ["true"])):
            with self.subTest(name):
                ran = self.run_example(name, "text", *arguments)
                self.assertEqual(1, ran.returncode)
                self.assertNotEqual(b"", ran.stderr)
        ran = self.run_example("save_guest", "no.socket", "file")
        self.assertEqual(1, ran.returncode)
        self.assertEqual([], [name for name in self.files() if name.startswith("file")])


if __name__ == "__main__":
    unittest.main()
