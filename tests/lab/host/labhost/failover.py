# SPDX-License-Identifier: GPL-2.0-only
"""A guest with net_failover: a VF, and virtio-net while it migrates, as QEMU's
virtio-net-failover.rst describes it. QEMU unplugs the VF before the first pass, and plugs
another one when the destination has loaded virtio-net's state.

The guest finds the pair by their MAC, so the administrator gives it to the VF; and takes
it away while the VF is unplugged, as the kernel's net_failover.rst says: the card would not
give the bridge what is sent to it.
"""

import re
import time

from .guest import Guest, GuestError
from .hotplug import slot
from .migration import ENDED
from .net import wait_for_link
from .shell import until
from .sriov import NETDEV, set_vf
from .virtio import MAC, Virtio

NO_MAC = "00:00:00:00:00:00"
PATIENCE = 60   # s
# The VF's netdev in the guest is part of the pair, and has a link.
PRIMARY_UP = "for dev in /sys/class/net/*/lower_*; do " \
    "case $(readlink $dev/device/driver) in */igbvf) grep -q 1 $dev/carrier && exit;; esac; " \
    "done; exit 1"


class Failover(Virtio):
    """Such a guest, whose primary is the first VF of the PF, and then the second one."""

    def __init__(self, tap, qemu, vfs, **settings):
        self.vfs = vfs
        self.free()
        set_vf(NETDEV, 0, "mac", MAC)
        super().__init__(tap, qemu, kind="net_failover", device=",id=standby,failover=on",
                         options=slot(vfs[0], ",failover_pair_id=standby"), **settings)

    @staticmethod
    def free():
        """No VF has an address by the administrator."""
        for number in (0, 1):
            set_vf(NETDEV, number, "mac", NO_MAC)

    def set_up(self):
        self.guest.run("modprobe virtio_net")
        pair = self.guest.run("set -- /sys/class/net/*/lower_*; echo ${1%/*}")
        netdev = re.fullmatch(r"/sys/class/net/(\w+)", pair)[1]
        self.guest.run(f"ip addr add {self.address}/24 dev {netdev}; "
                       f"ip link set {netdev} up; {wait_for_link(netdev)}")
        self.wait_for_primary()

    def wait_for_primary(self):
        """Until the VF carries the traffic."""
        if not until(lambda: self.guest.try_run(PRIMARY_UP)[0] == 0, PATIENCE):
            raise GuestError(f"{self.name}: the VF is not part of the pair after "
                             f"{PATIENCE} s\n{self.guest.last_words()}")

    def destination(self):
        settings = dict(self.guest.settings)
        settings["options"] = [option.replace(*self.vfs) for option in settings["options"]]
        return Guest(name=f"{self.guest.name}@1", incoming=True, **settings)

    def follow(self, migration):
        """What the administrator does meanwhile. The MAC moves on when the guest has
        stopped: before, traffic would be lost; the guest's driver asks for it as soon as it
        sees the VF."""
        self.wait(migration, lambda status: status not in ("none", "setup", "wait-unplug"))
        set_vf(NETDEV, 0, "mac", NO_MAC)
        self.wait(migration, lambda status: "STOP" in migration.source.qmp.when)
        set_vf(NETDEV, 1, "mac", MAC)

    @staticmethod
    def wait(migration, condition):
        end = time.monotonic() + PATIENCE
        while not condition(status := migration.query()["status"]) and status not in ENDED:
            if time.monotonic() > end:
                raise GuestError(f"{migration.source.name}: {status} for {PATIENCE} s")
            time.sleep(0.02)
