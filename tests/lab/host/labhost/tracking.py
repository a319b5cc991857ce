# SPDX-License-Identifier: GPL-2.0-only
"""Guests that receive while they are migrated, with what their VF writes tracked or not."""

import hashlib
import itertools
import multiprocessing
import os
import pathlib
import random
import re
import socket
import threading
import time

from .guest import words
from .migration import Migration
from .net import GUEST_ADDRESS, wait_for_link
from .shell import sh
from .sriov import NETDEV
from .trip import TRAFFIC, Trip

TRACKING = pathlib.Path("/sys/module/vfio_mediate/parameters/tracking")
SYNC = "migration_bitmap_sync_end"
DOWNTIME = 0.3      # s, which QEMU keeps to when it knows what is dirty
BANDWIDTH = 1 << 30 # bytes/s, more than there is
PASSES = 2          # that QEMU finds to be as long as the first, before it may
ALL = 60            # s long send all while the guest stands still
JUMBO = 9000
PAYLOAD = 8000
RING = 4096         # descriptors
PORT = 9            # of the guest, of one who does not take what has come
KEPT = 24 << 20     # bytes, with all that belongs to it
STORED = 8 << 20    # bytes
STORE_PORT = 5009   # of the guest
BLOCK = 1 << 14     # of them, each 10 ms
PATIENCE = 120      # s
# Where to look when memory is not what it was
UNMARKED = "what the VF writes and nobody marks as dirty: mediate/describe_track.c, " \
    "mediate/ring.c, migration/track.c"


def flood(rate, stop, addresses):
    """UDP packets to each of the guest's addresses in turn."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        upcoming = time.monotonic()
        for address in itertools.cycle(addresses):
            if stop.is_set():
                break
            try:
                sock.sendto(os.urandom(PAYLOAD), (address, PORT))
            except OSError:
                pass
            upcoming += 1 / rate
            time.sleep(max(0, upcoming - time.monotonic()))


class Load:
    """The guest receives so many packets a second, of any size."""

    def __init__(self, rate, *addresses):
        self.rate = rate
        self.stop = multiprocessing.Event()
        self.process = multiprocessing.Process(
            target=flood, daemon=True, args=(rate, self.stop, addresses or [GUEST_ADDRESS]))

    def __enter__(self):
        if self.rate:
            self.process.start()
        return self

    def __exit__(self, *exc):
        if self.rate:
            self.stop.set()
            self.process.join(5)
            self.process.kill()


def passes(source):
    """Pages that a guest's QEMU has found to be dirty anew before each of its passes: it
    counts them from one second to the next."""
    found, last = [], 0
    for count in map(int, re.findall(rf"{SYNC} dirty_pages (\d+)", words(source.log))):
        found.append(count - last if count >= last else count)
        last = count
    return found


class Feed(threading.Thread):
    """Bytes that the guest stores: at leisure until hurry is set, so that it is
    migrated in the meantime."""

    def __init__(self):
        super().__init__(daemon=True)
        self.data = random.Random(1).randbytes(STORED)
        self.hurry = threading.Event()
        self.sock = socket.create_connection((GUEST_ADDRESS, STORE_PORT), PATIENCE)
        self.sock.settimeout(PATIENCE)
        self.start()

    def run(self):
        for start in range(0, STORED, BLOCK):
            self.sock.sendall(self.data[start:start + BLOCK])
            self.hurry.wait(0.01)
        self.sock.shutdown(socket.SHUT_WR)
        # Until the guest has it all
        self.sock.recv(1)

    def arrived(self, guest):
        """Whether the guest has stored what was sent."""
        self.hurry.set()
        self.join(PATIENCE)
        return guest.run("sha256sum < /tmp/got", 120).split()[0] == \
            hashlib.sha256(self.data).hexdigest()


def receive_large(trip):
    """By a guest that is up: see above."""
    sh("sh", "-c", f"ip link set {NETDEV} mtu {JUMBO} && {wait_for_link(NETDEV)}")
    trip.guest.run(f"ip link set eth0 mtu {JUMBO} && ethtool -G eth0 rx {RING} && "
                   f"{wait_for_link('eth0')}")
    keep(trip)


def keep(trip):
    """What comes from now on is kept by the guest, and nothing of what came before."""
    rmem = "/proc/sys/net/core/rmem_default"
    trip.guest.run(f"kill -KILL $(cat /tmp/keeps 2> /dev/null) 2> /dev/null; "
                   f"old=$(cat {rmem}); echo {KEPT} > {rmem}; "
                   f"/echo {PORT} < /dev/null > /dev/null 2>&1 & echo $! > /tmp/keeps; "
                   f"until grep -q :{PORT:04X} /proc/net/udp; do sleep 0.1; done; "
                   f"kill -STOP $(cat /tmp/keeps); echo $old > {rmem}")


def set_tracking(tracking):
    """Of VFs that are opened from now on."""
    TRACKING.write_text("1" if tracking else "0", encoding="utf-8")


def go(trip, qemu, tracking, rate, vf):
    """A migration of a guest that is up, and receives; returns its figures."""
    trip.guest.run(f"/exchange tcp {STORED} {STORE_PORT} < /dev/null > /tmp/got "
                   "2> /tmp/err & "
                   f"until grep -q :{STORE_PORT:04X} /proc/net/tcp; do sleep 0.1; done")
    feed = Feed()
    source = trip.guest
    with Load(rate):
        time.sleep(1)
        migration = Migration(trip.guest, vf, qemu=qemu, bandwidth=BANDWIDTH,
                              downtime_limit=DOWNTIME, passes=None if tracking else PASSES)
        try:
            migration.start()
            figures = migration.finish(compare=True)
        except BaseException:
            migration.abandon()
            raise
        trip.guest = migration.destination
    figures["dirty_pages"] = passes(source)
    same = feed.arrived(trip.guest)
    tell(trip, figures)
    trip.check(same, f"{STORED} bytes stored meanwhile, same sha256", "another sha256",
               "the same", TRAFFIC)
    return figures


def tell(trip, figures):
    trip.check(True, "{total_ms} ms, {downtime_ms} ms of downtime, {ram_bytes} bytes of "
               "memory, {stopped_bytes} of them meanwhile, pages found dirty before each "
               "pass: {dirty_pages}".format(**figures))
    same_memory(trip, figures)


def same_memory(trip, figures):
    trip.check(figures["pages_compared"] and not figures["pages_that_differ"],
               "the same memory here and there, {pages_compared} pages".format(**figures),
               "{} pages that differ\n".format(len(figures["pages_that_differ"])) +
               "\n".join(figures["pages_that_differ"][:40]), "none", UNMARKED)


def compare(trip, every, tracked):
    """Figures of two migrations, in one of which it was not known what is dirty. How
    long the guest stands still is a matter of much else on a slow machine."""
    trip.check(tracked["ram_bytes"] < every["ram_bytes"] and
               tracked["stopped_bytes"] < every["stopped_bytes"],
               "less memory when tracked, and less of it while the guest stands still: "
               "{} and {} bytes".format(tracked["stopped_bytes"], every["stopped_bytes"]),
               "tracked, {} bytes and {} of them while it stands still; not tracked, {} and {}"
               .format(*(figures[key] for figures in (tracked, every)
                         for key in ("ram_bytes", "stopped_bytes"))),
               "less of both when tracked", "migration/track.c: is too much marked, or was "
               "tracking not on? pages found dirty before each pass are above")


class Receiver(Trip):
    """A guest that receives large packets, and keeps them: see above."""

    def set_up(self):
        super().set_up()
        receive_large(self)
