#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_guest.py: a running guest, its VF mediated.

A guest whose QEMU and igbvf know nothing of it has a register changed under it,
its queues' pages trapped and untrapped while traffic goes on, and its interface
and itself taken down and up while they are trapped. Then its vendor goes, its VF is
unbound, and the PF is unbound and unplugged: each time the VF leaves the guest and
the guest goes on. The vendor is mediator_demo.
"""

# /// suite
# [guest]
# about = "a running guest is mediated and trapped"
# spoils = true         # it unplugs the card
# run = "./mediate_guest.py"
# daily = ["6.12"]
# guests = true
# minutes = 2
# ///

import os
import pathlib
import re
import subprocess
import threading

from labhost.guest import Guest
from labhost.hotplug import answers, leaves, plug, set_up, slot, unplugging_works
from labhost.klog import complaints
from labhost.net import MAC, set_address
from labhost.outer import Outer
from labhost.shell import sh, until
from labhost.sriov import DRIVER, NETDEV, PCI, VFS, mediated_by, set_vf
from labhost.tap import program
from labhost.transfer import transfer_in, transfer_out
from labhost.vmm import Toggler

PARAMETERS = pathlib.Path("/sys/module/mediator_demo/parameters")
RDT, TDT = "0x2818", "0x3818"


def set_parameter(name, value):
    (PARAMETERS / name).write_text(str(value), encoding="utf-8")


def trap(on):
    set_parameter("toggle", int(on))


def doorbells(vf):
    """Writes that the vendor saw while trapped, by register."""
    path = pathlib.Path(f"/sys/kernel/debug/mediator_demo/{vf}/doorbells")
    lines = path.read_text(encoding="utf-8").splitlines()
    return {words[0]: int(words[1]) for words in map(str.split, lines)
            if words[0].startswith("0x")}


def test_register(tap, guest, vf):
    tap.equal(mediated_by(vf), "demo", "the VF is mediated by demo")
    speed = re.search(r"Speed: (\w+)", guest.run("ethtool eth0"))
    tap.equal(speed and speed[1], "100Mb",
              "a mediated register: the guest sees 100 Mb/s, the card has 1000")


def test_toggles(tap, guest, vf, pings):
    """Traffic does not notice."""
    toggler = Toggler(trap)
    got = answers(guest, pings)
    count = toggler.stop()
    tap.ok(got == pings and count > 10,
           f"{count} times trap or untrap meanwhile: "
           f"{got} of {pings} pings answered")

    toggler = Toggler(trap)
    results = transfer_in(guest), transfer_out(guest)
    count = toggler.stop()
    for way, (size, arrived, sent, _) in zip(("guest to PF", "PF to guest"),
                                             results):
        tap.equal(arrived, sent, f"TCP {way}: {size >> 20} MiB, same sha256, "
                  f"with {count} times trap or untrap in both ways")

    before = doorbells(vf)
    answers(guest)
    tap.equal(doorbells(vf), before, "not trapped: the vendor sees no doorbell")
    trap(True)
    got = answers(guest, 20)
    after = doorbells(vf)
    rung = [after[reg] - before[reg] for reg in (RDT, TDT)]
    tap.ok(got == 20 and min(rung) >= 10,
           f"trapped: 20 pings answered, the vendor saw {rung[0]} writes of "
           f"RDT and {rung[1]} of TDT", f"{got} {rung}")
    trap(False)


def test_interface(tap, guest):
    """What a driver does besides ringing doorbells."""
    trap(True)
    good = 0
    for _ in range(5):
        guest.run("ip link set eth0 down")
        set_up(guest)
        good += answers(guest, 5) == 5
    tap.equal(good, 5, "trapped: traffic after each of 5 times down and up")
    guest.run("ip link set eth0 down")
    trap(False)
    set_up(guest)
    tap.equal(answers(guest), 10, "down under the trap, up without")
    guest.run("ip link set eth0 down")
    trap(True)
    set_up(guest)
    trap(False)
    tap.equal(answers(guest), 10, "up under the trap, then untrapped")
    for size in (256, 80):
        trap(True)
        guest.run(f"ethtool -G eth0 rx {size} tx {size}")
        set_up(guest)
        tap.equal(answers(guest), 10, f"trapped: rings of {size}")
        trap(False)

    # Each reset turns the trap off: on again at once, through all of the boot.
    ended = threading.Event()

    def keep_trapped():
        while not ended.wait(0.1):
            trap(True)

    thread = threading.Thread(target=keep_trapped, daemon=True)
    thread.start()
    seconds = guest.reboot()
    set_up(guest)
    got = answers(guest)
    ended.set()
    thread.join(10)
    tap.equal(got, 10, f"trapped: rebooted in {seconds:.0f} s, traffic again")
    trap(False)
    tap.equal(answers(guest), 10, "and untrapped")


def test_going(tap, guest, vfs, netdev):
    if not unplugging_works():
        tap.skip("the vendor, the VF and the PF go", "in this lab such a kernel's guests "
                 "break when a device is unplugged, whatever its driver")
        return
    vf = vfs[0]
    done = subprocess.run(["rmmod", "mediator_demo"], text=True, check=False,
                          capture_output=True)
    tap.ok(done.returncode and "in use" in done.stderr,
           "the vendor's module cannot be unloaded", done)

    trap(True)
    set_parameter("registered", 0)
    tap.equal(mediated_by(vf), "none", "trapped, then the vendor goes: detached")
    leaves(tap, guest, "vendor gone")
    set_parameter("registered", 1)

    plug(guest, vf)
    tap.ok(answers(guest) == 10 and mediated_by(vf) == "demo",
           "plugged in again: mediated again, traffic again")
    if os.uname().release.endswith("-debug"):
        # When a VF goes, stock vfio frees the container's IOMMU while QEMU, which
        # has let go of the device, still unmaps by it: KASAN sees it now and then.
        tap.skip("the VF and the PF go", "a use after free of stock vfio")
        return
    trap(True)
    sh("vfctl", "unbind", vf)
    leaves(tap, guest, "VF unbound while trapped")
    sh("vfctl", "bind", vf, DRIVER)

    plug(guest, vf)
    trap(True)
    pf = pathlib.Path(f"/sys/class/net/{netdev}/device").resolve()
    unbind = pf / "driver" / "unbind"
    driver = (pf / "driver").resolve()
    unbind.write_text(pf.name, encoding="utf-8")
    leaves(tap, guest, "PF unbound while trapped")
    tap.ok(not (PCI / vf).exists(), "and there are no VFs left")
    (driver / "bind").write_text(pf.name, encoding="utf-8")
    until(lambda: pathlib.Path(f"/sys/class/net/{netdev}").exists(), 60)
    sh("vfctl", "setup", "igb", str(len(vfs)))
    sh("vfctl", "bind", vf, DRIVER)
    set_address(netdev)
    set_vf(netdev, 0, "mac", MAC)

    plug(guest, vf)
    tap.equal(answers(guest), 10, "PF bound again: traffic again")
    trap(True)
    Outer().call("device_del", id="pf1")
    leaves(tap, guest, "PF unplugged while trapped")
    tap.ok(until(lambda: not pf.exists(), 60), "and there is no PF left")


def main(tap):
    vf = VFS[0]
    set_address(NETDEV)
    sh("vfctl", "bind", vf, DRIVER)
    set_vf(NETDEV, 0, "mac", MAC)
    sh("modprobe", "mediator_demo")
    before = complaints()
    with Guest(name="guest-mediated", options=slot(vf), reboots=True) as guest:
        guest.boot()
        set_up(guest)
        tap.run(test_register, test_toggles, test_interface, guest=guest, vf=vf, pings=300)
        tap.equal(complaints(before), [], "nothing left in the kernel log so far")
        tap.run(test_going, guest=guest, vfs=VFS, netdev=NETDEV)
        tap.equal(guest.shutdown(), 0, "guest shut down")


if __name__ == "__main__":
    program(main)
