#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_demo.py QEMU PACKETS: what make demo shows.

A guest with virtio-net migrates, for comparison. One with a VF migrates from VF 0 to
VF 1 as it does for migrate.py, tracked, and back, not tracked; all of that with QEMU's own
limits, as far as they can be met. Then, while it receives so many PACKETS a second, it goes
to VF 1 without tracking what its VF writes, and once more back, with it. Prints TAP; the
figures are in /out/virtio.json, /out/migrate.json and /out/migrate_dirty.json, and what
happened when in /out/timeline.json.
"""

from labhost.refusal import refused
from labhost.sriov import VFS
from labhost.tap import leave, program
from labhost.tracking import DOWNTIME, PASSES, SYNC, compare, go, receive_large, set_tracking
from labhost.trip import Trip, guest_on, private_network
from labhost.virtio import Virtio, bridge

TRIES = 3       # of virtio-net, if once was faster than what is compared with it
MANY = 20       # passes, after which a busy machine's guest may be away for longer
# QEMU's defaults; and who may run at the destination does so at once
LIMITS = {"downtime_limit": DOWNTIME, "bandwidth": 128 << 20, "passes": MANY}
# QEMU tells the states of VFs.
TELLS = ["-global", "vfio-pci.migration-events=on"]


class Demo(Trip):
    """Four migrations of one guest. Whether a VF is tracked is decided when it is
    opened, so by what is set when its guest comes to it."""

    def __init__(self, tap, qemu, rate, vfs):
        super().__init__(tap, f"QEMU {qemu}", guest_on(
            vfs[0], qemu=qemu, shared=True, autostart=True,
            options=["-trace", SYNC, *([] if qemu == "7.2" else TELLS)]))
        self.qemu, self.rate, self.vfs = qemu, rate, vfs
        self.timelines = {"VF, tracked": {}, "VF, not tracked": {}}

    def start(self):
        super().start()
        set_tracking(False)

    def travels(self):
        """There, tracked; the rest is what more() does."""
        return self.travel([((self.vfs[1],), {
            "qemu": self.qemu, "timeline": self.timelines["VF, tracked"], **LIMITS})])

    def more(self):
        name = self.name
        self.name = f"{name}, not tracked"
        figures = self.under_traffic(
            self.vfs[0], qemu=self.qemu, timeline=self.timelines["VF, not tracked"],
            **{**LIMITS, "passes": PASSES})[0]
        self.check(True, "migrated in {total_ms} ms, {downtime_ms} ms of downtime, {ram_bytes} "
                   "bytes of memory".format(**figures))
        self.timelines["VF, not tracked"]["figures"] = figures
        # In what follows its memory is compared before it runs.
        self.guest.settings["autostart"] = False
        pair = {}
        receive_large(self)
        set_tracking(True)
        for key, about, vf in (("all", "not tracked", self.vfs[1]),
                               ("tracked", "tracked", self.vfs[0])):
            self.name = f"{name}, {self.rate} packets/s, {about}"
            pair[key] = go(self, self.qemu, key == "tracked", self.rate, vf)
        self.name = f"{name}, {self.rate} packets/s"
        leave("migrate_dirty", {self.qemu: {self.rate: pair}})
        compare(self, pair["all"], pair["tracked"])
        self.name = name


def virtios(tap, qemu, kept):
    """Figures of guests with virtio-net; their timelines are kept beside them."""
    for _ in range(TRIES):
        timeline = {}
        figures = Virtio(tap, qemu, autostart=True).measure(timeline=timeline, **LIMITS)
        kept.append((figures, timeline))
        yield figures


def main(tap, qemu, rate):
    private_network()
    refused(tap, VFS[0], qemu)
    bridge()
    kept = []
    others = virtios(tap, qemu, kept)
    first = next(others)
    trip = Demo(tap, qemu, int(rate), VFS)
    trip.reference, trip.others = first, others
    figures = trip.travels()
    leave("virtio", trip.reference)
    leave("migrate", {qemu: figures})
    timelines = trip.timelines
    if trip.reference:
        timeline = next(found for other, found in kept if other is trip.reference)
        timelines = {"virtio-net": {**timeline, "figures": trip.reference[0]}, **timelines}
    if figures:
        timelines["VF, tracked"]["figures"] = figures[0]
    # Of a migration that failed there is none.
    leave("timeline", {kind: timeline for kind, timeline in timelines.items()
                       if timeline.get("figures")})


if __name__ == "__main__":
    program(main)
