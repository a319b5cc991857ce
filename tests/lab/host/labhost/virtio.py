# SPDX-License-Identifier: GPL-2.0-only
"""A guest with virtio-net: what it is like to migrate one on this machine, now."""

import atexit
import pathlib
import subprocess

from .guest import Guest, GuestError
from .net import link_up
from .shell import sh
from .trip import MEMORY, PROGRAMS, Trip

BRIDGE, ADDRESS, GUEST_ADDRESS = "virtio", "198.51.100.1", "198.51.100.2"
MAC = "52:54:00:76:00:20"
SCRIPT = pathlib.Path("/run/virtio-up")


def bridge(address=ADDRESS):
    """Where each QEMU's tap is, and the lab host has an address, until this test ends."""
    sh("modprobe", "-a", "tun", "bridge")
    sh("ip", "link", "add", BRIDGE, "type", "bridge")
    atexit.register(sh, "ip", "link", "del", BRIDGE)
    if address:
        sh("ip", "addr", "add", f"{address}/24", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")
    SCRIPT.write_text(f"#!/bin/sh\nip link set \"$1\" master {BRIDGE} up\n",
                      encoding="ascii")
    SCRIPT.chmod(0o755)
    atexit.register(SCRIPT.unlink)


def join(netdev, *beyond):
    """Makes a PF's netdev a port of the bridge, with these MACs beyond it. Guests are not:
    the bridge must not learn so, as QEMU's card gives a PF back what it sends to all."""
    sh("ip", "link", "set", netdev, "master", BRIDGE)
    sh("bridge", "link", "set", "dev", netdev, "learning", "off")
    for mac in beyond:
        sh("bridge", "fdb", "replace", mac, "dev", netdev, "master", "static")


def part(netdev):
    sh("ip", "link", "set", netdev, "nomaster")


class Virtio(Trip):
    """Such a guest, otherwise the equal of one with a VF."""
    address = GUEST_ADDRESS

    def __init__(self, tap, qemu, memory=MEMORY, options=(), kind="virtio-net", device="",
                 **settings):
        super().__init__(tap, f"{kind}, QEMU {qemu}", Guest(
            name="virtio", memory=memory, qemu=qemu, shared=True, programs=PROGRAMS,
            # Not every QEMU here has a ROM to boot from it.
            options=["-netdev", f"tap,id=net,script={SCRIPT},downscript=no", "-device",
                     f"virtio-net-pci,netdev=net,mac={MAC},romfile={device}", *options],
            **settings))

    def set_up(self):
        self.guest.run("modprobe virtio_net")
        self.guest.run(link_up(self.address))

    def measure(self, **options):
        """Figures across one migration, and of the time before it; or None. The guest ends
        with it. It has nothing of ours: what goes wrong is no failure."""
        try:
            self.start()
            figures, quiet = self.under_traffic(**options)[:2]
            self.tap.note(f"{self.name}: migrated in {figures['total_ms']} ms, "
                          f"{figures['downtime_ms']} ms of downtime")
            return figures, quiet
        except (GuestError, OSError, EOFError, subprocess.SubprocessError) as err:
            self.tap.note(f"{self.name}: {(str(err) or repr(err)).splitlines()[0]}: "
                          "nothing to compare with")
            return None
        finally:
            self.guest.kill()
