# SPDX-License-Identifier: GPL-2.0-only
"""Two ends of a network, on the lab host or in guests, and what passes between
them: answers to ping, a TCP connection, numbered UDP packets."""

import concurrent.futures
import json
import os
import re
import socket
import struct
import time

from .guest import GuestError
from .net import PINGS, ping
from .shell import sh

# A kernel that checks all it does takes much longer for each packet.
DEBUG = os.uname().release.endswith("-debug")
PACKETS = 2000 if DEBUG else 10000      # of UDP, from each end
SIZE = (1 if DEBUG else 4) << 20        # of TCP, from each end
PORT = 5001
BLOCK = 512         # bytes of a packet of TFTP
PATIENCE = 1.0      # s until a packet of TFTP is lost


class End:
    """Somebody with an address who runs shell commands."""

    def __init__(self, name, address, run, program):
        self.name = name
        self.address = address
        self.run = run
        self.program = program      # exchange, where this end has it

    @classmethod
    def host(cls, address):
        return cls("PF", address,
                   lambda command, timeout=30:
                   sh("sh", "-c", command, timeout=timeout),
                   "/lab/job/exchange")

    @classmethod
    def guest(cls, guest, address):
        def run(command, timeout=30):
            try:
                return guest.run(command, timeout)
            except (OSError, EOFError) as err:
                raise GuestError(f"{guest.name}: {err} in '{command}'; QEMU: "
                                 f"{guest.events()}, {guest.ended()}\n"
                                 f"{guest.last_words()}") from err

        return cls(guest.name, address, run, "/exchange")


def together(*calls):
    """Results of functions that run at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [task.result() for task in [pool.submit(call) for call in calls]]


def ping_both(a, b, count=PINGS):
    """How many answers each of the two got."""
    return together(lambda: ping(a.run, b.address, count),
                    lambda: ping(b.run, a.address, count))


# Of what was sent and what came, which is not needed any more then
SUMS = "sha256sum /tmp/sent /tmp/got && rm /tmp/sent /tmp/got"


def make_data(end):
    end.run(f"head -c {SIZE} /dev/urandom > /tmp/sent", 60)


def tcp(a, b):
    """One connection that carries SIZE random bytes each way at once.

    Returns whether the checksums agree, and MiB/s of both ways.
    """
    together(lambda: make_data(a), lambda: make_data(b))
    start = time.monotonic()
    together(lambda: a.run(f"{a.program} tcp {SIZE} {PORT} < /tmp/sent > /tmp/got", 120),
             lambda: b.run(f"{b.program} tcp {SIZE} {PORT} {a.address} "
                           "< /tmp/sent > /tmp/got", 120))
    seconds = time.monotonic() - start
    sums = [re.findall(r"^\w{64}", output, re.MULTILINE) for output in together(
        *(lambda end=end: end.run(SUMS) for end in (a, b)))]
    return sums[0] == sums[1][::-1], 2 * SIZE / seconds / (1 << 20)


def udp(a, b):
    """PACKETS numbered packets each way at once: what each end has counted."""
    return [json.loads(output) for output in together(
        *(lambda end=end, other=other: end.run(
            f"{end.program} udp {PACKETS} {PORT} {other.address}", 120)
          for end, other in ((a, b), (b, a))))]


def echo(end, address, port):
    """tcp(), with a server that sends back what it gets."""
    make_data(end)
    start = time.monotonic()
    end.run(f"{end.program} tcp {SIZE} {port} {address} < /tmp/sent > /tmp/got", 120)
    seconds = time.monotonic() - start
    sums = re.findall(r"^\w{64}", end.run(SUMS),
                      re.MULTILINE)
    return sums[0] == sums[1], 2 * SIZE / seconds / (1 << 20)


def tftp(address, name, content):
    """PACKETS packets of a file, one for each that acknowledges the one before.

    The file is known to begin with content. Returns what was counted.
    """
    count = {"received": 0, "lost": 0, "duplicated": 0, "reordered": 0,
             "corrupted": 0}
    start = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        server, last = (address, 69), 0
        message = struct.pack("!H", 1) + name.encode() + b"\0octet\0"
        while last < PACKETS and count["lost"] < 20:
            sock.sendto(message, server)
            try:
                packet, server = sock.recvfrom(1 << 16)
            except TimeoutError:
                count["lost"] += 1
                continue
            code, number = struct.unpack("!HH", packet[:4])
            if code != 3:
                raise OSError(f"TFTP: {packet}")
            if number <= last:
                count["duplicated"] += 1
                continue
            count["received"] += 1
            count["reordered"] += number != last + 1
            count["corrupted"] += packet[4:] != \
                content[BLOCK * (number - 1):BLOCK * number]
            last = number
            message = struct.pack("!HH", 4, last)
        # That is enough.
        sock.sendto(struct.pack("!HH", 5, 0) + b"\0", server)
    count["lost"] += PACKETS - last
    count["sent_per_s"] = round(PACKETS / (time.monotonic() - start))
    return count
