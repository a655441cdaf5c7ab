# SPDX-License-Identifier: MIT
"""Damage to a healthy stream, of one kind each, and whether a reader of its bytes can tell.

Told by the framing (types, lengths, ids, footers, the end), by the rules of what is in a page, a block
list, a command or a header of mapped-ram, or by the description. What any guest may hold, such as
a byte of a page or of a device's field, cannot be told. None where both answers are right.
"""
import dataclasses


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


def cut_at(image, place, told):
    return Damage(f"at {place:#x} of {len(image.bytes):#x}", told, (Edit(place, len(image.bytes) - place),))
