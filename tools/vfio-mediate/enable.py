# SPDX-License-Identifier: GPL-2.0-only
"""Has our driver loaded at each boot: files in /etc that this program alone writes."""

import pathlib

from host import OURS, Failure, UsageError

MARK = "# Written by vfio-mediate enable, removed by vfio-mediate disable.\n"
LOAD = pathlib.Path("/etc/modules-load.d/vfio-mediate.conf")
OPTIONS = pathlib.Path("/etc/modprobe.d/vfio-mediate.conf")
DROP_IN = f"options {OURS} drop_in=1\nblacklist vfio-pci\n"


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


def enable(drop_in):
    put(OPTIONS, DROP_IN if drop_in else "",
        f"{OURS} is called vfio-pci; in-tree vfio-pci is not loaded by itself")
    put(LOAD, f"{OURS}\nvfio_iommu_type1\n", f"{OURS} is loaded at each boot")


def disable():
    put(OPTIONS, "", "")
    put(LOAD, "", "")
