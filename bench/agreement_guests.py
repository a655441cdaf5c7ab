# SPDX-License-Identifier: MIT
"""Guests of real QEMUs: saved once, and loaded from any bytes to see what QEMU does with them."""
import contextlib
import dataclasses
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from qemu import QmpError, Session

PATIENCE = 30  # seconds for anything that QEMU is asked for
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
LOADED, REFUSED, CRASHED, HUNG = "loaded", "refused", "crashed", "hung"

# Boot sector that adds one to a word of each page from 64 KiB to 512 KiB, again and again.
WRITER = bytes.fromhex("fabb00108ec331ff26ff0581c7001075f781c3001081fb008072e9ebe4").ljust(510, b"\0") + b"\x55\xaa"
WRITTEN = 0x10000

VIRTIO = ("-drive", "if=none,id=a,driver=null-co,size=16M", "-device", "virtio-blk-pci,drive=a",
          "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n",
          "-device", "virtio-rng-pci", "-device", "virtio-balloon-pci",
          "-device", "virtio-serial-pci", "-device", "virtserialport")
PCI = ("-device", "qemu-xhci", "-device", "usb-tablet",
       "-netdev", "user,id=e,restrict=on", "-device", "e1000,netdev=e")
AHCI = ("-drive", "if=none,id=d,driver=null-co,size=16M", "-device", "ide-hd,drive=d,bus=ide.0")
DISK = ("-drive", "if=none,id=disk,driver=null-co,size=4M,read-zeroes=on", "-device", "virtio-blk-pci,drive=disk")
UUID = "0f0e0d0c-0b0a-0908-0706-050403020100"


# A destination may be told so whatever it is to load.
NO_CONFIGURATION = ("-global", "migration.send-configuration=off")
NO_FOOTERS = ("-global", "migration.send-section-footer=off")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a guest is started and saved; a destination is started the same way."""
    name: str
    saved_by: str  # "older" or "newer" than 9.0
    machine: str
    arguments: tuple = ()
    capabilities: tuple = ()  # of both sides
    source_capabilities: tuple = ()
    live: bool = False  # saved in several passes while it writes
    # Other ways to start a destination, as real as the first: arguments and capabilities.
    others: tuple = ()
    prepare: tuple = ()  # commands before the save, with their arguments
    options: tuple = ()  # of `migrate`, that are true
    memory: str = "16"  # MiB
    program: str = ""  # of another processor than x86_64

    def all_others(self):
        return (*self.others, *((more, self.capabilities) for more in (NO_CONFIGURATION, NO_FOOTERS)))


RECIPES = (
    Recipe("pc", "older", "pc-i440fx-7.2"),
    Recipe("pc, virtio", "newer", "pc", ("-smp", "2", *VIRTIO)),
    Recipe("q35, many devices", "older", "pc-q35-7.2", ("-smp", "2", *VIRTIO, *PCI, *AHCI)),
    Recipe("q35 of an older type", "newer", "pc-q35-7.2", ("-smp", "2", *VIRTIO)),
    Recipe("microvm", "older", "microvm"),
    Recipe("isapc", "newer", "isapc"),
    Recipe("mapped-ram", "newer", "pc", capabilities=("mapped-ram",)),
    Recipe("several passes, xbzrle", "older", "pc-i440fx-7.2", source_capabilities=("xbzrle",), live=True),
    Recipe("several passes", "newer", "q35", live=True),
    Recipe("compress", "older", "pc", capabilities=("compress",), others=(((), ()),)),
    Recipe("pc-i440fx-2.3", "older", "pc-i440fx-2.3"),
    Recipe("pc-i440fx-2.2", "older", "pc-i440fx-2.2"),
    Recipe("no description", "newer", "pc,suppress-vmdesc=on", others=((("-machine", "suppress-vmdesc=off"), ()),)),
    Recipe("no footers", "newer", "pc-i440fx-7.2", NO_FOOTERS,
           others=((("-global", "migration.send-section-footer=on"), ()),)),
    Recipe("UUID", "older", "pc-i440fx-7.2", ("-uuid", UUID), ("validate-uuid",),
           others=(((), ()),)),
    Recipe("shared memory left out", "newer", "pc,memory-backend=pc.ram",
           ("-object", "memory-backend-file,id=pc.ram,size=16M,share=on,mem-path=shared"),
           ("x-ignore-shared",), others=(((), ()),)),
    Recipe("background snapshot", "newer", "pc", source_capabilities=("background-snapshot",)),
    Recipe("contents of a disk", "older", "pc-i440fx-7.2", DISK, options=("blk",)),
    Recipe("dirty bitmaps", "newer", "q35", DISK, ("dirty-bitmaps",),
           prepare=(("block-dirty-bitmap-add", {"node": "disk", "name": "changes"}),)),
    Recipe("virt", "older", "virt", ("-cpu", "cortex-a57", "-device", "virtio-rng-pci"),
           program="qemu-system-aarch64"),
)


class Qemu:
    """A process in the folder, with a monitor; ends with the block."""

    def __init__(self, command, folder):
        self.log = tempfile.TemporaryFile()
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [*command, "-chardev", f"socket,id=monitor,fd={theirs.fileno()}",
                 "-mon", "chardev=monitor,mode=control"],
                cwd=folder, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        ours.settimeout(PATIENCE)
        self.socket, self.monitor = ours, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.socket.close()
        self.log.close()

    def execute(self, command, **arguments):
        """QmpError where QEMU says no or has ended; TimeoutError."""
        try:
            self.monitor = self.monitor or Session(self.socket)
            return self.monitor.execute(command, **arguments)
        except (ConnectionError, QmpError) as error:
            raise QmpError(f"{error}; {self.message()}") from None

    def set_capabilities(self, names):
        self.execute("migrate-set-capabilities",
                     capabilities=[{"capability": name, "state": True} for name in names])

    def known_capabilities(self):
        return {capability["capability"] for capability in self.execute("query-migrate-capabilities")}

    def migration(self):
        return self.execute("query-migrate")

    def wait_for_migration(self):
        """How it has ended: completed, failed, or nothing in time."""
        return self.wait_for(lambda: self.migration().get("status") in ("completed", "failed") and
                             self.migration()["status"])

    def wait_for(self, condition):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if answer := condition():
                return answer
            time.sleep(0.005)
        return None

    def word(self, address):
        line = self.execute("human-monitor-command", **{"command-line": f"xp /1wx {address:#x}"})
        return line.split(":")[-1].strip()

    def message(self):
        """What it has said of the load, but for warnings, in one line."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").splitlines()
        said = [re.sub(r"^qemu-system-\w+: ", "", line) for line in lines
                if line.strip() and "warning:" not in line]
        return " | ".join(said)[:600]


def drive(folder):
    """The disk that a guest is started from that writes."""
    sector = folder / "writer.img"
    if not sector.exists():
        sector.write_bytes(WRITER.ljust(1440 * 1024, b"\0"))
    return ["-drive", f"if=ide,format=raw,snapshot=on,file={sector}"]


def command_of(qemu, recipe, folder):
    return [*qemu, "-machine", recipe.machine, "-accel", "tcg", "-m", recipe.memory, "-nodefaults",
            "-no-user-config", "-display", "none", "-S",
            *recipe.arguments, *(drive(folder) if recipe.live else [])]


def save(qemu, recipe, folder, target):
    """Runs the guest for a moment and saves it."""
    with Qemu(command_of(qemu, recipe, folder), folder) as guest:
        guest.execute("cont")
        run_for_a_moment(guest, recipe)
        if not recipe.live:
            guest.execute("stop")
        guest.set_capabilities([*recipe.capabilities, *recipe.source_capabilities])
        if recipe.live:
            guest.execute("migrate-set-parameters", **{"max-bandwidth": 4 << 20, "downtime-limit": 1})
        uri = f"file:{target}" if "mapped-ram" in recipe.capabilities else f"exec:cat >'{target}'"
        for command, arguments in recipe.prepare:
            guest.execute(command, **arguments)
        guest.execute("migrate", uri=uri, **dict.fromkeys(recipe.options, True))
        if recipe.live:
            guest.wait_for(lambda: guest.migration().get("ram", {}).get("dirty-sync-count", 0) > 3)
            guest.execute("stop")
            guest.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 30})
        if guest.wait_for_migration() != "completed":
            raise QmpError(f"{recipe.name} is not saved: {guest.migration()}, {guest.message()}")


def run_for_a_moment(guest, recipe):
    if recipe.live:
        guest.wait_for(lambda: guest.word(WRITTEN) != "0x00000000")
    elif not recipe.program:
        # The firmware has set up its interrupt table.
        guest.wait_for(lambda: guest.word(0) != "0x00000000")
    else:
        time.sleep(0.2)


def load(qemu, recipe, folder, file, other=None):
    """What a QEMU makes of the file, and what it says. With `other`: another way to start it."""
    arguments, capabilities = other or ((), recipe.capabilities)
    with Qemu([*command_of(qemu, recipe, folder), *arguments, "-incoming", "defer"], folder) as guest:
        try:
            known = guest.known_capabilities() if capabilities else ()
            capabilities = [name for name in capabilities if name in known]
            guest.set_capabilities(capabilities)
            uri = f"file:{file}" if "mapped-ram" in capabilities else f"exec:cat '{file}'"
            guest.execute("migrate-incoming", uri=uri)
            ended = guest.wait_for_migration()
        except QmpError:
            ended = end_of(guest)
            if ended is None:  # it has not even tried
                raise
        except TimeoutError:
            ended = None
        if ended == "failed":
            ended = end_of(guest) or REFUSED
        return {"completed": LOADED, None: HUNG}.get(ended, ended), guest.message()


def end_of(guest):
    """How the process has ended; None where it goes on."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return CRASHED if -guest.process.wait(2) in CRASHES else REFUSED
    return None


def release_of(command):
    """"7.2", or nothing where there is no such program."""
    if not shutil.which(command[0]):
        return None
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+\.\d+)", said)
    return found[1] if found else None
