# SPDX-License-Identifier: MIT
"""Stands between a QEMU that sends and one that receives, and keeps what is sent."""

import socket
import threading

from real_guest import PATIENCE, wait_until

SLOWLY = 1 << 20  # bytes a second, so that postcopy begins in the middle of the first pass


class Relay:
    """Takes the connections of a source to its destination, and keeps what the source sends."""

    def __init__(self, path, destination):
        self.destination = str(destination)
        self.sent = []
        self.threads = []
        self.sockets = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(4)
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self):
        while True:
            try:
                source, _ = self.listener.accept()
            except OSError:
                return  # closed
            destination = socket.socket(socket.AF_UNIX)
            destination.connect(self.destination)
            self.sockets += [source, destination]
            for side in (source, destination):
                side.settimeout(PATIENCE)
            self.sent.append(bytearray())
            for arguments in ((source, destination, self.sent[-1]), (destination, source, bytearray())):
                thread = threading.Thread(target=self._pass_on, args=arguments, daemon=True)
                self.threads.append(thread)
                thread.start()

    @staticmethod
    def _pass_on(reader, writer, kept):
        try:
            while piece := reader.recv(1 << 16):
                kept += piece
                writer.sendall(piece)
            writer.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side has ended

    def end(self):
        """What came through each connection, the main stream first."""
        for thread in self.threads:
            thread.join()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        for one in (self.listener, *self.sockets):
            one.close()
        return sorted(map(bytes, self.sent), key=lambda one: not one.startswith(b"QEVM"))


def record_postcopy(folder, source, destination, judge):
    """Migrates `source` to the `destination` that listens at second.migration in `folder`, by postcopy from the
    middle of the first pass on. `judge` is called once all has come; then both end. Gives what went through each
    connection."""
    source.monitor.ask("migrate-set-parameters", **{"max-bandwidth": SLOWLY})
    wait_until((folder / "second.migration").exists, "the destination")
    relay = Relay(folder / "relay", folder / "second.migration")
    source.monitor.ask("migrate", uri="unix:relay")
    wait_until(lambda: source.monitor.ask("query-migrate").get("ram", {}).get("transferred", 0) > SLOWLY,
               "the first pages")
    source.monitor.ask("migrate-start-postcopy")
    wait_until(lambda: source.monitor.migration() == "completed", "the end")
    judge()
    source.end()
    destination.end()
    return relay.end()
