# SPDX-License-Identifier: MIT
"""Indices: those that files carry, and those that lie beside them."""
import gzip
import os
import shutil
import subprocess
import tempfile
import unittest

import support
from streams import *

PAGES = 2048  # 8 MiB of RAM: several blocks, and points within a gzip member
STREAM = support.stream(pages=PAGES)


class IndexTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vmstream-index-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as out:
            out.write(content)
        return self.path(name)

    def make_index(self, file, *more):
        run = Run("index", "--json", file, *more)
        self.assertEqual(run.status, 0, run.err)
        return run.json


class Sidecars(IndexTest):
    def test_a_plain_file_gets_one_beside_it(self):
        file = self.write("guest", STREAM)
        made = self.make_index(file)
        self.assertEqual(made["schema"], "vmstream.index/1")
        self.assertEqual(made["index"], file + ".vmsx")
        self.assertEqual(os.path.getsize(file + ".vmsx"), made["index_bytes"])
        self.assertEqual(os.stat(file + ".vmsx").st_mode & 0o777, 0o600)
        self.assertEqual(made["plain_bytes"], len(STREAM))
        self.assertTrue(made["by_position"])
        self.assertGreater(made["records"], 3)

    def test_an_existing_one_is_kept(self):
        file = self.write("guest", STREAM)
        self.write("guest.vmsx", b"precious")
        self.assertEqual(Run("index", file).status, 5)
        self.make_index(file, "--force")

    def test_a_foreign_gzip_file_can_be_read_by_position_with_it(self):
        file = self.write("guest.gz", gzip.compress(STREAM))
        self.assertTrue(self.make_index(file)["by_position"])

    def test_a_file_that_cannot_is_said_so(self):
        file = self.write("guest.gz.gz", gzip.compress(gzip.compress(STREAM)))
        self.assertFalse(self.make_index(file)["by_position"])
        self.assertIn("front to end only", Run("index", file, "--force").text)

    def test_a_damaged_file_gets_none(self):
        file = self.write("guest", STREAM[:-1])
        run = Run("index", file)
        self.assertEqual(run.status, 3)
        self.assertFalse(os.path.exists(file + ".vmsx"))

    def test_a_pipe_has_none(self):
        self.assertEqual(Run("index", "-", stdin=STREAM).status, 2)


if __name__ == "__main__":
    unittest.main()
