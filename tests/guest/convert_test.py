# SPDX-License-Identifier: MIT
"""Files that are made into others: real QEMUs come to the same guest."""

import json
import os
import unittest

from libvirt_daemon import Libvirt
from modes_test import ModeTest
from real_guest import NEEDS_NEWER_QEMU, NEWER_QEMU, wait_until

MEMORY = 32 << 20


class ConvertTest(ModeTest):
    def memory(self, guest):
        """What the guest's memory holds, by QEMU itself."""
        name = str(self.folder / f"{guest.name}.memory")
        guest.monitor.ask("pmemsave", **{"val": 0, "size": MEMORY, "filename": name})
        content = self.read(name)
        os.unlink(name)
        return content

    def run_done(self, tool, *arguments):
        run = self.run_tool(tool, *arguments)
        self.assert_status(0, run)
        return run

    def loaded_by_itself(self, file):
        """A QEMU that has taken a mapped-ram file on its own."""
        second = self.qemu("second", "-S", "-incoming", "defer", qemu=NEWER_QEMU)
        second.monitor.ask("migrate-set-capabilities",
                           capabilities=[{"capability": "mapped-ram", "state": True}])
        second.monitor.ask("migrate-incoming", uri=f"file:{self.folder / file}")
        wait_until(lambda: second.monitor.migration() == "completed", "the load")
        return second

    def assert_same_guest(self, one, other):
        """Of two files: each RAM block and each device, byte by byte."""
        dumps = [json.loads(self.run_done("vmstream-inspect", "dump", "--no-offsets", "--format", "json", file).stdout)
                 for file in (one, other)]
        self.assertEqual(dumps[0]["devices"], dumps[1]["devices"])
        for block in json.loads(self.run_done("vmstream-inspect", "info", "--json", one).stdout)["ram"]["blocks"]:
            told = [json.loads(self.run_done("vmstream-inspect", "extract", "ram", file, "--block", block["name"], "-o",
                                             "block", "--force", "--json").stdout)["sha256"] for file in (one, other)]
            self.assertEqual(told[0], told[1], block["name"])


class LibvirtImages(ConvertTest):
    """A real libvirt takes them."""

    def setUp(self):
        super().setUp()
        self.libvirt = Libvirt(self.folder)
        self.addCleanup(self.libvirt.end)

    def test_virsh_restores_them(self):
        domain = self.libvirt.domain()
        domain.wait_for_tick(40)
        plain = self.folder / "a"
        self.libvirt.virsh("dump", domain.name, str(plain))
        self.write("dom.xml", self.libvirt.virsh("dumpxml", "--migratable", "--security-info", domain.name)
                   .stdout.encode())
        domain.ask("suspend")
        begun = domain.last_tick()
        domain.ask("destroy")
        made = [("raw", "vmdump", "--from", plain), ("gzip", "vmdump", "--from", plain, "-c", "gzip"),
                ("bzip2", "vmdump", "--from", plain, "-c", "bzip2"), ("again", "vmrestore", plain)]
        for name, *command in made:
            with self.subTest(name):
                self.run_done(*command, "--to", "libvirt", "--xml", "dom.xml", "--cont", "-o", name)
                image = str(self.folder / name)
                told = self.libvirt.virsh("save-image-dumpxml", image).stdout
                self.assertIn("<name>tiny</name>", told)
                domain.serial.unlink(missing_ok=True)
                self.libvirt.virsh("restore", image)
                self.assertEqual(("running", "restored"), domain.state())
                self.assertTrue(domain.is_counting())
                self.assertLessEqual(domain.ticks()[0], begun + 2)
                domain.ask("destroy")
        self.libvirt.virsh("save-image-define", str(self.folder / "gzip"), str(self.folder / "dom.xml"), "--paused")
        self.libvirt.virsh("restore", str(self.folder / "gzip"))
        self.assertEqual("paused", domain.state()[0])


@NEEDS_NEWER_QEMU
class MappedRam(ConvertTest):
    def test_qemu_loads_it_by_itself(self):
        guest = self.writing_guest(qemu=NEWER_QEMU)
        guest.monitor.ask("stop")
        before = self.memory(guest)
        self.run_done("vmdump", "--qmp", guest.qmp, "-o", "a.zst")
        self.run_done("vmdump", "--from", "a.zst", "--to", "mapped-ram", "-o", "b.mapped", "--verify")
        second = self.loaded_by_itself("b.mapped")
        self.assertEqual(before, self.memory(second))
        second.monitor.ask("cont")
        self.assertTrue(second.is_counting())
        self.assert_same_guest("a.zst", "b.mapped")
        self.run_done("vmdump", "--from", "b.mapped", "-o", "c.zst")
        self.assert_same_guest("a.zst", "c.zst")
        told = self.run_done("vmstream-inspect", "info", "c.zst").stdout.decode()
        self.assertRegex(told, r"captured .*mode stop")  # by the indexes on the way

    def test_a_live_save_written_so(self):
        """Pages that come again take the places of those before."""
        guest = self.writing_guest(qemu=NEWER_QEMU)
        begun = guest.last_tick()
        summary = self.save(guest, "--to", "mapped-ram", "--mode", "live", "--max-passes", "3", "--verify",
                            file="guest.mapped")
        self.assertEqual(("mapped-ram", False), (summary["container"], summary["mapped_ram"]))
        file = self.folder / "guest.mapped"
        self.assertEqual((0o600, summary["file_bytes"]), (file.stat().st_mode & 0o777, file.stat().st_size))
        self.assertEqual(["guest.mapped", "guest.mapped.vmsx"], self.state_files())
        verified = json.loads(self.run_done("vmstream-inspect", "verify", "--json", file).stdout)
        self.assertEqual((True, summary["sha256"]), (verified["ok"], verified["sha256"]))
        second = self.loaded_by_itself("guest.mapped")
        second.monitor.ask("cont")
        self.assert_went_round(second, begun, guest.last_tick())

    def test_vmrestore_makes_one_too(self):
        guest = self.writing_guest(qemu=NEWER_QEMU)
        self.run_done("vmdump", "--qmp", guest.qmp, "-o", "a.zst")
        self.run_done("vmrestore", "a.zst", "--to", "mapped-ram", "-o", "b.mapped")
        self.assert_same_guest("a.zst", "b.mapped")
        self.loaded_by_itself("b.mapped")


if __name__ == "__main__":
    unittest.main()
