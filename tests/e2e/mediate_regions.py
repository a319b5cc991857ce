#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_regions.py PROGRAM HOLD | mediate_regions.py PROGRAM --hammer N

Loads mediator_demo with one set of parameters after the other and runs PROGRAM,
which tests all that it then offers, on VF 0; collects the results. HOLD opens a
VF as a VMM does. With --hammer: N toggles while doorbells ring; a fifth of that
on the debug kernel, which is slower.
"""

# /// suite
# [regions]
# about = "regions, interrupts and traps that a vendor adds"
# run = "./mediate_regions.py ./mediate ./vfio_hold"
# daily = ["7.2", "debug"]
# minutes = 2
#
# [hammer]
# about = "traps that go on and off while doorbells are rung"
# run = "./mediate_regions.py ./mediate --hammer 1000"
# daily = ["debug"]
# minutes = 0.5
# ///

import errno
import os
import pathlib
import subprocess
import threading

from labhost.programs import run
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.tap import program

MODULE = "mediator_demo"
PARAMETERS = pathlib.Path(f"/sys/module/{MODULE}/parameters")
DRAIN_US = 1000
OPENS = 10

CONFIGS = (
    ("net", {"traps": "net"}),
    ("none", {"traps": "none", "rom": 1}),
    ("noshadow", {"traps": "noshadow"}),
    ("noshadow, sparse", {"traps": "noshadow", "sparse": 1}),
    ("hammer", {"traps": "hammer", "sparse": 1, "rom": 1}),
)


def load(**parameters):
    sh("modprobe", MODULE, f"drain_us={DRAIN_US}",
       *(f"{name}={value}" for name, value in parameters.items()))


def counter(name):
    return int((PARAMETERS / name).read_text(encoding="utf-8"))


def run_under(tap, name, parameters, tested, *args):
    """Runs program while mediator_demo is loaded with parameters."""
    load(**parameters)
    run(tap, name, tested, *args)
    opens = counter("opens")
    tap.ok(opens == counter("releases") and opens,
           f"{name}: one release for each open")
    done = subprocess.run(["modprobe", "-r", MODULE], check=False)
    tap.ok(not done.returncode and not PARAMETERS.exists(),
           f"{name}: {MODULE} can be unloaded")


def test_opening(tap, hold, vf):
    """The vendor traps devices whose open may not be complete."""
    load(traps="net")
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
        done = subprocess.run([hold, vf], check=False, timeout=60,
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


def test_parameters(tap):
    """What mediator_demo itself refuses."""
    done = subprocess.run(["modprobe", MODULE, "traps=nonsense"], text=True,
                          check=False, capture_output=True)
    tap.ok(done.returncode, f"{MODULE} refuses what it does not know", done)


def main(tap, tested, hold, toggles=0):
    vf = VFS[0]

    def under(name, parameters, *args):
        tap.case(name, run_under, tap, name, parameters, tested, *args)

    sh("vfctl", "bind", vf, DRIVER)
    if hold == "--hammer":
        debug = os.uname().release.endswith("-debug")
        under("hammer", {"traps": "hammer"}, "--hammer",
              str(int(toggles) // (5 if debug else 1)), vf)
        return
    tap.run(test_parameters)
    for name, parameters in CONFIGS:
        under(name, parameters, vf)
    if os.path.exists("/dev/iommu"):
        under("net, cdev", {"traps": "net", "rom": 1}, vf, "cdev")
    for traps in ("net", "none"):
        under(f"concurrent, {traps}", {"traps": traps}, "--concurrent", "8", vf)
    tap.run(test_opening, hold=hold, vf=vf)


if __name__ == "__main__":
    program(main)
