# SPDX-License-Identifier: MIT
"""Saves of a domain of libvirt, each with one fault: it runs as it was found, and libvirt is done with it."""

import shutil
import subprocess
import threading
from pathlib import Path

from bench import children, reap
from libvirt_daemon import Libvirt, program
from outcomes import RESUMED, promise
from real_guest import wait_until
from save_bench import SaveBench


def why_no_libvirt():
    """Why there can be no domain here; None if there can be."""
    try:
        program("libvirtd")
    except AssertionError as missing:
        return str(missing)
    return None if shutil.which("virsh") else "no virsh"


class Burial:
    """The bench adopts what libvirt's daemon leaves to init, which has to see it off: the daemon waits
    until the QEMUs that it has ended are gone."""

    NAMES = ("qemu-system", "libvirt_", "swtpm", "rpc-")

    def __init__(self):
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(0.02):
            for pid in children():
                if self.is_dead(pid):
                    reap(pid)

    def is_dead(self, pid):
        try:
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            return False
        return rest.split()[0] == "Z" and name.startswith(self.NAMES)

    def end(self):
        self.is_over.set()
        self.thread.join()


class DomainBench(SaveBench):
    """One daemon and one domain; a daemon that a fault has killed is started again."""

    ORPHANS_LAST = 15  # somebody reads the rest of a dump, and waits ten seconds for more

    def __init__(self):
        super().__init__()
        self.libvirt = None
        self.burial = Burial()

    def close(self):
        if self.libvirt:
            self.libvirt.end()
        self.burial.end()
        super().close()

    def end_guest(self):
        if self.guest:
            self.guest.kill()
            self.libvirt.domains.remove(self.guest)
            self.guest.forget()
        self.guest = None

    def start_daemon(self):
        if not self.libvirt:
            self.libvirt = Libvirt(self.root)
        elif self.libvirt.daemon.poll() is not None:
            self.libvirt.start()

    def running_guest(self):
        self.start_daemon()
        if self.guest and not self.guest.pid():
            self.end_guest()
        if not self.guest:
            self.libvirt.virsh("destroy", "struck", check=False)
            self.guest = self.libvirt.domain("struck")
            self.guest.wait_for_tick(3)
        return self.guest

    def peer(self):
        return self.libvirt.daemon.pid

    def arguments(self, save, fault):
        return ("--libvirt", self.guest.address, *save.arguments, *(save.limit if fault else ()),
                "--json", "--threads", "2")

    def prepare(self, save):
        guest = self.running_guest()
        if not guest.is_running():
            guest.ask("resume")

    def check_qemu(self, save, fault, ran, is_whole):
        self.start_daemon()
        return self.check_guest(save, ran)

    def check_guest(self, save, ran):
        wait_until(lambda: "None" in self.guest.ask("domjobinfo"), "libvirt's job to end")
        resumed = False
        try:
            wait_until(self.guest.is_running, "the domain to run")
        except (AssertionError, subprocess.TimeoutExpired):
            promise("virsh resume" in ran.stderr, f"the domain is {self.guest.state()}: {ran.stderr}")
            self.guest.ask("resume")
            resumed = True
        promise(self.guest.is_counting(), "the guest does not count")
        promise(self.guest.taint() == self.guest.first_taint, "the domain is tainted")
        return RESUMED if resumed else self.outcome_of(ran)
