# SPDX-License-Identifier: GPL-2.0-only
"""make bench: measures on the lab host, and says which targets are missed."""

import dataclasses
import json

import host
import kernels
from cache import BUILD, REPO, say
from programs import build_programs
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


@dataclasses.dataclass
class Suite:
    """A job on the lab host, which leaves NAME.json in /out."""
    job: str
    files: object               # function: what the job finds beside it
    pf: str = "igb"             # who drives the PF


SUITES = {"access": Suite("./access.py ./access", access_files),
          "dirty": Suite("./dirty_cost.py ./dirty_cost", dirty_files, "sample_nic")}


def bench(only, kernel, build_lab):
    """Returns the exit status of make bench: 1 when a target was missed, or
    when something went wrong."""
    build_lab([kernel])
    figures = {"kernel": kernels.kernel(kernel).version}
    failed = False
    for name, suite in SUITES.items():
        if only not in (None, name):
            continue
        outcome = run_one(host.Machine(kernel, "icount"),
                          host.Job(f"bench-{name}", suite.job, suite.pf, last=True),
                          suite.files(), echo=lambda line: print(line, flush=True))
        measured = outcome.out / f"{name}.json"
        if measured.exists():
            figures[name] = json.loads(measured.read_text())
        if outcome.reports or outcome.why or not measured.exists():
            report(outcome)
        failed = failed or outcome.failed()
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    say(f"figures in {RESULTS.relative_to(REPO)}")
    return int(failed)
