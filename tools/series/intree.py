# SPDX-License-Identifier: GPL-2.0-only
"""What a file of this repository becomes inside the kernel: differences between kernels
resolved, wrappers of compat.h mapped away, includes as the kernel writes them."""

import graphlib
import re

from cache import LabError

# A macro or function of compat.h, and not the kernel's own .compat_ioctl
COMPAT = re.compile(r"\bCOMPAT_\w+|\bcompat_(?!ioctl\b|ptr_ioctl\b)\w+|\bcompat\.h\b")
# The beginning of a line of a comment, and a line that goes on with a sentence
COMMENT = re.compile(r"\t* \*[ \t]+(?=\S)")
FURTHER = re.compile(r"\t* \*[ \t]+(?![@*]|[A-Z]\w+:|\w+\(\) - )\S")
PROBE = re.compile(r"\$\(call has,([^,]+),([^,]+),(\w+)\)")


class Edit:
    """A change by rule to one file; it is an error when a rule no longer fits, unless it is
    there for words alone, which are looked for at the end."""

    def __init__(self, table, rules):
        rules = dict(rules)
        self.table = table
        self.file = rules.pop("file")
        self.before = rules.pop("before", "")
        self.drop = rules.pop("drop", [])
        self.members = rules.pop("members", [])
        self.lines = rules.pop("lines", [])
        self.replace = rules.pop("replace", [])
        self.include = rules.pop("include", [])
        self.optional = rules.pop("optional", False)
        if rules:
            raise LabError(f"{table}: edit of {self.file}: unknown {', '.join(rules)}")

    def __call__(self, text, unfit):
        """The text, edited; what does not fit is added to unfit."""
        def tried(new, kind, pattern):
            if new == text and not self.optional:
                unfit.append(f"{self.table}: {kind} \"{pattern}\" fits nothing in {self.file}")
            return new

        for pattern in self.drop:
            text = tried(drop_item(text, pattern), "drop", pattern)
        for name in self.members:
            text = tried(drop_member(text, name), "member", name)
        for pattern in self.lines:
            text = tried(re.sub(rf"^.*(?:{pattern}).*\n", "", text, flags=re.MULTILINE),
                         "lines", pattern)
        for pattern, to in self.replace:
            text = tried(re.sub(pattern, to, text, flags=re.MULTILINE), "replace", pattern)
        for header in self.include:
            text = add_include(text, f"#include {header}")
        return re.sub(r"\n{3,}", "\n\n", text)


def items(text):
    """The top-level items of a file: what stands between blank lines, where the body of a
    function or a struct, up to its closing brace in column 0, is one."""
    item, body = "", False
    for line in text.splitlines(keepends=True):
        if not line.strip() and not body:
            yield item
            item = ""
            continue
        item += line
        if line.startswith("}"):
            body = False
        elif re.match(r"\{|\w.*\{$", line):
            body = True
    yield item


def drop_item(text, pattern):
    """Without the items in which a line begins with pattern."""
    kept = [item for item in items(text)
            if not re.search(rf"^(?:{pattern})", item, flags=re.MULTILINE)]
    return "\n".join(kept)


def drop_member(text, name):
    """Without the members of structs and enums that are called name, and what kernel-doc says
    of them."""
    for pattern in (rf" \* @{name}:.*\n(?: \*\t.*\n)*",
                    rf"\t/\*\*\n\t \* @{name}:.*\n(?:\t \*(?!/).*\n)*\t \*/\n",
                    rf"\t\w[^;{{}}\n]*[ *(]{name}(?:\)\([^;]*|\[[^;]*)?;.*\n",
                    rf"\t{name}(?: = .*)?,\n"):
        text = re.sub(rf"^{pattern}", "", text, flags=re.MULTILINE)
    return text


def refill(old, text):
    """The text with the paragraphs of its comments filled again of which old has not each line."""
    known = old.splitlines()
    width = max((len(line.expandtabs()) for line in known if COMMENT.match(line)), default=0)
    done, lines = [], text.splitlines()
    while lines:
        paragraph = [lines.pop(0)]
        if COMMENT.match(paragraph[0]):
            while lines and FURTHER.match(lines[0]):
                paragraph.append(lines.pop(0))
        if all(line in known for line in paragraph) or not COMMENT.match(paragraph[0]):
            done += paragraph
            continue
        start = COMMENT.match(paragraph[0])[0]
        next_start = COMMENT.match(paragraph[1])[0] if paragraph[1:] else start
        now = start + (words := " ".join(line[len(COMMENT.match(line)[0]):]
                                         for line in paragraph).split(" "))[0]
        for word in words[1:]:
            if len(f"{now} {word}".expandtabs()) > width:
                done.append(now)
                now = next_start + word
            else:
                now += f" {word}"
        done.append(now)
    return "\n".join([*done, ""])


def has(path, pattern):
    """Whether a header has a word, as grep -w finds it."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return bool(re.search(rf"(?<!\w)(?:{pattern})(?!\w)", text))


def probes(probed, compat, tree):
    """What tells kernels apart in this repository, and whether the kernel at tree has it:
    macros that Kbuild defines, as probed has them, and those of linux/vfio.h that compat.h
    looks for."""
    found = {f"COMPAT_HAS_{name}": has(tree / "include/linux" / header, pattern)
             for header, pattern, name in probed}
    if not found:
        raise LabError("series: Kbuild looks for nothing in the kernel's headers any more: "
                       "how are its kernels told apart?")
    return found | {name: has(tree / "include/uapi/linux/vfio.h", f"define {name}")
                    for name in re.findall(r"^#ifdef (VFIO_\w+)", compat, flags=re.MULTILINE)}


def wrappers(compat, others):
    """What each macro of compat.h, as one kernel has it, stands for: rules for coccinelle,
    and words. The others are dealt with elsewhere."""
    rules, words = {}, {}
    text = compat.replace("\\\n", " ")
    for name, args, body in re.findall(r"^#define (\w+)(\(.*?\))?[ \t]+(.*)$", text,
                                       flags=re.MULTILINE):
        body = " ".join(body.replace("(__force void *)", "").split())
        if name in others:
            continue
        if name in rules or name in words:
            raise LabError(f"compat.h: {name} depends on the configuration: it is no "
                           "difference between kernels")
        if not args:
            words[name] = body
            continue
        for arg in re.findall(r"\w+", args):
            body = body.replace(f"({arg})->", f"{arg}->")
        # Without its own parentheses where no operator of the other side can come in between
        bare = re.sub(r"^\((.*)\)$", r"\1", body)
        compares = re.fullmatch(r"\((\(\w+\) == \w+)\)", body)
        if re.fullmatch(r"\(!?[\w>(&)-]+\)", body):
            body = bare
        rules[name] = "" if not compares else \
            f"@@ expression before, {args[1:-1]}; @@\n" \
            f"  before &&\n- {name}{args}\n+ {bare}\n\n"
        rules[name] += f"@@ expression {args[1:-1]}; @@\n- {name}{args}\n+ {body}\n"
    uses = {name: [other for other in rules if other != name and
                   f"{name}(" in rules[other].rsplit("\n+")[-1]] for name in rules}
    order = graphlib.TopologicalSorter(uses).static_order()
    return "\n".join(rules[name] for name in order), words


def add_include(text, line):
    """With an #include of the kernel's, where the alphabet has it."""
    if line in text.splitlines():
        return text
    lines = text.splitlines()
    ours = [i for i, old in enumerate(lines) if old.startswith("#include <")]
    local = [i for i, old in enumerate(lines) if old.startswith('#include "')]
    if ours:
        # The first block of them
        end = next((i for i in range(ours[0], len(lines)) if i not in ours), len(lines))
        at = next((i for i in range(ours[0], end) if lines[i] > line), end)
        lines.insert(at, line)
    elif local:
        lines[local[0]:local[0]] = [line, ""]
    else:
        raise LabError(f"series: no place for {line}")
    return "\n".join(lines) + "\n"


def includes(text, headers):
    """With the kernel's own names of headers, as the table headers says."""
    found = [name for name in headers if f"\n#include {name}\n" in text]
    for name in found:
        text = text.replace(f"\n#include {name}\n", "\n")
    for name in found:
        if headers[name]:
            text = add_include(text, f"#include {headers[name]}")
    # A block that has lost its last line
    return re.sub(r"\n{3,}", "\n\n", text)


def body(text):
    """What a header has between its own #includes and its last #endif."""
    return re.sub(r"\A.*^#include [^\n]*\n+|^#endif[^\n]*\n*\Z", "", text,
                  flags=re.MULTILINE | re.DOTALL)


def numbered(text, name, new):
    """With the #define of name as one of new, whose number is the next of those that begin as
    new does. Flags and numbers are counted apart."""
    own = re.search(rf"^(#define )({name}|{new})(\s+)(\(1U? << )?(\w+)(\)?)", text,
                    flags=re.MULTILINE)
    if not own:
        raise LabError(f"series.toml: {name} is defined nowhere")
    rest = text[:own.start()] + text[own.end():]
    shift = r"\(1U? << " if own[4] else r"\(?"
    taken = re.findall(rf"^#define\s+{new.rpartition('_')[0]}_\w+\s+{shift}(\d+)\)?(?:\s|$)",
                       rest, flags=re.MULTILINE)
    number = max(map(int, taken), default=-1 if own[4] else 0) + 1
    value = f"(1 << {number})" if own[4] else str(number)
    text = text[:own.start()] + f"#define {new}{own[3]}{value}" + text[own.end():]
    return re.sub(rf"\b{name}\b", new, text)


def left_over(path, text, stale):
    """What of compat.h is left, and words that are out of place inside the kernel."""
    for number, line in enumerate(text.splitlines(), 1):
        if left := COMPAT.search(line):
            yield f"{path}:{number}: {left[0]} is not mapped away"
        if left := re.search(rf"\b({'|'.join(stale)})", line):
            yield f"{path}:{number}: \"{left[0]}\" needs an edit in edits.toml: {line.strip()}"
