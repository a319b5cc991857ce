#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""sample_nic_downtime.py: what is not done while a guest stands still.

QEMU's VFs have PCI_COMMAND_MEMORY, which VFs by the standard do not. A VMM has it off while
it loads a state, and sample_nic needs the VF's registers all the same. Accesses to config
space are counted, as each takes long: there are none while a guest stands still. VFs of a
PF do not wait for each other. And nobody looks at a VF every so often that is stopped.
"""

# /// suite
# [sample_nic_downtime]
# about = "while a guest stands still: no access to config space, no wait for other VFs"
# run = "./sample_nic_downtime.py"
# daily = ["6.12"]
# pf = "sample_nic"
# vfs = 4
# minutes = 0.2
# but = { debug = "has no kprobes" }
# ///

import contextlib
import time

from labhost.ends import together
from labhost.kprobes import Configs, Kprobes
from labhost.nicstate import (
    FILE, GOLDEN, MESSAGES, PFSTS, REGISTERS, REQ, V2PMAILBOX, VFU, VMBMEM, Device)
from labhost.shell import until
from labhost.sriov import VFS
from labhost.tap import program
from labhost.tracking import set_tracking

TIMES = 20
DRAINS = {"begins": "p nic_pool_drain", "ends": "r nic_pool_drain"}
RUNS = {"runs": "p nic_migrate_run"}
LOOKS = {"shadow": "p vpm_shadow_drain", "rings": "p vfio_mediate_ring_end"}
SERVED = {"looks": "p nic_vf_handle_events n=%si:u32"}
PATIENCE = 0.005    # s until a mailbox is taken from a VF that keeps it


def counted(configs, action):
    """What an action returns, and the accesses to config space meanwhile."""
    configs.clear()
    result = action()
    return result, configs.read()


def load(device, data):
    """0, or the name of an errno: of a device that is RESUMING, and is stopped then."""
    FILE.write_bytes(data)
    answer = device.ask(f"load {FILE}")
    return answer if isinstance(answer, str) else device.set("STOP")


def test_save(tap, configs):
    """Of a VF whose memory is decoded, and of one whose is not."""
    for protocol in ("v2", "v1"):
        with Device(VFS[0], protocol) as device:
            device.fill()
            for on, most in ((1, 0), (0, 3)):
                device.must(f"memory {on}")
                data, accesses = counted(configs, device.save)
                tap.ok(data and len(accesses) <= most,
                       f"{protocol}, memory {on}: stopped and saved with "
                       f"{len(accesses)} accesses to config space", "\n".join(accesses))
                device.must("set %d" % device.states["RUNNING"])


def test_load(tap, configs):
    """As QEMU does: with memory off, until the state is loaded."""
    data = GOLDEN.read_bytes()
    for protocol in ("v2", "v1"):
        with Device(VFS[1], protocol) as device, Kprobes("lab_run", RUNS) as runs:
            device.must("memory 0")
            # Its guest is not stopped before a destination is there.
            _, accesses = counted(configs, lambda: device.set("RESUMING"))
            tap.ok(len(accesses) <= 3, f"{protocol}: ready to load after {len(accesses)} "
                   "accesses to config space", "\n".join(accesses))
            answer, accesses = counted(configs, lambda: load(device, data))
            tap.equal((answer, accesses), (0, []),
                      f"{protocol}: loaded, without an access to config space")
            device.must("memory 1")
            answer, accesses = counted(configs, lambda: device.set("RUNNING"))
            tap.equal((answer, accesses), (0, []),
                      f"{protocol}: runs, without an access to config space")
            tap.equal(len(runs.read()), 1, f"{protocol}: pending work is kicked once")
            tap.equal(dict(zip(REGISTERS, device.view())), REGISTERS,
                      f"{protocol}: its registers are in the VF")


def test_switched(tap, configs):
    """User space switches memory decoding meanwhile: nothing of the state is lost."""
    data = GOLDEN.read_bytes()
    for width in (1, 2, 4):
        with Device(VFS[1]) as device:
            device.must("memory 0")
            device.set("RESUMING")
            device.must(f"memory 1 {width}")
            device.must(f"memory 0 {width}")
            tap.equal((load(device, data), device.must("memory 1"), device.set("RUNNING"),
                       dict(zip(REGISTERS, device.view()))), (0, 0, 0, REGISTERS),
                      f"loaded, after {width} bytes have switched memory on and off")
    with Device(VFS[1]) as device:
        device.must("memory 0")
        device.set("RESUMING")
        device.must("memory 1")
        device.must("memory 0")
        tap.equal(load(device, data), 0, "loaded, after memory was switched on and off")
        tap.equal(device.set("RUNNING"), 0, "runs with memory off")
        _, accesses = counted(configs, lambda: device.must("state"))
        tap.equal(accesses, [], "nothing is left to be done")
        device.must("memory 1")
        tap.equal(dict(zip(REGISTERS, device.view())), REGISTERS, "and goes on with it on")
    with Device(VFS[1]) as device:
        device.must("memory 0")
        device.set("RESUMING")
        tap.equal((device.must("reset"), device.state()), (0, "RUNNING"),
                  "a reset with memory off, and it runs")
        tap.equal(device.load(data), 0, "loaded after the reset")
        device.must("memory 1")
        tap.equal((device.set("RUNNING"), dict(zip(REGISTERS, device.view()))),
                  (0, REGISTERS), "its registers are in the VF, and it runs")
    with Device(VFS[1]) as device:
        tap.equal(device.load(data), 0, "closed while memory was off: opens, and loads")


def at_once(drains):
    """How many VFs have waited at the same time for their DMA to end."""
    most = now = 0
    for line in drains.read():
        now += 1 if " begins: " in line else -1
        most = max(most, now)
    return most


def test_together(tap):
    """All VFs are stopped at once."""
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(Device(vf)) for vf in VFS]
        drains = stack.enter_context(Kprobes("lab_drain", DRAINS))

        def all_to(state):
            start = time.monotonic()
            together(*(lambda device=device: device.set(state) for device in devices))
            return time.monotonic() - start

        took = []
        for _ in range(TIMES):
            took.append(all_to("STOP"))
            all_to("RUNNING")
        most = at_once(drains)
        tap.ok(most > 1, f"{len(devices)} VFs are stopped at once, {TIMES} times, in "
               f"{min(took) * 1000:.1f} to {max(took) * 1000:.1f} ms: up to {most} wait at "
               "the same time for their DMA to end", "\n".join(drains.read()[:20]))
        drains.clear()
        devices[0].set("STOP")
        devices[0].set("STOP_COPY")
        devices[0].set("STOP")
        tap.equal(sum(" begins: " in line for line in drains.read()), 1,
                  "one that is stopped and saved waits for that once")


def test_idle(tap):
    """A VF that is tracked is stopped, and goes on."""
    def looks(device, state):
        device.must(f"set {device.states[state]}")
        found.clear()
        time.sleep(0.5)
        lines = found.read()
        return [sum(f" {name}: " in line for line in lines) for name in LOOKS]

    set_tracking(True)
    for protocol in ("v2", "v1"):
        with Device(VFS[0], protocol) as device, Kprobes("lab_looks", LOOKS) as found:
            running = looks(device, "PRE_COPY")
            if protocol == "v2":
                quiet = looks(device, "PRE_COPY_P2P")
                tap.ok(all(quiet), f"quiesced, it obeys doorbells: looked at {quiet} times")
                running = looks(device, "PRE_COPY")
            stopped = looks(device, "STOP_COPY")
            device.set("RUNNING")
            again = looks(device, "PRE_COPY")
        tap.ok(all(running) and not any(stopped) and all(again),
               f"{protocol}: in 0.5 s its shadow and its rings are looked at {running} times, "
               f"then stopped {stopped}, in the next migration {again}")


def taken(device):
    """Until the PF has taken the mailbox that the VF keeps."""
    return until(lambda: not device.must(f"read {V2PMAILBOX:#x}") & VFU)


def test_mailbox(tap):
    """A VF keeps its mailbox, and asks the PF to read it. The PF's lock is not held while it
    is waited for: it is looked for again, by the work item, until that is over."""
    with Device(VFS[0]) as device, Kprobes("lab_mailbox", SERVED, "n == 0") as looks:
        time.sleep(0.1)
        looks.clear()
        device.must(f"write {V2PMAILBOX:#x} {VFU}")
        device.must(f"write {VMBMEM:#x} 0x1")
        device.must(f"write {V2PMAILBOX:#x} {VFU | REQ:#x}")
        tap.ok(taken(device), "a mailbox that a VF keeps is taken from it")
        time.sleep(0.1)
        # After the one that has taken it, there is one that finds nothing.
        times = looks.times()[:-1]
        tap.ok(len(times) > 1 and times[-1] - times[0] >= PATIENCE,
               f"not before 5 ms: after {1000 * (times[-1] - times[0]):.1f} ms, in "
               f"{len(times)} looks", "\n".join(looks.read()))
        tap.equal(device.must(f"read {V2PMAILBOX:#x}") & PFSTS, 0, "what it asked is forgotten")
        device.say(*MESSAGES[0])
        tap.ok(device.answered(MESSAGES[0][0]) is not False, "and what it asks next is not")


def main(tap):
    with Configs(VFS) as configs:
        tap.run(test_save, test_load, test_switched, test_together, test_idle, test_mailbox,
                configs=configs)
    FILE.unlink(missing_ok=True)


if __name__ == "__main__":
    program(main)
