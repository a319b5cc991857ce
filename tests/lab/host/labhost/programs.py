# SPDX-License-Identifier: GPL-2.0-only
"""Programs on the lab host whose tests are those of kselftest_harness.h."""

import os
import re
import subprocess
import time

from .tap import PLAN, RESULT

CHECKS = re.compile(r"(\d+) checks$")
# What the harness says of each test, besides its result
CHATTER = re.compile(r"(RUN|OK|FAIL|SKIP) +\S|Starting \d+ tests|(PASSED|FAILED): |Totals: ")


def kselftest(tap, program, *args, **env):
    """Runs program; its tests become tests of ours, by its name and theirs.

    What a test has said is shown after its result. Returns how many checks the tests
    have made: 0 when args choose none of them.
    """
    start = time.monotonic()
    name = os.path.basename(program)
    plan, count, failed, checks, said = None, 0, 0, 0, []
    with subprocess.Popen([program, *args], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace",
                          env={**os.environ, **env}) as proc:
        for line in proc.stdout:
            line = line.rstrip()
            text = line.lstrip("# ")
            if match := RESULT.match(line):
                count += 1
                failed += not match["passed"]
                tap.result(match, f"{name}: ", "\n".join(said))
                if match["passed"]:
                    for text in said:
                        tap.note(f"{name}: {text}")
                said = []
            elif match := PLAN.match(line):
                plan = int(match[1])
            elif match := CHECKS.match(text):
                checks += int(match[1])
            elif not CHATTER.match(text) and not line.startswith("TAP version"):
                said.append(text)
    if plan != 0 or count or proc.returncode or said:
        tap.ok(plan == count and proc.returncode == bool(failed),
               f"{name}: all of it was run", "\n".join(
                   [f"status {proc.returncode}, plan {plan}, {count} results", *said]))
        tap.note(f"{name}: {checks} checks in {count} tests, "
                 f"{time.monotonic() - start:.1f} s")
    return checks
