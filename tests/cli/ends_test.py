#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ctrl-C and --timeout end whatever a tool is at: reading by position or in a row, unpacking, waiting.

Each input would keep a tool busy for much longer than the bound. bench/ends.py measures how soon the ends are.
"""
import gzip
import os
import signal
import socket
import subprocess
import time
import unittest

from support import DONE, ENVIRONMENT, INTERRUPTED, ToolTest, be, counted, stream, tool

BOUND_SECONDS = 3  # generous: the machine may be busy
BUSY_SECONDS = 0.5  # until the signal
PAGES = 16384


def repeated_pages():
    """(front, body, behind): a whole stream, however often the body stands in it."""
    total = PAGES * 4096
    footer = be(1, 0x7E) + be(4, 2)
    front = (b"QEVM" + be(4, 3) + be(1, 1) + be(4, 2) + counted("ram") + be(4, 0) + be(4, 4) + be(8, total | 4) +
             counted("pc.ram") + be(8, total) + be(8, 0x10) + footer)
    pages = b"".join(be(8, i * 4096 | (0x28 if i else 8)) + (b"" if i else counted("pc.ram")) + b"\xaa" * 4096
                     for i in range(PAGES))
    part = be(1, 2) + be(4, 2) + pages + be(8, 0x10) + footer
    return front, part, be(1, 3) + be(4, 2) + be(8, 0x10) + footer + be(1, 0)


class EndsTest(ToolTest):
    def setUp(self):
        super().setUp()
        # The rest of the file is a hole, which is read through for a place to go on at.
        self.write("long.qevm", stream()[:-40])
        os.truncate(self.folder / "long.qevm", 1 << 37)
        self.write("small.qevm", stream())
        os.mkfifo(self.folder / "fifo")

    def start(self, *words, **how):
        how.setdefault("stdin", subprocess.DEVNULL)
        how.setdefault("stdout", subprocess.DEVNULL)
        process = subprocess.Popen([tool(words[0]), *words[1:]], cwd=self.folder, stderr=subprocess.PIPE, **how)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    def check_interrupted(self, *words, **how):
        """Busy until the signal, and at its end soon after."""
        files = set(self.files())
        process = self.start(*words, **how)
        with self.assertRaises(subprocess.TimeoutExpired, msg=f"{words}: {process.stderr}"):
            process.wait(BUSY_SECONDS)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        process.wait(60)
        self.assertLess(time.monotonic() - started, BOUND_SECONDS)
        self.assertEqual(INTERRUPTED, process.returncode, process.stderr.read().decode())
        self.assertEqual(files, set(self.files()))

    def check_timed_out(self, *words, said="timed out", **how):
        started = time.monotonic()
        process = self.start(*words, "--timeout", "500ms", **how)
        process.wait(60)
        self.assertLess(time.monotonic() - started, BUSY_SECONDS + BOUND_SECONDS)
        message = process.stderr.read().decode()
        self.assertEqual(ENVIRONMENT, process.returncode, message)
        self.assertIn(said, message)

    def each(self, check, *commands, **how):
        for words in commands:
            with self.subTest(" ".join(words)):
                check(*words, **how)

    def silent(self):
        """A pipe that says nothing, and takes nothing more once it is full."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        return reader, writer

    def test_readers_by_position(self):
        inspect = "vmstream-inspect"
        self.each(self.check_interrupted,
                  *((inspect, *words, "long.qevm") for words in
                    (["info"], ["devices"], ["ram"], ["vmdesc"], ["dump"], ["sections"], ["hexdump"], ["verify"],
                     ["explain"], ["index"], ["extract", "ram", "--block", "pc.ram", "-o", "out"],
                     ["extract", "stream", "-o", "out"])),
                  (inspect, "device", "long.qevm", "timer"))

    def test_what_comes_of_a_small_file(self):
        inspect = "vmstream-inspect"
        front, part, end = map(gzip.compress, repeated_pages())
        # Read without --verify-first, much of it would wait for its end: more than is allowed.
        self.write("long.gz", front + part * 400 + end)
        self.each(self.check_interrupted,
                  (inspect, "info", "--full-scan", "long.gz"), (inspect, "verify", "long.gz"),
                  (inspect, "index", "long.gz"), ("vmrestore", "--verify-first", "long.gz"),
                  ("vmrestore", "--lazy", "--qmp", "nobody", "long.gz"),
                  ("vmrestore", "--lazy", "--verify-first", "--qmp", "nobody", "long.gz"))
        self.each(self.check_timed_out, ("vmrestore", "--verify-first", "long.gz"),
                  ("vmrestore", "--lazy", "--qmp", "nobody", "long.gz"))

    def test_inputs_that_wait(self):
        self.each(self.check_interrupted,
                  *(("vmstream-inspect", word, "fifo") for word in ("info", "sections", "ram", "verify", "hexdump")),
                  ("vmstream-inspect", "info", "--passphrase-file", "fifo", "small.qevm"),
                  ("vmstream-inspect", "device", "--schema", "fifo", "small.qevm", "timer"), ("vmrestore", "fifo"))
        self.each(self.check_timed_out, ("vmrestore", "fifo"), ("vmrestore", "--passphrase-file", "fifo", "small.qevm"))
        reader, _ = self.silent()
        self.each(self.check_interrupted,
                  ("vmstream-inspect", "info", "-"), ("vmdump", "--stdin", "-o", "out"), ("vmrestore", "-"),
                  stdin=reader)

    def test_outputs_that_wait(self):
        commands = (("vmdump", "--stdin", "-o", "fifo"), ("vmrestore", "-o", "fifo", "small.qevm"))
        for check in (self.check_interrupted, self.check_timed_out):
            for words in commands:
                with self.subTest(" ".join(words)), open(self.folder / "small.qevm", "rb") as small:
                    check(*words, stdin=small)
        self.check_interrupted("vmstream-inspect", "extract", "stream", "-o", "fifo", "small.qevm")

    def test_stdout_that_nobody_reads(self):
        self.write("much.qevm", stream(pages=2048))
        _, writer = self.silent()
        self.each(self.check_interrupted,
                  ("vmstream-inspect", "hexdump", "-v", "much.qevm"), ("vmrestore", "much.qevm"), stdout=writer)

    def test_a_fifo_gets_its_reader(self):
        process = self.start("vmrestore", "-o", "fifo", "small.qevm")
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(BUSY_SECONDS)
        self.assertEqual(stream(), self.read("fifo"))
        self.assertEqual(DONE, process.wait(60))

    def test_monitors_that_say_nothing(self):
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(str(self.folder / "monitor"))
        server.listen(64)
        self.each(self.check_interrupted, ("vmdump", "--qmp", "monitor", "-o", "out"),
                  ("vmrestore", "--qmp", "monitor", "small.qevm"))
        self.each(self.check_timed_out, ("vmdump", "--qmp", "monitor", "-o", "out"),
                  ("vmrestore", "--qmp", "monitor", "small.qevm"), said="sends no greeting")

    def test_a_name_server_that_says_nothing(self):
        """In a view of the file system in which look-ups go to it."""
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(names.close)
        self.write("resolv.conf", b"nameserver 127.0.0.53\n")
        view = ["unshare", "--mount", "sh", "-c", 'mount --bind resolv.conf /etc/resolv.conf && exec "$@"', "sh"]
        try:
            names.bind(("127.0.0.53", 53))
            subprocess.run([*view, "true"], cwd=self.folder, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("look-ups can be sent elsewhere by root only")
        words = ["vmdump", "--qmp", "tcp:qemu.example:4444", "-o", "out"]
        process = subprocess.Popen([*view, tool(words[0]), *words[1:], "--timeout", "500ms"], cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        started = time.monotonic()
        self.assertEqual(ENVIRONMENT, process.wait(60))
        self.assertLess(time.monotonic() - started, BUSY_SECONDS + BOUND_SECONDS)
        self.assertIn("the address of the monitor's host", process.stderr.read().decode())


if __name__ == "__main__":
    unittest.main()
