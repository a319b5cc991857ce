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

import pathlib
import random
import subprocess
import threading
import time

from labhost import mutate
from labhost.guest import MIGRATION, GuestError
from labhost.hotplug import unplugging_works
from labhost.klog import complaints
from labhost.migration import Migration, migrate
from labhost.net import GUEST_ADDRESS, MAC, PF_ADDRESS, link_up, ping, set_address
from labhost.probe import Stream
from labhost.relay import POINTS, Relay, phases
from labhost.shell import sh, until
from labhost.sriov import PFS, vfs_of
from labhost.tap import program
from labhost.trip import Trip, guest_on, host_run, private_network

DRIVER = pathlib.Path("/sys/bus/pci/drivers/sample_nic")
PINGS = 4           # each way, after each step
RUNNING = ("setup", "memory", "pre-copy")   # points at which the guest still runs


class Failed(Exception):
    """What must not be."""


class Host:
    """The guest's places: VFs of two PFs, of which it always has one."""

    def __init__(self):
        self.vfs = [vfs_of(pf) for pf in PFS]
        self.place = (0, 0)

    def vf(self, place):
        return self.vfs[place[0]][place[1]]

    def other(self, pf=None):
        """A place where the guest is not; of this PF, if one is given."""
        if pf is None or pf == self.place[0]:
            return self.place[0], 1 - self.place[1]
        return pf, 0

    def unbind(self, pf):
        """In the background: it takes until nobody has a VF open."""
        thread = threading.Thread(target=(DRIVER / "unbind").write_text,
                                  args=(PFS[pf],), daemon=True)
        thread.start()
        return thread

    def repair(self, pf):
        """After unbind()."""
        address = PFS[pf]
        (DRIVER / "bind").write_text(address, encoding="utf-8")
        sh("vfctl", "-p", address, "setup", "sample_nic", str(len(self.vfs[pf])))
        for vf in self.vfs[pf]:
            sh("vfctl", "-p", address, "bind", vf, "vfio-pci-mediate")
        if pf == 0:
            set_address(sh("vfctl", "-p", address, "netdev"))


class Case:
    """One attempt that goes wrong, and what follows."""

    # Whether the source's guest is to notice nothing
    transparent = True
    # What the host's kernel may say
    expected = None

    def __init__(self, test, point, edit=None):
        self.test = test
        # Where the header is as well, if there is no other point
        self.point = point if point in phases(test.qemu) else "device"
        self.source = test.guest
        self.target = self.where()
        # So that it does not stop the guest before that point: a limit that is never met
        self.early = self.point in RUNNING and test.qemu == "7.2"
        self.migration = Migration(self.source, test.host.vf(self.target),
                                   **({"downtime_limit": 0} if self.early else {}))
        self.destination = self.migration.destination
        self.relay = Relay(self.destination, self.point, edit)

    def where(self):
        return self.test.host.other()

    def run(self):
        """Returns whether the migration has succeeded nevertheless."""
        try:
            self.migration.start(self.uri())
            if self.uri() == self.relay.uri:
                if not self.relay.reached.wait(60):
                    raise Failed(f"{self.point} was not reached: "
                                 f"{self.migration.query()}")
                self.harm()
                self.relay.release()
            return self.end()
        except BaseException:
            self.destination.kill()
            raise
        finally:
            self.relay.cut()

    def uri(self):
        return self.relay.uri

    def harm(self):
        raise NotImplementedError

    def end(self):
        state = self.migration.wait(60)
        if state["status"] == "completed":
            try:
                self.migration.finish()
                self.moved()
                return True
            except (GuestError, OSError, EOFError):
                # It had all of it, and died before it was told to go on: what breaks
                # first is its connection.
                if not until(self.destination.ended, 20):
                    raise
        if self.destination_status() == "running":
            raise Failed("the destination runs, too")
        self.migration.abandon()
        self.source.wait_for_status("running")
        return False

    def destination_status(self):
        try:
            return self.destination.status()
        except (EOFError, OSError):
            return "ended"

    def moved(self):
        self.test.guest = self.destination
        self.test.host.place = self.target


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
        if f"state cannot be loaded: {self.why}" not in sh("dmesg"):
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
        if "state cannot be loaded: it is not complete" not in sh("dmesg"):
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


class Test:
    """A guest that survives one case after the other."""

    def __init__(self, tap, qemu):
        self.tap = tap
        self.qemu = qemu
        self.host = Host()
        self.guest = None
        self.cases = self.survived = 0

    def boot(self):
        """A new guest, where the last one was."""
        self.guest = guest_on(self.host.vf(self.host.place), qemu=self.qemu,
                              slots=True, reboots=True)
        trip = Trip(self.tap, self.qemu, self.guest)
        trip.start()

    def set_up(self):
        """A guest that has lost its address, or all it had."""
        self.guest.run(f"ip link set eth0 address {MAC}; "
                       f"ip addr flush dev eth0; {link_up(GUEST_ADDRESS)}")
        if self.guest.try_run("pidof echo")[0]:
            self.guest.run("/echo 7 < /dev/null > /dev/null 2>&1 &")

    def works(self):
        answered = (ping(self.guest.run, PF_ADDRESS, PINGS),
                    ping(host_run, GUEST_ADDRESS, PINGS))
        if min(answered) < PINGS - 1:   # an address may have to be asked for
            raise Failed(f"pings answered: {answered}")

    def survive(self, what, kind, *args):
        self.cases += 1
        known = complaints()
        stream = None
        try:
            if not self.guest:
                self.boot()
            self.guest.qmp.events.clear()
            if kind.transparent:
                stream = Stream(GUEST_ADDRESS)
            moved = kind(self, *args).run()
            self.works()
            target = self.host.other()
            self.guest, figures = migrate(self.guest, self.host.vf(target))
            self.host.place = target
            self.works()
            if stream:
                count, same = stream.stop()
                stream = None
                if not same:
                    raise Failed("the TCP connection has lost something")
            new = [line for line in complaints(known) if not (
                   kind.expected and kind.expected in line)]
            if new:
                raise Failed("the kernel says: " + "\n".join(new))
            self.survived += 1
            self.tap.ok(True, f"{what}: " + ("it migrates" if moved else
                        "the source goes on" if kind.transparent else
                        "the guest goes on") + ", and then migrates in "
                        f"{figures['total_ms']} ms")
        except (Failed, GuestError, OSError, EOFError,
                subprocess.SubprocessError) as err:
            self.tap.ok(False, f"{what}: " + (str(err) or repr(err)).splitlines()[0],
                        f"{err!r}\n{getattr(err, 'output', None) or ''}\n"
                        f"{self.guest.last_words() if self.guest else ''}")
            if stream:
                stream.process.kill()
            if self.guest:
                self.guest.kill()
            self.guest = None

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
    test = Test(tap, qemu)
    test.run(wanted)
    tap.note(f"{test.cases} cases, {test.survived} survived")


if __name__ == "__main__":
    program(main)
