# SPDX-License-Identifier: GPL-2.0-only
"""PFs and VFs, as sysfs and iproute2 have them."""

import json
import os
import pathlib

from .shell import sh, until

DRIVER = "vfio-pci-mediate"
PCI = pathlib.Path("/sys/bus/pci/devices")
# As the lab host was started: all PFs; the first one, its netdev and its VFs
PFS = os.environ.get("LAB_PFS", "").split()
PF, NETDEV = (os.environ.get(name, "") for name in ("LAB_PF", "LAB_PF_NETDEV"))
VFS = os.environ.get("LAB_VFS", "").split()


def netdev_of(device):
    return until(lambda: list((PCI / device).glob("net/*")), 5) and \
        next((PCI / device).glob("net/*")).name


def vf_info(netdev, number):
    link = json.loads(sh("ip", "-s", "-d", "-j", "link", "show", netdev))[0]
    return link["vfinfo_list"][number]


def set_vf(netdev, number, *what):
    sh("ip", "link", "set", netdev, "vf", str(number), *what)


def num_vfs(device, number):
    (PCI / device / "sriov_numvfs").write_text(str(number))


def settings(netdev):
    """What iproute2 shows of each VF."""
    vfs = json.loads(sh("ip", "-d", "-j", "link", "show", netdev))
    return vfs[0].get("vfinfo_list", [])


def vfs_of(pf):
    return sh("vfctl", "-p", pf, "list").split()


def mediated_by(vf):
    """Name of who mediates a VF, "none", or nothing where it is not bound."""
    try:
        return (PCI / vf / "mediated_by").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
