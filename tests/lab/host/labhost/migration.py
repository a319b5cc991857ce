# SPDX-License-Identifier: GPL-2.0-only
"""Live migration of guests from one QEMU to another on the lab host."""

import re
import struct
import time

from .guest import Guest, GuestError, words

# As long as nobody tells which pages a VF has written, QEMU counts all of the
# guest's memory as still to be sent after each pass, and goes on passing until it
# expects to send that within the downtime limit. A limit lower than that takes is
# never met, and a higher one costs nothing: with this one, in s, the guest is stopped
# almost at once, and the downtime is what it takes to send its memory.
DOWNTIME_LIMIT = 60
BANDWIDTH = 10 << 30    # bytes/s, more than any
ENDED = ("completed", "failed", "cancelled")
PAGE = 4096
CLOCK = struct.Struct("<III")   # struct pvclock_wall_clock: version, s, ns
DAY = 86400             # s
# QEMU 7.2 says how much of the VF's state there is only when it is traced.
STATE_TRACE = "vfio_save_buffer"
STATE_PART = re.compile(rf"{STATE_TRACE} .* size 0x([0-9a-f]+) ")


class Page:
    """A page of the guest's memory, from two QEMUs, that is not the same in both."""

    def __init__(self, address, here, there):
        differ = [offset for offset in range(PAGE) if here[offset] != there[offset]]
        self.first, self.last = differ[0], differ[-1]
        start = self.first & ~15
        self.here, self.there = (end[start:start + 16] for end in (here, there))
        self.text = f"{address:#x}: {len(differ)} bytes, from {self.first:#x} to " \
            f"{self.last:#x}: {self.here.hex(' ', 4)} / {self.there.hex(' ', 4)}"

    def is_clock(self):
        """Whether it is the time that KVM writes to where its guest has told it to be
        told; so does the destination's when it gets to know where, and has its own."""
        clocks = [CLOCK.unpack_from(end) for end in (self.here, self.there)]
        return self.last - (self.first & ~15) < CLOCK.size and all(
            not version % 2 and abs(seconds - time.time()) < DAY and
            nanoseconds < 10 ** 9 for version, seconds, nanoseconds in clocks)


def state_size(source, state):
    """Bytes of the VF's state, of which QEMU has said this when it was over."""
    if "vfio" in state:
        return state["vfio"]["transferred"]
    return sum(int(size, 16)
               for size in STATE_PART.findall(words(source.log))) or None


def unlike(start, here, there):
    """Pages from a start on that differ between here and there."""
    if here == there:
        return []
    return [Page(start + offset, here[offset:offset + PAGE], there[offset:offset + PAGE])
            for offset in range(0, len(here), PAGE)
            if here[offset:offset + PAGE] != there[offset:offset + PAGE]]


# What is kept of events: how timeline.py calls them, and what it wants of their data
KEPT = {"STOP": ("stop", None), "RESUME": ("resume", None), "MIGRATION_PASS": ("pass", "pass"),
        "VFIO_MIGRATION": ("device", "device-state")}


def told(qmp, zero):
    """Events of one side: [seconds, what, detail]."""
    return [[round(when - zero, 6), KEPT[name][0], data.get(KEPT[name][1])]
            for when, name, data in qmp.log if name in KEPT]


class Migration:
    """A guest on its way to another QEMU, and to the VFs given by their
    addresses, or to a destination that is there already. As long as it is not over,
    source is the guest. After so many passes, if that is said, it may take as long as it
    takes. A timeline is a dictionary, into which goes what happens when."""

    def __init__(self, source, *vfs, qemu=None, downtime_limit=DOWNTIME_LIMIT,
                 bandwidth=BANDWIDTH, destination=None, incoming=True, passes=None,
                 timeline=None):
        self.source = source
        self.passes, self.timeline = passes, timeline
        self.sent = []      # s since 1970, bytes of memory
        self.limits = {"downtime-limit": int(downtime_limit * 1000),
                       "max-bandwidth": bandwidth}
        name, _, count = source.name.partition("@")
        settings = dict(source.settings)
        if qemu:
            settings["qemu"] = qemu
        self.destination = destination or Guest(
            *vfs, name=f"{name}@{int(count or 0) + 1}", incoming=incoming, **settings)
        try:
            self.destination.connect()
        except GuestError:
            self.destination.kill()
            raise

    def start(self, uri=None):
        # So that the source's QEMU learns how it ends there, and goes on if it must;
        # and does not stop its guest for a destination that its VF does not suit.
        capabilities = [{"capability": "return-path", "state": True}]
        if "7.2" not in self.qemus():
            capabilities.append({"capability": "switchover-ack", "state": True})
        if self.timeline is not None:
            capabilities.append({"capability": "events", "state": True})
            self.timeline["zero"] = time.time()
        for end in (self.source, self.destination):
            end.qmp.call("migrate-set-capabilities", capabilities=capabilities)
        self.source.qmp.call("migrate-set-parameters", **self.limits)
        self.source.qmp.call("migrate", uri=uri or self.destination.incoming)

    def qemus(self):
        return {end.settings["qemu"] for end in (self.source, self.destination)}

    def query(self):
        return self.source.qmp.call("query-migrate")

    def limit(self, downtime):
        """How long it may take, in s, while the guest does not run."""
        self.source.qmp.call("migrate-set-parameters",
                             **{"downtime-limit": int(downtime * 1000)})

    def look(self):
        """How far it is; and if it was to be done by now, it is to come to its end."""
        state = self.query()
        memory = state.get("ram", {})
        self.sent.append((time.time(), memory.get("transferred", 0)))
        if self.passes and memory.get("dirty-sync-count", 0) > self.passes:
            self.limit(DOWNTIME_LIMIT)
            self.passes = None
        return state

    def cancel(self):
        self.source.qmp.call("migrate_cancel")

    def wait(self, timeout=120):
        """Until it is over, one way or the other; returns QEMU's last word."""
        end = time.monotonic() + timeout
        # 7.2 says that it is completed before it has the figures.
        while (state := self.look())["status"] not in ENDED or \
                state["status"] == "completed" and not state["total-time"]:
            if time.monotonic() > end:
                raise GuestError(f"{self.source.name}: migration not over after "
                                 f"{timeout} s: {state}")
            time.sleep(0.05)
        return state

    def differences(self):
        """Compares the guest's memory here and there, while it runs neither here any
        more nor there yet: (pages that differ, how many were compared)."""
        self.destination.wait_for_status("paused")
        pages, compared = [], 0
        for here, there in zip(self.source.contents(), self.destination.contents(),
                               strict=True):
            pages += unlike(compared, here, there)
            compared += len(here)
        clocks = [page for page in pages if page.is_clock()]
        if len(clocks) == 1:
            pages.remove(clocks[0])
        return [page.text for page in pages], compared // PAGE

    def finish(self, timeout=120, compare=False):
        """Waits for its end, and has the guest go on there; returns figures. With
        compare, its memory is compared in between."""
        state = self.wait(timeout)
        if state["status"] != "completed":
            raise GuestError(f"{self.source.name}: migration {state['status']}: "
                             f"{state.get('error-desc', 'no reason given')}\n"
                             f"{self.destination.last_words()}")
        differ, compared = self.differences() if compare else ([], 0)
        # The source has stopped for good, unless told otherwise: now, and not
        # before, the destination may run.
        if not self.destination.settings.get("autostart"):
            self.destination.qmp.call("cont")
        self.destination.wait_for_status("running")
        if self.timeline is not None:
            zero = self.timeline["zero"]
            self.timeline |= {
                "source": told(self.source.qmp, zero),
                "destination": told(self.destination.qmp, zero),
                "sent": [[round(when - zero, 3), sent] for when, sent in self.sent]}
        # Nothing may be left that could go on with it, too.
        self.source.kill()
        self.destination.wait_for_agent(timeout)
        return {"total_ms": state["total-time"],
                "downtime_ms": state["downtime"],
                "setup_ms": state["setup-time"],
                "passes": state["ram"]["dirty-sync-count"],
                "ram_bytes": state["ram"]["transferred"],
                "stopped_bytes": state["ram"]["downtime-bytes"],
                "vfio_bytes": state_size(self.source, state),
                "pages_compared": compared,
                "pages_that_differ": differ}

    def abandon(self):
        """Ends the destination; the source goes on, if it is there."""
        self.destination.kill()
        if not self.source.ended() and self.source.status() == "postmigrate":
            self.source.qmp.call("cont")


def migrate(guest, *vfs, timeout=120, compare=False, **options):
    """Migrates a guest to other VFs: (the guest there, QEMU's own figures).

    When that fails, the guest is left where it was, and is expected to run.
    """
    migration = Migration(guest, *vfs, **options)
    try:
        migration.start()
        figures = migration.finish(timeout, compare)
    except BaseException:
        migration.abandon()
        raise
    return migration.destination, figures
