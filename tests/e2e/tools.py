#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tools.py [-k PATTERN]: lsvfio and vfio-mediate, installed, on VFs of a real card.

The host is as a stock one: igb drives the PF, and igbvf may take VFs. Prints TAP.
"""

# /// suite
# [tools]
# about = "lsvfio, and vfio-mediate bind and unbind, on a host as its administrator finds it"
# run = "./tools.py"
# daily = ["6.12"]
# minutes = 0.6
# ///

import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile

from labhost.hold import Hold
from labhost.shell import sh
from labhost.sriov import DRIVER, PCI, PF, VFS, num_vfs
from labhost.tap import program

USR = pathlib.Path("tools").resolve()
LSVFIO, MEDIATE = USR / "bin/lsvfio", USR / "sbin/vfio-mediate"
ABSENT, OTHER = "0000:7f:00.0", "0000:00:00.0"
PROBE = pathlib.Path("/sys/bus/pci/drivers_probe")


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


def test_stream(tap):
    for name in ("state", "sample_nic"):
        path = pathlib.Path(f"golden/{name}.stream")
        status, text, _ = mediate("stream", "--json", "--data", path)
        tap.equal((status, json.loads(text)),
                  (0, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))),
                  f"stream: {name} is what it was saved as")
    status, text, err = run("sh", "-c", f"head -c 200 {path} | {MEDIATE} stream")
    tap.ok(status == 1 and "truncated stream" in err, "half of it is not valid", text + err)


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


def compiled():
    """Has Python compile the programs, as a package does."""
    cache = tempfile.TemporaryDirectory()
    os.environ["PYTHONPYCACHEPREFIX"] = cache.name
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return cache


def main(tap):
    with compiled():
        tap.run(test_calls, test_free, test_mediated, test_used, test_bind, test_refused,
                test_make, test_stream, test_completion, vf=VFS[0], vfs=VFS)


if __name__ == "__main__":
    program(main)
