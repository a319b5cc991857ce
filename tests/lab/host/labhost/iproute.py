# SPDX-License-Identifier: GPL-2.0-only
"""What iproute2 shows of a PF and its VFs, as igb shows it and as sample_nic
does, setting by setting and field by field."""

import json
import re
import subprocess
import time

from .net import wait_for_link
from .shell import sh
from .sriov import PF, num_vfs

# Of VF 0. Some are refused: that has to be the same too.
SETTINGS = [
    ("mac", "52:54:00:76:00:10"), ("vlan", "100"), ("vlan", "100", "qos", "3"),
    ("vlan", "0"), ("rate", "500"), ("max_tx_rate", "100"), ("rate", "0"),
    ("spoofchk", "off"), ("spoofchk", "on"), ("trust", "on"), ("trust", "off"),
    ("state", "disable"), ("state", "auto"), ("state", "enable"),
    ("vlan", "4096"), ("vlan", "100", "qos", "8"),
    ("vlan", "100", "proto", "802.1ad"), ("rate", "2000"),
    ("min_tx_rate", "10"), ("mac", "01:00:5e:00:00:01"),
    ("mac", "00:00:00:00:00:00"),
]

# Values that may differ, by setting and field, and why. Each field has to be there.
DIFFERENT = {
    r".*: ifindex": "each driver registers a netdev of its own",
    r".*: max_mtu": "igb stays below what the card can receive",
    r".*: num_[rt]x_queues": "igb counts those it has without VFs as well",
    r".*: stats64\..*": "a counter: igb resets the card when the number of VFs changes",
    r"state (disable|auto): accepted": "igb cannot take a VF's link away",
    r"state disable: vfinfo_list\.0\.link_state": "as before",
}


def show(netdev):
    shown = json.loads(sh("ip", "-d", "-s", "-j", "link", "show", netdev))[0]
    # A set, in whatever order.
    shown["flags"] = " ".join(sorted(shown["flags"]))
    return shown


def set_vfs(netdev, count):
    """Only from no VFs is another number allowed; igb loses its link by it."""
    num_vfs(PF, 0)
    num_vfs(PF, count)
    time.sleep(0.5)
    sh("sh", "-c", wait_for_link(netdev))


def views(netdev):
    """Each setting, whether it was accepted and what is shown after it."""
    found = {}
    for count in (0, 7, 2):
        set_vfs(netdev, count)
        found[f"{count} VFs"] = show(netdev)
    for setting in SETTINGS:
        done = subprocess.run(["ip", "link", "set", netdev, "vf", "0", *setting],
                              check=False, capture_output=True)
        found[" ".join(setting)] = {"accepted": not done.returncode,
                                    **show(netdev)}
    set_vfs(netdev, 2)
    found["2 VFs again"] = show(netdev)
    return found


def flat(value, path=""):
    """A tree of JSON as {path: value}."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and value:
        items = enumerate(value)
    else:
        return {path: value}
    return {key: leaf for name, each in items
            for key, leaf in flat(each, f"{path}.{name}".lstrip(".")).items()}


def reason(view, key):
    """Why this may differ, if it may."""
    for pattern, why in DIFFERENT.items():
        if re.fullmatch(pattern, f"{view}: {key}"):
            return why
    return None


def compare(tap, first, second):
    """One result for each view: no difference but those that are named."""
    excused = {}
    for name, view in first.items():
        a, b = flat(view), flat(second[name])
        unexpected = []
        for key in sorted(a.keys() | b.keys()):
            if key in a and key in b:
                if a[key] == b[key]:
                    continue
                if why := reason(name, key):
                    excused.setdefault(why, f"{key}, {a[key]} and {b[key]}")
                    continue
            unexpected.append(f"{key}: {a.get(key, 'missing')}, "
                              f"{b.get(key, 'missing')}")
        tap.ok(not unexpected, f"ip link, {name}: {len(a)} fields as with igb",
               "\n".join(unexpected))
    for why, example in excused.items():
        tap.note(f"may differ: {example}: {why}")
