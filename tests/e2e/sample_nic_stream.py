#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_stream.py PROTOCOLS STEP CASES [SEED]: the stream of a VF of sample_nic.

Without a VMM: migrate --obey is told what to do with VFs. What is saved of one whose
registers and filters are set is loaded into another, by both protocols; then it is cut
at each STEP-th byte and around each record, by each of PROTOCOLS ("v2" or "v2,v1"), and
spoilt at random in CASES ways, most of them with checksums that are right. Nobody else
may notice: the PF talks to the world meanwhile, and a third VF is driven by igbvf.
Prints TAP; what was saved is in /out/sample_nic.stream.
"""

# /// suite
# [sample_nic_stream]
# about = "the stream of a VF of sample_nic: the same, cut, spoilt"
# run = "./sample_nic_stream.py v2 7 200"
# daily = ["6.12"]
# pf = "sample_nic"
# vfs = 3
# minutes = 2
#
# [sample_nic_stream_full]
# about = "the same, cut at each byte, spoilt in 2000 ways"
# run = "./sample_nic_stream.py v2,v1 1 2000"
# pf = "sample_nic"
# vfs = 3
# minutes = 16
# timeout = 3600
# ///

import pathlib
import random
import struct
import time

from labhost.klog import complaints
from labhost.mutate import RECORD
from labhost.net import PF_IN_WORLD, set_address
from labhost.nic import PF_POOL, pool_state
from labhost.nicstate import (
    COUNTERS, END, FILE, FILTERS, FLAGS, GOLDEN, GUEST, HASHES, HEADER, MAC, MAX_FRAME,
    NUM_VLANS, OTHER, OTHERS_MAC, PORT_VLAN, PRE_COPY, QUEUES, REGISTERS, STATES, UNREAD, VF, VLANS,
    Device, join, split)
from labhost.ports import Port, octets, up
from labhost.shell import sh
from labhost.sriov import DRIVER, PF, VFS, set_vf, settings
from labhost.tap import program
from labhost.tracking import set_tracking
from labhost.watch import Pings

SAVED = pathlib.Path("/out/sample_nic.stream")
NOBODY = "00:00:00:00:00:00"
# At the destination: what, as settings of VFs, their end, the errno, what the log says
CONFLICTS = (
    ("another address is set", (1, "mac", OTHER), (1, "mac", NOBODY), "EPERM",
     "settings: address"),
    ("a VLAN is set", (1, "vlan", "100"), (1, "vlan", "0"), "EPERM", "settings: VLAN"),
    ("another VF has the address", (0, "mac", MAC), (0, "mac", NOBODY), "EADDRINUSE",
     "settings: address of another VF"))
# What starts something, before the VF runs: rings are disabled, tails and interrupts not written
STARTING = {0x2828: 0x080808, 0x2818: 0, 0x3828: 0x010108, 0x3818: 0, 0x1524: 0}
TAILS = (0x2818, 0x3818)
PLACE, OTHERS_VLAN = 2, 9       # of the third VF

# What is to be read in the log, and what the IOMMU says of a VF with random addresses
EXPECTED = ("loaded state conflicts with its settings", "callbacks suppressed",
            "DMAR: ")


def without(data, *kinds):
    return [record for record in split(data) if record[0] not in kinds]


def kinds(data, at=HEADER):
    return [record[0] for record in split(data, at)]


def by_kind(data):
    """Records in the order of their types. They may be saved in any order."""
    return sorted(without(data, GUEST))


def vlans(data):
    payload = next(record[2] for record in split(data) if record[0] == FILTERS)
    count, = struct.unpack_from("<H", payload, NUM_VLANS)
    return sorted(struct.unpack_from(f"<{count}H", payload, VLANS))


def test_same(tap, vfs):
    """Saved from one VF, loaded into another, saved from that one; the stream."""
    streams = {}
    for protocol in STATES:
        with Device(vfs[0], protocol) as one, Device(vfs[1], protocol) as two:
            one.fill()
            there = one.view()
            data = streams[protocol] = one.save()
            records = split(data)
            tap.equal([record[0] for record in records],
                      [QUEUES, GUEST, FILTERS, VF, COUNTERS, END],
                      f"{protocol}: {len(data)} bytes saved, its records")
            tap.equal(join(data[:HEADER], records), data, f"{protocol}: its checksums")
            values = dict(zip(REGISTERS, there))
            tap.equal({reg: hex(value) for reg, value in values.items()
                       if value != REGISTERS[reg]}, {},
                      f"{protocol}: {len(values)} registers have what was written")
            tap.equal(two.load(data), 0, f"{protocol}: loaded into another VF")
            again = two.save()
            tap.equal(again[:HEADER].hex() + repr(split(again)),
                      data[:HEADER].hex() + repr(records),
                      f"{protocol}: what is saved of that is the same, each byte")
            # The guest goes on there; the first one may not, with its address.
            tap.equal((two.set("RUNNING"), two.state(), one.set("RUNNING")),
                      (0, "RUNNING", "EADDRINUSE"),
                      f"{protocol}: that one runs, and the first one does no more")
            tap.equal(two.view(), there, f"{protocol}: with the same registers")
    tap.equal(repr(without(streams["v1"], COUNTERS, GUEST)),
              repr(without(streams["v2"], COUNTERS, GUEST)), "both protocols save the same")
    SAVED.write_bytes(streams["v2"])


def test_golden(tap, vfs, data):
    with Device(vfs[1]) as device:
        tap.equal(device.load(data), 0,
                  f"golden: {len(data)} bytes of version "
                  f"{struct.unpack_from('<I', data, 12)[0]} are loaded")
        tap.equal(repr(by_kind(device.save())), repr(by_kind(data)),
                  "golden: and the same when saved again, but for the guest it is of")
        values = dict(zip(REGISTERS, device.view()))
        tap.equal({reg: value for reg, value in values.items() if value != REGISTERS[reg]},
                  STARTING, "golden: its registers are in the VF, but what starts something")
        tap.equal((device.set("RUNNING"), dict(zip(REGISTERS, device.view()))),
                  (0, REGISTERS), "golden: and all of them when it runs")
    with Device(vfs[1]) as device:
        tap.equal((device.load(data), device.must("reset"), device.state(),
                   [dict(zip(REGISTERS, device.view()))[reg] for reg in TAILS]),
                  (0, 0, "RUNNING", [0, 0]), "golden: but not if it is reset before")
    with Device(vfs[1]) as device:
        records = split(data)
        for _, _, payload in records[:-1]:
            payload += bytes(8)
        tap.equal(device.load(join(data[:HEADER], records)), 0,
                  "golden: it is loaded when its records have grown by fields that are 0")
        tap.equal(repr(by_kind(device.save())), repr(by_kind(data)),
                  "golden: which makes no difference")


def test_conflicts(tap, netdev, vfs, data):
    """The destination's administrator has other plans."""
    for what, item, undo, error, message in CONFLICTS:
        set_vf(netdev, *item)
        with Device(vfs[1]) as device:
            before, known = device.view(), complaints()
            tap.equal((device.load(data), device.state()), (error, "ERROR"),
                      f"{what}: {error}")
            new = complaints(known)
            tap.ok(len(new) == 1 and vfs[1] in new[0] and message in new[0],
                   f"{what}: one line says so", new)
            tap.equal(device.view(), before, f"{what}: no register is loaded")
            tap.equal((device.must("reset"), device.state()), (0, "RUNNING"),
                      f"{what}: a reset, and it runs")
        set_vf(netdev, *undo)
    with Device(vfs[1]) as device:
        tap.equal(device.load(data), 0, "without all that it is loaded")


def test_pre_copy(tap, netdev, vfs):
    """What the destination can check comes before the source is stopped."""
    for protocol in STATES:
        with Device(vfs[0], protocol) as one, Device(vfs[1], protocol) as two:
            one.fill()
            there = one.view()
            early = one.save("PRE_COPY")
            tap.equal((kinds(early), one.more()), ([GUEST, FILTERS], b""),
                      f"{protocol}: {len(early)} bytes in pre-copy, and no more")
            one.answered(UNREAD[0])
            one.say(UNREAD[0], 8)
            tap.ok(one.answered(UNREAD[0]), f"{protocol}: meanwhile it joins one VLAN more")
            changed = one.more()
            tap.equal(kinds(changed, 0), [FILTERS], f"{protocol}: that is sent again")
            rest = one.save()
            tap.equal(kinds(rest, 0), [QUEUES, VF, COUNTERS, END],
                      f"{protocol}: then only what is new, {len(rest)} bytes")
            tap.equal((two.load(early + changed + rest), two.set("RUNNING"), two.view()),
                      (0, 0, there), f"{protocol}: loaded, and runs with the same registers")
            tap.equal(vlans(two.save()), [5, 6, 7, 8], f"{protocol}: and all of its VLANs")


def test_early_conflicts(tap, netdev, vfs):
    """The destination refuses what the source sends while it runs."""
    with Device(vfs[0]) as device:
        device.fill()
        early = device.save("PRE_COPY")
    for what, item, undo, error, message in CONFLICTS:
        set_vf(netdev, *item)
        with Device(vfs[1]) as device:
            known = complaints()
            tap.equal((device.load(early), device.state()), (error, "ERROR"),
                      f"{what}: {error} in pre-copy")
            new = complaints(known)
            tap.ok(len(new) == 1 and vfs[1] in new[0] and message in new[0],
                   f"{what}: one line says so", new)
        set_vf(netdev, *undo)
    set_vf(netdev, 0, "trust", "on")
    with Device(vfs[0]) as one, Device(vfs[1]) as two:
        one.fill()
        one.answered(UNREAD[0])
        for vlan in (8, 9):
            one.say(UNREAD[0], vlan)
            one.answered(UNREAD[0])
        early = one.save("PRE_COPY")
        tap.equal((len(vlans(early)), two.load(early), one.state()),
                  (5, "ENOSPC", "PRE_COPY"),
                  "more VLANs than a VF without trust may have: ENOSPC in pre-copy")
    set_vf(netdev, 0, "trust", "off")


def test_late_conflicts(tap, netdev, vfs):
    """The destination's administrator changes settings after pre-copy."""
    too_many = ("it is not trusted any more", (1, "trust", "off"), (1, "trust", "off"), "ENOSPC",
                "settings: VLANs of its own")
    for what, item, undo, error, message in (*CONFLICTS[:2], too_many):
        for number in (0, 1):
            set_vf(netdev, number, "trust", "on")
        with Device(vfs[0]) as one, Device(vfs[1]) as two:
            one.fill()
            one.answered(UNREAD[0])
            for vlan in (8, 9):
                one.say(UNREAD[0], vlan)
                one.answered(UNREAD[0])
            two.must(f"set {two.states['RESUMING']}")
            known, accepted = complaints(), two.take(one.save("PRE_COPY"))
            if item[1] == "mac":
                set_vf(netdev, 1, "trust", "off")
            set_vf(netdev, *item)
            tap.equal((isinstance(accepted, int), two.take(one.save()), two.set("STOP"),
                       two.state()), (True, error, error, "ERROR"),
                      f"{what} after pre-copy: {error} at the end")
            new = complaints(known)
            tap.ok(len(new) == 1 and vfs[1] in new[0] and message in new[0],
                   f"{what} after pre-copy: one line says so", new)
            tap.equal((one.set("RUNNING"), one.state()), (0, "RUNNING"),
                      f"{what} after pre-copy: the source goes on")
        set_vf(netdev, *undo)
        for number in (0, 1):
            set_vf(netdev, number, "trust", "off")


def test_no_pre_copy(tap, vfs):
    """For a destination that does not know that records may come again."""
    PRE_COPY.write_text("0", encoding="ascii")
    try:
        with Device(vfs[0]) as one, Device(vfs[1]) as two:
            one.fill()
            early = one.save("PRE_COPY")
            data = early + one.save()
            tap.equal((len(early), kinds(data)),
                      (HEADER, [QUEUES, GUEST, FILTERS, VF, COUNTERS, END]),
                      "pre_copy=0: all of it is sent when it is stopped")
            tap.equal(two.load(data), 0, "pre_copy=0: and can be loaded")
    finally:
        PRE_COPY.write_text("1", encoding="ascii")


class Watch:
    """What nobody but the VF that is loaded may notice."""

    def __init__(self, netdev):
        self.netdev = netdev
        self.pings = Pings()
        self.known = complaints()
        self.before = self.view()
        self.shown = self.settings()

    def settings(self):
        return [info for number, info in enumerate(settings(self.netdev))
                if number != 1]

    def view(self):
        return [pool_state(self.netdev, pool) for pool in (PF_POOL, PLACE)]

    def differs(self):
        now = self.view()
        return "" if now == self.before else f"{self.before} -> {now}"

    def end(self, tap, name):
        answered, lost, average, worst = self.pings.stop()
        tap.ok(answered and not lost, f"{name}: PF: all of {answered} pings answered "
               f"meanwhile, in {average:.1f} ms, {worst:.1f} ms at worst",
               f"{lost} lost")
        tap.equal(self.settings(), self.shown, f"{name}: settings are as before")
        new = complaints(self.known)
        tap.equal([line for line in new if not any(
            text in line for text in EXPECTED)], [], f"{name}: no warnings")
        if faults := sum("DMAR: " in line for line in new):
            tap.note(f"{name}: {faults} lines of the IOMMU's")


def cuts(data, step):
    """Where to cut: each step-th byte, and around each record."""
    borders, at = [0, HEADER], HEADER
    for _, _, payload in split(data):
        borders += [at + RECORD.size, at + RECORD.size + len(payload)]
        at = borders[-1]
    return sorted({size for border in borders for size in
                   (border - 1, border, border + 1) if 0 <= size < len(data)} |
                  set(range(0, len(data), step)))


def test_cuts(tap, netdev, vf, data, step, protocol):
    name = f"cut, {protocol}"
    watch, wrong, spent = Watch(netdev), [], []
    sizes = cuts(data, step)
    own = pool_state(netdev, 1)
    start = time.monotonic()
    with Device(vf, protocol) as device:
        device.must("reset")
        clean = device.view()
        refused = reset = 0
        for size in sizes:
            answer, state = device.load(data[:size]), device.state()
            refused += answer == "EINVAL" and state == "ERROR"
            pool = pool_state(netdev, 1)
            # It is stopped, and so without its address.
            if device.view() != clean or any(
                    pool[what] != own[what] for what in
                    ("vlans", "enabled", "spoofing", "VMOLR", "VMVIR")):
                wrong.append(size)
            began = time.monotonic()
            device.must("reset")
            spent.append(time.monotonic() - began)
            reset += device.state() == "RUNNING"
        tap.note(f"{name}: {time.monotonic() - start:.0f} s, of which resets took "
                 f"{sum(spent):.0f} s")
        tap.equal((refused, reset), (len(sizes), len(sizes)),
                  f"{name}: {refused} of {len(sizes)} refused, and ended by a reset")
        tap.equal(wrong, [], f"{name}: nothing of them reached the VF or its pool")
        tap.equal(watch.differs(), "", f"{name}: nor anybody else's")
        tap.equal(device.load(data), 0, f"{name}: all of it is loaded")
    watch.end(tap, name)


class Spoiler:
    """Makes streams that are wrong, or say something wrong. Each method changes the
    records, and says whether the stream must be refused; None if that depends."""

    def __init__(self, data, seed, macs):
        self.data = data
        self.random = random.Random(seed)
        self.macs = macs        # of others
        self.kinds = [name for name in dir(type(self)) if name.startswith("do_")]

    def make(self, number):
        """Bytes, what was done to them, whether they must be refused."""
        kind = self.kinds[number % len(self.kinds)]
        header, records = bytearray(self.data[:HEADER]), split(self.data)
        result = getattr(self, kind)(records, header)
        if isinstance(result, (bytes, bytearray)):
            return bytes(result), kind, True
        return bytes(join(header, records)), kind, result

    def word(self):
        return self.random.choice([0, 1, 0xffff, 0x7fffffff, 0xffffffff, 1 << 25,
                                   self.random.getrandbits(32),
                                   self.random.getrandbits(32)])

    def scribble(self, payload, count):
        for _ in range(count):
            struct.pack_into("<I", payload, 4 * self.random.randrange(
                len(payload) // 4), self.word())

    # With checksums that are wrong

    def do_bits(self, *_):
        data = bytearray(self.data)
        for bit in self.random.sample(range(8 * len(data)), self.random.randint(1, 3)):
            data[bit // 8] ^= 1 << bit % 8
        return data

    def do_bytes(self, *_):
        data = bytearray(self.data)
        for at in self.random.sample(range(len(data)), self.random.randint(1, 20)):
            data[at] ^= self.random.randint(1, 255)
        return data

    def do_move(self, records, _):
        """Records in another order, or twice, each as it was saved."""
        at, parts = HEADER, []
        for _, _, payload in records:
            parts.append(self.data[at:at + RECORD.size + len(payload)])
            at += len(parts[-1])
        one, other = self.random.sample(range(len(parts)), 2)
        if self.random.randrange(2):
            parts[one], parts[other] = parts[other], parts[one]
        else:
            parts.insert(other, parts[one])
        return self.data[:HEADER] + b"".join(parts)

    # With checksums that are right

    def do_order(self, records, _):
        records[:-1] = self.random.sample(records[:-1], len(records) - 1)
        return False

    def do_twice(self, records, _):
        records.insert(0, self.random.choice(records))
        return True

    def do_missing(self, records, _):
        return records.pop(self.random.randrange(len(records)))[0] != COUNTERS

    def do_length(self, records, _):
        """Shorter, or longer by what does not matter, but for the end."""
        kind, _, payload = self.random.choice(records)
        if self.random.randrange(2) or not payload:
            payload += bytes(self.random.choice([1, 4, 60000]))
            return kind == END
        del payload[self.random.randrange(len(payload)):]
        return True

    def do_grown(self, records, _):
        """Longer by what is not known: an optional record is skipped."""
        kind, _, payload = self.random.choice(records)
        payload += bytes(self.random.randrange(100)) + b"\1"
        return kind not in (COUNTERS, GUEST)

    def do_type(self, records, _):
        record = self.random.choice(records)
        record[0] = self.random.choice([0, 6, 0x7fff, 0x8001, 0xffff])
        record[1] = self.random.choice([0, 0, 2, 0xffff])
        return True

    def do_header(self, _, header):
        header[self.random.choice([*range(8), 8, *range(12, 68)])] ^= \
            self.random.randint(1, 255)
        return True

    def do_queues(self, records, _):
        self.scribble(records[0][2], self.random.choice([1, 5, 34, 100]))

    def do_registers(self, records, _):
        self.scribble(records[1][2], self.random.choice([1, 5, 26, 80]))

    def do_counters(self, records, _):
        self.scribble(records[3][2], 9)
        return False

    def do_filters(self, records, _):
        payload = records[2][2]
        for _ in range(self.random.choice([1, 5, 50])):
            payload[self.random.randrange(len(payload))] = self.random.getrandbits(8)

    def do_mac(self, records, _):
        mac = self.random.choice([*self.macs, "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff",
                                  "33:33:00:00:00:01"])
        at = 6 * self.random.randrange(3)
        records[2][2][at:at + 6] = octets(mac)
        return True

    def do_vlans(self, records, _):
        struct.pack_into("<H", records[2][2], NUM_VLANS,
                         self.random.choice([33, 0x100, 0x8000, 0xffff]))
        return True

    def do_vlan(self, records, _):
        """As many as there are, or one that there is not, without trust."""
        payload = records[2][2]
        if self.random.randrange(2):
            struct.pack_into("<33H", payload, NUM_VLANS, 32, *range(100, 132))
        else:
            struct.pack_into("<H", payload, VLANS,
                             self.random.choice([0, 4096, 0x1005, 0xffff]))
        return True

    def do_port_vlan(self, records, _):
        struct.pack_into("<H", records[2][2], PORT_VLAN, self.random.randint(1, 65535))
        return True

    def do_hashes(self, records, _):
        records[2][2][HASHES:] = b"\xff" * 512
        return True

    def do_flags(self, records, _):
        """Promiscuous modes, without trust, and flags that there are not."""
        struct.pack_into("<I", records[2][2], FLAGS, self.random.choice(
            [4, 5, 8, 9, 0xd, 0x10, 0x80000001, 0xffffffff]))
        return True

    def do_max_frame(self, records, _):
        struct.pack_into("<H", records[2][2], MAX_FRAME, self.random.choice(
            [0, 1, 59, 9729, 65535]))
        return True


def test_spoilt(tap, pf, vf, data, count, seed):
    spoiler = Spoiler(data, seed, (pf.mac, OTHERS_MAC))
    watch, wrong, noticed, accepted = Watch(pf.netdev), [], [], {}
    start = time.monotonic()
    with Device(vf) as device:
        reset = 0
        for number in range(count):
            stream, kind, must = spoiler.make(number)
            answer = device.load(stream)
            if answer == 0:
                accepted[kind] = accepted.get(kind, 0) + 1
                answer = device.set("RUNNING")
            if must is not None and (answer == 0) == must:
                wrong.append(f"{number}: {kind}: {answer}")
            if differs := watch.differs():
                noticed.append(f"{number}: {kind}: {differs}")
            device.must("reset")
            reset += device.state() == "RUNNING"
        tap.note(f"spoilt: {time.monotonic() - start:.0f} s, loaded: {accepted}")
        tap.ok(not wrong, f"spoilt, seed {seed}: {count} streams of "
               f"{len(spoiler.kinds)} kinds, {count - sum(accepted.values())} "
               "refused, among them all that must be", "\n".join(wrong))
        tap.ok(not noticed, "spoilt: registers of the PF's pool and of another VF's are "
               f"as before after each of {count}", "\n".join(noticed[:5]))
        tap.equal(reset, count, f"spoilt: a reset ends each of {count}")
        tap.equal((device.load(data), device.set("RUNNING")), (0, 0),
                  "spoilt: then what was saved is loaded, and runs")
    watch.end(tap, "spoilt")


def main(tap, protocols, step, count, seed="1"):
    pf = Port(PF)
    set_address(pf.netdev, PF_IN_WORLD)
    set_vf(pf.netdev, PLACE, "mac", OTHERS_MAC)
    sh("vfctl", "bind", VFS[PLACE], "igbvf")
    port = Port(VFS[PLACE])
    sh("ip", "link", "add", "link", port.netdev, "name", "other", "type", "vlan", "id",
       str(OTHERS_VLAN))
    tap.ok(up(pf) and up(port) and pf.meets(port), "a third VF is driven by igbvf")
    for vf in VFS[:PLACE]:
        sh("vfctl", "bind", vf, DRIVER)

    data = GOLDEN.read_bytes()
    set_tracking(False)         # their rings are nowhere
    tap.run(test_same, test_golden, test_conflicts, test_pre_copy, test_early_conflicts,
            test_late_conflicts, test_no_pre_copy, netdev=pf.netdev, vfs=VFS, data=data)
    for protocol in protocols.split(","):
        tap.case(f"cuts {protocol}", test_cuts, tap, pf.netdev, VFS[1], data, int(step),
                 protocol)
    tap.run(test_spoilt, pf=pf, vf=VFS[1], data=data, count=int(count), seed=int(seed))
    tap.ok(pf.meets(port) and port.meets(pf), "the third VF has traffic as before")
    port.close()
    pf.close()
    FILE.unlink(missing_ok=True)


if __name__ == "__main__":
    program(main)
