# SPDX-License-Identifier: GPL-2.0-only
"""The tests: which suites there are, how each is run, and the count."""

import dataclasses
import pathlib
import re
import shutil
import subprocess
import time

import harness
import host
import kernels
import pair
import tools
from cache import BUILD, LAB, REPO, LabError, cached, run, say
from trees import inside, testpmd, tree

E2E = REPO / "tests" / "e2e"


@dataclasses.dataclass
class Suite:
    """Tests that print TAP: a job on the lab host, or a function here."""
    name: str
    about: str
    kernels: tuple = ()
    job: str = ""               # shell command on the lab host
    files: object = None        # function: what the job finds beside it
    here: object = None         # function(chosen kernel): yields TAP lines
    timeout: int = 600          # seconds for one kernel
    vfs: int = 2
    by_name: bool = False       # too long for every day: only when asked for
    more: tuple = ()            # kernels in which it runs only when asked for
    threads: str = "multi"      # of TCG, see host.boot()
    pf: str = "igb"             # who drives the PF
    pfs: int = 1                # how many cards there are
    hosts: int = 1              # or 2, see pair.boot()
    qemus: tuple = ()           # what guests run under besides the host's own
    checks: bool = False        # whether cards check who sends, see card.py


def e2e_files(_kern):
    return {path.name: path for path in E2E.iterdir() if path.is_file()}


def build_programs(name, *flags):
    """Builds NAME, below the top, in the tree of stable; returns where."""
    work = BUILD / pathlib.Path(name).name
    work.mkdir(parents=True, exist_ok=True)
    log = work / "make.log"
    log.unlink(missing_ok=True)
    run(inside(tree("build-trixie"),
               ["make", "-C", REPO / name, f"O={work}", *flags],
               writable=[work], readable=[REPO / "tests", REPO / "tools",
                                          REPO / "uapi", REPO / "migration"]),
        log, what=name)
    return work


def selftest_files(kern):
    work = build_programs("tests/selftests")
    return {**e2e_files(kern),
            "parity.py": REPO / "tests" / "selftests" / "parity.py",
            "parity": work / "parity", "mediate": work / "mediate",
            "migrate": work / "migrate", "vfio_hold": work / "vfio_hold",
            "mailbox_fuzz": work / "mailbox_fuzz", "dirty": work / "dirty"}


def traffic_files(kern):
    work = build_programs("tests/traffic")
    return {**e2e_files(kern),
            **{name: work / name for name in ("echo", "exchange", "poke")}}


def testpmd_files(kern):
    return {**e2e_files(kern), "testpmd": testpmd()}


def migration_files(kern):
    return {**selftest_files(kern),
            "golden.stream": REPO / "tests" / "golden" / "state.stream"}


def stream_files(kern):
    return {**selftest_files(kern),
            "golden.stream": REPO / "tests" / "golden" / "sample_nic.stream"}


def kunit_files(_kern):
    return {"run.sh": REPO / "tests" / "kunit" / "run.sh"}


def lint_lines(_kernel):
    status, output = run_lint()
    yield "1..1"
    yield f"{'not ' if status else ''}ok 1 - make lint"
    if status:
        yield from (f"  # {line}" for line in output.splitlines()[-40:])


def tool_lines(_kernel):
    yield from tools.lines(build_programs("tools", "LDFLAGS=-static"))


SUITES = [
    Suite("lint", "checkpatch, sparse, W=1 and shellcheck", here=lint_lines),
    Suite("harness", "the lab's own verdicts, deadlines and clean-up",
          here=harness.lines),
    Suite("tools", "the tools, on any input", here=tool_lines),
    Suite("passthrough", "a guest on a VF, in-tree vfio-pci against ours",
          ("6.12",), "./passthrough.py vfio-pci vfio-pci-mediate",
          e2e_files, more=("7.2",)),
    Suite("parameters", "module parameters and names of the driver",
          ("6.12",), "./parameters.sh", e2e_files,
          threads="single", more=("7.2",)),
    Suite("parity", "every call, in-tree vfio-pci against ours",
          ("6.12", "7.2", "debug"), "./parity.py ./parity", selftest_files,
          threads="single"),
    Suite("kunit", "KUnit suites",
          ("debug",), "./run.sh vfio_mediate_kunit vfio_pci_mediate_kunit "
          "sample_nic_kunit", kunit_files, threads="single"),
    Suite("open", "who mediates a device is decided at each open",
          ("debug",), "./mediate_open.py ./vfio_hold",
          selftest_files, threads="single", more=("6.12", "7.2")),
    Suite("lifecycle", "all that can happen to a mediated VF, by itself and at once",
          ("7.2",), "./mediate_lifecycle.py", selftest_files,
          threads="single"),
    Suite("stress", "the same, and two minutes of everything at once",
          ("debug",), "./mediate_lifecycle.py 120", selftest_files, timeout=900,
          by_name=True, threads="single"),
    Suite("guest", "a running guest is mediated and trapped",
          ("6.12",), "./mediate_guest.py", e2e_files,
          timeout=900, more=("7.2", "debug")),
    Suite("regions", "regions, interrupts and traps that a vendor adds",
          ("7.2", "debug"), "./mediate_regions.py ./mediate ./vfio_hold",
          selftest_files, threads="single", more=("6.12",)),
    Suite("hammer", "traps that go on and off while doorbells are rung",
          ("debug",), "./mediate_regions.py ./mediate --hammer 1000",
          selftest_files, threads="single", more=("6.12",)),
    Suite("migration", "all calls of both migration protocols, without a VMM",
          ("debug",), "./mediate_migration.py ./migrate", migration_files,
          timeout=900, threads="single", more=("6.12", "7.2")),
    Suite("migration-stress", "the same, two minutes of everything at once",
          ("debug",), "./mediate_migration.py ./migrate 120", migration_files,
          timeout=900, by_name=True, threads="single"),
    Suite("sample_nic", "the PF driver sample_nic: netdev, VFs, switch, iproute2",
          ("debug",), "./sample_nic.py", selftest_files,
          pf="sample_nic", more=("6.12", "7.2")),
    Suite("sample_nic_passthrough", "a guest on a VF of sample_nic passes traffic",
          ("6.12", "7.2", "debug"), "./passthrough.py vfio-pci-mediate",
          e2e_files, pf="sample_nic", by_name=True),
    Suite("sample_nic_hostile", "VFs that say nonsense to sample_nic",
          ("debug",), "./sample_nic_hostile.py 2000", selftest_files,
          pf="sample_nic", vfs=7, more=("6.12", "7.2")),
    Suite("sample_nic_pfs", "two PFs of sample_nic that come and go",
          ("7.2",), "./sample_nic_pfs.py 5", selftest_files, pf="sample_nic",
          pfs=2, threads="single", more=("6.12", "debug")),
    Suite("sample_nic_going", "a PF of sample_nic goes while its VFs are open",
          ("6.12",), "./sample_nic_going.py", selftest_files, pf="sample_nic",
          pfs=2, threads="single", more=("7.2", "debug")),
    Suite("sample_nic_stop", "VFs of sample_nic are stopped, and reset",
          ("7.2",), "./sample_nic_stop.py 5", selftest_files, pf="sample_nic",
          threads="single", more=("6.12", "debug")),
    Suite("sample_nic_guest", "a guest on a VF of sample_nic is trapped, stopped, left",
          ("6.12",), "./sample_nic_guest.py", e2e_files, pf="sample_nic",
          timeout=900, more=("7.2", "debug")),
    Suite("sample_nic_errors", "sample_nic sleeps, hangs, and has errors",
          ("7.2",), "./sample_nic_errors.py", selftest_files, pf="sample_nic",
          vfs=1, threads="single", more=("6.12", "debug")),
    Suite("sample_nic_fuzz", "as sample_nic_hostile, 100,000 messages",
          ("6.12", "7.2", "debug"), "./sample_nic_hostile.py 100000",
          selftest_files, timeout=1800, by_name=True, pf="sample_nic", vfs=7),
    Suite("sample_nic_long", "as sample_nic_pfs, VFs made and unmade 100 times",
          ("6.12", "7.2", "debug"), "./sample_nic_pfs.py 100", selftest_files,
          pf="sample_nic", pfs=2, threads="single", timeout=1800, by_name=True),
    Suite("sample_nic_resets", "as sample_nic_stop, VFs reset 100 times",
          ("6.12", "7.2", "debug"), "./sample_nic_stop.py 100", selftest_files,
          pf="sample_nic", threads="single", timeout=1800, by_name=True),
    Suite("sample_nic_stream", "the stream of a VF of sample_nic: the same, cut, spoilt",
          ("6.12",), "./sample_nic_stream.py v2 7 200", stream_files,
          pf="sample_nic", vfs=3, more=("7.2", "debug")),
    Suite("sample_nic_stream_full", "the same, cut at each byte, spoilt in 2000 ways",
          ("6.12", "7.2", "debug"), "./sample_nic_stream.py v2,v1 1 2000", stream_files,
          pf="sample_nic", vfs=3, timeout=3600, by_name=True),
    Suite("traffic", "the same traffic and settings with igb and with sample_nic",
          ("6.12", "7.2"), "./traffic.py igb sample_nic", traffic_files,
          timeout=900, by_name=True),
    Suite("traffic_debug", "the same on the debug kernel, with sample_nic alone",
          ("debug",), "./traffic.py sample_nic", traffic_files, timeout=900,
          pf="sample_nic", by_name=True),
    Suite("traffic_checked", "traffic, with cards that check who sends (builds QEMU)",
          ("7.2",), "./traffic.py igb sample_nic", traffic_files, timeout=900,
          by_name=True, checks=True, more=("6.12",)),
    Suite("testpmd", "DPDK on a VF of sample_nic, in-tree vfio-pci against ours",
          ("6.12",), "./testpmd.py", testpmd_files, pf="sample_nic",
          by_name=True),
    Suite("migrate", "a guest migrates from VF to VF, QEMU 10",
          ("6.12",), "./migrate.py 10", traffic_files, timeout=900,
          pf="sample_nic", more=("7.2", "debug")),
    Suite("migrate_pfs", "a guest migrates to a VF of another PF, QEMU 10",
          ("6.12",), "./migrate.py 10,pfs", traffic_files, timeout=900,
          pf="sample_nic", pfs=2, by_name=True, more=("7.2", "debug")),
    Suite("migrate_v1", "from VF to VF with QEMU 7.2, by protocol v1",
          ("6.12",), "./migrate.py 7.2", traffic_files, pf="sample_nic",
          qemus=("7.2",), more=("7.2", "debug")),
    Suite("migrate_hosts", "from one lab host to another, by TCP, all pairs of QEMUs",
          ("6.12",), "./migrate_hosts.py 10 7.2 11 10:11", traffic_files,
          pf="sample_nic", hosts=2, qemus=("7.2", "11"), timeout=1200, by_name=True,
          more=("7.2",)),
    Suite("failures", "migrations that fail, some of all ways",
          ("6.12",), "./failures.py 10 some", traffic_files,
          pf="sample_nic", pfs=2, timeout=900),
    Suite("failures-full", "migrations that fail, all ways in all phases",
          ("6.12", "7.2", "debug"), "./failures.py 10", traffic_files,
          pf="sample_nic", pfs=2, timeout=3600, by_name=True),
    Suite("failures-full-v1", "the same by protocol v1",
          ("6.12", "7.2", "debug"), "./failures.py 7.2", traffic_files,
          pf="sample_nic", pfs=2, qemus=("7.2",), timeout=3600, by_name=True),
    Suite("migrate_more", "under load, without a link, VLANs, what is set on either side",
          ("6.12", "7.2"), "./migrate_more.py one", traffic_files, pf="sample_nic",
          pfs=2, timeout=1800, by_name=True),
    Suite("migrate_seven", "seven guests from one PF to another, two at once back",
          ("7.2",), "./migrate_more.py seven", traffic_files, pf="sample_nic",
          vfs=7, pfs=2, timeout=1800, by_name=True, more=("6.12",)),
    Suite("migrate-full", "all pairs of QEMUs and PFs, and 20 times there and back",
          ("6.12", "7.2", "debug"), "./migrate.py 10,times=40 7.2,times=40 "
          "11,times=2 10:11 10,pfs,times=2 7.2,pfs 11,pfs 10:11,pfs", traffic_files,
          pf="sample_nic", pfs=2, qemus=("7.2", "11"), timeout=7200,
          by_name=True),
    Suite("dirty", "what a VF of sample_nic writes is reported, all of it",
          ("6.12",), "./dirty.py", selftest_files, pf="sample_nic",
          threads="single", timeout=900, more=("7.2", "debug")),
    Suite("dirty-full", "the same with a million packets",
          ("6.12", "7.2", "debug"), "./dirty.py 1000000", selftest_files,
          pf="sample_nic", threads="single", timeout=7200, by_name=True),
    Suite("migrate_dirty", "a guest that receives, with tracking and without",
          ("6.12",), "./migrate_dirty.py 10,7.2,11 0 500 2000", traffic_files,
          pf="sample_nic", qemus=("7.2", "11"), timeout=3600, by_name=True,
          more=("7.2", "debug")),
    Suite("migrate_soak", "a hundred migrations in a row of a guest that receives",
          ("debug",), "./migrate_soak.py 10 100 100", traffic_files, timeout=5400,
          pf="sample_nic", by_name=True, more=("6.12", "7.2")),
    Suite("reload", "loading and unloading the modules leaks nothing",
          ("debug",), "./reload.sh 20", e2e_files, timeout=900, threads="single"),
]

SHOWN = 40      # results of a suite that are printed even when they are good
RESULT = re.compile(r"^(not )?ok\b[ \d]*(?:- )?(.*?)(?: # SKIP ?(.*))?$")


class Count:
    """Results of a whole make check."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, where, name, passed, skip=None):
        if skip is not None:
            self.skipped += 1
            say(f"skipped: {where}: {name}: {skip}")
        elif passed:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(f"{where}: {name}")
            say(f"FAILED: {where}: {name}")

    def take(self, where, lines):
        """Counts the TAP in lines; a plan that is not met is a failure."""
        plan, results = None, 0
        for line in lines:
            match = RESULT.match(line)
            if match:
                results += 1
                self.add(where, match[2], not match[1], match[3])
            elif line.startswith("1.."):
                plan = int(line[3:].split()[0])
        if plan != results:
            self.add(where, f"plan of {plan} tests, {results} reported", False)


def run_on_host(suite, kernel, count):
    """Runs a suite on a lab host; its TAP is kept under build/check."""
    where = f"{suite.name}-{kernel}"
    shown = 0

    def echo(line):
        nonlocal shown
        good = line.startswith("ok ") and " # SKIP" not in line
        shown += good
        if good and shown == SHOWN + 1:
            print("  ... (only what is not ok from here on)", flush=True)
        elif not good or shown <= SHOWN:
            print(f"  {line}", flush=True)

    try:
        kern = kernels.kernel(kernel)
    except kernels.KernelGone as err:
        lines = ["1..1", f"ok 1 - kernel {kernel} # SKIP "
                 f"{str(err).splitlines()[0]}"]
        count.take(where, lines)
        return lines
    boot = pair.boot if suite.hosts == 2 else host.boot
    outcome = boot(kernel, suite.job, suite.files(kern), vfs=suite.vfs, pf=suite.pf,
                   timeout=suite.timeout, name=where, echo=echo,
                   threads=suite.threads, pfs=suite.pfs, qemus=suite.qemus,
                   checks=suite.checks)
    # Not what was echoed: a run that was repeated has echoed twice.
    lines = outcome.output.splitlines()
    count.take(where, lines)
    # A failed test is counted above; what else can go wrong is one more.
    healthy = not (outcome.reports or outcome.why)
    if not healthy or outcome.failed() != any(
            line.startswith("not ok") for line in lines):
        healthy = False
        host.report(outcome)
    count.add(where, "lab host " + ("healthy" if healthy else
                                    outcome.verdict()), healthy)
    lines.append(f"# lab host: {outcome.verdict()}, {outcome.seconds:.0f} s, "
                 f"{outcome.console}")
    return lines


def run_here(suite, kernel, count):
    lines = []
    for line in suite.here(kernel):
        lines.append(line)
        print(f"  {line}", flush=True)
    count.take(suite.name, lines)
    return lines


def check(only, kernel, build_lab):
    """Runs the suites; returns the exit status of make check."""
    names = [suite.name for suite in SUITES]
    if only == "list":
        for suite in SUITES:
            print(f"{suite.name:<18} {suite.about}"
                  + (f" ({', '.join(suite.kernels)})" if suite.kernels else "")
                  + (", only by name" if suite.by_name else "")
                  + (f", by name {', '.join(suite.more)}" if suite.more else ""))
        return 0
    if only and only not in names:
        raise LabError(f"SUITE={only}: choose from {', '.join(names)}")
    start = time.monotonic()
    build_lab([kernel] if kernel else kernels.NAMES)
    count = Count()
    results = BUILD / "check"
    results.mkdir(parents=True, exist_ok=True)
    for suite in SUITES:
        if suite.name != only if only else suite.by_name:
            continue
        if suite.here:
            jobs = [(suite.name, run_here, kernel)]
        else:
            jobs = [(f"{suite.name}-{name}", run_on_host, name)
                    for name in suite.kernels + (suite.more if only else ())
                    if kernel in (None, name)]
        for where, runner, chosen in jobs:
            began = time.monotonic()
            before = count.passed, count.failed
            say(f"suite {where}")
            try:
                lines = runner(suite, chosen, count)
            except (LabError, OSError, subprocess.SubprocessError) as err:
                lines = ["Bail out! " + str(err)]
                say(str(err))
                count.add(where, "the lab itself failed", False)
            (results / f"{where}.tap").write_text("\n".join(lines) + "\n",
                                                  encoding="utf-8")
            say(f"suite {where}: {count.passed - before[0]} passed, "
                f"{count.failed - before[1]} failed, "
                f"{time.monotonic() - began:.0f} s")
    for failure in count.failures:
        print(f"FAILED: {failure}")
    say(f"{time.monotonic() - start:.0f} s, results in "
        f"{results.relative_to(REPO)}")
    print(f"{count.passed} passed, {count.failed} failed, "
          f"{count.skipped} skipped", flush=True)
    return 1 if count.failed or not count.passed else 0


def kernel_scripts():
    """checkpatch and what it reads, which only the source package carries."""
    root = tree("build-trixie")
    script = """
        tar -C /to --strip-components=2 -xf /usr/src/linux-source-6.12.tar.xz \
            linux-source-6.12/scripts/checkpatch.pl \
            linux-source-6.12/scripts/spelling.txt \
            linux-source-6.12/scripts/const_structs.checkpatch
        """
    return cached("kernel-scripts", [script, root.name], lambda path, log: run(
        inside(root, ["sh", "-e", "-c", script], writable=[(path, "/to")]), log,
        what="checkpatch"))


def run_lint():
    """Runs lint.sh on the files git knows; returns its status and output."""
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
    """Everything on the kernel of stable; on sid's, that W=1 has no warning."""
    kern = kernels.kernel("6.12")
    sources = kernels.copy_sources(work / "modules-6.12")
    scripts = kernel_scripts()
    cmd = inside(kern.tree, [LAB / "lint.sh", kernels.kdir(kern), sources,
                             scripts, work / "files"],
                 writable=[work], readable=[REPO, scripts], cwd=REPO)
    run(cmd, log, what="lint")
    try:
        kern = kernels.kernel("7.2")
    except kernels.KernelGone:
        return
    sources = kernels.copy_sources(work / "modules-7.2")
    kern.shell(f"! make -s -j$(nproc) -C {kernels.kdir(kern)} M={sources} W=1 "
               "VFIO_MEDIATE_TESTS=m modules 2>&1 | grep .",
               log, "W=1 on 7.2", writable=[work])


def lint():
    status, output = run_lint()
    print(output, end="")
    print(f"lint: {'FAIL' if status else 'clean'}")
    return status
