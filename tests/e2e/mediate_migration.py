#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_migration.py PROGRAM [SECONDS]

Loads mediator_state with one set of parameters after the other and runs PROGRAM,
which migrates VF 0 to VF 1 and back in all ways that are right or wrong, without
a VMM; collects the results. Then all at once, for SECONDS, 8 if not given.
"""

# /// suite
# [migration]
# about = "all calls of both migration protocols, without a VMM"
# run = "./mediate_migration.py ./migrate"
# daily = ["debug"]
# minutes = 3
#
# [migration_stress]
# about = "the same, two minutes of everything at once"
# run = "./mediate_migration.py ./migrate 120"
# minutes = 3
# ///

import os
import pathlib
import subprocess
import sys

from labhost.programs import run
from labhost.tap import Tap

MODULE = "mediator_state"
PARAMETERS = pathlib.Path(f"/sys/module/{MODULE}/parameters")
GOLDEN = pathlib.Path(__file__).parent / "golden" / "state.stream"

CONFIGS = (
    ("1 MiB", {"features": 3, "used_features": 2}),
    ("4 KiB without P2P", {"size": 4096, "p2p": 0}),
)


def load(parameters):
    subprocess.run(["modprobe", MODULE,
                    *(f"{key}={value}" for key, value in parameters.items())],
                   check=True, timeout=60)


def under(tap, name, parameters, program, *args):
    """Runs program while mediator_state is loaded with parameters."""
    load(parameters)
    run(tap, name, program, *args)
    done = subprocess.run(["modprobe", "-r", MODULE], check=False)
    tap.ok(not done.returncode and not PARAMETERS.exists(),
           f"{name}: {MODULE} can be unloaded")


def test_declaration(tap, program, vf):
    """What a vendor declares that makes no sense."""
    for parameters in ({"version": 1, "min_version": 2},
                       {"features": 1, "used_features": 3}):
        load(parameters)
        done = subprocess.run([program, "--save", "/dev/null", vf], text=True,
                              check=False, capture_output=True, timeout=60)
        tap.ok(done.returncode and "Invalid argument" in done.stdout,
               f"opening fails with {parameters}", done)
        subprocess.run(["modprobe", "-r", MODULE], check=True, timeout=60)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    program = sys.argv[1]
    seconds = sys.argv[2] if len(sys.argv) == 3 else "8"
    vfs = os.environ["LAB_VFS"].split()[:2]
    tap = Tap()
    for vf in vfs:
        subprocess.run(["vfctl", "bind", vf, "vfio-pci-mediate"], check=True,
                       timeout=60)
    if len(sys.argv) == 2:
        test_declaration(tap, program, vfs[0])
        for name, parameters in CONFIGS:
            under(tap, name, parameters, program, *vfs)
        under(tap, "golden", {"size": 4096}, program, "--load", str(GOLDEN),
              vfs[0])
        if os.path.exists("/dev/iommu"):
            under(tap, "cdev", {"size": 65536}, program, *vfs, "cdev")
    under(tap, "concurrent", {"size": 262144, "hints": 2}, program,
          "--concurrent", seconds, *vfs)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
