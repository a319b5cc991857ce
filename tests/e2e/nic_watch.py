# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of sample_nic watch while they do harm: answers to the PF's
pings, frames of a VF, registers, settings, and the kernel's log."""

import json
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from sample_nic import Port, octets, sh

WORLD = "10.0.2.2"          # QEMU's user network
PF_ADDRESS = "10.0.2.15"
SO_SNDBUFFORCE = 32         # of asm-generic/socket.h; Python has no name for it

# In the order in which sample_nic dumps its registers.
TABLES = [("CTRL", 1), ("STATUS", 1), ("CTRL_EXT", 1), ("RCTL", 1), ("TCTL", 1),
          ("RXCSUM", 1), ("GPIE", 1), ("EIMS", 1), ("IMS", 1), ("IVAR", 8),
          ("IVAR_MISC", 1), ("MRQC", 1), ("VT_CTL", 1), ("DTXSWC", 1),
          ("RPLOLR", 1), ("QDE", 1), ("VFRE", 1), ("VFTE", 1), ("VMOLR", 8),
          ("VMVIR", 8), ("VLVF", 32), ("RA", 48), ("RDBAL", 16), ("RDBAH", 16),
          ("RDLEN", 16), ("RDH", 16), ("RDT", 16), ("SRRCTL", 16),
          ("RXDCTL", 16), ("TDBAL", 16), ("TDBAH", 16), ("TDLEN", 16),
          ("TDH", 16), ("TDT", 16), ("TXDCTL", 16)]
PF_POOL = 7


def registers(netdev):
    """The PF's registers by name, each a list."""
    dump = subprocess.run(["ethtool", "-d", netdev, "raw", "on"], check=True,
                          capture_output=True).stdout
    words = struct.unpack(f"<{len(dump) // 4}I", dump)
    if len(words) != sum(count for _, count in TABLES):
        raise ValueError(f"{len(words)} registers in the dump")
    found, start = {}, 0
    for name, count in TABLES:
        found[name] = words[start:start + count]
        start += count
    return found


def pool_state(netdev, pool):
    """All that decides what a pool receives, and may send."""
    regs = registers(netdev)
    first = (pool + 1) % 8 * 6
    return {"addresses": regs["RA"][first:first + 6],
            "vlans": sorted(vlvf & 0xfff for vlvf in regs["VLVF"]
                            if vlvf >> 12 & 1 << pool),
            "enabled": [regs[name][0] >> pool & 1 for name in ("VFRE", "VFTE")],
            "spoofing": regs["DTXSWC"][0] & 0x101 << pool,
            "VMOLR": regs["VMOLR"][pool], "VMVIR": regs["VMVIR"][pool]}


def settings(netdev):
    """What iproute2 shows of each VF."""
    vfs = json.loads(sh("ip", "-d", "-j", "link", "show", netdev))
    return vfs[0].get("vfinfo_list", [])


class Pings:
    """Pings that go on until they are stopped."""

    def __init__(self, address=WORLD, interval=0.05):
        self.proc = subprocess.Popen(
            ["ping", "-i", str(interval), "-W", "2", address], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lines = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        self.lines += self.proc.stdout.readlines()

    def stop(self):
        """(answered, lost, average and worst round trip in milliseconds)."""
        self.proc.send_signal(signal.SIGINT)
        self.proc.wait(10)
        self.thread.join(10)
        output = "".join(self.lines)
        sent = int(re.search(r"(\d+) packets transmitted", output).group(1))
        times = {int(number): float(ms) for number, ms in
                 re.findall(r"icmp_seq=(\d+) .*time=([\d.]+)", output)}
        # The last may be on its way.
        lost = sum(number not in times for number in range(1, sent))
        spent = times.values() or [0]
        return len(times), lost, sum(spent) / len(spent), max(spent)


class Frames(threading.Thread):
    """Frames from one port to another, one after the other, until stopped."""

    def __init__(self, source, sink, pause=0.02):
        super().__init__(daemon=True)
        self.source, self.sink, self.pause = Port(source), Port(sink), pause
        self.sent = self.lost = 0
        self.error = None
        self.ended = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.ended.wait(self.pause):
                self.sent += 1
                # What comes late on a busy machine is not lost.
                self.lost += not self.source.reaches(self.sink, seconds=10)
        except OSError as err:
            self.error = err

    def stop(self):
        """(sent, lost)."""
        self.ended.set()
        self.join(10)
        self.source.close()
        self.sink.close()
        if self.error:
            raise self.error
        return self.sent, self.lost


class Flood(threading.Thread):
    """Sends by a netdev whether it is there or not, until stopped.

    As much as the largest ring holds, even if nothing of it is ever sent: a kernel
    without byte queue limits, as the debug kernel is, stops a queue only when its
    ring is full.
    """

    BUFFER = 4 << 20

    def __init__(self, netdev, to="ff:ff:ff:ff:ff:ff"):
        super().__init__(daemon=True)
        self.netdev, self.to = netdev, to
        self.sent = 0
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.01):
            try:
                with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
                    sock.bind((self.netdev, 0))
                    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE,
                                    self.BUFFER)
                    source = sock.getsockname()[4].hex(":")
                    while not self.ended.is_set():
                        sock.send(octets(self.to) + octets(source) +
                                  b"\x88\xb5" + bytes(500))
                        self.sent += 1
                        time.sleep(0.005)
            except OSError:
                pass

    def stop(self):
        self.ended.set()
        self.join(10)
        return self.sent


class Log:
    """The kernel's log, from where it is now."""

    # What vfio says when a device is opened, and of each reset since 6.13.
    CHATTER = re.compile(r"vfio-pci(-mediate)? .*: "
                         r"(reset(ting| done)$|enabling device )")

    def __init__(self, levels="emerg,alert,crit,err,warn,notice,info,debug"):
        self.levels = levels
        self.start = len(self.read())

    def read(self):
        return sh("dmesg", "--kernel", "--level", self.levels).splitlines()

    def new(self):
        return [line for line in self.read()[self.start:]
                if not self.CHATTER.search(line)]


def measure(function, *args):
    """What a call takes, in seconds."""
    start = time.monotonic()
    function(*args)
    return time.monotonic() - start
