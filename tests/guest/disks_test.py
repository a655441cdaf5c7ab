# SPDX-License-Identifier: MIT
"""Disks that are snapshotted in the pause of a save: they belong to the memory, and a save that fails
leaves the guest on the disks it had, with what it has written meanwhile."""

import json
import signal
import unittest

from guest_disks import NEEDS_NO_BOOT_DISK, create_disks, disks_of, drives, holds, write_disks
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, GuestTest, wait_until
from support import ENVIRONMENT, INTERRUPTED, UNSUPPORTED, USAGE

BEFORE, AFTER = 0x11, 0x22  # what the disks hold when the guest is saved, and what is written later
MODES = ("stop", "live", "background")
EMULATORS = [QEMU] + ([NEWER_QEMU] if NEWER_QEMU else [])


class DiskTest(GuestTest):
    def setUp(self):
        super().setUp()
        (self.folder / "overlays").mkdir()
        create_disks(self.folder)

    def drives(self):
        """Beside the floppy one more that cannot be written to."""
        return [*drives(self.folder), "-drive", "if=ide,media=cdrom"]

    def disk_guest(self, qemu=QEMU):
        guest = self.qemu("first", *self.drives(), qemu=qemu)
        guest.wait_for_tick(40)
        write_disks(guest, BEFORE)
        return guest

    def assert_disks_hold(self, guest, pattern):
        for file in disks_of(guest).values():
            self.assertTrue(holds(file, pattern), file)

    def save(self, guest, *arguments, status=0, file="guest.zst"):
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", file, "--json", "--disk-snapshot",
                            "overlays", *arguments)
        self.assert_status(status, run)
        return json.loads(run.stdout) if status == 0 else run

    def overlays(self):
        return sorted(str(path) for path in (self.folder / "overlays").iterdir())

    def assert_untouched(self, guest, disks, settings, pattern):
        """The guest runs on the disks that it had, which hold what was written last."""
        self.assertEqual("running", guest.monitor.status())
        self.assertEqual(disks, disks_of(guest))
        self.assertEqual([], self.overlays())
        self.assertEqual(settings, guest.settings())
        self.assert_disks_hold(guest, pattern)
        self.assertTrue(guest.is_counting())


@NEEDS_NO_BOOT_DISK
class DisksOfASave(DiskTest):
    def test_memory_and_disks_belong_together(self):
        for qemu in EMULATORS:
            for mode in MODES:
                with self.subTest(qemu=qemu[0], mode=mode):
                    guest = self.disk_guest(qemu)
                    try:
                        self.check_mode(qemu, guest, mode)
                    finally:
                        guest.end()

    def check_mode(self, qemu, guest, mode):
        disks, settings = disks_of(guest), guest.settings()
        summary = self.save(guest, "--mode", mode, "--force")
        self.assertEqual(mode, summary["mode"])
        self.assertEqual(sorted(disks.values()), sorted(disk["base"] for disk in summary["disks"]))
        self.assertEqual(self.overlays(), sorted(disk["overlay"] for disk in summary["disks"]))
        self.assertEqual(sorted(self.overlays()), sorted(disks_of(guest).values()))
        self.assertEqual(settings, guest.settings())
        self.assertEqual("running", guest.monitor.status())
        self.assertTrue(guest.is_counting())
        self.assert_disks_hold(guest, BEFORE)  # through the overlays
        write_disks(guest, AFTER)
        self.assert_disks_hold(guest, AFTER)
        for disk in summary["disks"]:
            self.assertTrue(holds(disk["base"], BEFORE), disk)
        saved_until = guest.last_tick()
        guest.monitor.ask("stop")
        self.go_back(qemu, summary, guest, saved_until)
        for overlay in self.overlays():
            (self.folder / "overlays" / overlay).unlink()

    def go_back(self, qemu, summary, guest, last_tick):
        """The same disks under another QEMU, copied: the first one still holds their locks."""
        for disk in summary["disks"]:
            self.assertIn(disk["base"], summary["go_back"])
        copies = [argument.replace("/disk.", "/copy.") for argument in self.drives()]
        for name in ("qcow2", "raw"):
            content = (self.folder / f"disk.{name}").read_bytes()
            (self.folder / f"copy.{name}").write_bytes(content)
        second = self.qemu("second", "-incoming", "defer", *copies, qemu=qemu)
        self.assert_status(0, self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", "guest.zst"))
        self.assertTrue(second.is_counting())
        self.assertIn(second.ticks()[0] - 1, guest.ticks()[:last_tick + 1])
        self.assert_disks_hold(second, BEFORE)
        second.end()

    @NEEDS_NEWER_QEMU
    def test_a_file_that_qemu_writes_itself(self):
        guest = self.disk_guest(NEWER_QEMU)
        for mode in ("stop", "live"):
            settings = guest.settings()
            summary = self.save(guest, "--mode", mode, "--mapped-ram", "--timeout", "20s",
                                file=f"{mode}.mapped")
            self.assertEqual(sorted(disks_of(guest).values()),
                             sorted(disk["overlay"] for disk in summary["disks"]))
            self.assertEqual(settings, guest.settings())
            self.assertTrue(guest.is_counting())

    def test_what_has_no_snapshot_is_named(self):
        summary = self.save(self.disk_guest())
        left_out = {disk["device"]: disk["reason"] for disk in summary["disks_left_out"]}
        self.assertEqual({"floppy0": "read-only", "ide0-cd0": "no medium"}, left_out)
        self.assertEqual(["virtio0", "second"], [disk["device"] for disk in summary["disks"]])

    def test_the_index_names_the_disks(self):
        summary = self.save(self.disk_guest())
        run = self.run_tool("vmstream-inspect", "info", "--json", "guest.zst")
        self.assert_status(0, run)
        capture = json.loads(run.stdout)["capture"]
        self.assertEqual(summary["disks"], capture["disks"])
        self.assertEqual(summary["go_back"], capture["go_back"])
        run = self.run_tool("vmstream-inspect", "info", "guest.zst")
        self.assertIn(summary["disks"][0]["overlay"].encode(), run.stdout)
        self.assertIn(summary["go_back"].encode(), run.stdout)

    def test_words_say_how_to_go_back(self):
        guest = self.disk_guest()
        run = self.run_tool("vmdump", "-v", "--qmp", guest.qmp, "-o", "guest.zst",
                            "--disk-snapshot", "overlays")
        self.assert_status(0, run)
        words = run.stderr.decode()
        self.assertIn(f"disk virtio0: as saved in {self.folder}/disk.qcow2 (qcow2)", words)
        self.assertIn("disk floppy0: left out, read-only", words)
        self.assertIn("vmrestore 'guest.zst' -- qemu-system-x86_64 ...", words)

    def test_a_guest_may_be_saved_again_and_again(self):
        guest = self.disk_guest()
        first = self.save(guest, "--mode", "live")
        second = self.save(guest, "--mode", "background", "--force")
        self.assertEqual([disk["overlay"] for disk in first["disks"]],
                         [disk["base"] for disk in second["disks"]])
        self.assertEqual(4, len(self.overlays()))

    def test_many_guests_share_a_folder(self):
        """Their disks have the same names, and they are saved in the same second."""
        other = self.folder / "other"
        other.mkdir()
        create_disks(other)
        guests = [self.disk_guest(), self.qemu("second", *drives(other))]
        saves = [self.start_tool("vmdump", "--qmp", guest.qmp, "-o", f"{number}.zst", "--mode",
                                 "background", "--disk-snapshot", "overlays")
                 for number, guest in enumerate(guests)]
        for save in saves:
            _, words = save.communicate(timeout=60)
            self.assertEqual(0, save.returncode, words)
        used = [file for guest in guests for file in disks_of(guest).values()]
        self.assertEqual(self.overlays(), sorted(used))
        self.assertEqual(4, len(set(used)))

    def test_a_guest_without_disks_is_warned_of(self):
        guest = self.qemu("first")
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.zst", "--disk-snapshot",
                            "overlays", "--json")
        self.assert_status(0, run)
        self.assertIn(b"no disk that it can write to", run.stderr)
        self.assertEqual([], json.loads(run.stdout)["disks"])

    def test_a_guest_that_stands_still(self):
        guest = self.disk_guest()
        guest.monitor.ask("stop")
        self.save(guest)
        self.assertEqual("postmigrate", guest.monitor.status())
        guest.monitor.ask("cont")
        write_disks(guest, AFTER)
        self.assert_disks_hold(guest, AFTER)


@NEEDS_NO_BOOT_DISK
class DisksThatAreNotSaved(DiskTest):
    def saved(self, guest, *arguments, file="guest.zst"):
        """What a save without snapshots says of the guest's disks, in JSON and in a warning."""
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", file, "--json", "--force", *arguments)
        self.assert_status(0, run)
        return json.loads(run.stdout)["disks_not_saved"], run.stderr.decode().count("not saved")

    def test_a_guest_that_goes_on_is_warned_of_once(self):
        guest = self.disk_guest()
        for mode in MODES:
            self.assertEqual((["virtio0", "second"], 1), self.saved(guest, "--mode", mode))

    def test_a_guest_that_stands_still_keeps_its_disks(self):
        guest = self.disk_guest()
        self.assertEqual(([], 0), self.saved(guest, "--after", "pause"))
        guest.monitor.ask("cont")
        guest.monitor.ask("stop")
        self.assertEqual(([], 0), self.saved(guest))
        guest.monitor.ask("cont")
        self.assertEqual(([], 0), self.saved(guest, "--after", "quit"))

    def test_a_guest_that_writes_to_no_disk(self):
        self.assertEqual(([], 0), self.saved(self.qemu("first", "-drive", "if=ide,media=cdrom")))

    def test_with_snapshots_there_is_no_such_list(self):
        self.assertNotIn("disks_not_saved", self.save(self.disk_guest()))

    @NEEDS_NEWER_QEMU
    def test_a_file_that_qemu_writes_itself(self):
        guest = self.disk_guest(NEWER_QEMU)
        self.assertEqual((["virtio0", "second"], 1),
                         self.saved(guest, "--mapped-ram", file="guest.mapped"))


@NEEDS_NO_BOOT_DISK
class FailedSaves(DiskTest):
    def test_an_output_that_fails_in_the_end_undoes_the_disks(self):
        for qemu in EMULATORS:
            for mode in MODES:
                with self.subTest(qemu=qemu[0], mode=mode):
                    guest = self.disk_guest(qemu)
                    disks, settings = disks_of(guest), guest.settings()
                    run = self.run_tool("vmdump", "--qmp", guest.qmp, "--mode", mode, "--exec",
                                        "cat > /dev/null; exit 3", "--disk-snapshot", "overlays")
                    self.assert_status(ENVIRONMENT, run)
                    self.assertNotIn(b"could not be put back", run.stderr)
                    self.assert_untouched(guest, disks, settings, BEFORE)
                    guest.end()

    def test_what_the_guest_wrote_meanwhile_is_kept(self):
        for give_up in ("signal", "timeout"):
            with self.subTest(give_up):
                guest = self.disk_guest()
                disks, settings = disks_of(guest), guest.settings()
                limit = ["--timeout", "3s"] if give_up == "timeout" else []
                save = self.start_tool("vmdump", "--qmp", guest.qmp, "--mode", "background",
                                       "--max-bandwidth", "256K/s", "-o", "guest.zst",
                                       "--disk-snapshot", "overlays", *limit)
                wait_until(lambda: disks != disks_of(guest), "the snapshots")
                wait_until(lambda: guest.monitor.status() == "running", "the guest to go on")
                write_disks(guest, AFTER)
                if give_up == "signal":
                    save.send_signal(signal.SIGINT)
                self.assertEqual(INTERRUPTED if give_up == "signal" else ENVIRONMENT, save.wait(30))
                self.assert_untouched(guest, disks, settings, AFTER)
                guest.end()

    def test_a_disk_that_cannot_be_snapshotted_fails_the_save(self):
        """None of the disks changes: a transaction is all or nothing."""
        for mode in MODES:
            with self.subTest(mode):
                guest = self.disk_guest()
                guest.monitor.ask("drive-mirror", device="plain", target=f"{self.folder}/mirror.raw",
                                  sync="full", **{"job-id": "busy", "format": "raw"})
                disks, settings = disks_of(guest), guest.settings()
                run = self.save(guest, "--mode", mode, status=ENVIRONMENT)
                self.assertIn(b"no snapshot of the disks was taken", run.stderr)
                self.assert_untouched(guest, disks, settings, BEFORE)
                self.assertNotIn("guest.zst", self.state_files())
                guest.end()

    def test_a_killed_qemu_leaves_overlays_that_are_named(self):
        guest = self.disk_guest()
        disks = disks_of(guest)
        save = self.start_tool("vmdump", "--qmp", guest.qmp, "--mode", "background",
                               "--max-bandwidth", "256K/s", "-o", "guest.zst",
                               "--disk-snapshot", "overlays")
        wait_until(lambda: disks != disks_of(guest), "the snapshots")
        guest.process.kill()
        _, words = save.communicate(timeout=30)
        self.assertEqual(ENVIRONMENT, save.returncode)
        for overlay in self.overlays():
            self.assertIn(overlay, words.decode())
        self.assertEqual(2, len(self.overlays()))

    def test_refusals_touch_nothing(self):
        guest = self.disk_guest()
        disks, settings = disks_of(guest), guest.settings()
        for folder in ("missing", "disk.raw"):
            run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x", "--disk-snapshot", folder)
            self.assert_fails(ENVIRONMENT, run, folder)
        run = self.run_tool("vmdump", "--stdin", "-o", "x", "--disk-snapshot", "overlays")
        self.assert_fails(USAGE, run, "--qmp")
        self.assert_untouched(guest, disks, settings, BEFORE)


if __name__ == "__main__":
    unittest.main()
