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

import sys
import time

import series
from cache import LabError, locked, say
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
    """All results."""
    source = build.default_source()
    made = series.Series(source, *series.PLACEHOLDER)
    patches = made.write(series.WORK / "check")[1:]
    tree = build.Tree(source, source.parent.name,
                      sorted(made.content(len(patches) - 1).keys() - set(made.changed())))
    say(f"{len(patches)} patches for Linux {series.kernel_version(source)}")
    for patch in patches:
        name = patch.name.removesuffix(".patch")
        if not tried(tap, f"{name} applies", tree.apply, patch):
            return
        for how in ("y", "m") if every or patch == patches[-1] else ():
            tried(tap, f"{name} builds, ={how}", tree.build, how)
    tried(tap, "selftests build", tree.selftests)
    wrong, said = tree.checkpatch(patches)
    tap.ok(not wrong, f"checkpatch --strict: {len(said) - len(wrong)} notices of MAINTAINERS",
           "\n".join(wrong))
    if every:
        check_kunit(tap, tree)
    check_table(tap, made)


def main():
    """Prints TAP of all cases."""
    tap = Tap()
    try:
        with locked(series.LOCK):
            check(tap, "--all" in sys.argv[1:])
    except KernelGone as err:
        tap.skip("patches for the kernel", str(err).splitlines()[0])
    except LabError as err:
        tap.ok(False, "the series can be made", str(err))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
