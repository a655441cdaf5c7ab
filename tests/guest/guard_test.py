# SPDX-License-Identifier: MIT
"""Files that would start a guest, or write its disks, before they have proved whole."""

import json
import subprocess
import time
import unittest

from lazy_guest import LazyTest, missing_postcopy
from postcopy_stream import (ADVISE, COLO, EOF, as_postcopy, command, parts_of,
                             starting_package)
from real_guest import (NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, Guest, GuestTest,
                        wait_until)
from relay import record_postcopy
from support import DONE, MALFORMED, REFUSED, UNSUPPORTED, tool

MIB = 1 << 20


class ForgedStarts(GuestTest):
    def saved_parts(self, qemu=QEMU):
        """A counting guest's stream: up to its configuration, its memory, its devices; and it."""
        first = self.qemu("first", qemu=qemu)
        first.wait_for_tick(40)
        self.assert_status(DONE, self.run_tool("vmdump", "--qmp", first.qmp, "-c", "none", "-o",
                                               "whole"))
        return *parts_of(self.folder / "whole"), first

    def forge(self, qemu=QEMU):
        """A file without an end, whose last bytes start a guest that is loaded by then."""
        front, memory, devices, first = self.saved_parts(qemu)
        first.end()
        return self.write("forged", front + command(ADVISE) + memory + starting_package(devices))

    def feed_without_end(self, name, waiting):
        """Gives all of a file to vmrestore and keeps the pipe open; the status of QEMU then."""
        feeder = self.start_tool("vmrestore", "--qmp", waiting.qmp, "-", stdin=subprocess.PIPE)
        feeder.stdin.write(self.read(name))
        feeder.stdin.flush()
        statuses = set()
        for _ in range(30):
            statuses.add(waiting.monitor.status())
            time.sleep(0.1)
        feeder.stdin.close()
        return statuses, feeder.wait()

    def check_cut_package(self, qemu):
        name = self.forge(qemu)
        waiting = self.qemu("second", "-incoming", "defer", qemu=qemu)
        statuses, status = self.feed_without_end(name, waiting)
        self.assertEqual({"inmigrate"}, statuses)
        self.assertEqual(MALFORMED, status)
        self.assertEqual([], waiting.ticks())

    def test_a_cut_package_does_not_run(self):
        self.check_cut_package(QEMU)

    @NEEDS_NEWER_QEMU
    def test_a_cut_package_does_not_run_in_newer_qemu(self):
        self.check_cut_package(NEWER_QEMU)

    def test_its_name_comes_back_because_nothing_has_run(self):
        name = self.forge()
        for options in ([], ["--verify-first"]):
            waiting = self.qemu("second", "-incoming", "defer")
            ran = self.run_tool("vmrestore", "--once", *options, "--qmp", waiting.qmp, name)
            self.assert_status(MALFORMED, ran)
            self.assertIn(name, self.files())
            self.assertEqual([], waiting.ticks())
            waiting.end()

    def test_a_package_with_an_end_is_a_plain_load(self):
        *_, first = self.saved_parts()
        self.write("ended", as_postcopy(self.folder / "whole"))
        second = self.qemu("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--json", "--qmp", second.qmp, "--cont", "ended")
        self.assert_status(DONE, ran)
        self.assertTrue(json.loads(ran.stdout)["rebuilt"])
        self.assertIn(b"put together", ran.stderr)
        self.assert_went_on(first, second)

    def test_colo_is_refused_before_a_device_has_been_loaded(self):
        front, memory, devices, first = self.saved_parts()
        first.end()
        self.write("colo", front + command(COLO) + memory + devices + EOF)
        waiting = self.qemu("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--qmp", waiting.qmp, "--cont", "colo")
        self.assert_fails(UNSUPPORTED, ran, "ENABLE_COLO")
        self.assertEqual([], waiting.ticks())


class DamagedDescriptions(GuestTest):
    def check_cut(self, qemu):
        first = self.qemu("first", qemu=qemu)
        first.wait_for_tick(40)
        self.assert_status(DONE, self.run_tool("vmdump", "--qmp", first.qmp, "-c", "none", "-o",
                                               "whole"))
        whole = self.read("whole")
        self.write("cut", whole[:-100])
        self.write("flipped", whole[:-100] + b"\0" + whole[-99:])
        second = self.qemu("second", "-incoming", "defer", qemu=qemu)
        ran = self.run_tool("vmrestore", "--paused", "--qmp", second.qmp, "cut")
        self.assert_fails(MALFORMED, ran, "vmdesc needs")
        self.assertIn(b"hint: --accept-damaged-description", ran.stderr)
        self.assertEqual([], second.ticks())
        second.end()
        for name, options in (("cut", []), ("cut", ["--verify-first"]), ("flipped", [])):
            second = self.qemu("second", "-incoming", "defer", qemu=qemu)
            ran = self.run_tool("vmrestore", "--accept-damaged-description", *options, "--json",
                                "--qmp", second.qmp, "--cont", name)
            self.assert_status(DONE, ran)
            self.assertTrue(json.loads(ran.stdout)["without_description"])
            self.assertIn(b"description was left out", ran.stderr)
            self.assert_went_on(first, second)
            second.end()

    def test_it_is_left_out_if_asked_for(self):
        self.check_cut(QEMU)

    @NEEDS_NEWER_QEMU
    def test_newer_qemu_does_without_it_too(self):
        self.check_cut(NEWER_QEMU)


class StartedLast(GuestTest):
    """Where vmrestore starts QEMU, the guest waits for the end of the restore, not for QEMU."""

    def save_both(self):
        """A guest's stream as it was saved running, and as it was saved paused."""
        first = self.counting_guest()
        first.monitor.ask("migrate", uri="exec:cat > running")
        wait_until(lambda: first.monitor.migration() == "completed", "the save")
        first.monitor.ask("cont")
        self.assert_status(DONE, self.run_tool("vmdump", "--qmp", first.qmp, "-c", "none", "-o",
                                               "paused"))
        first.end()

    def restore_new(self, name, *options, qemu_options=()):
        """What happens in the new QEMU while the file is restored, up to its last state."""
        second = Guest(self.folder, "second")
        self.addCleanup(second.forget)
        feeder = self.start_tool("vmrestore", "--json", "-", *options, "--", *second.command(),
                                 *qemu_options, stdin=subprocess.PIPE)
        content = self.read(name)
        feeder.stdin.write(content[:-1])
        feeder.stdin.flush()
        monitor = second.open_monitor()
        monitor.ask("migrate-set-capabilities",
                    capabilities=[{"capability": "events", "state": True}])
        feeder.stdin.write(content[-1:])
        feeder.stdin.close()
        summary = feeder.stdout.readline()  # comes once the restore has ended
        status = monitor.status()
        monitor.ask("quit")
        self.assertEqual(DONE, feeder.wait())
        self.assertEqual(status, json.loads(summary + feeder.stdout.read())["run_state"])
        monitor.close()
        return monitor.events, status

    def test_a_guest_starts_after_its_load_is_known_to_have_ended(self):
        self.save_both()
        loaded, started = ("MIGRATION", "completed"), ("RESUME", None)
        for options in ([], ["--cont"]):
            with self.subTest(options):
                events, status = self.restore_new("running", *options)
                self.assertEqual("running", status)
                self.assertLess(events.index(loaded), events.index(started))
        for name, options, of_qemu in (("paused", [], []), ("running", [], ["-S"]),
                                       ("running", ["--paused"], [])):
            with self.subTest(name, options=options, qemu=of_qemu):
                events, status = self.restore_new(name, *options, qemu_options=of_qemu)
                self.assertEqual("paused", status)
                self.assertNotIn(started, events)


@unittest.skipIf(missing_postcopy(), "no postcopy here")
class RecordedPostcopy(LazyTest):
    """The stream of a real postcopy migration, as one that listened has it."""

    def record(self, qemu):
        source = self.sweeping_guest(qemu=qemu)
        target = self.start("second", "-incoming", "unix:second.migration", qemu=qemu)
        for side in (source, target):
            side.monitor.ask("migrate-set-capabilities",
                             capabilities=[{"capability": "postcopy-ram", "state": True}])
        expected = []

        def judge():
            expected.append(source.sums()[0])
            self.assert_whole(target, expected[0])

        self.write("recorded", record_postcopy(self.folder, source, target, judge)[0])
        return expected[0]

    def check(self, qemu):
        expected = self.record(qemu)
        listed = self.run_tool("vmstream-inspect", "sections", "recorded").stdout
        for word in (b"PACKAGED", b"POSTCOPY_RUN", b"POSTCOPY_RAM_DISCARD"):
            self.assertIn(word, listed)
        for options in ([], ["--verify-first"]):
            restored = self.start("third", "-incoming", "defer", qemu=qemu)
            ran = self.run_tool("vmrestore", "--json", *options, "--qmp", restored.qmp, "--cont",
                                "recorded")
            self.assert_status(DONE, ran)
            self.assertTrue(json.loads(ran.stdout)["rebuilt"])
            self.assert_whole(restored, expected)
            restored.end()
        # A copy is the rebuilt stream, which needs no further change; the original is there too.
        self.assert_status(DONE, self.run_tool("vmrestore", "-o", "plain", "recorded"))
        ran = self.run_tool("vmrestore", "--json", "-o", "again", "plain")
        self.assertFalse(json.loads(ran.stdout)["rebuilt"])
        self.assertEqual(self.read("plain"), self.read("again"))
        ran = self.run_tool("vmstream-inspect", "extract", "stream", "recorded", "-o", "original")
        self.assert_status(DONE, ran)
        self.assertEqual(self.read("recorded"), self.read("original"))

    def test_it_is_restored(self):
        self.check(QEMU)

    @NEEDS_NEWER_QEMU
    def test_it_is_restored_by_newer_qemu(self):
        self.check(NEWER_QEMU)


class ContentsOfDisks(GuestTest):
    SIZE = 3 * MIB

    def disk(self, name, byte):
        self.write(name, bytes([byte]) * self.SIZE)
        return ["-drive", f"if=ide,index=1,format=raw,file={name}"]

    def test_disks_are_written_with_leave_only(self):
        source = self.qemu("first", "-S", *self.disk("from.img", 0x55))
        try:
            source.monitor.ask("migrate", uri="exec:cat > saved", blk=True)
        except AssertionError as reason:
            self.skipTest(f"no migrate -b: {reason}")
        wait_until(lambda: source.monitor.migration() == "completed", "the migration")
        target = self.qemu("second", "-incoming", "defer", *self.disk("to.img", 0xaa))
        refused = self.run_tool("vmrestore", "--qmp", target.qmp, "saved")
        self.assert_fails(REFUSED, refused, "contents of disks")
        self.assertIn(b"--write-disks", refused.stderr)
        target.end()
        self.assertEqual(bytes([0xaa]) * self.SIZE, self.read("to.img"))

        self.write("cut", self.read("saved")[:2 * MIB])
        target = self.qemu("second", "-incoming", "defer", *self.disk("to.img", 0xaa))
        ran = self.run_tool("vmrestore", "--write-disks", "--qmp", target.qmp, "cut")
        self.assert_status(MALFORMED, ran)
        target.end()
        self.assertEqual(bytes([0xaa]) * self.SIZE, self.read("to.img"))

        for options in ([], ["--verify-first"]):
            target = self.qemu("second", "-incoming", "defer", *self.disk("to.img", 0xaa))
            ran = self.run_tool("vmrestore", "--write-disks", *options, "--qmp", target.qmp,
                                "saved")
            self.assert_status(DONE, ran)
            target.end()
            self.assertEqual(bytes([0x55]) * self.SIZE, self.read("to.img"))


class PluggedMemory(GuestTest):
    """A device that QEMU needs before the memory."""

    HOTPLUG = ["-m", "32M,slots=1,maxmem=256M", "-object", "memory-backend-ram,id=more,size=64M",
               "-device", "virtio-mem-pci,memdev=more,id=vm0,requested-size=16M"]

    @NEEDS_NEWER_QEMU
    def test_its_state_passes_with_the_memory(self):
        first = self.qemu("first", "-S", *self.HOTPLUG, qemu=NEWER_QEMU)
        saved = self.run_tool("vmdump", "--qmp", first.qmp, "-c", "none", "-o", "saved")
        self.assert_status(DONE, saved)
        second = self.qemu("second", "-incoming", "defer", *self.HOTPLUG, qemu=NEWER_QEMU)
        self.assert_status(DONE, self.run_tool("vmrestore", "--qmp", second.qmp, "saved"))
        self.write("cut", self.read("saved")[:-1])
        cut = self.shell(f"head -c 40000 saved | {tool('vmrestore')} -")
        self.assert_status(MALFORMED, cut)
        self.assertIn(b"virtio-mem-device-early", cut.stdout)


if __name__ == "__main__":
    unittest.main()
