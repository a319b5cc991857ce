#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_regions.py [--hammer N]

Runs the tests of all that mediator_demo adds to a device, on VF 0, with one set of its
parameters after the other; collects the results. With --hammer: N toggles while doorbells
ring; a fifth of that on the debug kernel, which is slower.
"""

# /// suite
# [regions]
# about = "regions, interrupts and traps that a vendor adds"
# run = "./mediate_regions.py"
# daily = ["7.2", "debug"]
# minutes = 2
#
# [hammer]
# about = "traps that go on and off while doorbells are rung"
# run = "./mediate_regions.py --hammer 1000"
# daily = ["debug"]
# minutes = 0.5
# ///

import errno
import os
import pathlib
import subprocess
import threading

from labhost.programs import kselftest
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.tap import program

MODULE = "mediator_demo"
PARAMETERS = pathlib.Path(f"/sys/module/{MODULE}/parameters")
OPENS = 10

PROGRAMS = ("info", "rw", "mmap", "irq", "trap", "trap_state", "trap_region", "shadow", "stuck")
# Of the tests: each is a set of the module's parameters.
VARIANTS = ("net", "none", "noshadow", "sparse", "hammer", "no_p2p")


def counter(name):
    return int((PARAMETERS / name).read_text(encoding="utf-8"))


def run_variant(tap, name, variant, *programs, **env):
    """Runs those tests of programs that there are for a variant."""
    checks = sum(kselftest(tap, f"./mediate_{tested}", "-v", variant, **env)
                 for tested in programs)
    tap.ok(checks, f"{name}: something was checked")
    tap.note(f"{name}: {checks} checks")
    opens = counter("opens")
    tap.ok(opens == counter("releases") and opens,
           f"{name}: one release for each open")
    done = subprocess.run(["modprobe", "-r", MODULE], check=False)
    tap.ok(not done.returncode and not PARAMETERS.exists(),
           f"{name}: {MODULE} can be unloaded")


def test_opening(tap, vf):
    """The vendor traps devices whose open may not be complete."""
    sh("modprobe", MODULE, "drain_us=1000", "traps=net")
    stop = threading.Event()
    results = {}

    def toggle():
        while not stop.is_set():
            for value in ("1", "0"):
                try:
                    (PARAMETERS / "toggle").write_text(value)
                    key = 0
                except OSError as err:
                    key = errno.errorcode[err.errno]
                results[key] = results.get(key, 0) + 1

    thread = threading.Thread(target=toggle)
    thread.start()
    good = 0
    for _ in range(OPENS):
        done = subprocess.run(["./vfio_hold", vf], check=False, timeout=60,
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL)
        good += not done.returncode
    stop.set()
    thread.join(60)
    tap.note(f"toggles while opening and closing: {results}")
    tap.ok(good == OPENS and set(results) <= {0, "ENODEV"},
           f"opened and closed {OPENS} times while the vendor toggles",
           f"{good}, {results}")
    sh("modprobe", "-r", MODULE)


def test_fill(tap):
    """A vendor that reads guest memory whenever a register of a trapped page is read."""
    kselftest(tap, "./mark_fill")
    sh("modprobe", "-r", "mediator_marks")


def test_parameters(tap):
    """What mediator_demo itself refuses."""
    done = subprocess.run(["modprobe", MODULE, "traps=nonsense"], text=True,
                          check=False, capture_output=True)
    tap.ok(done.returncode, f"{MODULE} refuses what it does not know", done)


def main(tap, option=None, toggles=0):
    def under(name, variant, *programs, **env):
        tap.case(name, run_variant, tap, name, variant, *programs, **env)

    for vf in VFS[:2]:
        sh("vfctl", "bind", vf, DRIVER)
    if option == "--hammer":
        debug = os.uname().release.endswith("-debug")
        under("hammer", "hammer", "hammer",
              TOGGLES=str(int(toggles) // (5 if debug else 1)))
        return
    tap.run(test_parameters)
    for variant in VARIANTS:
        under(variant, variant, *PROGRAMS)
    if os.path.exists("/dev/iommu"):
        under("cdev", "cdev", *PROGRAMS)
    else:
        tap.case("cdev", tap.skip, "cdev", "no iommufd in this kernel")
    tap.case("dense", run_variant, tap, "dense", "dense", "info")
    for variant in ("net", "none"):
        under(f"concurrent, {variant}", variant, "concurrent")
    tap.run(test_opening, test_fill, vf=VFS[0])


if __name__ == "__main__":
    program(main)
