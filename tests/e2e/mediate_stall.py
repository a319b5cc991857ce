#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_stall.py: a VMM whose memory does not come, while the vendor reads it.

VF 0 is tracked, so that its vendor reads the rings in the VMM's memory. The VMM takes that
away by userfaultfd. The driver of the PF then cannot go before the VMM has; nobody else is
to notice.
"""

# /// suite
# [stall]
# about = "a VMM whose memory does not come is in the way of nobody but its vendor"
# run = "./mediate_stall.py"
# daily = ["debug"]
# pf = "sample_nic"
# minutes = 0.5
# ///

import pathlib
import signal
import subprocess
import threading
import time

from labhost.hold import Hold
from labhost.ports import Port, up
from labhost.shell import sh
from labhost.sriov import DRIVER, PF, VFS, mediated_by
from labhost.tap import program

SAMPLE_NIC = pathlib.Path("/sys/bus/pci/drivers/sample_nic")
PATIENCE = 3    # seconds, on a slow machine


def others(vfs, found):
    """Opens and closes VF 1, and looks who mediates both."""
    with Hold(vfs[1]) as hold:
        found.append((hold.said, [mediated_by(vf) for vf in vfs]))


def test_stalled(tap, pf, vfs):
    with Hold(vfs[1]) as hold:
        tap.equal((hold.said, mediated_by(vfs[1])), ("open", "sample_nic"),
                  "VF 1 is mediated")
    found = []
    with subprocess.Popen(["./dirty_hold"], text=True, bufsize=1,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as vmm:
        while vmm.stdout.readline() not in ("tracked\n", ""):
            pass
        vmm.stdin.write("s")
        vmm.stdin.flush()
        tap.equal(vmm.stdout.readline(), "stalled\n",
                  "the vendor waits for memory of the VMM's")
        with subprocess.Popen(["sh", "-c", f"echo {pf} > {SAMPLE_NIC}/unbind"]) as unbind:
            time.sleep(1)
            user = threading.Thread(target=others, args=(vfs, found), daemon=True)
            user.start()
            user.join(PATIENCE)
            tap.equal(found, [("open", ["none", "none"])],
                      "VF 1 can be opened, and it is said who mediates")
            tap.equal(unbind.poll(), None, "while the PF's driver waits")
            vmm.kill()
            ended = vmm.wait(60), unbind.wait(60)
            user.join(60)
    tap.equal(ended, (-signal.SIGKILL, 0), "which goes when the VMM is killed")


def main(tap):
    port = Port(PF)
    tap.ok(up(port), "the PF has a link")
    port.close()
    for vf in VFS[:2]:
        sh("vfctl", "bind", vf, DRIVER)
    tap.run(test_stalled, pf=PF, vfs=VFS[:2])


if __name__ == "__main__":
    program(main)
