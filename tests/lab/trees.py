# SPDX-License-Identifier: GPL-2.0-only
"""Debian trees made by mmdebstrap, and how a command is run inside one."""

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

from cache import CACHE, REPO, LabError, cached, need_space, run
from supported import KERNELS

PACKAGES = {
    # The lab host's own userland; the outer QEMU runs out of it as well.
    "host": ("trixie", """
        qemu-system-x86 kmod iproute2 iputils-ping pciutils python3-minimal
        python3 e2fsprogs libarchive13t64 procps ethtool socat busybox-static
        """),
    # Compiler, headers and kernel of stable, and whatever builds or lints.
    "build-trixie": ("trixie", """
        gcc make libc6-dev linux-libc-dev linux-headers-amd64
        linux-image-amd64 linux-source-6.12 kmod cpio zstd xz-utils flex bison
        bc perl python3 libelf-dev libssl-dev sparse shellcheck git
        initramfs-tools-core busybox-static qemu-guest-agent iproute2 ethtool
        """),
    # 400 MB, of which testpmd() takes 18.
    "dpdk": ("trixie", """
        dpdk-dev librte-net-e1000-25 librte-mempool-ring25
        """),
    # fio's source and what builds it, see fio().
    "fio-source": ("bookworm", "gcc make libc6-dev libaio-dev"),
    # Reads Documentation/ for make lint: 300 MB.
    "sphinx": ("trixie", "python3-sphinx groff-base"),
    # Looks at the page of make demo: 800 MB.
    "chromium": ("trixie", "chromium fonts-dejavu-core"),
    # Builds packages: those of the oldest Debian install on the newer ones.
    "packager": ("bookworm-backports", """
        dpkg-dev debhelper dh-dkms lintian gcc make libc6-dev rpm xz-utils
        linux-headers-amd64/bookworm-backports
        """),
    # Maps wrappers away for make series: 400 MB.
    "coccinelle": ("trixie", "coccinelle"),
    # What guests may run under besides the host's own; qemus.py takes 70 MB of
    # each.
    "qemu-7.2": ("bookworm", "qemu-system-x86"),
    "qemu-11": ("sid", "qemu-system-x86"),
    # QEMU's source and what builds it, see qemu_build.py.
    "qemu-source": ("trixie", """
        gcc libc6-dev ninja-build meson python3 python3-venv python3-pycotap pkgconf patch
        libglib2.0-dev libpixman-1-dev libslirp-dev libfdt-dev zlib1g-dev xz-utils
        """),
}
# The lab host's userland with libvirt, of Debian 13 and of Debian 12. libvirt migrates a
# VF to a driver that is not called vfio-pci from version 9.7 on.
LIBVIRT = "libvirt-daemon-system libvirt-daemon-system-sysv libvirt-clients iptables"
PACKAGES["libvirt"] = ("trixie", PACKAGES["host"][1] + LIBVIRT)
PACKAGES["libvirt-9"] = ("bookworm",
                         PACKAGES["host"][1].replace("libarchive13t64", "") + LIBVIRT)
# What the root of a lab host can be
USERLANDS = ("host", "libvirt", "libvirt-9")
# What modules are built in, for the kernels of other suites
for kernel in KERNELS.values():
    suite = kernel.get("debian", "trixie")
    of_suite = f"/{suite}" if suite.endswith("-backports") else ""
    PACKAGES.setdefault(f"build-{suite}", (suite, f"""
        gcc make libc6-dev linux-headers-amd64{of_suite} linux-image-amd64{of_suite} kmod
        """))
# MB that making a tree takes at its peak: it is there twice.
MEGABYTES = {"host": 700, "build-trixie": 2200, "dpdk": 1000,
             "chromium": 1700, "coccinelle": 900, "sphinx": 400, "packager": 800,
             "libvirt": 1000, "libvirt-9": 1000,
             "qemu-7.2": 800, "qemu-11": 800, "qemu-source": 1300,
             "fio-source": 600}
# Source packages that a tree has in /usr/src.
SOURCES = {"qemu-source": "qemu", "fio-source": "fio"}


def sources(suite, kinds=("deb",)):
    """apt lines for suite at the mirrors this machine is set up with.

    None where there are none of Debian's, which leaves it to mmdebstrap.
    """
    try:
        targets = subprocess.run(
            ["apt-get", "indextargets", "--format",
             "$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
            capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    uris = dict(reversed([line.split("|", 1) for line in targets.splitlines()]))
    main, security = uris.get("Debian"), uris.get("Debian-Security")
    if not main:
        return None
    suite, _, backports = suite.partition("-")
    places = [f"{main} {suite} main"]
    if backports:
        places.append(f"{main} {suite}-backports main")
    if suite != "sid":
        places.append(f"{main} {suite}-updates main")
        if security:
            places.append(f"{security} {suite}-security main")
    return "".join(f"{kind} {place}\n" for kind in kinds for place in places)


@contextlib.contextmanager
def scratch(path, size):
    """TMPDIR of an mmdebstrap that makes the directory path. Nothing of it is
    left, however mmdebstrap ended.

    A user's mmdebstrap works with other ids, for which a home directory may be
    closed, and whose files the user cannot remove.
    """
    if not os.getuid():
        folder = path / ".tmp"
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)
        return
    need_subordinate_ids()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vfio-mediate-"))
    try:
        need_space(folder, size // 2)
        folder.chmod(0o755)
        yield folder
    finally:
        left = list(folder.iterdir())
        if left:
            subprocess.run(["mmdebstrap", "--unshare-helper", "rm", "-rf", *left],
                           stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def download(path, log, suite, packages):
    """Has path/.tar with packages of suite, of which nothing is installed."""
    fetch = f'cd "$1"; APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get download {packages}'
    cmd = ["mmdebstrap", "--variant=extract", "--format=tar",
           # A mirror's index of sid may be older than its validity date.
           '--aptopt=Acquire::Check-Valid-Until "false"',
           f"--extract-hook=set -e; {fetch}", suite, str(path / ".tar")]
    lines = sources(suite)
    if lines:
        (path / ".list").write_text(lines)
        cmd.append(str(path / ".list"))
    run(cmd, log, what=packages, env={**os.environ, "LC_ALL": "C"})


def need_subordinate_ids():
    """mmdebstrap gives a user's tree the ids that this user may map."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    for file in ("/etc/subuid", "/etc/subgid"):
        try:
            lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = []
        if not any(line.split(":")[0] in (name, str(uid)) for line in lines):
            raise LabError(f"{file} has no ids for {name}, which mmdebstrap needs; as root: "
                           "usermod --add-subuids 100000-165535 "
                           f"--add-subgids 100000-165535 {name}")


def mirror_error(log):
    """What apt says of a mirror that it cannot read, or nothing."""
    text = log.read_text(errors="replace") if log.exists() else ""
    match = re.search(r"^E: (Failed to fetch .*|The repository .*)", text, re.MULTILINE)
    return " ".join(match[1].split()) if match else ""


def tree(name):
    """Directory with the Debian tree called name, made when it is missing."""
    suite, packages = PACKAGES[name]
    include = ",".join(packages.split())
    size = MEGABYTES.get(name, 1500)

    def build(path, log):
        cmd = ["mmdebstrap", "--variant=minbase", "--format=tar",
               f"--include={include}",
               '--aptopt=APT::Install-Recommends "false"']
        if suite == "sid":
            # A mirror's index of sid may be older than its validity date.
            cmd.append('--aptopt=Acquire::Check-Valid-Until "false"')
        tarball = path / ".tar"
        source = SOURCES.get(name)
        if source:
            cmd.append('--customize-hook=chroot "$1" sh -ec "cd /usr/src; '
                       f'apt-get source --download-only {source}"')
        if not os.getuid():
            # What it mounts goes with it.
            cmd[:0] = ["unshare", "--mount"]
        cmd += [suite.removesuffix("-backports"), str(tarball)]
        lines = sources(suite, ("deb", "deb-src") if source else ("deb",))
        if lines:
            listing = path / ".list"
            listing.write_text(lines)
            cmd.append(str(listing))
        try:
            with scratch(path, size) as folder:
                # The lab makes its own, smaller initrds: none for the kernel package.
                run(cmd, log, what=f"{name} tree",
                    env={**os.environ, "INITRD": "No", "TMPDIR": str(folder)})
        except LabError as err:
            why = mirror_error(log)
            if not why:
                raise
            raise LabError(f"the cache has no {name} tree, and Debian's {suite} cannot be "
                           f"read for it: {why}") from err
        # Owned by whoever runs the lab, so that root is not needed again.
        run(["tar", "-C", str(path), "-xpf", str(tarball), "--no-same-owner",
             "--exclude=./dev/*"], log, what=f"{name} tree")
        tarball.unlink()
        run(["chmod", "-R", "u+rwX", str(path)], log)

    return cached(f"tree-{name}", [suite, include], build, size)


def testpmd():
    """DPDK's testpmd, its driver for igb's VFs, and the libraries they need."""
    root = tree("dpdk")
    script = """
        mkdir /to/lib
        cp /usr/bin/dpdk-testpmd /to
        for name in mempool_ring net_e1000; do
                cp /usr/lib/*/dpdk/pmds-*/librte_$name.so.?? /to/lib
        done
        # What the lab host has of its own, of the same suite, is left out, and
        # nothing may be there twice.
        ldd /to/dpdk-testpmd /to/lib/* | sed -n 's/.*=> \\(.*\\) (.*/\\1/p' |
        grep -v -e '/libc\\.' -e '/libm\\.' | sort -u | xargs cp -n -t /to/lib
        """
    return cached("testpmd", [script, root.name], lambda path, log: run(
        inside(root, ["sh", "-e", "-c", script], writable=[(path, "/to")]), log,
        what="testpmd"))


def fio():
    """fio as a static program: Debian's needs libraries of Ceph and others that are many times
    as large as a guest."""
    root = tree("fio-source")
    script = """
        cd /to
        mkdir work
        tar -C work --strip-components=1 -xf /usr/src/fio_*.orig.tar.?z
        cd work
        ./configure --build-static --disable-native
        make -j"$(nproc)" fio
        strip -o ../fio fio
        rm -r ../work
        """
    return cached("fio", [script, root.name], lambda path, log: run(
        inside(root, ["sh", "-e", "-c", script], writable=[(path, "/to")]), log,
        what="fio")) / "fio"


def inside(root, cmd, writable=(), readable=(), cwd=None):
    """Command line that runs cmd with the tree at root as its system.

    The tree is read-only. Paths in writable and readable appear under their
    own names; either may hold (outside, inside) pairs.
    """
    args = ["bwrap", "--die-with-parent", "--unshare-pid", "--tmpfs", "/",
            "--proc", "/proc", "--dev-bind", "/dev", "/dev", "--tmpfs", "/tmp",
            "--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "LC_ALL",
            "C.UTF-8", "--setenv", "HOME", "/tmp", "--setenv", "TMPDIR", "/tmp"]
    if os.getuid():
        args += ["--unshare-user", "--uid", "0", "--gid", "0"]
    for name in ("usr", "etc", "var", "boot"):
        args += ["--ro-bind-try", f"{root}/{name}", f"/{name}"]
    for name in ("bin", "sbin", "lib", "lib64"):
        args += ["--symlink", f"usr/{name}", f"/{name}"]
    for option, paths in (("--ro-bind", readable), ("--bind", writable)):
        for path in paths:
            outer, inner = path if isinstance(path, tuple) else (path, path)
            args += [option, str(outer), str(inner)]
    if cwd:
        args += ["--chdir", str(cwd)]
    return args + list(map(str, cmd))


def need_host_tools():
    """Checks that this machine lets the lab work at all."""
    for what, path in (("this directory", REPO), ("the cache", CACHE)):
        if re.search(r"[\s:]", str(path)):
            raise LabError(f"{what}, {path}, has a blank or a colon in its name: kbuild and "
                           "tar cannot work there")
    probe = inside("/", ["/bin/true"])
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError("bubblewrap does not work here, which the lab needs "
                       "(root, or unprivileged user namespaces): "
                       + done.stderr.strip())
