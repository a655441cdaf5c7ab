# SPDX-License-Identifier: MIT
"""A domain of libvirt, saved by libvirt's own commands and by vmdump: how long that takes, how long the guest
stands still, how large the file is. One daemon and one domain; the ways take turns."""
import contextlib
import datetime
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from report import row
from run import DATA_ADDRESS

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
EVENT = re.compile(r"^(\S+ \S+?): event 'lifecycle' for domain '?bench'?: (Suspended|Resumed)", re.MULTILINE)


def load_daemon(build):
    """The daemon of the tests."""
    guests = pathlib.Path(build) / "tests/support/test_guest"
    os.environ.setdefault("VMSTREAM_BIN", f"{build}/bin")
    os.environ.setdefault("VMSTREAM_TEST_GUEST", f"{guests}/test_guest.img")
    sys.path += [str(TESTS / part) for part in ("cli", "guest", "support/test_guest")]
    import libvirt_daemon  # pylint: disable=import-outside-toplevel
    return libvirt_daemon


def make_domain(daemon, libvirt, megabytes, data):
    domain = daemon.Domain(libvirt, "bench", megabytes=megabytes)
    loader = f"loader,file={data},addr={DATA_ADDRESS:#x},force-raw=on"
    arguments = (f"<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='{loader}'/></qemu:commandline>"
                 "</domain>")
    text = domain.xml.read_text().replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/"
                                          "qemu/1.0' ", 1)
    domain.xml.write_text(text.replace("</domain>", arguments))
    libvirt.domains.append(domain)
    domain.start()
    return domain


class Pauses:
    """How long the domain stands still, by libvirt's own events."""

    def __init__(self, libvirt):
        self.libvirt = libvirt

    @contextlib.contextmanager
    def watch(self):
        self.seconds = None
        command = ["stdbuf", "-oL", "virsh", "-c", self.libvirt.uri, "event", "--domain", "bench", "--event",
                   "lifecycle", "--loop", "--timestamp"]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
            watcher = subprocess.Popen(command, stdout=told, stderr=subprocess.DEVNULL,
                                       env=self.libvirt.environment())
            time.sleep(0.3)
            yield
            time.sleep(0.2)
            watcher.send_signal(signal.SIGINT)
            watcher.wait()
            told.seek(0)
            self.seconds = self.sum_up(told.read())

    @staticmethod
    def sum_up(text):
        total, since = 0.0, None
        for stamp, what in EVENT.findall(text):
            when = datetime.datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f%z").timestamp()
            if what == "Suspended":
                since = since or when
            elif since:
                total, since = total + when - since, None
        return total


class Ways:
    """Each saves the domain into `file`, and leaves it running."""

    def __init__(self, options, libvirt, domain, file):
        self.options, self.libvirt, self.domain, self.file = options, libvirt, domain, file
        self.formats = {}

    def all(self):
        yield "virsh dump, raw, fsync", lambda: self.dump("raw")
        yield "virsh dump --live, raw, fsync", lambda: self.dump("raw", "--live")
        yield "virsh dump, gzip, fsync", lambda: self.dump("gzip")
        yield "virsh save, raw", lambda: self.save("raw")
        yield "virsh save, gzip", lambda: self.save("gzip")
        yield "vmdump, none", lambda: self.vmdump("-c", "none")
        yield "vmdump", lambda: self.vmdump("-c", "zstd")
        yield "vmdump, zstd:1", lambda: self.vmdump("-c", "zstd:1")
        yield "vmdump, gzip", lambda: self.vmdump("-c", "gzip")
        yield "vmdump --mode live", lambda: self.vmdump("-c", "zstd", "--mode", "live")

    def prepare(self, name):
        """Formats are the daemon's, which reads them when it starts."""
        packing = "gzip" if name.startswith("virsh") and "gzip" in name else "raw"
        wanted = {"dump_image_format": packing, "save_image_format": packing}
        if wanted != self.formats:
            self.libvirt.kill(signal.SIGTERM)
            self.libvirt.configure(**wanted)
            self.libvirt.start()
            self.formats = wanted
        pathlib.Path(self.file).unlink(missing_ok=True)
        os.sync()

    def dump(self, _, *how):
        self.libvirt.virsh("dump", *how, "bench", self.file)
        subprocess.run(["sync", self.file], check=True)

    def save(self, _):
        self.libvirt.virsh("save", "bench", self.file)

    def vmdump(self, *how):
        subprocess.run([f"{self.options.build}/bin/vmdump", "-q", "--libvirt", self.domain.address, "-o", self.file,
                        *how], check=True)

    def go_on(self, name):
        if name.startswith("virsh save"):
            self.libvirt.virsh("restore", self.file)
            self.libvirt.virsh("resume", "bench", check=False)


def measure(ways, pauses, rounds):
    """Per way lists of seconds, pauses and sizes."""
    found = {}
    for _ in range(rounds):
        for name, run in ways.all():
            ways.prepare(name)
            with pauses.watch():
                begun = time.monotonic()
                run()
                seconds = time.monotonic() - begun
            pause = None if name.startswith("virsh save") else pauses.seconds
            found.setdefault(name, []).append((seconds, pause, os.path.getsize(ways.file)))
            ways.go_on(name)
            print(f"{name}: {seconds:.2f} s, pause {pause}", file=sys.stderr, flush=True)
    return found


def median(values):
    return statistics.median(values)


def tables(found):
    lines = [row("way", "seconds", "the guest stands still, s", "file MiB"), row("---", "---:", "---:", "---:")]
    for name, runs in found.items():
        pauses = [pause for _, pause, _ in runs if pause is not None]
        still = f"{median(pauses):.2f}" if pauses else "it ends"
        lines.append(row(name, f"{median([run[0] for run in runs]):.2f}", still,
                         f"{median([run[2] for run in runs]) / (1 << 20):.0f}"))
    lines += ["", row("goal", "wanted", "measured"), row("---", "---", "---:")]
    for ours, other, wanted in (("vmdump, none", "virsh dump, raw, fsync", 1),
                                ("vmdump, zstd:1", "virsh dump, raw, fsync", 1),
                                ("vmdump, gzip", "virsh dump, gzip, fsync", 4)):
        ratio = median([run[0] for run in found[other]]) / median([run[0] for run in found[ours]])
        lines.append(row(f"{ours}, against {other}", f">= {wanted} times", f"{ratio:.2f} times"))
    return lines


def table(options, folder, data):
    daemon = load_daemon(options.build)
    with tempfile.TemporaryDirectory(prefix="vmstream-libvirt-", dir=folder) as own:
        libvirt = daemon.Libvirt(pathlib.Path(own))
        try:
            domain = make_domain(daemon, libvirt, options.domain_memory, data)
            time.sleep(2)
            ways = Ways(options, libvirt, domain, f"{folder}/domain.state")
            return tables(measure(ways, Pauses(libvirt), options.rounds))
        finally:
            libvirt.end()
