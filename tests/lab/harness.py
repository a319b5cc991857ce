# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the lab itself: that its verdicts are to be trusted, that nothing
hangs, and that nothing is left running."""

# /// suite
# [harness]
# about = "the lab's own verdicts, deadlines and clean-up"
# run = "tests/lab/harness.py"
# daily = [""]
# host = false
# minutes = 4
# timeout = 1800
# ///

import os
import pathlib
import signal
import subprocess
import tempfile
import time

from cache import LAB

LIMIT = 40      # seconds given to a job that hangs; booting takes about 15


class Case:
    """One call of the lab's command, with what it printed."""

    def __init__(self, *args, script="", files=None):
        self.dir = tempfile.TemporaryDirectory()
        top = pathlib.Path(self.dir.name)
        if script:
            path = top / "script"
            # Not executable: the lab sees to that.
            path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
            args = (*args, "--script", path)
        if files:
            (top / "files").mkdir()
            for name, text in files.items():
                (top / "files" / name).write_text(text, encoding="utf-8")
            args = (*args, "--files", top / "files")
        self.start = time.monotonic()
        self.proc = subprocess.Popen(
            [LAB / "lab", *map(str, args)], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = ""

    def wait(self, timeout=300):
        try:
            self.output += self.proc.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.output += self.proc.communicate()[0] + "\n(killed)"
        self.seconds = time.monotonic() - self.start
        self.dir.cleanup()
        return self

    def read_until(self, text):
        while text not in self.output:
            line = self.proc.stdout.readline()
            if not line:
                break
            self.output += line

    def ended(self, status, *texts):
        """Did it return status, and print all of texts?"""
        return self.proc.returncode == status and \
            all(text in self.output for text in texts)


def qemus(parent):
    """QEMUs that were started below the process parent, dead or alive."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environ = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"qemu-system-x86_64") and \
                f"LAB_TEST={parent}".encode() in environ:
            found.append(int(entry.name))
    return found


def status_and_files():
    case = Case("run", "--vfs", 3, files={"hello": "hi"}, script="""
        [ "$(cat /files/hello)" = hi ] || exit 1
        touch /files/new 2> /dev/null && exit 2
        [ "$(vfctl list | wc -l)" = 3 ] || exit 3
        for vf in $LAB_VFS; do
                readlink /sys/bus/pci/devices/$vf/driver |
                        grep -q 'vfio-pci-mediate$' || exit 4
        done
        exit 7
        """).wait()
    return case, case.ended(7, "exit status 7", "console log: ")


def no_vfs():
    case = Case("run", "--vfs", 0, script='[ -z "$LAB_VFS" ]').wait()
    return case, case.ended(0)


def provoked(crash, report):
    """A script that returns 0 after the kernel did what lkdtm calls crash."""
    case = Case("run", "--kernel", "debug", script=f"""
        modprobe lkdtm || exit 3
        echo {crash} > /sys/kernel/debug/provoke-crash/DIRECT
        exit 0
        """).wait()
    return case, case.ended(1, "exit status 0", "kernel report: ", report)


def warning():
    return provoked("WARNING", "WARNING: ")


def use_after_free():
    return provoked("READ_AFTER_FREE", "KASAN: ")


def panic():
    case = Case("run", script="echo c > /proc/sysrq-trigger").wait()
    return case, case.ended(125, "the lab host ended before the job did",
                            "sysrq triggered crash")


def hang():
    case = Case("run", "--timeout", LIMIT,
                script="echo about to hang; sleep 1000").wait()
    return case, case.ended(125, f"no end after {LIMIT} s",
                            "last lines of the job:\nabout to hang",
                            "last lines of the console:") \
        and case.seconds < LIMIT + 30


def set_up_fails():
    case = Case("run", "--pf", "sample_nic", "--vfs", "8", script="exit 0").wait()
    return case, case.ended(125, "cannot make 8 VFs",
                            "the lab host's own set-up failed")


def terminated():
    os.environ["LAB_TEST"] = str(os.getpid())
    try:
        case = Case("run", script="echo running; sleep 1000")
    finally:
        del os.environ["LAB_TEST"]
    case.read_until("running")
    alive = len(qemus(os.getpid()))
    case.proc.send_signal(signal.SIGTERM)
    case.wait(20)
    time.sleep(1)
    left = len(qemus(os.getpid()))
    case.output += f"\n{alive} QEMU before SIGTERM, {left} after\n"
    return case, case.ended(143) and alive == 1 and left == 0


def side_by_side():
    script = "sleep 5; exit $(vfctl list | wc -l)"
    cases = [Case("run", "--vfs", vfs, script=script) for vfs in (1, 2)]
    for case in cases:
        case.wait()
    good = [case.ended(vfs) for case, vfs in zip(cases, (1, 2))]
    cases[0].output += cases[1].output
    return cases[0], all(good)


def second_build():
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
    ("run returns the script's status; FILES is there, read-only; VFS=3",
     status_and_files, None),
    ("run with VFS=0", no_vfs, None),
    ("a WARN fails a script that returned 0", warning, "debug"),
    ("a KASAN report fails a script that returned 0", use_after_free, "debug"),
    ("a panic is a failure, with the console's last lines", panic, None),
    ("a hang ends at its deadline, with the last lines", hang, None),
    ("a PF driver that does not drive the PF is told apart", set_up_fails, None),
    ("SIGTERM leaves no QEMU behind", terminated, None),
    ("two labs run side by side", side_by_side, None),
    ("a second build of the lab takes seconds", second_build, None),
    ("wrong calls are refused with a reason", wrong_calls, None),
]


def lines(kernel):
    """TAP of all cases; those that need a kernel other than the chosen one
    are skipped."""
    yield f"1..{len(CASES)}"
    for number, (name, test, needs) in enumerate(CASES, 1):
        if needs and kernel not in (None, needs):
            yield f"ok {number} - {name} # SKIP needs the {needs} kernel"
            continue
        case, passed = test()
        yield f"{'' if passed else 'not '}ok {number} - {name}"
        if not passed:
            yield f"  # returned {case.proc.returncode} " \
                  f"after {case.seconds:.0f} s"
            yield from (f"  # {line}" for line in case.output.splitlines())
