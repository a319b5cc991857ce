#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_tenants.py: what one tenant of the card can take from, or see of, another.

Without a VMM: migrate --obey drives VFs as tenants do. What the mailbox refuses a VF, a
stream that is loaded into it must not get it. The address of a VF that is stopped goes to
nobody but its own guest and whom the administrator gives it to. Who opens a VF finds
nothing of its former user. A VF that could not be stopped goes on. Prints TAP.
"""

# /// suite
# [sample_nic_tenants]
# about = "tenants of sample_nic's VFs cannot take from, or see, each other"
# run = "./sample_nic_tenants.py"
# daily = ["6.12", "debug"]
# pf = "sample_nic"
# vfs = 4
# minutes = 1
# ///

import mmap
import os
import pathlib
import signal
import struct

from labhost.net import PF_IN_WORLD, WORLD, set_address
from labhost.nic import enabled, pool_state, registers
from labhost.nicstate import (
    FILE, FILTERS, FLAGS, GUEST, HASHES, HEADER, MAC, MAX_FRAME, NUM_VLANS, OTHER,
    OTHERS_MAC, PFSTS, PORT_VLAN, SECOND_MAC, V2PMAILBOX, VF, VFU, VLANS, VMBMEM, Device,
    join, split)
from labhost.ports import GROUP, Port, octets, up
from labhost.shell import fails, sh, until
from labhost.sriov import DRIVER, PCI, PF, VFS, set_vf, vf_info
from labhost.tap import program

NOBODY = "00:00:00:00:00:00"
HANDSHAKE, SET_MAC, ADD_MAC, HASH, VLAN, FRAME, PROMISC = \
    1, 2, 2 | 2 << 16, 3, 4 | 1 << 16, 5, 6
CONTROL = 0x100
ACTIVE, TAGS, ALL_MULTICAST, ALL_UNICAST = 1, 2, 4, 8
STOP, RUNNING, QUIESCED = 1, 2, 5       # VFIO_DEVICE_STATE_
SECOND_TDH = 0x3910     # of a queue that is not used
BAR_SIZE, BATCH = 0x4000, 256
RESETS = 0xc0           # RSTI and RSTD of V2PMAILBOX: news of the PF


def words(mac):
    return struct.unpack("<IH", octets(mac))


def changed(data, change):
    """A stream, its record of filters changed, its checksums right."""
    records = split(data)
    change(next(record for record in records if record[0] == FILTERS)[2])
    return join(data[:HEADER], records)


def of_nobody(data):
    """The same, of no guest in particular."""
    return join(data[:HEADER], [rec for rec in split(data) if rec[0] != GUEST])


def plain(payload):
    """No more than an address, in the filters of a VF."""
    payload[6:18] = bytes(12)
    struct.pack_into("<HIHH", payload, PORT_VLAN, 0, ACTIVE, 1522, 0)
    payload[VLANS:] = bytes(len(payload) - VLANS)


def put(form, at, *values):
    return lambda payload: struct.pack_into(form, payload, at, *values)


def macs(*what):
    def change(payload):
        for slot, mac in enumerate(what):
            payload[6 * slot:6 * slot + 6] = octets(mac)
    return change


def vlans(flags, *vids):
    def change(payload):
        struct.pack_into("<I", payload, FLAGS, flags)
        struct.pack_into(f"<{1 + len(vids)}H", payload, NUM_VLANS, len(vids), *vids)
    return change


def hashes(count):
    bits = (1 << count) - 1
    return lambda payload: payload.__setitem__(slice(HASHES, HASHES + 512),
                                               bits.to_bytes(512, "little"))


# What is refused: settings of the administrator, by which message, and what the record of
# filters says instead. None of those before is refused.
REFUSED = {
    "a multicast address": ([], [(SET_MAC, *words(GROUP))], macs(GROUP)),
    "the PF's address": ([], [(SET_MAC, "pf")], "pf"),
    "another VF's address": ([], [(SET_MAC, *words(OTHERS_MAC))], macs(OTHERS_MAC)),
    "another VF's address as a second one":
        ([], [(ADD_MAC, *words(OTHERS_MAC))], macs(MAC, OTHERS_MAC)),
    "an address beside the administrator's":
        ([("mac", MAC)], [(ADD_MAC, *words(SECOND_MAC))], macs(MAC, SECOND_MAC)),
    "an address instead of the administrator's":
        ([("mac", MAC)], [(SET_MAC, *words(OTHER))], macs(OTHER)),
    "no address instead of the administrator's":
        ([("mac", MAC), ("trust", "on")], [(SET_MAC, 0, 0)], macs(NOBODY)),
    "a VLAN inside the administrator's":
        ([("vlan", "100")], [(VLAN, 5)], vlans(ACTIVE | TAGS, 5)),
    "tags inside the administrator's VLAN":
        ([("vlan", "100")], [(VLAN, 0)], vlans(ACTIVE | TAGS)),
    "a fifth VLAN":
        ([], [(VLAN, vid) for vid in range(1, 6)], vlans(ACTIVE | TAGS, *range(1, 6))),
    "VLAN 4096": ([], [(VLAN, 4096)], vlans(ACTIVE | TAGS, 4096)),
    "frames of 59 bytes": ([], [(FRAME, 59)], put("<H", MAX_FRAME, 59)),
    "frames of 9729 bytes": ([], [(FRAME, 9729)], put("<H", MAX_FRAME, 9729)),
    "all multicast without trust":
        ([], [(PROMISC | 2 << 16,)], put("<I", FLAGS, ACTIVE | ALL_MULTICAST)),
    "all unicast without trust":
        ([], [(PROMISC | 4 << 16,)], put("<I", FLAGS, ACTIVE | ALL_UNICAST)),
    "31 hashes": ([], [(HASH | 31 << 16, *range(1, 16))], hashes(31)),
    "31 hashes with trust":
        ([("trust", "on")], [(HASH | 31 << 16, *range(1, 16))], hashes(31)),
    "a VLAN before the handshake": ([], None, vlans(TAGS, 5)),
    "all multicast before the handshake":
        ([("trust", "on")], None, put("<I", FLAGS, ALL_MULTICAST)),
}
UNDO = {"mac": NOBODY, "vlan": "0", "trust": "off"}


def by_mailbox(device, messages, pf_mac):
    """Whether the last of some messages is granted."""
    if messages is None:
        messages = [(VLAN, 5)]
    else:
        for message in ((HANDSHAKE,), (SET_MAC, *words(MAC))):
            device.say(*message)
            device.answered(message[0])
    for message in messages:
        if message[1:] == ("pf",):
            message = (message[0], *words(pf_mac))
        device.say(*message)
        granted = device.answered(message[0])
    return bool(granted)


def test_same_rules(tap, pf, data):
    """What the mailbox refuses, a stream is refused."""
    vf, number = VFS[1], 1
    data = changed(of_nobody(data), plain)
    with Device(vf) as device:
        tap.equal((device.load(data), device.set("RUNNING")), (0, 0),
                  "a stream with an address and nothing else is loaded")
    for what, (items, messages, change) in REFUSED.items():
        for item in items:
            set_vf(pf.netdev, number, *item)
        before = pool_state(pf.netdev, number)
        with Device(vf) as device:
            tap.ok(not by_mailbox(device, messages, pf.mac), f"{what}: refused by mailbox")
        stream = changed(data, lambda payload, items=items: payload.__setitem__(
            slice(PORT_VLAN, PORT_VLAN + 2),
            struct.pack("<H", int(dict(items).get("vlan", 0)))))
        stream = changed(stream, macs(pf.mac) if change == "pf" else change)
        with Device(vf) as device:
            answer = device.load(stream)
            now = pool_state(pf.netdev, number)
            tap.ok(isinstance(answer, str) and device.state() == "ERROR",
                   f"{what}: refused to a stream: {answer}")
            tap.equal({key: now[key] for key in ("vlans", "VMOLR", "VMVIR", "addresses")},
                      {key: before[key] for key in ("vlans", "VMOLR", "VMVIR", "addresses")},
                      f"{what}: nothing of it is in its pool")
        for item in items:
            set_vf(pf.netdev, number, item[0], UNDO[item[0]])


def ask_for(device, message):
    """A handshake, which is refused as long as there is no address, then a message."""
    device.say(HANDSHAKE)
    device.answered(HANDSHAKE)
    device.say(*message)
    return bool(device.answered(message[0]))


def test_taken(tap, pf):
    """The address of a VF that is stopped."""
    with Device(VFS[0]) as owner, Device(VFS[1]) as thief, Device(VFS[3]) as third:
        owner.fill()
        data = owner.save()
        owner.set("STOP")
        tap.ok(not ask_for(thief, (SET_MAC, *words(MAC))),
               "another VF does not get its address by mailbox")
        tap.ok(not ask_for(thief, (ADD_MAC, *words(SECOND_MAC))), "nor its second one")
        tap.equal(owner.set("RUNNING"), 0, "and it runs again")

        owner.set("STOP")
        thief.must("reset")
        tap.equal((thief.load(of_nobody(data)), thief.state()), ("EADDRINUSE", "ERROR"),
                  "nor by a stream that does not come from it")
        forged = split(data)
        for record in forged:
            if record[0] == GUEST:
                record[2][:] = bytes(len(record[2]))
        thief.must("reset")
        tap.equal((thief.load(join(data[:HEADER], forged)), thief.state()),
                  ("EINVAL", "ERROR"), "nor by one of a guest that there cannot be")
        tap.equal(owner.set("RUNNING"), 0, "and it runs again")

        owner.set("STOP")
        thief.must("reset")
        tap.equal((thief.load(data), thief.set("RUNNING"), owner.set("RUNNING")),
                  (0, 0, "EADDRINUSE"), "its own guest takes it along")
        tap.equal((thief.set("STOP"), owner.set("RUNNING"), thief.set("RUNNING")),
                  (0, 0, "EADDRINUSE"), "and brings it back")
        thief.must("reset")
        owner.set("STOP")

        set_vf(pf.netdev, 3, "mac", MAC)
        tap.equal(vf_info(pf.netdev, 3)["address"], MAC,
                  "the administrator gives it to a third one")
        tap.equal(owner.set("RUNNING"), "EADDRINUSE", "the first one waits")
        third.set("STOP")
        tap.equal(owner.set("RUNNING"), "EADDRINUSE",
                  "also while the third one is stopped")
        tap.equal(third.set("RUNNING"), 0, "which runs again")
        set_vf(pf.netdev, 3, "mac", NOBODY)
        tap.equal(owner.set("RUNNING"), 0, "given back, the first one runs")


def receives(netdev, pool):
    """The addresses for which frames go to a pool."""
    regs = pool_state(netdev, pool)["addresses"]
    return [(low, high & 0xffff) for low, high in zip(regs[::2], regs[1::2]) if high >> 31]


def test_idle(tap, pf):
    """An address that is set at a VF without a driver: its guest may run elsewhere."""
    set_vf(pf.netdev, 1, "mac", OTHER)
    tap.equal(receives(pf.netdev, 1), [], "without a driver a VF receives for no address")
    with Device(VFS[1]) as device:
        tap.equal(receives(pf.netdev, 1), [], "nor when it is open")
        tap.ok(ask_for(device, (FRAME, 1518)) and len(receives(pf.netdev, 1)) == 1,
               "its driver asks for its address, and gets frames for it")
    tap.equal(receives(pf.netdev, 1), [], "until it is closed")
    set_vf(pf.netdev, 1, "mac", NOBODY)


def test_reserved(tap, pf):
    """The administrator sets an address at the destination while the source has it."""
    with Device(VFS[0]) as owner, Device(VFS[1]) as other, Device(VFS[3]) as third:
        owner.fill()
        third.say(HANDSHAKE)
        third.answered(HANDSHAKE)
        third.say(SET_MAC, *words(OTHER))
        third.answered(SET_MAC)
        before = receives(pf.netdev, 0)
        tap.equal(len(before), 2, "a VF receives for its two addresses")
        tap.ok(fails("ip", "link", "set", pf.netdev, "vf", "3", "mac", MAC),
               "the address of a VF that runs is not given to another one that runs")
        tap.ok(fails("ip", "link", "set", pf.netdev, "vf", "1", "mac", pf.mac),
               "nor that of the PF to any")
        set_vf(pf.netdev, 1, "mac", MAC)
        set_vf(pf.netdev, 1, "trust", "on")     # to have two
        tap.equal((vf_info(pf.netdev, 1)["address"], receives(pf.netdev, 0),
                   receives(pf.netdev, 1)), (MAC, before, []),
                  "one that does not run may have it, and it stays where it was")
        tap.ok(not ask_for(other, (FRAME, 1518)), "a driver there does not get it")
        data = owner.save("PRE_COPY")
        tap.equal((other.load(data + owner.save()), other.set("RUNNING"),
                   owner.set("RUNNING")), (0, 0, "EADDRINUSE"), "the guest takes it along")
        tap.equal((receives(pf.netdev, 0),
                   receives(pf.netdev, 1)), ([], before), "with its others")
    # Without the guest: the first VF has given it up.
    with Device(VFS[1]) as other:
        tap.ok(ask_for(other, (FRAME, 1518)), "then whoever opens that VF gets it")
    set_vf(pf.netdev, 1, "mac", NOBODY)
    set_vf(pf.netdev, 1, "trust", "off")
    with Device(VFS[0]) as owner, Device(VFS[1]) as other:
        owner.fill()
        set_vf(pf.netdev, 1, "mac", MAC)
        set_vf(pf.netdev, 1, "mac", NOBODY)
        other.say(HANDSHAKE)
        other.answered(HANDSHAKE)
        other.say(SET_MAC, *words(OTHER))
        tap.ok(other.answered(SET_MAC), "what is taken back leaves nothing")


def test_left_behind(tap, pf):
    """The administrator's address stays at the VF that a guest has left."""
    with Device(VFS[0]) as old, Device(VFS[1]) as new:
        old.fill()
        set_vf(pf.netdev, 0, "mac", MAC)
        data = old.save()
        tap.equal((new.load(data), old.close(), new.set("RUNNING")), (0, 0, 0),
                  "the guest runs with it although the first VF was closed before")
        new.must("reset")
        tap.ok(ask_for(new, (SET_MAC, *words(MAC))), "and gets it again after a reset")
        with Device(VFS[0]) as tenant:
            tap.ok(not ask_for(tenant, (SET_MAC, *words(MAC))),
                   "the next tenant of the first VF does not")
            new.set("STOP")
            tap.ok(not ask_for(tenant, (SET_MAC, *words(MAC))),
                   "also while the guest's VF is stopped")
            tap.equal(new.set("RUNNING"), 0, "which runs again")
        new.close()
        with Device(VFS[3]) as third:
            tap.ok(not ask_for(third, (SET_MAC, *words(MAC))),
                   "nor does the tenant of another VF, once the guest has gone")
    with Device(VFS[0]) as tenant:
        tap.ok(ask_for(tenant, (FRAME, 1518)), "then the next tenant of the first VF has it")
    set_vf(pf.netdev, 0, "mac", NOBODY)


def test_both(tap, pf):
    """The administrator's address is at both VFs of a guest that moves."""
    with Device(VFS[0]) as old, Device(VFS[1]) as new:
        old.fill()
        for number in (0, 1):
            set_vf(pf.netdev, number, "mac", MAC)
        set_vf(pf.netdev, 1, "trust", "on")     # to have two
        data = old.save()
        tap.equal((new.load(data), old.close(), new.set("RUNNING")), (0, 0, 0),
                  "the guest goes to the other VF that has it")
    with Device(VFS[1]) as new:
        tap.ok(ask_for(new, (FRAME, 1518)), "started anew there, it has it")
        tap.ok(ask_for(new, (SET_MAC, *words(MAC))), "and may ask for it")
        new.must("reset")
        tap.equal((new.load(of_nobody(data)), new.set("RUNNING")), (0, 0),
                  "a guest from elsewhere may bring it, too")
        new.must("reset")
        tap.ok(ask_for(new, (FRAME, 1518)), "and starts anew")
        with Device(VFS[0]) as old:
            tap.ok(not ask_for(old, (FRAME, 1518)), "the VF that it has left does not")
            new.set("STOP")
            tap.ok(not ask_for(old, (FRAME, 1518)), "also while it is stopped")
            tap.equal(new.set("RUNNING"), 0, "and runs again")
    with Device(VFS[0]) as old:
        tap.ok(ask_for(old, (FRAME, 1518)), "started anew at the first VF, it has it, too")
    for number in (0, 1):
        set_vf(pf.netdev, number, "mac", NOBODY)
    set_vf(pf.netdev, 1, "trust", "off")


def test_waiting(tap, pf):
    """A VF that has been given the address of one that runs takes nothing from that."""
    with Device(VFS[0]) as owner, Device(VFS[1]) as other:
        owner.fill()
        for number in (0, 1):
            set_vf(pf.netdev, number, "mac", MAC)
        before = receives(pf.netdev, 0)
        other.set("STOP")
        set_vf(pf.netdev, 0, "state", "disable")
        set_vf(pf.netdev, 0, "state", "auto")
        tap.equal((receives(pf.netdev, 0), enabled(pf.netdev, 0)), (before, [1, 1]),
                  "stopped, it takes nothing while the first one's link changes")
        tap.equal((owner.set("STOP"), owner.set("RUNNING"), receives(pf.netdev, 0)),
                  (0, 0, before), "nor when that is stopped and started")
        set_vf(pf.netdev, 1, "trust", "on")
        for what, change in (("its guest", lambda data: data),
                             ("another", lambda data: changed(of_nobody(data), macs(OTHER)))):
            data = change(owner.save())
            other.must("reset")
            tap.ok(isinstance(other.load(data[:-1]), str), f"a load of {what} there fails")
            tap.equal((owner.set("RUNNING"), receives(pf.netdev, 0)), (0, before),
                      "the guest goes on where it was")
        set_vf(pf.netdev, 1, "trust", "off")
        other.close()
        owner.must("reset")
        with Device(VFS[1]) as tenant:
            tap.ok(not ask_for(tenant, (FRAME, 1518)), "also while it starts anew there")
    for number in (0, 1):
        set_vf(pf.netdev, number, "mac", NOBODY)


def test_trusted(tap, pf):
    """The administrator's address comes back, whatever a trusted guest has had."""
    with Device(VFS[0]) as owner, Device(VFS[1]) as other:
        owner.fill()
        data = changed(owner.save(), macs(MAC))
        set_vf(pf.netdev, 1, "mac", OTHER)
        set_vf(pf.netdev, 1, "trust", "on")
        tap.ok(isinstance(other.load(data[:-1]), str) and
               vf_info(pf.netdev, 1)["address"] == OTHER,
               "a load fails: it has the administrator's address")
        other.must("reset")
        tap.equal((other.load(data), other.set("RUNNING")), (0, 0), "trusted, it brings its own")
        tap.equal(vf_info(pf.netdev, 1)["address"], MAC, "which ip link shows")
        other.must("reset")
        tap.equal(vf_info(pf.netdev, 1)["address"], OTHER, "until it is reset")
        set_vf(pf.netdev, 1, "trust", "off")
        tap.ok(isinstance(other.load(data), str), "not trusted, it is refused")
    set_vf(pf.netdev, 1, "mac", NOBODY)


def view(vf):
    """All of BAR 0 as the one who opens a VF reads it."""
    found = {}
    with Device(vf) as device:
        for start in range(0, BAR_SIZE, 4 * BATCH):
            regs = range(start, start + 4 * BATCH, 4)
            device.proc.stdin.write("".join(f"read {reg:#x}\n" for reg in regs).encode())
            found |= {reg: int(device.line().partition(": ")[2]) for reg in regs}
    found[V2PMAILBOX] &= ~RESETS
    # The PF's news of the link are nobody's.
    if found[VMBMEM] & 0xffff == CONTROL:
        found[VMBMEM] = 0
        found[V2PMAILBOX] &= ~PFSTS
    return found


def pci_view(vf):
    """Config space, and the table of MSI-X; not open."""
    config = (PCI / vf / "config").read_bytes()
    table = os.open(PCI / vf / "resource3", os.O_RDWR | os.O_SYNC)
    with mmap.mmap(table, 4096) as memory:
        vectors = memory[:0x30].hex()
    os.close(table)
    return config.hex(), vectors


def test_next(tap, pf, data):
    """Who opens a VF after another."""
    vf, number = VFS[1], 1

    def left():
        """What differs from a VF that nobody has used."""
        now, pool, pci = view(vf), pool_state(pf.netdev, number), pci_view(vf)
        found = {hex(reg): (hex(value), hex(now[reg])) for reg, value in fresh.items()
                 if value != now[reg]}
        found |= {key: (value, pool[key]) for key, value in fresh_pool.items()
                  if value != pool[key]}
        return found | ({} if pci == fresh_pci else {"pci": (fresh_pci, pci)})

    def by_driver():
        """The host's own igbvf, with traffic; unbinding it resets nothing."""
        sh("vfctl", "bind", vf, "igbvf")
        port = Port(vf)
        sh("ip", "link", "add", "link", port.netdev, "name", "tenant", "type", "vlan",
           "id", "77")
        sh("ip", "maddr", "add", GROUP, "dev", port.netdev)
        good = up(port) and pf.meets(port) and port.meets(pf)
        port.close()
        sh("vfctl", "bind", vf, DRIVER)
        return good

    fresh, fresh_pool, fresh_pci = view(vf), pool_state(pf.netdev, number), pci_view(vf)
    tap.equal(left(), {}, "a VF that nobody has used is always the same")

    with Device(vf) as device:
        device.fill()
    tap.equal(left(), {}, "after one that was running: nothing of it")
    with Device(vf) as device:
        device.fill()
        device.set("STOP")
    tap.equal(left(), {}, "after one that was stopped: nothing of it")
    for how in ("closed", "killed"):
        device = Device(vf)
        loaded = device.load(data)
        if how == "killed":
            device.proc.send_signal(signal.SIGKILL)
            device.proc.wait()
        device.close()
        tap.equal((loaded, left()), (0, {}),
                  f"{how} after a state was loaded, before it ran: nothing of it")
    with Device(vf) as device:
        device.fill()
        device.must(f"write {V2PMAILBOX:#x} {VFU}")
        device.must(f"write {VMBMEM + 8:#x} 0x12345678")
    tap.equal(left(), {}, "after one that kept its mailbox: nothing of it")
    tap.equal((by_driver(), left()), (True, {}), "after igbvf: nothing of it")


def test_not_quiesced(tap, pf):
    """The head of a ring never stands still, because the VF's driver writes to it."""
    with Device(VFS[0]) as device:
        device.fill()
        # It may be that nothing was written while the PF looked.
        for _ in range(10):
            device.must(f"move {SECOND_TDH:#x}")
            answer = device.ask(f"set {QUIESCED}")
            device.must("move 0")
            if answer != 0:
                break
            device.must(f"set {RUNNING}")
        else:
            tap.skip("it cannot be stopped", "the PF saw the head stand still")
            return
        tap.equal((answer, device.must("state"), enabled(pf.netdev, 0)),
                  ("ETIMEDOUT", RUNNING, [1, 1]), "it cannot be stopped: it runs as before")
        device.must("reset")
        device.fill()
        tap.equal((device.must("state"), enabled(pf.netdev, 0)), (RUNNING, [1, 1]),
                  "it could not be stopped: after a reset it runs")
        # The PF need not look again once there is no DMA under way.
        device.must(f"set {QUIESCED}")
        device.must(f"move {SECOND_TDH:#x}")
        tap.equal([device.ask(f"set {state}") for state in (STOP, QUIESCED)], [0, 0],
                  "quiesced, it can be stopped, and quiesced again")
        device.must("move 0")


def test_masked(tap, pf):
    """Interrupts of a VF that is stopped."""
    def unmasked():
        return registers(pf.netdev)["EIMS"][0] >> 22 & 7

    with Device(VFS[0]) as device:
        device.fill()
        running = unmasked()
        device.set("STOP")
        stopped, saved = unmasked(), device.save()
        tap.equal((running, stopped), (7, 0), "stopped, its vectors are masked")
        payload = next(record[2] for record in split(saved) if record[0] == VF)
        tap.equal(struct.unpack_from("<I", payload, 32)[0], 7, "saved as they were")
        device.set("RUNNING")
        tap.equal(unmasked(), 7, "and unmasked when it runs again")
        device.set("STOP")
        device.must("reset")
        tap.equal(unmasked(), 0, "but not when it was reset meanwhile")
        tap.equal((device.load(saved), unmasked()), (0, 0), "loaded: masked")
        tap.equal((device.set("RUNNING"), unmasked()), (0, 7), "until it runs")


def main(tap):
    pf = Port(PF)
    set_address(pf.netdev, PF_IN_WORLD)
    set_vf(pf.netdev, 2, "mac", OTHERS_MAC)
    sh("modprobe", "igbvf")
    tap.ok(up(pf), "the PF has a link")
    for vf in VFS:
        sh("vfctl", "bind", vf, DRIVER)
    with Device(VFS[0]) as device:
        device.fill()
        data = device.save()
    tap.ok(data, f"a VF is saved, {len(data)} bytes")
    tap.run(test_next, test_same_rules, test_taken, test_idle, test_reserved, test_left_behind,
            test_both, test_waiting, test_trusted, test_not_quiesced, test_masked, pf=pf, data=data)
    tap.ok(until(lambda: not fails("ping", "-c", "1", "-W", "1", WORLD)),
           "the PF still answers")
    pf.close()
    pathlib.Path(FILE).unlink(missing_ok=True)


if __name__ == "__main__":
    program(main)
