# SPDX-License-Identifier: MIT
"""Guests that real QEMUs have saved, in images of libvirt: they go on, running or paused as the image
says, and not at all if it is not whole."""
import gzip
import unittest

from containers import GZIP, RAW, SPARSE, libvirt
from lazy_guest import missing_postcopy
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, GuestTest, wait_until
from support import MALFORMED


def running_state(guest):
    return guest.monitor.ask("query-status")["status"]


class LibvirtImages(GuestTest):
    def saved_stream(self):
        guest = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "plain", "-c", "none"))
        return guest, self.read("plain")

    def restore(self, name, *arguments):
        second = self.qemu("second", "-incoming", "defer")
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, *arguments, name))
        return second

    def test_a_guest_goes_on_as_its_image_says(self):
        first, stream = self.saved_stream()
        for form, content in ((RAW, stream), (RAW, stream + b"old data" * 600), (GZIP, gzip.compress(stream, 1))):
            for how in ((), ("--verify-first",)):
                name = self.write("guest.sav", libvirt(content, form))
                second = self.restore(name, *how)
                self.assertEqual("running", running_state(second))
                self.assert_went_on(first, second)
                second.end()
        for arguments, running, state in (((), 0, "paused"), (("--paused",), 1, "paused"), (("--cont",), 0, "running")):
            second = self.restore(self.write("guest.sav", libvirt(stream, running=running)), *arguments)
            self.assertEqual(state, running_state(second))
            second.end()

    @unittest.skipIf(missing_postcopy(), str(missing_postcopy()))
    def test_a_guest_whose_memory_follows(self):
        first, stream = self.saved_stream()
        for running, state in ((1, "running"), (0, "paused")):
            second = self.restore(self.write("guest.sav", libvirt(stream, running=running)), "--lazy")
            wait_until(lambda: running_state(second) == state, state)
            if running:
                self.assert_went_on(first, second)
            second.end()

    def test_a_cut_image_never_runs(self):
        _, stream = self.saved_stream()
        name = self.write("guest.sav", libvirt(gzip.compress(stream, 1)[:-100], GZIP))
        second = self.qemu("second", "-incoming", "defer")
        self.assert_fails(MALFORMED, self.run_tool("vmrestore", "--qmp", second.qmp, name))
        self.assertEqual(-1, second.last_tick())


@NEEDS_NEWER_QEMU
class SparseImages(GuestTest):
    def test_what_qemu_wrote_into_an_image_goes_through_a_pipe(self):
        first = self.qemu("first", qemu=NEWER_QEMU)
        first.wait_for_tick(40)
        name = self.write("guest.sav", libvirt(b"", SPARSE, room=65001))
        start = len(self.read(name))
        ask = first.monitor.ask
        ask("migrate-set-capabilities", capabilities=[{"capability": "mapped-ram", "state": True}])
        ask("migrate", uri=f"file:{self.folder / name},offset={start:#x}")
        wait_until(lambda: first.monitor.migration() == "completed", "the save")
        answer = self.run_tool("vmstream-inspect", "verify", name)
        self.assert_status(0, answer)
        for how in ((), ("--verify-first",), *([] if missing_postcopy() else [("--lazy",)])):
            with self.subTest(how):
                second = self.qemu("second", "-incoming", "defer", qemu=NEWER_QEMU)
                self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, *how, name))
                self.assert_went_on(first, second)
                second.end()


if __name__ == "__main__":
    unittest.main()
