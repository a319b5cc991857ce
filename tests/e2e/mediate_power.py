#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_power.py: a device that wakes up as after a reset, for what follows from that.

VFs of the lab's card have no states of power, so the PF is held open. Prints TAP.
"""

# /// suite
# [power]
# about = "a mediated device sleeps, and wakes up as after a reset"
# run = "./mediate_power.py"
# daily = ["7.2"]
# vfs = 0
# minutes = 0.2
# ///

from labhost.hold import Hold
from labhost.shell import sh, until
from labhost.sriov import DRIVER, PF, mediated_by
from labhost.tap import program


def main(tap):
    sh("modprobe", "mediator_demo", "pf=Y")
    sh("vfctl", "bind", PF, DRIVER)
    with Hold(PF) as hold:
        tap.equal(mediated_by(PF), "demo", "the PF is mediated")
        tap.equal((hold.ask("trap 1"), hold.ask("state")), (1, 1), "trapped")
        tap.equal((hold.ask("power 0"), hold.ask("state")), (0, 1), "D0 to D0: still is")
        tap.equal((hold.ask("power 3"), hold.ask("state")), (3, 1), "D0 to D3hot: still is")
        tap.equal(hold.ask("power 0"), 0, "D3hot to D0")
        tap.ok(until(lambda: hold.ask("state") == 0, 5), "ends the trap, as any reset")
    sh("vfctl", "unbind", PF)


if __name__ == "__main__":
    program(main)
