# SPDX-License-Identifier: GPL-2.0-only
"""What keeps a VF from sending in another's name: the 82576's registers, and
whether the frames arrive."""

import pathlib
import select
import socket
import time

from .outer import Outer

ETH_P_ALL = 3
DTXSWC = 0x3500         # 82576: bit N checks addresses of VF N, bit 8 + N its VLANs


class Registers:
    """Registers of a PF, as its driver has left them.

    Read by the machine's own monitor: kernels let nobody else map what a driver
    has claimed.
    """

    def __init__(self, device):
        path = pathlib.Path("/sys/bus/pci/devices") / device / "resource"
        self.bar = int(path.read_text(encoding="ascii").split()[0], 16)
        self.outer = Outer()

    def read(self, offset):
        command = f"xp /1xw {self.bar + offset:#x}"
        output = self.outer.call("human-monitor-command",
                                 **{"command-line": command})
        return int(output.split(":")[1], 16)

    def spoof_checks(self, vfs):
        """For each VF: whether its addresses, and its VLANs, are checked."""
        value = self.read(DTXSWC)
        return [(bool(value & 1 << n), bool(value & 1 << 8 + n))
                for n in range(vfs)]


class Listener:
    """A packet socket, for frames with a text in them."""

    def __init__(self, netdev):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(ETH_P_ALL))
        self.sock.bind((netdev, ETH_P_ALL))

    def first(self, texts, seconds=10.0):
        """The first frame's text, of these texts."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                break
            frame = self.sock.recv(1 << 16)
            for text in texts:
                if text.encode() in frame:
                    return text
        raise TimeoutError(f"none of {texts} arrived")

    def close(self):
        self.sock.close()
