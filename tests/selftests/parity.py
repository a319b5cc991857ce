#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""parity.py PROGRAM: in-tree vfio-pci and vfio-pci-mediate, call for call.

Runs PROGRAM on VF 0 under each of the two drivers, through the group and, where
the kernel has it, through the cdev, and compares the transcripts: one call one
test. The transcripts stay in /out.
"""

# /// suite
# [parity]
# about = "every call, in-tree vfio-pci against ours"
# run = "./parity.py ./parity"
# daily = ["6.12", "7.2", "debug"]
# minutes = 1
# ///

import os
import pathlib
import subprocess
import sys

from labhost.tap import Tap

REFERENCE, OURS = "vfio-pci", "vfio-pci-mediate"
WRONG_CALLS = 60    # as many at least must have been refused


def transcript(program, mode, vf, driver):
    """Calls with their results, in order, and the trailing figures."""
    subprocess.run(["vfctl", "bind", vf, driver], check=True, timeout=60)
    done = subprocess.run([program, "--mode", mode, vf], text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    pathlib.Path(f"/out/{driver}.{mode}").write_text(done.stdout,
                                                     encoding="utf-8")
    calls, figures = {}, {}
    for line in done.stdout.splitlines():
        if line.startswith("# "):
            figures[line.split()[1]] = int(line.split()[2])
        else:
            name, _, result = line.partition(": ")
            calls[name] = result
    if done.returncode:
        figures["error"] = f"{program} returned {done.returncode}: " \
                           f"{done.stderr}"
    return calls, figures


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    vf = os.environ["LAB_VFS"].split()[0]
    tap = Tap()
    modes = ["group"]
    if os.path.exists("/dev/iommu"):
        modes.append("cdev")
    for mode in modes:
        want, reference = transcript(sys.argv[1], mode, vf, REFERENCE)
        got, ours = transcript(sys.argv[1], mode, vf, OURS)
        for driver, figures in ((REFERENCE, reference), (OURS, ours)):
            tap.ok("error" not in figures and figures.get("calls", 0) > 0,
                   f"{mode}: transcript of {driver} is complete", figures)
            tap.ok(figures.get("wrong", 0) >= WRONG_CALLS,
                   f"{mode}: {driver} refused {figures.get('wrong')} wrong "
                   f"calls, {WRONG_CALLS} at least")
        for name in want | got:
            tap.equal(got.get(name), want.get(name), f"{mode}: {name}")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
