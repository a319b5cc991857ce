#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dirty_cost.py DIRTY_COST: what it costs to know what a VF writes.

Runs the program DIRTY_COST on VF 0 of sample_nic: before it is tracked, while it is,
with each of some intervals between two drains of its doorbells, and afterwards. Prints
a table, in which a second is as long as 10^9 instructions take; leaves the figures in
/out/dirty.json, and returns 1 when a target is missed.
"""

import dataclasses
import os
import subprocess
import sys

from labhost.cost import conclude, set_up

SECOND = 10 ** 9        # instructions
DEFAULT = "200"         # us between two drains, when nobody says otherwise
INTERVALS = ("50", DEFAULT, "1000", "5000")
PHASES = ("before", *INTERVALS, "after")
REGISTERS = ("RDT", "TDT")
MOST, PACED = 0, 20000              # packets a second; MOST: what one CPU can do
DOORBELLS = (1000, 10000, 50000)    # a second

# Targets, for the default interval
IDLE = 0.04             # of a CPU, at most
KEPT = 0.60             # of the packets a second that one CPU can do, at least
PASSED = 0.99           # of those that are offered, at least
LOST = {PACED: 0, MOST: 0.01}  # of those that are sent, at most
SAME = 1.05             # what a packet costs afterwards, against before, at most


@dataclasses.dataclass
class Phase:
    """What was measured in one phase, by what the program calls it."""
    found: dict

    def rate(self, kind, rate):
        """Of several times the median. Where packets are lost, time is spent on waiting
        for them: such a time counts only if there is no other."""
        times = self.found[f"{kind} rate={rate}"]
        times = sorted([found for found in times if not found.get("lost")] or times,
                       key=lambda found: found["work"] / found.get("packets", 1))
        return times[len(times) // 2]

    def access(self, register, name):
        return self.once(f"access register={register}")[name]

    def once(self, kind):
        return self.found[kind][0]

    def idle_share(self):
        idle = self.once("idle")
        return idle["work"] / idle["elapsed"]

    def drains(self):
        return self.once("idle")["drains"] * SECOND / self.once("idle")["elapsed"]

    def per(self, what, kind, rate):
        """Instructions of the host."""
        found = self.rate(kind, rate)
        return found["work"] / found[what]

    def per_packet(self, rate):
        return self.per("packets", "receive", rate)

    def packets(self, rate):
        """A second; the most, if the CPU had nothing to wait for."""
        if rate == MOST:
            return SECOND / self.per_packet(rate)
        found = self.rate("receive", rate)
        return found["packets"] * SECOND / found["elapsed"]

    def lost(self, rate):
        return sum(found["lost"] for found in self.found[f"receive rate={rate}"])

    def offered(self, rate):
        return sum(found["lost"] + found["packets"]
                   for found in self.found[f"receive rate={rate}"])


def rows(before):
    """(title, function of a phase); None where a figure would say nothing."""
    yield "CPU, % of it, without traffic", \
        lambda phase: f"{phase.idle_share() * 100:.2f}"
    yield "drains per second", lambda phase: f"{phase.drains():.0f}"
    for rate in (PACED, MOST):
        name = f"{rate} packets/s" if rate else "on a busy CPU"
        # With losses it is the patience of the sender that is measured.
        yield f"instructions per packet, {name}", lambda phase, rate=rate: \
            "-" if phase.rate("receive", rate)["lost"] else f"{phase.per_packet(rate):.0f}"
        yield f"packets/s, {name}", lambda phase, rate=rate: \
            "-" if phase.rate("receive", rate)["lost"] else f"{phase.packets(rate):.0f}"
        yield f"packets lost of {before.offered(rate)}, {name}", \
            lambda phase, rate=rate: str(phase.lost(rate))
    for rate in DOORBELLS:
        yield f"instructions per doorbell, {rate}/s", lambda phase, rate=rate: \
            f"{phase.per('doorbells', 'doorbells', rate):.0f}"
    yield "us until a doorbell is obeyed, median", \
        lambda phase: f"{phase.once('latency')['median'] / 1000:.0f}"
    yield "us until a doorbell is obeyed, most", \
        lambda phase: f"{phase.once('latency')['most'] / 1000:.0f}"
    for register in REGISTERS:
        for name in ("load", "store", "first"):
            yield f"instructions, {name} of {register}, mmapped", \
                lambda phase, register=register, name=name: \
                str(phase.access(register, name))


def targets(phases):
    """(what, figure, whether it is met)"""
    before, tracked, after = (phases[name] for name in ("before", DEFAULT, "after"))
    for register in REGISTERS:
        for name in ("load", "store"):
            values = [phase.access(register, name) for phase in (before, tracked, after)]
            yield f"{name} of {register}: the same before, tracked, after", \
                values, len(set(values)) == 1
    idle = tracked.idle_share() - before.idle_share()
    yield f"tracked without traffic: at most {IDLE:.2f} of a CPU", \
        round(idle, 4), idle <= IDLE
    for rate, least in ((PACED, PASSED), (MOST, KEPT)):
        kept = tracked.packets(rate) / before.packets(rate)
        yield f"packets/s, {f'of {rate}' if rate else 'on a busy CPU'}: at least " \
            f"{least:.2f} of untracked", round(kept, 3), kept >= least
        lost, share = tracked.lost(rate), LOST[rate]
        yield f"packets lost of {tracked.offered(rate)}: at most {share} of them", \
            lost, lost <= share * tracked.offered(rate)
    ratio = after.once("latency")["median"] / before.once("latency")["median"]
    yield f"until a doorbell is obeyed afterwards: at most {SAME:.2f} of before", \
        round(ratio, 3), ratio <= SAME
    for rate in (PACED, MOST):
        ratio = after.per_packet(rate) / before.per_packet(rate)
        yield f"a packet afterwards: at most {SAME:.2f} of before", \
            round(ratio, 3), ratio <= SAME


def run(program, vf, netdev):
    """{phase: {measurement: [{name: number}]}}, of each time that it was made; what tells
    one measurement from others is part of its name."""
    figures = {name: {} for name in PHASES}
    with subprocess.Popen([program, vf, netdev, *INTERVALS], text=True,
                          stdout=subprocess.PIPE) as proc:
        for line in proc.stdout:
            kind, phase, *pairs = line.split()
            if pairs[0].startswith(("register=", "rate=")):
                kind += f" {pairs.pop(0)}"
            figures[phase].setdefault(kind, []).append(
                {name: int(value) for name, _, value in
                 (pair.partition("=") for pair in pairs)})
    if proc.returncode:
        sys.exit(f"{program}: exit status {proc.returncode}")
    return figures


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    figures = run(sys.argv[1], *set_up())
    phases = {name: Phase(found) for name, found in figures.items()}
    print(f"{os.uname().release:<45}" + "".join(
        f"{name:>9}" for name in ("before", *(f"{us} us" for us in INTERVALS), "after")))
    for title, figure in rows(phases["before"]):
        print(f"{title:<45}" + "".join(f"{figure(phases[name]):>9}" for name in PHASES))
    return conclude("dirty", {"phases": figures}, targets(phases))


if __name__ == "__main__":
    sys.exit(main())
