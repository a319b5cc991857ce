#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migration.py QEMU TIMES MEMORY: how long a guest is away while it migrates.

A guest with virtio-net, one with a VF whose writes are tracked, and one with a VF that is
not tracked migrate in turn, TIMES times each, with QEMU's default limits. The lab host
sends a datagram each 10 ms, which the guest sends back. From QEMU's events: the time from
STOP at the source to RESUME at the destination. Prints a table, leaves the figures in
/out/migration.json, and returns 1 when a target is missed.

The VF that is not tracked may be stopped for as long as it takes to send all of its
guest's memory.
"""

import contextlib
import json
import os
import pathlib
import statistics
import sys
import time

from labhost.kprobes import EVENTS, Configs
from labhost.migration import Migration
from labhost.probe import Probe
from labhost.sriov import VFS
from labhost.tracking import ALL, set_tracking
from labhost.trip import QUIET, Trip, guest_on, private_network
from labhost.virtio import Virtio, bridge

DOWNTIME, BANDWIDTH = 0.3, 128 << 20        # QEMU's defaults: s, bytes/s
MARGIN = 0.3        # s before STOP that belong to the switchover
REFERENCE, TRACKED, UNTRACKED = "virtio-net", "VF, tracked", "VF, not tracked"
KINDS = (REFERENCE, TRACKED, UNTRACKED)
FIGURES = {"stop_to_resume_ms": "STOP to RESUME, ms", "longest_gap_ms": "longest gap, ms",
           "before_ms": "longest gap before it, ms", "lost": "probes lost",
           "downtime_ms": "downtime, says QEMU, ms",
           "total_ms": "migration, ms", "stopped_kib": "memory sent in it, KiB",
           "configs": "accesses to config space in it"}
# What TRACKED is held to: times virtio-net's
TARGETS = {"stop_to_resume_ms": 1.1, "longest_gap_ms": 1.2, "lost": 1.2}


class Notes:
    """Where a guest's messages go: there is no TAP here."""

    @staticmethod
    def note(text):
        print(f"# {text}", flush=True)


def start(kind, qemu, memory):
    set_tracking(kind == TRACKED)
    if kind == REFERENCE:
        trip = Virtio(Notes, qemu, memory, autostart=True)
    else:
        trip = Trip(Notes, kind, guest_on(VFS[0], qemu=qemu, memory=memory, shared=True,
                                          autostart=True))
    trip.start()
    return trip


def cross(trip, kind, configs):
    """Figures of one migration; the guest is at the destination then."""
    vfs = [] if kind == REFERENCE else [VFS[1]]
    probe = Probe(trip.address)
    source = trip.guest
    try:
        time.sleep(QUIET)
        migration = Migration(source, *vfs, bandwidth=BANDWIDTH,
                              downtime_limit=ALL if kind == UNTRACKED else DOWNTIME)
        trip.guest = migration.destination
        try:
            if configs:
                configs.clear()
            began = time.monotonic()
            migration.start()
            state = migration.wait()
            if state["status"] != "completed":
                raise OSError(f"migration {state['status']}: {state.get('error-desc')}")
            migration.destination.wait_for_status("running")
        finally:
            source.kill()
        time.sleep(QUIET)
    finally:
        answers = probe.stop()
    offset = time.monotonic() - time.time()
    stop, resume = (end.qmp.when[event] + offset for end, event in
                    ((source, "STOP"), (migration.destination, "RESUME")))
    before = answers.figures(began, stop - MARGIN)
    figures = answers.figures(stop - MARGIN, resume + QUIET)
    return {"stop_to_resume_ms": round((resume - stop) * 1000, 1),
            "downtime_ms": state["downtime"], "total_ms": state["total-time"],
            "stopped_kib": state["ram"]["downtime-bytes"] >> 10,
            "configs": sum(stop <= when <= resume for when in configs.times())
            if configs else None, "before_ms": before["longest_gap_ms"],
            "longest_gap_ms": figures["longest_gap_ms"],
            "pause_ms": figures["longest_pause_ms"],
            "lost": before["lost"] + figures["lost"]}


def measure(qemu, times, memory):
    """{kind: [figures]}"""
    found = {kind: [] for kind in KINDS}
    # The kernel may have no kprobes.
    with Configs(VFS) if EVENTS.exists() else contextlib.nullcontext() as configs:
        for count in range(times):
            for kind in KINDS[count % len(KINDS):] + KINDS[:count % len(KINDS)]:
                trip = start(kind, qemu, memory)
                try:
                    found[kind].append(cross(trip, kind, configs))
                finally:
                    trip.guest.kill()
                print(f"# {kind}: {found[kind][-1]}", flush=True)
    return found


def summary(runs, name):
    values = [run[name] for run in runs if run[name] is not None]
    return {"median": statistics.median(values), "min": min(values),
            "max": max(values)} if values else None


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    qemu, times, memory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    private_network()
    bridge()
    found = measure(qemu, times, memory)
    figures = {kind: {name: summary(runs, name) for name in FIGURES}
               for kind, runs in found.items()}
    print(f"{os.uname().release}, QEMU {qemu}, {memory}, median (min to max) of {times}")
    print(f"{'':<32}" + "".join(f"{kind:>24}" for kind in KINDS))
    for name, what in FIGURES.items():
        cells = [figures[kind][name] for kind in KINDS]
        print(f"{what:<32}" + "".join(
            f"{'{median:g} ({min:g} to {max:g})'.format(**cell) if cell else '-':>24}"
            for cell in cells))
    judged = []
    for name, limit in TARGETS.items():
        ours, other = (figures[kind][name]["median"] for kind in (TRACKED, REFERENCE))
        judged.append({"target": f"{FIGURES[name]}: at most {limit} x {REFERENCE}'s",
                       "figure": round(ours / max(other, 1), 2),
                       "verdict": "PASS" if ours <= limit * max(other, 1) else "FAIL"})
        print("{verdict}  {target}: {figure} x".format(**judged[-1]))
    pathlib.Path("/out/migration.json").write_text(json.dumps(
        {"qemu": qemu, "memory": memory, "runs": found, "figures": figures,
         "targets": judged}), encoding="utf-8")
    missed = sum(target["verdict"] == "FAIL" for target in judged)
    print(f"targets missed: {missed}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
