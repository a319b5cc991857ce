#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""vfio_selftests.py DIR: upstream's VFIO selftests, in-tree vfio-pci against ours.

Runs the programs in DIR on VFs under each of the two drivers, and on the PF under each
as vfio-pci: what passes in-tree must pass with ours. Their output stays in /out.
Not run is vfio_pci_driver_test: upstream has no user-space driver for the card.
"""

# /// suite
# [vfio_selftests]
# about = "upstream's VFIO selftests, in-tree vfio-pci against ours"
# run = "./vfio_selftests.py vfio-selftests"
# daily = ["6.12"]
# extra = ["vfio-selftests"]
# timeout = 1200
# minutes = 2
# ///

import os
import pathlib
import re
import subprocess
import sys

from labhost.shell import sh
from labhost.sriov import DRIVER, PCI, num_vfs
from labhost.tap import Tap

REFERENCE, OURS = "vfio-pci", DRIVER
TYPE1 = ("vfio_type1_iommu", "vfio_type1v2_iommu")
IOMMUFD = ("iommufd_compat_type1", "iommufd_compat_type1v2", "iommufd")
# Variants that the card or the lab host has nothing for: MSI, pages of 1 GB
ABSENT = re.compile(r"msi|.*_1gb")
# What fails on kernels before these, whatever the driver: type1 had another errno, and
# a device file could not be bound with a token.
SINCE = {r"vfio_dma_map_limit_test\.vfio_type1\w+\.overflow": (6, 19),
         r"vfio_pci_sriov_uapi_test\.iommufd_(same|diff|null)_uuid\.\w+": (6, 17)}
HUGE_PAGES = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
RESULT = re.compile(r"^(not )?ok \d+ (\S+)(?: # (SKIP.*))?")


def load(*module):
    """Loads one of the drivers, with its parameters, and unloads the other."""
    sh("modprobe", "-r", "vfio_pci", "vfio_pci_mediate")
    sh("modprobe", *module)


class Selftests:
    """The programs, and what each test said with one driver."""

    def __init__(self, where, driver):
        self.where = where
        self.driver = driver
        self.modes = TYPE1 + (IOMMUFD if os.path.exists("/dev/iommu") else ())
        self.results = {}   # by name: "ok", "not ok", "SKIP ...", or else of a program
        self.words = {}     # by name: what was printed, at most the last lines

    def left_out(self, program, device):
        """Options that leave out the variants that there is nothing for."""
        listing = subprocess.run([program, "-l", device], text=True, timeout=30,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 check=False).stdout
        for variant in sorted(set(re.findall(r"\w+", listing))):
            if ABSENT.fullmatch(variant) or (
                    "iommufd" not in self.modes and variant.startswith("iommufd")):
                yield from ("-V", variant)

    def run(self, program, *devices, mode=""):
        """Runs a program on devices; in a mode, when its tests leave that open."""
        program = f"{self.where}/{program}"
        done = subprocess.run([program, *self.left_out(program, devices[0]), *devices],
                              text=True, timeout=600, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False,
                              env={**os.environ, **({"IOMMU_MODE": mode} if mode else {})})
        prefix = f"{mode}: " if mode else ""
        title = f"{prefix}{os.path.basename(program)}"
        with open(f"/out/{self.driver}.log", "a", encoding="utf-8") as log:
            log.write(f"{title}: {done.returncode}\n{done.stdout}\n")
        plan = re.search(r"^1\.\.(\d+)$", done.stdout, re.M)
        found = list(filter(None, map(RESULT.match, done.stdout.splitlines())))
        self.results[title] = f"all of its {len(found)} tests" \
            if plan and int(plan[1]) == len(found) > 0 else \
            f"not all tests: exit status {done.returncode}"
        self.words[title] = done.stdout[-1000:]
        for match in found:
            self.results[prefix + match[2]] = match[3] or f"{match[1] or ''}ok"
            before = done.stdout.partition(f"\n{match[0]}")[0]
            self.words[prefix + match[2]] = before.rpartition("#  RUN")[2]

    def run_on_vfs(self, vfs):
        for vf in vfs:
            sh("vfctl", "bind", vf, self.driver)
        for mode in self.modes:
            self.run("vfio_pci_device_test", vfs[0], mode=mode)
        self.run("vfio_dma_mapping_test", vfs[0])
        self.run("vfio_dma_mapping_mmio_test", vfs[0])
        self.run("vfio_pci_device_init_perf_test", *vfs)
        if "iommufd" in self.modes:
            self.run("vfio_iommufd_setup_test", vfs[0])
        for vf in vfs:
            sh("vfctl", "unbind", vf)

    def run_on_pf(self, pf):
        """It makes a VF by itself, and insists on the name vfio-pci."""
        load("vfio_pci" if self.driver == REFERENCE else "vfio_pci_mediate",
             "enable_sriov=1", *(["drop_in=1"] if self.driver == OURS else []))
        sh("vfctl", "bind", pf, "vfio-pci")
        self.run("vfio_pci_sriov_uapi_test", pf)
        sh("vfctl", "unbind", pf)


def compare(tap, want, got):
    """What either has run must be the same, and must not fail but where it is known."""
    release = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    for name in want.results | got.results:
        reference = want.results.get(name, "not run")
        ours = got.results.get(name, "not run")
        older = ours != "ok" and any(re.fullmatch(pattern, name) and release < since
                                     for pattern, since in SINCE.items())
        if reference != ours or (reference.startswith("not") and not older):
            tap.ok(False, name, f"{REFERENCE}: {reference}\n{want.words.get(name, '')}\n"
                                f"{OURS}: {ours}\n{got.words.get(name, '')}")
        elif older:
            tap.skip(name, f"as with in-tree vfio-pci of this kernel: {ours}")
        elif ours.startswith("SKIP"):
            tap.skip(name, ours.removeprefix("SKIP "))
        else:
            tap.ok(True, name)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    vfs, pf = os.environ["LAB_VFS"].split(), os.environ["LAB_PF"]
    pf_driver = (PCI / pf / "driver").resolve().name
    HUGE_PAGES.write_text("4")
    runs = [Selftests(sys.argv[1], driver) for driver in (REFERENCE, OURS)]
    for run in runs:
        run.run_on_vfs(vfs)

    num_vfs(pf, 0)
    (PCI / pf / "sriov_drivers_autoprobe").write_text("1")
    for run in runs:
        run.run_on_pf(pf)

    load("vfio_pci_mediate")
    sh("vfctl", "setup", pf_driver, str(len(vfs)))
    for vf in vfs:
        sh("vfctl", "bind", vf, OURS)
    HUGE_PAGES.write_text("0")

    tap = Tap()
    compare(tap, *runs)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
