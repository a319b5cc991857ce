# SPDX-License-Identifier: GPL-2.0-only
"""The machine that the lab host runs on, as far as the lab host may tell it what
to do: the monitor of its QEMU is at the other end of a serial line."""

import json
import os
import tty

LINE = "/dev/ttyS2"


class Outer:
    """QMP of the QEMU that the lab host runs in."""

    def __init__(self):
        file = os.open(LINE, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(file)
        self.file = os.fdopen(file, "r+b", buffering=0)
        try:
            self.call("qmp_capabilities")
        except OSError:
            # What the kernel sent when it probed the line made no sense to QEMU.
            self.call("qmp_capabilities")

    def call(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.file.write(json.dumps(request).encode() + b"\n")
        while True:
            try:
                # Greetings and events come in between.
                reply = json.loads(self.file.readline())
            except ValueError:
                # The kernel's probing of the line ate a part of the greeting.
                continue
            if "error" in reply:
                raise OSError(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]
