# SPDX-License-Identifier: GPL-2.0-only
"""make vendor-lines: the lines of vendor-sample-nic that exist for mediation only.

A table, vendor-lines.toml, says which these are: whole files, and functions, members and lines
of others. What is left has to be a PF driver: it refers to nothing that was counted, and
has no function that nothing left calls. So a line cannot be left out of the count without
being told here, unless the table takes it for one that a PF driver has anyway.
"""

import pathlib
import re
import sys
import tomllib

from cache import REPO, LabError

sys.path.insert(0, str(REPO / "tools" / "series"))

from intree import Edit

TABLE = pathlib.Path(__file__).with_name("vendor-lines.toml")
TABLES = tomllib.loads(TABLE.read_text(encoding="utf-8"))
FOLDER = REPO / "vendor-sample-nic"
# Members of other structs are called so, too.
SHARED = {"dev"}
AUTHOR = 'MODULE_AUTHOR("The vfio-mediate developers");'
FUNCTION = re.compile(r"^(?!static inline.*;|#|\}| \*)(?:\w[\w *]*?[ *])(\w+)\(", re.MULTILINE)


def code(text):
    """Without comments and blank lines."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    return "".join(line + "\n" for line in text.splitlines() if line.strip())


def lines(text):
    return text.count("\n")


def members():
    """Members of structs that are counted."""
    return [name for each in TABLES["part"] for name in each.get("members", [])]


def split():
    """(file, text, what is left of it) for each file."""
    table = TABLES
    unfit = [f"{TABLE.name}: no file {name}" for name in table["whole"]
             if not (FOLDER / name).is_file()]
    edits = {each["file"]: Edit(TABLE.name, each) for each in table["part"]}
    for path in sorted(FOLDER.glob("*.[ch]")):
        text = path.read_text(encoding="utf-8")
        if path.name in table["whole"]:
            yield path.name, text, ""
        elif path.name in edits:
            yield path.name, text, edits[path.name](text, unfit)
        else:
            yield path.name, text, text
    if unfit:
        raise LabError("\n".join(unfit))


def complaints(parts):
    """What says that the table is wrong."""
    counted, left = set(), set()
    rest = "\n".join(code(after) for _, _, after in parts)
    for _, text, after in parts:
        defined = set(FUNCTION.findall(code(after)))
        left |= defined
        counted |= set(FUNCTION.findall(code(text))) - defined
    for name in sorted(counted - left):
        if re.search(rf"\b{name}\b", rest):
            yield f"{name}() is counted, and what is left calls it"
    for name in sorted(left):
        # Declared and defined, or only the latter
        least = 1 + (len(re.findall(rf"^\w[\w *]*\b{name}\([^;{{]*\);", rest, re.MULTILINE)) > 0)
        if name.startswith("nic_") and len(re.findall(rf"\b{name}\b", rest)) <= least:
            yield f"{name}() is not counted, and nothing that is left calls it"
    for name in set(members()) - SHARED:
        if re.search(rf"(\bvf|\bp|\bowner|\bnic|\])(->|\.){name}\b", rest):
            yield f"member {name} is counted, and what is left uses it"
    for line in sorted(set(re.findall(r"^.*mediate.*$", rest, re.MULTILINE)) - {AUTHOR}):
        yield f"not counted: {line.strip()}"


def show(parts):
    """The count of each file."""
    whole = other = in_code = 0
    print(f"{'lines':>6} {'code':>6}  for mediation only, of {FOLDER.name}/")
    for name, text, after in parts:
        count, count_code = lines(text) - lines(after), lines(code(text)) - lines(code(after))
        if count:
            print(f"{count:6} {count_code:6}  {name}{'' if after else ', all of it'}")
        whole += count if not after else 0
        other += count if after else 0
        in_code += count_code
    print(f"{whole + other:6} {in_code:6}  together; {other} of the lines are in files that a PF "
          "driver has anyway\n\nlines: all, with comments and blank ones. code: without these. "
          f"{TABLE.relative_to(REPO)} says which.")


def main():
    """With --check, say only what is wrong."""
    parts = list(split())
    if sys.argv[1:] != ["--check"]:
        show(parts)
    wrong = list(complaints(parts))
    if wrong:
        raise LabError("\n".join(f"{TABLE.name}: {each}" for each in wrong))


if __name__ == "__main__":
    try:
        main()
    except LabError as err:
        sys.exit(str(err))
