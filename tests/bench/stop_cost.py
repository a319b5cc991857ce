#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""stop_cost.py STOP_COST: what is done with a VF while its guest stands still.

Runs the program STOP_COST on VF 0 of sample_nic. Prints a table: of each step the
instructions of the whole host, and for how long it waits, a second being as long as 10^9
instructions take; medians. Leaves the figures in /out/stop.json, and returns 1 when a target
is missed.
"""

import os
import subprocess
import sys

from labhost.cost import conclude, set_up

BEFORE = "destination: to RESUMING"     # while the guest still runs
# Targets for all steps together
INSTRUCTIONS, WAITS = 200_000, 500     # at most; us


def run(program, vf, netdev):
    """[(step, instructions, ns of waiting)]"""
    out = subprocess.run([program, vf, netdev], check=True, text=True, timeout=300,
                         stdout=subprocess.PIPE).stdout
    return [(step, int(work), int(wait)) for step, work, wait in
            (line.split("\t") for line in out.splitlines())]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    steps = run(sys.argv[1], *set_up())
    stopped = [step for step in steps if not step[0].startswith(BEFORE)]
    work, wait = (sum(step[column] for step in stopped) for column in (1, 2))
    print(f"{os.uname().release:<56}{'instructions':>14}{'us of waiting':>15}")
    for name, step_work, step_wait in [*steps, ("while the guest stands still", work, wait)]:
        print(f"{name:<56}{step_work:>14}{step_wait / 1000:>15.1f}")
    return conclude("stop", {"steps": steps}, (
        (f"at most {limit} {what}", figure, figure <= limit)
        for what, figure, limit in (("instructions", work, INSTRUCTIONS),
                                    ("us of waiting", wait / 1000, WAITS))))


if __name__ == "__main__":
    sys.exit(main())
