# SPDX-License-Identifier: MIT
"""What became of the faults, counted, and the table that shows it."""

import collections

# In the order of the table's columns.
WHOLE = "succeeded"
UNTOLD = "done, summary lost"
REFUSED = "failed, all as before"
RESUMED = "resumed by hand"
UNKNOWN = "claim kept"
GONE = "QEMU killed"
OUTCOMES = (WHOLE, UNTOLD, REFUSED, RESUMED, UNKNOWN, GONE)


class Broken(Exception):
    """A promise that a fault has broken."""


def promise(holds, otherwise):
    if not holds:
        raise Broken(otherwise)


def is_untold(ran):
    """The work is done, only its summary could not be written, and the message says so."""
    return ran.status > 0 and "is done all the same" in ran.stderr


class Tally:
    """Outcomes by operation and kind of fault, and the promises that did not hold."""

    def __init__(self):
        self.rows = collections.defaultdict(collections.Counter)
        self.broken = []
        self.restores = 0  # of files that were whole, to see that they are

    def add(self, operation, kind, outcome):
        self.rows[operation, kind][outcome] += 1

    def add_broken(self, operation, fault, reason):
        self.broken.append(f"{operation}: {fault}: {reason}")

    def injected(self):
        return sum(sum(row.values()) for row in self.rows.values()) + len(self.broken)

    def merge(self, other):
        for key, row in other.rows.items():
            self.rows[key] += row
        self.broken += other.broken
        self.restores += other.restores

    def report(self):
        """Two tables, by operation and by kind of fault, of the same faults."""
        tables = [self._table(title, part) for part, title in enumerate(("operation", "fault"))]
        return "\n".join([*tables, f"{self.restores} of the files that were whole have been loaded "
                                   "into a QEMU again.\n"])

    def _table(self, title, part):
        merged = collections.defaultdict(collections.Counter)
        for key, row in self.rows.items():
            merged[key[part]] += row
        lines = [f"| {title} | injected | {' | '.join(OUTCOMES)} |",
                 "|---|--:" + "|--:" * len(OUTCOMES) + "|"]
        lines += [self._line(name, row) for name, row in merged.items()]
        lines.append(self._line("**all**", sum(merged.values(), collections.Counter())))
        return "\n".join(lines) + "\n"

    @staticmethod
    def _line(name, row):
        counts = " | ".join(str(row[outcome] or "") for outcome in OUTCOMES)
        return f"| {name} | {row.total()} | {counts} |"
