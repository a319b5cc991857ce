#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_guest.py: a guest on a VF of sample_nic, and what is done to it.

Its queues' pages are trapped and untrapped while it has traffic; its DMA is stopped
and started; the VF and the PF go, and it lives on without. Prints TAP.
"""

# /// suite
# [sample_nic_guest]
# about = "a guest on a VF of sample_nic is trapped, stopped, left"
# spoils = true         # it unplugs the card
# run = "./sample_nic_guest.py"
# daily = ["6.12"]
# pf = "sample_nic"
# guests = true
# minutes = 2
# ///

import os
import pathlib
import subprocess
import time

from labhost.guest import Guest
from labhost.hotplug import answers, leaves, plug, set_up, slot, unplugging_works
from labhost.klog import WARNING, Log
from labhost.net import MAC, PF_ADDRESS, set_address
from labhost.nic import rings, stands_still, stop, stoppable
from labhost.outer import Outer
from labhost.shell import sh, until
from labhost.sriov import DRIVER, NETDEV, PCI, PF, VFS, mediated_by, set_vf
from labhost.tap import program
from labhost.transfer import transfer_in, transfer_out
from labhost.vmm import Toggler, VmmDevice

SAMPLE_NIC = pathlib.Path("/sys/bus/pci/drivers/sample_nic")


def test_traps(tap, guest):
    device = VmmDevice(guest.proc.pid)
    toggler = Toggler(device.trap)
    got = answers(guest, 150)
    count = toggler.stop()
    tap.ok(got == 150 and count > 10, f"{count} times trap or untrap meanwhile: "
           f"{got} of 150 pings answered")
    toggler = Toggler(device.trap)
    results = transfer_in(guest), transfer_out(guest)
    count = toggler.stop()
    tap.ok(all(arrived == sent for _, arrived, sent, _ in results),
           f"TCP both ways: same sha256, with {count} times trap or untrap")
    device.trap(True)
    good = 0
    for _ in range(3):
        guest.run("ip link set eth0 down")
        set_up(guest)
        # A driver that resets its VF ends the trap.
        device.trap(True)
        good += answers(guest) == 10 and device.trapped()
    tap.equal(good, 3, "trapped: traffic after each of 3 times down and up")
    device.trap(False)
    device.close()
    tap.equal(answers(guest), 10, "untrapped: traffic")


def test_stop(tap, guest, pf, netdev):
    guest.run(f"ping -i 0.05 -W 1 {PF_ADDRESS} > /tmp/pings 2>&1 &")
    moving = rings(netdev, 0)
    time.sleep(1)
    tap.ok(moving["TDH"] != rings(netdev, 0)["TDH"], "with traffic, heads move")
    stop(pf, 0)
    last = stands_still(tap, netdev)
    tap.ok(last["TDT"] != last["TDH"], "what the guest sends waits in its ring",
           last)
    guest.run("ip link set eth0 down")
    set_up(guest)
    tap.equal(guest.try_run(f"ping -c 2 -W 1 {PF_ADDRESS}")[0], 1,
              "stopped, the guest's driver starts anew: no answer")
    stop(pf, 0, False)
    # Either side may have to ask for the other's address first.
    until(lambda: guest.try_run(f"ping -c 1 -W 1 {PF_ADDRESS}")[0] == 0, 10)
    tap.equal(answers(guest), 10, "started: traffic")
    guest.try_run("killall ping")


def make_vfs(pf, vfs, netdev):
    """As before whatever has taken them away."""
    until(lambda: pathlib.Path(f"/sys/class/net/{netdev}").exists(), 60)
    sh("vfctl", "setup", "sample_nic", str(len(vfs)))
    sh("vfctl", "bind", vfs[0], DRIVER)
    set_address(netdev)
    set_vf(netdev, 0, "mac", MAC)


def test_going(tap, guest, pf, vfs, netdev):
    if os.uname().release.endswith("-debug"):
        # See mediate_guest.py.
        tap.skip("VFs and PF go", "a use after free of stock vfio")
        return
    if not unplugging_works():
        tap.skip("VFs and PF go", "in this lab such a kernel's guests break when a device "
                 "is unplugged")
        return
    vf = vfs[0]
    done = subprocess.run(["modprobe", "-r", "sample_nic"], text=True, check=False,
                          capture_output=True)
    tap.ok(done.returncode and "in use" in done.stderr,
           "the module cannot be unloaded", done)

    def unbind():
        (SAMPLE_NIC / "unbind").write_text(pf, encoding="utf-8")

    def bind():
        (SAMPLE_NIC / "bind").write_text(pf, encoding="utf-8")

    def no_vfs():
        (PCI / pf / "sriov_numvfs").write_text("0", encoding="utf-8")

    for what, harm, repair in (("sriov_numvfs = 0", no_vfs, lambda: None),
                               ("PF unbound", unbind, bind)):
        harm()
        leaves(tap, guest, what)
        tap.ok(not (PCI / vf).exists(), f"{what}: there are no VFs left")
        repair()
        make_vfs(pf, vfs, netdev)
        plug(guest, vf)
        tap.ok(answers(guest) == 10 and mediated_by(vf) == "sample_nic",
               f"{what}: made again and plugged in, traffic again")

    device = VmmDevice(guest.proc.pid)
    device.trap(True)
    # Not one of those who are waited for.
    device.close()
    Outer().call("device_del", id="pf1")
    leaves(tap, guest, "PF unplugged while trapped")
    tap.ok(until(lambda: not (PCI / pf).exists(), 60), "and there is no PF left")


def main(tap):
    log = Log(WARNING)
    set_address(NETDEV)
    set_vf(NETDEV, 0, "mac", MAC)
    with Guest(name="guest", options=slot(VFS[0])) as guest:
        guest.boot()
        set_up(guest)
        tap.equal(mediated_by(VFS[0]), "sample_nic", "mediated by sample_nic")
        with stoppable():
            tap.run(test_traps, test_stop, guest=guest, pf=PF, netdev=NETDEV)
        tap.equal(log.new("sample_nic"), [], "sample_nic complains of nothing")
        tap.run(test_going, guest=guest, pf=PF, vfs=VFS, netdev=NETDEV)
        tap.equal(guest.shutdown(), 0, "guest shut down")


if __name__ == "__main__":
    program(main)
