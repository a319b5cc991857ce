# SPDX-License-Identifier: GPL-2.0-only
"""What several tests on the lab host do."""

import re
import subprocess

PINGS = 10


def sh(*cmd, timeout=60):
    return subprocess.run(cmd, check=True, text=True, timeout=timeout,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout.strip()


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
    r"vfio-pci(-mediate)? .*: reset(ting| done)$")    # since 6.13


def complaints():
    """Kernel messages of level warning or worse, without the chatter."""
    text = sh("dmesg", "--level", "warn,err,crit,alert,emerg")
    return [line for line in text.splitlines() if not CHATTER.search(line)]


def ping(run, address, count=PINGS):
    """Number of answers to count probes sent by run()."""
    output = run(f"ping -c {count} -i 0.2 -W 2 {address} || true")
    return int(re.search(r"(\d+)( packets)? received", output).group(1))


def wait_for_link(netdev):
    """Command that waits until a netdev has a link."""
    return ("for i in $(seq 100); do "
            f"[ $(cat /sys/class/net/{netdev}/carrier) = 1 ] && exit 0; "
            "sleep 0.1; done; exit 1")


def link_up(address, netdev="eth0"):
    """Command that gives a netdev its address, and waits for its link."""
    return (f"ip addr add {address}/24 dev {netdev} && "
            f"ip link set {netdev} up && {wait_for_link(netdev)}")
