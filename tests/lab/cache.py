# SPDX-License-Identifier: GPL-2.0-only
"""Progress lines, logged commands, and a directory of built things keyed by
what went into them."""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
LAB = REPO / "tests" / "lab"
BUILD = REPO / "build"
CACHE = pathlib.Path(
    os.environ.get("VFIO_MEDIATE_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    / "vfio-mediate").absolute()

HEARTBEAT = 30  # seconds between signs of life of a long step


class LabError(Exception):
    """Something the user has to know; printed without a traceback."""


def say(text):
    print(f"lab: {text}", flush=True)


def tail(path, lines=20):
    try:
        text = pathlib.Path(path).read_text(errors="replace")
    except OSError as err:
        return f"({err})"
    return "\n".join(line.rstrip() for line in text.splitlines()[-lines:])


@contextlib.contextmanager
def locked(path):
    """Holds an exclusive lock on the file at path, shared by all labs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another lab that holds {path.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(cmd, log, timeout=1800, what="", **kwargs):
    """Runs cmd with its output in the file log, and a line now and then."""
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with open(log, "ab") as out:
        proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.STDOUT, **kwargs)
        try:
            while True:
                try:
                    code = proc.wait(HEARTBEAT)
                    break
                except subprocess.TimeoutExpired:
                    spent = time.monotonic() - start
                    if spent > timeout:
                        raise LabError(f"{what or cmd[0]}: no end after "
                                       f"{timeout} s, log {log}\n{tail(log)}") from None
                    last = tail(log, 1)[:70]
                    say(f"  {what}: {spent:.0f} s, {last}")
        finally:
            if proc.poll() is None:
                proc.kill()
                proc.wait()
    if code:
        raise LabError(f"{what or cmd[0]} failed ({code}), log {log}\n{tail(log)}")


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


def cached(name, inputs, build):
    """Returns the cache directory for name as made from inputs.

    inputs is anything JSON can hold; build(directory, log) fills an empty
    directory, which gets its final name only when build returns.
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
        say(f"{name}: building")
        start = time.monotonic()
        part = CACHE / f".{name}-{key}.part"
        shutil.rmtree(part, ignore_errors=True)
        log.unlink(missing_ok=True)
        part.mkdir(parents=True)
        try:
            build(part, log)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        part.rename(path)
        say(f"{name}: built in {time.monotonic() - start:.0f} s")
    return path


def die(text):
    print(f"lab: error: {text}", file=sys.stderr, flush=True)
    sys.exit(2)
