#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""passthrough.py [DRIVER...]: a guest owns VF 0 and passes traffic.

For each vfio driver in turn: bind VF 0, give it a MAC, boot a guest with its
in-tree igbvf on it, ping and transfer both ways between guest and PF, shut the
guest down, unbind, unload. Prints TAP; with two drivers, also whether the guest
saw the same device. Leaves the figures in /out/passthrough.json.
"""

# /// suite
# [passthrough]
# about = "a guest on a VF, in-tree vfio-pci against ours"
# run = "./passthrough.py vfio-pci vfio-pci-mediate"
# daily = ["6.12"]
# but = {debug = "passthrough_sample_nic is for that"}
# guests = true
# minutes = 1
#
# [passthrough_sample_nic]
# about = "a guest on a VF of sample_nic passes traffic"
# run = "./passthrough.py vfio-pci-mediate"
# pf = "sample_nic"
# guests = true
# minutes = 1
# ///

import pathlib

from labhost.guest import Guest
from labhost.klog import complaints
from labhost.net import GUEST_ADDRESS, MAC, PF_ADDRESS, PINGS, link_up, ping, set_address
from labhost.shell import sh
from labhost.sriov import NETDEV, VFS
from labhost.tap import leave, program
from labhost.transfer import SIZE, transfer_in, transfer_out

MODULES = {"vfio-pci-mediate": ["vfio_pci_mediate", "vfio_mediate"],
           "vfio-pci": ["vfio_pci"]}


def guest_view(guest):
    """What the guest sees of its VF, and must see whatever the driver."""
    device = guest.run("readlink -f /sys/class/net/eth0/device")
    return {
        "driver": guest.run(f"basename $(readlink {device}/driver)"),
        "mac": guest.run("cat /sys/class/net/eth0/address"),
        "config": guest.run(f"od -An -v -tx4 -w64 {device}/config"),
        "resource": guest.run(f"cut -d' ' -f3 {device}/resource"),
    }


def passthrough(tap, driver, vf, netdev, figures):
    """The whole job with one driver; returns what the guest saw."""
    def check(passed, what, detail=""):
        figures["steps"].append(what)
        return tap.ok(passed, f"{driver}: {what}", detail)

    before = complaints()
    sh("vfctl", "bind", vf, driver)
    check(True, f"VF {vf} bound")
    sh("ip", "link", "set", netdev, "vf", "0", "mac", MAC)
    with Guest(vf, name=f"guest-{driver}") as guest:
        seconds = guest.boot()
        figures["guest_boot_s"] = round(seconds, 1)
        view = guest_view(guest)
        check(view["driver"] == "igbvf" and view["mac"] == MAC,
              f"guest up in {seconds:.1f} s, igbvf on {view['mac']}", view)
        guest.run(link_up(GUEST_ADDRESS))
        view["vectors"] = guest.run("grep -c eth0 /proc/interrupts")
        check(int(view["vectors"]) > 0, f"link, {view['vectors']} interrupts")

        answers = ping(guest.run, PF_ADDRESS)
        check(answers == PINGS, f"ping guest to PF: {answers} of {PINGS}")
        answers = ping(lambda command: sh("sh", "-c", command), GUEST_ADDRESS)
        check(answers == PINGS, f"ping PF to guest: {answers} of {PINGS}")

        for name, transfer in (("guest to PF", transfer_in),
                               ("PF to guest", transfer_out)):
            size, got, want, seconds = transfer(guest)
            rate = size / seconds / (1 << 20)
            figures[name.replace(" ", "_") + "_MiB_s"] = round(rate, 2)
            check(size == SIZE and got == want,
                  f"TCP {name}: {size >> 20} MiB, same sha256, "
                  f"{rate:.1f} MiB/s", f"{size} bytes, {got} {want}")

        status = guest.shutdown()
        check(status == 0, "guest shut down", f"QEMU returned {status}")
    for each in sh("vfctl", "list").split():
        sh("vfctl", "unbind", each)
    # A PF driver that mediates stays, and the registry with it.
    modules = [name for name in MODULES[driver] if not
               pathlib.Path(f"/sys/module/{name}/holders/sample_nic").exists()]
    sh("modprobe", "-r", *modules)
    loaded = {line.split()[0] for line in sh("lsmod").splitlines()}
    check(not loaded & set(modules), "VFs unbound, module unloaded")
    new = complaints(before)
    check(not new, "nothing left in the kernel log", "\n".join(new))
    return view


def main(tap, *drivers):
    set_address(NETDEV)
    figures = {driver: {"steps": []} for driver in drivers or ["vfio-pci-mediate"]}
    views = {driver: tap.case(driver, passthrough, tap, driver, VFS[0], NETDEV,
                              figures[driver]) for driver in figures}
    seen = [driver for driver, view in views.items() if view]
    for driver in seen[1:]:
        for key, value in views[driver].items():
            tap.equal(value, views[seen[0]][key],
                      f"guest's {key}: the same with {driver} and {seen[0]}")
    leave("passthrough", figures)


if __name__ == "__main__":
    program(main)
