#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_demo.py QEMU PACKETS: what make demo shows.

A guest with virtio-net migrates, for comparison. One with a VF migrates from VF 0 to
VF 1 as it does for migrate.py; then, while it receives so many PACKETS a second, back,
without tracking what its VF writes, and once more to VF 1, with it. Prints TAP; the
figures are in /out/virtio.json, /out/migrate.json and /out/migrate_dirty.json.
"""

from labhost.refusal import refused
from labhost.sriov import VFS
from labhost.tap import leave, program
from labhost.tracking import SYNC, compare, go, receive_large, set_tracking
from labhost.trip import Trip, guest_on, private_network
from labhost.virtio import Virtio, bridge

TRIES = 3       # of virtio-net, if once was faster than what is compared with it


class Demo(Trip):
    """Three migrations of one guest. Whether a VF is tracked is decided when it is
    opened, so by what is set when its guest comes to it."""

    def __init__(self, tap, qemu, rate, vfs):
        super().__init__(tap, f"QEMU {qemu}", guest_on(
            vfs[0], qemu=qemu, shared=True, options=["-trace", SYNC]))
        self.qemu, self.rate, self.vfs = qemu, rate, vfs

    def start(self):
        super().start()
        set_tracking(False)

    def more(self):
        name = self.name
        pair = {}
        receive_large(self)
        set_tracking(True)
        for key, about, vf in (("all", "not tracked", self.vfs[0]),
                               ("tracked", "tracked", self.vfs[1])):
            self.name = f"{name}, {self.rate} packets/s, {about}"
            pair[key] = go(self, self.qemu, key == "tracked", self.rate, vf)
        self.name = f"{name}, {self.rate} packets/s"
        leave("migrate_dirty", {self.qemu: {self.rate: pair}})
        compare(self, pair["all"], pair["tracked"])
        self.name = name


def main(tap, qemu, rate):
    private_network()
    refused(tap, VFS[0], qemu)
    bridge()
    others = (Virtio(tap, qemu).measure() for _ in range(TRIES))
    first = next(others)
    trip = Demo(tap, qemu, int(rate), VFS)
    trip.reference, trip.others = first, others
    figures = trip.travel([((VFS[1],), {"qemu": qemu})])
    leave("virtio", trip.reference)
    leave("migrate", {qemu: figures})


if __name__ == "__main__":
    program(main)
