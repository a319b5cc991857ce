#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_dirty.py QEMU[,QEMU...] [PACKETS...]: what tracking what a VF writes is worth.

A guest that receives is migrated, without tracking and with it, at each rate of
PACKETS a second: pages that were found dirty before each pass, memory sent, time, downtime.
Its packets are large, and it keeps them: igbvf has pages for them then, to which nobody but
the VF writes. Of small ones there is something in the same page that the guest's CPU writes
once they have come; and pages that are free again are soon cleared for the next packet. Nor
is its ring small, so that its pages were cleared long before something comes.
Without it QEMU would not come to an end; after some passes it need not keep to the
limit for the downtime any more. With QEMU 7.2 it reboots once while it is tracked.
When the guest stands still here and does not run there yet, all of its memory is
compared. What it receives by TCP meanwhile is stored, and summed up when it has arrived.
Prints TAP; the figures are in /out/migrate_dirty.json.
"""

# /// suite
# [migrate_dirty]
# about = "a guest that receives, with tracking and without"
# run = "./migrate_dirty.py 10,7.2,11 0 500 2000"
# pf = "sample_nic"
# guests = true
# qemus = ["7.2", "11"]
# minutes = 9
# timeout = 3600
# ///

import time

from labhost.guest import has_qemu
from labhost.migration import Migration
from labhost.sriov import VFS
from labhost.tap import leave, program
from labhost.tracking import (BANDWIDTH, DOWNTIME, SYNC, Load, Receiver, compare, go,
                              passes, set_tracking, tell)
from labhost.trip import guest_on, private_network

REBOOTS_WITH = "7.2"    # others are told of an error by a VF that is reset, and give up
REBOOTS_AT = 500    # packets/s
REBOOT = 240        # s
SLOWLY = 1 << 20    # bytes/s


class Migrant(Receiver):
    """It is migrated once, while it receives."""

    def __init__(self, tap, name, qemu, rate, vfs, tracking, **options):
        set_tracking(tracking)
        super().__init__(tap, f"QEMU {qemu}, {name}", guest_on(
            vfs[0], qemu=qemu, shared=True, options=["-trace", SYNC], **options))
        self.qemu, self.rate, self.vfs, self.tracking = qemu, rate, vfs, tracking

    def migrated(self):
        return go(self, self.qemu, self.tracking, self.rate, self.vfs[1])


class Rebooter(Migrant):
    """It reboots meanwhile. What it does then takes longer than its memory does, so
    QEMU may not send that faster than slowly before."""

    def migrated(self):
        source = self.guest
        with Load(self.rate):
            migration = Migration(self.guest, self.vfs[1], qemu=self.qemu,
                                  bandwidth=SLOWLY, downtime_limit=DOWNTIME)
            try:
                migration.start()
                time.sleep(2)
                seconds = self.guest.reboot(REBOOT)
                self.set_up()
                time.sleep(1)
                status = migration.query()["status"]
                self.check(status == "active", f"it has rebooted in {seconds:.1f} s while "
                           "it is migrated", status)
                self.guest.qmp.call("migrate-set-parameters",
                                    **{"max-bandwidth": BANDWIDTH})
                figures = migration.finish(compare=True)
            except BaseException:
                migration.abandon()
                raise
            self.guest = migration.destination
        figures["dirty_pages"] = passes(source)
        tell(self, figures)
        return figures


def measure(tap, qemu, rate, vfs):
    """A pair of migrations; returns their figures."""
    pair = {}
    for key, tracking in (("all", False), ("tracked", True)):
        trip = Migrant(tap, f"{rate} packets/s, {'' if tracking else 'not '}tracked",
                       qemu, rate, vfs, tracking)
        pair[key] = trip.live(trip.migrated)
    if all(pair.values()):
        compare(trip, pair["all"], pair["tracked"])
    return pair


def main(tap, qemus, *rates):
    private_network()
    figures = {}
    for qemu in qemus.split(","):
        if not has_qemu(qemu):
            tap.skip(f"QEMU {qemu}", "it is not there now")
            continue
        figures[qemu] = {int(rate): measure(tap, qemu, int(rate), VFS)
                         for rate in rates or ["0"] if tap.wants(f"{qemu} {rate}")}
        if qemu == REBOOTS_WITH and tap.wants("reboots"):
            trip = Rebooter(tap, "reboots while it is tracked", qemu, REBOOTS_AT, VFS,
                            True, reboots=True)
            trip.live(trip.migrated)
    leave("migrate_dirty", figures)


if __name__ == "__main__":
    program(main)
