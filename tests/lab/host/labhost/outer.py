# SPDX-License-Identifier: GPL-2.0-only
"""The machine that the lab host runs on, as far as the lab host may tell it what
to do: the monitor of its QEMU is at the other end of a serial line."""

import atexit
import contextlib
import itertools
import json
import os
import tty

LINE = "/dev/ttyS2"
NUMBERS = itertools.count(os.getpid() << 16)


class Outer:
    """QMP of the QEMU that the lab host runs in."""

    def __init__(self):
        file = os.open(LINE, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(file)
        self.file = os.fdopen(file, "r+b", buffering=0)
        # QEMU forgets what the kernel has sent when it probed the line.
        self.file.write(b"\xff")
        try:
            self.call("qmp_capabilities")
        except OSError:
            pass    # somebody was here before

    def call(self, command, **arguments):
        number = next(NUMBERS)
        request = {"execute": command, "arguments": arguments, "id": number}
        self.file.write(json.dumps(request).encode() + b"\n")
        while True:
            try:
                reply = json.loads(self.file.readline())
            except ValueError:
                # The probing also ate a part of the greeting.
                continue
            # Events come in between, and complaints about the probing.
            if reply.get("id") != number:
                continue
            if "error" in reply:
                raise OSError(f"{command}: {reply['error']['desc']}")
            return reply["return"]


def world_away():
    """Until this test ends: QEMU's user network takes whatever TCP it sees, and resets it:
    what goes from one card to another, say, which a host with two cards may well have it do:
    either answers when somebody asks who has an address."""
    outer = Outer()
    outer.call("set_link", name="world", up=False)
    atexit.register(outer.call, "set_link", name="world", up=True)


@contextlib.contextmanager
def cable_out(card):
    """Pulls the cable of a card, by its number from 1 on, and puts it back at the end."""
    outer = Outer()
    outer.call("set_link", name=f"pf{card}", up=False)
    try:
        yield
    finally:
        outer.call("set_link", name=f"pf{card}", up=True)
