# SPDX-License-Identifier: GPL-2.0-only
"""The device file of a VMM that runs, used from outside: what a VMM could do."""

import ctypes
import fcntl
import os
import pathlib
import struct
import threading

PIDFD_GETFD = 438
VFIO_DEVICE_FEATURE = 0x3b75
FEATURE_GET, FEATURE_SET = 1 << 16, 1 << 17
FEATURE_TRAP = 0xffff
# argsz, flags; flags, irq_index, sequence
TRAP = struct.Struct("2I2IQ")
ON, HOLD, RELEASE = 1, 2, 8


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

    def feature(self, operation, flags=0):
        """Flags of the trap: those that it has, or those to set."""
        call = bytearray(TRAP.pack(TRAP.size, FEATURE_TRAP | operation, flags, 0, 0))
        fcntl.ioctl(self.file, VFIO_DEVICE_FEATURE, call)
        return TRAP.unpack(call)[2]

    def trap(self, on):
        self.feature(FEATURE_SET, HOLD if on else RELEASE)

    def trapped(self):
        return bool(self.feature(FEATURE_GET) & ON)

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
