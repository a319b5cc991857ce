#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_open.py [-k PATTERN] HOLD: who mediates a VF is decided at each open.

Drives mediator_claims, a module that registers ops and answers as told, and
HOLD, a program that opens a VF as a VMM does.
"""

# /// suite
# [open]
# about = "who mediates a device is decided at each open"
# run = "./mediate_open.py ./vfio_hold"
# daily = ["debug"]
# minutes = 0.5
# ///

import pathlib
import random
import subprocess
import threading
import time

from labhost.hold import Hold
from labhost.shell import sh, until
from labhost.sriov import PCI, VFS, mediated_by
from labhost.tap import program

MODULE = "mediator_claims"
PARAMETERS = pathlib.Path(f"/sys/module/{MODULE}/parameters")
ALIAS = pathlib.Path("/etc/modprobe.d/alias.conf")
DEBUGFS = pathlib.Path("/sys/kernel/debug/vfio_mediate")
OPS, LOAD_TIMEOUT = DEBUGFS / "ops", DEBUGFS / "load_timeout_ms"
ALIASES = f"alias vfio-mediate:v00008086d000010CA {MODULE}\n"
SLOW = 5        # seconds
STRESS = 20     # seconds


def opened_by(vf):
    """Who mediates vf when it is opened now, or what the open fails with."""
    with Hold(vf) as hold:
        return mediated_by(vf) if hold.said == "open" else hold.said


def load(**parameters):
    unload()
    sh("modprobe", MODULE, *(f"{k}={v}" for k, v in parameters.items()))


def unload():
    if PARAMETERS.exists():
        sh("modprobe", "-r", MODULE)


def counters():
    return tuple(int((PARAMETERS / name).read_text())
                 for name in ("opens", "releases"))


def rebind(vf):
    sh("vfctl", "bind", vf, "vfio-pci-mediate")


def set_parameter(name, value):
    (PARAMETERS / name).write_text(str(value))


def test_loading(tap, vf):
    """Mediators that come and go while the VF stays bound."""
    sh("modprobe", "-a", "vfio_mediate", "vfio_pci_mediate")
    tap.equal(sh("modinfo", "-F", "depends", MODULE), "vfio_mediate",
              "a mediator depends on vfio_mediate alone")
    ALIAS.parent.mkdir(exist_ok=True)
    tap.equal(mediated_by(vf), "none", "bound and closed: mediated by none")
    tap.equal(opened_by(vf), "none", "nobody to ask: as in-tree")
    ALIAS.write_text(ALIASES, encoding="utf-8")
    tap.equal((opened_by(vf), until(PARAMETERS.exists, 2)), ("none", False),
              "an open nobody claims loads no module")
    rebind(vf)
    tap.ok(until(PARAMETERS.exists, 20), "binding the device loads the one with its alias")
    tap.equal(opened_by(vf), "claims-0", "which mediates it")
    unload()
    ALIAS.unlink()

    with Hold(vf):
        load()
        tap.equal(mediated_by(vf), "none",
                  "a mediator loaded while the VF is open leaves it alone")
    tap.equal(opened_by(vf), "claims-0", "and has it from the next open on")
    tap.equal(counters(), (1, 1), "one open, one release")
    with Hold(vf):
        done = subprocess.run(["rmmod", MODULE], text=True, check=False,
                              capture_output=True)
        tap.ok(done.returncode and "in use" in done.stderr,
               "a mediator in use cannot be unloaded", done)
    unload()
    tap.ok(not PARAMETERS.exists(), "once the VF is closed, it can")


def test_slow_module(tap, vf):
    """A device is opened while the module that mediates it is being loaded."""
    unload()
    ALIAS.write_text(f"{ALIASES}install {MODULE} sleep {SLOW}; modprobe -i {MODULE}\n",
                     encoding="utf-8")
    rebind(vf)
    tap.equal(opened_by(vf), "claims-0", "an open right after the bind waits for the module")
    tap.equal(opened_by(vf), "claims-0", "and the next one finds it loaded")

    unload()
    rebind(vf)
    with subprocess.Popen([Hold.program, vf], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as hold:
        time.sleep(0.5)
        hold.kill()
        said = hold.stdout.read()
    tap.equal((said, PARAMETERS.exists()), (b"", False), "an open that waits can be killed")
    until(PARAMETERS.exists, 20)

    unload()
    before = LOAD_TIMEOUT.read_text(encoding="utf-8")
    LOAD_TIMEOUT.write_text("500", encoding="utf-8")
    rebind(vf)
    start = time.monotonic()
    said = opened_by(vf)
    took = time.monotonic() - start
    tap.equal((said, PARAMETERS.exists(), took >= 0.5), ("open: EAGAIN", False, True),
              f"an open that waits fails after a while, here {took:.1f} s")
    tap.equal(opened_by(vf), "open: EAGAIN", "and so does the next one")
    LOAD_TIMEOUT.write_text(before, encoding="utf-8")
    tap.equal((before, opened_by(vf)), ("60000\n", "claims-0"),
              "one that waits for up to a minute has the module, and only then is it open")

    unload()
    rebind(vf)
    said = []
    thread = threading.Thread(target=lambda: said.append(opened_by(vf)))
    thread.start()
    time.sleep(0.5)
    sh("vfctl", "unbind", vf)
    thread.join(20)
    tap.equal((said, PARAMETERS.exists()), (["open: ENODEV"], False),
              "the device is unbound: an open that waits ends, and neither waits")
    tap.ok(until(PARAMETERS.exists, 20), "the module is loaded all the same")
    rebind(vf)
    tap.equal(opened_by(vf), "claims-0", "and mediates the device when it is bound again")
    unload()
    ALIAS.unlink()


def test_verdicts(tap, vfs):
    """What the answers of ops->open lead to."""
    load(verdict=-19)
    tap.equal(opened_by(vfs[0]), "none", "-ENODEV: not mediated")
    for number, name in ((-16, "EBUSY"), (-12, "ENOMEM"), (-5, "EIO")):
        set_parameter("verdict", number)
        tap.equal(opened_by(vfs[0]), f"open: {name}",
                  f"-{name} fails the open with that")
    tap.equal(mediated_by(vfs[0]), "none", "a failed open leaves no trace")
    set_parameter("verdict", 0)
    tap.equal(opened_by(vfs[0]), "claims-0", "and the next one may succeed")
    tap.equal(counters(), (1, 1), "only a claim is released")

    load(count=16, last=1)
    with Hold(vfs[0]), Hold(vfs[1]):
        lines = OPS.read_text(encoding="utf-8").splitlines()
        tap.equal([line.split()[0] for line in lines],
                  [f"claims-{i}" for i in range(16)],
                  "debugfs lists the ops in the order they are asked in")
        tap.equal(lines[0], f"claims-0 {MODULE} 0", "those without a device")
        tap.equal(sorted(lines[15].split()),
                  sorted(["claims-15", MODULE, "2", *vfs]),
                  "and those with two, by address")
    tap.equal(counters(), (2, 2), "sixteen ops, two opens, two releases")


def test_named(tap, vf):
    """Ops that name their devices are asked for these alone."""
    load(count=256, last=1, named=1)
    with Hold(vf):
        tap.equal(mediated_by(vf), "claims-255", "of 256 ops, the ones that name it")
    load(count=2, named=1)
    sh("modprobe", "mediator_demo")
    tap.equal(opened_by(vf), "claims-0", "of two that claim it, the ones that name it")
    load(count=2)
    tap.equal(opened_by(vf), "demo", "of two that name no device, the ones that were first")
    sh("modprobe", "-r", "mediator_demo")


def test_going(tap, vf):
    """The vendor, or the VF's driver, goes while the VF is open."""
    load()
    with Hold(vf) as hold:
        tap.equal(mediated_by(vf), "claims-0", "open and mediated")
        set_parameter("registered", 0)
        tap.equal(hold.line(), "requested",
                  "ops unregistered while open: the VF is asked back")
        tap.equal(mediated_by(vf), "none", "and no longer mediated")
        tap.equal(counters(), (1, 1), "and released at once")
        set_parameter("registered", 1)
        tap.equal(mediated_by(vf), "none",
                  "registering anew does not bring it back")
    tap.equal(counters(), (1, 1), "nor is it released again at close")
    tap.equal(opened_by(vf), "claims-0", "the next open is mediated again")

    with Hold(vf, "--until-requested") as hold:
        sh("vfctl", "unbind", vf)
        tap.equal((hold.said, hold.line()), ("open", "requested"),
                  "unbinding the VF asks it back, then unbinds it")
    tap.equal(counters(), (3, 3), "and the mediator is told")
    rebind(vf)
    tap.equal(opened_by(vf), "claims-0", "bound again: mediated again")


def test_unloading(tap, vf):
    """The vendor's module is unloaded, and its ops are still registered."""
    load(exit_ms=4000)
    with subprocess.Popen(["rmmod", MODULE]) as rmmod:
        going = until(lambda: (PARAMETERS.parent / "initstate").read_text() == "going\n", 3)
        tap.equal((going, opened_by(vf)), (True, "open: EAGAIN"),
                  "while a mediator is unloaded, a device is not opened unmediated")
        tap.equal(rmmod.poll(), None, "which is still under way")
    tap.equal((rmmod.returncode, opened_by(vf)), (0, "none"),
              "and afterwards, there is nobody to ask")


def requested_bars(vf):
    """BARs whose addresses a driver has reserved, which precedes mapping them."""
    bars = {}
    lines = (PCI / vf / "resource").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines[:6]):
        start, end, _ = (int(word, 16) for word in line.split())
        if end:
            bars[start, end] = number
    reserved = set()
    for line in pathlib.Path("/proc/iomem").read_text(encoding="utf-8").splitlines():
        span, _, name = line.strip().partition(" : ")
        start, end = (int(word, 16) for word in span.split("-"))
        if name.startswith("vfio"):
            reserved.add(bars.get((start, end)))
    return sorted(reserved & set(bars.values())), sorted(bars.values())


def test_bars(tap, vf):
    """A BAR that the first access maps would be in the way of a second one."""
    sh("modprobe", "mediator_demo")
    with Hold(vf):
        reserved, there = requested_bars(vf)
        tap.equal((mediated_by(vf), reserved), ("demo", there),
                  "all BARs of a mediated device are mapped before they are accessed")
    sh("modprobe", "-r", "mediator_demo")


def test_stress(tap, vfs):
    """All of it at once."""
    end = time.monotonic() + STRESS
    done = {"open": 0, "switch": 0, "bind": 0}
    errors = []

    def loop(what, action, pause):
        try:
            while time.monotonic() < end:
                action()
                done[what] += 1
                time.sleep(random.random() * pause)
        except (OSError, subprocess.SubprocessError) as err:
            errors.append(f"{what}: {err}")

    def switch():
        set_parameter("registered", 0)
        set_parameter("registered", 1)

    load()
    threads = [threading.Thread(target=loop, args=args) for args in (
        ("open", lambda: opened_by(vfs[0]), 0),
        ("open", lambda: Hold(vfs[1], "--until-requested").close(), 0),
        ("switch", switch, 0.2), ("bind", lambda: rebind(vfs[1]), 0.5))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(STRESS + 60)
    tap.note(f"{done}")
    alive = sum(thread.is_alive() for thread in threads)
    tap.ok(not alive and not errors and all(done.values()),
           f"{STRESS} s of opening, unregistering and rebinding at once",
           f"{alive} stuck, {errors}, {done}")
    opens, releases = counters()
    tap.equal(releases, opens, f"{opens} opens, as many releases")
    unload()
    tap.equal(OPS.read_text(encoding="utf-8"), "", "no ops are left")


def main(tap, hold):
    Hold.program = hold
    tap.run(test_loading, test_slow_module, test_verdicts, test_named, test_going, test_unloading,
            test_bars, test_stress, vf=VFS[0], vfs=VFS)


if __name__ == "__main__":
    program(main)
