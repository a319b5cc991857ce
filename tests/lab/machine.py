# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU that stands for the lab host's hardware, without two faults of TCG that guests
of the lab host suffer from. The patches in qemu/ describe both faults and mend them in
QEMU's source.

To build QEMU takes minutes, so this is not the default. The default is a copy of Debian's
program with two store instructions replaced by NOPs of the same length. These are the
stores that the patches remove. LAB_QEMU=source chooses the program built from source.
"""

import os
import re

from cache import LabError, cached, say
from qemu_build import built_qemu
from trees import tree

PROGRAM = "usr/bin/qemu-system-x86_64"
# As gcc has compiled them for Debian 13, and a NOP as long
STORES = [
    (re.compile(
        rb"\x41\x0f\xb6\xf4"                        # vector = event_inj & 0xff
        rb"\x44\x89\xab..\x00\x00"                  # env->error_code = ...
        rb"(\x89\xb3..\xff\xff)"                    # cs->exception_index = vector
        rb"\xc7\x83..\x00\x00\x00\x00\x00\x00"      # env->exception_is_int = 0
        rb"\x48\xc7\x83..\x00\x00\xff\xff\xff\xff"  # env->exception_next_eip = -1
        rb".{10,40}?\x48\x89\xdf\xe8",              # do_interrupt_x86_hardirq(env, ...)
        re.DOTALL), b"\x66\x0f\x1f\x44\x00\x00"),
    (re.compile(
        rb"\xb9\x1f\x00\x00\x00.{14}\xe8.{4}"       # X86_CPU(first_cpu)
        rb"(\x81\xa0..\x00\x00\x7f\xff\xff\xff)"    # ->env.hflags2 &= ~HF2_IGNNE_MASK
        rb"\x48\x83\xc4\x08",
        re.DOTALL), b"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00"),
]


def edited(program):
    """Debian's program without the stores; None if this is not a program that is known."""
    program = bytearray(program)
    for store, nop in STORES:
        found = list(store.finditer(program))
        if len(found) != 1:
            return None
        start, end = found[0].span(1)
        program[start:end] = nop
    return program


def make(path, _log):
    program = edited((tree("host") / PROGRAM).read_bytes())
    if program:
        (path / "qemu").write_bytes(program)
        (path / "qemu").chmod(0o755)


def outer_qemu(checks=False):
    """Where it is; QEMU has to find itself at PROGRAM. With checks, its 82576 checks who
    sends, as the card does, which only a program built from source can do."""
    chosen = os.environ.get("LAB_QEMU", "")
    if chosen not in ("", "debian", "source"):
        raise LabError(f"LAB_QEMU={chosen}: debian or source")
    if checks or chosen == "source":
        return built_qemu(checks)
    path = cached("outer-qemu", [*(store.pattern.hex() for store, _ in STORES),
                                 tree("host").name], make) / "qemu"
    if path.exists():
        return path
    say("Debian's QEMU is not one that is known: building it from source")
    return built_qemu(checks)
