# SPDX-License-Identifier: MIT
"""A GnuPG home with two keys, which goes away with its agent."""

import os
import shutil
import subprocess
import tempfile
import unittest


class GpgHomeTest(unittest.TestCase):
    """Keys of Jo and Al; the environment points to their home while the tests of a class run."""

    @classmethod
    def setUpClass(cls):
        home = tempfile.mkdtemp(prefix="vmstream-gpg-")
        cls.addClassCleanup(shutil.rmtree, home, ignore_errors=True)
        cls.addClassCleanup(subprocess.run, ["gpgconf", "--homedir", home, "--kill", "all"],
                            capture_output=True, check=False)
        cls.addClassCleanup(cls.put_back, os.environ.get("GNUPGHOME"))
        os.environ["GNUPGHOME"] = home
        for user in ("Jo <jo@example.org>", "Al <al@example.org>"):
            cls.gpg("--passphrase", "", "--quick-gen-key", user, "future-default", "default",
                    "never")
        listed = cls.gpg("--with-colons", "--list-keys", "jo@example.org").decode().splitlines()
        cls.jo = next(line.split(":")[9] for line in listed if line.startswith("fpr"))

    @staticmethod
    def put_back(home):
        if home is None:
            os.environ.pop("GNUPGHOME", None)
        else:
            os.environ["GNUPGHOME"] = home

    @staticmethod
    def gpg(*arguments, stdin=b""):
        command = ["gpg", "-q", "--batch", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, timeout=60,
                              check=True).stdout
