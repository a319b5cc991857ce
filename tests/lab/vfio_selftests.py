# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's VFIO selftests, from Debian's source package of the 7.2 kernel."""

from cache import REPO, LabError, cached, digest, run
from kernels import KernelGone, kernel
from trees import download, inside, tree

SERIES = "7.2"
PACKAGE = f"linux-source-{SERIES}"
OWN = REPO / "tests" / "vfio-selftests"
# What of the kernel's source they are built from
PARTS = """
    tools/testing/selftests/vfio tools/testing/selftests/lib.mk
    tools/testing/selftests/kselftest.h tools/testing/selftests/kselftest_harness.h
    tools/include tools/arch/x86/include scripts/subarch.include include/linux/pci_ids.h
    drivers/dma/ioat/hw.h drivers/dma/ioat/registers.h drivers/dma/idxd/registers.h
    """.split()


def source():
    """Directory with PARTS in src and libuuid in uuid: 160 MB are fetched, and nothing
    is installed."""
    packages = f"{PACKAGE} uuid-dev"
    unpack = f"""
        mkdir /to/deb /to/src /to/uuid
        tar -C /to/deb -xf /to/.tar --wildcards '*.deb'
        dpkg-deb -x /to/deb/uuid-dev_*.deb /to/uuid
        dpkg-deb --fsys-tarfile /to/deb/{PACKAGE}_*.deb |
        tar -xO ./usr/src/{PACKAGE}.tar.xz |
        tar -xJ -C /to/src --strip-components=1 {" ".join(f"{PACKAGE}/{p}" for p in PARTS)}
        rm -rf /to/deb /to/.tar /to/.list
        """

    def build(path, log):
        download(path, log, "sid", packages)
        run(inside(tree("build-trixie"), ["sh", "-e", "-c", unpack],
                   writable=[(path, "/to")]), log, what=f"unpacking {PACKAGE}")

    try:
        return cached("vfio-selftests-source", [packages, unpack], build)
    except LabError as err:
        raise KernelGone(f"Debian's sid has no {PACKAGE} that can be had now: {err}") \
            from err


def programs():
    """Directory with upstream's programs, built by their own Makefile with the headers of
    the same series."""
    kern, where = kernel(SERIES), source()
    script = """
        gcc -c -O2 -Wall -o /to/iommu_mode.o /own/iommu_mode.c
        flags='-isystem /uuid/usr/include'
        grep -rqw calloc_assert /src/tools/testing/selftests/vfio/lib/include ||
                flags="$flags -include /own/calloc_assert.h"
        # Not 0, or it builds where the sources are
        make -j"$(nproc)" MAKELEVEL=1 -C /src/tools/testing/selftests/vfio OUTPUT=/to \\
                USERCFLAGS="$flags" USERLDFLAGS="-static /to/iommu_mode.o \\
                        -L/uuid/usr/lib/$(gcc -print-multiarch)"
        find /to -name '*.[od]' -delete
        """
    return cached("vfio-selftests", [script, where.name, kern.tree.name,
                                      digest(*sorted(OWN.glob("*.[ch]")))],
                  lambda path, log: kern.shell(
                      script, log, "VFIO selftests", writable=[(path, "/to")],
                      readable=[(where / "src", "/src"), (where / "uuid", "/uuid"),
                                (OWN, "/own")]))
