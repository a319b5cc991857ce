# SPDX-License-Identifier: GPL-2.0-only
"""The processes that the lab has started, and the signals that end it.

How to use it, from any thread:

    with child(cmd, stdout=log) as proc:    # a subprocess.Popen
        while proc.poll() is None:
            pause(0.1)                      # in place of time.sleep()

On leaving the block, by whatever way, the process is gone, and so is its
process group: it has a session of its own, so the terminal's Ctrl-C does not
reach it. A group is told to end by SIGTERM, and some seconds later by SIGKILL.

SIGINT, SIGTERM or SIGHUP sends SIGTERM to all children at once, and raises
Interrupted in the main thread. In other threads child(), pause() and stop_here() raise it; a
thread that calls none of them has to look at the event stopping. Interrupted is
a SystemExit: "except Exception" lets it pass, and so must all that wraps errors.
Clean-up code, which runs while it is raised, calls none of the three: plain
subprocess.run() is for commands of a moment. Further signals change nothing.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time
import typing

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 3       # seconds that a child has to end by itself
GONE = 5        # seconds for the last of a killed process group to be gone


class Interrupted(SystemExit):
    """The lab was told to end by a signal; code is the exit status."""


class Terms(typing.NamedTuple):
    """How a child is ended."""
    group: bool         # with its process group, which is its own
    grace: float        # seconds between SIGTERM and SIGKILL


class State:
    """What the signal handler shares with all threads."""
    running = {}        # children, with their Terms; access is atomic
    starting = False    # is the main thread about to add one?
    code = 0            # exit status once stopping is set


stopping = threading.Event()


def on_signal(number, _frame):
    if stopping.is_set():
        return
    State.code = 128 + number
    stopping.set()
    for proc in list(State.running):
        if proc.returncode is None:
            tell(proc, signal.SIGTERM)
    # What is being started is not yet known: child() raises.
    if not State.starting:
        raise Interrupted(State.code)


def catch_signals():
    """To be called by the main thread. What is ignored, as SIGHUP is below
    nohup, stays so."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)


def stop_here():
    """Raises Interrupted when the lab has been told to end."""
    if stopping.is_set():
        raise Interrupted(State.code)


def pause(seconds):
    """Sleeps, but not when the lab has been told to end."""
    stopping.wait(seconds)
    stop_here()


def tell(proc, number):
    """Sends a signal to a child, or to its group, whose leader may be gone."""
    with contextlib.suppress(KeyError, ProcessLookupError, PermissionError):
        if State.running[proc].group:
            os.killpg(proc.pid, number)
        else:
            proc.send_signal(number)


def alive(group):
    """Does a process of this group still run?"""
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = path.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state not in "ZX":
                return True
    return False


def end(proc):
    """Ends a child that still runs, and waits until its group is gone."""
    if proc in State.running and (proc.poll() is None or stopping.is_set()):
        tell(proc, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            proc.wait(State.running[proc].grace)
        tell(proc, signal.SIGKILL)
        proc.wait()
        deadline = time.monotonic() + GONE
        while alive(proc.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
    State.running.pop(proc, None)


def end_all():
    """For the end of the program: whatever children there still are."""
    for proc in list(State.running):
        end(proc)


def start(cmd, grace=GRACE, start_new_session=True, **kwargs):
    """For children that outlive a block: end() has to be called."""
    stop_here()
    main = threading.current_thread() is threading.main_thread()
    if main:
        State.starting = True
    try:
        proc = subprocess.Popen(cmd, start_new_session=start_new_session, **kwargs)
        State.running[proc] = Terms(start_new_session, grace)
    finally:
        if main:
            State.starting = False
    if stopping.is_set():
        end(proc)
        stop_here()
    return proc


@contextlib.contextmanager
def child(cmd, **kwargs):
    """Starts cmd as subprocess.Popen does, and ends it when the block is left.

    With start_new_session=False, for what reads from the terminal, only the
    process itself is ended, not a group. grace is how many seconds it has."""
    with start(cmd, **kwargs) as proc:
        try:
            yield proc
        finally:
            end(proc)
