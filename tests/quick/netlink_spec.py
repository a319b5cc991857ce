#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""netlink_spec.py [--write]: the netlink specification fits the kernel's schema, and the files
that are made of it are what the kernel's ynl-gen-c.py makes; or writes them. Prints TAP."""

# /// suite
# [netlink_spec]
# about = "files that are made of the netlink specification"
# run = "tests/quick/netlink_spec.py"
# daily = [""]
# quick = true
# host = false
# minutes = 0.1
# timeout = 900
# ///

import difflib
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from cache import BUILD, REPO, locked
from tap import Tap
from ynl import MADE, generate

WORK = BUILD / "quick" / "netlink"


def main():
    tap = Tap()
    with locked(BUILD / ".netlink.lock"):
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir(parents=True)
        generate(WORK, WORK / "log")
        for name in MADE:
            want = (WORK / name).read_text()
            if "--write" in sys.argv:
                (REPO / name).write_text(want)
            diff = difflib.unified_diff((REPO / name).read_text().splitlines(),
                                        want.splitlines(), name, "made", lineterm="")
            text = "\n".join(diff)
            tap.ok(not text, f"{name} is made of the specification", text)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
