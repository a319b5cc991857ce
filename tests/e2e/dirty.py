#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dirty.py [PACKETS [SEED]]: what a VF writes by DMA is reported, all of it.

Runs ./dirty, a driver of VF 0, with PACKETS sent to it by the PF, 20,000 if not
given. Nothing is to be seen in the log meanwhile. Prints TAP.
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
import re
import subprocess
import time

from labhost.klog import CHATTER, WARNING, Log
from labhost.ports import Port, up
from labhost.shell import sh
from labhost.sriov import DRIVER, NETDEV, PF, VFS
from labhost.tap import program

SAMPLE_NIC = "/sys/bus/pci/drivers/sample_nic"
RESULT = re.compile(r"(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$")

# What is said once it cannot be known any more what a VF writes
UNKNOWN = ["it is attached to no IOAS: what it writes cannot be known",
           "what it writes is not known any more: "]


def run(tap, *cmd):
    """Runs a program that prints TAP; its results become results of ours, at once."""
    planned = False
    with subprocess.Popen(cmd, text=True, stdout=subprocess.PIPE) as proc:
        for line in proc.stdout:
            line = line.rstrip()
            match = RESULT.match(line)
            planned |= line.startswith("1..")
            if match and match[3] is not None:
                tap.skip(match[2], match[3])
            elif match:
                tap.ok(not match[1], match[2])
            elif not line.startswith(("TAP", "1..")):
                tap.note(line.lstrip(" #"))
    tap.ok(planned, "it comes to its end", f"exit status {proc.returncode}")


def test_type1(tap, vf, netdev, packets, seed):
    log = Log(f"{WARNING},notice")
    run(tap, "./dirty", "-n", str(packets), "-s", seed, vf, netdev)
    said = [line for line in log.new() if not CHATTER.search(line)]
    tap.equal(said, [], "the kernel's log says nothing of it")


def test_iommufd(tap, vf, netdev, packets, seed):
    """The same, and more, with an iommufd, where the kernel has that."""
    log = Log(f"{WARNING},notice")
    run(tap, "./dirty", "-c", "-n", str(packets // 8), "-s", seed, vf, netdev)
    if not os.path.exists("/dev/iommu"):
        return
    said = [line for line in log.new() if not CHATTER.search(line)]
    for text in UNKNOWN:
        tap.ok(any(text in line for line in said), f'it is said: "{text}"')
    others = [line for line in said if not any(text in line for text in UNKNOWN)]
    tap.equal([line for line in others if "callbacks suppressed" not in line], [],
              "and nothing else")


def test_going(tap, pf, vf, netdev):
    """The PF's driver goes while a VF is tracked: nothing is left, kmemleak says."""
    with subprocess.Popen(["./dirty", "-k", vf, netdev], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proc:
        tracked = any(line == "tracked\n" for line in proc.stdout)
        with subprocess.Popen(["sh", "-c", f"echo {pf} > {SAMPLE_NIC}/unbind"]) as unbind:
            time.sleep(2)
            proc.stdin.close()
            ended = proc.wait(30), unbind.wait(30)
    tap.ok(tracked and ended == (0, 0), "the PF can be unbound while a VF is tracked",
           f"{tracked} {ended}")


def main(tap, packets="20000", seed="1"):
    pf = Port(PF)
    tap.ok(up(pf), "the PF has a link")
    pf.close()
    sh("vfctl", "bind", VFS[0], DRIVER)
    tap.run(test_type1, test_iommufd, test_going, pf=PF, vf=VFS[0], netdev=NETDEV,
            packets=int(packets), seed=seed)


if __name__ == "__main__":
    program(main)
