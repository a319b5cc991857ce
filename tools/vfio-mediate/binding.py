# SPDX-License-Identifier: GPL-2.0-only
"""Binds VFs to our driver, and gives them back to the host."""

import os
import pathlib
import shutil
import subprocess

from host import DRIVER, DRIVERS, OURS, Failure, UsageError, our_driver, output, parse_json, write

SAVED = pathlib.Path("/etc/driverctl.d")    # overrides that driverctl restores after a boot


def say(device, text):
    print(f"{device}: {text}")


def load_driver():
    """Loads our driver and what it needs; returns its name."""
    if not our_driver():
        done = subprocess.run(["modprobe", "-a", OURS, "vfio_iommu_type1"], check=False,
                              capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"cannot load {OURS}: {done.stderr.strip()}")
    return our_driver() or DRIVER


def probe(device):
    """Has the driver bind that the PCI core chooses."""
    write(DRIVERS.parent / "drivers_probe", device.name)


def release(device):
    """Unbinds a device from its driver."""
    if device.driver:
        write(device.path / "driver/unbind", device.name)


def refuse_in_use(device):
    users = device.users()
    if users:
        raise Failure("in use by " + ", ".join(f"{name} ({pid})" for pid, name in users) +
                      ": shut down that guest first")


def refuse_network(device):
    """A network interface that the host uses: with addresses, or a port of something."""
    for netdev in device.netdevs:
        links = parse_json(output("ip", "-j", "addr", "show", "dev", netdev)) or [{}]
        addresses = [each["local"] for each in links[0].get("addr_info", [])
                     if each.get("scope") != "link"]
        if "master" in links[0]:
            raise Failure(f"{netdev} is a port of {links[0]['master']}: remove it there, or "
                          "use --force")
        if addresses:
            raise Failure(f"{netdev} has the address {addresses[0]}: remove it, or use --force")


def driverctl(*args):
    if not shutil.which("driverctl"):
        raise UsageError("--persist needs driverctl, which is not installed")
    done = subprocess.run(["driverctl", *args], check=False, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"driverctl {' '.join(args)}: {done.stderr.strip()}")


def saved(device):
    """The driver that driverctl gives the device after each boot, or nothing."""
    try:
        return (SAVED / f"pci-{device}").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def put_back(device, driver, override):
    """After a failure: the override and the driver that the device had."""
    write(device.path / "driver_override", f"{override}\n")
    if device.driver == driver:
        return
    release(device)
    if driver:
        write(DRIVERS / driver / "bind", device.name)


def take(device, driver, persist):
    """Has a driver bind a device that nobody uses."""
    write(device.path / "driver_override", f"{driver}\n")
    if device.driver != driver:
        release(device)
        probe(device)
    if device.driver != driver:
        raise Failure(f"{driver} did not bind to it, see dmesg")
    if persist and saved(device) != driver:
        driverctl("set-override", device.name, driver)


def bind(device, driver, force=False, persist=False):
    """Binds a device to our driver; all is as before when that fails or is interrupted."""
    before, override = device.driver, device.override
    if before != driver and device.is_vfio:
        refuse_in_use(device)
    elif before != driver and not force:
        refuse_network(device)
    try:
        take(device, driver, persist)
    except BaseException as err:
        try:
            put_back(device, before, override)
        except Failure as second:
            raise Failure(f"{err}; it was bound to {before or 'no driver'}, but {second}") from err
        raise
    if before == driver:
        say(device, f"is bound to {driver} already")
    else:
        say(device, f"bound to {driver}{f', was {before}' if before else ''}")
    kept = saved(device)
    if kept and kept != driver:
        say(device, f"driverctl gives it to {kept} after the next boot: use --persist")


def why_none(device):
    """Why no driver has bound a device."""
    pf = device.pf
    if pf and pf.file("sriov_drivers_autoprobe") == "0":
        return f"{pf} has sriov_drivers_autoprobe at 0"
    names = (output("modprobe", "-R", device.file("modalias")) or "").split()
    wanted = [name for name in names if not name.startswith("vfio")]
    return f"load its driver: modprobe {wanted[0]}" if wanted else "no module knows it"


def unbind(device):
    """Gives a device back to the host's driver. A VF keeps the settings of its PF."""
    before = device.driver
    if before and not device.is_vfio:
        say(device, f"is with the host's driver {before} already")
        return
    refuse_in_use(device)
    if saved(device):
        driverctl("unset-override", device.name)
    write(device.path / "driver_override", "\n")
    release(device)
    probe(device)
    if device.driver:
        say(device, f"bound to {device.driver}{f', was {before}' if before else ''}")
    else:
        say(device, f"without a driver: {why_none(device)}")


def make_vfs(pf, count):
    """Has a PF make VFs that no driver of the host takes."""
    total, now = int(pf.file("sriov_totalvfs") or 0), len(pf.vfs)
    if not total:
        raise UsageError(f"{pf} has no VFs")
    if count > total:
        raise UsageError(f"{pf} can have {total} VFs at most")
    if now == count:
        return
    if now:
        raise Failure(f"has {now} VFs already: write 0 to {pf.path}/sriov_numvfs first")
    autoprobe = pf.file("sriov_drivers_autoprobe")
    write(pf.path / "sriov_drivers_autoprobe", "0")
    try:
        write(pf.path / "sriov_numvfs", str(count))
    finally:
        write(pf.path / "sriov_drivers_autoprobe", autoprobe)
    say(pf, f"has {count} VFs now")


def chosen(devices):
    """VFs that are meant: a PF stands for all of its own."""
    for device in devices:
        vfs = device.vfs
        if not vfs and device.file("sriov_totalvfs"):
            raise UsageError(f"{device} is a PF without VFs")
        yield from vfs or [device]


def root():
    if os.geteuid():
        raise Failure("only root may do this")
