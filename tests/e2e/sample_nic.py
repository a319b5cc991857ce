#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic.py: the PF driver sample_nic, its netdev, its VFs and their switch.

The VFs are driven by in-tree igbvf on the lab host itself. Frames of an ethertype
of our own are sent and received by packet sockets, so that no address of IP, and
no namespace, is needed. Prints TAP.
"""

# /// suite
# [sample_nic]
# about = "the PF driver sample_nic: netdev, VFs, switch, iproute2"
# run = "./sample_nic.py"
# daily = ["debug"]
# but = { "debug-7.2" = "the PCI core warns when it is unloaded with VFs, as igb is" }
# pf = "sample_nic"
# minutes = 2
# ///

import re
import subprocess
import time

from labhost.hold import Hold
from labhost.klog import WARNING
from labhost.net import PF_IN_WORLD, WORLD, set_address
from labhost.ports import GROUP, Port, carrier, up
from labhost.shell import fails, sh, until
from labhost.sriov import PCI, PF, VFS, mediated_by, num_vfs, set_vf, vf_info
from labhost.tap import program

MACS = ["52:54:00:76:00:10", "52:54:00:76:00:11"]
OTHER = "52:54:00:76:00:99"
BROADCAST = "ff:ff:ff:ff:ff:ff"


def test_netdev(tap, pf):
    """The PF by itself: QEMU's user network answers at 10.0.2.2."""
    netdev = pf.netdev
    set_address(netdev, PF_IN_WORLD)

    def answers(*options):
        output = subprocess.run(
            ["ping", "-c", "10", "-i", "0.1", "-W", "2", *options, WORLD],
            check=False, text=True, capture_output=True).stdout
        return int(re.search(r"(\d+) received", output).group(1))

    tap.equal(answers(), 10, "ping to the world outside: 10 of 10")
    tap.equal(answers("-s", "1472", "-M", "do"), 10, "the same, 1500 bytes")
    view = sh("ethtool", netdev)
    tap.ok("Speed: 1000Mb/s" in view and "Link detected: yes" in view,
           "ethtool: 1000 Mb/s", view)
    tap.ok("driver: sample_nic" in sh("ethtool", "-i", netdev),
           "ethtool -i: sample_nic")
    sh("ethtool", "-G", netdev, "rx", "1000", "tx", "512")
    tap.ok(re.search(r"RX:\s+1000\n.*TX:\s+512\b", sh("ethtool", "-g", netdev),
                     re.DOTALL), "ring sizes can be changed")
    tap.equal(answers(), 10, "ping: 10 of 10")
    tap.ok(len(sh("ethtool", "-d", netdev)) > 1000, "registers can be dumped")

    stats = dict(re.findall(r"(\w+): (\d+)", sh("ethtool", "-S", netdev)))
    tap.ok(int(stats["rx_packets_mac"]) >= 30 and
           int(stats["tx_packets_mac"]) >= 30, "the device counts frames", stats)

    good = 0
    for _ in range(20):
        sh("ip", "link", "set", netdev, "down")
        sh("ip", "link", "set", netdev, "up")
        good += answers("-c", "1") == 1
    tap.equal(good, 20, "down and up 20 times, with an answer each time")


def test_switch(tap, pf, vfs):
    """Frames between PF and VFs, and between VFs."""
    for a, b, what in ((pf, vfs[0], "PF to VF"), (vfs[0], pf, "VF to PF"),
                       (vfs[0], vfs[1], "VF to VF")):
        tap.ok(a.meets(b), f"{what}: unicast")
        tap.ok(a.meets(b, BROADCAST), f"{what}: broadcast")
        tap.ok(not a.reaches(b, OTHER, seconds=0.5),
               f"{what}: not what is for others")
    for port in (pf, *vfs):
        sh("ip", "maddr", "add", GROUP, "dev", port.netdev)
    tap.ok(vfs[0].meets(vfs[1], GROUP) and pf.meets(vfs[0], GROUP) and
           vfs[0].meets(pf, GROUP), "multicast that was asked for")
    for port in (pf, *vfs):
        sh("ip", "link", "set", port.netdev, "mtu", "9000")
        until(lambda netdev=port.netdev: carrier(netdev))
    for a, b in ((pf, vfs[0]), (vfs[0], pf), (vfs[0], vfs[1])):
        tap.equal(a.reaches(b, size=9014), 9014, "9014 bytes arrive as sent")
    for port in (pf, *vfs):
        sh("ip", "link", "set", port.netdev, "mtu", "1500")
        until(lambda netdev=port.netdev: carrier(netdev))
    tap.ok(until(lambda: vfs[0].reaches(vfs[1], seconds=0.5)), "and back")

    sh("ip", "link", "set", pf.netdev, "down")
    tap.ok(vfs[0].meets(vfs[1]), "VF to VF while the PF's netdev is down")
    sh("ip", "link", "set", pf.netdev, "up")
    tap.ok(pf.meets(vfs[0]), "and PF to VF when it is up again")


def test_vlans(tap, pf, vfs):
    """VLANs that a VF's driver asks for, and those the administrator sets."""
    tap.ok(not pf.reaches(vfs[0], vlan=7, seconds=0.5), "no VLAN that nobody asked for")
    sh("ip", "link", "add", "link", vfs[0].netdev, "name", "vlan7", "type",
       "vlan", "id", "7")
    sh("ip", "link", "set", "vlan7", "up")
    tap.ok(pf.meets(vfs[0], vlan=7), "one that igbvf has asked for")
    sh("ip", "link", "del", "vlan7")
    tap.ok(not pf.reaches(vfs[0], vlan=7, seconds=0.5), "no longer")

    set_vf(pf.netdev, 0, "vlan", "100", "qos", "3")
    tap.ok(not vfs[0].reaches(vfs[1], seconds=0.5) and
           not vfs[1].reaches(vfs[0], seconds=0.5) and
           not pf.reaches(vfs[0], seconds=0.5),
           "a VF in a VLAN and one in none do not meet")
    set_vf(pf.netdev, 1, "vlan", "100")
    tap.ok(vfs[0].meets(vfs[1]) and vfs[1].meets(vfs[0]),
           "two in the same VLAN do, and know nothing of it")
    tap.ok(pf.meets(vfs[0], vlan=100), "the PF, with a tag, too")
    set_vf(pf.netdev, 0, "vlan", "0")
    set_vf(pf.netdev, 1, "vlan", "0")
    tap.ok(vfs[0].meets(vfs[1]) and pf.meets(vfs[1]), "all are untagged again")


def test_settings(tap, pf, vfs):
    """What the administrator sets, in what iproute2 shows, and kept."""
    set_vf(pf.netdev, 0, "vlan", "100", "qos", "3")
    set_vf(pf.netdev, 0, "rate", "500")
    set_vf(pf.netdev, 0, "spoofchk", "off")
    set_vf(pf.netdev, 0, "trust", "on")

    def shown():
        info = vf_info(pf.netdev, 0)
        return (info["address"], info["vlan_list"][0], info["rate"]["max_tx"],
                info["spoofchk"], info["trust"], info["link_state"])

    want = (MACS[0], {"vlan": 100, "qos": 3}, 500, False, True, "auto")
    tap.equal(shown(), want, "ip link shows what was set")
    sh("vfctl", "bind", vfs[0].device, "vfio-pci-mediate")
    (PCI / vfs[0].device / "reset").write_text("1")
    tap.equal(shown(), want, "it survives a reset of the VF")
    for refused in (("vlan", "4096"), ("min_tx_rate", "10"), ("state", "enable"),
                    ("rate", "2000"), ("mac", pf.mac), ("mac", GROUP)):
        tap.ok(fails("ip", "link", "set", pf.netdev, "vf", "0", *refused),
               f"refused: {' '.join(refused)}")
    tap.equal(shown(), want, "and nothing has changed")
    set_vf(pf.netdev, 0, "vlan", "0")
    set_vf(pf.netdev, 0, "rate", "0")
    set_vf(pf.netdev, 0, "spoofchk", "on")
    set_vf(pf.netdev, 0, "trust", "off")


def test_link(tap, pf, vfs):
    """The link is taken from a VF, and given back.

    QEMU's model raises the wrong vector when the PF sends a message, so igbvf looks
    at it only when it starts.
    """
    set_vf(pf.netdev, 1, "state", "disable")
    tap.ok(not pf.reaches(vfs[1], seconds=0.5) and
           not vfs[1].reaches(pf, seconds=0.5), "state disable: no frames")
    sh("ip", "link", "set", vfs[1].netdev, "down")
    sh("ip", "link", "set", vfs[1].netdev, "up")
    tap.ok(not until(lambda: carrier(vfs[1].netdev), 4), "and no link")
    set_vf(pf.netdev, 1, "state", "auto")
    sh("ip", "link", "set", vfs[1].netdev, "down")
    tap.ok(up(vfs[1]), "state auto: a link")
    tap.ok(pf.meets(vfs[1]) and vfs[1].meets(pf), "and frames")

    def counted():
        stats = vf_info(pf.netdev, 1)["stats"]
        return stats["rx"]["packets"], stats["tx"]["tx_packets"]

    before = counted()
    for _ in range(10):
        pf.reaches(vfs[1])
        vfs[1].reaches(pf)
    after = counted()
    tap.ok(after[0] - before[0] >= 10 and after[1] - before[1] >= 10,
           "ip -s counts the VF's frames", f"{before}\n{after}")


def test_addresses(tap, pf, vfs):
    """A VF's driver asks for another address."""
    sh("ip", "link", "set", vfs[1].netdev, "down")
    tap.ok(fails("ip", "link", "set", vfs[1].netdev, "address", OTHER),
           "not when the administrator has set one")
    set_vf(pf.netdev, 1, "mac", "00:00:00:00:00:00")
    sh("vfctl", "bind", vfs[1].device, "vfio-pci-mediate")
    sh("vfctl", "bind", vfs[1].device, "igbvf")
    port = Port(vfs[1].device)
    tap.ok(fails("ip", "link", "set", port.netdev, "address", pf.mac),
           "nor the PF's")
    sh("ip", "link", "set", port.netdev, "address", OTHER)
    up(port)
    tap.ok(pf.meets(port, OTHER), "otherwise it gets it")
    tap.equal(vf_info(pf.netdev, 1)["address"], OTHER, "as ip link shows")
    port.close()


def test_mediation(tap, device):
    """vfio-pci-mediate asks, sample_nic claims."""
    sh("vfctl", "bind", device, "vfio-pci-mediate")
    with Hold(device) as hold:
        tap.equal((hold.said, mediated_by(device)), ("open", "sample_nic"),
                  "a VF that is open is mediated by sample_nic")
    tap.equal(mediated_by(device), "none", "one that is closed by none")


def test_lifecycle(tap, device):
    """VFs, and the PF, come and go."""
    for vf in VFS:
        sh("vfctl", "unbind", vf)
    start = time.monotonic()
    for count in range(20):
        num_vfs(device, 0)
        num_vfs(device, 1 + count % 7)
    tap.ok(True, f"sriov_numvfs up and down 20 times, "
           f"{time.monotonic() - start:.1f} s")
    num_vfs(device, 0)
    try:
        num_vfs(device, 8)
        tap.ok(False, "eight VFs would leave no queue to the PF")
    except OSError:
        tap.ok(True, "eight VFs would leave no queue to the PF")
    num_vfs(device, 7)
    sh("modprobe", "-r", "sample_nic")
    tap.ok(not (PCI / device / "virtfn0").exists(), "unloaded with seven VFs")
    for _ in range(5):
        sh("modprobe", "sample_nic")
        sh("modprobe", "-r", "sample_nic")
    sh("modprobe", "sample_nic")
    port = Port(device)
    tap.ok(up(port), "loaded and unloaded five times, then the link is up")
    set_address(port.netdev, PF_IN_WORLD)
    (PCI / device / "reset").write_text("1")
    tap.ok(until(lambda: not fails("ping", "-c", "1", "-W", "1", WORLD)),
           "the PF is reset by sysfs, and answers again")
    port.close()


def main(tap):
    pf = Port(PF)
    up(pf)
    tap.run(test_netdev, pf=pf)
    for number, mac in enumerate(MACS):
        set_vf(pf.netdev, number, "mac", mac)
    sh("modprobe", "igbvf")
    for vf in VFS:
        sh("vfctl", "bind", vf, "igbvf")
    vfs = [Port(vf) for vf in VFS]
    tap.equal([vf.mac for vf in vfs], MACS, "igbvf has the addresses that were set")
    tap.ok(all(map(up, vfs)), "and a link")
    tap.run(test_switch, test_vlans, test_link, test_settings, test_addresses, pf=pf, vfs=vfs)
    tap.run(test_mediation, device=VFS[0])
    pf.close()
    tap.run(test_lifecycle, device=PF)
    bad = [line for line in sh("dmesg", "--level", WARNING).splitlines()
           if "sample_nic" in line]
    tap.equal(bad, [], "sample_nic complains of nothing")


if __name__ == "__main__":
    program(main)
