#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""admin.py DEBIAN: what Documentation/admin.rst says, on two bare hosts that have the packages.

tests/lab/admin.py runs it on both. The first one has the page: it runs what is for the other
one there, by ssh, until all of it is done. Prints TAP.
"""

import atexit
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as tree

from labhost.libvirt import Domain, Host, Libvirtd
from labhost.net import GUEST_ADDRESS, PF_ADDRESS, link_up as guest_link, ping, set_address
from labhost.nicstate import Device
from labhost.page import blocks, bounded
from labhost.shell import sh, until
from labhost.sriov import PCI, PF, mediated_by, netdev_of
from labhost.tap import program
from migrate_hosts import HOSTS as ADDRESSES, link_up

HERE, THERE = NAMES = ("source", "destination")
DONE = pathlib.Path("/run/done")
END = 2400          # s until the other host has done all
LONG = 600          # s that one block may take
SHOWN = 4000        # characters of what a block printed
GUEST = "guest"     # as the page's first block calls it
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
# What blocks print, by their first lines
PRINTED = {
    "modprobe -r vfio_pci": r"^\d+\.\d+",
    "modinfo -F signer vfio_pci_mediate             # DKMS module signing key":
        "DKMS module signing key",
    "vfio-mediate bind --vfs 2 $PF":
        r"01:10\.0: bound to vfio-pci\S*\n.*01:10\.0: bound to vfio-pci",
    "driverctl set-override $VF vfio-pci-mediate": r"0000:01:10\.0 vfio-pci-mediate",
    "driverctl set-override $VF vfio-pci": r"0000:01:10\.0 vfio-pci\b(?!-)",
    "vfio-mediate status      # modules, vendors, PFs and VFs; who uses them":
        r"vendor sample_nic.*mediated by sample_nic.*0000:01:10\.2 claim",
    "vfio-mediate check $VF --to destination": r"no problems",
    "virsh domstate $DOMAIN": "running",
    "grep vfio_pci: /lib/modules/$(uname -r)/modules.alias":
        r"alias vfio_pci:v00008086d000010CA\S+ vfio_pci_mediate",
    "cd /sys/bus/pci/devices/$VF": "mediated_by:(.*\n)*last_error:0",
    "SPEC=Documentation/netlink/specs/vfio_mediate.yaml":
        r"'name': '0000:01:10\.0'.*claim-ntf",
    "udevadm monitor --kernel --property --subsystem-match=pci": "VFIO_MEDIATE_OUTCOME=completed",
    "cd /sys/kernel/tracing": "state: device=0000:01:10.2",
    "perf trace -a -e 'vfio_mediate:state,vfio_mediate:record' sleep 6":
        r"vfio_mediate:record\(.*state: +device=0000:01:10\.2",
    "bpftrace -e 'tracepoint:vfio_mediate:state {":
        r"@us\[\d+, 6\]: count 1.*@bytes\[\d+, 1\]: \d+",
    "vfio-mediate check $VF                          # before and while the guest runs":
        "no problems\n.*no problems",
    "virsh dumpxml --migratable $DOMAIN > there.xml": "no problems",
}


def merge(path):
    """Adds what the page has the reader add to a domain's XML: virsh edit calls this."""
    tree.register_namespace("qemu", QEMU)
    domain, added = (tree.parse(each) for each in (path, "/root/domain.xml"))
    for element in added.getroot():
        if element.tag == "devices":
            domain.find("devices").extend(element)
        else:
            domain.getroot().append(element)
    domain.write(path)


class Page:
    """The page's blocks, and the two hosts that they are for."""

    def __init__(self, tap, debian):
        self.tap, self.debian = tap, debian
        text = pathlib.Path("admin.rst").read_text(encoding="utf-8")
        self.blocks = list(blocks(text))
        self.login = next(each.text for each in self.blocks if each.name == "login")

    def on(self, host, script, check=True):
        """Runs a script in a shell of a host; returns its exit status and its output."""
        shell = ["bash"] if host == HERE else ["ssh", THERE, "bash"]
        done = subprocess.run([*shell, "-s"], input=f"cd /root\n{script}", text=True,
                              errors="replace", check=False, timeout=LONG,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode:
            raise OSError(f"{host}: {script}: {done.stdout}")
        return done.returncode, done.stdout

    def text(self, host, block):
        """A block as the host's administrator writes it, with the name of its netdev."""
        netdev = self.on(host, f"ls /sys/bus/pci/devices/{PF}/net")[1].strip()
        return block.text.replace("enp1s0", netdev)

    def run(self, host, block):
        """Runs a block, while something happens to a VF that no guest has if the block is
        to see that."""
        text = bounded(self.text(host, block), block.seconds) if block.seconds else \
            self.text(host, block)
        script = f"set -e\n{self.login}\n" \
            f"export PATH=$PATH:/root/ynl VISUAL='/lab/job/admin.py edit'\n{text}"
        if block.seconds:
            with Activity():
                status, output = self.on(host, script, check=False)
        else:
            status, output = self.on(host, script, check=False)
        wanted = PRINTED.get(block.first, "")
        self.tap.ok(not status and re.search(wanted, output, re.MULTILINE | re.DOTALL),
                    f"line {block.line}, {host}: {block.first}",
                    f"exit status {status}, expected {wanted!r}\n{text}\n--\n"
                    f"{output[-SHOWN:]}")

    def save(self, block):
        for host in NAMES:
            self.on(host, f"cat > {block.name} << 'END'\n{self.text(host, block)}\nEND\n")

    def follow(self, after):
        """All of it in order; after(block) is called after each block."""
        known = set(PRINTED) - {each.first for each in self.blocks}
        self.tap.ok(not known, "what is expected belongs to blocks of the page", known)
        for each in self.blocks:
            if each.where == "file" and each.debian in ("", self.debian):
                self.save(each)
            for host in NAMES:
                if each.is_for((host, "both"), self.debian):
                    self.run(host, each)
            after(each)
        for each in self.blocks:
            if each.is_for(("end",), self.debian):
                self.run(HERE, each)


class Activity:
    """Migrations of the second VF to itself, as a VMM does them, as long as this lasts."""
    VF = "0000:01:10.2"

    def __init__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.loop)

    def loop(self):
        while not self.over.wait(0.5):
            # A block may have the VF open, or taken from the driver.
            with contextlib.suppress(OSError):
                with Device(self.VF) as device:
                    state = device.save("PRE_COPY") + device.save("STOP_COPY")
                    device.set("STOP")
                with Device(self.VF) as device:
                    device.load(state)
                    device.set("RUNNING")

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()


def on_page(tap, debian, here):
    """The first host: the page, and what is so at some places of it."""
    page = Page(tap, debian)
    tap.ok(until(lambda: not page.on(THERE, "true", check=False)[0], 300),
           "the other host is there")
    there = Host(THERE, f"qemu+ssh://{THERE}/system")
    guest = Domain(here, GUEST, "", "", command="define")
    for name in NAMES:
        page.on(name, "mkdir -p Documentation/netlink/specs; cp -r /lab/job/ynl /root; "
                "cp /lab/job/vfio_mediate.yaml Documentation/netlink/specs")

    def answers(where):
        tap.ok(ping(lambda command: sh("sh", "-c", command), GUEST_ADDRESS), where)

    def after(block):
        if block.name.endswith(".rules") and debian == "13":
            tap.equal(page.on(HERE, f"udevadm verify --no-summary {block.name}", check=False),
                      (0, ""), f"udev accepts {block.name}")
        if block.first.startswith("virsh edit"):
            tap.note(f"guest up in {guest.boot():.0f} s")
            tap.equal(mediated_by("0000:01:10.0"), "sample_nic", "the guest's VF is mediated")
            guest.run(guest_link(GUEST_ADDRESS))
            set_address(netdev_of(PF), PF_ADDRESS)
            answers("the guest answers by its VF")
        elif "virsh migrate" in block.text:
            guest.host = there
            tap.equal((here.domains(), there.domains()), ([], [GUEST]),
                      "the guest has migrated")
            tap.equal(guest.run("echo here"), "here", "it runs")
            answers("it answers by the destination's VF")
            tap.ok("migration out completed (0): " in sh("dmesg"), "the kernel says so")

    page.follow(after)


def main(tap, debian):
    number = int(os.environ["LAB_HOST"])
    pathlib.Path("/etc/hosts").write_text("127.0.0.1 localhost\n" + "".join(
        f"{address} {name}\n" for address, name in zip(ADDRESSES, NAMES)), encoding="ascii")
    sh("hostname", NAMES[number])
    link_up(number)
    # As before the page is read
    sh("modprobe", "-r", "vfio_pci_mediate", "vfio_mediate")
    (PCI / PF / "driver_override").write_text("\n")
    os.makedirs("/run/sshd", exist_ok=True)
    sh("/usr/sbin/sshd")
    with Libvirtd(NAMES[number], ADDRESSES[number]) as here:
        # Where virsh looks for it
        pathlib.Path("/run/libvirt/libvirt-sock").symlink_to(f"{here.dir}/sock/libvirt-sock")
        if number:
            tap.ok(until(DONE.exists, END), "the page is done")
            return
        atexit.register(sh, "ssh", THERE, "touch", DONE)
        on_page(tap, debian, here)


if __name__ == "__main__":
    if sys.argv[1:2] == ["edit"]:
        merge(sys.argv[2])
    else:
        program(main)
