#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvme.py [vfio-pci]: a guest with a VF of an NVMe controller, at work and on its way.

The guest has in-tree nvme. fio and a program that numbers what it writes keep its queues
busy. The witness is a log of what the controller has written, see labhost/witness.py.
With vfio-pci, it has the VF by that driver, and is not migrated.
"""

# /// suite
# [nvme]
# about = "a guest with an NVMe VF: I/O, resets, migrations"
# run = "./nvme.py"
# daily = ["6.12"]
# but = {debug-7.2 = "its guest is too slow"}
# pf = "nvme"
# guests = true
# extra = ["fio"]
# minutes = 2
#
# [nvme_in_tree]
# about = "the same guest on in-tree vfio-pci, without migrations"
# run = "./nvme.py vfio-pci"
# but = {debug-7.2 = "its guest is too slow"}
# pf = "nvme"
# guests = true
# extra = ["fio"]
# minutes = 1
# ///

import time

from labhost.shell import sh
from labhost.sriov import VFS
from labhost.storage import CONTROLLER, Storage, storage_guest
from labhost.tap import leave, program

DEPTH = 8
WORKS = "for i in $(seq 100); do [ $(cat {0}/state) = live ] && exit 0; sleep 0.1; done; exit 1"
RESETS = {"controller reset": "echo 1 > {0}/reset_controller",
          "rescan": "echo 1 > {0}/rescan_controller",
          "function-level reset": "echo 1 > {0}/device/reset"}


def test_resets(trip):
    """The driver resets the controller, looks for namespaces, and has the function reset."""
    with trip.io(DEPTH, ", ".join(RESETS), resets=True):
        for command in RESETS.values():
            trip.guest.run(f"{command.format(CONTROLLER)} && {WORKS.format(CONTROLLER)}")
            time.sleep(1)


def test_migrates(trip):
    """There, an attempt that is cancelled, and back."""
    with trip.io(DEPTH, "there, cancelled, and back"):
        trip.crossed("there", trip.cross())
        trip.cancelled()
        trip.crossed("back", trip.cross())


def test_resets_later(trip):
    """What the driver made before the migrations can be made anew."""
    test_resets(trip)


def main(tap, in_tree=None):
    tests = [test_resets, test_migrates, test_resets_later]
    if in_tree:
        sh("vfctl", "bind", VFS[0], in_tree)
    trip = Storage(tap, in_tree or "QEMU 10", storage_guest(VFS[0], shared=True,
                                                            migratable=not in_tree))
    if in_tree:
        trip.mediator, tests = "", tests[:1]
    trip.live(lambda: tap.run(*tests, trip=trip))
    leave("nvme", trip.figures)


if __name__ == "__main__":
    program(main)
