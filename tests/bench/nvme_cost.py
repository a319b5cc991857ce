#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvme_cost.py: what mediation costs a guest with an NVMe VF.

Two guests have a VF each, one by in-tree vfio-pci, the other by ours. fio reads and writes
4 KiB at random in one after the other, RUNS times. Then ours is measured while it is tracked,
by a migration that does not come to its end, and once more after that was cancelled. Leaves
the figures in /out/nvme.json.
"""

import json
import statistics
import sys
import time

from labhost.cost import conclude
from labhost.migration import Migration
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.storage import MEDIATOR, MIB, NAMESPACE, Storage, storage_guest

RUNS = 3
SECONDS = 2
SETTLED = 4         # s until the doorbells of a driver that is new are not trapped any more
KINDS = {f"{name}, depth {depth}": (name, depth) for depth in (1, 32)
         for name in ("randread", "randwrite")}
IN_TREE, OURS = "in-tree", "ours"
TARGET = 1.05
SLOWLY = MIB        # bytes/s of a migration that is not to end
FIO = f"/fio --name=cost --filename={NAMESPACE} --direct=1 --ioengine=libaio --bs=4k " \
    f"--size=64M --thread --time_based --runtime={SECONDS} --output-format=json"


class Notes:
    """Where a guest's messages go: there is no TAP here."""

    @staticmethod
    def note(text):
        print(f"# {text}", flush=True)

    @staticmethod
    def ok(passed, what, _detail):
        if not passed:
            raise SystemExit(what)
        Notes.note(what)


def rate(guest, kind):
    """I/O operations a second."""
    name, depth = KINDS[kind]
    said = guest.run(f"{FIO} --rw={name} --iodepth={depth} 2> /dev/null", 60)
    job = json.loads(said[said.index("{"):])["jobs"][0]
    return job["read" if name == "randread" else "write"]["iops"]


def interleaved(guests):
    """Rates of each guest, by kinds."""
    found = {kind: {who: [] for who in guests} for kind in KINDS}
    for run in range(RUNS):
        for kind in KINDS:
            # Neither is always the first.
            for who in sorted(guests, reverse=run % 2):
                found[kind][who].append(round(rate(guests[who], kind), 1))
    return found


def tracked(guest):
    """Rates before, while it is tracked, and after."""
    found = {kind: {} for kind in KINDS}

    def measure(when):
        for kind in KINDS:
            found[kind][when] = round(statistics.median(rate(guest, kind) for _ in range(2)), 1)

    measure("before")
    migration = Migration(guest, VFS[0], bandwidth=SLOWLY, downtime_limit=0)
    try:
        migration.start()
        while migration.query().get("ram", {}).get("transferred", 0) < MIB:
            time.sleep(0.1)
        measure("meanwhile")
        migration.cancel()
        migration.wait()
    finally:
        migration.abandon()
    measure("after")
    return found


def main():
    guests = {}
    try:
        for vf, who, driver in zip(VFS, (IN_TREE, OURS), ("vfio-pci", DRIVER)):
            sh("vfctl", "bind", vf, driver)
            guests[who] = storage_guest(vf, name=who, migratable=who == OURS)
            trip = Storage(Notes, who, guests[who])
            trip.at, trip.mediator = VFS.index(vf), MEDIATOR if who == OURS else ""
            trip.start()
        time.sleep(SETTLED)
        rates = interleaved(guests)
        # Where the other one goes
        guests.pop(IN_TREE).kill()
        sh("vfctl", "bind", VFS[0], DRIVER)
        while_tracked = tracked(guests[OURS])
    finally:
        for guest in guests.values():
            guest.kill()
    targets = []
    for kind, found in rates.items():
        ratio = statistics.median(theirs / ours for theirs, ours in
                                  zip(found[IN_TREE], found[OURS]))
        print(f"{kind}: in-tree {statistics.median(found[IN_TREE]):.0f}/s, ours "
              f"{statistics.median(found[OURS]):.0f}/s, {ratio:.3f} times as long")
        targets.append((f"{kind}: at most {TARGET} x in-tree vfio-pci", round(ratio, 3),
                        ratio <= TARGET))
    for kind, found in while_tracked.items():
        each = (1 / found["meanwhile"] - 1 / found["before"]) * 1e6
        print(f"{kind}: {found['before']:.0f}/s before, {found['meanwhile']:.0f}/s while tracked "
              f"({each:.0f} us more for each), {found['after']:.0f}/s after")
    return conclude("nvme", {"interleaved": rates, "tracked": while_tracked}, targets)


if __name__ == "__main__":
    sys.exit(main())
