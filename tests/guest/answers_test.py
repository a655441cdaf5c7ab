# SPDX-License-Identifier: MIT
"""What people are told: why it failed, what that did to the guest, and what to do next."""

import json
import os
import pwd
import socket
import subprocess
import threading
import time
import unittest

from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, GuestTest, wait_until
from support import DONE, ENVIRONMENT, REFUSED, UNSUPPORTED, tool

SLOW = ["--max-bandwidth", "200K/s"]
DISK = "file={},format=raw,if=virtio"


class Answers(GuestTest):
    def error_of(self, ran, status=ENVIRONMENT):
        """The object that programs get; people have got the same message."""
        self.assert_status(status, ran)
        error = json.loads(ran.stdout)
        self.assertEqual("vmstream.error/1", error["schema"])
        self.assertEqual(status, error["code"])
        self.assertIn(error["message"], ran.stderr.decode())
        return error

    def start_with_log(self, *arguments):
        """A QEMU whose standard error goes to the file `log`."""
        command = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-m", "16", "-nodefaults",
                   "-display", "none", "-qmp", "unix:q,server=on,wait=off", *arguments]
        with open(self.folder / "log", "wb") as errors:
            process = subprocess.Popen(command, cwd=self.folder, stderr=errors)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until((self.folder / "q").exists, "the monitor")

    def dump(self, guest, *arguments):
        return self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", *arguments)


class Saves(Answers):
    def test_a_time_out_says_which_limit_and_that_the_guest_runs(self):
        guest = self.counting_guest()
        error = self.error_of(self.dump(guest, *SLOW, "--timeout", "1500ms", "--json"))
        self.assertIn("--timeout 1.5s is over, the guest runs again", error["message"])
        self.assertEqual("running", error["guest"])
        self.assertTrue(guest.is_counting())

    def test_what_became_of_the_guest(self):
        guest = self.counting_guest()
        self.write("x.zst", b"")
        error = self.error_of(self.dump(guest, "--json"), REFUSED)
        self.assertEqual("untouched", error["guest"])
        guest.monitor.ask("stop")
        exits = ["--exec", "cat > /dev/null; exit 7", "--json"]
        ran = self.run_tool("vmdump", "--qmp", guest.qmp, *exits)
        self.assertEqual("stopped", self.error_of(ran)["guest"])

    def test_a_guest_that_was_sent_before_by_a_save_that_failed(self):
        guest = self.counting_guest()
        guest.monitor.ask("stop")
        ran = self.run_tool("vmdump", "--qmp", guest.qmp, "--exec", "cat > /dev/null; exit 7")
        self.assert_status(ENVIRONMENT, ran)
        error = self.error_of(self.dump(guest, "--json"))
        self.assertIn("a save that succeeded or not", error["hint"])
        self.assertIn("cont", error["hint"])
        self.assert_status(ENVIRONMENT, self.dump(guest, "--dry-run"))
        guest.monitor.ask("cont")
        self.assert_status(DONE, self.dump(guest))

    def test_a_device_that_cannot_be_migrated_is_named_for_device_del(self):
        self.shell("truncate -s 1M d")
        guest = self.counting_guest("-drive", "file=d,format=raw,if=none,id=d", "-device",
                                    "nvme,drive=d,serial=1,id=fast")
        for options in ([], ["--dry-run"]):
            error = self.error_of(self.dump(guest, "--json", *options))
            self.assertIn("nvme", error["message"])
            self.assertIn("device_del fast", error["hint"])
        self.assertTrue(guest.is_counting())

    @unittest.skipIf(os.geteuid(), "another user is one for root only")
    def test_a_failure_without_a_reason_names_qemus_log(self):
        """QEMU 7.2 tells why on its standard error alone."""
        (self.folder / "private").mkdir(mode=0o700)
        self.shell("truncate -s 1M private/d; chmod 666 private/d; chmod 755 .")
        self.start_with_log("-runas", "nobody", "-drive", DISK.format(self.folder / "private/d"))
        ran = self.run_tool("vmdump", "--qmp", "q", "-o", "x.zst", "-q")
        self.assert_fails(ENVIRONMENT, ran, "status 'failed'")
        self.assertIn(f"hint: the reason stands in {self.folder}/log", ran.stderr.decode())

    @unittest.skipIf(os.geteuid(), "another user is one for root only")
    def test_a_monitor_of_another_user(self):
        guest = self.counting_guest()
        os.chmod(self.folder, 0o755)
        os.chmod(self.folder / guest.qmp, 0o700)
        nobody = pwd.getpwnam("nobody").pw_uid
        ran = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "-", user=nobody)
        self.assertIn(b"Permission denied", ran.stderr)
        self.assertIn(b"hint: the socket belongs to user 0: run this as root", ran.stderr)
        os.chmod(self.folder, 0o700)
        ran = self.run_tool("vmdump", "--qmp", str(self.folder / guest.qmp), "-o", "-",
                            preexec_fn=lambda: (os.chdir("/"), os.setuid(nobody)))
        self.assertIn(b"a folder on the way to it is closed", ran.stderr)

    def test_progress_tells_the_pause(self):
        guest = self.counting_guest()
        ran = self.dump(guest, "--progress", "json", "--max-bandwidth", "2M/s")
        self.assert_status(DONE, ran)
        lines = [json.loads(line) for line in ran.stderr.splitlines()]
        self.assertTrue(any(line["guest_paused"] and line["pause_seconds"] > 0 for line in lines))
        self.assertFalse(lines[-1]["guest_paused"])
        self.assertGreater(lines[-1]["pause_seconds"], 0)
        status, shown = self.run_on_terminal(
            f"{tool('vmdump')} --qmp {guest.qmp} -o y.zst --max-bandwidth 1M/s")
        self.assertEqual(DONE, status, shown)
        self.assertRegex(shown, r"guest paused \d+\.\d s")


class DryRuns(Answers):
    def assert_untouched(self, guest, before, files):
        self.assertEqual(before, guest.settings())
        self.assertEqual(("running", "none"), (guest.monitor.status(), guest.monitor.migration()))
        self.assertEqual(files, self.state_files())

    def test_nothing_happens(self):
        guest = self.counting_guest()
        before = guest.settings()
        for mode in ("stop", "background", "auto"):
            ran = self.dump(guest, "--dry-run", "--json", "--mode", mode)
            if ran.returncode == UNSUPPORTED:  # the kernel has no userfaultfd for us
                continue
            self.assert_status(DONE, ran)
            plan = json.loads(ran.stdout)
            self.assertEqual("vmstream.dry-run/1", plan["schema"])
            self.assertIn(plan["mode"], (mode, "background", "live", "stop"))
            self.assert_untouched(guest, before, [])
        ran = self.dump(guest, "--dry-run", "-v")
        self.assertIn(b"nothing was saved", ran.stderr)

    def test_commands_are_not_run(self):
        guest = self.counting_guest()
        before = guest.settings()
        ran = self.run_tool("vmdump", "--qmp", guest.qmp, "--dry-run", "--filter", "tee filtered",
                            "--exec", "cat > taken", "--then", "touch done")
        self.assert_status(DONE, ran)
        self.assert_untouched(guest, before, [])

    def test_it_fails_where_the_save_would(self):
        guest = self.counting_guest()
        before = guest.settings()
        self.write("old.zst", b"old")
        for status, words, arguments in (
                (REFUSED, "exists already", ["-o", "old.zst"]),
                (ENVIRONMENT, "No such file", ["-o", "none/x"]),
                (ENVIRONMENT, "nobody@example.org", ["-o", "y.gpg", "-e", "nobody@example.org"]),
                (UNSUPPORTED, "mapped-ram", ["-o", "y", "--mapped-ram"])):
            with self.subTest(words):
                ran = self.run_tool("vmdump", "--qmp", guest.qmp, "--dry-run", *arguments)
                self.assert_status(status, ran)
                self.assertIn(words, ran.stderr.decode())
                self.assert_untouched(guest, before, ["old.zst"])
        ran = self.run_tool("vmdump", "--qmp", "none", "--dry-run", "-o", "y")
        self.assert_fails(ENVIRONMENT, ran, "none: connect")


class FakeAgent:
    """A guest agent that has an answer for an earlier client in its pipe."""

    def __init__(self, path, answer='{"return": {}}'):
        self.answer, self.asked = answer, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        client, _ = self.server.accept()
        with client, client.makefile("rb") as lines:
            client.sendall(b'{"return": "of an earlier client"}\n')
            for line in lines:
                request = json.loads(line.lstrip(b"\xff"))
                self.asked.append(request)
                client.sendall(self.answer_to(request) + b"\n")

    def answer_to(self, request):
        if request["execute"] != "guest-sync-delimited":
            return self.answer.encode()
        return b"\xff" + json.dumps({"return": request["arguments"]["id"]}).encode()

    def end(self):
        self.thread.join(10)
        self.server.close()


class Restores(Answers):
    def saved(self, *arguments):
        guest = self.counting_guest(*arguments)
        self.assert_status(DONE, self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "a.zst", "-q"))
        return guest

    def agent(self, **how):
        agent = FakeAgent(self.folder / "agent", **how)
        self.addCleanup(agent.end)
        return agent

    def test_a_load_that_fails_is_explained(self):
        self.saved()
        for qemu, lazy in (("q35", []), ("isapc", ["--lazy"])):
            with self.subTest(qemu):
                second = self.qemu("second", "-M", qemu, "-incoming", "defer")
                if lazy and not second.monitor.ask("query-migrate-capabilities"):
                    continue
                ran = self.run_tool("vmrestore", "--qmp", second.qmp, "--json", "a.zst", *lazy)
                error = self.error_of(ran)
                self.assertIn(error["guest"], ("not-started", "unknown"))
                told = ran.stderr.decode()
                self.assertIn("-machine pc-i440fx", told)
                self.assertIn("vmstream-inspect explain 'a.zst' --error", told)
                second.end()

    def test_the_log_of_a_qemu_that_ended_is_named(self):
        self.saved()
        self.start_with_log("-incoming", "defer")
        ran = self.run_tool("vmrestore", "--qmp", "q", "a.zst")
        self.assert_status(ENVIRONMENT, ran)
        self.assertIn(f"hint: QEMU says why in {self.folder}/log", ran.stderr.decode())
        self.assertIn(b"Size mismatch", self.read("log"))

    @NEEDS_NEWER_QEMU
    def test_the_words_of_a_qemu_that_speaks_lead_to_the_place(self):
        first = self.qemu("first", qemu=NEWER_QEMU)
        self.assert_status(DONE, self.run_tool("vmdump", "--qmp", first.qmp, "-o", "a.zst", "-q"))
        second = self.qemu("second", "-incoming", "defer", qemu=NEWER_QEMU, megabytes=64)
        ran = self.run_tool("vmrestore", "--qmp", second.qmp, "a.zst")
        self.assert_status(ENVIRONMENT, ran)
        self.assertIn("pc.ram", ran.stderr.decode())

    def test_a_disk_that_the_living_source_has_locked(self):
        self.shell("truncate -s 1M d")
        self.saved("-drive", DISK.format("d"))
        second = self.qemu("second", "-incoming", "defer", "-drive", DISK.format("d"))
        error = self.error_of(self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", "--json",
                                            "a.zst"))
        self.assertIn("the guest is loaded but does not start", error["message"])
        self.assertIn("end it first", error["hint"])

    def test_a_daemon_with_a_relative_name_of_a_disk(self):
        self.shell("truncate -s 1M d")
        self.saved("-drive", DISK.format("d")).end()
        command = ["qemu-system-x86_64", "-daemonize", "-drive", DISK.format("d"), "-hdb", "d"]
        ran = self.run_tool("vmrestore", "a.zst", "--", *command, "-no-such-option")
        told = ran.stderr.decode()
        self.assertEqual(2, told.count("with -daemonize it works in / and does not find d there"))

    def test_descriptors_reach_qemu_but_ours_do_not(self):
        theirs, ours, secret = (os.memfd_create(name) for name in ("theirs", "ours", "secret"))
        os.write(secret, b"horse\n")
        os.lseek(secret, 0, os.SEEK_SET)
        self.saved().end()
        ran = self.run_tool("vmrestore", "--passphrase-fd", str(secret), "--progress-fd", str(ours),
                            "a.zst", "--", "sh", "-c", "readlink /proc/$$/fd/*; exit 3",
                            pass_fds=[theirs, ours, secret])
        opened = ran.stdout.decode()
        self.assertIn("/memfd:theirs", opened)
        self.assertNotIn("/memfd:ours", opened)
        self.assertNotIn("/memfd:secret", opened)
        self.assertNotIn("a.zst", opened)
        for fd in (theirs, ours, secret):
            os.close(fd)

    def test_the_clock_is_set_by_the_agent(self):
        self.saved()
        agent = self.agent()
        second = self.qemu("second", "-incoming", "defer")
        ran = self.run_tool("vmrestore", "--qmp", second.qmp, "--cont", "--set-clock", "--agent",
                            "agent", "--json", "a.zst")
        self.assert_status(DONE, ran)
        self.assertTrue(json.loads(ran.stdout)["clock_set"])
        self.assertEqual("guest-set-time", agent.asked[-1]["execute"])
        self.assertLess(abs(agent.asked[-1]["arguments"]["time"] / 1e9 - time.time()), 60)

    def test_a_clock_that_is_not_set_is_told(self):
        self.saved()
        self.agent(answer='{"error": {"class": "GenericError", "desc": "no \\u001b[31mclock"}}')
        for how, words in ((["--cont"], r"guest-set-time: no \x1b[31mclock"), ([], "it stands still")):
            second = self.qemu("second", "-incoming", "defer")
            ran = self.run_tool("vmrestore", "--qmp", second.qmp, *how, "--set-clock", "--agent",
                                "agent", "a.zst")
            self.assert_fails(ENVIRONMENT, ran, "the guest is back, but its clock is not set", words)
            self.assertEqual("running" if how else "paused", second.monitor.status())
            second.end()


if __name__ == "__main__":
    unittest.main()
