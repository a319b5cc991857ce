# SPDX-License-Identifier: GPL-2.0-only
"""A guest that migrates under traffic, and all that is checked of it."""

import subprocess
import time

from .ends import End, tcp
from .guest import Guest, GuestError
from .klog import complaints
from .migration import STATE_TRACE, migrate
from .net import GUEST_ADDRESS, MAC, PF_ADDRESS, PINGS, link_up, ping, set_address
from .outer import world_away
from .pace import afterwards, longer, meanwhile
from .probe import BLOCK, PAUSE, PORT, Probe, Stream
from .shell import sh, until
from .sriov import NETDEV
from .view import VECTORS, View, interrupts_of

MEMORY = "192M"         # half of it holds the initrd, and what is transferred
PROGRAMS = [f"/lab/job/{name}" for name in ("echo", "exchange", "poke", "vfdrive")]
TRIES = 3               # of pings
QUIET = 2               # s of traffic before and after
# Where to look when bytes are not what they were
TRAFFIC = "what the VF writes and reads: its rings, vendor-sample-nic/mediate.c; what was " \
    "not marked as dirty, mediate/describe_track.c"
VTEICS = 0x1520         # of BAR 0: what is written interrupts


def host_run(command):
    return sh("sh", "-c", command)


def private_network():
    """The PF has its address, and the world is away."""
    set_address(NETDEV)
    world_away()


def guest_on(*vfs, migratable=True, options=(), memory=MEMORY,
             programs=PROGRAMS, **settings):
    if settings.get("qemu") == "7.2":
        options = [*options, "-trace", STATE_TRACE]
    return Guest(*vfs, memory=memory, migratable=migratable, options=options,
                 programs=programs, **settings)


class Trip:
    """A guest with its traffic, and what became of each migration of it."""

    address = GUEST_ADDRESS
    reference = None    # what it is compared with, see pace.meanwhile()
    others = iter(())   # the same, to be measured when one is asked for
    migrate = staticmethod(migrate)

    def __init__(self, tap, name, guest):
        self.tap = tap
        self.name = name
        self.guest = guest
        self.figures = []
        self.known = []     # of the host's kernel log

    def check(self, passed, what, detail="", allowed="", look=""):
        """Of what did not pass: detail is what was measured; what would have passed, and
        where to look for the reason."""
        found = [f"measured: {detail or what}"]
        if allowed:
            found.append(f"allowed: {allowed}")
        if look:
            found.append(f"look at: {look}")
        return self.tap.ok(passed, f"{self.name}: {what}", "\n".join(found))

    def start(self):
        seconds = self.guest.boot()
        self.set_up()
        self.guest.run(f"/echo {PORT} < /dev/null > /dev/null 2>&1 & "
                       f"until grep -q :{PORT:04X} /proc/net/tcp; do sleep 0.1; done")
        self.tap.note(f"{self.name}: guest up in {seconds:.1f} s")

    def set_up(self):
        # As a guest may, so that there is nothing to be set for the other VF.
        self.guest.run(f"ip link set eth0 address {MAC}")
        self.guest.run(link_up(self.address))

    def under_traffic(self, *vfs, timeline=None, **options):
        """One migration, see migrate(), and what came of traffic that began before it:
        figures of the migration, of the time before and of that afterwards; what its
        probe got; bytes of a TCP connection, and whether they were the same. What happens
        when goes into a timeline, if there is one."""
        if timeline is not None:
            options["timeline"] = timeline
        probe, stream = self.traffic()
        try:
            began = time.monotonic()
            time.sleep(QUIET)
            start = time.monotonic()
            self.guest, figures = self.migrate(self.guest, *vfs, **options)
            end = time.monotonic()
            time.sleep(QUIET)
        except BaseException:
            # Of the two what went wrong first is to be known.
            probe.process.kill()
            stream.process.kill()
            raise
        ended = time.monotonic()
        answers = probe.stop()
        if timeline is not None:
            timeline["probes"] = answers.points(timeline["zero"])
        figures.update(answers.figures(start, end))
        return (figures, answers.figures(began, start), answers.figures(end, ended),
                answers, *stream.stop())

    def go(self, *vfs, **options):
        """One migration under traffic, and whether the guest sees what it saw before."""
        before = View(self.guest)
        began = time.monotonic()
        figures, quiet, after, answers, count, same = self.under_traffic(*vfs, **options)
        self.check(True, "migrated in {total_ms} ms, {downtime_ms} ms of "
                   "downtime, {passes} passes, {ram_bytes} bytes of memory, "
                   "{vfio_bytes} of the VF's state".format(**figures))
        self.figures.append(figures)
        self.probed(figures, quiet, after)
        self.check(same, f"the TCP connection goes on, {count >> 10} KiB each "
                   "way, same sha256", "another sha256", "the same", TRAFFIC)
        # At most, of this connection and of the one that lasts, which does not wait
        # for it
        lasting = (time.monotonic() - began) * BLOCK / PAUSE
        self.compare(before, len(answers.came) + count // 65536,
                     2 * (len(answers.sent) + int(count + lasting) // 1000) + 100)

    def traffic(self):
        return Probe(self.address), Stream(self.address)

    def probed(self, figures, quiet, after):
        """How long it was away, and what was lost, see pace.py. How busy a machine is
        changes: what takes too long is compared once more."""
        away = meanwhile(figures, quiet, self.reference)
        while not (away.passed or away.not_judged) and (other := next(self.others, None)):
            self.tap.note(f"{self.name}: {away.text}; longer than {away.allowed}")
            self.reference = longer(self.reference, other)
            away = meanwhile(figures, quiet, self.reference)
        for finding in (away, afterwards(quiet, after, self.reference)):
            if finding.not_judged:
                self.tap.note(f"{self.name}: {finding.text}; not judged: "
                              f"{finding.not_judged}")
            else:
                self.check(finding.passed, finding.text,
                           f"{finding.text}\n{quiet}\n{figures}\n{after}",
                           finding.allowed, "what has the VF go on: vendor-sample-nic/mediate.c, "
                           "migration/engine.c; the guest's consoles in /out")

    def compare(self, before, least, most):
        """The guest's view now, and of traffic, with that before; packets that it
        has sent and received meanwhile are from least to most."""
        after = View(self.guest)
        differences = after.differences(before)
        self.check(not differences, "the guest sees the same VF, link and all",
                   "\n".join(differences), "no difference",
                   "vendor-sample-nic/mediate.c: what of the VF is saved and loaded")
        counted = after.counted(before)
        self.check(all(least <= counted[name] <= most
                       for name in ("rx_packets", "tx_packets")) and
                   min(counted.values()) >= 0,
                   "its counters go on: {rx_packets} packets received, "
                   "{tx_packets} sent".format(**counted), str(counted),
                   f"{least} to {most} packets, and no counter that goes back",
                   "mediate/describe_state.c: counters")
        self.interrupts()

        answered = (self.pings(self.guest.run, PF_ADDRESS),
                    self.pings(host_run, self.address))
        self.check(answered == (PINGS, PINGS), f"pings both ways: {answered}",
                   allowed=f"{PINGS} each way, in one of {TRIES} tries",
                   look="the VF's rings, and what the PF lets pass to it: "
                   "vendor-sample-nic/mediate.c, filter.c")
        last = View(self.guest)
        counted = last.counted(after)
        interrupts = last.interrupted(after)
        self.check(2 * PINGS <= counted["rx_packets"] and
                   2 * PINGS <= counted["tx_packets"] and
                   interrupts["eth0-tx-0"] and interrupts["eth0-rx-0"],
                   "these are counted, and interrupt", f"{counted} {interrupts}",
                   f"{2 * PINGS} packets each way, and one interrupt of each queue",
                   "vendor-sample-nic/mediate.c: VTIVAR, VTEIMS, VTEIAM; the vectors of vfio")

    @staticmethod
    def pings(run, address):
        """To pings, by the best of some tries: a machine that halts for a moment loses
        one now and then, a VF loses them each time."""
        best = 0
        for _ in range(TRIES):
            best = max(best, ping(run, address))
            if best == PINGS:
                break
        return best

    def interrupts(self):
        """One by each vector, as if the VF had a reason; QEMU's model has those
        of the mailbox go by another one than asked for."""
        counts = []
        for vector, name in enumerate(VECTORS):
            before = interrupts_of(self.guest)[name]
            self.guest.run("/poke /sys/class/net/eth0/device/resource0 "
                           f"{VTEICS:#x} {1 << vector}")
            until(lambda: interrupts_of(self.guest)[name] > before)
            counts.append(interrupts_of(self.guest)[name] - before)
        self.check(min(counts) > 0, f"interrupts by all {len(counts)} vectors",
                   f"{VECTORS}: {counts}", "one of each, in 20 s",
                   "vendor-sample-nic/mediate.c: VTIVAR, VTEIMS; the vectors of vfio")

    def transfer(self):
        same, rate = tcp(End.host(PF_ADDRESS),
                         End.guest(self.guest, GUEST_ADDRESS))
        self.check(same, f"TCP both ways at once, {rate:.1f} MiB/s, same sha256",
                   "another sha256", "the same", TRAFFIC)

    def live(self, body):
        """The guest's life, of which body is what it is there for; returns what that
        returned, if it came to its end."""
        self.known = complaints()
        name = self.name
        result = None
        try:
            self.start()
            result = body()
            self.name = name
            self.transfer()
            self.shutdown()
        except (GuestError, OSError, EOFError, subprocess.SubprocessError) as err:
            self.check(False, (str(err) or repr(err)).splitlines()[0],
                       f"{err}\n{getattr(err, 'output', None) or ''}\n"
                       f"{self.guest.last_words()}\n{self.guest.processor()}",
                       "that it comes to its end", "the last words of the guest and of its QEMU, "
                       "below and in /out; the console of the lab host")
        finally:
            self.guest.kill()
        self.name = name
        new = complaints(self.known)
        self.check(not new, "nothing in the host's kernel log", "\n".join(new),
                   "no message of level warning or worse", "the console of the lab host")
        return result

    def travel(self, moves):
        """All of it; moves has the arguments of each migration. Returns the
        figures of each."""
        def body():
            name = self.name
            lasting = Stream(GUEST_ADDRESS)
            for count, (vfs, options) in enumerate(moves, 1):
                if len(moves) > 1:
                    self.name = f"{name}, {count}"
                self.go(*vfs, **options)
            self.name = name
            count, same = lasting.stop()
            self.check(same, f"one TCP connection from the first to the last, "
                       f"{count >> 10} KiB each way, same sha256", "another sha256",
                       "the same", TRAFFIC)
            self.more()

        self.live(body)
        return self.figures

    def more(self):
        """What else is to be done with the guest, once it has come to its end."""

    def shutdown(self):
        status = self.guest.shutdown()
        self.check(status == 0, "guest shut down", f"QEMU returned {status}", "0",
                   "guest*.qemu in /out")
