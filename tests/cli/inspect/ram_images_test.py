# SPDX-License-Identifier: MIT
"""Real captures: memory taken out of the stream is the guest's, block by block, by SHA-256."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

from captures import run_over_captures
from streams import *

FOLDER = sys.argv.pop(1)


def load_json(path):
    if not os.path.exists(path):
        return json.loads(subprocess.run(["zstd", "-dqc", path + ".zst"], capture_output=True, check=True).stdout)
    with open(path) as text:
        return json.load(text)


def sha256(path, start=0, length=None):
    with open(path, "rb") as image:
        image.seek(start)
        return hashlib.sha256(image.read() if length is None else image.read(length)).hexdigest()


class Images(unittest.TestCase):
    def check_capture(self, path, truth):
        meta = load_json(os.path.join(truth, "meta.json"))
        blocks = load_json(os.path.join(truth, "ram.json"))
        blocks = blocks["blocks"] if isinstance(blocks, dict) else blocks
        unstable = meta.get("reload", {}).get("ram_blocks_differing", [])
        capabilities = meta.get("capabilities") or {}
        multifd = capabilities.get("multifd") and not capabilities.get("mapped-ram")
        with tempfile.TemporaryDirectory() as self.folder:
            self.image = os.path.join(self.folder, "image")
            usage = Run("ram", "--json", path)
            self.assertEqual((usage.status, usage.err), (0, b""))
            self.check_usage(usage.json)
            if any(not block["idstr"] for block in blocks):
                return self.check_flat(path, blocks)
            for block in blocks:
                if not block.get("migratable", True):
                    continue
                run = Run("extract", "ram", path, "--block", block["idstr"], "-o", self.image, "--force")
                if run.status == 4:
                    self.assertTrue(multifd or capabilities.get("x-ignore-shared"), run.err)
                    self.assertIn(b"not in this stream", run.err)
                    continue
                self.assertEqual(run.status, 0, run.err)
                self.assertTrue(run.err == b"" or b"never sent" in run.err, run.err)
                self.assertEqual(os.path.getsize(self.image), block["used_length"])
                if block["idstr"] not in unstable:
                    self.assertEqual(sha256(self.image), block["sha256"], block["idstr"])

    # Ram version 3 has addresses only; the truth says where each block begins.
    def check_flat(self, path, blocks):
        run = Run("extract", "ram", path, "-o", self.image)
        self.assertEqual((run.status, run.err), (0, b""))
        for block in blocks:
            found = sha256(self.image, block["offset"], block["used_length"])
            self.assertEqual(found, block["sha256"], hex(block["offset"]))

    def check_usage(self, usage):
        kinds = ("data_pages", "zero_pages", "fill_pages", "xbzrle_pages", "compressed_pages")
        records = 0
        for block in usage["blocks"]:
            self.assertEqual(sum(block[kind] for kind in kinds), block["pages"])
            self.assertEqual(block["block_pages"], -(-block["size"] // usage["page_size"]))
            records += block["pages"]
        sent = sum(block["block_pages"] - block["absent_pages"] for block in usage["blocks"])
        self.assertEqual(sum(one["pages"] for one in usage["passes"]), records)
        self.assertEqual(sum(usage["resends"]), sent)
        self.assertEqual(sum(times * pages for times, pages in enumerate(usage["resends"], 1)), records)
        self.assertEqual(sum(usage["resends"][1:]), sum(b["resent_pages"] for b in usage["blocks"]))


if __name__ == "__main__":
    run_over_captures(Images, FOLDER)
