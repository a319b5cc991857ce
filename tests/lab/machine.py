# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU that stands for the lab host's hardware, without a fault of its CPU.

TCG (of 10.0, and as the sources stood later) forgets that an interrupt which a
hypervisor injects by VMRUN has been delivered: helper_vmrun() has stored its vector as
the exception that is pending, delivers it, and leaves it there. When the CPU is then
asked to leave its loop before anything else happens to it, as it is when another CPU
changes the memory map, the vector is delivered once more, now as an exception, which no
interrupt flag holds up. A guest's kernel that takes an interrupt while it holds a lock with interrupts off
stands still for good, or worse: once or twice in an hour here, and more on a loaded
machine. No CPU does that. The store is taken out of a copy of the program.
"""

import re

from cache import cached, say
from trees import tree

PROGRAM = "usr/bin/qemu-system-x86_64"
NOP = b"\x66\x0f\x1f\x44\x00\x00"
# As gcc has compiled it for Debian 13
STORE = re.compile(
    rb"\x41\x0f\xb6\xf4"                        # vector = event_inj & 0xff
    rb"\x44\x89\xab..\x00\x00"                  # env->error_code = ...
    rb"(\x89\xb3..\xff\xff)"                    # cs->exception_index = vector
    rb"\xc7\x83..\x00\x00\x00\x00\x00\x00"      # env->exception_is_int = 0
    rb"\x48\xc7\x83..\x00\x00\xff\xff\xff\xff"  # env->exception_next_eip = -1
    rb".{10,40}?\x48\x89\xdf\xe8",              # do_interrupt_x86_hardirq(env, ...)
    re.DOTALL)


def make(path, _log):
    program = bytearray((tree("host") / PROGRAM).read_bytes())
    found = list(STORE.finditer(program))
    if len(found) == 1:
        start, end = found[0].span(1)
        program[start:end] = NOP
    else:
        say(f"the outer QEMU is not one that is known ({len(found)} places): guests "
            "may now and then stand still")
    (path / "qemu").write_bytes(program)
    (path / "qemu").chmod(0o755)


def outer_qemu():
    """Where it is; it has to be found where PROGRAM is."""
    root = tree("host")
    return cached("outer-qemu", [STORE.pattern.hex(), root.name], make) / "qemu"
