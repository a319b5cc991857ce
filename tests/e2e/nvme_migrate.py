#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvme_migrate.py QEMU TIMES: guests with an NVMe VF migrate under I/O.

A guest migrates so many times, half of them with a queue depth of 1, half of
them with one of 32. Then migrations of it fail in some ways, or are refused. The I/O is
that of labhost/storage.py, with its witness.
"""

# /// suite
# [nvme_migrate]
# about = "guests with an NVMe VF migrate, 20 times, and fail to"
# run = "./nvme_migrate.py 10 20"
# but = {debug = "its guest is too slow", debug-7.2 = "its guest is too slow"}
# pf = "nvme"
# guests = true
# extra = ["fio"]
# minutes = 12
# timeout = 2400
#
# [nvme_migrate_7]
# about = "the same under QEMU 7.2"
# run = "./nvme_migrate.py 7.2 20"
# but = {debug = "its guest is too slow", debug-7.2 = "its guest is too slow"}
# pf = "nvme"
# guests = true
# qemus = ["7.2"]
# extra = ["fio"]
# minutes = 12
# timeout = 2400
#
# [nvme_migrate_11]
# about = "the same under QEMU 11"
# run = "./nvme_migrate.py 11 20"
# but = {debug = "its guest is too slow", debug-7.2 = "its guest is too slow"}
# pf = "nvme"
# guests = true
# qemus = ["11"]
# extra = ["fio"]
# minutes = 12
# timeout = 2400
# ///

import types

import nvme_online
from failures import Cancel, Cut, KillDestination, KillSource, Missing
from labhost.faults import Failed, Test
from labhost.guest import GuestError, has_qemu, words
from labhost.klog import complaints
from labhost.relay import phases
from labhost.shell import sh
from labhost.sriov import VFS
from labhost.storage import CONTROLLER, Io, Storage, storage_guest
from labhost.tap import leave, program

DEPTHS = (1, 32)
GET_FEATURES, SET_FEATURES = 0x0a, 0x09
TEMPERATURE, TIMESTAMP, PROFILE = 0x04, 0x0e, 0x19
DIRECTIVE_SEND, INVALID_OPCODE = 0x19, 0x1
PF_DEVICE = "/dev/nvme0"
SAID = {"7.2": "Failed to set device state"}
SAYS = "Failed setting device state to RUNNING"     # of later QEMUs
NOT_THERE = 360         # K, a threshold that nobody else sets
SINCE = 1_000_000_000_000   # ms since 1970
FAULTS = [(Missing, ["setup"]), (Cut, None), (Cancel, None), (KillDestination, None),
          (KillSource, ["answer"])]


class Load:
    """I/O, as labhost.faults wants what goes on meanwhile."""

    def __init__(self, test, depth):
        self.test = test
        self.io = Io(test.guest, depth)
        self.process = types.SimpleNamespace(kill=lambda: None)

    def stop(self):
        wrong = [f"{what}: {detail}" for passed, what, detail, *_ in
                 self.io.stop(self.test.guest) if not passed]
        return "\n".join(wrong), not wrong


class Failures(Test):
    """A guest, and migrations of it that fail."""

    def boot(self):
        self.guest = storage_guest(self.host.vf(self.host.place), self.qemu, reboots=True)
        Storage(self.tap, self.qemu, self.guest).start()

    def traffic(self):
        return Load(self, DEPTHS[1])

    def works(self):
        said = self.guest.run("dd if=/dev/nvme0n1 of=/dev/null bs=1M count=4 iflag=direct")
        if "4+0 records out" not in said:
            raise Failed(said)

    def run(self):
        for kind, points in FAULTS:
            for point in points or phases(self.qemu):
                what = f"QEMU {self.qemu}, {kind.__name__}, {point}"
                if self.tap.wants(what):
                    self.survive(what, kind, point)
        if self.guest:
            self.guest.kill()


def times(tap, qemu, count):
    """There and back, under I/O; returns figures of each migration."""
    trip = Storage(tap, f"QEMU {qemu}", storage_guest(VFS[0], qemu, shared=True))

    def body():
        for depth in DEPTHS:
            with trip.io(depth, f"{count // 2} migrations"):
                for number in range(count // 2):
                    trip.crossed(f"depth {depth}, {number + 1}", trip.cross())
        features(trip)
        refused(trip)
        another(trip)
    trip.live(body)
    return trip.figures


def features(trip):
    """What the driver has set is set after a migration; what cannot be is refused."""
    trip.admin(SET_FEATURES, TEMPERATURE, NOT_THERE)
    trip.admin(SET_FEATURES, TIMESTAMP, 0, SINCE.to_bytes(8, "little"))
    trip.cross()
    got = trip.admin(GET_FEATURES, TEMPERATURE)
    trip.check(got[:2] == [0, NOT_THERE], f"a threshold for the temperature is {got[1]} K",
               str(got), f"{NOT_THERE} K")
    now = trip.admin(GET_FEATURES, TIMESTAMP, data=bytes(8))[2] & (1 << 48) - 1
    trip.check(0 < now - SINCE < 60_000, f"the controller's clock has gone on for {now - SINCE} "
               "ms", allowed="some seconds")
    # As long as the driver has not made itself at home, the device does not see such a command.
    trip.guest.run(f"echo 1 > {CONTROLLER}/reset_controller")
    status = trip.admin(DIRECTIVE_SEND, 0)[0]
    trip.check(status & 0x7ff == INVALID_OPCODE, f"Directive Send has status {status:#x}",
               allowed="Invalid Command Opcode")


def refused(trip):
    """A guest that has set what is not known is not migrated until it resets the controller."""
    trip.admin(SET_FEATURES, PROFILE)
    sh("dmesg", "--clear")
    trip.known = []
    migration = trip.migration()
    try:
        migration.start()
        state = migration.wait()
    finally:
        migration.abandon()
    trip.check(state["status"] == "failed", f"QEMU says: {state['status']}", allowed="failed")
    trip.guest.wait_for_status("running")
    new = complaints()
    trip.check(any(f"feature ({PROFILE:#x})" in line for line in new),
               "one line in the log says why", "\n".join(new), f"feature ({PROFILE:#x})")
    trip.known += new
    with trip.io(DEPTHS[1], "refused, and then migrated", resets=True):
        trip.guest.run(f"echo 1 > {CONTROLLER}/reset_controller")
        trip.cross()


def another(trip):
    """A destination with fewer queues: QEMU says that all is well, but the guest goes on only
    where it was, and has lost nothing."""
    qemu, number = trip.guest.settings["qemu"], 2 - trip.at
    sh("dmesg", "--clear")
    trip.known = []
    nvme_online.give(PF_DEVICE, number, nvme_online.EACH - 1)
    try:
        with trip.io(DEPTHS[1], "refused where it arrives, and continued"):
            migration = trip.migration()
            try:
                migration.start()
                state = migration.wait()
                try:
                    migration.destination.qmp.call("cont")
                except (GuestError, EOFError, OSError) as err:
                    trip.check(qemu == "7.2", f"QEMU {qemu} ends: {err}", allowed="only 7.2 does")
            finally:
                migration.abandon()
            trip.guest.wait_for_status("running")
    finally:
        nvme_online.give(PF_DEVICE, number)
    said, new = words(migration.destination.log), complaints()
    trip.check(state["status"] == "completed", f"QEMU says: {state['status']}", said, "completed")
    trip.check(SAID.get(qemu, SAYS) in said, "the destination's QEMU says that its device does "
               "not run", said, SAID.get(qemu, SAYS))
    trip.check(any("fewer queues" in line for line in new), "one line in the log says why",
               "\n".join(new), "fewer queues")
    trip.known += new


def main(tap, qemu, count):
    if not has_qemu(qemu):
        tap.skip(f"QEMU {qemu}", "it is not there now")
        return
    if found := tap.case(f"QEMU {qemu}, {count} times", times, tap, qemu, int(count)):
        leave("nvme_migrate", {qemu: found})
    Failures(tap, qemu).run()


if __name__ == "__main__":
    program(main)
