# SPDX-License-Identifier: GPL-2.0-only
"""TAP 14 on standard output, for tests that run on the lab host."""


class Tap:
    """Numbers the results of one test program and prints its plan."""

    def __init__(self):
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

    def note(self, text):
        print(f"# {text}", flush=True)

    def done(self):
        """Prints the plan; returns the exit status of the program."""
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0
