#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""libvirt.py [drop_in|hosts]: guests migrate by virsh, between two libvirtds on one lab host.

Each of them has the VFs of one PF. A guest migrates there and back under traffic with its
VF in a <hostdev>, in an <interface type='hostdev'>, and from a network pool of the same
name. Then what libvirt refuses, with its message: the guest runs on meanwhile, and is not
even stopped where that can be told beforehand.

With drop_in, the driver is called vfio-pci, for a libvirt that knows no other. With hosts,
each libvirtd has a lab host. Prints TAP.
"""

# /// suite
# [libvirt]
# about = "virsh migrate --live there and back, and what libvirt refuses"
# run = "./libvirt.py"
# but = {"7.2" = "not tried", debug = "too slow", "debug-7.2" = "too slow"}
# pf = "sample_nic"
# pfs = 2
# guests = true
# userland = "libvirt"
# extra = ["vfio_pci_mediate-ids.ko"]
# minutes = 12
# timeout = 3600
#
# [libvirt_9]
# about = "the same with Debian 12's libvirt 9 and QEMU 7.2, by drop_in=1"
# run = "./libvirt.py drop_in"
# but = {"7.2" = "not tried", debug = "too slow", "debug-7.2" = "too slow"}
# pf = "sample_nic"
# pfs = 2
# guests = true
# userland = "libvirt-9"
# minutes = 5
#
# [libvirt_hosts]
# about = "virsh migrate --live from one lab host to another, and back"
# run = "./libvirt.py hosts"
# but = {"7.2" = "not tried", debug = "too slow", "debug-7.2" = "too slow"}
# pf = "sample_nic"
# guests = true
# hosts = 2
# userland = "libvirt"
# minutes = 12
# ///

import atexit
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from labhost.klog import complaints
from labhost.libvirt import (
    EMULATOR, OLD_OVERRIDE, OVERRIDE, Domain, DomainTrip, Host, Libvirtd, hostdev, interface,
    one_line, pooled, refused)
from labhost.net import MAC, set_address
from labhost.nicstate import PRE_COPY
from labhost.shell import sh, until
from labhost.sriov import (
    DRIVER, NETDEV, PCI, PFS, VFS, mediated_by, netdev_of, set_vf, vf_info, vfs_of)
from labhost.tap import program
from labhost.trip import private_network
from migrate_hosts import HOSTS as ADDRESSES, link_up
from tools_checks import finds

DONE = 1500             # s until the other host has done all
NOBODY = "00:00:00:00:00:00"
MODULES = pathlib.Path("/lib/modules", os.uname().release)
WITH_IDS = "vfio_pci_mediate-ids.ko"
NO_OVERRIDE = "VFIO device doesn't support device and IOMMU dirty tracking"
NOT_SUPPORTED = "VFIO migration is not supported in kernel"


def driver_of(vf):
    path = PCI / vf / "driver"
    return path.resolve().name if path.exists() else "none"


def give(driver, *vfs):
    """Has a driver, or none, have the VFs."""
    for vf in vfs:
        sh("vfctl", "unbind", vf)
        (PCI / vf / "driver_override").write_text("\n")
        if driver:
            sh("vfctl", "bind", vf, driver)


def macs(vfs):
    """What the PFs show of the VFs' addresses."""
    return [vf_info(netdev_of((PCI / vf / "physfn").resolve().name),
                    vfs_of((PCI / vf / "physfn").resolve().name).index(vf))["address"]
            for vf in vfs]


def there_and_back(tap, hosts, name, devices, at=lambda host: None, override=OVERRIDE):
    """devices are the guest's at the two hosts, the second one None where it is the same.
    at is called whenever it has come to a host, or was started there, with its number."""
    class Watched(DomainTrip):
        def start(self):
            super().start()
            at(0)

        def go(self, *vfs, **options):
            super().go(*vfs, **options)
            at(hosts.index(self.guest.host))

    here, there = devices
    Watched(tap, name, Domain(hosts[0], "guest", here, override)).travel(
        [((hosts[1],), {"device": there}), ((hosts[0],), {"device": there and here})])


def test_pool(tap, hosts, vfs):
    """A network pool of the same name on both hosts."""
    give(None, *vfs)
    for host, pf in zip(hosts, PFS):
        host.pool(netdev_of(pf))

    def moves(number):
        shown = macs(vfs)
        tap.equal([mac == MAC for mac in shown], [number == 0, number == 1],
                  f"pool: its address is at the VF of host {number} alone")

    there_and_back(tap, hosts, "pool", (pooled(MAC), None), moves)
    tap.equal(([driver_of(vf) for vf in vfs], macs(vfs)), (["none"] * 2, [NOBODY] * 2),
              "pool: then drivers and addresses of VFs are as before")
    for host in hosts:
        host.virsh("net-destroy", "vf-pool")


def test_interface(tap, hosts, vfs):
    """<interface type='hostdev'>"""
    give(None, *vfs)
    there_and_back(tap, hosts, "interface", [interface(vf, MAC) for vf in vfs])
    tap.equal(([driver_of(vf) for vf in vfs], macs(vfs)), (["none"] * 2, [NOBODY] * 2),
              "interface: then drivers and addresses of VFs are as before")


def test_same_pf(tap, hosts):
    """Between two VFs of one PF."""
    vfs = VFS[:2]
    give(None, *vfs)
    there_and_back(tap, hosts, "interface, one PF", [interface(vf, MAC) for vf in vfs])
    tap.equal(macs(vfs), [NOBODY] * 2, "interface, one PF: then addresses are as before")


def test_managed(tap, hosts, vfs):
    """<hostdev managed='yes'> that names the driver"""
    give(None, *vfs)
    there_and_back(tap, hosts, "managed='yes'", [hostdev(vf, "yes") for vf in vfs])
    tap.equal([driver_of(vf) for vf in vfs], ["none"] * 2,
              "managed='yes': then VFs have no driver, as before")


def test_hostdev(tap, hosts, vfs):
    """<hostdev managed='no'>, and destinations that are refused before that"""
    give(DRIVER, *vfs)
    devices = [hostdev(vf) for vf in vfs]
    netdev, options = netdev_of(PFS[1]), {"device": devices[1]}

    class Refusals(DomainTrip):
        def start(self):
            super().start()
            give("vfio-pci", vfs[1])
            refused(tap, self, hosts[1], "destination's VF on vfio-pci", NOT_SUPPORTED,
                    **options)
            give(DRIVER, vfs[1])
            for item, value, undo in (("vlan", "100", "0"),
                                      ("mac", "52:54:00:76:00:99", NOBODY)):
                set_vf(netdev, 0, item, value)
                refused(tap, self, hosts[1], f"conflict: {item}", "load", **options)
                if item == "vlan":
                    # As with a destination that does not know records in pre-copy
                    PRE_COPY.write_text("0", encoding="ascii")
                    refused(tap, self, hosts[1], f"conflict: {item}, pre_copy=0", "load",
                            stops=True, **options)
                    PRE_COPY.write_text("1", encoding="ascii")
                set_vf(netdev, 0, item, undo)
            with other_vendor(vfs[1]):
                refused(tap, self, hosts[1], "wrong vendor", "load", **options)
            self.known = complaints()

    guest = Domain(hosts[0], "guest", devices[0])
    Refusals(tap, "managed='no'", guest).travel(
        [((hosts[1],), options), ((hosts[0],), {"device": devices[0]})])


@contextlib.contextmanager
def other_vendor(vf):
    """The second PF is igb's, and mediator_state mediates its VFs."""
    give(None, *vfs_of(PFS[1]))
    (PCI / PFS[1] / "sriov_numvfs").write_text("0")
    sh("vfctl", "-p", PFS[1], "setup", "igb", "2")
    give(DRIVER, vf)
    sh("modprobe", "mediator_state")
    yield
    give(None, vf)
    sh("modprobe", "-r", "mediator_state")
    (PCI / PFS[1] / "sriov_numvfs").write_text("0")
    sh("vfctl", "-p", PFS[1], "setup", "sample_nic", "2")
    give(DRIVER, *vfs_of(PFS[1]))


def test_not_migratable(tap, hosts, vfs):
    """Domains that cannot be migrated, or do not even start."""
    give(DRIVER, *vfs)
    no_model = hostdev(vfs[0], "yes", model="")
    for what, device, message in (("no override", hostdev(vfs[0]), NO_OVERRIDE),
                                  ("managed='yes', no model", no_model, NOT_SUPPORTED)):
        with contextlib.closing(Domain(hosts[0], "guest", device, "")) as guest:
            guest.boot()
            refused(tap, guest, hosts[1], what, message, device=hostdev(vfs[1]))
            tap.equal(driver_of(vfs[0]), "vfio-pci" if device is no_model else DRIVER,
                      f"{what}: where its VF is")
    try:
        Domain(hosts[0], "guest", no_model).close()
        answer = "nothing, and starts"
    except subprocess.CalledProcessError as err:
        answer = one_line(err.output)
    tap.ok(NOT_SUPPORTED in answer, f"managed='yes', no model, with the override: {answer}")


def test_check(tap, hosts, vfs):
    """What vfio-mediate check says of domains: what libvirt would refuse, before it does."""
    os.environ["LIBVIRT_DEFAULT_URI"] = hosts[0].uri
    for what, vf, device, override, lines in (
            ("all is well", vfs[0], hostdev(vfs[0]), OVERRIDE,
             ("ok libvirt: domain guest has the <qemu:override>", "ok libvirt: libvirt ",
              "ok option: ")),
            ("no override", vfs[0], hostdev(vfs[0]), "",
             ("problem libvirt: domain guest has no <qemu:override>",)),
            ("no model", vfs[0], hostdev(vfs[0], "yes", model=""), "",
             ("problem driver: in-tree vfio-pci does not migrate",
              "problem libvirt: domain guest has managed='yes' without <driver model=")),
            ("one PF", VFS[0], interface(VFS[0], MAC), OVERRIDE,
             ("unknown libvirt: both VFs belong to one PF",))):
        give(DRIVER, *VFS[:2], *vfs)
        with contextlib.closing(Domain(hosts[0], "guest", device, override)):
            finds(tap, what, (vf, *(("--to", VFS[1]) if what == "one PF" else ())), *lines)
    del os.environ["LIBVIRT_DEFAULT_URI"]


def test_no_way_back(tap, hosts, vfs):
    """The destination's XML has no override."""
    give(DRIVER, *vfs)
    with contextlib.closing(Domain(hosts[0], "guest", hostdev(vfs[0]))) as guest:
        guest.boot()
        guest.migrate(hosts[1], device=hostdev(vfs[1]), override="")
        tap.equal(guest.run("echo here"), "here", "no override in the destination's XML: it "
                  "migrates once")
        refused(tap, guest, hosts[0], "and then no more", NO_OVERRIDE,
                device=hostdev(vfs[0]))


def test_wrapper(tap, hosts, vfs):
    """QEMU gets the option from a wrapper, as with an orchestrator that writes no override."""
    give(DRIVER, *vfs)
    with tempfile.TemporaryDirectory() as folder:
        wrapper = pathlib.Path(folder, "qemu")
        wrapper.write_text("#!/bin/sh\n"
                           f'exec {EMULATOR} -global vfio-pci.enable-migration=on "$@"\n',
                           encoding="ascii")
        os.chmod(folder, 0o755)
        wrapper.chmod(0o755)
        with contextlib.closing(Domain(hosts[0], "guest", hostdev(vfs[0], model=""), "",
                                       wrapper)) as guest:
            guest.boot()
            guest.migrate(hosts[1], device=hostdev(vfs[1], model=""))
            tap.equal(guest.run("echo here"), "here", "wrapper: the guest migrates")


@contextlib.contextmanager
def alias():
    """The driver is installed as VFIO_PCI_MEDIATE_IDS=8086:10ca makes it."""
    with tempfile.TemporaryDirectory() as folder:
        there = pathlib.Path(folder, "lib", "modules", MODULES.name)
        shutil.copytree(MODULES, there)
        shutil.copy(WITH_IDS, there / "updates" / "vfio_pci_mediate.ko")
        sh("depmod", "-b", folder, MODULES.name)
        sh("modprobe", "-r", "vfio_pci_mediate")
        sh("mount", "--bind", there, MODULES)
        try:
            yield
        finally:
            sh("umount", MODULES)


def test_alias(tap, hosts, vfs):
    """<hostdev managed='yes'> that does not name the driver, which has an alias"""
    give(None, *vfs)
    here, there = (hostdev(vf, "yes", model="") for vf in vfs)
    with alias(), Libvirtd("three", ADDRESSES[0], hosts[0]) as three, \
            Libvirtd("four", ADDRESSES[1], hosts[0]) as four:
        tap.note(one_line(sh("grep", "^alias vfio_pci:.*mediate", MODULES / "modules.alias")))
        with contextlib.closing(Domain(three, "guest", here)) as guest:
            tap.equal(driver_of(vfs[0]), DRIVER, "alias: managed='yes' picks this driver")
            guest.boot()
            guest.migrate(four, device=there)
            tap.equal((guest.run("echo here"), [mediated_by(vf) for vf in vfs]),
                      ("here", ["", "sample_nic"]), "alias: and its guest migrates")


def test_drop_in(tap, hosts, vfs):
    """A libvirt that accepts no driver but vfio-pci, which this one is called then."""
    finds(tap, "libvirt 9", (vfs[0],), "problem libvirt: libvirt 9.",
          " accepts only a driver called vfio-pci -> vfio-mediate enable --drop-in")
    sh("modprobe", "-r", "vfio_pci", "vfio_pci_mediate")
    sh("modprobe", "vfio_pci_mediate", "drop_in=1")
    for name, managed in (("managed='yes'", "yes"), ("managed='no'", "no")):
        give("vfio-pci" if managed == "no" else None, *vfs)
        there_and_back(tap, hosts, f"drop_in=1, {name}",
                       [hostdev(vf, managed, model="") for vf in vfs], override=OLD_OVERRIDE)
    give(None, *vfs)
    for host, pf in zip(hosts, PFS):
        host.pool(netdev_of(pf), model="")
    there_and_back(tap, hosts, "drop_in=1, pool", (pooled(MAC), None), override=OLD_OVERRIDE)
    give(None, *vfs)


def on_two_hosts(tap):
    """Runs on both: the second one has a libvirtd until its pool is taken away."""
    number = int(os.environ["LAB_HOST"])
    link_up(number)
    atexit.register(sh, "modprobe", "-r", "virtio_net")
    give(None, *VFS)
    with Libvirtd(f"host{number}", ADDRESSES[number], listen=True) as here:
        here.pool(NETDEV)
        if number:
            tap.ok(until(lambda: not here.pools(), DONE), "the other host is done")
            return
        set_address(NETDEV)
        there = Host("other", f"qemu+tcp://{ADDRESSES[1]}/system")
        tap.ok(until(there.answers, 120) and until(there.pools, 20), "the other host is there")
        there_and_back(tap, (here, there), "to another host", (pooled(MAC), None))
        there.virsh("net-destroy", "vf-pool")


def main(tap, how=""):
    if how == "hosts":
        on_two_hosts(tap)
        return
    private_network()
    for address in ADDRESSES:
        sh("ip", "addr", "add", f"{address}/32", "dev", "lo")
        atexit.register(sh, "ip", "addr", "del", f"{address}/32", "dev", "lo")
    tests = [test_drop_in] if how == "drop_in" else [
        test_pool, test_interface, test_same_pf, test_managed, test_hostdev,
        test_not_migratable, test_check, test_no_way_back, test_wrapper, test_alias]
    with Libvirtd("one", ADDRESSES[0]) as one, Libvirtd("two", ADDRESSES[1], one) as two:
        tap.note(one_line(one.virsh("version")))
        tap.run(*tests, hosts=(one, two), vfs=(VFS[0], vfs_of(PFS[1])[0]))


if __name__ == "__main__":
    program(main)
