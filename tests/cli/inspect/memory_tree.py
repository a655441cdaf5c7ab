# SPDX-License-Identifier: MIT
"""What a guest finds at an address, by the text of QEMU's "info mtree"."""
import re

ROW = re.compile(r"(\s+)([0-9a-f]{16})-([0-9a-f]{16}) \(prio (-?\d+), ([^)]*)\): (.*)$")
ALIAS = re.compile(r"alias (.*?) @(.*) ([0-9a-f]{16})-([0-9a-f]{16})$")
DEEPEST = 20


class Region:
    def __init__(self, row):
        depth, start, end, priority, self.kind, words = row.groups()
        self.depth, self.priority = len(depth) // 2, int(priority)
        self.start, self.end = int(start, 16), int(end, 16)
        self.disabled = "[disabled]" in words
        self.name = words.replace("[disabled]", "").strip()
        self.target, self.target_offset, self.inner = None, 0, []
        if alias := ALIAS.match(self.name):
            self.name, self.target = alias[1], alias[2]
            self.target_offset = int(alias[3], 16)


class MemoryTree:
    def __init__(self, text):
        self.regions, self.root, self.covered = {}, [], []
        self.view = []  # first and last address, kind, name and offset of the first
        self.read(text)
        for region in self.root:
            self.show(region, 0, 0, 2**64 - 1, 0)

    def read(self, text):
        stack, is_root = [], False
        for line in text.splitlines():
            if line.startswith(("address-space:", "memory-region:")):
                stack, is_root = [], line.strip() == "address-space: memory"
            elif row := ROW.match(line):
                region = Region(row)
                stack = stack[:region.depth - 1]
                if stack:
                    stack[-1].inner.append(region)
                elif is_root:
                    self.root.append(region)
                stack.append(region)
                if not region.target:
                    self.regions.setdefault(region.name, region)

    def show(self, region, shift, low, high, depth):
        """What of a region, moved by `shift`, is seen between two addresses."""
        start = region.start + shift
        low, high = max(low, start), min(high, region.end + shift)
        if region.disabled or depth > DEEPEST or low > high:
            return
        if region.target:
            if target := self.regions.get(region.target):
                moved = start - region.target_offset - target.start
                return self.show(target, moved, low, high, depth + 1)
            return self.emit(low, high, region.kind, region.target, start - region.target_offset)
        for inner in sorted(region.inner, key=lambda one: -one.priority):
            self.show(inner, shift, low, high, depth + 1)
        if region.kind in ("ram", "rom", "romd") or not region.inner:
            self.emit(low, high, region.kind, region.name, start)

    def emit(self, low, high, kind, name, base):
        """What nobody before has covered."""
        parts = [(low, high)]
        for first, last in self.covered:
            parts = [part for start, end in parts
                     for part in ((start, min(end, first - 1)), (max(start, last + 1), end))
                     if part[0] <= part[1]]
        for start, end in parts:
            self.covered.append((start, end))
            self.view.append((start, end, kind, name, start - base))

    def find(self, address):
        """Kind, name of the block and offset in it; None where nothing is."""
        for start, end, kind, name, offset in self.view:
            if start <= address <= end:
                return kind, name, offset + address - start
        return None
