# SPDX-License-Identifier: MIT
"""What bench/ends.py runs the tools on: two saved guests in every coding, and things that keep a reader waiting."""
import os
import pathlib
import subprocess

import guest_memory
from plain_save import save_plain

NAME_SERVER = "127.0.0.53"
EVEN_BYTE = b"\xaa"
MIB = 1 << 20

# Written by other programs: one long member, stream or frame each.
FOREIGN = {"gz": "gzip -1", "zst": "zstd -q -1", "bz2": "bzip2 -1", "xz": "xz -0", "lz4": "lz4 -q -1"}


def write_even(path, mebibytes):
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(EVEN_BYTE * MIB)


def pack(folder, command, source, target):
    subprocess.run(f"{command} < {source} > {target}", shell=True, cwd=folder, check=True)


def pack_by_vmdump(options, folder, coding, source, target):
    with open(f"{folder}/{source}", "rb") as stream:
        subprocess.run([f"{options.build}/bin/vmdump", "--quiet", "--stdin", "--compress", coding, "-o", target],
                       stdin=stream, cwd=folder, check=True)


def make_inputs(options, folder):
    """All of them, unless they are there."""
    if os.path.exists(f"{folder}/fifo"):
        return
    data = f"{folder}/data"
    guest_memory.write("idle", data, options.data * 1000000)
    save_plain(options, folder, data, f"{folder}/guest.qevm")
    write_even(data, options.memory - 128)
    save_plain(options, folder, data, f"{folder}/even.qevm")
    os.unlink(data)
    for suffix, command in FOREIGN.items():
        pack(folder, f"{command} -c", "even.qevm", f"even.{suffix}")
    pack_by_vmdump(options, folder, "bzip2:1", "even.qevm", "own.bz2")
    os.unlink(f"{folder}/even.qevm")
    pack(folder, "gzip -1 -c", "guest.qevm", "guest.gz")
    for coding, name in (("zstd:1", "guest.zst"), ("gzip:1", "own.gz")):
        pack_by_vmdump(options, folder, coding, "guest.qevm", name)
    os.link(f"{folder}/guest.gz", f"{folder}/indexed.gz")
    subprocess.run([f"{options.build}/bin/vmstream-inspect", "--quiet", "index", "indexed.gz"],
                   cwd=folder, stdout=subprocess.DEVNULL, check=True)
    (pathlib.Path(folder) / "secret").write_text("secret\n", encoding="ascii")
    os.mkfifo(f"{folder}/fifo")


def with_silent_name_server(folder):
    """Runs a command where look-ups of hosts go to NAME_SERVER, which has to be there; needs root."""
    conf = f"{folder}/resolv.conf"
    pathlib.Path(conf).write_text(f"nameserver {NAME_SERVER}\n", encoding="ascii")
    return ["unshare", "--mount", "sh", "-c", f"mount --bind {conf} /etc/resolv.conf && exec \"$@\"", "sh"]
