# SPDX-License-Identifier: GPL-2.0-only
"""Guests that have to survive what goes wrong around them, one case after the other."""

import pathlib
import subprocess
import threading

from .guest import GuestError
from .klog import complaints
from .migration import Migration, migrate
from .net import GUEST_ADDRESS, MAC, PF_ADDRESS, link_up, ping, set_address
from .probe import Stream
from .relay import Relay, phases
from .shell import sh, until
from .sriov import PFS, vfs_of
from .trip import Trip, guest_on, host_run

DRIVER = pathlib.Path("/sys/bus/pci/drivers/sample_nic")
PINGS = 4           # each way, after each step
RUNNING = ("setup", "memory", "pre-copy")   # points at which the guest still runs


class Failed(Exception):
    """What must not be."""


def stacks(proc):
    """Where the kernel has each thread of a process, and what it was asked for."""
    found = []
    for task in sorted(pathlib.Path(f"/proc/{proc.pid}/task").glob("*")):
        try:
            found += [f"{task.name} {(task / 'comm').read_text().strip()}: syscall "
                      f"{(task / 'syscall').read_text().strip()}",
                      (task / "stack").read_text()]
        except OSError as err:
            found.append(f"{task.name}: {err}")
    return "\n".join(found)


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
                    raise Failed(f"{self.point} was not reached: {self.answer()}\n"
                                 f"{stacks(self.source.proc)}")
                self.harm()
                self.relay.release()
            return self.end()
        except BaseException:
            self.destination.kill()
            raise
        finally:
            self.relay.cut()

    def answer(self):
        try:
            return self.migration.query()
        except (GuestError, EOFError, OSError) as err:
            return f"the source does not answer: {err}"

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

    def traffic(self):
        """What goes on meanwhile, and must not lose anything."""
        return Stream(GUEST_ADDRESS)

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
                stream = self.traffic()
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
                    raise Failed(f"what went on meanwhile has lost something: {count}")
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
