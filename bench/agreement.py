#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what vmstream-inspect says of damaged streams with what real QEMUs make of the same bytes.

Guests are saved by the QEMUs at hand, the streams are damaged in every kind that
agreement_kinds.py names, and each is given to a QEMU that is started as the guest was, to `explain`,
`verify` and `info`. A case is the same for the same saved guests and seed, whatever else is run.

    agreement.py                        1000 cases, and the tables
    agreement.py --only page_flags      of one kind; several times for several kinds
    agreement.py --case header-1 --write DIR  a damaged stream, and what was done to it
"""
import argparse
import concurrent.futures
import dataclasses
import itertools
import json
import os
import pathlib
import random
import resource
import shlex
import subprocess
import sys
import tempfile

import agreement_guests
import agreement_tables
from agreement_damage import Damage
from agreement_guests import LOADED, RECIPES
from agreement_kinds import KINDS, Kind
from agreement_sources import Qemus, Source, Sources

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOADS, FAILS, DEPENDS = "loads", "refused", "depends"
PATIENCE = 60  # seconds for an answer of the tool
TOLD = 0.5  # the share of cases where `explain` is told the release although it is the same
CROSSED = 0.3  # the share of cases that another release loads, of streams that both can


@dataclasses.dataclass
class Case:
    name: str
    kind: Kind
    source: Source
    release: str
    damage: Damage

    told_release: bool  # whether `explain` is told which release it is; always if it is another

    def write(self, file):
        file.write_bytes(self.damage.apply(self.source.image.bytes))


def make_case(kind, number, seed, sources):
    """The same for the same kind, number, seed and saved guests, whatever other kinds and guests there
    are. None where no stream can have the damage."""
    def chance(source, what):
        return random.Random(f"{seed} {kind.name} {number} {source.recipe.name} {what}")

    for source in sorted(sources, key=lambda source: chance(source, "order").random()):
        release = choose_release(kind, source, chance(source, "release"))
        damage = kind.make(source.image, chance(source, "damage"))
        if release and damage:
            told = release != source.saved_by or chance(source, "told").random() < TOLD
            return Case(f"{kind.name}-{number}", kind, source, release, damage, told)
    return None


def choose_release(kind, source, rng):
    """That is to load it: mostly the one that saved it."""
    if kind.of_strangers:
        return source.strangers[0] if source.strangers else None
    others = [release for release in source.releases if release != source.saved_by]
    return rng.choice(others) if others and rng.random() < CROSSED else source.saved_by


def chosen_cases(options, sources):
    kinds = [kind for kind in KINDS if kind.name in (options.only or [kind.name])]
    chosen = itertools.product(range(options.cases), kinds)
    if options.case:
        chosen = ((int(number), next(kind for kind in KINDS if kind.name == name))
                  for name, number in (case.split("-") for case in options.case))
    made = (make_case(kind, number, options.seed, sources) for number, kind in chosen)
    return itertools.islice((case for case in made if case), options.cases)


class Tool:
    """vmstream-inspect, asked about a file."""

    def __init__(self, program):
        self.program = program

    def ask(self, command, file, *more):
        """Its status, and its answer."""
        ran = subprocess.run(["timeout", str(PATIENCE), self.program, command, "--json", "--threads", "1",
                              *more, file], capture_output=True, check=False)
        try:
            return ran.returncode, json.loads(ran.stdout)
        except ValueError:
            return ran.returncode, {}

    def explain(self, file, *more):
        status, answer = self.ask("explain", file, *more)
        return answer.get("verdict") or {0: LOADS, 3: FAILS}.get(status, f"status {status}")


class Judge:
    """Holds what the tool says of a case against what QEMU does."""

    def __init__(self, qemus, tool, folder):
        self.qemus, self.tool, self.folder = qemus, tool, folder

    def run(self, case):
        file = self.folder / case.name
        case.write(file)
        try:
            return self.judge(case, file)
        finally:
            file.unlink()

    def judge(self, case, file):
        result, message = self.qemus.load(case.release, case.source, file)
        verdict = self.tool.explain(file, *(["--qemu", case.release] if case.told_release else []))
        verified, answer = self.tool.ask("verify", file)
        faults = {"disagrees": not self.agrees(case, file, verdict, result == LOADED),
                  "passed": case.damage.told is True and verified == 0,
                  "accused": case.damage.told is False and verified != 0,
                  "contradicts": not case.told_release and any(
                      other.get("verdict", verdict) != verdict
                      for other in (answer, self.tool.ask("info", file)[1]))}
        return {"case": case.name, "kind": case.kind.name, "capture": case.source.recipe.name,
                "saved_by": case.source.saved_by, "loaded_by": case.release,
                "what": case.damage.what, "told": case.damage.told, "qemu": result, "message": message,
                "told_release": case.told_release, "verdict": verdict, "verify": verified,
                "faults": [fault for fault, there in faults.items() if there]}

    def agrees(self, case, file, verdict, loaded):
        if verdict == DEPENDS:
            return any(other != loaded for other in self.elsewhere(case, file))
        return verdict == (LOADS if loaded else FAILS)

    def elsewhere(self, case, file):
        """Whether it loads in a QEMU that is started another way, and in another release."""
        for other in case.source.recipe.all_others():
            yield self.qemus.load(case.release, case.source, file, other)[0] == LOADED
        for release in case.source.releases:
            if release != case.release:
                yield self.qemus.load(release, case.source, file)[0] == LOADED


def default_qemus():
    unpacked = str(ROOT / "build/newer-qemu/qemu-system-x86_64")
    return ["qemu-system-x86_64", os.environ.get("VMSTREAM_NEWER_QEMU", unpacked)]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="so many (default: 1000)")
    parser.add_argument("--case", action="append", metavar="KIND-N", help="this one only; may be repeated")
    parser.add_argument("--only", action="append", choices=[kind.name for kind in KINDS], metavar="KIND",
                        help="damage of this kind; may be repeated")
    parser.add_argument("--guest", action="append", choices=[recipe.name for recipe in RECIPES],
                        metavar="NAME", help="of the guests that are saved, this one; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="so many QEMUs at once (default: 1)")
    parser.add_argument("--qemu", action="append", metavar="COMMAND",
                        help="a qemu-system-x86_64 with its arguments, such as -L; may be repeated "
                        "(default: the installed one and that of scripts/newer-qemu.sh)")
    parser.add_argument("--extra", action="append", default=[], metavar="JSON",
                        help="a stream saved elsewhere, see agreement_sources.py; may be repeated")
    parser.add_argument("--bin", default=os.environ.get("VMSTREAM_BIN", ROOT / "build/release/bin"),
                        help="folder of the tools (default: build/release/bin)")
    parser.add_argument("--saved", default=ROOT / "build/agreement",
                        help="where the saved guests are kept (default: build/agreement)")
    parser.add_argument("--results", default=os.devnull, metavar="FILE", help="each case as a line of JSON")
    parser.add_argument("--docs", metavar="FILE", help="put the tables into FILE, between their marks")
    parser.add_argument("--write", metavar="DIR", help="write the damaged streams there and run nothing")
    return parser.parse_args()


def gather(options, qemus, inspect):
    folder = pathlib.Path(options.saved).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sources = Sources(qemus, folder, inspect)
    for recipe in RECIPES:
        if recipe.name in (options.guest or [recipe.name]):
            sources.add(recipe)
    for extra in options.extra:
        sources.add_described(pathlib.Path(extra))
    return sorted(sources.found, key=lambda source: source.recipe.name)


def write_cases(folder, cases, qemus):
    folder.mkdir(exist_ok=True)
    for case in cases:
        file = folder / case.name
        case.write(file)
        command = agreement_guests.command_of(qemus.command(case.release, case.source.recipe), case.source.recipe,
                                              case.source.file.parent)
        print(f"{file}: {case.source.recipe.name}: {case.damage.what}\n  {shlex.join(command)}")


def run_cases(options, cases, judge):
    results = []
    with (concurrent.futures.ThreadPoolExecutor(options.jobs) as pool,
          open(options.results, "w", encoding="utf-8") as lines):
        while batch := list(itertools.islice(cases, 4 * options.jobs)):
            for result in pool.map(judge.run, batch):
                results.append(result)
                print(json.dumps(result), file=lines, flush=True)
    return results


def main():
    options = parse_arguments()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    inspect = str(pathlib.Path(options.bin) / "vmstream-inspect")
    qemus = Qemus([shlex.split(command) for command in options.qemu or default_qemus()])
    cases = chosen_cases(options, gather(options, qemus, inspect))
    if options.write:
        write_cases(pathlib.Path(options.write), cases, qemus)
        return 0
    with tempfile.TemporaryDirectory(prefix="vmstream-agreement-") as folder:
        results = run_cases(options, cases, Judge(qemus, Tool(inspect), pathlib.Path(folder)))
    print("\n".join(agreement_tables.complaints(results)))
    print(agreement_tables.report(results))
    if options.docs:
        agreement_tables.write(options.docs, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
