# SPDX-License-Identifier: MIT
"""Holds --help, the manual pages and the shell completions to the same options."""

import re
import shutil
import subprocess
import unittest

from support import SOURCE, tool

TOOLS = ("vmdump", "vmrestore", "vmstream-inspect")
OPTION = r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w])"


def help_lines(name):
    ran = subprocess.run([tool(name), "--help"], capture_output=True, check=True, timeout=60)
    return ran.stdout.decode().splitlines()


def help_options(name):
    """The option names at the left of the rows of --help."""
    rows = (re.match(r"  (-[^\s,]+(?:, --\S+)?)", line) for line in help_lines(name))
    return {option for row in rows if row for option in re.findall(OPTION, row[1])}


def man_page(name):
    return (SOURCE / "man" / f"{name}.1").read_text()


def man_options(name):
    """The options that the manual page's lists explain: .It Fl o , Fl -output Ar FILE."""
    tags = re.findall(r"^\.It (Fl .*)$", man_page(name), re.MULTILINE)
    options = {f"-{flag}" for tag in tags for flag in re.findall(r"Fl (-?[A-Za-z][\w-]*)", tag)}
    return options


# Tools with questions to which the answer may be no.
ANSWERS_NO = {"vmrestore"}


class HelpAndManual(unittest.TestCase):
    def test_help_fits_80_columns(self):
        for name in TOOLS:
            with self.subTest(name):
                self.assertEqual([], [line for line in help_lines(name) if len(line) > 80])

    def test_help_has_usage_first_and_examples_last(self):
        for name in TOOLS:
            with self.subTest(name):
                titles = [line for line in help_lines(name) if re.match(r"[A-Z].*:$", line)]
                self.assertEqual(("Usage:", "Examples:"), (titles[0], titles[-1]))
                self.assertIn("Common options:", titles)

    def test_the_short_help_is_short_and_names_every_option(self):
        for name in TOOLS:
            with self.subTest(name):
                ran = subprocess.run([tool(name), "-h"], capture_output=True, check=True, timeout=60)
                lines = ran.stdout.decode().splitlines()
                self.assertLess(len(lines), 40)
                self.assertEqual([], [line for line in lines if len(line) > 80])
                named = set(re.findall(OPTION, ran.stdout.decode()))
                long_only = {option for option in help_options(name) if option.startswith("--")}
                with_short = {"--output", "--quiet", "--verbose", "--compress", "--encrypt-to"}
                self.assertEqual(set(), long_only - with_short - named)

    def test_help_and_manual_page_list_the_same_options(self):
        for name in TOOLS:
            with self.subTest(name):
                self.assertIn("--help", help_options(name))
                self.assertEqual(help_options(name), man_options(name))

    def test_manual_page_has_its_sections(self):
        for name in TOOLS:
            with self.subTest(name):
                sections = re.findall(r"^\.Sh (.*)$", man_page(name), re.MULTILINE)
                for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS",
                                "EXAMPLES", "SEE ALSO"):
                    self.assertIn(section, sections)

    def test_manual_page_explains_every_exit_status(self):
        for name in TOOLS:
            with self.subTest(name):
                statuses = re.findall(r"^\.It (?:Li )?(\d+)$", man_page(name), re.MULTILINE)
                no = ["6"] if name in ANSWERS_NO else []
                self.assertEqual(["0", "1", "2", "3", "4", "5", *no, "130"], statuses)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_manual_pages_are_well_formed(self):
        for name in TOOLS:
            with self.subTest(name):
                page = SOURCE / "man" / f"{name}.1"
                ran = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                                     capture_output=True, check=False, timeout=60)
                self.assertEqual((0, b""), (ran.returncode, ran.stdout))

    def test_completions_know_the_same_options(self):
        for name in TOOLS:
            with self.subTest(name):
                for shell, path in {"bash": name, "zsh": f"_{name}", "fish": f"{name}.fish"}.items():
                    known = set(re.findall(OPTION, self.completion(shell, path)))
                    self.assertEqual(set(), help_options(name) - known, shell)

    @staticmethod
    def completion(shell, path):
        text = (SOURCE / "completions" / shell / path).read_text()
        if shell == "fish":  # -s o -l output
            text = re.sub(r" -l ([a-z-]+)", r" --\1", text)
            text = re.sub(r" -s ([a-zA-Z])\b", r" -\1", text)
        return text


if __name__ == "__main__":
    unittest.main()
