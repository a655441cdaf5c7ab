#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does `vmrestore --check` say what a full load would do?

usage: check_agreement.py [--bin DIR] [--newer QEMU] [--only TEXT] [-v]

Saves guests of a QEMU of each release, and holds the verdict of --check about many command lines against
a full load of the same file by the same command line. Prints a table; status 1 where fewer than 98 of 100 agree.
"""
import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "tests/cli")]

from real_guest import Monitor, NEWER_QEMU  # noqa: E402

PC = "-M pc -m 128 -nodefaults"
Q35 = "-M q35 -m 128 -nodefaults"

# Name, command line of the source, and of destinations: pieces that are replaced, or whole ones.
SOURCES = {
    "pc-devices": (PC + " -vga std -device e1000,addr=5 -device virtio-blk-pci,drive=d,addr=6 -device virtio-rng-pci,addr=7"
                   " -drive if=none,id=d,file=disk.raw,format=raw -serial null"),
    "q35-devices": (Q35 + " -vga virtio -device virtio-scsi-pci,id=s,addr=4 -device scsi-hd,drive=d,bus=s.0"
                    " -drive if=none,id=d,file=disk.qcow2 -device qemu-xhci,addr=5 -device usb-tablet"
                    " -netdev user,id=n -device virtio-net-pci,netdev=n,addr=6 -device virtio-balloon-pci,addr=7"),
    "pc-defaults": "-M pc -m 128 -net none",
    "isapc": "-M isapc -cpu 486 -m 64 -net none",
    "microvm": "-M microvm -m 128 -nodefaults -serial null",
    "old-type": "-M pc-i440fx-3.1 -m 128 -nodefaults -vga cirrus -device e1000",
    "q35-7.2": "-M pc-q35-7.2 -m 160 -smp 2 -nodefaults -vga std -device virtio-net-pci",
    "numa": ("-M pc -m 128 -nodefaults -object memory-backend-ram,id=m0,size=64M -object memory-backend-ram,id=m1,size=64M"
             " -numa node,memdev=m0 -numa node,memdev=m1 -smp 2"),
    "dimm": ("-M pc -m 128,slots=2,maxmem=1G -nodefaults -object memory-backend-ram,id=x,size=128M -device pc-dimm,memdev=x,id=d"),
    "backend": "-M q35,memory-backend=mine -m 128 -nodefaults -object memory-backend-memfd,id=mine,size=128M,share=on",
    "smp": PC + " -smp 4 -cpu qemu64 -device virtio-serial-pci,id=v -chardev null,id=c -device virtserialport,chardev=c,bus=v.0",
    "ide": PC + " -hda disk.raw -cdrom disk.raw -device ahci,addr=8 -device piix3-usb-uhci,addr=9 -device AC97,addr=10",
}

# Firmware that has set up its devices: some of them read the guest's memory when they are loaded.
RUNNING = 3
for kind in ("pc-devices", "q35-devices"):
    SOURCES[f"{kind}-running"] = SOURCES[kind]

CHANGES = {
    "pc-devices": [("-device e1000,addr=5", ""), ("e1000,addr=5", "e1000,addr=9"), ("-m 128", "-m 256"), ("-m 128", "-m 64"),
                   ("-M pc", "-M q35"), ("-device virtio-rng-pci,addr=7", ""), ("-vga std", ""), ("-vga std", "-vga cirrus"),
                   ("-serial null", ""), ("-nodefaults", "-nodefaults -smp 2"), ("-nodefaults", "-nodefaults -device e1000,addr=11"),
                   ("virtio-blk-pci,drive=d", "virtio-blk-pci,num-queues=4,drive=d"), ("-M pc", "-M pc-i440fx-6.2"),
                   ("e1000,addr=5", "rtl8139,addr=5"), ("-vga std", "-vga std -global VGA.vgamem_mb=32"),
                   ("-nodefaults", "-nodefaults -cpu max"), ("virtio-rng-pci,addr=7", "virtio-balloon-pci,addr=7")],
    "q35-devices": [("-device usb-tablet", ""), ("-device usb-tablet", "-device usb-kbd"), ("qemu-xhci", "nec-usb-xhci"),
                    ("virtio-scsi-pci,id=s", "virtio-scsi-pci,id=s,num_queues=3"), ("-vga virtio", "-vga std"),
                    ("-vga virtio", "-device virtio-vga,max_outputs=2"),
                    ("virtio-net-pci,netdev=n", "virtio-net-pci,netdev=n,mq=on,vectors=8"), ("virtio-net-pci,netdev=n", "e1000,netdev=n"),
                    ("-M q35", "-M q35,smm=off"), ("-M q35", "-M pc"), ("scsi-hd,drive=d", "scsi-cd,drive=d"),
                    ("virtio-balloon-pci", "virtio-balloon-pci,free-page-reporting=on"), ("-m 128", "-m 128,slots=2,maxmem=1G")],
    "pc-defaults": [("-net none", "-net none -vga none"), ("-net none", ""), ("-net none", "-net none -nodefaults"),
                    ("-net none", "-net none -serial none"), ("-net none", "-net none -no-acpi"), ("-net none", "-net none -parallel none"),
                    ("-net none", "-net none -usb"), ("-net none", "-net none -machine hpet=off")],
    "isapc": [("-m 64", "-m 32"), ("-net none", "-net none -device isa-ide,iobase=0x168,iobase2=0x36e,irq=10"), ("-M isapc", "-M pc")],
    "microvm": [("-serial null", "-serial null -device virtio-rng-device"), ("-M microvm", "-M microvm,pit=off"), ("-m 128", "-m 96"),
                ("-M microvm", "-M microvm,acpi=off")],
    "old-type": [("pc-i440fx-3.1", "pc-i440fx-3.0"), ("-vga cirrus", "-vga std"), ("pc-i440fx-3.1", "pc")],
    "q35-7.2": [("-smp 2", "-smp 1"), ("-smp 2", "-smp 3"), ("pc-q35-7.2", "pc-q35-7.1"), ("virtio-net-pci", "virtio-net-pci,disable-legacy=on")],
    "numa": [("id=m1", "id=m2"), ("-smp 2", "-smp 2 -cpu max")],
    "dimm": [("-device pc-dimm,memdev=x,id=d", ""), ("size=128M", "size=256M")],
    "backend": [("memory-backend-memfd,id=mine,size=128M,share=on", "memory-backend-ram,id=mine,size=128M"), ("mine", "other")],
    "smp": [("-smp 4", "-smp 2"), ("-cpu qemu64", "-cpu max"), ("-cpu qemu64", "-cpu qemu64,-apic"), ("virtserialport", "virtconsole")],
    "ide": [("-device AC97,addr=10", ""), ("ahci,addr=8", "ahci,addr=11"), ("-cdrom disk.raw", ""), ("piix3-usb-uhci", "piix4-usb-uhci")],
}
for kind in ("pc-devices", "q35-devices"):
    CHANGES[f"{kind}-running"] = CHANGES[kind][:8]


class Folder:
    def __init__(self, path, tools, make_disks=True):
        self.path, self.tools = Path(path), tools
        if not make_disks:
            return
        (self.path / "disk.raw").write_bytes(bytes(4 << 20))
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "disk.qcow2", "8M"], cwd=path, check=True)

    def run(self, *words, timeout=60):
        return subprocess.run(words, cwd=self.path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)

    def save(self, qemu, line, name, seconds=0):
        """Of a guest that has run for so long, or never has; False where QEMU does not start."""
        socket = self.path / "source.qmp"
        socket.unlink(missing_ok=True)
        words = [*qemu, *shlex.split(line), *([] if seconds else ["-S"]), "-display", "none", "-qmp", f"unix:{socket},server=on,wait=off"]
        process = subprocess.Popen(words, cwd=self.path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(400):
                if socket.exists() or process.poll() is not None:
                    break
                time.sleep(0.02)
            if process.poll() is not None:
                return False
            time.sleep(seconds)
            return self.run(self.tools / "vmdump", "--qmp", str(socket), "--force", "-o", name).returncode == 0
        finally:
            process.kill()
            process.communicate()

    def load(self, words, name):
        """True, False, or None where QEMU does not start."""
        socket = self.path / "destination.qmp"
        socket.unlink(missing_ok=True)
        process = subprocess.Popen([*words, "-incoming", "defer", "-qmp", f"unix:{socket},server=on,wait=off"], cwd=self.path,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(400):
                if socket.exists() or process.poll() is not None:
                    break
                time.sleep(0.02)
            try:
                Monitor(socket).close()
            except (AssertionError, OSError, ValueError):
                return None
            done = self.run(self.tools / "vmrestore", "--qmp", str(socket), "--paused", name)
            return done.returncode == 0
        finally:
            process.kill()
            process.communicate()

    def check(self, qemu, line, name):
        result = self.run(self.tools / "vmrestore", "--check", name, "--", *qemu, *shlex.split(line))
        return {0: True, 6: False, 1: None}.get(result.returncode, result.returncode), result.stdout + result.stderr


def newer_command(command):
    """The program and its arguments, of a script those that it runs: --check takes no script."""
    script = Path(command[0])
    if not script.is_file() or script.read_bytes()[:2] != b"#!":
        return command
    words = shlex.split(script.read_text().replace("\\\n", " ").split("exec", 1)[1])
    return [word for word in words if word != "$@"] + command[1:]


def measure(folder, qemu):
    """How long a check and a full load of the same file take, by the guest's memory."""
    print("| RAM | check, median of 5 | worst | from QEMU's start to its answer | full load |\n|---:|---:|---:|---:|---:|")
    for gigabytes in (1, 4, 16):
        line = (f"-M pc,memory-backend=pc.ram -m {gigabytes}G -nodefaults -vga std -device e1000"
                f" -object memory-backend-ram,id=pc.ram,size={gigabytes}G,reserve=off")
        if not folder.save(qemu, line, "large.zst"):
            continue
        taken, answers = [], []
        for _ in range(5):
            start = time.monotonic()
            done = folder.run(folder.tools / "vmrestore", "--check", "--json", "large.zst", "--", *qemu, *shlex.split(line))
            taken.append(time.monotonic() - start)
            answers.append(json.loads(done.stdout)["programs"][0]["seconds"])
        start = time.monotonic()
        folder.load([*qemu, *shlex.split(line), "-display", "none", "-S"], "large.zst")
        full = time.monotonic() - start
        print(f"| {gigabytes} GiB | {statistics.median(taken):.2f} s | {max(taken):.2f} s | {statistics.median(answers):.2f} s | {full:.2f} s |",
              flush=True)


def describe():
    print("# Would it be loaded?\n\nWritten by `bench/check_agreement.py`; run it again to replace it.\n")
    print(f"- date: {time.strftime('%Y-%m-%d')}\n- machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    print(f"- load of the machine by others at the start: {os.getloadavg()[0]:.1f} processes\n\n## Time\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=os.environ.get("VMSTREAM_BIN", ROOT / "build/ci/bin"), type=Path)
    parser.add_argument("--newer", default=shlex.join(NEWER_QEMU))
    parser.add_argument("--only", default="")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    qemus = {"7.2": ["qemu-system-x86_64"]}
    if options.newer:
        qemus["newer"] = newer_command(shlex.split(options.newer))
    pairs = agreed = 0
    said = {True: "loads", False: "refused", None: "no start"}
    describe()
    with tempfile.TemporaryDirectory() as path:
        measure(Folder(path, options.bin), qemus["7.2"])
    print("\n## Verdicts\n\nA full load and a check of the same file by the same command line.\n")
    print("| source | destination | change | full load | check |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(path, options.bin)
        for name, line in SOURCES.items():
            for source, qemu in qemus.items():
                if options.only not in f"{name}/{source}":
                    continue
                if not folder.save(qemu, line, "guest.zst", RUNNING if name.endswith("-running") else 0):
                    continue
                trials = [(source, "", line)]
                trials += [(source, f"`{old}` → `{new}`", line.replace(old, new)) for old, new in CHANGES[name]]
                trials += [(other, "", line) for other in qemus if other != source]
                for destination, change, words in trials:
                    wanted = folder.load([*qemus[destination], *shlex.split(words), "-display", "none", "-S"], "guest.zst")
                    found, output = folder.check(qemus[destination], words, "guest.zst")
                    pairs += 1
                    agreed += wanted == found
                    mark = "" if wanted == found else " **"
                    print(f"| {name} {source} | {destination} | {change} | {said[wanted]} | {said.get(found, found)}{mark} |", flush=True)
                    if options.v or wanted != found:
                        print(output, file=sys.stderr)
    print(f"\n{agreed} of {pairs} agree")
    return 0 if pairs and agreed >= 0.98 * pairs else 1


if __name__ == "__main__":
    sys.exit(main())
