#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_iommufd.py QEMU...: a VF that has its memory by an iommufd.

QEMU attaches it to an HWPT, and nobody tells QEMU what it writes: the destination would
have stale memory. So it must not be migrated, whether it is tracked or not, and whether
QEMU is told to migrate it or to see for itself; a guest that runs with it goes on. Prints
TAP.
"""

# /// suite
# [migrate_iommufd]
# about = "a VF by QEMU's -object iommufd is not migrated, as memory would be lost"
# run = "./migrate_iommufd.py 10 11"
# needs = ["iommufd"]
# pf = "sample_nic"
# guests = true
# qemus = ["11"]
# minutes = 3
# ///

from labhost.guest import GuestError, has_qemu
from labhost.klog import Log
from labhost.migration import Migration
from labhost.net import GUEST_ADDRESS, PF_ADDRESS, PINGS, link_up, ping
from labhost.sriov import VFS
from labhost.tap import program
from labhost.tracking import set_tracking
from labhost.trip import guest_on, private_network

WHY = "cannot be migrated: neither the IOMMU nor the vendor driver can track dirty pages"
BOOT = 300


def told_to(tap, name, qemu):
    """With enable-migration=on QEMU does not start."""
    log = Log("notice")
    with guest_on(VFS[0], qemu=qemu, iommufd=True) as guest:
        try:
            guest.connect()
            answer = "it starts"
        except GuestError as err:
            answer = str(err)
    tap.ok("igration" in answer, f"{name}: QEMU refuses to migrate it", answer)
    said = [line for line in log.new() if WHY in line]
    tap.ok(said, f"{name}: the kernel's log says why")


def by_itself(tap, name, qemu):
    """Without, the guest runs, and its migration is refused."""
    with guest_on(VFS[0], migratable=False, qemu=qemu, iommufd=True) as guest:
        guest.boot(BOOT)
        guest.run(link_up(GUEST_ADDRESS))
        migration = Migration(guest, VFS[1], qemu=qemu)
        try:
            migration.start()
            answer = migration.wait()["status"]
        except GuestError as err:
            answer = str(err)
        finally:
            migration.abandon()
        tap.ok("igration" in answer or answer == "failed",
               f"{name}: QEMU, left to itself, does not migrate it", answer)
        tap.equal(guest.status(), "running", f"{name}: the guest runs")
        # The host may still know the address of the guest before this one.
        tap.equal(ping(guest.run, PF_ADDRESS), PINGS, f"{name}: and is answered")


def main(tap, *qemus):
    private_network()
    for qemu in qemus:
        if not has_qemu(qemu):
            tap.skip(f"QEMU {qemu}", "it is not there now")
            continue
        for tracking in (False, True):
            set_tracking(tracking)
            name = f"QEMU {qemu}, {'' if tracking else 'not '}tracked"
            for test in (told_to, by_itself):
                tap.case(f"{test.__name__} {name}", test, tap, name, qemu)


if __name__ == "__main__":
    program(main)
