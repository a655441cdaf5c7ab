# SPDX-License-Identifier: MIT
"""The saved guests that bench/agreement.py damages, and the QEMUs that load them."""
import dataclasses
import json
import pathlib
import sys

import agreement_guests
from agreement_guests import LOADED, Recipe
from agreement_stream import Image


@dataclasses.dataclass
class Source:
    """A saved guest, the releases that load it, and those that refuse it."""
    recipe: Recipe
    file: pathlib.Path
    saved_by: str
    image: Image
    releases: list = dataclasses.field(default_factory=list)
    strangers: list = dataclasses.field(default_factory=list)


class Qemus:
    """Those at hand, by release."""

    def __init__(self, commands):
        self.commands = {}
        for command in commands:
            if release := agreement_guests.release_of(command):
                self.commands[release] = command

    def command(self, release, recipe):
        return [recipe.program] if recipe.program else self.commands[release]

    def savers(self, recipe):
        if recipe.program:
            release = agreement_guests.release_of([recipe.program])
            return [release] if release else []
        return [release for release in self.commands if is_newer(release) == (recipe.saved_by == "newer")]

    def load(self, release, source, file, other=None):
        return agreement_guests.load(self.command(release, source.recipe), source.recipe,
                                     source.file.parent, file, other)


def is_newer(release):
    return int(release.split(".")[0]) >= 9


class Sources:
    """Saves guests into a folder, unless they are there from an earlier run."""

    def __init__(self, qemus, folder, inspect):
        self.qemus, self.folder, self.inspect = qemus, folder, inspect
        self.found = []

    def add(self, recipe):
        savers = self.qemus.savers(recipe)
        if not savers:
            leave_out(f"{recipe.name}: no QEMU to save it")
            return
        release = savers[0]
        file = self.folder / (recipe.name.replace(", ", "-").replace(" ", "-") + f"-{release}.qevm")
        if not file.exists():
            part = file.with_suffix(".part")
            agreement_guests.save(self.qemus.command(release, recipe), recipe, self.folder, part)
            part.rename(file)
        self.add_file(recipe, file, release)

    def add_described(self, path):
        """A stream that was saved elsewhere: JSON with the keys of Recipe, `file` and `release`."""
        told = json.loads(path.read_text(encoding="utf-8"))
        file, release = path.resolve().parent / told.pop("file"), told.pop("release")
        recipe = Recipe(**{key: tuple(value) if isinstance(value, list) else value
                           for key, value in told.items()})
        if release in self.qemus.commands:
            self.add_file(recipe, file, release)
        else:
            leave_out(f"{recipe.name}: no QEMU {release}")

    def add_file(self, recipe, file, release):
        """Unless the release that saved it does not load it."""
        image = Image(file, self.inspect)
        source = Source(of_machine(recipe, image), file, release, image)
        for other in self.qemus.commands if not recipe.program else [release]:
            result, message = self.qemus.load(other, source, file)
            if result == LOADED:
                source.releases.append(other)
            elif other != release:
                source.strangers.append(other)
            else:
                leave_out(f"{recipe.name}, {release}: {message}")
                return
        self.found.append(source)


def of_machine(recipe, image):
    """With the machine type that the stream names: "pc" is another one in another release."""
    name = image.meant("machine type '")
    if not name:
        return recipe
    options = recipe.machine.partition(",")[2]
    return dataclasses.replace(recipe, machine=",".join(filter(None, (image[name[0]].decode(), options))))


def leave_out(what):
    print(f"left out: {what}", file=sys.stderr)
