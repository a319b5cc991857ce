#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dirty.py [PACKETS [SEED]]: what a VF writes by DMA is reported, all of it.

Runs the tests that drive VF 0, with PACKETS sent to it by the PF, 20,000 if not given.
Nothing is to be seen in the log meanwhile.
"""

# /// suite
# [dirty]
# about = "what a VF of sample_nic writes is reported, all of it"
# run = "./dirty.py"
# daily = ["6.12"]
# pf = "sample_nic"
# minutes = 3
#
# [dirty_full]
# about = "the same with a million packets"
# run = "./dirty.py 1000000"
# pf = "sample_nic"
# minutes = 8
# timeout = 7200
# ///

import os
import pathlib
import re
import subprocess
import time

from labhost.klog import CHATTER, WARNING, Log
from labhost.ports import Port, up
from labhost.programs import kselftest
from labhost.shell import fails, sh
from labhost.sriov import DRIVER, PF, VFS
from labhost.tap import program

SAMPLE_NIC = "/sys/bus/pci/drivers/sample_nic"

SLOW = pathlib.Path("/sys/module/slow_drain/parameters")

# Log lines after dirty tracking of a VF has become impossible
UNKNOWN = ["cannot track dirty pages: attach the device to an IOAS, not an HWPT",
           "dirty tracking failed: ",
           "cannot be migrated: neither the IOMMU nor the vendor driver can track dirty pages"]

# The same with a container
UNTRACKED = ["cannot start dirty tracking: ", "dirty tracking failed: ",
             "failed to save the device state: dirty pages may be missing: ",
             "failed to save the device state: device state was lost in a reset: "]

# What of a ring has failed, said before
DETAIL = re.compile(r"cannot track (queue \d+, ring \d+|rings of a state that was loaded)")


def said(log):
    return [line for line in log.new()
            if not CHATTER.search(line) and not DETAIL.search(line)]


def says(tap, log, texts):
    """All of texts are in the log, and no line that has none of them."""
    lines = said(log)
    for text in texts:
        tap.ok(any(text in line for line in lines), f'it is said: "{text}"')
    others = [line for line in lines if not any(text in line for text in texts)]
    tap.equal([line for line in others if "callbacks suppressed" not in line], [],
              "and nothing else")


def test_type1(tap, env):
    """By way of a container, and what is said where it fails."""
    log = Log(f"{WARNING},notice")
    kselftest(tap, "./dirty_type1", **env)
    says(tap, log, UNTRACKED)


def test_log(tap, env):
    """By VFIO_DEVICE_FEATURE_DMA_LOGGING_*, where the kernel has iommufd."""
    if not os.path.exists("/dev/iommu"):
        tap.skip("dirty_log", "not in this kernel")
        return
    log = Log(f"{WARNING},notice")
    kselftest(tap, "./dirty_log", **env)
    tap.equal(said(log), [], "the kernel's log says nothing of it")


def test_iommufd(tap, env):
    """What is special to an iommufd, and what is said of it."""
    if not os.path.exists("/dev/iommu"):
        tap.skip("dirty_iommufd", "not in this kernel")
        return
    log = Log(f"{WARNING},notice")
    kselftest(tap, "./dirty_iommufd", **env)
    says(tap, log, UNKNOWN)


def test_going(tap, pf):
    """The PF's driver goes while a VF is tracked: nothing is left, kmemleak says."""
    with subprocess.Popen(["./dirty_hold"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proc:
        tracked = any(line == "tracked\n" for line in proc.stdout)
        with subprocess.Popen(["sh", "-c", f"echo {pf} > {SAMPLE_NIC}/unbind"]) as unbind:
            time.sleep(2)
            proc.stdin.close()
            ended = proc.wait(30), unbind.wait(30)
    tap.ok(tracked and ended == (0, 0), "the PF can be unbound while a VF is tracked",
           f"{tracked} {ended}")


def test_stopping(tap):
    """A VF that is tracked is quiesced, which takes its time."""
    if fails("modprobe", "-n", "slow_drain"):
        tap.skip("stopping", "no kretprobes in this kernel")
        return
    sh("modprobe", "slow_drain")
    with subprocess.Popen(["./dirty_hold"], text=True, bufsize=1,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proc:
        tracked = any(line == "tracked\n" for line in proc.stdout)
        for _ in range(5):
            proc.stdin.write("q")
            proc.stdin.flush()
            tap.equal(proc.stdout.readline(), "quiesced\n", "it is quiesced")
        proc.stdin.close()
        ended = proc.wait(30)
    hits, early, last = (int((SLOW / name).read_text()) for name in ("hits", "early", "last"))
    sh("modprobe", "-r", "slow_drain")
    tap.ok(tracked and not ended and hits and last,
           f"its rings are looked at {hits} times meanwhile, {last} times afterwards", ended)
    tap.equal(early, 0, "it counts as stopped only when none of its DMA is under way")


def main(tap, packets="20000", seed="1"):
    pf = Port(PF)
    tap.ok(up(pf), "the PF has a link")
    pf.close()
    sh("vfctl", "bind", VFS[0], DRIVER)
    tap.run(test_type1, test_log, test_iommufd, test_stopping, test_going, pf=PF,
            env={"PACKETS": packets, "SEED": seed})


if __name__ == "__main__":
    program(main)
