# SPDX-License-Identifier: GPL-2.0-only
"""Two lab hosts with their cards on one network segment, and a network of their
own besides."""

import concurrent.futures
import dataclasses
import pathlib
import tempfile

import host


def boot(kernel_name, job, *args, echo=host.show, name="run", **options):
    """host.boot() twice at a time. LAB_HOST tells the job which of the two it is
    on: 0, whose output counts, or 1."""
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(host.boot, kernel_name, job, *args,
                             echo=echo if number == 0 else lambda line: None,
                             name=f"{name}-{number}",
                             wire=host.Wire(pathlib.Path(folder), number),
                             **options)
                 for number in (0, 1)]
        first, second = [task.result() for task in tasks]
    if second.failed():
        return dataclasses.replace(
            first, status=first.status or second.status,
            reports=first.reports + second.reports,
            why=first.why or f"the other host: {second.verdict()}, "
            f"{second.console}, {second.output[-1000:]}")
    return first
