#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate.py QEMU[:QEMU][,pfs][,times=N]...: a guest migrates from VF to VF.

For each argument, a guest is started under that QEMU on VF 0, and goes to VF 1; with
pfs to VF 0 of another PF; to the second QEMU, if two are named; back and forth, N
times in all. It answers a probe each 10 ms and keeps a TCP connection meanwhile, and
what it sees of its VF is compared each time with what it saw before. At first, what
in-tree vfio-pci says to that. Prints TAP; the figures are in /out/migrate.json.
"""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from common import PINGS, complaints, link_up, ping, sh
from ends import End, tcp
from guest import Guest, GuestError, has_qemu
from migration import STATE_TRACE, migrate
from outer import Outer
from passthrough import GUEST_ADDRESS, PF_ADDRESS
from probe import BLOCK, PAUSE, PORT, Probe, Stream
from tap import Tap

MAC = "52:54:00:76:00:10"
MEMORY = "192M"         # half of it holds the initrd, and what is transferred
# Of QEMU 10, 11 and 7.2
REFUSALS = ("VFIO migration is not supported in kernel",
            "VFIO migration init failed: migration is not supported in kernel",
            "VFIO device doesn't support migration")
QUIET = 2               # s of traffic before and after
# A migration's longest gap is its downtime, and what it takes to notice that it is
# over: an ARP request or a retransmission is not to be part of it.
NOTICE_MS = 1500
LOSS = 0.1              # of datagrams, by a machine that halts for a moment
MACHINE = "pc-q35-10.0"  # known to both, where there are two
VECTORS = ("eth0-tx-0", "eth0-rx-0", "eth0")    # by number
VTEICS = 0x1520         # of BAR 0: what is written interrupts
# A guest that was away wonders about the time.
CHATTER = re.compile(r"clocksource: |hrtimer: |sched_clock: |"
                     r"sched: DL replenish lagged too much")


def complaints_of(guest):
    """Kernel messages of a guest, of level warning or worse."""
    lines = guest.run("dmesg -r | grep '^<[0-4]>' || true").splitlines()
    return [line for line in lines if not CHATTER.search(line)]


def interrupts_of(guest):
    """How many there were by each of its VF's vectors."""
    lines = guest.run("grep eth0 /proc/interrupts").splitlines()
    return {line.split()[-1]: int(line.split()[1]) for line in lines}


class View:
    """What a guest sees of its VF."""

    def __init__(self, guest):
        device = guest.run("readlink -f /sys/class/net/eth0/device")
        self.same = {
            "driver": guest.run(f"basename $(readlink {device}/driver)"),
            "address": guest.run("cat /sys/class/net/eth0/address"),
            "link": guest.run("cat /sys/class/net/eth0/carrier "
                              "/sys/class/net/eth0/carrier_changes"),
            "MTU": guest.run("cat /sys/class/net/eth0/mtu"),
            "config space": guest.run(f"od -An -v -tx4 -w64 {device}/config"),
            "BARs": guest.run(f"cat {device}/resource"),
            "rings": guest.run("ethtool -g eth0"),
            "complaints": complaints_of(guest),
        }
        self.counters = {}
        for line in guest.run("ethtool -S eth0").splitlines()[1:]:
            name, value = line.split(":")
            self.counters[name.strip()] = int(value)
        self.interrupts = interrupts_of(guest)

    def differences(self, before):
        return [f"{name}: {before.same[name]} -> {value}"
                for name, value in self.same.items()
                if value != before.same[name]]

    def counted(self, before):
        return {name: value - before.counters[name]
                for name, value in self.counters.items()}

    def interrupted(self, before):
        return {name: value - before.interrupts[name]
                for name, value in self.interrupts.items()}


def host_run(command):
    return sh("sh", "-c", command)


def world_away():
    """QEMU's user network takes whatever TCP it sees, and resets it: what goes from
    one card to another, say, which a host with two cards may well have it do: either
    answers when somebody asks who has an address."""
    Outer().call("set_link", name="world", up=False)


def guest_on(vf, migratable=True, options=(), **settings):
    if settings.get("qemu") == "7.2":
        options = [*options, "-trace", STATE_TRACE]
    return Guest(vf, memory=MEMORY, migratable=migratable, options=options, **settings,
                 programs=[f"/lab/job/{name}" for name in
                           ("echo", "exchange", "poke")])


def refused(tap, vf, qemu):
    """In-tree vfio-pci's answer to the attempt."""
    sh("vfctl", "bind", vf, "vfio-pci")
    with Guest(vf, name="intree", memory=MEMORY, qemu=qemu,
               options=["-S"]) as guest:
        guest.connect()
        try:
            guest.qmp.call("migrate", uri="exec:cat > /dev/null")
            answer = "nothing, and starts to migrate"
        except GuestError as err:
            answer = str(err)
    sh("vfctl", "bind", vf, "vfio-pci-mediate")
    tap.ok(any(refusal in answer for refusal in REFUSALS),
           f"in-tree vfio-pci, QEMU {qemu} says: {answer}")


class Trip:
    """A guest with its traffic, and what became of each migration of it."""

    def __init__(self, tap, name, guest):
        self.tap = tap
        self.name = name
        self.guest = guest
        self.figures = []
        self.known = []     # of the host's kernel log

    def check(self, passed, what, detail=""):
        return self.tap.ok(passed, f"{self.name}: {what}", detail)

    def start(self):
        seconds = self.guest.boot()
        self.set_up()
        self.guest.run(f"/echo {PORT} < /dev/null > /dev/null 2>&1 & "
                       f"until grep -q :{PORT:04X} /proc/net/tcp; do sleep 0.1; done")
        self.tap.note(f"{self.name}: guest up in {seconds:.1f} s")

    def set_up(self):
        # As a guest may, so that there is nothing to be set for the other VF.
        self.guest.run(f"ip link set eth0 address {MAC}")
        self.guest.run(link_up(GUEST_ADDRESS))

    def go(self, *vfs, **options):
        """One migration under traffic, see migrate()."""
        before = View(self.guest)
        probe, stream = self.traffic()
        try:
            began = time.monotonic()
            time.sleep(QUIET)
            start = time.monotonic()
            self.guest, figures = migrate(self.guest, *vfs, **options)
            end = time.monotonic()
            self.check(True, "migrated in {total_ms} ms, {downtime_ms} ms of "
                       "downtime, {passes} passes, {ram_bytes} bytes of memory, "
                       "{vfio_bytes} of the VF's state".format(**figures))
            time.sleep(QUIET)
        except BaseException:
            # Of the two what went wrong first is to be known.
            probe.process.kill()
            stream.process.kill()
            raise
        ended = time.monotonic()
        answers = probe.stop()
        count, same = stream.stop()
        figures.update(answers.figures(start, end))
        self.figures.append(figures)
        self.probed(figures, answers.figures(began, start),
                    answers.figures(end, ended))
        self.check(same, f"the TCP connection goes on, {count >> 10} KiB each "
                   "way, same sha256")
        # At most, of this connection and of the one that lasts, which does not wait
        # for it
        lasting = (time.monotonic() - began) * BLOCK / PAUSE
        self.compare(before, len(answers.came) + count // 65536,
                     2 * (len(answers.sent) + int(count + lasting) // 1000) + 100)

    def traffic(self):
        return Probe(GUEST_ADDRESS), Stream(GUEST_ADDRESS)

    def probed(self, figures, before, after):
        self.check(figures["longest_gap_ms"] <=
                   figures["downtime_ms"] + NOTICE_MS and
                   figures["lost"] <= figures["longest_gap_ms"] / 10 +
                   LOSS * figures["sent"],
                   "probe: {lost} of {sent} lost, longest gap {longest_gap_ms} "
                   "ms".format(**figures), f"{before}\n{figures}\n{after}")
        self.check(all(phase["lost"] <= phase["sent"] * LOSS
                       for phase in (before, after)),
                   f"probe: {before['lost']} and {after['lost']} lost before and "
                   f"after, longest gaps {before['longest_gap_ms']} and "
                   f"{after['longest_gap_ms']} ms", f"{before}\n{after}")

    def compare(self, before, least, most):
        """The guest's view now, and of traffic, with that before; packets that it
        has sent and received meanwhile are from least to most."""
        after = View(self.guest)
        differences = after.differences(before)
        self.check(not differences, "the guest sees the same VF, link and all",
                   "\n".join(differences))
        counted = after.counted(before)
        self.check(all(least <= counted[name] <= most
                       for name in ("rx_packets", "tx_packets")) and
                   min(counted.values()) >= 0,
                   "its counters go on: {rx_packets} packets received, "
                   "{tx_packets} sent".format(**counted),
                   f"{least} to {most}: {counted}")
        self.interrupts()

        answered = (ping(self.guest.run, PF_ADDRESS),
                    ping(host_run, GUEST_ADDRESS))
        self.check(answered == (PINGS, PINGS), f"pings both ways: {answered}")
        last = View(self.guest)
        counted = last.counted(after)
        interrupts = last.interrupted(after)
        self.check(2 * PINGS <= counted["rx_packets"] and
                   2 * PINGS <= counted["tx_packets"] and
                   interrupts["eth0-tx-0"] and interrupts["eth0-rx-0"],
                   "these are counted, and interrupt", f"{counted} {interrupts}")

    def interrupts(self):
        """One by each vector, as if the VF had a reason; QEMU's model has those
        of the mailbox go by another one than asked for."""
        counts = []
        for vector, name in enumerate(VECTORS):
            before = interrupts_of(self.guest)[name]
            self.guest.run("/poke /sys/class/net/eth0/device/resource0 "
                           f"{VTEICS:#x} {1 << vector} && sleep 0.1")
            counts.append(interrupts_of(self.guest)[name] - before)
        self.check(min(counts) > 0, f"interrupts by all {len(counts)} vectors",
                   f"{VECTORS}: {counts}")

    def transfer(self):
        same, rate = tcp(End.host(PF_ADDRESS),
                         End.guest(self.guest, GUEST_ADDRESS))
        self.check(same, f"TCP both ways at once, {rate:.1f} MiB/s, same sha256")

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
                       f"{self.guest.last_words()}\n{self.guest.processor()}")
        finally:
            self.guest.kill()
        self.name = name
        new = [line for line in complaints() if line not in self.known]
        self.check(not new, "nothing in the host's kernel log", "\n".join(new))
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
                       f"{count >> 10} KiB each way, same sha256")
            self.more()

        self.live(body)
        return self.figures

    def more(self):
        """What else is to be done with the guest, once it has come to its end."""

    def shutdown(self):
        status = self.guest.shutdown()
        self.check(status == 0, "guest shut down", f"QEMU returned {status}")


@dataclasses.dataclass
class Journey:
    """Where a guest goes, as an argument says."""
    qemus: list
    pfs: bool = False
    times: int = 1

    @classmethod
    def parse(cls, text):
        qemus, *options = text.split(",")
        journey = cls((qemus.split(":") * 2)[:2])
        for option in options:
            name, _, value = option.partition("=")
            if option == "pfs":
                journey.pfs = True
            elif name == "times" and int(value) > 0:
                journey.times = int(value)
            else:
                raise ValueError(text)
        return journey

    def name(self):
        return " to ".join(f"QEMU {qemu}" for qemu in dict.fromkeys(self.qemus)) \
            + (", to another PF" if self.pfs else "")

    def vfs(self):
        """Addresses of the two VFs, one after the other the guest's."""
        one, other = os.environ["LAB_VFS"].split()[:2]
        if self.pfs:
            pf = os.environ["LAB_PFS"].split()[1]
            other = sh("vfctl", "-p", pf, "list").split()[0]
        return one, other

    def hardware(self):
        """A guest's, that both QEMUs know. Of virtio-serial, QEMU 11 takes no state
        that 10 has saved: "VQ 0 vring.num 1024 exceeds allocated max 128"."""
        if len(set(self.qemus)) == 1:
            return {}
        return {"machine": MACHINE, "agent": "isa"}

    def go(self, tap):
        """Has a guest go there, and back if times is more than 1; returns the
        figures of each migration."""
        vfs = self.vfs()
        return Trip(tap, self.name(), guest_on(
            vfs[0], qemu=self.qemus[0], **self.hardware())).travel(
                [((vfs[count % 2],), {"qemu": self.qemus[count % 2]})
                 for count in range(1, self.times + 1)])


def main():
    tap = Tap()
    sh("ip", "addr", "add", f"{PF_ADDRESS}/24", "dev",
       os.environ["LAB_PF_NETDEV"])
    world_away()
    asked = set()
    figures = {}
    for text in sys.argv[1:]:
        journey = Journey.parse(text)
        missing = [qemu for qemu in journey.qemus if not has_qemu(qemu)]
        if missing:
            tap.skip(journey.name(), f"there is no QEMU {missing[0]} now")
            continue
        if journey.qemus[0] not in asked:
            asked.add(journey.qemus[0])
            refused(tap, journey.vfs()[0], journey.qemus[0])
        figures[text] = journey.go(tap)
    pathlib.Path("/out/migrate.json").write_text(
        json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
