# SPDX-License-Identifier: GPL-2.0-only
"""VFs of an NVMe controller that are driven without a VMM, and the streams of their states.

The driver is as simple as can be: one command at a time, which is polled for."""

import mmap
import pathlib
import struct
import time

from .nicstate import Device, split

SIZE = 1 << 20                  # of memory, from IOVA 0 on
ASQ, ACQ, DATA = 0x10000, 0x11000, 0x40000
RINGS = {1: (0x20000, 0x21000), 2: (0x22000, 0x23000)}      # submission, completion
ADMIN_DEPTH, DEPTH = 32, 64
CAP, CC, CSTS, AQA, ASQ_REG, ACQ_REG, DOORBELLS = 0, 0x14, 0x1c, 0x24, 0x28, 0x30, 0x1000
ENABLE = 6 << 16 | 4 << 20 | 1
SQE = struct.Struct("<BBHI16xQQ6I")
CQE = struct.Struct("<IIHHHH")
DELETE_SQ, CREATE_SQ, CREATE_CQ, IDENTIFY, SET_FEATURES, EVENT = 0, 1, 5, 6, 9, 0x0c
READ = 2
NUM_QUEUES, TEMPERATURE, TIMESTAMP = 7, 4, 0x0e
EVENTS = (900, 901)             # command IDs
CTRL, CQ, SQ, FEATURE, NS, IDENT = 1, 2, 3, 4, 5, 6         # records

# Fields of records: format, name, or None for what has no fields of interest
FIELDS = {
    CTRL: [*zip("IIQQIIIIIIII", ("cc", "aqa", "asq", "acq", "flags", "head", "tail", "held",
                                 "cq_pos", "cq_head", "num_aers", "reserved")),
           ("H", "aer0"), ("H", "aer1")],
    CQ: [*zip("QIIIHHHHHH", ("base", "depth", "pos", "head", "qid", "flags", "vector",
                             "reserved0", "reserved1", "reserved2"))],
    SQ: [*zip("QIIIHHHHHH", ("base", "depth", "head", "held", "qid", "cqid", "flags",
                             "reserved0", "reserved1", "reserved2"))],
    FEATURE: [*zip("IIIIIIIIQ", ("nsid", "cdw10", "cdw11", "cdw12", "cdw13", "cdw14", "cdw15",
                                 "size", "age_ms"))],
    NS: [*zip("IIQQQQQQII", ("nsid", "shift", "blocks", "nguid0", "nguid1", "eui64",
                             "uuid0", "uuid1", "flags", "reserved"))],
    IDENT: [*zip("QIIIIIHHBB", ("cap", "version", "flags", "queues", "nn", "sgls", "oacs", "oncs",
                                "mdts", "vwc")),
            ("60s", None), ("H", "reserved")],
}


def fields(kind):
    """Name, struct and offset of each field of a record of that type."""
    at = 0
    for code, name in FIELDS.get(kind, ()):
        one = struct.Struct("<" + code)
        if name:
            yield name, one, at
        at += one.size


def get(record, name):
    """A field of a record, as split() has it."""
    one, at = next((one, at) for known, one, at in fields(record[0]) if known == name)
    return one.unpack_from(record[2], at)[0]


class Queue:
    """A pair of queues, and where its driver is."""

    def __init__(self, sq, cq, depth):
        self.sq, self.cq, self.depth = sq, cq, depth
        self.tail = self.pos = 0


class Controller(Device):
    """A VF with memory, and a driver."""

    def __init__(self, vf, protocol="v2"):
        super().__init__(vf, protocol)
        self.path = pathlib.Path(f"/dev/shm/nvme-{vf}-{protocol}")
        self.path.write_bytes(bytes(SIZE))
        with self.path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)
        self.must(f"dma {self.path}")
        self.queues = {}

    def close(self):
        self.path.unlink(missing_ok=True)
        return super().close()

    def line(self, timeout=20):
        # Whoever is asked may wait for the device.
        return super().line(max(timeout, 40))

    def read(self, reg):
        return self.must(f"read {reg:#x}")

    def write(self, reg, value):
        self.must(f"write {reg:#x} {value:#x}")

    def wait_ready(self, ready):
        end = time.monotonic() + 10
        while self.read(CSTS) & 1 != ready:
            if time.monotonic() > end:
                raise OSError(f"{self.vf}: CSTS {self.read(CSTS):#x}")

    def ring(self, number, command, cid, wait=True):
        """Submits a command; its status and result."""
        queue = self.queues[number]
        opcode, nsid, prp1, *words = command
        words += [0] * (6 - len(words))
        SQE.pack_into(self.memory, queue.sq + 64 * queue.tail, opcode, 0, cid, nsid, prp1, 0,
                      *words)
        queue.tail = (queue.tail + 1) % queue.depth
        self.write(DOORBELLS + 8 * number, queue.tail)
        return self.complete(number, cid) if wait else None

    def complete(self, number, cid):
        queue = self.queues[number]
        at, phase = queue.pos % queue.depth, 1 - queue.pos // queue.depth % 2
        end = time.monotonic() + 10
        while True:
            if CQE.unpack_from(self.memory, queue.cq + 16 * at)[5] & 1 == phase:
                break
            if time.monotonic() > end:
                raise OSError(f"{self.vf}: command {cid} of queue {number} does not complete")
        # Once its phase is there, all of it is.
        result, _, _, _, got, status = CQE.unpack_from(self.memory, queue.cq + 16 * at)
        if got != cid:
            raise OSError(f"{self.vf}: command {got} of queue {number} completes, not {cid}")
        queue.pos = (queue.pos + 1) % (2 * queue.depth)
        self.write(DOORBELLS + 8 * number + 4, queue.pos % queue.depth)
        return status >> 1, result

    def admin(self, *command):
        status, result = self.ring(0, command, 7)
        if status:
            raise OSError(f"{self.vf}: admin command {command}: status {status:#x}")
        return result

    def reads(self, number, count):
        """The namespace's first blocks; whether all is well."""
        return all(self.ring(number, (READ, 1, DATA, cid, 0, 7), cid)[0] == 0
                   for cid in range(count))

    def fill(self):
        """Queues, features and requests for events, and some I/O."""
        self.write(CC, 0)
        self.wait_ready(0)
        self.queues = {0: Queue(ASQ, ACQ, ADMIN_DEPTH)}
        self.write(AQA, (ADMIN_DEPTH - 1) * 0x10001)
        for reg, value in ((ASQ_REG, ASQ), (ACQ_REG, ACQ)):
            self.write(reg, value)
            self.write(reg + 4, 0)
        self.write(CC, ENABLE)
        self.wait_ready(1)
        self.admin(IDENTIFY, 0, DATA, 1)
        self.admin(SET_FEATURES, 0, 0, NUM_QUEUES, 0x10001)
        struct.pack_into("<Q", self.memory, DATA, 1_000_000_000_000)
        self.admin(SET_FEATURES, 0, DATA, TIMESTAMP)
        self.admin(SET_FEATURES, 0, 0, TEMPERATURE, 350)
        self.admin(IDENTIFY, 1, DATA, 0)
        for cid in EVENTS:
            self.ring(0, (EVENT, 0, 0), cid, wait=False)
        for number, (sq, cq) in RINGS.items():
            self.admin(CREATE_CQ, 0, cq, (DEPTH - 1) << 16 | number, 1)
            self.admin(CREATE_SQ, 0, sq, (DEPTH - 1) << 16 | number, number << 16 | 1)
            self.queues[number] = Queue(sq, cq, DEPTH)
        return self.reads(1, 150) and self.reads(2, 5)

    def follow(self, data):
        """The driver is where it was in a stream."""
        self.queues = {}
        for record in split(data):
            if record[0] == CTRL:
                depth = (get(record, "aqa") & 0xfff) + 1
                self.queues[0] = Queue(get(record, "asq"), get(record, "acq"), depth)
                self.queues[0].tail = get(record, "tail")
                self.queues[0].pos = get(record, "cq_pos")
            elif record[0] == SQ:
                number = get(record, "qid")
                self.queues[number] = Queue(get(record, "base"), RINGS[number][1],
                                            get(record, "depth"))
                self.queues[number].tail = get(record, "head")
        for record in split(data):
            if record[0] == CQ:
                self.queues[get(record, "qid")].pos = get(record, "pos")

    def go_on(self, data, memory):
        """A stream is loaded, and its guest's memory is there: it runs, and works."""
        self.memory[:] = memory
        answer = self.load(data) or self.set("RUNNING")
        if answer:
            return answer
        self.follow(data)
        try:
            if not (self.reads(1, 3) and self.reads(2, 3)):
                return "a read fails"
            return self.ring(0, (SET_FEATURES, 0, 0, TEMPERATURE, 351), 8)[0]
        except OSError as err:
            return str(err)
