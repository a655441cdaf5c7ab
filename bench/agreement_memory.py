# SPDX-License-Identifier: MIT
"""Damage to the memory in a stream: the list of its blocks, its pages, the headers of a mapped-ram file.

Functions of a healthy stream and a source of numbers; None where that stream cannot have the damage.
"""
import struct
import zlib

import hostile_inputs as wire
from agreement_damage import Damage, Edit, flipped, replaced
from agreement_stream import COMPRESSED, PAGE, XBZRLE, ZERO_PAGE


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
