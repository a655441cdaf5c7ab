# SPDX-License-Identifier: MIT
"""How long `vmstream-inspect info` takes for a large guest that is mostly empty, in each container that is read
by position."""
import os
import pathlib
import statistics
import subprocess
import time

from qemu import Guest
from report import row
from run import UNLIMITED

MEMORY_MIB = 16384
WANTED_MS = 40
XML = "<domain type='qemu'><name>bench</name></domain>\n"


def save_guest(options, folder):
    """The plain stream, and a snapshot in a disk image."""
    disk, plain = f"{folder}/disk.qcow2", f"{folder}/large"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1G"], check=True)
    drive = ["-drive", f"file={disk},format=qcow2,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk"]
    with Guest(folder, "large", MEMORY_MIB, drive) as guest:
        with guest.session() as qmp:
            qmp.execute("migrate-set-parameters", **{"max-bandwidth": UNLIMITED})
            qmp.execute("human-monitor-command", **{"command-line": "savevm bench"})
        subprocess.run([f"{options.build}/bin/vmdump", "-q", "--qmp", guest.socket_path, "-c", "none", "-o", plain],
                       check=True)
    return plain, f"{disk}#bench"


def containers(options, folder):
    """Name, and what is asked about."""
    plain, snapshot = save_guest(options, folder)
    pathlib.Path(f"{folder}/domain.xml").write_text(XML, encoding="ascii")

    def convert(target, *how):
        subprocess.run([f"{options.build}/bin/vmdump", "-q", "--from", plain, "-o", f"{folder}/{target}", *how],
                       check=True)
        return f"{folder}/{target}"

    yield "plain", plain
    yield "zstd", convert("large.zst")
    yield "gzip", convert("large.gz")
    yield "libvirt, raw", convert("large.sav", "--to", "libvirt", "--xml", f"{folder}/domain.xml")
    yield "mapped-ram", convert("large.mapped", "--to", "mapped-ram")
    yield "qcow2 snapshot", snapshot
    subprocess.run(["tar", "-C", folder, "-cf", f"{folder}/large.tar", "large"], check=True)
    yield "tar", f"{folder}/large.tar"
    subprocess.run(f"gzip -1 -c {plain} > {folder}/foreign.gz", shell=True, check=True)
    subprocess.run([f"{options.build}/bin/vmstream-inspect", "-q", "index", f"{folder}/foreign.gz"], check=True,
                   stdout=subprocess.DEVNULL)
    yield "gzip of gzip(1), with an index beside it", f"{folder}/foreign.gz"


def table(options, folder):
    lines = [row("container", "file MiB", "info, ms", f"wanted: {WANTED_MS}"), row("---", "---:", "---:", "---")]
    for name, file in containers(options, folder):
        took = []
        for _ in range(max(options.runs, 5)):
            begun = time.monotonic()
            subprocess.run([f"{options.build}/bin/vmstream-inspect", "info", file], check=True,
                           stdout=subprocess.DEVNULL)
            took.append(1000 * (time.monotonic() - begun))
        size = os.path.getsize(file.partition("#")[0]) / (1 << 20)
        median = statistics.median(took)
        lines.append(row(name, f"{size:.0f}", f"{median:.0f}", "yes" if median <= WANTED_MS else "no"))
        print(lines[-1], flush=True)
    return lines
