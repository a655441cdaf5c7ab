# SPDX-License-Identifier: MIT
"""Live and background saves of guests that keep writing: what ends them, what they hold, and that
guest and QEMU are as before.

VMSTREAM_ROUNDS is the number of saves and restores in each proof of memory (3).
"""

import json
import os
import signal
import time
import unittest

from real_guest import (ACCEL, IMAGE, LIVE_QEMU, NEEDS_LIVE_QEMU, NEEDS_NEWER_QEMU, NEWER_QEMU, QEMU, GuestTest,
                        wait_until, why_not)
from support import ENVIRONMENT, INTERRUPTED, UNSUPPORTED, USAGE
from writing_guest import writing_image

ROUNDS = int(os.environ.get("VMSTREAM_ROUNDS", "3"))
PAGES = 2048  # that the guest writes to: 8 MiB
FAST = 3200  # of them a second, more than SLOW_LINK takes
SLOW_LINK = ["--max-bandwidth", "8M/s", "--downtime-limit", "1ms"]
WIDE_LINK = ["--downtime-limit", "50ms"]
# In a file on the disk, which the kernel does not write-protect.
FILE_MEMORY = ["-object", "memory-backend-file,id=ram,size=32M,share=on,mem-path=first.ram",
               "-machine", "memory-backend=ram"]


class ModeTest(GuestTest):
    def writing_guest(self, *arguments, pages_per_second=FAST, pages=PAGES, qemu=QEMU):
        image = writing_image(IMAGE, self.folder / "first.img", pages, pages_per_second)
        guest = self.qemu("first", *arguments, qemu=qemu, image=image)
        guest.wait_for_tick(pages // 16 + 8)  # everything has been written, and checked here and there
        return guest

    def save(self, guest, *arguments, file="guest.zst"):
        """The summary of a save that leaves guest and QEMU as they were."""
        before = guest.settings()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", file, "--json", "--force", *arguments)
        self.assert_status(0, run)
        self.assertEqual("running", guest.monitor.status())
        self.assertEqual(before, guest.settings())
        return json.loads(run.stdout)

    def require_background(self):
        if refusal := why_not("background-snapshot"):
            self.skipTest(refusal)

    def ram_in(self, file):
        run = self.run_tool("vmstream-inspect", "ram", "--json", file)
        self.assert_status(0, run)
        return json.loads(run.stdout)

    def passes_in(self, file):
        return [(each["pages"], each["bytes"]) for each in self.ram_in(file)["passes"]]

    def assert_passes_agree(self, summary, file="guest.zst"):
        told = [(each["pages"], each["bytes"]) for each in summary["passes"]]
        self.assertEqual(self.passes_in(file), told)
        self.assertEqual(summary["pages"], sum(pages for pages, _ in told))

    def assert_proves(self, guest, rounds, *arguments, qemu=QEMU):
        """Saved under load and restored again and again, the guest never finds a word changed."""
        for _ in range(rounds):
            begun = guest.last_tick()
            self.save(guest, *arguments)
            ended = guest.last_tick()
            second = self.qemu("second", "-incoming", "defer", qemu=qemu)
            how = ["--cont"] if "stop" in arguments else []  # else it is saved running
            run = self.run_tool("vmrestore", "--qmp", second.qmp, *how, "guest.zst")
            self.assert_status(0, run)
            self.assert_went_round(second, begun, ended)
            second.end()

    def assert_went_round(self, second, begun, ended):
        """Restored from a save between two ticks, it has checked each of its pages once."""
        self.assertEqual("running", second.monitor.status())
        second.wait_for_tick(wait_until(second.ticks, "a tick")[0] + PAGES // 16 + 1)
        self.assertLessEqual(begun, second.ticks()[0])
        self.assertGreaterEqual(ended + 2, second.ticks()[0])


class LiveSaves(ModeTest):
    @NEEDS_LIVE_QEMU
    def test_a_guest_that_writes_too_fast_never_converges(self):
        guest = self.writing_guest(qemu=LIVE_QEMU)
        summary = self.save(guest, "--mode", "live", *SLOW_LINK, "--converge", "stalls=2,passes=5")
        self.assertEqual("live", summary["mode"])
        # Each pass finds all of its pages written anew, give or take one.
        self.assertIn(summary["ended_by"], ("stalls", "passes"))
        self.assertGreaterEqual(len(summary["passes"]), 3)
        missed = summary["shortfall"]
        self.assertGreater(missed["dirty_pages_per_second"], 0.8 * missed["sent_pages_per_second"])
        self.assertGreater(missed["pause_seconds"], 0.1)
        # On a busy machine one pass may be told what QEMU found in the pass before it.
        dirtied = sum(each["dirtied_pages"] for each in summary["passes"])
        self.assertGreater(dirtied, PAGES // 2 * (len(summary["passes"]) - 2))
        self.assert_passes_agree(summary)

    @NEEDS_LIVE_QEMU
    def test_a_guest_that_is_slowed_down_converges(self):
        guest = self.writing_guest(qemu=LIVE_QEMU, pages=1024)
        before = guest.settings()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.zst", "--mode", "live", "--json",
                            "--max-bandwidth", "3M/s", "--downtime-limit", "300ms", "--auto-converge",
                            "--converge", "stalls=99,passes=99", "--progress", "json")
        self.assert_status(0, run)
        self.assertIn(json.loads(run.stdout)["ended_by"], ("downtime", "dirty-pages"))
        lines = [json.loads(line) for line in run.stderr.splitlines()]
        self.assertGreater(max(line.get("throttle_percent", 0) for line in lines), 0)
        self.assertIn(False, [line.get("converges") for line in lines])
        again = [line for line in lines if line["phase"] == "save" and line.get("pass", 0) > 1]
        self.assertLess(min(line["percent"] for line in again), 100)
        self.assertEqual({None}, {line["seconds_left"] for line in again})
        self.assertEqual(before, guest.settings())
        self.assertTrue(guest.is_counting())
        self.assertEqual(0, guest.monitor.ask("query-migrate").get("cpu-throttle-percentage", 0))

    def test_progress_tells_the_rates_before_and_after_compression(self):
        guest = self.writing_guest()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "guest.zst", "--max-bandwidth",
                            "8M/s", "--json", "--progress", "json")
        self.assert_status(0, run)
        summary = json.loads(run.stdout)
        lines = [json.loads(line) for line in run.stderr.splitlines()]
        self.assertEqual(summary["file_bytes"], lines[-1]["file_bytes"])
        # What a codec has held back comes in a burst, so that a single line may say otherwise.
        before, after = (sum(line[key] or 0 for line in lines if line["phase"] == "save")
                         for key in ("bytes_per_second", "file_bytes_per_second"))
        self.assertGreater(before, after)
        self.assertGreater(after, 0)

    @NEEDS_LIVE_QEMU
    def test_the_number_of_passes_is_kept(self):
        guest = self.writing_guest(qemu=LIVE_QEMU)
        counts = {}
        for passes in (1, 4):
            summary = self.save(guest, "--mode", "live", *SLOW_LINK, "--max-passes", str(passes),
                                "--converge", "stalls=99,dirty-pages=0")
            self.assertEqual("passes", summary["ended_by"])
            # Behind the last one come the rest, and what was dirtied before QEMU stopped the guest.
            self.assertIn(len(summary["passes"]) - passes, (0, 1, 2))
            self.assert_passes_agree(summary)
            counts[passes] = summary["pages"]
        self.assertGreater(counts[4], counts[1] + 2 * PAGES)

    def test_one_pass_may_be_enough(self):
        summary = self.save(self.writing_guest(), "--mode", "live", *SLOW_LINK, "--max-passes", "1")
        self.assertEqual("passes", summary["ended_by"])
        self.assert_passes_agree(summary)

    def test_few_pages_left_end_it_at_once(self):
        guest = self.writing_guest()
        summary = self.save(guest, "--mode", "live", *SLOW_LINK, "--converge",
                            f"dirty-pages={2 * PAGES}")
        self.assertEqual("dirty-pages", summary["ended_by"])
        self.assertIsNone(summary["shortfall"])

    def test_a_guest_that_writes_little_converges(self):
        guest = self.writing_guest(pages_per_second=320)
        summary = self.save(guest, "--mode", "live", *WIDE_LINK, "--converge", "dirty-pages=0")
        self.assertEqual("downtime", summary["ended_by"])
        self.assertLess(summary["pause_seconds"], 0.5)
        self.assert_passes_agree(summary)

    @NEEDS_LIVE_QEMU
    def test_a_file_that_must_stay_small_ends_it_early_or_fails(self):
        guest = self.writing_guest(qemu=LIVE_QEMU)
        endless = ["--mode", "live", *SLOW_LINK, "-c", "none", "--converge", "stalls=99,passes=9"]
        size = 45 << 20  # the first pass takes 9 MiB, each one more 8
        summary = self.save(guest, *endless, "--max-size", str(size))
        self.assertEqual("size", summary["ended_by"])
        self.assertLess(summary["file_bytes"], size)
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x", *endless, "--max-size",
                            str(size), "--over-size", "fail")
        self.assert_status(ENVIRONMENT, run)
        self.assertIn(b"larger than 45.0 MiB", run.stderr)
        self.assertEqual("running", guest.monitor.status())
        self.assertEqual(["guest.zst"], self.state_files())

    def test_a_compact_file_has_each_page_once(self):
        guest = self.writing_guest()
        live = ["--mode", "live", *SLOW_LINK, "--converge", "stalls=99,passes=2"]
        summary = self.save(guest, *live, "--compact", "--verify", "--max-size", "15M",
                            file="compact.zst")
        self.assertNotEqual("size", summary["ended_by"])  # which does not depend on the passes
        self.assertGreater(sum(each["pages"] for each in summary["passes"]), summary["pages"] + PAGES // 4)
        self.assertEqual(len(self.read("compact.zst")), summary["file_bytes"])
        self.assertEqual([summary["pages"]], [pages for pages, _ in self.passes_in("compact.zst")])
        self.assertEqual(["compact.zst"], self.state_files())

    def test_sigusr1_asks_how_far_it_is(self):
        guest = self.writing_guest()
        save = self.start_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--mode", "live",
                               *SLOW_LINK, "--max-passes", "3")
        wait_until(lambda: guest.monitor.migration() == "active", "the save to begin")
        time.sleep(1)
        save.send_signal(signal.SIGUSR1)
        _, words = save.communicate(timeout=60)
        self.assertEqual(0, save.returncode, words)
        self.assertRegex(words.decode(), r"(?m)^vmdump: save: +\d+% of .*/s.*pass 1|pass 2")

    def test_an_emulated_guest_of_an_old_qemu_is_warned_of(self):
        guest = self.writing_guest()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--mode", "live")
        self.assert_status(0, run)
        version = guest.monitor.ask("query-version")["qemu"]["major"]
        self.assertEqual(version < 9 and ACCEL == "tcg", b"can lose pages" in run.stderr)

    @NEEDS_LIVE_QEMU
    def test_memory_is_whole(self):
        guest = self.writing_guest(qemu=LIVE_QEMU)
        self.assert_proves(guest, ROUNDS, "--mode", "live", *SLOW_LINK, qemu=LIVE_QEMU)
        self.assert_proves(guest, ROUNDS, "--mode", "live", *WIDE_LINK, qemu=LIVE_QEMU)
        self.assert_proves(guest, 1, "--mode", "live", *SLOW_LINK, "--compact", qemu=LIVE_QEMU)

    def test_options_of_live_saves_need_the_mode(self):
        for options in (["--converge", "passes=3"], ["--max-passes", "3"], ["--auto-converge"],
                        ["--downtime-limit", "1s"]):
            with self.subTest(options):
                run = self.run_tool("vmdump", "--qmp", "none", "-o", "x.zst", *options)
                self.assert_fails(USAGE, run, "--mode live")


class StopSaves(ModeTest):
    def test_memory_is_whole(self):
        guest = self.writing_guest()
        self.assert_proves(guest, ROUNDS, "--mode", "stop")
        self.assert_proves(guest, 1, "--mode", "stop", "--compact")


class BackgroundSaves(ModeTest):
    def setUp(self):
        super().setUp()
        self.require_background()

    def test_the_guest_runs_on_and_each_page_is_saved_once(self):
        guest = self.writing_guest()
        summary = self.save(guest, "--mode", "background")
        self.assertEqual(("background", "background"), (summary["mode"], summary["ended_by"]))
        self.assertEqual(1, len(summary["passes"]))
        self.assertLess(summary["pause_seconds"], 0.5)
        self.assertGreater(summary["pause_seconds"], 0)
        self.assert_passes_agree(summary)
        self.assertTrue(guest.is_counting())

    def test_memory_is_whole(self):
        guest = self.writing_guest()
        self.assert_proves(guest, ROUNDS, "--mode", "background")
        self.assert_proves(guest, 1, "--mode", "background", "--compact")

    @NEEDS_NEWER_QEMU
    def test_memory_is_whole_under_a_newer_qemu(self):
        self.assert_proves(self.writing_guest(qemu=NEWER_QEMU), ROUNDS, "--mode", "background",
                           qemu=NEWER_QEMU)

    def test_a_stalled_output_lets_go_of_the_guest_when_it_is_given_up(self):
        guest = self.writing_guest()
        before = guest.settings()
        for give_up in ("signal", "timeout"):
            with self.subTest(give_up):
                limit = ["--timeout", "3s"] if give_up == "timeout" else []
                save = self.start_tool("vmdump", "--qmp", guest.qmp, "--mode", "background", "-c",
                                       "none", "--exec", "exec sleep 100", *limit)
                wait_until(lambda: guest.monitor.migration() == "active", "the save to begin")
                time.sleep(1)  # the pipes are full, and the guest has met a page that waits for them
                if give_up == "signal":
                    save.send_signal(signal.SIGINT)
                self.assertEqual(INTERRUPTED if give_up == "signal" else 1, save.wait(20))
                self.assertEqual("running", guest.monitor.status())
                self.assertTrue(guest.is_counting())
                self.assertEqual(before, guest.settings())

    def test_pause_afterwards_stops_the_guest(self):
        guest = self.writing_guest()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--mode", "background",
                            "--after", "pause")
        self.assert_status(0, run)
        self.assertEqual("paused", guest.monitor.status())

    def test_auto_takes_it(self):
        summary = self.save(self.writing_guest(), "--mode", "auto")
        self.assertEqual(("background", None), (summary["mode"], summary["mode_reason"]))


class RefusedModes(ModeTest):
    def test_memory_that_cannot_be_protected(self):
        guest = self.qemu("first", *FILE_MEMORY)
        before = guest.settings()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--mode", "background")
        self.assert_fails(UNSUPPORTED, run, "background snapshot", "guest memory")
        self.assertEqual([], self.state_files())
        self.assertEqual("none", guest.monitor.migration())
        self.assertEqual(before, guest.settings())
        self.assertEqual("running", guest.monitor.status())

    def test_auto_takes_the_next_best_and_says_why(self):
        guest = self.qemu("first", *FILE_MEMORY)
        summary = self.save(guest, "--mode", "auto")
        safe = ACCEL == "kvm" or guest.monitor.ask("query-version")["qemu"]["major"] >= 9
        self.assertEqual("live" if safe else "stop", summary["mode"])
        self.assertIn("background snapshot", summary["mode_reason"])

    @NEEDS_NEWER_QEMU
    @unittest.skipUnless(ACCEL == "tcg", "a QEMU with KVM survives it")
    def test_a_live_save_in_which_qemu_would_abort(self):
        """A smaller backend stands before the guest's memory."""
        guest = self.qemu("first", "-object", "memory-backend-ram,id=m1,size=16M", qemu=NEWER_QEMU)
        before = guest.settings()
        run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--mode", "live")
        self.assert_fails(UNSUPPORTED, run, "would abort", "pc.ram")
        self.assertEqual(before, guest.settings())
        self.assertTrue(guest.is_counting())
        for mode in ("stop", "background", "auto"):
            self.assertNotEqual("live", self.save(guest, "--mode", mode)["mode"])
        guest.end()
        guest = self.qemu("first", "-object", "memory-backend-ram,id=m1,size=16M", *FILE_MEMORY,
                          qemu=NEWER_QEMU)
        summary = self.save(guest, "--mode", "auto")  # the first choice is not to be had
        self.assertEqual("stop", summary["mode"])

    def test_a_guest_that_stands_still_is_saved_as_it_stands(self):
        guest = self.qemu("first")
        guest.monitor.ask("stop")
        for mode in ("background", "live"):
            run = self.run_tool("vmdump", "--qmp", guest.qmp, "-o", "x.zst", "--mode", mode,
                                "--json", "--force")
            self.assert_status(0, run)
            summary = json.loads(run.stdout)
            self.assertEqual(("stop", "stopped"), (summary["mode"], summary["ended_by"]))
            self.assertIn("found stopped", summary["mode_reason"])
            self.assertEqual("postmigrate", guest.monitor.status())
            guest.monitor.ask("cont")
            guest.monitor.ask("stop")


if __name__ == "__main__":
    unittest.main()
