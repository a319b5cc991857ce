#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvme_online.py DEVICE N: gives N VFs of an NVMe controller queues and interrupt vectors, and
brings them online, by Virtualization Management of its PF."""

import ctypes
import fcntl
import struct
import sys

ADMIN_CMD = 0xc0484e41              # NVME_IOCTL_ADMIN_CMD of linux/nvme_ioctl.h
COMMAND = struct.Struct("<BBHIIIQQII6III")      # struct nvme_passthru_cmd
IDENTIFY, VIRTUALIZATION = 0x06, 0x1c
SECONDARY_CONTROLLERS = 0x15        # CNS of Identify
CONTROLLER = struct.Struct("<HHB3xHHH18x")      # entry of that list
OFFLINE, ASSIGN, ONLINE = 7, 8, 9
QUEUES, VECTORS = 0, 1              # types of resources
EACH = 3                            # of both: an admin queue, and two for I/O


def admin(device, opcode, cdw10, cdw11=0, size=0):
    """An admin command; returns the data that it reads."""
    data = ctypes.create_string_buffer(size or 1)
    command = bytearray(COMMAND.pack(opcode, 0, 0, 0, 0, 0, 0,
                                     ctypes.addressof(data) if size else 0, 0, size,
                                     cdw10, cdw11, 0, 0, 0, 0, 0, 0))
    if status := fcntl.ioctl(device, ADMIN_CMD, command):
        raise OSError(f"admin command {opcode:#x}, {cdw10:#x}: status {status:#x}")
    return data.raw[:size]


def secondary(device):
    """IDs of secondary controllers by the numbers of their VFs."""
    data = admin(device, IDENTIFY, SECONDARY_CONTROLLERS, size=4096)
    entries = [CONTROLLER.unpack_from(data, 32 + CONTROLLER.size * number)
               for number in range(data[0])]
    return {entry[3]: entry[0] for entry in entries}


def give(path, number, queues=EACH):
    """So many queues for a VF, by its number from 1 on, which nobody uses."""
    with open(path, "rb", buffering=0) as device:
        target = secondary(device)[number] << 16
        admin(device, VIRTUALIZATION, target | OFFLINE)
        for kind, count in ((QUEUES, queues), (VECTORS, EACH)):
            admin(device, VIRTUALIZATION, target | kind << 8 | ASSIGN, count)
        admin(device, VIRTUALIZATION, target | ONLINE)


def main(path, count):
    for number in range(1, int(count) + 1):
        give(path, number)


if __name__ == "__main__":
    main(*sys.argv[1:])
