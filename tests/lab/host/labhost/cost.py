# SPDX-License-Identifier: GPL-2.0-only
"""What the programs that count instructions on a VF of sample_nic have in common."""

import json
import os
import pathlib

from .net import link_up
from .shell import sh
from .sriov import DRIVER

ADDRESS = "192.0.2.1"


def set_up():
    """VF 0, bound to our driver, and its PF's netdev, which has a link."""
    vf = os.environ["LAB_VFS"].split()[0]
    netdev = os.environ["LAB_PF_NETDEV"]
    sh("sh", "-c", link_up(ADDRESS, netdev))
    sh("vfctl", "bind", vf, DRIVER)
    return vf, netdev


def conclude(name, figures, targets):
    """Prints each target: what, figure, whether it is met. Leaves them and the figures in
    /out/NAME.json; returns 1 when one is missed."""
    judged = [{"target": what, "figure": figure, "verdict": "PASS" if met else "FAIL"}
              for what, figure, met in targets]
    for target in judged:
        print("{verdict}  {target}: {figure}".format(**target))
    pathlib.Path(f"/out/{name}.json").write_text(
        json.dumps(figures | {"targets": judged}), encoding="utf-8")
    missed = sum(target["verdict"] == "FAIL" for target in judged)
    print(f"targets missed: {missed}")
    return int(missed > 0)
