# SPDX-License-Identifier: GPL-2.0-only
"""A guest whose migrations stop at a point, are cancelled or are refused."""

import contextlib
import time

from .guest import GuestError
from .klog import complaints
from .migration import Migration
from .net import GUEST_ADDRESS, PF_ADDRESS, PINGS
from .relay import Relay
from .sriov import NETDEV, VFS, set_vf
from .tracking import BANDWIDTH, DOWNTIME, Load, Receiver, same_memory
from .trip import guest_on, host_run

RATE = 300          # packets/s that the guest receives meanwhile
TIMEOUT = 300       # s for a migration
VLAN = "100"        # not the guest's
QUEUES = "whether its driver's new queues have reached the card: vendor-sample-nic/mediate.c, " \
    "vfio-pci/shadow.c, vfio-pci/trap.c"


def capable(*ends, **capabilities):
    """Sets capabilities of each end's QEMU."""
    for end in ends:
        end.qmp.call("migrate-set-capabilities", capabilities=[
            {"capability": name.replace("_", "-"), "state": state}
            for name, state in capabilities.items()])


class Ways(Receiver):
    """A guest that goes back and forth between two sets of VFs. It receives large packets.
    What its VFs write is tracked. Each of WAYS is a method."""

    WAYS = ()
    OPTIONS = ()
    PLACES = (VFS[:1], VFS[1:2])
    addresses = ((GUEST_ADDRESS, PF_ADDRESS),)      # of the guest, of the PF
    capabilities = {}   # of both ends
    at = 0

    @classmethod
    def run(cls, tap, qemu):
        """Runs those of WAYS that are asked for, with one guest."""
        name = f"QEMU {qemu}, {cls.__name__.lower()}"
        names = {f"{name}, {way.replace('_', ' ')}": way for way in cls.WAYS}
        if not (wanted := list(filter(tap.wants, names))):
            return
        trip = cls(tap, name, guest_on(*cls.PLACES[0], qemu=qemu, shared=True,
                                       options=cls.OPTIONS))

        def body():
            for trip.name in wanted:
                getattr(trip, names[trip.name])()
        trip.live(body)

    def there(self):
        return self.PLACES[1 - self.at]

    def load(self):
        return Load(RATE, *(guest for guest, _ in self.addresses))

    def migration(self, **options):
        migration = Migration(self.guest, *self.there(), **{
            "bandwidth": BANDWIDTH, "downtime_limit": DOWNTIME, **options})
        try:
            capable(self.guest, migration.destination, **self.capabilities)
        except BaseException:
            migration.abandon()
            raise
        return migration

    @contextlib.contextmanager
    def started(self, point=None, **options):
        """A migration, and a relay where there is a point: it has come to that point then,
        and goes no further."""
        migration = self.migration(**options)
        relay = Relay(migration.destination, point) if point else None
        try:
            migration.start(relay and relay.uri)
            if relay and not relay.reached.wait(60):
                raise GuestError(f"{point} was not reached: {migration.query()}")
            yield migration, relay
        except BaseException:
            migration.abandon()
            raise
        finally:
            if relay:
                relay.cut()

    def arrive(self, migration):
        """The migration completes, and memory is the same."""
        figures = migration.finish(TIMEOUT, compare=True)
        self.guest, self.at = migration.destination, 1 - self.at
        same_memory(self, figures)

    def cancel(self, migration, relay=None, status="running"):
        """Leaves the source with a status. QEMU 10 shuts its socket down before it notes why,
        and at times takes that for a failure."""
        migration.cancel()
        if relay:
            relay.cut()     # What it holds would reach a destination that refuses it.
        self.ends(migration, "cancelled or failed", status)

    def ends(self, migration, how, status="running"):
        """The guest has not arrived. Its source has a status then."""
        state = migration.wait()
        said = f"{state['status']}: {state.get('error-desc', '')}"
        self.check(state["status"] in how, f"QEMU says: {said}", allowed=how)
        migration.abandon()
        self.guest.wait_for_status(status)

    def refused(self, vf, how="failed", status="running", early=True, **options):
        """The destination refuses the state of one of its VFs, which is in a VLAN: early,
        while the guest runs, unless that is paused."""
        number = VFS.index(vf)
        set_vf(NETDEV, number, "vlan", VLAN)
        self.guest.qmp.when.pop("STOP", None)
        with self.started(**options) as (migration, _):
            self.ends(migration, how, status)
        if early:
            self.check("STOP" not in self.guest.qmp.when, "the guest was not stopped for that")
        set_vf(NETDEV, number, "vlan", "0")
        new = complaints(self.known)
        self.check(len(new) == 1 and f" {vf}: loaded" in new[0] and "settings: VLAN" in new[0],
                   f"one line in the log says why VF {number} refuses", "\n".join(new))
        self.known += new

    def plain(self, what):
        """A migration that nothing happens to."""
        with self.load():
            time.sleep(1)
            with self.started() as (migration, _):
                self.arrive(migration)
        self.answers(what)

    def answers(self, what):
        """Pings by each address, from both ends unless the guest has no network stack."""
        def both(guest, here):
            return (self.pings(host_run, guest),
                    *([self.pings(self.guest.run, here)] if here else []))
        got = [count for pair in self.addresses for count in both(*pair)]
        self.check(set(got) == {PINGS}, f"{what}: pings answered: {got}", str(got),
                   f"{PINGS} each", QUEUES)
