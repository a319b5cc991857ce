#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dirty_mark.py [SECONDS]: what becomes of a vendor's marks.

Mappings come and go for SECONDS in each of two tests, 5 if not given, with pages that stay
pinned for a while where the kernel lets us have that. Only what is to be said is said.
"""

# /// suite
# [dirty_mark]
# about = "marks of pages, and unmapping meanwhile"
# run = "./dirty_mark.py"
# daily = ["6.12", "debug"]
# minutes = 1
# ///

import pathlib
import re
import subprocess

from labhost.klog import CHATTER, WARNING, Log
from labhost.programs import kselftest
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS
from labhost.tap import program

SLOW = pathlib.Path("/sys/module/slow_unpin/parameters/hits")
SAID = re.compile(r"what it writes is not known any more: -(E2BIG|7)$")


def test_marks(tap, seconds):
    """As they are on a machine that has time."""
    log = Log(f"{WARNING},notice")
    kselftest(tap, "./dirty_mark", SECONDS=seconds)
    lines = [line for line in log.new() if not CHATTER.search(line)]
    tap.ok(any(SAID.search(line) for line in lines), "it is said that too much is marked")
    tap.equal([line for line in lines if not SAID.search(line)], [], "and nothing else")


def test_slow(tap, seconds):
    """Pages stay pinned for some milliseconds."""
    if subprocess.run(["modprobe", "slow_unpin", "ms=5"], check=False).returncode:
        tap.skip("slow", "no kprobes in this kernel")
        return
    for name in ("unmapped", "opened"):
        kselftest(tap, "./dirty_mark", "-t", name, SECONDS=seconds)
    tap.ok(int(SLOW.read_text(encoding="utf-8")) > 10, "pages stayed pinned")
    sh("modprobe", "-r", "slow_unpin")


def main(tap, seconds="5"):
    for vf in VFS[:2]:
        sh("vfctl", "bind", vf, DRIVER)
    tap.run(test_marks, test_slow, seconds=seconds)
    sh("modprobe", "-r", "mediator_marks")


if __name__ == "__main__":
    program(main)
