# SPDX-License-Identifier: MIT
"""vmrestore as a user runs it, without a QEMU. Restores into a real one: tests/guest."""

import gzip
import json
import os
import pwd
import subprocess
import unittest

from support import (DONE, ENVIRONMENT, MALFORMED, REFUSED, SOURCE, UNSUPPORTED, USAGE, ToolTest,
                     stream, thinned, tool)

STREAM = stream()
BIG_STREAM = stream(pages=2048)
PACKERS = {"gz": "gzip -c", "bz2": "bzip2 -c", "zst": "zstd -qc", "xz": "xz -c",
           "lz4": "lz4 -qc", "legacy lz4": "lz4 -lqc", "lzop": "lzop -qc", "plain": "cat"}


class Arguments(ToolTest):
    def assert_usage(self, *arguments, words):
        ran = self.run_tool("vmrestore", *arguments, stdin=STREAM)
        self.assert_fails(USAGE, ran, *words)
        self.assertEqual(b"", ran.stdout)

    def test_a_file_is_needed(self):
        self.assert_usage(words=["FILE"])
        self.assert_usage("a", "--exec", "cat b", words=["--exec"])
        self.assert_usage("a", "b", words=["unexpected argument 'b'"])

    def test_contradictions_are_refused(self):
        self.assert_usage("f", "--qmp", "s", "-o", "g", words=["--qmp"])
        self.assert_usage("f", "--qmp", "s", "--", "qemu", words=["--qmp"])
        self.assert_usage("f", "-o", "g", "--", "qemu", words=["--"])
        self.assert_usage("f", "--qmp", "s", "--cont", "--paused", words=["--paused"])
        self.assert_usage("f", "--json", words=["--json", "stdout"])
        self.assert_usage("f", "--", words=["--"])

    def test_nothing_ends_in_no_time_or_at_no_speed(self):
        self.assert_usage("f", "--timeout", "0", words=["--timeout"])
        self.assert_usage("f", "--qmp", "s", "--lazy", "--max-bandwidth", "0",
                          words=["--max-bandwidth"])

    def test_a_run_state_needs_a_guest(self):
        self.assert_usage("-", "--cont", words=["--cont", "--qmp"])
        self.assert_usage("-", "-o", "g", "--paused", words=["--paused", "--qmp"])

    def test_options_that_are_not_known_are_refused(self):
        self.assert_usage("f", "--bogus", words=["unknown option '--bogus'"])

    def test_a_clock_needs_an_agent_and_a_guest_that_runs(self):
        for options, words in ((["--set-clock"], "--agent"), (["--agent", "s"], "--set-clock"),
                               (["--set-clock", "--agent", "s"], "--qmp"),
                               (["--set-clock", "--agent", "s", "--qmp", "q", "--paused"],
                                "--paused")):
            ran = self.run_tool("vmrestore", "f", *options)
            self.assert_fails(USAGE, ran, words)

    def test_the_clock_is_part_of_the_explanation(self):
        ran = self.run_tool("vmrestore", "f", "--set-clock", "--agent", "a.sock", "--qmp", "q",
                            "--explain")
        self.assertIn(b"through the guest agent at a.sock", ran.stdout)
        self.assertIn(b"guest-set-time", ran.stdout)

    def test_a_lazy_restore_needs_a_qemu(self):
        for option in ("--lazy", "--resume-lazy"):
            self.assert_usage("f", option, words=["--qmp"])

    def test_a_pipe_can_be_neither_claimed_nor_read_twice(self):
        for option in ("--once", "--verify-first"):
            self.assert_usage("-", option, words=[option, "FILE"])
            self.assert_usage("--exec", "cat f", option, words=[option, "FILE"])
        self.assert_usage("f", "-o", "g", "--once", words=["--once", "-o"])

    def test_version_tells_what_is_built_in(self):
        ran = self.run_tool("vmrestore", "--version")
        self.assert_status(DONE, ran)
        self.assertRegex(ran.stdout.decode(), r"^vmrestore \d+\.\d+\.\d+\n")

    def test_explain_prints_and_does_nothing(self):
        ran = self.run_tool("vmrestore", "--qmp", "/nowhere", "f.gz", "--cont", "--explain")
        self.assert_status(DONE, ran)
        for word in ("migrate-incoming", "f.gz", "cont"):
            self.assertIn(word, ran.stdout.decode())

    def explained(self, *arguments):
        ran = self.run_tool("vmrestore", *arguments, "--explain")
        self.assert_status(DONE, ran)
        return ran.stdout.decode()

    def test_each_way_is_explained_as_it_goes(self):
        from_command = self.explained("--qmp", "/nowhere", "--exec", "ssh host cat f")
        self.assertIn("\"exec:vmrestore --exec 'ssh host cat f'\"", from_command)
        resumed = self.explained("--qmp", "/nowhere", "f.gz", "--resume-lazy")
        self.assertIn("migrate-recover", resumed)
        self.assertNotIn("migrate-incoming", resumed)
        for arguments, recipe in ((["f.gz"], "exec:vmrestore 'f.gz'"),
                                  (["f.gz", "-o", "g"], "exec:cat 'g'")):
            plain = self.explained(*arguments)
            self.assertIn(recipe, plain)
            self.assertNotIn("execute", plain)


class Restoring(ToolTest):
    def test_files_of_stock_tools(self):
        self.write("in", STREAM)
        for name, packer in PACKERS.items():
            with self.subTest(name):
                self.write("f", self.shell(f"{packer} in").stdout)
                ran = self.run_tool("vmrestore", "f")
                self.assert_status(DONE, ran)
                self.assertEqual((STREAM, b""), (ran.stdout, ran.stderr))

    def test_files_of_vmdump(self):
        for coding in ("none", "gzip", "bzip2", "zstd"):
            with self.subTest(coding):
                self.run_tool("vmdump", "--stdin", "-o", "f", "-c", coding, "--force",
                              stdin=BIG_STREAM)
                ran = self.run_tool("vmrestore", "f")
                self.assert_status(DONE, ran)
                self.assertEqual(BIG_STREAM, ran.stdout)

    def test_a_pipe_at_both_ends(self):
        self.write("in", BIG_STREAM)
        for packer in PACKERS.values():
            with self.subTest(packer):
                ran = self.shell(f"{packer} in | {tool('vmrestore')} - | cmp - in")
                self.assertEqual((0, b"", b""), (ran.returncode, ran.stdout, ran.stderr))

    def test_a_command_as_source(self):
        self.write("f.gz", gzip.compress(STREAM))
        ran = self.run_tool("vmrestore", "--exec", "cat f.gz")
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, ran.stdout)

    def test_into_a_file(self):
        self.write("f.gz", gzip.compress(STREAM))
        ran = self.run_tool("vmrestore", "-o", "plain", "f.gz")
        self.assert_status(DONE, ran)
        self.assert_silent(ran)
        self.assertEqual(STREAM, self.read("plain"))

    def test_json_summary(self):
        self.write("f", gzip.compress(STREAM))
        ran = self.run_tool("vmrestore", "-o", "plain", "f", "--json")
        self.assert_status(DONE, ran)
        summary = json.loads(ran.stdout)
        self.assertEqual("vmstream.restore/1", summary["schema"])
        self.assertEqual(("f", "plain"), (summary["file"], summary["output"]))
        self.assertEqual([{"type": "gzip"}, {"type": "qevm"}], summary["containers"])
        self.assertEqual("pc-i440fx-7.2", summary["machine"])
        self.assertEqual((64, 16), (summary["pages"], summary["zero_pages"]))
        self.assertEqual((64 * 4096, len(STREAM)),
                         (summary["guest_bytes"], summary["stream_bytes"]))
        self.assertIsNone(summary["run_state"])

    def test_json_progress(self):
        self.write("f", BIG_STREAM)
        ran = self.run_tool("vmrestore", "-o", "plain", "f", "--progress=json")
        self.assert_status(DONE, ran)
        self.assert_progress(ran.stderr.splitlines(), "done")

    def test_bytes_behind_the_stream_are_dropped_with_a_warning(self):
        self.write("f", STREAM + b"rubbish")
        ran = self.run_tool("vmrestore", "f")
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, ran.stdout)
        self.assertRegex(ran.stderr.decode(), r"^vmrestore: f: warning: .*7 ")


class Failing(ToolTest):
    """A bad file gives a status, a message, no output file, and no stream that QEMU could run."""

    def assert_refuses(self, content, status=MALFORMED, words=()):
        self.write("f", content)
        ran = self.run_tool("vmrestore", "-o", "plain", "f")
        self.assert_fails(status, ran, "f: ", *words)
        self.assertEqual(set(), set(self.files()) - {"f", "in"})

    def test_a_file_that_is_not_there(self):
        self.assert_fails(ENVIRONMENT, self.run_tool("vmrestore", "nope"), "nope", "No such file")

    def test_an_empty_file(self):
        self.assert_refuses(b"", words=["empty"])

    def test_no_state_file(self):
        self.assert_refuses(b"hello, world\n" * 100)
        self.assert_refuses(gzip.compress(b"hello, world\n" * 100))
        self.assert_refuses(os.urandom(4096))

    def test_a_container_that_is_not_supported(self):
        self.assert_refuses(b"\x11\x22\x33\x44\0\0\0\1" + bytes(100), UNSUPPORTED, ["multifd"])

    def test_the_hint_for_a_packed_mapped_ram_file_helps(self):
        unpack = f"zstd -dcq {SOURCE}/tests/data/x86-pc-10.0-mapped.qevm.zst"
        self.write("f", self.shell(f"{unpack} | gzip -c").stdout)
        ran = self.run_tool("vmrestore", "f", "-o", "plain")
        self.assert_fails(UNSUPPORTED, ran, "mapped-ram", "by position")
        hint = ran.stderr.decode().splitlines()[1]
        command = hint.removeprefix("hint: unpack it first: ").split(",")[0].replace("FILE", "f")
        self.assertRegex(command, "^vmstream-inspect extract stream f -o X$")
        self.assert_status(DONE, self.run_tool(*command.split()))
        self.assert_status(DONE, self.run_tool("vmrestore", "X", "-o", "plain"))

    def test_a_plain_file_cut_anywhere(self):
        small = stream(pages=2)
        for length in [*thinned((*range(1, 120), *range(120, len(small), 97))), len(small) - 1]:
            with self.subTest(length):
                self.assert_refuses(small[:length])

    def test_a_compressed_file_cut_anywhere(self):
        self.write("in", stream(pages=64))
        for name, packer in PACKERS.items():
            packed = self.shell(f"{packer} in").stdout
            for length in thinned((*range(1, 40, 3), *range(40, len(packed), len(packed) // 25 + 1),
                                   *range(len(packed) - 9, len(packed)))):
                with self.subTest(f"{name}, {length} of {len(packed)} bytes"):
                    self.assert_refuses(packed[:length])

    def test_a_file_of_vmdump_with_a_flipped_bit(self):
        for coding in ("gzip", "bzip2", "zstd"):
            self.run_tool("vmdump", "--stdin", "-o", "whole", "-c", coding, stdin=STREAM)
            whole = self.read("whole")
            (self.folder / "whole").unlink()
            for at in range(len(whole) // 10, len(whole) * 9 // 10, len(whole) // 10):
                with self.subTest(f"{coding}, byte {at}"):
                    self.assert_refuses(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])

    def test_the_end_of_a_damaged_file_is_held_back(self):
        packed = gzip.compress(BIG_STREAM)
        self.write("f", packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:])  # the checksum
        ran = self.run_tool("vmrestore", "f")
        self.assert_fails(MALFORMED, ran, "f: ")
        self.assertTrue(BIG_STREAM.startswith(ran.stdout))
        self.assertLess(len(ran.stdout), len(BIG_STREAM))

    def test_a_source_command_that_fails(self):
        self.write("f.gz", gzip.compress(STREAM))
        for command in ("exit 3", "no-such-command-anywhere", "head -c 500 f.gz; exit 3",
                        "cat f.gz; exit 3"):
            with self.subTest(command):
                ran = self.run_tool("vmrestore", "-o", "plain", "--exec", command)
                self.assert_status(ENVIRONMENT, ran)
                self.assertIn(f"command '{command}'", ran.stderr.decode())
                self.assertNotIn("plain", self.files())

    def test_an_existing_file_is_kept(self):
        self.write("f", STREAM)
        self.write("plain", b"precious")
        ran = self.run_tool("vmrestore", "-o", "plain", "f")
        self.assert_fails(REFUSED, ran, "plain: the file exists already")
        self.assertEqual(b"precious", self.read("plain"))
        self.assert_status(DONE, self.run_tool("vmrestore", "-o", "plain", "f", "--force"))
        self.assertEqual(STREAM, self.read("plain"))

    def test_a_name_that_is_too_long(self):
        self.write("f", STREAM)
        ran = self.run_tool("vmrestore", "-o", "n" * 300, "f")
        self.assert_fails(ENVIRONMENT, ran, "create the output", "too long")

    def test_no_binary_on_a_terminal(self):
        self.write("f", STREAM)
        status, shown = self.run_on_terminal(f"{tool('vmrestore')} f")
        self.assertEqual(REFUSED, status)
        self.assertIn("terminal", shown)

    def test_outputs_that_fail(self):
        self.write("f", STREAM)
        ran = self.run_tool("vmrestore", "-o", "missing/plain", "f")
        self.assert_fails(ENVIRONMENT, ran, "missing/plain", "No such file")
        ran = self.run_tool("vmrestore", "-o", "/dev/full", "f")
        self.assert_fails(ENVIRONMENT, ran, "/dev/full: write: No space left")
        ran = self.shell(f"{tool('vmrestore')} f > /dev/full")
        self.assert_fails(ENVIRONMENT, ran, "stdout: write: No space left")

    def test_a_failure_for_programs(self):
        self.write("f", STREAM[:-5])
        ran = self.run_tool("vmrestore", "-o", "plain", "--json", "f")
        self.assert_status(MALFORMED, ran)
        error = json.loads(ran.stdout)
        self.assertEqual(("vmstream.error/1", MALFORMED, "f", None),
                         (error["schema"], error["code"], error["subject"], error["guest"]))
        ran = self.run_tool("vmrestore", "--qmp", "nowhere", "--json", "f")
        self.assertEqual("not-started", json.loads(ran.stdout)["guest"])
        ran = self.run_tool("vmrestore", "--resume-lazy", "--qmp", "nowhere", "--json", "f")
        self.assertEqual("waiting", json.loads(ran.stdout)["guest"])

    def test_standard_descriptors_that_are_closed(self):
        self.write("f", STREAM)
        for command in ("vmrestore - <&-", "vmrestore f >&-", "vmstream-inspect - <&-",
                        "vmstream-inspect info f >&-", "vmdump --stdin -o g <&-"):
            with self.subTest(command):
                ran = self.shell(f"{tool('')}/{command}")
                self.assert_fails(ENVIRONMENT, ran, "Bad file descriptor")
        for command in ("vmrestore f -o /dev/stdout >&-", "vmdump --stdin -o /dev/stdout < f >&-"):
            with self.subTest(command):
                self.assert_status(ENVIRONMENT, self.shell(f"{tool('')}/{command}"))
        self.assert_status(DONE, self.shell(f"{tool('vmrestore')} -o h f 2>&- <&-"))
        self.assertEqual(STREAM, self.read("h"))

    def test_a_reader_that_leaves_bytes(self):
        self.write("f", STREAM)
        restored = f"({tool('vmrestore')} f; echo status $? >&2) | (sleep 0.5; head -c 100000)"
        ran = self.shell(restored)
        self.assertIn(b"left %d bytes of it unread" % (len(STREAM) - 100000), ran.stderr)
        self.assertIn(b"status 1", ran.stderr)
        self.shell("mkfifo fifo")
        ran = self.shell("(sleep 0.5; head -c 100000 > /dev/null) < fifo & "
                         f"{tool('vmrestore')} -o fifo f")
        self.assert_fails(ENVIRONMENT, ran, "unread")

    def test_a_summary_that_nobody_takes(self):
        self.write("f", STREAM)
        ran = self.shell(f"{tool('vmrestore')} -o plain --json f > /dev/full")
        self.assert_status(ENVIRONMENT, ran)
        for words in (b"stdout: write: No space left", b"the restore is done all the same"):
            self.assertIn(words, ran.stderr)
        self.assertEqual(STREAM, self.read("plain"))

    def test_a_disk_that_fills(self):
        self.write("f", BIG_STREAM)
        with self.small_disk(1 << 20) as small:
            ran = self.run_tool("vmrestore", "-o", str(small / "plain"), "f")
            self.assert_fails(ENVIRONMENT, ran, "No space left")
            self.assertEqual([], os.listdir(small))

    def test_a_monitor_that_is_not_there(self):
        self.write("f", STREAM)
        ran = self.run_tool("vmrestore", "--qmp", "nowhere.sock", "f")
        self.assert_fails(ENVIRONMENT, ran, "nowhere.sock", "No such file")

    def test_a_program_that_is_not_there(self):
        self.write("f", STREAM)
        ran = self.run_tool("vmrestore", "f", "--", "no-such-qemu", "-m", "64")
        self.assert_fails(ENVIRONMENT, ran, "no-such-qemu")

    def test_a_script_that_drops_its_arguments_is_suspected_after_a_while(self):
        self.write("f", STREAM)
        ran = self.run_tool("vmrestore", "f", "--", "sh", "-c", "sleep 6")
        self.assert_status(ENVIRONMENT, ran)
        told = ran.stderr.decode().splitlines()
        self.assertEqual(1, sum("pass its arguments on" in line for line in told), told)
        self.assertIn("pass its arguments on", told[0])


class VerifyingFirst(ToolTest):
    def test_a_sound_file_is_handed_on(self):
        self.write("f.gz", gzip.compress(STREAM))
        ran = self.run_tool("vmrestore", "--verify-first", "f.gz")
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, ran.stdout)

    def test_of_a_damaged_file_nothing_is(self):
        packed = gzip.compress(BIG_STREAM)
        self.write("f", packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:])  # the checksum
        ran = self.run_tool("vmrestore", "--verify-first", "f")
        self.assert_fails(MALFORMED, ran, "f: ")
        self.assertEqual(b"", ran.stdout)


class Once(ToolTest):
    def restore(self, *more):
        return self.run_tool("vmrestore", "--once", "f", *more)

    def test_a_file_is_used_once(self):
        self.write("f", STREAM)
        ran = self.restore()
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, ran.stdout)
        self.assertEqual(["f.restored"], self.files())
        self.assert_fails(REFUSED, self.restore(), "f: the file has been used", "f.restored"[1:])

    def test_a_claimed_file_is_refused(self):
        self.write("f.restoring", STREAM)
        self.assert_fails(REFUSED, self.restore(), "f: the file is claimed")
        self.assertEqual(["f.restoring"], self.files())

    def test_a_claimed_name_is_refused_for_its_name(self):
        for name, words in (("f.restoring", "claimed"), ("f.restored", "used")):
            self.write(name, STREAM)
            ran = self.run_tool("vmrestore", "--once", name, "--", "true")
            self.assert_fails(REFUSED, ran, words, f"its name ends in .{name.split('.')[1]}")

    @unittest.skipIf(os.geteuid(), "another user is one for root only")
    def test_a_folder_that_lets_nobody_claim(self):
        self.write("f", STREAM)
        self.shell("chmod 755 .; chmod 644 f")
        ran = self.run_tool("vmrestore", "--once", "f", "--", "true",
                            user=pwd.getpwnam("nobody").pw_uid)
        self.assert_fails(ENVIRONMENT, ran, "cannot be claimed", "f.restoring", "Permission denied")
        self.assertIn(b"its folder must let you", ran.stderr)

    def test_a_qemu_that_does_not_start_gives_the_file_back(self):
        self.write("f", STREAM)
        self.assert_fails(ENVIRONMENT, self.restore("--", "no-such-qemu"), "no-such-qemu")
        self.assertEqual(["f"], self.files())

    def test_a_restore_that_fails_before_the_end_gives_the_file_back(self):
        for content in (STREAM[:-1], b"no state file", b""):
            with self.subTest(content[:10]):
                self.write("f", content)
                self.assert_fails(MALFORMED, self.restore(), "f: ")
                self.assertEqual(["f"], self.files())

    def test_a_reader_that_goes_away_early_gives_the_file_back(self):
        self.write("f", BIG_STREAM)
        ran = self.shell(f"{tool('vmrestore')} --once f | head -c 10 > /dev/null")
        self.assertEqual(["f"], self.files(), ran.stderr)

    def test_a_reader_that_leaves_the_end_in_the_pipe_leaves_the_claim(self):
        self.write("f", STREAM)
        ran = self.shell(f"({tool('vmrestore')} --once f; echo status $? >&2) | sleep 0.5")
        self.assertIn(b"status 1", ran.stderr)
        self.assertIn(b"it stays f.restoring", ran.stderr)
        self.assertEqual(["f.restoring"], self.files())

    def test_when_the_end_could_not_be_handed_on_the_claim_stays(self):
        self.write("f", BIG_STREAM)
        # Everything but the stream's last bytes is held by readers and pipes, then they go away.
        script = ("import os, subprocess, sys\n"
                  f"run = subprocess.Popen([{tool('vmrestore')!r}, '--once', 'f'], stdout=-1)\n"
                  f"left = {len(BIG_STREAM)} - 1\n"
                  "while left: left -= len(run.stdout.read(left))\n"
                  "run.stdout.close()\n"
                  "sys.exit(run.wait())")
        ran = subprocess.run(["python3", "-c", script], cwd=self.folder, capture_output=True,
                             timeout=60, check=False)
        self.assertIn((ran.returncode, self.files()), ((DONE, ["f.restored"]),
                                                       (ENVIRONMENT, ["f.restoring"])))

    def test_a_used_file_is_refused_by_every_restore_under_every_name(self):
        self.write("f", STREAM)
        os.symlink("f", self.folder / "soft")
        os.link(self.folder / "f", self.folder / "hard")
        self.assert_status(DONE, self.run_tool("vmrestore", "--once", "soft"))
        self.assertEqual(["f.restored", "hard", "soft"], self.files())
        os.symlink("f.restored", self.folder / "late")
        for name in ("f", "soft", "hard", "late", "f.restored"):
            for more in ([], ["--once"], ["-o", "copy"], ["--", "no-such-qemu"],
                         ["--lazy", "--qmp", "nowhere"], ["--resume-lazy", "--qmp", "nowhere"]):
                with self.subTest(name, more=more):
                    ran = self.run_tool("vmrestore", name, *more)
                    self.assert_fails(REFUSED, ran)
                    self.assertEqual(b"", ran.stdout)
        with open(self.folder / "f.restored", "rb") as used:
            ran = subprocess.run([tool("vmrestore"), "-"], stdin=used, capture_output=True,
                                 timeout=60, check=False)
        self.assert_fails(REFUSED, ran, "stdin")

    def test_a_copy_is_another_file(self):
        self.write("f", STREAM)
        self.assert_status(DONE, self.restore())
        self.shell("cp f.restored g")
        self.assert_status(DONE, self.run_tool("vmrestore", "--once", "g"))

    def test_a_copy_with_its_attributes_is_none(self):
        self.write("f", STREAM)
        self.assert_status(DONE, self.restore())
        self.shell("cp -a f.restored g")
        self.assert_fails(REFUSED, self.run_tool("vmrestore", "g"), "g: the file is claimed")
        os.removexattr(self.folder / "g", "user.vmstream.claim")
        self.assert_status(DONE, self.run_tool("vmrestore", "g"))

    def test_a_file_that_is_being_restored_cannot_be_claimed(self):
        self.write("f", BIG_STREAM)
        with subprocess.Popen([tool("vmrestore"), "f"], cwd=self.folder,
                              stdout=subprocess.PIPE) as reader:
            reader.stdout.read(10)
            self.assert_fails(REFUSED, self.restore(), "another restore is at work")
            self.assert_status(DONE, self.run_tool("vmrestore", "f"))
            reader.stdout.read()
        self.assert_status(DONE, self.restore())

    def test_of_many_at_once_one_wins(self):
        self.write("f", BIG_STREAM)
        os.symlink("f", self.folder / "soft")
        os.link(self.folder / "f", self.folder / "hard")
        racers = [subprocess.Popen([tool("vmrestore"), "--once", ("f", "soft", "hard")[i % 3]],
                                   cwd=self.folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
                  for i in range(20)]
        outcomes = []
        for racer in racers:
            stdout = racer.communicate()[0]
            outcomes.append((racer.returncode, stdout == BIG_STREAM))
        self.assertEqual(1, outcomes.count((DONE, True)))
        self.assertEqual(19, outcomes.count((REFUSED, False)))
        self.assertEqual(1, len([name for name in self.files() if name.endswith(".restored")]))


if __name__ == "__main__":
    unittest.main()
