#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_soak.py QEMU TIMES PACKETS: one guest, migrated again and again.

It receives PACKETS datagrams a second all the time, and keeps one TCP connection from
the first migration to the last; what its VF writes is tracked, and QEMU keeps to a short
downtime. Each time all of its memory is compared. Where VFs can log what they write, QEMU
is not told to migrate them nevertheless. Where the kernel can tell, nothing may have
leaked. Prints TAP; the figures are in /out/migrate_soak.json.
"""

# /// suite
# [migrate_soak]
# about = "a hundred migrations in a row of a guest that receives"
# run = "./migrate_soak.py 10 100 100"
# pf = "sample_nic"
# guests = true
# minutes = 57
# timeout = 5400
# ///

import json
import pathlib
import statistics
import time

from labhost.migration import migrate
from labhost.net import GUEST_ADDRESS
from labhost.probe import Stream
from labhost.sriov import VFS
from labhost.tap import leave, program
from labhost.tracking import BANDWIDTH, DOWNTIME, Load, Receiver, keep, same_memory
from labhost.trip import guest_on, private_network
from labhost.view import complaints_of

IOMMUFD = pathlib.Path("/dev/iommu")
KMEMLEAK = pathlib.Path("/sys/kernel/debug/kmemleak")
EVERY = 10          # of how many a note is made
TIMEOUT = 300       # s for one


def leaks():
    """What the kernel thinks nobody knows of any more; it takes two looks to be sure."""
    for _ in range(2):
        KMEMLEAK.write_text("scan", encoding="ascii")
        time.sleep(5)
    return KMEMLEAK.read_text(encoding="ascii", errors="replace")


class Soak(Receiver):
    """A guest that never comes to rest."""

    def go_on(self, qemu, vfs, times, rate):
        """All migrations, under one connection."""
        name = self.name
        lasting = Stream(GUEST_ADDRESS)
        with Load(rate):
            for count in range(1, times + 1):
                self.name = f"{name}, migration {count}"
                keep(self)
                self.guest, figures = migrate(
                    self.guest, vfs[count % 2], qemu=qemu, timeout=TIMEOUT, compare=True,
                    bandwidth=BANDWIDTH, downtime_limit=DOWNTIME)
                self.figures.append(figures)
                if figures["pages_that_differ"]:
                    same_memory(self, figures)
                if count % EVERY == 0:
                    self.tap.note("migration {}: {total_ms} ms, {downtime_ms} ms of "
                                  "downtime, {passes} passes".format(count, **figures))
        self.name = name
        self.check(not any(figures["pages_that_differ"] for figures in self.figures),
                   "the same memory here and there, {} pages in all".format(
                       sum(figures["pages_compared"] for figures in self.figures)))
        count, same = lasting.stop()
        self.check(same, f"one TCP connection through {times} migrations, "
                   f"{count >> 10} KiB each way, same sha256")
        self.tap.note(json.dumps(self.totals()))
        said = complaints_of(self.guest)
        self.check(not said, "the guest complains of nothing", "\n".join(said))

    def totals(self):
        downtimes = [figures["downtime_ms"] for figures in self.figures]
        return {"migrations": len(downtimes),
                "downtime_ms": {"median": statistics.median(downtimes),
                                "longest": max(downtimes)}}


def main(tap, qemu, times, rate):
    private_network()
    if KMEMLEAK.exists():
        KMEMLEAK.write_text("clear", encoding="ascii")
    told = "" if IOMMUFD.exists() else ", enable-migration=on"
    trip = Soak(tap, f"QEMU {qemu}{told}, {rate} packets/s",
                guest_on(VFS[0], qemu=qemu, shared=True, migratable=bool(told)))
    trip.live(lambda: trip.go_on(qemu, VFS, int(times), int(rate)))
    if KMEMLEAK.exists():
        found = leaks()
        trip.check(not found, "kmemleak finds nothing", found)
    leave("migrate_soak", trip.figures)


if __name__ == "__main__":
    program(main)
