# SPDX-License-Identifier: GPL-2.0-only
"""The suites. Each is declared in the file of its test, in a block of comments:

    # /// suite
    # [NAME]
    # about = "a guest migrates from VF to VF"
    # run = "./migrate.py 10"
    # daily = ["6.12"]
    # minutes = 2
    # ///

What is between the marks is TOML, see Suite for the keys. A file may have several.
"""

import dataclasses
import fnmatch
import re
import tomllib

import host
import supported
from cache import REPO, LabError, say

PLACES = ("tests/e2e", "tests/kunit", "tests/selftests", "tests/vfio-selftests", "tests/lab",
          "tests/quick", "tools/series")
BLOCK = re.compile(r"^# /// suite\n((?:#(?:| .*)\n)+?)# ///$", re.MULTILINE)


@dataclasses.dataclass
class Suite:
    """Tests that print TAP: one job on a lab host, or, without one, on this machine."""
    name: str
    file: str                   # where it is declared, relative to the top
    about: str
    run: str                    # shell command, in the folder with all test programs
    daily: tuple = ()           # kernels on which make check runs it
    quick: bool = False         # make quick runs it, too
    host: bool = True           # False: it runs here, at the top of the tree
    needs: tuple = ()           # what its kernel must have, see kernels.toml
    but: dict = dataclasses.field(default_factory=dict)     # kernels it does not run on: why
    minutes: float = 1          # on two CPUs under TCG, without the boot
    timeout: int = 0            # s; 0: ten minutes, or five times as long as it takes
    pf: str = "igb"             # who drives the PF: igb, sample_nic or nvme
    pfs: int = 1                # how many cards there are
    vfs: int = 2                # of each
    guests: bool = False        # it has guests, for which TCG needs both CPUs
    hosts: int = 1              # or 2: it runs on two lab hosts at a time
    qemus: tuple = ()           # what guests run under besides the host's own QEMU
    checks: bool = False        # cards check who sends, see qemu_build.py
    userland: str = "host"      # the Debian tree that the host's root is, see trees.py
    spoils: bool = False        # the host cannot be used for another suite afterwards
    extra: tuple = ()           # what else it finds beside it, see programs.py

    def kernels(self):
        """All that it can run on."""
        if not self.host:
            return [""]
        return [name for name, kern in supported.KERNELS.items()
                if set(self.needs) <= set(kern.get("has", ())) and name not in self.but
                and self.name in kern.get("suites", (self.name,))]

    def where(self, kernel):
        """Its name on a kernel, by which results and jobs are called."""
        return f"{self.name}-{kernel}" if kernel else self.name

    def card(self):
        return host.card_of(self.pf)

    def seconds(self):
        return self.timeout or max(600, round(self.minutes * 300))

    def job(self, kernel, only=""):
        return host.Job(self.where(kernel), self.run, self.pf, self.pfs, self.vfs,
                   self.seconds(), self.spoils, only)


def declared(path):
    """The suites that a file declares."""
    where = path.relative_to(REPO)
    for block in BLOCK.findall(path.read_text(encoding="utf-8")):
        text = re.sub(r"^# ?", "", block, flags=re.MULTILINE)
        try:
            for name, values in tomllib.loads(text).items():
                yield Suite(name, str(where), **{
                    key: tuple(value) if isinstance(value, list) else value
                    for key, value in values.items()})
        except (tomllib.TOMLDecodeError, TypeError) as err:
            raise LabError(f"{where}: its block of suites: {err}") from err


def everything():
    """All suites by name, those without a lab host first."""
    found = {}
    for place in PLACES:
        for path in sorted((REPO / place).glob("*")):
            if path.suffix not in (".py", ".sh"):
                continue
            for suite in declared(path):
                other = found.setdefault(suite.name, suite)
                if other is not suite:
                    raise LabError(f"suite {suite.name} is declared in {other.file} "
                                   f"and in {suite.file}")
                if unknown := set(suite.daily) - set(suite.kernels()) - {""}:
                    raise LabError(f"{suite.file}: {suite.name} does not run on "
                                   f"{', '.join(sorted(unknown))}, but is to, daily")
    return dict(sorted(found.items(), key=lambda item: (item[1].host, item[0])))


def split(text):
    return [word for word in re.split(r"[,\s]+", text or "") if word]


def kernels_wanted(text):
    """The names in KERNEL=, of kernels that there are."""
    names = split(text)
    for name in names:
        if name not in supported.NAMES:
            raise LabError(f"KERNEL={name}: choose from {', '.join(supported.NAMES)}")
    return names


def chosen(suites, names, wanted):
    """Pairs of a suite and a kernel: of the suites that match one of names, or all, on
    the kernels wanted, or all. A suite that was named and runs on none of them is told."""
    kept = []
    for name in names or ["*"]:
        matches = [each for each in suites if fnmatch.fnmatchcase(each, name)]
        if not matches:
            raise LabError(f"SUITE={name}: choose from {', '.join(suites)}")
        kept += [each for each in matches if each not in kept]
    pairs = [(suites[name], kernel) for name in kept for kernel in suites[name].kernels()
             if not kernel or kernel in (wanted or supported.UNASKED)]
    left_out = [f"{name} does not run on {', '.join(wanted)}, only on "
                f"{', '.join(suites[name].kernels())}{why(suites[name], wanted)}"
                for name in kept if all(suite.name != name for suite, _ in pairs)]
    if not pairs:
        raise LabError("; ".join(left_out))
    for text in left_out if names else []:
        say(text)
    return pairs


def why(suite, wanted):
    lacking = [f"needs {need}" for need in suite.needs]
    lacking += [f"{name}: {reason}" for name, reason in suite.but.items()
                if name in wanted]
    return f" ({'; '.join(lacking)})" if lacking else ""


def daily(suites, wanted):
    """The pairs of make check."""
    return [(suite, kernel) for suite in suites.values() for kernel in suite.daily
            if not kernel or not wanted or kernel in wanted]


def table(suites):
    """What make check SUITE=list prints."""
    yield f"{'suite':<24} {'daily on':<16} {'else on':<16} {'min':>5}  about"
    for suite in suites.values():
        every_day = ["here" if not name else name for name in suite.daily]
        other = [name for name in suite.kernels() if name not in suite.daily]
        yield f"{suite.name:<24} {' '.join(every_day) or '-':<16} " \
              f"{' '.join(filter(None, other)) or '-':<16} {suite.minutes:5g}  {suite.about}"


SKELETON = '''\
#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""{name}.py: say here what it shows, and how."""

{mark}
# [{name}]
# about = "one line for make check SUITE=list"
# run = "./{name}.py"
# daily = []            # kernels on which make check runs it, as ["6.12"]
# pf = "igb"            # who drives the PF: igb, sample_nic or nvme
# vfs = 2
# minutes = 0.1
# ///

import os

from labhost.tap import program


def test_vfs(tap):
    """What this case shows."""
    tap.equal(len(os.environ["LAB_VFS"].split()), 2, "the lab host has two VFs")


def main(tap):
    tap.run(test_vfs)


if __name__ == "__main__":
    program(main)
'''


def new_test(name):
    """Writes the skeleton of a test; returns its path."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name or ""):
        raise LabError("make new-test NAME=name: small letters, digits and _")
    path = REPO / "tests" / "e2e" / f"{name}.py"
    if path.exists() or name in everything():
        raise LabError(f"there is a test {name} already")
    path.write_text(SKELETON.format(name=name, mark="# /// suite"), encoding="utf-8")
    path.chmod(0o755)
    return path
