#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvme_stream.py [STEP]: the stream of a VF of an NVMe controller: the same, old, spoilt.

Without a VMM: migrate --obey is told what to do with VFs. One has two pairs of queues,
features, requests for events, and some I/O behind it. What is saved of it is loaded into
another, which reads on, and into a third time from tests/golden. Then each field of each
record gets values from the edges, records come cut, longer, twice, not at all or in
another order, and streams are cut at each STEP-th byte. Each is refused with an errno, or
hurts only the VF that it is loaded into: a reset ends it, and what was saved is loaded and
works again. Prints TAP; what was saved is in /out/sample_nvme.stream.
"""

# /// suite
# [nvme_stream]
# about = "the stream of an NVMe VF: the same, old, cut, each field spoilt"
# run = "./nvme_stream.py 25"
# daily = []
# pf = "nvme"
# minutes = 7
# timeout = 1800
# ///

import pathlib
import time

import nvme_online
from labhost.klog import Log, complaints
from labhost.mutate import EDITS, RECORD
from labhost.nicstate import END, FILE, HEADER, join, split
from labhost.nvmestate import (
    ASQ, CC, CQ, CSTS, CTRL, ENABLE, FEATURE, IDENT, NS, RINGS, SIZE, SQ, Controller, fields, get)
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.tap import program

SAVED = pathlib.Path("/out/sample_nvme.stream")
GOLDEN = pathlib.Path("golden/sample_nvme.stream")
NAMESPACES = 256                # that QEMU's controller may have
PF_DEVICE = "/dev/nvme0"
SLOW = 30                       # s that an answer may take
FRESH = 20                      # cases between two looks whether all is well
LINES = 5                       # cases of different kinds whose lines are counted
PACE = 6                        # s until lines are not left out, whatever came before
SUMMARY = "migration in "       # there is one of each attempt
# Of the log: what refuses, what cannot be run, and what an IOMMU says of wrong addresses
EXPECTED = ("loaded state does not suit the device", "device cannot be run",
            "device cannot be stopped", "migration: admin command", "callbacks suppressed",
            "not a device that the guest can go on with", "DMAR: ", "state")
EDGES = {
    1: (0, 1, 7, 8, 0x7f, 0xff),
    2: (0, 1, 2, 3, 31, 32, 33, 0x7fff, 0x8000, 0xfffe, 0xffff),
    4: (0, 1, 2, 3, 9, 17, 18, 31, 32, 33, 63, 64, 65, 127, 128, 0xfff, 0x1000, 0xffff, 0x10000,
        0x10001, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff),
    8: (0, 1, 8, 0x800, 0x1000, ASQ, ASQ + 64, *RINGS[1], *RINGS[2], SIZE - 0x1000, SIZE,
        0xfee00000, 1 << 32, 1 << 47, (1 << 63) - 0x1000, (1 << 64) - 0x1000, (1 << 64) - 1)}


def must_refuse(kind, name, value, record):
    """Whether a value can be told to be wrong by itself."""
    depth = get(record, "depth") if kind in (CQ, SQ) else 0
    return name.startswith("reserved") and value != 0 or \
        name == "qid" and (not value or value > 31) or \
        name == "cqid" and (not value or value > 31) or \
        name == "depth" and (value < 2 or value > 0x10000) or \
        name in ("base", "asq", "acq") and value % 4096 != 0 or \
        kind in (CQ, SQ) and name == "head" and value >= depth and value != 0xffffffff or \
        name == "pos" and value >= 2 * depth or \
        name == "vector" and value > 100 or \
        kind in (CQ, SQ) and name == "flags" and value > 7 or \
        name == "num_aers" and value > 16 or \
        name == "shift" and not 9 <= value <= 17 or \
        kind == NS and name == "nsid" and not 0 < value <= NAMESPACES or \
        kind == NS and name == "flags" and value > 1 or \
        kind == IDENT and name == "nn" and not value or \
        kind == IDENT and name == "flags" and (value > 3 or value == 2) or \
        name == "cc" and not value & 1 or \
        name == "size" and value > 512


def field_cases(data):
    """Each field of each record with each value: what it is, the stream, must it be refused."""
    records = split(data)
    for number, record in enumerate(records):
        for name, one, at in fields(record[0]):
            old, = one.unpack_from(record[2], at)
            limit = 1 << 8 * one.size
            for value in sorted({*EDGES[one.size], old ^ 1, (old + 1) % limit,
                                 (old - 1) % limit} - {old}):
                changed = split(data)
                one.pack_into(changed[number][2], at, value)
                yield (f"record {number} of type {record[0]}, {name} {value:#x}",
                       join(data[:HEADER], changed),
                       must_refuse(record[0], name, value, record))


def record_cases(data):
    """Records as wholes."""
    def changed(number, edit):
        records = split(data)
        edit(records, number)
        return join(data[:HEADER], records)

    def cut(size):
        return lambda records, number: records[number][2].__delitem__(
            slice(max(len(records[number][2]) - size, 0), None))

    def grow(more):
        return lambda records, number: records[number][2].extend(more)

    def put(place, value):
        return lambda records, number: records[number].__setitem__(place, value)

    count = len(split(data))
    for number, (kind, _, payload) in enumerate(split(data)):
        needed = kind not in (NS, IDENT, END)      # what is optional may be skipped
        where = f"record {number} of type {kind}"
        for size in (1, 2, 8, 1000):
            if payload:
                yield f"{where}, shorter by {size}", changed(number, cut(size)), needed
        yield f"{where}, zeros more", changed(number, grow(bytes(8))), kind == END
        yield f"{where}, ones more", changed(number, grow(b"\1" * 8)), needed
        yield f"{where}, 60000 more", changed(number, grow(b"\1" * 60000)), needed
        for value in (0, CTRL, CQ, SQ, FEATURE, NS, IDENT, 7, 0x7fff, END, 0x8001, 0xffff):
            if value != kind:
                yield f"{where}, type {value:#x}", changed(number, put(0, value)), None
        for value in (1, 2, 3, 0x8000, 0xffff):
            yield f"{where}, flags {value:#x}", changed(number, put(1, value)), None
        yield (f"{where}, left out", changed(number, lambda records, at: records.pop(at)),
               kind in (CTRL, CQ, END))
        yield (f"{where}, twice", changed(number, lambda records, at: records.insert(
            at, records[at])), kind in (CTRL, CQ, SQ, NS, END))
        for other in range(number + 1, count):
            def swap(records, at, other=other):
                records[at], records[other] = records[other], records[at]
            yield f"{where}, swapped with {other}", changed(number, swap), None
    for kind in (CTRL, CQ, SQ, FEATURE, NS):
        for times in (40, 2000):
            at = next(number for number, record in enumerate(split(data)) if record[0] == kind)
            yield (f"record of type {kind}, {times} times", changed(
                at, lambda records, at, times=times: records.__setitem__(
                    slice(at, at), [records[at]] * times)), True)


def cut_cases(data, step):
    """Shorter streams, streams of others, and single bits."""
    borders, at = {0, HEADER}, HEADER
    for _, _, payload in split(data):
        at += RECORD.size + len(payload)
        borders |= {at - 1, at, at + 1, at + RECORD.size}
    for size in sorted({size for size in borders if size < len(data)} |
                       set(range(0, len(data), step))):
        yield f"cut at {size}", data[:size], True
    for name, (_, edit, said) in EDITS.items():
        yield name, bytes(edit(data)), True if said else None
    for bit in range(0, 8 * len(data), 8 * step + 1):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(spoilt), True


class Lines:
    """What the log says of a VF from now on. It may be too long for the kernel to keep."""

    def __init__(self, vf):
        self.vf, self.mark = vf, f"mark {time.monotonic_ns()}"
        pathlib.Path("/dev/kmsg").write_text(f"<6>{self.mark}", encoding="utf-8")

    def new(self):
        lines = sh("dmesg", "--notime").rpartition(self.mark)[2].splitlines()
        return [line for line in lines if self.vf in line and SUMMARY not in line and
                not Log.CHATTER.search(line)]


def test_same(tap, vfs):
    """Saved from one VF, loaded into another, which goes on."""
    with Controller(vfs[0]) as one, Controller(vfs[1]) as two:
        tap.ok(one.fill(), "a VF with two pairs of queues reads")
        data = one.save()
        memory = bytes(one.memory)
        tap.equal([record[0] for record in split(data)],
                  [CTRL, CQ, CQ, SQ, SQ, FEATURE, FEATURE, FEATURE, NS, IDENT, END],
                  f"{len(data)} bytes saved, its records")
        tap.equal(two.go_on(data, memory), 0, "another VF goes on with it")
        tap.equal((one.set("RUNNING"), one.reads(1, 3)), (0, True),
                  "so can the first one, after it was stopped")
    SAVED.write_bytes(data)
    return data, memory


def test_golden(tap, vfs):
    """What an earlier version has saved is loaded, and works."""
    data = GOLDEN.read_bytes()
    with Controller(vfs[1]) as device:
        tap.equal(device.go_on(data, bytes(SIZE)), 0, f"{len(data)} bytes are loaded, and work")


def test_fewer(tap, vfs, data, memory):
    """A VF with fewer queues than the guest was given is refused, and stays disabled."""
    nvme_online.give(PF_DEVICE, 2, nvme_online.EACH - 1)
    with Controller(vfs[1]) as device:
        log = Lines(vfs[1])
        tap.equal(device.go_on(data, memory), "EXDEV", "a VF with fewer queues is refused")
        lines = log.new()
        tap.ok(len(lines) == 1 and "fewer queues" in lines[0], "one line says why", lines)
        device.must("reset")
        device.write(CC, ENABLE)
        time.sleep(0.5)
        tap.equal(device.read(CSTS) & 3, 2, "its guest cannot enable it: it would have another "
                  "disk, perhaps")
    nvme_online.give(PF_DEVICE, 2)
    with Controller(vfs[1]) as device:
        tap.equal(device.go_on(data, memory), 0, "with as many it goes on")


def test_other(tap, vfs, data, memory):
    """A guest whose namespace had another UUID is refused."""
    records = split(data)
    record = next(record for record in records if record[0] == NS)
    one, at = next((one, at) for name, one, at in fields(NS) if name == "uuid1")
    tap.ok(get(record, "flags") == 1 and get(record, "uuid1"), "the UUID of the namespace is saved")
    one.pack_into(record[2], at, get(record, "uuid1") ^ 1)
    with Controller(vfs[1]) as device:
        log = Lines(vfs[1])
        tap.equal(device.go_on(join(data[:HEADER], records), memory), "EXDEV",
                  "a VF with another disk is refused")
        lines = log.new()
        tap.ok(len(lines) == 1 and "another namespace" in lines[0], "one line says why", lines)


def test_spoilt(tap, vfs, name, cases, data, memory):
    """Each case is refused with an errno, or accepted; a reset ends it."""
    known, wrong, silent, longest = complaints(), [], [], ("", 0)
    refused = ran = count = 0
    heard = set()
    with Controller(vfs[1]) as device:
        for count, (what, stream, must) in enumerate(cases, 1):
            device.memory[:] = memory
            kind = what.split(", ")[-1].split()[0]
            listen = must and kind not in heard and len(heard) < LINES
            if listen:
                time.sleep(PACE)
                log = Lines(vfs[1])
            start = time.monotonic()
            answer = device.load(stream)
            accepted = answer == 0
            if accepted:
                answer = device.set("RUNNING")
            longest = max(longest, (what, time.monotonic() - start), key=lambda one: one[1])
            refused += not accepted
            ran += answer == 0
            if answer != 0 and not str(answer).startswith("E") or accepted and must:
                wrong.append(f"{what}: {answer}")
            if listen and not accepted:
                heard.add(kind)
                # The vendor's and the framework's, or only that
                if len(lines := log.new()) not in (1, 2):
                    silent.append(f"{what}: {lines}")
            device.must("reset")
            if device.state() != "RUNNING":
                wrong.append(f"{what}: {device.state()} after a reset")
            if accepted or count % FRESH == 0:
                if again := device.go_on(data, memory):
                    wrong.append(f"{what}: afterwards {again}")
                device.must("reset")
        tap.ok(not wrong, f"{name}: {count} streams, {refused} refused, {ran} run, each that is "
               "wrong by itself refused; afterwards the VF loads and works",
               "\n".join(wrong[:40]))
        tap.ok(heard and not silent,
               f"{name}: a line says why, of each of {len(heard)} kinds",
               "\n".join(silent))
        tap.ok(longest[1] < SLOW, f"{name}: an answer takes {longest[1]:.1f} s at most: "
               f"{longest[0]}")
        tap.equal(device.go_on(data, memory), 0, f"{name}: then what was saved works")
    new = complaints(known)
    tap.equal([line for line in new if not any(text in line for text in EXPECTED)], [],
              f"{name}: no other line in the log")


def main(tap, step="25"):
    for vf in VFS:
        sh("vfctl", "bind", vf, DRIVER)
    if not (saved := tap.case("same", test_same, tap, VFS)):
        return
    data, memory = saved
    tap.run(test_golden, test_fewer, test_other, vfs=VFS, data=data, memory=memory)
    for name, cases in (("records", record_cases(data)), ("cuts", cut_cases(data, int(step))),
                        ("fields", field_cases(data))):
        tap.case(name, test_spoilt, tap, VFS, name, cases, data, memory)
    FILE.unlink(missing_ok=True)


if __name__ == "__main__":
    program(main)
