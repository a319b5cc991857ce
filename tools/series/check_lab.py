#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""check_lab.py: the kernel with all patches of make series, =m, boots as a lab host, and its
selftests pass there. Prints TAP."""

# /// suite
# [series_lab]
# about = "the kernel with all patches boots on a lab host, and its selftests pass"
# run = "tools/series/check_lab.py"
# host = false
# minutes = 10
# timeout = 7200
# ///

import pathlib
import sys

import series   # has the path to the lab's modules

import results
from cache import LabError, locked
from host import Job, Machine
from kernels import KernelGone
from session import Session
from tap import Tap

import build

JOB = pathlib.Path(__file__).with_name("run_selftests.py")
# By who drives the PF. mark_fill and others bring a mediator of their own.
PROGRAMS = {
    "igb": "mediate_info mediate_rw mediate_mmap mediate_irq mediate_trap "
           "mediate_trap_state mediate_shadow mediate_stuck mediate_hammer mediate_concurrent "
           "migrate_v2 migrate_stream migrate_fail migrate_concurrent dirty_mark mark_fill",
    "sample_nic": "dirty_type1 dirty_log dirty_iommufd",
}


def check(tap):
    """Boots the kernel, and collects the results of its selftests."""
    source = build.default_source()
    made = series.Series(source, *series.PLACEHOLDER)
    patches = made.write(series.WORK / "check")[1:]
    tree = build.Tree(source, made.added())
    for patch in patches:
        tree.apply(patch)
    kernel, selftests = tree.lab()
    there = {path.name for path in selftests.iterdir() if path.is_file()}
    told = {name for names in PROGRAMS.values() for name in names.split()}
    tap.ok(told == there, f"the kernel's {len(there)} selftests are run", told ^ there)
    jobs = [Job(f"selftests-{pf}", f"./{JOB.name} {names}", pf=pf, timeout=1800)
            for pf, names in PROGRAMS.items()]
    for outcome in Session(Machine(kernel), jobs, {JOB.name: JOB, "selftests": selftests},
                           name="series").run():
        for case in results.read(outcome.lines):
            if case.skip is not None:
                tap.skip(case.name, case.skip)
            else:
                tap.ok(case.passed, case.name, "\n".join(case.detail))
        tap.ok(not (outcome.why or outcome.reports or outcome.left),
               f"{outcome.name}: Linux {kernel.version}: lab host healthy", outcome.verdict())


def main():
    """Prints TAP of all cases."""
    tap = Tap()
    try:
        with locked(series.LOCK):
            check(tap)
    except KernelGone as err:
        tap.skip("patches for the kernel", str(err).splitlines()[0])
    except LabError as err:
        tap.ok(False, "the kernel boots with the patches", str(err))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
