# SPDX-License-Identifier: MIT
"""Describes containers around a stream, byte by byte."""
import hashlib
import io
import struct
import tarfile

XML = (b"<domain type='qemu'>\n  <name>tiny</name>\n"
       b"  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n"
       b"  <graphics type='vnc' passwd='s3cret'/>\n</domain>\n")
COOKIE = b"<cookie>\n  <cpu><model fallback='forbid'>qemu64</model></cpu>\n</cookie>\n"
RAW, GZIP, BZIP2, XZ, LZOP, ZSTD, SPARSE = range(7)


def libvirt(stream, form=RAW, *, magic=b"LibvirtQemudSave", running=1, order="<", version=2, xml=XML,
            cookie=COOKIE, room=65536, said=None):
    """A save image; `said`: the length of the texts that its header tells."""
    texts = xml + b"\0" + (cookie + b"\0" if cookie else b"") + bytes(room)
    head = struct.pack(order + "5I", version, len(texts) if said is None else said, running, form,
                       len(xml) + 1 if cookie else 0)
    return magic + head + bytes(56) + texts + stream


def libxl(state):
    """What libxl writes around a device state, with a little memory in front."""
    def record(kind, body=b""):
        return struct.pack("<2I", kind, len(body)) + body + bytes(-len(body) % 8)
    memory = b"\xff" * 8 + b"XENF" + struct.pack(">IH", 3, 0) + bytes(6 + 16) + record(1, b"pages") + record(0)
    return (b"LibxlFmt" + struct.pack(">2I", 2, 0) + record(1) + memory +
            record(3, struct.pack("<2I", 2, 0) + state) + record(0))


def xl(content, flags=3, configuration=b"{}"):
    return (b"Xen saved domain, xl format\n \0 \r" + struct.pack("<5I", 0x01020304, flags, 0,
            4 + len(configuration), len(configuration)) + configuration + content)


def libvirt_xen(content, xml=XML):
    return b"libvirt-xml\n \0 \r" + struct.pack("<2I", 2, len(xml)) + bytes(40) + xml + content


def xen_record(state, signature=b"DeviceModelRecord0002"):
    return signature + struct.pack("<I", len(state)) + state


def vma(state, disk=b"\xdd" * 100 * 4096):
    """A backup with a disk and a VM state. As Proxmox does it, blocks of zeros are left out."""
    def digested(content, at):
        return content[:at] + hashlib.md5(content).digest() + content[at + 16:]

    uuid = b"\x77" * 16
    texts, places = b"\0", []
    for name in (b"drive\0", b"vmstate\0"):
        places.append(len(texts))
        texts += struct.pack("<H", len(name)) + name
    devices = bytes(32) + b"".join(struct.pack(">2I3Q", place, 0, 0, 0, 0) for place in places)
    size = (12288 + len(texts) + 511) // 512 * 512
    head = b"VMA\0" + struct.pack(">I", 1) + uuid + bytes(8 + 16) + struct.pack(">3I", 12288, len(texts), size)
    head = (head.ljust(4096, b"\0") + devices).ljust(12288, b"\0") + texts
    out = digested(head.ljust(size, b"\0"), 32)
    state += bytes(-len(state) % 4096)
    slots = []
    for cluster in range((max(len(state), len(disk)) + 65535) // 65536):
        for device, content in ((1, disk), (2, state)):
            piece = content[cluster * 65536:(cluster + 1) * 65536]
            blocks = [piece[at:at + 4096] for at in range(0, len(piece), 4096)]
            mask = sum(1 << number for number, block in enumerate(blocks) if any(block))
            if piece:
                slots.append((mask << 48 | device << 32 | cluster, b"".join(block for block in blocks if any(block))))
    for first in range(0, len(slots), 5):
        part = slots[first:first + 5]
        infos = b"".join(struct.pack(">Q", info) for info, _ in part)
        blocks = b"".join(piece for _, piece in part)
        extent = b"VMAE" + struct.pack(">2H", 0, len(blocks) // 4096) + uuid + bytes(16) + infos
        out += digested(extent.ljust(512, b"\0"), 24) + blocks
    return out


def tar(members, form=tarfile.PAX_FORMAT):
    """An archive of these (name, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
