#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the lab itself: that its verdicts are to be trusted, that a host which jobs
share is put back between them, and that nothing hangs. What goes wrong around the lab is
tested by adverse.py."""

# /// suite
# [harness]
# about = "the lab's own verdicts and deadlines"
# run = "tests/lab/harness.py"
# daily = [""]
# host = false
# minutes = 2.5
# timeout = 1800
# ///

import functools
import json
import pathlib
import sys
import tempfile

from cache import LAB
from case import Case, program, run

LIMIT = 5       # seconds given to a job that hangs

# A session whose jobs are described by the arguments; says what became of each.
SESSION = """
import json, pathlib, sys
import kernels, session
from host import Job, Machine

session.GRACE, session.BETWEEN = 2, 60
top = pathlib.Path(sys.argv[1])
jobs = [Job(name, f"./{name}", **options) for name, options in json.loads(sys.argv[2])]
for outcome in session.Session(
        Machine(kernels.DEFAULT), jobs, {job.name: top / job.name for job in jobs},
        users_files=top, name="harness").run():
    print(json.dumps([outcome.name, outcome.status, outcome.why, outcome.left,
                      outcome.lines, str(outcome.console)]))
"""

# Name, options of Job, script. What comes after a job that spoils the host has another.
JOBS = [
    ("status", {"vfs": 3}, """
        grep -q vfctl /files/status || exit 1
        touch /files/new 2> /dev/null && exit 2
        [ "$(vfctl list | wc -l)" = 3 ] || exit 3
        for vf in $LAB_VFS; do
                readlink /sys/bus/pci/devices/$vf/driver |
                        grep -q 'vfio-pci-mediate$' || exit 4
        done
        echo it is seven
        exit 7
        """),
    ("untidy", {"vfs": 0}, """
        [ -z "$LAB_VFS" ] || exit 1
        setsid sleep 1000 > /dev/null 2>&1 &
        touch /tmp/forgotten
        mkdir /mnt/forgotten
        mount -t tmpfs forgotten /mnt/forgotten
        exit 0
        """),
    ("tidy", {"vfs": 2}, """
        [ "$(echo $LAB_VFS | wc -w)" = 2 ] || exit 1
        [ -e /tmp/forgotten ] && exit 2
        grep forgotten /proc/mounts && exit 3
        pgrep -x sleep && exit 4
        exit 0
        """),
    ("eight", {"vfs": 8, "pf": "sample_nic"}, "exit 0"),
    ("fresh", {"vfs": 1}, "exit 0"),
    ("still", {"vfs": 0, "timeout": 3}, """
        echo stands still
        pkill -STOP -f /jobs.py
        sleep 1000
        """),
    ("hangs_after", {"vfs": 0}, """
        echo remove igb sleep 1000 > /etc/modprobe.d/hangs.conf
        exit 0
        """),
    ("last", {"vfs": 0}, "exit 0"),
]


@functools.cache
def session():
    """What became of JOBS: the call, and {name: what SESSION says}."""
    with tempfile.TemporaryDirectory() as folder:
        for name, _, script in JOBS:
            (pathlib.Path(folder) / name).write_text(f"#!/bin/sh\n{script}",
                                                     encoding="utf-8")
        case = Case(command=program(SESSION, folder, json.dumps(
            [(name, options) for name, options, _ in JOBS]))).wait()
    found = {}
    for line in case.output.splitlines():
        if line.startswith("["):
            name, *rest = json.loads(line)
            found[name] = rest
    return case, found


def of_session(judge):
    """A case that looks at some outcomes of the session."""
    def test():
        case, found = session()
        good = len(found) == len(JOBS) and case.ended(0)
        return case, good and judge(**found)
    return test


def same(one, other):
    """Were two jobs on the same host?"""
    return one[-1] == other[-1]


def status_and_files(status, **_):
    return status[:4] == [7, "", [], ["it is seven"]]


def untidy(untidy, tidy, **_):
    left = " ".join(untidy[2])
    return untidy[0] == 0 and len(untidy[2]) == 3 and "sleep 1000" in left and \
        "/tmp/forgotten" in left and "/mnt/forgotten" in left and \
        tidy[:3] == [0, "", []] and same(untidy, tidy)


def set_up_fails(tidy, eight, **_):
    return eight[0] == 125 and "the lab host's own set-up failed" in eight[1] and \
        same(tidy, eight)


def fresh(eight, fresh, **_):
    return fresh[:3] == [0, "", []] and not same(eight, fresh)


def stands_still(still, **_):
    return still[0] == 125 and still[1] == "no end after 5 s" and \
        still[3] == ["stands still"]


def hangs_after(hangs_after, last, **_):
    return hangs_after[0] == 0 and "did not get over the job: no end after" in hangs_after[1] \
        and last[:3] == [0, "", []] and not same(hangs_after, last)


def provoked():
    """A script that returns 0 after the kernel did what lkdtm calls that."""
    case = Case("run", "--kernel", "debug", "--vfs", 0, script="""
        modprobe lkdtm || exit 3
        echo 0 > /proc/sys/kernel/panic_on_warn
        echo WARNING > /sys/kernel/debug/provoke-crash/DIRECT
        echo READ_AFTER_FREE > /sys/kernel/debug/provoke-crash/DIRECT
        exit 0
        """).wait()
    reports = [line for line in case.output.splitlines() if "kernel report: " in line]
    return case, case.ended(1, "exit status 0") and \
        all(any(text in line for line in reports) for text in ("WARNING: ", "KASAN: "))


def warning_ends():
    """On the debug kernel, the first warning is the last."""
    case = Case("run", "--kernel", "debug", "--vfs", 0, script="""
        modprobe lkdtm || exit 3
        echo WARNING > /sys/kernel/debug/provoke-crash/DIRECT
        sleep 60
        """).wait()
    return case, case.ended(125, "panic_on_warn set")


def panic():
    case = Case("run", "--vfs", 0, script="echo c > /proc/sysrq-trigger").wait()
    return case, case.ended(125, "the lab host ended before the job did",
                            "sysrq triggered crash")


def side_by_side():
    """Two labs at a time, of which one hangs."""
    hangs = Case("run", "--vfs", 1, "--timeout", LIMIT,
                 script="echo about to hang; sleep 1000")
    ends = Case("run", "--vfs", 2, files={"hello": "hi"}, script="""
        [ "$(cat /files/hello)" = hi ] && exit $(vfctl list | wc -l)
        """).wait()
    good = hangs.wait().ended(124, f"no end after {LIMIT} s",
                              "last lines of the job:\nabout to hang",
                              "last lines of the console:") and \
        ends.ended(2, "exit status 2", "console log: ")
    hangs.output += ends.output
    return hangs, good


def second_build():
    # No other suite may have needed yet what the first one builds.
    case = Case("lab").wait()
    if case.ended(0, "ready in "):
        case = Case("lab").wait()
    return case, case.ended(0, "ready in ") and case.seconds < 10


def wrong_calls():
    calls = [((), "usage: "),
             (("run",), "make run needs SCRIPT=path"),
             (("run", "--script", "/nonexistent"), "no such file"),
             (("run", "--kernel", "5.10"), "invalid choice"),
             (("run", "--vfs", 99), "invalid choice"),
             (("run", "--script", LAB / "lab", "--files", "/nonexistent"),
              "no such directory"),
             (("check", "--suite", "nonsense"), "choose from")]
    cases = [(Case(*args).wait(), text) for args, text in calls]
    bad = [case for case, text in cases if not case.ended(2, text)]
    return (bad or [cases[0][0]])[0], not bad


CASES = [
    ("wrong calls are refused with a reason", wrong_calls),
    ("a second build of the lab takes seconds", second_build),
    ("a script's status and output; FILES is there, read-only; VFS=3",
     of_session(status_and_files)),
    ("VFS=0; what a job leaves is told, and removed before the next", of_session(untidy)),
    ("a PF driver that does not drive the PF is told apart", of_session(set_up_fails)),
    ("after which the next job has a fresh host", of_session(fresh)),
    ("a host that stands still is ended at its deadline", of_session(stands_still)),
    ("a host that hangs after a job's end is ended, and fails the job",
     of_session(hangs_after)),
    ("a WARN and a KASAN report fail a script that returned 0", provoked),
    ("a warning ends the debug kernel", warning_ends),
    ("a panic is a failure, with the console's last lines", panic),
    ("two labs run side by side; a job that hangs is ended, with its last lines",
     side_by_side),
]


if __name__ == "__main__":
    sys.exit(run(CASES))
