# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest goes: under which QEMUs, to which VFs, how often."""

import dataclasses

from .sriov import PFS, VFS, vfs_of
from .trip import Trip, guest_on

MACHINE = "pc-q35-10.0"  # known to both, where there are two


@dataclasses.dataclass
class Journey:
    """Where a guest goes, as an argument says."""
    qemus: list
    pfs: bool = False
    times: int = 1

    @classmethod
    def parse(cls, text):
        qemus, *options = text.split(",")
        journey = cls((qemus.split(":") * 2)[:2])
        for option in options:
            name, _, value = option.partition("=")
            if option == "pfs":
                journey.pfs = True
            elif name == "times" and int(value) > 0:
                journey.times = int(value)
            else:
                raise ValueError(text)
        return journey

    def name(self):
        return " to ".join(f"QEMU {qemu}" for qemu in dict.fromkeys(self.qemus)) \
            + (", to another PF" if self.pfs else "")

    def vfs(self):
        """Addresses of the two VFs, one after the other the guest's."""
        one, other = VFS[:2]
        if self.pfs:
            other = vfs_of(PFS[1])[0]
        return one, other

    def hardware(self):
        """A guest's, that both QEMUs know. Of virtio-serial, QEMU 11 takes no state
        that 10 has saved: "VQ 0 vring.num 1024 exceeds allocated max 128"."""
        if len(set(self.qemus)) == 1:
            return {}
        return {"machine": MACHINE, "agent": "isa"}

    def go(self, tap):
        """Has a guest go there, and back if times is more than 1; returns the
        figures of each migration."""
        vfs = self.vfs()
        return Trip(tap, self.name(), guest_on(
            vfs[0], qemu=self.qemus[0], **self.hardware())).travel(
                [((vfs[count % 2],), {"qemu": self.qemus[count % 2]})
                 for count in range(1, self.times + 1)])
