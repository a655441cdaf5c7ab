# SPDX-License-Identifier: MIT
"""What the results of bench/agreement.py come to: tables for a document, and what is not as it should be."""
import collections
import pathlib

from agreement_guests import CRASHED, HUNG, LOADED
from agreement_kinds import KINDS
from report import row

BEGIN, END = "<!-- agreement: begin -->\n", "<!-- agreement: end -->\n"
FAULTS = ("disagrees", "passed", "accused", "contradicts")


def route_of(result):
    return f"{result['capture']}: {result['saved_by']} to {result['loaded_by']}"


def table(title, results, key, names):
    """A line for each of the names, of the results that have it as their key."""
    lines = [row(title, "cases", "loads", "crashes", "agree", "depends", "told", "passed", "accused"),
             "|---|" + "--:|" * 8]
    for name in names:
        chosen = [result for result in results if key(result) == name]
        if chosen:
            lines.append(line(names[name], chosen))
    lines.append(line("**all**", results))
    return "\n".join(lines) + "\n"


def line(name, results):
    def count(condition):
        return sum(1 for result in results if condition(result))

    agree = count(lambda result: "disagrees" not in result["faults"])
    counts = [count(lambda result: result["qemu"] == LOADED),
              count(lambda result: result["qemu"] in (CRASHED, HUNG))]
    more = [count(lambda result: result["verdict"] == "depends"), count(lambda result: result["told"]),
            *(count(lambda result, fault=fault: fault in result["faults"]) for fault in ("passed", "accused"))]
    return row(name, len(results), *(number or "" for number in counts),
               f"{100 * agree / len(results):.1f} %", *(number or "" for number in more))


def report(results):
    """Two tables, by kind of damage and by guest, of the same cases."""
    routes = sorted({route_of(result) for result in results})
    return "\n".join([
        table("damage", results, lambda result: result["kind"], {kind.name: kind.title for kind in KINDS}),
        table("guest", results, route_of, dict(zip(routes, routes)))])


def complaints(results):
    """The cases that are not as they should be, by kind."""
    groups = collections.defaultdict(list)
    for result in results:
        if result["faults"]:
            groups[result["kind"]].append(result)
    for kind in groups:
        yield f"\n{kind}"
        for result in groups[kind]:
            yield (f"  {result['case']} {'+'.join(result['faults'])}: {route_of(result)}: {result['what']}\n"
                   f"      QEMU: {result['qemu']} ({result['message']})\n"
                   f"      explain: {result['verdict']}; verify: {result['verify']}; told: {result['told']}")


def write(path, results):
    """Puts the tables into a document, between their marks."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    pathlib.Path(path).write_text(before + BEGIN + report(results) + END + rest.split(END)[1],
                                  encoding="utf-8")
