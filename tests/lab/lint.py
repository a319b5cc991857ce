# SPDX-License-Identifier: GPL-2.0-only
"""make lint: static checks of all files that git knows."""

import shutil
import subprocess

import kernels
import supported
from cache import BUILD, LAB, REPO, LabError, run
from ksources import kernel_scripts
from trees import inside


def run_lint():
    """Runs lint.sh; returns its status and output."""
    work = BUILD / "lint"
    # From nothing: what is not compiled again gives no warning again.
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    log = work / "lint.log"
    listing = subprocess.run(
        ["git", "-C", REPO, "ls-files", "--cached", "--others",
         "--exclude-standard"], capture_output=True, text=True, check=True)
    (work / "files").write_text(listing.stdout)
    try:
        lint_tree(work, log)
        return 0, log.read_text()
    except LabError:
        return 1, log.read_text()


def lint_tree(work, log):
    """Everything on the kernel of stable; on the others, that W=1 has no warning."""
    kern = kernels.kernel(supported.DEFAULT)
    sources = kernels.copy_sources(work / f"modules-{kern.name}")
    scripts = kernel_scripts()
    cmd = inside(kern.tree, [LAB / "lint.sh", kernels.kdir(kern), sources,
                             scripts, work / "files"],
                 writable=[work], readable=[REPO, scripts], cwd=REPO)
    run(cmd, log, what="lint")
    for name, about in supported.KERNELS.items():
        if name == supported.DEFAULT or "source" in about:
            continue
        try:
            kern = kernels.kernel(name)
        except kernels.KernelGone:
            continue
        sources = kernels.copy_sources(work / f"modules-{name}")
        kern.shell(f"! make -s -j$(nproc) -C {kernels.kdir(kern)} M={sources} W=1 "
                   "VFIO_MEDIATE_TESTS=m modules 2>&1 | grep .",
                   log, f"W=1 on {name}", writable=[work])


def lint(tap):
    """make lint, whose result is TAP for make check; returns its exit status."""
    status, output = run_lint()
    print(output if not tap else "".join(f"  # {line}\n" for line in
                                         output.splitlines()[-40:]) if status else "",
          end="")
    if tap:
        print(f"{'not ' if status else ''}ok 1 - make lint\n1..1")
    else:
        print(f"lint: {'FAIL' if status else 'clean'}")
    return status
