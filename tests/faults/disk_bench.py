# SPDX-License-Identifier: MIT
"""Saves that snapshot the disks, each with one fault: the guest is on the disks that it had, or on
overlays that belong to a file, or that somebody was told of."""

import json
import shutil

from guest_disks import create_disks, disks_of, drives, holds, write_disks
from outcomes import GONE, RESUMED, is_untold, promise
from real_guest import QEMU, wait_until
from save_bench import SaveBench

FOLDER = "../overlays"  # as the tools see it
PATTERNS = 255


class DiskBench(SaveBench):
    """Before each save something else is written to the disks."""

    def __init__(self, qemu=QEMU):
        super().__init__(qemu)
        self.overlays = self.root / "overlays"
        self.overlays.mkdir()
        self.copies = self.root / "copies"
        self.pattern = 0

    def devices(self):
        self.remove_overlays()
        create_disks(self.root)
        return drives(self.root)

    def copied_devices(self):
        self.copies.mkdir(exist_ok=True)
        for disk in self.disks.values():
            shutil.copy(disk, self.copies)
        return drives(self.copies)

    def prepare(self, save):
        super().prepare(save)
        self.disks = disks_of(self.guest)
        self.write_anew()

    def write_anew(self):
        self.pattern = self.pattern % PATTERNS + 1
        write_disks(self.guest, self.pattern)

    def forget_files(self):
        """And the overlays that belong to them."""
        super().forget_files()
        if self.overlay_files() and self.guest and not self.guest.has_ended():
            self.go_on_without_overlays()

    def check_qemu(self, save, fault, ran, is_whole):
        outcome = super().check_qemu(save, fault, ran, is_whole)
        if outcome == GONE:
            self.check_told(ran, self.overlay_files())
        return outcome

    def check_guest(self, save, ran):
        merged = self.check_disks(ran)
        outcome = super().check_guest(save, ran)
        return RESUMED if merged and self.is_given_up(ran) else outcome

    def overlay_files(self):
        return sorted(str(file) for file in self.overlays.iterdir())

    def check_disks(self, ran):
        """Whether the guest was on overlays, and has been brought back."""
        in_use = disks_of(self.guest)
        promise(all(holds(disk, self.pattern) for disk in self.disks.values()),
                "a disk does not hold what was written before the save")
        if in_use == self.disks:
            self.check_no_overlays(ran)
            return False
        promise(sorted(in_use.values()) == self.overlay_files(), f"{in_use} are in use")
        promise(ran.status == 0 or is_untold(ran) or self.is_given_up(ran),
                "overlays are in use after a failure")
        self.check_told(ran, in_use.values())
        self.check_overlays_take_writes()
        self.go_on_without_overlays()
        return True

    def check_no_overlays(self, ran):
        promise(ran.status != 0, "succeeded without overlays")
        promise(not self.overlay_files(), f"left {self.overlay_files()}")
        nodes = [node["node-name"] for node in self.guest.monitor.ask("query-named-block-nodes")]
        promise(not any(name.startswith("vmstream") for name in nodes), f"left nodes of {nodes}")

    def check_told(self, ran, overlays):
        """What stays, and has not been killed, is named by the summary or the message."""
        if ran.status == 0:
            told = [disk["overlay"] for disk in json.loads(ran.stdout)["disks"]]
            promise(sorted(told) == sorted(overlays), f"tells of {told} instead of {overlays}")
        elif ran.status > 0:
            promise(all(name in ran.stderr for name in overlays), f"does not name {overlays}")

    def check_overlays_take_writes(self):
        before = self.pattern
        self.write_anew()
        promise(all(holds(disk, before) for disk in self.disks.values()),
                "what was saved of a disk has changed")

    def go_on_without_overlays(self):
        """As the manual page tells a person to do."""
        ask = self.guest.monitor.ask
        for drive in ask("query-block"):
            if drive.get("inserted", {"file": ""})["file"] not in self.overlay_files():
                continue
            ask("block-commit", device=drive["inserted"]["node-name"], **{"job-id": "merge"})
            wait_until(lambda: ask("query-block-jobs")[0]["ready"], "the disks to be alike")
            ask("block-job-complete", device="merge")
            wait_until(lambda: not ask("query-block-jobs"), "the overlay to be let go of")
        promise(disks_of(self.guest) == self.disks, "block-commit does not bring the disks back")
        promise(all(holds(disk, self.pattern) for disk in self.disks.values()),
                "block-commit has lost what was written")
        self.remove_overlays()

    def remove_overlays(self):
        for overlay in self.overlays.iterdir():
            overlay.unlink()
