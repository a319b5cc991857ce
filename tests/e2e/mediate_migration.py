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

from labhost.programs import run
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.tap import program

MODULE = "mediator_state"
PARAMETERS = pathlib.Path(f"/sys/module/{MODULE}/parameters")
GOLDEN = pathlib.Path(__file__).parent / "golden" / "state.stream"

CONFIGS = (
    ("1 MiB", {"features": 3, "used_features": 2}),
    ("4 KiB without P2P", {"size": 4096, "p2p": 0}),
)


def load(parameters):
    sh("modprobe", MODULE, *(f"{key}={value}" for key, value in parameters.items()))


def run_under(tap, name, parameters, tested, *args):
    """Runs program while mediator_state is loaded with parameters."""
    load(parameters)
    run(tap, name, tested, *args)
    done = subprocess.run(["modprobe", "-r", MODULE], check=False)
    tap.ok(not done.returncode and not PARAMETERS.exists(),
           f"{name}: {MODULE} can be unloaded")


def test_declaration(tap, tested, vf):
    """What a vendor declares that makes no sense."""
    for parameters in ({"version": 1, "min_version": 2},
                       {"features": 1, "used_features": 3}):
        load(parameters)
        done = subprocess.run([tested, "--save", "/dev/null", vf], text=True,
                              check=False, capture_output=True, timeout=60)
        tap.ok(done.returncode and "Invalid argument" in done.stdout,
               f"opening fails with {parameters}", done)
        sh("modprobe", "-r", MODULE)


def main(tap, tested, seconds=None):
    vfs = VFS[:2]

    def under(name, parameters, *args):
        tap.case(name, run_under, tap, name, parameters, tested, *args)

    for vf in vfs:
        sh("vfctl", "bind", vf, DRIVER)
    if not seconds:
        tap.run(test_declaration, tested=tested, vf=vfs[0])
        for name, parameters in CONFIGS:
            under(name, parameters, *vfs)
        under("golden", {"size": 4096}, "--load", str(GOLDEN), vfs[0])
        if os.path.exists("/dev/iommu"):
            under("cdev", {"size": 65536}, *vfs, "cdev")
    under("concurrent", {"size": 262144, "hints": 2}, "--concurrent", seconds or "8", *vfs)


if __name__ == "__main__":
    program(main)
