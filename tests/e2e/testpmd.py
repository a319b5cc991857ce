#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""testpmd.py: DPDK drives a VF of sample_nic from user space.

testpmd, with DPDK's own driver for the VFs of the 82576, runs on VF 0: first on
in-tree vfio-pci, then on vfio-pci-mediate under that name, the only one DPDK
accepts. It answers to ping, and sends as much as it can; the PF counts. Prints TAP
and the figures of both.

DPDK also looks for a module of the name vfio_pci, which drop-in/ has.
"""

# /// suite
# [testpmd]
# about = "DPDK on a VF of sample_nic, in-tree vfio-pci against ours"
# run = "./testpmd.py"
# but = {"7.2" = "not tried", debug = "not tried"}
# pf = "sample_nic"
# guests = true
# extra = ["testpmd"]
# minutes = 3
# ///

import json
import os
import pathlib
import re
import socket
import subprocess
import time

from labhost.klog import complaints
from labhost.net import ping, set_address
from labhost.shell import sh
from labhost.sriov import DRIVER, NETDEV, VFS, mediated_by, set_vf
from labhost.tap import leave, program

MAC = "52:54:00:76:00:10"
PF_ADDRESS, VF_ADDRESS = "198.18.0.2", "198.18.0.1"
PORT = 9
PINGS = 500
SECONDS = 3             # of sending
HUGE_PAGES = 160        # of 2 MiB
DROP_IN = "/lib/modules/drop-in/vfio-pci.ko"
COUNTERS = pathlib.Path("/sys/module/vfio_mediate/parameters/counters")
TESTPMD = pathlib.Path("testpmd")
DRIVERS = (("vfio-pci", "in-tree vfio-pci"),
           ("vfio-pci-mediate", "vfio-pci-mediate drop_in=1"))


class Testpmd:
    """The program, driven by its own prompt."""

    def __init__(self, vf, mode, peer):
        self.log = open("/out/testpmd.log", "a+b")
        self.log.seek(0, os.SEEK_END)
        self.start = self.log.tell()
        drivers = [part for name in ("mempool_ring", "net_e1000") for part in
                   ("-d", *map(str, TESTPMD.glob(f"lib/librte_{name}.so.*")))]
        self.proc = subprocess.Popen(
            ["stdbuf", "-oL", TESTPMD / "dpdk-testpmd", "-l", "0,1",
             # No files in hugetlbfs
             "-m", "256", "--in-memory", *drivers, "-a", vf, "--", "-i",
             "--total-num-mbufs=8192", f"--forward-mode={mode}",
             f"--eth-peer=0,{peer}", f"--tx-ip={VF_ADDRESS},{PF_ADDRESS}",
             f"--tx-udp={PORT}"],
            env={**os.environ, "LD_LIBRARY_PATH": str(TESTPMD / "lib"),
                 "RUNTIME_DIRECTORY": "/out"},
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, text=True)

    def said(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            file.seek(self.start)
            return file.read()

    def wait_for(self, text, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(text, self.said()):
            if time.monotonic() > end or self.proc.poll() is not None:
                raise OSError(f"testpmd: no '{text}' but\n{self.said()[-2000:]}")
            time.sleep(0.1)

    def begin(self):
        """From here on it forwards, and counts."""
        self.tell("clear port stats 0\nstart")
        self.wait_for("packet forwarding - ports")

    def tell(self, command):
        self.proc.stdin.write(command + "\n")
        self.proc.stdin.flush()

    def __enter__(self):
        self.wait_for("testpmd> ")
        return self

    def finish(self):
        """What it has received and sent."""
        self.tell("stop")
        self.wait_for("Accumulated forward statistics")
        self.tell("show port stats 0\nshow port info 0\nquit")
        self.proc.wait(30)
        text = self.said()
        return {name: int(re.findall(rf"{name}-packets: (\d+)", text)[-1])
                for name in ("RX", "TX")}

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.log.close()


def pf_counters(netdev):
    """What the PF has received, and VF 0 sent, by the card's own counters."""
    link = json.loads(sh("ip", "-s", "-j", "link", "show", netdev))[0]
    stats = link["stats64"]["rx"]
    return {"received": stats["packets"],
            "missed": stats["dropped"] + stats.get("over_errors", 0),
            "vf sent": link["vfinfo_list"][0]["stats"]["tx"]["tx_packets"],
            "vf received": link["vfinfo_list"][0]["stats"]["rx"]["packets"]}


def give_vf(vf, driver):
    """The VF to a driver called vfio-pci, which there is one of at a time."""
    sh("vfctl", "unbind", vf)
    sh("modprobe", "-r", "vfio_pci")
    sh("modprobe", "-r", "vfio_pci_mediate")
    if driver == "vfio-pci":
        sh("modprobe", "vfio_pci")
    else:
        sh("modprobe", "vfio_pci_mediate", "drop_in=1")
        sh("insmod", DROP_IN)
        # DPDK maps all of BAR 0, or none.
        COUNTERS.write_text("0", encoding="ascii")
    sh("vfctl", "bind", vf, "vfio-pci")
    return pathlib.Path("/sys/bus/pci/drivers/vfio-pci/module").resolve().name


def echo(tap, name, vf, netdev, mac):
    """It answers to ping."""
    with Testpmd(vf, "icmpecho", mac) as testpmd:
        text = testpmd.said()
        tap.ok(MAC.upper() in text, f"{name}: testpmd has the VF, {MAC}", text)
        mediator = mediated_by(vf) if name != "vfio-pci" else "none"
        testpmd.begin()
        # The first ones go before the link is up, and the address known.
        ping(lambda command: sh("sh", "-c", command), VF_ADDRESS)
        output = sh("sh", "-c", f"ping -q -c {PINGS} -i 0.005 -W 2 {VF_ADDRESS} "
                    "|| true", timeout=120)
        answers = int(re.search(r"(\d+) received", output).group(1))
        tap.equal(answers, PINGS, f"{name}: testpmd answers to {PINGS} pings")
        stats = testpmd.finish()
    tap.ok(stats["RX"] >= PINGS and stats["TX"] >= PINGS,
           f"{name}: testpmd has counted them", stats)
    return {"mediated by": mediator, "pings answered": answers}


def send(tap, name, vf, netdev, mac):
    """It sends as much as it can: the PF's socket and the card count."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((PF_ADDRESS, PORT))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.settimeout(1)
        before = pf_counters(netdev)
        with Testpmd(vf, "txonly", mac) as testpmd:
            testpmd.begin()
            packets, good = 0, 0
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                data, address = sock.recvfrom(1 << 16)
                packets += 1
                good += address == (VF_ADDRESS, PORT) and len(data) == 22
            stats = testpmd.finish()
        time.sleep(1)
        after = pf_counters(netdev)
    counted = {key: after[key] - before[key] for key in after}
    tap.ok(packets > 1000 and good == packets,
           f"{name}: more than 1000 packets arrive as they were sent",
           (packets, good))
    tap.ok(counted["vf sent"] == stats["TX"],
           f"{name}: the card has sent what testpmd has", (counted, stats))
    tap.ok(0 < counted["received"] <= stats["TX"],
           f"{name}: the PF received no more than that", (counted, stats))
    return {"packets sent": stats["TX"], "by the PF's counter": counted}


def drive(tap, driver, name, mac):
    """All of it with one driver; returns its figures."""
    module = give_vf(VFS[0], driver)
    tap.equal(module, driver.replace("-", "_"),
              f"{name}: VF bound to the driver named vfio-pci")
    figures = {**echo(tap, driver, VFS[0], NETDEV, mac),
               **send(tap, driver, VFS[0], NETDEV, mac)}
    tap.equal(figures["mediated by"], "sample_nic" if driver == DRIVER else "none",
              f"{name}: mediated by {figures['mediated by']}")
    return figures


def main(tap):
    mac = pathlib.Path(f"/sys/class/net/{NETDEV}/address").read_text().strip()
    set_address(NETDEV, PF_ADDRESS)
    set_vf(NETDEV, 0, "mac", MAC)
    pathlib.Path("/proc/sys/vm/nr_hugepages").write_text(str(HUGE_PAGES))
    sh("mkdir", "-p", "/dev/hugepages")
    sh("mount", "-t", "hugetlbfs", "none", "/dev/hugepages")
    for vf in VFS:
        sh("vfctl", "unbind", vf)
    before = complaints()
    figures = {}
    for driver, name in DRIVERS:
        figures[name] = tap.case(driver, drive, tap, driver, name, mac)
        tap.note(f"{name}: {figures[name]}")
    tap.equal(complaints(before), [], "nothing left in the kernel log")
    leave("testpmd", figures)


if __name__ == "__main__":
    program(main)
