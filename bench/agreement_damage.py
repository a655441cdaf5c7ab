# SPDX-License-Identifier: MIT
"""Damage to a healthy stream, of one kind each, and whether a reader of its bytes can tell.

Told by the framing (types, lengths, ids, footers, the end), by the rules of what is in a page, a block
list, a command or a header of mapped-ram, or by the description. What any guest may hold, such as
a byte of a page or of a device's field, cannot be told. None where both answers are right.
"""
import collections.abc
import dataclasses
import json
import struct
import zlib

import hostile_inputs as wire
from agreement_stream import COMPRESSED, MEM_SIZE, XBZRLE, ZERO_PAGE, PAGE

COMMANDS = range(1, 12)  # those that there are
FIXED_LENGTHS = {1: 0, 2: 4, 4: 0, 5: 0, 7: 4, 8: 0, 11: 0}


@dataclasses.dataclass(frozen=True)
class Edit:
    offset: int
    removed: int = 0
    inserted: bytes = b""


@dataclasses.dataclass(frozen=True)
class Damage:
    what: str
    told: bool | None
    edits: tuple

    def apply(self, stream):
        parts, at = [], 0
        for edit in sorted(self.edits, key=lambda edit: edit.offset):
            parts += [stream[at:edit.offset], edit.inserted]
            at = edit.offset + edit.removed
        return b"".join((*parts, stream[at:]))


def replaced(image, offset, new):
    """`new` takes the place of as many bytes."""
    old = image.bytes[offset:offset + len(new)]
    return f"{offset:#x}: {old.hex()} -> {new.hex()}", (Edit(offset, len(new), bytes(new)),)


def flip(image, rng, piece):
    """One bit of these bytes is another."""
    offset = piece.offset + rng.randrange(piece.length)
    return replaced(image, offset, bytes([image.bytes[offset] ^ 1 << rng.randrange(8)]))


def flipped(image, rng, pieces, told):
    """One bit of one of the pieces."""
    if not pieces:
        return None
    piece = rng.choice(pieces)
    what, edits = flip(image, rng, piece)
    return Damage(f"{piece.meaning} at {what}", told, edits)


def name_of(record):
    return f"{record.type} {record.idstr}".strip()


def described(image, record):
    """The description can tell what became of this section's head or body."""
    return record.type != "full" or image.description is not None


def some_section(image, rng):
    """As often one of an iterable as one of a device."""
    parts = [record for record in image.records if record.is_section and record.type != "full"]
    return rng.choice(rng.choice([parts, image.devices]))


def with_head(image, rng):
    return rng.choice([*image.devices, *image.of_type("start") * 4])


# --- the head of the stream ---------------------------------------------------------------------


def none(_image, _rng):
    return Damage("nothing", False, ())


def header(image, rng):
    if rng.random() < 0.3:
        what, edits = replaced(image, 4, struct.pack(">I", rng.choice([0, 1, 2, 4, 0x300])))
        return Damage(f"version at {what}", True, edits)
    return flipped(image, rng, image.pieces_of(image.records[0]), True)


def configuration(image, rng):
    """A machine's name or an UUID may be any; the rest of it has one form."""
    if not image.configuration:
        return None
    pieces = image.pieces_of(image.configuration)
    piece = rng.choice(pieces)
    what, edits = flip(image, rng, piece)
    told = None if piece.meaning.startswith(("machine type", "uuid", "UUID")) else True
    return Damage(f"{piece.meaning} at {what}", told, edits)


def configuration_twice(image, rng):
    record = image.configuration
    if not record:
        return None
    if rng.random() < 0.3:
        return Damage("left out", None, (Edit(record.offset, record.length),))
    places = [record.end, *(other.offset for other in image.records[3:])]
    place = rng.choice(places)
    return Damage(f"again at {place:#x}", True, (Edit(place, 0, image[record]),))


# --- the heads and the ends of sections ---------------------------------------------------------


def head_piece(image, record, meaning):
    return [piece for piece in image.pieces_of(record) if piece.meaning.startswith(meaning)][:1]


def section_type(image, rng):
    record = some_section(image, rng)
    old = image.bytes[record.offset]
    new = rng.choice([*(old ^ 1 << bit for bit in range(8)), *(set(range(10)) - {old})])
    what, edits = replaced(image, record.offset, bytes([new]))
    # QEMU takes a start and a full, and a part and an end, for the same.
    same = any({old, new} <= pair for pair in ({1, 4}, {2, 3}))
    return Damage(f"type of {name_of(record)} at {what}", None if same else True, edits)


def section_id(image, rng):
    record = some_section(image, rng)
    piece = head_piece(image, record, "section id")
    return flipped(image, rng, piece, True if record.footer or record.type != "full" else None)


def section_name(image, rng):
    record = with_head(image, rng)
    length = rng.random() < 0.4
    piece = head_piece(image, record, "length of idstr" if length else "idstr")
    return flipped(image, rng, piece, True if length or described(image, record) else None)


def section_instance(image, rng):
    record = with_head(image, rng)
    piece = head_piece(image, record, "instance id")
    return flipped(image, rng, piece, True if described(image, record) else None)


def section_version(image, rng):
    record = with_head(image, rng)
    told = True if described(image, record) else None
    piece = head_piece(image, record, "version id")[0]
    if rng.random() < 0.5:
        return flipped(image, rng, [piece], told)
    old = struct.unpack(">I", image[piece])[0]
    new = rng.choice([value for value in (old + 1, old - 1, old + 2, 0, 255) if value not in (old, -1)])
    what, edits = replaced(image, piece.offset, struct.pack(">I", new))
    return Damage(f"{piece.meaning} at {what}", told, edits)


def footer(image, rng):
    records = [record for record in image.records if record.footer]
    if not records:
        return None
    record = some_section(image, rng)
    if rng.random() < 0.3:
        return Damage(f"none after {name_of(record)}", True, (Edit(record.body_end, 5),))
    return flipped(image, rng, [piece for piece in image.pieces_of(record)
                                if piece.offset >= record.body_end], True)


def bytes_inserted(image, rng):
    record = some_section(image, rng)
    told = True if record.footer or described(image, record) else None
    extra = rng.choice([bytes, rng.randbytes])(rng.choice([1, 1, 2, 4, 8, 4096]))
    return Damage(f"{len(extra)} bytes at the end of {name_of(record)}", told,
                  (Edit(record.body_end, 0, extra),))


def bytes_removed(image, rng):
    records = [record for record in image.records if record.is_section and record.body_length > 1]
    devices = [record for record in records if record.type == "full"]
    record = rng.choice(rng.choice([records, devices]))
    count = rng.randint(1, min(8, record.body_length))
    told = True if record.footer or described(image, record) else None
    return Damage(f"{count} bytes from the end of {name_of(record)}", told,
                  (Edit(record.body_end - count, count),))


# --- whole sections -----------------------------------------------------------------------------


def device_twice(image, rng):
    record = rng.choice(image.devices)
    copy, how = bytearray(image[record]), "same id"
    if rng.random() < 0.4:
        how = "another id"
        for place in (1, len(copy) - 4)[:2 if record.footer else 1]:
            struct.pack_into(">I", copy, place, 0x7000)
    place = rng.choice([record.end, image.eof.offset])
    return Damage(f"{record.idstr} again at {place:#x}, {how}", True, (Edit(place, 0, bytes(copy)),))


def device_removed(image, rng):
    record = rng.choice(image.devices)
    return Damage(f"{record.idstr} left out", bool(image.description), (Edit(record.offset, record.length),))


def device_unknown(image, rng):
    """A section of a device that no machine has."""
    place = rng.choice([*image.devices, image.eof]).offset
    name = rng.choice(["nodevice", "0000:00:1f.7/nodevice", "timer2"])
    section = wire.section(wire.FULL, 0x7001, name, rng.randbytes(16), footer=image.has_footers)
    return Damage(f"{name} at {place:#x}", True if image.description else None, (Edit(place, 0, section),))


def devices_swapped(image, rng):
    at = rng.randrange(len(image.devices) - 1)
    first, second = image.devices[at], image.devices[rng.randint(at + 1, len(image.devices) - 1)]
    return Damage(f"{first.idstr} and {second.idstr} swapped", None,
                  (Edit(first.offset, first.length, image[second]),
                   Edit(second.offset, second.length, image[first])))


def ram_start(image, rng):
    record = next(record for record in image.of_type("start") if record.idstr == "ram")
    if image.is_mapped or rng.random() < 0.5:
        return Damage("left out", True, (Edit(record.offset, record.length),))
    return Damage("twice", True, (Edit(record.end, 0, image[record]),))


def ram_end(image, rng):
    record = next((record for record in image.of_type("end") if record.idstr == "ram"), None)
    if not record:
        return None
    if rng.random() < 0.5:
        # A background snapshot has none either, but no start of a switchover.
        return Damage("left out", True if image.has_switchover else None,
                      (Edit(record.offset, record.length),))
    return Damage("twice", True, (Edit(record.end, 0, image[record]),))


def ram_part(image, rng):
    records = [record for record in image.of_type("part") if record.idstr == "ram"]
    if not records:
        return None
    record = rng.choice(records)
    if rng.random() < 0.5:
        return Damage("twice", None, (Edit(record.end, 0, image[record]),))
    return Damage("left out", None, (Edit(record.offset, record.length),))


# --- memory -------------------------------------------------------------------------------------


def block_list(image, rng):
    """The total, and names and lengths of the blocks. A block whose pages nobody names may have any."""
    pieces = image.meant("RAM 0x", "length of RAM block", "length 0x")
    names = image.meant("RAM block '")
    piece = rng.choice(rng.choice([pieces, names]))
    named = any(image[piece].decode() == page.block for page in image.pages)
    told = True if piece in pieces or named else None
    return flipped(image, rng, [piece], told)


def slice_end(image, rng):
    """What closes a slice of memory."""
    return flipped(image, rng, image.meant("flags 0x10"), True)


def spread_pages(image, rng):
    """Pages, those that name their block and those of rare kinds as often as the others."""
    named = [page for page in image.pages if page.is_named]
    kinds = [named, *([page for page in image.pages if page.flags & kind]
                      for kind in (ZERO_PAGE, PAGE, XBZRLE, COMPRESSED))]
    kinds = [kind for kind in kinds if kind]
    return rng.choice(rng.choice(kinds)) if kinds else None


def page_flags(image, rng):
    page = spread_pages(image, rng)
    if not page:
        return None
    bits = image.page_bytes.bit_length() - 1
    old = page.address | page.flags
    new = old ^ 1 << rng.randrange(bits)
    if rng.random() < 0.2:
        new = page.address | rng.randrange(1 << bits)
    if new == old:
        return None
    what, edits = replaced(image, page.offset, struct.pack(">Q", new))
    return Damage(f"flags of a page at {what}", True, edits)


def page_address(image, rng):
    """A page has another place in its block, or one past its end."""
    page = spread_pages(image, rng)
    if not page:
        return None
    new = page.address ^ 1 << rng.randrange(image.page_bytes.bit_length() - 1, 64)
    what, edits = replaced(image, page.offset, struct.pack(">Q", new | page.flags))
    past = new >= image.block_lengths[page.block]
    return Damage(f"address of a page at {what}", True if past else None, edits)


def page_past_block(image, rng):
    page = spread_pages(image, rng)
    if not page:
        return None
    length = image.block_lengths[page.block]
    new = length + image.page_bytes * rng.choice([0, 0, 1, 7, 1 << 20])
    what, edits = replaced(image, page.offset, struct.pack(">Q", new | page.flags))
    return Damage(f"address of a page of {page.block} at {what}", True, edits)


def page_block(image, rng):
    """The name of the block that a page belongs to."""
    pages = [page for page in image.pages if page.is_named]
    if not pages:
        return None
    page = rng.choice(pages)
    other = rng.choice([name for name in [*image.block_lengths, "pc.ran", ""] if name != page.block])
    if rng.random() < 0.5:
        offset = page.offset + 8 + rng.randrange(1 + len(page.block))
        what, edits = replaced(image, offset, bytes([image.bytes[offset] ^ 1 << rng.randrange(8)]))
        return Damage(f"block of a page at {what}", True, edits)
    # Its pages, and all that go on from it, are in the other block, if that is large enough.
    known = image.block_lengths.get(other, 0) > page.address
    return Damage(f"{other or 'nothing'} instead of {page.block} at {page.offset:#x}",
                  None if known else True,
                  (Edit(page.offset + 8, 1 + len(page.block), wire.counted(other)),))


def zero_fill(image, rng):
    """QEMU has written only zero for long, and refuses another byte since 9.0."""
    pages = [page for page in image.pages if page.flags & ZERO_PAGE]
    if not pages:
        return None
    page = rng.choice(pages)
    what, edits = replaced(image, page.payload, bytes([rng.randrange(1, 256)]))
    return Damage(f"fill of a page at {what}", None, edits)


def page_content(image, rng):
    pages = [page for page in image.pages if page.flags & PAGE]
    if pages:
        page = rng.choice(pages)
        offset = page.payload + rng.randrange(page.payload_length)
    elif image.is_mapped:
        pieces = [piece for piece in image.pieces if piece.kind == "page"]
        piece = rng.choice(pieces)
        offset = piece.offset + rng.randrange(piece.length)
    else:
        return None
    what, edits = replaced(image, offset, bytes([image.bytes[offset] ^ 1 << rng.randrange(8)]))
    return Damage(f"content of a page at {what}", False, edits)


def is_delta(payload, page_bytes):
    """Whether this is the payload of a page sent as a change, by the rules."""
    if payload[0] != 1:
        return False
    delta, at, page_at = payload[3:], 0, 0

    def length():
        nonlocal at
        value = delta[at] & 0x7F
        at += 1
        if delta[at - 1] & 0x80:
            value |= delta[at] << 7
            at += 1
            if delta[at - 1] & 0x80:
                raise ValueError
        return value

    try:
        while at < len(delta):
            kept_at, kept = at, length()
            if kept_at and not kept:
                return False
            changed = length()
            page_at += kept + changed
            if not changed or page_at > page_bytes or at + changed > len(delta):
                return False
            at += changed
    except (ValueError, IndexError):
        return False
    return True


def delta_page(image, rng):
    """A page sent as a change: its kind, its length, a byte of it, or lengths that reach too far."""
    pages = [page for page in image.pages if page.flags & XBZRLE]
    if not pages:
        return None
    page = rng.choice(pages)
    payload = image.bytes[page.payload:page.payload + page.payload_length]
    choice = rng.randrange(4)
    if choice == 0:
        what, edits = replaced(image, page.payload, bytes([payload[0] ^ 1 << rng.randrange(8)]))
        return Damage(f"kind of a change at {what}", True, edits)
    if choice == 1:
        new = struct.unpack_from(">H", payload, 1)[0] ^ 1 << rng.randrange(16)
        what, edits = replaced(image, page.payload + 1, struct.pack(">H", new))
        return Damage(f"length of a change at {what}", True, edits)
    if choice == 2:
        delta = rng.choice([b"\0\xff\x7f" + b"x" * 16, b"\xff\x1f\2xx", b"\0\0", b"\1\1", b"\x80\x80\1\1x"])
        new = b"\1" + struct.pack(">H", len(delta)) + delta
        return Damage(f"{delta.hex()} as a change at {page.payload:#x}", True,
                      (Edit(page.payload, page.payload_length, new),))
    place = 3 + rng.randrange(len(payload) - 3)
    new = bytearray(payload)
    new[place] ^= 1 << rng.randrange(8)
    what, edits = replaced(image, page.payload + place, new[place:place + 1])
    return Damage(f"byte of a change at {what}", None if is_delta(new, image.page_bytes) else True, edits)


def inflates(content, page_bytes):
    decoder = zlib.decompressobj()
    try:
        page = decoder.decompress(content, page_bytes + 1)
    except zlib.error:
        return False
    return decoder.eof and len(page) == page_bytes and not decoder.unused_data


def compressed_page(image, rng):
    """A page sent as a zlib stream: its length, a byte of it, or one that holds too much or too little."""
    pages = [page for page in image.pages if page.flags & COMPRESSED]
    if not pages:
        return None
    page = rng.choice(pages)
    content = bytearray(image.bytes[page.payload + 4:page.payload + page.payload_length])
    choice = rng.randrange(3)
    if choice == 0:
        new = len(content) ^ 1 << rng.randrange(32)
        what, edits = replaced(image, page.payload, struct.pack(">I", new))
        return Damage(f"length of zlib at {what}", True, edits)
    if choice == 1:
        pages = rng.choice([0, 0.5, 2, 1024])
        content = zlib.compress(bytes(int(image.page_bytes * pages)))
        return Damage(f"zlib of {pages} pages at {page.payload:#x}", True,
                      (Edit(page.payload, page.payload_length, struct.pack(">I", len(content)) + content),))
    place = rng.randrange(len(content))
    content[place] ^= 1 << rng.randrange(8)
    what, edits = replaced(image, page.payload + 4 + place, content[place:place + 1])
    return Damage(f"byte of zlib at {what}", None if inflates(content, image.page_bytes) else True, edits)


def mapped_header(image, rng):
    """Header of a block in a mapped-ram file."""
    pieces = image.meant("mapped-ram header version", "page size", "bitmap at", "pages at")
    if not image.is_mapped:
        return None
    piece = rng.choice(pieces)
    if rng.random() < 0.5:
        return flipped(image, rng, [piece], True)
    old = int.from_bytes(image[piece])
    steps = {"mapped-ram header version": (-1, 1), "page size": (old, -old // 2, -old),
             "bitmap at": (-8, 8, 4096, -old), "pages at": (-4096, 4096, -(1 << 20), 1 << 20, -old)}
    step = rng.choice(next(value for key, value in steps.items() if piece.meaning.startswith(key)))
    what, edits = replaced(image, piece.offset, (old + step).to_bytes(piece.length))
    return Damage(f"{piece.meaning} at {what}", True, edits)


def mapped_bitmap(image, rng):
    """Pages come or go, as they may."""
    if not image.is_mapped:
        return None
    place = rng.randrange(len(image.block_lengths))
    start = image.meant("bitmap of stored pages")[place].offset
    count = list(image.block_lengths.values())[place] // image.page_bytes
    bit = rng.randrange(count)
    offset = start + bit // 8
    what, edits = replaced(image, offset, bytes([image.bytes[offset] ^ 1 << bit % 8]))
    return Damage(f"bitmap at {what}", None, edits)


def other_iterable(image, rng):
    """What else is sent in parts: disks and their dirty bitmaps."""
    records = [record for record in image.of_type("start", "part", "end") if record.idstr != "ram"]
    if not records:
        return None
    record = rng.choice(records)
    return flipped(image, rng, [piece for piece in image.pieces_of(record)
                                if record.body <= piece.offset < record.body_end], None)


# --- devices ------------------------------------------------------------------------------------


def device_field(image, rng):
    record = rng.choice(image.devices)
    pieces = [piece for piece in image.pieces_of(record) if piece.kind == "body"]
    if not pieces:
        return None
    piece = rng.choice(pieces)
    what, edits = flip(image, rng, piece)
    marker = "null" in piece.meaning.lower()
    return Damage(f"{record.idstr}: {piece.meaning} at {what}", True if marker else None if
                  "equal" in piece.meaning or "bool" in piece.meaning else False, edits)


def subsection(image, rng):
    return flipped(image, rng, [piece for piece in image.pieces if "(subsection)" in piece.meaning], True)


# --- the end ------------------------------------------------------------------------------------


def end_mark(image, rng):
    if rng.random() < 0.3:
        return Damage("left out", True, (Edit(image.eof.offset, 1),))
    return flipped(image, rng, image.meant("end of the sections"), True)


def early_end(image, rng):
    """The mark of the end, and valid sections after it."""
    place = rng.choice([record.offset for record in image.records[2:] if record.offset < image.eof.offset])
    return Damage(f"at {place:#x}", True, (Edit(place, 0, b"\0"),))


def facts(text):
    """What of a description the sections' bytes must agree with; None if it is none."""
    def of_fields(thing):
        return ([(field.get("size"), field.get("array_len"), of_fields(field.get("struct", {})))
                 for field in thing.get("fields", [])],
                [(part.get("vmsd_name"), part.get("version"), of_fields(part))
                 for part in thing.get("subsections", [])])
    try:
        read = json.loads(text)
        return [(device["name"], device["instance_id"], device["version"], of_fields(device))
                for device in read["devices"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def description_changed(image, rng):
    """What is no description any more is told, and one that the sections contradict."""
    if not image.description:
        return None
    record = image.description
    if rng.random() < 0.3:
        return flipped(image, rng, [piece for piece in image.pieces_of(record)
                                    if piece.kind != "description"], True)
    text = bytearray(image[record][5:])
    place = rng.randrange(len(text))
    text[place] ^= 1 << rng.randrange(8)
    what, edits = replaced(image, record.offset + 5 + place, text[place:place + 1])
    told = None if facts(text) == facts(image[record][5:]) else True
    return Damage(f"description at {what}", told, edits)


def description_cut(image, rng):
    record = image.description
    if not record:
        return None
    place = rng.choice([record.offset, rng.randrange(record.offset + 1, record.offset + 6),
                        rng.randrange(record.offset + 6, record.end), record.end - 1])
    return cut_at(image, place, False if place == record.offset else True)


def cut_at(image, place, told):
    return Damage(f"at {place:#x} of {len(image.bytes):#x}", told, (Edit(place, len(image.bytes) - place),))


def cut_between(image, rng):
    """Where a record ends, before the mark of the end."""
    return cut_at(image, rng.choice([record.offset for record in image.records[1:]
                                     if record.offset <= image.eof.offset]), True)


def cut_within(image, rng):
    """A record of any type."""
    kinds = sorted({record.type for record in image.records if record.offset < image.eof.offset})
    record = rng.choice(image.of_type(rng.choice(kinds)))
    pieces = [piece for piece in image.pieces_of(record) if piece.length > 1]
    piece = rng.choice(pieces)
    return cut_at(image, rng.randrange(piece.offset + 1, piece.end), True)


def padding(image, rng):
    """A reader stops where the stream does."""
    count = rng.choice([1, 511, 4096, 1 << 20])
    return Damage(f"{count} zeros", False, (Edit(len(image.bytes), 0, bytes(count)),))


def more_after(image, rng):
    """Bytes that are no padding: noise, or sections."""
    if rng.random() < 0.5:
        return Damage("noise", None, (Edit(len(image.bytes), 0, rng.randbytes(rng.choice([1, 16, 4096]))),))
    more = b"".join(image[record] for record in rng.sample(image.devices, 3))
    return Damage("sections", True, (Edit(len(image.bytes), 0, more),))


# --- commands -----------------------------------------------------------------------------------


def command(image, rng):
    places = [record.offset for record in image.records[2:] if record.offset <= image.eof.offset]
    choice = rng.randrange(4)
    if choice == 0 and image.of_type("command"):
        piece = rng.choice(image.pieces_of(rng.choice(image.of_type("command"))))
        # It may be another command then.
        return flipped(image, rng, [piece], None if piece.meaning.startswith("command ") else True)
    if choice <= 1:
        number, told = rng.choice([0, 12, 0x7F, 0xFFFF]), True
        payload = bytes(rng.choice([0, 4, 171]))
    elif choice == 2:
        number, told = rng.choice(list(FIXED_LENGTHS)), True
        payload = bytes(FIXED_LENGTHS[number] + rng.choice([1, 4]))
    else:
        number, told = rng.choice(list(COMMANDS)), None
        payload = rng.randbytes(FIXED_LENGTHS.get(number, rng.choice([0, 16])))
    place = rng.choice(places)
    return Damage(f"{number} with {len(payload)} bytes at {place:#x}", told,
                  (Edit(place, 0, wire.command(number, payload)),))


@dataclasses.dataclass(frozen=True)
class Kind:
    title: str
    make: collections.abc.Callable  # of an image and a source of numbers; None where it cannot be

    @property
    def name(self):
        return self.make.__name__


KINDS = (
    Kind("none", none),
    Kind("header: a bit, the version", header),
    Kind("configuration: a bit", configuration),
    Kind("configuration twice, left out", configuration_twice),
    Kind("section: type", section_type),
    Kind("section: id", section_id),
    Kind("section: name", section_name),
    Kind("section: instance", section_instance),
    Kind("section: version", section_version),
    Kind("section: footer", footer),
    Kind("section: bytes inserted", bytes_inserted),
    Kind("section: bytes removed", bytes_removed),
    Kind("device twice", device_twice),
    Kind("device left out", device_removed),
    Kind("device that nobody has", device_unknown),
    Kind("devices swapped", devices_swapped),
    Kind("RAM start twice, left out", ram_start),
    Kind("RAM part twice, left out", ram_part),
    Kind("RAM end twice, left out", ram_end),
    Kind("RAM block list", block_list),
    Kind("RAM slice's end", slice_end),
    Kind("page: flags", page_flags),
    Kind("page: address", page_address),
    Kind("page past its block", page_past_block),
    Kind("page: name of its block", page_block),
    Kind("page: fill byte", zero_fill),
    Kind("page: content", page_content),
    Kind("page sent as a change", delta_page),
    Kind("page in zlib", compressed_page),
    Kind("mapped-ram header", mapped_header),
    Kind("mapped-ram bitmap", mapped_bitmap),
    Kind("disk or bitmap: a bit", other_iterable),
    Kind("device: a bit of a field", device_field),
    Kind("device: head of a subsection", subsection),
    Kind("command", command),
    Kind("end mark", end_mark),
    Kind("end mark too early", early_end),
    Kind("description: a bit", description_changed),
    Kind("description cut", description_cut),
    Kind("cut between records", cut_between),
    Kind("cut within a record", cut_within),
    Kind("zeros after the end", padding),
    Kind("more after the end", more_after),
)
