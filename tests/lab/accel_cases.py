#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of how the lab chooses between KVM and TCG, on machines that are described, not
there. Prints TAP; with --boot also what the trial boot finds, under TCG."""

# /// suite
# [accel]
# about = "how the lab chooses between KVM and TCG, without KVM"
# run = "tests/lab/accel_cases.py --boot"
# daily = [""]
# minutes = 0.5
# host = false
# timeout = 900
# ///

import errno
import pathlib
import sys
import tempfile

from accel import Machine, choose, trial
from cache import LabError
from tap import Tap

SLOWLY = 180    # s, of a trial boot under TCG on a busy machine
INTEL = "processor\t: 0\nflags\t\t: fpu vme vmx sse\nvmx flags\t: ept vpid\n"
AMD = "processor\t: 0\nflags\t\t: fpu vme svm sse\n"
# What is no flag of the CPU's own: of a guest whose hypervisor shows it "vmx flags" only,
# and a name that contains one.
NEITHER = "model name\t: svm vmx\nflags\t\t: fpu svm_lock\nvmx flags\t: ept\n"


def machine(cpuinfo=INTEL, error=0, group="", nested="Y"):
    return Machine(cpuinfo, error, group, nested)


def works():
    return ""


def breaks():
    return "QEMU ends early"


def never():
    return "the trial boot ran, although there was nothing to try"


# What: (LAB_ACCEL, machine, trial) -> (accelerator, words of the reason). An accelerator of
# None is a LabError.
CASES = {
    "Intel with nested KVM": ("", machine(), works, "kvm", []),
    "AMD with nested KVM": ("", machine(AMD, nested="1"), works, "kvm", []),
    "no parameter called nested: the trial decides":
        ("", machine(nested=""), works, "kvm", []),
    "the trial boot fails": ("", machine(), breaks, "tcg", ["QEMU ends early"]),
    "no vmx or svm": ("", machine(NEITHER), never, "tcg", ["no vmx or svm"]),
    "nothing in cpuinfo": ("", machine(""), never, "tcg", ["no vmx or svm"]),
    "no /dev/kvm, Intel": ("", machine(error=errno.ENOENT), never, "tcg",
                           ["no KVM at /dev/kvm", "modprobe kvm_intel", "firmware"]),
    "a /dev/kvm without a module, AMD":
        ("", machine(AMD, errno.ENODEV), never, "tcg", ["modprobe kvm_amd"]),
    "no permission, but for a group":
        ("", machine(error=errno.EACCES, group="kvm"), never, "tcg",
         ["no permission", "usermod -aG kvm"]),
    "no permission for anybody but root":
        ("", machine(error=errno.EACCES), never, "tcg", ["no permission", "root"]),
    "a container that denies it":
        ("", machine(error=errno.EPERM), never, "tcg", ["Operation not permitted"]),
    "nested is off, Intel":
        ("", machine(nested="N"), never, "tcg",
         ["nested virtualization is off", "modprobe kvm_intel nested=1",
          "options kvm_intel nested=1"]),
    "nested is off, AMD": ("", machine(AMD, nested="0"), never, "tcg",
                           ["nested virtualization is off", "kvm_amd nested=1"]),
    "LAB_ACCEL=tcg": ("tcg", machine(), never, "tcg", ["LAB_ACCEL=tcg"]),
    "LAB_ACCEL=kvm needs no trial": ("kvm", machine(), never, "kvm", ["LAB_ACCEL=kvm"]),
    "LAB_ACCEL=kvm where nested is off":
        ("kvm", machine(nested="N"), never, None, ["LAB_ACCEL=kvm", "nested"]),
    "LAB_ACCEL=kvm without permission":
        ("kvm", machine(error=errno.EACCES, group="kvm"), never, None, ["usermod"]),
    "LAB_ACCEL=xen": ("xen", machine(), never, None, ["kvm or tcg"]),
}


def chosen(accel, what, boot):
    try:
        return choose(accel, what, boot)
    except LabError as err:
        return None, str(err)


def cases():
    """(name, whether it is as it has to be, what was found) of each."""
    for name, (accel, what, boot, want, words) in CASES.items():
        found, why = chosen(accel, what, boot)
        yield name, found == want and all(word in why for word in words), (found, why)


def reading():
    """What is read of a machine, from files of our own."""
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        parameters = top / "sys/module/kvm_amd/parameters"
        parameters.mkdir(parents=True)
        (parameters / "nested").write_text("0\n", encoding="ascii")
        (top / "proc").mkdir()
        (top / "proc/cpuinfo").write_text(AMD, encoding="ascii")
        places = {"proc": top / "proc", "sys": top / "sys"}
        found = Machine.this(top / "kvm", **places)
        yield "files are read", found == Machine(AMD, errno.ENOENT, "", "0"), found
        (top / "kvm").write_bytes(b"")
        found = Machine.this(top / "kvm", **places)
        yield "a device that can be opened", found.error == 0, found
        (top / "proc/cpuinfo").write_text(INTEL, encoding="ascii")
        found = Machine.this(top / "kvm", **places)
        yield "another CPU's parameter is not read", found.nested == "", found


def boots():
    """What the trial finds of CPUs that TCG has; QEMU that says no is like one without KVM."""
    for what, cpu, words in (
            ("a CPU with svm", "EPYC,+svm", ""),
            ("a CPU without", "EPYC,-svm", "nested virtualization does not work"),
            ("a CPU that QEMU does not know", "nonsense", "nonsense")):
        found = trial(["-accel", "tcg", "-cpu", cpu], SLOWLY)
        yield f"trial boot: {what}", words in found if words else not found, found


def main():
    tap = Tap()
    for results in (cases(), reading(), boots() if "--boot" in sys.argv[1:] else ()):
        for name, passed, found in results:
            tap.ok(passed, name, found)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
