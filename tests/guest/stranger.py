# SPDX-License-Identifier: MIT
"""Another user of the machine, who wants to be taken for a QEMU."""

import subprocess
import sys

from support import stream

STRANGER_USER = 65534

# Connects to every socket of ours that the kernel lists, and sends what came on stdin.
STRANGER = r"""
import os, re, socket, sys, time
os.setuid(int(sys.argv[1]))
stream = sys.stdin.buffer.read()
print("ready", flush=True)
while True:
    with open("/proc/net/unix") as listed:
        paths = re.findall(r"/tmp/vmstream-\w{6}/[0-9a-f]{32}", listed.read())
    for path in paths:
        try:
            other = socket.socket(socket.AF_UNIX)
            other.connect(path)
            print("in", flush=True)
            other.sendall(stream)
        except OSError as refusal:
            print(type(refusal).__name__, flush=True)
    time.sleep(0.0005)
"""


def start_stranger(user):
    """Prints "in" for each connection that is had. To be ended by the caller."""
    process = subprocess.Popen([sys.executable, "-c", STRANGER, str(user)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(stream())
    process.stdin.close()
    assert process.stdout.readline() == b"ready\n"
    return process
