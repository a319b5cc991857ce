#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A guest migrates from one lab host to another, by TCP.

Runs on both hosts. Their cards are on one network segment, which is all that the
guest knows; they have another network for QEMU, and for the test on the first host to
reach the second one's QEMU. Prints TAP, on the first host; the figures are in
/out/migrate.json there.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

from common import sh
from guest import OWN, Channel, Guest
from migrate import Trip, guest_on
from passthrough import PF_ADDRESS
from tap import Tap

LINK = "52:54:00:12:35:0"       # address of the other network's card, but for the host
HOSTS = ("198.51.100.1", "198.51.100.2")
STREAM = 4444
PORTS = {"qmp": 4445, "ga": 4446}
TIMEOUT = 400                   # s until the guest that came has to have ended


class RemoteGuest(Guest):
    """A guest that is to come to the other host."""

    def __init__(self):     # pylint: disable=super-init-not-called
        self.name = "guest@1"
        self.qmp = self.agent = None
        self.incoming = f"tcp:{HOSTS[1]}:{STREAM}"
        self.settings = {"qemu": OWN}

    def channel(self, name, timeout):
        return Channel((HOSTS[1], PORTS[name]), timeout + 60)

    def last_words(self):
        return "(see the other host)"

    def ended(self):
        return False

    def shutdown(self, timeout=30):
        self.agent.send("guest-exec", {"path": "/bin/poweroff", "arg": ["-f"]})
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.qmp.receive(timeout)
        return 0            # what it really was, the other host's job says

    def kill(self):
        with contextlib.suppress(EOFError, OSError):
            if self.qmp:
                self.qmp.call("quit")


def link_up(number):
    sh("modprobe", "virtio_net")
    netdev = next(path.parent.name for path in
                  pathlib.Path("/sys/class/net").glob("*/address")
                  if path.read_text(encoding="ascii").startswith(LINK))
    sh("ip", "addr", "add", f"{HOSTS[number]}/24", "dev", netdev)
    sh("ip", "link", "set", netdev, "up")


def destination(vf):
    """On the second host: a QEMU, and ways to it; returns its exit status."""
    guest = guest_on(vf, name="guest@1", incoming=f"tcp:0:{STREAM}")
    with contextlib.ExitStack() as stack:
        for name, port in PORTS.items():
            path = pathlib.Path(guest.dir) / name
            while not path.exists() and not guest.ended():
                time.sleep(0.1)
            proc = stack.enter_context(subprocess.Popen(
                ["socat", f"TCP-LISTEN:{port},fork,reuseaddr",
                 f"UNIX-CONNECT:{path}"]))
            stack.callback(proc.kill)
        stack.callback(guest.kill)
        status = guest.proc.wait(TIMEOUT)
        print(guest.last_words())
        return status


def source(vf):
    """On the first host: the guest, until it is on the second one."""
    tap = Tap()
    sh("ip", "addr", "add", f"{PF_ADDRESS}/24", "dev", os.environ["LAB_PF_NETDEV"])
    figures = Trip(tap, "to another host", guest_on(vf)).travel(
        [((), {"destination": RemoteGuest()})])
    pathlib.Path("/out/migrate.json").write_text(
        json.dumps({"hosts": figures}, indent=2) + "\n", encoding="utf-8")
    return tap.done()


def main():
    number = int(os.environ["LAB_HOST"])
    link_up(number)
    vf = os.environ["LAB_VFS"].split()[0]
    return destination(vf) if number else source(vf)


if __name__ == "__main__":
    sys.exit(main())
