# SPDX-License-Identifier: GPL-2.0-only
"""What vfio-mediate tells of devices: by generic netlink, by uevents, by tracepoints."""

import copy
import functools
import pathlib
import re
import socket
import subprocess
import sys

from .shell import until

SPEC = "vfio_mediate.yaml"
GROUP = "events"
TRACING = pathlib.Path("/sys/kernel/tracing")
KOBJECT_UEVENT, GENERIC = 15, 16
SO_RCVBUFFORCE = 33
ROOM = 4 << 20      # bytes, for events that are not read at once


@functools.cache
def specification():
    """The family, by the kernel's own library, which takes seconds to read it."""
    sys.path.insert(0, "ynl")
    from lib import YnlFamily       # pylint: disable=import-error,import-outside-toplevel
    return YnlFamily(SPEC, "")


def family():
    """The family, with a socket of its own."""
    ynl = copy.copy(specification())
    ynl.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, GENERIC)
    ynl.async_msg_queue = []
    return ynl


def cli(*args):
    """The kernel's own tool: exit status, and what it prints."""
    done = subprocess.run([sys.executable, "ynl/cli.py", "--spec", SPEC, "--no-schema", *args],
                          check=False, text=True, capture_output=True)
    return done.returncode, done.stdout + done.stderr


class Listener:
    """Events of devices, in the order in which they came."""

    def __init__(self):
        self.ynl = family()
        self.ynl.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self.ynl.ntf_subscribe(GROUP)

    def take(self, name, last=""):
        """(kind, attributes) of all new events of a device, up to one of the kind last."""
        found = []

        def come():
            self.ynl.check_ntf()
            messages, self.ynl.async_msg_queue = self.ynl.async_msg_queue, []
            found.extend((each["name"].removesuffix("-ntf"), each["msg"])
                         for each in messages if each["msg"]["name"] == name)
            return not last or any(kind == last for kind, _ in found)
        if not last:
            until(lambda: False, 0.3)
        until(come, 5)
        return found

    def close(self):
        self.ynl.sock.close()


class Uevents:
    """Uevents as udev gets them from the kernel."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self.sock.bind((0, 1))
        self.sock.setblocking(False)

    def take(self, name):
        """What the new ones of a device say of vfio-mediate, without the prefix."""
        found = []
        while True:
            try:
                text = self.sock.recv(8192).decode()
            except BlockingIOError:
                return found
            values = dict(word.split("=", 1) for word in text.split("\0") if "=" in word)
            if values.get("PCI_SLOT_NAME") == name and values["ACTION"] == "change":
                found.append({key.removeprefix("VFIO_MEDIATE_"): value
                              for key, value in values.items()
                              if key.startswith("VFIO_MEDIATE_")})

    def close(self):
        self.sock.close()


class Traces:
    """Hits of the tracepoints, in a buffer of their own."""
    LINE = re.compile(r": (\w+): (device=.*)$")

    def __init__(self):
        self.instance = TRACING / "instances" / "vfio_mediate"

    def __enter__(self):
        self.instance.mkdir()
        (self.instance / "events/vfio_mediate/enable").write_text("1", encoding="ascii")
        return self

    def __exit__(self, *exc):
        (self.instance / "events/vfio_mediate/enable").write_text("0", encoding="ascii")
        self.instance.rmdir()

    def take(self, device):
        """(event, its figures) of those since the last call."""
        text = (self.instance / "trace").read_text(encoding="ascii")
        (self.instance / "trace").write_text("", encoding="ascii")
        found = []
        for line in text.splitlines():
            if match := self.LINE.search(line):
                figures = {key: value.strip('"') for key, value in
                           re.findall(r'(\w+)=("[^"]*"|\S*)', match[2])}
                if figures.pop("device") == device:
                    found.append((match[1], figures))
        return found
