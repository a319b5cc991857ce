# SPDX-License-Identifier: GPL-2.0-only
"""Ways to change the state of a VF on its way, see Documentation/stream-format.rst."""

import random
import struct

HEADER = struct.Struct("<8sHHI32s4HQI")     # without its checksum
FIELDS = ("magic", "format", "reserved", "version", "name", "vendor", "device",
          "subvendor", "subdevice", "features", "reserved2")
MAGIC = b"\x89VFM\r\n\x1a\n"
RECORD = struct.Struct("<HHIII")


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def header(**fields):
    """The stream is from someone else, and in itself correct."""
    def edit(data):
        values = dict(zip(FIELDS, HEADER.unpack_from(data)))
        values.update(fields)
        packed = HEADER.pack(*values.values())
        return packed + struct.pack("<I", crc32c(packed)) + \
            data[HEADER.size + 4:]
    return edit


def flip(data):
    """One bit, anywhere."""
    changed = bytearray(data)
    changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def rest(edit):
    """What follows the header; that may have come before."""
    def both(data):
        size = HEADER.size + 4 if data.startswith(MAGIC) else 0
        return data[:size] + edit(data[size:])
    return both


def without_end(data):
    return data[:-RECORD.size]


def twice(data):
    """The first record."""
    size = RECORD.size + RECORD.unpack_from(data)[2]
    return data[:size] + data


def longer(data):
    return data + b"\0"


def nothing(_data):
    return b""


# By name: the point, the edit, and what the destination's kernel says to it; ""
# where that depends on the bit.
EDITS = {
    "another vendor's": ("pre-copy", header(name=b"another"),
                         "saved by another vendor driver"),
    "another device's": ("pre-copy", header(device=0x1520),
                         "saved from an incompatible device"),
    "another board's": ("pre-copy", header(subdevice=0x4321),
                        "saved from an incompatible device"),
    "a later version": ("pre-copy", header(version=2), "state version is too new"),
    "an earlier version": ("pre-copy", header(version=0),
                           "state version is too old"),
    "an unknown format": ("pre-copy", header(format=2), "unknown stream format"),
    "an unknown feature": ("pre-copy", header(features=1),
                           "unknown state features"),
    "a bit of the header": ("pre-copy", flip, ""),
    "a bit of the rest": ("device", rest(flip), ""),
    "another bit of it": ("device", rest(flip), ""),
    "a record twice": ("device", rest(twice), "records are missing or out of order"),
    "more than there is": ("device", longer, "data after the end record"),
}
INCOMPLETE = {"no end": ("device", without_end), "nothing": ("device", rest(nothing))}
