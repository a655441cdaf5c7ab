# SPDX-License-Identifier: MIT
"""A file that somebody writes to, or puts another in the place of, while it is restored."""

import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from gpg_home import GpgHomeTest
from support import (DONE, MALFORMED, REFUSED, SOURCE, UNSUPPORTED, USAGE, ToolTest, stream,
                     tool)

LIBRARY = os.environ["VMSTREAM_FAULT_LIBRARY"]
# Of more than one piece of what the first reading remembers.
OWN, FOREIGN = stream(pages=512, seed=1), stream(pages=512, seed=2)
STEPS = 12


class SwapTest(ToolTest):
    def plan(self, number, action, argument):
        return {**os.environ, "LD_PRELOAD": LIBRARY,
                "VMSTREAM_FAULT_LOG": str(self.folder / "log"),
                "VMSTREAM_FAULT": f"vmrestore file-read {number} {action} {argument}"}

    def count_reads(self, *arguments):
        (self.folder / "log").unlink(missing_ok=True)
        ran = self.run_tool("vmrestore", *arguments, env=self.plan(0, "count", 0))
        self.assert_status(DONE, ran)
        counts = dict(map(str.split, (self.folder / "log").read_text().splitlines()))
        return int(counts["file-read"])

    def run_swapped(self, number, swap, *arguments):
        """The tool, which stops at a read for as long as `swap` takes."""
        (self.folder / "log").unlink(missing_ok=True)
        with (open(self.folder / "out", "w+b") as out,  # a pipe would fill
              subprocess.Popen([tool("vmrestore"), *arguments], cwd=self.folder, stdout=out,
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               env=self.plan(number, "signal", int(signal.SIGSTOP))) as process):
            self.await_stop(process)
            swap()
            process.send_signal(signal.SIGCONT)
            err = process.communicate(timeout=60)[1]
        return subprocess.CompletedProcess(arguments, process.returncode, self.read("out"), err)

    def await_stop(self, process):
        deadline = time.monotonic() + 60
        stat = Path(f"/proc/{process.pid}/stat")
        while stat.read_text().rsplit(")", 1)[1].split()[0] not in "TZ":
            self.assertLess(time.monotonic(), deadline, "it does not stop")
            time.sleep(0.005)

    def swap_name(self):
        """Another file in its place; the one that was opened is still there."""
        self.write("new", self.foreign)
        (self.folder / "new").rename(self.folder / self.name)

    def overwrite(self):
        """The same file with other bytes, which has neither grown nor become younger."""
        path = self.folder / self.name
        before = path.stat()
        with open(path, "r+b") as file:
            file.write(self.foreign)
            file.truncate()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def check_swaps(self, name, own, foreign, *arguments, begin=0.125):
        """Whatever happens between two reads, nothing of the foreign file is handed on.

        `begin` is the part of the reads after which it happens: the file must have been opened, and
        where only the digests tell the files apart it must have been read once.
        """
        self.name, self.foreign = name, foreign
        self.write(name, own)
        reads = self.count_reads(*arguments)
        whole = self.run_tool("vmrestore", *arguments).stdout
        outcomes = set()
        for swap in (self.swap_name, self.overwrite):
            for step in range(STEPS):
                number = round(reads * (begin + (1 - begin) * step / (STEPS - 1)))
                with self.subTest(swap=swap.__name__, read=f"{number} of {reads}"):
                    (self.folder / name).unlink()
                    self.write(name, own)
                    ran = self.run_swapped(number, swap, *arguments)
                    outcomes.add((swap.__name__, ran.returncode))
                    self.assertTrue(whole.startswith(ran.stdout), "foreign bytes are handed on")
                    if swap == self.swap_name or ran.returncode == DONE:
                        self.assert_status(DONE, ran)
                        self.assertEqual(whole, ran.stdout)
                    else:
                        self.assertIn(ran.returncode, (MALFORMED, REFUSED), ran.stderr)
                        self.assertLess(len(ran.stdout), len(whole))
        self.assertIn(("overwrite", MALFORMED), outcomes)  # the swap was not always too late
        return outcomes


class VerifiedFirst(SwapTest):
    def packed(self, content, *coding):
        self.assert_status(DONE, self.run_tool("vmdump", "--stdin", "--force", "-o", "packed",
                                               *coding, stdin=content))
        return self.read("packed")

    def test_a_plain_file(self):
        self.check_swaps("f", OWN, FOREIGN, "--verify-first", "f", begin=0.55)

    def test_packed_files(self):
        for coding in ("zstd", "gzip", "bzip2"):
            with self.subTest(coding):
                self.check_swaps("f", self.packed(OWN, "-c", coding),
                                 self.packed(FOREIGN, "-c", coding), "--verify-first", "f")

    def test_a_mapped_ram_file(self):
        own = self.shell(f"zstd -dcq {SOURCE}/tests/data/x86-pc-10.0-mapped.qevm.zst").stdout
        foreign = bytearray(own)
        for place in range(len(own) // 4, len(own), 4096):  # pages only, but for the devices
            if own[place:place + 4096].count(0) < 100 and place < len(own) - (1 << 18):
                foreign[place] ^= 1
        self.assertNotEqual(own, foreign)
        self.check_swaps("f", own, bytes(foreign), "--verify-first", "f", begin=0.55)

    def test_a_claimed_file(self):
        """Its name is that of the claim for the while."""
        self.name, self.foreign = "f.restoring", FOREIGN
        self.write("f", OWN)
        ran = self.run_swapped(12, self.swap_name, "--verify-first", "--once", "f")
        self.assert_status(DONE, ran)
        self.assertEqual(OWN, ran.stdout)

    def test_a_file_that_cannot_be_read_twice(self):
        os.mkfifo(self.folder / "fifo")
        ran = self.shell(f"cat /dev/null > fifo & {tool('vmrestore')} --verify-first fifo")
        self.assert_fails(USAGE, ran, "fifo", "--verify-first")


class Signed(GpgHomeTest, SwapTest):
    """Only the signature tells the two files apart: each of them is whole."""

    def signed(self, content, *arguments):
        self.assert_status(DONE, self.run_tool("vmdump", "--stdin", "--force", "-o", "x.gpg",
                                               *arguments, stdin=content))
        return self.read("x.gpg")

    def test_another_signer(self):
        own = self.signed(OWN, "-c", "none", "--sign", self.jo)
        foreign = self.signed(FOREIGN, "-c", "none", "--sign", "al@example.org")
        self.check_swaps("f.gpg", own, foreign, "--require-signature", self.jo, "f.gpg")

    def test_no_signature(self):
        own = self.signed(OWN, "-c", "zstd", "-e", self.jo, "--sign", self.jo)
        foreign = self.signed(FOREIGN, "-c", "zstd", "-e", self.jo)
        self.check_swaps("f.gpg", own, foreign, "--require-signature", self.jo, "f.gpg")

    def test_mapped_ram_files_are_refused(self):
        own = self.shell(f"zstd -dcq {SOURCE}/tests/data/x86-pc-10.0-mapped.qevm.zst").stdout
        self.write("bare", own)
        ran = self.run_tool("vmrestore", "--require-signature", self.jo, "bare")
        self.assert_fails(REFUSED, ran, "no good signature")
        self.assertEqual(b"", ran.stdout)
        self.write("signed.gpg", self.gpg("--sign", "-u", self.jo, stdin=own))
        ran = self.run_tool("vmrestore", "--require-signature", self.jo, "signed.gpg")
        self.assert_fails(UNSUPPORTED, ran, "mapped-ram")
        self.assertEqual(b"", ran.stdout)


if __name__ == "__main__":
    unittest.main()
