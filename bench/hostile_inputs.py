# SPDX-License-Identifier: MIT
"""Streams and files made to cost their reader time or memory: each of one thing, `count` times."""
import collections.abc
import dataclasses
import gzip
import json
import random
import struct

FULL, START, PART, END, COMMAND, CONFIGURATION, FOOTER = 4, 1, 2, 3, 8, 7, 0x7E
DESCRIPTION, EOF = 6, b"\0"
PAGE_BYTES = 4096
END_OF_SLICE = struct.pack(">Q", 0x10)
ZERO_PAGE, PAGE, XBZRLE, CONTINUE = 2, 8, 0x40, 0x20
PING, DISCARD = 2, 6


def counted(text):
    return bytes([len(text)]) + text.encode()


def section(kind, number, name="", body=b"", instance=0, version=1, footer=True):
    head = counted(name) + struct.pack(">II", instance, version) if kind in (FULL, START) else b""
    tail = struct.pack(">BI", FOOTER, number) if footer else b""
    return struct.pack(">BI", kind, number) + head + body + tail


def command(kind, payload):
    return struct.pack(">BHH", COMMAND, kind, len(payload)) + payload


def opening(machine="pc-i440fx-7.2", capabilities=()):
    """Header and configuration."""
    words = b"QEVM" + struct.pack(">IBI", 3, CONFIGURATION, len(machine)) + machine.encode()
    if not capabilities:
        return words
    name = "configuration/capabilities"
    return (words + b"\5" + counted(name) + struct.pack(">II", 1, len(capabilities))
            + b"".join(counted(text) for text in capabilities))


def block_list(blocks):
    total = sum(length for _, length in blocks)
    return (struct.pack(">Q", total | 4) +
            b"".join(counted(name) + struct.pack(">Q", length) for name, length in blocks))


def ram(blocks, pages=b""):
    """All of the ram section: its blocks, and these page records in one slice."""
    return (section(START, 2, "ram", block_list(blocks) + END_OF_SLICE, version=4) +
            section(END, 2, body=pages + END_OF_SLICE))


def page(offset, kind, payload, block=""):
    head = struct.pack(">Q", offset | kind | (0 if block else CONTINUE))
    return head + (counted(block) if block else b"") + payload


def description(devices):
    text = json.dumps({"page_size": PAGE_BYTES, "devices": devices}, separators=(",", ":")).encode()
    return struct.pack(">BI", DESCRIPTION, len(text)) + text


def described(name, fields, instance=0, subsections=()):
    device = {"name": name, "instance_id": instance, "vmsd_name": name, "version": 1,
              "fields": fields}
    if subsections:
        device["subsections"] = list(subsections)
    return device


def stream(*parts):
    return b"".join((opening(), ram([("pc.ram", PAGE_BYTES)]), *parts))


def null_arrays(count):
    """Fields shaped like arrays of pointers that are NULL, all in one device."""
    field = {"name": "p", "type": "struct", "array_len": 2, "size": 1}
    fields = [field | {"name": f"p{i}"} for i in range(count)]
    return stream(section(FULL, 3, "timer", b"0" * (2 * count)), EOF,
                  description([described("timer", fields)]))


def subsections(count):
    names = [f"timer/{i}" for i in range(count)]
    body = b"".join(b"\5" + counted(name) + struct.pack(">I", 1) for name in names)
    nested = [{"vmsd_name": name, "version": 1, "fields": []} for name in names]
    return stream(section(FULL, 3, "timer", body), EOF,
                  description([described("timer", [], 0, nested)]))


def device_sections(count, footer=True):
    return [section(FULL, 3 + i, "timer", b"abcd", i, footer=footer) for i in range(count)]


def devices(count):
    """Device sections, each described."""
    field = [{"name": "ticks", "type": "uint32", "size": 4}]
    return stream(*device_sections(count), EOF,
                  description([described("timer", field, i) for i in range(count)]))


def devices_undescribed(count):
    """Device sections that a description leaves out: a problem for each."""
    return stream(*device_sections(count), EOF, description([]))


def devices_without_description(count):
    return stream(*device_sections(count), EOF)


def devices_without_footers(count):
    """Neither a description nor footers: a section ends where a head follows."""
    start = section(START, 2, "ram", block_list([("pc.ram", PAGE_BYTES)]) + END_OF_SLICE,
                    version=4, footer=False)
    end = section(END, 2, body=END_OF_SLICE, footer=False)
    return b"".join((opening("pc-i440fx-2.2"), start, end, *device_sections(count, False), EOF))


def described_only(count):
    """A description of devices that are not there, of empty fields."""
    fields = [{} for _ in range(count)]
    return stream(EOF, description([described("timer", fields)]))


def large_description(count):
    """Fields with names so long that 524200 of them fill the text that is read."""
    fields = [{"name": "x" * 115}] * count
    return stream(section(FULL, 3, "timer"), EOF, description([described("timer", fields)]))


def iterables(count):
    """Sections that are started and ended."""
    parts = []
    for i in range(count):
        parts += [section(START, 3 + i, "spapr/htab", struct.pack(">I", 7), i),
                  section(END, 3 + i, body=struct.pack(">I", 0xFFFFFFFF))]
    return stream(*parts, EOF)


def slices(count):
    """Slices of memory that hold nothing."""
    return b"".join((opening(), section(START, 2, "ram",
                                        block_list([("pc.ram", PAGE_BYTES)]) + END_OF_SLICE, version=4),
                     *(section(PART, 2, body=END_OF_SLICE) for _ in range(count)),
                     section(END, 2, body=END_OF_SLICE), EOF))


def ram_blocks(count):
    blocks = [(f"block{i}", PAGE_BYTES) for i in range(count)]
    pages = b"".join(page(0, ZERO_PAGE, b"\0", name) for name, _ in blocks)
    return b"".join((opening(), ram(blocks, pages), EOF))


def mapped_blocks(count):
    """Blocks of a mapped-ram file, of one absent page each."""
    out = bytearray(opening(capabilities=("mapped-ram",)))
    out += section(START, 2, "ram", struct.pack(">Q", count * PAGE_BYTES | 4), version=4, footer=False)
    for i in range(count):
        name = f"block{i}"
        out += counted(name) + struct.pack(">Q", PAGE_BYTES)
        head = len(out) + 4 + 8 + 8 + 8
        out += struct.pack(">IQQQ", 1, PAGE_BYTES, head, head + 8) + bytes(8 + PAGE_BYTES)
    out += END_OF_SLICE + struct.pack(">BI", FOOTER, 2)
    out += section(END, 2, body=END_OF_SLICE)
    return bytes(out) + EOF


def shuffled_pages(count):
    """Pages in no order at all."""
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    pages = [page(number * PAGE_BYTES, ZERO_PAGE, b"\0", "pc.ram") for number in numbers]
    return b"".join((opening(), ram([("pc.ram", count * PAGE_BYTES)], b"".join(pages)), EOF))


def pages_apart(count):
    """Pages far from each other."""
    apart = 1025 * PAGE_BYTES
    pages = [page(i * apart, ZERO_PAGE, b"\0", "pc.ram") for i in range(count)]
    return b"".join((opening(), ram([("pc.ram", count * apart)], b"".join(pages)), EOF))


def passes(count):
    """One page again and again: each time a pass."""
    pages = page(0, ZERO_PAGE, b"\0", "pc.ram") * count
    return b"".join((opening(), ram([("pc.ram", 2 * PAGE_BYTES)], pages), EOF))


def deltas(count):
    """One page, and changes to it."""
    delta = page(0, XBZRLE, b"\1" + struct.pack(">H", 3) + b"\0\1x", "pc.ram")
    pages = page(0, PAGE, bytes(PAGE_BYTES), "pc.ram") + delta * count
    return b"".join((opening(), ram([("pc.ram", 2 * PAGE_BYTES)], pages), EOF))


def commands(count):
    pings = b"".join(command(PING, struct.pack(">I", i)) for i in range(count))
    return b"".join((opening(), pings, ram([("pc.ram", PAGE_BYTES)]), EOF))


def discards(count):
    """Pages that a postcopy migration takes back, every second one."""
    ranges = [struct.pack(">QQ", 2 * i * PAGE_BYTES, PAGE_BYTES) for i in range(count)]
    head = b"\0" + counted("pc.ram") + b"\0"
    several = [command(DISCARD, head + b"".join(ranges[i:i + 12])) for i in range(0, count, 12)]
    return b"".join((opening(), command(3, struct.pack(">QQ", PAGE_BYTES, PAGE_BYTES)),
                     section(START, 2, "ram", block_list([("pc.ram", 2 * count * PAGE_BYTES)])
                             + END_OF_SLICE, version=4), *several,
                     section(END, 2, body=END_OF_SLICE), EOF))


def gaps(count):
    """Places that are no stream, each followed by a section."""
    broken = [b"\xff" * 8 + section(FULL, 3 + i, "timer", b"abcd", i) for i in range(count)]
    return stream(*broken, EOF)


def small_members(count):
    """A stream in gzip members of hardly any bytes."""
    plain = stream(EOF)
    member = gzip.compress(b"", 1, mtime=0)
    return gzip.compress(plain[:20], mtime=0) + member * count + gzip.compress(plain[20:], mtime=0)


def small_frames(count):
    """The same in zstd frames: stored blocks, no checksum."""
    def frame(content):
        return (struct.pack("<IBI", 0xFD2FB528, 0xA0, len(content)) +
                struct.pack("<I", len(content) << 3 | 1)[:3] + content)
    plain = stream(EOF)
    return frame(plain[:20]) + frame(b"") * count + frame(plain[20:])


STREAMED = ("info", "verify", "explain", "index", "restore")
WITH_DEVICES = ("info", "devices", "verify", "explain", "dump", "hexdump", "index", "restore")
WITH_PAGES = ("info", "ram", "verify", "explain", "index", "restore")


@dataclasses.dataclass
class Hostile:
    """Inputs of one kind."""
    make: collections.abc.Callable
    title: str
    count: int  # of the smallest
    commands: tuple
    most_mib: int = 256

    @property
    def name(self):
        return self.make.__name__


CLASSES = (
    Hostile(null_arrays, "fields of one device that may hide elements", 10000, WITH_DEVICES),
    Hostile(subsections, "subsections of one device", 10000, WITH_DEVICES),
    Hostile(devices, "device sections", 8000, WITH_DEVICES),
    Hostile(devices_undescribed, "device sections that the description leaves out", 8000, WITH_DEVICES),
    Hostile(devices_without_description, "device sections without a description", 8000, WITH_DEVICES),
    Hostile(devices_without_footers, "device sections without footers", 8000, WITH_DEVICES),
    Hostile(devices_without_description, "device sections, more than the limit", 100000, STREAMED),
    Hostile(described_only, "fields of a device that is not there", 60000, STREAMED),
    Hostile(large_description, "fields with long names", 65525, STREAMED, 640),
    Hostile(iterables, "iterable sections", 8000, STREAMED),
    Hostile(slices, "empty slices of memory", 100000, STREAMED),
    Hostile(ram_blocks, "RAM blocks", 2000, WITH_PAGES),
    Hostile(mapped_blocks, "RAM blocks of a mapped-ram file", 2000, WITH_PAGES[:-1]),
    Hostile(shuffled_pages, "pages in no order", 100000, WITH_PAGES),
    Hostile(pages_apart, "pages far apart", 100000, WITH_PAGES),
    Hostile(passes, "passes over one page", 50000, WITH_PAGES),
    Hostile(deltas, "deltas of one page", 100000, WITH_PAGES),
    Hostile(commands, "commands", 100000, STREAMED),
    Hostile(discards, "pages discarded", 100000, STREAMED),
    Hostile(gaps, "damaged places", 8000, STREAMED),
    Hostile(small_members, "gzip members", 20000, STREAMED),
    Hostile(small_frames, "zstd frames", 20000, STREAMED),
)
