#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the version script of the shared library: it exports what the public headers declare.

usage: public_api.py INCLUDE-FOLDER OUTPUT      for GNU ld or lld

Inline functions are not named, as each user has its own. tests/project/exported_symbols.py checks what
came of it.
"""
import re
import sys
from pathlib import Path

NO_CODE = re.compile(r'//[^\n]*|^\s*#[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', re.MULTILINE)
TOKEN = re.compile(r"\w+|::|\S")
NO_DECLARATION = {"using", "typedef", "friend", "static_assert"}

NAMESPACE = ""  # as a scope; that of a type is its name
BODY = None     # of a function, an enumeration or an initialiser: nothing is declared in it


def opened_scope(statement):
    """What the brace after `statement` opens."""
    if "namespace" in statement:
        return NAMESPACE
    for keyword in ("class", "struct"):
        if keyword in statement and "enum" not in statement and "(" not in statement:
            names = statement[statement.index(keyword) + 1:]
            return next(name for name in names if name.isidentifier() and name != "nodiscard")
    return BODY


def declared_function(statement):
    """The name of the function that `statement` declares, or None."""
    if "(" not in statement or statement[0] in NO_DECLARATION:
        return None
    if "operator" in statement:
        return "operator"
    at = statement.index("(") - 1
    name = statement[at]
    if not name.isidentifier():
        return None
    return "~" + name if at > 0 and statement[at - 1] == "~" else name


def declarations(text):
    """(kind, qualified name) of each type and function that a header declares."""
    scopes, statement = [], []
    for token in TOKEN.findall(NO_CODE.sub("", text)):
        names = [scope for scope in scopes if scope]
        in_brackets = statement.count("(") > statement.count(")")
        if token == "{":
            scopes.append(BODY if in_brackets else opened_scope(statement))
            if scopes[-1]:
                yield "type", "::".join([*names, scopes[-1]])
        elif token == "}":
            scopes.pop()
        elif token == ";" and BODY not in scopes:
            function = declared_function(statement)
            if function:
                yield "function", "::".join([*names, function])
        else:
            statement.append(token)
        if token in "{};" and not in_brackets:
            statement = []


def patterns(kind, name):
    """What matches the symbols of a declaration, as the linker demangles them."""
    if kind == "type":
        return [f"{prefix}?for?vmstream::{name}" for prefix in ("vtable", "typeinfo", "typeinfo?name")]
    return ["vmstream::" + name.replace("~", "?") + ("*" if name.endswith("operator") else "[!a-zA-Z0-9_]*")]


def main(folder, output):
    found = {declaration for header in Path(folder).rglob("*.h")
             for declaration in declarations(header.read_text(encoding="utf-8"))}
    lines = [f"      {pattern};" for kind, name in sorted(found) for pattern in patterns(kind, name)]
    script = ["{", "  global:", '    extern "C++" {', *lines, "    };", "  local:", "    *;", "};", ""]
    Path(output).write_text("\n".join(script), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
