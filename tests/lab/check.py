# SPDX-License-Identifier: GPL-2.0-only
"""make check and make check-all: which suites run, where, and what comes of it."""

import concurrent.futures
import hashlib
import json
import os
import subprocess
import threading
import time
import traceback

import kernels
import lint
import pair
import suites
import supported
from cache import BUILD, CACHE, REPO, LabError, is_full, locked, say
from children import child, pause, stop_here
from host import Machine
from programs import job_files
from results import Case, Result, explain, read
from session import Session

RESULTS = BUILD / "check"
PASSED = RESULTS / "passed.json"        # what needs not run again on the same tree
TIMES = CACHE / "suite-seconds.json"    # how long each took, the last time
BOOT_SECONDS = 30
SHOWN = 40      # results that are printed even when they are good, of a suite by itself
CLEAN_UP = 20   # s that a suite which runs here has, when the lab is told to end
LONGEST = 300   # s that suites which share a boot may take together


def seconds_of(suite, kernel, times):
    return times.get(suite.where(kernel), suite.minutes * 60)


def load(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


class Chunk:
    """Suites that run one after the other: in one boot of a lab host, or here."""

    def __init__(self, key, kernel):
        self.key, self.kernel = key, kernel
        self.suites = []
        self.seconds = 0

    def add(self, suite, seconds):
        self.suites.append(suite)
        self.seconds += seconds
        # What spoils the host is its last suite.
        self.suites.sort(key=lambda each: each.spoils)

    def takes(self, suite, seconds):
        return self.seconds + seconds <= LONGEST and \
            not (suite.spoils and self.suites[-1].spoils)

    def machine(self):
        first = self.suites[0]
        return Machine(self.kernel, "multi" if first.guests else "single",
                       max(suite.pfs for suite in self.suites), hosts=first.hosts,
                       card=first.card(), checks=first.checks, userland=first.userland)


def plan(pairs, times):
    """Chunks of the pairs of a suite and a kernel, the longest first."""
    chunks = []
    ordered = sorted(pairs, key=lambda pair: -seconds_of(*pair, times))
    for suite, kernel in ordered:
        # What has to be the same for suites to share a boot
        key = (kernel, suite.guests, suite.hosts, suite.checks, suite.extra,
               suite.userland, suite.card()) if suite.host else (suite.name,)
        seconds = seconds_of(suite, kernel, times)
        chunk = next((each for each in chunks if each.key == key and
                      each.takes(suite, seconds)), None)
        if not chunk:
            chunk = Chunk(key, kernel)
            chunk.seconds = BOOT_SECONDS if suite.host else 0
            chunks.append(chunk)
        chunk.add(suite, seconds)
    # The debug kernel, which may have to be built, before others; then by length.
    return sorted(chunks, key=lambda chunk: (
        "source" not in supported.KERNELS.get(chunk.kernel, {}), -chunk.seconds))


def tree_digest():
    """Of all that may change what a test says."""
    total = hashlib.sha256(os.environ.get("LAB_ACCEL", "").encode())
    for name in lint.everything():
        path = REPO / name
        if path.is_file() and not name.startswith("Documentation/") and \
                path.suffix != ".md":
            runs = os.access(path, os.X_OK)
            total.update(f"{name} {runs}\0".encode() + path.read_bytes())
    return total.hexdigest()


class Check:
    """One run of make check."""

    def __init__(self, pairs, workers, only=""):
        self.only = only
        self.times = load(TIMES)
        self.chunks = plan(pairs, self.times)
        self.total = len(pairs)
        self.todo = {(suite.name, kernel): seconds_of(suite, kernel, self.times)
                     for suite, kernel in pairs}
        self.workers = workers
        self.lock = threading.Lock()
        self.results = []
        self.building = set()       # kernels that a worker waits for
        self.ready = set()
        self.start = time.monotonic()

    def left(self):
        """Seconds, as far as can be said."""
        return sum(self.todo.values()) / self.workers

    def add(self, result):
        """A suite is through."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{result.where}.tap").write_text("\n".join(result.lines) + "\n",
                                                     encoding="utf-8")
        with self.lock:
            self.results.append(result)
            for case in result.cases:
                if case.skip is not None:
                    say(f"skipped: {result.where}: {case.name}: {case.skip}")
            if result.failures:
                print("\n".join(explain(result)), flush=True)
            elif result.seconds and not self.only:
                self.times[result.where] = round(result.seconds)
            # Of what never ran, nobody has told.
            if (result.suite.name, result.kernel) in self.todo:
                self.tell(result)

    def tell(self, result):
        """A suite has ended; what its host has to say is still to come."""
        self.todo.pop((result.suite.name, result.kernel), None)
        passed, failed, _ = result.counts()
        say(f"[{self.total - len(self.todo)}/{self.total}] {result.where}: {passed} passed, "
            f"{failed} failed, {result.seconds:.0f} s; "
            f"{time.monotonic() - self.start:.0f} s gone, about {self.left():.0f} s left")

    def next_chunk(self):
        """The next one to run; one whose kernel is not being built just now."""
        with self.lock:
            for chunk in self.chunks:
                if chunk.kernel in self.building:
                    continue
                self.chunks.remove(chunk)
                if chunk.kernel and chunk.kernel not in self.ready:
                    self.building.add(chunk.kernel)
                return chunk
            return None

    def kernel(self, chunk):
        """Has the kernel of a chunk built; why it cannot be had, or nothing."""
        try:
            kernels.needed_modules(kernels.kernel(chunk.kernel))
            kernels.build_modules(kernels.kernel(chunk.kernel))
            return ""
        except kernels.KernelGone as err:
            return str(err).splitlines()[0]
        finally:
            with self.lock:
                self.building.discard(chunk.kernel)
                self.ready.add(chunk.kernel)

    def work(self):
        """One worker: chunk after chunk."""
        while True:
            chunk = self.next_chunk()
            if not chunk:
                if not self.chunks:
                    return
                pause(0.5)
                continue
            todo = list(chunk.suites)
            try:
                for result in self.results_of(chunk):
                    self.add(result)
                    todo.remove(result.suite)
            except Exception as err:    # pylint: disable=broad-exception-caught
                if isinstance(err, OSError) and is_full(err):
                    with self.lock:
                        self.chunks.clear()
                    raise
                why = str(err) if isinstance(err, LabError) else traceback.format_exc()
                for suite in todo:
                    self.add(Result(suite, chunk.kernel, [
                        Case("the lab itself failed", False, detail=why.splitlines())], 0))

    def results_of(self, chunk):
        if not chunk.suites[0].host:
            yield from (run_here(suite, chunk.kernel, self.echo()) for suite in chunk.suites)
            return
        try:
            gone = self.kernel(chunk)
            files = {} if gone else job_files(chunk.suites[0].extra)
        except kernels.KernelGone as err:
            gone = str(err).splitlines()[0]
        if gone:
            for suite in chunk.suites:
                yield Result(suite, chunk.kernel,
                             [Case(f"kernel {chunk.kernel}", True, gone)], 0)
            return
        by_name = {suite.where(chunk.kernel): suite for suite in chunk.suites}
        jobs = [suite.job(chunk.kernel, self.only) for suite in chunk.suites]
        qemus = sorted({name for suite in chunk.suites for name in suite.qemus})
        run = pair.run if chunk.suites[0].hosts == 2 else one_host

        def ended(outcome):
            with self.lock:
                self.tell(Result(by_name[outcome.name], chunk.kernel, read(outcome.lines),
                                 outcome.seconds))

        for outcome in run(chunk.machine(), jobs, files, qemus=qemus,
                           name=jobs[0].name, echo=self.echo(), ended=ended):
            suite = by_name[outcome.name]
            cases = read(outcome.lines)
            if outcome.status and not any(not case.passed for case in cases):
                cases.append(Case(f"exit status {outcome.status}", False))
            wrong = outcome.why or outcome.reports or outcome.left
            cases.append(Case("lab host " + (outcome.verdict() if wrong else "healthy"),
                              not wrong))
            yield Result(suite, chunk.kernel, cases, outcome.seconds, outcome,
                         [*outcome.lines, f"# lab host: {outcome.verdict()}, "
                          f"{outcome.seconds:.0f} s, {outcome.console}"])

    def echo(self):
        """Prints the lines of a suite that runs by itself; of others, none."""
        if self.total > 1:
            return lambda line: None
        good = 0

        def show(line):
            nonlocal good
            fine = line.startswith("ok ") and " # SKIP" not in line
            good += fine
            if fine and good == SHOWN + 1:
                print("  ... (only what is not ok from here on)", flush=True)
            elif not fine or good <= SHOWN:
                print(f"  {line}", flush=True)
        return show

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            tasks = [pool.submit(self.work) for _ in range(self.workers)]
        try:
            for task in tasks:
                task.result()
        except OSError:
            # A full disk. What has ended before counts all the same.
            finish(self.results, self.start)
            say("not run: " + ", ".join(f"{name} {kernel}" for name, kernel in self.todo))
            raise
        CACHE.mkdir(parents=True, exist_ok=True)
        TIMES.write_text(json.dumps({**load(TIMES), **self.times}, indent=1) + "\n",
                         encoding="utf-8")
        return self.results


def one_host(machine, jobs, files, **options):
    return Session(machine, jobs, files, **options).run()


def run_here(suite, kernel, echo):
    """A suite that needs no lab host."""
    start = time.monotonic()
    lines = []
    command = ["timeout", f"--kill-after={CLEAN_UP}", str(suite.seconds()), "sh", "-c",
               suite.run]
    with child(command, cwd=REPO, text=True, errors="replace", stdin=subprocess.DEVNULL,
               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, grace=CLEAN_UP) as proc:
        for line in proc.stdout:
            lines.append(line.rstrip())
            echo(lines[-1])
        proc.wait()
    stop_here()
    cases = read(lines)
    if proc.returncode and not any(not case.passed for case in cases):
        cases.append(Case(f"exit status {proc.returncode}", False))
    return Result(suite, kernel, cases, time.monotonic() - start, None, lines)


REMEMBER = threading.Lock()


def remember(results, digest):
    """What passed on this tree; what failed on it is forgotten. Of a tree that was
    changed meanwhile, nothing is known."""
    if digest != tree_digest():
        return
    with REMEMBER, locked(BUILD / ".passed.lock"):
        mine = load(PASSED).get(digest, {})
        for result in results:
            passed, failed, skipped = result.counts()
            # That the lab host is healthy is a result, too, but tests nothing.
            if failed or passed <= bool(result.outcome):
                mine.pop(result.where, None)
            else:
                mine[result.where] = [passed, skipped, round(result.seconds)]
        RESULTS.mkdir(parents=True, exist_ok=True)
        part = PASSED.with_suffix(".part")
        part.write_text(json.dumps({digest: mine}, indent=1) + "\n", encoding="utf-8")
        part.replace(PASSED)


def finish(results, start):
    """The last lines; the exit status."""
    passed, failed, skipped = (sum(each) for each in zip(
        (0, 0, 0), *(result.counts() for result in results)))
    for result in results:
        for case in result.failures:
            print(f"FAILED: {result.where}: {case.name}")
    say(f"{time.monotonic() - start:.0f} s, results in {RESULTS.relative_to(REPO)}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


def workers(pairs):
    """How many lab hosts at a time: one a CPU, each of which has a busy one."""
    return max(1, min(len(pairs), int(os.environ.get("LAB_JOBS") or
                                      min(os.cpu_count() or 1, 4))))


def check(names, wanted, only):
    """make check; returns its exit status."""
    every = suites.everything()
    if names == "list":
        print("\n".join(suites.table(every)))
        return 0
    wanted = suites.kernels_wanted(wanted)
    pairs = suites.chosen(every, suites.split(names), wanted) if names else \
        suites.daily(every, wanted)
    start = time.monotonic()
    digest = tree_digest()
    results = Check(pairs, workers(pairs), only).run()
    if not only:
        remember(results, digest)
    return finish(results, start)


def quick():
    """make quick; returns its exit status."""
    pairs = [(suite, "") for suite in suites.everything().values() if suite.quick]
    start = time.monotonic()
    return finish(Check(pairs, workers(pairs)).run(), start)


def check_all(names, wanted, again):
    """make check-all; returns its exit status."""
    every = suites.everything()
    pairs = suites.chosen(every, suites.split(names), suites.kernels_wanted(wanted))
    start = time.monotonic()
    digest = tree_digest()
    known = {} if again else load(PASSED).get(digest, {})
    todo = [(suite, kernel) for suite, kernel in pairs if suite.where(kernel) not in known]
    if not todo:
        print_matrix(every, pairs, known, [])
        say("all of it has passed on this tree; AGAIN=1 runs it again")
        return 0
    run = Check(todo, workers(todo))
    say(f"{len(pairs)} suites on their kernels, of which {len(pairs) - len(todo)} have "
        f"passed on this tree; about {run.left() / 60:.0f} minutes")
    add = run.add

    def add_and_remember(result):
        add(result)
        remember([result], digest)

    run.add = add_and_remember
    results = run.run()
    print_matrix(every, pairs, load(PASSED).get(digest, {}), results)
    return finish(results, start)


def print_matrix(every, pairs, known, results):
    """A row for each suite, a column for each kernel, and one for no lab host."""
    failed = {result.where: result.counts()[1] for result in results if result.failures}
    columns = ["", *supported.NAMES]
    print(f"\n{'suite':<24}" + "".join(f"{name or 'here':>18}" for name in columns))
    wanted = {(suite.name, kernel) for suite, kernel in pairs}
    for suite in every.values():
        cells = []
        for kernel in columns:
            where = suite.where(kernel)
            if (suite.name, kernel) not in wanted:
                cells.append("-")
            elif where in failed:
                cells.append(f"{failed[where]} FAILED")
            elif where in known:
                cells.append("{0} ok, {2} s".format(*known[where]))
            else:
                cells.append("not run")
        if any(cell != "-" for cell in cells):
            print(f"{suite.name:<24}" + "".join(f"{cell:>18}" for cell in cells))
