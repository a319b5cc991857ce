# SPDX-License-Identifier: GPL-2.0-only
"""make lint: static checks of all files that git knows."""

import shutil
import subprocess

import kernels
import supported
from cache import BUILD, LAB, REPO, LabError, run
from ksources import kernel_scripts
from programs import build_programs
from tap import Tap
from trees import inside, tree


def git(*args):
    """Lines that git prints, or None when it fails."""
    done = subprocess.run(["git", "-C", REPO, *args], capture_output=True, text=True,
                          check=False)
    return None if done.returncode else done.stdout.splitlines()


def everything():
    return git("ls-files", "--cached", "--others", "--exclude-standard") or []


def changed():
    """Files that differ from the main branch; all files where there is none."""
    for name in ("main", "origin/main"):
        base = git("merge-base", "HEAD", name)
        if base:
            return sorted(git("ls-files", "--others", "--exclude-standard") +
                          git("diff", "--name-only", "--diff-filter=d", base[0]))
    return everything()


def run_lint(work, files, check):
    """Runs check(work, log) in the directory work; returns its status and output."""
    work.mkdir(parents=True, exist_ok=True)
    log = work / "lint.log"
    log.unlink(missing_ok=True)
    (work / "files").write_text("".join(f"{name}\n" for name in files))
    try:
        check(work, log)
        return 0, log.read_text()
    except LabError as err:
        return 1, log.read_text() if log.exists() else f"{err}\n"


def lint_files(work, log):
    """All checks of the files, on the default kernel; only what has changed is compiled.
    Programs that no suite runs can be built."""
    build_programs("tests/bench")
    build_programs("tools", f"O={BUILD / 'tools/lint'}", "CFLAGS=-O2 -fanalyzer -Werror")
    kern = kernels.kernel(supported.DEFAULT)
    sources = kernels.copy_sources(work / f"modules-{kern.name}")
    scripts = kernel_scripts()
    cmd = inside(kern.tree, [LAB / "lint.sh", kernels.kdir(kern), sources,
                             scripts, work / "files"],
                 writable=[work], readable=[REPO, scripts], cwd=REPO)
    run(cmd, log, what="lint")


def read_documentation(work, log):
    """Neither Sphinx nor groff has a warning."""
    run(inside(tree("sphinx"),
               ["sphinx-build", "-q", "-n", "-W", "--keep-going", "-d", work / "doctrees",
                REPO / "Documentation", work / "doc"],
               writable=[work], readable=[REPO], cwd=REPO), log, what="sphinx")
    pages = sorted((REPO / "tools/man").glob("*.8"))
    run(inside(tree("sphinx"), ["sh", "-c", '! groff -man -Tutf8 -ww -z "$@" 2>&1 | grep .', "sh",
                                *pages], readable=[REPO]), log, what="manual pages")


def lint_tree(work, log):
    """Everything, on the kernel of stable; builds.py builds for the others."""
    read_documentation(work, log)
    lint_files(work, log)


def lint(tap, only_changed=False):
    """make lint, whose result is TAP for make check, or of changed files for make quick;
    returns its exit status."""
    if only_changed:
        files = changed()
        what = f"{len(files)} files that differ from the main branch"
        status, output = run_lint(BUILD / "lint-changed", files, lint_files)
    else:
        what = "make lint"
        # From nothing: what is not compiled again gives no warning again.
        shutil.rmtree(BUILD / "lint", ignore_errors=True)
        status, output = run_lint(BUILD / "lint", everything(), lint_tree)
    if tap:
        results = Tap()
        results.ok(not status, what, "\n".join(output.splitlines()[-40:]))
        results.done()
    else:
        print(output if status else "", end="")
        print(f"lint: {'FAIL' if status else 'clean'}")
    return status
