# SPDX-License-Identifier: MIT
"""vmrestore --check says what a full load would do, and touches nothing of the host."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from real_guest import Monitor, NEEDS_NEWER_QEMU, NEWER_QEMU, wait_until
from support import ToolTest, why_no_fuse

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
from check_agreement import Folder, newer_command  # noqa: E402

QEMU = "qemu-system-x86_64"
LINE = ("-M pc -m 64 -nodefaults -vga std -device e1000,addr=5 -device virtio-blk-pci,drive=d,addr=6 -serial null"
        " -drive if=none,id=d,file=disk.raw,format=raw")


class Checks(ToolTest):
    def setUp(self):
        super().setUp()
        if reason := why_no_fuse():
            self.skipTest(reason)
        (self.folder / "disk.raw").write_bytes(os.urandom(1 << 20))

    def start(self, *arguments, before=()):
        process = subprocess.Popen([*before, QEMU, *arguments, "-display", "none", "-qmp", "unix:source.qmp,server=on,wait=off"],
                                   cwd=self.folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        Monitor(self.folder / "source.qmp").close()
        return process

    def save(self, line=LINE):
        process = self.start(*shlex.split(line), "-S")
        self.assert_status(0, self.run_tool("vmdump", "--qmp", "source.qmp", "-o", "guest.zst"))
        process.kill()
        process.wait()

    def check(self, line, *options, program=QEMU):
        return self.run_tool("vmrestore", "--check", *options, "guest.zst", "--", program, *shlex.split(line))


class Verdicts(Checks):
    def test_agree_with_full_loads(self):
        self.save()
        folder = Folder(self.folder, Path(os.environ["VMSTREAM_BIN"]), make_disks=False)
        for old, new in (("", ""), ("-device e1000,addr=5", ""), ("e1000,addr=5", "e1000,addr=9"), ("-m 64", "-m 96"), ("-M pc", "-M q35"),
                         ("-vga std", "-vga cirrus"), ("-serial null", ""), ("-nodefaults", "-nodefaults -smp 2"),
                         ("-nodefaults", "-nodefaults -cpu max"), ("drive=d,", "drive=d,num-queues=3,")):
            with self.subTest(old=old, new=new):
                line = LINE.replace(old, new) if old else LINE
                wanted = folder.load([QEMU, *shlex.split(line), "-display", "none", "-S"], "guest.zst")
                self.assertIsNotNone(wanted)
                self.assert_status(0 if wanted else 6, self.check(line))

    def test_a_refusal_is_qemus_and_explained(self):
        self.save()
        refused = self.check(LINE.replace("-device e1000,addr=5", ""), "--json")
        self.assert_status(6, refused)
        answer = json.loads(refused.stdout)
        self.assertEqual(("vmstream.load-check/1", False), (answer["schema"], answer["loads"]))
        words = answer["programs"][0]["words"]
        self.assertTrue(any("e1000.rom" in line for line in words), words)
        self.assertTrue(any("e1000" in line for line in answer["programs"][0]["advice"]), answer)

    @NEEDS_NEWER_QEMU
    def test_several_programs(self):
        self.save(LINE.replace("-M pc", "-M pc-i440fx-7.2"))
        newer, *more = newer_command(NEWER_QEMU)
        line = LINE.replace("-M pc", "-M pc-i440fx-7.2") + " " + shlex.join(more)
        both = self.check(line, "--json", "--binary", QEMU, "--binary", newer)
        self.assert_status(0, both)
        programs = json.loads(both.stdout)["programs"]
        self.assertEqual([QEMU, newer], [program["program"] for program in programs])
        self.assertEqual(["pc.ram"], programs[1]["mapped"])

    def test_a_qemu_that_does_not_start_is_no_answer(self):
        self.save()
        failed = self.check(LINE + " -device no-such-device")
        self.assert_status(1, failed)
        self.assertIn("no-such-device", failed.stderr.decode())

    def test_a_damaged_file_is_no_answer(self):
        self.save()
        whole = (self.folder / "guest.zst").read_bytes()
        (self.folder / "guest.zst").write_bytes(whole[:len(whole) // 3])
        self.assert_status(3, self.check(LINE))


class Harm(Checks):
    def test_a_running_source_keeps_what_it_has(self):
        shutil.copy(self.folder / "disk.raw", self.folder / "second.raw")
        arguments = (LINE.replace("-serial null", "-serial file:serial.log") + " -pidfile source.pid -D qemu.log -d guest_errors"
                     " -chardev socket,id=c,path=chardev.sock,server=on,wait=off -monitor unix:hmp.sock,server=on,wait=off"
                     " -drive if=ide,file=second.raw,format=raw -netdev user,id=n -device rtl8139,netdev=n,addr=8"
                     " -object rng-random,id=r,filename=/dev/urandom -device virtio-rng-pci,rng=r,addr=9")
        self.start(*shlex.split(arguments))
        (self.folder / "serial.log").write_text("what the guest said\n")
        self.assert_status(0, self.run_tool("vmdump", "--qmp", "source.qmp", "-o", "guest.zst"))
        before = self.facts()
        answer = self.check(arguments + " -qmp unix:source.qmp,server=on,wait=off -vnc unix:vnc.sock -daemonize")
        self.assert_status(0, answer)
        self.assertEqual(before, self.facts())
        monitor = Monitor(self.folder / "source.qmp")
        self.assertEqual("running", monitor.status())
        monitor.close()

    def facts(self):
        """What is there, with identity and content; sockets have none."""
        facts = {}
        for path in sorted(self.folder.iterdir()):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            facts[path.name] = (path.lstat().st_ino, content)
        return facts

    def qemus(self):
        """Ids of the QEMUs that wait for a guest in the test's folder."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                is_one = (entry.name.isdigit() and (entry / "comm").read_text().startswith("qemu")
                          and b"-incoming" in (entry / "cmdline").read_bytes() and (entry / "cwd").readlink() == self.folder)
            except OSError:
                continue
            if is_one:
                found.append(int(entry.name))
        return found

    @unittest.skipUnless(shutil.which("setpriv"), "setpriv is not installed")
    def test_a_check_that_is_killed_leaves_no_qemu(self):
        self.save()
        for _ in range(5):
            process = self.start_check()
            wait_until(lambda: self.qemus() or process.poll() is not None, "QEMU to be there")
            process.kill()
            process.wait()
            wait_until(lambda: not self.qemus(), "QEMU to be gone")

    def start_check(self):
        tool = Path(os.environ["VMSTREAM_BIN"]) / "vmrestore"
        return subprocess.Popen([tool, "--check", "guest.zst", "--", QEMU, *shlex.split(LINE)], cwd=self.folder,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_a_tap_becomes_one_of_its_own(self):
        alone = ["unshare", "--net", "--"]
        can_have = os.access("/dev/net/tun", os.R_OK | os.W_OK) and subprocess.run([*alone, "true"], check=False).returncode == 0
        if not can_have:
            self.skipTest("no taps in network namespaces for this user")
        line = "-M pc -m 32 -nodefaults -device virtio-net-pci,netdev=n -netdev tap,id=n,ifname=source0,script=no,downscript=no"
        self.start(*shlex.split(line), "-S", before=alone)
        self.assert_status(0, self.run_tool("vmdump", "--qmp", "source.qmp", "-o", "guest.zst"))
        self.assert_status(6, self.check(line.replace("tap,id=n,ifname=source0,script=no,downscript=no", "user,id=n")))
        before = sorted(os.listdir("/sys/class/net"))
        answer = self.check(line, "--json")
        self.assert_status(0, answer)
        self.assertEqual([], json.loads(answer.stdout)["programs"][0]["not_checked"])
        self.assertEqual(before, sorted(os.listdir("/sys/class/net")))

    def test_what_is_not_known_to_be_harmless_is_refused(self):
        self.save()
        for more in ("-readconfig x", "-loadvm x", "-plugin x", "-tpmdev emulator,id=t,chardev=c", "-device vfio-pci,host=1",
                     "-device vhost-user-fs-pci,chardev=c", "-object filter-dump,id=f,netdev=n,file=x", "-set drive.d.file=x",
                     "-no-such-option x", "-icount shift=3,rr=record,rrfile=x", "-incoming tcp:0:4444"):
            with self.subTest(more):
                refused = self.check(f"{LINE} {more}")
                self.assert_status(2 if "incoming" in more else 4, refused)
                self.assertIn(more.split()[0], refused.stderr.decode())

    def test_a_script_is_refused(self):
        self.save()
        script = self.folder / "qemu"
        script.write_text(f'#!/bin/sh\ntouch harm\nexec {QEMU} "$@"\n')
        script.chmod(0o755)
        self.assert_status(4, self.check(LINE, program="./qemu"))
        self.assertFalse((self.folder / "harm").exists())

    def test_options_of_a_restore_are_refused(self):
        self.save()
        for option in ("--once", "--lazy", "--cont", "--paused", "--map"):
            with self.subTest(option):
                self.assert_status(2, self.check(LINE, option))
        self.assert_status(2, self.run_tool("vmrestore", "--check", "guest.zst"))
        self.assert_status(2, self.run_tool("vmrestore", "--binary", QEMU, "guest.zst"))


if __name__ == "__main__":
    unittest.main()
