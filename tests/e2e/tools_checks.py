#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tools_checks.py [-k PATTERN]: vfio-mediate check, each of its refusals; status, watch, enable.

The host is as for tools.py. Prints TAP.
"""

# /// suite
# [tools_checks]
# about = "vfio-mediate check in each case that it can find, status, watch, enable"
# run = "./tools_checks.py"
# minutes = 1.6
# ///

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from labhost.hold import Hold
from labhost.shell import sh, until
from labhost.sriov import DRIVER, NETDEV, PCI, PF, VFS, mediated_by, num_vfs, set_vf
from labhost.tap import program
from tools import MEDIATE, USR, compiled, mediate, mediator, mounted, said, stock

OTHER_FUNCTION = "0000:00:1f.0"     # shares its group with others of the chipset
MODPROBE, LOAD = (pathlib.Path(f"/etc/{name}/vfio-mediate.conf")
                  for name in ("modprobe.d", "modules-load.d"))
ALIAS = pathlib.Path("/lib/modules", os.uname().release, "modules.alias")
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


@contextlib.contextmanager
def vmm(vf, option="", accel="tcg", objects=()):
    """A QEMU that has the VF, and whose guest does not run."""
    device = f"vfio-pci,host={vf}{',' if option else ''}{option}"
    with subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "q35", "-accel", accel, "-m", "64",
             "-nodefaults", "-display", "none", "-S", *objects, "-device", device],
            stdin=subprocess.DEVNULL) as proc:
        try:
            if not until(lambda: mediated_by(vf) not in ("", "none"), 30):
                raise TimeoutError("QEMU has not opened the VF")
            yield proc
        finally:
            proc.kill()


def checked(*args):
    """Exit status of check, and its findings as one text: result, subject, words."""
    status, text, err = mediate("check", *args, "--json")
    if not text:
        raise ValueError(f"check {args}: status {status}: {err}")
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
              f"problem driver: {card} has the driver virtio-pci",
              "as PCI subsystem, not ", f"unknown settings: of {card} are not known")
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


def test_check_device(tap, vfs):
    """What a device lacks that is bound to our driver, or its host."""
    vf = vfs[0]
    group = int(os.path.basename(os.readlink(PCI / vf / "iommu_group")))
    finds(tap, "a group of more", (OTHER_FUNCTION,), "problem iommu: its group ",
          " too: dirty pages of a group")
    with tempfile.TemporaryDirectory() as folder, \
            mounted(folder, (PCI / vf).resolve()):
        finds(tap, "no IOMMU", (vf,), "problem iommu: it has no IOMMU group")
    file = pathlib.Path("/dev/vfio", str(group))
    with mediator("state"):
        hidden = [path.rename(path.with_name(f"hidden-{path.name}")) for path in
                  (file, *(file.parent / "devices" / path.name for path in
                           (PCI / vf).glob("vfio-dev/*"))) if path.exists()]
        try:
            found = finds(tap, "no file", (vf,), "problem open: it cannot be opened: ENODEV",
                          "unknown vendor: not known")
            tap.ok("migration: " not in found[1], "check: it says no more then", found)
        finally:
            for path in hidden:
                path.rename(path.with_name(path.name.removeprefix("hidden-")))
        loads = 'set 4\nset 1\n'
        subprocess.run(["./migrate", "--obey", "v2", vf], input=loads, text=True, check=False,
                       stdout=subprocess.DEVNULL)
        finds(tap, "a migration that failed", (vf,), "unknown last error: ")
    with tempfile.NamedTemporaryFile("w", dir="/etc/modprobe.d", suffix=".conf") as file:
        file.write("alias vfio-mediate:v00008086d000010CA mediator_state\n"
                   "install mediator_state /bin/false\n")
        file.flush()
        finds(tap, "a vendor that cannot be loaded", (vf,),
              "problem vendor: nobody mediates it -> modprobe mediator_state")
    num_vfs(PF, 0)
    sh("vfctl", "bind", PF, DRIVER)
    try:
        finds(tap, "a PF", (PF,), "problem vendor: nobody mediates it: it is no VF")
    finally:
        sh("vfctl", "setup", "igb", "2")
        (PCI / PF / "driver_override").write_text("\n")
        for each in vfs:
            sh("vfctl", "bind", each, DRIVER)


@contextlib.contextmanager
def answering(name, text):
    """The first program of that name says this."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, name)
        path.write_text(f"#!/bin/sh\necho '{text}'\n", encoding="utf-8")
        path.chmod(0o755)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{folder}:{before}"
        try:
            yield
        finally:
            os.environ["PATH"] = before


def test_check_versions(tap, vf):
    """QEMUs that cannot migrate it."""
    for text, line in (("5.1.0", "problem qemu: QEMU 5.1.0 is too old"),
                       ("8.0.5", "problem qemu: QEMU 8.0.5 has a migration protocol of its own"),
                       ("7.2.9", "ok qemu: QEMU 7.2.9, protocol v1")):
        with answering("qemu-system-x86_64", f"QEMU emulator version {text}"), \
                mediator("state"):
            finds(tap, text, (vf,), line)
    before = os.environ["PATH"]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ip", "modprobe", "modinfo", "python3"):
            os.symlink(shutil.which(name), f"{folder}/{name}")
        os.environ["PATH"] = folder
        try:
            finds(tap, "no QEMU", (vf,), "unknown qemu: no QEMU is installed")
        finally:
            os.environ["PATH"] = before


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
        if os.path.exists("/dev/iommu"):
            with vmm(vf, "iommufd=i0", objects=("-object", "iommufd,id=i0")):
                finds(tap, "iommufd", (vf,), "problem tracking: QEMU uses an iommufd")
        else:
            tap.skip("check: iommufd", "this kernel has none")
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
        # What the other host answers, but for one thing
        elsewhere = pathlib.Path(folder) / "elsewhere"
        elsewhere.write_text(f"#!/bin/sh\n{shell} \"$@\" | sed -E \"$CHANGED\"\n",
                             encoding="utf-8")
        elsewhere.chmod(0o755)
        to = (vf, "--to", "there", "--rsh", elsewhere)
        for changed, line in (
                (r's/"mediated_by": "state"/"mediated_by": "other"/',
                 "problem vendor: there 0000:01:10.0 is mediated by other, not by state"),
                (r'/"igb": \{/,/\}/s/"loaded": true/"loaded": false/',
                 "problem module: igb is not loaded at there"),
                (r's/"version": "[0-9.]+"/"version": "0.0.1"/',
                 "problem module: vfio_mediate is 0.0.1 at there, older than "),
                (r's/"qemu": "[0-9.]+"/"qemu": "5.2.0"/', "problem qemu: QEMU is 5.2.0 at there"),
                (r's/"qemu": "[0-9.]+"/"qemu": ""/', "problem qemu: QEMU is missing at there")):
            os.environ["CHANGED"] = changed
            finds(tap, "another host", to, line)
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


def test_enable(tap):
    """What it writes; SUITE=packages has DKMS for --alias."""
    said(tap, mediate("enable", "--alias", "nonsense"), 2, "is not an ID of a device",
         "--alias: no ID")
    said(tap, mediate("enable", "--alias"), 2, "no module of a vendor tells the IDs",
         "--alias: there is no vendor")
    said(tap, mediate("enable", "--alias", "8086:10ca"), 2,
         'VFIO_PCI_MEDIATE_IDS="8086:10ca" instead', "--alias: there is no DKMS")
    with tempfile.NamedTemporaryFile("w", suffix=".alias") as file:
        file.write(f"{ALIAS.read_text()}\nalias vfio-mediate:v000015B3d0000101E other\n")
        file.flush()
        with mounted(file.name, ALIAS):
            said(tap, mediate("enable", "--alias"), 2,
                 'VFIO_PCI_MEDIATE_IDS="15b3:101e" instead', "--alias: a vendor tells its IDs")
    tap.ok(not LOAD.exists(), "none of them writes a file")
    said(tap, mediate("enable"), 0, f"{LOAD}: vfio_pci_mediate is loaded at each boot",
         "enable says what it writes")
    tap.ok("\nvfio_pci_mediate\n" in LOAD.read_text() and not MODPROBE.exists(), "and does")
    said(tap, mediate("enable", "--drop-in"), 0, "is called vfio-pci", "--drop-in")
    tap.ok("options vfio_pci_mediate drop_in=1" in sh("modprobe", "-c"), "modprobe reads it")
    sh("modprobe", "-r", "vfio_pci", "vfio_pci_mediate")
    sh("modprobe", "vfio-pci")
    tap.equal(os.path.basename(os.readlink("/sys/bus/pci/drivers/vfio-pci/module")),
              "vfio_pci_mediate", "and loads ours where vfio-pci is asked for")
    sh("modprobe", "-r", "vfio_pci_mediate")
    said(tap, mediate("enable"), 0, f"{MODPROBE}: removed", "without it: removed")
    said(tap, mediate("disable"), 0, f"{LOAD}: removed", "disable removes the other one")
    tap.ok(not LOAD.exists() and not MODPROBE.exists(), "which is true")
    said(tap, mediate("disable"), 0, "", "once more: nothing to do")
    LOAD.write_text("somebody's own\n", encoding="utf-8")
    said(tap, mediate("enable"), 2, "change it yourself", "a file of somebody else is refused")
    said(tap, mediate("disable"), 2, "change it yourself", "by disable as well")
    tap.equal(LOAD.read_text(), "somebody's own\n", "and is as it was")
    LOAD.unlink()


def main(tap):
    with compiled():
        tap.run(test_check_host, test_check_device, test_check_versions, test_check_used,
                test_check_libvirt, test_check_remote, test_status, test_watch, test_events,
                test_enable, vf=VFS[0], vfs=VFS)


if __name__ == "__main__":
    program(main)
