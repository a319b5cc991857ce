#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A new vendor's module: written, built with what make install has installed, loaded on a lab
host, where it claims a VF."""

# /// suite
# [new_vendor]
# about = "the skeleton of a vendor's module: built out of tree, loaded, claims a VF"
# run = "tests/lab/new_vendor.py"
# daily = [""]
# host = false
# minutes = 0.8
# ///

import shutil
import subprocess
import sys

import kernels
import session
from cache import BUILD, REPO, LabError
from host import Job, Machine
from programs import job_files
from supported import DEFAULT
from tap import Tap

WORK = BUILD / "new-vendor"
NAME = "acme"


def new_vendor(*words):
    """Exit status and words of make new-vendor."""
    done = subprocess.run(["make", "-s", "-C", REPO, "new-vendor", *words], check=False,
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_refused(tap):
    for what, words in (("no name", ()), ("a name", ("NAME=Acme-1",)),
                        ("IDs", (f"NAME={NAME}", "IDS=8086")),
                        ("a folder that is there", (f"NAME={NAME}", f"O={REPO}"))):
        status, said = new_vendor(*words)
        tap.ok(status and "new-vendor: " in said, f"{what} refused", said)


def test_built(tap, module):
    """By the Makefile that it gets, with the headers and the script that make install has
    installed."""
    status, said = new_vendor(f"NAME={NAME}", f"O={module}")
    tap.ok(not status, "the skeleton is written", said)
    kern = kernels.kernel(DEFAULT)
    log = WORK / "make.log"
    try:
        kern.shell(f"make -s -C {REPO}/packaging install-dev DESTDIR={WORK}/to PREFIX=/usr; "
                   f"make -C {module} KDIR={kernels.kdir(kern)} "
                   f"VFIO_MEDIATE={WORK}/to/usr; modinfo -F depends {module}/{NAME}.ko",
                   log, "a vendor's module", readable=[REPO], writable=[WORK])
        why = ""
    except LabError as err:
        why = str(err)
    tap.ok(not why and "warning:" not in log.read_text(),
           "it is built out of tree, without warnings", why or log.read_text())
    tap.equal(log.read_text().splitlines()[-1:], ["vfio_mediate"],
              "the module depends on the registry alone")


def test_examples(tap):
    """What is installed with the pages is built in the same way."""
    examples = WORK / "examples"
    shutil.copytree(WORK / "to/usr/share/doc/vfio-mediate-dev/examples", examples)
    kern = kernels.kernel(DEFAULT)
    log = WORK / "examples.log"
    kern.shell(f"make -C {examples} KDIR={kernels.kdir(kern)} VFIO_MEDIATE={WORK}/to/usr; "
               f"modinfo -F depends {examples}/example.ko {examples}/described.ko",
               log, "the examples", writable=[WORK])
    tap.ok("warning:" not in log.read_text() and
           log.read_text().splitlines()[-2:] == ["vfio_mediate"] * 2,
           "the examples are built out of tree, without warnings", log.read_text())
    for page in (WORK / "to/usr/share/doc/vfio-mediate-dev").glob("*.rst"):
        tap.ok("literalinclude" not in page.read_text(encoding="utf-8"),
               f"{page.name} has its excerpts")


def test_claims(tap, module):
    """On a lab host."""
    outcome = session.run_one(Machine(DEFAULT), Job("new_vendor", f"./claims.py {NAME}", last=True),
                              {**job_files(), f"{NAME}.ko": module / f"{NAME}.ko"})
    session.pass_on(tap, outcome, "lab host: ", "lab host")


def main():
    """Prints TAP."""
    tap = Tap()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    module = WORK / NAME
    tap.case("refused", test_refused, tap)
    tap.case("built", test_built, tap, module)
    tap.case("examples", test_examples, tap)
    tap.case("claims", test_claims, tap, module)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
