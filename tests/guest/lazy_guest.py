# SPDX-License-Identifier: MIT
"""What tests of lazy restores share: a guest that reads all of its memory over and over."""

import functools
import json
import os
import struct

from real_guest import GuestTest, Qemu, wait_until, why_not

SWEEP_IMAGE = os.environ["VMSTREAM_SWEEP_GUEST"]
MIB = 1 << 20
REGION = MIB  # where the sweeping guest reads from
SWEPT = 16 * MIB
FILLED = 6 * MIB  # the rest of what it reads is zero
SLOW = ["--max-bandwidth", "4M/s"]


@functools.cache
def missing_postcopy():
    """Why QEMU, or the kernel, has no postcopy; None where it has."""
    return why_not("postcopy-ram")


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
        if reason := missing_postcopy():
            self.skipTest(reason)

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
