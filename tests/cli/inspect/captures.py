# SPDX-License-Identifier: MIT
"""Real captures and what is kept beside them: one test for each."""
import glob
import os
import subprocess
import sys
import unittest

SKIPPED = 77  # the exit status that ctest takes for a skipped test

# The stream begins behind bytes that are not QEMU's: not recognised as a state file.
FOREIGN_START = {"x86-pc-10.0-file-offset"}


def unpacked(path, folder):
    if not path.endswith(".zst"):
        return path
    plain = os.path.join(folder, "capture")
    subprocess.run(["zstd", "-dqf", "--long=25", path, "-o", plain], check=True)
    return plain


def run_over_captures(tests, folder):
    """Gives the class `tests` one test a capture in `folder`, which calls check_capture(path, truth)."""
    captures = sorted(glob.glob(os.path.join(folder, "*.qevm*")))
    for path in captures:
        name = os.path.basename(path).split(".qevm")[0]
        if not path.endswith((".qevm", ".qevm.zst")) or name in FOREIGN_START:
            continue
        truth = os.path.join(folder, name + ".truth")
        setattr(tests, f"test_{name}",
                lambda self, path=path, truth=truth: self.check_capture(path, truth))
    if not captures:
        print(f"no captures in {folder}")
        sys.exit(SKIPPED)
    unittest.main(module=tests.__module__)
