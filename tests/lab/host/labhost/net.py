# SPDX-License-Identifier: GPL-2.0-only
"""Addresses of the PF, of a guest and of the world outside, and who answers to them."""

import re

from .shell import sh

MAC = "52:54:00:76:00:10"            # of a guest's VF
PF_ADDRESS, GUEST_ADDRESS = "192.0.2.1", "192.0.2.2"
WORLD, PF_IN_WORLD = "10.0.2.2", "10.0.2.15"    # QEMU's user network
PINGS = 10


def ping(run, address, count=PINGS):
    """Number of answers to count probes sent by run()."""
    output = run(f"ping -c {count} -i 0.2 -W 2 {address} || true")
    return int(re.search(r"(\d+)( packets)? received", output).group(1))


def set_address(netdev, address=PF_ADDRESS):
    sh("ip", "addr", "replace", f"{address}/24", "dev", netdev)


def wait_for_link(netdev):
    """Command that waits until a netdev has a link."""
    return ("for i in $(seq 100); do "
            f"[ $(cat /sys/class/net/{netdev}/carrier) = 1 ] && exit 0; "
            "sleep 0.1; done; exit 1")


def link_up(address, netdev="eth0"):
    """Command that gives a netdev its address, and waits for its link."""
    return (f"ip addr add {address}/24 dev {netdev} && "
            f"ip link set {netdev} up && {wait_for_link(netdev)}")
