# SPDX-License-Identifier: GPL-2.0-only
"""Progress lines, logged commands, and a directory of built things keyed by
what went into them. children.py has the processes and the signals."""

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from children import child, pause, stop_here

REPO = pathlib.Path(__file__).resolve().parents[2]
LAB = REPO / "tests" / "lab"
BUILD = REPO / "build"
CACHE = pathlib.Path(
    os.environ.get("VFIO_MEDIATE_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    / "vfio-mediate").absolute()

HEARTBEAT = 30  # seconds between signs of life of a long step
RECENT = 1 << 16    # bytes of a command's output that are kept in memory
FULL = re.compile(r"No space left on device|Disk quota exceeded|"
                  r"You don't have enough free space")


class LabError(Exception):
    """Something the user has to know; printed without a traceback."""


class NoSpace(OSError):
    """A full disk. Not a LabError: whatever the step was for, no other step
    can make up for it."""

    def __init__(self, where, needed=0):
        text = f"no space left in {where}: {free_space(where)} MB free"
        if needed:
            text += f", about {needed} MB needed"
        super().__init__(errno.ENOSPC, text)

    def __str__(self):
        return self.strerror


def is_full(err):
    """Does the OSError err, or what shutil collected, say that a disk is full?"""
    return err.errno in (errno.ENOSPC, errno.EDQUOT) or bool(FULL.search(str(err)))


def fullest():
    """Which of the directories that the lab writes to has the least space."""
    return min(CACHE, BUILD, pathlib.Path(tempfile.gettempdir()), key=free_space)


def free_space(where):
    """MB that are free for this user in the directory where, or in the one
    that it will be made in."""
    while not where.exists():
        where = where.parent
    return shutil.disk_usage(where).free >> 20


def need_space(where, needed):
    """Raises NoSpace unless needed MB are free in the directory where."""
    if free_space(where) < needed:
        raise NoSpace(where, needed)


def say(text):
    # In one piece: other threads have something to say, too.
    print(f"lab: {text}\n", end="", flush=True)


def last_lines(text, lines=20):
    return "\n".join(line.rstrip() for line in text.splitlines()[-lines:])


def tail(path, lines=20):
    try:
        return last_lines(pathlib.Path(path).read_text(errors="replace"), lines)
    except OSError as err:
        return f"({err})"


@contextlib.contextmanager
def locked(path):
    """Holds an exclusive lock on the file at path, shared by all labs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say(f"waiting for another lab that holds {path.name}")
                told = True
                pause(0.2)
        yield


def run(cmd, log, timeout=1800, what="", **kwargs):
    """Runs cmd with its output in the file log, and a line now and then."""
    log.parent.mkdir(parents=True, exist_ok=True)
    what = what or cmd[0]
    start = spoke = time.monotonic()
    # The last of it stays in memory too: a full disk takes no log.
    recent = b""
    with open(log, "ab", buffering=0) as out, \
            child(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                  stderr=subprocess.STDOUT, **kwargs) as proc:
        while True:
            stop_here()
            ready = select.select([proc.stdout], [], [], 1)[0]
            text = os.read(proc.stdout.fileno(), RECENT) if ready else b""
            if text:
                recent = (recent + text)[-RECENT:]
                with contextlib.suppress(OSError):
                    out.write(text)
            elif proc.poll() is not None:
                break
            elif ready:
                pause(0.1)      # it closed its output, but goes on
            now = time.monotonic()
            if now > start + timeout:
                raise LabError(f"{what}: no end after {timeout} s, log {log}\n"
                               + last_lines(recent.decode(errors="replace")))
            if now > spoke + HEARTBEAT:
                spoke = now
                last = last_lines(recent.decode(errors="replace"), 1)[:70]
                say(f"  {what}: {now - start:.0f} s, {last}")
        stop_here()
    if proc.returncode:
        text = recent.decode(errors="replace")
        if FULL.search(text):
            raise NoSpace(log.parent)
        raise LabError(f"{what} failed ({proc.returncode}), log {log}\n"
                       + last_lines(text))


def digest(*paths):
    """Hash of the names, contents and x bits of files and directory trees."""
    total = hashlib.sha256()
    for top in map(pathlib.Path, paths):
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(top.parent)} "
                             f"{path.stat().st_mode & 0o100}\n".encode())
                total.update(path.read_bytes())
    return total.hexdigest()


def remove(path):
    """Removes the directory path, whatever the modes in it."""
    if os.getuid() and path.exists():
        subprocess.run(["chmod", "-R", "u+rwX", path], check=False,
                       stderr=subprocess.DEVNULL)
    shutil.rmtree(path, ignore_errors=True)


def cached(name, inputs, build, size=0):
    """Returns the cache directory for name as made from inputs.

    inputs is anything JSON can hold; build(directory, log) fills an empty
    directory, which gets its final name only when build returns. It takes
    size MB at its peak.
    """
    key = hashlib.sha256(json.dumps([name, inputs], sort_keys=True)
                         .encode()).hexdigest()[:16]
    path = CACHE / f"{name}-{key}"
    if path.is_dir():
        return path
    log = CACHE / "log" / f"{name}-{key}.log"
    with locked(CACHE / "lock" / f"{name}-{key}"):
        if path.is_dir():
            return path
        part = CACHE / f".{name}-{key}.part"
        remove(part)
        need_space(CACHE, size)
        say(f"{name}: building")
        start = time.monotonic()
        log.unlink(missing_ok=True)
        try:
            part.mkdir(parents=True)
            build(part, log)
        except BaseException as err:
            full = isinstance(err, OSError) and is_full(err)
            failure = NoSpace(CACHE, size) if full else err
            remove(part)
            raise failure
        part.rename(path)
        say(f"{name}: built in {time.monotonic() - start:.0f} s")
    return path


def once(function):
    """Has a function do its work once for the same arguments, whichever thread asks: its
    inputs do not change while this program runs."""
    results, lock = {}, threading.Lock()

    @functools.wraps(function)
    def wrapper(*args):
        with lock:
            if args not in results:
                results[args] = function(*args)
            return results[args]

    return wrapper


def die(text):
    print(f"lab: error: {text}", file=sys.stderr, flush=True)
    sys.exit(2)
