# SPDX-License-Identifier: GPL-2.0-only
"""Traffic that goes on while a test does harm to somebody else, and what of it was lost."""

import re
import signal
import socket
import subprocess
import threading
import time

from .hold import Hold
from .net import WORLD
from .nic import RDT
from .ports import Port, octets, up
from .shell import sh
from .sriov import mediated_by, set_vf, vfs_of

SO_SNDBUFFORCE = 32         # of asm-generic/socket.h; Python has no name for it


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


def watch(pf):
    """A VF of a PF with igbvf, its frames, and another, held open."""
    set_vf(Port(pf).netdev, 0, "mac", "52:54:00:76:00:00")
    first, second = vfs_of(pf)[:2]
    sh("vfctl", "bind", first, "igbvf")
    port = Port(first)
    up(port)
    port.close()
    return Frames(first, pf), Pings(), Hold(second)


def unharmed(tap, watched, what):
    """Nothing was lost, and the VF that is open still works."""
    frames, pings, hold = watched
    sent, lost_frames = frames.stop()
    answered, lost, _, worst = pings.stop()
    tap.ok(sent and answered and not lost_frames and not lost,
           f"{what}: all of {sent} frames and {answered} pings of the other PF "
           f"arrive, {worst:.0f} ms at worst", f"{lost_frames}, {lost} lost")
    tap.ok(mediated_by(hold.vf) == "sample_nic" and not hold.asked_back() and
           isinstance(hold.ask(f"touch {RDT}"), int) and hold.ask("trap 1") == 1,
           f"{what}: its VF that is open works, and can be trapped")
    hold.close()
