#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""claims.py: a vendor's module is loaded and claims a VF. tests/lab/new_vendor.py runs it, with
the name of the module, which is here."""

import pathlib

from labhost.hold import Hold
from labhost.shell import sh
from labhost.sriov import DRIVER, PCI, VFS
from labhost.tap import program


def test_claims(tap, vendor):
    """For as long as the VF is open; the module can go afterwards."""
    vf = VFS[0]
    sh("modprobe", "vfio_mediate")
    sh("insmod", f"./{vendor}.ko")
    sh("vfctl", "bind", vf, DRIVER)
    with Hold(vf) as hold:
        tap.equal(hold.said, "open", "the VF can be opened")
        tap.equal((PCI / vf / "mediated_by").read_text().strip(), vendor, "it is claimed")
        tap.equal((PCI / vf / "migration_state").read_text().strip(), "none",
                  "nothing is described: it is not migrated")
    sh("rmmod", vendor)
    tap.ok(not pathlib.Path("/sys/module", vendor).exists(), "the module is unloaded")


def main(tap, name):
    tap.run(test_claims, vendor=name)


if __name__ == "__main__":
    program(main)
