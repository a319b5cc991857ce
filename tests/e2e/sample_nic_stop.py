#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_stop.py [TIMES]: a VF's DMA is stopped and started; VFs are reset.

Two VFs are driven by igbvf on the lab host. One is stopped, with frames on their way
to and from it, and what it had queued is sent when it is started; one is reset in
all ways TIMES times each, with traffic on the other and on the PF. Prints TAP.
"""

# /// suite
# [sample_nic_stop]
# about = "VFs of sample_nic are stopped, and reset"
# run = "./sample_nic_stop.py 5"
# daily = ["7.2"]
# pf = "sample_nic"
# minutes = 1
#
# [sample_nic_resets]
# about = "the same, VFs reset 100 times"
# run = "./sample_nic_stop.py 100"
# pf = "sample_nic"
# minutes = 10
# timeout = 1800
# ///

import errno
import socket
import time

from labhost.hold import Hold
from labhost.klog import WARNING, Log
from labhost.net import PF_IN_WORLD, WORLD, set_address
from labhost.nic import (
    counters, enabled, registers, rings, stands_still, stop, stop_file, stoppable)
from labhost.nicstate import Device
from labhost.ports import Port, up
from labhost.shell import fails, sh, until
from labhost.sriov import DRIVER, PCI, PF, VFS, set_vf
from labhost.tap import program
from labhost.watch import Flood, Frames, Pings

BACKLOG = 100
RECOVERY = 30       # s until igbvf has started anew
SO_RCVBUFFORCE = 33


def received(port, tokens, seconds):
    """Which of the frames arrive in time, in which order."""
    found, end = [], time.monotonic() + seconds
    port.sock.settimeout(0.1)
    while len(found) < len(tokens) and time.monotonic() < end:
        try:
            frame, address = port.sock.recvfrom(1 << 16)
        except OSError:
            continue
        found += [token for token in tokens if token in frame and address[2] != 4]
    port.sock.settimeout(None)
    return found


def test_stop(tap, pf, vf, other):
    """VF 0 is stopped while it sends and receives."""
    netdev = pf.netdev
    floods = [Flood(vf.netdev, pf.mac), Flood(netdev, vf.mac)]
    moving = rings(netdev, 0)
    time.sleep(0.5)
    tap.ok(moving["TDH"] != rings(netdev, 0)["TDH"] and
           moving["RDH"] != rings(netdev, 0)["RDH"], "with traffic, heads move")
    for _ in range(20):
        stop(pf.device, 0)
        stop(pf.device, 0, False)
    stop(pf.device, 0)
    last = stands_still(tap, netdev)
    sent = sum(flood.stop() for flood in floods)
    tap.ok(last["TDT"] != last["TDH"], f"its transmit ring fills up, "
           f"{sent} frames sent in all", last)
    tap.ok(other.reaches(pf) and pf.reaches(other), "another VF is not stopped")
    tap.ok(not pf.reaches(vf, seconds=0.5), "it receives nothing")
    stop(pf.device, 0, False)
    tap.ok(until(lambda: vf.reaches(pf, seconds=0.5), 5) and
           pf.reaches(vf), "started: frames both ways")


def test_queued(tap, pf, vf):
    """What was sent in the meantime is not lost."""
    before = counters(pf.netdev, 0)[1]
    size = registers(pf.netdev)["TDLEN"][0] // 16
    pf.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    pf.drain()
    stop(pf.device, 0)
    tokens = [vf.send(pf.mac, 200, None, None) for _ in range(BACKLOG)]
    early = received(pf, tokens[:1], 1)
    waiting = rings(pf.netdev, 0)
    queued = waiting["TDT"][0] - waiting["TDH"][0]
    tap.ok(not early and BACKLOG <= queued % size <= BACKLOG + 5,
           f"stopped: {queued % size} frames wait in its ring", waiting)
    stop(pf.device, 0, False)
    # QEMU's model looks at the ring when its tail is written.
    tokens.append(vf.send(pf.mac, 200, None, None))
    got = received(pf, tokens, 5)
    tap.ok(got == tokens, "started: all of them arrive, in order",
           f"{len(got)} of {len(tokens)}")
    tap.ok(counters(pf.netdev, 0)[1] - before >= len(tokens),
           "and are counted")


def test_resets(tap, pf, vf):
    """Nothing that happens to a VF that is stopped starts it."""
    stop(pf.device, 0)
    outcomes = {}
    sh("ip", "link", "set", vf.netdev, "down")
    sh("ip", "link", "set", vf.netdev, "up")
    time.sleep(0.5)
    outcomes["its driver"] = enabled(pf.netdev, 0)
    (PCI / vf.device / "reset").write_text("1")
    outcomes["FLR"] = enabled(pf.netdev, 0)
    sh("ip", "link", "set", vf.netdev, "down")
    sh("ip", "link", "set", vf.netdev, "up")
    time.sleep(0.5)
    outcomes["its driver, after it"] = enabled(pf.netdev, 0)
    set_vf(pf.netdev, 0, "state", "disable")
    set_vf(pf.netdev, 0, "state", "auto")
    outcomes["its link"] = enabled(pf.netdev, 0)
    tap.ok(all(state == [0, 0] for state in outcomes.values()),
           "stopped, it stays so, whatever is reset", outcomes)
    sh("ip", "link", "set", vf.netdev, "down")
    sh("ip", "link", "set", vf.netdev, "up")
    stop(pf.device, 0, False)
    tap.ok(until(lambda: vf.reaches(pf, seconds=0.5)) and pf.reaches(vf),
           "started: frames both ways")
    tap.ok(fails("sh", "-c", f"echo 1 > {stop_file(pf.device, 6)}") and
           fails("sh", "-c", f"echo 2 > {stop_file(pf.device, 0)}"),
           "one that does not exist cannot be stopped, nor can one be twice")


def test_pf_reset(tap, pf, vfs):
    """The PF is reset, and with it the PCI configuration of its VFs."""
    stop(pf.device, 0)
    flood = Flood(pf.netdev)
    (PCI / pf.device / "reset").write_text("1")
    tap.ok(until(lambda: not fails("ping", "-c", "1", "-W", "1", WORLD)),
           "the PF is reset while it sends, and answers again")
    flood.stop()
    ports = [Port(vf) for vf in vfs]
    tap.ok(until(lambda: ports[1].reaches(pf, seconds=0.5), RECOVERY) and
           pf.reaches(ports[1]), "igbvf starts anew by itself: frames of a VF both ways")
    tap.equal(enabled(pf.netdev, 0), [0, 0], "the one that was stopped still is")
    stop(pf.device, 0, False)
    tap.ok(until(lambda: ports[0].reaches(pf, seconds=0.5), RECOVERY) and
           pf.reaches(ports[0]), "started: frames both ways")
    for port in ports:
        port.close()


def test_of_vmm(tap, pf, vfs):
    """What a VMM has stopped is left alone."""
    refused = []
    sh("vfctl", "bind", vfs[0], DRIVER)
    with Device(vfs[0]) as device:
        device.set("STOP")
        for on in (False, True):
            try:
                stop(pf.device, 0, on)
            except OSError as err:
                refused.append(err.errno)
        tap.equal((refused, enabled(pf.netdev, 0)), ([errno.EBUSY] * 2, [0, 0]),
                  "stopped by a VMM: it can be neither started nor stopped")
    sh("vfctl", "bind", vfs[0], "igbvf")


def test_loop(tap, pf, vfs, times):
    """VF 0 is reset in all ways; VF 1 and the PF have traffic."""
    device = vfs[0]

    def flr():
        (PCI / device / "reset").write_text("1")

    def hold_reset():
        if hold.ask("reset") != 0:
            raise OSError("VFIO_DEVICE_RESET failed")

    def down_up():
        sh("ip", "link", "set", netdev, "down")
        sh("ip", "link", "set", netdev, "up")

    def rebind():
        sh("vfctl", "unbind", device)
        sh("vfctl", "bind", device, "igbvf")

    def watched(what, action, count):
        pings, frames = Pings(), Frames(vfs[1], pf.device)
        start = time.monotonic()
        for _ in range(count):
            action()
        took = time.monotonic() - start
        time.sleep(0.3)
        sent, lost_frames = frames.stop()
        answered, lost, _, worst = pings.stop()
        tap.ok(sent and answered and not lost and not lost_frames,
               f"{count} times {what} in {took:.1f} s: all of {sent} frames of the "
               f"other VF and {answered} pings of the PF arrive, {worst:.0f} ms "
               "at worst", f"{lost_frames} and {lost} lost")

    netdev = Port(device).netdev
    watched("ifdown and ifup", down_up, times)
    watched("igbvf unbound and bound", rebind, max(3, times // 5))
    sh("vfctl", "bind", device, DRIVER)
    watched("FLR by sysfs", flr, times)
    with Hold(device) as hold:
        watched("VFIO_DEVICE_RESET", hold_reset, times)
    sh("vfctl", "bind", device, "igbvf")
    port = Port(device)
    tap.ok(up(port) and port.reaches(pf) and pf.reaches(port),
           "after all that, igbvf has a link and frames both ways")
    port.close()


def main(tap, times="10"):
    pf = Port(PF)
    log = Log(WARNING)
    set_address(pf.netdev, PF_IN_WORLD)
    sh("modprobe", "igbvf")
    for number, vf in enumerate(VFS):
        set_vf(pf.netdev, number, "mac", f"52:54:00:76:00:1{number}")
        sh("vfctl", "bind", vf, "igbvf")
    ports = [Port(vf) for vf in VFS]
    tap.ok(all(map(up, [pf, *ports])), "PF and two VFs with a link")
    with stoppable():
        tap.run(test_stop, test_queued, test_resets, pf=pf, vf=ports[0], other=ports[1])
        for port in ports:
            port.close()
        tap.run(test_pf_reset, test_of_vmm, test_loop, pf=pf, vfs=VFS, times=int(times))
    tap.equal(log.new("sample_nic"), [], "sample_nic complains of nothing")


if __name__ == "__main__":
    program(main)
