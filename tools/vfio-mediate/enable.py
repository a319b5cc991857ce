# SPDX-License-Identifier: GPL-2.0-only
"""Has our driver loaded at each boot, and libvirt take it: files in /etc that this program
alone writes."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess

from host import OURS, Failure, UsageError, output

MARK = "# Written by vfio-mediate enable, removed by vfio-mediate disable.\n"
LOAD = pathlib.Path("/etc/modules-load.d/vfio-mediate.conf")
OPTIONS = pathlib.Path("/etc/modprobe.d/vfio-mediate.conf")
# libvirt reads aliases in modules.alias, which depmod makes of those that modules have. So
# the driver has to be built with them: DKMS reads this file after the package's dkms.conf.
DKMS = pathlib.Path("/etc/dkms/vfio-mediate.conf")
PACKAGE = "vfio-mediate"
MAKE = """MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build \\
VFIO_PCI_MEDIATE_IDS='{}'"
"""
ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}", re.IGNORECASE)
VENDORS = re.compile(r"^alias vfio-mediate:v0000(....)d0000(....)\b", re.MULTILINE)
# driverctl and libvirt load a driver by its name.
DROP_IN = f"options {OURS} drop_in=1\nblacklist vfio-pci\n" \
    f"install vfio_pci /sbin/modprobe {OURS}\n"


def is_ours(path):
    try:
        return path.read_text(encoding="utf-8").startswith(MARK)
    except FileNotFoundError:
        return True


def put(path, text, what):
    """Writes a file, or removes it where there is no text; says what that does."""
    if not is_ours(path):
        raise UsageError(f"{path} was not written by vfio-mediate enable: change it yourself")
    try:
        if text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(MARK + text, encoding="utf-8")
            print(f"{path}: {what}")
        elif path.exists():
            path.unlink()
            print(f"{path}: removed")
    except OSError as err:
        raise Failure(f"{path}: {err.strerror}") from err


def text_of(path):
    return path.read_text(encoding="utf-8") if path.exists() else ""


def vendors_ids():
    """IDs of the VFs that installed modules of vendors mediate, as these modules tell."""
    aliases = pathlib.Path("/lib/modules", os.uname().release, "modules.alias")
    found = VENDORS.findall(text_of(aliases))
    if not found:
        raise UsageError("no module of a vendor tells the IDs of its VFs: name them, as in "
                         "enable --alias 8086:10ca")
    return sorted({f"{vendor}:{device}".lower() for vendor, device in found})


def installed():
    """What DKMS has installed: (version, kernel) each. After a build that failed, the modules
    are still there, but dkms status does not tell for which kernels."""
    status = output("dkms", "status", "-m", PACKAGE) or ""
    found = set(re.findall(rf"^{PACKAGE}/(\S+), (\S+), \S+: installed", status, re.MULTILINE))
    for release in re.findall(rf"^{PACKAGE}/([^\s,:]+)", status, re.MULTILINE)[-1:]:
        found |= {(release, path.parts[3])
                  for path in pathlib.Path("/lib/modules").glob(f"*/updates/dkms/{OURS}.ko*")}
    return sorted(found)


def rebuild():
    """Has DKMS build the modules anew for each kernel that has them."""
    for release, kernel in installed():
        for command in ("build", "install"):
            done = subprocess.run(
                ["dkms", command, "--force", "-m", PACKAGE, "-v", release, "-k", kernel],
                check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                raise Failure(f"dkms {command} for Linux {kernel}: "
                              f"{(done.stdout.strip().splitlines() or ['failed'])[-1]}")
        print(f"{OURS}: built for Linux {kernel}")


def set_alias(ids):
    """Has the driver built with aliases for IDs, or with none. If that fails, all is as
    before."""
    for each in ids:
        if not ID.fullmatch(each):
            raise UsageError(f"{each} is not an ID of a device, such as 8086:10ca")
    text = MAKE.format(" ".join(ids)) if ids else ""
    before = text_of(DKMS)
    if before == (text and MARK + text) or not ids and not is_ours(DKMS):
        return
    if ids and not (shutil.which("dkms") and installed()):
        raise UsageError(f"--alias needs modules that DKMS has installed: build them with "
                         f"VFIO_PCI_MEDIATE_IDS=\"{' '.join(ids)}\" instead")
    put(DKMS, text, f"libvirt takes {OURS} for VFs {' '.join(ids)}")
    try:
        if shutil.which("dkms"):
            rebuild()
    except BaseException:
        put(DKMS, before.removeprefix(MARK), "as before")
        with contextlib.suppress(Failure):
            rebuild()
        raise


def enable(drop_in, ids):
    """ids are those of --alias: None where it was not given, none for all vendors'."""
    set_alias([] if ids is None else ids or vendors_ids())
    put(OPTIONS, DROP_IN if drop_in else "",
        f"{OURS} is called vfio-pci, and loaded in its place")
    put(LOAD, f"{OURS}\nvfio_iommu_type1\n", f"{OURS} is loaded at each boot")


def disable():
    set_alias([])
    put(OPTIONS, "", "")
    put(LOAD, "", "")
