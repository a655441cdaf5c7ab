# SPDX-License-Identifier: MIT
"""report: one page that stands alone, holds the facts, and shows nothing of a stream as markup."""
import html.parser
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
import zlib

from streams import *

FOLDER = sys.argv.pop(1)
CAPTURE = os.path.join(FOLDER, "x86-pc-7.2-min-m4.qevm.zst")
VOID = {"meta", "img", "br", "rect", "line"}


class Page(html.parser.HTMLParser):
    """Fails on tags that do not match; keeps the text, the tags and their attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID or tag in ("tr", "td", "th", "li"):
            if self.open and self.open[-1] == tag:
                self.open.pop()
            return
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.words += data

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


class ReportTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "report.html")

    def report(self, source, status=0, *options):
        run = Run("report", source, "-o", self.path, *options)
        self.assertEqual(run.status, status, run.err)
        with open(self.path, encoding="utf-8") as page:
            return Page(page.read())

    def write(self, stream):
        path = os.path.join(self.folder, "guest.qevm")
        with open(path, "wb") as out:
            out.write(stream)
        return path

    def test_page_of_a_capture_holds_the_facts_and_stands_alone(self):
        page = self.report(CAPTURE)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        info = Run("info", "--json", "--digest", CAPTURE).json
        for fact in (info["stream"]["machine"], info["sha256"], "pc.ram", "Processor 0", "mc146818rtc", "rip",
                     "None were found"):
            self.assertIn(fact, page.words)
        rip = Run("registers", "--json", CAPTURE)
        self.assertIn(re.search(rb'"rip".*?"hex": "(0x[0-9a-f]+)"', rip.out, re.S)[1].decode(), page.words)
        for device in info["devices"]:
            self.assertIn(device["idstr"], page.words)
        for tag, attributes in page.tags:
            self.assertNotIn(tag, ("script", "link", "iframe", "object", "embed"))
            for name, value in attributes.items():
                self.assertFalse(name.startswith("on"), name)
                if name in ("src", "href"):
                    self.assertRegex(value, r"^(data:image/png;base64,|#)")
        with open(self.path) as text:
            self.assertNotIn("http:", text.read())

    def test_map_and_pictures_are_there(self):
        page = self.report(CAPTURE)
        self.assertEqual(len(page.of("svg")), 3)  # map, passes, resends
        pictures = page.of("img")
        self.assertGreaterEqual(len(pictures), 4)
        for picture in pictures:
            self.assertLessEqual(int(picture["width"]), 512)
            self.assertLessEqual(int(picture["height"]), 128)
        self.assertIn("4.00 MiB ram", page.words)

    def test_names_from_the_stream_are_text(self):
        evil = "<img src=x onerror=alert(1)>"
        stream = (HEADER + CONFIGURATION + full(3, evil, 1, b"\x01\x02\x03\x04") + EOF +
                  vmdesc(described(evil, 4)))
        page = self.report(self.write(stream), 0)
        self.assertIn(evil, page.words)
        self.assertEqual(page.of("img"), [])

    def test_damaged_file_gives_a_page_with_the_problem(self):
        plain = subprocess.run(["zstd", "-dqc", CAPTURE], capture_output=True, check=True).stdout
        page = self.report(self.write(plain[:-30000]), 3)
        self.assertIn("offset", page.words)
        self.assertNotIn("None were found", page.words)

    def test_output_is_wanted_and_kept(self):
        self.assertEqual(Run("report", CAPTURE).status, 2)
        self.report(CAPTURE)
        again = Run("report", CAPTURE, "-o", self.path)
        self.assertEqual(again.status, 5, again.err)
        self.report(CAPTURE, 0, "--force")
        piped = Run("report", CAPTURE, "-o", "-")
        self.assertEqual(piped.status, 0)
        self.assertTrue(piped.out.startswith(b"<!DOCTYPE html>"))

    @unittest.skipUnless(shutil.which("chromium"), "no chromium")
    def test_a_browser_shows_it(self):
        self.report(CAPTURE)
        picture = os.path.join(self.folder, "page.png")
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu",
                        f"--user-data-dir={self.folder}/profile", "--window-size=1000,1400",
                        f"--screenshot={picture}", "file://" + self.path],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60)
        with open(picture, "rb") as png:
            content = png.read()
        self.assertTrue(content.startswith(b"\x89PNG"))
        self.assertGreater(len(content), 40000)  # an empty page has some 6000


if __name__ == "__main__":
    unittest.main()
