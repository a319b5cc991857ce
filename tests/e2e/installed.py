#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""installed.py: modules that DKMS and a vendor have built are loaded, and driverctl binds a
VF. tests/lab/packages.py runs it, with what was built in the folder built."""

import os
import pathlib
import shutil
import subprocess

from labhost.tap import program

BUILT = pathlib.Path("built")
MODULES = pathlib.Path("/tmp/modules")
DRIVERS = ("vfio_pci_mediate", "vfio_mediate")


def sh(*words, check=True):
    return subprocess.run(words, check=check, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout.strip()


def driver(vf):
    link = pathlib.Path("/sys/bus/pci/devices", vf, "driver")
    return link.resolve().name if link.exists() else ""


def install():
    """What DKMS has built goes where depmod looks first, in the place of the lab's own."""
    kernel = os.uname().release
    shutil.copytree("/usr/lib/modules", MODULES, symlinks=True)
    updates = MODULES / kernel / "updates"
    shutil.rmtree(updates)
    shutil.copytree(BUILT, updates / "dkms",
                    ignore=shutil.ignore_patterns("driverctl", "example*"))
    sh("mount", "--bind", str(MODULES), "/usr/lib/modules")
    sh("depmod")


def test_load(tap):
    """modprobe finds them, and what is loaded are they."""
    sh("modprobe", "-r", *DRIVERS)
    install()
    sh("modprobe", "vfio_pci_mediate")
    for name in DRIVERS:
        path = sh("modinfo", "-n", name)
        loaded = pathlib.Path("/sys/module", name)
        tap.ok("/updates/dkms/" in path, f"{name} is found", path)
        for field in ("srcversion", "version"):
            tap.equal((loaded / field).read_text().strip(), sh("modinfo", "-F", field, name),
                      f"{name} is loaded: {field}")
    card = pathlib.Path("/sys/bus/pci/devices", os.environ["LAB_PF"], "modalias").read_text()
    tap.equal(sh("modprobe", "-R", card.strip()), "igb", "the card is still igb's")


def test_driverctl(tap):
    """driverctl loads the driver and binds a VF, and gives it back."""
    vf = os.environ["LAB_VFS"].split()[0]
    driverctl = str(BUILT / "driverctl")
    sh("modprobe", "-r", *DRIVERS)
    out = sh(driverctl, "set-override", vf, "vfio-pci-mediate", check=False)
    tap.equal(driver(vf), "vfio-pci-mediate", f"driverctl set-override binds {vf} {out}")
    tap.equal(sh(driverctl, "list-persisted"), f"{vf} vfio-pci-mediate", "it is persisted")
    # By sriov_drivers_autoprobe, no other driver takes the VF.
    out = sh(driverctl, "--noprobe", "unset-override", vf, check=False)
    tap.equal(sh(driverctl, "list-persisted", check=False), "", f"and no more {out}")
    tap.equal(driver(vf), "", "unset-override takes the VF away")


def test_vendor(tap):
    """The symbols that vfio-mediate-dev has made for a vendor are those of the registry."""
    sh("modprobe", "vfio_mediate")
    out = sh("insmod", str(BUILT / "example.ko"), check=False)
    tap.ok("example" in sh("lsmod"), "a vendor's module is loaded", out)
    sh("rmmod", "example", check=False)


def test_sample(tap):
    """sample_nic, which nothing loads by itself, drives the card when it is asked to."""
    pf = os.environ["LAB_PF"]
    loaded = pathlib.Path("/sys/module/sample_nic").exists()
    tap.ok(not loaded, "sample_nic was not loaded by itself")
    pathlib.Path("/sys/bus/pci/devices", pf, "sriov_numvfs").write_text("0")
    sh("vfctl", "bind", pf, "sample_nic")
    netdev = sh("vfctl", "netdev")
    version = sh("modinfo", "-F", "version", "sample_nic")
    # Of ethtool -i
    tap.ok(f"version: {version}\n" in sh("ethtool", "-i", netdev), "ethtool -i has the version",
           sh("ethtool", "-i", netdev))


def main(tap):
    for test in (test_load, test_driverctl, test_vendor, test_sample):
        tap.run(test)


if __name__ == "__main__":
    program(main)
