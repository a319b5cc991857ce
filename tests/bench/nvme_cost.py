#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvme_cost.py ROUNDS: what mediation costs a guest with an NVMe VF.

Two guests have a VF each, one by in-tree vfio-pci, the other by ours, and fio reads and writes
4 KiB at random in one after the other, RUNS times. Then two new guests have each other's VF; then
both have theirs by in-tree vfio-pci, which shows by how much equals differ here. All that is done
ROUNDS times. What KVM and our module do for an I/O is counted as well, as it depends less on the
machine.

Then ours is measured while it is tracked, by a migration that does not come to its end, and once
more after that was cancelled. Leaves the figures in /out/nvme.json.
"""

import contextlib
import json
import pathlib
import statistics
import sys
import time

from labhost.cost import conclude
from labhost.kprobes import Kprobes
from labhost.migration import Migration
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.storage import MEDIATOR, MIB, NAMESPACE, Storage, storage_guest

RUNS = 4
TRACKED_RUNS = 5
SETTLED = 4         # s until the doorbells of a driver that is new are not trapped any more
KINDS = {f"{name[4:]}, depth {depth}": (name, depth) for depth in (1, 32)
         for name in ("randread", "randwrite")}
IN_TREE, OURS = "in-tree", "ours"
# Who has the first VF, and who the second
PAIRS = [(IN_TREE, OURS), (OURS, IN_TREE), (IN_TREE, IN_TREE)]
TARGET = 1.05
FEW = 0.01          # calls of our module for an I/O
SLOWLY = MIB        # bytes/s of a migration that is not to end
FIO = f"/fio --name=cost --filename={NAMESPACE} --direct=1 --ioengine=libaio --bs=4k " \
    "--size=64M --thread --time_based --runtime=1 --output-format=json"
CPU = "1"           # of guests and their interrupts
KVM = pathlib.Path("/sys/kernel/debug/kvm")
COUNTED = ("exits", "mmio_exits", "interrupts", "calls", "work", "submit")
EACH = "{}: {:.0f}/s; of each {:.2f} exits of KVM, {:.2f} for a register, {:.2f} interrupts, " \
    "{:.3f} calls of our module, {:.1f} us of its work, {:.0f} us to submit it"
# Of our module: accesses to registers, and what it does now and then, for the other guest as well
PROBES = {"rw": "p snv_rw", "begins": "p snv_work", "ends": "r snv_work"}


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


def interrupts(vf):
    """Those of a VF: how often each has come, by number."""
    lines = pathlib.Path("/proc/interrupts").read_text(encoding="ascii").splitlines()
    cpus = len(lines[0].split())
    return {number.strip(): sum(map(int, rest.split()[:cpus]))
            for number, _, rest in (line.partition(":") for line in lines[1:]) if vf in rest}


def pin(guest, vf):
    """Has a guest and its interrupts where all others are. Where they are by chance makes more
    of a difference than what is measured."""
    sh("taskset", "-a", "-c", "-p", CPU, str(guest.proc.pid))
    for number in interrupts(vf):
        pathlib.Path(f"/proc/irq/{number}/smp_affinity_list").write_text(CPU, encoding="ascii")


@contextlib.contextmanager
def guests_by(whos):
    """A guest on each VF, which has it by what is given."""
    guests = []
    try:
        for at, (vf, who) in enumerate(zip(VFS, whos)):
            sh("vfctl", "bind", vf, DRIVER if who == OURS else "vfio-pci")
            guests.append(storage_guest(vf, name=f"{who}{at}", migratable=who == OURS))
            trip = Storage(Notes, f"{who}, VF {at}", guests[at])
            trip.at, trip.mediator = at, MEDIATOR if who == OURS else ""
            trip.start()
            pin(guests[at], vf)
        time.sleep(SETTLED)
        yield guests
    finally:
        for guest in guests:
            guest.kill()


def fio(guest, kind):
    """What fio has to say of one second of this."""
    name, depth = KINDS[kind]
    said = guest.run(f"{FIO} --rw={name} --iodepth={depth} 2> /dev/null", 60)
    job = json.loads(said[said.index("{"):])["jobs"][0]
    return job["read" if name == "randread" else "write"]


def rate(guest, kind):
    """I/O operations a second."""
    return round(fio(guest, kind)["iops"], 1)


def so_far(guest, vf):
    """How often KVM has had to do with a guest, and for a register; interrupts of its VF."""
    exits = [sum(int((of / what).read_text(encoding="ascii"))
                 for of in KVM.glob(f"{guest.proc.pid}-*")) for what in COUNTED[:2]]
    return [*exits, sum(interrupts(vf).values())]


def of_ours(hits):
    """How often our module was called, and for how many us it has worked."""
    calls = spent = began = 0
    for hit in hits:
        when, name = float(hit.split(": ")[0].split()[-1]), hit.split(": ")[1]
        calls += name == "rw"
        if name == "ends" and began:
            spent += when - began
        if name in ("begins", "ends"):
            began = when if name == "begins" else 0
    return calls, spent * 1e6


def counted(guest, vf, kind):
    """Of each I/O: all that, and what our module has done."""
    with Kprobes("lab_nvme", PROBES) as probes:
        before = so_far(guest, vf)
        said = fio(guest, kind)
        found = [new - old for old, new in zip(before, so_far(guest, vf))]
        found += of_ours(probes.read())
    found = [each / said["total_ios"] for each in found] + [said["slat_ns"]["mean"] / 1000]
    return dict(zip(COUNTED, (round(each, 3) for each in found)))


def compare(whos):
    """Of each kind: rates of the guest on the first VF and on the second, and what was counted
    for both."""
    rates, counts = {kind: ([], []) for kind in KINDS}, {}
    with guests_by(whos) as guests:
        for run in range(RUNS):
            for kind, found in rates.items():
                # Neither is always the first.
                for at in (0, 1) if run % 2 else (1, 0):
                    found[at].append(rate(guests[at], kind))
        for kind in KINDS:
            counts[kind] = [counted(guest, vf, kind) for guest, vf in zip(guests, VFS)]
    return {"by": whos, "rates": rates, "counts": counts}


def tracked():
    """Rates and counts before, while it is tracked, and after."""
    found = {kind: {} for kind in KINDS}

    def note(guest, when):
        for kind in KINDS:
            rates = [rate(guest, kind) for _ in range(TRACKED_RUNS)]
            found[kind][when] = {"rate": statistics.median(rates), "rates": rates,
                                 "counts": counted(guest, VFS[0], kind)}

    with guests_by([OURS]) as [guest]:
        # Where it is to go
        sh("vfctl", "bind", VFS[1], DRIVER)
        note(guest, "before")
        migration = Migration(guest, VFS[1], bandwidth=SLOWLY, downtime_limit=0)
        try:
            migration.start()
            while migration.query().get("ram", {}).get("transferred", 0) < MIB:
                time.sleep(0.1)
            note(guest, "tracked")
            migration.cancel()
            migration.wait()
        finally:
            migration.abandon()
        note(guest, "after")
    return found


def times(found, kind, whos, at):
    """Of each pair of guests that had their VFs so: the time of an I/O on one VF by that on the
    other, the median of its runs."""
    return [statistics.median(other / own for own, other in
                              zip(one["rates"][kind][at], one["rates"][kind][1 - at]))
            for one in found if tuple(one["by"]) == whos]


def middle(found, kind, who, what):
    """Median of what was counted, or of rates, for all guests that had their VF by this."""
    return statistics.median(
        each for one in found for at, by in enumerate(one["by"]) if by == who
        for each in (one["rates"][kind][at] if what == "rate" else [one["counts"][kind][at][what]]))


def listed(ratios):
    return " ".join(f"{ratio:.2f}" for ratio in sorted(ratios))


def judge(found):
    """Prints what was found; the targets."""
    targets = []
    for kind in KINDS:
        second, first = (times(found, kind, whos, whos.index(OURS)) for whos in PAIRS[:2])
        # What is the VF's, and not the driver's, is in both, once in each direction.
        ratio = statistics.geometric_mean([statistics.median(first), statistics.median(second)])
        print(f"{kind}: an I/O takes {ratio:.3f} times as long with ours; on the first VF "
              f"{listed(first)}, on the second {listed(second)}")
        print(f"    in-tree on the first by in-tree on the second: "
              f"{listed(times(found, kind, PAIRS[2], 0))}")
        for who in (IN_TREE, OURS):
            print("   ", EACH.format(who, *(middle(found, kind, who, what)
                                            for what in ("rate", *COUNTED))))
        targets.append((f"{kind}: at most {TARGET} x in-tree vfio-pci", round(ratio, 3),
                        ratio <= TARGET))
        calls = max(middle([one], kind, who, "calls") for one in found for who in one["by"])
        targets.append((f"{kind}: our module is not called for an I/O", calls, calls < FEW))
    return targets


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = [compare(whos) for _ in range(int(sys.argv[1])) for whos in PAIRS]
    while_tracked = tracked()
    targets = judge(found)
    for kind, at in while_tracked.items():
        each = (1 / at["tracked"]["rate"] - 1 / at["before"]["rate"]) * 1e6
        print(f"{kind}: {each:.0f} us more while tracked")
        for when, one in at.items():
            print("   ", EACH.format(when, one["rate"], *one["counts"].values()))
    return conclude("nvme", {"compared": found, "tracked": while_tracked}, targets)


if __name__ == "__main__":
    sys.exit(main())
