# SPDX-License-Identifier: GPL-2.0-only
"""Results of tests: read from the TAP they print, counted, and explained when they are
not as they should be."""

import dataclasses
import re
import shlex
import tomllib

from cache import LAB, REPO, say, tail
from tap import PLAN, RESULT

SECTION = re.compile(r"^# case (.+)$")      # what ONLY= names: the results that follow are of it
LAST = 20       # lines of a log that are shown
SHOWN = 10      # failed cases of a suite whose details are shown
KNOWN = LAB / "known-faults.toml"


@dataclasses.dataclass
class Case:
    """One result."""
    name: str
    passed: bool
    skip: str = None        # why it was skipped
    section: str = ""
    detail: list = dataclasses.field(default_factory=list)


def read(lines):
    """The cases in TAP; a plan that is not met is one more, which failed."""
    cases, plan, section = [], None, ""
    for line in lines:
        if match := RESULT.match(line):
            cases.append(Case(match["name"], bool(match["passed"]), match["skip"], section))
        elif match := SECTION.match(line):
            section = match[1]
        elif match := PLAN.match(line):
            plan = int(match[1])
        elif line.startswith("Bail out!"):
            cases.append(Case(line, False, section=section))
        elif line.startswith("  # ") and cases:
            cases[-1].detail.append(line[4:])
    results = sum(not case.name.startswith("Bail out!") for case in cases)
    if plan != results:
        cases.append(Case(f"plan of {plan} tests, {results} reported", False))
    elif not results:
        cases.append(Case("no test was run", False))
    return cases


@dataclasses.dataclass
class Result:
    """What became of a suite on a kernel."""
    suite: object
    kernel: str
    cases: list
    seconds: float
    outcome: object = None      # of its job on a lab host
    lines: list = dataclasses.field(default_factory=list)

    @property
    def where(self):
        return self.suite.where(self.kernel)

    @property
    def failures(self):
        return [case for case in self.cases if not case.passed and case.skip is None]

    def counts(self):
        """(passed, failed, skipped)"""
        skipped = sum(case.skip is not None for case in self.cases)
        failed = len(self.failures)
        return len(self.cases) - failed - skipped, failed, skipped

    def repeat(self, case=None):
        """The command that repeats it, or the part with a case."""
        words = ["make check", f"SUITE={self.suite.name}"]
        if self.kernel:
            words.append(f"KERNEL={self.kernel}")
        if case and case.section:
            words.append(f"ONLY={shlex.quote(case.section)}")
        return " ".join(words)


# A frame of a call trace, less those that any trace begins with
FRAME = re.compile(r"(?:RIP: \w+:|^\s*(?:\[[\s\d.]+\] ?(?:\[ *\w+\])? *)?)"
                   r"(\w+)(?:\.\w+)*\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[(\w+)\])?", re.MULTILINE)
NOISE = re.compile(r"dump_stack|show_|print_|kasan_|__warn|report_bug|handle_bug|exc_|asm_|"
                   r"lockdep_|__lock_acquire|lock_acquire|check_|__might|ret_from_fork")


def fingerprint(text):
    """The first functions of a kernel report: what tells one fault from another."""
    frames = [f"{name}[{module}]" if module else name
              for name, module in FRAME.findall(text) if not NOISE.match(name)]
    unique = list(dict.fromkeys(frames))
    return " < ".join(unique[:4])


def known_fault(text):
    """The fault of the machine, not ours, whose marks are in a text."""
    for fault in tomllib.loads(KNOWN.read_text(encoding="utf-8")).get("fault", []):
        if re.search(fault["marks"], text):
            return f"{fault['about']} (proof: {fault['proof']})"
    return ""


def explain(result):
    """What a developer needs to know of a suite that failed."""
    outcome = result.outcome
    for case in result.failures[:SHOWN]:
        yield f"FAILED: {result.where}: {case.name}"
        yield from (f"    {line}" for line in case.detail[:LAST])
        yield f"    again: {result.repeat(case)}"
    if len(result.failures) > SHOWN:
        yield f"    and {len(result.failures) - SHOWN} more cases"
    if not outcome:
        yield from (f"    {line}" for line in result.lines[-LAST:])
        return
    for report in outcome.reports[:SHOWN]:
        yield f"  kernel report: {report}"
    after = outcome.kernel.partition(outcome.reports[0])[2] if outcome.reports else ""
    if after:
        yield f"  fingerprint: {fingerprint(after[:6000]) or 'no call trace'}"
    everything = "\n".join([outcome.why, outcome.kernel, *outcome.lines])
    fault = known_fault(everything)
    yield f"  known fault of the emulator: {fault or 'none, so take it for ours'}"
    yield "  last lines of the job:"
    yield from (f"    {line}" for line in outcome.lines[-LAST:])
    yield "  last lines of the lab host's console:"
    yield from (f"    {line}" for line in outcome.kernel.splitlines()[-LAST:])
    guests = sorted(outcome.out.glob("*.console")) if outcome.out else []
    for console in guests:
        yield f"  last lines of {console.name}:"
        yield from (f"    {line}" for line in tail(console, LAST).splitlines())
    yield f"  all of it: {outcome.console.parent.relative_to(REPO)}"


def report(outcome):
    """Tells a person how a single job ended."""
    if outcome.why:
        say("last lines of the job:\n" + "\n".join(outcome.lines[-LAST:]))
        say(f"last lines of the console:\n{tail(outcome.console)}")
    for line in outcome.reports[:SHOWN]:
        say(f"kernel report: {line}")
    say(f"console log: {outcome.console.relative_to(REPO)}")
