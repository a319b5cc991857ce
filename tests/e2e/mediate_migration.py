#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_migration.py [SECONDS]

Runs the tests that migrate VF 0 to VF 1 and back in all ways that are right or wrong,
without a VMM, with one set of parameters of mediator_state after the other; collects the
results. Then all at once: with SECONDS only that, else for 8.
"""

# /// suite
# [migration]
# about = "all calls of both migration protocols, without a VMM"
# run = "./mediate_migration.py"
# daily = ["debug"]
# minutes = 3
#
# [migration_stress]
# about = "the same, two minutes of everything at once"
# run = "./mediate_migration.py 120"
# minutes = 3
# ///

import errno
import os
import pathlib
import subprocess

from labhost.programs import kselftest
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.tap import program

MODULE = "mediator_state"
PARAMETERS = pathlib.Path(f"/sys/module/{MODULE}/parameters")

DEBUGFS = pathlib.Path("/sys/kernel/debug/vfio")
PRE_COPY = 6            # VFIO_DEVICE_STATE_PRE_COPY

PROGRAMS = ("v2", "v1", "stream", "fail")
# Of the tests: each is a set of the module's parameters.
VARIANTS = ("big", "small")


def run_programs(tap, name, *runs, **env):
    """Runs programs, each with its arguments; then the module can be unloaded."""
    checks = [kselftest(tap, f"./migrate_{tested}", *args, **env)
              for tested, *args in runs]
    tap.ok(all(checks), f"{name}: something was checked by each program")
    tap.note(f"{name}: {sum(checks)} checks")
    tap.equal((PARAMETERS / "wrong").read_text(encoding="utf-8"), "0\n",
              f"{name}: no callback came when it should not have")
    done = subprocess.run(["modprobe", "-r", MODULE], check=False)
    tap.ok(not done.returncode and not PARAMETERS.exists(),
           f"{name}: {MODULE} can be unloaded")


def test_declaration(tap, vf):
    """What a vendor declares that makes no sense."""
    for parameters in (("version=1", "min_version=2"),
                       ("features=1", "used_features=3"),
                       ("record_max=65535",), ("record_max=8388609",)):
        sh("modprobe", MODULE, *parameters)
        done = subprocess.run(["./migrate", "--save", "/dev/null", vf], text=True,
                              check=False, capture_output=True, timeout=60)
        tap.ok(done.returncode and "Invalid argument" in done.stderr,
               f"opening fails with {' '.join(parameters)}", done)
        sh("modprobe", "-r", MODULE)


def shown(vf, name):
    """What a file of vfio in debugfs says of the migration of a VF."""
    try:
        return (DEBUGFS / vf / "migration" / name).read_text(encoding="utf-8").split()
    except OSError as err:
        return os.strerror(err.errno)


def test_debugfs(tap, vf):
    """What vfio's own drivers show in debugfs."""
    if not DEBUGFS.exists():
        tap.skip("debugfs", "this kernel has no vfio there")
        return
    closed = os.strerror(errno.ENODEV)
    sh("modprobe", MODULE)
    tap.equal((shown(vf, "state"), shown(vf, "features")), (closed, []),
              "a VF that is not open has no state, and no features")
    with subprocess.Popen(["./migrate", "--obey", "v2", vf], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proc:
        proc.stdout.readline()
        tap.equal(shown(vf, "state"), ["RUNNING"], "debugfs has the state of an open VF")
        tap.equal(shown(vf, "features"), ["stop-copy", "p2p", "pre-copy"],
                  "and its features")
        proc.stdin.write(f"set {PRE_COPY}\n")
        proc.stdin.flush()
        proc.stdout.readline()
        tap.equal(shown(vf, "state"), ["PRE_COPY"], "the state changes")
        proc.stdin.close()
    tap.equal(shown(vf, "state"), closed, "and has gone when the VF is closed")
    sh("modprobe", "-r", MODULE)


def main(tap, seconds=None):
    def under(name, *runs, **env):
        tap.case(name, run_programs, tap, name, *runs, **env)

    def under_variant(variant):
        under(variant, *((tested, "-v", variant) for tested in PROGRAMS))

    for vf in VFS[:2]:
        sh("vfctl", "bind", vf, DRIVER)
    if not seconds:
        tap.run(test_declaration, test_debugfs, vf=VFS[0])
        for variant in VARIANTS:
            under_variant(variant)
        under("golden", ("stream", "-f", "golden"))
        if os.path.exists("/dev/iommu"):
            under_variant("cdev")
        else:
            tap.case("cdev", tap.skip, "cdev", "no iommufd in this kernel")
    # What is there afterwards is as it was before.
    under("concurrent", ("concurrent",), ("v2", "-r", "migrate.concurrent.info"),
          CONCURRENT_SECONDS=seconds or "8")


if __name__ == "__main__":
    program(main)
