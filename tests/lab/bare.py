# SPDX-License-Identifier: GPL-2.0-only
"""Bare Debian systems, in which a test may install and remove packages."""

import os
import shutil
import subprocess

from cache import BUILD, LabError, cached, need_space, run
from trees import need_subordinate_ids, scratch, sources

# What a test may install: downloaded, not installed. Also Debian 12's kernel, which is older
# than those that vfio-mediate supports; its packages are called by its newest version.
SYSTEMS = {"bookworm": "bookworm-backports", "trixie": "trixie"}
FETCH = """
    set -e
    fetch() { chroot "$1" apt-get install --yes --download-only $2; }
    fetch "$1" "dkms gcc libc6-dev pkgconf openssl python3 linux-headers-amd64/SUITE MORE"
    old=$(chroot "$1" apt-cache search --names-only '^linux-image-6[.]1[.]0-[0-9]+-amd64$' |
          sed 's/^linux-image-//; s/ .*//' | sort -V | tail -n 1)
    fetch "$1" "linux-headers-$old linux-image-$old initramfs-tools"
    """
# The same for a host of guests, as the administrator's page sets it up: its kernel, what it
# has before the page is read, and what the page has it install.
HOST = """linux-image-amd64/SUITE iproute2 iputils-ping ethtool procps pciutils kmod
    udev busybox-static openssh-server openssh-client driverctl mokutil python3-yaml
    qemu-system-x86 libvirt-daemon-system libvirt-clients linux-perf trace-cmd bpftrace"""
SIZE = 1200     # MB, of the archive and of a system
HOST_SIZE = 2600


def archive(name, more=""):
    """A system in a tar file, with the lists and the packages that apt has downloaded."""
    suite = SYSTEMS[name]
    size = HOST_SIZE if more else SIZE
    fetch = FETCH
    if more and suite != name:
        # With what they need there, of which there may be newer ones
        fetch += f'fetch "$1" "-t {suite} linux-image-amd64 linux-headers-amd64"\n'
    fetch = fetch.replace("MORE", " ".join(more.split())).replace(
        "/SUITE", f"/{suite}" if suite != name else "")

    def build(path, log):
        lines = sources(suite)
        if not lines:
            raise LabError(f"this machine's apt has no Debian mirror for {suite}")
        if name != "bookworm":
            lines += sources("bookworm")
        listing = path / ".list"
        listing.write_text(lines)
        cmd = ["mmdebstrap", "--variant=minbase", "--format=tar", "--skip=cleanup/apt",
               '--aptopt=APT::Install-Recommends "false"',
               '--customize-hook=chroot "$1" apt-get clean', f"--customize-hook={fetch}"]
        if not os.getuid():
            cmd[:0] = ["unshare", "--mount"]
        with scratch(path, size) as folder:
            run([*cmd, name, str(path / "tar"), str(listing)], log, what=f"bare {name}",
                env={**os.environ, "TMPDIR": str(folder)})
        listing.unlink()

    return cached(f"bare-{name}{'-host' if more else ''}", [name, suite, fetch], build,
                  size=2 * size) / "tar"


class Bare:
    """A system made from the archive, as a context. Its root may chown files, so a user's
    is in a user namespace with more ids than the user's own."""

    def __init__(self, name, more=""):
        self.name, self.more = name, more
        self.root = BUILD / "packages" / f"{name}{'-host' if more else ''}"
        if os.getuid():
            need_subordinate_ids()
        self.prefix = ["mmdebstrap", "--unshare-helper"] if os.getuid() else []

    def __enter__(self):
        tar = archive(self.name, self.more)
        self.remove()
        need_space(BUILD, HOST_SIZE if self.more else SIZE)
        self.root.mkdir(parents=True)
        subprocess.run([*self.prefix, "tar", "-C", self.root, "-xpf", tar,
                        "--exclude=./dev/*"], check=True)
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        subprocess.run([*self.prefix, "rm", "-rf", self.root], check=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, script, readable=()):
        """Runs a script as root in the system, without a network; returns its exit status
        and its output."""
        cmd = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-net", "--cap-add", "ALL",
               "--bind", self.root, "/", "--proc", "/proc", "--dev", "/dev",
               "--perms", "1777", "--tmpfs", "/tmp",
               "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin",
               "--setenv", "LC_ALL", "C.UTF-8", "--setenv", "HOME", "/root",
               "--setenv", "DEBIAN_FRONTEND", "noninteractive", "--setenv", "INITRD", "No"]
        for outer, inner in readable:
            cmd += ["--ro-bind", outer, inner]
        done = subprocess.run([*self.prefix, *cmd, "sh", "-c", script], text=True, check=False,
                              errors="replace", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
