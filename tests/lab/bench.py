# SPDX-License-Identifier: GPL-2.0-only
"""make bench: measures on the lab host, and says which targets are missed."""

import dataclasses
import json

import host
import kernels
import qemus
from cache import BUILD, REPO, say
from programs import build_programs, job_files
from results import report
from session import run_one

RESULTS = BUILD / "bench.json"


def access_files():
    work = build_programs("tests/bench")
    return {"access.py": REPO / "tests" / "bench" / "access.py",
            "access": work / "access"}


def dirty_files():
    work = build_programs("tests/bench")
    return {"dirty_cost.py": REPO / "tests" / "bench" / "dirty_cost.py",
            "dirty_cost": work / "dirty_cost"}


def stop_files():
    work = build_programs("tests/bench")
    return {"stop_cost.py": REPO / "tests" / "bench" / "stop_cost.py",
            "stop_cost": work / "stop_cost"}


def migration_files():
    return {**job_files(), "migration.py": REPO / "tests" / "bench" / "migration.py"}


@dataclasses.dataclass
class Suite:
    """A job on the lab host, which leaves NAME.json in /out. What it is told by make bench
    is put into its command line by name."""
    job: str
    files: object               # function: what the job finds beside it
    pf: str = "igb"             # who drives the PF
    threads: str = "icount"     # see host.Machine
    asked: bool = False         # it is run only where it is named
    timeout: int = 600          # s, for each time that it measures


SUITES = {"access": Suite("./access.py ./access", access_files),
          "dirty": Suite("./dirty_cost.py ./dirty_cost", dirty_files, "sample_nic"),
          "stop": Suite("./stop_cost.py ./stop_cost", stop_files, "sample_nic"),
          "migration": Suite("./migration.py {qemu} {times} {memory}", migration_files,
                             "sample_nic", "multi", asked=True)}


def bench(only, kernel, build_lab, qemu, times, memory):
    """Returns the exit status of make bench: 1 when a target was missed, or
    when something went wrong."""
    build_lab([kernel])
    others = [] if qemu == qemus.OWN else [qemu]
    figures = {"kernel": kernels.kernel(kernel).version}
    failed = False
    for name, suite in SUITES.items():
        if only != name and (only or suite.asked):
            continue
        job = suite.job.format(qemu=qemu, times=times, memory=memory)
        outcome = run_one(host.Machine(kernel, suite.threads),
                          host.Job(f"bench-{name}", job, suite.pf, last=True,
                                   timeout=suite.timeout * times if suite.asked else
                                   suite.timeout),
                          suite.files(), echo=lambda line: print(line, flush=True),
                          qemus=others if suite.asked else [])
        measured = outcome.out / f"{name}.json"
        if measured.exists():
            figures[name] = json.loads(measured.read_text())
        if outcome.reports or outcome.why or not measured.exists():
            report(outcome)
        failed = failed or outcome.failed()
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    say(f"figures in {RESULTS.relative_to(REPO)}")
    return int(failed)
