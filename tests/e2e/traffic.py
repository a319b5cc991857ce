#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""traffic.py DRIVER...: the same traffic with each of these drivers on the PF.

For each in turn, of which the PF has the first: the PF to the world outside, the PF
to a guest, and one guest to another through the NIC's switch, with ping, TCP and
UDP; VLANs that keep guests apart; what keeps a guest from sending in another's
name; and what iproute2 shows. The guests have in-tree igbvf on VFs on
vfio-pci-mediate. With "igb sample_nic", both are compared. Prints TAP and a table;
leaves the figures in /out/traffic.json.
"""

# /// suite
# [traffic]
# about = "the same traffic and settings with igb and with sample_nic"
# run = "./traffic.py igb sample_nic"
# but = {debug = "two guests and igb are too much for it, see traffic_debug"}
# guests = true
# minutes = 3
#
# [traffic_debug]
# about = "the same on the debug kernel, with sample_nic alone"
# run = "./traffic.py sample_nic"
# needs = ["kunit"]
# pf = "sample_nic"
# guests = true
# minutes = 5
#
# [traffic_checked]
# about = "traffic, with cards that check who sends (builds QEMU)"
# run = "./traffic.py igb sample_nic"
# but = {debug = "as traffic"}
# guests = true
# checks = true
# minutes = 3
# ///

import contextlib
import pathlib

from labhost import iproute
from labhost.ends import (BLOCK, DEBUG, PACKETS, SIZE, End, echo, ping_both, tcp, tftp,
                          together, udp)
from labhost.guest import INITRD, Guest
from labhost.klog import complaints
from labhost.net import (GUEST_ADDRESS, PF_ADDRESS, PF_IN_WORLD, PINGS, WORLD, link_up, ping,
                         set_address)
from labhost.shell import sh
from labhost.spoof import Listener, Registers
from labhost.sriov import PF, num_vfs, set_vf
from labhost.tap import leave, program

MACS = ("52:54:00:76:00:10", "52:54:00:76:00:11")
STRANGER = "52:54:00:76:00:99"
ADDRESSES = (GUEST_ADDRESS, "192.0.2.3")
# What the lab's outer QEMU lets the card reach
ECHO, FILE = ("10.0.2.100", 7), "initrd"
WRONG = ("lost", "duplicated", "reordered", "corrupted")
VLAN = "100"


class Side:
    """The tests with one driver of the PF, and what they have found."""

    def __init__(self, tap, driver, reference=None):
        self.tap = tap
        self.driver = driver
        self.reference = reference      # the side it is compared with
        self.figures = {}
        self.views = {}
        self.checks = []
        self.spoofed = None     # did the frame arrive?
        self.netdev = None

    def ok(self, passed, what, detail=""):
        return self.tap.ok(passed, f"{self.driver}: {what}", detail)

    def set_vf(self, number, *what):
        set_vf(self.netdev, number, *what)

    def tell_ping(self, leg, *answers):
        self.figures[f"{leg}: answers to {PINGS} pings"] = \
            " ".join(map(str, answers))
        self.ok(set(answers) == {PINGS}, f"{leg}: {PINGS} pings answered",
                answers)

    def tell_tcp(self, leg, same, rate):
        self.figures[f"{leg}: TCP, MiB/s of both ways"] = round(rate, 1)
        self.ok(same, f"{leg}: TCP, {SIZE >> 20} MiB each way, same sha256")

    def tell_udp(self, leg, *counts):
        for key in WRONG:
            self.figures[f"{leg}: UDP packets {key}"] = \
                " ".join(str(count[key]) for count in counts)
        self.figures[f"{leg}: UDP packets/s each way"] = \
            min(count["sent_per_s"] for count in counts)
        self.ok(not any(count[key] for key in WRONG for count in counts),
                f"{leg}: {PACKETS} UDP packets each way, all arrive once, in "
                "order and intact", counts)

    def outside(self):
        """The PF and the world outside, which sends nothing unasked."""
        leg = "PF and outside"
        here = End.host(PF_ADDRESS)
        set_address(self.netdev, PF_IN_WORLD)
        self.tell_ping(leg, ping(here.run, WORLD))
        self.tell_tcp(leg, *echo(here, *ECHO))
        with open(INITRD, "rb") as file:
            content = file.read(BLOCK * PACKETS)
        self.tell_udp(leg, tftp(WORLD, FILE, content))

    def between(self, a, b):
        """Two ends on the card."""
        leg = f"{a.name} and {b.name}"
        self.tell_ping(leg, *ping_both(a, b))
        self.tell_tcp(leg, *tcp(a, b))
        self.tell_udp(leg, *udp(a, b))

    def vlans(self, a, b):
        """The administrator puts guests into VLANs; they know nothing of it."""
        for vlans, meet, what in (((VLAN, "0"), False, "one in a VLAN, one not"),
                                  ((VLAN, VLAN), True, "both in the same"),
                                  (("0", VLAN), False, "the other in it"),
                                  (("0", "0"), True, "none in any")):
            for number, vlan in enumerate(vlans):
                self.set_vf(number, "vlan", vlan)
            answers = ping_both(a, b, 2)
            self.ok(answers == ([2, 2] if meet else [0, 0]),
                    f"VLANs, {what}: the guests {'meet' if meet else 'do not meet'}",
                    answers)

    def spoofing(self, guest):
        """A guest that sends in another's name, and what could prevent it."""
        registers = Registers(PF)
        for number, state in ((0, "on"), (0, "off"), (1, "off"), (0, "on"),
                              (1, "on")):
            self.set_vf(number, "spoofchk", state)
            self.checks.append(registers.spoof_checks(2))
        self.ok(self.checks == [[(vf0, vf0), (vf1, vf1)] for vf0, vf1 in
                                ((True, True), (False, True), (False, False),
                                 (True, False), (True, True))],
                "spoofchk: the card is told to check addresses and VLANs",
                self.checks)
        listener = Listener(self.netdev)
        mac = pathlib.Path(f"/sys/class/net/{self.netdev}/address") \
            .read_text(encoding="ascii").strip()

        def arrives(source, number):
            """Does a frame from there, before the guest's own that follows it?"""
            texts = [f"{self.driver} {number} {what}" for what in ("asked", "own")]
            for address, text in zip((source, MACS[0]), texts):
                guest.run(f"{guest.program} frame eth0 {mac} {address} '{text}'")
            return listener.first(texts) == texts[0]

        self.ok(arrives(MACS[0], 0), "spoofchk: a guest can send in its own name")
        self.spoofed = arrives(STRANGER, 1)
        what = "spoofchk: a guest cannot send in another's name"
        if not self.spoofed:
            self.ok(True, what)
            self.set_vf(0, "spoofchk", "off")
            self.ok(arrives(STRANGER, 2), "spoofchk: off, it can")
            self.set_vf(0, "spoofchk", "on")
            self.ok(not arrives(STRANGER, 3), "spoofchk: on again, it cannot")
        elif not self.reference:
            self.tap.skip(f"{self.driver}: {what}",
                          "QEMU's model does not check")
        listener.close()

    def guests(self, stack, vfs):
        """Two guests with a VF each."""
        guests, seconds = [], []
        for number, vf in enumerate(vfs):
            guests.append(stack.enter_context(
                Guest(vf, name=f"guest-{number}",
                      programs=[End.host(None).program])))
            if DEBUG:
                # Two at once are too much for a kernel that checks all it does.
                seconds.append(guests[-1].boot())
        seconds = seconds or together(*(guest.boot for guest in guests))
        self.figures["guests up after, s"] = round(max(seconds), 1)
        self.ok(True, f"two guests up in {max(seconds):.1f} s")
        for guest, address in zip(guests, ADDRESSES):
            guest.run(link_up(address))
            yield End.guest(guest, address)

    def run(self):
        """Everything, from a PF that has this driver to one without VFs."""
        before = complaints()
        self.netdev = sh("vfctl", "netdev")
        self.views = iproute.views(self.netdev)
        vfs = sh("vfctl", "list").split()
        for number, vf in enumerate(vfs):
            sh("vfctl", "bind", vf, "vfio-pci-mediate")
            self.set_vf(number, "mac", MACS[number])
        sh("sh", "-c", link_up(PF_ADDRESS, self.netdev))
        with contextlib.ExitStack() as stack:
            ends = [End.host(PF_ADDRESS), *self.guests(stack, vfs)]
            self.outside()
            self.between(ends[0], ends[1])
            self.between(ends[1], ends[2])
            self.vlans(ends[1], ends[2])
            self.spoofing(ends[1])
        new = complaints(before)
        self.ok(not new, "nothing left in the kernel log", "\n".join(new))


def change_driver(old, new):
    """Takes the PF from one driver and gives it to another."""
    for vf in sh("vfctl", "list").split():
        sh("vfctl", "unbind", vf)
    num_vfs(PF, 0)
    sh("modprobe", "-r", old)
    sh("vfctl", "setup", new, "2")


def compare(tap, first, second):
    """What the second does as the first does."""
    tap.equal(second.checks, first.checks,
              f"spoofchk: {second.driver} tells the card what {first.driver} does")
    if second.spoofed:
        what = f"{second.driver}: spoofchk: a guest cannot send in another's name"
        if first.spoofed:
            tap.skip(what, f"QEMU's model does not: in-tree {first.driver} lets "
                     "it through as well")
        else:
            tap.ok(False, what)
    iproute.compare(tap, first.views, second.views)


def table(tap, sides):
    """All of them side by side."""
    width = max(map(len, sides[0].figures), default=0)
    rows = [("", [side.driver for side in sides])]
    rows += [(what, [side.figures.get(what, "") for side in sides])
             for what in sides[0].figures]
    for what, figures in rows:
        tap.note("  ".join([f"{what:{width}}", *(f"{figure:>12}"
                                                 for figure in figures)]))
    tap.note("UDP: at most 32 packets each way are on their way at once; to the "
             "world outside, one")
    leave("traffic", {side.driver: {"figures": side.figures, "ip": side.views}
                      for side in sides})


def main(tap, driver, *others):
    sides = []
    try:
        for driver in (driver, *others):
            if sides:
                change_driver(sides[-1].driver, driver)
            sides.append(Side(tap, driver, sides[0] if sides else None))
            sides[-1].run()
        for side in sides[1:]:
            compare(tap, sides[0], side)
    finally:
        table(tap, sides)


if __name__ == "__main__":
    program(main)
