#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""floors.py BUILD [FOLDER...]: check which files of the product use which.

BUILD has the sources and their objects. A file uses another one if it includes it, or if
its object has a symbol that the other one defines. Prints each circle, and each use that
MAY_USE does not allow, of the files in FOLDERs, or of all; exits with 1 if there is one."""

import collections
import graphlib
import pathlib
import re
import subprocess
import sys

# What the files of a folder may use besides each other. vfio-pci/main.c assembles the
# parts of the driver, so nothing may use it.
MAY_USE = {
    "mediate": {"mediate"},
    "vfio-pci": {"vfio-pci", "mediate"},
    "migration": {"migration", "vfio-pci", "mediate"},
    "vfio-pci/main": {"migration", "vfio-pci", "mediate"},
    "vendor-sample-nic": {"vendor-sample-nic", "mediate"},
    "vendor-sample-nvme": {"vendor-sample-nvme", "mediate"},
}
INCLUDE = re.compile(r'^#include "(.*)"', re.MULTILINE)


def uses_by_include(files):
    """(file, used file, what the line says)"""
    names = {file.name: file for file in files}
    for file in files:
        for name in INCLUDE.findall(file.read_text()):
            used = file.parent / name
            used = used if used in files else names.get(name)
            if used:
                yield file, used, f'#include "{name}"'


def uses_by_symbol(files):
    """(file, used file, symbol)"""
    objects = {str(file.with_suffix(".o")): file for file in files if file.suffix == ".c"}
    missing = [name for name in objects if not pathlib.Path(name).exists()]
    if missing:
        sys.exit(f"not compiled: {' '.join(sorted(missing))}")
    nm = subprocess.run(["nm", "-A", "-P", *objects], check=True, capture_output=True, text=True)
    defined, undefined = {}, []
    for line in nm.stdout.splitlines():
        name, symbol, kind = line.split()[:3]
        if kind == "U":
            undefined.append((objects[name.rstrip(":")], symbol))
        elif kind.isupper():
            defined[symbol] = objects[name.rstrip(":")]
    for file, symbol in undefined:
        if symbol in defined:
            yield file, defined[symbol], symbol


def graph(uses, name):
    """{name(file): {name(used file): what for}}"""
    found = collections.defaultdict(lambda: collections.defaultdict(set))
    for file, used, what in uses:
        if name(file) != name(used):
            found[name(file)][name(used)].add(what)
    return found


def circles(found):
    """Lists of files each of which uses the next one; no two lists share a use."""
    left = {file: sorted(found[file]) for file in sorted(found)}
    while True:
        try:
            graphlib.TopologicalSorter(left).prepare()
            return
        except graphlib.CycleError as err:
            circle = err.args[1][::-1]
        for file, used in zip(circle, circle[1:]):
            left[file].remove(used)
        yield circle


def floor(part):
    return part if part in MAY_USE else part.split("/")[0]


def main():
    build, folders = pathlib.Path(sys.argv[1]), sys.argv[2:] or list(MAY_USE)
    files = {file for folder in MAY_USE for file in (build / folder).glob("*.[ch]")
             if not file.name.endswith(".mod.c")}
    includes, symbols = list(uses_by_include(files)), list(uses_by_symbol(files))

    def header(file):
        return str(file.relative_to(build))

    # A .c file and its header are one part, and so is what is made of a specification, with
    # the callbacks that it names.
    def part(file):
        return str(file.relative_to(build).with_suffix("")).removesuffix("_gen")

    # A header without a .c file may hold the structs of all parts, and be included by
    # them: it is in no circle but of headers.
    joint = [use for use in includes if use[0].with_suffix(".c") in files]
    messages = []
    for found in graph(includes, header), graph(joint + symbols, part):
        for circle in circles(found):
            if circle[0].split("/")[0] in folders:
                messages.append("circle: " + " -> ".join(circle))
                messages += [f"    {a} -> {b}: {', '.join(sorted(found[a][b]))}"
                             for a, b in zip(circle, circle[1:])]
    for a, used in sorted(graph(includes + symbols, part).items()):
        messages += [f"not allowed: {a} -> {b}: {', '.join(sorted(what))}"
                     for b, what in sorted(used.items())
                     if a.split("/")[0] in folders and floor(b) not in MAY_USE[floor(a)]]
    print("".join(f"{message}\n" for message in messages), end="")
    return bool(messages)


if __name__ == "__main__":
    sys.exit(main())
