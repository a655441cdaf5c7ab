#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Domains of a real libvirt: saved without taint, put back whatever happens, brought back."""

import json
import os
import signal
import tempfile
import unittest
from pathlib import Path

from libvirt_daemon import Libvirt
from real_guest import GuestTest, wait_until
from support import DONE, ENVIRONMENT, INTERRUPTED, MALFORMED, REFUSED, UNSUPPORTED, USAGE, stream
from writing_guest import STRIPE_PAGES, writing_image

PASSWORD = "geheim12"
SCREEN = f"<graphics type='vnc' port='-1' autoport='yes' passwd='{PASSWORD}'/>"
SLOW = ("--max-bandwidth", "3M")
BUSY_PAGES = 4096  # more than fits into the pipes on the way: time to let things go wrong


class LibvirtTest(GuestTest):
    """One daemon for all; a domain for each test."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="vmstream-libvirt-")
        cls.addClassCleanup(folder.cleanup)
        cls.libvirt = Libvirt(Path(folder.name))
        cls.addClassCleanup(cls.libvirt.end)

    def domain(self, **how):
        domain = self.libvirt.domain(**how)
        self.addCleanup(self.discard, domain)
        domain.wait_for_tick(3)
        return domain

    def busy_domain(self, **how):
        """One with much to save."""
        image = writing_image(os.environ["VMSTREAM_TEST_GUEST"], self.folder / "first.img",
                              BUSY_PAGES, BUSY_PAGES)
        domain = self.domain(image=image, **how)
        domain.wait_for_tick(BUSY_PAGES // STRIPE_PAGES)
        return domain

    def discard(self, domain):
        if self.libvirt.daemon.poll() is not None:
            self.libvirt.start()
        self.libvirt.virsh("destroy", domain.name, check=False)
        domain.kill()
        self.libvirt.domains.remove(domain)
        domain.forget()

    def dump(self, domain, *arguments):
        return self.run_tool("vmdump", "--libvirt", domain.address, *arguments)

    def start_dump(self, domain, *arguments):
        """A slow save under way, of which something has come already."""
        before = domain.state()
        process = self.start_tool("vmdump", "--libvirt", domain.address, *SLOW, *arguments)
        wait_until(lambda: domain.state() != before, "the pause")
        return process

    def assert_whole(self, file):
        self.assert_status(DONE, self.run_tool("vmstream-inspect", "verify", file))

    def assert_as_found(self, domain, state="running"):
        wait_until(lambda: domain.state()[0] == state, f"{state}, not {domain.state()}")
        self.assertEqual(domain.first_taint, domain.taint())
        if state == "running":
            self.assertTrue(domain.is_counting())

    def assert_ended_well(self, process, status, domain):
        """A save that failed: its status, the domain as it was, no file; gives what it said."""
        words = b"".join(process.communicate(timeout=40))
        self.assertEqual(status, process.returncode, words)
        self.assertEqual([], self.state_files())
        self.assert_as_found(domain)
        return words.decode()


class Saves(LibvirtTest):
    """What goes well, and what is refused."""

    def test_a_running_domain_is_saved_and_runs_on(self):
        domain = self.domain()
        for mode in ("stop", "live"):
            with self.subTest(mode=mode):
                ran = self.dump(domain, "--json", "--mode", mode, "--verify", "-o", f"{mode}.zst")
                self.assert_status(DONE, ran)
                summary = json.loads(ran.stdout)
                self.assertEqual(mode, summary["mode"])
                self.assertGreater(summary["pause_seconds"], 0)
                self.assertEqual("pc-i440fx-7.2", summary["machine"])
                self.assert_whole(f"{mode}.zst")
                self.assert_as_found(domain)

    def test_a_paused_domain_is_saved_and_must_run_before_the_next_time(self):
        domain = self.domain()
        domain.ask("suspend")
        ran = self.dump(domain, "--mode", "live", "-o", "a.zst")
        self.assert_status(DONE, ran)
        self.assertIn(b"wants it to run once", ran.stderr)
        self.assert_as_found(domain, "paused")
        ran = self.dump(domain, "-o", "b.zst")
        self.assert_status(ENVIRONMENT, ran)
        self.assertIn(f"virsh resume {domain.name}".encode(), ran.stderr)
        self.assert_as_found(domain, "paused")
        domain.ask("resume")
        self.assert_status(DONE, self.dump(domain, "-o", "b.zst"))
        self.assert_as_found(domain)

    def test_a_domain_that_is_not_to_go_on_does_not(self):
        domain = self.domain()
        ran = self.dump(domain, "--after", "pause", "-o", "a.zst")
        self.assert_status(DONE, ran)
        self.assert_as_found(domain, "paused")
        domain.ask("resume")
        pid = domain.pid()
        self.assert_status(DONE, self.dump(domain, "--after", "quit", "-o", "b.zst"))
        self.assertFalse(domain.is_alive(pid))
        self.assert_whole("b.zst")

    def test_what_libvirt_cannot_do_is_refused_before_the_domain_is_touched(self):
        domain = self.domain()
        for arguments, words in ((("--mode", "background"), b"virt-qemu-qmp-proxy"),
                                 (("--disk-snapshot", "."), b"--memspec"),
                                 (("--mode", "live", "--after", "quit"), b"--mode stop")):
            with self.subTest(arguments=arguments):
                ran = self.dump(domain, *arguments, "-o", "a.zst")
                self.assert_status(UNSUPPORTED, ran)
                self.assertIn(words, ran.stderr)
        for arguments in (("--max-passes", "3", "--mode", "live"), ("--mapped-ram",),
                          ("--max-size", "1G", "--over-size", "finish", "--mode", "live")):
            self.assert_status(USAGE, self.dump(domain, *arguments, "-o", "a.zst"))
        self.assertEqual([], self.state_files())
        self.assertEqual(("running", "booted"), domain.state())

    def test_a_domain_that_is_not_there(self):
        ran = self.run_tool("vmdump", "--libvirt", f"{self.libvirt.uri}#nobody", "-o", "a.zst")
        self.assert_fails(ENVIRONMENT, ran, "nobody", "libvirt")
        ran = self.run_tool("vmdump", "--libvirt", self.libvirt.uri, "-o", "a.zst")
        self.assert_fails(USAGE, ran, "names no domain")
        ran = self.run_tool("vmdump", "--libvirt", "qemu+ssh://elsewhere/system#a", "-o", "a.zst")
        self.assert_fails(UNSUPPORTED, ran, "another machine")
        ran = self.run_tool("vmdump", "--libvirt", "qemu+unix:///system?socket=/nobody#a", "-o", "a")
        self.assert_fails(ENVIRONMENT, ran, "/nobody")
        self.assertEqual([], self.state_files())

    def test_the_output_is_no_disk_of_the_guest(self):
        domain = self.domain(writable=True)
        os.link(domain.image, self.folder / "disk.zst")
        before = domain.image.read_bytes()
        ran = self.dump(domain, "--force", "-o", "disk.zst")
        self.assert_status(REFUSED, ran)
        self.assertEqual(before, domain.image.read_bytes())

    def test_looking_does_not_touch_the_domain(self):
        domain = self.domain()
        ran = self.dump(domain, "--explain", "-o", "a.zst")
        self.assert_status(DONE, ran)
        self.assertIn(b"virDomainCoreDumpWithFormat", ran.stdout)
        ran = self.dump(domain, "--explain", "--mode", "background", "-o", "a.zst")
        self.assertIn(b"Refused: libvirt has no background save", ran.stdout)
        ran = self.dump(domain, "--dry-run", "--json", "-o", "a.zst")
        self.assert_status(DONE, ran)
        self.assertEqual("stop", json.loads(ran.stdout)["mode"])
        self.assertEqual([], self.state_files())
        self.assertEqual(("running", "booted"), domain.state())

    def test_passwords_stay_out_of_the_file(self):
        domain = self.domain(more=SCREEN)
        self.assert_status(DONE, self.dump(domain, "-o", "a.zst"))
        self.assertIn(b"<domain type=", self.read("a.zst"))
        self.assertIn(b"passwd=''", self.read("a.zst"))
        self.assertNotIn(PASSWORD.encode(), self.read("a.zst"))
        self.assert_status(DONE, self.dump(domain, "--with-secrets", "-o", "b.zst"))
        self.assertIn(PASSWORD.encode(), self.read("b.zst"))
        ran = self.dump(domain, "-o", "c.bz2")
        self.assert_status(DONE, ran)
        self.assertIn(b"vmrestore --libvirt will need --xml", ran.stderr)


    def test_a_domain_becomes_a_save_image_by_itself(self):
        domain = self.domain(more=SCREEN)
        ran = self.dump(domain, "--to", "libvirt", "--cont", "-o", "a.sav")
        self.assert_status(DONE, ran)
        self.assertNotIn(b"--xml", ran.stderr)
        self.assertIn(b"passwd=''", self.read("a.sav"))
        self.assertNotIn(PASSWORD.encode(), self.read("a.sav"))
        self.assert_status(DONE, self.dump(domain, "--to", "libvirt", "--with-secrets", "-o", "b.sav"))
        self.assertIn(PASSWORD.encode(), self.read("b.sav"))
        last = domain.last_tick()
        domain.ask("destroy")
        self.libvirt.virsh("restore", str(self.folder / "a.sav"))
        self.assertEqual(("running", "restored"), domain.state())
        self.assertTrue(domain.is_counting())
        self.assertLessEqual(domain.ticks()[0], last + 1)


class Faults(LibvirtTest):
    """Whatever goes wrong, the domain runs as it was found."""

    def test_a_save_that_is_interrupted(self):
        domain = self.busy_domain()
        process = self.start_dump(domain, "--json", "-o", "a.zst")
        process.send_signal(signal.SIGINT)
        words = self.assert_ended_well(process, INTERRUPTED, domain)
        self.assertIn('"guest": "running"', words)

    def test_a_save_that_takes_too_long(self):
        domain = self.busy_domain()
        process = self.start_dump(domain, "--timeout", "1s", "-o", "a.zst")
        self.assert_ended_well(process, ENVIRONMENT, domain)

    def test_a_live_save_that_is_interrupted(self):
        domain = self.busy_domain()
        process = self.start_tool("vmdump", "--libvirt", domain.address, *SLOW, "--mode", "live",
                                  "-o", "a.zst")
        wait_until(lambda: "Dump" in domain.ask("domjobinfo"), "the dump")
        process.send_signal(signal.SIGINT)
        self.assert_ended_well(process, INTERRUPTED, domain)

    def test_a_disk_that_is_full(self):
        domain = self.busy_domain()
        with self.small_disk(64 << 10) as small:
            ran = self.dump(domain, "-c", "none", "-o", str(small / "a"))
            self.assert_status(ENVIRONMENT, ran)
            self.assertIn(b"No space left", ran.stderr)
            self.assertEqual([], os.listdir(small))
        self.assert_as_found(domain)

    def test_a_save_that_is_killed(self):
        domain = self.busy_domain()
        process = self.start_dump(domain, "-o", "a.zst")
        process.kill()
        self.assert_as_found(domain)
        self.assert_status(DONE, self.dump(domain, "-o", "a.zst"))

    def test_a_second_save_beside_the_first(self):
        domain = self.busy_domain()
        first = self.start_dump(domain, "-o", "a.zst")
        ran = self.dump(domain, "-o", "b.zst")
        self.assert_status(ENVIRONMENT, ran)
        self.assertIn(b"another job", ran.stderr)
        first.send_signal(signal.SIGINT)
        self.assert_ended_well(first, INTERRUPTED, domain)

    def test_somebody_else_aborts_it(self):
        domain = self.busy_domain()
        process = self.start_dump(domain, "-o", "a.zst")
        domain.ask("domjobabort")
        self.assertIn("libvirt", self.assert_ended_well(process, ENVIRONMENT, domain))

    def test_a_daemon_that_is_killed_and_started_again(self):
        domain = self.busy_domain()
        process = self.start_dump(domain, "-o", "a.zst")
        self.libvirt.kill()
        self.libvirt.start()
        self.assert_ended_well(process, ENVIRONMENT, domain)
        self.assert_status(DONE, self.dump(domain, "-o", "a.zst"))


class PackedDumps(LibvirtTest):
    """dump_image_format in qemu.conf, which a domain's save must not mind."""

    def test_a_dump_that_libvirt_packs(self):
        domain = self.domain()
        for packing in ("gzip", "bzip2", "xz"):
            self.libvirt.kill(signal.SIGTERM)
            self.libvirt.configure(dump_image_format=packing)
            self.libvirt.start()
            ran = self.dump(domain, "-o", f"{packing}.zst")
            self.assert_status(DONE, ran)
            self.assertIn(f"packs its dumps by {packing}".encode(), ran.stderr)
            self.assert_whole(f"{packing}.zst")
            self.assert_as_found(domain)
        busy = self.busy_domain(name="busy")
        process = self.start_dump(busy, "-o", "broken.zst")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=40)
        self.assertEqual(INTERRUPTED, process.returncode)
        self.assert_as_found(busy)


class Restores(LibvirtTest):
    """vmrestore --libvirt."""

    def restore(self, *arguments):
        return self.run_tool("vmrestore", f"--libvirt={self.libvirt.uri}", *arguments)

    def test_a_state_becomes_a_domain_again(self):
        domain = self.domain(more=SCREEN)
        domain.wait_for_tick(40)
        self.assert_status(DONE, self.dump(domain, "--after", "quit", "-o", "a.zst"))
        last = domain.last_tick()
        ran = self.restore("--json", "--cont", "a.zst")
        self.assert_status(DONE, ran)
        self.assertEqual("running", json.loads(ran.stdout)["run_state"])
        self.assertEqual(("running", "restored"), domain.state())
        self.assertTrue(domain.is_counting())
        self.assertEqual(last + 1, domain.ticks()[0])
        ran = self.restore("a.zst")
        self.assert_status(ENVIRONMENT, ran)
        self.assertIn(b"already active", ran.stderr)
        domain.ask("destroy")
        self.assert_status(DONE, self.restore("--paused", "a.zst"))
        self.assertEqual("paused", domain.state()[0])

    def test_libvirt_sees_nothing_of_a_file_that_is_damaged(self):
        domain = self.domain()
        self.assert_status(DONE, self.dump(domain, "--after", "quit", "-o", "a.zst"))
        self.write("cut.zst", self.read("a.zst")[:-40000])
        self.write("own.xml", domain.xml.read_bytes())
        ran = self.restore("--xml", "own.xml", "cut.zst")
        self.assert_status(MALFORMED, ran)
        self.assertEqual("", self.libvirt.ask("list", "--all", "--name"))

    def test_a_state_without_a_description_needs_one(self):
        self.write("plain", stream())
        ran = self.restore("plain")
        self.assert_fails(USAGE, ran, "--xml")


if __name__ == "__main__":
    unittest.main()
