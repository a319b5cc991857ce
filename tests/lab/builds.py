#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The modules build against the headers of each of Debian's kernels, without a warning.
make lint does the same, and more, on the default one."""

# /// suite
# [kernels]
# about = "each of Debian's kernels builds the modules, W=1, no warning"
# run = "tests/lab/builds.py"
# daily = [""]
# host = false
# minutes = 1
# timeout = 1800
# ///

import sys

import kernels
from cache import BUILD, LabError
from supported import DEFAULT, KERNELS
from tap import Tap


def build(kern):
    """What the compiler says. A warning is an error: what has one has no object, and is
    compiled again next time."""
    work = BUILD / "kernels" / kern.name
    sources = kernels.copy_sources(work)
    log = work / "make.log"
    log.unlink(missing_ok=True)
    # Without it, modpost looks at everything again.
    (work / "Module.symvers").unlink(missing_ok=True)
    kern.shell(f"! make -s -k -j$(nproc) -C {kernels.kdir(kern)} M={sources} W=1e "
               f"{kernels.EVERYTHING} modules 2>&1 | grep .", log, f"W=1 on {kern.name}",
               writable=[work])


def main():
    """Prints TAP, with a case for each kernel."""
    tap = Tap()
    for name, about in KERNELS.items():
        if "source" in about or name == DEFAULT:
            continue
        try:
            kern = kernels.kernel(name)
        except kernels.KernelGone as err:
            tap.skip(f"W=1 on {name}", str(err).splitlines()[0])
            continue
        try:
            build(kern)
            tap.ok(True, f"W=1 on {name}: Linux {kern.version}")
        except LabError as err:
            tap.ok(False, f"W=1 on {name}: Linux {kern.version}", err)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
