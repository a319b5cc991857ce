#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""access.py ACCESS: instructions per operation on VF 0.

Runs the program ACCESS on VF 0 under in-tree vfio-pci, and under
vfio-pci-mediate with no mediator, with mediator_claims, mediator_example and
mediator_demo.
Prints a table, leaves the figures in /out/access.json, and returns 1 when a
target is missed.

Of what an open does, resets and run-time power management are switched off: the
one sleeps for much longer than all else takes, the other is left to a kernel
thread, which may or may not come in between.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys

REFERENCE, OURS = "vfio-pci", "vfio-pci-mediate"
MODPROBE = pathlib.Path("/proc/sys/kernel/modprobe")
RUNS = 3            # of everything, in processes of their own
DRIFT = 1.01        # by which they may differ where nobody sleeps
UNMEDIATED, PASSED, MAPPED, OPENED = 1.02, 1.10, 1.00, 1.22  # targets: at most x in-tree


@dataclasses.dataclass
class Row:
    """One operation, as ACCESS is told it, and what it is held to."""
    what: str
    operation: str
    limit: float = None     # times in-tree
    alone: bool = False     # in-tree has nothing to compare with


@dataclasses.dataclass
class Section:
    """Rows that are measured with the same mediator."""
    title: str
    rows: list
    module: tuple = ()      # with its parameters
    modprobe: str = ""      # program the kernel runs to load modules


def opening(title, *module, limit=None, modprobe=""):
    return Section(title, [Row("open and close", "open", limit)], module, modprobe)


def claims(count, limit=None):
    named = limit is not None
    return opening(f"the last of {count} ops mediates, and they name "
                   f"{'their' if named else 'no'} devices", "mediator_claims",
                   f"count={count}", "last=1", f"named={int(named)}", limit=limit)


# Offsets of an 82576's VF: 0x800 mailbox memory, 0x1680 interrupt throttling,
# 0x2800 receive queue 0. In BAR 3 beside the MSI-X table: its pending bits.
SECTIONS = [
    Section("nobody mediates, and the kernel runs no modprobe", [
        Row("read 4 bytes of BAR 0", "read/0/800", UNMEDIATED),
        Row("write 4 bytes of BAR 0", "write/0/800", UNMEDIATED),
        Row("read 4 bytes of config space", "read/7/0", UNMEDIATED),
        Row("load 4 bytes, mmapped", "load/0/1680", MAPPED),
        Row("store 4 bytes, mmapped", "store/0/1680", MAPPED),
        Row("GET_REGION_INFO of BAR 0", "info/0", UNMEDIATED),
        Row("open and close", "open", UNMEDIATED),
    ]),
    opening("nobody mediates, and the kernel runs modprobe", limit=UNMEDIATED,
            modprobe="/sbin/modprobe"),
    claims(1, OPENED),
    claims(256, OPENED),
    claims(256),
    Section("mediator_example mediates", [
        Row("read, unmediated, same BAR", "read/0/800", UNMEDIATED),
        Row("write, unmediated, same BAR", "write/0/800", UNMEDIATED),
        Row("read, page that can be trapped", "read/0/2800"),
        Row("write, page that can be trapped", "write/0/2800"),
        Row("read, unmediated, other region", "read/3/2000", UNMEDIATED),
        Row("write, unmediated, other region", "write/3/2000", UNMEDIATED),
        Row("load, mmapped", "load/0/1680", MAPPED),
        Row("store, mmapped", "store/0/1680", MAPPED),
        Row("read, passed through", "read/0/c40", PASSED),
        Row("write, passed through", "write/0/8", PASSED),
        Row("open and close", "open"),
    ], ("mediator_example",)),
    Section("mediator_demo, which checks and counts every access, mediates", [
        Row("read, passed through", "read/0/c40"),
        Row("write, passed through", "write/0/c40"),
        Row("read, emulated", "read/0/e10", alone=True),
        Row("write, emulated", "write/0/e10", alone=True),
        Row("GET_REGION_INFO of BAR 0", "info/0"),
        Row("open and close", "open"),
        Row("trap on and off", "trap", alone=True),
        Row("trap on and off, pages in use", "trap-mapped/0", alone=True),
    ], ("mediator_demo",)),
]


def sh(*cmd):
    return subprocess.run(cmd, check=True, text=True, timeout=300,
                          stdout=subprocess.PIPE).stdout


def bind(vf, driver):
    sh("vfctl", "bind", vf, driver)
    device = pathlib.Path("/sys/bus/pci/devices") / vf
    (device / "reset_method").write_text("\n")
    (device / "power/control").write_text("on\n")


def measure(program, vf, rows):
    """{operation: instructions}, {operation: nanoseconds asleep} and
    {operation: everything ACCESS says}."""
    operations = list(dict.fromkeys(row.operation for row in rows))
    figures = {operation: [] for operation in operations}
    for _ in range(RUNS):
        for line in sh(program, vf, *operations).splitlines():
            operation, *numbers = line.split()
            figures[operation].append(dict(zip(
                ("median", "least", "most", "samples", "at_median", "idle"),
                map(int, numbers))))
    instructions, asleep = {}, {}
    for operation, runs in figures.items():
        # Less is the error of the two clocks.
        for run in runs:
            run["idle"] *= run["idle"] > run["median"] // 100
        values = [run["median"] - run["idle"] for run in runs]
        asleep[operation] = statistics.median(run["idle"] for run in runs)
        if not asleep[operation] and max(values) > min(values) * DRIFT:
            print(f"not exact: {operation}: {values}")
        instructions[operation] = statistics.median(values)
    return instructions, asleep, figures


@contextlib.contextmanager
def mediator(section):
    """Loads the section's module, with its parameters, for a while."""
    MODPROBE.write_text(f"{section.modprobe}\n")
    if section.module:
        sh("modprobe", *section.module)
    try:
        yield
    finally:
        if section.module:
            sh("modprobe", "-r", section.module[0])


def lacks(section):
    """Is the section's module missing on this host?"""
    return section.module and subprocess.run(
        ["modinfo", section.module[0]], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False).returncode


def judge(row, in_tree, ours, asleep):
    """What there is to say of a row, for the table and for access.json."""
    result = {"what": row.what, "operation": row.operation, "ours": ours,
              "asleep_ns": asleep}
    if not row.alone:
        result |= {"in_tree": in_tree, "ratio": round(ours / in_tree, 4)}
    if row.limit:
        result |= {"limit": row.limit, "verdict":
                   "PASS" if ours <= in_tree * row.limit else "FAIL"}
    return result


def table_line(result):
    cells = [f"  {result['what']:<35}", f"{result.get('in_tree', '-'):>9}",
             f"{result['ours']:>9}",
             f"{result['ratio']:>8.3f}" if "ratio" in result else f"{'-':>8}"]
    if "limit" in result:
        cells.append(f"  at most {result['limit']:.2f}  {result['verdict']}")
    if result["asleep_ns"]:
        cells.append(f"  and {result['asleep_ns']} ns asleep")
    return " ".join(cells)


def run_section(section, program, vf, in_tree):
    """Measures and prints one section; returns it for access.json."""
    print(section.title, flush=True)
    if lacks(section):
        print(f"  skipped: no {section.module[0]}")
        return {"title": section.title, "skipped": f"no {section.module[0]}"}
    with mediator(section):
        ours, asleep, figures = measure(program, vf, section.rows)
    results = [judge(row, in_tree.get(row.operation), ours[row.operation],
                     asleep[row.operation]) for row in section.rows]
    for result in results:
        print(table_line(result), flush=True)
    return {"title": section.title, "rows": results, "runs": figures}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = sys.argv[1]
    vf = os.environ["LAB_VFS"].split()[0]

    bind(vf, REFERENCE)
    in_tree, _, figures = measure(program, vf, [
        row for section in SECTIONS for row in section.rows if not row.alone])
    bind(vf, OURS)
    print(f"{'instructions, ' + os.uname().release:<37} "
          f"{'in-tree':>9} {'ours':>9} {'ratio':>8}  target")
    sections = [run_section(section, program, vf, in_tree)
                for section in SECTIONS]

    pathlib.Path("/out/access.json").write_text(json.dumps(
        {"in_tree": figures, "sections": sections}))
    missed = sum(row.get("verdict") == "FAIL" for section in sections
                 for row in section.get("rows", ()))
    print(f"targets missed: {missed}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
