# SPDX-License-Identifier: GPL-2.0-only
"""The lab host (L1): its disks, and the QEMU with an IOMMU and SR-IOV cards that it is.
session.py boots it."""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess

from accel import IOMMU, MACHINE, accelerator, cpu_options
from cache import LAB, cached, run
from kernels import initrd, install_modules, kernel
from qemu_build import TARGET, built_qemu
from qemus import qemu_files
from supported import KERNELS
from trees import inside, tree

# What a healthy kernel never prints.
REPORTS = re.compile(
    r"\bWARNING: |\bBUG: |\bOops: |\bKASAN: |Kernel panic|\bUBSAN: |"
    r"\bODEBUG: |refcount_t: |list_(add|del) corruption|"
    r"possible (circular|recursive) locking|possible irq lock inversion|"
    r"inconsistent lock state|suspicious RCU usage|invalid wait context|"
    r"lock held when returning|held lock freed|bad unlock balance|"
    r"general protection fault|unable to handle (page fault|kernel)|"
    r"unreferenced object|new suspected memory leaks|"
    r"sleeping function called from|scheduling while atomic|"
    r"DMAR: .*fault|blocked for more than")


# Bytes of the NVMe namespace, and of the log of what is written to it
NAMESPACE = 256 << 20
WITNESS = 16 << 30
UUID = "6c616200-0000-4000-8000-000000000001"   # of that namespace


@dataclasses.dataclass
class Wire:
    """What leads from one of two lab hosts to the other."""
    folder: pathlib.Path    # of the sockets of both
    number: int             # which of the two: 0 or 1


def make_image(source, image, log, slack=16):
    """Makes an ext4 image of the directory source, all of it root's."""
    size = subprocess.run(["du", "-sm", "--apparent-size", str(source)],
                          capture_output=True, text=True, check=True).stdout
    megabytes = int(size.split()[0]) * 5 // 4 + slack
    image.touch()
    script = f"mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 " \
             f"-d /from /to/{image.name} {megabytes}M"
    run(inside(tree("host"), ["sh", "-c", script],
               writable=[(image.parent, "/to")], readable=[(source, "/from")]),
        log, what=image.name)


def root_image(userland="host"):
    """Disk with the lab host's userland, the tree of that name; never written to."""
    host = tree(userland)
    return cached("root-image", [host.name],
                  lambda path, log: make_image(host, path / "root.img", log,
                                               slack=256), size=700) / "root.img"


def guest_files():
    """Kernel and initrd of the guests: always Debian's 6.12."""
    kern = kernel("6.12")
    return {"vmlinuz": kern.vmlinuz,
            "initrd": initrd(kern, LAB / "guest", "guest-initrd")}


def host_initrd(kern):
    if not kern.initrd:
        return None
    return initrd(kern, LAB / "host" / "initramfs", f"initrd-{kern.name}")


@dataclasses.dataclass(frozen=True)
class Machine:
    """What jobs can share a lab host by. VFs, who drives the PFs, and how many of them
    are seen can be changed without booting it anew.

    threads is how TCG runs the host's two CPUs: "multi" is needed for guests
    (with "single" theirs hardly boot), "single" never aborts, as "multi" does
    now and then when BARs are mapped over and over. "icount" is one thread and
    one CPU, under TCG wherever KVM works too: the time-stamp counter counts its
    instructions, exactly, and jumps to the next timer when it has none.
    """
    kernel: str
    threads: str = "single"
    pfs: int = 1            # how many cards there are, on the same network
    card: str = "igb"       # what they are: or nvme, of which there is one
    hosts: int = 1          # or 2, with a network of their own, see pair.py
    checks: bool = False    # whether cards check who sends, see qemu_build.py
    memory: int = 4096      # MiB
    userland: str = "host"  # the tree that is its root
    root: pathlib.Path = None       # an image that is, in place of a tree's


def card_of(pf):
    """What a PF is that this driver drives."""
    return "nvme" if pf == "nvme" else "igb"


@dataclasses.dataclass(frozen=True)
class Job:
    """What is run on a lab host, and what it wants there."""
    name: str
    run: str                # shell command
    pf: str = "igb"         # who drives the PFs: igb, sample_nic, or nvme
    pfs: int = 1
    vfs: int = 2            # of each PF
    timeout: int = 600      # s
    last: bool = False      # the host need not be put back afterwards
    only: str = ""          # which of its cases


def make_job_disk(kern, work, jobs, files, qemus, wire):
    """The read-only disk /lab: modules, tests, guests, and what to run. files are what
    jobs find in their working directory, by name; guests can run under the QEMUs named
    in qemus, besides the host's own."""
    disk = work / "lab"
    (disk / "job").mkdir(parents=True)
    install_modules(kern, disk)
    shutil.copytree(LAB / "host", disk / "host",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (disk / "guest").mkdir()
    for name, source in guest_files().items():
        shutil.copy(source, disk / "guest" / name)
    for name, source in qemu_files(qemus).items():
        shutil.copytree(source, disk / "qemu" / name)
    for name, source in files.items():
        target = disk / "job" / name
        if pathlib.Path(source).is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy(source, target)
            target.chmod(0o755)
    (disk / "jobs.json").write_text(json.dumps({
        "jobs": [dataclasses.asdict(job) for job in jobs],
        "reports": REPORTS.pattern,
        "environment": {"LAB_ACCEL": accelerator(),
                        "LAB_HOST": str(wire.number if wire else 0)}}))
    make_image(disk, work / "lab.img", work / "lab-image.log")
    shutil.rmtree(disk)


def cards(pfs, wire):
    """SR-IOV cards behind root ports of their own, on one network segment."""
    if wire:
        options = wires(wire)
    else:
        # The world outside: nothing but QEMU itself, which answers to ping and
        # TFTP at 10.0.2.2, and an echo by TCP
        options = ["-netdev", "user,id=world,restrict=on,tftp=/outside,"
                   "guestfwd=tcp:10.0.2.100:7-cmd:cat"]
    options += ["-netdev", "hubport,id=hub,hubid=0,netdev=world"]
    for number in range(1, pfs + 1):
        mac = 0x55 + number + (wire.number * 16 if wire else 0)
        options += [
            "-netdev", f"hubport,id=n{number},hubid=0",
            "-device",
            # The card's speed. A faster port says that it reports whether its link is active,
            # does not with ACPI hot-plug, and so cannot be brought back after a reset of it.
            f"pcie-root-port,id=rp{number},chassis={number},slot={number},x-speed=2_5",
            "-device", f"igb,id=pf{number},bus=rp{number},netdev=n{number},"
            f"mac=52:54:00:12:34:{mac:02x}"]
    return options


def controller(log):
    """An NVMe controller with SR-IOV, and one namespace that it and its VFs share. Whatever
    is written to that is also in a log, which the lab host can read, see labhost/witness.py.
    """
    options = ["-blockdev", f"driver=file,node-name=log,filename={log},locking=off",
               "-blockdev", "driver=file,node-name=data,filename=/run/nvme.img",
               "-blockdev", "driver=blklogwrites,node-name=namespace,file=data,log=log",
               "-blockdev", "driver=file,node-name=witness,read-only=on,locking=off,"
               f"filename={log}",
               # After all other disks, whose names the lab host knows
               "-device", "virtio-blk-pci,drive=witness,serial=witness,addr=0x1d",
               "-device", "pcie-root-port,id=rp1,chassis=1,slot=1,x-speed=2_5",
               "-device", "nvme-subsys,id=subsystem,nqn=lab"]
    # 12 of its queues and vectors go to VFs, which are given 3 each.
    options += ["-device", "nvme,id=pf1,serial=lab,bus=rp1,subsys=subsystem,sriov_max_vfs=4,"
                "sriov_vq_flexible=12,sriov_vi_flexible=12,max_ioqpairs=16,msix_qsize=16"]
    return [*options, "-device", "nvme-ns,drive=namespace,bus=pf1,nsid=1,shared=on,"
            f"uuid={UUID}"]


def wires(wire):
    """The cards' segment, and a network card for all else, both of which lead to
    the other host."""
    options = ["-device", "virtio-net-pci,netdev=link,"
               f"mac=52:54:00:12:35:{wire.number:02x}"]
    for name in ("world", "link"):
        here, there = (f"/wire/{name}.{number}"
                       for number in (wire.number, 1 - wire.number))
        options += ["-netdev", f"dgram,id={name},local.type=unix,"
                    f"local.path={here},remote.type=unix,remote.path={there}"]
    return options


def make_namespace(work):
    """The files of the NVMe controller. The log grows as it must; how large its disk is on
    the lab host does not change."""
    for name, size in (("nvme.img", NAMESPACE), ("nvme-log.img", WITNESS)):
        with open(work / name, "wb") as file:
            file.truncate(size)


def qemu_command(machine, kern, work, interactive=False, wire=None):
    """Its disks are in work; files.img, if it is there, is what users see as /files."""
    if machine.card == "nvme":
        make_namespace(work)
    cmd = ["env", "TMPDIR=/run",    # for the root disk's snapshot
           "qemu-system-x86_64",
           "-machine", MACHINE, *cpu_options(machine.threads),
           "-m", str(machine.memory), "-nodefaults", "-display", "none",
           "-no-reboot",
           "-serial", "file:/run/console.log",
           "-chardev", "stdio,id=out,signal=off" if interactive else
           "file,id=out,path=/run/output.log", "-serial", "chardev:out",
           # QEMU's monitor, for what only hardware can do, as unplugging the card
           "-chardev", "socket,id=monitor,path=/run/monitor,server=on,wait=off",
           "-mon", "chardev=monitor,mode=control",
           "-chardev", "socket,id=wire,path=/run/monitor",
           "-serial", "chardev:wire",
           "-device", IOMMU,
           *([] if machine.card == "nvme" else cards(machine.pfs, wire))]
    disks = [("/root.img", "snapshot=on"), ("/run/lab.img", "readonly=on"),
             ("/run/out.tar", "cache=unsafe")]
    if (work / "files.img").exists():
        disks.append(("/run/files.img", "readonly=on"))
    for path, options in disks:
        cmd += ["-drive", f"file={path},format=raw,if=virtio,{options}"]
    if machine.card == "nvme":
        cmd += controller("/run/nvme-log.img")
    append = ["console=ttyS0", "ignore_loglevel", "intel_iommu=on",
              "iommu=pt", "panic=-1", "no_timer_check", "nowatchdog", "mitigations=off",
              "kunit.enable=1", "root=/dev/vda", "rw", "rootfstype=ext4",
              "fsck.mode=skip", "net.ifnames=0",
              # What follows a warning on the debug kernel is not to be trusted.
              *(["panic_on_warn=1"] if "source" in KERNELS.get(kern.name, {}) else []),
              "init=/bin/sh", "--", "-c",
              '"mkdir -p /lab && mount -t ext4 -r /dev/vdb /lab && '
              'exec /lab/host/init"']
    cmd += ["-kernel", "/vmlinuz", "-append", " ".join(append)]
    readable = [(built_qemu(machine.checks), f"/usr/bin/{TARGET}"),
                (machine.root or root_image(machine.userland), "/root.img"),
                (kern.vmlinuz, "/vmlinuz"), (guest_files()["initrd"], "/outside/initrd")]
    image = host_initrd(kern)
    if image:
        cmd += ["-initrd", "/initrd"]
        readable.append((image, "/initrd"))
    writable = [(work, "/run")] + ([(wire.folder, "/wire")] if wire else [])
    return inside(tree("host"), cmd, writable=writable, readable=readable)
