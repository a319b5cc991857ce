#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate_qemu.py QEMU...: what QEMU has besides plain migrations, with a VF.

multifd: the VF's state goes by channels of its own, and the migration is cancelled, refused
or completes. other: postcopy and background snapshots, which QEMU has to refuse so that
the guest goes on, and a snapshot that is saved and loaded. Prints TAP.
"""

# /// suite
# [migrate_qemu]
# about = "multifd, postcopy and snapshots, QEMU 10"
# run = "./migrate_qemu.py 10"
# pf = "sample_nic"
# guests = true
# minutes = 4
# timeout = 1200
#
# [migrate_qemu_full]
# about = "the same with QEMU 7.2 and 11"
# run = "./migrate_qemu.py 7.2 11"
# pf = "sample_nic"
# guests = true
# qemus = ["7.2", "11"]
# minutes = 6
# timeout = 1800
# ///

import contextlib
import signal
import time

from labhost.guest import GuestError, has_qemu, words
from labhost.nicstate import PRE_COPY
from labhost.shell import until
from labhost.tap import program
from labhost.tracking import set_tracking
from labhost.trip import private_network
from labhost.ways import Ways, capable

BY_CHANNEL = "vfio_load_state_device_buffer_incoming"
SLOWLY = 4 << 20    # bytes/s
DISK = 1 << 30      # bytes, most of which are never written


class Multifd(Ways):
    """Its VF's state goes by channels besides QEMU's main one."""

    OPTIONS = ["-global", "vfio-pci.x-migration-multifd-transfer=on", "-trace", BY_CHANNEL]
    WAYS = ("completed", "cancelled_in_pre_copy", "cancelled_before_the_switchover",
            "destination_killed_after_the_switchover", "refused_by_the_destination")
    capabilities = {"multifd": True}

    def migration(self, **options):
        migration = super().migration(incoming="defer", **options)
        destination = migration.destination
        destination.incoming = f"unix:{destination.dir}/incoming"
        destination.qmp.call("migrate-incoming", uri=destination.incoming)
        return migration

    def arrive(self, migration):
        super().arrive(migration)
        count = words(self.guest.log).count(BY_CHANNEL)
        self.check(count, f"the VF's state came in {count} packets by channels",
                   allowed="one at least")

    def completed(self):
        self.plain("migrated")

    def goes_on(self):
        self.answers("the source goes on")
        self.plain("migrated after that")

    def cancelled_in_pre_copy(self):
        with self.load(), self.started(bandwidth=SLOWLY) as (migration, _):
            time.sleep(2)
            state = migration.query()["status"]
            self.check(state == "active", f"it is {state}", allowed="active")
            self.cancel(migration)
        self.goes_on()

    @contextlib.contextmanager
    def before_the_switchover(self):
        capable(self.guest, pause_before_switchover=True)
        with self.load(), self.started() as (migration, _):
            if not until(lambda: migration.query()["status"] == "pre-switchover", 60):
                raise GuestError(f"no switchover: {migration.query()}")
            yield migration
        capable(self.guest, pause_before_switchover=False)
        self.goes_on()

    def cancelled_before_the_switchover(self):
        with self.before_the_switchover() as migration:
            self.cancel(migration)

    def destination_killed_after_the_switchover(self):
        """Until then QEMU takes no command, so that it cannot be cancelled, and may not answer
        the last one."""
        with self.before_the_switchover() as migration:
            migration.destination.proc.send_signal(signal.SIGSTOP)
            self.guest.qmp.send("migrate-continue", {"state": "pre-switchover"})
            time.sleep(1)
            migration.destination.proc.kill()
            while "return" not in self.guest.qmp.receive(60):
                pass
            self.ends(migration, "failed")

    def refused_by_the_destination(self):
        """In pre-copy. Later its QEMU does not tell the source's."""
        self.refused(*self.there())
        self.goes_on()
        PRE_COPY.write_text("0", encoding="ascii")
        self.refused(*self.there(), how="completed", early=False)
        PRE_COPY.write_text("1", encoding="ascii")
        self.goes_on()


class Other(Ways):
    """It migrates in a way that needs more than a VF can do, or is saved and loaded."""

    WAYS = ("background_snapshot", "postcopy", "snapshot")
    SAYS = "VFIO migration is not supported with {}"
    LATER = "/tmp/later"

    def is_refused(self, what, go):
        """QEMU says so, and the guest goes on."""
        try:
            said = go()
        except GuestError as err:
            said = str(err).splitlines()[0]
        says = self.SAYS.format(what)
        self.check(says in said, f"QEMU says: {said}", allowed=says)
        self.guest.wait_for_status("running")
        self.answers("the source goes on")

    def background_snapshot(self):
        """Before any migration: it does not go together with what these set."""
        def go():
            capable(self.guest, background_snapshot=True)
            self.guest.qmp.call("migrate", uri="exec:cat > /dev/null")
            until(lambda: self.guest.qmp.call("query-migrate")["status"] not in
                  ("setup", "active"), 60)
            return str(self.guest.qmp.call("query-migrate"))

        self.is_refused("background snapshot", go)
        capable(self.guest, background_snapshot=False)
        self.plain("then it migrates")

    def postcopy(self):
        def go():
            with self.started() as (migration, _):
                return str(migration.wait())

        self.capabilities = {"postcopy_ram": True}
        self.is_refused("postcopy migration", go)
        self.capabilities = {"postcopy_ram": False}
        self.plain("then it migrates")

    def job(self, command, **arguments):
        """Runs one of QEMU's jobs."""
        call = self.guest.qmp.call
        call(command, **{"job-id": "job", **arguments})
        if not until(lambda: call("query-jobs")[0]["status"] == "concluded", 120):
            raise GuestError(f"{command} does not end: {call('query-jobs')}")
        if error := call("query-jobs")[0].get("error"):
            raise GuestError(f"{command}: {error}")
        call("job-dismiss", id="job")

    def add_disk(self):
        """QEMU saves the guest in it. The guest does not see it."""
        call, path = self.guest.qmp.call, f"{self.guest.dir}/disk"
        self.job("blockdev-create", options={"driver": "file", "filename": path, "size": 0})
        call("blockdev-add", **{"driver": "file", "node-name": "file", "filename": path})
        self.job("blockdev-create", options={"driver": "qcow2", "file": "file", "size": DISK})
        call("blockdev-add", **{"driver": "qcow2", "node-name": "disk", "file": "file"})

    def snapshot(self):
        self.add_disk()
        snapshot = {"tag": "one", "devices": ["disk"], "vmstate": "disk"}
        with self.load():
            time.sleep(1)
            self.job("snapshot-save", **snapshot)
        self.guest.wait_for_status("running")
        self.answers("saved, and it goes on")
        self.guest.run(f"touch {self.LATER}")
        with self.load():
            time.sleep(1)
            self.job("snapshot-load", **snapshot)
        self.guest.wait_for_status("running")
        self.guest.wait_for_agent(60)
        self.check(self.guest.try_run(f"test -e {self.LATER}")[0] == 1,
                   "loaded, it is what it was when it was saved")
        self.answers("loaded, and it goes on")
        self.plain("then it migrates")


class Old(Other):
    """QEMU 7.2 refuses nothing. Postcopy is left out, as it loses the guest: qemu.rst."""

    WAYS = ("background_snapshot", "snapshot")
    SAYS = "'status': 'completed'"


def main(tap, *qemus):
    private_network()
    set_tracking(True)
    for qemu in qemus:
        if not has_qemu(qemu):
            tap.skip(f"QEMU {qemu}", "it is not there now")
            continue
        for kind in (Old,) if qemu == "7.2" else (Multifd, Other):
            kind.run(tap, qemu)


if __name__ == "__main__":
    program(main)
