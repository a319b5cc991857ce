# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU that stands for the lab host's hardware, without two faults of its CPU, which
TCG has in 10.0, and had later. A guest of the lab host came to grief by one or the other
once or twice in an hour, and more often on a loaded machine.

An interrupt that comes twice. TCG forgets that an interrupt which a hypervisor injects by
VMRUN has been delivered: helper_vmrun() has stored its vector as the exception that is
pending, delivers it, and leaves it there. When the CPU is then asked to leave its loop before
anything else happens to it, as it is when another CPU changes the memory map, the vector is
delivered once more, now as an exception, which no interrupt flag holds up. A kernel that
takes an interrupt while it holds a lock with interrupts off stands still for good, or worse.

Flags that one CPU changes for another. Each CPU that restores the state of its FPU takes back
the first CPU's IGNNE#, a line that only DOS knew, by a read and a write of that CPU's hflags2
(cpu_clear_ignne()). What the first CPU itself has changed there in between is undone: that a
guest was left, say, so its hypervisor's addresses are translated by nested page tables, which
ends in a second #VMEXIT by which the state of the host is stored for the guest's. That one is
then reset, or stands still.

No CPU does that. The stores are taken out of a copy of the program.
"""

import re

from cache import cached, say
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


def make(path, _log):
    program = bytearray((tree("host") / PROGRAM).read_bytes())
    for store, nop in STORES:
        found = list(store.finditer(program))
        if len(found) == 1:
            start, end = found[0].span(1)
            program[start:end] = nop
        else:
            say(f"the outer QEMU is not one that is known ({len(found)} places): guests "
                "may now and then stand still, or be reset")
    (path / "qemu").write_bytes(program)
    (path / "qemu").chmod(0o755)


def outer_qemu():
    """Where it is; it has to be found where PROGRAM is."""
    root = tree("host")
    return cached("outer-qemu", [*(store.pattern.hex() for store, _ in STORES), root.name],
                  make) / "qemu"
