# SPDX-License-Identifier: GPL-2.0-only
"""A relay between the two QEMUs of a migration, which can stop at certain points of
what the source sends, and change what it sends of a VF's state."""

import contextlib
import os
import select
import socket
import struct
import threading

# How QEMU marks what it sends of a vfio device
CONFIG, DATA = (struct.pack(">Q", 0xffffffffef100000 + n) for n in (2, 4))
MEMORY = 1 << 20        # bytes

# What comes before each point
POINTS = {
    "setup": [],
    "memory": [],           # some of it, at least
    "pre-copy": [DATA],     # the header of the VF's state is next
    "device": [DATA, DATA],     # the rest of it; the guest has stopped
    "config": [CONFIG],     # all of it; the PCI config space is next
    "answer": [CONFIG],     # all, but the source is not told so
}
# QEMU 7.2 asks a VF for its header when the first pass over the memory is through: by then,
# as a rule, the guest has been stopped, and its state comes in one piece.
OLD_POINTS = {**POINTS, "device": [DATA]}
del OLD_POINTS["pre-copy"]


def phases(qemu):
    """What comes before each point that there is."""
    return OLD_POINTS if qemu == "7.2" else POINTS


class Relay(threading.Thread):
    """Listens at uri. Stops at a point, having set reached, until release() or
    cut(). There, edit(bytes) says what the next part of the VF's state is to be."""

    def __init__(self, destination, point, edit=None):
        super().__init__(daemon=True)
        self.point = point
        self.edit = edit
        self.marks = list(phases(destination.settings["qemu"])[point])
        self.sent = 0
        self.reached = threading.Event()
        self.released = threading.Event()
        self.to = destination.incoming.removeprefix("unix:")
        path = f"{os.path.dirname(self.to)}/relay"
        self.uri = f"unix:{path}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.source = self.sink = None
        self.start()

    def release(self):
        self.released.set()

    def cut(self):
        """The connection breaks."""
        for sock in filter(None, (self.source, self.sink)):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.release()

    def run(self):
        self.source = self.listener.accept()[0]
        self.listener.close()
        self.sink = socket.socket(socket.AF_UNIX)
        back = threading.Thread(target=self.answers, daemon=True)
        try:
            self.sink.connect(self.to)
            back.start()
            self.forward()
        except OSError:
            pass        # one of them has gone, as it may
        for sock, how in ((self.source, socket.SHUT_RD),
                          (self.sink, socket.SHUT_WR)):
            with contextlib.suppress(OSError):
                sock.shutdown(how)

    def answers(self):
        with contextlib.suppress(OSError):
            while data := self.sink.recv(1 << 16):
                if self.point == "answer" and not self.marks:
                    self.stop()
                self.source.sendall(data)
        with contextlib.suppress(OSError):
            self.source.shutdown(socket.SHUT_WR)

    def stop(self):
        self.reached.set()
        self.released.wait()

    def more(self, buf):
        """Whether there is more, which is then in buf."""
        data = self.source.recv(1 << 20)
        buf += data
        return bool(data)

    def send(self, buf, size):
        self.sink.sendall(buf[:size])
        del buf[:size]
        self.sent += size

    def forward(self):
        if self.point == "setup":
            self.stop()
        buf = bytearray()
        while True:
            # What could be the start of a mark is not sent, unless it is all.
            idle = not select.select([self.source], [], [], 0.2)[0]
            if not idle and not self.more(buf):
                break
            while self.marks and (at := buf.find(self.marks[0])) >= 0:
                self.send(buf, at)
                self.passes(buf)
            keep = 0 if idle or not self.marks else len(DATA) - 1
            self.send(buf, max(len(buf) - keep, 0))
            if self.point == "memory" and self.sent >= MEMORY and \
                    not self.reached.is_set():
                self.stop()
        self.send(buf, len(buf))

    def passes(self, buf):
        """A mark, at which buf starts."""
        mark = self.marks.pop(0)
        if not self.marks and self.point != "answer":
            if self.edit:
                self.change(buf)
            self.stop()
        self.send(buf, len(mark))

    def change(self, buf):
        """DATA, a length, and as many bytes."""
        while len(buf) < 16 or len(buf) < 16 + struct.unpack_from(">Q", buf, 8)[0]:
            if not self.more(buf):
                return
        end = 16 + struct.unpack_from(">Q", buf, 8)[0]
        new = self.edit(bytes(buf[16:end]))
        buf[8:end] = struct.pack(">Q", len(new)) + new
