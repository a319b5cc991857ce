# SPDX-License-Identifier: GPL-2.0-only
"""The device file of a VMM that runs, used from outside: what a VMM could do."""

import ctypes
import fcntl
import os
import pathlib
import struct
import threading

PIDFD_GETFD = 438
VFIO_DEVICE_GET_INFO = 0x3b6b
VFIO_DEVICE_GET_REGION_INFO = 0x3b6c
CAP_TYPE = 2
TYPE_DYNAMIC_TRAP = 4
FIRST_EXTRA_REGION = 9
TRAP = 4        # offset in the region


class VmmDevice:
    """The only vfio device that a process has open."""

    def __init__(self, pid):
        number = next(int(path.name) for path in
                      pathlib.Path(f"/proc/{pid}/fd").iterdir()
                      if "[vfio-device]" in os.readlink(path))
        pidfd = os.pidfd_open(pid)
        libc = ctypes.CDLL(None, use_errno=True)
        self.file = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
        os.close(pidfd)
        if self.file < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        self.region = self.find_trap()

    def find_trap(self):
        """Where the dynamic trap region is."""
        info = bytearray(struct.pack("6I", 24, 0, 0, 0, 0, 0))
        fcntl.ioctl(self.file, VFIO_DEVICE_GET_INFO, info)
        regions = struct.unpack_from("6I", info)[2]
        for index in range(FIRST_EXTRA_REGION, regions):
            info = bytearray(struct.pack("4I2Q", 4096, 0, index, 0, 0, 0) +
                             bytes(4096 - 32))
            fcntl.ioctl(self.file, VFIO_DEVICE_GET_REGION_INFO, info)
            cap, offset = struct.unpack_from("I", info, 12)[0], \
                struct.unpack_from("Q", info, 24)[0]
            while cap:
                name, _, after, kind = struct.unpack_from("HHII", info, cap)
                if (name, kind) == (CAP_TYPE, TYPE_DYNAMIC_TRAP):
                    return offset
                cap = after
        raise OSError("no dynamic trap region")

    def trap(self, on):
        os.pwrite(self.file, struct.pack("I", int(on)), self.region + TRAP)

    def trapped(self):
        return struct.unpack("I", os.pread(self.file, 4, self.region + TRAP))[0]

    def close(self):
        os.close(self.file)


class Toggler(threading.Thread):
    """Traps and untraps, by trap(on), until it is stopped."""

    def __init__(self, trap):
        super().__init__(daemon=True)
        self.trap = trap
        self.count = 0
        self.error = None
        self.ended = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.ended.wait(0.02):
                self.count += 1
                self.trap(self.count % 2)
        except OSError as err:
            self.error = err

    def stop(self):
        """How often it did."""
        self.ended.set()
        self.join(30)
        self.trap(False)
        if self.error or self.is_alive():
            raise OSError(f"toggling stopped: {self.error}")
        return self.count
