# SPDX-License-Identifier: GPL-2.0-only
"""Boots a lab host, has it run jobs one after the other, and judges each by its exit
status, by what it left, and by the kernel's console."""

import contextlib
import dataclasses
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from cache import BUILD, LabError, need_space, say, tail
from children import child, pause
from host import REPORTS, accelerator, make_image, make_job_disk, qemu_command
from kernels import kernel
from tap import RESULT

START = "lab: host up"   # before it, the kernel talks of its CPU and firmware
BOOT = 150      # s until then, which are 15 to 60
BETWEEN = 240   # s for all that is between two jobs
GRACE = 60      # s after a job's time, in which the host is to end it by itself
OUT_SIZE = 256 << 20
MEGABYTES = 500     # that the disks of a host take, and what it writes to them
KEPT_RUNS = 200     # more than make check-all boots
# What jobs.py says of a job on the lab host
SAID = re.compile(r"lab: (begin|end|checked|left|spoilt|set-up) (\S+) ?(.*)")


@dataclasses.dataclass
class Outcome:
    """What became of one job."""
    name: str
    status: int = None      # the job's own, 125 when it never finished
    reports: list = dataclasses.field(default_factory=list)     # of the kernel
    out: pathlib.Path = None        # what the job left in /out
    console: pathlib.Path = None    # of the host, of which kernel is the job's part
    kernel: str = ""
    lines: list = dataclasses.field(default_factory=list)   # that the job printed
    left: list = dataclasses.field(default_factory=list)    # that it should not have left
    seconds: float = 0
    why: str = ""           # why it never finished, or cannot be trusted
    checked: bool = False   # the host was looked at afterwards
    aborted: bool = False   # the outer QEMU itself died: no verdict about the job

    def failed(self):
        return bool(self.status or self.reports or self.why or self.left)

    def verdict(self):
        if self.why:
            return self.why
        if self.reports:
            return f"kernel report: {self.reports[0]}"
        if self.left:
            more = f" and {len(self.left) - 5} more" if len(self.left) > 5 else ""
            return f"left behind: {', '.join(self.left[:5])}{more}"
        return f"exit status {self.status}"


class Reader:
    """Takes the lines that a host prints apart: which job said what."""

    def __init__(self, echo, ended):
        self.echo, self.ended = echo, ended
        self.outcomes = {}
        self.current = None     # the job that runs
        self.since = time.monotonic()   # when the last one began or ended
        self.booted = False
        self.stopped = ""       # why QEMU had to be ended
        self.aborted = ""       # the same, and it says nothing about the jobs
        self.over = ""          # why the host did no more jobs
        self.rest = ""

    def take(self, text, ended):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines + ([self.rest] if ended and self.rest else []):
            self.line(line.rstrip("\r"))

    def line(self, line):
        match = SAID.fullmatch(line)
        if not match and self.current and \
                (at := line.find(f"lab: end {self.current.name} ")) > 0:
            # The job's last line had no end.
            self.line(line[:at])
            match = SAID.fullmatch(line[at:])
        if not match:
            if self.current:
                self.current.lines.append(line)
                self.echo(line)
            elif line.startswith("lab: over "):
                self.over = line.removeprefix("lab: over ")
            elif line.strip():
                say(line)
            return
        what, name, text = match.groups()
        outcome = self.outcomes.setdefault(name, Outcome(name))
        if what == "begin":
            self.current, self.since = outcome, time.monotonic()
        elif what == "end":
            self.current, self.since = None, time.monotonic()
            status, seconds = text.split()
            outcome.status, outcome.seconds = int(status), float(seconds)
            self.ended(outcome)
        elif what == "checked":
            outcome.checked = True
        elif what == "left":
            outcome.left.append(text)
        elif what == "spoilt":
            outcome.why = text
        else:
            outcome.status = 125
            outcome.why = f"the lab host's own set-up failed: {text}"


def watch(proc, work, reader, timeouts):
    """Until QEMU ends, or has to be ended: then reader.stopped says why."""
    output = work / "output.log"
    boot_ends = time.monotonic() + BOOT
    position = 0
    while True:
        ended = proc.poll() is not None
        try:
            with open(output, "rb") as file:
                file.seek(position)
                text = file.read()
        except FileNotFoundError:
            text = b""
        position += len(text)
        reader.take(text.decode(errors="replace"), ended)
        if ended:
            return
        now = time.monotonic()
        if not reader.booted and now > boot_ends:
            # Now and then TCG loses the timer interrupt of a CPU; if it does before
            # there is user space, then before anything of ours was loaded.
            reader.booted = START in (work / "console.log").read_text(errors="replace")
            if not reader.booted:
                reader.aborted = f"no user space on the lab host after {BOOT} s"
        if reader.current:
            allowed = timeouts[reader.current.name] + GRACE
        else:
            allowed = BETWEEN + (0 if reader.outcomes else BOOT)
        if now > reader.since + allowed:
            reader.stopped = f"no end after {allowed} s"
        if reader.stopped or reader.aborted:
            return
        pause(0.1)


def job_console(text, name):
    """The part of the console in which the kernel spoke of a job."""
    part = text.partition(f"lab: job {name} starts\n")[2]
    return part.partition(f"lab: job {name} ends\n")[0]


def unpack(work):
    """What the jobs left in /out."""
    out = work / "out"
    out.mkdir()
    # A host that ended early left zeros, an empty archive.
    subprocess.run(["tar", "-C", out, "--no-same-owner", "-xf", work / "out.tar"],
                   stderr=subprocess.DEVNULL, check=False)
    (work / "out.tar").unlink()
    return out


def judge(work, reader, qemu_status):
    """Completes the outcomes of those jobs that have begun."""
    console = work / "console.log"
    text = console.read_text(errors="replace") if console.exists() else ""
    text = text.replace("\r", "").partition(START)[2]
    out = unpack(work)
    died = f"the outer QEMU ended by itself ({qemu_status}):\n{tail(work / 'qemu.log')}"
    if qemu_status and not reader.outcomes and not reader.stopped:
        reader.aborted = reader.aborted or died
    before = text.partition("lab: job ")[0]     # our modules were loaded in it
    for name, outcome in reader.outcomes.items():
        outcome.console, outcome.out = console, out / f"job-{name}"
        outcome.kernel, before = before + job_console(text, name), ""
        outcome.reports = [line.strip() for line in outcome.kernel.splitlines()
                           if REPORTS.search(line)]
        if outcome.why or outcome.checked:
            continue
        if outcome.status is not None:
            outcome.why = "the lab host did not get over the job: " \
                          f"{reader.stopped or 'it ended'}"
            continue
        outcome.status, outcome.seconds = 125, time.monotonic() - reader.since
        outcome.why = reader.stopped or "the lab host ended before the job did"
        if reader.stopped or outcome.reports:
            continue
        # A panic is on the console, and so is a reboot that somebody asked for.
        if qemu_status:
            outcome.aborted = True
            outcome.why = died
        elif "reboot: " not in text and accelerator() == "tcg":
            outcome.aborted = True
            outcome.why = "the lab host was reset without a word"


@contextlib.contextmanager
def disks(work):
    """Whatever becomes of a host, its disks do not stay."""
    try:
        need_space(BUILD, MEGABYTES)
        yield
    finally:
        shutil.rmtree(work / "lab", ignore_errors=True)
        for disk in (*work.glob("*.img"), work / "out.tar"):
            disk.unlink(missing_ok=True)


class Session:
    """Jobs that can share a machine. files are what all of them find in their working
    directory, by name; users_files is a directory they see as /files. echo is called with
    each line that a job prints, ended with what is known of a job when it has ended."""

    def __init__(self, machine, jobs, files, users_files=None, qemus=(), name="run",
                 echo=lambda line: None, ended=lambda outcome: None, wire=None,
                 interactive=False):
        if users_files and not pathlib.Path(users_files).is_dir():
            raise LabError(f"FILES={users_files}: no such directory")
        self.machine = machine
        self.todo = list(jobs)
        self.files, self.users_files, self.qemus = files, users_files, qemus
        self.name, self.echo, self.ended, self.wire = name, echo, ended, wire
        self.interactive = interactive
        self.tried = set()

    def folder(self):
        runs = BUILD / "run"
        runs.mkdir(parents=True, exist_ok=True)
        prune(runs)
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=runs))

    def start(self, work):
        """Boots a host once; returns the reader of what it printed."""
        kern = kernel(self.machine.kernel)
        make_job_disk(kern, work, self.todo, self.files, self.qemus, self.wire)
        if self.users_files:
            make_image(pathlib.Path(self.users_files), work / "files.img",
                       work / "files-image.log")
        with open(work / "out.tar", "wb") as tar:
            tar.truncate(OUT_SIZE)
        cmd = qemu_command(self.machine, kern, work, self.interactive, self.wire)
        reader = Reader(self.echo, self.ended)
        with open(work / "qemu.log", "wb") as log:
            streams = {"start_new_session": False} if self.interactive else \
                {"stdin": subprocess.DEVNULL, "stdout": log}
            with child(cmd, grace=0, stderr=log, **streams) as proc:
                if self.interactive:
                    proc.wait()
                else:
                    watch(proc, work, reader, {job.name: job.timeout for job in self.todo})
        judge(work, reader, proc.returncode)
        return reader

    def run(self):
        """Yields the outcome of each job. A host that a job has spoilt is not used for
        the next one; what an outer QEMU that died was at is tried once more."""
        while self.todo:
            work = self.folder()
            with disks(work):
                reader = self.start(work)
            for job in [job for job in self.todo if job.name in reader.outcomes]:
                outcome = reader.outcomes[job.name]
                # Of a pair of hosts, one alone is of no use.
                if outcome.aborted and job.name not in self.tried and not self.wire:
                    self.tried.add(job.name)
                    say(f"{outcome.why}\nlab: that says little about {job.name}: "
                        "trying again")
                    continue
                self.todo.remove(job)
                yield outcome
            if reader.outcomes:
                continue
            # Nothing was begun at all.
            if "" not in self.tried and reader.aborted and not self.wire:
                self.tried.add("")
                say(f"{reader.aborted}\nlab: trying again")
                continue
            for job in self.todo:
                yield Outcome(job.name, 125, console=work / "console.log",
                              out=work / "out", aborted=bool(reader.aborted),
                              why=reader.aborted or reader.over or
                              "the lab host did not start")
            return


def run_one(machine, job, files, **options):
    """The outcome of a job that has a host for itself."""
    return next(Session(machine, [job], files, name=job.name, **options).run())


def pass_on(tap, outcome, prefix, host):
    """Adds the results of a job, and that of its host, to those of the test that has run it."""
    last = "\n".join(outcome.lines[-40:])
    for line in outcome.lines:
        if match := RESULT.match(line):
            tap.result(match, prefix, last)
    tap.ok(not outcome.failed() and outcome.lines, f"{host}: {outcome.verdict()}", last)


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
