#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_pfs.py [TIMES]: two PFs, on one network, that come and go.

Whose VF is whose; then one of the two PFs has its VFs made and unmade TIMES times,
is bound and unbound under traffic, and the other is not to notice.
"""

# /// suite
# [sample_nic_pfs]
# about = "two PFs of sample_nic that come and go"
# run = "./sample_nic_pfs.py 5"
# daily = ["7.2"]
# pf = "sample_nic"
# pfs = 2
# minutes = 2
#
# [sample_nic_long]
# about = "the same, VFs made and unmade 100 times"
# run = "./sample_nic_pfs.py 100"
# pf = "sample_nic"
# pfs = 2
# minutes = 10
# timeout = 1800
# ///

import os
import pathlib
import time

from labhost.hold import Hold
from labhost.klog import WARNING, Log
from labhost.net import PF_IN_WORLD, set_address
from labhost.nic import STATUS
from labhost.ports import Port, up
from labhost.shell import sh
from labhost.sriov import DRIVER, NETDEV, PCI, PFS, mediated_by, num_vfs, set_vf, vfs_of
from labhost.tap import program
from labhost.watch import Flood, unharmed, watch


def numbers_of(pf):
    return int((PCI / pf / "sriov_numvfs").read_text())


def test_network(tap, pfs):
    """Both cards are on one network, and each VF has its own PF."""
    ports = [Port(pf) for pf in pfs]
    for number, port in enumerate(ports):
        up(port)
        set_vf(port.netdev, 0, "mac", f"52:54:00:76:0{number}:00")
        sh("vfctl", "bind", vfs_of(port.device)[0], "igbvf")
    a, b = ports
    vf_a, vf_b = [Port(vfs_of(pf)[0]) for pf in pfs]
    up(vf_a)
    up(vf_b)
    tap.ok(a.reaches(b) and b.reaches(a), "PF to PF, by wire")
    tap.ok(vf_a.reaches(vf_b) and vf_b.reaches(vf_a),
           "VF of the one to VF of the other")
    tap.ok(vf_a.reaches(a) and vf_b.reaches(b) and vf_a.reaches(b) and
           vf_b.reaches(a), "VFs to their own PF, and to the other")
    for port in (vf_a, vf_b, a, b):
        port.close()


def test_claims(tap, pfs):
    """sample_nic mediates the VFs of those PFs that it drives."""
    a, b = pfs
    for pf in pfs:
        for vf in vfs_of(pf):
            sh("vfctl", "bind", vf, DRIVER)
    with Hold(vfs_of(a)[0]) as one, Hold(vfs_of(b)[0]) as other:
        tap.equal((one.said, other.said, mediated_by(one.vf), mediated_by(other.vf)),
                  ("open", "open", "sample_nic", "sample_nic"),
                  "a VF of each PF is open: both mediated by sample_nic")

    with Hold(vfs_of(a)[0]) as one:
        sh("vfctl", "-p", b, "setup", "igb", "2")
        vf = vfs_of(b)[0]
        sh("vfctl", "bind", vf, DRIVER)
        with Hold(vf) as other:
            tap.equal((other.said, mediated_by(vf)), ("open", "none"),
                      "the other PF is driven by igb: its VF is not mediated")
            tap.equal((mediated_by(one.vf), one.ask(f"read {STATUS}") & 0xff),
                      ("sample_nic", 0x83), "the first one's still is, and works")
        # VFs that another driver made are not taken over.
        sh("vfctl", "unbind", vf)
        (PCI / b / "driver_override").write_text("\n")
        num_vfs(b, 0)
        sh("vfctl", "-p", b, "setup", "sample_nic", "2")
    for vf in vfs_of(b):
        sh("vfctl", "bind", vf, DRIVER)
    with Hold(vfs_of(b)[0]) as other:
        tap.equal(mediated_by(other.vf), "sample_nic",
                  "driven by sample_nic again: mediated again")


def test_numvfs(tap, pfs, times):
    """VFs of one PF come and go, with its traffic and the other PF's."""
    a, b = pfs
    watched = watch(a)
    flood = Flood(Port(b).netdev)
    start = time.monotonic()
    good = 0
    for count in range(times):
        num_vfs(b, 0)
        num_vfs(b, 1 + count % 7)
        good += numbers_of(b) == len(vfs_of(b)) == 1 + count % 7
    tap.equal(good, times, f"sriov_numvfs up and down {times} times while the PF "
              f"sends, {(time.monotonic() - start) / times:.2f} s each")
    num_vfs(b, 0)
    (PCI / b / "sriov_drivers_autoprobe").write_text("1")
    for count in (7, 3):
        num_vfs(b, count)
        drivers = {os.path.basename(os.readlink(PCI / vf / "driver"))
                   for vf in vfs_of(b)}
        tap.equal((len(vfs_of(b)), drivers), (count, {"igbvf"}),
                  f"{count} VFs, probed by igbvf at once")
        for vf in vfs_of(b):
            sh("ip", "link", "set", Port(vf).netdev, "up")
        num_vfs(b, 0)
    tap.ok(flood.stop() > 100, "the PF's own traffic went on")
    (PCI / b / "sriov_drivers_autoprobe").write_text("0")
    unharmed(tap, watched, "VFs come and go")


def rebind(pf):
    driver = pathlib.Path("/sys/bus/pci/drivers/sample_nic")
    (driver / "unbind").write_text(pf)
    (driver / "bind").write_text(pf)


def test_rebind(tap, pfs, times):
    """One PF is unbound and bound while it and its VFs send."""
    a, b = pfs
    watched = watch(a)
    netdev = Port(b).netdev
    flood = Flood(netdev)
    good = 0
    for _ in range(times):
        num_vfs(b, 2)
        vf = vfs_of(b)[0]
        sh("vfctl", "bind", vf, "igbvf")
        port = Port(vf)
        up(port)
        port.close()
        vf_flood = Flood(port.netdev)
        time.sleep(0.2)
        rebind(b)
        vf_flood.stop()
        port = Port(b)
        good += not vfs_of(b) and up(port)
        port.close()
    tap.equal(good, times, f"PF unbound and bound {times} times while it and a VF "
              "of it send")
    tap.ok(flood.stop() > 100, "it did send")
    one, other = Port(a), Port(b)
    tap.ok(one.reaches(other) and other.reaches(one), "PF to PF as ever")
    one.close()
    other.close()
    unharmed(tap, watched, "PF comes and goes")


def main(tap, times="100"):
    log = Log(WARNING)
    set_address(NETDEV, PF_IN_WORLD)
    sh("modprobe", "igbvf")
    tap.run(test_network, test_claims, test_numvfs, pfs=PFS, times=int(times))
    tap.run(test_rebind, pfs=PFS, times=max(3, int(times) // 10))
    tap.equal(log.new("sample_nic"), [], "sample_nic complains of nothing")


if __name__ == "__main__":
    program(main)
