# SPDX-License-Identifier: GPL-2.0-only
"""Netdevs of PFs and VFs, by the frames that they send and receive."""

import errno
import pathlib
import select
import socket
import time

from .shell import sh, until
from .sriov import netdev_of

GROUP = "33:33:00:76:00:01"
ETHERTYPE = 0x88b5
ETH_P_ALL = 3
OUTGOING = 4


def carrier(netdev):
    try:
        path = pathlib.Path("/sys/class/net") / netdev / "carrier"
        return path.read_text() == "1\n"
    except OSError:
        return False


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


class Port:
    """A netdev, by a packet socket that sees all of its frames."""

    token = 0

    def __init__(self, device):
        self.device = device
        self.netdev = netdev_of(device)
        self.mac = (pathlib.Path("/sys/class/net") / self.netdev /
                    "address").read_text().strip()
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(ETH_P_ALL))
        self.sock.bind((self.netdev, ETH_P_ALL))

    def close(self):
        self.sock.close()

    def send(self, to, size, vlan, source):
        Port.token += 1
        token = b"sample_nic %08d" % Port.token
        tag = b"" if vlan is None else b"\x81\0" + vlan.to_bytes(2, "big")
        frame = octets(to) + octets(source or self.mac) + tag + \
            ETHERTYPE.to_bytes(2, "big") + token
        try:
            self.sock.send(frame.ljust(size, b"."))
        except OSError as err:
            # That the netdev was down in the meantime is said once.
            if err.errno != errno.ENETDOWN:
                raise
            self.sock.send(frame.ljust(size, b"."))
        return token

    def drain(self):
        try:
            while self.sock.recv(1, socket.MSG_DONTWAIT):
                pass
        except OSError:
            pass

    def receives(self, token, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                break
            try:
                frame, address = self.sock.recvfrom(1 << 16)
            except OSError:
                continue
            if token in frame and address[2] != OUTGOING:
                return len(frame)
        return 0

    def reaches(self, other, to=None, size=100, vlan=None, source=None,
                seconds=2.0):
        """Size of what arrives at the other port of a frame that is sent."""
        other.drain()
        return other.receives(self.send(to or other.mac, size, vlan, source),
                              seconds)

    def meets(self, other, to=None, vlan=None):
        """Whether frames arrive: not each at once, where igbvf loses its link.

        It does when the PF, on the same two busy CPUs, takes a second to answer.
        """
        return until(lambda: self.reaches(other, to, vlan=vlan))


def up(port):
    sh("ip", "link", "set", port.netdev, "up")
    return until(lambda: carrier(port.netdev))
