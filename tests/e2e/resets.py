#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""resets.py QEMU [FAULT...]: a guest whose PF is reset, or whose VF is by the host.

Nobody helps the guest: it must be reachable again within 30 s. Amid a migration, the
migration fails and the source's guest is, or the destination's is: what is "completed"
has a network. Then it migrates once more. FAULTs are of FAULTS. Prints TAP, one result
a case.
"""

# /// suite
# [resets]
# about = "a guest whose PF is reset, also amid migrations"
# run = "./resets.py 10"
# daily = ["6.12"]
# pf = "sample_nic"
# pfs = 2
# guests = true
# minutes = 6
# timeout = 1800
#
# [resets_errors]
# about = "a guest with errors of PCIe, fatal ones as well, also amid migrations"
# run = "./resets.py 10 errors"
# pf = "sample_nic"
# pfs = 2
# guests = true
# minutes = 3
# but = { debug = "has no aer_inject", "debug-7.2" = "nor has this" }
#
# [resets_v1]
# about = "the same by protocol v1"
# run = "./resets.py 7.2"
# pf = "sample_nic"
# pfs = 2
# guests = true
# qemus = ["7.2"]
# minutes = 6
# timeout = 1800
# ///

import pathlib
import re
import time

from labhost import pfreset
from labhost.faults import RUNNING, Case, Failed, Test
from labhost.net import GUEST_ADDRESS, PF_ADDRESS, ping
from labhost.relay import POINTS, phases
from labhost.shell import sh, until
from labhost.sriov import PCI, PFS
from labhost.tap import program
from labhost.trip import host_run, private_network
from labhost.vmm import VmmDevice

PATIENCE = 30       # s until the guest is reachable
SLEEP = 3           # s that the machine sleeps


def reset_vf(test, times):
    """By the host's administrator, of a VF that a guest has; as often as that."""
    vf = PCI / test.host.vf(test.host.place)
    for _ in range(times):
        (vf / "reset").write_text("1", encoding="utf-8")
        time.sleep(0.5)


class Alone(Case):
    """A reset without a migration."""

    transparent = False

    def __init__(self, test, how):      # pylint: disable=super-init-not-called
        self.test = test
        self.how = how

    def run(self):
        self.how(self.test)
        sh("dmesg", "--clear")
        reachable(self.test)
        return False


def revive(test):
    """QEMU stops a guest whose VF is concerned by an error of PCIe, in-tree vfio-pci or not,
    until the guest is reset."""
    guest = test.guest
    if not until(lambda: guest.status() == "internal-error", 10):
        raise Failed(f"the guest is {guest.status()}")
    guest.qmp.call("system_reset")
    guest.qmp.call("cont")
    guest.wait_for_agent(120)
    test.set_up()
    reachable(test)


class ErrorOfPcie(Alone):
    """One that concerns all behind the root port."""

    def run(self):
        self.how(self.test)
        sh("dmesg", "--clear")
        revive(self.test)
        return False


class TrappedAsleep(Case):
    """Its VF is trapped while the machine sleeps: nobody drains meanwhile."""

    transparent = False

    def __init__(self, test):       # pylint: disable=super-init-not-called
        self.test = test

    def run(self):
        device = VmmDevice(self.test.guest.proc.pid)
        device.trap(True)
        counts = [drains()]
        time.sleep(SLEEP)
        counts.append(drains())
        pfreset.sleep(SLEEP)
        counts.append(drains())
        device.trap(False)
        device.close()
        sh("dmesg", "--clear")
        awake, asleep = counts[1] - counts[0], counts[2] - counts[1]
        if asleep > awake / 2:
            raise Failed(f"drained {asleep} times while asleep, {awake} in as long before")
        reachable(self.test)
        return False


def drains():
    """How often the thread that drains has gone to sleep until the next drain."""
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        if path.read_text(encoding="utf-8").startswith("vpm-drain"):
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)",
                                 path.with_name("status").read_text(encoding="utf-8"),
                                 re.MULTILINE).group(1))
    raise Failed("nobody drains")


class PfReset(Case):
    """The PF of the source, or that of the destination, amid a migration.

    The migration fails, and the source's guest is reachable, when the source's PF is
    reset while its guest runs. The destination's guest is when its PF is reset once all
    has been loaded. In between, it depends on how much of the VF's state is on its way.
    """

    transparent = False

    def __init__(self, test, point, how, at_source):
        self.how, self.at_source = how, at_source
        super().__init__(test, point)

    def where(self):
        return self.test.host.other(1 - self.test.host.place[0])

    def harm(self):
        place = self.test.host.place if self.at_source else self.target
        self.how(PFS[place[0]])
        sh("dmesg", "--clear")

    def end(self):
        moved = super().end()
        if moved and self.at_source and self.point in RUNNING:
            raise Failed("what the VF has lost was migrated")
        if not moved and self.point == "answer":
            raise Failed("the source has it, although all had been loaded")
        reachable(self.test)
        return moved


class ErrorAmid(PfReset):
    """An error of PCIe at the source or the destination, amid a migration, which fails. At
    the source QEMU has stopped the guest."""

    def end(self):
        state = self.migration.wait(60)
        if state["status"] == "completed":
            raise Failed("what the VF has lost was migrated")
        if self.destination_status() == "running":
            raise Failed("the destination runs, too")
        self.migration.abandon()
        if self.at_source:
            revive(self.test)
        else:
            self.source.wait_for_status("running")
            reachable(self.test)
        return False


def reachable(test):
    """From the host and to it, in time."""
    start = time.monotonic()
    if not until(lambda: ping(host_run, GUEST_ADDRESS, 1) and
                 ping(test.guest.run, PF_ADDRESS, 1), PATIENCE):
        raise Failed(f"the guest is not reachable after {PATIENCE} s")
    test.tap.note(f"reachable after {time.monotonic() - start:.1f} s")


def pf_of(test):
    return PFS[test.host.place[0]]


ALONE = {
    "PF, by sysfs": lambda test: pfreset.by_sysfs(pf_of(test)),
    "PF, by its transmit timeout": lambda test: pfreset.by_hang(pf_of(test)),
    "PF, asleep": lambda test: pfreset.sleep(),
    "VF, by sysfs": lambda test: reset_vf(test, 1),
    "VF, by sysfs, again and again": lambda test: reset_vf(test, 10),
}
# How, and at which points the PF of the source or the destination is reset
AMID = {
    "source-PF": (pfreset.by_sysfs, True, ["memory", "pre-copy", "device", "answer"]),
    "source-PF-hangs": (pfreset.by_hang, True, ["memory"]),
    "destination-PF": (pfreset.by_sysfs, False, ["setup", "memory", "device", "config",
                                                 "answer"]),
    "destination-PF-hangs": (pfreset.by_hang, False, ["answer"]),
}


ERRORS = {
    f"{where}, {severity}": lambda test, how=how, severity=severity: how(pf_of(test), severity)
    for where, how in (("root port", pfreset.by_error), ("PF", pfreset.by_own_error))
    for severity in pfreset.ERRORS
}
ERRORS_AMID = {"source": True, "destination": False}


class Resets(Test):
    """The guest, and all that it goes through."""

    def run(self, wanted):
        for what, how in ALONE.items():
            if wanted and "alone" not in wanted:
                break
            if "asleep" in what and not pfreset.can_sleep():
                self.tap.skip(what, "a kernel without pm_test")
            elif self.tap.wants(what):
                self.survive(what, Alone, how)
        if "errors" in wanted:
            self.run_errors()
        what = "PF, by an error of PCIe"
        if pfreset.sees_errors() and not wanted and self.tap.wants(what):
            self.survive(what, ErrorOfPcie, lambda test: pfreset.by_error(pf_of(test)))
        what = "PF, asleep, trapped"
        if not wanted and pfreset.can_sleep() and self.tap.wants(what):
            self.survive(what, TrappedAsleep)
        for fault, (how, at_source, points) in AMID.items():
            for point in points:
                if wanted and fault not in wanted or \
                        point in POINTS and point not in phases(self.qemu):
                    continue
                what = f"{fault}, {point}"
                if self.tap.wants(what):
                    self.survive(what, PfReset, point, how, at_source)
        if self.guest:
            self.guest.kill()

    def run_errors(self):
        for what, how in ERRORS.items():
            if self.tap.wants(what):
                self.survive(what, ErrorOfPcie, how)
        for side, at_source in ERRORS_AMID.items():
            what = f"fatal error at the {side}"
            if self.tap.wants(what):
                self.survive(what, ErrorAmid, "memory",
                             lambda pf: pfreset.by_error(pf, "fatal"), at_source)


def main(tap, qemu, *wanted):
    private_network()
    test = Resets(tap, qemu)
    test.run(wanted)
    tap.note(f"{test.cases} cases, {test.survived} survived")


if __name__ == "__main__":
    program(main)
