#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what the shared library exports: nothing that no public header declares, and all that the tools
use of it.

usage: exported_symbols.py NM LIBRARY INCLUDE-FOLDER OBJECT...      the objects are the tools'
       prints each symbol that is too many or that is missing; status 1 if there is any
"""
import re
import subprocess
import sys
from pathlib import Path

COMMENT = re.compile(r"//[^\n]*")
BESIDE_NAME = re.compile(r"^(?:vtable|typeinfo|typeinfo name) for ")
NAME = re.compile(r"^vmstream::([\w:~]+)")


def symbols(nm, *arguments):
    lines = subprocess.run([nm, "-C", *arguments], check=True, capture_output=True, text=True).stdout
    found = (re.match(r"[0-9a-f ]{16} [a-zA-Z] (.*)", line) for line in lines.splitlines())
    return {match[1] for match in found if match}


def words_of(symbol):
    """The names in a symbol of this library, outermost first; None for those of others."""
    name = NAME.match(BESIDE_NAME.sub("", symbol))
    return name and [word for word in re.split(r"::|~", name[1]) if word]


def declared_words(folder):
    text = "\n".join(COMMENT.sub("", header.read_text(encoding="utf-8")) for header in folder.rglob("*.h"))
    return set(re.findall(r"\w+", text))


def main(nm, library, folder, *files):
    objects = [file for file in files if file.endswith(".o")]  # and precompiled headers
    exported = symbols(nm, "--dynamic", "--defined-only", library)
    declared = declared_words(Path(folder))
    strange = {symbol for symbol in exported if not declared.issuperset(words_of(symbol) or [""])}
    wanted = {symbol for symbol in symbols(nm, "--undefined-only", *objects) if words_of(symbol)}
    for symbol in sorted(strange):
        print(f"exported, though no public header declares it: {symbol}")
    for symbol in sorted(wanted - exported):
        print(f"used by the tools, but not exported: {symbol}")
    if not exported or not wanted:
        print(f"{len(exported)} symbols exported, {len(wanted)} used by the tools: nothing was compared")
    return 1 if strange or wanted - exported or not exported or not wanted else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
