#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_hostile.py MESSAGES [SEED]: VFs whose drivers are not to be believed.

All VFs but the last say nonsense to the PF by their mailboxes, MESSAGES in all, at
once. In the meantime the PF talks to the world and the last VF, driven by igbvf,
to the PF; nothing of these two, nor of what the administrator has set, may change,
and nothing is to be seen in the log.
"""

# /// suite
# [sample_nic_hostile]
# about = "VFs that say nonsense to sample_nic"
# run = "./sample_nic_hostile.py 2000"
# daily = ["debug"]
# pf = "sample_nic"
# vfs = 7
# minutes = 2
#
# [sample_nic_fuzz]
# about = "the same, 100,000 messages"
# run = "./sample_nic_hostile.py 100000"
# pf = "sample_nic"
# vfs = 7
# minutes = 10
# timeout = 1800
# ///

import re
import subprocess
import time

from labhost.klog import Log
from labhost.net import PF_IN_WORLD, set_address
from labhost.nic import PF_POOL, pool_state, registers
from labhost.ports import GROUP, Port, up
from labhost.shell import fails, measure, sh, until
from labhost.sriov import PF, VFS, set_vf, settings
from labhost.tap import program
from labhost.watch import Frames, Pings

# Of the VFs that fuzz, by number; the others have what they have got by default.
SETTINGS = {
    0: [("mac", "52:54:00:76:00:00")],
    1: [("mac", "52:54:00:76:00:01"), ("vlan", "100", "qos", "3")],
    2: [("trust", "on")],
    3: [("mac", "52:54:00:76:00:02"), ("rate", "500")],
    4: [("mac", "52:54:00:76:00:03"), ("spoofchk", "off")],
}
TRUSTED = 2
MAC, PF_SECOND_MAC = "52:54:00:76:00:10", "52:54:00:76:00:20"
VLAN = 7


def fuzz(vfs, messages, seed):
    """Programs that fuzz one VF each."""
    procs = []
    for number, vf in enumerate(vfs):
        options = ["-t"] if number == TRUSTED else []
        procs.append(subprocess.Popen(
            ["./mailbox_fuzz", *options, "-n", str(-(-messages // len(vfs))),
             "-s", str(seed * 100 + number), vf], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    return procs


def administer(netdev, procs):
    """What the administrator does meanwhile: the longest that it took, and what
    was refused."""
    worst, refused, count = 0, [], 0
    while any(proc.poll() is None for proc in procs) or not count:
        count += 1
        worst = max(worst, measure(settings, netdev))
        vlan = 1000 + count % 100
        if fails("ip", "link", "add", "link", netdev, "name", "other", "type",
                 "vlan", "id", str(vlan)):
            refused.append(vlan)
        else:
            sh("ip", "link", "del", "other")
        time.sleep(0.1)
    return worst, refused, count


def summary(tap, outputs):
    """What was answered, by type of message."""
    sums = {}
    for output in outputs:
        for name, *numbers in re.findall(
                r"^type (.*): (\d+) sent, (\d+) ACK, (\d+) NACK, (\d+) none$",
                output, re.MULTILINE):
            old = sums.get(name, (0, 0, 0, 0))
            sums[name] = tuple(map(sum, zip(old, map(int, numbers))))
    for name, (sent, acked, refused, silent) in sums.items():
        tap.note(f"type {name}: {sent} sent, {acked} ACK, {refused} NACK, "
                 f"{silent} unanswered")
    return sums


def test_fuzz(tap, pf, vfs, last, messages, seed):
    """All at once."""
    pings = Pings()
    time.sleep(3)
    _, lost, average, worst = pings.stop()
    tap.note(f"pings without: {average:.1f} ms, {worst:.1f} ms at worst")
    pools = [pool_state(pf.netdev, pool) for pool in (PF_POOL, len(vfs))]
    shown = settings(pf.netdev)
    log = Log()

    pings, frames = Pings(), Frames(last, pf.device)
    start = time.monotonic()
    procs = fuzz(vfs, messages, seed)
    slowest, refused, calls = administer(pf.netdev, procs)
    outputs = [proc.communicate()[0] for proc in procs]
    took = time.monotonic() - start
    sent, lost_frames = frames.stop()
    answered, lost, average, worst = pings.stop()

    sums = summary(tap, outputs)
    total = sum(int(re.search(r"^total: (\d+)", output, re.MULTILINE)[1])
                for output in outputs)
    for output in outputs:
        tap.note(output.splitlines()[-1])
    tap.ok(total >= messages and not any(proc.returncode for proc in procs),
           f"{total} messages of {len(vfs)} VFs at once, each that keeps to the "
           f"protocol answered, none granted that may not be, {took:.0f} s",
           "\n".join(outputs))
    tap.ok(len(sums) == 12 and all(count[0] for count in sums.values()) and
           all(sums[f"0x0{kind}"][1] for kind in range(1, 7)),
           "every type sent, and the six that there are sometimes granted", sums)
    tap.ok(not lost, f"PF: all of {answered} pings answered meanwhile, in "
           f"{average:.1f} ms, {worst:.1f} ms at worst", f"{lost} lost")
    tap.ok(worst < 1000 and slowest < 10,
           f"the PF's other work is not held up: ip link show {slowest:.2f} s "
           f"at worst", f"ping {worst} ms")
    tap.ok(not lost_frames, f"another VF: all of {sent} frames arrived",
           f"{lost_frames} lost")
    tap.ok(not refused, f"the PF enters and leaves a VLAN {calls} times",
           f"refused: {refused}")
    tap.equal([pool_state(pf.netdev, pool) for pool in (PF_POOL, len(vfs))],
              pools, "the registers of the PF's pool and the other VF's are as before")
    after = settings(pf.netdev)
    for number, info in enumerate(after):
        # Without an address of its own, or trusted, a VF chooses one.
        if "mac" not in dict(item[:2] for item in SETTINGS.get(number, [])) and \
                number < len(vfs):
            info["address"] = shown[number]["address"]
    tap.equal(after, shown, "what the administrator has set is as before")
    tap.equal(log.new(), [], "the kernel's log says nothing of it")


def test_vlans(tap, pf, vfs):
    """VFs that take all VLANs of the card's one table that they can get."""
    greedy = [subprocess.Popen(["./mailbox_fuzz", "-v", vf], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
              for number, vf in enumerate(vfs) if number != TRUSTED]
    got = [proc.stdout.readline().strip() for proc in greedy]
    tap.ok(all(line in ("VLANs: 4", "VLANs: 0") for line in got) and
           got.count("VLANs: 4") == len(greedy) - 1,
           "a VF gets its share of VLANs, none in a VLAN of the administrator's", got)
    refused = [vlan for vlan in (2000, 2001)
               if fails("ip", "link", "add", "link", pf.netdev, "name",
                        f"vlan{vlan}", "type", "vlan", "id", str(vlan))]
    refused += [vlan for vlan in (3000, 0)
                if fails("ip", "link", "set", pf.netdev, "vf", str(len(vfs)),
                         "vlan", str(vlan))]
    tap.ok(not refused, "some are left for the PF and the administrator", refused)
    for proc in greedy:
        proc.communicate()


def test_after(tap, pf, vfs, last):
    """Nothing is left of it."""
    for vf in vfs:
        sh("vfctl", "unbind", vf)
    def left():
        """Of pools that nobody uses; 0 and 100 are the administrator's VLANs."""
        regs, pools = registers(pf.netdev), (1 << len(vfs)) - 1
        return [hex(regs[name][0] & pools) for name in ("VFRE", "VFTE")], \
            [vlvf & 0xfff for vlvf in regs["VLVF"]
             if vlvf >> 12 & pools and vlvf & 0xfff not in (0, 100)]

    until(lambda: left() == (["0x0"] * 2, []), 5)
    tap.equal(left(), (["0x0"] * 2, []),
              "VFs that are closed are off, and in no VLAN")
    sh("vfctl", "bind", vfs[0], "igbvf")
    port, other = Port(vfs[0]), Port(last)
    sh("ip", "maddr", "add", GROUP, "dev", port.netdev)
    tap.ok(up(port) and port.mac == "52:54:00:76:00:00",
           "igbvf on a VF that has fuzzed has its address, and a link", port.mac)
    tap.ok(pf.reaches(port) and port.reaches(pf) and port.reaches(other) and
           other.reaches(port), "and traffic with PF and VF")
    tap.ok(pf.reaches(port, GROUP), "and multicast")
    for each in (port, other):
        each.close()


def main(tap, messages, seed="1"):
    *vfs, last = VFS
    pf = Port(PF)
    set_address(pf.netdev, PF_IN_WORLD)
    sh("bridge", "fdb", "add", PF_SECOND_MAC, "dev", pf.netdev, "self")
    sh("ip", "link", "add", "link", pf.netdev, "name", "pfvlan", "type", "vlan",
       "id", str(VLAN))
    sh("ip", "maddr", "add", GROUP, "dev", pf.netdev)
    for number, items in SETTINGS.items():
        for item in items:
            set_vf(pf.netdev, number, *item)
    set_vf(pf.netdev, len(vfs), "mac", MAC)
    sh("vfctl", "bind", last, "igbvf")
    port = Port(last)
    tap.ok(up(pf) and up(port) and pf.reaches(port),
           f"seed {seed}: {len(vfs)} VFs to fuzz, one to watch")
    port.close()
    tap.run(test_fuzz, test_vlans, test_after, pf=pf, vfs=vfs, last=last,
            messages=int(messages), seed=int(seed))
    # A VLAN has a place in the card's table, which whoever comes next would notice.
    sh("ip", "link", "del", "pfvlan")
    sh("bridge", "fdb", "del", PF_SECOND_MAC, "dev", pf.netdev, "self")


if __name__ == "__main__":
    program(main)
