#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tools.py [-k PATTERN] devices|checks: lsvfio and vfio-mediate, installed, on VFs of a real card.

The host is as a stock one: igb drives the PF, and igbvf may take VFs. Prints TAP.
"""

# /// suite
# [tools]
# about = "lsvfio, and vfio-mediate bind and unbind, on a host as its administrator finds it"
# run = "./tools.py devices"
# daily = ["6.12"]
# minutes = 0.6
#
# [tools_checks]
# about = "vfio-mediate check in each case that it can find, status, watch, enable"
# run = "./tools.py checks"
# minutes = 1.2
# ///

import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile

from labhost.hold import Hold
from labhost.shell import sh, until
from labhost.sriov import DRIVER, NETDEV, PCI, PF, VFS, mediated_by, num_vfs, set_vf
from labhost.tap import program

USR = pathlib.Path("tools").resolve()
LSVFIO, MEDIATE = USR / "bin/lsvfio", USR / "sbin/vfio-mediate"
ABSENT, OTHER = "0000:7f:00.0", "0000:00:00.0"
PROBE = pathlib.Path("/sys/bus/pci/drivers_probe")
MODPROBE, LOAD = (pathlib.Path(f"/etc/{name}/vfio-mediate.conf")
                  for name in ("modprobe.d", "modules-load.d"))
OPTION = "enable-migration=on"
XML = """<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <devices>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      {driver}
      <source><address domain='0x0000' bus='0x01' slot='0x10' function='0x0'/></source>
      <alias name='ua-vf'/>
    </hostdev>
  </devices>
  <qemu:override>
    <qemu:device alias='{alias}'>
      <qemu:frontend>
        <qemu:property name='enable-migration' type='string' value='on'/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
</domain>
"""
MODEL = f"<driver model='{DRIVER}'/>"


def run(command, *args, **options):
    """Exit status, standard output and standard error."""
    done = subprocess.run([command, *map(str, args)], text=True, check=False,
                          capture_output=True, timeout=120, stdin=subprocess.DEVNULL, **options)
    return done.returncode, done.stdout, done.stderr


def lsvfio(*args):
    return run(LSVFIO, *args)


def mediate(*args):
    return run(MEDIATE, *args)


def one(vf, *args):
    """The JSON object of a device, and lsvfio's exit status."""
    status, text, _ = lsvfio("--json", *args, vf)
    return status, json.loads(text)["devices"][0]


def driver_of(device):
    path = PCI / device / "driver"
    return os.path.basename(os.readlink(path)) if path.exists() else ""


def override(device):
    return (PCI / device / "driver_override").read_text().strip()


@contextlib.contextmanager
def mediator(name, *parameters):
    sh("modprobe", f"mediator_{name}", *parameters)
    try:
        yield
    finally:
        sh("modprobe", "-r", f"mediator_{name}")


@contextlib.contextmanager
def mounted(what, path):
    """A file that is another one."""
    sh("mount", "--bind", str(what), str(path))
    try:
        yield
    finally:
        sh("umount", str(path))


@contextlib.contextmanager
def vmm(vf, option="", accel="tcg"):
    """A QEMU that has the VF, and whose guest does not run."""
    device = f"vfio-pci,host={vf}{',' if option else ''}{option}"
    with subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35", "-accel", accel, "-m", "64",
             "-nodefaults", "-display", "none", "-S", "-device", device],
            stdin=subprocess.DEVNULL) as proc:
        try:
            if not until(lambda: mediated_by(vf) not in ("", "none"), 30):
                raise TimeoutError("QEMU has not opened the VF")
            yield proc
        finally:
            proc.kill()


def bars(vf):
    """Sizes of the BARs, by the PCI core."""
    found = {}
    for number, line in enumerate((PCI / vf / "resource").read_text().splitlines()[:6]):
        start, end, _ = (int(word, 16) for word in line.split())
        if end:
            found[f"BAR {number}"] = end - start + 1
    return found


def test_calls(tap, vf):
    """Right and wrong command lines of both programs."""
    for name, command in (("lsvfio", LSVFIO), ("vfio-mediate", MEDIATE)):
        status, text, _ = run(command, "--help")
        tap.ok(status == 0 and text.startswith(f"usage: {name}"), f"{name} --help", text)
        status, text, _ = run(command, "--version")
        tap.ok(status == 0 and re.fullmatch(rf"{name} \S+\n", text), f"{name} --version", text)
        tap.equal(run(command, "--nonsense")[0], 2, f"{name}: an unknown option is usage")
    tap.equal(lsvfio(vf, vf)[0], 2, "lsvfio: two devices are usage")
    for device, text in ((ABSENT, "no such device"), ("nonsense", "no such device"),
                         (OTHER, "no driver is bound to it"),
                         (PF, "its driver, igb, is not a vfio driver")):
        status, out, err = lsvfio(device)
        tap.ok(status == 1 and text in err and not out, f"lsvfio {device}: {text}", out + err)
    for args, text in ((("check", ABSENT), "no such device"),
                       (("check", "nonsense"), "is not a PCI address"),
                       (("check", vf, "--to", vf), "needs another VF"),
                       (("bind", "--vfs", 2, OTHER), "has no VFs"),
                       (("bind", "--vfs", 99, PF), "VFs at most"),
                       (("stream", "/nonexistent"), "No such file"),
                       ((), "required")):
        status, _, err = mediate(*args)
        tap.ok(status == 2 and text in err, f"vfio-mediate {' '.join(map(str, args))}: {text}",
               f"{status} {err}")


def test_free(tap, vf):
    """lsvfio of VFs that nobody uses: with in-tree vfio-pci, and with our driver."""
    msix = int(re.search(r"MSI-X:.*Count=(\d+)", sh("lspci", "-vvs", vf))[1])
    for driver in ("vfio-pci", DRIVER):
        sh("vfctl", "bind", vf, driver)
        status, about = one(vf)
        regions = {each["name"]: each for each in about["regions"]}
        tap.equal((status, about["driver"], about["opened_by"], about["in_use"]),
                  (0, driver, "group", False), f"{driver}: is opened by its group")
        tap.equal(about["iommu_group"],
                  int(os.path.basename(os.readlink(PCI / vf / "iommu_group"))), "its group")
        tap.equal((about["id"], about["pf"], about["pf_driver"]), ("8086:10ca", PF, "igb"),
                  "its IDs, its PF")
        tap.equal({name: each["size"] for name, each in regions.items() if "BAR" in name},
                  bars(vf), "its BARs are as large as the PCI core says")
        tap.equal(regions["config"]["access"], ["read", "write"], "its config space")
        tap.equal({each["name"]: each["vectors"] for each in about["interrupts"]}["MSI-X"],
                  msix, "it has the MSI-X vectors that lspci counts")
        tap.equal((about["reset"], about["reset_methods"]),
                  (True, (PCI / vf / "reset_method").read_text().strip()), "it can be reset")
        tap.equal((about["migration"], about["protocols"], about["dirty_pages"]),
                  ([], [], ["container"]), "it cannot be migrated")
        tap.equal(about["mediated_by"], "none" if driver == DRIVER else None, "nor is mediated")
    group = pathlib.Path(about["group_file"])
    if about["device_file"]:
        group = group.rename(group.with_name("hidden"))
        try:
            by_file = one(vf)[1]
        finally:
            group.rename(about["group_file"])
        tap.equal((by_file["opened_by"], by_file["regions"]), ("cdev", about["regions"]),
                  "without its group's file it is opened by its own")
    status, text, _ = lsvfio(vf.removeprefix("0000:"))
    for line in (f"{vf} [8086:10ca] {DRIVER}, group ", f"  PF: {PF}, driver igb",
                 "  Reset: possible, methods flr", "  Migration: none",
                 "  BAR 0: 16K, read, write, mmap", f"  MSI-X: {msix} vectors, eventfd"):
        tap.ok(status == 0 and line in text, f"in words, by a short address: {line.strip()}",
               text)


def test_mediated(tap, vf):
    """A VF that test mediators mediate: traps, added regions, added interrupts."""
    opens = pathlib.Path("/sys/module/mediator_demo/parameters/opens")
    with mediator("demo", "sparse=1"):
        _, about = one(vf, "--no-open")
        tap.equal((about["opened_by"], about["mediated_by"], opens.read_text()),
                  (None, "none", "0\n"), "--no-open does not open it")
        _, about = one(vf)
        regions = {each["name"]: each for each in about["regions"]}
        tap.equal((about["mediated_by"], opens.read_text()), ("demo", "1\n"),
                  "it is opened once, and is mediated")
        tap.equal(regions["BAR 0"]["sparse_mmap"], [{"offset": 4096, "size": 4096}],
                  "which part of BAR 0 can be mapped")
        tap.equal(about["trap"], "off", "whether pages are trapped")
        tap.ok(all(area["shadow"] for area in regions["BAR 0"]["trap_areas"]) and
               regions["BAR 0"]["trap_areas"], "pages of BAR 0 can be trapped", regions)
        tap.ok(any(each.get("type") == 1 for each in about["interrupts"]),
               "and the interrupt that tells of them", about["interrupts"])
        _, text, _ = lsvfio(vf)
        for line in ("mediated by demo", "    mmap only of 0x1000-0x1fff",
                     "    can be trapped: 0x", "(may stay mapped)",
                     "  Trap: off", "trap changed", "of vendor 8086, subtype"):
            tap.ok(line in text, f"in words: {line.strip()}", text)
    with mediator("state"):
        _, about = one(vf)
        tap.equal((about["migration"], about["protocols"]),
                  (["stop-copy", "p2p", "pre-copy"], ["v1", "v2"]), "one that can be migrated")
        tap.ok("  Migration: stop-copy, p2p, pre-copy, protocol v2, protocol v1" in
               lsvfio(vf)[1], "in words")


def test_used(tap, vfs):
    """lsvfio of a VF that is in use, beside one that is not."""
    with mediator("demo"), Hold(vfs[0]) as hold:
        tap.equal((hold.ask("trap 1"), hold.ask("state")), (1, 1), "a VF is open, and trapped")
        pid = hold.proc.pid
        status, about = one(vfs[0])
        tap.equal((status, about["in_use"], about["user"], about["opened_by"]),
                  (0, True, {"pid": pid, "command": "vfio_hold"}, None),
                  "it is in use, by whom, and is not opened")
        tap.equal(about["mediated_by"], "demo", "who mediates it now")
        status, text, _ = lsvfio()
        lines = text.splitlines()
        tap.ok(status == 0 and len(lines) == 2 and lines[0].endswith(
            f"mediated by demo, in use by vfio_hold ({pid})") and
               "in use" not in lines[1], "the list has both", text)
        status, text, _ = lsvfio("-v", "--json")
        tap.equal([each["opened_by"] for each in json.loads(text)["devices"]],
                  [None, "group"], "in all of it, only the other one was opened")
        status, text, err = run(LSVFIO, vfs[0], user=65534)
        tap.ok(status == 3 and "Cannot be opened: Permission denied" in text,
               "a user without rights is told so", text + err)
        tap.equal((hold.ask("state"), hold.requested), (1, False), "and it is trapped as before")


def bound(vf):
    return driver_of(vf), override(vf)


def stock(vf):
    """As on a stock host: igbvf has the VF."""
    sh("vfctl", "unbind", vf)
    (PCI / vf / "driver_override").write_text("\n")
    sh("modprobe", "igbvf")
    (PCI / PF / "sriov_drivers_autoprobe").write_text("1")
    PROBE.write_text(vf)
    return driver_of(vf)


def said(tap, result, status, text, name):
    """An exit status, and words on standard output or standard error."""
    return tap.ok(result[0] == status and text in result[1] + result[2], name, result)


def test_bind(tap, vf):
    """From igbvf to our driver, and back."""
    tap.equal(stock(vf), "igbvf", "igbvf has a VF")
    said(tap, mediate("bind", vf), 0, f"{vf}: bound to {DRIVER}, was igbvf", "bind takes it")
    tap.equal(bound(vf), (DRIVER, DRIVER), "which is true")
    said(tap, mediate("bind", vf), 0, f"is bound to {DRIVER} already", "once more: says so")
    with Hold(vf) as hold:
        said(tap, mediate("unbind", vf), 3, f"in use by vfio_hold ({hold.proc.pid})",
             "unbind refuses a VF that is in use")
        tap.equal((bound(vf), hold.requested), ((DRIVER, DRIVER), False), "and leaves it alone")
    said(tap, mediate("unbind", vf), 0, f"bound to igbvf, was {DRIVER}", "unbind gives it back")
    tap.equal(bound(vf), ("igbvf", "(null)"), "which is true")
    said(tap, mediate("unbind", vf), 0, "host's driver igbvf already", "once more: says so")

    sh("vfctl", "bind", vf, "vfio-pci")
    with Hold(vf):
        said(tap, mediate("bind", vf), 3, "in use by vfio_hold", "a guest's VF is not taken")
    said(tap, mediate("bind", vf), 0, "was vfio-pci", "from in-tree vfio-pci")
    (PCI / PF / "sriov_drivers_autoprobe").write_text("0")
    said(tap, mediate("unbind", vf), 0, "without a driver: ", "unbind says why nobody takes it")
    said(tap, mediate("bind", vf), 0, f"bound to {DRIVER}\n", "bind from no driver")


def test_refused(tap, vf):
    """bind that fails leaves all as it was."""
    stock(vf)
    netdev = next((PCI / vf / "net").iterdir()).name
    sh("ip", "addr", "add", "192.0.2.9/24", "dev", netdev)
    said(tap, mediate("bind", vf), 3, f"{netdev} has the address 192.0.2.9",
         "bind refuses an interface that has an address")
    sh("ip", "addr", "flush", "dev", netdev)
    sh("modprobe", "bridge")
    sh("ip", "link", "add", "br9", "type", "bridge")
    sh("ip", "link", "set", netdev, "master", "br9")
    said(tap, mediate("bind", vf), 3, f"{netdev} is a port of br9", "or is a port of a bridge")
    tap.equal(bound(vf), ("igbvf", "(null)"), "which stay with igbvf")
    said(tap, mediate("bind", "--force", vf), 0, "was igbvf", "but not by force")
    sh("ip", "link", "del", "br9")

    stock(vf)
    with tempfile.NamedTemporaryFile() as file, mounted(file.name, PROBE):
        said(tap, mediate("bind", vf), 3, f"{DRIVER} did not bind to it",
             "nobody binds it: bind fails")
    tap.equal(bound(vf), ("igbvf", "(null)"), "and igbvf has it again")
    said(tap, mediate("bind", "--persist", vf), 2, "needs driverctl",
         "--persist without driverctl fails")
    tap.equal(bound(vf), ("igbvf", "(null)"), "and igbvf has it again")
    said(tap, mediate("bind", vf, ABSENT), 2, "no such device", "of two, one does not exist")
    tap.equal(bound(vf), ("igbvf", "(null)"), "nothing is done")
    sh("vfctl", "bind", vf, DRIVER)


def test_make(tap, vfs):
    """VFs are made and bound; a PF stands for its VFs."""
    said(tap, mediate("bind", "--vfs", 1, PF), 3, "has 2 VFs already", "there are VFs already")
    num_vfs(PF, 0)
    (PCI / PF / "sriov_drivers_autoprobe").write_text("1")
    sh("modprobe", "igbvf")
    said(tap, mediate("bind", PF), 2, "is a PF without VFs", "a PF without VFs")
    said(tap, mediate("bind", "--vfs", 2, PF), 0, f"{vfs[1]}: bound to {DRIVER}\n",
         "VFs are made, igbvf never has them")
    tap.equal(([bound(vf) for vf in vfs], (PCI / PF / "sriov_drivers_autoprobe").read_text()),
              ([(DRIVER, DRIVER)] * 2, "1\n"), "they are bound, the PF is as before")
    said(tap, mediate("bind", "--vfs", 2, PF), 0, "already", "once more: says so")


def checked(*args):
    """Exit status of check, and its findings as one text: result, subject, words."""
    status, text, err = mediate("check", *args, "--json")
    found = json.loads(text)
    lines = [f"{each['result']} {each['check']}: {each['text']} -> {each['todo']}"
             for each in found["checks"]]
    problems = sum(line.startswith("problem ") for line in lines)
    if found["problems"] != problems or status != bool(problems):
        raise ValueError(f"status {status}, {found}")
    return status, "\n".join(lines), err


def finds(tap, name, args, *lines):
    """check has lines in which these are found."""
    result = checked(*args)
    for line in lines:
        tap.ok(line in result[1] and (result[0] or not line.startswith("problem ")),
               f"check: {name}: {line}", result)
    return result


def test_check_host(tap, vfs):
    """Each refusal that a driver, a vendor or a module causes."""
    vf, other = vfs
    with mediator("state"):
        status, text, _ = mediate("check", vf, "--to", other)
        tap.equal((status, text.splitlines()[-1]), (0, f"{vf}: no problems"),
                  "check: all is well")
        for line in ("driver: vfio-pci-mediate", "vendor: state mediates it",
                     "migration: stop-copy, p2p, pre-copy", "tracking: by container",
                     "qemu: QEMU ", "module: igb", f"ids: 8086:10ca at {other}", "settings: "):
            tap.ok(f"ok       {line}" in text, f"check: ok {line}", text)
        disk = pathlib.Path(sh("modinfo", "-n", "vfio_mediate"))
        for setting in (("vlan", "100"), ("spoofchk", "off"), ("max_tx_rate", "100"),
                        ("trust", "on")):
            set_vf(NETDEV, 1, *setting)
        with mounted(disk.with_name("sample_nic.ko"), disk):
            finds(tap, "a new module, other settings there", (vf, "--to", other),
                  "problem module: vfio_mediate is another one",
                  *(f"problem settings: {name} of {other} is " for name in
                    ("vlan", "spoofchk", "max_tx_rate", "trust")))
        for setting in (("vlan", "0"), ("spoofchk", "on"), ("max_tx_rate", "0"),
                        ("trust", "off")):
            set_vf(NETDEV, 1, *setting)
        card = virtio()
        finds(tap, "another card", (vf, "--to", card), f"problem ids: {card} has 1af4:",
              f"problem driver: {card} has the driver virtio-pci")
    sh("vfctl", "unbind", other)
    finds(tap, "no vendor", (vf, "--to", other),
          "problem vendor: nobody mediates it: its PF's driver, igb",
          "problem migration: it offers no migration",
          f"problem driver: {other} has the driver none")
    sh("vfctl", "bind", other, DRIVER)
    sh("vfctl", "bind", vf, "vfio-pci")
    finds(tap, "in-tree vfio-pci", (vf,), "problem driver: in-tree vfio-pci does not migrate")
    sh("vfctl", "unbind", vf)
    finds(tap, "no driver", (vf,),
          f"problem driver: no driver is bound to it -> vfio-mediate bind {vf}")
    stock(vf)
    finds(tap, "igbvf", (vf,), "problem driver: igbvf of the host is bound to it")
    sh("vfctl", "bind", vf, DRIVER)


def virtio():
    """A PCI device of another kind."""
    return next(path.name for path in sorted(PCI.iterdir())
                if (path / "vendor").read_text() == "0x1af4\n")


def test_check_used(tap, vfs):
    """Each refusal that the VMM causes which has the VF."""
    vf, other = vfs
    with mediator("state"):
        with Hold(vf) as hold:
            finds(tap, "not a QEMU", (vf,), f"problem qemu: vfio_hold ({hold.proc.pid})")
            finds(tap, "there, too", (other, "--to", vf),
                  f"unknown in use: {vf} is in use by vfio_hold")
        with vmm(vf, OPTION):
            finds(tap, "a QEMU", (vf,), "ok option: enable-migration=on", "ok qemu: QEMU ")
            said(tap, mediate("status"), 0, "in use by qemu-system-x86", "status: who has it")
        with vmm(vf):
            finds(tap, "its option", (vf,), "problem option: QEMU (",
                  "was started without enable-migration=on")
    with Hold(vf), mediator("state"):
        finds(tap, "too late", (vf,), "problem vendor: nobody mediated it when it was opened")


def test_check_libvirt(tap, vf):
    """Each refusal that the XML for virsh migrate --xml causes."""
    with tempfile.TemporaryDirectory() as folder, mediator("state"):
        file = pathlib.Path(folder) / "there.xml"
        file.write_text(XML.format(driver=MODEL, alias="ua-vf"), encoding="utf-8")
        finds(tap, "libvirt", (vf, "--xml", file), f"ok libvirt: {file} has the <qemu:override>")
        file.write_text(XML.format(driver="", alias="ua-other"), encoding="utf-8")
        finds(tap, "libvirt", (vf, "--xml", file),
              f"problem libvirt: {file} has no <qemu:override>",
              f"problem libvirt: {file} has managed='yes' without <driver model=")
        file.write_text("<domain/>", encoding="utf-8")
        finds(tap, "libvirt", (vf, "--xml", file), f"problem libvirt: {file} has no VF")
        file.write_text("<domain>", encoding="utf-8")
        said(tap, mediate("check", vf, "--xml", file), 2, "no element found",
             "check: XML that is none")
        said(tap, mediate("check", vf, "--xml", "/nonexistent"), 2, "No such file",
             "check: no XML")


def test_check_remote(tap, vfs):
    """The destination is another host, for which this one stands; its shell is local."""
    vf, other = vfs
    with tempfile.TemporaryDirectory() as folder, mediator("state"):
        shell = pathlib.Path(folder) / "rsh"
        shell.write_text(f'#!/bin/sh\nshift\nPATH={USR}/sbin:$PATH exec "$@"\n',
                         encoding="utf-8")
        shell.chmod(0o755)
        to = (vf, "--to", "there", "--rsh", shell)
        set_vf(NETDEV, 0, "vlan", "100")
        with Hold(vf):
            finds(tap, "a host", to, f"problem settings: vlan of there {other} is ",
                  "ok ids: 8086:10ca at there")
        set_vf(NETDEV, 0, "vlan", "0")
        with Hold(other), Hold(vf):
            finds(tap, "a host", to, "problem destination: there has no VF that is free")
        for command, text in (("false", "vfio-mediate is needed there"),
                              ("/nonexistent", "No such file")):
            said(tap, mediate("check", vf, "--to", "there", "--rsh", command), 3, text,
                 f"check: a host that does not answer: {text}")


def test_status(tap, vfs):
    with mediator("state"):
        status, text, _ = mediate("status", "--json")
        about = json.loads(text)
        tap.equal((status, about["driver"], [each["name"] for each in about["ops"]]),
                  (0, DRIVER, ["state"]), "status: our driver, and the vendor")
        tap.equal([(pf["device"], [vf["device"] for vf in pf["vfs"]]) for pf in about["pfs"]],
                  [(PF, vfs)], "the PF and its VFs")
        tap.ok(about["modules"]["vfio_pci_mediate"]["loaded"] and
               about["modules"]["igb"]["loaded"], "modules", about["modules"])
        vf = about["pfs"][0]["vfs"][0]
        tap.equal((vf["mediated_by"], vf["settings"]["vf"]), ("none", 0),
                  "a VF that is closed, and its settings")
        about = json.loads(mediate("status", "--json", "--open")[1])
        tap.equal([vf["mediated_by"] for vf in about["pfs"][0]["vfs"]], ["state", "state"],
                  "--open: who would mediate them")
        text = mediate("status")[1]
        for line in ("vendor state: module mediator_state", f"{PF} igb, {NETDEV}",
                     f"  {vfs[1]} {DRIVER}, mediated by none"):
            tap.ok(line in text, f"in words: {line.strip()}", text)


def test_watch(tap, vf):
    """What happens to a VF is printed as it happens."""
    stock(vf)
    with mediator("state"), subprocess.Popen(
            [MEDIATE, "watch", "--poll", "--json", "--timeout", "60", vf],
            text=True, stdout=subprocess.PIPE) as watch:
        sh("sleep", "2")
        mediate("bind", vf)
        sh("sleep", "1")
        events = []
        with Hold(vf):
            for line in watch.stdout:
                events.append(json.loads(line))
                if events[-1]["new"] == "state":
                    break
            watch.kill()
    found = [(each["name"], each["what"], each["new"]) for each in events]
    tap.ok(all((vf, *event) in found for event in
               (("driver", DRIVER), ("mediated_by", "none"), ("mediated_by", "state"))),
           "watch: a VF is bound, and opened", found)
    status, text, _ = mediate("watch", "--poll", "--timeout", 1)
    tap.equal((status, text), (0, ""), "watch ends when its time is over")
    sh("vfctl", "bind", vf, DRIVER)


def test_events(tap, vf):
    """The same by events of the kernel."""
    if "no events of the kernel" in mediate("watch", "--timeout", 0)[2]:
        tap.skip("watch: events of the kernel", "this driver has none")
        return
    with mediator("demo"), subprocess.Popen(
            [MEDIATE, "watch", "--json", "--timeout", "60", vf], text=True,
            stdout=subprocess.PIPE) as watch:
        sh("sleep", "3")
        with Hold(vf) as hold:
            hold.ask("trap 1")
            hold.ask("trap 0")
        found = []
        for line in watch.stdout:
            event = json.loads(line)
            found.append((event["name"], event["event"], event.get("vendor") or
                          event.get("trap")))
            if event["event"] == "close":
                break
        watch.kill()
    tap.ok(all((vf, *event) in found for event in
               (("open", "demo"), ("claim", "demo"), ("trap", "shadow"), ("trap", "off"),
                ("close", None))), "watch: events of the kernel", found)


def test_stream(tap):
    for name in ("state", "sample_nic"):
        path = pathlib.Path(f"golden/{name}.stream")
        status, text, _ = mediate("stream", "--json", "--data", path)
        tap.equal((status, json.loads(text)),
                  (0, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))),
                  f"stream: {name} is what it was saved as")
    status, text, err = run("sh", "-c", f"head -c 200 {path} | {MEDIATE} stream")
    tap.ok(status == 1 and "truncated stream" in err, "half of it is not valid", text + err)


def test_enable(tap):
    said(tap, mediate("enable"), 0, f"{LOAD}: vfio_pci_mediate is loaded at each boot",
         "enable says what it writes")
    tap.ok("\nvfio_pci_mediate\n" in LOAD.read_text() and not MODPROBE.exists(), "and does")
    said(tap, mediate("enable", "--drop-in"), 0, "is called vfio-pci", "--drop-in")
    tap.ok("options vfio_pci_mediate drop_in=1" in sh("modprobe", "-c"), "modprobe reads it")
    said(tap, mediate("enable"), 0, f"{MODPROBE}: removed", "without it: removed")
    said(tap, mediate("disable"), 0, f"{LOAD}: removed", "disable removes the other one")
    tap.ok(not LOAD.exists() and not MODPROBE.exists(), "which is true")
    said(tap, mediate("disable"), 0, "", "once more: nothing to do")
    LOAD.write_text("somebody's own\n", encoding="utf-8")
    said(tap, mediate("enable"), 2, "change it yourself", "a file of somebody else is refused")
    said(tap, mediate("disable"), 2, "change it yourself", "by disable as well")
    tap.equal(LOAD.read_text(), "somebody's own\n", "and is as it was")
    LOAD.unlink()


def completed(line):
    """What bash would complete a command line to."""
    name = line.split()[0]
    return run("bash", "-c", f"""
        . {USR}/share/bash-completion/completions/{name}
        COMP_LINE=$1 COMP_POINT=${{#1}}
        IFS=$' \\t' read -ra COMP_WORDS <<< "$1"
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        $(complete -p {name} | sed 's/.*-F \\(\\S*\\).*/\\1/')
        echo "${{COMPREPLY[@]}}"
        """, "bash", line)[1].split()


def test_completion(tap, vf):
    tail = vf.removeprefix("0000:")
    for line, want in (("vfio-mediate un", ["unbind"]), ("lsvfio --j", ["--json"]),
                       ("vfio-mediate check --t", ["--to"]),
                       (f"vfio-mediate check {vf}", [vf.rpartition(":")[2]]),
                       (f"lsvfio {vf[:8]}", None)):
        got = completed(line)
        tap.ok(got == want if want else tail.rpartition(":")[2] in got,
               f"completion of '{line}'", got)


PARTS = {
    "devices": (test_calls, test_free, test_mediated, test_used, test_bind, test_refused,
                test_make, test_stream, test_completion),
    "checks": (test_check_host, test_check_used, test_check_libvirt, test_check_remote,
               test_status, test_watch, test_events, test_enable)}


def main(tap, part):
    # As a package does, which has them compiled
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        tap.run(*PARTS[part], vf=VFS[0], vfs=VFS)


if __name__ == "__main__":
    program(main)
