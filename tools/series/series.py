#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make series: the project as patches for the kernel, by the tables of series.toml,
edits.toml and cut.toml."""

import dataclasses
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests/lab"))

# pylint: disable=wrong-import-position
import intree                                                   # noqa: E402
import lint                                                     # noqa: E402
from cache import BUILD, REPO, LabError, locked, run, say       # noqa: E402
from trees import inside, tree                                  # noqa: E402

WORK = BUILD / "series"
LOCK = BUILD / ".series.lock"
TABLE = "series.toml"
EDITS = "edits.toml"
CUT = "cut.toml"
# Where kbuild finds what this repository's modules are made of
KBUILDS = ("Kbuild", "tests/kunit/Kbuild", "tests/mediators/Kbuild")
# What rules for coccinelle may be about
MAPPED = re.compile(r"compat_|alloc\(sizeof")
COMPAT = "vfio-pci/compat.h"
PLACEHOLDER = ("Name Surname", "name@example.org")


@dataclasses.dataclass
class Patch:
    """A patch, as the table describes it."""
    name: str
    subject: str
    message: str
    files: list = dataclasses.field(default_factory=list)       # patterns
    config: str = ""            # symbol that its objects in an earlier module depend on
    maintainers: list = dataclasses.field(default_factory=list)
    kconfig: dict = dataclasses.field(default_factory=dict)
    makefile: dict = dataclasses.field(default_factory=dict)    # lines beside objects
    add: dict = dataclasses.field(default_factory=dict)         # files that are nowhere here
    kernel: list = dataclasses.field(default_factory=list)      # edits of the kernel's files


def probed():
    """(header, pattern, name) of each macro by which Kbuild tells kernels apart."""
    return intree.PROBE.findall((REPO / "Kbuild").read_text(encoding="utf-8"))


def fits(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def objects(kbuild):
    """Of a Kbuild file: (module, source) of each object, in its order."""
    folder = pathlib.PurePath(kbuild).parent
    text = (REPO / kbuild).read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for name, _, words in re.findall(r"^(\w+)-(y|m|objs|\$\(\w+\))\s*[:+]?=\s*(.*)", text,
                                     flags=re.MULTILINE):
        if not name.startswith("obj") and not name.endswith("ccflags"):
            found += [(name, str(folder / word)[:-1] + "c") for word in words.split()
                      if word.endswith(".o")]
    return found


def filled(text):
    """Paragraphs as a commit message has them."""
    return "\n\n".join(textwrap.fill(each, 72) for each in text.strip().split("\n\n"))


def wrapped(line):
    """A line of a Makefile, with breaks before column 80."""
    lines, words = [], line.split(" ")
    now = words.pop(0)
    for word in words:
        if len(now.expandtabs()) + len(word) + 3 > 80:
            lines.append(now + " \\")
            now = "\t" + word
        else:
            now += " " + word
    return "\n".join([*lines, now])


def with_section(text, title, lines):
    """MAINTAINERS with a section, where the alphabet has it."""
    sections = re.split(r"\n\n(?=\S)", text)
    own = "\n".join([title, *lines])
    first = next(i for i, each in enumerate(sections) if each.startswith("3C59X"))
    at = next((i for i in range(first, len(sections))
               if sections[i].split("\n", 1)[0] > title), len(sections))
    sections.insert(at, own)
    return "\n\n".join(sections)


def inserted(text, before, what, path):
    """The text of the kernel's file path, with what before a line."""
    at = re.search(before, text, flags=re.MULTILINE)
    if not at:
        raise LabError(f"{TABLE}: \"{before}\" is nowhere in the kernel's {path}")
    return text[:at.start()] + what + text[at.start():]


class Series:
    """The patches for the kernel whose source is at root."""

    def __init__(self, root, name, email):
        self.root, self.name, self.email = root, name, email
        self.table = tomllib.loads((HERE / TABLE).read_text(encoding="utf-8"))
        self.patches = [Patch(**each) for each in self.table["patch"]]
        edits = tomllib.loads((HERE / EDITS).read_text(encoding="utf-8"))["edit"]
        cut = tomllib.loads((HERE / CUT).read_text(encoding="utf-8"))
        self.edits = [intree.Edit(EDITS, each) for each in edits] + \
            [intree.Edit(CUT, each | {"before": name})
             for name, edits in cut.items() for each in edits]
        self.files = self.sorted_files()
        self.objects = [pair for kbuild in KBUILDS for pair in objects(kbuild)
                        if pair[0] in self.table["module"]]
        built = {source for _, source in self.objects}
        for name in self.files:
            if name.endswith(".c") and name not in built and \
                    self.place(name).startswith(("drivers/", "samples/")):
                raise LabError(f"{TABLE}: {name} is in a patch, but no Kbuild builds it")
        for edit in self.edits:
            if edit.file not in self.files:
                raise LabError(f"{edit.table}: edit of {edit.file}: no patch has that file")
            if edit.before not in ["", *(patch.name for patch in self.patches)]:
                raise LabError(f"{edit.table}: edit of {edit.file}: no patch {edit.before}")

    def place(self, name):
        """The name of a file inside the kernel; None where nothing says so."""
        for prefix, to in self.table["place"].items():
            if name == prefix or (name.startswith(prefix) and prefix[-1] in "/._"):
                return to + name[len(prefix):]
        return None

    def sorted_files(self):
        """The number of its patch for each file that goes into the kernel."""
        out = self.table["leave_out"]["files"]
        names = [name for name in lint.everything()
                 if (REPO / name).is_file() and self.place(name) and
                 name not in KBUILDS]
        found, wrong = {}, []
        for pattern in out + [each for patch in self.patches for each in patch.files]:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                wrong.append(f"{pattern} fits no file")
        for name in names:
            if fits(name, out):
                continue
            # One that is named beats a pattern, and a longer pattern a shorter one.
            hits = [(len(pattern.split("*")[0]), number)
                    for number, patch in enumerate(self.patches)
                    for pattern in patch.files if fnmatch.fnmatchcase(name, pattern)]
            best = [number for length, number in hits if length == max(hits)[0]]
            if len(set(best)) == 1:
                found[name] = best[0]
            else:
                where = "more than one patch" if best else "no patch and not left out"
                wrong.append(f"{name} is in {where}")
        places = {}
        for name in found:
            other = places.setdefault(self.place(name), name)
            if other != name:
                wrong.append(f"{other} and {name} both become {self.place(name)}")
        if wrong:
            raise LabError(f"{TABLE}: " + f"\n{TABLE}: ".join(wrong))
        return found

    def converted(self, last):
        """The text of each file as it is when the patches up to number last have been
        applied."""
        names = [patch.name for patch in self.patches]
        files = [name for name, number in self.files.items() if number <= last]
        # Patches are undone from the last one on.
        edits = sorted((edit for edit in self.edits
                        if not edit.before or names.index(edit.before) > last),
                       key=lambda edit: -names.index(edit.before) if edit.before
                       else -len(names))
        work = WORK / "converted"
        shutil.rmtree(work, ignore_errors=True)
        headers = self.table["headers"] | {
            f'"{pathlib.PurePath(name).name}"': f"<{self.place(name)[len('include/'):]}>"
            for name in self.files if self.place(name).startswith("include/linux/")}
        c_files, unfit = [], []
        for name in files:
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = (REPO / name).read_text(encoding="utf-8")
            whole = ""
            for edit in edits:
                if edit.file == name:
                    whole = whole or (text if edit.before else "")
                    text = edit(text, unfit)
            if whole:
                text = intree.refill(whole, text)
            path.write_text(text, encoding="utf-8")
            if path.suffix in (".c", ".h"):
                c_files.append(name)
        if unfit:
            raise LabError("\n".join(unfit))
        words = self.mapped_away(work, c_files, last) | self.table["words"] | \
            self.table["numbers"]
        texts = {}
        for name in files:
            text = (work / name).read_text(encoding="utf-8")
            if name.endswith(".rst"):
                text = self.page(name, text)
            if name in c_files:
                for pattern, to in words.items():
                    text = re.sub(rf"\b{pattern}\b", to, text)
                # What was resolved may have ended a block.
                text = re.sub(r"\n\n(\t*\})", r"\n\1", self.moved(name, text))
                # Programs have headers of their own.
                if not name.startswith("tests/selftests/"):
                    text = intree.includes(text, headers)
            texts[name] = self.named(text, name not in c_files)
        wrong = [line for name, text in texts.items()
                 for line in intree.left_over(name, text, self.table["stale"]["words"])]
        if wrong:
            raise LabError("\n".join(wrong))
        return texts

    def mapped_away(self, work, names, last):
        """Resolves what tells kernels apart in the files of work, and options that patches
        after number last add; returns words that are still to be replaced."""
        log = WORK / "convert.log"
        log.unlink(missing_ok=True)
        compat = (REPO / COMPAT).read_text(encoding="utf-8")
        (work / "compat.h").write_text(compat, encoding="utf-8")
        options = {f"CONFIG_{patch.config}" for patch in self.patches if patch.config} - \
            {f"CONFIG_{patch.config}" for patch in self.patches[:last + 1]}
        known = intree.probes(probed(), compat, self.root) | dict.fromkeys(options, False)
        for option in options:
            for path in (work / name for name in names):
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace(f"IS_ENABLED({option})", f"defined({option})"),
                                encoding="utf-8")
        (work / "names").write_text("".join(f"{name}\n" for name in [*names, "compat.h"]),
                                    encoding="utf-8")
        script = """
            gcc -o /tmp/unifdef /kernel/scripts/unifdef.c
            while read -r name; do
                    status=0
                    /tmp/unifdef "$@" "$name" > /tmp/file || status=$?
                    [ $status -le 1 ]
                    cp /tmp/file "$name"
            done < names
            """
        run(inside(tree("build-trixie"),
                   ["sh", "-e", "-c", script, "sh",
                    *(f"-{'D' if has else 'U'}{name}" for name, has in known.items())],
                   writable=[work], readable=[(self.root / "scripts", "/kernel/scripts")],
                   cwd=work), log, what="unifdef")
        rules, words = intree.wrappers((work / "compat.h").read_text(encoding="utf-8"),
                                       self.table["words"])
        (work / "rules").write_text(
            rules + "\n" + (HERE / "compat.cocci").read_text(encoding="utf-8"), encoding="utf-8")
        run(inside(tree("coccinelle"),
                   ["spatch", "--sp-file", "rules", "--in-place", "--no-includes",
                    "--very-quiet", *(name for name in names if name.endswith(".c") and
                                      MAPPED.search((work / name).read_text()))],
                   writable=[work], cwd=work), log, what="coccinelle")
        return words

    def page(self, name, text):
        """With the way to what a page includes. A page that it refers to has to be there."""
        folder = pathlib.PurePath(self.place(name)).parent

        def way(match):
            return match[1] + os.path.relpath(self.known(name, "Documentation/" + match[2]),
                                              folder)

        for page in re.findall(r":doc:`(?:[^<`]*<)?([\w-]+)>?`", text):
            if f"{folder}/{page}.rst" not in map(self.place, self.files):
                raise LabError(f"{TABLE}: {name} refers to {page}, which is in no patch")
        return re.sub(r"(^\.\. literalinclude:: )(\S+)", way, text, flags=re.MULTILINE)

    def named(self, text, full):
        """With the names that other files have then, where a comment or a page has one: full
        ones would make lines of a comment too long."""
        names = sorted(self.files, key=len, reverse=True)
        return re.sub(r"(?<![\w/.<\"])(" + "|".join(map(re.escape, names)) + r")\b",
                      lambda match: self.place(match[1]) if full else
                      pathlib.PurePath(self.place(match[1])).name, text)

    def known(self, name, other):
        """The place of other, which name includes."""
        other = os.path.normpath(other)
        if other not in self.files:
            raise LabError(f"{TABLE}: {name} includes {other}, which is in no patch")
        return self.place(other)

    def moved(self, name, text):
        """With the way to another file that is included, from where both are then."""
        folder = pathlib.PurePath(self.place(name)).parent

        def way(match):
            other = self.known(name, pathlib.PurePath(name).parent / match[1])
            return f'#include "{os.path.relpath(other, folder)}"'

        return re.sub(r'^#include "(\.\./.*)"$', way, text, flags=re.MULTILINE)

    def content(self, last):
        """Path and text of all files that the first patches, up to number last, have added
        or changed."""
        done = self.patches[:last + 1]
        texts = self.converted(last)
        merged = [(self.table["merge"][name], self.place(name), texts.pop(name))
                  for name in self.table["merge"] if name in texts]
        found = {self.place(name): text for name, text in texts.items()}
        spdx = "# SPDX-License-Identifier: GPL-2.0-only\n"
        for patch in done:
            for path, text in patch.kconfig.items():
                found[path] = found.get(path, spdx[:-1]) + "\n" + text
            for path, text in patch.add.items():
                found[path] = found.get(path, "") + text
        found |= {path: spdx + "\n" + text + "\n"
                  for path, text in self.makefiles(last).items()}
        found |= self.kernel_files(done)
        for before, path, text in merged:
            old = found.get(path) or (self.root / path).read_text(encoding="utf-8")
            found[path] = self.numbered(inserted(old, before, intree.body(text), path),
                                        len(done) < len(self.patches))
        return found

    def numbered(self, text, later):
        """With new names and the next free numbers, as the table says."""
        for name, new in self.table["numbers"].items():
            # A later patch may define it.
            if not later or re.search(rf"^#define (?:{name}|{new})\s", text, flags=re.MULTILINE):
                text = intree.numbered(text, name, new)
        return text

    def makefiles(self, last):
        """The Makefiles of modules."""
        found = {}
        for name, about in self.table["module"].items():
            sources = [(self.files[source], source) for module, source in self.objects
                       if module == name and source in self.files]
            if not sources:
                raise LabError(f"{TABLE}: no Kbuild builds a module {name}")
            lines, called = [], about.get("called", name)
            first = min(number for number, _ in sources)
            for number, patch in enumerate(self.patches[:last + 1]):
                stems = [pathlib.PurePath(self.place(source)).stem for at, source in sources
                         if at == number]
                if stems:
                    # An option of the module itself, and not of its tests
                    optional = patch.config.startswith(f"{about['config']}_")
                    when = f"$(CONFIG_{patch.config})" if optional else "y"
                    lines.append(wrapped(" ".join([
                        f"{called}-{when}", ":=" if number == first else "+=",
                        *(f"{stem}.o" for stem in stems)])))
            if lines:
                lines.append(f"obj-$(CONFIG_{about['config']}) += {called}.o")
                text = "\n".join(lines)
                path = about["makefile"]
                found[path] = f"{found[path]}\n\n{text}" if path in found else text
        for patch in self.patches[:last + 1]:
            for path, line in patch.makefile.items():
                objects_there = found.get(path, "")
                found[path] = f"{line}\n\n{objects_there}" if line.startswith("ccflags") \
                    else f"{objects_there}\n{line}".strip()
        return found

    def kernel_files(self, done):
        """The kernel's own files that the patches in done change."""
        found = {}
        for patch in done:
            for edit in patch.kernel:
                path = edit["file"]
                old = found.get(path) or (self.root / path).read_text(encoding="utf-8")
                found[path] = inserted(old, edit["before"], edit["text"], path) \
                    if "before" in edit else old + edit["text"]
        lines = [f"F:\t{path}" for path in
                 sorted(path for patch in done for path in patch.maintainers)]
        if lines:
            old = (self.root / "MAINTAINERS").read_text(encoding="utf-8")
            found["MAINTAINERS"] = with_section(
                old, self.table["maintainers"]["title"],
                [f"M:\t{self.name} <{self.email}>", "L:\tkvm@vger.kernel.org",
                 "S:\tMaintained", *lines])
        return found

    def changed(self):
        """The kernel's own files that are changed."""
        return sorted({edit["file"] for patch in self.patches for edit in patch.kernel}
                      | {"MAINTAINERS", *map(self.place, self.table["merge"])})

    def added(self):
        """The files that the patches add."""
        return sorted(self.content(len(self.patches) - 1).keys() - set(self.changed()))

    def write(self, to):
        """Writes the patches to the directory to; returns their paths."""
        base = base_commit(self.root, self.changed())
        repo = WORK / "repo"
        shutil.rmtree(repo, ignore_errors=True)
        repo.mkdir(parents=True)
        date = (lint.git("log", "-1", "--format=%aI") or ["2026-01-01T00:00:00Z"])[0]
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
               "GIT_AUTHOR_NAME": self.name, "GIT_AUTHOR_EMAIL": self.email,
               "GIT_COMMITTER_NAME": self.name, "GIT_COMMITTER_EMAIL": self.email,
               "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_DIR": str(repo / ".git")}

        def git(*args, text=None):
            done = subprocess.run(["git", *args], cwd=repo, env=env, input=text, text=True,
                                  capture_output=True, check=False)
            if done.returncode:
                raise LabError(f"git {args[0]}: {done.stderr.strip()}")
            return done.stdout

        git("init", "--quiet", "--initial-branch=series")
        self.lay(repo, {path: (self.root / path).read_text(encoding="utf-8")
                        for path in self.changed()})
        git("add", "--force", "--all", ".")
        git("commit", "--quiet", "--message=base")
        for number, patch in enumerate(self.patches):
            texts = self.content(number)
            if there := [path for path in sorted(texts.keys() - set(self.changed()))
                         if (self.root / path).exists()]:
                raise LabError(f"the kernel at {self.root} has a {there[0]} already")
            self.lay(repo, texts)
            git("add", "--force", "--all", ".")
            git("commit", "--quiet", "--file=-",
                text=f"{patch.subject}\n\n{filled(patch.message)}\n\n"
                     f"Signed-off-by: {self.name} <{self.email}>\n")
        git("config", "branch.series.description",
            f"{self.table['subject']}\n\n{filled(self.table['cover'])}\n\n"
            f"For Linux {kernel_version(self.root)}.{base}")
        shutil.rmtree(to, ignore_errors=True)
        git("format-patch", "--quiet", "--cover-letter", "--cover-from-description=subject",
            "--no-signature", "--stat=76", f"--output-directory={to}",
            f"HEAD~{len(self.patches)}")
        return sorted(pathlib.Path(to).glob("*.patch"))

    @staticmethod
    def lay(root, texts):
        """Writes files below root; what is a link to another tree's is a new file."""
        for path, text in texts.items():
            where = root / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.unlink(missing_ok=True)
            where.write_text(text, encoding="utf-8")


def kernel_version(root):
    """The version that a kernel's Makefile says."""
    text = (root / "Makefile").read_text(encoding="utf-8")
    numbers = [re.search(rf"^{word} =[ \t]*(.*)$", text, flags=re.MULTILINE)[1]
               for word in ("VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION")]
    return ".".join(number for number in numbers[:3] if number) + numbers[3]


def base_commit(root, files):
    """The line that tells where the patches apply, where the kernel is a git tree."""
    if not (root / ".git").exists():
        return ""

    def git(*args):
        # Whoever owns the tree, nothing of it is run.
        done = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, *args],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"KERNEL_TREE={root}: git {args[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    if changed := git("diff", "--name-only", "HEAD", "--", *files):
        raise LabError(f"KERNEL_TREE={root} has changes that are not committed: "
                       f"{', '.join(changed.split())}")
    return f"\n\nbase-commit: {git('rev-parse', 'HEAD')}"


def series(root, name, email, to):
    """Writes the patches to the directory to; returns their paths."""
    if bool(name) != bool(email):
        raise LabError(f"{'EMAIL' if name else 'NAME'}= is missing beside "
                       f"{'NAME' if name else 'EMAIL'}=: both are in each Signed-off-by")
    with locked(LOCK):
        return Series(root, *((name, email) if name else PLACEHOLDER)).write(to)


def command(root, name, email, to):
    """make series; returns its exit status."""
    to = (to or WORK / "patches").absolute()
    if to.exists() and any(path.suffix != ".patch" for path in to.iterdir()):
        raise LabError(f"O={to} has other files than patches")
    if root and not (root / "MAINTAINERS").is_file():
        raise LabError(f"KERNEL_TREE={root} is not the source of a kernel")
    if not root:
        import build    # pylint: disable=import-outside-toplevel
        root = build.default_source()
    for path in series(root.absolute(), name, email, to):
        print(path)
    if not name:
        say(f"NAME= and EMAIL= are missing: the patches are signed as "
            f"{PLACEHOLDER[0]} <{PLACEHOLDER[1]}>, and not to be sent")
    return 0
