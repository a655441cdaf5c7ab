# SPDX-License-Identifier: MIT
"""Damage to the frame of a stream: heads and ends of sections, whole sections, devices, commands, the end.

Functions of a healthy stream and a source of numbers; None where that stream cannot have the damage.
"""
import json
import struct

import hostile_inputs as wire
from agreement_damage import Damage, Edit, cut_at, flip, flipped, replaced

COMMANDS = range(1, 12)  # those that there are
FIXED_LENGTHS = {1: 0, 2: 4, 4: 0, 5: 0, 7: 4, 8: 0, 11: 0}


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


def no_release(_image, _rng):
    """Nothing is wrong with the stream, but the release has not its machine type or a part of it."""
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
        # A background snapshot has none either, but every page, and no start of a switchover.
        others = sum(not record.offset <= page.offset < record.end for page in image.pages)
        is_cut = not image.is_mapped and others < sum(image.block_lengths.values()) // image.page_bytes
        return Damage("left out", True if image.has_switchover or is_cut else None,
                      (Edit(record.offset, record.length),))
    return Damage("twice", True, (Edit(record.end, 0, image[record]),))


def ram_order(image, rng):
    """The start of the memory stands after its first pages, or its end after devices."""
    start, *parts, end = [record for record in image.records if record.idstr == "ram" and record.is_section]
    if end.type != "end":
        return None
    if parts and not image.is_mapped and rng.random() < 0.3:
        what, moved, place = "start after pages", start, parts[0].end
    else:
        what, moved, place = "end after devices", end, rng.choice([*image.devices[1:], image.eof]).offset
    return Damage(f"{what}, at {place:#x}", True,
                  (Edit(moved.offset, moved.length), Edit(place, 0, image[moved])))


def ram_part(image, rng):
    records = [record for record in image.of_type("part") if record.idstr == "ram"]
    if not records:
        return None
    record = rng.choice(records)
    if rng.random() < 0.5:
        return Damage("twice", None, (Edit(record.end, 0, image[record]),))
    return Damage("left out", None, (Edit(record.offset, record.length),))


# --- devices ------------------------------------------------------------------------------------


def device_field(image, rng):
    record = rng.choice(image.devices)
    pieces = [piece for piece in image.pieces_of(record) if piece.kind == "body"]
    if not pieces:
        return None
    piece = rng.choice(pieces)
    what, edits = flip(image, rng, piece)
    marker = "null" in piece.meaning.lower()
    # Values that QEMU compares with its own, or of which it takes two only.
    unsure = any(word in piece.meaning for word in ("equal", "bool", "irq_state"))
    return Damage(f"{record.idstr}: {piece.meaning} at {what}", True if marker else None if unsure else False,
                  edits)


def subsection(image, rng):
    return flipped(image, rng, [piece for piece in image.pieces if "(subsection)" in piece.meaning], True)


# --- the end ------------------------------------------------------------------------------------


def end_mark(image, rng):
    if rng.random() < 0.3:
        told = True if image.description else told_when_cut(image, image.eof.offset)
        return Damage("left out", told, (Edit(image.eof.offset, 1),))
    return flipped(image, rng, image.meant("end of the sections"), True)


def told_when_cut(image, place):
    """Without footers and a description the last byte of a device can be taken for the mark of the end."""
    bounded = image.has_footers or place <= image.devices[0].offset
    return True if bounded or image.bytes[place - 1] else None


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


def cut_between(image, rng):
    """Where a record ends, before the mark of the end."""
    place = rng.choice([record.offset for record in image.records[1:] if record.offset <= image.eof.offset])
    return cut_at(image, place, told_when_cut(image, place))


def cut_within(image, rng):
    """A record of any type."""
    kinds = sorted({record.type for record in image.records if record.offset < image.eof.offset})
    record = rng.choice(image.of_type(rng.choice(kinds)))
    pieces = [piece for piece in image.pieces_of(record) if piece.length > 1]
    piece = rng.choice(pieces)
    place = rng.randrange(piece.offset + 1, piece.end)
    return cut_at(image, place, told_when_cut(image, place))


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
