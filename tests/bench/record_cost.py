#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""record_cost.py RECORD_COST: what records of the migration stream cost, by their size.

Has the program RECORD_COST save and load a state of mediator_state, in records of one size
after the other. Prints the instructions of the whole host, and of them those for a record: what
two sizes differ by, as they copy the same bytes. Leaves the figures in /out/records.json.
"""

import os
import subprocess
import sys

from labhost.cost import conclude
from labhost.shell import sh
from labhost.sriov import DRIVER, VFS

MODULE = "mediator_state"
KIB, MIB = 1 << 10, 1 << 20
STATE = 256 * MIB
SIZES = [64 * KIB, 256 * KIB, MIB, 8 * MIB]


def measure(program, size):
    """Bytes of the stream, instructions to save it, and to load it."""
    sh("modprobe", MODULE, f"size={STATE}", f"record_max={size}")
    sh("vfctl", "bind", VFS[0], DRIVER)
    out = subprocess.run([program, VFS[0]], check=True, text=True, timeout=600,
                         stdout=subprocess.PIPE).stdout
    sh("modprobe", "-r", MODULE)
    return [int(word) for word in out.split()]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = {size: measure(sys.argv[1], size) for size in SIZES}
    most, least = SIZES[0], SIZES[-1]
    fewer = STATE // most - STATE // least
    print(f"{os.uname().release}: {STATE // MIB} MiB of state, in millions of instructions")
    print(f"{'record':>10}{'records':>10}{'save':>10}{'load':>10}")
    for size, (_, *work) in found.items():
        print(f"{size // KIB:>6} KiB{STATE // size:>10}" +
              "".join(f"{each / 1e6:>10.2f}" for each in work))
    each = [round((more - less) / fewer) for more, less in
            zip(found[most][1:], found[least][1:])]
    print(f"for each record: {each[0]} to save, {each[1]} to load, besides its bytes")
    return conclude("records", {"sizes": found, "each": each}, [])


if __name__ == "__main__":
    sys.exit(main())
