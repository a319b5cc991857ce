#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dirty_mark.py [SECONDS]: what becomes of a vendor's marks.

Mappings come and go, in one of the tests for SECONDS, 5 if not given; once more with pages
that stay pinned for a while where the kernel lets us have that. Only what is to be said is said.
"""

# /// suite
# [dirty_mark]
# about = "marks of pages, and unmapping meanwhile"
# run = "./dirty_mark.py"
# daily = ["6.12", "debug"]
# minutes = 1
# ///

import os
import pathlib
import re

from labhost.klog import CHATTER, WARNING, Log
from labhost.programs import kselftest
from labhost.shell import fails, sh
from labhost.sriov import DRIVER, PCI, VFS
from labhost.tap import program

SATA = "0000:00:1f.2"       # of the lab host's chipset, with others
UNTRACKED = re.compile(rf"{SATA}: cannot start dirty tracking: -(EOPNOTSUPP|95)$")
SLOW = pathlib.Path("/sys/module/slow_unpin/parameters/hits")
# Log lines that are expected
SAID = re.compile(r"(dirty tracking failed|cannot start dirty tracking): "
                  r"-(E2BIG|7|EBUSY|16|EPROTO|71|ENOMSG|42|ENOTRECOVERABLE|131)$|"
                  r"DMA logging failed, all memory is reported: -(EIO|5|ENODEV|19)$|"
                  r"no longer mediated by marks: vendor driver unregistered|"
                  r"failed to save the device state: dirty pages may be missing: |"
                  r"callbacks suppressed$")


def bind():
    for vf in VFS[:2]:
        sh("vfctl", "bind", vf, DRIVER)


def test_group(tap):
    """A device that shares its IOMMU group is not tracked."""
    group = PCI / SATA / "iommu_group" / "devices"
    tap.ok(len(list(group.iterdir())) > 1, f"{SATA} shares its IOMMU group")
    log = Log(f"{WARNING},notice")
    sh("vfctl", "bind", SATA, DRIVER)
    kselftest(tap, "./dirty_mark", "-f", "group", SHARES_GROUP=SATA)
    sh("vfctl", "unbind", SATA)
    # Or it is bound again, whenever the driver is loaded.
    (PCI / SATA / "driver_override").write_text("\n")
    tap.ok(any(UNTRACKED.search(line) for line in log.new()), "it is said that it is not tracked")


def churn(tap, seconds, names=("opened", "given_up")):
    """Mappings come and go; what is remembered of that goes when a VF is bound anew."""
    for name in names:
        bind()
        kselftest(tap, "./dirty_mark", "-t", name, SECONDS=seconds)


def test_marks(tap, seconds):
    """As they are on a machine that has time."""
    log = Log(f"{WARNING},notice")
    bind()
    kselftest(tap, "./dirty_mark", "-f", "mark")
    kselftest(tap, "./dirty_mark", "-v", "group")
    if os.path.exists("/dev/iommu"):
        kselftest(tap, "./dirty_mark", "-v", "cdev")
    churn(tap, seconds)
    lines = [line for line in log.new() if not CHATTER.search(line)]
    for error in ("E2BIG|7", "EBUSY|16", "EPROTO|71"):
        tap.ok(any(re.search(rf": -({error})$", line) for line in lines),
               f"it is said what cannot be known: {error}")
    tap.equal([line for line in lines if not SAID.search(line)], [], "and nothing else")


def test_slow(tap, seconds):
    """Pages stay pinned for some milliseconds."""
    if fails("modprobe", "-n", "slow_unpin"):
        tap.skip("slow", "no kprobes in this kernel")
        return
    sh("modprobe", "slow_unpin", "ms=5")
    churn(tap, seconds)
    tap.ok(int(SLOW.read_text(encoding="utf-8")) > 10, "pages stayed pinned")
    sh("modprobe", "-r", "slow_unpin")


def main(tap, seconds="5"):
    tap.run(test_marks, test_group, test_slow, seconds=seconds)
    sh("modprobe", "-r", "mediator_marks")


if __name__ == "__main__":
    program(main)
