# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree that the patches of a series are applied to, built and tested in."""

import functools
import json
import pathlib
import re
import shutil
import time

from accel import accelerator
from cache import BUILD, LAB, LabError, cached, need_space, run, say
from kernels import Kernel, kernel_source
from series import HERE, WORK
from supported import KERNELS
from trees import inside, tree

CONFIG = HERE / "kernel.config"
# Of these folders the small kernel has nothing, and is only configured with them. The lab's has
# igb.
UNUSED = """
    drivers/accel drivers/clk drivers/gpu drivers/hid drivers/iio drivers/infiniband
    drivers/media drivers/mfd drivers/net/can drivers/net/dsa drivers/net/ethernet
    drivers/net/wireless drivers/pinctrl drivers/scsi drivers/soc drivers/staging
    drivers/usb sound
    """.split()


def newest():
    """The series of the newest kernel whose source package the lab knows."""
    names = [about["source"] for about in KERNELS.values() if "source" in about]
    return max(names, key=lambda name: [int(part) for part in name.split(".")])


def default_source():
    """Cache directory with source, a kernel less what a small x86 one is not built from."""
    name = newest()
    source, outside = kernel_source(name)
    script = f"""
        tar -C /to -xf {source}
        mv /to/linux-source-{name} /to/source
        cd /to/source
        find $(ls -d arch/*/ | grep -v '^arch/x86/') {" ".join(UNUSED)} -type f \\
                ! -name 'Kconfig*' ! -name 'Makefile*' ! -name 'Kbuild*' ! -name '*.mk' \\
                ! -path 'drivers/net/ethernet/intel/igb*' -delete
        find Documentation -mindepth 1 -maxdepth 1 ! -name Kconfig ! -name Makefile \\
                ! -name driver-api -exec rm -rf '{{}}' +
        """
    return cached("series-source", [script], lambda path, log: run(
        inside(tree("build-trixie"), ["sh", "-e", "-c", script], writable=[(path, "/to")],
               readable=[(outside, source)] if outside else []),
        log, what="kernel source"), size=2500) / "source"


# The build directory has one name wherever it is: to kbuild, another name is another build.
MAKE = 'make -s -C /kernel/source O=/kernel/build ARCH=x86_64 -j"$(nproc)" -k'


def lab_options():
    """The options of the lab's own kernel, less those by which it checks itself, and what else
    the patches need."""
    text = "".join((LAB / name).read_text(encoding="utf-8")
                   for name in ("debug-7.2.config", "debug.config"))
    wanted, mark, _ = text.partition("# What it is for: checks\n")
    if not mark:
        raise LabError("debug.config: which of its options are checks?")
    return wanted.replace('"-debug"', '"-series"') + \
        "CONFIG_EXPERT=y\nCONFIG_DEBUG_FS=y\nCONFIG_SAMPLES=y\n"


def base(source, key, name="series-base", options=None):
    """Cache directory with what a small kernel was built to, before any patch."""
    options = options or CONFIG.read_text(encoding="utf-8")
    script = f"""
        KCONFIG_ALLCONFIG=/kernel/build/options {MAKE} allnoconfig
        for line in $(grep ^CONFIG_ /kernel/build/options); do
                grep -qxF "$line" /kernel/build/.config || {{ echo "not kept: $line"; exit 1; }}
        done
        {MAKE} vmlinux bzImage modules
        """

    def build(path, log):
        (path / "options").write_text(options, encoding="utf-8")
        run(inside(tree("build-trixie"), ["sh", "-e", "-c", script],
                   writable=[(path, "/kernel/build")], readable=[(source, "/kernel/source")]),
            log, timeout=3600, what="small kernel")

    return cached(name, [script, key, options], build, size=1200)


class Tree:
    """A copy of a kernel's source, with build directories beside it."""

    def __init__(self, source, added):
        self.added = added      # paths of the files that a series adds
        self.origin = source
        self.root = WORK / "tree"
        self.log = WORK / "build.log"
        self.log.unlink(missing_ok=True)
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        need_space(BUILD, 1500)
        # What is changed there is a new file: links will do.
        try:
            self.copy("-al", source, "source")
        except LabError:
            self.copy("-a", source, "source")

    @functools.cached_property
    def base(self):
        """The small kernel before any patch."""
        return base(self.origin, self.origin.parent.name)

    def own(self, name):
        """Files called name that the series adds."""
        return [self.root / "source" / path for path in self.added
                if path.endswith(f"/{name}")]

    def copy(self, how, what, name):
        shutil.rmtree(self.root / name, ignore_errors=True)
        run(["cp", how, str(what), str(self.root / name)], self.log, what="copy of a tree")

    def shell(self, script, what, build="", system="build-trixie", readable=()):
        """Runs a shell script at the source, beside the directory of a build."""
        folders = [(self.root / "source", "/kernel/source")]
        if build:
            folders.append((self.root / build, "/kernel/build"))
        run(inside(tree(system), ["sh", "-e", "-c", script], folders, readable,
                   cwd="/kernel/source"), self.log, what=what, timeout=3600)

    def apply(self, patch):
        self.shell("git apply --whitespace=error-all /patch", f"applying {patch.name}",
                   readable=[(patch, "/patch")])

    def symbols(self):
        """(name, type, may be built in) of each option that the patches have added."""
        for path in filter(pathlib.Path.exists, self.own("Kconfig")):
            for block in re.split(r"^(?=config )", path.read_text(), flags=re.MULTILINE)[1:]:
                kind = re.search(r"^\t(tristate|bool)", block, flags=re.MULTILINE)[1]
                yield block.split()[1], kind, "depends on m ||" not in block

    def build(self, how, name="", base_there=None):
        """Builds all that the patches so far have added, =y or =m, in the directory name; less
        KUnit tests where the base has no KUnit."""
        name, base_there = name or how, base_there or self.base
        if not (self.root / name).exists():
            self.copy("-a", base_there, name)
        config = (base_there / ".config").read_text().splitlines()
        wanted = {"VFIO": how, "VFIO_PCI": how}
        for symbol, kind, builtin in self.symbols():
            if "KUNIT" not in symbol or "CONFIG_KUNIT=y" in config:
                wanted[symbol] = "y" if kind == "bool" or (how == "y" and builtin) else "m"
        options = [f"CONFIG_{symbol}={value}" for symbol, value in wanted.items()]
        kept = [line for line in config
                if line.split("=")[0].removeprefix("CONFIG_") not in wanted]
        where = self.root / name
        (where / "wanted").write_text("\n".join([*options, ""]))
        (where / ".config").write_text("\n".join([*kept, *options, ""]))
        self.shell(f"""
            {MAKE} olddefconfig
            while read -r line; do
                    grep -qxF -- "$line" /kernel/build/.config ||
                            {{ echo "not kept: $line"; exit 1; }}
            done < /kernel/build/wanted
            {MAKE} vmlinux modules
            """, f"build, ={how}", name)

    def kernel_doc(self):
        """Checks the kernel-doc of what the patches so far have added."""
        files = [path for path in self.added if path.endswith((".c", ".h")) and
                 path.startswith(("drivers/", "include/", "samples/")) and
                 (self.root / "source" / path).exists()]
        self.shell(f"scripts/kernel-doc -none -Wall -Werror {' '.join(files)}", "kernel-doc")

    def checkpatch(self, patches):
        """What checkpatch says of the patches, but whether MAINTAINERS is up to date: the
        lines that count, and all."""
        script = "".join(
            f"perl scripts/checkpatch.pl --strict --terse --no-summary --show-types "
            f"--patch /patches/{patch.name} || :\n" for patch in patches)
        log = WORK / "checkpatch.log"
        log.unlink(missing_ok=True)
        run(inside(tree("build-trixie"), ["sh", "-c", script], cwd="/kernel/source",
                   readable=[(self.root / "source", "/kernel/source"),
                             (patches[0].parent, "/patches")]),
            log, what="checkpatch")
        said = log.read_text(errors="replace").splitlines()
        return [line for line in said if "FILE_PATH_CHANGES" not in line], said

    def selftests(self, name="m"):
        """Builds the selftests and their modules, for the kernel in the directory name."""
        self.shell(f"""
            {MAKE} headers
            mkdir -p /kernel/build/selftests
            make -s -C tools/testing/selftests/vfio_mediate all KDIR=/kernel/build \\
                    KHDR_INCLUDES='-isystem /kernel/build/usr/include' \\
                    OUTPUT=/kernel/build/selftests CC='gcc -Werror'
            """, "build of selftests", name)

    def lab(self):
        """The kernel with all patches, =m, and its selftests, for a lab host."""
        self.build("m", "lab", base(self.origin, self.origin.parent.name, "series-lab-base",
                                    lab_options()))
        self.selftests("lab")
        self.shell(f"""
            {MAKE} bzImage
            {MAKE} modules_install INSTALL_MOD_PATH=/kernel/build/install
            version=$({MAKE} kernelrelease)
            echo "$version" > /kernel/build/version
            cp tools/testing/selftests/vfio_mediate/test_modules/*.ko \\
                    /kernel/build/install/lib/modules/$version
            rm -f /kernel/build/install/lib/modules/$version/build
            depmod -b /kernel/build/install "$version"
            """, "modules for the lab", "lab")
        where = self.root / "lab"
        version = (where / "version").read_text(encoding="utf-8").strip()
        return Kernel("series", version, tree("build-trixie"), where / "arch/x86/boot/bzImage",
                      where / "install/lib/modules" / version, initrd=False, whole=True), \
            where / "selftests"

    def kunit(self):
        """Runs the KUnit tests by the kernel's own kunit.py in QEMU; returns its results."""
        where = self.root / "kunit"
        self.copy("-a", self.base, where.name)
        # What the small kernel has, what the series asks for, and KUnit's own defaults
        own = self.own(".kunitconfig")
        (where / "wanted").write_text("".join(
            path.read_text() for path in (where / ".config", *own)) +
            "CONFIG_KUNIT_DEFAULT_ENABLED=y\nCONFIG_KUNIT_AUTORUN_ENABLED=y\n")
        kunit = "python3 tools/testing/kunit/kunit.py"
        options = "--arch=x86_64 --build_dir=/kernel/build --kunitconfig=/kernel/build/wanted"
        self.shell(f"{kunit} build {options} --jobs=$(nproc)", "kunit.py build", where.name)
        # It would take a KVM that the lab does not trust.
        hidden = [("/dev/null", "/dev/kvm")] \
            if pathlib.Path("/dev/kvm").exists() and accelerator() != "kvm" else []
        try:
            self.shell(f"{kunit} exec {options} --timeout=600 --json=/kernel/build/result.json",
                       "kunit.py exec", where.name, "host", hidden)
        except LabError:
            # What has failed is in the results.
            if not (where / "result.json").exists():
                raise
        return json.loads((where / "result.json").read_text())
