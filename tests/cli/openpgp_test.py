# SPDX-License-Identifier: MIT
"""OpenPGP as a user meets it: the tools beside the system's own gpg, in a home of their own."""

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import termios
import time
import unittest
from pathlib import Path
from unittest import mock

from gpg_home import GpgHomeTest
from support import (DONE, ENVIRONMENT, MALFORMED, REFUSED, SOURCE, UNSUPPORTED, USAGE, ToolTest, be,
                     counted, stream, tool)

MEMORY = stream()[:-1]
STREAM = b"".join([MEMORY, be(1, 4), be(4, 3), counted("timer"), be(4, 0), be(4, 2), be(8, 1) * 3,
                   be(1, 0x7E), be(4, 3), be(1, 0)])

# Speaks the protocol of pinentry and writes down what it is asked.
PINENTRY = """#!/bin/sh
echo "OK"
while read -r line; do
  echo "$line" >> "$(dirname "$0")/asked"
  case $line in
    GETPIN*) echo "ANSWER"; case "ANSWER" in D*) echo OK ;; esac ;;
    *) echo OK ;;
  esac
done
"""

# Answers as gpg-connect-agent does, and takes its time to end.
SLOW_AGENT = """#!/bin/sh
trap 'echo terminated >&2; exit 2' TERM
printf 'D horse\\nOK\\n'
sleep 0.3
"""


class OpenPgpTest(GpgHomeTest, ToolTest):
    def shell_output(self, command, stdin):
        return subprocess.run(command, shell=True, input=stdin, capture_output=True, timeout=60,
                              check=True).stdout

    def packets(self, name):
        return self.gpg("--list-packets", str(self.folder / name)).decode()

    def dump(self, *arguments):
        return self.run_tool("vmdump", "--stdin", *arguments, stdin=STREAM)

    def restore(self, name, *arguments):
        return self.run_tool("vmrestore", name, *arguments)

    def assert_restores(self, name, *arguments):
        ran = self.restore(name, *arguments)
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, ran.stdout)


class Saving(OpenPgpTest):
    def test_gpg_and_zstd_unpack_what_is_encrypted(self):
        self.assert_status(DONE, self.dump("-o", "f.zst.gpg", "-e", "jo@example.org",
                                           "--encrypt-to", "al@example.org"))
        plain = self.shell("gpg -q --batch -d f.zst.gpg | zstd -dc")
        self.assertEqual(STREAM, plain.stdout)
        packets = self.packets("f.zst.gpg")
        self.assertEqual(2, packets.count("pubkey enc packet"))
        self.assertNotIn("compressed packet", packets)
        self.assert_restores("f.zst.gpg")

    def test_every_suffix_stands_below_gpg(self):
        for suffix, command in (("gz", "gzip -dc"), ("bz2", "bzip2 -dc"), ("zst", "zstd -dc"),
                                ("vm", "zstd -dc")):
            name = f"f.{suffix}.gpg"
            self.assert_status(DONE, self.dump("-o", name, "-e", self.jo))
            unpacked = self.shell(f"gpg -q --batch -d {name} | {command}")
            self.assertEqual(STREAM, unpacked.stdout, suffix)

    def test_a_passphrase_comes_from_a_file_or_a_descriptor(self):
        self.write("pass", b"correct horse\n")
        self.assert_status(DONE, self.dump("-o", "f.gpg", "--symmetric", "--passphrase-file",
                                           "pass", "-c", "none"))
        self.assertEqual(STREAM, self.gpg("--passphrase", "correct horse", "-d",
                                          str(self.folder / "f.gpg")))
        self.assert_restores("f.gpg", "--passphrase-file", "pass")
        ran = self.shell(f"{tool('vmrestore')} f.gpg --passphrase-fd 7 7<pass")
        self.assertEqual(STREAM, ran.stdout)
        self.write("wrong", b"battery staple\n")
        ran = self.restore("f.gpg", "--passphrase-file", "wrong")
        self.assert_fails(ENVIRONMENT, ran, "bad passphrase")
        self.assertEqual(b"", ran.stdout)
        self.assertNotIn(b"staple", ran.stderr)

    def answer_by_pinentry(self, answer):
        """gpg-agent's questions get `answer` from now on, in the words of pinentry."""
        script = self.folder / "pinentry"
        script.write_text(PINENTRY.replace("ANSWER", answer))
        script.chmod(0o700)
        settings = Path(os.environ["GNUPGHOME"]) / "gpg-agent.conf"
        settings.write_text(f"pinentry-program {script}\n")
        self.addCleanup(settings.unlink)
        self.shell("gpgconf --reload gpg-agent")

    def test_a_passphrase_is_asked_for_before_anything_is_touched(self):
        self.answer_by_pinentry("D 100%25 horse")
        ran = self.run_tool("vmdump", "--qmp", "nobody", "-o", "f.gpg", "--symmetric")
        self.assert_fails(ENVIRONMENT, ran, "nobody")
        self.assertEqual(2, self.read("asked").count(b"GETPIN"))  # typed, and again
        self.assert_status(DONE, self.dump("-o", "f.gpg", "--symmetric", "-c", "none", "--verify"))
        self.assertEqual(4, self.read("asked").count(b"GETPIN"))
        self.assertEqual(STREAM, self.gpg("--passphrase", "100% horse", "-d",
                                          str(self.folder / "f.gpg")))

    def test_who_asked_for_the_passphrase_is_left_to_end_by_itself(self):
        script = self.folder / "gpg-connect-agent"
        script.write_text(SLOW_AGENT)
        script.chmod(0o700)
        with mock.patch.dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}"):
            ran = self.run_tool("vmdump", "--qmp", "nobody", "-o", "f.gpg", "--symmetric")
        self.assert_fails(ENVIRONMENT, ran, "nobody")  # and not a word more

    def test_a_passphrase_that_nobody_gives_is_an_error(self):
        self.answer_by_pinentry("ERR 83886179 Operation cancelled")
        ran = self.dump("-o", "f.gpg", "--symmetric")
        self.assert_fails(ENVIRONMENT, ran, "no passphrase from gpg-agent: Operation cancelled")
        self.assertNotIn("f.gpg", self.files())

    def test_a_signature_alone_is_made_and_said_to_be_no_encryption(self):
        ran = self.dump("-o", "f.zst.gpg", "--sign", self.jo)
        self.assert_status(DONE, ran)
        self.assertIn(b"warning: signed, but not encrypted", ran.stderr)
        self.assertNotIn("compressed packet", self.packets("f.zst.gpg"))
        self.assertEqual(STREAM, self.shell("gpg -q --batch -d f.zst.gpg | zstd -dc").stdout)

    def test_a_suffix_that_does_not_tell_of_the_message_is_warned_of(self):
        ran = self.dump("-o", "x.zst", "-e", "jo@example.org")
        self.assert_status(DONE, ran)
        self.assertIn(b"x.zst: warning: holds an OpenPGP message", ran.stderr)
        for name in ("x.zst.gpg", "x.vms"):
            self.assert_silent(self.dump("-o", name, "-e", "jo@example.org"))

    def test_a_mapped_ram_stream_is_not_encrypted(self):
        own = self.shell(f"zstd -dcq {SOURCE}/tests/data/x86-pc-10.0-mapped.qevm.zst").stdout
        ran = self.run_tool("vmdump", "--stdin", "-o", "f.zst.gpg", "-e", self.jo, stdin=own)
        self.assert_fails(UNSUPPORTED, ran, "mapped-ram", "by position")
        self.assertEqual([], list(self.folder.glob("f.*")))

    def test_a_save_is_read_back(self):
        ran = self.dump("-o", "f.zst.gpg", "-e", self.jo, "--sign", self.jo, "--verify", "--json")
        self.assert_status(DONE, ran)
        summary = json.loads(ran.stdout)
        self.assertEqual((True, True), (summary["encrypted"], summary["signed"]))

    def test_unusable_keys_are_refused_before_a_byte_is_read(self):
        for arguments, word in ((("-e", "nobody"), "key 'nobody' is unknown"),
                                (("-e", self.jo, "-e", "example.org"),
                                 "key 'example.org' is neither a fingerprint nor a whole mail"),
                                (("-e", "o@example.org"), "key 'o@example.org' is unknown"),
                                (("-e", self.jo, "--sign", "nobody"), "is not among the secret keys")):
            ran = self.run_tool("vmdump", "--stdin", "-o", "f.gpg", *arguments, stdin=b"")
            self.assert_fails(ENVIRONMENT, ran, word)
        self.assertEqual([], self.files())

    def test_a_name_that_promises_encryption_must_be_meant(self):
        for name in ("f.gpg", "f.zst.gpg", "f.pgp"):
            self.assert_fails(USAGE, self.dump("-o", name), "-e KEY, --symmetric or --sign KEY")
        self.assertEqual([], self.files())
        self.assert_fails(USAGE, self.dump("-o", "f.gpg", "--symmetric", "--passphrase-fd", "0"),
                          "both want stdin")

    def test_explain_prints_the_recipe(self):
        ran = self.run_tool("vmdump", "--qmp", "q.sock", "-o", "f.zst.gpg", "-e", "jo@example.org",
                            "-e", self.jo, "--sign", "<jo@example.org>", "--explain")
        self.assert_status(DONE, ran)
        # gpg takes an address for a part of one, unless it stands in brackets.
        self.assertIn(f"zstd -3 -c | gpg -q --compress-algo none -s -u '<jo@example.org>' "
                      f"-e -r '<jo@example.org>' -r '{self.jo}' > 'f.zst.gpg'".encode(), ran.stdout)


class Reading(OpenPgpTest):
    def test_what_gpg_wrote_is_restored(self):
        for how in (("-e", "-r", "jo@example.org"), ("-e", "-a", "-r", self.jo),
                    ("-s", "-u", self.jo), ("-s", "-a", "-z", "0", "-u", self.jo),
                    ("-s", "-e", "-z", "9", "-u", self.jo, "-r", "al@example.org")):
            self.write("f.gpg", self.gpg(*how, stdin=STREAM))
            self.assert_restores("f.gpg")
        self.write("pass", b"secret\n")
        self.write("f.gpg", self.gpg("--passphrase", "secret", "-c", stdin=STREAM))
        self.assert_restores("f.gpg", "--passphrase-file", "pass")

    def test_info_names_recipients_and_signer(self):
        self.dump("-o", "f.zst.gpg", "-e", "al@example.org", "--sign", "jo@example.org")
        ran = self.run_tool("vmstream-inspect", "info", "f.zst.gpg", "--json")
        self.assert_status(DONE, ran)
        containers = json.loads(ran.stdout)["containers"]
        self.assertEqual(["openpgp", "zstd", "qevm"], [entry["type"] for entry in containers])
        self.assertEqual(1, len(containers[0]["recipients"]))
        signature = containers[0]["signatures"][0]
        self.assertEqual(("good", self.jo, "Jo <jo@example.org>"),
                         (signature["status"], signature["fingerprint"], signature["user_id"]))
        self.assertIn(signature["trust"], ("full", "ultimate"))
        self.assertEqual("f.zst.gpg", signature["file_name"])
        self.assertRegex(signature["created"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        text = self.run_tool("vmstream-inspect", "f.zst.gpg").stdout.decode()
        self.assertIn("encrypted to " + containers[0]["recipients"][0], text)
        self.assertIn("good signature of Jo <jo@example.org>", text)

    def test_every_command_takes_a_passphrase(self):
        self.write("pass", b"secret\n")
        self.write("f.gpg", self.gpg("--passphrase", "secret", "-c", stdin=STREAM))
        for command in ("info", "sections", "devices", "ram", "verify"):
            ran = self.run_tool("vmstream-inspect", command, "f.gpg", "--passphrase-file", "pass")
            self.assert_status(DONE, ran)

    def test_a_changed_file_never_gives_the_end(self):
        self.dump("-o", "f.zst.gpg", "-e", self.jo)
        whole = self.read("f.zst.gpg")
        for position in (len(whole) - 10, len(whole) // 2):
            changed = bytearray(whole)
            changed[position] ^= 1
            self.write("c.gpg", bytes(changed))
            ran = self.restore("c.gpg")
            self.assert_status(MALFORMED, ran)
            self.assertLess(len(ran.stdout), len(STREAM))
            self.assert_status(MALFORMED, self.run_tool("vmstream-inspect", "verify", "c.gpg"))
        self.write("c.gpg", whole[:-30])
        self.assert_status(MALFORMED, self.restore("c.gpg"))


    def home_of_jo_alone(self):
        """The environment of a home that lacks Al's secret key."""
        home = Path(tempfile.mkdtemp(prefix="vmstream-gpg-"))
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        self.addCleanup(subprocess.run, ["gpgconf", "--homedir", home, "--kill", "all"],
                        capture_output=True, check=False)
        environment = dict(os.environ, GNUPGHOME=str(home))
        for key in (self.gpg("--export"), self.gpg("--export-secret-keys", self.jo)):
            subprocess.run(["gpg", "-q", "--batch", "--import"], input=key, env=environment,
                           check=True)
        return environment

    def test_a_damaged_file_is_damaged_whoever_else_could_read_it(self):
        environment = self.home_of_jo_alone()
        self.dump("-o", "f.gpg", "-c", "none", "-e", "al@example.org", "-e", "jo@example.org")
        whole = self.read("f.gpg")
        self.write("cut.gpg", whole[:-200])
        self.write("changed.gpg", whole[:-100] + b"?" + whole[-99:])
        for name in ("cut.gpg", "changed.gpg"):
            ran = self.run_tool("vmrestore", name, env=environment)
            self.assert_status(MALFORMED, ran)
            for command in ("info", "sections", "devices", "ram", "hexdump", "explain", "verify"):
                ran = self.run_tool("vmstream-inspect", command, name, env=environment)
                self.assert_status(MALFORMED, ran)
                self.assertNotIn(b"secret key", ran.stderr)
            ran = self.run_tool("vmstream-inspect", "info", name, "--json", env=environment)
            info = json.loads(ran.stdout)
            self.assertGreater(info["ram"]["total"], 0)
            self.assertNotEqual([], info["problems"])
        self.dump("-o", "f.gpg", "--force", "-c", "none", "-e", "al@example.org")
        ran = self.run_tool("vmstream-inspect", "f.gpg", env=environment)
        self.assert_status(ENVIRONMENT, ran)
        self.assertIn(b"no secret key", ran.stderr)

    def test_content_that_looks_like_a_message_with_a_passphrase_is_damage(self):
        """Wrong bytes can do so by chance; gpg asks then, and nobody answers."""
        symmetric = bytes((0xC3, 13, 4, 9, 3, 8)) + b"saltsalt" + bytes((96,))
        self.write("f.gpg", self.encrypt_as_it_is(symmetric + bytes((0xD2, 21, 1)) + b"?" * 20))
        ran = self.run_tool("vmrestore", "f.gpg")
        self.assert_fails(MALFORMED, ran, "decryption failed")

    def encrypt_as_it_is(self, content):
        """A message to Jo which holds what gpg would not write: `content` need not be a literal."""
        message = self.gpg("--trust-model", "always", "-z", "0", "-r", self.jo, "-e", stdin=b"?")
        key_packet = message[:2 + message[1]]
        shown = subprocess.run(["gpg", "--batch", "--show-session-key", "-d"], input=message,
                               capture_output=True, check=True).stderr
        key = shown.split(b"session key: '9:")[1].split(b"'")[0].decode()
        random = b"random prefix, of which two bytes come again"[:16]
        plain = random + random[-2:] + content + b"\xd3\x14"
        plain += hashlib.sha1(plain).digest()
        cipher = subprocess.run(["openssl", "enc", "-aes-256-cfb", "-K", key, "-iv", "0" * 32],
                                input=plain, capture_output=True, check=True).stdout
        return key_packet + bytes((0xD2, 0xFF)) + be(4, 1 + len(cipher)) + b"\1" + cipher


class Converting(OpenPgpTest):
    """vmdump --from, of messages and into messages."""

    def convert(self, source, target, *options, **more):
        return self.run_tool("vmdump", "--from", source, "-o", target, *options, **more)

    def assert_gives_nothing(self, status, ran, *words):
        self.assert_fails(status, ran, *words)
        self.assertEqual([], [name for name in self.files() if name.startswith("g")])

    def test_a_message_is_made_anew(self):
        self.write("secret", b"correct horse\n")
        passphrase = ["--passphrase-file", "secret"]
        self.assert_status(DONE, self.dump("-o", "f.zst.gpg", "-e", "jo@example.org", "--sign", "jo@example.org"))
        self.assert_status(DONE, self.convert("f.zst.gpg", "g.gz.gpg", "--symmetric", *passphrase))
        with (self.folder / "secret").open("rb") as secret:  # read once, for both
            ran = self.convert("g.gz.gpg", "h.zst.gpg", "--symmetric", "--verify", "--passphrase-fd",
                               str(secret.fileno()), pass_fds=[secret.fileno()])
        self.assert_status(DONE, ran)
        self.assert_restores("h.zst.gpg", *passphrase)
        self.assert_status(DONE, self.convert("h.zst.gpg", "i.zst", *passphrase))
        self.assert_restores("i.zst")

    def test_a_changed_or_cut_message_gives_nothing(self):
        self.assert_status(DONE, self.dump("-o", "f.gpg", "-e", "jo@example.org"))
        whole = self.read("f.gpg")
        for content in (whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:], whole[:-100]):
            self.write("f.gpg", content)
            self.assert_gives_nothing(MALFORMED, self.convert("f.gpg", "g.zst"), "f.gpg")

    def test_a_signature_can_be_demanded(self):
        self.assert_status(DONE, self.dump("-o", "f.gpg", "-e", "jo@example.org", "--sign", "jo@example.org"))
        self.assert_status(DONE, self.dump("-o", "unsigned.zst"))
        for source, key in (("f.gpg", "al@example.org"), ("unsigned.zst", "jo@example.org")):
            ran = self.convert(source, "g.zst", "--require-signature", key)
            self.assert_gives_nothing(REFUSED, ran, source)
        self.assert_status(DONE, self.convert("f.gpg", "g.zst", "--require-signature", "jo@example.org"))


class Demanding(OpenPgpTest):
    def restore_both_ways(self, name, *arguments):
        """From the file and from a pipe."""
        yield self.restore(name, *arguments)
        yield self.run_tool("vmrestore", "-", *arguments, stdin=self.read(name))

    def test_the_signature_of_the_key_lets_the_guest_through(self):
        self.dump("-o", "f.zst.gpg", "-e", self.jo, "--sign", self.jo)
        for signer in (self.jo, "jo@example.org"):
            for ran in self.restore_both_ways("f.zst.gpg", "--require-signature", signer):
                self.assert_status(DONE, ran)
                self.assertEqual(STREAM, ran.stdout)

    def test_a_signer_is_named_exactly(self):
        self.dump("-o", "f.gpg", "-c", "none", "--sign", self.jo)
        for name, words in (("o@example.org", "is unknown"), ("Jo", "is neither a fingerprint"),
                            (self.jo[-8:], "is neither a fingerprint"),
                            (self.jo[-16:], "is a key id, which another key may share")):
            ran = self.restore("f.gpg", "--require-signature", name)
            self.assert_fails(ENVIRONMENT, ran, f"key '{name}' {words}")
            self.assertEqual(b"", ran.stdout)
            self.assertRegex(ran.stderr.decode(), rf"\nhint: .*{self.jo} \(Jo <jo@example.org>\)")

    def test_a_person_is_told_who_signed_what_and_when(self):
        self.dump("-o", "f.gpg", "-c", "none", "-e", self.jo, "--sign", self.jo)
        told = rf"signed by Jo <jo@example.org> \({self.jo}\) on 20\d\d-\d\d-\d\d \S+ UTC as 'f.gpg'\n"
        ran = self.restore("f.gpg", "--require-signature", self.jo)
        self.assertRegex(ran.stderr.decode(), "^vmrestore: f.gpg: " + told + "$")
        self.assertEqual(b"", self.restore("f.gpg", "--require-signature", self.jo, "-q").stderr)
        # An older file in the place of a newer one: what its signer called it is another name.
        (self.folder / "f.gpg").rename(self.folder / "today.gpg")
        ran = self.restore("today.gpg", "--require-signature", self.jo)
        self.assert_status(DONE, ran)
        self.assertRegex(ran.stderr.decode(), told)
        self.assertIn(b"warning: its signer called it 'f.gpg'\n", ran.stderr)
        ran = self.run_tool("vmrestore", "-", "--require-signature", self.jo,
                            stdin=self.read("today.gpg"))
        self.assertNotIn(b"warning", ran.stderr)
        # A guest's UUID is part of what is signed.
        head = STREAM.index(b"pc-i440fx-7.2") + len(b"pc-i440fx-7.2")
        uuid = be(1, 5) + counted("configuration/uuid") + be(4, 1) + bytes(range(16))
        self.write("u.gpg", self.gpg("-s", "-u", self.jo, stdin=STREAM[:head] + uuid + STREAM[head:]))
        ran = self.restore("u.gpg", "-o", "plain", "--json", "--require-signature", self.jo)
        self.assert_status(DONE, ran)
        self.assertIn(b", guest 00010203-0405-0607-0809-0a0b0c0d0e0f\n", ran.stderr)
        self.assertEqual("00010203-0405-0607-0809-0a0b0c0d0e0f", json.loads(ran.stdout)["uuid"])
        # The name beside the content of a message is signed by nobody.
        self.write("g.gpg", self.gpg("-s", "-u", self.jo, "--set-filename", "x", stdin=STREAM))
        ran = self.restore("g.gpg", "--require-signature", self.jo)
        self.assertNotIn(b" as ", ran.stderr)
        self.assertNotIn(b"warning", ran.stderr)

    def test_one_of_several_messages_is_enough_wherever_it_lies(self):
        inner = self.gpg("-s", "-u", self.jo, stdin=STREAM)
        self.write("f.zst", self.shell_output("zstd -c", inner))
        self.write("outer.gpg", self.gpg("-s", "-u", "al@example.org", stdin=self.read("f.zst")))
        self.write("sealed.gpg", self.gpg("-e", "-r", self.jo, stdin=inner))
        for name in ("f.zst", "outer.gpg", "sealed.gpg"):
            for ran in self.restore_both_ways(name, "--require-signature", self.jo):
                self.assert_status(DONE, ran)
                self.assertEqual(STREAM, ran.stdout)
        # What follows the inner message is covered by the outer signature only.
        inner = self.gpg("-s", "-z", "0", "-u", self.jo, stdin=STREAM)
        self.write("more.zst", self.shell_output("zstd -c", inner + self.gpg("--store", stdin=b"x")))
        for ran in self.restore_both_ways("more.zst", "--require-signature", self.jo):
            self.assert_status(MALFORMED, ran)

    def test_another_signature_or_none_is_refused(self):
        self.dump("-o", "al.gpg", "-c", "none", "-e", self.jo, "--sign", "al@example.org")
        self.dump("-o", "none.gpg", "-c", "none", "-e", self.jo)
        self.write("bare", STREAM)
        for name in ("al.gpg", "none.gpg", "bare"):
            from_file, from_pipe = self.restore_both_ways(name, "--require-signature", self.jo)
            self.assert_fails(REFUSED, from_file, "no good signature of key " + self.jo)
            self.assertEqual(b"", from_file.stdout)
            self.assert_status(REFUSED, from_pipe)
            # No device has left, let alone the end.
            self.assertLessEqual(len(from_pipe.stdout), len(MEMORY))

    def test_a_bad_signature_is_damage(self):
        self.dump("-o", "f.gpg", "-c", "none", "--sign", self.jo)
        changed = bytearray(self.read("f.gpg"))
        changed[len(changed) // 2] ^= 1
        self.write("f.gpg", bytes(changed))
        from_file, from_pipe = self.restore_both_ways("f.gpg", "--require-signature", self.jo)
        self.assert_fails(MALFORMED, from_file, "bad signature")
        self.assertEqual(b"", from_file.stdout)
        self.assert_status(MALFORMED, from_pipe)
        self.assertLessEqual(len(from_pipe.stdout), len(MEMORY))

    def test_a_signature_of_a_stranger_is_told(self):
        self.dump("-o", "f.gpg", "-c", "none", "--sign", self.jo)
        empty = Path(tempfile.mkdtemp(prefix="vmstream-gpg-"))
        self.addCleanup(shutil.rmtree, empty, ignore_errors=True)
        environment = dict(os.environ, GNUPGHOME=str(empty))
        ran = self.run_tool("vmrestore", "f.gpg", env=environment)
        self.assert_status(DONE, ran)
        self.assertEqual(STREAM, ran.stdout)
        self.assertIn(b"not checked: the key is not here", ran.stderr)
        ran = self.run_tool("vmrestore", "f.gpg", "--require-signature", self.jo, env=environment)
        self.assert_fails(ENVIRONMENT, ran, "is unknown")


class Secrets(OpenPgpTest):
    def dumps_core(self, program, *arguments):
        """Whether the program leaves a core when it is killed while it waits for its stdin."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(reader, 0)
            os.chdir(self.folder)
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
            os.execv(program, [program, *arguments])
        os.close(reader)
        os.write(writer, STREAM[:1000])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not self.has_read(writer):
            time.sleep(0.01)
        os.kill(pid, signal.SIGABRT)
        status = os.waitpid(pid, 0)[1]
        os.close(writer)
        self.assertEqual(signal.SIGABRT, os.WTERMSIG(status))
        return os.WCOREDUMP(status)

    @staticmethod
    def has_read(writer):
        unread = fcntl.ioctl(writer, termios.FIONREAD, b"\0" * 4)
        return int.from_bytes(unread, "little") == 0

    @staticmethod
    def command_lines():
        """Of all processes."""
        lines = b""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                lines += (process / "cmdline").read_bytes() + b"\n"
        return lines

    def test_a_passphrase_shows_nowhere(self):
        self.write("pass", b"correct horse\n")
        process = subprocess.Popen([tool("vmdump"), "--stdin", "-o", "f.gpg", "--symmetric", "-v",
                                    "--passphrase-file", "pass", "--json"], cwd=self.folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdin.write(STREAM[:1000])
        process.stdin.flush()
        lines = b""
        deadline = time.monotonic() + 30
        while b"--symmetric\0--" not in lines and time.monotonic() < deadline:  # gpg's own
            lines += self.command_lines()
        out, err = process.communicate(STREAM[1000:])
        self.assertEqual(DONE, process.returncode, err)
        self.assertIn(b"--status-fd", lines)
        for text in (lines, out, err):
            self.assertNotIn(b"horse", text)

    def test_guest_memory_goes_into_no_core_dump(self):
        try:
            if not self.dumps_core("/bin/dd", "of=/dev/null"):
                self.skipTest("no process leaves a core here")
        except (OSError, ValueError):
            self.skipTest("the limit of core files cannot be raised")
        self.assertFalse(self.dumps_core(tool("vmdump"), "--stdin", "-o", "f.zst"))


if __name__ == "__main__":
    unittest.main()
