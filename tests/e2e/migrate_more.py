#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_more.py [one|seven]: guests migrate in more ways than migrate.py's.

One guest goes from VF to VF with both ways flat out, without a link, with large
frames, in VLANs of its own and of the administrator's, and where he has set addresses
on either side. Then seven guests on all VFs of a PF go to those of another PF one
after the other, and two of them back at the same time. Prints TAP; the figures are in
/out/migrate_more.json.
"""

# /// suite
# [migrate_more]
# about = "under load, without a link, VLANs, what is set on either side"
# run = "./migrate_more.py one"
# but = {debug = "not tried"}
# pf = "sample_nic"
# pfs = 2
# guests = true
# minutes = 6
# timeout = 1800
#
# [migrate_seven]
# about = "seven guests from one PF to another, two at once back"
# run = "./migrate_more.py seven"
# but = {debug = "seven guests are too much for it"}
# pf = "sample_nic"
# pfs = 2
# vfs = 7
# guests = true
# minutes = 9
# timeout = 1800
# ///

import socket
import threading
import time

from labhost.ends import together
from labhost.guest import Guest, GuestError
from labhost.klog import complaints
from labhost.migration import migrate
from labhost.net import (GUEST_ADDRESS, MAC, PF_ADDRESS, PINGS, link_up, ping, set_address,
                         wait_for_link)
from labhost.probe import PORT, Probe, Stream, Traffic
from labhost.shell import sh, until
from labhost.sriov import DRIVER, NETDEV, PFS, VFS, set_vf, vf_info, vfs_of
from labhost.tap import leave, program
from labhost.trip import Trip, guest_on, host_run, private_network
from labhost.view import complaints_of

NOBODY, STRANGER = "00:00:00:00:00:00", "52:54:00:76:00:99"
VLANS = (5, 6)
PORT_VLAN = 100
JUMBO = 9000
SMALL = "160M"      # of memory: with less, the initrd does not fit into half of it
SEVEN = 7
TIMEOUT = 300       # s for a migration: this machine is slow, and has two CPUs


class Flood(Traffic):
    """Datagrams as fast as they can be sent; stop() returns how many were sent, and
    how many came back."""
    count = [0, 0]

    def run(self, pipe):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((self.address, PORT))
            ended = threading.Event()
            came = threading.Thread(target=self.receive, args=(sock, ended, pipe))
            came.start()
            while not pipe.poll():
                try:
                    self.count[0] += sock.send(bytes(1400)) == 1400
                except OSError:
                    pass
            ended.set()
            came.join()
        return self.count

    def receive(self, sock, ended, pipe):
        sock.settimeout(0.5)
        while not ended.is_set():
            try:
                sock.recv(2048)
            except OSError:
                continue
            if not self.count[1]:
                pipe.send(None)
            self.count[1] += 1


class Load(Stream):
    """As much as goes over a TCP connection, and datagrams besides."""
    pause = 0

    def __init__(self, address):
        super().__init__(address)
        self.flood = Flood(address)
        self.flooded = None

    def stop(self):
        # What is lost is sent again when there is room for it.
        self.flooded = self.flood.stop()
        return super().stop()


class More(Trip):
    """A guest that goes back and forth; each move is a method that says how."""

    def __init__(self, tap, vfs):
        super().__init__(tap, "one guest", guest_on(vfs[0]))
        self.vfs = vfs
        self.at = 0                     # number of its VF
        self.loaded = None

    def there(self):
        return 1 - self.at

    def go(self, what):
        name, self.name = self.name, what.replace("_", " ")
        getattr(self, what)()
        self.name = name

    def move(self):
        """One migration with all the checks of migrate.py."""
        super().go(self.vfs[self.there()], timeout=TIMEOUT)
        self.at = self.there()

    def answers(self, what, address=GUEST_ADDRESS, options="", back=PF_ADDRESS):
        got = (ping(host_run, f"{options} {address}"),
               ping(self.guest.run, f"{options} {back}"))
        self.check(got == (PINGS, PINGS), f"{what}: pings both ways: {got}")

    # Traffic

    def traffic(self):
        if self.name != "load":
            return super().traffic()
        self.loaded = Load(GUEST_ADDRESS)
        return Probe(GUEST_ADDRESS), self.loaded

    def probed(self, figures, before, after):
        """How long the gap may be is not the question here."""
        self.check(after["lost"] < after["sent"],
                   "probe: {lost} of {sent} lost, longest gap {longest_gap_ms} "
                   "ms, then answers".format(**figures), f"{before}\n{figures}\n{after}")

    def compare(self, before, least, most):
        if self.loaded:
            sent, came = self.loaded.flooded
            self.loaded = None
            most += 2 * sent
            self.check(came, f"UDP flood, {came} of {sent} datagrams back")
        super().compare(before, least, most)

    def load(self):
        self.move()

    # What the guest does

    def no_link(self):
        known = complaints_of(self.guest)
        self.guest.run("ip link set eth0 down")
        self.guest, _ = migrate(self.guest, self.vfs[self.there()], timeout=TIMEOUT)
        self.at = self.there()
        self.check(ping(host_run, GUEST_ADDRESS, 2) == 0, "no answers without it")
        self.guest.run(f"ip link set eth0 up && {wait_for_link('eth0')}")
        self.answers("and once it is up")
        self.check(self.guest.run("cat /sys/class/net/eth0/address") == MAC,
                   "the same address")
        new = [line for line in complaints_of(self.guest) if line not in known]
        self.check(not new, "no complaints of the guest", "\n".join(new))

    def set_mtu(self, mtu):
        host_run(f"ip link set {NETDEV} mtu {mtu} && {wait_for_link(NETDEV)}")
        self.guest.run(f"ip link set eth0 mtu {mtu} && {wait_for_link('eth0')}")

    def large_frames(self):
        size = f"-s {JUMBO - 28}"
        self.set_mtu(JUMBO)
        # The link of either may go once more.
        until(lambda: ping(host_run, f"{size} {GUEST_ADDRESS}", 1))
        self.answers(f"{JUMBO} bytes", options=size)
        self.move()
        self.answers(f"{JUMBO} bytes, there", options=size)
        self.set_mtu(1500)

    def vlans(self):
        for vlan in VLANS:
            name = f"vlan{vlan}"
            for run, netdev, last in ((host_run, NETDEV, 1),
                                      (self.guest.run, "eth0", 2)):
                run("modprobe 8021q; "
                    f"ip link add link {netdev} name {name} type vlan id {vlan} && "
                    f"ip addr add 198.51.{vlan}.{last}/24 dev {name} && "
                    f"ip link set {name} up")
        for where in ("before", "after"):
            for vlan in VLANS:
                self.answers(f"VLAN {vlan}, {where}", f"198.51.{vlan}.2",
                             back=f"198.51.{vlan}.1")
            if where == "before":
                self.move()
        for vlan in VLANS:
            for run in (host_run, self.guest.run):
                run(f"ip link del vlan{vlan}")

    # What the administrator has set

    def set(self, number, *what):
        set_vf(NETDEV, number, *map(str, what))

    def refused(self, why):
        """A migration that fails; the guest goes on where it was."""
        try:
            migrate(self.guest, self.vfs[self.there()], timeout=TIMEOUT)
            answer = "nothing, and migrated"
        except GuestError as err:
            answer = str(err).splitlines()[0]
        self.check("failed" in answer, f"refused, QEMU says: {answer}")
        new = complaints(self.known)
        self.check(len(new) == 1 and why in new[0], "one line in the log says why",
                   "\n".join(new))
        self.known += new
        self.guest.wait_for_status("running")
        self.check(True, "the source runs")

    def port_vlan(self):
        """Of the administrator's, of which the guest knows nothing."""
        sh("ip", "link", "add", "link", NETDEV, "name", "port", "type", "vlan",
           "id", str(PORT_VLAN))
        sh("ip", "link", "set", "port", "up")
        sh("ip", "addr", "del", f"{PF_ADDRESS}/24", "dev", NETDEV)
        set_address("port")
        self.set(self.at, "vlan", PORT_VLAN)
        self.answers("on one side")
        self.refused("settings: VLAN")
        self.answers("the guest goes on")
        self.set(self.there(), "vlan", PORT_VLAN)
        self.move()
        for number in range(2):
            self.set(number, "vlan", 0)
        sh("ip", "link", "del", "port")
        set_address(NETDEV)

    def address_of_source(self):
        """Set there alone: the guest takes it along, the setting stays."""
        old = self.at
        self.set(old, "mac", MAC)
        self.move()
        self.check([vf_info(NETDEV, number)["address"] for number in
                    (old, self.at)] == [MAC, MAC], "both VFs have it, one in use")

    def address_of_both(self):
        """The one that the guest left behind has it still."""
        self.move()

    def another_address(self):
        self.set(self.there(), "mac", STRANGER)
        self.refused("settings: address")
        self.answers("the guest goes on")
        self.set(self.there(), "mac", NOBODY)
        self.set(self.at, "mac", MAC)
        self.move()


MOVES = ("load", "no_link", "vlans", "port_vlan", "address_of_source", "address_of_both",
         "another_address", "large_frames")


class Seven:
    """Guests on all VFs of a PF."""

    def __init__(self, tap, sides):
        self.tap = tap
        self.sides = sides
        self.guests = []
        self.addresses = [f"192.0.2.{10 + number}" for number in range(SEVEN)]
        self.figures = []
        self.known = []     # what each guest has complained of before

    def boot(self):
        took = []
        for number, address in enumerate(self.addresses):
            guest = Guest(self.sides[0][number], name=f"guest{number}", memory=SMALL,
                          migratable=True)
            self.guests.append(guest)
            took.append(round(guest.boot(TIMEOUT)))
            guest.run(f"ip link set eth0 address 52:54:00:76:00:{64 + number:x}")
            guest.run(link_up(address))
            self.known.append(complaints_of(guest))
        self.tap.note(f"seven guests of {SMALL} are up after {took} s")
        self.all_answer("at first")

    def all_answer(self, when):
        answers = [ping(host_run, address, 3) for address in self.addresses]
        self.tap.equal(answers, [3] * SEVEN, f"seven guests answer {when}")

    def move(self, number, side):
        self.guests[number], figures = migrate(
            self.guests[number], self.sides[side][number], timeout=TIMEOUT)
        self.figures.append(figures)
        return figures

    def go(self):
        known = complaints()
        try:
            self.boot()
            for number in range(SEVEN):
                figures = self.move(number, 1)
                self.all_answer(f"when {number + 1} have left, the last in "
                                f"{figures['total_ms']} ms, {figures['downtime_ms']} "
                                "of downtime")
            start = time.monotonic()
            together(lambda: self.move(2, 0), lambda: self.move(5, 0))
            self.all_answer("when two are back, which went at the same time, in "
                            f"{time.monotonic() - start:.0f} s")
            said = [line for guest, known in zip(self.guests, self.known)
                    for line in complaints_of(guest) if line not in known]
            self.tap.ok(not said, "none of them complains", "\n".join(said))
            statuses = [guest.shutdown() for guest in self.guests]
            self.tap.equal(statuses, [0] * SEVEN, "all seven shut down")
        except (GuestError, OSError, EOFError) as err:
            self.tap.ok(False, f"seven guests: {(str(err) or repr(err)).splitlines()[0]}",
                        err)
        finally:
            for guest in self.guests:
                guest.kill()
        self.tap.equal(complaints(known), [], "seven guests: nothing in the host's kernel log")
        return self.figures


def main(tap, which="one seven"):
    others = vfs_of(PFS[1])
    for vf in (*VFS, *others):
        sh("vfctl", "bind", vf, DRIVER)
    private_network()
    figures = {}
    if "one" in which and (moves := list(filter(tap.wants, MOVES))):
        figures["one"] = More(tap, VFS[:2]).travel([((move,), {}) for move in moves])
    if "seven" in which and tap.wants("seven"):
        figures["seven"] = Seven(tap, (VFS, others)).go()
    leave("migrate_more", figures)


if __name__ == "__main__":
    program(main)
