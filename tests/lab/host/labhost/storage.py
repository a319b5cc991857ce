# SPDX-License-Identifier: GPL-2.0-only
"""A guest that has a VF of an NVMe controller: what it writes and reads, what the witness has
seen of that, and how it migrates meanwhile."""

import contextlib
import re
import time

from .guest import OWN, GuestError
from .migration import Migration
from .shell import sh
from .sriov import VFS, mediated_by
from .tracking import BANDWIDTH, DOWNTIME
from .trip import Trip, guest_on
from .witness import Account, Witness

MEDIATOR = "sample_nvme"
PROGRAMS = ["/lab/job/fio", "/lab/job/numbered", "/lab/job/nvmeadmin"]
MEMORY = "256M"
NAMESPACE = "/dev/nvme0n1"  # of the guest, and of the lab host
CONTROLLER = "/sys/class/nvme/nvme0"
MIB = 1 << 20
FIO = 16 * MIB              # bytes of the namespace that fio has, for each of two jobs
NUMBERED = 32 * MIB         # where numbered begins
BLOCKS = 2048               # that it has
SIZE = 2 * MIB              # bytes that each of fio's jobs writes in a pass
QUIET = 1                   # s of I/O before and after a migration
PASSES = 30                 # of a migration over memory, before it may take any time
TIMEOUT = 120
# What the driver says of a reset that was asked for
RESET = "resetting controller"
# Where to look
QUEUES = "commands that are lost, or done twice: vendor-sample-nvme/queues.c, stop.c, replay.c"
MEMORY_LOOK = "what the VF writes and nobody marks as dirty: vendor-sample-nvme/track.c"
# One pass after the other over some blocks, each with data of its own, which is verified
# soon after it was written, and once more at the end of the pass
FIO_LOOP = """
rm -f /tmp/stop
(seed=$(cut -d. -f1 /proc/uptime)00
while [ ! -e /tmp/stop ]; do
        seed=$((seed + 1))
        /fio --name=io --filename={namespace} --thread --numjobs=2 --size={size} \
                --offset_increment={increment} --direct=1 --ioengine=libaio --rw=randwrite \
                --bs=4k --iodepth={depth} --verify=crc32c --verify_backlog=64 \
                --verify_fatal=1 --randseed=$seed --group_reporting --minimal \
                >> /tmp/fio.out 2>> /tmp/fio.err || {{ echo failed >> /tmp/fio.err; break; }}
        echo >> /tmp/fio.passes
done
touch /tmp/stopped) < /dev/null > /dev/null 2>&1 &
"""


def storage_guest(vf, qemu=OWN, **settings):
    """A guest on such a VF; what the VF writes is tracked."""
    return guest_on(vf, qemu=qemu, memory=MEMORY, programs=PROGRAMS, **settings)


class Io:
    """What a guest writes and reads: by fio, with as many commands in flight of each of two
    jobs, and numbered blocks."""

    def __init__(self, guest, depth):
        self.witness, self.depth = Witness(), depth
        guest.run(f"rm -f /tmp/fio.* /tmp/numbered.* /tmp/stopped; "
                  f"/numbered {NAMESPACE} {NUMBERED >> 12} {BLOCKS} {depth} < /dev/null "
                  "> /tmp/numbered.out 2> /tmp/numbered.err & echo $! > /tmp/numbered.pid")
        guest.run(FIO_LOOP.format(namespace=NAMESPACE, size=SIZE, increment=FIO, depth=depth))

    @staticmethod
    def kill(guest):
        guest.try_run("touch /tmp/stop; killall -KILL fio numbered")

    def stop(self, guest, resets=False):
        """What has become of it, as Trip.check() wants it: whether it is as it must be, what
        was found, details, what is allowed, where to look. With resets, the driver has reset
        the controller, and does again what it had not got an answer to."""
        said = guest.run(
            "touch /tmp/stop; kill -TERM $(cat /tmp/numbered.pid); "
            "until [ -e /tmp/stopped ] && [ ! -d /proc/$(cat /tmp/numbered.pid) ]; "
            "do sleep 0.1; done; cat /tmp/numbered.out", TIMEOUT)
        errors = guest.run("cat /tmp/fio.err /tmp/numbered.err; dmesg -c | grep -E 'nvme|I/O error' | "
                           "grep -E 'timeout|abort|error|reset' || true")
        if resets:
            errors = "\n".join(line for line in errors.splitlines() if RESET not in line)
        passes = int(guest.run("cat /tmp/fio.passes 2> /dev/null | wc -l"))
        match = re.match(r"(\d+) writes, (\d+) rounds", said)
        if not match:
            raise GuestError(f"{guest.name}: numbered says: {said} {errors}")
        yield (not errors and passes, f"fio has no error in {passes} passes with crc32c, nor has "
               "the driver", errors, "no error, and one pass at least", QUEUES)
        yield from self.judge(Account(self.witness.entries()), int(match[1]), int(match[2]),
                              3 * self.depth if resets else 0)
        # The guest reads the same, by its VF.
        end = NUMBERED + BLOCKS * 4096
        command = f"dd if={NAMESPACE} bs=1M count={end // MIB} iflag=direct 2>/dev/null | sha256sum"
        here, there = sh("sh", "-c", command, timeout=TIMEOUT), guest.run(command, TIMEOUT)
        yield here == there, "the guest reads what the lab host reads", f"{there} {here}"

    @staticmethod
    def judge(account, writes, rounds, again):
        """An account of what the controller has done; so many writes may be there twice."""
        missing, twice = account.missing(writes), account.twice()
        yield (writes and not missing and len(twice) <= again,
               f"each of {writes} numbered blocks and of {len(account.other)} of fio was written "
               f"once, but for {len(twice)}", f"missing: {missing[:20]}, twice: {twice[:20]}",
               f"each once, but for {again}", QUEUES)
        yield (len(account.numbers) == writes, "no other block is numbered",
               f"{len(account.numbers)}", f"{writes}", QUEUES)
        yield (rounds and account.flushes >= rounds and not account.misplaced,
               f"of {rounds} rounds none begins before the flush of the one before",
               f"{account.flushes} flushes, misplaced: {account.misplaced[:20]}",
               "a flush between any two", QUEUES)
        differs = account.differs(NAMESPACE)
        yield (not differs, f"{len(account.image)} blocks of the namespace are what was written "
               "last", f"{differs[:20]}", "no difference")


class Storage(Trip):
    """A guest with its I/O, and what became of each migration of it."""

    at = 0          # which VF it has
    mediator = MEDIATOR

    def start(self):
        seconds = self.guest.boot()
        # A queue for writes, and one for reads. Guests with two CPUs stand still now and then
        # under TCG, with their host.
        self.guest.run("modprobe nvme write_queues=1 && for i in $(seq 100); do "
                       f"[ -b {NAMESPACE} ] && exit 0; sleep 0.1; done; exit 1")
        by = mediated_by(VFS[self.at])
        self.check(by == self.mediator, f"guest up in {seconds:.1f} s, its VF is mediated by "
                   f"{by or 'nobody'}", allowed=self.mediator)

    def transfer(self):
        """Nothing: all I/O is looked at by itself."""

    @contextlib.contextmanager
    def io(self, depth, what, resets=False):
        """What the body does goes on under I/O; then all of that is looked at."""
        io = Io(self.guest, depth)
        time.sleep(QUIET)
        try:
            yield
        except BaseException:
            io.kill(self.guest)
            raise
        time.sleep(QUIET)
        for passed, found, *more in io.stop(self.guest, resets):
            self.check(passed, f"{what}, depth {depth}: {found}", *more)

    def migration(self, **options):
        """One that keeps to a downtime, as what is written is tracked."""
        return Migration(self.guest, VFS[1 - self.at], **{
            "bandwidth": BANDWIDTH, "downtime_limit": DOWNTIME, "passes": PASSES, **options})

    def cross(self, **options):
        """A migration; its figures."""
        migration = self.migration(**options)
        try:
            migration.start()
            figures = migration.finish(TIMEOUT, compare=bool(self.guest.settings["shared"]))
        except BaseException:
            migration.abandon()
            raise
        self.guest, self.at = migration.destination, 1 - self.at
        self.figures.append(figures)
        if self.guest.settings["shared"]:
            differ = figures["pages_that_differ"]
            self.check(not differ, f"{figures['pages_compared']} pages of memory are the same",
                       "\n".join(differ[:20]), "no difference", MEMORY_LOOK)
        return figures

    def admin(self, opcode, cdw10, cdw11=0, data=None):
        """Status, result and the first bytes of the data of an admin command."""
        if data is None:
            command = f"/nvmeadmin /dev/nvme0 {opcode} {cdw10} {cdw11} < /dev/null"
        else:
            octal = "".join(f"\\{byte:03o}" for byte in data)
            command = f"printf '{octal}' | /nvmeadmin /dev/nvme0 {opcode} {cdw10} {cdw11} " \
                f"{len(data)}"
        return [int(word, 0) for word in self.guest.run(command).split()]

    def crossed(self, what, figures):
        self.check(True, "{what}: {total_ms} ms, {downtime_ms} ms of downtime, {passes} passes, "
                   "{ram_bytes} bytes of memory, {vfio_bytes} of the VF's state".format(
                       what=what, **figures))

    def cancelled(self):
        """A migration that is cancelled while memory is being sent."""
        migration = self.migration(bandwidth=8 * MIB, downtime_limit=0, passes=None)
        migration.start()
        time.sleep(2)
        migration.cancel()
        state = migration.wait()
        # QEMU 10 shuts its socket down before it notes why, and at times takes that for a failure.
        self.check(state["status"] in ("cancelled", "failed"),
                   f"cancelled: QEMU says {state['status']}", allowed="cancelled or failed")
        migration.abandon()
        self.guest.wait_for_status("running")
