# SPDX-License-Identifier: GPL-2.0-only
"""Programs on the lab host that print TAP."""

import re
import subprocess
import time

RESULT = re.compile(r"^(not )?ok \d+ - (.*?)(?: # SKIP ?(.*))?$")
TIMEOUT = 300


def run(tap, name, program, *args):
    """Runs program; its results, under name, become results of ours."""
    start = time.monotonic()
    try:
        done = subprocess.run([program, *args], text=True, check=False,
                              timeout=TIMEOUT, stdout=subprocess.PIPE)
        lines, status = done.stdout.splitlines(), done.returncode
    except subprocess.TimeoutExpired as err:
        lines = (err.stdout or b"").decode().splitlines()
        status = "no end"
    plan, results, failed = None, 0, 0
    detail = None
    for line in [*lines, "1..0"]:
        match = RESULT.match(line)
        if detail is not None and line.startswith("  # "):
            detail.append(line.strip(" #"))
            continue
        if detail is not None:
            tap.ok(False, what, "\n".join(detail))
            detail = None
        if match:
            results += 1
            what = f"{name}: {match[2]}"
            if match[1]:
                failed += 1
                detail = []
            elif match[3] is not None:
                tap.skip(what, match[3])
            else:
                tap.ok(True, what)
        elif line.startswith("1..") and plan is None:
            plan = int(line[3:])
        elif line.startswith(("# ", "Bail out!")):
            tap.note(f"{name}: {line.removeprefix('# ')}")
    tap.ok(plan == results and status == (1 if failed else 0),
           f"{name}: all of it was run",
           f"status {status}, plan {plan}, {results} results")
    tap.note(f"{name}: {time.monotonic() - start:.1f} s")
