# SPDX-License-Identifier: GPL-2.0-only
"""The kernels under test: where each comes from, what of it the lab host
needs, and the project's modules built against it."""

import dataclasses
import filecmp
import os
import pathlib
import shutil

from cache import BUILD, LAB, REPO, LabError, cached, digest, locked, once, run, say
from supported import DEFAULT, NAMES, KERNELS
from trees import download, inside, tree

MODULE_SOURCES = ("Kbuild", "VERSION", "mediate", "vfio-pci", "migration", "drop-in",
                  "vendor-sample-nic", "vendor-sample-nvme", "uapi", "tests/mediators",
                  "tests/kunit")

# What a plain make leaves out
EVERYTHING = "VFIO_MEDIATE_SAMPLES=m VFIO_MEDIATE_TESTS=m VFIO_MEDIATE_DROP_IN=m"


class KernelGone(LabError):
    """A kernel that Debian does not carry, or cannot install, right now."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel with the tree its modules are built in."""
    name: str
    version: str            # as uname -r says
    tree: pathlib.Path      # a Debian tree with the compiler of that kernel
    vmlinuz: pathlib.Path
    modules: pathlib.Path   # lib/modules/VERSION
    binds: tuple = ()       # what else must be visible inside the tree
    initrd: bool = True     # Debian's kernels need one to find their disk
    whole: bool = False     # modules has the project's, and no more than a lab host takes

    def shell(self, script, log, what, writable=(), readable=(), cwd=None):
        """Runs a shell script inside the kernel's tree."""
        cmd = inside(self.tree, ["sh", "-e", "-c", script], writable,
                     (*self.binds, *readable), cwd)
        run(cmd, log, what=what)


def debian_kernel(name, tree_name):
    root = tree(tree_name)
    versions = sorted(p.parent.name
                      for p in root.glob("usr/lib/modules/*/kernel"))
    series = "" if name == KERNELS[name]["debian"] else f"{name}."
    if not versions or not versions[-1].startswith(series):
        raise KernelGone(f"Debian has no {name} kernel in {tree_name} any more"
                         f" (found: {', '.join(versions) or 'none'})")
    version = versions[-1]
    modules = root / "usr/lib/modules" / version
    images = [root / f"boot/vmlinuz-{version}", modules / "vmlinuz"]
    return Kernel(name, version, root, next(filter(pathlib.Path.exists, images)),
                  modules)


def kernel_source(series):
    """Debian's source of a kernel: where it is in the tree that builds it, and outside of
    it where that tree does not have it."""
    package = f"linux-source-{series}"
    if (tree("build-trixie") / f"usr/src/{package}.tar.xz").exists():
        return f"/usr/src/{package}.tar.xz", None
    unpack = f"""
        tar -C /to -xf /to/.tar --wildcards '*.deb'
        dpkg-deb --fsys-tarfile /to/*.deb | tar -xO ./usr/src/{package}.tar.xz > /to/source
        rm /to/*.deb /to/.tar /to/.list
        """

    def build(path, log):
        download(path, log, KERNELS[series]["debian"], package)
        run(inside(tree("build-trixie"), ["sh", "-e", "-c", unpack],
                   writable=[(path, "/to")]), log, what=f"unpacking {package}")

    try:
        return "/source", cached(package, [unpack], build, size=700) / "source"
    except LabError as err:
        raise KernelGone(f"Debian has no {package} that can be had now: {err}") from err


def debug_kernel(name, series):
    root = tree("build-trixie")
    # One that knows more options has more.
    configs = dict.fromkeys((LAB / "debug.config", LAB / f"{name}.config"))
    source, outside = kernel_source(series)

    script = f"""
        tar -C /kernel -xf {source}
        mv /kernel/linux-source-{series} /kernel/build
        cd /kernel/build
        KCONFIG_ALLCONFIG=/debug.config make -s allnoconfig
        for line in $(grep ^CONFIG_ /debug.config); do
                grep -qxF "$line" .config || {{ echo "not kept: $line"; exit 1; }}
        done
        make -j"$(nproc)" bzImage modules
        make -s modules_install INSTALL_MOD_PATH=/kernel
        cp "$(make -s image_name)" /kernel/vmlinuz
        make -s kernelrelease > /kernel/version
        # Building a module takes headers, scripts and objtool: drop the rest.
        mkdir /kernel/kept
        mv Makefile Kbuild .config Module.symvers include scripts tools \
                /kernel/kept
        mkdir /kernel/kept/arch
        mv arch/x86 /kernel/kept/arch
        rm -rf /kernel/build
        mv /kernel/kept /kernel/build
        find /kernel/build -name '*.[oa]' -delete
        """

    def build(path, log):
        options = path / "options"
        options.write_text("".join(config.read_text() for config in configs))
        run(inside(root, ["sh", "-e", "-c", script], writable=[(path, "/kernel")],
                   readable=[(options, "/debug.config"),
                             *([(outside, source)] if outside else [])]),
            log, timeout=3600, what=f"{name} kernel")

    size = (outside or root / source[1:]).stat().st_size
    path = cached(f"kernel-{name}", [script, size, digest(*configs)], build, size=2200)
    version = (path / "version").read_text().strip()
    return Kernel(name, version, root, path / "vmlinuz",
                  path / "lib/modules" / version,
                  binds=((path, "/kernel"),), initrd=False)


def kernel(name):
    """The kernel called name, fetched or built when it is missing."""
    if isinstance(name, Kernel):
        return name
    about = KERNELS.get(name)
    if not about:
        raise LabError(f"no kernel called {name}: choose from {', '.join(NAMES)}")
    if "source" in about:
        return debug_kernel(name, about["source"])
    try:
        return debian_kernel(name, f"build-{about['debian']}")
    except KernelGone:
        raise
    except LabError as err:
        if name == DEFAULT:
            raise
        raise KernelGone(f"Debian's {about['debian']} cannot be installed now: {err}") \
            from err


def kdir(kern):
    """Where the kernel's build directory is, seen from inside its tree."""
    if "source" in KERNELS[kern.name]:
        return "/kernel/build"
    return f"/usr/lib/modules/{kern.version}/build"


def needed_modules(kern):
    """Cache directory with lib/modules/VERSION, cut down to what the lab
    host loads (host/modules lists it)."""
    wanted = LAB / "host" / "modules"

    script = f"""
        while read -r name optional; do
                case "$name" in ''|'#'*) continue;; esac
                if ! deps=$(modprobe -d /from -S {kern.version} \
                                --show-depends "$name"); then
                        [ "$optional" = optional ] && continue
                        exit 1
                fi
                echo "$deps"
        done < /wanted | sed -n 's/^insmod //p' | cut -d' ' -f1 | sort -u |
        while read -r file; do
                to="/to/${{file#/from/}}"
                mkdir -p "${{to%/*}}"
                cp "$file" "$to"
        done
        cp /from/lib/modules/{kern.version}/modules.builtin* \
           /from/lib/modules/{kern.version}/modules.order \
           /to/lib/modules/{kern.version}/
        depmod -b /to {kern.version}
        """

    def build(path, log):
        kern.shell(script, log, "module list", writable=[(path, "/to")],
                   readable=[(kern.modules,
                              f"/from/lib/modules/{kern.version}"),
                             (wanted, "/wanted")])

    return cached(f"modules-{kern.name}",
                  [script, str(kern.modules), digest(wanted)], build)


def initrd(kern, conf, name):
    """An initrd for kern made by mkinitramfs from the directory conf."""
    root = tree("build-trixie")
    modules = needed_modules(kern)

    script = f"""
        cp -r /conf /tmp/conf
        mkdir -p /tmp/conf/hooks /tmp/conf/scripts
        mkinitramfs -d /tmp/conf -o /to/initrd {kern.version}
        """

    def build(path, log):
        run(inside(root, ["sh", "-e", "-c", script], writable=[(path, "/to")],
                   readable=[(modules / "lib/modules", "/usr/lib/modules"),
                             (conf, "/conf")]), log, what=name)

    return cached(name, [script, root.name, modules.name, digest(conf)],
                  build) / "initrd"


def update(source, copy):
    """A file that changed gets the time of now, later than that of all objects."""
    if not (os.path.exists(copy) and filecmp.cmp(source, copy, shallow=False)):
        shutil.copy(source, copy)


def copy_sources(work):
    """Brings the modules' sources in work up to date; returns work."""
    work.mkdir(parents=True, exist_ok=True)
    for name in MODULE_SOURCES:
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, work / name, copy_function=update,
                            dirs_exist_ok=True)
        elif source.exists():
            update(source, work / name)
    for copy in work.glob("**/*.[ch]"):
        if not copy.name.endswith(".mod.c") and \
                not (REPO / copy.relative_to(work)).exists():
            copy.unlink()
    return work


@once
def build_modules(kern, name="", options=EVERYTHING):
    """Builds the project's modules; returns the directory of the .ko files."""
    work = BUILD / f"{kern.name}{name}"
    log = work / "make.log"
    with locked(BUILD / f".{work.name}.lock"):
        copy_sources(work)
        log.unlink(missing_ok=True)
        kern.shell(f"make -C {kdir(kern)} M={work} -j$(nproc) "
                   f"{options} modules",
                   log, f"modules for {kern.name}", writable=[work], cwd=work)
    for line in log.read_text().splitlines():
        if "warning" in line.lower():
            say(line)
    return work


def module_with_ids():
    """The driver with aliases, one for the VFs of the lab's cards, for the default kernel."""
    ids = "VFIO_PCI_MEDIATE_IDS='8086:10ca 15b3:101e'"
    return build_modules(kernel(DEFAULT), "-ids", ids) / "vfio_pci_mediate.ko"


def install_modules(kern, where):
    """Puts what kern's lab host loads, our modules included, under where."""
    if kern.whole:
        shutil.copytree(kern.modules, where / "lib/modules" / kern.version)
        return
    shutil.copytree(needed_modules(kern) / "lib", where / "lib",
                    dirs_exist_ok=True)
    updates = where / "lib/modules" / kern.version / "updates"
    updates.mkdir()
    # Where modprobe does not look
    drop_in = where / "lib/modules/drop-in"
    drop_in.mkdir()
    for module in build_modules(kern).rglob("*.ko"):
        shutil.copy2(module, drop_in if module.parent.name == "drop-in" else updates)
    kern.shell(f"depmod -b /where {kern.version}", where.parent / "depmod.log",
               "depmod", writable=[(where, "/where")])
