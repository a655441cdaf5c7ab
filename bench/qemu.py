# SPDX-License-Identifier: MIT
"""A QEMU for the benchmark: started on a private unix socket, asked through QMP, ended by its pid."""
import json
import os
import socket
import subprocess
import time

POLL_SECONDS = 0.002


class QmpError(Exception):
    pass


class Guest:
    """A stopped guest. Use as a context manager: it ends with the block."""

    def __init__(self, folder, name, memory_mib, extra=(), accel="tcg"):
        self.socket_path = f"{folder}/{name}.qmp"
        self.log_path = f"{folder}/{name}.log"
        self.arguments = [
            "qemu-system-x86_64", "-machine", "pc", "-accel", accel, "-nodefaults",
            "-display", "none", "-m", str(memory_mib), "-S",
            "-qmp", f"unix:{self.socket_path},server=on,wait=off", *extra,
        ]

    def __enter__(self):
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self):
        """Used so far, by all its threads."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _connect(self, timeout=60):
        """The monitor serves one client at a time: connections are short, so that tools get in."""
        deadline = time.monotonic() + timeout
        while True:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                client.connect(self.socket_path)
                return client
            except OSError:
                client.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    with open(self.log_path, encoding="utf-8") as log:
                        raise QmpError(f"QEMU does not answer: {log.read()}") from None
                time.sleep(0.01)

    def session(self):
        return Session(self._connect())


class Session:
    """One QMP connection."""

    def __init__(self, client):
        self._client = client
        self._lines = client.makefile("rw", encoding="utf-8")
        self._read()  # the greeting
        self.execute("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._client.close()

    def execute(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self._lines)
        self._lines.write("\n")
        self._lines.flush()
        while True:
            answer = self._read()
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def _read(self):
        line = self._lines.readline()
        if not line:
            raise QmpError("QEMU has ended")
        return json.loads(line)

    def wait_for_migration(self):
        while True:
            status = self.execute("query-migrate").get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled"):
                raise QmpError(f"migration {status}")
            time.sleep(POLL_SECONDS)
