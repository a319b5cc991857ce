#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_power.py: what follows when a device wakes up as after a reset, and how one is
reset that is being removed.

VFs of the lab's card have no states of power, so the PF is held open. Prints TAP.
"""

# /// suite
# [power]
# about = "a mediated device wakes up as after a reset, and is reset when it is removed"
# run = "./mediate_power.py"
# daily = ["7.2"]
# vfs = 0
# minutes = 0.2
# ///

import threading

from labhost.hold import Hold
from labhost.klog import Log
from labhost.shell import sh, until
from labhost.sriov import DRIVER, PF, mediated_by
from labhost.tap import program


def test_wake(tap, hold):
    tap.equal((hold.ask("trap 1"), hold.ask("state")), (1, 1), "trapped")
    tap.equal((hold.ask("power 0"), hold.ask("state")), (0, 1), "D0 to D0: still is")
    tap.equal((hold.ask("power 3"), hold.ask("state")), (3, 1), "D0 to D3hot: still is")
    tap.equal(hold.ask("power 0"), 0, "D3hot to D0")
    tap.ok(until(lambda: hold.ask("state") == 0, 5), "ends the trap, as any reset")


def test_removed(tap, hold):
    """Its lock is held by the task that removes it, and waits for the VMM."""
    tap.equal((hold.ask("reset"), hold.ask("trap 1")), (0, 1), "reset, and trapped")
    log = Log()
    unbind = threading.Thread(target=sh, args=("vfctl", "unbind", PF), daemon=True)
    unbind.start()
    tap.ok(until(hold.asked_back), "being removed: asked back")
    tap.equal((hold.ask("reset"), hold.ask("state")), (0, 0), "is reset, which ends a trap")
    tap.equal((hold.ask("reset"), hold.ask("reset")), (0, 0), "and again")
    # vfio_pci_core has woken it up, before it found that it cannot have the lock.
    tap.equal((hold.ask("power 3"), hold.ask("reset")), (3, 0), "in D3hot: is reset")
    tap.equal((hold.ask("power 0"), hold.ask("reset")), (0, 0), "in D0: is reset")
    tap.equal(hold.close(), 0, "closed")
    unbind.join(20)
    tap.ok(not unbind.is_alive(), "and removed")
    tap.equal(log.new("WARNING"), [], "the kernel does not warn")


def main(tap):
    sh("modprobe", "mediator_demo", "pf=Y")
    sh("vfctl", "bind", PF, DRIVER)
    with Hold(PF) as hold:
        tap.equal(mediated_by(PF), "demo", "the PF is mediated")
        tap.run(test_wake, test_removed, hold=hold)
    sh("rmmod", "mediator_demo")


if __name__ == "__main__":
    program(main)
