#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migration.py QEMU TIMES MEMORY: how long a guest is away while it migrates.

A guest with virtio-net, one with net_failover, one with a VF whose writes are tracked, and
one with a VF that is not tracked migrate in turn, TIMES times each, with QEMU's default
limits. A peer in a network namespace, with the second card for itself, sends a datagram
each 10 ms, which the guest sends back by the first card. From QEMU's events: the time from
STOP at the source to RESUME at the destination. STOP comes when devices have been stopped,
RESUME before they are started; how long vCPUs have not run, KVM tells. Leaves the figures of each migration in
/out/migration.json; downtimes.py has the tables.

The VF that is not tracked may be stopped for as long as it takes to send all of its
guest's memory.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

from labhost.failover import Failover
from labhost.guest import GuestError, has_qemu
from labhost.hotplug import unplugging_works
from labhost.kprobes import EVENTS, Configs, Vcpus
from labhost.migration import Migration
from labhost.net import PF_ADDRESS
from labhost.outer import world_away
from labhost.peer import enter, peer
from labhost.probe import Probe
from labhost.sriov import NETDEV, PFS, VFS
from labhost.tracking import ALL, set_tracking
from labhost.trip import QUIET, Trip, guest_on
from labhost.virtio import ADDRESS, Virtio, bridge, join, part

DOWNTIME, BANDWIDTH = 0.3, 128 << 20        # QEMU's defaults: s, bytes/s
MARGIN = 0.3        # s before STOP that belong to the switchover
VIRTIO, FAILOVER = "virtio-net", "net_failover"
TRACKED, UNTRACKED = "VF, tracked", "VF, not tracked"
KINDS = (VIRTIO, FAILOVER, TRACKED, UNTRACKED)


class Notes:
    """Where a guest's messages go: there is no TAP here."""

    @staticmethod
    def note(text):
        print(f"# {text}", flush=True)


def guest_of(kind, **settings):
    # QEMU stops and starts each of the 64 queues of virtio-serial in the downtime, whatever
    # network the guest has.
    settings |= {"autostart": True, "agent": "isa"}
    if kind == VIRTIO:
        return Virtio(Notes, **settings)
    if kind == FAILOVER:
        return Failover(Notes, vfs=VFS, **settings)
    return Trip(Notes, kind, guest_on(VFS[0], shared=True, **settings))


@contextlib.contextmanager
def trip_of(kind, mac, **settings):
    """A guest that is up. Only one that needs it has the PF in the bridge, with the peer's
    MAC beyond it."""
    set_tracking(kind != UNTRACKED)
    bridged = kind in (VIRTIO, FAILOVER)
    if bridged:
        join(NETDEV, mac)
    trip = None
    try:
        trip = guest_of(kind, **settings)
        trip.start()
        yield trip
    finally:
        if trip:
            trip.guest.kill()
        if kind == FAILOVER:
            Failover.free()
        if bridged:
            part(NETDEV)


def threads(guest):
    return {int(entry) for entry in os.listdir(f"/proc/{guest.proc.pid}/task")}


def cross(trip, kind, configs=None, vcpus=None):
    """Figures of one migration; the guest is at the destination then."""
    source = trip.guest
    failover = kind == FAILOVER
    probe = Probe(trip.address, enter)
    try:
        time.sleep(QUIET)
        migration = Migration(source, *([] if kind == VIRTIO else VFS[1:2]), bandwidth=BANDWIDTH,
                              downtime_limit=ALL if kind == UNTRACKED else DOWNTIME,
                              destination=trip.destination() if failover else None)
        trip.guest = migration.destination
        try:
            for kprobes in filter(None, (configs, vcpus)):
                kprobes.clear()
            vmms = threads(source), threads(trip.guest)
            began = time.monotonic()
            migration.start()
            if failover:
                trip.follow(migration)
            state = migration.wait()
            if state["status"] != "completed":
                raise GuestError(f"migration {state['status']}: {state.get('error-desc')}\n"
                                 f"{trip.guest.last_words()}")
            trip.guest.wait_for_status("running")
        finally:
            source.kill()
        time.sleep(QUIET)
        if failover:
            trip.guest.wait_for_agent(60)
            trip.wait_for_primary()
            time.sleep(QUIET)
        ended = time.monotonic()
    finally:
        answers = probe.stop()
    offset = time.monotonic() - time.time()
    stop, resume = (end.qmp.when[event] + offset for end, event in
                    ((source, "STOP"), (trip.guest, "RESUME")))
    back = min((when for when in answers.came.values() if when > resume), default=None)
    if not back:
        raise GuestError(f"{trip.guest.name}: no answer after RESUME\n"
                         f"{trip.guest.last_words()}")
    settled = max(resume + QUIET, back)
    whole = answers.figures(began, ended)
    pre_copy = answers.rate(began, stop - MARGIN)
    return {"stop_to_resume_ms": round((resume - stop) * 1000, 1),
            "vcpus_ms": round(vcpus.stopped(*vmms) * 1000, 1) if vcpus else None,
            "longest_gap_ms": answers.gap(stop - MARGIN, settled), "lost": whole["lost"],
            "before_ms": answers.gap(began, stop - MARGIN),
            "kept": round(100 * pre_copy / answers.rate(began - QUIET, began), 1),
            "after_ms": answers.gap(settled, ended) if failover else None,
            "downtime_ms": state["downtime"], "total_ms": state["total-time"],
            "stopped_kib": state["ram"]["downtime-bytes"] >> 10,
            "configs": sum(stop <= when <= resume for when in configs.times())
            if configs else None, "pause_ms": whole["longest_pause_ms"]}


def measure(kinds, times, mac, **settings):
    """Yields the kind and the figures of each migration, None where it failed."""
    with contextlib.ExitStack() as stack:
        # The kernel may have none.
        kprobes = [stack.enter_context(found) for found in (Configs(VFS), Vcpus())
                   if EVENTS.exists()]
        for count in range(times):
            first = count % len(kinds)
            for kind in kinds[first:] + kinds[:first]:
                try:
                    with trip_of(kind, mac, **settings) as trip:
                        yield kind, cross(trip, kind, *kprobes)
                # Of an event that never came, or was lost, as well
                except (GuestError, OSError, EOFError, LookupError, ValueError,
                        subprocess.SubprocessError) as err:
                    print(f"{kind}: {type(err).__name__}: {err}\n"
                          f"{getattr(err, 'output', None) or ''}", flush=True)
                    yield kind, None


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    qemu, times, memory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if not has_qemu(qemu):
        sys.exit(f"no QEMU {qemu} on this lab host")
    kinds = KINDS
    if not unplugging_works():
        kinds = tuple(kind for kind in KINDS if kind != FAILOVER)
        Notes.note(f"without {FAILOVER}: no device can be unplugged from a guest here")
    world_away()
    mac = peer(PFS[1], PF_ADDRESS, ADDRESS)
    bridge(address=None)
    runs = {kind: [] for kind in kinds}
    failed = 0
    for count, (kind, run) in enumerate(
            measure(kinds, times, mac, qemu=qemu, memory=memory), 1):
        if run:
            runs[kind].append(run)
        failed += not run
        print(f"# {count} of {times * len(kinds)}, {kind}: {run or 'failed'}", flush=True)
        pathlib.Path("/out/migration.json").write_text(
            json.dumps({"runs": runs, "failed": failed}), encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
