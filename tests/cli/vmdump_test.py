# SPDX-License-Identifier: MIT
"""vmdump as a user runs it, with the stream on stdin. Saves of a real QEMU: tests/guest."""

import hashlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
import unittest
from pathlib import Path

from support import (DONE, ENVIRONMENT, INTERRUPTED, MALFORMED, REFUSED, SOURCE,
                     UNSUPPORTED, USAGE, ToolTest, stream, tool, without_doubles)

STREAM = stream()
BIG_STREAM = stream(pages=4096)
DECODERS = {"gz": "gzip -dc", "bz2": "bzip2 -dc", "zst": "zstd -qdc"}


class Arguments(ToolTest):
    def assert_usage(self, *arguments, words):
        ran = self.run_tool("vmdump", *arguments, stdin=STREAM)
        self.assert_fails(USAGE, ran, *words)
        self.assertEqual(b"", ran.stdout)
        self.assertEqual([], self.files())

    def test_a_source_and_a_target_are_needed(self):
        self.assert_usage(words=["--qmp", "--stdin"])
        self.assert_usage("--stdin", words=["-o", "--exec"])
        self.assert_usage("-o", "f", words=["--qmp", "--stdin"])

    def test_contradictions_are_refused(self):
        self.assert_usage("--stdin", "--qmp", "x", "-o", "f", words=["--qmp"])
        self.assert_usage("--stdin", "-o", "f", "--exec", "cat", words=["--exec"])
        self.assert_usage("--stdin", "-o", "f", "-c", "gzip", "--filter", "cat", words=["--filter"])
        self.assert_usage("--stdin", "-o", "-", "--json", words=["--json", "stdout"])
        self.assert_usage("--stdin", "-o", "f", "--after", "quit", words=["--after"])
        self.assert_usage("--stdin", "-o", "f", "--then", "true", words=["--then", "--exec"])

    def test_values_are_checked(self):
        self.assert_usage("--stdin", "-o", "f", "-c", "lzma", words=["'lzma'", "bzip2"])
        self.assert_usage("--stdin", "-o", "f", "-c", "gzip:77", words=["'77'", "gzip"])
        self.assert_usage("--stdin", "-o", "f", "-c", "none:1", words=["level"])
        self.assert_usage("--stdin", "-o", "f", "--timeout", "soon", words=["--timeout", "'soon'"])
        self.assert_usage("--stdin", "-o", "f", "--timeout", "0", words=["--timeout", "0"])
        self.assert_usage("--stdin", "-o", "f", "--threads", "0", words=["--threads", "'0'"])
        self.assert_usage("--qmp", "s", "-o", "f", "--max-bandwidth", "5x", words=["'5x'"])
        self.assert_usage("--qmp", "s", "-o", "f", "--after", "explode", words=["'explode'"])
        self.assert_usage("--qmp", "tcp:nowhere", "-o", "f", words=["tcp:nowhere"])

    def test_options_that_are_not_known_are_refused(self):
        for option in ("--asymmetric", "--bogus"):
            self.assert_usage("--stdin", "-o", "f", option, words=[f"unknown option '{option}'"])

    def test_a_dry_run_needs_a_monitor(self):
        self.assert_usage("--stdin", "-o", "f", "--dry-run", words=["--dry-run", "--qmp"])
        self.assert_usage("--qmp", "x", "-o", "f", "--dry-run", "--explain", words=["--dry-run"])

    def test_modes_need_a_monitor(self):
        for mode in ("live", "background", "auto"):
            ran = self.run_tool("vmdump", "--stdin", "-o", "x.zst", "--mode", mode)
            self.assert_fails(USAGE, ran, "--mode needs --qmp")

    def test_what_happens_over_a_size_needs_the_size(self):
        finish = ["--over-size", "finish", "--max-size", "1M"]
        for mode, options in (("live", ["--over-size", "fail"]), ("stop", finish),
                              ("live", [*finish, "--compact"])):
            ran = self.run_tool("vmdump", "--qmp", "s", "-o", "x", "--mode", mode, *options)
            self.assert_fails(USAGE, ran, "--over-size")
        ran = self.run_tool("vmdump", "--stdin", "-o", "x", "--over-size", "fail", "--max-size",
                            "1K", stdin=STREAM)
        self.assert_fails(ENVIRONMENT, ran, "larger than 1.00 KiB")

    def test_compact_needs_a_plain_file(self):
        for options in (["-o", "-"], ["--exec", "cat"], ["-o", "x.gpg", "-e", "key"]):
            with self.subTest(options):
                ran = self.run_tool("vmdump", "--stdin", "--compact", *options)
                self.assert_fails(USAGE, ran, "--compact")

    def test_codings_that_are_only_read_are_refused(self):
        for name, suffix in (("xz", "xz"), ("lz4", "lz4"), ("lzop", "lzo")):
            for arguments in (["-o", f"f.{suffix}"], ["-o", f"f.{suffix}.gpg", "--symmetric"],
                              ["-o", "f", "-c", name], ["-o", "f", "-c", f"{name}:1"]):
                ran = self.run_tool("vmdump", "--stdin", *arguments, stdin=STREAM)
                self.assert_fails(USAGE, ran, f"{name} files are read, not written", "zstd")
                if "-c" not in arguments:
                    self.assertIn(f"--filter '{name} -c'", ran.stderr.decode())
                self.assertEqual([], self.files())
        ran = self.run_tool("vmdump", "--stdin", "-o", "f.xz", "-c", "gzip", stdin=STREAM)
        self.assert_status(DONE, ran)

    def test_version_tells_what_is_built_in(self):
        ran = self.run_tool("vmdump", "--version")
        self.assert_status(DONE, ran)
        self.assertRegex(ran.stdout.decode(), r"^vmdump \d+\.\d+\.\d+\n")
        for word in ("none", "gzip", "bzip2", "zstd", "zlib", "libvirt"):
            self.assertIn(word, ran.stdout.decode())

    def test_explain_prints_and_does_nothing(self):
        ran = self.run_tool("vmdump", "--qmp", "/nowhere", "-o", "guest.gz", "--explain")
        self.assert_status(DONE, ran)
        for word in ("migrate", "gzip", "guest.gz"):
            self.assertIn(word, ran.stdout.decode())
        ran = self.run_tool("vmdump", "--qmp", "/nowhere", "--exec", "cat > g.part", "--then",
                            "mv g.part g.zst", "--explain")
        self.assertTrue(ran.stdout.decode().endswith(
            "# when all of it has succeeded:\nmv g.part g.zst\n"))
        self.assertEqual([], self.files())


class Saving(ToolTest):
    def test_the_suffix_chooses_the_coding(self):
        for suffix, decoder in DECODERS.items():
            with self.subTest(suffix):
                name = f"guest.{suffix}"
                ran = self.run_tool("vmdump", "--stdin", "-o", name, stdin=STREAM)
                self.assert_status(DONE, ran)
                self.assert_silent(ran)
                self.assertEqual(STREAM, self.shell(f"{decoder} {name}").stdout)

    def test_any_other_suffix_means_zstd(self):
        self.assert_status(DONE, self.run_tool("vmdump", "--stdin", "-o", "guest.vm", stdin=STREAM))
        self.assertEqual(STREAM, self.shell("zstd -qdc < guest.vm").stdout)

    def test_compress_overrides_the_suffix(self):
        ran = self.run_tool("vmdump", "--stdin", "-o", "f.zst", "-c", "none", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, self.read("f.zst"))
        ran = self.run_tool("vmdump", "--stdin", "-o", "g.zst", "-c", "gzip:1", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, self.shell("gzip -dc < g.zst").stdout)

    def test_a_mapped_ram_stream_needs_an_output_with_positions(self):
        own = self.shell(f"zstd -dcq {SOURCE}/tests/data/x86-pc-10.0-mapped.qevm.zst").stdout
        for arguments in (("-o", "f.bz2"), ("-o", "f", "--filter", "cat")):
            with self.subTest(arguments):
                ran = self.run_tool("vmdump", "--stdin", *arguments, stdin=own)
                self.assert_fails(UNSUPPORTED, ran, "mapped-ram", "by position")
                self.assertIn(b"hint: write plain (-c none)", ran.stderr)
                self.assertEqual([], self.files())
        for name in ("f.zst", "f.gz"):
            self.assert_status(DONE, self.run_tool("vmdump", "--stdin", "-o", name, stdin=own))
            self.assert_status(DONE, self.run_tool("vmrestore", name, "-o", f"{name}.plain"))

    def test_stdout_by_a_name_of_its_own_is_told_how_it_is_meant(self):
        self.write("in", STREAM)
        ran = self.shell(f"{tool('vmdump')} --stdin -o /dev/stdout < in > out")
        self.assert_fails(REFUSED, ran, "the output is the file that stdout goes to")
        self.assertIn(b"hint: -o - writes to stdout", ran.stderr)

    def test_a_file_that_may_grow_no_more_is_an_error(self):
        self.write("in", BIG_STREAM)
        ran = self.shell(f"ulimit -f 1; exec {tool('vmdump')} --stdin -o f -c none < in")
        self.assert_fails(ENVIRONMENT, ran, "f: write: File too large")
        self.assertEqual(["in"], self.files())

    def test_stdout_takes_the_file(self):
        ran = self.run_tool("vmdump", "--stdin", "-o", "-", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.write("out", ran.stdout)
        self.assertEqual(STREAM, self.shell("zstd -qdc < out").stdout)

    def test_a_command_takes_the_file(self):
        ran = self.run_tool("vmdump", "--stdin", "--exec", "cat > copy", "-c", "gzip", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, self.shell("gzip -dc < copy").stdout)

    def test_what_a_command_wrote_aside_is_published_when_all_has_succeeded(self):
        ran = self.run_tool("vmdump", "--stdin", "--exec", "cat > g.part", "--then",
                            "echo moving; mv g.part g.zst", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.assertEqual(b"moving\n", ran.stdout)
        self.assertEqual(["g.zst"], self.files())
        self.assertEqual(STREAM, self.shell("zstd -qdc g.zst").stdout)

    def test_nothing_is_published_after_a_failure(self):
        for stream_bytes, command in ((STREAM[:-5], "cat > g.part"), (STREAM, "cat > g.part; exit 2"),
                                      (STREAM, "head -c 10 > g.part; sleep 0.3")):
            with self.subTest(command):
                ran = self.run_tool("vmdump", "--stdin", "--exec", command, "--then",
                                    "mv g.part g.zst", stdin=stream_bytes)
                self.assertIn(ran.returncode, (ENVIRONMENT, MALFORMED))
                self.assertNotIn("g.zst", self.files())

    def test_a_publication_that_fails_is_told_apart(self):
        ran = self.run_tool("vmdump", "--stdin", "--exec", "cat > g.part", "--then", "exit 9",
                            stdin=STREAM)
        self.assert_fails(ENVIRONMENT, ran, "--exec has taken everything", "'exit 9'",
                          "exit status 9")
        self.assertEqual(STREAM, self.shell("zstd -qdc g.part").stdout)
        ran = self.run_tool("vmdump", "--stdin", "--exec", "cat > g.part", "--then", "sleep 60",
                            "--timeout", "2s", stdin=STREAM)
        self.assert_fails(ENVIRONMENT, ran, "--then")

    def test_json_keeps_stdout_from_the_publication(self):
        ran = self.run_tool("vmdump", "--stdin", "--json", "--exec", "cat > f", "--then",
                            "echo done", stdin=STREAM)
        self.assertEqual("vmstream.dump/1", json.loads(ran.stdout)["schema"])
        self.assertEqual(b"done\n", ran.stderr)

    def test_a_filter_compresses(self):
        ran = self.run_tool("vmdump", "--stdin", "-o", "f", "--filter", "gzip -9", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, self.shell("gzip -dc < f").stdout)

    def test_an_index_follows_the_blocks_unless_it_is_not_wanted(self):
        for suffix, unpack in (("gz", "gzip -dc"), ("zst", "zstd -dcq")):
            for name, options in ((f"f.{suffix}", []), (f"bare.{suffix}", ["--no-index"])):
                ran = self.run_tool("vmdump", "--stdin", "-o", name, *options, stdin=STREAM)
                self.assert_status(DONE, ran)
                self.assertEqual(STREAM, self.shell(f"{unpack} < {name}").stdout)
            self.assertIn(b"VMSTRIDX", self.read(f"f.{suffix}"))
            self.assertNotIn(b"VMSTRIDX", self.read(f"bare.{suffix}"))
            self.assertTrue(self.read(f"f.{suffix}").startswith(self.read(f"bare.{suffix}")))

    def test_bytes_do_not_depend_on_threads(self):
        for threads in ("1", "2", "8"):
            ran = self.run_tool("vmdump", "--stdin", "-o", f"f{threads}", "--threads", threads,
                                stdin=BIG_STREAM)
            self.assert_status(DONE, ran)
        self.assertEqual(self.read("f1"), self.read("f2"))
        self.assertEqual(self.read("f1"), self.read("f8"))

    def test_the_finished_file_is_read_back(self):
        for name in ("x.zst", "x.gz", "x.bz2"):
            with self.subTest(name):
                ran = self.run_tool("vmdump", "--stdin", "-o", name, "--verify", stdin=STREAM)
                self.assert_status(DONE, ran)
        ran = self.run_tool("vmdump", "--stdin", "-o", "x.xz", "--filter", "gzip -c", "--verify",
                            stdin=STREAM)
        self.assert_status(DONE, ran)

    def test_a_file_that_does_not_read_back_is_not_published(self):
        for filter_command, status in (("sed s/QEVM/QEVN/", MALFORMED), ("head -c 4000; cat >&2",
                                                                         MALFORMED),
                                       ("tr \\0 \\1", MALFORMED)):
            with self.subTest(filter_command):
                ran = self.run_tool("vmdump", "--stdin", "-o", "x", "--filter", filter_command,
                                    "--verify", stdin=STREAM)
                self.assert_status(status, ran)
                self.assertIn(b"what was written does not read back", ran.stderr)
                self.assertEqual([], self.files())

    def test_only_a_file_can_be_read_back(self):
        for target in (["-o", "-"], ["--exec", "cat > y"]):
            ran = self.run_tool("vmdump", "--stdin", *target, "--verify", stdin=STREAM)
            self.assert_fails(USAGE, ran, "--verify", "-o FILE")
            self.assertEqual([], self.files())

    def test_the_file_is_the_owners_alone(self):
        self.run_tool("vmdump", "--stdin", "-o", "f", stdin=STREAM)
        self.assertEqual(0o600, stat.S_IMODE((self.folder / "f").stat().st_mode))

    def test_json_summary(self):
        ran = self.run_tool("vmdump", "--stdin", "-o", "f.zst", "--json", stdin=STREAM)
        self.assert_status(DONE, ran)
        summary = json.loads(ran.stdout)
        self.assertEqual("vmstream.dump/1", summary["schema"])
        self.assertEqual("f.zst", summary["file"])
        self.assertEqual("pc-i440fx-7.2", summary["machine"])
        self.assertEqual(64 * 4096, summary["guest_bytes"])
        self.assertEqual(len(STREAM), summary["stream_bytes"])
        self.assertEqual(len(self.read("f.zst")), summary["file_bytes"])
        self.assertEqual((64, 16), (summary["pages"], summary["zero_pages"]))
        self.assertEqual(64, sum(each["pages"] for each in summary["passes"]))
        self.assertEqual(hashlib.sha256(STREAM).hexdigest(), summary["sha256"])
        for key in ("mode", "pause_seconds", "total_seconds", "ended_by"):
            self.assertIn(key, summary)

    def test_json_has_the_digest_of_the_file(self):
        for name, options in (("f.zst", []), ("f.gz", ["--threads", "1"]), ("f", ["-c", "none"]),
                              ("f.xz", ["--filter", "gzip -c"]), ("g", ["--compact"]),
                              ("h.zst", ["--no-index"])):
            with self.subTest(name):
                ran = self.run_tool("vmdump", "--stdin", "-o", name, "--json", *options,
                                    stdin=BIG_STREAM)
                self.assert_status(DONE, ran)
                self.assertEqual(self.shell(f"sha256sum {name}").stdout[:64].decode(),
                                 json.loads(ran.stdout)["file_sha256"])
        ran = self.run_tool("vmdump", "--stdin", "--exec", "cat > far", "--json", stdin=BIG_STREAM)
        self.assertEqual(self.shell("sha256sum far").stdout[:64].decode(),
                         json.loads(ran.stdout)["file_sha256"])

    def test_json_keeps_stdout_from_the_command(self):
        ran = self.run_tool("vmdump", "--stdin", "--exec", "wc -c", "--json", stdin=STREAM)
        self.assert_status(DONE, ran)
        self.assertEqual(json.loads(ran.stdout)["file_bytes"], int(ran.stderr))

    def test_json_progress(self):
        ran = self.run_tool("vmdump", "--stdin", "-o", "f", "--progress", "json", stdin=BIG_STREAM)
        self.assert_status(DONE, ran)
        self.assert_progress(ran.stderr.splitlines(), "done")

    def test_json_progress_on_a_descriptor(self):
        with open(self.folder / "lines", "wb") as lines:
            ran = self.run_tool("vmdump", "--stdin", "-o", "f", "--progress-fd",
                                str(lines.fileno()), stdin=STREAM, pass_fds=[lines.fileno()])
        self.assert_status(DONE, ran)
        self.assert_silent(ran)
        self.assert_progress(self.read("lines").splitlines(), "done")

    def test_verbose_says_how_it_went(self):
        ran = self.run_tool("vmdump", "--stdin", "-o", "f", "-v", stdin=STREAM)
        self.assertIn("vmdump: f: 256 KiB of RAM in", ran.stderr.decode())

    def test_a_terminal_gets_a_bar_and_a_summary(self):
        self.write("in", BIG_STREAM)
        status, shown = self.run_on_terminal(f"{tool('vmdump')} --stdin -o f < in")
        self.assertEqual(DONE, status, shown)
        self.assertIn("of 16.0 MiB", shown)
        self.assertIn("\x1b[K", shown)
        self.assertRegex(shown, r"vmdump: f: 16.0 MiB of RAM in [^\r\n]*\r\n$")

    def test_a_bar_fits_the_terminal(self):
        self.write("in", BIG_STREAM)
        for columns in (30, 60, 80, 200):
            command = f"stty cols {columns}; {tool('vmdump')} --stdin -o f --force < in"
            status, shown = self.run_on_terminal(command)
            self.assertEqual(DONE, status, shown)
            bars = re.findall(r"\r([^\r\x1b]+)\x1b\[K", shown)
            self.assertNotEqual([], bars)
            self.assertLess(max(map(len, bars)), columns)
            if columns >= 60:
                self.assertRegex(bars[-1], r"(/s|left)$")
            if columns >= 80:
                self.assertRegex(bars[-1], r"^vmdump: done: \[=+\] 100% of 16.0 MiB.* left$")

    def test_color_only_on_request_or_on_a_terminal(self):
        red = "\x1b[31mvmdump:\x1b[0m"
        wrong = f"{tool('vmdump')} --stdin -o f < /dev/null"
        self.assertNotIn(red, self.shell(wrong).stderr.decode())
        self.assertIn(red, self.shell(f"{wrong} --color always").stderr.decode())
        self.assertIn(red, self.run_on_terminal(f"TERM=xterm {wrong}")[1])
        self.assertNotIn(red, self.run_on_terminal(f"TERM=xterm NO_COLOR=1 {wrong}")[1])
        self.assertNotIn(red, self.run_on_terminal(f"TERM=xterm {wrong} --color never")[1])

    def test_quiet_says_nothing_on_a_terminal(self):
        self.write("in", STREAM)
        self.assertEqual((DONE, ""), self.run_on_terminal(f"{tool('vmdump')} -q --stdin -o f < in"))


class AskedHowFar(ToolTest):
    """SIGUSR1, when nothing moves."""

    @staticmethod
    def catches(process):
        """Whether it has a handler; without one the signal would end it."""
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)
        return caught >> (signal.SIGUSR1 - 1) & 1

    def ask(self, save, words):
        """Asked until it says so: before its first bytes it has little to say."""
        deadline = time.monotonic() + 20
        os.set_blocking(save.stderr.fileno(), False)
        said = b""
        while not re.search(words, said):
            self.assertLess(time.monotonic(), deadline, said)
            self.assertIsNone(save.poll(), said)
            if self.catches(save):
                save.send_signal(signal.SIGUSR1)
            time.sleep(0.05)
            said += save.stderr.read() or b""

    def start(self, *arguments, stdin):
        save = subprocess.Popen([tool("vmdump"), "--stdin", *arguments], cwd=self.folder,
                                stdin=stdin, stderr=subprocess.PIPE)
        self.addCleanup(save.stderr.close)
        self.addCleanup(save.wait)
        self.addCleanup(save.terminate)
        return save

    def test_while_nothing_comes_in(self):
        silent, ours = os.pipe()
        save = self.start("-o", "f", stdin=silent)
        self.addCleanup(os.close, ours)
        os.close(silent)
        self.ask(save, rb"vmdump: save: ")

    def test_while_nothing_goes_out(self):
        self.write("in", BIG_STREAM)
        with open(self.folder / "in", "rb") as content:
            save = self.start("-c", "none", "--exec", "exec sleep 100", stdin=content)
        self.ask(save, rb"vmdump: save: .*% of 16.0 MiB")


class FailingWithJson(ToolTest):
    """Programs get an object; people the same words as without."""

    def fail(self, status, *arguments, **more):
        ran = self.run_tool("vmdump", "--json", *arguments, **more)
        self.assert_status(status, ran)
        error = json.loads(ran.stdout, object_pairs_hook=without_doubles)
        self.assertEqual(["schema", "code", "subject", "message", "hint", "offset", "offset_hex",
                          "file_offset", "file_offset_hex", "guest"], list(error))
        self.assertEqual(("vmstream.error/1", status), (error["schema"], error["code"]))
        self.assertIn(error["message"], ran.stderr.decode())
        return error

    def test_a_command_line_that_cannot_be_read(self):
        for name in ("vmdump", "vmrestore", "vmstream-inspect"):
            ran = self.run_tool(name, "--json", "--no-such-option")
            self.assert_status(USAGE, ran)
            error = json.loads(ran.stdout, object_pairs_hook=without_doubles)
            self.assertEqual(("vmstream.error/1", USAGE), (error["schema"], error["code"]))
            self.assertIn(error["message"], ran.stderr.decode())
        self.assertEqual(b"", self.run_tool("vmrestore", "--bad", "--", "qemu", "--json").stdout)

    def test_stdout_by_another_name(self):
        ran = self.run_tool("vmdump", "--json", "--stdin", "-o", "/dev/stdout", stdin=STREAM)
        self.assert_status(USAGE, ran)
        self.assertIn(b"both want stdout", ran.stderr)
        self.assert_status(DONE, self.run_tool("vmdump", "--json", "--stdin", "-o", "/dev/null", stdin=STREAM))

    def test_a_malformed_stream(self):
        error = self.fail(MALFORMED, "--stdin", "-o", "f", stdin=STREAM[:100] + b"x" + STREAM[100:])
        self.assertEqual("f", error["subject"])
        self.assertEqual(hex(error["offset"]), error["offset_hex"])
        self.assertIsNone(error["guest"])

    def test_a_monitor_that_is_not_there(self):
        error = self.fail(ENVIRONMENT, "--qmp", "nowhere", "-o", "f")
        self.assertEqual(("nowhere", "untouched"), (error["subject"], error["guest"]))
        self.assertIn("-qmp unix:nowhere", error["hint"])

    def test_wrong_usage(self):
        error = self.fail(USAGE, "--stdin", "-o", "f", "--after", "quit")
        self.assertIsNone(error["subject"])
        self.assertIn("--help", error["hint"])

    def test_a_signal(self):
        silent, ours = os.pipe()
        with subprocess.Popen([tool("vmdump"), "--stdin", "-o", "f", "--json"], stdin=silent,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              cwd=self.folder) as running:
            time.sleep(0.5)
            running.send_signal(signal.SIGINT)
            error = json.loads(running.stdout.read())
        os.close(silent)
        os.close(ours)
        self.assertEqual((INTERRUPTED, "interrupted"), (error["code"], error["message"]))


class Failing(ToolTest):
    """Each failure has its status and a message, and leaves no file behind."""

    def dump(self, *arguments, stdin=STREAM):
        return self.run_tool("vmdump", "--stdin", *arguments, stdin=stdin)

    def test_an_existing_file_is_kept(self):
        self.write("f", b"precious")
        self.assert_fails(REFUSED, self.dump("-o", "f"), "f: the file exists already")
        self.assertEqual(b"precious", self.read("f"))
        self.assert_status(DONE, self.dump("-o", "f", "--force"))
        self.assertEqual(STREAM, self.shell("zstd -qdc < f").stdout)

    def test_a_failure_keeps_the_file_that_force_would_replace(self):
        self.write("f", b"precious")
        self.assert_fails(MALFORMED, self.dump("-o", "f", "--force", stdin=STREAM[:-1]), "f: ")
        self.assertEqual((["f"], b"precious"), (self.files(), self.read("f")))

    def test_a_folder_that_is_not_there(self):
        self.assert_fails(ENVIRONMENT, self.dump("-o", "missing/f"), "missing/f", "No such file")

    def test_a_folder_instead_of_a_file(self):
        (self.folder / "sub").mkdir()
        self.assert_fails(USAGE, self.dump("-o", "sub"), "sub", "folder")

    def test_a_socket_instead_of_a_file(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.folder / "socket"))
            self.assert_fails(USAGE, self.dump("-o", "socket"), "socket: the output is a socket")

    def test_a_monitor_that_is_no_socket(self):
        self.write("f", b"")
        ran = self.run_tool("vmdump", "--qmp", "f", "-o", "g")
        self.assert_fails(ENVIRONMENT, ran, "Connection refused")
        self.assertIn(b"something else than a socket", ran.stderr)

    def test_a_device_that_is_full(self):
        self.assert_fails(ENVIRONMENT, self.dump("-o", "/dev/full"), "No space left")

    def test_a_reader_of_stdout_that_leaves_bytes(self):
        self.write("in", STREAM)
        ran = self.shell(f"({tool('vmdump')} --stdin -c none -o - < in; echo status $? >&2) |"
                         " (sleep 0.5; head -c 100000 > f)")
        self.assertIn(b"left %d bytes of it unread" % (len(STREAM) - 100000), ran.stderr)
        self.assertIn(b"status 1", ran.stderr)

    def test_a_summary_that_nobody_takes(self):
        self.write("in", STREAM)
        ran = self.shell(f"{tool('vmdump')} --stdin -o f --json < in > /dev/full")
        self.assert_status(ENVIRONMENT, ran)
        for words in (b"stdout: write: No space left", b"the save is done all the same", b"of RAM"):
            self.assertIn(words, ran.stderr)
        self.assertEqual(STREAM, self.shell("zstd -qdc < f").stdout)

    def test_no_binary_on_a_terminal(self):
        self.write("in", STREAM)
        status, shown = self.run_on_terminal(f"{tool('vmdump')} --stdin -o - < in")
        self.assertEqual(REFUSED, status)
        self.assertIn("terminal", shown)

    def test_a_terminal_is_no_stream(self):
        status, shown = self.run_on_terminal(f"{tool('vmdump')} --stdin -o f")
        self.assertEqual(USAGE, status)
        self.assertIn("terminal", shown)

    def test_an_empty_stream(self):
        self.assert_fails(MALFORMED, self.dump("-o", "f", stdin=b""), "f: ")
        self.assertEqual([], self.files())

    def test_no_stream_at_all(self):
        for content in (b"hello, world\n", os.urandom(100), b"QEVX" + STREAM[4:]):
            self.assert_fails(MALFORMED, self.dump("-o", "f", stdin=content), "offset 0x0: ")
            self.assertEqual([], self.files())

    def test_a_stream_cut_anywhere(self):
        small = stream(pages=2)
        for length in [*range(0, 120), *range(120, len(small), 97), len(small) - 1]:
            with self.subTest(length):
                self.assert_fails(MALFORMED, self.dump("-o", "f", stdin=small[:length]), "f: ")
                self.assertEqual([], self.files())

    def test_a_filter_that_fails(self):
        for name, command in {
                "at once": "exit 3",
                "not found": "no-such-command-anywhere",
                "in the middle": "head -c 100000 > /dev/null; exit 3",
                "after the last byte": "cat; exit 3",
                "by a signal": "cat; kill -9 $$"}.items():
            with self.subTest(name):
                ran = self.dump("-o", "f", "--filter", command, stdin=BIG_STREAM)
                self.assert_status(ENVIRONMENT, ran)
                self.assertIn(f"command '{command}'", ran.stderr.decode())
                self.assertEqual([], self.files())

    def test_a_filter_that_reads_nothing_but_succeeds(self):
        self.assert_status(ENVIRONMENT, self.dump("-o", "f", "--filter", "true", stdin=BIG_STREAM))
        self.assertEqual([], self.files())

    def test_a_target_command_that_fails(self):
        for command in ("exit 3", "head -c 100000 > /dev/null; exit 3", "cat > /dev/null; exit 3",
                        "head -c 100000 > /dev/null"):
            with self.subTest(command):
                ran = self.dump("--exec", command, "-c", "none", stdin=BIG_STREAM)
                self.assert_status(ENVIRONMENT, ran)
                self.assertIn(f"command '{command}'", ran.stderr.decode())

    def test_a_command_that_leaves_bytes_unread(self):
        for command in ("head -c 100 > cut", "sleep 0.3", "true", "exec <&-; sleep 0.3"):
            with self.subTest(command):
                ran = self.run_tool("vmdump", "--stdin", "--exec", command, stdin=BIG_STREAM)
                self.assert_fails(ENVIRONMENT, ran, f"'{command}'")
        ran = self.run_tool("vmdump", "--stdin", "--exec", "sleep 0.3", stdin=STREAM)
        self.assert_fails(ENVIRONMENT, ran, "bytes unread")

    def test_a_filter_that_leaves_bytes_unread(self):
        for command in ("dd bs=1000 count=7 2> /dev/null", "sleep 0.3", "echo all is well"):
            for stream_bytes in (STREAM, BIG_STREAM):
                with self.subTest(command):
                    ran = self.run_tool("vmdump", "--stdin", "-o", "f", "--filter", command,
                                        stdin=stream_bytes)
                    self.assert_fails(ENVIRONMENT, ran, f"'{command}'")
                    self.assertEqual([], self.files())

    def test_a_target_command_never_takes_a_part_for_the_whole(self):
        command = "cat > part && mv part whole"
        ran = self.dump("--exec", command, "-c", "none", stdin=BIG_STREAM[:-1])
        self.assert_status(MALFORMED, ran)
        self.assertNotIn("whole", self.files())

    def test_a_reader_that_goes_away(self):
        self.write("in", BIG_STREAM)
        ran = self.shell(f"({tool('vmdump')} --stdin -o - -c none < in; echo $? >&2) | head -c 9")
        self.assertIn("Broken pipe", ran.stderr.decode())
        self.assertEqual(str(ENVIRONMENT), ran.stderr.decode().splitlines()[-1])

    def test_a_disk_that_fills(self):
        with self.small_disk(1 << 20) as small:
            ran = self.dump("-o", str(small / "f"), "-c", "none", stdin=BIG_STREAM)
            self.assert_fails(ENVIRONMENT, ran, "No space left")
            self.assertEqual([], os.listdir(small))

    def test_a_disk_that_fills_with_the_last_block(self):
        self.assert_status(DONE, self.dump("-o", "f", stdin=BIG_STREAM))
        page = os.sysconf("SC_PAGESIZE")
        room = (len(self.read("f")) - 1) // page * page
        with self.small_disk(room) as small:
            ran = self.dump("-o", str(small / "f"), stdin=BIG_STREAM)
            self.assert_fails(ENVIRONMENT, ran, "No space left")
            self.assertEqual([], os.listdir(small))

    def test_a_stream_that_stalls_is_given_up(self):
        ran = self.shell(f"sleep 1 | {tool('vmdump')} --stdin -o f --timeout 200ms")
        self.assert_fails(ENVIRONMENT, ran, "timed out")
        self.assertEqual([], self.files())

    def test_a_monitor_that_is_not_there(self):
        ran = self.run_tool("vmdump", "--qmp", "nowhere.sock", "-o", "f")
        self.assert_fails(ENVIRONMENT, ran, "nowhere.sock", "No such file")
        self.assertEqual([], self.files())


class Signals(ToolTest):
    def interrupt(self, number, *arguments, times=1):
        """Sends the signal while vmdump waits for the rest of a stream."""
        with subprocess.Popen([tool("vmdump"), "--stdin", *arguments], stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.folder) as running:
            running.stdin.write(STREAM[:100000])
            running.stdin.flush()
            time.sleep(0.3)
            for _ in range(times):
                running.send_signal(number)
            words = running.stderr.read().decode()
            running.wait(timeout=30)
        return running.returncode, words

    def test_a_signal_leaves_no_file(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                status, words = self.interrupt(number, "-o", "f")
                self.assertEqual((INTERRUPTED, "vmdump: f: interrupted\n"), (status, words))
                self.assertEqual([], self.files())

    def test_a_background_command_of_a_script_can_be_interrupted(self):
        ran = self.shell(f"sleep 1 | {tool('vmdump')} --stdin -o f & sleep 0.3; "
                         "kill -INT $!; wait $!; echo $?")
        self.assertEqual(str(INTERRUPTED), ran.stdout.decode().strip())

    def test_a_second_signal_does_not_skip_the_clean_up(self):
        command = "trap 'sleep 0.5; echo cleaned > cleaned; exit 1' TERM; cat > /dev/null"
        status, _ = self.interrupt(signal.SIGINT, "--exec", command, times=3)
        self.assertEqual((INTERRUPTED, ["cleaned"]), (status, self.files()))

    def test_a_kill_leaves_no_file(self):
        status, _ = self.interrupt(signal.SIGKILL, "-o", "f")
        self.assertEqual((-signal.SIGKILL, []), (status, self.files()))


if __name__ == "__main__":
    unittest.main()
