#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_ways.py QEMU drivers|paused|two: guests migrate in ways of their own.

drivers: the guest's driver goes away and comes back while the VF's writes are tracked, in a
migration that is cancelled and in one that completes. paused: the guest is paused when the
migration begins, or changes meanwhile; migrations are cancelled in each phase, or refused,
and begin anew. two: a guest has two VFs. All of the guest's memory is compared after each
migration. Prints TAP.
"""

# /// suite
# [migrate_drivers]
# about = "the guest's driver goes away and comes back while it is tracked"
# run = "./migrate_ways.py 10 drivers"
# pf = "sample_nic"
# guests = true
# minutes = 3
# timeout = 1800
#
# [migrate_paused]
# about = "paused guests, and migrations cancelled in each phase"
# run = "./migrate_ways.py 10 paused"
# pf = "sample_nic"
# guests = true
# minutes = 7
# timeout = 1800
#
# [migrate_two]
# about = "two VFs in one guest, one of which is refused at first"
# run = "./migrate_ways.py 10 two"
# daily = ["6.12"]
# pf = "sample_nic"
# vfs = 4
# guests = true
# minutes = 2
# timeout = 1200
# ///

import time

from labhost.net import GUEST_ADDRESS, MAC, PF_ADDRESS, link_up, wait_for_link
from labhost.relay import POINTS
from labhost.sriov import NETDEV, VFS
from labhost.tap import program
from labhost.tracking import ALL, DOWNTIME, JUMBO, set_tracking
from labhost.trip import host_run, private_network
from labhost.ways import Ways


class Drivers(Ways):
    """Its driver goes away, and comes back."""

    WAYS = ("igbvf_is_loaded_anew", "vf_is_reset_with_queues_enabled", "function_is_reset",
            "driver_in_user_space_is_killed")
    APPEARS = "until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done"

    def set_up(self):
        """Also once more: igbvf resets the VF for a new MTU, and for another ring."""
        self.guest.run("ip addr flush dev eth0; ip link set eth0 down")
        super().set_up()

    def meanwhile(self, change):
        """The change happens in a migration that is cancelled, then in one that completes."""
        for cancelled in (True, False):
            with self.load(), self.started("pre-copy") as (migration, relay):
                change()
                self.answers("while it is tracked")
                if cancelled:
                    self.cancel(migration, relay)
                else:
                    relay.release()
                    self.arrive(migration)
            self.answers("on the source, after it was cancelled" if cancelled else
                         "on the destination")

    def igbvf_is_loaded_anew(self):
        def change():
            self.guest.run(f"rmmod igbvf && modprobe igbvf && {self.APPEARS}")
            self.set_up()
        self.meanwhile(change)

    def vf_is_reset_with_queues_enabled(self):
        """By VTCTRL.RST, of which igbvf does not know."""
        def change():
            self.guest.run("/poke /sys/class/net/eth0/device/resource0 0 0x04000000")
            self.set_up()
        self.meanwhile(change)

    def function_is_reset(self):
        """That ends the transfer: see qemu.rst."""
        with self.load(), self.started("pre-copy") as (migration, relay):
            self.guest.run("echo 1 > /sys/class/net/eth0/device/reset")
            self.set_up()
            relay.release()
            self.ends(migration, "failed")
        self.answers("the source goes on")
        self.plain("migrated after that")

    def driver_in_user_space_is_killed(self):
        """Its queues stay enabled until the next one starts."""
        device = self.guest.run("readlink -f /sys/class/net/eth0/device")
        address = device.split("/")[-1]
        drive = f"/vfdrive {device} {MAC} {GUEST_ADDRESS}"
        # It has no buffers for larger packets.
        host_run(f"ip link set {NETDEV} mtu 1500 && {wait_for_link(NETDEV)}")
        self.guest.run(f"echo {address} > {device}/driver/unbind; "
                       f"echo 2 > /proc/sys/vm/nr_hugepages; {drive}")
        self.addresses = ((GUEST_ADDRESS, None),)
        self.answers("driven from user space")
        self.meanwhile(lambda: self.guest.run(f"killall -KILL vfdrive && {drive}"))
        del self.addresses
        self.guest.run("killall -KILL vfdrive; "
                       f"echo {address} > /sys/bus/pci/drivers/igbvf/bind; {self.APPEARS}")
        self.set_up()
        self.plain("driven by igbvf again")


class Paused(Ways):
    """It is paused before it is migrated, or changes in the meantime."""

    WAYS = ("stop_migrate_cont", "goes_on_meanwhile", "stops_in_pre_copy",
            "stops_and_goes_on_in_pre_copy", "refused_while_paused", "cancelled_while_paused",
            "cancelled_while_running")

    def stop(self):
        self.guest.qmp.call("stop")
        self.guest.wait_for_status("paused")

    def cont(self):
        self.guest.qmp.call("cont")
        self.guest.wait_for_status("running")

    def limits(self):
        """A VF is not tracked before it is in pre-copy for the first time: all of its guest's
        memory counts as written then, and QEMU is never done within a short limit."""
        yield {"downtime_limit": ALL}
        with self.load(), self.started("pre-copy") as (migration, relay):
            self.cancel(migration, relay)
        yield {}

    def stop_migrate_cont(self):
        for limit in self.limits():
            with self.load():
                time.sleep(1)
                self.stop()
                with self.started(**limit) as (migration, _):
                    self.arrive(migration)
            self.answers("on the destination")

    def goes_on_meanwhile(self):
        """The VF never is in pre-copy. QEMU 10 waits for the destination's switchover-ack,
        which only comes in pre-copy, until the guest is paused again."""
        for limit in self.limits():
            with self.load():
                self.stop()
                with self.started("memory", **limit) as (migration, relay):
                    self.cont()
                    self.answers("it goes on")
                    relay.release()
                    time.sleep(5)
                    state = migration.query()["status"]
                    self.check(state == "active", f"QEMU waits: {state}", allowed="active")
                    self.stop()
                    self.arrive(migration)
            self.answers("on the destination")

    def stops_in_pre_copy(self):
        with self.load(), self.started("pre-copy") as (migration, relay):
            self.stop()
            relay.release()
            self.arrive(migration)
        self.answers("on the destination")

    def stops_and_goes_on_in_pre_copy(self):
        """QEMU 10 does not expect the transfer to have ended, and gives up."""
        with self.load(), self.started("pre-copy") as (migration, relay):
            self.stop()
            self.cont()
            self.answers("it goes on")
            relay.release()
            self.ends(migration, "failed")
        self.answers("the source goes on")
        self.plain("migrated after that")

    def refused_while_paused(self):
        for goes_on in (True, False):
            with self.load():
                time.sleep(1)
                self.stop()
                self.refused(*self.there(), status="paused", downtime_limit=ALL)
                if goes_on:
                    self.cont()
                    self.answers("the source goes on")
                with self.started() as (migration, _):
                    self.arrive(migration)
            self.answers(f"migrated {'after that' if goes_on else 'while it was still paused'}")

    def cancelled_while_paused(self):
        for point in POINTS:
            if point == "device":
                continue    # All of the state comes at once.
            # Within a long limit QEMU takes no command while it sends memory: it is the last pass.
            limit = DOWNTIME if point == "memory" else ALL
            with self.load():
                time.sleep(1)
                self.stop()
                with self.started(point, downtime_limit=limit) as (migration, relay):
                    self.cancel(migration, relay, "paused")
                self.cont()
            self.answers(f"cancelled at {point}, and running")
            self.plain(f"begun anew after {point}")

    def cancelled_while_running(self):
        for point in POINTS:
            with self.load(), self.started(point) as (migration, relay):
                self.cancel(migration, relay)
            self.answers(f"cancelled at {point}")
            self.plain(f"begun anew after {point}")


class Two(Ways):
    """It has two VFs, each in a network of its own."""

    WAYS = ("there_and_back", "one_is_refused")
    PLACES = (VFS[:2], VFS[2:4])
    addresses = ((GUEST_ADDRESS, PF_ADDRESS), ("198.51.100.2", "198.51.100.1"))
    SECOND_MAC = "52:54:00:76:00:11"

    def set_up(self):
        guest, here = self.addresses[1]
        # Otherwise either VF would answer for the other one.
        self.guest.run("echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")
        super().set_up()
        host_run(f"ip addr replace {here}/24 dev {NETDEV}")
        self.guest.run(f"ip link set eth1 address {self.SECOND_MAC}; "
                       f"ip link set eth1 mtu {JUMBO}; {link_up(guest, 'eth1')}")

    def there_and_back(self):
        self.answers("before")
        for what in ("there", "back"):
            self.plain(what)

    def one_is_refused(self):
        for vf in self.there():
            self.refused(vf)
            self.answers("the source goes on with both")
        self.plain("then it migrates")


KINDS = {"drivers": Drivers, "paused": Paused, "two": Two}


def main(tap, qemu, *kinds):
    private_network()
    set_tracking(True)
    for kind in kinds or KINDS:
        KINDS[kind].run(tap, qemu)


if __name__ == "__main__":
    program(main)
