# SPDX-License-Identifier: MIT
"""A libvirt of the test's own: the daemon of the distribution, in a world where it finds nobody else's
domains and nobody finds its own.

Root gets the system daemon in a mount namespace of its own, with the test's folder in place of /run,
/etc/libvirt and what it keeps below /var; anybody else the session daemon, with the test's folder in
place of their home. Neither needs systemd, polkit or D-Bus. Tests and tools reach both by a socket in
the test's folder."""

import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from xml.sax.saxutils import quoteattr

from real_guest import ACCEL, IMAGE, PATIENCE, Guest, wait_until

DAEMON_CONF = """
unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
"""

# A container may have no cgroups, no security module and no user but root. Without virtlogd QEMU
# writes its log by itself.
QEMU_CONF = """
user = "root"
group = "root"
cgroup_controllers = []
security_driver = "none"
namespaces = []
remember_owner = 0
stdio_handler = "file"
"""

# What the daemon sees in place of the machine's own. /run hides the buses.
MASKED = ["/run", "/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt"]

DOMAIN = """<domain type='{kind}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{megabytes}</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='{boot}'/></os>
  <features><acpi/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>{emulator}</emulator>
    {image}
    <serial type='file'><source path={serial}/></serial>
    <memballoon model='none'/>
    <video><model type='none'/></video>
    {more}
  </devices>
</domain>
"""
FLOPPY = ("<disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file={image}/>"
          "<target dev='fda' bus='fdc'/><readonly/></disk>")
DISK = ("<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file={image}/>"
        "<target dev='hda' bus='ide'/></disk>")


def program(name):
    """Its path; daemons are where the PATH of a user may not lead."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"no {name}: scripts/install-deps.sh installs it"
    return found


class Libvirt:
    """A daemon that runs, and virsh as its client."""

    def __init__(self, folder, **settings):
        """`settings` go into qemu.conf: dump_image_format="gzip"."""
        self.folder = folder / "libvirt"
        self.settings = settings
        self.daemon = None
        self.domains = []
        self.is_system = os.geteuid() == 0
        for masked in MASKED:
            self.inside(masked).mkdir(parents=True)
        self.inside("/run/user").mkdir()
        self.configure()
        self.start()

    def inside(self, path):
        """Where the test finds what the daemon calls `path`."""
        return self.folder / path.lstrip("/")

    @property
    def socket(self):
        return self.inside("/run" if self.is_system else "/run/user") / "libvirt/libvirt-sock"

    @property
    def uri(self):
        return f"qemu+unix:///{'system' if self.is_system else 'session'}?socket={self.socket}"

    @property
    def save_folder(self):
        return self.inside("/var/lib/libvirt/qemu/save")

    def configure(self, **settings):
        self.settings.update(settings)
        folder = self.inside("/etc/libvirt")
        (folder / "libvirtd.conf").write_text(DAEMON_CONF if self.is_system else "")
        lines = [f'{name} = "{value}"\n' for name, value in self.settings.items()]
        (folder / "qemu.conf").write_text((QEMU_CONF if self.is_system else "") + "".join(lines))

    def command(self):
        config = self.inside("/etc/libvirt") / "libvirtd.conf"
        daemon = [program("libvirtd"), "--config", str(config)]
        if not self.is_system:
            return daemon
        mounts = "".join(f"mkdir -p {path} && mount --bind '{self.inside(path)}' {path} && "
                         for path in reversed(MASKED))
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                f"{mounts} exec \"$@\"", "sh", *daemon]

    def environment(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        if not self.is_system:
            environment.update(HOME=str(self.folder), XDG_RUNTIME_DIR=str(self.inside("/run/user")),
                               XDG_CONFIG_HOME=str(self.inside("/etc")),
                               XDG_CACHE_HOME=str(self.inside("/var/cache")))
        return environment

    def start(self):
        with open(self.folder / "daemon.log", "ab") as log:
            self.daemon = subprocess.Popen(self.command(), env=self.environment(), stdout=log,
                                           stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self.answers, f"libvirtd: {self.log()}")

    def answers(self):
        assert self.daemon.poll() is None, f"libvirtd does not start: {self.log()}"
        return self.socket.exists() and self.virsh("uri", check=False).returncode == 0

    def log(self):
        return (self.folder / "daemon.log").read_text(errors="replace")

    def kill(self, how=signal.SIGKILL):
        self.daemon.send_signal(how)
        self.daemon.wait()

    def virsh(self, *arguments, check=True):
        ran = subprocess.run([program("virsh"), "-q", "-c", self.uri, *arguments], check=False,
                             capture_output=True, text=True, timeout=60, env=self.environment(),
                             stdin=subprocess.DEVNULL)
        assert not check or ran.returncode == 0, (arguments, ran.stderr, self.daemon.poll())
        return ran

    def ask(self, *arguments):
        return self.virsh(*arguments).stdout.strip()

    def domain(self, name="tiny", **how):
        """Starts one."""
        domain = Domain(self, name, **how)
        self.domains.append(domain)
        domain.start()
        return domain

    def end(self):
        """Ends the domains, then the daemon; by pid, as the daemon may be dead."""
        for domain in self.domains:
            domain.kill()
        if self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()


class Domain(Guest):
    """The counting guest as a domain, in the folder of its daemon."""

    def __init__(self, libvirt, name, image=IMAGE, megabytes=32, more="", writable=False,
                 emulator="qemu-system-x86_64"):
        super().__init__(libvirt.folder, name)
        self.libvirt = libvirt
        self.uuid = str(uuid.uuid4())
        self.first_taint = None  # root's QEMU has one from the start
        disk = DISK if writable else FLOPPY
        self.image = Path(image)
        if writable:
            self.image = self.folder / f"{name}.disk"
            shutil.copyfile(image, self.image)
        self.xml = self.folder / f"{name}.xml"
        self.xml.write_text(DOMAIN.format(
            kind="qemu" if ACCEL == "tcg" else ACCEL, name=name, uuid=self.uuid,
            megabytes=megabytes, boot="hd" if writable else "fd", emulator=program(emulator),
            image=disk.format(image=quoteattr(str(self.image))),
            serial=quoteattr(str(self.serial)), more=more))

    @property
    def address(self):
        """As vmdump --libvirt takes it."""
        return f"{self.libvirt.uri}#{self.name}"

    def start(self):
        self.libvirt.virsh("create", str(self.xml))
        self.first_taint = self.taint()

    def state(self):
        """Its state and why: ("running", "booted")."""
        words = self.libvirt.ask("domstate", "--reason", self.name)
        state, _, reason = words.partition(" (")
        return state, reason.rstrip(")")

    def is_running(self):
        return self.state()[0] == "running"

    def ask(self, command, *arguments):
        """virsh about this domain."""
        return self.libvirt.ask(command, self.name, *arguments)

    def taint(self):
        """What support people would not like, as libvirt shows and logs it."""
        log = self.libvirt.inside("/var/log/libvirt/qemu") / f"{self.name}.log"
        if not self.libvirt.is_system:
            log = self.libvirt.inside("/var/cache") / f"libvirt/qemu/log/{self.name}.log"
        shown = [line for line in self.ask("dominfo").splitlines() if "tainted" in line]
        return shown, log.read_text(errors="replace").count("is tainted")

    def pid(self):
        """Of its QEMU; 0 where there is none."""
        run = self.libvirt.inside("/run" if self.libvirt.is_system else "/run/user")
        for file in run.glob(f"libvirt/qemu/**/{self.name}.pid"):
            pid = int(file.read_text() or 0)
            words = Path(f"/proc/{pid}/cmdline")
            if words.exists() and f"guest={self.name}".encode() in words.read_bytes():
                return pid
        return 0

    def kill(self):
        if pid := self.pid():
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not self.is_alive(pid), f"the end of {self.name}")

    @staticmethod
    def is_alive(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


def main():
    """A daemon and a domain to try things on by hand, until Enter."""
    import tempfile  # pylint: disable=import-outside-toplevel
    with tempfile.TemporaryDirectory(prefix="vmstream-libvirt-") as folder:
        begun = time.monotonic()
        libvirt = Libvirt(Path(folder))
        try:
            domain = libvirt.domain()
            domain.wait_for_tick(5)
            print(f"{domain.address}  after {time.monotonic() - begun:.1f} s")
            input()
        finally:
            libvirt.end()


if __name__ == "__main__":
    main()
