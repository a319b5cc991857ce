# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU says to a VF that cannot be migrated."""

from .guest import Guest, GuestError
from .shell import sh
from .trip import MEMORY

# Of QEMU 10, 11 and 7.2
REFUSALS = ("VFIO migration is not supported in kernel",
            "VFIO migration init failed: migration is not supported in kernel",
            "VFIO device doesn't support migration")


def refused(tap, vf, qemu):
    """In-tree vfio-pci's answer to the attempt."""
    sh("vfctl", "bind", vf, "vfio-pci")
    with Guest(vf, name="intree", memory=MEMORY, qemu=qemu,
               options=["-S"]) as guest:
        guest.connect()
        try:
            guest.qmp.call("migrate", uri="exec:cat > /dev/null")
            answer = "nothing, and starts to migrate"
        except GuestError as err:
            answer = str(err)
    sh("vfctl", "bind", vf, "vfio-pci-mediate")
    tap.ok(any(refusal in answer for refusal in REFUSALS),
           f"in-tree vfio-pci, QEMU {qemu} says: {answer}")
