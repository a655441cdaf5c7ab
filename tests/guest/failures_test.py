# SPDX-License-Identifier: MIT
"""When things go wrong in the middle: the status, the message, the guest as before, no file."""

import glob
import os
import signal
import time
import unittest

from real_guest import GuestTest, Monitor, free_port, kill_family, wait_until
from support import ENVIRONMENT, INTERRUPTED, MALFORMED, REFUSED

SLOW = ["--max-bandwidth", "200K/s"]  # the stream of a bare guest then takes seconds
SOCKETS = "/tmp/vmstream-??????/*"  # where QEMU meets a tool over TCP
MODES = ("stop", "live", "background")


class FailedSaves(GuestTest):
    def assert_as_before(self, guest):
        self.assertEqual("running", guest.monitor.status())
        self.assertTrue(guest.is_counting())
        self.assertEqual([], self.state_files())
        self.assertNotEqual("active", guest.monitor.migration())
        parameters = guest.monitor.ask("query-migrate-parameters")
        self.assertEqual((128 << 20, 300), (parameters["max-bandwidth"], parameters["downtime-limit"]))
        capabilities = guest.monitor.ask("query-migrate-capabilities")
        self.assertEqual([], [each["capability"] for each in capabilities if each["state"]])

    def slow_save(self, guest, mode="stop"):
        """A save that has begun and has seconds to go."""
        process = self.start_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", *SLOW, "--mode", mode)
        wait_until(lambda: guest.monitor.migration() == "active", "the save to begin")
        return process

    @staticmethod
    def without_warning(run):
        """An old QEMU's emulated guest is warned of; the error comes behind."""
        lines = run.stderr.splitlines(keepends=True)
        run.stderr = b"".join(line for line in lines if b"warning: " not in line)
        return run

    def assert_ended(self, status, process, *words):
        message = process.stderr.read().decode()
        self.assertEqual(status, process.wait(), message)
        for word in words:
            self.assertIn(word, message)

    def test_signals(self):
        guest = self.counting_guest()
        for number, mode in zip((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), MODES):
            with self.subTest(number=number, mode=mode):
                save = self.slow_save(guest, mode)
                save.send_signal(number)
                self.assert_ended(INTERRUPTED, save, "interrupted")
                self.assert_as_before(guest)

    def test_after_sigkill_qemu_is_told_what_it_is_owed(self):
        guest = self.counting_guest()
        before = guest.settings()
        for mode in MODES:
            with self.subTest(mode):
                save = self.slow_save(guest, mode)
                self.assertNotEqual(before, guest.settings())
                save.kill()
                save.wait()
                wait_until(lambda: guest.settings() == before, "QEMU's settings to be put back")
                wait_until(lambda: guest.monitor.status() == "running", "the guest to go on")
                self.assert_as_before(guest)

    def test_after_sigkill_a_guest_that_was_found_paused_stays_so(self):
        guest = self.counting_guest()
        before = guest.settings()
        guest.monitor.ask("stop")
        save = self.slow_save(guest)
        save.kill()
        save.wait()
        wait_until(lambda: guest.settings() == before, "QEMU's settings to be put back")
        self.assertFalse(guest.monitor.ask("query-status")["running"])
        guest.monitor.ask("cont")
        self.assert_as_before(guest)

    def test_sigkill_of_all_its_processes_leaves_a_guest_that_can_be_resumed_by_hand(self):
        guest = self.counting_guest()
        kill_family(self.slow_save(guest))
        wait_until(lambda: guest.monitor.migration() == "failed", "QEMU to notice")
        self.assertEqual("paused", guest.monitor.status())
        guest.monitor.ask("cont")
        self.assertTrue(guest.is_counting())
        self.assertEqual([], self.state_files())
        self.assert_status(0, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "next.zst"))

    def test_sigkill_leaves_a_guest_running_that_was_not_stopped(self):
        for mode in MODES[1:]:
            with self.subTest(mode):
                guest = self.counting_guest()
                save = self.slow_save(guest, mode)
                save.kill()
                save.wait()
                wait_until(lambda: guest.monitor.migration() != "active", "QEMU to notice")
                self.assertEqual("running", guest.monitor.status())
                self.assertTrue(guest.is_counting())
                self.assertEqual([], self.state_files())
                guest.end()

    def test_a_socket_that_a_killed_save_has_left_goes_with_the_next(self):
        port = free_port()
        guest = self.counting_guest("-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off")
        others = set(glob.glob(SOCKETS))
        over_tcp = ["vmdump", "--qmp", f"tcp:127.0.0.1:{port}", "-o", "x.zst"]
        save = self.start_tool(*over_tcp, *SLOW)
        wait_until(lambda: guest.monitor.migration() == "active", "the save to begin")
        left = (set(glob.glob(SOCKETS)) - others).pop()
        kill_family(save)
        wait_until(lambda: guest.monitor.migration() == "failed", "QEMU to notice")
        self.assertTrue(os.path.exists(left))
        guest.monitor.ask("cont")
        self.assert_status(0, self.run_tool(*over_tcp))
        self.assertFalse(os.path.exists(os.path.dirname(left)))

    def test_a_deadline(self):
        guest = self.counting_guest()
        for mode in MODES:
            with self.subTest(mode):
                save = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--timeout",
                                     "300ms", "--mode", mode, *SLOW)
                self.assert_fails(ENVIRONMENT, self.without_warning(save), "timed out")
                self.assert_as_before(guest)

    def test_qemu_is_killed(self):
        for mode in MODES:
            with self.subTest(mode):
                guest = self.counting_guest()
                save = self.slow_save(guest, mode)
                guest.process.kill()
                self.assert_ended(ENVIRONMENT, save, "QEMU went away")
                self.assertEqual([], self.state_files())
                guest.end()

    def test_commands_that_fail(self):
        guest = self.counting_guest()
        for option in ("--exec", "--filter"):
            for command in ("exit 7", "head -c 1000 > /dev/null", "cat > /dev/null; exit 7"):
                with self.subTest(option=option, command=command):
                    target = ["-o", "x.zst"] if option == "--filter" else []
                    save = self.run_tool("vmdump", "--qmp", guest.qmp, option, command, *target)
                    self.assert_fails(ENVIRONMENT, save, command)
                    self.assert_as_before(guest)

    def test_a_disk_that_fills_in_the_middle_or_at_the_end(self):
        guest = self.counting_guest()
        whole = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "-", "-c", "none")
        size = len(whole.stdout)
        for mode in MODES:
            for room in (size // 2, (size - 1) // 4096 * 4096):
                with self.subTest(room=room, mode=mode), self.small_disk(room) as disk:
                    save = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", f"{disk}/x", "-c",
                                         "none", "--mode", mode)
                    self.assert_fails(ENVIRONMENT, self.without_warning(save),
                                      "No space left on device")
                    self.assertEqual([], list(disk.iterdir()))
                self.assert_as_before(guest)

    def test_outputs_that_cannot_be(self):
        guest = self.counting_guest()
        self.assert_fails(ENVIRONMENT, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "no/x"),
                          "No such file or directory")
        self.assert_fails(ENVIRONMENT, self.run_tool("vmdump", "--qmp", guest.qmp, "-o",
                                                     "/proc/vmstream.zst"))
        self.assert_as_before(guest)
        self.write("old.zst", b"old")
        self.assert_fails(REFUSED, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "old.zst"),
                          "exists already")
        self.assertEqual(b"old", self.read("old.zst"))
        self.assertEqual("none", guest.monitor.migration())

    def test_a_device_that_cannot_be_saved(self):
        guest = self.counting_guest("-object", "memory-backend-ram,id=shared,size=1M,share=on",
                                    "-device", "ivshmem-plain,memdev=shared,master=off")
        save = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst")
        self.assert_fails(ENVIRONMENT, save, "ivshmem")
        self.assert_as_before(guest)

    def test_another_migration_is_left_alone(self):
        guest = self.counting_guest()
        guest.monitor.ask("migrate-set-parameters", **{"max-bandwidth": 100 << 10})
        guest.monitor.ask("migrate", uri="exec:cat > /dev/null")
        wait_until(lambda: guest.monitor.migration() == "active", "the other migration")
        save = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst")
        self.assert_fails(ENVIRONMENT, save, "another migration", "active")
        self.assertEqual("active", guest.monitor.migration())
        self.assertEqual([], self.state_files())

    def test_a_monitor_that_is_taken(self):
        guest = self.counting_guest()
        holder = Monitor(self.folder / guest.qmp)
        self.addCleanup(holder.close)
        begun = time.monotonic()
        save = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--timeout", "7s")
        told = save.stderr.splitlines()
        self.assertIn(b"sends no greeting yet", told[0])
        self.assertIn(b"another client", told[0])
        self.assert_fails(ENVIRONMENT, self.without_warning(save), "no greeting")
        self.assertLess(time.monotonic() - begun, 15)
        self.assert_as_before(guest)

    def test_a_qemu_that_is_busy_is_waited_for(self):
        guest = self.counting_guest()
        guest.process.send_signal(signal.SIGSTOP)
        self.addCleanup(guest.process.send_signal, signal.SIGCONT)
        save = self.start_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst")
        self.assertIn(b"sends no greeting yet (QEMU is busy", save.stderr.readline())
        guest.process.send_signal(signal.SIGCONT)
        self.assert_ended(0, save)
        self.assertTrue(guest.is_counting())


class FailedRestores(GuestTest):
    def saved(self, file="guest.zst"):
        guest = self.counting_guest()
        self.assert_status(0, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", file))
        return guest

    def test_a_qemu_that_does_not_wait_for_a_stream(self):
        guest = self.saved()
        restore = self.run_tool("vmrestore", "--qmp", guest.qmp, "guest.zst")
        self.assert_fails(ENVIRONMENT, restore, "running")
        self.assertIn(b"-incoming defer", restore.stderr)
        self.assertTrue(guest.is_counting())

    def test_a_cut_file_never_runs(self):
        for name in ("guest.gz", "guest.zst"):
            self.saved(name) if name == "guest.gz" else self.shell(
                "gzip -dc guest.gz | zstd -qo guest.zst")
            whole = self.read(name)
            for length in (len(whole) // 2, len(whole) - 1):
                with self.subTest(name=name, length=length):
                    self.assert_never_runs(whole[:length], MALFORMED)

    def test_a_flipped_bit_never_runs(self):
        self.saved()
        whole = bytearray(self.read("guest.zst"))
        whole[len(whole) // 2] ^= 0x10
        self.assert_never_runs(bytes(whole), MALFORMED)

    def assert_never_runs(self, content, status):
        self.write("bad", content)
        second = self.qemu("second", "-incoming", "defer")
        restore = self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", "bad")
        self.assert_status(status, restore)
        time.sleep(0.3)
        self.assertEqual([], second.ticks())
        if second.has_ended():  # it had been given a part
            self.assertNotEqual(0, second.process.returncode)
        else:  # nothing of the file was good
            self.assertEqual("inmigrate", second.monitor.status())
        second.end()

    def test_a_machine_that_does_not_fit(self):
        self.saved()
        second = self.qemu("second", "-m", "64", "-incoming", "defer")
        restore = self.run_tool("vmrestore", "--qmp", second.qmp, "guest.zst")
        self.assertIn(b"hint: QEMU says why on its own stderr", restore.stderr)
        told = restore.stderr.decode().splitlines()
        self.assertEqual(ENVIRONMENT, restore.returncode)
        self.assertIn("guest.zst: QEMU ", told[0])
        self.assertIn("must be started with -machine pc-i440fx", told[2])
        self.assertLess(max(map(len, told[2:])), 220)
        self.assertIn(b"Size mismatch", second.process.stderr.read())


if __name__ == "__main__":
    unittest.main()
