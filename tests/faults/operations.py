# SPDX-License-Identifier: MIT
"""Which saves and restores are made, and which faults each of them meets.

A group shares the QEMU that is saved, and runs by itself. It is a function of a runner, whose run()
is given the operation, the program that is struck, the kinds of fault, and the most steps of each.
"""

import contextlib
import dataclasses
import os

from copy_bench import Copy, CopyBench, DeviceBench
from disk_bench import FOLDER, DiskBench
from faults import (CALLS, COMMAND, COMMAND_STALLED, COMMAND_STOPS, DAEMON_KILLED, GIVEN_UP, JUMPS,
                    KILLED_IN_TALK, QEMU_DIES, QEMU_KILLED, QEMU_STALLED, SIGNALS, STANDS_STILL)
from gpg_home import GpgHomeTest
from libvirt_bench import DomainBench, why_no_libvirt
from new_qemu_bench import NewQemuBench
from postcopy_stream import as_postcopy
from real_guest import NEWER_QEMU, QEMU, why_not
from restore_bench import (LazyBench, Restore, RestoreBench, SidecarBench, SwapBench,
                           put_another, write_over)
from save_bench import PLAIN, Save, SaveBench

ALL = [*CALLS, *SIGNALS]
LIMIT = ("--timeout", "2s")  # as long as a save may take that nothing stalls
LONG = ("--timeout", "60s")
LIBVIRT = "libvirt"
FOR_LIBVIRT = ("--timeout", "10s")  # whose library may wait for ever when a call of its own fails
SLOW_LINK = ("--max-bandwidth", "8M/s", "--downtime-limit", "1ms", "--max-passes", "2")


def run_copies(runner):
    with contextlib.closing(CopyBench(runner.state, runner.plain)) as bench:
        unpacked = Copy("restore to a file", "vmrestore", ("x.zst", "-o", "copy"), "copy")
        runner.run(bench, unpacked, "vmrestore", ALL, 6)
        packed = Copy("save from stdin", "vmdump", ("--stdin", "-o", "y.zst"), "y.zst", "plain")
        runner.run(bench, packed, "vmdump", ALL, 6)
        replaced = Copy("save, --force", "vmdump", ("--stdin", "--force", "-o", "y.gz"), "y.gz",
                        "plain", replaces=True)
        runner.run(bench, replaced, "vmdump", ALL, 4)
        named = Copy("save, no unnamed files", "vmdump", ("--stdin", "-o", "y.bz2"), "y.bz2",
                     "plain", is_named=True)
        runner.run(bench, named, "vmdump", ALL, 4)


def run_devices(runner):
    if os.geteuid() != 0:
        return  # loop devices are root's to make
    with contextlib.closing(DeviceBench(runner.plain)) as bench:
        for coding in ("zstd", "none"):
            saved = Copy(f"save onto a device, {coding}", "vmdump",
                         ("--stdin", "--force", "-c", coding, "-o", bench.device), bench.device)
            runner.run(bench, saved, "vmdump", ALL, 3)


def run_restores(runner):
    with contextlib.closing(RestoreBench(runner.state, runner.last_tick)) as bench:
        runner.run(bench, Restore("restore"), "vmrestore", [*ALL, *QEMU_KILLED], 3)
        runner.run(bench, Restore("restore, --timeout", limit=LIMIT), "vmrestore", QEMU_STALLED, 3)
        timed = Restore("restore, --timeout, the clock set", limit=LONG)
        runner.run(bench, timed, "vmrestore", JUMPS, 2)
        linked = Restore("restore, by a link", file="../link")
        runner.run(bench, linked, "vmrestore", [*ALL, *QEMU_KILLED], 2)
        runner.run(bench, Restore("restore, TCP", over_tcp=True), "vmrestore",
                   [*ALL, *QEMU_KILLED], 2)


def run_lazy_restores(runner):
    with contextlib.closing(LazyBench(runner.state, runner.last_tick)) as bench:
        lazy = ("--lazy",)
        runner.run(bench, Restore("restore, --lazy", lazy), "vmrestore", [*ALL, *QEMU_KILLED], 4)
        runner.run(bench, Restore("restore, --lazy --timeout", lazy, limit=LIMIT), "vmrestore",
                   QEMU_STALLED, 3)
        runner.run(bench, Restore("restore, --lazy, TCP", lazy, over_tcp=True), "vmrestore", ALL, 1)


def run_proved_restores(runner):
    """The file is read twice."""
    first = ("--verify-first",)
    with contextlib.closing(RestoreBench(runner.state, runner.last_tick)) as bench:
        runner.run(bench, Restore("restore, --verify-first", first), "vmrestore", ALL, 2)
    with contextlib.closing(LazyBench(runner.state, runner.last_tick)) as bench:
        lazy = Restore("restore, --lazy --verify-first", ("--lazy", *first))
        runner.run(bench, lazy, "vmrestore", ALL, 1)
    for name, swap in (("swapped", put_another), ("written over", write_over)):
        with contextlib.closing(SwapBench(runner.state, runner.last_tick, swap)) as bench:
            swapped = Restore(f"restore, --verify-first, the file {name}", first)
            runner.run(bench, swapped, "vmrestore", STANDS_STILL, 12)


def run_proved_mapped_restores(runner):
    with contextlib.closing(SaveBench(NEWER_QEMU)) as saves:
        state, last_tick = saves.save_mapped()
        with contextlib.closing(RestoreBench(state, last_tick, NEWER_QEMU)) as bench:
            mapped = Restore("restore, mapped-ram, --verify-first", ("--verify-first",))
            runner.run(bench, mapped, "vmrestore", ALL, 2)


def run_postcopy_restores(runner):
    """The devices stand in a package that starts the guest, as a postcopy source sends them."""
    state = runner.plain.with_name("postcopy")
    state.write_bytes(as_postcopy(runner.plain))
    with contextlib.closing(RestoreBench(state, runner.last_tick)) as bench:
        packed = Restore("restore, a postcopy stream")
        runner.run(bench, packed, "vmrestore", [*ALL, *QEMU_KILLED], 2)


def run_strangers_indexes(runner):
    if os.geteuid() != 0:
        return  # files are root's to give away
    with contextlib.closing(SidecarBench(runner.plain, runner.last_tick)) as bench:
        lazy = Restore("restore, --lazy, a stranger's sidecar", ("--lazy",))
        runner.run(bench, lazy, "vmrestore", ALL, 1)


def run_new_qemus(runner):
    with contextlib.closing(NewQemuBench(runner.state, runner.last_tick)) as bench:
        for new in (Restore("restore, new QEMU"), Restore("restore, --lazy, new QEMU", ("--lazy",))):
            runner.run(bench, new, "vmrestore", ALL, 2)
            runner.run(bench, new, QEMU[0], QEMU_DIES, 4)


def run_saves(runner):
    with contextlib.closing(SaveBench()) as bench:
        runner.run(bench, PLAIN, "vmdump", [*ALL, *QEMU_KILLED], 5)
        timed = Save("save, --timeout, the clock set", ("-o", "x.zst"), limit=LONG)
        runner.run(bench, timed, "vmdump", JUMPS, 3)
        ended = Save("save, --verify --after quit",
                     ("-o", "x.gz", "--verify", "--after", "quit"), "x.gz", ends_qemu=True)
        runner.run(bench, ended, "vmdump", ALL, 3)
        paused = Save("save, found paused", ("-o", "x.none", "-c", "none"), "x.none", paused=True)
        runner.run(bench, paused, "vmdump", ALL, 2)
        live = Save("save, live", ("-o", "x.zst", "--mode", "live"), keeps_running=True,
                    loses_pages=True)
        runner.run(bench, live, "vmdump", ALL, 2)
        tcp = Save("save, TCP", ("-o", "x.zst"), over_tcp=True)
        runner.run(bench, tcp, "vmdump", [*ALL, *QEMU_KILLED], 2)
        with bench.strangers():
            met = dataclasses.replace(tcp, name="save, TCP, among strangers")
            runner.run(bench, met, "vmdump", ALL, 1)
        runner.note_restores(bench)


def run_piped_saves(runner):
    with contextlib.closing(SaveBench()) as bench:
        key = GpgHomeTest.jo
        openpgp = Save("save, encrypted and signed",
                       ("-o", "x.zst.gpg", "-e", key, "--sign", key), "x.zst.gpg")
        runner.run(bench, openpgp, "vmdump", ALL, 3)
        runner.run(bench, openpgp, "gpg", COMMAND, 4)
        command = Save("save, --exec", ("--exec", "cat > x.zst"), leaves_pieces=True)
        runner.run(bench, command, "vmdump", ALL, 2)
        runner.run(bench, command, "cat", COMMAND, 3)
        runner.run(bench, command, "cat", COMMAND_STOPS, 10)
        published = Save("save, --exec --then",
                         ("--exec", "cat > x.part", "--then", "mv x.part x.zst"), "x.zst",
                         aside="x.part")
        runner.run(bench, published, "vmdump", ALL, 2)
        runner.run(bench, published, "cat", [*COMMAND, *COMMAND_STOPS], 3)
        runner.run(bench, published, "mv", COMMAND, 2)
        filtered = Save("save, --filter", ("-o", "x.gz", "--filter", "gzip -1 -c"), "x.gz")
        runner.run(bench, filtered, "vmdump", ALL, 2)
        runner.run(bench, filtered, "gzip", COMMAND, 3)
        runner.run(bench, filtered, "gzip", COMMAND_STOPS, 10)
        runner.note_restores(bench)


def run_stalled_saves(runner):
    with contextlib.closing(SaveBench()) as bench:
        file = Save("save, --timeout", ("-o", "x.bz2"), "x.bz2", limit=LIMIT)
        runner.run(bench, file, "vmdump", QEMU_STALLED, 3)
        command = Save("save, --timeout --exec", ("--exec", "cat > x.zst"), leaves_pieces=True,
                       limit=LIMIT)
        runner.run(bench, command, "cat", COMMAND_STALLED, 3)
        openpgp = Save("save, --timeout, encrypted", ("-o", "x.zst.gpg", "-e", GpgHomeTest.jo),
                       "x.zst.gpg", limit=LIMIT)
        runner.run(bench, openpgp, "gpg", COMMAND_STALLED, 3)
        runner.run(bench, stalled("stop", "stop"), "tee", GIVEN_UP, 1)
        runner.note_restores(bench)


def stalled(name, mode, **more):
    """A save whose output does not flow."""
    return Save(f"save, {name}, output stalled",
                ("--mode", mode, "-c", "none", "--exec", "tee x.none > /dev/null"), "x.none",
                leaves_pieces=True, limit=LIMIT, **more)


def run_running_saves(runner, mode, qemu, *slow):
    """The guest runs all the time, and goes on to."""
    with contextlib.closing(SaveBench(qemu)) as bench:
        name = f"{mode}, QEMU {bench.version()}"
        chosen = ("-o", "x.zst", "--mode", mode)
        plain = Save(f"save, {name}", chosen, keeps_running=True)
        runner.run(bench, plain, "vmdump", [*ALL, *QEMU_KILLED], 2)
        timed = Save(f"save, {name}, --timeout", chosen, keeps_running=True, limit=LIMIT)
        runner.run(bench, timed, "vmdump", QEMU_STALLED, 2)
        unread = stalled(name, mode, keeps_running=True)
        runner.run(bench, unread, "tee", [*COMMAND_STALLED, *GIVEN_UP], 2)
        if slow:
            passes = Save(f"save, {name}, slow", (*chosen, *slow), keeps_running=True)
            runner.run(bench, passes, "vmdump", [*SIGNALS, *QEMU_KILLED], 3)
        runner.note_restores(bench)


def run_background_saves(runner):
    run_running_saves(runner, "background", QEMU)


def run_newer_background_saves(runner):
    run_running_saves(runner, "background", NEWER_QEMU)


def run_live_saves(runner):
    run_running_saves(runner, "live", NEWER_QEMU, *SLOW_LINK)


def run_mapped_saves(runner):
    """QEMU writes the file."""
    with contextlib.closing(SaveBench(NEWER_QEMU)) as bench:
        for mode in ("stop", "live"):
            name = f"save, {mode}, QEMU {bench.version()}, --mapped-ram"
            mapped = Save(name, ("-o", "x.mapped", "--mapped-ram", "--mode", mode), "x.mapped",
                          by_qemu=True, keeps_running=mode == "live")
            runner.run(bench, mapped, "vmdump", [*ALL, *QEMU_KILLED], 2)
            runner.run(bench, mapped, "vmdump", KILLED_IN_TALK, 10)
        stalled_qemu = dataclasses.replace(mapped, name=f"{name}, --timeout", limit=LIMIT)
        runner.run(bench, stalled_qemu, "vmdump", QEMU_STALLED, 2)
        runner.note_restores(bench)


def run_disk_saves(runner, mode, qemu):
    """With a snapshot of the disks."""
    with contextlib.closing(DiskBench(qemu)) as bench:
        name = f"save, {mode}, QEMU {bench.version()}, disks"
        disks = Save(name, ("-o", "x.zst", "--mode", mode, "--disk-snapshot", FOLDER),
                     keeps_running=mode != "stop")
        runner.run(bench, disks, "vmdump", [*ALL, *QEMU_KILLED], 2)
        runner.run(bench, disks, "vmdump", KILLED_IN_TALK, 20)
        stalled_qemu = dataclasses.replace(disks, name=f"{name}, --timeout", limit=LIMIT)
        runner.run(bench, stalled_qemu, "vmdump", QEMU_STALLED, 3)
        runner.note_restores(bench)


def run_stopped_disk_saves(runner):
    run_disk_saves(runner, "stop", QEMU)


def run_background_disk_saves(runner):
    run_disk_saves(runner, "background", QEMU)


def run_newer_background_disk_saves(runner):
    run_disk_saves(runner, "background", NEWER_QEMU)


def run_live_disk_saves(runner):
    run_disk_saves(runner, "live", NEWER_QEMU)


def run_mapped_disk_saves(runner):
    """QEMU writes the file, and waits at the end for a snapshot of the disks."""
    with contextlib.closing(DiskBench(NEWER_QEMU)) as bench:
        both = Save(f"save, live, QEMU {bench.version()}, --mapped-ram, disks",
                    ("-o", "x.mapped", "--mapped-ram", "--mode", "live", "--disk-snapshot", FOLDER),
                    "x.mapped", by_qemu=True, keeps_running=True)
        runner.run(bench, both, "vmdump", [*ALL, *QEMU_KILLED], 1)
        runner.run(bench, both, "vmdump", KILLED_IN_TALK, 10)
        runner.note_restores(bench)


def run_domain_saves(runner):
    """libvirt's daemon is at the other end, and may be killed."""
    with contextlib.closing(DomainBench()) as bench:
        for mode in ("stop", "live"):
            saved = Save(f"save, libvirt, {mode}", ("-o", "x.zst", "--mode", mode), keeps_running=mode == "live",
                         loses_pages=True, limit=FOR_LIBVIRT)
            runner.run(bench, saved, "vmdump", ALL, 2)
            runner.run(bench, saved, "vmdump", DAEMON_KILLED, 2)


# Groups, and what each needs of which QEMU.
GROUPS = [
    (run_copies, None, None), (run_devices, None, None), (run_restores, None, None),
    (run_postcopy_restores, None, None), (run_lazy_restores, QEMU, "postcopy-ram"),
    (run_strangers_indexes, QEMU, "postcopy-ram"), (run_proved_restores, QEMU, "postcopy-ram"),
    (run_proved_mapped_restores, NEWER_QEMU, "mapped-ram"),
    (run_new_qemus, QEMU, "postcopy-ram"), (run_saves, None, None), (run_piped_saves, None, None),
    (run_stalled_saves, None, None), (run_background_saves, QEMU, "background-snapshot"),
    (run_newer_background_saves, NEWER_QEMU, "background-snapshot"),
    (run_live_saves, NEWER_QEMU, "events"), (run_mapped_saves, NEWER_QEMU, "mapped-ram"),
    (run_stopped_disk_saves, None, None),
    (run_background_disk_saves, QEMU, "background-snapshot"),
    (run_newer_background_disk_saves, NEWER_QEMU, "background-snapshot"),
    (run_live_disk_saves, NEWER_QEMU, "events"),
    (run_mapped_disk_saves, NEWER_QEMU, "mapped-ram"),
    (run_domain_saves, None, LIBVIRT),
]


def choose_groups():
    """Those that can be run here, and why each of the others cannot."""
    chosen, left_out = [], []
    for group, qemu, capability in GROUPS:
        refusal = capability and (why_no_libvirt() if capability == LIBVIRT
                                  else why_not(capability, qemu))
        if refusal:
            left_out.append(f"{group.__name__}: {refusal}")
        else:
            chosen.append(group)
    return chosen, left_out
