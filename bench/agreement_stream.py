# SPDX-License-Identifier: MIT
"""Where everything stands in a healthy stream: what damage is aimed at."""
import bisect
import dataclasses
import functools
import json
import struct
import subprocess

import hostile_inputs as wire

ZERO_PAGE, PAGE, XBZRLE, COMPRESSED = wire.ZERO_PAGE, wire.PAGE, wire.XBZRLE, 0x100
END_OF_SLICE = 0x10


@dataclasses.dataclass(frozen=True)
class Piece:
    """A stretch of bytes with one meaning."""
    offset: int
    length: int
    kind: str
    meaning: str
    idstr: str

    @property
    def end(self):
        return self.offset + self.length


@dataclasses.dataclass(frozen=True)
class Record:
    """Anything between two places where QEMU looks for the type of what follows."""
    offset: int
    length: int
    type: str  # header, configuration, start, part, end, full, command, eof, vmdesc
    idstr: str = ""
    section_id: int = 0
    body_length: int = 0
    footer: bool = False

    @property
    def end(self):
        return self.offset + self.length

    @property
    def body_end(self):
        return self.end - (5 if self.footer else 0)

    @property
    def body(self):
        return self.body_end - self.body_length

    @property
    def is_section(self):
        return self.type in ("start", "part", "end", "full")


@dataclasses.dataclass(frozen=True)
class Page:
    """A page record of a stream that is no mapped-ram file."""
    offset: int
    flags: int
    address: int
    block: str
    payload: int
    payload_length: int

    @property
    def is_named(self):
        return not self.flags & wire.CONTINUE


def ask(inspect, command, path):
    ran = subprocess.run([inspect, command, "--json", "--threads", "1", path], check=True,
                         capture_output=True)
    answer = json.loads(ran.stdout)
    if answer.get("problems"):
        raise ValueError(f"{path}: a healthy stream has problems: {answer['problems']}")
    return answer


class Image:
    """A healthy stream and the map of it, which vmstream-inspect draws."""

    def __init__(self, path, inspect):
        self.bytes = path.read_bytes()
        self.pieces = [Piece(**{field.name: piece.get(field.name, "")
                                for field in dataclasses.fields(Piece)})
                       for piece in ask(inspect, "hexdump", path)["bytes"]]
        known = [field.name for field in dataclasses.fields(Record)]
        self.records = [Record(**{name: record[name] for name in known if name in record})
                        for record in ask(inspect, "sections", path)["sections"]]

    def __getitem__(self, piece):
        """The bytes of a piece or a record."""
        return self.bytes[piece.offset:piece.end]

    def of_type(self, *types):
        return [record for record in self.records if record.type in types]

    def meant(self, *beginnings):
        """The pieces whose meaning begins so."""
        return [piece for piece in self.pieces if piece.meaning.startswith(beginnings)]

    def pieces_of(self, record):
        first, last = (bisect.bisect_left(self.pieces, end, key=lambda piece: piece.offset)
                       for end in (record.offset, record.end))
        return self.pieces[first:last]

    @functools.cached_property
    def devices(self):
        return self.of_type("full")

    @functools.cached_property
    def eof(self):
        return self.of_type("eof")[0]

    @functools.cached_property
    def description(self):
        """The record of the description, or nothing."""
        return next(iter(self.of_type("vmdesc")), None)

    @functools.cached_property
    def configuration(self):
        return next(iter(self.of_type("configuration")), None)

    @functools.cached_property
    def has_footers(self):
        return any(record.footer for record in self.records)

    @functools.cached_property
    def is_mapped(self):
        return bool(self.meant("mapped-ram header version"))

    @functools.cached_property
    def has_switchover(self):
        return bool(self.meant("command 11"))

    @functools.cached_property
    def page_bytes(self):
        if not self.description:
            return wire.PAGE_BYTES
        return json.loads(self[self.description][5:])["page_size"]

    @functools.cached_property
    def block_lengths(self):
        """By name, as the block list has them."""
        found = {}
        for name, length in zip(self.meant("RAM block '"), self.meant("length 0x")):
            found[self[name].decode()] = struct.unpack(">Q", self[length])[0]
        return found

    @functools.cached_property
    def pages(self):
        if self.is_mapped:
            return []
        found, block = [], ""
        for record in self.of_type("part", "end"):
            if record.idstr == "ram":
                for page in self._pages_of(record, block):
                    block = page.block
                    found.append(page)
        return found

    def _pages_of(self, record, block):
        at = record.body
        while True:
            word = struct.unpack_from(">Q", self.bytes, at)[0]
            flags = word & (self.page_bytes - 1)
            payload = at + 8
            if flags & END_OF_SLICE:
                return
            if flags & (ZERO_PAGE | PAGE | XBZRLE | COMPRESSED):
                if not flags & wire.CONTINUE:
                    count = self.bytes[payload]
                    block = self.bytes[payload + 1:payload + 1 + count].decode()
                    payload += 1 + count
                length = self._payload_length(flags, payload)
                yield Page(at, flags, word - flags, block, payload, length)
                payload += length
            at = payload

    def _payload_length(self, flags, payload):
        if flags & ZERO_PAGE:
            return 1
        if flags & PAGE:
            return self.page_bytes
        if flags & XBZRLE:
            return 3 + struct.unpack_from(">H", self.bytes, payload + 1)[0]
        return 4 + struct.unpack_from(">I", self.bytes, payload)[0]
