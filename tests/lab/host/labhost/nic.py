# SPDX-License-Identifier: GPL-2.0-only
"""The card, as sample_nic shows it: registers, rings, and whether a VF's DMA is stopped."""

import contextlib
import pathlib
import struct
import subprocess
import time

from .shell import sh
from .sriov import vf_info

# In BAR 0 of a VF
STATUS, RDT = 0x8, 0x2818

# In the order in which sample_nic dumps its registers.
TABLES = [("CTRL", 1), ("STATUS", 1), ("CTRL_EXT", 1), ("RCTL", 1), ("TCTL", 1),
          ("RXCSUM", 1), ("GPIE", 1), ("EIMS", 1), ("IMS", 1), ("IVAR", 8),
          ("IVAR_MISC", 1), ("MRQC", 1), ("VT_CTL", 1), ("DTXSWC", 1),
          ("RPLOLR", 1), ("QDE", 1), ("VFRE", 1), ("VFTE", 1), ("VMOLR", 8),
          ("VMVIR", 8), ("VLVF", 32), ("RA", 48), ("RDBAL", 16), ("RDBAH", 16),
          ("RDLEN", 16), ("RDH", 16), ("RDT", 16), ("SRRCTL", 16),
          ("RXDCTL", 16), ("TDBAL", 16), ("TDBAH", 16), ("TDLEN", 16),
          ("TDH", 16), ("TDT", 16), ("TXDCTL", 16)]
PF_POOL = 7

RINGS = ("RDH", "RDT", "TDH", "TDT")


def registers(netdev):
    """The PF's registers by name, each a list."""
    dump = subprocess.run(["ethtool", "-d", netdev, "raw", "on"], check=True,
                          capture_output=True).stdout
    words = struct.unpack(f"<{len(dump) // 4}I", dump)
    if len(words) != sum(count for _, count in TABLES):
        raise ValueError(f"{len(words)} registers in the dump")
    found, start = {}, 0
    for name, count in TABLES:
        found[name] = words[start:start + count]
        start += count
    return found


def pool_state(netdev, pool):
    """All that decides what a pool receives, and may send."""
    regs = registers(netdev)
    first = (pool + 1) % 8 * 6
    return {"addresses": regs["RA"][first:first + 6],
            "vlans": sorted(vlvf & 0xfff for vlvf in regs["VLVF"]
                            if vlvf >> 12 & 1 << pool),
            "enabled": [regs[name][0] >> pool & 1 for name in ("VFRE", "VFTE")],
            "spoofing": regs["DTXSWC"][0] & 0x101 << pool,
            "VMOLR": regs["VMOLR"][pool], "VMVIR": regs["VMVIR"][pool]}


@contextlib.contextmanager
def stoppable():
    """Loads the module that stops and starts VFs of the PFs that are bound to sample_nic."""
    sh("modprobe", "stop_vf")
    try:
        yield
    finally:
        # modprobe -r would unload sample_nic, too.
        sh("rmmod", "stop_vf")


def stop_file(pf, number):
    """1 while the DMA of a VF is stopped. Inside of stoppable()."""
    return pathlib.Path(f"/sys/kernel/debug/stop_vf/{pf}/vf{number}")


def stop(pf, number, on=True):
    stop_file(pf, number).write_text(str(int(on)))


def rings(netdev, number):
    regs = registers(netdev)
    return {name: (regs[name][number], regs[name][number + 8]) for name in RINGS}


def counters(netdev, number):
    stats = vf_info(netdev, number)["stats"]
    return stats["rx"]["packets"], stats["tx"]["tx_packets"]


def enabled(netdev, number):
    regs = registers(netdev)
    return [regs[name][0] >> number & 1 for name in ("VFRE", "VFTE")]


def stands_still(tap, netdev):
    """VF 0 does no DMA; returns its rings."""
    first, counted = rings(netdev, 0), counters(netdev, 0)
    time.sleep(1)
    last = rings(netdev, 0)
    tap.equal((last["RDH"], last["TDH"], counters(netdev, 0)),
              (first["RDH"], first["TDH"], counted),
              "stopped: for a second heads and counters stand still")
    return last
