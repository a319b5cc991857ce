#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""stop_cost.py STOP_COST: what is done with a VF while its guest stands still.

Runs the program STOP_COST on VF 0 of sample_nic. Prints a table: of each step the
instructions of the whole host, and for how long it waits, a second being as long as 10^9
instructions take; medians. Leaves the figures in /out/stop.json, and returns 1 when a target
is missed.
"""

import json
import os
import pathlib
import subprocess
import sys

from labhost.net import link_up

DRIVER = "vfio-pci-mediate"
ADDRESS = "192.0.2.1"
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
    vf = os.environ["LAB_VFS"].split()[0]
    netdev = os.environ["LAB_PF_NETDEV"]
    subprocess.run(["sh", "-c", link_up(ADDRESS, netdev)], check=True)
    subprocess.run(["vfctl", "bind", vf, DRIVER], check=True)

    steps = run(sys.argv[1], vf, netdev)
    stopped = [step for step in steps if not step[0].startswith(BEFORE)]
    work, wait = (sum(step[column] for step in stopped) for column in (1, 2))
    print(f"{os.uname().release:<56}{'instructions':>14}{'us of waiting':>15}")
    for name, step_work, step_wait in [*steps, ("while the guest stands still", work, wait)]:
        print(f"{name:<56}{step_work:>14}{step_wait / 1000:>15.1f}")
    judged = [{"target": f"at most {limit} {what}", "figure": figure,
               "verdict": "PASS" if figure <= limit else "FAIL"}
              for what, figure, limit in (("instructions", work, INSTRUCTIONS),
                                          ("us of waiting", wait / 1000, WAITS))]
    for target in judged:
        print("{verdict}  {target}: {figure}".format(**target))
    pathlib.Path("/out/stop.json").write_text(
        json.dumps({"steps": steps, "targets": judged}), encoding="utf-8")
    missed = sum(target["verdict"] == "FAIL" for target in judged)
    print(f"targets missed: {missed}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
