# SPDX-License-Identifier: GPL-2.0-only
"""Calls of the kernel's functions, as kprobes see them."""

import os
import pathlib
import re

TRACING = pathlib.Path("/sys/kernel/tracing")
EVENTS = TRACING / "kprobe_events"


def define(event):
    """Adds a line to the list of kprobes, in which no program can seek."""
    file = os.open(EVENTS, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, event.encode() + b"\n")
    finally:
        os.close(file)


class Kprobes:
    """Hits of kprobes, which events has by name: "p FUNCTION ARGUMENT..." for its start,
    "r FUNCTION" for its return. They are counted where the condition holds."""

    def __init__(self, group, events, condition="0"):
        self.group, self.events, self.condition = group, events, condition
        self.instance = TRACING / "instances" / group

    def __enter__(self):
        for name, event in self.events.items():
            kind, _, what = event.partition(" ")
            define(f"{kind}:{self.group}/{name} {what}")
        self.instance.mkdir()
        (self.instance / "trace_clock").write_text("mono", encoding="ascii")
        events = self.instance / "events" / self.group
        for name in self.events:
            (events / name / "filter").write_text(self.condition, encoding="ascii")
        (events / "enable").write_text("1", encoding="ascii")
        return self

    def __exit__(self, *exc):
        (self.instance / "events" / self.group / "enable").write_text("0", encoding="ascii")
        self.instance.rmdir()
        for name in self.events:
            define(f"-:{self.group}/{name}")

    def clear(self):
        (self.instance / "trace").write_text("", encoding="ascii")

    def read(self):
        """A line for each hit since clear(), in the order of time."""
        return [line.strip() for line in
                (self.instance / "trace").read_text(encoding="ascii").splitlines()
                if not line.startswith("#")]

    def times(self):
        """When each hit was, on the clock of time.monotonic()."""
        return [float(line.split(": ")[0].split()[-1]) for line in self.read()]


class Configs(Kprobes):
    """Accesses to the config space of some functions, given by their addresses, by the
    CPU's ports, or beyond 256 bytes by a window of memory. The PCI core calls what does
    them by a pointer, so none is inlined."""

    def __init__(self, functions):
        super().__init__(
            "lab_config",
            {f"{way}_{what}": f"p pci_{way}_{what} bus=%si:u32 devfn=%dx:u32 reg=%cx:u32"
             for way in ("conf1", "mmcfg") for what in ("read", "write")},
            " || ".join("(bus == {:d} && devfn == {:d})".format(
                int(bus, 16), int(slot, 16) << 3 | int(function, 16))
                for bus, slot, function in (address.replace(".", ":").split(":")[1:]
                                            for address in functions)))


class Vcpus(Kprobes):
    """When vCPUs run: KVM_RUN, with all that KVM does without its VMM."""

    def __init__(self):
        function = "kvm_arch_vcpu_ioctl_run"
        super().__init__("lab_vcpus", {"enter": f"p {function}", "leave": f"r {function}"})

    def stopped(self, here, there):
        """For how long, in s, no vCPU of a guest has run that has moved from one VMM to the
        other, each given by its threads."""
        hits = [(int(match[1]), float(match[2]), match[3]) for match in (
            re.search(r"-(\d+) +\[.* (\d+\.\d+): (\w+): ", line) for line in self.read())]
        last = max(when for thread, when, event in hits if thread in here and event == "leave")
        return min(when for thread, when, event in hits
                   if thread in there and event == "enter" and when > last) - last
