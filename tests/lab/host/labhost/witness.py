# SPDX-License-Identifier: GPL-2.0-only
"""What was written to the NVMe namespace: its log, by QEMU's blklogwrites, which has the
format of Linux's dm-log-writes. Nothing is in it that the controller has not done."""

import collections
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import struct

SECTOR = 512
BLOCK = 4096
BLKFLSBUF = 0x1261
ENTRY = struct.Struct("<QQQQ")      # struct log_write_entry: sector, sectors, flags, length
FLUSH, FUA, DISCARD = 1, 2, 4
NUMBERED = struct.Struct("<8sQQ")   # what numbered.c writes: magic, number, round
MAGIC = b"NUMBERED"


@dataclasses.dataclass
class Entry:
    """What the namespace was told to do."""
    sector: int
    flags: int
    data: bytes


def disk():
    """The log's."""
    for path in pathlib.Path("/sys/block").iterdir():
        serial = path / "serial"
        if serial.exists() and serial.read_text().strip() == "witness":
            return f"/dev/{path.name}"
    raise OSError("this lab host has no log of writes")


class Witness:
    """What was written from when it is made on, or since it was asked."""

    def __init__(self):
        self.position = SECTOR      # of the super block, which is not needed
        for _ in self.entries():
            pass

    def entries(self):
        """Those that are new. Nothing may be written meanwhile."""
        with open(disk(), "rb", buffering=1 << 20) as file:
            # It changes behind the kernel's back.
            fcntl.ioctl(file, BLKFLSBUF)
            file.seek(self.position)
            while True:
                header = file.read(SECTOR)
                sector, sectors, flags, _ = ENTRY.unpack_from(header)
                if not sectors and not flags:
                    return
                size = 0 if flags & DISCARD else sectors * SECTOR
                data = file.read(size)
                self.position += SECTOR + size
                yield Entry(sector, flags, data)


class Account:
    """What is found in entries of the log."""

    def __init__(self, entries):
        self.flushes = 0
        self.numbers = collections.Counter()
        self.misplaced = []         # what was not separated by a flush from the round before
        self.other = collections.Counter()      # blocks that fio has written
        self.image = {}             # digests by block
        latest, flushed = 0, True
        for entry in entries:
            if entry.flags & FLUSH:
                self.flushes += 1
                flushed = True
            for offset in range(0, len(entry.data), BLOCK):
                data = entry.data[offset:offset + BLOCK]
                where = entry.sector * SECTOR + offset
                self.image[where] = hashlib.sha256(data).digest()
                magic, number, turn = NUMBERED.unpack_from(data)
                if magic != MAGIC:
                    self.other[where, self.image[where]] += 1
                    continue
                self.numbers[number] += 1
                if turn != latest:
                    if turn < latest or not flushed:
                        self.misplaced.append((number, turn, latest))
                    latest = turn
                flushed = False

    def missing(self, count):
        return [number for number in range(count) if not self.numbers[number]]

    def twice(self):
        """What was written more than once."""
        return [number for number, count in self.numbers.items() if count > 1] + \
            [f"block at {where}" for (where, _), count in self.other.items() if count > 1]

    def differs(self, path):
        """Where the namespace has not what was written to it last; the whole of what was
        written is compared."""
        wrong = []
        with open(path, "rb", buffering=0) as file:
            fcntl.ioctl(file, BLKFLSBUF)
            for where, digest in sorted(self.image.items()):
                if hashlib.sha256(os.pread(file.fileno(), BLOCK, where)).digest() != digest:
                    wrong.append(where)
        return wrong
