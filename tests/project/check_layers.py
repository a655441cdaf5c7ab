#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the layers of the project include each other in one direction only, and the folders of a
layer likewise.

    base < io < { pipeline, format } ;  pipeline < { codec, crypto } ;  codec < container ;
    { format, container, codec, crypto } < state < { guest, analysis } < tools ;  door: one header that
    includes the others, for users of the library

usage: check_layers.py ROOT        prints each violation as FILE:LINE: text; status 1 if there is any
       check_layers.py --self-test proves that each rule finds a violation made on purpose
"""
import re
import sys
import tempfile
from pathlib import Path

# Which layers a layer's files may include from, itself apart.
BELOW = {
    "base": set(),
    "io": {"base"},
    "pipeline": {"base", "io"},
    "format": {"base", "io"},
    "codec": {"base", "io", "pipeline"},
    "container": {"base", "io", "pipeline", "codec"},
    "crypto": {"base", "io", "pipeline"},
    "state": {"base", "io", "pipeline", "format", "container", "codec", "crypto"},
    "guest": {"base", "io", "pipeline", "format", "container", "codec", "crypto", "state"},
    "analysis": {"base", "io", "pipeline", "format", "container", "codec", "crypto", "state"},
    "door": {"base", "io", "pipeline", "format", "container", "codec", "crypto", "state", "guest", "analysis"},
}

# The layer that each public header belongs to. A new header must be entered here.
PUBLIC = {
    "door": "vmstream",
    "base": "cancellation digest result text",
    "io": "byte_sink byte_source command file_claim file_digest output_file random_source",
    "format": "device_state format parser problems stream_statistics visitor vmdesc writer",
    "codec": "codec",
    "container": "container image_snapshot",
    "crypto": "openpgp",
    "state": "guest_memory indexing multifd_guest page_map ram_image saved_disk state_file state_index state_writer",
    "guest": "capture lazy_restore libvirt load_check mapped_restore memory_view qmp restore",
    "analysis": "address_space byte_names cpu_registers device_collector extract gdb_stub load_advice"
                " memory_image partial_reading physical_map ram_usage state_mount"
                " record_list report stream_scan stream_summary verification",
}
LAYER_OF_HEADER = {name: layer for layer, names in PUBLIC.items() for name in names.split()}

THREADS = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore", "latch",
           "barrier", "stop_token", "pthread.h", "semaphore.h"}
TERMINAL = {"iostream", "fmt/color.h", "fmt/ostream.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
STANDARD = re.compile(r"^[a-z_0-9]+$")  # no third-party header does without a dot or a folder


def includes(path):
    """(line number, quoted or not, spelled name) of each include."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] == '"', match[2]


def public_header_layer(name):
    """Layer of <vmstream/name.h>; None when the table above does not know it."""
    return LAYER_OF_HEADER.get(Path(name).stem)


def check_reach(layer, quoted, name):
    """What is wrong with a file of `layer` including `name`, or None."""
    if quoted:
        wanted = name.split("/")[0] if "/" in name else None
        if wanted is None:
            return f'"{name}" is not spelled from its layer'
        if wanted not in BELOW:
            return f'"{name}" is in no layer of the library'
    elif name.startswith("vmstream/"):
        wanted = public_header_layer(name)
        if wanted is None:
            return f"<{name}> has no layer: enter it in check_layers.py"
    else:
        return None
    if wanted != layer and wanted not in BELOW[layer]:
        return f"{layer} may not include {name} of {wanted}"
    return None


def check_public_header(path):
    layer = public_header_layer(path.name)
    if layer is None:
        yield 1, f"{path.name} has no layer: enter it in check_layers.py"
        return
    for number, quoted, name in includes(path):
        if quoted:
            yield number, f'public header includes "{name}", wanted <vmstream/...>'
        elif not name.startswith("vmstream/") and not STANDARD.match(name):
            yield number, f"public header includes <{name}>, which users may not have"
        else:
            problem = check_reach(layer, quoted, name)
            if problem:
                yield number, problem


def own_header(path, layer, root):
    """How the file's own header must be spelled, or None if it has none."""
    if path.suffix != ".cc":
        return None
    if path.with_suffix(".h").exists():
        return path.with_suffix(".h").relative_to(root / "lib/src").as_posix()
    public = root / "lib/include/vmstream" / f"{path.stem}.h"
    if public.exists() and public_header_layer(public.name) == layer:
        return f"vmstream/{path.stem}.h"
    return None


def check_library_file(path, layer, root):
    own = own_header(path, layer, root)
    first = True
    for number, quoted, name in includes(path):
        if first and own and name != own:
            yield number, f"first include is {name}, wanted the file's own header {own}"
        first = False
        problem = check_reach(layer, quoted, name)
        if problem:
            yield number, problem
        if not quoted and name in THREADS and layer != "pipeline":
            yield number, f"<{name}>: threads and locks live in lib/src/pipeline only"
        if not quoted and name in TERMINAL:
            yield number, f"<{name}>: the library does not print"


def check_tool_file(path, tool):
    for number, quoted, name in includes(path):
        if not quoted:
            if name.startswith("vmstream/") and public_header_layer(name) is None:
                yield number, f"<{name}> has no layer: enter it in check_layers.py"
            continue
        folder = name.removeprefix("tools/").split("/")[0] if "/" in name else tool
        if folder not in {"common", tool}:
            yield number, f'"{name}": tools include <vmstream/...>, tools/common and their own folder'


def folder_of(name):
    """The folder of a file that is spelled from its layer."""
    return name.rpartition("/")[0]


def folder_includes(root):
    """For each folder of the library: the folders that it includes from, and where first."""
    reach = {}
    for path in sources(root / "lib/src"):
        folder = folder_of(path.relative_to(root / "lib/src").as_posix())
        for number, quoted, name in includes(path):
            if quoted and folder_of(name) != folder:
                place = f"{path.relative_to(root)}:{number}"
                reach.setdefault(folder, {}).setdefault(folder_of(name), place)
    return reach


def find_circle(reach, start):
    """The shortest way from `start` back to it over folders that come after it by name, or None: each
    circle is found from the first of its folders."""
    ways = [[start]]
    seen = set()
    for way in ways:
        for folder in sorted(reach.get(way[-1], {})):
            if folder == start:
                return [*way, start]
            if folder > start and folder not in seen:
                seen.add(folder)
                ways.append([*way, folder])
    return None


def check_folders(root):
    """Yields 'file:line: problem' for each circle of folders, at one include of it."""
    reach = folder_includes(root)
    for start in sorted(reach):
        circle = find_circle(reach, start)
        if circle:
            yield f"{reach[start][circle[1]]}: a circle of folders: {' > '.join(circle)}"


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in {".h", ".cc"})


def check_tree(root):
    """Yields 'file:line: problem' for everything under lib and tools."""
    for path in sources(root / "lib/include"):
        for number, problem in check_public_header(path):
            yield f"{path.relative_to(root)}:{number}: {problem}"
    for path in sources(root / "lib/src"):
        layer = path.relative_to(root / "lib/src").parts[0]
        if layer not in BELOW:
            yield f"{path.relative_to(root)}:1: {layer} is no layer"
            continue
        for number, problem in check_library_file(path, layer, root):
            yield f"{path.relative_to(root)}:{number}: {problem}"
    yield from check_folders(root)
    for path in sources(root / "tools"):
        tool = path.relative_to(root / "tools").parts[0]
        for number, problem in check_tool_file(path, tool):
            yield f"{path.relative_to(root)}:{number}: {problem}"


# file, its text, a piece of the message that it must cause (None: it must pass)
SELF_TESTS = [
    ("lib/src/io/a.cc", '#include "base/b.h"\n', None),
    ("lib/src/io/a.cc", "#include <vmstream/result.h>\n#include <zstd.h>\n", None),
    ("lib/src/io/a.cc", '#include "format/b.h"\n', "io may not include format/b.h"),
    ("lib/src/format/a.cc", '#include "pipeline/b.h"\n', "format may not include"),
    ("lib/src/codec/a.cc", "#include <vmstream/parser.h>\n", "codec may not include"),
    ("lib/src/guest/a.cc", '#include "analysis/b.h"\n', "guest may not include"),
    ("lib/src/io/a.cc", '#include "b.h"\n', "not spelled from its layer"),
    ("lib/src/io/a.cc", '#include "tools/common/b.h"\n', "in no layer of the library"),
    ("lib/src/misc/a.cc", "", "misc is no layer"),
    ("lib/src/io/command.cc", "#include <vector>\n", "wanted the file's own header"),
    ("lib/src/io/a.cc", "#include <mutex>\n", "threads and locks"),
    ("lib/src/pipeline/a.cc", "#include <mutex>\n", None),
    ("lib/src/io/a.cc", "#include <iostream>\n", "does not print"),
    ("lib/include/vmstream/codec.h", "#include <zstd.h>\n", "which users may not have"),
    ("lib/include/vmstream/codec.h", "#include <fmt/format.h>\n", "which users may not have"),
    ("lib/include/vmstream/codec.h", '#include "codec/gzip.h"\n', "wanted <vmstream/...>"),
    ("lib/include/vmstream/codec.h", "#include <vmstream/qmp.h>\n", "codec may not include"),
    ("lib/include/vmstream/novel.h", "", "has no layer"),
    ("tools/vmdump/main.cc", '#include "common/options.h"\n#include "vmdump/options.h"\n', None),
    ("tools/vmdump/main.cc", '#include "vmrestore/options.h"\n', "tools include"),
    ("tools/vmdump/main.cc", '#include "format/parser.h"\n', "tools include"),
]

# What each folder of codec includes from, by letter; the circle that must be found (None: none)
FOLDER_SELF_TESTS = [
    ({"a": "b", "b": "c", "c": ""}, None),
    ({"a": "bc", "b": "c", "c": ""}, None),
    ({"a": "b", "b": "a"}, "codec/a > codec/b > codec/a"),
    ({"a": "b", "b": "c", "c": "a"}, "codec/a > codec/b > codec/c > codec/a"),
    ({"a": "b", "b": "c", "c": "b"}, "codec/b > codec/c > codec/b"),
]


def check_files(files):
    """What is found in a project of these files, each with its text."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return list(check_tree(root))


def is_as_expected(found, expected):
    return not found if expected is None else len(found) == 1 and expected in found[0]


def self_test():
    for file_name, text, expected in SELF_TESTS:
        found = check_files({"lib/include/vmstream/command.h": "", file_name: text})
        if not is_as_expected(found, expected):
            print(f"self-test: {file_name} with {text!r}: found {found}, wanted {expected!r}")
            return 1
    for reach, expected in FOLDER_SELF_TESTS:
        found = check_files({f"lib/src/codec/{one}/x.h": "".join(
            f'#include "codec/{other}/x.h"\n' for other in others) for one, others in reach.items()})
        if not is_as_expected(found, expected):
            print(f"self-test: folders {reach}: found {found}, wanted {expected!r}")
            return 1
    return 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    violations = list(check_tree(Path(arguments[0]).resolve()))
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
