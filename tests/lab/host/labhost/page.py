# SPDX-License-Identifier: GPL-2.0-only
"""The code blocks of a page of the documentation, and where each is to be run.

A comment before a block, which the page's reader does not see, says where:

    .. run: source              a shell of this host has the block
    .. run: both, for 20 s      on both hosts; what has no end is interrupted after that time
    .. run: install, Debian 12  only where that is the host's Debian
    .. file: NAME               the block is what the reader saves under that name
"""

import dataclasses
import re

MARK = re.compile(r"\.\. (run|file): (.*)")
DIRECTIVE = re.compile(r"\.\. (code-block)?[\w-]*::")
TIME = re.compile(r", for (\d+) s")
DEBIAN = re.compile(r", Debian (\d+)")


@dataclasses.dataclass
class Block:
    """A block of code."""
    line: int           # where it begins
    text: str
    where: str = ""     # "run" or "file", or nothing where the page does not say
    name: str = ""      # of the host, or of the file
    seconds: int = 0    # after which its commands are interrupted, or 0
    debian: str = ""    # the one that it is for, or nothing

    @property
    def first(self):
        return self.text.partition("\n")[0]

    def is_for(self, names, debian):
        """Is it to be run where one of these names says?"""
        return self.where == "run" and self.name in names and self.debian in ("", debian)


def indent(line):
    return len(line) - len(line.lstrip())


def blocks(text):
    """All blocks of a page."""
    lines, mark, number = text.splitlines(), None, 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if found := MARK.fullmatch(line.strip()):
            mark = found
        directive = DIRECTIVE.match(line.strip())
        if not line.rstrip().endswith("::") and not directive or \
                directive and not directive[1]:
            continue
        start = number
        while number < len(lines) and (not lines[number].strip() or
                                       indent(lines[number]) > indent(line)):
            number += 1
        yield block(start + 2, lines[start:number], mark)
        mark = None


def block(line, lines, mark):
    text = [each for each in lines if each.strip()]
    depth = min(map(indent, text))
    text = "\n".join(each[depth:] for each in lines).strip("\n")
    if not mark:
        return Block(line, text)
    where, name = mark.groups()
    time, debian = TIME.search(name), DEBIAN.search(name)
    return Block(line, text, where, name.partition(",")[0], int(time[1]) if time else 0,
                 debian[1] if debian else "")


def bounded(text, seconds):
    """A script whose programs are interrupted when they do not end by themselves."""
    names = set(re.findall(r"^([a-z][\w.-]*)(?= |$)", text, re.MULTILINE)) - {"cd", "echo"}
    return "".join(
        f"{name}() {{ timeout -k 20 -s INT {seconds} {name} \"$@\" || [ $? = 124 ]; }}\n"
        for name in sorted(names)) + text
