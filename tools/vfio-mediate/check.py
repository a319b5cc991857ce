# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest with a VF could not be migrated: one finding a line, with what to do."""

import json
import os
import pathlib
import shlex
import subprocess

import domains
from host import (ADDRESS, DRIVER, MODULES, OURS, Device, Failure, UsageError, address,
                  error_text, lsvfio, numbers, output, parse_json, qemu_version, record,
                  status, version)

OK, PROBLEM, UNKNOWN = "ok", "problem", "unknown"
# Settings of a VF that a migration does not transfer, and how they are set
SETTINGS = {"vlan_list": "vlan", "rate": "max_tx_rate", "spoofchk": "spoofchk",
            "trust": "trust", "link_state": "state"}


class Findings(list):
    """What was found, as JSON objects."""

    def add(self, result, about, text, todo=""):
        self.append({"check": about, "result": result, "text": text, "todo": todo})

    def ok(self, about, text):
        self.add(OK, about, text)

    def problem(self, about, text, todo):
        self.add(PROBLEM, about, text, todo)

    def unknown(self, about, text, todo=""):
        self.add(UNKNOWN, about, text, todo)

    @property
    def problems(self):
        return [each for each in self if each["result"] == PROBLEM]


def check_driver(found, device):
    """Is our driver bound to it?"""
    driver, todo = device.driver, f"vfio-mediate bind {device}"
    if device.module == OURS:
        found.ok("driver", driver)
    elif not driver:
        found.problem("driver", "no driver is bound to it", todo)
    elif device.module == "vfio_pci":
        found.problem("driver", f"in-tree {driver} does not migrate; libvirt binds it where "
                      f"managed='yes' comes without <driver model='{DRIVER}'/>", todo)
    elif device.is_vfio:
        found.unknown("driver", f"{driver} is another vfio driver, which is not checked")
    else:
        found.problem("driver", f"{driver} of the host is bound to it", todo)
    return device.module == OURS


def check_group(found, device):
    if not device.group:
        found.problem("iommu", "it has no IOMMU group",
                      "switch the IOMMU on in the firmware; boot with intel_iommu=on on Intel")
    elif device.neighbours:
        found.problem("iommu", f"its group {device.group} has {', '.join(device.neighbours)} "
                      "too: dirty pages of a group are tracked only if it has one device",
                      "use a slot or a card with ACS")
    else:
        found.ok("iommu", f"group {device.group} of its own")


def check_modules(found, device):
    """Are loaded modules those that the next boot loads?"""
    for name in (OURS, "vfio_mediate", device.pf.module if device.pf else ""):
        if not (MODULES / name).exists() or not name:
            continue
        about = version(name)
        if about["stale"]:
            found.problem("module", f"{name} is another one than the one that is installed",
                          f"unload {name} and load it again, or boot")
        else:
            found.ok("module", f"{name} {about['version']}".strip())


def check_vendor(found, device, about):
    """Does a vendor's driver mediate it?"""
    name = about["mediated_by"]
    if name and name != "none":
        found.ok("vendor", f"{name} mediates it")
        return
    if about["open_error"]:
        found.unknown("vendor", "not known, as it cannot be opened")
        return
    pf = device.pf
    modules = (output("modprobe", "-R", device.alias()) or "").split()
    missing = [module for module in modules if not (MODULES / module).exists()]
    if about["in_use"]:
        found.problem("vendor", "nobody mediated it when it was opened",
                      "load the vendor's driver, then start the guest again")
    elif missing:
        found.problem("vendor", "nobody mediates it", f"modprobe {missing[0]}")
    else:
        driver = f"its PF's driver, {pf.driver}, does not" if pf else "it is no VF"
        found.problem("vendor", f"nobody mediates it: {driver}",
                      "load a PF driver that registers mediate ops")


def check_state(found, device, about):
    """What the device offers a VMM. Unknown while another one has it open."""
    error = error_text(device.file("last_error"))
    if error:
        found.unknown("last error", error, "see the kernel log of both hosts")
    if about["opened_by"] and "stop-copy" in about["migration"]:
        found.ok("migration", f"{', '.join(about['migration'])}; protocols "
                 f"{', '.join(about['protocols'])}")
    elif about["opened_by"] or about["in_use"] and about["migration_state"] == "none":
        found.problem("migration", "it offers no migration to a VMM",
                      "see the kernel log: the vendor's driver may lack save and load")
    if about["opened_by"]:
        if about["dirty_pages"]:
            found.ok("tracking", f"by {', '.join(about['dirty_pages'])}")
        else:
            found.problem("tracking", "nobody can track dirty pages",
                          "use a type1 container, QEMU's default")
    elif about["in_use"]:
        state = about["migration_state"]
        if not state:
            found.unknown("migration", "not known while it is in use")
        elif state != "none":
            found.ok("migration", f"state {state}, tracked by {about['tracked']}")
    else:
        found.problem("open", f"it cannot be opened: {about['open_error']}",
                      "see dmesg; opens by other users need rights on the group's file")


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace") \
            .split("\0")
    except OSError:
        return []


def qemu_option(device, words):
    """What QEMU's command line says of the device: a dict, or None."""
    for word in words:
        found = parse_json(word) if word.startswith("{") else \
            dict(part.partition("=")[::2] for part in word.split(","))
        if isinstance(found, dict) and ADDRESS.fullmatch(str(found.get("host", ""))) and \
                ADDRESS.fullmatch(found["host"])[2].lower() == device.name[5:]:
            return found
    return None


def check_qemu_version(found, text):
    """Does this QEMU migrate VFs?"""
    release = numbers(text)
    if not release:
        found.unknown("qemu", "its version is not known")
    elif release < (5, 2):
        found.problem("qemu", f"QEMU {text} is too old", "use QEMU 8.1 or newer")
    elif release[:2] == (8, 0):
        found.problem("qemu", f"QEMU {text} has a migration protocol of its own",
                      "use QEMU 8.1 or newer")
    else:
        found.ok("qemu", f"QEMU {text}, protocol {'v1' if release < (8, 0) else 'v2'}")
    return release


def check_qemu(found, device):
    """The QEMU that has it open, or the one that is installed."""
    for pid, name in device.users():
        words = command_line(pid)
        option = qemu_option(device, words)
        if option is None:
            found.problem("qemu", f"{name} ({pid}) has it open, which is not a QEMU that was "
                          "started with it", f"end {name}")
            continue
        release = check_qemu_version(found, qemu_version(f"/proc/{pid}/exe"))
        wanted = "x-enable-migration" if release and release < (8, 0) else "enable-migration"
        if str(option.get(wanted)) in ("on", "True"):
            found.ok("option", f"{wanted}=on")
        else:
            found.problem("option", f"QEMU ({pid}) was started without {wanted}=on",
                          f"start it with -device vfio-pci,host={device},{wanted}=on; with "
                          "libvirt by <qemu:override>")
        if "iommufd" in option:
            found.problem("tracking", "QEMU uses an iommufd, with which it does not migrate it",
                          "start it without -object iommufd")
        return
    if not device.users():
        text = qemu_version()
        if text:
            check_qemu_version(found, text)
        else:
            found.unknown("qemu", "no QEMU is installed, and none has the VF open")


def remote(host, shell):
    """The status of another host, by ssh."""
    command = [*shlex.split(shell), host, "vfio-mediate", "status", "--open", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as err:
        raise Failure(f"{shell} {host}: {err}") from err
    answer = parse_json(done.stdout)
    if done.returncode or not answer:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Failure(f"{host}: {why}; vfio-mediate is needed there, and a login as root")
    return answer


def compare(found, there, source, target):
    """Two VFs, each of which record() has described."""
    name = f"{there} {target['device']}".strip()
    for key, what in (("id", "PCI vendor and device"), ("subsystem", "PCI subsystem")):
        if source[key] != target[key]:
            found.problem("ids", f"{name} has {target[key]} as {what}, not {source[key]}",
                          "use a VF of the same kind of card")
    if source["id"] == target["id"] and source["subsystem"] == target["subsystem"]:
        found.ok("ids", f"{target['id']} at {name}")
    if target["module"] != OURS:
        found.problem("driver", f"{name} has the driver {target['driver'] or 'none'}",
                      f"there: vfio-mediate bind {target['device']}")
    if target["users"]:
        user = target["users"][0]
        found.unknown("in use", f"{name} is in use by {user['command']} ({user['pid']})",
                      "that must be the QEMU that waits for this guest")
    ours, theirs = (each["mediated_by"] for each in (source, target))
    if target["module"] == OURS and not target["users"] and theirs != ours and \
            ours not in ("", "none"):
        found.problem("vendor", f"{name} is mediated by {theirs or 'none'}, not by {ours}",
                      "load the same vendor's driver there")
    compare_settings(found, name, source["settings"], target)


def compare_settings(found, name, ours, target):
    theirs = target["settings"]
    if not ours or not theirs:
        found.unknown("settings", f"of {name} are not known: ip shows no VFs of its PF")
        return
    for key, option in SETTINGS.items():
        if ours.get(key) != theirs.get(key):
            found.problem("settings", f"{option} of {name} is {words(theirs.get(key))}, here it "
                          f"is {words(ours.get(key))}", "set it there: ip link set PF vf "
                          f"{theirs['vf']} {option} ...")
    if all(ours.get(key) == theirs.get(key) for key in SETTINGS):
        found.ok("settings", f"{', '.join(SETTINGS.values())} are equal at {name}")


def words(value):
    """A setting as ip shows it, in a few words."""
    if isinstance(value, list):
        return " ".join(map(words, value))
    if isinstance(value, dict):
        return " ".join(f"{key} {each}" for key, each in value.items())
    return json.dumps(value)


def compare_hosts(found, host, here, there):
    """Versions on two hosts: the destination's may be newer."""
    for name, ours in here["modules"].items():
        theirs = there["modules"].get(name, {"loaded": False})
        if not ours["loaded"] or not theirs["loaded"]:
            if ours["loaded"]:
                found.problem("module", f"{name} is not loaded at {host}",
                              f"there: modprobe {name}")
        elif numbers(theirs["version"]) < numbers(ours["version"]):
            found.problem("module", f"{name} is {theirs['version']} at {host}, older than "
                          f"{ours['version']} here", "update it there")
        elif theirs["srcversion"] != ours["srcversion"] and not ours["version"]:
            found.unknown("module", f"{name} differs at {host}",
                          "it must not be older than the one here")
    if here["qemu"] and numbers(there["qemu"]) < numbers(here["qemu"]):
        found.problem("qemu", f"QEMU is {there['qemu'] or 'missing'} at {host}, {here['qemu']} "
                      "here", "use a -machine type that both have, or update it there")
    if here["libvirt"]:
        domains.check_version(found, there["libvirt"], there["driver"], where=f" at {host}")


def check_host(found, device, host, shell):
    """Is there a VF on another host that the guest could have?"""
    there = remote(host, shell)
    compare_hosts(found, host, status(), there)
    source = record(device, open_it=True)
    best = None
    for pf in there["pfs"]:
        for vf in pf["vfs"]:
            if vf["users"]:
                continue
            tried = Findings()
            compare(tried, host, source, vf)
            if best is None or len(tried.problems) < len(best.problems):
                best = tried
    if best is None:
        found.problem("destination", f"{host} has no VF that is free",
                      f"there: vfio-mediate bind --vfs N PF, or end a guest ({device})")
    else:
        found.extend(best)


def check_target(found, device, target, shell):
    if not ADDRESS.fullmatch(target):
        check_host(found, device, target, shell)
        return
    other = Device(address(target))
    if other.name == device.name:
        raise UsageError("--to needs another VF")
    compare(found, "", record(device, open_it=True), record(other, open_it=True))
    if other.pf and device.pf and other.pf.name == device.pf.name:
        domains.same_pf(found, device)


def check(device, target="", xml="", shell="ssh"):
    """All findings about a device."""
    found = Findings()
    check_group(found, device)
    check_modules(found, device)
    if check_driver(found, device):
        about = lsvfio(device)
        if not about:
            raise Failure("lsvfio does not know it")
        check_vendor(found, device, about)
        check_state(found, device, about)
    if os.geteuid():
        found.unknown("user", "processes of other users are not seen", "be root")
    check_qemu(found, device)
    domains.check(found, device, xml)
    if target:
        check_target(found, device, target, shell)
    return found
