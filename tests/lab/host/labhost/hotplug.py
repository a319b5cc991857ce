# SPDX-License-Identifier: GPL-2.0-only
"""A guest whose VF is taken away, and given back."""

import os
import re

from .guest import GuestError
from .net import GUEST_ADDRESS, PF_ADDRESS, wait_for_link
from .shell import until

PATIENCE = 60   # s


def set_up(guest):
    guest.run(f"ip addr add {GUEST_ADDRESS}/24 dev eth0 2>/dev/null; "
              f"ip link set eth0 up && {wait_for_link('eth0')}")


def answers(guest, count=10, interval=0.05):
    output = guest.run(f"ping -c {count} -i {interval} -W 2 {PF_ADDRESS}",
                       60 + count * interval)
    return int(re.search(r"(\d+)( packets)? received", output).group(1))


def slot(vf, more=""):
    """Options of a guest's QEMU: a VF that can be unplugged, with more of its own."""
    return ["-device", "pcie-root-port,id=slot0,chassis=1,slot=1", "-device",
            f"vfio-pci,id=vf,host={vf},bus=slot0{more}"]


def unplugged(guest):
    devices = guest.qmp.call("query-pci")
    return '"vf"' not in str(devices).replace("'", '"')


def plug(guest, vf):
    """Gives the guest its VF back."""
    guest.qmp.call("device_add", driver="vfio-pci", id="vf", host=vf,
                   bus="slot0")
    if not until(lambda: guest.try_run("test -e /sys/class/net/eth0")[0] == 0, PATIENCE):
        raise GuestError("the guest does not see the VF it was given back")
    set_up(guest)


def leaves(tap, guest, what):
    """The VF is asked back, and the guest lives without it."""
    gone = until(lambda: unplugged(guest), PATIENCE)
    lives = guest.try_run("test ! -e /sys/class/net/eth0")[0] == 0
    tap.ok(gone and lives, f"{what}: the VF leaves the guest, which goes on",
           f"unplugged {gone}, guest without eth0 {lives}")


def unplugging_works():
    """KVM since 6.14 takes a part of what TCG's SVM leaves behind for an event
    that was being delivered, and ends the guest (KVM internal error 3)."""
    return (os.environ["LAB_ACCEL"] != "tcg" or
            int(os.uname().release.split(".")[0]) < 7)
