# SPDX-License-Identifier: MIT
"""Plain streams taken apart and put together as a postcopy source would send them."""

import json
import subprocess

from support import be, tool

ADVISE, LISTEN, RUN, PACKAGED, COLO = 3, 4, 5, 7, 8
EOF = be(1, 0)


def command(number, payload=b""):
    return be(1, 8) + be(2, number) + be(2, len(payload)) + payload


def package(records):
    return command(PACKAGED, be(4, len(records))) + records


def parts_of(path):
    """Of a plain stream: what stands in front of its memory, the memory, its devices."""
    with open(path, "rb") as file:
        whole = file.read()
    listed = subprocess.run([tool("vmstream-inspect"), "sections", "--json", path], check=True,
                            capture_output=True)
    sections = json.loads(listed.stdout)["sections"]

    def first(kind):
        return next(one["offset"] for one in sections if one["type"] == kind)

    memory, devices, end = first("start"), first("full"), first("eof")
    return whole[:memory], whole[memory:devices], whole[devices:end]


def starting_package(devices):
    """Loads the devices and starts the guest."""
    return package(command(LISTEN) + devices + command(RUN))


def as_postcopy(path):
    front, memory, devices = parts_of(path)
    return front + command(ADVISE) + memory + starting_package(devices) + EOF
