#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_announce.py: a guest that has arrived is announced.

The witness is the second card: another port of the segment. It looks at all RARP frames,
and at all frames with a guest's address. VFs are driven without a VMM, so that nothing but
the PF can send. At the end a real guest that is silent migrates.
"""

# /// suite
# [sample_nic_announce]
# about = "RARP for each address of a guest that has arrived, in its VLANs"
# run = "./sample_nic_announce.py"
# daily = ["6.12"]
# pf = "sample_nic"
# pfs = 2
# guests = true
# minutes = 0.7
# ///

import contextlib
import pathlib
import socket
import struct
import threading
import time

from labhost.guest import Guest
from labhost.klog import Log
from labhost.migration import Migration
from labhost.net import MAC as GUESTS_MAC, wait_for_link
from labhost.nicstate import FILE, MAC, MESSAGES, SECOND_MAC, UNREAD, Device
from labhost.outer import cable_out, world_away
from labhost.ports import OUTGOING, Port, octets, up
from labhost.shell import sh, until
from labhost.sriov import NETDEV, PFS, VFS, set_vf
from labhost.tap import program

ANNOUNCE = pathlib.Path("/sys/module/vfio_mediate/parameters/announce")
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("=IIIHHHH")     # struct tpacket_auxdata
VLAN_VALID = 1 << 4
RARP = 0x8035
ROUNDS = 5
SOON = 1.0          # s from the resume to the first frame of each kind, at most
ALL = 1.5           # s until no more of them are due
SETTLED = 0.1       # s for what is on its way
# VLANs that the witness is in, other than those of MESSAGES and UNREAD
OWN, OTHER = 9, 10
PRIORITY = 3
JOINED = (5, 6, UNREAD[1])


class Witness(threading.Thread):
    """The frames that a netdev receives: when, in which VLAN, and their bytes."""

    def __init__(self, device, *vlans):
        super().__init__(daemon=True)
        port = Port(device)
        up(port)
        self.netdev, self.sock = port.netdev, port.sock
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.settimeout(0.1)
        self.frames = []
        self.ended = threading.Event()
        # The card drops frames of VLANs that nobody on it is in.
        self.vlans = [f"seen{vlan}" for vlan in vlans]
        for vlan, name in zip(vlans, self.vlans):
            sh("ip", "link", "add", "link", self.netdev, "name", name, "type", "vlan", "id",
               str(vlan))
            sh("ip", "link", "set", name, "up")
        self.start()

    def run(self):
        while not self.ended.is_set():
            try:
                frame, extra, _, address = self.sock.recvmsg(2048, 256)
            except TimeoutError:
                continue
            tag = 0
            for _, kind, data in extra:
                if kind == PACKET_AUXDATA:
                    status, _, _, _, _, tci, _ = AUXDATA.unpack(data[:AUXDATA.size])
                    tag = tci if status & VLAN_VALID else 0
            if address[2] != OUTGOING:
                self.frames.append((time.time(), tag, frame))

    def close(self):
        self.ended.set()
        self.join()
        self.sock.close()
        for name in self.vlans:
            sh("ip", "link", "del", name)

    def since(self, start):
        """RARP frames, and how often each: {(address, tag): [seconds]}."""
        found = {}
        for when, tag, frame in list(self.frames):
            if when >= start and frame[12:14] == RARP.to_bytes(2, "big"):
                found.setdefault((frame[6:12].hex(":"), tag), []).append(when - start)
        return found


def carrier():
    return pathlib.Path(f"/sys/class/net/{NETDEV}/carrier").read_text(encoding="ascii").strip()


def rarp(mac):
    """As QEMU announces a guest with virtio-net: "who am I?", asked by the guest."""
    mac = octets(mac)
    return b"\xff" * 6 + mac + struct.pack("!HHHBBH", RARP, 1, 0x0800, 6, 4, 3) + \
        (mac + bytes(4)) * 2


def fill(device, *more, messages=MESSAGES[:3]):
    """By the VF's driver: addresses, and whatever else."""
    for message in (*messages, *more):
        device.say(*message)
        # To the first one the answer is no, before there is an address.
        if not device.answered(message[0]) and message != MESSAGES[0]:
            raise OSError(f"{device.vf}: message {message} refused")


@contextlib.contextmanager
def loaded(*more):
    """A VF with the state of another, not running yet; that one stays stopped."""
    with Device(VFS[0]) as source, Device(VFS[1]) as device:
        fill(source, *more)
        data = source.save()
        if answer := device.load(data):
            raise OSError(f"{device.vf}: cannot be loaded: {answer}")
        yield device, source


def run(device):
    """Has it run; returns when."""
    start = time.time()
    if answer := device.set("RUNNING"):
        raise OSError(f"{device.vf}: does not run: {answer}")
    return start


def announced(tap, found, wanted, what):
    """Each of them soon, some times, and no other."""
    tap.equal(sorted(found), sorted(wanted), f"{what}: {len(wanted)} are announced, and no other")
    first = max((times[0] for times in found.values()), default=-1)
    tap.ok(0 <= first <= SOON, f"{what}: the last of them after {first * 1000:.0f} ms", found)
    counts = {len(times) for times in found.values()}
    tap.ok(counts and counts <= set(range(2, ROUNDS + 1)), f"{what}: {sorted(counts)} times",
           found)


def test_addresses(tap, witness):
    """Each address, untagged and in each VLAN that the guest has joined."""
    with loaded(*MESSAGES[4:6], UNREAD) as (device, _):
        start = run(device)
        time.sleep(ALL)
        found = witness.since(start)
    announced(tap, found, [(mac, vlan) for mac in (MAC, SECOND_MAC) for vlan in (0, *JOINED)],
              "addresses and VLANs")
    frames = {frame[:42] for when, _, frame in witness.frames
              if when >= start and frame[12:14] == RARP.to_bytes(2, "big")}
    tap.equal(frames, {rarp(MAC), rarp(SECOND_MAC)}, "as QEMU announces: the same bytes")


def test_port_vlan(tap, witness):
    """Tagged as the administrator has set it, and not otherwise."""
    for number in range(2):
        set_vf(NETDEV, number, "vlan", str(OWN), "qos", str(PRIORITY))
    try:
        with loaded() as (device, _):
            start = run(device)
            time.sleep(ALL)
            announced(tap, witness.since(start),
                      [(mac, PRIORITY << 13 | OWN) for mac in (MAC, SECOND_MAC)],
                      "a port VLAN")
    finally:
        for number in range(2):
            set_vf(NETDEV, number, "vlan", "0")


def test_off(tap, witness):
    """By the module's parameter."""
    ANNOUNCE.write_text("0", encoding="ascii")
    try:
        with loaded() as (device, _):
            start = run(device)
            time.sleep(SOON)
            tap.equal(witness.since(start), {}, "announce=0: none")
    finally:
        ANNOUNCE.write_text("1", encoding="ascii")


def test_not_arrived(tap, witness):
    """A source that goes on, and a destination that is reset or closed before it runs."""
    start = time.time()
    with Device(VFS[0]) as device:
        fill(device)
        device.save("PRE_COPY")
        run(device)
        device.save()
        run(device)
        time.sleep(SOON)
        tap.equal(witness.since(start), {}, "cancelled, running and stopped: none at the source")
    with loaded() as (device, source):
        device.must("reset")
        run(device)
        time.sleep(SOON / 2)
        tap.equal(witness.since(start), {}, "reset before it ran: none")
        run(source)
        time.sleep(SOON / 2)
        tap.equal(witness.since(start), {}, "and the source goes on: none")
    with loaded():
        pass
    time.sleep(SOON / 2)
    tap.equal(witness.since(start), {}, "closed before it ran: none")


def test_stopped(tap, witness):
    """Once a VF is stopped, perhaps to be migrated further, nothing contradicts those who
    announce it elsewhere. When it goes on, this is no arrival."""
    with loaded() as (device, _):
        start = run(device)
        time.sleep(0.2)
        device.must(f"set {device.states['STOP']}")
        time.sleep(SETTLED)
        stopped = time.time()
        time.sleep(ALL)
        tap.ok(witness.since(start) and not witness.since(stopped),
               "stopped while it is announced: none after that", witness.since(start))
        start = run(device)
        time.sleep(SOON / 2)
        tap.equal(witness.since(start), {}, "goes on: none")


def test_silenced(tap, witness):
    """A VF that must not send is not announced, nor one whose PF cannot."""
    set_vf(NETDEV, 1, "state", "disable")
    try:
        with loaded() as (device, _):
            start = run(device)
            time.sleep(SOON / 2)
            tap.equal(witness.since(start), {}, "its link is off: none")
    finally:
        set_vf(NETDEV, 1, "state", "auto")
    log = Log()
    sh("ip", "link", "set", NETDEV, "down")
    try:
        with loaded() as (device, _):
            start = run(device)
            time.sleep(SOON / 2)
            tap.equal(witness.since(start), {}, "the PF is down: none")
    finally:
        sh("ip", "link", "set", NETDEV, "up")
        sh("sh", "-c", wait_for_link(NETDEV))
    said = log.new(f"{VFS[1]}: cannot announce its guest, {NETDEV} is down")
    tap.equal(len(said), 1, "which one line in the log says")


def test_no_carrier(tap, witness):
    """A VF that runs before the PF has its link is announced once the link is there."""
    with loaded() as (device, _):
        with cable_out(1):
            until(lambda: carrier() == "0")
            start = run(device)
            time.sleep(ALL)
            tap.equal(witness.since(start), {}, "the PF has no carrier: none")
        start = time.time()
        until(lambda: carrier() == "1")
        linked = time.time() - start
        time.sleep(ALL)
        found = witness.since(start)
    tap.equal(sorted(found), [(mac, 0) for mac in (MAC, SECOND_MAC)],
              "the link comes up: its addresses are announced")
    first = max((times[0] for times in found.values()), default=-1)
    tap.ok(0 <= first <= linked + SOON,
           f"{first * 1000:.0f} ms after the cable is back, the link is there after "
           f"{linked * 1000:.0f} ms", found)


def test_guest(tap, witness):
    """A guest that sends nothing, not even when it runs again."""
    with Guest(VFS[0], migratable=True) as guest:
        guest.boot()
        guest.run("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1 "
                  "net.ipv6.conf.all.disable_ipv6=1 2> /dev/null; "
                  f"ip link set eth0 address {GUESTS_MAC} up && {wait_for_link('eth0')}")
        migration = Migration(guest, VFS[1])
        with migration.destination as there:
            migration.start()
            migration.finish()
            time.sleep(ALL)
            resumed = there.qmp.when["RESUME"]
            own = [frame.hex() for when, _, frame in witness.frames
                   if when >= resumed and frame[6:12] == octets(GUESTS_MAC)
                   and frame[:42] != rarp(GUESTS_MAC)]
            # The event comes before the VF runs.
            announced(tap, witness.since(resumed), [(GUESTS_MAC, 0)],
                      "a guest under QEMU, after the event RESUME")
            tap.equal(own, [], "of which the guest has sent none: it is silent")
            there.shutdown()


def main(tap):
    world_away()
    port = Port(PFS[0])
    up(port)
    port.close()
    witness = Witness(PFS[1], *JOINED, OWN, OTHER)
    try:
        tap.run(test_addresses, test_port_vlan, test_off, test_not_arrived, test_stopped,
                test_silenced, test_no_carrier, test_guest, witness=witness)
    finally:
        witness.close()
        FILE.unlink(missing_ok=True)


if __name__ == "__main__":
    program(main)
