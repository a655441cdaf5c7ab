# SPDX-License-Identifier: MIT
"""Content for a guest's RAM: what real guests hold, made anew on every machine."""
import mmap
import os
import random
import struct

MIB = 1 << 20
PAGE = 4096
EXTENT_PAGES = 64  # how much of one kind lies together


def touch(mib):
    """Takes so much memory and frees it. The host of a virtual machine takes free memory back, and
    gives it again slowly: whoever comes first after a pause would pay for it."""
    with mmap.mmap(-1, mib * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        for offset in range(0, mib * MIB, PAGE):
            memory[offset] = 1


def library_files():
    """Contents of the files below /usr/lib in the order of their names."""
    for folder, folders, names in os.walk("/usr/lib"):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(folder, name)
            if os.path.islink(file) or not os.path.isfile(file):
                continue
            try:
                with open(file, "rb") as source:
                    yield source.read()
            except OSError:
                continue


def library_bytes(wanted):
    """Pieces of files, one behind the other."""
    for content in library_files():
        yield content[:wanted]
        wanted -= min(wanted, len(content))
        if wanted == 0:
            return


def slab_page(noise):
    """Objects of one size: pointers into the kernel's direct map, small numbers, and much zero."""
    size = noise.choice((64, 96, 192, 256, 512, 1024))
    page = bytearray()
    while len(page) + size <= PAGE:
        item = bytearray(size)
        for at in range(0, size, 8):
            kind = noise.random()
            if kind < 0.25:
                address = 0xFFFF888000000000 + noise.randrange(1 << 26) * 64
                item[at:at + 8] = struct.pack("<Q", address)
            elif kind < 0.5:
                item[at:at + 8] = struct.pack("<Q", noise.randrange(1 << 12))
        page += item
    return bytes(page.ljust(PAGE, b"\0"))


def heap_page(noise, words):
    """A process's heap: short strings, lengths and pointers."""
    page = bytearray()
    while len(page) < PAGE:
        word = noise.choice(words)
        page += struct.pack("<QQ", 0x7F0000000000 + noise.randrange(1 << 28) * 16, len(word))
        page += word + bytes(-len(word) % 16)
    return bytes(page[:PAGE])


def idle_linux_bytes(wanted):
    """As an idle Linux guest's RAM: page cache, slab, heaps, zero pages between, a little noise."""
    noise = random.Random(1)
    files = library_files()
    words = [b"/usr/lib/x86_64-linux-gnu", b"GET / HTTP/1.1", b"systemd", b"LC_ALL=C", b"root"]
    slabs = [slab_page(noise) for _ in range(4096)]
    heaps = [heap_page(noise, words) for _ in range(4096)]
    cache = b""
    while wanted > 0:
        kind = noise.random()
        if kind < 0.55:
            while len(cache) < EXTENT_PAGES * PAGE:
                content = next(files, None)
                if content is None:
                    files = library_files()
                    continue
                cache += content + bytes(-len(content) % PAGE)  # each file begins on a page
            extent, cache = cache[:EXTENT_PAGES * PAGE], cache[EXTENT_PAGES * PAGE:]
        elif kind < 0.70:
            extent = b"".join(noise.choice(slabs) for _ in range(EXTENT_PAGES))
        elif kind < 0.80:
            extent = b"".join(noise.choice(heaps) for _ in range(EXTENT_PAGES))
        elif kind < 0.98:
            extent = bytes(EXTENT_PAGES * PAGE)
        else:
            extent = noise.randbytes(EXTENT_PAGES * PAGE)
        yield extent[:wanted]
        wanted -= min(wanted, len(extent))


DATA_SETS = {
    "libraries": ("files of /usr/lib", library_bytes),
    "idle": ("an imitation of an idle Linux guest: page cache, slab, heaps, zero pages between",
             idle_linux_bytes),
}


def write(name, path, wanted):
    """Makes the data set at `path`; the number of bytes, less than wanted if there is no more."""
    with open(path, "wb") as out:
        for piece in DATA_SETS[name][1](wanted):
            out.write(piece)
        return out.tell()
