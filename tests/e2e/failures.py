#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""failures.py QEMU [some|FAULT...]: migrations that fail, in each of their phases.

A guest with a VF is migrated, and at some point something goes wrong. Then one of the
two QEMUs must run it, and not both; its VF must work, and its TCP connection go on,
unless it was the guest or its host that broke; and a second attempt must succeed.
With some, some cases of each kind; FAULTs are kinds, as in FAULTS. Prints TAP, one
result a case.
"""

# /// suite
# [failures]
# about = "migrations that fail, some of all ways"
# run = "./failures.py 10 some"
# daily = ["6.12"]
# but = {"7.2" = "failures_full has all of it", debug = "failures_full has all of it"}
# pf = "sample_nic"
# pfs = 2
# guests = true
# minutes = 3
#
# [failures_full]
# about = "migrations that fail, all ways in all phases"
# run = "./failures.py 10"
# pf = "sample_nic"
# pfs = 2
# guests = true
# minutes = 12
# timeout = 3600
#
# [failures_full_v1]
# about = "the same by protocol v1"
# run = "./failures.py 7.2"
# pf = "sample_nic"
# pfs = 2
# guests = true
# qemus = ["7.2"]
# minutes = 10
# timeout = 3600
# ///

import random
import time

from labhost import mutate
from labhost.faults import RUNNING, Case, Failed, Test
from labhost.guest import MIGRATION
from labhost.hotplug import unplugging_works
from labhost.relay import POINTS, phases
from labhost.shell import sh, until
from labhost.tap import program
from labhost.trip import private_network


class Missing(Case):
    """Nobody is where the guest is to go."""

    def uri(self):
        return f"unix:{self.source.dir}/nobody"


class Refused(Case):
    """The VF's state is not what it was, and the host's kernel says why."""

    def __init__(self, test, point, edit, why):
        sh("dmesg", "--clear")
        self.why = why
        super().__init__(test, point, edit)

    def harm(self):
        pass

    def end(self):
        if super().end():
            raise Failed("the destination has taken it")
        if self.point in RUNNING and "STOP" in self.source.qmp.events:
            raise Failed("the source has stopped for it")
        if f"failed to load the device state: {self.why}" not in sh("dmesg"):
            raise Failed(f"the host's kernel does not say '{self.why}'")
        return False


class Incomplete(Case):
    """The VF's state has no end. No VMM sends that, and QEMU 10 does not notice before
    it runs the guest, with a VF that it has reset; 7.2 does."""

    transparent = False

    def harm(self):
        pass

    def end(self):
        sh("dmesg", "--clear")
        taken = super().end()
        if taken != (self.test.qemu != "7.2"):
            raise Failed("the destination has " + ("" if taken else "not ") + "taken it")
        if "failed to load the device state: incomplete stream" not in sh("dmesg"):
            raise Failed("the host's kernel has not refused it")
        if taken:
            self.test.guest.run("ip link set eth0 down")
            self.test.set_up()
        return taken


class Cut(Case):
    """The connection breaks."""

    def harm(self):
        self.relay.cut()


class Cancel(Case):
    """The administrator changes his mind."""

    def harm(self):
        self.migration.cancel()


class KillDestination(Case):
    """By SIGKILL."""

    def harm(self):
        self.destination.proc.kill()
        self.destination.proc.wait()


class KillSource(Case):
    """By SIGKILL. Who has all of it may go on with it."""

    transparent = False

    def harm(self):
        self.source.proc.kill()
        self.source.proc.wait()

    def end(self):
        if not until(lambda: self.destination_status() != "inmigrate", 20):
            raise Failed("the destination still waits")
        if self.destination_status() == "paused":
            self.destination.qmp.call("cont")
            self.destination.wait_for_status("running")
            self.source.kill()
            self.destination.wait_for_agent(60)
            self.moved()
            return True
        self.migration.abandon()
        self.source.kill()
        self.test.boot()
        return False


class Reset(Case):
    """The guest resets its VF, or all of it is reset if it does not run."""

    transparent = False

    def harm(self):
        if self.point in RUNNING:
            self.source.run("echo 1 > /sys/class/net/eth0/device/reset")
        else:
            self.source.qmp.call("system_reset")

    def end(self):
        moved = super().end()
        self.test.guest.wait_for_agent(120)
        self.test.guest.try_run("ip link set eth0 down")
        self.test.set_up()
        return moved


class PfOfDestination(Case):
    """It is unbound."""

    expected = "no longer mediated by sample_nic"

    def where(self):
        return self.test.host.other(1 - self.test.host.place[0])

    def harm(self):
        self.unbound = self.test.host.unbind(self.target[0])
        time.sleep(1)

    def end(self):
        try:
            if super().end():
                raise Failed("the destination has taken it")
        finally:
            self.destination.kill()
            self.rebind(self.target[0])
        return False

    def rebind(self, pf):
        self.unbound.join(120)
        if self.unbound.is_alive():
            raise Failed("the PF is still bound")
        self.test.host.repair(pf)


class PfOfSource(PfOfDestination):
    """Likewise; the guest goes on without its VF, and gets another one, unless it could
    still be migrated."""

    transparent = False

    def harm(self):
        self.unbound = self.test.host.unbind(self.test.host.place[0])
        time.sleep(1)

    def end(self):
        here = self.test.host.place[0]
        state = self.migration.wait(60)
        if state["status"] == "completed":
            # All of the VF's state had been read.
            self.migration.finish()
            self.moved()
            self.rebind(here)
            return True
        self.source.wait_for_status("running")
        self.migration.abandon()
        self.rebind(here)
        self.source.run("test ! -e /sys/class/net/eth0")
        vf = self.test.host.vf(self.test.host.place)
        option, value = MIGRATION[self.test.qemu].split("=")
        self.source.qmp.call("device_add", driver="vfio-pci", id="vf0",
                             host=vf, bus="slot0", **{option: value})
        if not until(lambda: self.source.try_run(
                "test -e /sys/class/net/eth0")[0] == 0, 60):
            raise Failed("the guest does not see its new VF")
        self.test.set_up()
        return False


FAULTS = {
    "missing": (Missing, ["setup"]),
    "refused": (Refused, mutate.EDITS),
    "incomplete": (Incomplete, mutate.INCOMPLETE),
    "cut": (Cut, list(POINTS)),
    "cancelled": (Cancel, list(POINTS)),
    "destination-killed": (KillDestination, list(POINTS)),
    "source-killed": (KillSource, list(POINTS)),
    "reset": (Reset, list(POINTS)),
    "destination-PF-unbound": (PfOfDestination, list(POINTS)[:-1]),
    "source-PF-unbound": (PfOfSource, list(POINTS)[:-1]),
}
SOME = {
    "missing": ["setup"],
    "refused": ["a later version", "a bit of the rest"],
    "cut": ["device"],
    "cancelled": ["memory"],
    "destination-killed": ["config"],
    "source-killed": ["answer"],
    "destination-PF-unbound": ["device"],
    "source-PF-unbound": ["device"],
}


class Failures(Test):
    """The guest, and all migrations of it that fail."""

    def run(self, wanted):
        some = wanted == ("some",)
        for fault, (kind, points) in FAULTS.items():
            if wanted and not some and fault not in wanted:
                continue
            if kind is PfOfSource and not unplugging_works():
                self.tap.skip(fault, "in this lab such a kernel's guests break "
                              "when a device is unplugged")
                continue
            for name in points:
                if some and name not in SOME.get(fault, ()) or \
                        name in POINTS and name not in phases(self.qemu):
                    continue
                if self.tap.wants(f"{fault}, {name}"):
                    self.survive(f"{fault}, {name}", kind, *(
                        points[name] if isinstance(points, dict) else (name,)))
        if self.guest:
            self.guest.kill()


def main(tap, qemu, *wanted):
    private_network()
    seed = random.randrange(1 << 32)
    random.seed(seed)
    tap.note(f"seed {seed}")
    test = Failures(tap, qemu)
    test.run(wanted)
    tap.note(f"{test.cases} cases, {test.survived} survived")


if __name__ == "__main__":
    program(main)
