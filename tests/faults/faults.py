# SPDX-License-Identifier: MIT
"""One fault: which call of which program goes wrong, at which step, and how.

The library in VMSTREAM_FAULT_LIBRARY, loaded into the program beforehand, carries it out.
"""

import dataclasses
import errno
import os
import signal

LIBRARY = os.environ["VMSTREAM_FAULT_LIBRARY"]


def name_of(number):
    return signal.Signals(number).name


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to fail, still without a step."""

    call: str
    action: str  # error, short, end, signal, jump
    argument: int = 0
    lasting: bool = False  # from the chosen step on
    to_peer: bool = False  # a signal to the program at the other end
    peer: str = "QEMU"  # what that is
    then: int = 0  # a signal to the tool, when that has had its effect

    def __str__(self):
        if self.action == "signal":
            return f"{name_of(self.argument)}{f', then {name_of(self.then)}' if self.then else ''}"
        if self.action == "jump":
            return f"clock jumps {self.argument} s"
        how = errno.errorcode[self.argument] if self.action == "error" else self.action
        return f"{self.call}: {how}{' from then on' if self.lasting else ''}"

    def is_kill(self):
        return self.action == "signal" and signal.SIGKILL in (self.argument, self.then)

    def is_stall(self):
        return self.action == "signal" and self.argument == signal.SIGSTOP

    def is_jump(self):
        return self.action == "jump"


@dataclasses.dataclass(frozen=True)
class Fault:
    """`kind` at the `number`th such call of `program`."""

    program: str
    kind: Kind
    number: int

    def __str__(self):
        return f"{self.row()} at {self.kind.call} {self.number}"

    def row(self):
        """What the table calls it."""
        struck = self.kind.peer if self.kind.to_peer else self.program
        return str(self.kind) if struck in ("vmdump", "vmrestore") else f"{struck}, {self.kind}"

    def environment(self, log, peer):
        """What makes the library carry it out; `peer` is QEMU's process id."""
        number = f"{self.number}{'+' if self.kind.lasting else ''}"
        argument = f"{self.kind.argument}{f':{peer}' if self.kind.to_peer else ''}"
        return {"LD_PRELOAD": LIBRARY, "VMSTREAM_FAULT_LOG": str(log),
                "VMSTREAM_FAULT":
                    f"{self.program} {self.kind.call} {number} {self.kind.action} {argument}"}


def counting(program, log):
    """The environment in which `program` writes down how often it makes each call."""
    return {"LD_PRELOAD": LIBRARY, "VMSTREAM_FAULT_LOG": str(log),
            "VMSTREAM_FAULT": f"{program} none 0 count 0"}


def read_counts(log):
    return {call: int(count) for call, count in map(str.split, log.read_text().splitlines())}


def spread(count, most):
    """At most `most` of the numbers 1 to `count`: the first, the last, and evenly between."""
    if most == 1:
        return [(count + 1) // 2] if count else []
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(step * (count - 1) / (most - 1)) for step in range(most)})


def errors(call, *names, lasting=False):
    return [Kind(call, "error", getattr(errno, name), lasting) for name in names]


CALLS = [
    *errors("open", "EACCES", "EMFILE"), *errors("read", "EIO"), Kind("read", "short"),
    *errors("write", "ENOSPC", lasting=True), *errors("write", "EIO", "EPIPE"),
    Kind("write", "short"),
    *errors("receive", "ECONNRESET"), Kind("receive", "end"), Kind("receive", "short"),
    *errors("send", "EPIPE"), *errors("send", "EPIPE", lasting=True), Kind("send", "short"),
    *errors("poll", "EINTR", "ENOMEM"), *errors("sync", "EIO", "ENOSPC"), *errors("close", "EIO"),
    *errors("link", "EIO", "EDQUOT"), *errors("rename", "EIO"), *errors("unlink", "EIO"),
    *errors("truncate", "EIO"), *errors("pipe", "EMFILE"), *errors("socket", "EMFILE"),
    *errors("spawn", "EAGAIN"), *errors("thread", "EAGAIN"), *errors("memory", "ENOMEM"),
    Kind("clock", "jump", 10 ** 9), Kind("clock", "jump", -(10 ** 9)),
]

# At any step, as if somebody had set the clock.
JUMPS = [Kind(call, "jump", seconds) for call in ("receive", "poll", "read")
         for seconds in (10 ** 9, -(10 ** 9))]
SIGNALS = [Kind(call, "signal", number)
           for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
           for call in ("receive", "read", "write", "sync", "link", "rename", "close")]
# Between any two words of a talk with QEMU.
KILLED_IN_TALK = [Kind("receive", "signal", signal.SIGKILL)]
QEMU_KILLED = [Kind(call, "signal", signal.SIGKILL, to_peer=True)
               for call in ("receive", "read", "write", "sync")]
QEMU_STALLED = [Kind(call, "signal", signal.SIGSTOP, to_peer=True) for call in ("receive", "read")]
# The one of libvirt, through which the tool talks with QEMU.
DAEMON_KILLED = [dataclasses.replace(kind, peer="libvirtd") for kind in QEMU_KILLED]
# For as long as somebody is at the file.
STANDS_STILL = [Kind("read", "signal", signal.SIGSTOP)]
# Of gpg, and of a command behind --exec or --filter.
COMMAND = [*errors("read", "EIO"), *errors("write", "ENOSPC", lasting=True),
           *errors("write", "EIO", "EPIPE"), Kind("read", "short"), Kind("write", "short"),
           *(Kind(call, "signal", number) for number in (signal.SIGTERM, signal.SIGKILL)
             for call in ("read", "write", "close"))]
# It takes what it has read for all, and ends well.
COMMAND_STOPS = [Kind("read", "end")]
COMMAND_STALLED = [Kind(call, "signal", signal.SIGSTOP) for call in ("read", "write")]
GIVEN_UP = [dataclasses.replace(stalled, then=number)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
            for stalled in COMMAND_STALLED]
# Of a QEMU that the tool has started.
QEMU_DIES = [Kind(call, "signal", signal.SIGKILL)
             for call in ("open", "read", "write", "poll", "close", "socket", "memory")]
