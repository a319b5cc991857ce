# SPDX-License-Identifier: GPL-2.0-only
"""A peer of guests on the wire: a card of the lab host, in a network namespace of its own.
What goes from it to a guest leaves this card, and enters the one that the guest uses."""

import atexit
import json
import os
import pathlib

from .shell import sh, until
from .sriov import netdev_of

NAME = "peer"
NAMESPACE = pathlib.Path("/run/netns") / NAME


def there(*command):
    return sh("ip", "-n", NAME, *command)


def link(netdev):
    return json.loads(there("-j", "link", "show", "dev", netdev))[0]


def peer(device, *addresses):
    """Moves the netdev of a PF there until this test ends, and gives it addresses; returns
    its MAC."""
    netdev = netdev_of(device)
    sh("ip", "netns", "add", NAME)
    # The netdev comes back.
    atexit.register(sh, "ip", "netns", "del", NAME)
    sh("ip", "link", "set", netdev, "netns", NAME)
    for address in addresses:
        there("addr", "add", f"{address}/24", "dev", netdev)
    there("link", "set", netdev, "up")
    if not until(lambda: link(netdev)["operstate"] == "UP"):
        raise OSError(f"{netdev} has no link in the namespace {NAME}")
    return link(netdev)["address"]


def enter():
    """For the process that calls it."""
    with open(NAMESPACE, "rb") as file:
        os.setns(file.fileno(), os.CLONE_NEWNET)
