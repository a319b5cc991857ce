#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the lab where something goes wrong around it: it is interrupted, a
disk is full, there is no network. It says so in one line and leaves nothing.

None of them waits for a tree to be made or for a lab host to boot.
"""

# /// suite
# [adverse]
# about = "the lab when it is interrupted, when a disk is full, without a network"
# run = "tests/lab/adverse.py"
# daily = [""]
# host = false
# minutes = 0.7
# ///

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from cache import BUILD, LAB, REPO
from case import Case, Skip, program, run

LATE = 20       # seconds until the lab must have ended

# Two commands at a time, three more to come, each with a child of its own.
THREADS = """
import concurrent.futures, pathlib, sys
import cache, children

children.catch_signals()
top = pathlib.Path(sys.argv[1])
try:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(cache.run, ["sh", "-c", "sleep 99 & touch $0; sleep 99",
                                         top / str(number)], top / "log")
                 for number in range(5)]
        for task in tasks:
            task.result()
except children.Interrupted as err:
    children.end_all()
    print("lab: interrupted")
    sys.exit(err.code)
"""

# Fills the cache, by a command and by Python itself.
FILL = """
import cache

def by_command(path, log):
    cache.run(["dd", "if=/dev/zero", f"of={path}/file", "bs=1M", "count=99"], log)

def by_python(path, _log):
    (path / "file").write_bytes(bytes(99 << 20))

for build in (by_command, by_python):
    try:
        cache.cached("thing", [], build, size=1)
    except OSError as err:
        print("lab:", err)
print("files:", *(path for path in cache.CACHE.rglob("*") if path.stat().st_size > 9999))
"""


def need_root():
    if os.getuid():
        raise Skip("needs root")


class Empty(tempfile.TemporaryDirectory):
    """A temporary directory with an empty cache, at path."""

    def __enter__(self):
        self.path = pathlib.Path(self.name) / "cache"
        self.path.mkdir()
        return self

    def env(self):
        return {"VFIO_MEDIATE_CACHE": str(self.path)}

    def has(self):
        """What is in the cache, but locks and logs."""
        return {path.name for path in self.path.iterdir()} - {"lock", "log"}


def small(directory, size, script):
    """Command that runs a shell script with a small file system at directory,
    which only it can see; its arguments are "$@"."""
    need_root()
    mount = f"mount -t tmpfs -o size={size} tmpfs '{directory}' || exit 99; "
    return ["unshare", "--mount", "sh", "-c", mount + script, "sh"]


def runs():
    return set((BUILD / "run").glob("run-*"))


def ctrl_c():
    """Twice, to make and all below it, as soon as there is a QEMU."""
    before = runs()
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "script"
        script.write_text("#!/bin/sh\nsleep 1000\n", encoding="utf-8")
        case = Case(command=["make", "-C", REPO, "run", f"SCRIPT={script}", "VFS=0"])
        there = case.wait_for(lambda: case.processes("qemu-system-x86_64"))
        case.ctrl_c()
        time.sleep(0.1)
        case.ctrl_c()
        case.wait(LATE)
    large = [path for run in runs() - before for path in run.rglob("*")
             if path.stat().st_size > 1 << 20]
    case.output += "".join(f"\nleft: {path}" for path in large)
    return case, there and not large and case.said("lab: interrupted", case.proc.returncode) \
        and ("Error 130" in case.output or case.proc.returncode == -signal.SIGINT)


def hang_up():
    """Two labs: one makes a tree, the other one waits for it."""
    with Empty() as cache:
        first = Case("lab", "--kernel", "6.12", env=cache.env())
        logs = cache.path / "log"
        there = first.wait_for(lambda: any("running apt-get" in log.read_text()
                                           for log in logs.glob("*.log")))
        second = Case("lab", "--kernel", "6.12", env=cache.env())
        second.read_until("waiting for another lab")
        second.proc.send_signal(signal.SIGHUP)
        good = second.wait(LATE).said("lab: interrupted", 129)
        first.proc.send_signal(signal.SIGTERM)
        good &= first.wait(LATE).said("lab: interrupted", 143)
        first.output += f"\n{second.output}\nleft: {cache.has()}"
        return first, there and good and not cache.has()


def threads():
    """Of what a pool was given, nothing more is started."""
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        case = Case(command=["env", "--ignore-signal=HUP", *program(THREADS, folder)])
        there = case.wait_for(lambda: (top / "0").exists() and (top / "1").exists())
        case.ctrl_c(signal.SIGHUP)      # as below nohup
        time.sleep(0.2)
        there &= case.proc.poll() is None
        case.proc.send_signal(signal.SIGINT)
        case.wait(LATE)
        started = sorted(path.name for path in top.glob("[0-9]"))
        case.output += f"\nstarted: {started}"
        return case, there and case.said("lab: interrupted", 130) and \
            started == ["0", "1"] and case.seconds < LATE


def small_cache():
    with Empty() as cache:
        case = Case("lab", "--kernel", "6.12", env=cache.env(),
                    command=small(cache.path, "64m", '"$@"; status=$?; ls -A "$VFIO_MEDIATE_CACHE"; '
                                  "exit $status") + [LAB / "lab"]).wait()
        return case, case.said(f"no space left in {cache.path}: ") and \
            "building" not in case.output and ".part" not in case.output \
            and " MB free, about " in case.output and " MB needed" in case.output


def full_cache():
    with Empty() as cache:
        case = Case(env=cache.env(),
                    command=small(cache.path, "16m", '"$@"') + program(FILL)).wait()
        text = f"lab: no space left in {cache.path}: 0 MB free, about 1 MB needed"
        return case, case.ended(0) and case.output.count(text) == 2 and \
            case.output.endswith("files:\n") and not case.left


def full_build():
    """The cache has all that is needed, and build/ takes nothing."""
    BUILD.mkdir(exist_ok=True)
    case = Case("run", script="exit 0", command=small(
        BUILD, "256k", f'"$@"; status=$?; find {BUILD} -size +100k; exit $status')
        + [LAB / "lab"]).wait()
    return case, case.said(f"no space left in {BUILD}: 0 MB free") and \
        f"\n{BUILD}/" not in case.output


def full_check():
    """What has passed before the disk was full is counted, and the rest is named."""
    BUILD.mkdir(exist_ok=True)
    case = Case("check", "--suite", "pace,parameters", "--kernel", "6.12",
                env={"LAB_JOBS": "2"}, command=small(BUILD, "400m", '"$@"') + [LAB / "lab"]).wait()
    return case, case.said(f"no space left in {BUILD}: ") and \
        " passed, 0 failed, 0 skipped\nlab: not run: parameters 6.12\n" in case.output


def no_mirror():
    """No network, and a mirror that does not answer; each takes apt some time."""
    good = True
    with Empty() as cache, Empty() as other:
        lists = pathlib.Path(other.name) / "lists"
        lists.mkdir()
        mirror = "http://127.0.0.1:1/debian"
        base = f"{lists}/127.0.0.1:1_debian_dists_trixie"
        pathlib.Path(f"{base}_Release").write_text(
            "Label: Debian\nCodename: trixie\n", encoding="utf-8")
        pathlib.Path(f"{base}_main_binary-amd64_Packages").touch()
        (lists / "list").write_text(f"deb {mirror} trixie main\n", encoding="utf-8")
        conf = lists / "conf"
        conf.write_text(f'Dir::Etc::sourcelist "{lists}/list";\nDir::Etc::sourceparts "-";\n'
                        f'Dir::State::lists "{lists}";\n', encoding="utf-8")
        wrong = Case("lab", "--kernel", "6.12", env={**other.env(), "APT_CONFIG": str(conf)})
        if not os.getuid():
            case = Case("lab", "--kernel", "6.12", env=cache.env(),
                        command=["unshare", "--net", LAB / "lab"]).wait()
            good = case.said("the cache has no build-trixie tree, and Debian's trixie "
                             "cannot be read for it: Failed to fetch ") and not cache.has()
        good &= wrong.wait().said(f"trixie cannot be read for it: Failed to fetch {mirror}/") \
            and not other.has()
        if not os.getuid():
            wrong.output += case.output
        return wrong, good


def blanks():
    """A clone below a directory with a blank, and a cache."""
    with tempfile.TemporaryDirectory(suffix="a b") as folder:
        top = pathlib.Path(folder)
        shutil.copytree(LAB, top / "tests" / "lab")
        for name in ("Makefile", "VERSION", "kernels.toml"):
            shutil.copy(REPO / name, top)
        clone = Case("lab", command=[top / "tests/lab/lab"]).wait()
        cache = Case("lab", env={"VFIO_MEDIATE_CACHE": f"{top}/cache"}).wait()
        made = Case(f"KDIR={top}", command=["make", "-C", top]).wait()
        good = clone.said(f"this directory, {top}, has a blank") and \
            cache.said(f"the cache, {top}/cache, has a blank") and \
            made.ended(2, f"{top} has a blank")
        clone.output += cache.output + made.output
        return clone, good


def old_kernel():
    """What make KDIR= compiles against."""
    with tempfile.TemporaryDirectory() as folder:
        release = pathlib.Path(folder) / "include/config/kernel.release"
        case = Case(f"KDIR={folder}", command=["make", "-C", REPO]).wait()
        good = case.ended(2, "is not the build directory of a kernel")
        release.parent.mkdir(parents=True)
        for version, old in (("6.1.0-26-amd64", True), ("6.2.16", True),
                             ("6.12.0-rc1", False), ("7.2.1+deb14-amd64", False)):
            release.write_text(f"{version}\n", encoding="utf-8")
            case = Case("--dry-run", f"KDIR={folder}", command=["make", "-C", REPO]).wait()
            good &= case.ended(2) and old == (
                f"Linux {version} in KDIR={folder} is too old: 6.12" in case.output)
        return case, good


def no_ids():
    """A user that may map no ids of others."""
    need_root()
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if not shutil.which("newuidmap") or subprocess.run(
            [*user, "sh", "-c", f"test -r {LAB}/lab && bwrap --unshare-user --ro-bind / / true"],
            stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("no user but root can use the lab here")
    with Empty() as cache:
        for path in (cache.name, cache.path):
            os.chown(path, 65534, 65534)
        case = Case("lab", "--kernel", "6.12", command=[*user, LAB / "lab"],
                    env={**cache.env(), "TMPDIR": cache.name}).wait()
        return case, case.said("/etc/subuid has no ids for nobody") and not cache.has()


CASES = [
    ("Ctrl-C leaves no QEMU and no image behind", ctrl_c),
    ("SIGTERM leaves nothing of a tree; SIGHUP ends a lab that waits", hang_up),
    ("a signal ends what threads have started", threads),
    ("a cache that is too small is told before", small_cache),
    ("a full cache is told, and cleaned up", full_cache),
    ("a full build/ is told", full_build),
    ("a full disk leaves make check with the results it has", full_check),
    ("no network, and a wrong mirror, with an empty cache", no_mirror),
    ("blanks in a path are refused", blanks),
    ("a kernel that is too old is refused", old_kernel),
    ("a user without subordinate ids is told", no_ids),
]


if __name__ == "__main__":
    sys.exit(run(CASES))
