# SPDX-License-Identifier: MIT
"""The plain stream of a large guest."""
import subprocess

from qemu import Guest
from run import DATA_ADDRESS, UNLIMITED


def save_plain(options, folder, data, state):
    """Into `state`; the guest's RAM holds the content of `data`, and is empty otherwise."""
    loader = f"loader,file={data},addr={DATA_ADDRESS:#x},force-raw=on"
    with Guest(folder, "saved", options.memory, ["-device", loader]) as guest:
        with guest.session() as qmp:
            qmp.execute("migrate-set-parameters", **{"max-bandwidth": UNLIMITED})
        subprocess.run([f"{options.build}/bin/vmdump", "--quiet", "--qmp", guest.socket_path,
                        "--compress", "none", "-o", state], check=True)
