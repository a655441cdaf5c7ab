# SPDX-License-Identifier: MIT
"""Runs vmstream-inspect, and describes small streams to run it on."""
import json
import os
import subprocess

from support import be, counted, tool, without_doubles

TOOL = tool("vmstream-inspect")
PAGE = 4096


class Run:
    """One finished run: status, out and err as bytes."""

    def __init__(self, *args, stdin=None, env=None):
        done = subprocess.run([TOOL, *args], input=stdin if stdin is not None else b"",
                              capture_output=True, env={**os.environ, **(env or {})}, timeout=120)
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def text(self):
        return self.out.decode()

    @property
    def json(self):
        return json.loads(self.out, object_pairs_hook=without_doubles)


def be32(value):
    return be(4, value)


def be64(value):
    return be(8, value)


def footer(section_id):
    return b"\x7e" + be32(section_id)


def section(kind, section_id, idstr, version, body, instance=0):
    return (bytes([kind]) + be32(section_id) + counted(idstr) + be32(instance) + be32(version) + body +
            footer(section_id))


def full(section_id, idstr, version, body, instance=0):
    return section(4, section_id, idstr, version, body, instance)


END_MARK = be64(0x10)
RAM_ID = 2


def ram_start(pages, name="pc.ram"):
    blocks = be64(pages * PAGE | 4) + counted(name) + be64(pages * PAGE)
    return section(1, RAM_ID, "ram", 4, blocks + END_MARK)


def ram_slice(kind, body=b""):
    return bytes([kind]) + be32(RAM_ID) + body + END_MARK + footer(RAM_ID)


def ram_part(body=b""):
    return ram_slice(2, body)


def ram_end(body=b""):
    return ram_slice(3, body)


def data_page(index, fill, name="pc.ram"):
    return be64(index * PAGE | 8) + counted(name) + bytes([fill]) * PAGE


def zero_page(index, name="pc.ram"):
    return be64(index * PAGE | 2) + counted(name) + b"\0"


def described(idstr, size, instance=0):
    return {"name": idstr, "instance_id": instance, "vmsd_name": idstr, "version": 1,
            "fields": [{"name": "state", "type": "buffer", "size": size}]}


def vmdesc(*devices):
    text = json.dumps({"page_size": PAGE, "devices": list(devices)}).encode()
    return b"\x06" + be32(len(text)) + text


HEADER = b"QEVM" + be32(3)
CONFIGURATION = b"\x07" + be32(13) + b"pc-i440fx-7.2"
EOF = b"\0"


def small_stream(pages=4, parts=1, device=b"\x01\x02\x03\x04", idstr="timer"):
    """A whole stream: RAM of `pages` pages in `parts` slices, one device, a description."""
    body = b"".join(data_page(i, 0x40 + i % 8) if i % 2 else zero_page(i) for i in range(pages))
    return (HEADER + CONFIGURATION + ram_start(pages) + ram_part(body) + ram_part() * (parts - 1) +
            ram_end() + full(3, idstr, 1, device) + EOF + vmdesc(described(idstr, len(device))))
