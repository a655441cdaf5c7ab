# SPDX-License-Identifier: MIT
"""Real captures and what is kept beside them."""
import os
import subprocess

# The stream begins behind bytes that are not QEMU's: not recognised as a state file.
FOREIGN_START = {"x86-pc-10.0-file-offset"}


def unpacked(path, folder):
    if not path.endswith(".zst"):
        return path
    plain = os.path.join(folder, "capture")
    subprocess.run(["zstd", "-dqf", "--long=25", path, "-o", plain], check=True)
    return plain
