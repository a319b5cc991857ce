# SPDX-License-Identifier: GPL-2.0-only
"""The lab's commands; the Makefile in the repository's root calls them."""

import argparse
import concurrent.futures
import importlib
import os
import pathlib
import re
import shutil
import signal
import sys
import time

if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)    # until main() sets another

import bench
import check
import children
import demo
import host
import kernels
import lint
import packages
import qemus
import results
import session
import suites
import supported
from cache import CACHE, REPO, LabError, NoSpace, die, fullest, is_full, say
from qemu_build import built_qemu
from trees import USERLANDS, need_host_tools


def build_lab(names):
    """Everything a run will need, with a line for what had to be made."""
    start = time.monotonic()
    say(f"cache: {CACHE}")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        qemu = pool.submit(built_qemu, False)
        for name in names:
            try:
                kern = kernels.kernel(name)
            except kernels.KernelGone as err:
                say(f"skipping kernel {name}: {str(err).splitlines()[0]}")
                continue
            say(f"kernel {name}: {kern.version}")
            kernels.needed_modules(kern)
            host.host_initrd(kern)
        host.guest_files()
        host.root_image()
        host.accelerator()
        qemu.result()
    say(f"ready in {time.monotonic() - start:.0f} s")


def cmd_modules(args):
    kern = kernels.kernel(args.kernel or supported.DEFAULT)
    where = kernels.build_modules(kern)
    for module in sorted(where.glob("*.ko")):
        print(module.relative_to(REPO))
    return 0


def cmd_lab(args):
    build_lab([args.kernel] if args.kernel else supported.UNASKED)
    return 0


def cmd_deb(_args):
    for path in packages.debs():
        print(path.relative_to(REPO))
    return 0


def cmd_demo(args):
    return demo.demo(args.kernel or supported.DEFAULT, args.qemu, build_lab)


def cmd_check(args):
    return check.check(args.suite, args.kernel, args.only)


def cmd_quick(_args):
    return check.quick()


def cmd_check_all(args):
    return check.check_all(args.suite, args.kernel, args.again)


def cmd_new_test(args):
    path = suites.new_test(args.name).relative_to(REPO)
    say(f"wrote {path}; it runs by: make check SUITE={args.name} KERNEL={supported.DEFAULT}")
    return 0


def cmd_bench(args):
    return bench.bench(args.suite, args.kernel or supported.DEFAULT, build_lab,
                       args.qemu, args.times, args.memory)


def names_of_qemus(text):
    names = text.replace(",", " ").split()
    if not names or set(names) - set(qemus.NAMES):
        raise argparse.ArgumentTypeError(f"'{text}': of {', '.join(qemus.NAMES)}")
    return names


def sizes(text):
    found = text.replace(",", " ").split()
    if not found or not all(re.fullmatch(r"[1-9]\d*[MG]", size) for size in found):
        raise argparse.ArgumentTypeError(f"'{text}': such as 256M,1G")
    return found


def cmd_run(args):
    if not args.script:
        raise LabError("make run needs SCRIPT=path")
    script = pathlib.Path(args.script)
    if not script.is_file():
        raise LabError(f"SCRIPT={script}: no such file")
    outcome = on_host(args, "./script", {"script": script},
                      echo=lambda line: print(line, flush=True))
    results.report(outcome)
    say(f"exit status {outcome.status} after {outcome.seconds:.0f} s"
        + (f", failed: {outcome.verdict()}"
           if outcome.why or outcome.reports else ""))
    return outcome.status or int(outcome.failed())


def on_host(args, command, files, **options):
    """The outcome of a command on a lab host as args want it."""
    machine = host.Machine(args.kernel or supported.DEFAULT, "multi", args.pfs,
                           host.card_of(args.pf), userland=args.userland)
    job = host.Job("run", command, args.pf, args.pfs, args.vfs,
                   getattr(args, "timeout", 0), last=True)
    return session.run_one(machine, job, files, users_files=args.files,
                           qemus=args.qemus, **options)


def cmd_shell(args):
    on_host(args, "shell", {}, interactive=True)
    return 0


def cmd_series(args):
    # Beside what it is made from
    sys.path.insert(0, str(REPO / "tools/series"))
    return importlib.import_module("series").command(
        args.tree, args.name, args.email, args.to)


def cmd_lint(args):
    return lint.lint(args.tap, args.changed)


def cmd_distclean(_args):
    if CACHE.exists():
        shutil.rmtree(CACHE)
        say(f"removed {CACHE}")
    return 0


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/lab/lab", description=__doc__,
        epilog="The environment: VFIO_MEDIATE_CACHE names the cache directory,"
               " LAB_ACCEL=kvm|tcg overrides the choice of accelerator.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("modules", "deb", "lab", "demo", "quick", "check", "check-all", "new-test",
                 "bench", "run", "shell", "lint", "series", "distclean"):
        sub = commands.add_parser(name)
        if name in ("check", "check-all"):
            sub.add_argument("--suite")
            sub.add_argument("--kernel")
        elif name not in ("deb", "lint", "series", "distclean", "new-test", "quick"):
            sub.add_argument("--kernel", choices=supported.NAMES)
        if name == "check":
            sub.add_argument("--only", default="", help="which of its cases")
        if name == "check-all":
            sub.add_argument("--again", action="store_true",
                             help="also what has passed on this tree")
        if name == "new-test":
            sub.add_argument("name", nargs="?")
        if name == "series":
            sub.add_argument("--tree", type=pathlib.Path, help="a kernel's source")
            sub.add_argument("--name", default="")
            sub.add_argument("--email", default="")
            sub.add_argument("--to", type=pathlib.Path)
        if name == "lint":
            sub.add_argument("--tap", action="store_true")
            sub.add_argument("--changed", action="store_true",
                             help="only what differs from the main branch")
        if name == "demo":
            sub.add_argument("--qemu", choices=qemus.NAMES, default=qemus.OWN)
        if name == "bench":
            sub.add_argument("--suite", choices=bench.SUITES)
            sub.add_argument("--qemu", type=names_of_qemus, default=qemus.OWN)
            sub.add_argument("--times", type=int, default=3)
            sub.add_argument("--memory", type=sizes, default="256M")
        if name in ("run", "shell"):
            sub.add_argument("--qemus", nargs="*", choices=qemus.TREES, default=[])
            sub.add_argument("--files", metavar="DIR")
            sub.add_argument("--vfs", type=int, default=2, choices=range(9),
                             metavar="0..8")
            sub.add_argument("--pf", default="igb",
                             choices=("igb", "sample_nic", "nvme"))
            sub.add_argument("--pfs", type=int, default=1, choices=(1, 2))
            sub.add_argument("--userland", default="host", choices=USERLANDS)
        if name == "run":
            sub.add_argument("--script")
            sub.add_argument("--timeout", type=int, default=600)
    return parser.parse_args()


def main():
    args = arguments()
    children.catch_signals()
    try:
        need_host_tools()
        return globals()["cmd_" + args.command.replace("-", "_")](args)
    except LabError as err:
        failure = err
    except BrokenPipeError:
        # Whoever reads has had enough, as head.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except PermissionError as err:
        failure = f"{err.filename}: {err.strerror}"
    except OSError as err:
        if not is_full(err):
            raise
        failure = err if isinstance(err, NoSpace) else NoSpace(fullest())
    except children.Interrupted as err:
        print("lab: interrupted", file=sys.stderr, flush=True)
        return err.code
    finally:
        children.end_all()
    if args.command == "demo":
        print(f"demo: FAIL: {str(failure).splitlines()[0]}", flush=True)
    return die(failure)


if __name__ == "__main__":
    sys.exit(main())
