# SPDX-License-Identifier: MIT
"""Files made from files, without a QEMU, each with one fault, and what must be true after it."""

import dataclasses
import shutil
import subprocess

from bench import Bench
from outcomes import REFUSED, WHOLE, promise
from support import stream, tool

OLD = b"what stood there before"


@dataclasses.dataclass(frozen=True)
class Copy:
    """A way to make `output`. The same bytes come of it each time."""

    name: str
    program: str
    arguments: tuple
    output: str
    stdin: str | None = None  # one of the bench's inputs
    replaces: bool = False  # there is such a file already
    is_named: bool = False  # the file system has no unnamed files


class CopyBench(Bench):
    """`inputs` are copied into the folder; nothing but the output may ever stand beside them."""

    def __init__(self, *inputs):
        super().__init__()
        self.expected = None
        for path in inputs:
            shutil.copy(path, self.folder)
        self.inputs = self.files()

    def counts_of(self, copy, _program):
        for name in set(self.files()) - set(self.inputs):
            (self.folder / name).unlink()  # of the operation before
        self.attempt(copy, None)
        self.expected = (self.folder / copy.output).read_bytes()
        return self.read_counts()

    def attempt(self, copy, fault):
        output = self.folder / copy.output
        output.unlink(missing_ok=True)
        if copy.replaces:
            output.write_bytes(OLD)
        return self.run(fault, copy.program, *copy.arguments,
                        stdin=copy.stdin and self.folder / copy.stdin,
                        more={"VMSTREAM_FAULT_NO_TMPFILE": "1"} if copy.is_named else {})

    def inject(self, copy, fault, sampled=False):
        ran = self.attempt(copy, fault)
        if not ran.fired:
            return None
        self.check_status(fault, ran)
        there = self.files()
        left = set(there) - {copy.output} - set(self.inputs)
        content = (self.folder / copy.output).read_bytes() if copy.output in there else None
        before = OLD if copy.replaces else None
        promise(content in (before, self.expected), "a file that is neither old nor new")
        promise(ran.status != 0 or content == self.expected, "succeeded without the file")
        if left:
            promise(fault.kind.is_kill(), f"left {left}")
            promise(self.attempt(copy, None).status == 0, "the next run fails")
            promise(set(self.files()) == {*self.inputs, copy.output}, "the next run leaves it too")
        return WHOLE if ran.status == 0 else REFUSED


class DeviceBench(Bench):
    """A block device that holds an older save. What is read from it is that, or the new one, or
    is refused."""

    SIZE = 64 << 20

    def __init__(self, plain):
        super().__init__()
        self.plain = plain
        self.older = stream()
        image = self.root / "image"
        with open(image, "wb") as new:
            new.truncate(self.SIZE)
        made = subprocess.run(["losetup", "-f", "--show", image], stdout=subprocess.PIPE, text=True,
                              check=True)
        self.device = made.stdout.strip()

    def close(self):
        subprocess.run(["losetup", "-d", self.device], check=True)
        super().close()

    def counts_of(self, save, _program):
        ran = self.attempt(save, None)
        assert ran.status == 0, ran
        return self.read_counts()

    def attempt(self, save, fault):
        subprocess.run([tool("vmdump"), "--stdin", "--force", *save.arguments[2:]],
                       input=self.older, check=True)
        return self.run(fault, "vmdump", *save.arguments, stdin=self.plain)

    def inject(self, save, fault, sampled=False):
        ran = self.attempt(save, fault)
        if not ran.fired:
            return None
        self.check_status(fault, ran)
        read = subprocess.run([tool("vmrestore"), self.device], capture_output=True, check=False)
        is_new = read.returncode == 0 and read.stdout == self.plain.read_bytes()
        promise(is_new or read.stdout in (b"", self.older), "a device with something else")
        promise(is_new or ran.status != 0, "succeeded without the file")
        promise(not self.files(), f"left {self.files()}")
        return WHOLE if ran.status == 0 else REFUSED
