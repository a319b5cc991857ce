# SPDX-License-Identifier: GPL-2.0-only
"""Boots the lab host (L1): a QEMU with an IOMMU and an SR-IOV card, runs one
job in it and judges the outcome by its exit status and by its console."""

import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from cache import BUILD, LAB, REPO, LabError, cached, run, say, tail
from card import checking_qemu
from kernels import initrd, install_modules, kernel
from machine import PROGRAM, outer_qemu
from qemus import qemu_files
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
START = "lab: host up"   # before it, the kernel talks of its CPU and firmware
BOOT = 300      # s until then, which are 15 to 60
OUT_SIZE = 256 << 20
KEPT_RUNS = 50


@dataclasses.dataclass
class Outcome:
    """What became of one job."""
    status: int             # the script's own, 125 when it never finished
    reports: list           # kernel reports from the console
    out: pathlib.Path       # what the job left in /out
    console: pathlib.Path
    output: str             # what the job printed
    seconds: float          # of which the boot is a part
    why: str = ""           # why it never finished

    def failed(self):
        return bool(self.status or self.reports or self.why)

    def verdict(self):
        if self.why:
            return self.why
        if self.reports:
            return f"kernel report: {self.reports[0]}"
        return f"exit status {self.status}"


@dataclasses.dataclass
class Wire:
    """What leads from one of two lab hosts to the other."""
    folder: pathlib.Path    # of the sockets of both
    number: int             # which of the two: 0 or 1


class OuterAbort(LabError):
    """The outer QEMU itself died: no verdict about what ran in it."""


@functools.cache
def accelerator():
    """"kvm" where it really runs a guest, otherwise "tcg"."""
    chosen = os.environ.get("LAB_ACCEL", "")
    if chosen in ("kvm", "tcg"):
        return chosen
    if chosen:
        raise LabError(f"LAB_ACCEL={chosen}: kvm or tcg")
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    if not re.search(r"\b(vmx|svm)\b", flags) or \
            not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    # The device node proves nothing: see a kernel boot.
    vmlinuz = kernel("6.12").vmlinuz
    cmd = inside(tree("host"), [
        "qemu-system-x86_64", "-machine", "q35", "-accel", "kvm", "-cpu",
        "host", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
        "-serial", "stdio", "-kernel", "/vmlinuz", "-append",
        "console=ttyS0 panic=-1"], readable=[(vmlinuz, "/vmlinuz")])
    try:
        done = subprocess.run(cmd, stdin=subprocess.DEVNULL, timeout=20,
                              capture_output=True, check=False)
        works = b"Unable to mount root" in done.stdout
    except subprocess.TimeoutExpired:
        works = False
    say("KVM works here" if works else "KVM does not run a guest here: TCG")
    return "kvm" if works else "tcg"


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


def root_image():
    """Disk with the lab host's userland, never written to."""
    host = tree("host")
    return cached("root-image", [host.name],
                  lambda path, log: make_image(host, path / "root.img", log,
                                               slack=256)) / "root.img"


def guest_files():
    """Kernel and initrd of the guests: always Debian's 6.12."""
    kern = kernel("6.12")
    return {"vmlinuz": kern.vmlinuz,
            "initrd": initrd(kern, LAB / "guest", "guest-initrd")}


def host_initrd(kern):
    if not kern.initrd:
        return None
    return initrd(kern, LAB / "host" / "initramfs", f"initrd-{kern.name}")


def make_job_disk(kern, work, job, vfs, pf, files, qemus, wire):
    """The read-only disk /lab: modules, tests, guests, and what to run."""
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
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
            target.chmod(0o755)
    (disk / "job.env").write_text(f"VFS={vfs}\nPF={pf}\nJOB='{job}'\n"
                                  f"LAB_ACCEL={accelerator()}\n"
                                  f"LAB_HOST={wire.number if wire else 0}\n")
    make_image(disk, work / "lab.img", work / "lab-image.log")
    shutil.rmtree(disk)


def cpu_options(threads):
    """QEMU's options for the host's CPUs; threads: see boot()."""
    if threads == "icount":
        return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
                "-cpu", "EPYC,+svm", "-smp", "1"]
    if accelerator() == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", "2"]
    return ["-accel", f"tcg,thread={threads}", "-cpu", "EPYC,+svm",
            "-smp", "2"]


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
            f"pcie-root-port,id=rp{number},chassis={number},slot={number}",
            "-device", f"igb,id=pf{number},bus=rp{number},netdev=n{number},"
            f"mac=52:54:00:12:34:{mac:02x}"]
    return options


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


def qemu_command(kern, work, files, interactive, threads, pfs, wire, checks):
    cmd = ["env", "TMPDIR=/run",    # for the root disk's snapshot
           "qemu-system-x86_64",
           "-machine", "q35,kernel-irqchip=split", *cpu_options(threads),
           "-m", "4096", "-nodefaults", "-display", "none",
           "-no-reboot",
           "-serial", "file:/run/console.log",
           "-chardev", "stdio,id=out,signal=off" if interactive else
           "file,id=out,path=/run/output.log", "-serial", "chardev:out",
           # QEMU's monitor, for what only hardware can do, as unplugging the card
           "-chardev", "socket,id=monitor,path=/run/monitor,server=on,wait=off",
           "-mon", "chardev=monitor,mode=control",
           "-chardev", "socket,id=wire,path=/run/monitor",
           "-serial", "chardev:wire",
           "-device", "intel-iommu,intremap=on,caching-mode=on,device-iotlb=on",
           *cards(pfs, wire)]
    disks = [("/root.img", "snapshot=on"), ("/run/lab.img", "readonly=on"),
             ("/run/out.tar", "cache=unsafe")]
    if files:
        disks.append(("/run/files.img", "readonly=on"))
    for path, options in disks:
        cmd += ["-drive", f"file={path},format=raw,if=virtio,{options}"]
    append = ["console=ttyS0", "ignore_loglevel", "intel_iommu=on",
              "iommu=pt", "panic=-1", "no_timer_check", "nowatchdog", "mitigations=off",
              "kunit.enable=1", "root=/dev/vda", "rw", "rootfstype=ext4",
              "fsck.mode=skip", "net.ifnames=0",
              "init=/bin/sh", "--", "-c",
              '"mkdir -p /lab && mount -t ext4 -r /dev/vdb /lab && '
              'exec /lab/host/init"']
    cmd += ["-kernel", "/vmlinuz", "-append", " ".join(append)]
    qemu = checking_qemu() if checks else outer_qemu()
    readable = [(qemu, f"/{PROGRAM}"), (root_image(), "/root.img"),
                (kern.vmlinuz, "/vmlinuz"), (guest_files()["initrd"], "/outside/initrd")]
    image = host_initrd(kern)
    if image:
        cmd += ["-initrd", "/initrd"]
        readable.append((image, "/initrd"))
    writable = [(work, "/run")] + ([(wire.folder, "/wire")] if wire else [])
    return inside(tree("host"), cmd, writable=writable, readable=readable)


def show(line):
    print(line, flush=True)


def check_boot(console):
    """Now and then TCG loses the timer interrupt of a CPU; if it does before there
    is user space, then before anything of ours was loaded."""
    if START not in console.read_text(errors="replace"):
        raise OuterAbort(f"no user space on the lab host after {BOOT} s")


def watch(proc, work, timeout, echo):
    """Hands each line the job prints to echo until QEMU ends; returns why it
    had to be stopped, or nothing."""
    output = work / "output.log"
    start = time.monotonic()
    deadline = start + timeout
    booted = False
    position, rest = 0, ""
    while True:
        ended = proc.poll() is not None
        try:
            with open(output, "rb") as file:
                file.seek(position)
                text = file.read()
        except FileNotFoundError:
            text = b""
        position += len(text)
        *lines, rest = (rest + text.decode(errors="replace")).split("\n")
        for line in lines + ([rest] if ended and rest else []):
            echo(line.rstrip("\r"))
        if ended:
            return ""
        if not booted and time.monotonic() > start + BOOT:
            check_boot(work / "console.log")
            booted = True
        if time.monotonic() > deadline:
            proc.kill()
            proc.wait()
            return f"no end after {timeout} s"
        time.sleep(0.1)


def judge(work, why, qemu_status, seconds):
    """Reads the console and what the job left behind."""
    console, output = work / "console.log", work / "output.log"
    text = console.read_text(errors="replace") if console.exists() else ""
    reports = [line.strip() for line in text.partition(START)[2].splitlines()
               if REPORTS.search(line)]
    out = work / "out"
    out.mkdir()
    # A host that ended early left zeros, an empty archive.
    subprocess.run(["tar", "-C", out, "--no-same-owner", "-xf",
                    work / "out.tar"], stderr=subprocess.DEVNULL, check=False)
    try:
        status = (out / "status").read_text().strip()
    except OSError:
        status = None
    (work / "out.tar").unlink()
    if status == "setup":
        why, status = "the lab host's own set-up failed", 125
    elif status is None:
        if qemu_status and not why:
            raise OuterAbort(f"the outer QEMU ended by itself ({qemu_status}):"
                             f"\n{tail(work / 'qemu.log')}")
        # A panic is on the console, and so is a reboot that somebody asked for.
        if not (why or reports or "reboot: " in text) and accelerator() == "tcg":
            raise OuterAbort("the lab host was reset without a word")
        why, status = why or "the lab host ended before the job did", 125
    return Outcome(int(status), reports, out, console,
                   output.read_text(errors="replace").replace("\r", "")
                   if output.exists() else "", seconds, why)


def boot_once(kern, work, job, vfs, pf, pfs, job_files, files, qemus, timeout,
              echo, threads, wire, checks):
    interactive = job == "shell"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    make_job_disk(kern, work, job, vfs, pf, job_files, qemus, wire)
    if files:
        make_image(pathlib.Path(files), work / "files.img",
                   work / "files-image.log")
    with open(work / "out.tar", "wb") as tar:
        tar.truncate(OUT_SIZE)
    cmd = qemu_command(kern, work, files, interactive, threads, pfs, wire, checks)
    start = time.monotonic()
    with open(work / "qemu.log", "wb") as log:
        streams = {} if interactive else {
            "stdin": subprocess.DEVNULL, "stdout": log}
        proc = subprocess.Popen(cmd, stderr=log, **streams)
        try:
            why = watch(proc, work, float("inf") if interactive else timeout,
                        echo)
        finally:
            if proc.poll() is None:
                proc.kill()
                proc.wait()
    for image in work.glob("*.img"):
        image.unlink()
    return judge(work, why, proc.returncode, time.monotonic() - start)


def prune(runs):
    """Keeps the work files of the last runs only."""
    def age(path):
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            return float("inf")     # of one that starts at this moment

    old = sorted(runs.iterdir(), key=age)
    for path in old[:-KEPT_RUNS]:
        shutil.rmtree(path, ignore_errors=True)


def boot(kernel_name, job, job_files=None, vfs=2, pf="igb", files=None,
         timeout=600, name="run", echo=show, threads="multi", pfs=1,
         qemus=(), wire=None, checks=False):
    """Runs job, a shell command, on a lab host; job_files are what it finds
    in its working directory, by name. Work files stay in build/run. Of pfs
    SR-IOV cards, on the same network, each has vfs VFs. Guests can run under the
    QEMUs named in qemus, besides the host's own. A wire leads to another lab host
    instead of the world outside. With checks, cards check who sends, see card.py.

    threads is how TCG runs the host's two CPUs: "multi" is needed for guests
    (with "single" theirs hardly boot), "single" never aborts, as "multi" does
    now and then when BARs are mapped over and over. "icount" is one thread and
    one CPU, under TCG wherever KVM works too: the time-stamp counter counts its
    instructions, exactly, and jumps to the next timer when it has none.
    """
    if files and not pathlib.Path(files).is_dir():
        raise LabError(f"FILES={files}: no such directory")
    kern = kernel(kernel_name)
    runs = BUILD / "run"
    runs.mkdir(parents=True, exist_ok=True)
    prune(runs)
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=runs))
    for attempt in (1, 2):
        try:
            return boot_once(kern, work, job, vfs, pf, pfs, job_files or {},
                             files, qemus, timeout, echo, threads, wire,
                             checks)
        except OuterAbort as err:
            if attempt == 2:
                raise
            say(f"{err}\nlab: that says little about the job: trying again")
    raise AssertionError("not reached")


def report(outcome):
    """Tells a person how a job ended."""
    if outcome.why:
        say(f"last lines of the job:\n{outcome.output[-2000:]}")
        say(f"last lines of the console:\n{tail(outcome.console)}")
    for line in outcome.reports[:10]:
        say(f"kernel report: {line}")
    say(f"console log: {outcome.console.relative_to(REPO)}")
