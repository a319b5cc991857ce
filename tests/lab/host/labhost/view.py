# SPDX-License-Identifier: GPL-2.0-only
"""What a guest sees of its VF."""

import re

VECTORS = ("eth0-tx-0", "eth0-rx-0", "eth0")    # by number
# A guest that was away wonders about the time.
CHATTER = re.compile(r"clocksource: |hrtimer: |sched_clock: |"
                     r"sched: DL replenish lagged too much")


def complaints_of(guest):
    """Kernel messages of a guest, of level warning or worse."""
    lines = guest.run("dmesg -r | grep '^<[0-4]>' || true").splitlines()
    return [line for line in lines if not CHATTER.search(line)]


def interrupts_of(guest):
    """How many there were by each of its VF's vectors."""
    lines = guest.run("grep eth0 /proc/interrupts").splitlines()
    return {line.split()[-1]: int(line.split()[1]) for line in lines}


class View:
    """What a guest sees of its VF."""

    def __init__(self, guest):
        device = guest.run("readlink -f /sys/class/net/eth0/device")
        self.same = {
            "driver": guest.run(f"basename $(readlink {device}/driver)"),
            "address": guest.run("cat /sys/class/net/eth0/address"),
            "link": guest.run("cat /sys/class/net/eth0/carrier "
                              "/sys/class/net/eth0/carrier_changes"),
            "MTU": guest.run("cat /sys/class/net/eth0/mtu"),
            "config space": guest.run(f"od -An -v -tx4 -w64 {device}/config"),
            "BARs": guest.run(f"cat {device}/resource"),
            "rings": guest.run("ethtool -g eth0"),
            "complaints": complaints_of(guest),
        }
        self.counters = {}
        for line in guest.run("ethtool -S eth0").splitlines()[1:]:
            name, value = line.split(":")
            self.counters[name.strip()] = int(value)
        self.interrupts = interrupts_of(guest)

    def differences(self, before):
        return [f"{name}: {before.same[name]} -> {value}"
                for name, value in self.same.items()
                if value != before.same[name]]

    def counted(self, before):
        return {name: value - before.counters[name]
                for name, value in self.counters.items()}

    def interrupted(self, before):
        return {name: value - before.interrupts[name]
                for name, value in self.interrupts.items()}
