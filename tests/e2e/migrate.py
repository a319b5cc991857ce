#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""migrate.py QEMU[:QEMU][,pfs][,times=N]...: a guest migrates from VF to VF.

For each argument, a guest is started under that QEMU on VF 0, and goes to VF 1; with
pfs to VF 0 of another PF; to the second QEMU, if two are named; back and forth, N
times in all. It answers a probe each 10 ms and keeps a TCP connection meanwhile, and
what it sees of its VF is compared each time with what it saw before. At first, what
in-tree vfio-pci says to that. Prints TAP; the figures are in /out/migrate.json.
"""

# /// suite
# [migrate]
# about = "a guest migrates from VF to VF, QEMU 10"
# run = "./migrate.py 10"
# daily = ["6.12"]
# pf = "sample_nic"
# guests = true
# minutes = 2
#
# [migrate_v1]
# about = "from VF to VF with QEMU 7.2, by protocol v1"
# run = "./migrate.py 7.2"
# daily = ["6.12"]
# pf = "sample_nic"
# guests = true
# qemus = ["7.2"]
# minutes = 2
#
# [migrate_pfs]
# about = "a guest migrates to a VF of another PF, QEMU 10"
# run = "./migrate.py 10,pfs"
# pf = "sample_nic"
# pfs = 2
# guests = true
# minutes = 2
#
# [migrate_full]
# about = "all pairs of QEMUs and PFs, and 20 times there and back"
# run = "./migrate.py 10,times=40 7.2,times=40 11,times=2 10:11 10,pfs,times=2 7.2,pfs 11,pfs 10:11,pfs"
# pf = "sample_nic"
# pfs = 2
# guests = true
# qemus = ["7.2", "11"]
# minutes = 38
# timeout = 7200
# ///

from labhost.guest import has_qemu
from labhost.journey import Journey
from labhost.refusal import refused
from labhost.tap import leave, program
from labhost.trip import private_network


def main(tap, *journeys):
    private_network()
    asked = set()
    figures = {}
    for text in filter(tap.wants, journeys):
        journey = Journey.parse(text)
        missing = [qemu for qemu in journey.qemus if not has_qemu(qemu)]
        if missing:
            tap.skip(journey.name(), f"there is no QEMU {missing[0]} now")
            continue
        if journey.qemus[0] not in asked:
            asked.add(journey.qemus[0])
            refused(tap, journey.vfs()[0], journey.qemus[0])
        figures[text] = journey.go(tap)
    leave("migrate", figures)


if __name__ == "__main__":
    program(main)
