#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_errors.py: sleep, errors and a transmitter that hangs.

Each while the PF and a VF send: afterwards the PF answers, without help, and igbvf
on the VF does when it is bound anew. Prints TAP.
"""

# /// suite
# [sample_nic_errors]
# about = "sample_nic sleeps, hangs, and has errors"
# run = "./sample_nic_errors.py"
# daily = ["7.2"]
# pf = "sample_nic"
# vfs = 1
# minutes = 1
# ///

import time

from labhost.klog import Log
from labhost.net import PF_IN_WORLD, WORLD, set_address
from labhost.outer import Outer
from labhost.pfreset import DELAY, MASTER, POWER, SERR, set_command
from labhost.ports import Port, up
from labhost.shell import fails, sh, until
from labhost.sriov import PCI, PF, VFS, set_vf
from labhost.tap import program
from labhost.watch import Flood

VF_MAC = "52:54:00:76:00:10"


def answers():
    return not fails("ping", "-c", "1", "-W", "1", WORLD)


def serves(tap, pf, vf, what):
    """The PF by itself, its VF with a driver that starts anew."""
    tap.ok(until(answers, 30), f"{what}: the PF answers again")
    sh("vfctl", "unbind", vf)
    sh("vfctl", "bind", vf, "igbvf")
    port = Port(vf)
    tap.ok(up(port) and port.mac == VF_MAC and port.reaches(pf) and
           pf.reaches(port), f"{what}: so does its VF, with the address it was given")
    port.close()


def test_sleep(tap, pf, vf):
    if not (POWER / "pm_test").exists():
        tap.skip("sleep", "a kernel without pm_test")
        return
    DELAY.write_text("1")
    for state, test in (("freeze", "devices"), ("mem", "devices"),
                        ("mem", "platform")):
        if state not in (POWER / "state").read_text().split():
            continue
        what = f"{state}, as far as {test}"
        (POWER / "pm_test").write_text(test)
        log, flood = Log(), Flood(pf.netdev)
        vf_flood = Flood(Port(vf).netdev)
        time.sleep(0.2)
        (POWER / "state").write_text(state)
        slept = any("suspend debug: Waiting" in line for line in log.new())
        tap.ok(slept, f"{what}: slept and woke up", "\n".join(log.new()))
        flood.stop()
        vf_flood.stop()
        serves(tap, pf, vf, what)
    (POWER / "pm_test").write_text("none")


def test_hang(tap, pf, vf):
    """Without bus mastering nothing is ever sent: the watchdog notices.

    It takes the interrupts as well, so it is the driver who is to turn it on: by the
    time the test did, one of the mailboxes' might be lost, and with it all others.
    """
    log, flood = Log(), Flood(pf.netdev)
    set_command(pf.device, clear=MASTER)
    # Linux 6.12 and later call it critical, and do not WARN.
    noticed = until(lambda: any("resetting the device" in line
                                for line in log.new()), 30)
    if not noticed:
        set_command(pf.device, MASTER)
    flood.stop()
    tap.ok(noticed and any("NETDEV WATCHDOG" in line for line in log.new()),
           "the transmitter hangs: noticed, and reset", "\n".join(log.new()))
    serves(tap, pf, vf, "the transmitter hung")


def test_aer(tap, pf, vf):
    """An error that concerns all that is behind the root port.

    QEMU's model of the card cannot report errors itself. The VF is in vfio's
    hands, which like sample_nic does not insist on a reset of the link.
    """
    log = Log()
    port = (PCI / pf.device).resolve().parent.name
    if not any("AER: enabled" in line for line in sh("dmesg").splitlines()):
        tap.skip("errors of PCIe", "a kernel that is not told of them")
        return
    set_command(port, SERR)
    sh("vfctl", "bind", vf, "vfio-pci-mediate")
    flood = Flood(pf.netdev)
    time.sleep(0.2)
    Outer().call("human-monitor-command", **{
        "command-line": "pcie_aer_inject_error rp1 COMP_TIME"})
    until(lambda: any("device recovery" in line for line in log.new()), 10)
    tap.ok(any("recovery successful" in line for line in log.new()),
           "a non-fatal error: recovered", "\n".join(log.new()))
    flood.stop()
    serves(tap, pf, vf, "non-fatal error")
    tap.skip("a fatal error", "the link of this root port never becomes active, "
             "which the kernel waits for after it has reset it")


def main(tap):
    pf, vf = Port(PF), VFS[0]
    set_address(pf.netdev, PF_IN_WORLD)
    sh("modprobe", "igbvf")
    set_vf(pf.netdev, 0, "mac", VF_MAC)
    serves(tap, pf, vf, "to begin with")
    tap.run(test_hang, test_sleep, test_aer, pf=pf, vf=vf)


if __name__ == "__main__":
    program(main)
