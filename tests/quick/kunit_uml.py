#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites in user-mode Linux: the kernel as a process of this machine, with
KASAN, UBSAN, lockdep and kmemleak. Prints TAP."""

# /// suite
# [kunit_uml]
# about = "KUnit suites in user-mode Linux"
# run = "tests/quick/kunit_uml.py"
# quick = true
# host = false
# minutes = 0.4
# timeout = 900
# ///

import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from cache import BUILD, REPO, LabError, cached, digest, locked, run, tail
from host import REPORTS
from kernels import copy_sources
from tap import Tap
from trees import inside, tree

HERE = REPO / "tests" / "quick"
WORK = BUILD / "quick" / "uml"
# Debug information names the lines of a report. The kernel itself does not pass
# alignment checks, so only our code has them.
FLAGS = "-g -fsanitize=alignment"
OPTIONS = ("mem=1G", "root=/dev/root", "rootfstype=hostfs", "init=/init", "rw",
           "time-travel", "kasan_multi_shot", "kunit.enable=1")


def kernel():
    """Cache directory with linux, the kernel, and build, what modules are built with."""
    root = tree("build-trixie")
    config = HERE / "uml.config"

    script = """
        tar -C /kernel -xf /usr/src/linux-source-6.12.tar.xz
        mv /kernel/linux-source-6.12 /kernel/build
        cd /kernel/build
        # Room for the registers of this machine: with AMX they have 11008 bytes.
        sed -i 's/HOST_FP_SIZE, 2696/HOST_FP_SIZE, 12288/' arch/x86/um/user-offsets.c
        grep -q 'HOST_FP_SIZE, 12288' arch/x86/um/user-offsets.c
        export ARCH=um KCONFIG_ALLCONFIG=/uml.config
        make -s allnoconfig
        for line in $(grep ^CONFIG_ /uml.config); do
                grep -qxF "$line" .config || { echo "not kept: $line"; exit 1; }
        done
        make -j"$(nproc)" linux modules
        cp linux /kernel/linux
        # What building a module takes
        mkdir /kernel/kept /kernel/kept/arch
        mv Makefile Kbuild .config Module.symvers include scripts /kernel/kept
        mv arch/um arch/x86 /kernel/kept/arch
        rm -rf /kernel/build
        mv /kernel/kept /kernel/build
        find /kernel/build -name '*.[oa]' -delete
        """

    source = root / "usr/src/linux-source-6.12.tar.xz"
    return cached("kernel-uml", [script, source.stat().st_size, digest(config)],
                  lambda path, log: run(
                      inside(root, ["sh", "-e", "-c", script],
                             writable=[(path, "/kernel")],
                             readable=[(config, "/uml.config")]),
                      log, timeout=3600, what="user-mode Linux"))


def suites():
    """The modules that tests/kunit/Kbuild makes."""
    text = (REPO / "tests/kunit/Kbuild").read_text()
    return sorted(set(re.findall(r"\w+_kunit(?=\.o)", text)))


def build(names):
    """Builds the modules called names, and vfio_mediate, which they call."""
    sources = copy_sources(WORK / "modules")
    targets = ["vfio_mediate.ko", *(f"tests/kunit/{name}.ko" for name in names)]
    log = WORK / "make.log"
    log.unlink(missing_ok=True)
    run(inside(tree("build-trixie"),
               ["sh", "-c", f"make -j$(nproc) -C /kernel/build ARCH=um M={sources} "
                f"VFIO_MEDIATE_TESTS=m KCFLAGS='{FLAGS}' {' '.join(targets)}"],
               writable=[sources, (kernel(), "/kernel")]), log, what="modules for KUnit")
    return [sources / target for target in targets]


def boot(modules):
    """Runs the modules in user-mode Linux; returns the lines of its console."""
    busybox = tree("build-trixie") / "usr/bin/busybox"
    root = WORK / "root"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "dev", "proc", "debug"):
        (root / name).mkdir(parents=True)
    shutil.copy2(busybox, root / "bin")
    for name in ("sh", "mount", "insmod", "sleep", "cat", "poweroff"):
        (root / "bin" / name).symlink_to("busybox")
    shutil.copy2(HERE / "init", root)
    for module in modules:
        shutil.copy2(module, root)
    log = WORK / "console.log"
    log.unlink(missing_ok=True)
    names = ",".join(module.stem for module in modules)
    try:
        run(inside(tree("build-trixie"),
                   ["/kernel/linux", *OPTIONS, f"rootflags={root}", f"modules={names}"],
                   writable=[root], readable=[(kernel(), "/kernel")]),
            log, timeout=300, what="user-mode Linux")
    except LabError as err:
        with open(log, "a", encoding="utf-8") as out:
            out.write(f"\nquick: {str(err).splitlines()[0]}\n")
    return log.read_text(errors="replace").replace("\r", "").splitlines()


SHOWN = 50      # lines of a case that failed
SUITE = re.compile(r"    # Subtest: (\S+)")
PLAN = re.compile(r"    1\.\.(\d+)$")
CASE = re.compile(r"    (not )?ok \d+ (\S+)(?: # SKIP ?(.*))?$")
UP = "quick: up"
RAN = re.compile(r"quick: ran (\S+)")
# Of a stack, all but the callers
NOISE = re.compile(r" \[<[0-9a-f]+>\] \?|Stack:| [0-9a-f]{8,12} [0-9a-f]{8,12} |\s*$")


LEAK = re.compile(r"unreferenced object.*\n(?:  .*\n)*")
LEAKS = re.compile(r"kmemleak: \d+ new suspected memory leaks.*\n")


def own_leaks(lines):
    """Without what KUnit itself leaks: kunit_vm_mmap() does not drop the mm it makes."""
    text = LEAKS.sub("", "".join(f"{line}\n" for line in lines))
    return LEAK.sub(lambda leak: "" if "kunit_vm_mmap+" in leak[0] else leak[0],
                    text).splitlines()


def results(console, modules):
    """(name, passed, why it is skipped, lines) of each case, and of each module as a
    whole: what its cases left behind."""
    suite, planned, count, since = "", 0, 0, []
    missing = list(modules)
    for line in console:
        plan, case, ran = PLAN.match(line), CASE.match(line), RAN.match(line)
        if ran:
            since = own_leaks(since)
        healthy = not any(map(REPORTS.search, since))
        if SUITE.match(line):
            suite = SUITE.match(line)[1]
        elif plan:
            planned += int(plan[1])
            since = [] if healthy else since
        if case:
            count += 1
            yield f"{suite}: {case[2]}", healthy and not case[1], case[3], since
            since = []
        elif line == UP:
            since = []
        elif ran and ran[1] in missing:
            if count != planned or not count:
                since.append(f"{planned} cases planned, {count} reported")
                healthy = False
            missing.remove(ran[1])
            yield f"{ran[1]}: all cases ran and nothing leaks", healthy, None, since
            planned, count, since = 0, 0, []
        else:
            since.append(line)
    for name in missing:
        yield f"{name}: all cases ran and nothing leaks", False, None, since


def main():
    """Prints TAP of all cases."""
    names, tap = suites(), Tap()
    for name, passed, skip, said in results(boot(build(names)), names):
        if skip is not None:
            tap.skip(name, skip)
            continue
        said = [line.replace(f"{WORK}/modules/", "") for line in said
                if not NOISE.match(line)]
        if len(said) > SHOWN:
            said[SHOWN:] = [f"{len(said) - SHOWN} more lines in {WORK}/console.log"]
        tap.ok(passed, name, "\n".join(said))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
