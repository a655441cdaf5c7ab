# SPDX-License-Identifier: MIT
"""report: the screen of a saved guest is the one that QEMU's own screendump showed."""
import base64
import html
import json
import os
import re
import struct
import subprocess
import tempfile
import unittest
import zlib

from support import BIN

WIDTH, HEIGHT = 320, 240
REPORT = str(BIN / "vmstream-inspect")


def out16(port, value):
    """mov dx, port; mov ax, value; out dx, ax"""
    return b"\xba" + struct.pack("<H", port) + b"\xb8" + struct.pack("<H", value) + b"\xef"


def set_mode(depth):
    """By the registers of Bochs' interface: off, size, on with a linear frame buffer."""
    values = ((4, 0), (1, WIDTH), (2, HEIGHT), (3, depth), (4, 0x41))
    return b"".join(out16(0x1ce, number) + out16(0x1cf, value) for number, value in values)


def paint(banks):
    """Fills so many windows of 64 KiB at 0xa0000 with a pattern."""
    code = b"\xb8\x00\xa0\x8e\xc0\x31\xdb"  # es = 0xa000, bx = 0
    window = b"\xba\xce\x01\xb8\x05\x00\xef\xba\xcf\x01\x89\xd8\xef\x31\xff"  # bank = bx, di = 0
    # eax = edi << 4; al = bl << 3; stosd, until di is 0 again
    words = b"\x66\x89\xf8\x66\xc1\xe0\x04\x88\xd8\xc0\xe0\x03\x66\xab\x83\xff\x00"
    window += words + b"\x75" + struct.pack("b", -len(words) - 2)
    window += b"\x43\x83\xfb" + bytes([banks])
    return code + window + b"\x72" + struct.pack("b", -len(window) - 2)


HALT = b"\xfa\xf4\xeb\xfc"


class Machine:
    """A QEMU that starts from one sector."""

    def __init__(self, folder, code):
        self.folder = folder
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as image:
            image.write(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(512 * 2879))
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-M", "pc", "-m", "16", "-accel", "tcg", "-display", "none", "-nic", "none",
             "-vga", "std", "-qmp", "stdio", "-drive", f"file={disk},format=raw,if=floppy,snapshot=on"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                return answer.get("return")
        raise AssertionError("QEMU has ended")

    def wait_for_halt(self):
        """The sector's code ends with interrupts off."""
        while True:
            text = self.ask("human-monitor-command", **{"command-line": "info registers"})
            if "HLT=1" in text and re.search(r"EIP=0000[7][c-f]", text):
                return

    def save(self):
        self.ask("stop")
        picture, state = (os.path.join(self.folder, name) for name in ("screen.ppm", "state"))
        self.ask("screendump", filename=picture)
        self.ask("migrate", uri=f"exec:cat > {state}")
        while self.ask("query-migrate")["status"] not in ("completed", "failed"):
            pass
        return picture, state

    def end(self):
        self.process.kill()
        self.process.communicate()


def pixels_of(png):
    start = png.index(b"IDAT")
    length = struct.unpack(">I", png[start - 4:start])[0]
    rows = zlib.decompress(png[start + 4:start + 4 + length])
    row = WIDTH * 3 + 1
    return b"".join(rows[y * row + 1:(y + 1) * row] for y in range(HEIGHT))


class ReportScreen(unittest.TestCase):
    def screen_of(self, code):
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(folder, code)
            self.addCleanup(machine.end)
            machine.wait_for_halt()
            picture, state = machine.save()
            page = subprocess.run([REPORT, "report", state, "-o", "-"], capture_output=True, check=True).stdout
            with open(picture, "rb") as shown:
                return shown.read(), page.decode()

    def check_depth(self, depth, tolerance):
        banks = -(-WIDTH * HEIGHT * ((depth + 7) // 8) // 65536)
        shown, page = self.screen_of(set_mode(depth) + paint(banks) + HALT)
        self.assertIn(f"{WIDTH} by {HEIGHT} pixels, {depth} bits each", page)
        png = re.search(r'class="screen"><img [^>]*base64,([^"]*)"', page)[1]
        found, wanted = pixels_of(base64.b64decode(png)), shown[-WIDTH * HEIGHT * 3:]
        self.assertGreater(len(set(wanted)), 3)
        self.assertLessEqual(max(abs(a - b) for a, b in zip(found, wanted)), tolerance)

    def test_32_bits(self):
        self.check_depth(32, 0)

    # QEMU widens short colors in more than one way.
    def test_16_bits(self):
        self.check_depth(16, 8)

    def test_palette(self):
        self.check_depth(8, 3)

    def test_text(self):
        _, page = self.screen_of(HALT)
        screen = html.unescape(re.search(r'<pre class="screen">(.*?)</pre>', page, re.S)[1])
        self.assertTrue(screen.startswith("SeaBIOS (version"), screen)
        self.assertIn("\nBooting from Floppy...\n", screen)
        self.assertEqual(screen.count("\n"), 25)


if __name__ == "__main__":
    unittest.main()
