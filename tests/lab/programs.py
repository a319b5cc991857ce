# SPDX-License-Identifier: GPL-2.0-only
"""The programs that tests run on the lab host, built for it."""

import pathlib

import vfio_selftests
import ynl
from cache import BUILD, REPO, locked, once, run
from kernels import module_with_ids
from ksources import selftest_headers
from trees import fio, inside, testpmd, tree

E2E = REPO / "tests" / "e2e"
# What not every job finds beside it, as it is large.
EXTRA = {"fio": fio, "testpmd": testpmd, "vfio-selftests": vfio_selftests.programs, "ynl": ynl.program,
         "vfio_pci_mediate-ids.ko": module_with_ids}


@once
def build_programs(name, *flags):
    """Builds NAME, below the top, in the tree of stable; returns where."""
    work = BUILD / pathlib.Path(name).name
    work.mkdir(parents=True, exist_ok=True)
    log = work / "make.log"
    with locked(BUILD / f".{work.name}.lock"):
        log.unlink(missing_ok=True)
        ksft = selftest_headers()
        run(inside(tree("build-trixie"),
                   ["make", "-C", REPO / name, f"O={work}", f"KSFT={ksft}", *flags],
                   writable=[work], readable=[REPO / "tests", REPO / "tools", ksft,
                                              REPO / "uapi", REPO / "migration",
                                              REPO / "VERSION"]),
            log, what=name)
    return work


def programs(name):
    """Those that tests/NAME builds, by name."""
    return {path.name: path for path in build_programs(f"tests/{name}").iterdir()
            if path.is_file() and not path.suffix}


def tools():
    """The tools, as make install leaves them below /usr. Static: a host may have an older C
    library than the tree that they are built in."""
    work = BUILD / "tools"
    return build_programs("tools", "install", f"O={work}/static", f"DESTDIR={work}/installed",
                          "PREFIX=/usr", "LDFLAGS=-static") / "installed/usr"


def job_files(extra=()):
    """What each job finds in its working directory."""
    files = {path.name: path for place in ("e2e", "kunit", "selftests", "vfio-selftests")
             for path in (REPO / "tests" / place).iterdir()
             if path.suffix in (".py", ".sh")}
    return {**files, **programs("selftests"), **programs("traffic"),
            "golden": REPO / "tests" / "golden", "tools": tools(),
            "golden": REPO / "tests" / "golden", "vfio_mediate.yaml": REPO / ynl.SPEC,
            **{name: EXTRA[name]() for name in extra}}
