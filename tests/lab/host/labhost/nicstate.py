# SPDX-License-Identifier: GPL-2.0-only
"""VFs of sample_nic that are driven without a VMM, and the streams of their states."""

import pathlib
import struct

from .hold import Hold
from .mutate import HEADER as FIELDS, RECORD, crc32c
from .ports import octets
from .shell import until

GOLDEN = pathlib.Path("golden/sample_nic.stream")
FILE = pathlib.Path("/tmp/stream")
PRE_COPY = pathlib.Path("/sys/module/vfio_mediate/parameters/pre_copy")

# States of v2 and of v1
STATES = {"v2": {"ERROR": 0, "STOP": 1, "RUNNING": 2, "STOP_COPY": 3, "RESUMING": 4,
                 "PRE_COPY": 6, "PRE_COPY_P2P": 7},
          "v1": {"ERROR": 6, "STOP": 0, "RUNNING": 1, "STOP_COPY": 2, "RESUMING": 4,
                 "PRE_COPY": 3}}

MAC, SECOND_MAC = "52:54:00:76:00:30", "52:54:00:76:00:31"
OTHER, OTHERS_MAC = "52:54:00:76:00:32", "52:54:00:76:00:33"

# In BAR 0 of a VF
VMBMEM, V2PMAILBOX = 0x800, 0xc40
REQ, ACK, VFU, PFSTS = 1, 2, 4, 0x10
GRANTED, REFUSED = 1 << 31, 1 << 30
ENABLE = 1 << 25
# Both rings are empty: nothing is sent or received.
REGISTERS = {
    0x2800: 0x10000000, 0x2804: 1, 0x2808: 4096, 0x280c: 0x02000402,
    0x2828: ENABLE | 0x080808, 0x2810: 3, 0x2818: 3,
    0x3800: 0x20000000, 0x3804: 2, 0x3808: 8192, 0x3838: 0x30000000, 0x383c: 3,
    0x3828: ENABLE | 0x010108, 0x3810: 7, 0x3818: 7,
    0x2900: 0x40000000, 0x2908: 2048, 0x3900: 0x50000000, 0x3908: 1024,
    0x1530: 7, 0x1680: 0x288, 0x1684: 0x3e8, 0x1688: 0x7d0, 0x1700: 0x8081,
    0x1740: 0x82, 0x1524: 7,
}
# Messages of the VF's driver: reset, address, another one, 3 groups, VLANs 5 and
# 6, longest frame
MESSAGES = [
    (0x01,),
    (0x02, *struct.unpack("<IH", octets(MAC))),
    (0x02 | 2 << 16, *struct.unpack("<IH", octets(SECOND_MAC))),
    (0x03 | 3 << 16, 0x0fff0001, 0x800),
    (0x04 | 1 << 16, 5), (0x04 | 1 << 16, 6), (0x05, 9018),
]
UNREAD = (0x04 | 1 << 16, 7)    # its answer is left in the mailbox

HEADER = FIELDS.size + 4        # with its checksum
QUEUES, VF, FILTERS, COUNTERS, GUEST, END = 1, 2, 3, 4, 5, 0x8000
# In the record of filters
PORT_VLAN, FLAGS, MAX_FRAME, NUM_VLANS, VLANS, HASHES = 18, 20, 24, 26, 28, 92

def split(data, at=HEADER):
    """Records of a stream, the end included: type, flags, payload."""
    records = []
    while at < len(data):
        kind, flags, length, _, _ = RECORD.unpack_from(data, at)
        at += RECORD.size + length
        records.append([kind, flags, bytearray(data[at - length:at])])
    return records


def join(header, records):
    """The stream, with the right numbers and checksums."""
    data = header[:HEADER - 4] + struct.pack("<I", crc32c(header[:HEADER - 4]))
    for number, (kind, flags, payload) in enumerate(records):
        head = struct.pack("<HHII", kind, flags, len(payload), number)
        data += head + struct.pack("<I", crc32c(head + payload)) + payload
    return data


class Device(Hold):
    """A VF that is driven by one of the protocols."""
    program = "./migrate"

    def __init__(self, vf, protocol="v2"):
        super().__init__(vf, "--obey", protocol)
        self.states = STATES[protocol]
        if self.said != "open":
            raise OSError(f"{vf}: {self.said}")

    def must(self, command):
        answer = self.ask(command)
        if not isinstance(answer, int):
            raise OSError(f"{self.vf}: {command}: {answer}")
        return answer

    def set(self, state):
        return self.ask(f"set {self.states[state]}")

    def state(self):
        number = self.must("state")
        return next(name for name, value in self.states.items() if value == number)

    def save(self, state="STOP_COPY"):
        """From any state, and to this one, all that there is in it."""
        self.must(f"set {self.states[state]}")
        return self.more()

    def more(self):
        """What is still to be read in this state."""
        self.must(f"save {FILE}")
        return FILE.read_bytes()

    def load(self, data):
        """0 in STOP, or the name of an errno."""
        self.must(f"set {self.states['RESUMING']}")
        answer = self.take(data)
        stopped = self.set("STOP")
        return answer if isinstance(answer, str) else stopped

    def take(self, data):
        """A part of what is to be loaded, in RESUMING: how much it was, or an errno."""
        FILE.write_bytes(data)
        return self.ask(f"load {FILE}")

    def view(self):
        """What the VF has of what would have been loaded."""
        self.proc.stdin.write("".join(f"read {reg:#x}\n" for reg in REGISTERS).encode())
        return [int(self.line().partition(": ")[2]) for _ in REGISTERS]

    def say(self, *words):
        """A message by the mailbox."""
        def own():
            self.must(f"write {V2PMAILBOX:#x} {VFU}")
            return self.must(f"read {V2PMAILBOX:#x}") & VFU
        if not until(own):
            raise OSError(f"{self.vf}: no mailbox")
        for place, word in enumerate(words):
            self.must(f"write {VMBMEM + 4 * place:#x} {word:#x}")
        self.must(f"write {V2PMAILBOX:#x} {REQ}")

    def answered(self, word):
        """Whether what was said is granted."""
        answer = 0

        def come():
            nonlocal answer
            if not self.must(f"read {V2PMAILBOX:#x}") & PFSTS:
                return False
            answer = self.must(f"read {VMBMEM:#x}")
            self.must(f"write {V2PMAILBOX:#x} {ACK}")
            return not (answer ^ word) & 0xffffff
        return until(come) and answer & GRANTED

    def fill(self):
        """State that is not what is there after a reset."""
        for message in MESSAGES:
            self.say(*message)
            # To the first one the answer is no, before there is an address.
            if not self.answered(message[0]) and message != MESSAGES[0]:
                raise OSError(f"{self.vf}: message {message} refused")
        for reg, value in REGISTERS.items():
            self.must(f"write {reg:#x} {value:#x}")
        self.say(*UNREAD)
        # The PF has obeyed it: what is saved from here on has it.
        if not until(lambda: self.must(f"read {VMBMEM:#x}") & (GRANTED | REFUSED)):
            raise OSError(f"{self.vf}: message {UNREAD} not answered")
