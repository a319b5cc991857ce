# SPDX-License-Identifier: GPL-2.0-only
"""Ways to have a PF of sample_nic reset."""

import pathlib
import struct
import time

from .klog import Log
from .outer import Outer
from .ports import carrier
from .shell import sh, until
from .sriov import PCI, PFS, netdev_of
from .watch import Flood

POWER = pathlib.Path("/sys/power")
DELAY = pathlib.Path("/sys/module/suspend/parameters/pm_test_delay")
COMMAND, MASTER, SERR = "COMMAND", 0x4, 0x100


def set_command(device, bits=0, clear=0):
    """Of the PCI command register."""
    command = int(sh("setpci", "-s", device, COMMAND), 16) & ~clear | bits
    sh("setpci", "-s", device, f"{COMMAND}={command:04x}")


def by_sysfs(pf):
    """By the administrator: a function level reset. The VFs are gone meanwhile."""
    (PCI / pf / "reset").write_text("1", encoding="utf-8")


def by_hang(pf):
    """By its driver, when the transmitter hangs: without bus mastering, nothing is sent."""
    netdev = netdev_of(pf)
    sh("ip", "link", "set", netdev, "up")
    until(lambda: carrier(netdev))
    log, flood = Log(), Flood(netdev)
    set_command(pf, clear=MASTER)
    noticed = until(lambda: log.new("resetting the device"), 30)
    flood.stop()
    if not noticed:
        set_command(pf, MASTER)
        raise OSError("no transmit timeout")


# Uncorrectable errors of PCIe by their severity: QEMU's name, and the bit in the registers
ERRORS = {"not fatal": ("COMP_TIME", 0x4000), "fatal": ("DLP", 0x10)}


def recovered(log):
    if not until(lambda: log.new("device recovery"), 20):
        raise OSError("no recovery of an error")


def by_error(pf, severity="not fatal"):
    """By an error of PCIe that the root port has found, which concerns all that is behind it:
    with a fatal one the link is reset. QEMU's model of the card cannot report errors: it does
    not call pcie_cap_deverr_init(), so that they cannot be enabled."""
    log = Log()
    port = (PCI / pf).resolve().parent.name
    set_command(port, SERR)
    Outer().call("human-monitor-command", **{
        "command-line":
            f"pcie_aer_inject_error rp{PFS.index(pf) + 1} {ERRORS[severity][0]}"})
    recovered(log)


def by_own_error(pf, severity):
    """By one that the PF has found, as far as the kernel knows."""
    log = Log()
    bus, device, function = (int(part, 16) for part in
                             pf.replace(".", ":").split(":")[1:])
    sh("modprobe", "aer_inject")
    with open("/dev/aer_inject", "wb", buffering=0) as file:
        file.write(struct.pack("=3Bx7I", bus, device, function, ERRORS[severity][1],
                               *[0] * 6))
    recovered(log)
    sh("modprobe", "-r", "aer_inject")


def sees_errors():
    """Whether the kernel is told of errors of PCIe."""
    return any(pathlib.Path("/sys/bus/pci_express/drivers/aer").glob("*pcie*"))


def can_sleep():
    return (POWER / "pm_test").exists() and \
        "freeze" in (POWER / "state").read_text(encoding="utf-8").split()


def sleep(seconds=1):
    """The machine goes to sleep, as far as all devices have, and wakes up."""
    DELAY.write_text(str(seconds), encoding="utf-8")
    (POWER / "pm_test").write_text("devices", encoding="utf-8")
    log = Log()
    (POWER / "state").write_text("freeze", encoding="utf-8")
    (POWER / "pm_test").write_text("none", encoding="utf-8")
    if not log.new("suspend debug: Waiting"):
        raise OSError("\n".join(log.new()))
    time.sleep(0.1)
