# SPDX-License-Identifier: MIT
"""Files that QEMU writes itself, each page into its own place: whole, published like any other, and
restorable where QEMU could not take them."""

import json
import os
import signal
import socket
import unittest

from guest_disks import create_disks, disks_of, drives, holds, write_disks
from modes_test import ModeTest
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, GuestTest, kill_family, wait_until
from support import ENVIRONMENT, INTERRUPTED, REFUSED, UNSUPPORTED, USAGE

MAPPED = ["--mapped-ram", "--verify"]
INDEX = "guest.mapped.vmsx"
# So many that a file ends with as many bytes or more that describe them, alike in each save.
ALIKE = 64 << 10
DEVICES = [word for number in range(20) for word in ("-device", f"virtio-net-pci,addr={number + 5:#x}")]
BEFORE, AFTER = 0x11, 0x22  # what the disks hold when the guest is saved, and what is written later
SLOW = ["--max-bandwidth", "200K/s"]  # the pages of a bare guest then take seconds
PARALLEL = ["--threads", "3"]
ALONE = ["--threads", "1"]


class MappedTest(ModeTest):
    def lent_files(self, guest):
        return guest.monitor.ask("query-fdsets")

    def save_mapped(self, guest, *arguments, file="guest.mapped"):
        summary = self.save(guest, *MAPPED, *arguments, file=file)
        self.assertTrue(summary["mapped_ram"])
        self.assertEqual([], self.lent_files(guest))
        return summary


    def restored(self, begun, ended, *arguments, file="guest.mapped", qemu=NEWER_QEMU):
        second = self.qemu("second", "-incoming", "defer", *arguments, qemu=qemu)
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", file))
        self.assert_went_round(second, begun, ended)
        second.end()


@NEEDS_NEWER_QEMU
class MappedSaves(MappedTest):
    def test_memory_is_whole(self):
        guest = self.writing_guest(qemu=NEWER_QEMU)
        for how in (ALONE, PARALLEL, [*PARALLEL, "--mode", "live", "--max-passes", "3"]):
            with self.subTest(how):
                begun = guest.last_tick()
                summary = self.save_mapped(guest, *how)
                self.assertEqual("live" if "live" in how else "stop", summary["mode"])
                self.restored(begun, guest.last_tick())

    def test_memory_that_goes_past_the_page_cache(self):
        guest = self.writing_guest(qemu=NEWER_QEMU)
        begun = guest.last_tick()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.mapped", *MAPPED, "--direct-io")
        if b"no direct I/O" in run.stderr:
            self.assert_status(UNSUPPORTED, run)
            self.skipTest("the file system of the temporary folder has no direct I/O")
        self.assert_status(0, run)
        self.restored(begun, guest.last_tick())

    def test_the_file(self):
        guest = self.writing_guest(qemu=NEWER_QEMU)
        summary = self.save_mapped(guest)
        file = self.folder / "guest.mapped"
        self.assertEqual((0o600, summary["file_bytes"]),
                         (file.stat().st_mode & 0o777, file.stat().st_size))
        self.assertLess(summary["disk_bytes"], summary["file_bytes"])
        self.assertEqual(["guest.mapped", "guest.mapped.vmsx"], self.state_files())
        verified = json.loads(self.run_tool("vmstream-inspect", "verify", "--json", file).stdout)
        self.assertEqual((True, summary["sha256"]), (verified["ok"], verified["sha256"]))
        self.assert_passes_agree(summary, "guest.mapped")
        told = self.run_tool("vmstream-inspect", "info", file).stdout.decode()
        self.assertRegex(told, r"captured .*mode stop, found running, QEMU \d")  # from the index
        self.save_mapped(guest, "--no-index", file="bare")
        self.assertNotIn("bare.vmsx", self.state_files())

    def test_progress_tells_how_much_qemu_has_written(self):
        guest = self.writing_guest(qemu=NEWER_QEMU)
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.mapped", *MAPPED, "--json",
                            "--progress", "json")
        self.assert_status(0, run)
        last = json.loads(run.stderr.splitlines()[-1])
        self.assertEqual("done", last["phase"])
        self.assertEqual(json.loads(run.stdout)["disk_bytes"], last["file_bytes"])

    def test_a_guest_that_is_found_paused(self):
        guest = self.writing_guest(qemu=NEWER_QEMU)
        guest.monitor.ask("stop")
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x", *MAPPED, "--mode", "live")
        self.assert_status(0, run)
        self.assertEqual("postmigrate", guest.monitor.status())
        guest.monitor.ask("cont")
        self.assertTrue(guest.is_counting())

    def test_a_pipe_and_an_older_qemu_take_its_stream(self):
        """The installed QEMU may know nothing of such files."""
        older = self.qemu("probe", "-S")
        machine = next(each["name"] for each in older.monitor.ask("query-machines")
                       if each.get("alias") == "pc")
        older.end()
        guest = self.writing_guest("-machine", f"type={machine}", qemu=NEWER_QEMU)
        begun = guest.last_tick()
        self.save_mapped(guest)
        ended = guest.last_tick()
        self.restored(begun, ended, qemu=QEMU)
        self.assert_status(0, self.run_tool("vmrestore", "-o", "plain", "guest.mapped"))
        second = self.qemu("second", "-incoming", "exec:vmrestore guest.mapped")
        wait_until(lambda: second.monitor.status() != "inmigrate", "the load")
        self.assertEqual("paused", second.monitor.status())
        second.monitor.ask("cont")
        self.assert_went_round(second, begun, ended)
        told = self.run_tool("vmstream-inspect", "verify", "--json", "plain").stdout
        self.assertTrue(json.loads(told)["ok"])

    def test_a_pipe_does_not_give_it(self):
        self.save_mapped(self.writing_guest(qemu=NEWER_QEMU))
        run = self.run_tool("vmrestore", "-o", "plain", "-", stdin=self.read("guest.mapped"))
        self.assert_fails(UNSUPPORTED, run, "mapped-ram", "by position")
        self.assertNotIn("plain", self.files())


@NEEDS_NEWER_QEMU
class OlderIndexes(MappedTest):
    """An index that lies where an older file of the name had it: by it, pages would be left out that
    have been written to since."""

    def setUp(self):
        super().setUp()
        self.guest = self.writing_guest(*DEVICES, qemu=NEWER_QEMU)
        self.save_mapped(self.guest)
        self.older = self.read(INDEX)

    def facts(self):
        run = self.run_tool("vmstream-inspect", "info", "--json", "guest.mapped")
        self.assert_status(0, run)
        return json.loads(run.stdout)

    def saves_of_one_length(self):
        """Two in a row, which can be told apart by what they hold alone; the index is the first's."""
        for _ in range(9):
            self.save_mapped(self.guest)
            self.assertIn("capture", self.facts())
            older, self.older = self.read("guest.mapped"), self.read(INDEX)
            self.save_mapped(self.guest, "--no-index")
            if len(newer := self.read("guest.mapped")) == len(older):
                return older, newer
        raise AssertionError("no two files of one length")

    def save_again(self, *arguments):
        return self.run_tool("vmdump", "--qmp", self.guest.qmp, "-o", "guest.mapped", "--force",
                             "--mapped-ram", *arguments)

    def assert_stays(self, run, index=INDEX):
        """Nobody asked for it to go."""
        self.assert_status(0, run)
        self.assertEqual(self.older, self.read(index))
        self.assertIn(b"is the index of what was there before", run.stderr)

    def test_it_stays_with_a_file_that_is_replaced(self):
        begun = self.guest.last_tick()
        self.assert_stays(self.save_again("--no-index"))
        self.restored(begun, self.guest.last_tick(), *DEVICES)

    def test_another_one_takes_its_place_where_the_file_is_replaced(self):
        run = self.save_again()
        self.assert_status(0, run)
        self.assertNotEqual(self.older, self.read(INDEX))
        self.assertNotIn(INDEX.encode(), run.stderr)
        self.assertIn("capture", self.facts())

    def test_it_stays_where_the_file_itself_is_new(self):
        (self.folder / "guest.mapped").unlink()
        run = self.run_tool("vmdump", "--qmp", self.guest.qmp, "-o", "guest.mapped", "--mapped-ram")
        self.assertIn(b"guest.mapped.vmsx exists already and stays", run.stderr)
        self.assert_stays(run)

    def test_one_of_a_file_that_a_restore_replaces_stays(self):
        self.assert_status(0, self.run_tool("vmrestore", "guest.mapped", "-o", "x"))
        self.write("x.vmsx", self.older)
        self.assert_stays(self.run_tool("vmrestore", "guest.mapped", "--force", "-o", "x"),
                          "x.vmsx")

    def test_what_is_no_index_stays(self):
        self.write(INDEX, b"notes")
        run = self.save_again()
        self.assert_status(0, run)
        self.assertIn(b"guest.mapped.vmsx exists already and stays", run.stderr)
        self.assertEqual(b"notes", self.read(INDEX))

    def test_one_that_is_there_all_the_same_is_known(self):
        begun = self.guest.last_tick()
        older, newer = self.saves_of_one_length()
        self.assertEqual(older[-ALIKE:], newer[-ALIKE:])
        self.write(INDEX, self.older)
        self.assertNotIn("capture", self.facts())
        told = self.run_tool("vmstream-inspect", "ram", "guest.mapped").stderr
        self.assertIn(b"not the one that it was made for", told)
        second = self.qemu("second", "-incoming", "defer", *DEVICES, qemu=NEWER_QEMU)
        run = self.run_tool("vmrestore", "--qmp", second.qmp, "--lazy", "--cont", "guest.mapped")
        self.assert_status(0, run)
        self.assert_went_round(second, begun, self.guest.last_tick())


@NEEDS_NEWER_QEMU
class DisksOfMappedSaves(MappedTest):
    def setUp(self):
        super().setUp()
        (self.folder / "overlays").mkdir()
        (self.folder / "copies").mkdir()

    def disk_guest(self):
        create_disks(self.folder)
        guest = self.writing_guest(*drives(self.folder), qemu=NEWER_QEMU)
        write_disks(guest, BEFORE)
        return guest

    def overlays(self):
        return sorted(str(path) for path in (self.folder / "overlays").iterdir())

    def save_with_disks(self, guest, *how):
        return self.save_mapped(guest, *how, "--disk-snapshot", "overlays")

    def test_memory_and_disks_belong_together(self):
        for how in (PARALLEL, [*PARALLEL, "--mode", "live", "--max-passes", "3"]):
            with self.subTest(how):
                guest = self.disk_guest()
                disks = disks_of(guest)
                begun = guest.last_tick()
                summary = self.save_with_disks(guest, *how)
                self.assertEqual(sorted(disks.values()),
                                 sorted(disk["base"] for disk in summary["disks"]))
                self.assertEqual(self.overlays(), sorted(disks_of(guest).values()))
                ended = guest.last_tick()
                write_disks(guest, AFTER)
                guest.end()
                self.restored(begun, ended, *drives(self.folder))
                for disk, pattern in [*((disk, BEFORE) for disk in disks.values()),
                                      *((overlay, AFTER) for overlay in self.overlays())]:
                    self.assertTrue(holds(disk, pattern), disk)
                for overlay in self.overlays():
                    os.unlink(overlay)

    def test_after_sigkill_in_the_pause_the_guest_goes_on(self):
        guest = self.disk_guest()
        disks, settings = disks_of(guest), guest.settings()
        save = self.start_tool("vmdump", "--qmp", guest.qmp, "-o", "x", "--mapped-ram",
                               "--disk-snapshot", "overlays", "--max-bandwidth", "4M/s")
        wait_until(lambda: guest.monitor.migration() == "active", "the save to begin")
        save.send_signal(signal.SIGSTOP)
        wait_until(lambda: guest.monitor.migration() == "pre-switchover", "the pause")
        save.kill()
        wait_until(lambda: guest.monitor.status() == "running", "the guest to go on")
        wait_until(lambda: guest.settings() == settings, "QEMU's settings to be put back")
        self.assertTrue(guest.is_counting())
        self.assertEqual((disks, []), (disks_of(guest), self.overlays()))
        self.assertNotIn("x", self.files())
        self.save_with_disks(guest)


@NEEDS_NEWER_QEMU
class FailedSaves(MappedTest):
    def setUp(self):
        super().setUp()
        self.guest = self.writing_guest(qemu=NEWER_QEMU)
        self.before = self.guest.settings()

    def assert_as_before(self):
        self.assertEqual("running", self.guest.monitor.status())
        self.assertTrue(self.guest.is_counting())
        self.assertEqual([], self.state_files())
        self.assertEqual([], self.lent_files(self.guest))
        self.assertEqual(self.before, self.guest.settings())

    def start_slowly(self, *how):
        save = self.start_tool("vmdump", "--qmp", self.guest.qmp, "-o", "x", "--mapped-ram", *SLOW,
                               *how)
        wait_until(lambda: self.guest.monitor.migration() == "active", "the save to begin")
        return save

    def test_signals_and_deadlines(self):
        for how in (ALONE, PARALLEL, [*PARALLEL, "--mode", "live"]):
            with self.subTest(how):
                save = self.start_slowly(*how)
                save.send_signal(signal.SIGINT)
                self.assertEqual(INTERRUPTED, save.wait(20), save.stderr.read())
                self.assert_as_before()
                run = self.run_tool("vmdump", "--qmp", self.guest.qmp, "-o", "x", "--mapped-ram",
                                    *SLOW, *how, "--timeout", "500ms")
                self.assert_fails(ENVIRONMENT, run, "timed out")
                self.assert_as_before()

    def test_a_disk_that_fills(self):
        for how in (ALONE, PARALLEL):
            with self.subTest(how), self.small_disk(4 << 20) as disk:
                run = self.run_tool("vmdump", "--qmp", self.guest.qmp, "-o", f"{disk}/x",
                                    "--mapped-ram", *how)
                self.assert_fails(ENVIRONMENT, run, "No space left on device")
                self.assertEqual([], list(disk.iterdir()))
            self.assert_as_before()

    def test_what_a_killed_save_leaves_with_qemu_goes_with_the_next(self):
        kill_family(self.start_slowly(*ALONE))
        self.guest.monitor.ask("migrate_cancel")
        wait_until(lambda: self.guest.monitor.migration() == "cancelled", "the migration's end")
        self.guest.monitor.ask("cont")
        self.assertEqual(1, len(self.lent_files(self.guest)))
        self.save_mapped(self.guest)

    def test_after_sigkill_qemu_stops_writing(self):
        for how in (ALONE, [*PARALLEL, "--mode", "live"]):
            with self.subTest(how):
                save = self.start_slowly(*how)
                save.kill()
                save.wait()
                wait_until(lambda: self.guest.monitor.status() == "running", "the guest to go on")
                wait_until(lambda: not self.lent_files(self.guest), "the file to be given back")
                wait_until(lambda: self.guest.settings() == self.before, "QEMU's settings")
                self.assertEqual("cancelled", self.guest.monitor.migration())
                self.assert_as_before()

    def test_qemu_is_killed(self):
        save = self.start_slowly(*ALONE)
        self.guest.process.kill()
        self.assertEqual(ENVIRONMENT, save.wait(20))
        self.assertIn(b"QEMU went away", save.stderr.read())
        self.assertEqual([], self.state_files())

    def test_a_file_that_is_there_stays(self):
        self.write("old", b"old")
        run = self.run_tool("vmdump", "--qmp", self.guest.qmp, "-o", "old", *MAPPED)
        self.assert_fails(REFUSED, run, "exists already")
        self.assertEqual(b"old", self.read("old"))
        self.assertEqual("none", self.guest.monitor.migration())


class Refusals(GuestTest):
    def assert_refused(self, guest, address, *words, how=()):
        run = self.run_tool("vmdump", "--qmp", address, "-o", "x", *MAPPED, *how)
        self.assert_fails(UNSUPPORTED, run, *words)
        self.assertEqual([], self.state_files())
        self.assertEqual(("running", "none"), (guest.monitor.status(), guest.monitor.migration()))

    def test_a_qemu_that_is_too_old(self):
        guest = self.qemu("first")
        if guest.monitor.ask("query-version")["qemu"]["major"] >= 9:
            self.skipTest("the installed QEMU is of 9.0 or later")
        self.assert_refused(guest, guest.qmp, "writes no mapped-ram files, 9.0 was the first")

    @NEEDS_NEWER_QEMU
    def test_a_monitor_that_carries_no_descriptor(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        address = f"tcp:127.0.0.1:{port}"
        guest = self.qemu("first", "-qmp", f"{address},server=on,wait=off", qemu=NEWER_QEMU)
        self.assert_refused(guest, address, "TCP monitor")

    @NEEDS_NEWER_QEMU
    def test_a_background_save(self):
        guest = self.qemu("first", qemu=NEWER_QEMU)
        self.assert_refused(guest, guest.qmp, "without pages", how=["--mode", "background"])

    def test_usage(self):
        for options in (["-o", "x", "-c", "gzip"], ["-o", "x.zst"], ["-o", "-"], ["--exec", "cat"],
                        ["-o", "x", "--symmetric"], ["-o", "x", "-e", "me"],
                        ["-o", "x", "--filter", "cat"], ["-o", "x", "--compact"],
                        ["-o", "x", "--max-size", "1G"]):
            with self.subTest(options):
                run = self.run_tool("vmdump", "--qmp", "none", "--mapped-ram", *options)
                self.assert_fails(USAGE, run)
        self.assert_fails(USAGE, self.run_tool("vmdump", "--qmp", "none", "-o", "x", "--direct-io"),
                          "--mapped-ram")
        self.assert_fails(USAGE, self.run_tool("vmdump", "--stdin", "-o", "x", "--mapped-ram"))


if __name__ == "__main__":
    unittest.main()
