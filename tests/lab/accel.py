# SPDX-License-Identifier: GPL-2.0-only
"""What the lab host runs on: KVM where it is fit for a host that has guests, else TCG."""

import dataclasses
import errno
import functools
import grp
import os
import pathlib
import re
import subprocess

from cache import LAB, LabError, say
from kernels import initrd, kernel
from trees import inside, tree

KVM = pathlib.Path("/dev/kvm")
MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}    # by the CPU's flag
# Under KVM, only a split irqchip leaves interrupts to the IOMMU to remap.
MACHINE = "q35,kernel-irqchip=split"
IOMMU = "intel-iommu,intremap=on,caching-mode=on,device-iotlb=on"
EMULATED = ["-cpu", "EPYC,+svm"]
TRIAL = 30      # s that the trial boot may take; with KVM it takes 2
UP = "trial: up"
# As first process of the trial: does the CPU let its kernel have guests of its own?
INIT = ("b=/bin/busybox.static; $b mkdir -p /proc; $b mount -t proc proc /proc; "
        f"echo {UP} $($b grep -o -m 1 -w -e vmx -e svm /proc/cpuinfo); $b poweroff -f")


@dataclasses.dataclass
class Machine:
    """What this machine says of KVM without running it."""
    cpuinfo: str        # /proc/cpuinfo
    error: int          # errno of opening /dev/kvm, or 0
    group: str          # that may open it, or nothing
    nested: str         # kvm_intel's or kvm_amd's parameter, or nothing

    @classmethod
    def this(cls, kvm=KVM, proc=pathlib.Path("/proc"), sys=pathlib.Path("/sys")):
        cpuinfo = (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace")
        error, group, nested = 0, "", ""
        try:
            os.close(os.open(kvm, os.O_RDWR | os.O_CLOEXEC))
        except OSError as err:
            error = err.errno
        try:
            stat = kvm.stat()
            if stat.st_gid and stat.st_mode & 0o060 == 0o060:
                group = grp.getgrgid(stat.st_gid).gr_name
        except (OSError, KeyError):
            pass
        try:
            nested = (sys / "module" / MODULES[flag(cpuinfo)] /
                      "parameters" / "nested").read_text(encoding="ascii").strip()
        except (OSError, KeyError):
            pass
        return cls(cpuinfo, error, group, nested)

    def obstacle(self):
        """Why KVM is not to be used, and what to do about it; nothing if it may be."""
        have = flag(self.cpuinfo)
        if not have:
            return ("no vmx or svm in /proc/cpuinfo: the CPU has no virtualization, or "
                    "the firmware or the hypervisor below disables it")
        module = MODULES[have]
        if self.error in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            return (f"the CPU has {have}, but there is no KVM at /dev/kvm: modprobe {module}; "
                    "if that fails, the firmware may disable virtualization")
        if self.error == errno.EACCES:
            who = f"the group {self.group} may; usermod -aG {self.group} USER, then log in " \
                "again" if self.group else "root may give it by chmod or setfacl"
            return f"no permission to open /dev/kvm: {who}"
        if self.error:
            return f"cannot open /dev/kvm: {os.strerror(self.error)}"
        if self.nested in ("N", "0"):
            return (f"nested virtualization is off, and the lab host has guests of its own: "
                    f"modprobe -r {module}; modprobe {module} nested=1; to keep it, a line "
                    f"'options {module} nested=1' in /etc/modprobe.d/kvm.conf")
        return ""


def flag(cpuinfo):
    """The CPU's flag of virtualization, or nothing."""
    found = re.search(r"^flags\s*:.*?\b(vmx|svm)\b", cpuinfo, re.MULTILINE)
    return found[1] if found else ""


def choose(chosen, machine, trial):
    """The accelerator, and why it is not the other one: chosen is LAB_ACCEL, and trial()
    boots a kernel under KVM and says what went wrong, or nothing."""
    if chosen not in ("", "kvm", "tcg"):
        raise LabError(f"LAB_ACCEL={chosen}: kvm or tcg")
    if chosen == "tcg":
        return "tcg", "LAB_ACCEL=tcg"
    obstacle = machine.obstacle()
    if chosen == "kvm":
        if obstacle:
            raise LabError(f"LAB_ACCEL=kvm: {obstacle}")
        return "kvm", "LAB_ACCEL=kvm"
    obstacle = obstacle or trial()
    return ("tcg", obstacle) if obstacle else ("kvm", "a kernel boots under it")


def trial(cpu, timeout=TRIAL):
    """Boots a kernel on a machine like the lab host's, with these options for its CPU.
    Returns what went wrong, or nothing: a device node proves little."""
    kern = kernel("6.12")
    cmd = inside(tree("host"), [
        "qemu-system-x86_64", "-machine", MACHINE, *cpu, "-m", "512",
        "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
        "-device", IOMMU, "-kernel", "/vmlinuz", "-initrd", "/initrd", "-append",
        "console=ttyS0 panic=-1 intel_iommu=on iommu=pt mitigations=off "
        f'rdinit=/bin/busybox.static -- sh -c "{INIT}"'],
        readable=[(kern.vmlinuz, "/vmlinuz"),
                  (initrd(kern, LAB / "guest", "guest-initrd"), "/initrd")])
    try:
        done = subprocess.run(cmd, stdin=subprocess.DEVNULL, timeout=timeout, text=True,
                              errors="replace", capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        return f"a kernel under it is not up after {timeout} s"
    found = re.search(rf"^{UP} *(\w*)", done.stdout, re.MULTILINE)
    if not found:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        return f"QEMU ends before a kernel under it is up, the last line: {said}"
    if not found[1]:
        return ("the CPU of a kernel under it has no vmx or svm, so no guests: nested "
                "virtualization does not work")
    return ""


@functools.cache
def accelerator():
    """"kvm" where the lab host can have guests under it, otherwise "tcg"."""
    name, why = choose(os.environ.get("LAB_ACCEL", ""), Machine.this(),
                       lambda: trial(["-accel", "kvm", "-cpu", "host"]))
    say(f"accelerator {name}: {why}")
    return name


def cpu_options(threads):
    """QEMU's options for the lab host's CPUs; threads: see host.Machine."""
    if threads == "icount":
        return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
                *EMULATED, "-smp", "1"]
    if accelerator() == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", "2"]
    return ["-accel", f"tcg,thread={threads}", *EMULATED, "-smp", "2"]
