# SPDX-License-Identifier: GPL-2.0-only
"""make bench: measures on the lab host, and says which targets are missed."""

import dataclasses
import itertools
import json

import downtimes
import host
import kernels
import qemus
from cache import BUILD, REPO, say
from programs import build_programs, job_files
from results import report
from session import run_one

RESULTS = BUILD / "bench.json"
PICTURE = BUILD / "bench-migration.svg"
HOST_MEMORY = 2048          # MiB, besides that of two guests


def cost_files(name):
    """A script and the program that it runs."""
    def files():
        return {f"{name}.py": REPO / "tests" / "bench" / f"{name}.py",
                name: build_programs("tests/bench") / name}

    return files


def migration_files():
    return {**job_files(), "migration.py": REPO / "tests" / "bench" / "migration.py"}


def nvme_files():
    return {**job_files(("fio",)), "nvme_cost.py": REPO / "tests" / "bench" / "nvme_cost.py"}


@dataclasses.dataclass
class Suite:
    """A job on the lab host, which leaves NAME.json in /out. What it is told by make bench
    is put into its command line by name."""
    job: str
    files: object               # function: what the job finds beside it
    pf: str = "igb"             # who drives the PFs
    threads: str = "icount"     # see host.Machine
    pfs: int = 1
    timeout: int = 600          # s, for each time that it measures


SUITES = {"access": Suite("./access.py ./access", cost_files("access")),
          "dirty": Suite("./dirty_cost.py ./dirty_cost", cost_files("dirty_cost"),
                         "sample_nic"),
          "stop": Suite("./stop_cost.py ./stop_cost", cost_files("stop_cost"), "sample_nic"),
          "records": Suite("./record_cost.py ./record_cost", cost_files("record_cost")),
          "io": Suite("./io_cost.py ./io_cost", cost_files("io_cost"), "nvme"),
          "nvme": Suite("./nvme_cost.py {times}", nvme_files, "nvme", "multi",
                        timeout=1200),
          "migration": Suite("./migration.py {qemu} {times} {memory}M", migration_files,
                             "sample_nic", "multi", 2)}


def measure(name, kernel, times=1, memory=0, **settings):
    """What a suite has left, or None; and whether something went wrong, as that a target was
    missed."""
    suite = SUITES[name]
    qemu = settings.get("qemu", qemus.OWN)
    machine = host.Machine(kernel, suite.threads, suite.pfs, host.card_of(suite.pf))
    machine = dataclasses.replace(machine, memory=max(machine.memory,
                                                      HOST_MEMORY + 2 * memory))
    job = host.Job(f"bench-{name}", suite.job.format(times=times, memory=memory, **settings),
                   suite.pf, suite.pfs, last=True, timeout=suite.timeout * times)
    outcome = run_one(machine, job, suite.files(), echo=lambda line: print(line, flush=True),
                      qemus=[] if qemu == qemus.OWN else [qemu])
    left = outcome.out / f"{name}.json"
    measured = json.loads(left.read_text()) if left.exists() else None
    if outcome.reports or outcome.why or not measured:
        report(outcome)
    return measured, outcome.failed() or not measured


def megabytes(memory):
    return int(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]]


def keep(name, kernel, measured):
    """Puts what a suite has measured among the results, with those of others on this
    kernel."""
    version = kernels.kernel(kernel).version
    figures = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if figures.get("kernel") != version:
        figures = {"kernel": version}
    RESULTS.write_text(json.dumps(figures | {name: measured}, indent=2) + "\n")


def migrations(kernel, names, times, memories):
    """Downtimes under each QEMU with each size of guests, one boot of a lab host for each.
    Returns whether something went wrong."""
    all_found, failed = [], False
    combinations = list(itertools.product(names, memories))
    for count, (qemu, memory) in enumerate(combinations, 1):
        say(f"{count} of {len(combinations)}: QEMU {qemu}, {memory}")
        found, wrong = measure("migration", kernel, times, megabytes(memory), qemu=qemu)
        failed = failed or wrong
        if not found:
            continue
        found |= {"qemu": qemu, "memory": memory, "kernel": kernels.kernel(kernel).version}
        downtimes.evaluate(found)
        all_found.append(found)
        print("\n".join(downtimes.table(found)), flush=True)
        PICTURE.write_text(downtimes.picture(all_found))
        keep("migration", kernel, all_found)
    missed = [target for found in all_found for target in found["targets"]
              if target["verdict"] == "FAIL"]
    if len(all_found) > 1:
        print("\n".join(downtimes.overview(all_found)))
    print(f"targets missed: {len(missed)}", flush=True)
    if all_found:
        say(f"picture in {PICTURE.relative_to(REPO)}")
    return failed or bool(missed)


def bench(only, kernel, build_lab, names, times, memories):
    """Returns the exit status of make bench: 1 when a target was missed, or when something
    went wrong."""
    build_lab([kernel])
    failed = False
    for name in [only] if only else ["access", "dirty", "stop"]:
        if name == "migration":
            failed = migrations(kernel, names, times, memories)
            continue
        measured, wrong = measure(name, kernel, times if name == "nvme" else 1)
        if measured:
            keep(name, kernel, measured)
        failed = failed or wrong
    say(f"figures in {RESULTS.relative_to(REPO)}")
    return int(failed)
