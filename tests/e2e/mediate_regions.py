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
import sys
import threading

from labhost.programs import run
from labhost.shell import sh
from labhost.tap import Tap

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


def under(tap, name, parameters, program, *args):
    """Runs program while mediator_demo is loaded with parameters."""
    load(**parameters)
    run(tap, name, program, *args)
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


def main():
    if len(sys.argv) != (4 if "--hammer" in sys.argv else 3):
        sys.exit(__doc__)
    program, hold = sys.argv[1:3]
    vf = os.environ["LAB_VFS"].split()[0]
    tap = Tap()
    sh("vfctl", "bind", vf, "vfio-pci-mediate")
    if hold == "--hammer":
        toggles = int(sys.argv[3])
        if os.uname().release.endswith("-debug"):
            toggles //= 5
        under(tap, "hammer", {"traps": "hammer"}, program, "--hammer",
              str(toggles), vf)
        return tap.done()

    test_parameters(tap)
    for name, parameters in CONFIGS:
        under(tap, name, parameters, program, vf)
    if os.path.exists("/dev/iommu"):
        under(tap, "net, cdev", {"traps": "net", "rom": 1}, program, vf,
              "cdev")
    for traps in ("net", "none"):
        under(tap, f"concurrent, {traps}", {"traps": traps}, program,
              "--concurrent", "8", vf)
    test_opening(tap, hold, vf)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
