# SPDX-License-Identifier: GPL-2.0-only
"""TAP 14 on standard output, for tests that run on the lab host, and their cases.

A test is a program whose cases are functions called test_NAME, or calls that it names
itself; it ends with program(main). LAB_ONLY=PATTERN, or -k PATTERN before its arguments,
runs only the cases in whose name that regular expression is found; --list prints the
functions, on any machine.

PLAN and RESULT are what it looks like, for those who read it from other programs,
whichever version of it they print.
"""

import inspect
import json
import os
import pathlib
import re
import sys
import traceback

PLAN = re.compile(r"1\.\.(\d+)")
RESULT = re.compile(r"(?:(?P<passed>ok)|not ok)(?: \d+)?(?: -)? (?P<name>.*?)"
                    r"(?:\s+#\s*(?:SKIP\s*(?P<skip>.*)|(?:XFAIL|XPASS|TODO).*))?$")


class Tap:
    """Numbers the results of one test program and prints its plan."""

    def __init__(self, only=""):
        self.only = re.compile(only)
        self.cases = []     # names of all, those that are not asked for as well
        self.count = 0
        self.failed = 0
        print("TAP version 14", flush=True)

    def ok(self, passed, name, detail=""):
        """Reports one test; detail is shown only when it failed."""
        self.count += 1
        self.failed += not passed
        print(f"{'' if passed else 'not '}ok {self.count} - {name}")
        if not passed:
            for line in str(detail).splitlines():
                print(f"  # {line}")
        print(end="", flush=True)
        return passed

    def equal(self, got, want, name):
        return self.ok(got == want, name, f"got  {got}\nwant {want}")

    def skip(self, name, why):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {why}", flush=True)

    def result(self, match, prefix="", detail=""):
        """Reports a result that RESULT has matched."""
        if match["skip"] is not None:
            self.skip(prefix + match["name"], match["skip"])
        else:
            self.ok(match["passed"], prefix + match["name"], detail)

    def raised(self, err, where=""):
        """An exception is a failed result."""
        self.ok(False, where + (str(err) or repr(err)).splitlines()[0],
                f"{traceback.format_exc()}{getattr(err, 'output', None) or ''}")

    def note(self, text):
        print(f"# {text}", flush=True)

    def wants(self, name):
        """Whether a case is asked for; if so, its results follow."""
        self.cases.append(name)
        wanted = bool(self.only.search(name))
        if wanted:
            self.note(f"case {name}")
        return wanted

    def case(self, name, function, *args, **kwargs):
        """Calls a function if the case of this name is asked for, and returns what it
        returned. An exception is a failed result: the next case is run nevertheless."""
        if not self.wants(name):
            return None
        try:
            return function(*args, **kwargs)
        except Exception as err:    # pylint: disable=broad-exception-caught
            self.raised(err, f"{name}: ")
            return None

    def run(self, *tests, **given):
        """Runs functions test_NAME, each with those of given that its parameters name."""
        for test in tests:
            known = {"tap": self, **given}
            self.case(name_of(test), test, **{
                name: known[name] for name in inspect.signature(test).parameters})

    def done(self):
        """Prints the plan; returns the exit status of the program."""
        if self.only.pattern and not any(map(self.only.search, self.cases)):
            self.ok(False, f"there is a case '{self.only.pattern}'", "\n".join(self.cases))
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0


def name_of(test):
    return test.__name__.removeprefix("test_")


def program(main):
    """The whole of a test program: main(tap, argument...), and the end of it."""
    names = main.__globals__
    args = sys.argv[1:]
    if args == ["--list"]:
        for name, test in names.items():
            if name.startswith("test_"):
                print(f"{name_of(test):<15} {(test.__doc__ or '').partition(chr(10))[0]}")
        sys.exit(0)
    only = os.environ.get("LAB_ONLY", "")
    if args[:1] == ["-k"]:
        only, *args = args[1:]
    try:
        inspect.signature(main).bind(None, *args)
    except TypeError:
        sys.exit(names["__doc__"])
    tap = Tap(only)
    try:
        main(tap, *args)
    except Exception as err:        # pylint: disable=broad-exception-caught
        tap.raised(err)
    sys.exit(tap.done())


def leave(name, figures):
    """Leaves figures in /out/NAME.json, for whoever has started this host."""
    pathlib.Path(f"/out/{name}.json").write_text(json.dumps(figures, indent=2) + "\n",
                                                 encoding="utf-8")
