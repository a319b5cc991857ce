# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU that stands for the lab host's hardware: Debian's source with the patches in
qemu/, each of which says what it mends. README.rst there says which QEMUs need them."""

from cache import LAB, cached, digest, run
from trees import inside, tree

PATCHES = LAB / "qemu"
# The program, and the patches that it has besides those of the program before it.
PROGRAMS = {"qemu": "*-target-i386-*.patch", "qemu-checks": "*-hw-net-igb-*.patch"}
TARGET = "qemu-system-x86_64"
# lab.mak has the devices. Without debug information it takes two thirds of the time.
OPTIONS = """--prefix=/usr --target-list=x86_64-softmmu --without-default-features
    --without-default-devices --with-devices-x86_64=lab --enable-slirp --enable-tcg
    --enable-kvm --disable-debug-info --disable-download --disable-install-blobs
    --firmwarepath=/usr/share/qemu:/usr/share/seabios"""


def make(path, log):
    root = tree("qemu-source")
    work = path / "work"
    work.mkdir()

    def step(what, script):
        run(inside(root, ["sh", "-e", "-c", f"cd /work; {script}"],
                   writable=[(work, "/work")], readable=[(PATCHES, "/patches")]),
            log, what=f"QEMU, {what}")

    step("source", "mkdir qemu build; tar -C qemu --strip-components=1 -xf "
                   "/usr/src/qemu_*.orig.tar.xz; "
                   "cp /patches/lab.mak qemu/configs/devices/x86_64-softmmu")
    step("configure", f"cd build; ../qemu/configure {' '.join(OPTIONS.split())}")
    for name, patches in PROGRAMS.items():
        step("patches", f"cd qemu; for file in /patches/{patches}; do "
                        "patch -p1 --fuzz=0 --forward < $file; done")
        step("build", f"ninja -C build {TARGET}")
        (path / name).hardlink_to(work / "build" / TARGET)
        (work / "build" / TARGET).unlink()
    step("clean", "rm -rf qemu build")
    work.rmdir()


def built_qemu(checks):
    """Where it is; with checks, its 82576 checks who sends, as the card does."""
    inputs = digest(*sorted(PATCHES.glob("*.patch")), PATCHES / "lab.mak")
    path = cached("qemu-built", [inputs, PROGRAMS, OPTIONS, tree("qemu-source").name], make)
    return path / ("qemu-checks" if checks else "qemu")
