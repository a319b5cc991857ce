# SPDX-License-Identifier: GPL-2.0-only
"""What the lab host's kernel logs."""

import re

from .shell import sh

WARNING = "warn,err,crit,alert,emerg"
# What stock kernels log at this level about any guest on any vfio driver.
CHATTER = re.compile(
    r"igb .*: VF \d+ (attempted to|requested) |"      # igbvf against igb's rules
    r"Reload the VF driver to resume operations|"
    r"igb .*: Spoof event\(s\) detected on VF \d+|"    # igb, of a card that checks
    r"Unhandled (RD|WR)MSR|"                          # a guest probing its CPU
    r"hrtimer: interrupt took \d+ ns|"                # a slow machine
    r"clocksource: Long readout interval|"            # likewise
    r"clocksource: Marking clocksource tsc unstable|" # and that one, in four lines
    r"clocksource: timekeeping watchdog on CPU\d+: |"
    r"clocksource: +(Watchdog|Clocksource) +\w+ interval: |"
    r"TSC found unstable after boot|"
    r"kvm: SMP vm created on host with unstable TSC|"
    r"vfio-pci(-mediate)? .*: reset(ting| done)$")    # since 6.13


def complaints(known=()):
    """Kernel messages of level WARNING or worse, without the chatter and known ones."""
    return [line for line in sh("dmesg", "--level", WARNING).splitlines()
            if line not in known and not CHATTER.search(line)]


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

    def new(self, text=""):
        """What was logged since then, of the lines with that text."""
        return [line for line in self.read()[self.start:]
                if text in line and not self.CHATTER.search(line)]
