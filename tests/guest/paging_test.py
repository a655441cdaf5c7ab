#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Page walks of a saved guest against QEMU's own of the same guest. The guest runs no code: tables,
control registers and EFER are set through QEMU's stub for debuggers."""

import random
import re
import socket
import struct
import subprocess
import unittest

from real_guest import GuestTest, wait_until
from support import tool

PRESENT, LARGE = 7, 0x87
ADDRESSES = 300
CR0_PAGING, CR0_OTHER = 0x80000001, 0x60000010


class Remote:
    """The remote protocol, as a debugger speaks it."""

    def __init__(self, send, receive):
        self.send, self.receive = send, receive

    def ask(self, packet):
        self.send(f"${packet}#{sum(packet.encode()) & 0xff:02x}".encode())
        text = b""
        while not re.search(rb"\$[^#]*#..", text):
            piece = self.receive()
            if not piece:
                raise AssertionError(f"{packet}: the stub has ended after {text!r}")
            text += piece
        self.send(b"+")
        return re.search(rb"\$([^#]*)#", text)[1].decode()

    def write(self, address, content):
        answer = self.ask(f"M{address:x},{len(content):x}:{content.hex()}")
        assert answer == "OK", answer

    def set(self, number, value):
        answer = self.ask(f"P{number:x}={struct.pack('<Q', value).hex()}")
        assert answer == "OK", answer


def table(address, width, entries):
    return address, width, entries


# Each: CR4, EFER, CR3, tables, and addresses that are near what they map.
LONG = (0x20, 0x100, 0x100000,
        [table(0x100000, 8, {0: 0x101000 | PRESENT, 256: 0x101000 | PRESENT, 511: 0x101000 | PRESENT}),
         table(0x101000, 8, {0: 0x102000 | PRESENT, 1: 0x40000000 | LARGE, 511: 0x102000 | PRESENT}),
         table(0x102000, 8, {0: 0x103000 | PRESENT, 1: 0x200000 | LARGE, 7: 0xfee00000 | LARGE}),
         table(0x103000, 8, {i: (0x1ff - i) << 12 | PRESENT for i in range(0, 512, 2)})],
        [0, 0x40000000, 0x200000, 0xe00000, 0xffff800000000000, 0xffffffffc0000000, 0x7fc0000000])
PAE = (0x20, 0, 0x100020,
       [table(0x100020, 8, {0: 0x101000 | 1, 3: 0x101000 | 1}),
        table(0x101000, 8, {0: 0x102000 | PRESENT, 1: 0x600000 | LARGE, 511: 0x102000 | PRESENT}),
        table(0x102000, 8, {i: (i ^ 0x55) << 12 | PRESENT for i in range(0, 512, 3)})],
       [0, 0x200000, 0x3fe00000, 0xc0000000, 0xc0200000, 0xffe00000])
LEGACY = (0x10, 0, 0x100000,
          [table(0x100000, 4, {0: 0x101000 | PRESENT, 1: 0x400000 | LARGE, 2: 0x802000 | LARGE,
                               1023: 0x101000 | PRESENT}),
           table(0x101000, 4, {i: (i ^ 0x155) << 12 | PRESENT for i in range(0, 1024, 3)})],
          [0, 0x400000, 0x800000, 0xffc00000])


class Paging(GuestTest):
    def stopped_guest(self):
        return self.qemu("first", "-S", "-gdb", f"unix:{self.folder}/stub,server=on,wait=off")

    def set_up(self, guest, cr4, efer, cr3, tables):
        stub = socket.socket(socket.AF_UNIX)
        self.addCleanup(stub.close)
        wait_until(lambda: stub.connect_ex(f"{self.folder}/stub") == 0, "the stub")
        stub.settimeout(20)
        remote = Remote(stub.sendall, lambda: stub.recv(65536))
        names = re.findall(r'<reg name="(\w+)"', self.description(remote))
        for address, width, entries in tables:
            for index, value in entries.items():
                remote.write(address + width * index, value.to_bytes(width, "little"))
        for name, value in (("cr4", cr4), ("cr3", cr3), ("efer", efer),
                            ("cr0", CR0_PAGING | CR0_OTHER)):
            remote.set(names.index(name), value)

    def description(self, remote):
        """The XML of all features, in the order of the registers' numbers."""
        def read(name):
            text = ""
            while True:
                piece = remote.ask(f"qXfer:features:read:{name}:{len(text):x},ffb")
                text += piece[1:]
                if piece[0] == "l":
                    return text
        xml = "".join(read(name) for name in re.findall(r'href="([^"]+)"', read("target.xml")))
        return re.sub("<!--.*?-->", "", xml, flags=re.DOTALL)  # registers stand in comments too

    def compare(self, cr4, efer, cr3, tables, near):
        guest = self.stopped_guest()
        self.set_up(guest, cr4, efer, cr3, tables)
        guest.monitor.ask("migrate", uri="exec:cat > saved")
        wait_until(lambda: guest.monitor.migration() == "completed", "the save")
        chance = random.Random(1)
        inspect = subprocess.Popen([tool("vmstream-inspect"), "gdb", "saved"], cwd=self.folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        remote = Remote(inspect.stdin.write, lambda: inspect.stdout.read(65536))
        mapped = 0
        for i in range(ADDRESSES):
            address = near[i % len(near)] + chance.randrange(0x300000)
            address = min(address, 0xffffffff) if not efer else address
            answer = guest.monitor.type(f"gva2gpa {address:#x}").strip()
            truth = re.fullmatch(r"gpa: (0x[0-9a-f]+)", answer)
            ours = bytes.fromhex(remote.ask("qRcmd," + f"translate {address:#x}".encode().hex()))
            ours = ours.decode().strip()
            mapped += bool(truth)
            self.assertEqual(int(truth[1], 16) if truth else None,
                             int(ours, 16) if ours.startswith("0x") else None,
                             f"{address:#x}: {answer} {ours}")
        inspect.stdin.close()
        inspect.stdout.close()
        inspect.wait()
        self.assertGreater(mapped, ADDRESSES // 8)
        self.assertLess(mapped, ADDRESSES)

    def test_four_levels(self):
        self.compare(*LONG)

    def test_pae(self):
        self.compare(*PAE)

    def test_32_bits(self):
        self.compare(*LEGACY)


if __name__ == "__main__":
    unittest.main()
