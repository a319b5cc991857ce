#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""io_cost.py IO_COST: what mediation costs I/O of a VF of an NVMe controller.

The program IO_COST reads and writes 4 KiB at random on a VF that it has by in-tree vfio-pci and by
ours in turn, ROUNDS times. Prints the instructions of the whole host for an I/O, medians, and for
a sleep of IO_COST, which it has subtracted; and those of ours while the VF is tracked. Leaves the
figures in /out/io.json, and returns 1 when a target is missed.
"""

import os
import statistics
import subprocess
import sys

from labhost.cost import conclude
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS

ROUNDS = 5
IN_TREE, OURS = "vfio-pci", DRIVER
NOTHING = "none"        # as many sleeps, see io_cost.c
TRACKED = "tracked, "   # what kinds begin with
TARGET = 1.05


def run(program, driver):
    """Of each kind of I/O: instructions and interrupts of one, without those of the sleeps, and
    of what goes on meanwhile. Of none: instructions of a sleep; and, of none that is tracked, of
    what else goes on in as long a time."""
    sh("vfctl", "bind", VFS[0], driver)
    out = subprocess.run([program, VFS[0]], check=True, text=True, timeout=600,
                         stdout=subprocess.PIPE).stdout
    found = {kind: [int(word) for word in words] for kind, *words in
             (line.split("\t") for line in out.splitlines())}
    _, work, _, sleeps, _ = found[NOTHING]
    sleep, background, measured = work / sleeps, 0, {}
    for kind, (count, work, interrupts, sleeps, elapsed) in found.items():
        if kind == TRACKED + NOTHING:
            background = (work - sleeps * sleep) / elapsed
        if kind != NOTHING:
            work -= sleeps * sleep
        if not kind.endswith(NOTHING):
            work -= elapsed * background
        measured[kind] = (work / count, interrupts / count)
    return measured


def show(driver, runs):
    """Prints the instructions of each run."""
    print(f"    {driver}: " + " ".join(f"{each:.0f}" for each, _ in sorted(runs)))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = {IN_TREE: [], OURS: []}
    for number in range(ROUNDS):
        for driver in (IN_TREE, OURS) if number % 2 else (OURS, IN_TREE):
            found[driver].append(run(sys.argv[1], driver))
    print(f"{os.uname().release:<20}{'in-tree':>12}{'ours':>12}{'ratio':>8}   interrupts of each")
    targets = []
    for kind in found[IN_TREE][0]:
        runs = [[one[kind] for one in found[driver]] for driver in (IN_TREE, OURS)]
        work = [statistics.median(each for each, _ in of) for of in runs]
        ratio = work[1] / work[0]
        print(f"{kind:<20}{work[0]:>12.0f}{work[1]:>12.0f}{ratio:>8.3f}   " +
              ", ".join(f"{statistics.median(count for _, count in of):.2f}" for of in runs))
        for driver, of in zip((IN_TREE, OURS), runs):
            show(driver, of)
        if kind != NOTHING:
            targets.append((f"{kind}: at most {TARGET} x in-tree vfio-pci", round(ratio, 3),
                            ratio <= TARGET))
    for kind in filter(lambda kind: kind.startswith(TRACKED), found[OURS][0]):
        work = statistics.median(one[kind][0] for one in found[OURS])
        print(f"{kind:<32}{work:>12.0f}")
        show(OURS, [one[kind] for one in found[OURS]])
    return conclude("io", found, targets)


if __name__ == "__main__":
    sys.exit(main())
