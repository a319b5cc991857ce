# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU's threads do in the kernel while a guest stands still, and what they wait for.

Kprobes at the start and the end of functions, the scheduler's events and those of locks are
recorded, of given threads alone. From these follow, for each call of a function, the time
it took; of that, the time it slept, the time it slept because a lock was taken, and the time
it was ready to run and did not. The last is for want of a CPU.
"""

import collections
import contextlib
import dataclasses
import pathlib
import re

from .kprobes import Kprobes

BUFFER_KIB = 16 << 10       # of each CPU
LINE = re.compile(r"\s*.+-(\d+)\s+\[\d+\]\s+\S+\s+(\d+\.\d+): (\w+): (.*)")
SWITCH = re.compile(r".*prev_pid=(\d+) .*prev_state=(\S+) ==> .*next_pid=(\d+) ")
ARGUMENT = re.compile(r" (\w+)=(\w+)")
LOCK = re.compile(r".* lock=(\w+)(?: caller=(\w+))?")
ENDED = "_ends"             # of the name of an event: the function returns
MUTEX = {"mutex_lock": "p mutex_lock lock=%di:x64 caller=$stack0:symbol",
         "mutex_unlock": "p mutex_unlock lock=%di:x64"}
EVENTS = ("sched/sched_switch", "sched/sched_waking", "lock/contention_begin",
          "lock/contention_end")


@dataclasses.dataclass
class Call:
    """One call of a function by a thread; times in ms."""
    thread: int
    name: str
    begin: float            # s
    arguments: dict
    parent: "Call" = None
    end: float = 0
    slept: float = 0        # but not for a lock
    locked: float = 0       # asleep, until a lock was free
    queued: float = 0       # ready to run
    inner: list = dataclasses.field(default_factory=list)

    def took(self):
        return (self.end - self.begin) * 1000

    def all(self):
        """It, and all calls in it."""
        yield self
        for call in self.inner:
            yield from call.all()

    def find(self, *names):
        return [call for call in self.all() if call.name in names]


@dataclasses.dataclass
class Lock:
    """A mutex that was taken in calls."""
    takers: set = dataclasses.field(default_factory=set)        # names of these
    callers: set = dataclasses.field(default_factory=set)       # of mutex_lock
    threads: set = dataclasses.field(default_factory=set)
    waited: list = dataclasses.field(default_factory=list)      # ms, each time
    slept: list = dataclasses.field(default_factory=list)       # ms, with it held


class Thread:
    """What a thread is at, event by event."""

    def __init__(self, number, locks):
        self.number, self.locks = number, locks
        self.call = None        # the innermost
        self.calls = []         # the outermost, that have ended
        self.held = []
        self.wanted = None      # a lock that is not to be had, and since when
        self.since = 0
        self.asleep = None      # since when
        self.ready = None

    def calls_now(self):
        call = self.call
        while call:
            yield call
            call = call.parent

    def probe(self, when, name, text):
        if name.endswith(ENDED):
            name = name.removesuffix(ENDED)
            while self.call and self.call.name != name:
                self.call = self.call.parent    # whose end was not seen
            if not self.call:
                return
            call, self.call = self.call, self.call.parent
            call.end = when
            (self.call.inner if self.call else self.calls).append(call)
            return
        self.call = Call(self.number, name, when, {
            key: int(value, 0) for key, value in ARGUMENT.findall(text)}, self.call)

    def lock(self, lock, caller):
        self.held.append(lock)
        if self.call:
            self.locks[lock].takers.add(self.call.name)
            self.locks[lock].callers.add(caller)
            self.locks[lock].threads.add(self.number)

    def unlock(self, lock):
        if lock in self.held:
            self.held.remove(lock)

    def want(self, when, lock):
        if self.wanted is None:
            self.wanted, self.since = lock, when

    def have(self, when, lock):
        if self.wanted != lock:
            return
        if lock in self.locks:
            self.locks[lock].waited.append((when - self.since) * 1000)
        self.wanted = None

    def leaves(self, when, state):
        if state.startswith("R"):
            self.ready = when
        else:
            self.asleep = when

    def wakes(self, when):
        if self.asleep is None:
            return
        slept = (when - self.asleep) * 1000
        self.asleep, self.ready = None, when
        for call in self.calls_now():
            if self.wanted is None:
                call.slept += slept
            else:
                call.locked += slept
        if self.wanted is None:
            for lock in self.held:
                self.locks[lock].slept.append(slept)

    def enters(self, when):
        self.wakes(when)
        if self.ready is not None:
            for call in self.calls_now():
                call.queued += (when - self.ready) * 1000
        self.ready = None


class Trace:
    """What was recorded of some threads."""

    def __init__(self, lines):
        self.locks = collections.defaultdict(Lock)
        self.threads = {}
        for match in filter(None, map(LINE.match, lines)):
            self.event(int(match[1]), float(match[2]), match[3], match[4])

    def thread(self, number):
        number = int(number)
        if number not in self.threads:
            self.threads[number] = Thread(number, self.locks)
        return self.threads[number]

    def event(self, number, when, name, text):
        thread = self.thread(number)
        if name == "sched_switch":
            match = SWITCH.match(text)
            self.thread(match[1]).leaves(when, match[2])
            self.thread(match[3]).enters(when)
        elif name == "sched_waking":
            self.thread(re.search(r" pid=(\d+)", text)[1]).wakes(when)
        elif name == "contention_begin":
            thread.want(when, int(text.split()[0], 16))
        elif name == "contention_end":
            thread.have(when, int(text.split()[0], 16))
        elif name == "mutex_lock":
            match = LOCK.match(text)
            thread.lock(int(match[1], 16), match[2])
        elif name == "mutex_unlock":
            thread.unlock(int(LOCK.match(text)[1], 16))
        else:
            thread.probe(when, name, text)

    def calls(self, threads):
        """The outermost calls of some threads, in the order of time."""
        return sorted((call for number in threads if number in self.threads
                       for call in self.threads[number].calls), key=lambda call: call.begin)


class Recorder(Kprobes):
    """Records calls of functions, which are given with their arguments."""

    def __init__(self, functions):
        super().__init__("lab_calls", {
            **{name: f"p {name} {arguments}" for name, arguments in functions.items()},
            **{name + ENDED: f"r64 {name}" for name in functions}, **MUTEX})

    def __enter__(self):
        super().__enter__()
        self.write("tracing_on", 0)
        self.write("options/hash-ptr", 0)
        self.write("buffer_size_kb", BUFFER_KIB)
        for event in EVENTS:
            self.write(f"events/{event}/enable", 1)
        return self

    def __exit__(self, *exc):
        self.write("tracing_on", 0)
        for event in EVENTS:
            self.write(f"events/{event}/enable", 0)
        super().__exit__(*exc)

    def write(self, name, value):
        (self.instance / name).write_text(str(value), encoding="ascii")

    def start(self, threads):
        self.write("set_event_pid", " ".join(map(str, threads)))
        self.clear()
        self.write("tracing_on", 1)

    def stop(self):
        """Returns what a Trace is made of, which takes long."""
        self.write("tracing_on", 0)
        for stats in self.instance.glob("per_cpu/cpu*/stats"):
            lost = re.search(r"^overrun: (\d+)", stats.read_text(encoding="ascii"), re.M)
            if int(lost[1]):
                raise OSError(f"{lost[1]} events of {stats.parent.name} were lost")
        return (self.instance / "trace").read_text(encoding="ascii").splitlines()


def threads_of(guest):
    """All threads of a guest's QEMU but those of its CPUs."""
    cpus = {cpu["thread-id"] for cpu in guest.qmp.call("query-cpus-fast")}
    return {int(task.name) for task in pathlib.Path(f"/proc/{guest.proc.pid}/task").iterdir()
            } - cpus


def cpu_time(comm):
    """ms that threads have run whose names begin so, and that there are now."""
    total = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text(encoding="ascii").startswith(comm):
                total += int((path.parent / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e6
