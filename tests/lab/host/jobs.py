# SPDX-License-Identifier: GPL-2.0-only
"""Runs the jobs of a lab host one after the other.

/lab/jobs.json names them. Each job finds the host as it is after a boot: this program
sets up the cards before the job, and undoes all that the job did afterwards. What a job
must not leave behind is reported. A host that cannot be put back is "spoilt": the jobs
that are left need another one.

The lab reads the lines that start with "lab: " on standard output, see session.py.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

PCI = pathlib.Path("/sys/bus/pci")
OUT = pathlib.Path("/out")
OURS = ("vfio_mediate", "vfio_pci_mediate", "sample_nic", "sample_nvme", "igb", "igbvf")
# Modules that only tests load, and have to unload.
TEST_MODULES = re.compile(r"mediator_\w+|slow_\w+|stop_vf|\w+_kunit|kunit|lkdtm")
FOLDERS = ("/tmp", "/dev/shm", "/dev/hugepages", "/run")
POOL = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
# /proc/meminfo: what neither the page cache nor a process accounts for
MEMORY = ("Slab", "KernelStack", "PageTables", "Percpu", "Shmem", "AnonPages",
          "VmallocUsed")
TEST = 1 << 18          # TAINT_TEST of linux/panic.h
OUT_OF_TREE = 1 << 12   # TAINT_OOT_MODULE
ALLOWED_KIB = 96 << 10  # growth during a job: caches, KASAN's quarantine
NO_END = 124            # as timeout(1) says


class Spoilt(Exception):
    """This host cannot be used for another job."""


def say(text):
    """To the lab, which nobody sees who has a shell on the host."""
    if not say.quiet:
        print(f"lab: {text}", flush=True)


say.quiet = False


def kernel_says(text):
    """A line on the console, to tell what was before and after it."""
    pathlib.Path("/dev/kmsg").write_text(f"<6>lab: {text}\n", encoding="utf-8")


def vfctl(*args, check=True):
    done = subprocess.run(["vfctl", *args], text=True, check=False,
                          stdout=subprocess.PIPE)
    if check and done.returncode:
        raise Spoilt(f"vfctl {' '.join(args)} failed")
    return done.stdout.split()


def modules():
    return {line.split()[0] for line in
            pathlib.Path("/proc/modules").read_text(encoding="utf-8").splitlines()}


def mounts():
    return {line.split()[1] for line in
            pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()}


def netdevs():
    return set(os.listdir("/sys/class/net"))


def processes():
    """Those that are no kernel threads: {pid: command}."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[0]:
                found[int(entry.name)] = b" ".join(words).decode(errors="replace")
    return found


def files():
    return {str(path) for folder in FOLDERS if os.path.isdir(folder)
            for path in pathlib.Path(folder).iterdir()}


def memory():
    """KiB that are in use for what would be there still after all files were closed."""
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="utf-8")
    used = 0
    for line in pathlib.Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        name, value = line.split(":")
        if name in MEMORY:
            used += int(value.split()[0])
    return used


def taint():
    """Why the kernel is not to be trusted; that KUnit has run, or has modules of tests, is no
    reason."""
    return int(pathlib.Path("/proc/sys/kernel/tainted").read_text(encoding="utf-8")) & \
        ~(TEST | OUT_OF_TREE)


class Host:
    """What a host is like that no job has touched."""

    def __init__(self, reports):
        self.reports = re.compile(reports)
        self.pfs = vfctl("pfs")
        vfctl("modules")
        self.base = modules() - set(OURS)
        self.mounts, self.netdevs = mounts(), netdevs()
        self.files, self.processes = files(), set(processes())
        self.taint, self.memory = taint(), memory()

    def set_up(self, job):
        """Cards, VFs, and the job's environment."""
        vfctl("modules")
        used = self.pfs[:job["pfs"]]
        if len(used) < job["pfs"]:
            raise Spoilt(f"{job['pfs']} cards are wanted, {len(used)} are there")
        for pf in self.pfs:
            # The other ones belong to nobody, as if they were not there.
            override = "" if pf in used else "none"
            (PCI / "devices" / pf / "driver_override").write_text(f"{override}\n")
        for pf in used:
            vfctl("-p", pf, "setup", job["pf"], str(job["vfs"]))
            for vf in vfctl("-p", pf, "list"):
                vfctl("bind", vf, "vfio-pci-mediate")
        # One line with blanks in between; of the first PF, where there are two.
        return {**os.environ, "LAB_PFS": " ".join(used), "LAB_PF": used[0],
                "LAB_VFS": " ".join(vfctl("list")),
                "LAB_PF_NETDEV": " ".join(vfctl("netdev")),
                "LAB_ONLY": job["only"]}

    def left(self):
        """What a job has left that it must not; removes it."""
        for pid, command in self.strangers().items():
            yield f"process: {command[:200]}"
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for _ in range(50):
            if not self.strangers():
                break
            time.sleep(0.1)
        for name in sorted(filter(TEST_MODULES.fullmatch, modules() - self.base)):
            yield f"module: {name}"
        for path in sorted(mounts() - self.mounts, reverse=True):
            yield f"mount: {path}"
            subprocess.run(["umount", "-l", path], check=False)
        for path in sorted(files() - self.files):
            yield f"file: {path}"
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)

    def strangers(self):
        return {pid: command for pid, command in processes().items()
                if pid not in self.processes}

    def put_back(self):
        """Everything as after the boot: no VFs, no drivers of the cards, no modules."""
        with contextlib.suppress(OSError):
            POOL.write_text("0", encoding="utf-8")
        if vfctl("pfs") != self.pfs:
            raise Spoilt("a card is missing")
        for pf in self.pfs:
            device = PCI / "devices" / pf
            with contextlib.suppress(OSError):
                (device / "sriov_numvfs").write_text("0")
            vfctl("unbind", pf)
            (device / "driver_override").write_text("\n")
        for netdev in netdevs() - self.netdevs:
            subprocess.run(["ip", "link", "del", netdev], check=False)
        if extra := netdevs() - self.netdevs:
            raise Spoilt(f"netdevs are left: {', '.join(sorted(extra))}")
        for _ in range(2):
            # In no order: those that are in use go in the second round.
            for name in modules() - self.base:
                subprocess.run(["modprobe", "-r", name], check=False,
                               stderr=subprocess.DEVNULL)
        if extra := modules() - self.base:
            raise Spoilt(f"modules cannot be unloaded: {', '.join(sorted(extra))}")

    def check(self):
        """What put_back() cannot mend."""
        if taint() != self.taint:
            raise Spoilt(f"the kernel is tainted: {taint():#x}, not {self.taint:#x}")
        said = subprocess.run(["dmesg", "--notime"], text=True, check=False,
                              stdout=subprocess.PIPE).stdout
        if report := self.reports.search(said):
            raise Spoilt(f"kernel report: {report[0]}")
        before, self.memory = self.memory, memory()
        if self.memory - before > ALLOWED_KIB:
            raise Spoilt(f"{(self.memory - before) >> 10} MiB more memory in use than before")


def end_group(proc):
    """Where its tasks are, on the console, before it is ended."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/sysrq-trigger").write_text("w", encoding="utf-8")
    with contextlib.suppress(OSError):
        os.killpg(proc.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        proc.wait(10)


def run(job, environment):
    """Returns the job's exit status, or NO_END."""
    with subprocess.Popen(job["run"], shell=True, cwd="/lab/job", env=environment,
                          stdin=subprocess.DEVNULL, start_new_session=True) as proc:
        try:
            return proc.wait(job["timeout"])
        except subprocess.TimeoutExpired:
            end_group(proc)
            return NO_END


def shell(environment):
    """An interactive one on the serial line; returns its exit status."""
    print(f"host: PF {environment['LAB_PF']} ({environment['LAB_PF_NETDEV']}), "
          f"VFs {environment['LAB_VFS']}; exit ends it", flush=True)
    return subprocess.run("stty -F /dev/ttyS1 sane; cd /root; "
                          "exec setsid -c bash < /dev/ttyS1", shell=True,
                          env=environment, check=False).returncode


def keep(name):
    """What a job leaves in /out goes back to the lab under the job's name."""
    mine = [path for path in OUT.iterdir() if not path.name.startswith("job-")]
    kept = OUT / f"job-{name}"
    kept.mkdir()
    for path in mine:
        path.rename(kept / path.name)


def do(host, job):
    """A job, from its set-up until all is put back."""
    name = job["name"]
    subprocess.run(["dmesg", "--clear"], check=False)
    kernel_says(f"job {name} starts")
    try:
        environment = host.set_up(job)
    except Spoilt as err:
        say(f"set-up {name} {err}")
        raise
    say(f"begin {name}")
    start = time.monotonic()
    status = shell(environment) if job["run"] == "shell" else run(job, environment)
    say(f"end {name} {status} {time.monotonic() - start:.1f}")
    try:
        keep(name)
        if status == NO_END:
            raise Spoilt(f"no end after {job['timeout']} s")
        if job["last"]:
            say(f"checked {name}")
            return
        for what in host.left():
            say(f"left {name} {what}")
        host.put_back()
        vfctl("modules")
        host.check()
        say(f"checked {name}")
    except (Spoilt, OSError) as err:
        say(f"spoilt {name} {err}")
        raise Spoilt(str(err)) from err
    finally:
        kernel_says(f"job {name} ends")


def rearm():
    """Have this CPU program its timer anew: what is due is before all else that is."""
    clock_nanosleep = ctypes.CDLL(None).clock_nanosleep
    clock_nanosleep(time.CLOCK_MONOTONIC, 1, struct.pack("qq", 0, 1), None)     # TIMER_ABSTIME
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        pass        # until the tick has looked at the other timers


def keep_awake():
    """QEMU's TCG loses an interrupt of a CPU with guests now and then. If it was that of its timer,
    the CPU programs none any more: it thinks that one is due. So each CPU wakes the other one
    each second, and one that only the other wakes programs its timer anew."""
    def on(cpu, mine, other):
        os.sched_setaffinity(0, {cpu})
        due, missed = time.monotonic() + 1, 0
        while True:
            woken = select.select([mine], [], [], max(0, due - time.monotonic()))[0]
            if woken:
                os.read(mine, 1 << 12)
            late = time.monotonic() - due
            if late < 0:
                continue
            # A busy CPU may be late, too, and be woken meanwhile.
            missed = missed + (late > 0.5) if woken else 0
            if missed > 3:
                rearm()
                kernel_says(f"CPU {cpu} had lost its timer, and has programmed it anew")
                missed = 0
            os.write(other, b"1")
            due = time.monotonic() + 1

    cpus = sorted(os.sched_getaffinity(0))
    ends = [os.pipe() for _ in cpus]
    for at, cpu in enumerate(cpus[1:] and cpus):
        threading.Thread(target=on, args=(cpu, ends[at][0], ends[at - 1][1]), daemon=True).start()


def main():
    keep_awake()
    config = json.loads(pathlib.Path("/lab/jobs.json").read_text(encoding="utf-8"))
    os.environ.update(config["environment"])
    jobs = config["jobs"]
    say.quiet = jobs[0]["run"] == "shell"
    try:
        host = Host(config["reports"])
        for job in jobs:
            do(host, job)
    except Spoilt as err:
        say(f"over {err}")


if __name__ == "__main__":
    main()
