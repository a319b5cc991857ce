# SPDX-License-Identifier: GPL-2.0-only
"""Commands on the lab host, and waiting for what they do."""

import subprocess
import time


def sh(*cmd, timeout=60):
    return subprocess.run(cmd, check=True, text=True, timeout=timeout,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout.strip()


def fails(*cmd):
    return subprocess.run(cmd, check=False, capture_output=True).returncode


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def measure(function, *args):
    """What a call takes, in seconds."""
    start = time.monotonic()
    function(*args)
    return time.monotonic() - start
