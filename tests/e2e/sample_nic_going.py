#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_going.py: a PF goes while VFs of it are open.

It is unbound, its VFs are unmade, its module unloaded, it is unplugged: while a VF is
held by somebody who gives it back when he is asked, and by somebody who does not. The
other PF is not to notice, and this one serves when it is back. Prints TAP.
"""

# /// suite
# [sample_nic_going]
# about = "a PF of sample_nic goes while its VFs are open"
# run = "./sample_nic_going.py"
# daily = ["6.12"]
# pf = "sample_nic"
# pfs = 2
# minutes = 1
# ///

import pathlib
import subprocess
import time

from labhost.hold import Hold
from labhost.klog import WARNING, Log
from labhost.net import PF_IN_WORLD, set_address
from labhost.nic import STATUS
from labhost.outer import Outer
from labhost.ports import Port, up
from labhost.shell import sh, until
from labhost.sriov import DRIVER, NETDEV, PCI, PFS, mediated_by, num_vfs, vfs_of
from labhost.tap import program
from labhost.watch import unharmed, watch

SAMPLE_NIC = pathlib.Path("/sys/bus/pci/drivers/sample_nic")


def in_background(command):
    return subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def serves(pf):
    """With VFs, of which one is opened and mediated, and a link."""
    port = Port(pf)
    good = up(port)
    port.close()
    num_vfs(pf, 2)
    vf = vfs_of(pf)[0]
    sh("vfctl", "bind", vf, DRIVER)
    with Hold(vf) as hold:
        return good and hold.said == "open" and mediated_by(vf) == "sample_nic"


def open_vfs(pf):
    """One that is given back on request, one that is not."""
    num_vfs(pf, 0)
    num_vfs(pf, 3)
    for vf in vfs_of(pf):
        sh("vfctl", "bind", vf, DRIVER)
    obedient, stubborn, _ = vfs_of(pf)
    holds = Hold(obedient, "--until-requested"), Hold(stubborn)
    for hold in holds:
        if mediated_by(hold.vf) != "sample_nic":
            raise OSError(f"{hold.vf}: {hold.said}, {mediated_by(hold.vf)}")
    return holds


def goes(tap, pf, what, command, detached):
    """What takes the PF or its VFs waits for those who have a VF open."""
    obedient, stubborn = open_vfs(pf)
    last = vfs_of(pf)[-1]
    action = in_background(command)
    asked = stubborn.asked_back() or until(stubborn.asked_back, 10)
    tap.ok(asked and obedient.proc.wait(10) == 0,
           f"{what}: VFs are asked back, one is given")
    time.sleep(0.3)
    tap.ok(action.poll() is None, f"{what}: waits for the other")
    tap.equal((stubborn.ask("trap 1"), stubborn.ask(f"read {STATUS}") & 0xff),
              ("ENODEV" if detached else 1, 0x83),
              f"{what}: it has its registers, and {'no' if detached else 'a'} trap")
    if detached:
        with Hold(last) as other:
            tap.equal((other.said, mediated_by(last)), ("open", "none"),
                      f"{what}: one that is opened now is not mediated")
    stubborn.close()
    obedient.close()
    tap.equal(action.wait(30), 0, f"{what}: done when that is closed, too")
    return not vfs_of(pf)


def test_numvfs(tap, b):
    tap.ok(goes(tap, b, "sriov_numvfs = 0", f"echo 0 > {PCI}/{b}/sriov_numvfs",
                False), "and there are no VFs")
    tap.ok(serves(b), "VFs can be made again, and are mediated")


def test_unbound(tap, b, watched):
    tap.ok(goes(tap, b, "PF unbound", f"echo {b} > {SAMPLE_NIC}/unbind", True),
           "and there are no VFs")
    with Hold(watched[2].vf) as again:
        tap.equal(again.said, "open: EBUSY", "the other PF's VF is still open")
    (SAMPLE_NIC / "bind").write_text(b)
    tap.ok(serves(b), "it can be bound again, and serves")


def test_unloaded(tap, b):
    holds = open_vfs(b)
    done = subprocess.run(["modprobe", "-r", "sample_nic"], check=False, text=True,
                          capture_output=True)
    tap.ok(done.returncode and "in use" in done.stderr and
           not holds[1].asked_back() and
           all(mediated_by(hold.vf) == "sample_nic" for hold in holds),
           "the module cannot be unloaded, and nobody is asked for anything", done)
    for hold in holds:
        hold.close()


def test_unplugged(tap, b):
    """By QEMU's monitor, and plugged in again."""
    if not any(pathlib.Path("/sys/bus/pci/slots").iterdir()):
        tap.skip("PF unplugged", "a kernel that knows of no slots")
        return
    outer = Outer()
    tap.ok(goes(tap, b, "PF unplugged", "python3 -c 'from labhost.outer import Outer; "
                f"Outer().call(\"device_del\", id=\"pf2\")'; while [ -e {PCI}/{b} ]; "
                "do sleep 0.1; done", True), "and there are no VFs")
    tap.ok(not (PCI / b).exists(), "nor is there a PF")
    outer.call("device_add", driver="igb", id="pf2", bus="rp2", netdev="n2",
               mac="52:54:00:12:34:57")
    tap.ok(until(lambda: (PCI / b / "net").exists(), 30) and serves(b),
           "plugged in again, it serves")


def main(tap):
    log = Log(WARNING)
    set_address(NETDEV, PF_IN_WORLD)
    sh("modprobe", "igbvf")
    watched = watch(PFS[0])
    tap.run(test_numvfs, test_unbound, test_unloaded, test_unplugged, b=PFS[1],
            watched=watched)
    unharmed(tap, watched, "a PF goes with its VFs open")
    for pf in PFS:
        num_vfs(pf, 0)
    done = subprocess.run(["modprobe", "-r", "sample_nic"], check=False, text=True,
                          capture_output=True)
    tap.equal(done.returncode, 0, "with no VF open, the module is unloaded")
    bad = [line for line in log.new("sample_nic") if "no longer mediated by" not in line]
    tap.equal(bad, [], "sample_nic complains of nothing")


if __name__ == "__main__":
    program(main)
