#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""run_selftests.py PROGRAM...: runs selftests of the kernel, on a lab host that has booted it.

The results become results of ours. mediator_* that a program has left loaded are unloaded."""

import pathlib

from labhost.programs import kselftest
from labhost.shell import sh
from labhost.sriov import NETDEV, PF, VFS
from labhost.tap import program


def main(tap, *programs):
    """Each program is one case."""
    names = {"VFIO_SELFTESTS_VFS": " ".join(VFS), "VFIO_SELFTESTS_PF": PF,
             "VFIO_SELFTESTS_PF_NETDEV": NETDEV}
    for name in programs:
        checks = tap.case(name, kselftest, tap, f"./selftests/{name}", **names)
        tap.ok(checks is None or checks, f"{name}: something was checked")
        for module in pathlib.Path("/sys/module").glob("mediator_*"):
            sh("modprobe", "-r", module.name)


if __name__ == "__main__":
    program(main)
