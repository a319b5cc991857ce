#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_hosts.py QEMU[:QEMU]...: a guest migrates from one lab host to another, by TCP.

For each argument, from the first QEMU there to the second one here, as in migrate.py.
Runs on both hosts. Their cards are on one network segment, which is all that the
guest knows; they have another network for QEMU, and for the test on the first host to
reach the second one's QEMU. Prints TAP, on the first host; the figures are in
/out/migrate.json there.
"""

# /// suite
# [migrate_hosts]
# about = "from one lab host to another, by TCP, all pairs of QEMUs"
# run = "./migrate_hosts.py 10 7.2 11 10:11"
# but = {debug = "two hosts that check all they do are too slow"}
# pf = "sample_nic"
# guests = true
# hosts = 2
# qemus = ["7.2", "11"]
# minutes = 4
# timeout = 1200
# ///

import contextlib
import os
import pathlib
import subprocess
import time

from labhost.guest import Channel, Guest, has_qemu
from labhost.journey import Journey
from labhost.net import set_address
from labhost.shell import sh
from labhost.sriov import NETDEV, VFS
from labhost.tap import leave, program
from labhost.trip import Trip, guest_on

LINK = "52:54:00:12:35:0"       # address of the other network's card, but for the host
HOSTS = ("198.51.100.1", "198.51.100.2")
PORTS = {"stream": 4444, "qmp": 4445, "ga": 4446}  # of the first journey
NEXT = 10                       # more for each of the others
TIMEOUT = 400                   # s until the guest that came has to have ended


class RemoteGuest(Guest):
    """A guest that is to come to the other host."""

    def __init__(self, qemu, ports):    # pylint: disable=super-init-not-called
        self.name = "guest@1"
        self.qmp = self.agent = None
        self.ports = ports
        self.incoming = f"tcp:{HOSTS[1]}:{ports['stream']}"
        self.settings = {"qemu": qemu}

    def channel(self, name, timeout):
        return Channel((HOSTS[1], self.ports[name]), timeout + 60)

    def last_words(self):
        return "(see the other host)"

    def ended(self):
        return False

    def shutdown(self, timeout=30):
        self.agent.send("guest-exec", {"path": "/bin/poweroff", "arg": ["-f"]})
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.qmp.receive(timeout)
        return 0            # what it really was, the other host's job says

    def kill(self):
        with contextlib.suppress(EOFError, OSError):
            if self.qmp:
                self.qmp.call("quit")


def link_up(number):
    sh("modprobe", "virtio_net")
    netdev = next(path.parent.name for path in
                  pathlib.Path("/sys/class/net").glob("*/address")
                  if path.read_text(encoding="ascii").startswith(LINK))
    sh("ip", "addr", "add", f"{HOSTS[number]}/24", "dev", netdev)
    sh("ip", "link", "set", netdev, "up")


def destination(vf, journey, ports):
    """On the second host: a QEMU, and ways to it; returns its exit status."""
    guest = guest_on(vf, name=f"guest-{ports['stream']}", qemu=journey.qemus[1],
                     incoming=f"tcp:0:{ports['stream']}", **journey.hardware())
    with contextlib.ExitStack() as stack:
        for name in ("qmp", "ga"):
            path = pathlib.Path(guest.dir) / name
            while not path.exists() and not guest.ended():
                time.sleep(0.1)
            proc = stack.enter_context(subprocess.Popen(
                ["socat", f"TCP-LISTEN:{ports[name]},fork,reuseaddr",
                 f"UNIX-CONNECT:{path}"]))
            stack.callback(proc.kill)
        stack.callback(guest.kill)
        status = guest.proc.wait(TIMEOUT)
        print(guest.last_words())
        return status


def source(tap, vf, journey, ports):
    """On the first host: the guest, until it is on the second one; returns figures."""
    trip = Trip(tap, f"{journey.name()}, to another host",
                guest_on(vf, name=f"guest-{ports['stream']}", qemu=journey.qemus[0],
                         **journey.hardware()))
    return trip.travel([((), {"destination": RemoteGuest(journey.qemus[1], ports)})])


def main(tap, *journeys):
    number = int(os.environ["LAB_HOST"])
    link_up(number)
    figures = {}
    if not number:
        set_address(NETDEV)
    for count, text in enumerate(filter(tap.wants, journeys)):
        journey = Journey.parse(text)
        ports = {name: port + NEXT * count for name, port in PORTS.items()}
        missing = [qemu for qemu in journey.qemus if not has_qemu(qemu)]
        if missing:
            tap.skip(journey.name(), f"there is no QEMU {missing[0]} now")
        elif number:
            tap.equal(destination(VFS[0], journey, ports), 0, f"{journey.name()}: it ends")
        else:
            figures[text] = source(tap, VFS[0], journey, ports)
    if not number:
        leave("migrate", figures)


if __name__ == "__main__":
    program(main)
