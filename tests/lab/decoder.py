#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the decoders of the tools, on this machine: migration streams, kernel events."""

# /// suite
# [decoder]
# about = "the decoder of migration streams, on any input; names of kernel events"
# run = "tests/lab/decoder.py"
# daily = [""]
# quick = true
# host = false
# minutes = 0.2
# ///

import json
import random
import re
import struct
import subprocess
import sys

from cache import REPO
from programs import build_programs
from tap import Tap

sys.path.insert(0, str(REPO / "tools/vfio-mediate"))

# pylint: disable=wrong-import-order,wrong-import-position
import events                                   # noqa: E402
from labhost.mutate import RECORD, crc32c       # noqa: E402

GOLDEN = REPO / "tests" / "golden"
EVENTS = REPO / "uapi/linux/vfio_mediate_netlink.h"
HEADER = 72         # bytes of a stream's header
RANDOM = 500        # streams that were spoilt at random
SANITIZE = "CFLAGS=-O2 -g -fsanitize=undefined -fno-sanitize-recover=all"


class Decoder:
    """vfio-mediate-stream, on what is in memory."""

    def __init__(self, program):
        self.program = program

    def __call__(self, data, *args):
        done = subprocess.run([self.program, *args], input=data, check=False,
                              capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def status(self, data):
        """The exit status; JSON that is none, or says otherwise, is an error."""
        status, out, err = self(data, "--json", "--data")
        wrong = json.loads(out)["error"]
        if bool(wrong) != bool(status) or bool(err) != bool(status):
            raise ValueError(f"exit status {status}, error {wrong}, {err}")
        return status


def streams():
    return [path.read_bytes() for path in sorted(GOLDEN.glob("*.stream"))]


def golden(decode):
    """Each golden stream is whole, and what it was saved as."""
    good = True
    for path in GOLDEN.glob("*.stream"):
        status, out, _ = decode(path.read_bytes(), "--json", "--data")
        want = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        good &= not status and json.loads(out) == want
    return good


def cuts(decode):
    return all(decode.status(data[:size]) == 1 for data in streams()
               for size in range(len(data)))


def flips(decode):
    statuses = set()
    for data in map(bytearray, streams()):
        for bit in [*range(8 * 96), *range(8 * 96, 8 * len(data), 29)]:
            data[bit // 8] ^= 1 << bit % 8
            statuses.add(decode.status(bytes(data)))
            data[bit // 8] ^= 1 << bit % 8
    return statuses == {1}


def spoilt(decode):
    """At random, the same each time."""
    source = random.Random(1)
    data = (GOLDEN / "state.stream").read_bytes()
    statuses = set()
    for _ in range(RANDOM):
        one = bytearray(data)
        for _ in range(source.randint(1, 50)):
            one[source.randrange(200)] = source.randrange(256)
        del one[source.randrange(len(one)):]
        statuses.add(decode.status(bytes(one)))
        statuses.add(decode.status(source.randbytes(source.randrange(300))))
    return statuses == {1}


def more(decode):
    data = (GOLDEN / "state.stream").read_bytes()
    return decode.status(data + b"\0") == 1 and decode.status(data) == 0


def foreign(decode):
    """Behind the first record, one of a later framework, which may or may not be skipped."""
    data = (GOLDEN / "state.stream").read_bytes()

    def inserted(kind, flags):
        items, rest = [data[:HEADER]], data[HEADER:]
        while rest:
            size = RECORD.size + RECORD.unpack_from(rest)[2]
            items.append(rest[:size])
            rest = rest[size:]
        items.insert(2, RECORD.pack(kind, flags, 3, 0, 0) + b"new")
        for number, item in enumerate(items[1:]):
            head = item[:8] + struct.pack("<I", number)
            items[number + 1] = head + struct.pack("<I", crc32c(head + item[16:])) + item[16:]
        return b"".join(items)

    return [decode.status(inserted(*record)) for record in
            ((0x8001, 1), (0x8001, 0), (0xffff, 0), (0x7fff, 0), (0x7fff, 2))] == [0, 1, 1, 0, 1]


def calls(decode):
    """The command line."""
    path = GOLDEN / "state.stream"
    one, out, _ = decode(b"", str(path))
    two, same, _ = decode(path.read_bytes())
    three, usage, _ = decode(b"", "--help")
    version = (REPO / "VERSION").read_text(encoding="utf-8").strip()
    return one == two == three == 0 and out == same and "complete" in out and \
        usage.startswith("usage: ") and \
        decode(b"", "--version")[1] == f"vfio-mediate-stream {version}\n" and \
        decode(b"", "--nonsense")[0] == 2 and \
        decode(b"", "a", "b")[0] == 2 and decode(b"", "/nonexistent")[0] == 2


def constants(text, prefix):
    """Names of an enum's constants in the order of the header, as the specification has them."""
    names = re.findall(rf"^\tVFIO_MEDIATE_{prefix}_(\w+)(?: = \d+)?,$", text, re.MULTILINE)
    return tuple(name.lower().replace("_", "-") for name in names if name != "MAX")


def same_names(text):
    """Attributes, operations and values of watch are those of the kernel's header."""
    dev = dict(events.DEV)
    return constants(text, "A_DEV") == tuple(dev) and \
        constants(text, "A_STATE_TIME") == tuple(dict(events.TIMES)) and \
        constants(text, "CMD") == (events.OPERATIONS[0], *(
            f"{name}-ntf" for name in events.OPERATIONS[1:])) and \
        constants(text, "TRAP_HOLDER") == events.HOLDERS and all(
            constants(text, prefix) == dev[name] for prefix, name in (
                ("TRACKED", "tracked"), ("TRAP_STATE", "trap"), ("DIRECTION", "direction"),
                ("OUTCOME", "outcome"), ("RESET_KIND", "reset"),
                ("POWER_STATE", "power-state")))


CASES = [
    ("golden streams are what they were", golden),
    ("cut at each byte, a stream is not whole", cuts),
    ("nor with a wrong bit", flips),
    ("nor when it was spoilt at random, or is no stream", spoilt),
    ("nor with something behind its end", more),
    ("nor with a record of the framework that must not be skipped", foreign),
    ("wrong calls, and right ones", calls),
]


def main():
    """Prints TAP of all cases."""
    decode = Decoder(build_programs("tools", "LDFLAGS=-static", SANITIZE) / "vfio-mediate-stream")
    tap = Tap()
    for name, test in CASES:
        try:
            tap.ok(test(decode), f"stream: {name}")
        except (ValueError, subprocess.SubprocessError) as err:
            tap.ok(False, f"stream: {name}", err)
    if EVENTS.exists():
        tap.ok(same_names(EVENTS.read_text(encoding="utf-8")), "events: names are the kernel's")
    else:
        tap.skip("events: names are the kernel's", "this kernel module has no events")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
