# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the lab itself share: one call of the lab's command."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

import children
from cache import LAB
from tap import Tap

# The lab that runs these tests may have been started with signals ignored.
DEFAULTS = ["env", "--default-signal=INT,TERM,HUP"]


def program(text, *args):
    """Command that runs Python which imports the lab's modules."""
    return ["env", f"PYTHONPATH={LAB}", "PYTHONDONTWRITEBYTECODE=1", "python3", "-c",
            text, *args]


class Skip(Exception):
    """Why a test cannot be run here."""


class Case:
    """One call of the lab, or of command, in a process group of its own; with
    what it printed. Its temporary files are in self.temp."""

    def __init__(self, *args, script="", files=None, command=(LAB / "lab",), env=None):
        self.dir = tempfile.TemporaryDirectory()
        top = pathlib.Path(self.dir.name)
        self.temp = top / "tmp"
        self.temp.mkdir()
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
        self.output = ""
        self.left = []
        self.start = time.monotonic()
        self.proc = children.start(
            [*DEFAULTS, *map(str, (*command, *args))], grace=30,
            stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(self.temp), "LAB_TEST": self.dir.name,
                 **(env or {})})

    def wait(self, timeout=450):
        # By default, time for a host that never comes up and for a second one.
        try:
            self.output += self.proc.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            children.end(self.proc)
            self.output += self.proc.communicate()[0] + "\n(ended: no end by itself)"
        finally:
            children.end(self.proc)
            self.seconds = time.monotonic() - self.start
            self.left = [*self.processes(), *self.temp.iterdir()]
            self.dir.cleanup()
        return self

    def read_until(self, text):
        while text not in self.output:
            line = self.proc.stdout.readline()
            if not line:
                break
            self.output += line

    def processes(self, name=""):
        """Commands of processes below this one, of the program name."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                environ = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(name.encode()) and \
                    f"LAB_TEST={self.dir.name}".encode() in environ:
                found.append(b" ".join(words).decode(errors="replace"))
        return found

    def wait_for(self, what, seconds=120):
        """Waits until what() is true, as long as the lab runs."""
        deadline = time.monotonic() + seconds
        while not what() and self.proc.poll() is None and time.monotonic() < deadline:
            children.pause(0.1)
        return bool(what())

    def ctrl_c(self, number=signal.SIGINT):
        """Sends a signal to all of the process group, as a terminal does."""
        os.killpg(self.proc.pid, number)

    def ended(self, status, *texts):
        """Did it return status, and print all of texts?"""
        return self.proc.returncode == status and \
            all(text in self.output for text in texts)

    def said(self, text, status=2):
        """Did it end with the one line text, and leave nothing behind?"""
        lines = [line for line in self.output.splitlines()
                 if line.startswith(("lab: error: ", "lab: interrupted"))]
        self.output += "".join(f"\nleft: {left}" for left in self.left)
        return self.ended(status) and len(lines) == 1 and text in lines[0] and \
            "Traceback" not in self.output and not self.left


def run(cases):
    """Prints TAP of cases, each a name and a function that returns a Case and whether
    all was well. Returns the exit status."""
    children.catch_signals()
    tap = Tap()
    try:
        for name, test in cases:
            try:
                case, passed = test()
            except Skip as why:
                tap.skip(name, why)
                continue
            tap.ok(passed, name, f"returned {case.proc.returncode} after "
                   f"{case.seconds:.0f} s\n{case.output}")
        return tap.done()
    finally:
        children.end_all()
