# SPDX-License-Identifier: GPL-2.0-only
"""Drives vfio_hold, a program that opens a VF as a VMM does."""

import select
import subprocess
import threading


class Hold:
    """An open VF, or what its open failed with."""
    program = "./vfio_hold"

    def __init__(self, vf, *options):
        self.proc = subprocess.Popen([self.program, *options, vf], bufsize=0,
                                     stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
        self.vf = vf
        self.rest = b""
        self.lock = threading.Lock()
        self.requested = False
        self.said = self.line()

    def line(self, timeout=20):
        """What it prints next; nothing after timeout seconds, or at its end."""
        while b"\n" not in self.rest:
            if not select.select([self.proc.stdout], [], [], timeout)[0]:
                return ""
            more = self.proc.stdout.read(4096)
            if not more:
                return ""
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def ask(self, command):
        """The answer to a command: a number, or the name of an errno; None
        when the device is no longer held."""
        with self.lock:
            try:
                self.proc.stdin.write(command.encode() + b"\n")
            except (BrokenPipeError, ValueError):
                return None
            while (line := self.line(5)) == "requested":
                self.requested = True
            answer = line.partition(": ")[2]
        if not answer:
            return None
        return int(answer, 0) if answer[0].isdigit() else answer

    def asked_back(self):
        """Has somebody wanted the device back?"""
        with self.lock:
            if not self.proc.stdout.closed:
                while not self.requested and (line := self.line(0.05)):
                    self.requested = line == "requested"
        return self.requested

    def close(self):
        """Has it let go of the device; returns its exit status."""
        with self.lock:
            try:
                self.proc.stdin.close()
            except BrokenPipeError:
                pass
            status = self.proc.wait(20)
            self.proc.stdout.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
