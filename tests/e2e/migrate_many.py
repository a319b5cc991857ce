#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_many.py: VFs that are migrated at the same time do not wait for each other.

A guest with one VF is migrated alone, then one with four. Seven guests on all VFs of a PF
are migrated to those of another PF one by one, then all at once, twice. Guests with
virtio-net do the same. What VFs write is tracked. The lab host pings each guest. Migrations
are held before the switchover, so that all stop their guests at the same time.

Seven guests compete for the two CPUs of this machine, whatever their devices are. So the
longest time from STOP to RESUME, in terms of one alone, is compared with that of virtio-net.
How long VFs sleep or wait for locks is judged by itself, and whether anybody sleeps with a
lock that VFs share. Prints TAP; the figures are in /out/migrate_many.json.
"""

# /// suite
# [migrate_many]
# about = "seven guests at once, and four VFs in one, are away no longer than one"
# run = "./migrate_many.py"
# but = {debug = "has no kprobes, and seven guests are too much for it", "7.2" = "not tried"}
# pf = "sample_nic"
# pfs = 2
# vfs = 7
# guests = true
# minutes = 14
# timeout = 1800
# ///

import collections
import re
import signal
import statistics
import subprocess
import time

from labhost.ends import together
from labhost.guest import Guest, GuestError
from labhost.klog import complaints
from labhost.migration import Migration
from labhost.net import link_up, ping
from labhost.shell import sh
from labhost.sriov import DRIVER, NETDEV, PFS, VFS, vfs_of
from labhost.stopphase import Recorder, Trace, cpu_time, threads_of
from labhost.tap import leave, program
from labhost.tracking import set_tracking
from labhost.trip import host_run, private_network
from labhost.view import complaints_of
from labhost.virtio import BRIDGE, SCRIPT, bridge

SEVEN, FOUR = 7, 4
MEMORY = "160M"     # with less, the initrd does not fit into half of it
ROUNDS = 2          # of all at once
ALONE = 5           # migrations of one guest
TIMEOUT = 300       # s for a migration
QUIET = 2           # s of pings before and after
SETTLE = 0.5        # s that all migrations are held for
BANDWIDTH, DOWNTIME = 128 << 20, 0.3        # QEMU's defaults: bytes/s, s
CRAWL = 1000        # bytes/s, with which no migration ends
# From how many bytes on of the first pass it goes on so fast, until it is held
STEPS = ((32 << 20, 2 << 20), (1 << 20, CRAWL))
STEADY = 3          # times as long as before is what one alone may take in the end
LIMIT = 1.5         # times what one alone takes
TOLERANCE = 10      # ms that a VF may wait besides: timers are late at times

DEVICE = "dev=%di:x64"
VF = "nic=%di:x64 vf=%si:u32"
# Of the kernel, where a guest's QEMU can be while it stands still, and whose
OWNERS = {
    "nic_migrate_quiesce": "sample_nic", "nic_migrate_stop": "sample_nic",
    "nic_migrate_run": "sample_nic", "nic_vf_stop": "sample_nic",
    "nic_vf_start": "sample_nic", "nic_vf_update": "sample_nic",
    "nic_pool_drain": "sample_nic",
    "describe_read_regs": "mediate", "describe_apply_regs": "mediate",
    "describe_write_pending": "mediate", "vfio_mediate_ring_scan": "mediate",
    "vpm_trap_flush": "vfio-pci", "vpm_mig_set_state": "migration",
    "vpm_track_scan_stopped": "migration", "vpm_transfer_read": "migration",
    "vpm_transfer_write": "migration",
    "vfio_device_fops_unl_ioctl": "vfio", "vfio_device_fops_read": "vfio",
    "vfio_device_fops_write": "vfio", "vfio_iommu_type1_ioctl": "vfio",
    "kvm_vm_ioctl": "KVM",
}
ARGUMENTS = {**dict.fromkeys(OWNERS, DEVICE),
             **dict.fromkeys(("nic_vf_stop", "nic_vf_start"), "handle=%di:x64"),
             **dict.fromkeys(("nic_vf_update", "nic_pool_drain"), VF)}
VIRTIO = {name: ARGUMENTS[name] for name in ("kvm_vm_ioctl",)}
STOPS, RUNS = ("nic_migrate_quiesce", "nic_migrate_stop"), ("nic_migrate_run",)
PF_LOCK = {"nic_vf_stop", "nic_vf_start"}   # what takes the PF's vf_lock
DRAINERS = "vpm-drain"      # threads, one for each VF that is tracked
TIMES = ("took", "slept", "locked", "queued")


class Pings:
    """An echo request each 100 ms; stop() returns how many were lost, and the longest time,
    in ms, in which none was answered."""

    def __init__(self, address):
        self.proc = subprocess.Popen(["ping", "-n", "-D", "-i", "0.1", address], text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def stop(self):
        self.proc.send_signal(signal.SIGINT)
        output = self.proc.communicate(timeout=30)[0]
        answers = [(float(when), int(number)) for when, number in re.findall(
            r"^\[(\d+\.\d+)\] .*icmp_seq=(\d+) ttl=", output, re.MULTILINE)]
        if len(answers) < 2:
            raise OSError(f"no answers to ping: {output[-300:]}")
        times = [when for when, _ in answers]
        return {"lost": answers[-1][1] - len({number for _, number in answers}),
                "gap_ms": round(max(after - before for before, after
                                    in zip(times, times[1:])) * 1000)}


class Leg:
    """A guest on its way, which is held before the switchover."""

    def __init__(self, guest, vfs):
        self.source = guest
        self.migration = Migration(guest, *vfs, bandwidth=BANDWIDTH, downtime_limit=DOWNTIME)
        self.destination = self.migration.destination
        self.threads = {}
        self.state = {}

    def set(self, **limits):
        self.source.qmp.call("migrate-set-parameters", **{
            name.replace("_", "-"): value for name, value in limits.items()})

    def start(self):
        self.set(avail_switchover_bandwidth=CRAWL)
        self.migration.start()
        end = time.monotonic() + TIMEOUT
        for remaining, bandwidth in STEPS:
            while (state := self.migration.query()).get("ram", {}).get(
                    "remaining", remaining) >= remaining:
                if time.monotonic() > end:
                    raise GuestError(f"{self.source.name}: its first pass does not end: {state}")
                time.sleep(0.02)
            self.set(max_bandwidth=bandwidth)

    def held(self):
        """Whether it is; notes its threads."""
        self.threads = {"source": threads_of(self.source),
                        "destination": threads_of(self.destination)}
        return self.migration.query()["status"] == "active"

    def release(self):
        self.set(max_bandwidth=BANDWIDTH, avail_switchover_bandwidth=BANDWIDTH)

    def arrive(self):
        """Nobody asks QEMU for anything before it says that the guest runs there."""
        qmp = self.destination.qmp
        while "RESUME" not in qmp.when:
            said = qmp.receive(TIMEOUT)
            if "event" in said:
                stamp = said["timestamp"]
                qmp.when[said["event"]] = stamp["seconds"] + stamp["microseconds"] / 1e6
        # That is said before devices run, and this afterwards.
        self.destination.status()
        self.state = self.migration.wait()

    def finish(self):
        """The guest at the destination, and QEMU's figures."""
        state, stop = self.state, self.source.qmp.when["STOP"]
        if state["status"] != "completed":
            raise GuestError(f"{self.source.name}: migration {state['status']}: "
                             f"{state.get('error-desc')}\n{self.destination.last_words()}")
        self.destination.wait_for_agent(TIMEOUT)
        return {"stop": stop,
                "stop_to_resume_ms": round((self.destination.qmp.when["RESUME"] - stop) * 1000,
                                           1),
                "downtime_ms": state["downtime"],
                "stopped_kib": state["ram"]["downtime-bytes"] >> 10}


def sums(calls):
    """Of each time, in ms, what it is in all these calls."""
    return {name: round(sum(call.took() if name == "took" else getattr(call, name)
                            for call in calls), 2) for name in TIMES}


def stop_phase(trace, threads):
    """What a guest's QEMUs did in the kernel from the call that first quiesces or stops a VF
    to that which has the last one run: {function: times}; and of each VF: its times, and how
    long it stood still."""
    here, there = (trace.calls(threads[side]) for side in ("source", "destination"))
    stops = [call for call in here if call.find(*STOPS)]
    runs = [call for call in there if call.find(*RUNS)]
    if not stops or not runs:
        raise OSError(f"seen: {collections.Counter(call.name for call in here + there)}")
    begin, end = min(call.begin for call in stops), max(call.end for call in runs)
    outer = [call for call in here + there if begin <= call.begin <= end]
    every = collections.defaultdict(list)
    devices = collections.defaultdict(list)
    numbers = {}
    for call in outer:
        for inner in call.all():
            every[inner.name].append(inner)
            if inner.name.startswith("nic_") and "dev" in inner.arguments:
                device = inner.arguments["dev"]
                if call not in devices[device]:
                    devices[device].append(call)
                for started in inner.find("nic_vf_update"):
                    numbers[device] = started.arguments["vf"]
    vfs = collections.defaultdict(list)
    for device, calls in devices.items():
        vfs[numbers[device]] += calls
    return ({name: {"calls": len(calls), **sums(calls)} for name, calls in every.items()},
            {number: {**sums(calls), "still": round(
                (max(call.end for call in calls) - min(call.begin for call in calls)) * 1000,
                1)} for number, calls in vfs.items()},
            (begin, end))


def overlapping(spans):
    """How many of them there were at the same time at most."""
    most = now = 0
    for _, change in sorted([(begin, 1) for begin, _ in spans] +
                            [(end, -1) for _, end in spans]):
        now += change
        most = max(most, now)
    return most


class Crowd:
    """Guests that are migrated by themselves or at once, under pings.

    Their agents do without virtio-serial: to stop the 64 queues of that takes QEMU 128 calls
    of KVM, each of which sleeps, between quiescing VFs and stopping them.
    """

    def __init__(self, tap, name, count, recorder, vfs=1):
        self.tap, self.name, self.recorder = tap, name, recorder
        self.per_guest = vfs
        self.at = [0] * count       # which PF each is on
        self.guests = []
        self.moves = []             # figures of each: of each guest
        self.locks = []             # of each move: that more than one guest has taken
        self.known = []

    # What kind of guests

    def make(self, number):
        return Guest(*self.vfs(number, 0), name=f"guest{number}", memory=MEMORY,
                     migratable=True, autostart=True, agent="isa")

    def vfs(self, number, side):
        first = number * self.per_guest
        return (VFS, vfs_of(PFS[1]))[side][first:first + self.per_guest]

    def mac(self, number, device):
        return f"52:54:00:76:{device:02x}:{64 + number:x}"

    def addresses(self, number):
        return [f"192.0.{2 + vf}.{10 + number}" for vf in range(self.per_guest)]

    def set_up(self, number):
        for vf, address in enumerate(self.addresses(number)):
            self.guests[number].run(f"ip link set eth{vf} address {self.mac(number, vf)} && "
                                    f"{link_up(address, f'eth{vf}')}")

    # Their life

    def boot(self):
        start = time.monotonic()
        for number in range(len(self.at)):
            self.guests.append(self.make(number))
        together(*(lambda guest=guest: guest.boot(TIMEOUT) for guest in self.guests))
        for number, guest in enumerate(self.guests):
            self.set_up(number)
            self.known.append(complaints_of(guest))
        self.tap.note(f"{self.name}: {len(self.guests)} guests of {MEMORY} are up after "
                      f"{time.monotonic() - start:.0f} s")

    def everywhere(self):
        return [address for number in range(len(self.at)) for address in self.addresses(number)]

    def all_answer(self, when):
        answers = together(*(lambda address=address: ping(host_run, address, 3)
                             for address in self.everywhere()))
        self.tap.equal(answers, [3] * len(answers), f"{self.name}: all answer {when}")

    def switch_over(self, legs):
        """From where they are held to where all have arrived; returns what was recorded."""
        held = together(*(leg.held for leg in legs))
        if not all(held):
            self.tap.note(f"{self.name}: held before the switchover: {held}")
        drained, start = cpu_time(DRAINERS), time.monotonic()
        self.recorder.start(set().union(*(side for leg in legs
                                          for side in leg.threads.values())))
        together(*(leg.release for leg in legs))
        together(*(leg.arrive for leg in legs))
        drained, took = cpu_time(DRAINERS) - drained, (time.monotonic() - start) * 1000
        # What is for the source's VF, its PF does not send to the other PF.
        for leg in legs:
            leg.source.kill()
        lines = self.recorder.stop()
        self.tap.note(f"{self.name}: threads {DRAINERS} ran {drained:.0f} of {took:.0f} ms")
        return lines

    def move(self, *numbers):
        """Those guests go to the other PF, at once; what was found."""
        pings = {address: Pings(address) for address in self.everywhere()}
        legs = []
        try:
            legs += together(*(lambda number=number: Leg(
                self.guests[number], self.vfs(number, 1 - self.at[number]))
                for number in numbers))
            time.sleep(QUIET)
            together(*(leg.start for leg in legs))
            time.sleep(SETTLE)
            lines = self.switch_over(legs)
            figures = together(*(leg.finish for leg in legs))
            for number, leg in zip(numbers, legs):
                self.guests[number], self.at[number] = leg.destination, 1 - self.at[number]
            time.sleep(QUIET)
        except BaseException:
            for leg in legs:
                leg.destination.kill()
            raise
        finally:
            answers = {address: each.stop() for address, each in pings.items()}
        self.judge_pings(numbers, answers)
        trace = Trace(lines)
        for figure, number, leg in zip(figures, numbers, legs):
            figure["pings"] = [answers[address] for address in self.addresses(number)]
            self.look(figure, trace, leg.threads)
        self.moves.append(figures)
        self.note(numbers, figures)
        self.locks.append(self.shared(trace, legs))

    def look(self, figure, trace, threads):
        figure["functions"], figure["vfs"], figure["span"] = stop_phase(trace, threads)

    def note(self, numbers, figures):
        self.tap.note(f"{self.name}, guests {numbers}: " + ", ".join(
            f"{name} {[figure[name] for figure in figures]}"
            for name in ("stop_to_resume_ms", "downtime_ms", "stopped_kib")))
        if "span" in figures[0]:
            self.tap.note(f"{self.name}, each VF: " +
                          "; ".join(str(figure["vfs"]) for figure in figures))

    def judge_pings(self, moved, answers):
        """Of those that stay nothing is lost."""
        gone = [tuple(answers[address].values()) for number in moved
                for address in self.addresses(number)]
        self.tap.note(f"{self.name}, guests {moved} go: pings lost, longest gap in ms: {gone}")
        stay = [tuple(answers[address].values()) for number in range(len(self.at))
                if number not in moved for address in self.addresses(number)]
        if stay:
            self.judge_others(f"{self.name}, guests {moved} go", stay)

    def judge_others(self, what, stay):
        self.tap.ok(not any(lost for lost, _ in stay), f"{what}: no ping of the others is lost; "
                    f"their longest gap is {max(gap for _, gap in stay)} ms", stay)

    def shared(self, trace, legs):
        """Locks that more than one of the guests have taken, and those of PFs."""
        found = []
        for lock in trace.locks.values():
            guests = sum(bool(lock.threads & set().union(*leg.threads.values()))
                         for leg in legs)
            if guests > 1 or lock.takers & PF_LOCK:
                found.append({"takers": sorted(lock.takers), "guests": guests,
                              "callers": sorted(lock.callers), "waited": lock.waited,
                              "slept": lock.slept})
        for lock in found:
            if lock["waited"] or lock["slept"]:
                self.tap.note(f"{self.name}: lock of {lock['guests']} guests, taken by "
                              f"{', '.join(lock['callers'])} in {', '.join(lock['takers'])}: "
                              f"waited for {len(lock['waited'])} times, "
                              f"{max(lock['waited'], default=0):.2f} ms at most; slept with it "
                              f"{len(lock['slept'])} times, {sum(lock['slept']):.2f} ms")
        return found

    def live(self, *moves):
        """All of it; moves are the guests that go at once. Returns what was found."""
        known = complaints()
        try:
            with self.recorder:
                self.boot()
                for numbers in moves:
                    self.move(*numbers)
                self.all_answer("in the end")
            said = [line for guest, before in zip(self.guests, self.known)
                    for line in complaints_of(guest) if line not in before]
            self.tap.ok(not said, f"{self.name}: no guest complains", "\n".join(said))
            statuses = together(*(guest.shutdown for guest in self.guests))
            self.tap.equal(statuses, [0] * len(statuses), f"{self.name}: all shut down")
        except (GuestError, OSError, EOFError, subprocess.SubprocessError) as err:
            self.tap.raised(err, f"{self.name}: ")
        finally:
            for guest in self.guests:
                guest.kill()
        self.tap.equal(complaints(known), [], f"{self.name}: nothing in the host's kernel log")
        return self.moves


class VirtioCrowd(Crowd):
    """The same with virtio-net."""

    def make(self, number):
        options = []
        for net in range(self.per_guest):
            options += ["-netdev", f"tap,id=net{net},script={SCRIPT},downscript=no", "-device",
                        f"virtio-net-pci,netdev=net{net},mac={self.mac(number, net)}"]
        return Guest(name=f"virtio{number}", memory=MEMORY, autostart=True, agent="isa",
                     options=options)

    def vfs(self, number, side):
        return []

    def addresses(self, number):
        return [f"198.51.{100 + net}.{10 + number}" for net in range(self.per_guest)]

    def set_up(self, number):
        self.guests[number].run("modprobe virtio_net")
        for net, address in enumerate(self.addresses(number)):
            self.guests[number].run(link_up(address, f"eth{net}"))

    def judge_others(self, what, stay):
        self.tap.note(f"{what}: of the others' pings are lost: {[lost for lost, _ in stay]}")

    def look(self, figure, trace, threads):
        pass


def of_all(moves, what):
    return [figure[what] for move in moves for figure in move]


def of_vfs(moves, *what):
    """Of each VF of each guest, the sum of these."""
    return [sum(vf[name] for name in what) for figure in sum(moves, [])
            for vf in figure["vfs"].values()]


def table(tap, alone, many, title):
    """Where the time goes: of each function, for a guest."""
    tap.note(f"{title}; ms of a guest in the stop phase, median alone / median and longest of "
             "many; with all that it calls")
    tap.note(f"{'function':<28}{'whose':<12}" + "".join(f"{name:>26}" for name in TIMES))
    for name, owner in OWNERS.items():
        cells = []
        for time_ in TIMES:
            here, there = ([figure["functions"].get(name, {}).get(time_, 0)
                            for figure in sum(moves, [])] for moves in (alone, many))
            cells.append(f"{statistics.median(here):.1f} / {statistics.median(there):.1f} "
                         f"{max(there):.1f}")
        tap.note(f"{name:<28}{owner:<12}" + "".join(f"{cell:>26}" for cell in cells))


def judge_waits(tap, alone, many, what):
    one, other = of_vfs(alone, "slept", "locked"), of_vfs(many, "slept", "locked")
    limit = LIMIT * max(one) + TOLERANCE
    tap.ok(max(other) <= limit,
           f"{what}: a VF sleeps or waits for a lock {statistics.median(other):.1f} ms, "
           f"{max(other):.1f} at most; alone {statistics.median(one):.1f} and {max(one):.1f}",
           f"allowed: {LIMIT} x {max(one):.1f} + {TOLERANCE} ms; each: "
           f"{[round(ms, 2) for ms in other]}")


def judge_locks(tap, locks, what):
    """The lock of a PF's VFs is held over no wait, nor is another one of ours."""
    shared = [lock for move in locks for lock in move
              if any(taker.startswith(("nic_", "vpm_")) for taker in lock["takers"])]
    seen = any(PF_LOCK & set(lock["takers"]) for lock in shared)
    slept = [ms for lock in shared for ms in lock["slept"]]
    waited = [ms for lock in shared for ms in lock["waited"]]
    tap.ok(seen and not slept, f"{what}: nobody sleeps with a lock that others want, the PF's "
           f"above all; waited for {len(waited)} times, {max(waited, default=0):.2f} ms at most",
           f"slept, ms: {[round(ms, 2) for ms in slept]}" if seen else
           "the PF's lock was not seen")


def judge_ratio(tap, mine, theirs, which, what):
    """From STOP to RESUME: which of many, times the median alone."""
    ours, others = ([of_all(moves, "stop_to_resume_ms") for moves in pair]
                    for pair in (mine, theirs))
    ratio, allowed = (which(many) / statistics.median(alone) for alone, many in (ours, others))
    tap.ok(ratio <= LIMIT * allowed, f"{what}: {which.__name__} from STOP to RESUME is "
           f"{ratio:.2f} x one alone; with virtio-net {allowed:.2f} x",
           f"allowed: {LIMIT} x {allowed:.2f}; ms: {ours} and {others}")


def steady(tap, early, late):
    """Whether one alone takes as long in the end as before: the same machine is compared."""
    medians = [statistics.median(of_all(moves, "stop_to_resume_ms"))
               for moves in (early, late) if moves]
    if max(medians) <= STEADY * min(medians):
        return True
    tap.note(f"seven VFs: not compared with virtio-net, of which one alone takes {medians[0]} "
             f"ms, then {medians[1]}: something else keeps this machine busy")
    return False


def judge(tap, found, locks):
    """What was asked for, and came to its end."""
    if {"one VF", "four VFs"} <= found.keys():
        one, four = found["one VF"], found["four VFs"]
        table(tap, one, four, "one VF, four VFs in a guest")
        judge_waits(tap, one, four, "four VFs")
        judge_locks(tap, locks["four VFs"], "four VFs")
        if {"one virtio-net", "four virtio-nets"} <= found.keys():
            judge_ratio(tap, (one, four), (found["one virtio-net"], found["four virtio-nets"]),
                        statistics.median, "four VFs")
    if "seven VFs" in found:
        seven = found["seven VFs"][:SEVEN], found["seven VFs"][SEVEN:]
        table(tap, *seven, "one of seven guests, seven at once")
        most = [overlapping(of_all([move], "span")) for move in seven[1]]
        tap.ok(min(most) > SEVEN // 2, f"seven VFs: {most} stand still at the same time")
        judge_waits(tap, *seven, "seven VFs")
        judge_locks(tap, locks["seven VFs"], "seven VFs")
        if virtio := found.get("seven virtio-nets"):
            virtio = virtio[:ALONE], virtio[ALONE:]
            if steady(tap, found.get("one virtio-net"), virtio[0]):
                judge_ratio(tap, seven, virtio, max, "seven VFs")


def main(tap):
    others = vfs_of(PFS[1])
    for vf in (*VFS, *others):
        sh("vfctl", "bind", vf, DRIVER)
    private_network()
    bridge()
    for number in range(1, FOUR):
        for address, netdev in ((f"192.0.{2 + number}.1", NETDEV),
                                (f"198.51.{100 + number}.1", BRIDGE)):
            sh("ip", "addr", "add", f"{address}/24", "dev", netdev)
    set_tracking(True)
    found, locks = {}, {}
    one_by_one = [(number,) for number in range(SEVEN)]
    at_once = [tuple(range(SEVEN))] * ROUNDS
    for name, kind, guests, each, moves in (
            ("one VF", Crowd, 1, 1, [(0,)] * ALONE),
            ("four VFs", Crowd, 1, FOUR, [(0,)] * ALONE),
            ("one virtio-net", VirtioCrowd, 1, 1, [(0,)] * ALONE),
            ("four virtio-nets", VirtioCrowd, 1, FOUR, [(0,)] * ALONE),
            ("seven VFs", Crowd, SEVEN, 1, one_by_one + at_once),
            ("seven virtio-nets", VirtioCrowd, SEVEN, 1, one_by_one[:ALONE] + at_once)):
        if tap.wants(name):
            crowd = kind(tap, name, guests, Recorder(
                VIRTIO if kind is VirtioCrowd else ARGUMENTS), each)
            result = crowd.live(*moves)
            locks[name] = crowd.locks
            if len(result) == len(moves):
                found[name] = result
    leave("migrate_many", {"moves": found, "locks": locks})
    judge(tap, found, locks)


if __name__ == "__main__":
    program(main)
