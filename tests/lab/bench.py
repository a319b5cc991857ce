# SPDX-License-Identifier: GPL-2.0-only
"""make bench: measures on the lab host, and says which targets are missed."""

import json

import host
import kernels
from cache import BUILD, REPO, say
from check import build_programs

RESULTS = BUILD / "bench.json"


def access_files():
    work = build_programs("tests/bench")
    return {"access.py": REPO / "tests" / "bench" / "access.py",
            "access": work / "access"}


# A job on the lab host, which leaves NAME.json in /out, and what it needs.
SUITES = {"access": ("./access.py ./access", access_files)}


def bench(only, kernel, build_lab):
    """Returns the exit status of make bench: 1 when a target was missed, or
    when something went wrong."""
    build_lab([kernel])
    figures = {"kernel": kernels.kernel(kernel).version}
    failed = False
    for name, (job, files) in SUITES.items():
        if only not in (None, name):
            continue
        outcome = host.boot(kernel, job, files(), name=f"bench-{name}",
                            threads="icount")
        measured = outcome.out / f"{name}.json"
        if measured.exists():
            figures[name] = json.loads(measured.read_text())
        if outcome.reports or outcome.why or not measured.exists():
            host.report(outcome)
        failed = failed or outcome.failed()
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    say(f"figures in {RESULTS.relative_to(REPO)}")
    return int(failed)
