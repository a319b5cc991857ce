#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of how migrate.py and make demo judge how long a guest was away, on figures of
idle machines, of busy ones, and of a VF that does not come back in time. Prints TAP."""

# /// suite
# [pace]
# about = "how the time is judged that a migration takes"
# run = "tests/lab/pace_cases.py"
# daily = [""]
# quick = true
# host = false
# minutes = 0.1
# ///

import sys

# pylint: disable=wrong-import-position
from tap import Tap    # first: it says where labhost is
from labhost.pace import afterwards, longer, meanwhile
from labhost.probe import Answers

def phase(sent, lost=0, gap=20, outside=0, downtime=None):
    figures = {"sent": sent, "lost": lost, "longest_gap_ms": gap, "lost_outside": outside}
    return figures if downtime is None else {**figures, "downtime_ms": downtime}

QUIET = phase(200)
IDLE = phase(400, 90, 900, 2, 800), QUIET       # of virtio-net
SLOW = phase(900, 200, 2400, 20, 1900), phase(190, 8, 200)

# What: (across the migration, before it, of virtio-net) -> passed, or None: not judged
AWAY = {
    "as long as virtio-net": (phase(500, 90, 900, 0, 850), QUIET, IDLE, True),
    "twice as long, on a machine that became busy":
        (phase(700, 200, 1900, 10, 1300), QUIET, IDLE, True),
    "292 of 912 lost, a gap of 1,949 ms, on a busy machine":
        (phase(912, 292, 1949, 97, 1500), phase(190, 5, 150), SLOW, True),
    "much lost outside of a gap, and yet half of what virtio-net loses":
        (phase(578, 129, 2476, 111, 1468), QUIET, (phase(867, 402, 7077, 30, 5332), QUIET),
         True),
    "five seconds more than virtio-net":
        (phase(1000, 590, 5900, 0, 850), QUIET, IDLE, False),
    "five seconds more than virtio-net on a busy machine, where that is nothing":
        (phase(1200, 730, 7300, 0, 1900), phase(190, 5, 150), SLOW, True),
    "a fifth lost while it was there":
        (phase(500, 190, 900, 100, 850), QUIET, IDLE, False),
    "the same on a machine that loses as much without a migration":
        (phase(500, 190, 900, 100, 850), phase(200, 20), IDLE, True),
    "no virtio-net, as long as QEMU says":
        (phase(500, 110, 1100, 0, 850), QUIET, None, True),
    "no virtio-net, four seconds more than QEMU says":
        (phase(900, 500, 5000, 0, 850), QUIET, None, False),
    "a machine that loses a quarter without a migration":
        (phase(500, 400, 9000, 200, 850), phase(200, 50), IDLE, None),
    "a machine that loses a quarter of virtio-net's without a migration":
        (phase(500, 400, 9000, 200, 850), QUIET, (IDLE[0], phase(200, 50)), None),
    "five seconds more than virtio-net, on a machine that halts for two":
        (phase(1000, 590, 5900, 0, 850), phase(190, 5, 2000), IDLE, True),
    "no probe was sent before it": (phase(500, 90, 900, 0, 850), phase(0), IDLE, True),
}

# What: (before, after, of virtio-net) -> passed, or None
LATER = {
    "nothing lost": (QUIET, QUIET, IDLE, True),
    "a fifth lost afterwards": (QUIET, phase(200, 40), IDLE, False),
    "all lost afterwards": (QUIET, phase(200, 200), None, False),
    "a tenth lost all the time": (phase(200, 20), phase(200, 22), None, True),
    "a sixth lost before it, nothing of virtio-net's": (phase(200, 33), QUIET, IDLE, False),
    "a third lost before it": (phase(200, 66), phase(200, 70), IDLE, None),
}

def answers():
    """A probe each 10 ms for 2 s; the machine halts from 0.3 to 0.6 s, the guest is away
    from 1.0 to 1.5 s, and one is lost at 1.8 s."""
    found = Answers()
    for tick in range(200):
        when = tick / 100
        if 0.3 <= when < 0.6:
            continue
        if not 1.0 <= when < 1.5 and when != 1.8:
            found.came[len(found.sent)] = when + 0.001
        found.sent.append(when)
    return found.figures(0.2, 2.0)

def main():
    """TAP of all."""
    results = []
    for cases, judge in ((AWAY, meanwhile), (LATER, afterwards)):
        for name, (*args, want) in cases.items():
            finding = judge(*args)
            found = None if finding.not_judged else finding.passed
            results.append((name, found is want, finding))
    for others, want in (((IDLE, SLOW), SLOW), ((SLOW, IDLE), SLOW), ((None, IDLE), IDLE)):
        found = longer(*others)
        results.append(("the longer one of others", found is want, found))
    found = answers()
    results.append(("figures of a probe", found == {
        "sent": 150, "lost": 51, "longest_gap_ms": 510, "lost_outside": 1,
        "longest_pause_ms": 310}, found))
    tap = Tap()
    for name, passed, found in results:
        tap.ok(passed, name, found)
    return tap.done()

if __name__ == "__main__":
    sys.exit(main())
