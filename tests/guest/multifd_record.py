# SPDX-License-Identifier: MIT
"""Records a multifd migration: one file for each connection that QEMU opens."""

import socket
import threading

from real_guest import PATIENCE, wait_until

MAGIC = b"\x11\x22\x33\x44"


class Recorder:
    """A listener at `path` that reads all that comes and says nothing."""

    def __init__(self, path):
        self.received = []
        self.threads = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        self.listener.settimeout(PATIENCE)

    def record(self, connections):
        """Takes so many connections, each on a thread of its own."""
        self.threads = [threading.Thread(target=self._take) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def _take(self):
        peer, _ = self.listener.accept()
        with peer:
            peer.settimeout(PATIENCE)
            pieces = []
            while piece := peer.recv(1 << 16):
                pieces.append(piece)
        self.received.append(b"".join(pieces))

    def finish(self):
        """The connections, once all have been closed: the main stream, and the channels by id."""
        for thread in self.threads:
            thread.join()
        self.listener.close()
        main = [one for one in self.received if not one.startswith(MAGIC)]
        channels = sorted((one for one in self.received if one.startswith(MAGIC)),
                          key=lambda channel: channel[24])
        assert len(main) == 1 and len(channels) == len(self.threads) - 1
        return main[0], channels


def record_multifd(guest, folder, method="none", channels=2, **parameters):
    """What a guest sends: the main stream, and the channels."""
    monitor = guest.monitor
    monitor.ask("migrate-set-capabilities", capabilities=[{"capability": "multifd", "state": True}])
    monitor.ask("migrate-set-parameters",
                **{"multifd-channels": channels, "multifd-compression": method, **parameters})
    recorder = Recorder(folder / "recorder")
    recorder.record(channels + 1)
    monitor.ask("migrate", uri=f"unix:{folder / 'recorder'}")
    wait_until(lambda: monitor.migration() in ("completed", "failed"), "the migration")
    assert monitor.migration() == "completed", monitor.ask("query-migrate")
    return recorder.finish()
