#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Streams of very many of one thing take a bounded memory and a time that grows with their length."""
import multiprocessing
import os
import resource
import subprocess
import sys
import unittest

from support import MALFORMED, SOURCE, UNSUPPORTED, ToolTest, tool

sys.path.insert(0, str(SOURCE / "bench"))
import hostile_inputs  # noqa: E402 (found by the line above)

# Each takes some tenths of a second; what is quadratic takes minutes.
MOST_CPU_SECONDS = 30
# Half of the largest that the benchmark measures, and the commands that look closest.
STEP = 4
COMMANDS = ("info", "verify", "ram", "dump")


def limit_cpu():
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS))


class HostileTest(ToolTest):
    def make(self, make, count):
        """In a process of its own: a child counts the memory of the one that it was forked from."""
        path = self.folder / "state"
        maker = multiprocessing.get_context("fork").Process(
            target=lambda: path.write_bytes(make(count)))
        maker.start()
        maker.join()
        self.assertEqual(0, maker.exitcode)
        return "state"

    def measure(self, words):
        """Exit status, peak in MiB, and what was said."""
        with open(self.folder / "words", "w+b") as said:
            child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said, cwd=self.folder,
                                     preexec_fn=limit_cpu)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            return child.returncode, usage.ru_maxrss / 1024, said.read().decode()

    def test_time_and_memory_are_bounded(self):
        for hostile in hostile_inputs.CLASSES:
            state = self.make(hostile.make, hostile.count * STEP)
            for command in set(COMMANDS).intersection(hostile.commands):
                with self.subTest(many=hostile.title, command=command):
                    status, peak, said = self.measure([tool("vmstream-inspect"), command, state])
                    self.assertIn(status, (0, MALFORMED, UNSUPPORTED), said)
                    self.assertLess(peak, hostile.most_mib)

    def test_a_limit_that_is_passed_is_named(self):
        cases = ((hostile_inputs.devices_without_description, 1 << 17, "more than 65536 sections, the limit"),
                 (hostile_inputs.ram_blocks, 1 << 15, "more than 16384 RAM blocks are listed"))
        for make, count, words in cases:
            state = self.make(make, count)
            with self.subTest(limit=words):
                status, peak, said = self.measure([tool("vmstream-inspect"), "info", state])
                self.assertIn(words, said)
                self.assertIn(status, (MALFORMED, UNSUPPORTED))
                self.assertLess(peak, 256)


if __name__ == "__main__":
    unittest.main()
