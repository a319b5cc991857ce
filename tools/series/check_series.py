#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""check_series.py [--all]: the patches of make series apply, build and pass checkpatch; all
of them one after the other, or only the last. Prints TAP."""

# /// suite
# [series]
# about = "the patches for the kernel: the last one builds"
# run = "tools/series/check_series.py"
# daily = [""]
# host = false
# minutes = 2
# timeout = 2400
#
# [series_all]
# about = "each patch builds, =y and =m; KUnit by kunit.py in QEMU"
# run = "tools/series/check_series.py --all"
# host = false
# minutes = 12
# timeout = 5400
# ///

import os
import shutil
import subprocess
import sys
import time

import series
from cache import REPO, LabError, locked, say
from kernels import KernelGone
from tap import Tap

import build


def tried(tap, what, action, *args):
    """A result for an action: that it raises nothing; and how long it took."""
    start = time.monotonic()
    try:
        action(*args)
    except LabError as err:
        tap.ok(False, what, str(err))
        return False
    tap.ok(True, f"{what} ({time.monotonic() - start:.0f} s)")
    return True


def check_table(tap, made):
    """A file that no patch has, and a name that no file has, are told."""
    made.patches[-1].files[:1] = ["nowhere/*"]
    try:
        said = str(made.sorted_files())
    except LabError as err:
        said = str(err)
    tap.ok("nowhere/* fits no file" in said and "is in no patch" in said,
           "a file without a patch and a name without a file are errors", said)


HEADER = """/**
 * struct s - Two numbers
 * @a:\tThe first, which is here
 *\tin two lines.
 * @b:\tThe second,
 *\tlikewise.
 */
struct s {
\tint a;
\tint b[2];\t/* see above */
};
"""


def check_edits(tap):
    """A member goes with its kernel-doc, a comment is filled again, and what fits nothing is
    told."""
    unfit = []
    text = series.intree.Edit("cut.toml", {"file": "s.h", "members": ["b", "c"],
                                    "replace": [["first, which is here", "only one,"]]})(
        HEADER, unfit)
    tap.equal(series.intree.refill(HEADER, text), """/**
 * struct s - Two numbers
 * @a:\tThe only one, in two
 *\tlines.
 */
struct s {
\tint a;
};
""", "an edit takes away a member, and fills a comment again")
    tap.equal(unfit, ['cut.toml: member "c" fits nothing in s.h'],
              "an edit that fits nothing is told")


def git(folder, *args):
    """The output of git, which has no settings of its own."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
           **{f"GIT_{who}_{what}": f"lab{at}" for who in ("AUTHOR", "COMMITTER")
              for what, at in (("NAME", ""), ("EMAIL", "@example.org"))}}
    return subprocess.run(["git", "-C", folder, *args], env=env, check=True, text=True,
                          capture_output=True).stdout.strip()


def make_series(tree, to):
    """make series against the kernel at tree: what it says, and the patches."""
    shutil.rmtree(to, ignore_errors=True)
    done = subprocess.run(["make", "--no-print-directory", "series", f"KERNEL_TREE={tree}",
                           f"O={to}", "NAME=Jane Doe", "EMAIL=jane@example.org"], cwd=REPO,
                          text=True, capture_output=True, check=False)
    return done.stdout + done.stderr, sorted(to.glob("*.patch"))


def check_trees(tap, made, every):
    """KERNEL_TREE= names a tree of files, as is the one of check(), or one that git knows."""
    tree, to = series.WORK / "kernel", series.WORK / "from-tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in (*made.changed(), "Makefile", "scripts/unifdef.c", "include/uapi/linux/vfio.h",
                 *(f"include/linux/{header}" for header, _, _ in series.probed())):
        if (made.root / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made.root / name, tree / name)
    if every:
        said, patches = make_series(tree, to)
        tap.ok(len(patches) == 1 + len(made.patches) and
               "base-commit" not in patches[0].read_text(encoding="utf-8"),
               "KERNEL_TREE= of files alone", said)

    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message=base")
    said, patches = make_series(tree, to)
    letter = patches[0].read_text(encoding="utf-8") if patches else ""
    tap.ok(f"\nbase-commit: {git(tree, 'rev-parse', 'HEAD')}\n" in letter,
           "KERNEL_TREE= of git: the cover letter has its commit", said)
    git(tree, "am", "--quiet", *patches[1:])
    signed = git(tree, "log", "--format=%(trailers:key=Signed-off-by,valueonly)")
    tap.ok(not git(tree, "diff", "--stat", "HEAD") and
           signed.split("\n\n") == ["Jane Doe <jane@example.org>"] * len(made.patches),
           "git am takes the patches, signed as NAME= and EMAIL= say", signed)
    said, patches = make_series(tree, to)
    tap.ok("has a " in said and " already" in said and not patches,
           "a kernel that has the series already is an error", said)
    git(tree, "reset", "--quiet", "--hard", f"HEAD~{len(made.patches)}")
    with open(tree / "MAINTAINERS", "a", encoding="utf-8") as file:
        file.write("\n")
    said, patches = make_series(tree, to)
    tap.ok("changes that are not committed: MAINTAINERS" in said and not patches,
           "a file that is changed, and not committed, is an error", said)


def cases(result):
    """(suite, case, status) of what kunit.py says."""
    for suite in result.get("sub_groups", []):
        for case in suite.get("test_cases", []):
            yield suite["name"], case["name"], case["status"]
        yield from cases(suite)


def check_kunit(tap, tree):
    """The KUnit tests, each suite one result."""
    try:
        found = list(cases(tree.kunit()))
    except LabError as err:
        tap.ok(False, "KUnit by kunit.py in QEMU", str(err))
        return
    tap.ok(found, f"KUnit by kunit.py in QEMU: {len(found)} cases")
    for name in dict.fromkeys(suite for suite, _, _ in found):
        mine = [(case, status) for suite, case, status in found if suite == name]
        bad = [f"{case}: {status}" for case, status in mine
               if status not in ("PASS", "SKIP")]
        tap.ok(not bad, f"KUnit: {name}: {len(mine)} cases", "\n".join(bad))


def check(tap, every):
    """All results of the patches; returns them."""
    source = build.default_source()
    made = series.Series(source, *series.PLACEHOLDER)
    patches = made.write(series.WORK / "check")[1:]
    tree = build.Tree(source, made.added())
    say(f"{len(patches)} patches for Linux {series.kernel_version(source)}")
    for patch in patches:
        name = patch.name.removesuffix(".patch")
        if not tried(tap, f"{name} applies", tree.apply, patch):
            return made
        for how in ("y", "m") if every or patch == patches[-1] else ():
            tried(tap, f"{name} builds, ={how}", tree.build, how)
        if every or patch == patches[-1]:
            tried(tap, f"{name}: kernel-doc", tree.kernel_doc)
    tried(tap, "selftests build", tree.selftests)
    wrong, said = tree.checkpatch(patches)
    tap.ok(not wrong, f"checkpatch --strict: {len(said) - len(wrong)} notices of MAINTAINERS",
           "\n".join(wrong))
    if every:
        check_kunit(tap, tree)
    return made


def main():
    """Prints TAP of all cases."""
    tap, every = Tap(), "--all" in sys.argv[1:]
    try:
        with locked(series.LOCK):
            made = check(tap, every)
        check_trees(tap, made, every)
        check_table(tap, made)
        check_edits(tap)
    except KernelGone as err:
        tap.skip("patches for the kernel", str(err).splitlines()[0])
    except LabError as err:
        tap.ok(False, "the series can be made", str(err))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
