# SPDX-License-Identifier: GPL-2.0-only
"""The QEMUs that guests run under, besides the lab host's own, which is 10."""

from cache import LabError, cached, run, say
from trees import inside, tree

OWN = "10"
TREES = {"7.2": "qemu-7.2", "11": "qemu-11"}
NAMES = (OWN, *TREES)


class QemuGone(LabError):
    """A QEMU that Debian does not carry, or cannot install, right now."""


def qemu(name):
    """Directory with the QEMU called name, and the libraries and firmware it
    needs, so that it runs wherever it is put."""
    try:
        root = tree(TREES[name])
    except LabError as err:
        raise QemuGone(f"QEMU {name} cannot be installed now: {err}") from err
    # Sid moves on.
    script = f"""
        version=$(qemu-system-x86_64 --version | sed -n 's/.* version \\([0-9.]*\\).*/\\1/p')
        case $version in {name}.*) ;; *) echo "version $version"; exit 3;; esac
        mkdir /to/lib
        cp /usr/bin/qemu-system-x86_64 /to
        ldd /to/qemu-system-x86_64 | sed -n 's/.*=> \\(.*\\) (.*/\\1/p' |
        xargs cp -Lt /to/lib
        cp -L /lib64/ld-linux-x86-64.so.2 /to/lib
        mkdir /to/firmware
        for file in bios-256k.bin kvmvapic.bin linuxboot_dma.bin; do
                find /usr/share/seabios /usr/share/qemu -name $file |
                head -n 1 | xargs cp -Lt /to/firmware
        done
        """
    try:
        return cached(f"qemu-{name}", [script, root.name], lambda path, log: run(
            inside(root, ["sh", "-e", "-c", script], writable=[(path, "/to")]),
            log, what=f"QEMU {name}"))
    except LabError as err:
        raise QemuGone(f"Debian has no QEMU {name} in {TREES[name]} any more: "
                       f"{err}") from err


def qemu_files(names):
    """The directories of the QEMUs named, without those that cannot be had."""
    found = {}
    for name in names:
        try:
            found[name] = qemu(name)
        except QemuGone as err:
            say(f"no QEMU {name}: {str(err).splitlines()[0]}")
    return found
