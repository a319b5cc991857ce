# SPDX-License-Identifier: GPL-2.0-only
"""Two lab hosts with their cards on one network segment, and a network of their
own besides."""

import concurrent.futures
import pathlib
import tempfile

import host
from cache import say
from session import run_one


def run(machine, jobs, files, name="run", echo=None, ended=None, **options):
    """Yields the outcome of each job, which is run on two lab hosts at a time. LAB_HOST
    tells it which of the two it is on: 0, whose output counts, or 1."""
    del name
    for job in jobs:
        first, second = both(machine, job, files, echo, ended, options)
        if first.aborted or second.aborted:
            say(f"{(first if first.aborted else second).why}\nlab: that says little about "
                f"{job.name}: trying again")
            first, second = both(machine, job, files, echo, ended, options)
        if second.failed():
            first.status = first.status or second.status
            first.reports += second.reports
            first.why = first.why or f"the other host: {second.verdict()}, " \
                f"{second.console}, {' '.join(second.lines[-10:])}"
        yield first


def both(machine, job, files, echo, ended, options):
    """The outcomes of a job on the two hosts."""
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(run_one, machine, job, files,
                             **({"echo": echo, "ended": ended} if number == 0 else {}),
                             wire=host.Wire(pathlib.Path(folder), number), **options)
                 for number in (0, 1)]
        return [task.result() for task in tasks]
