#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""admin.py NAME: does what Documentation/admin.rst says, command by command, in a bare Debian.

What installs is run in the bare system, here, as a lab host has no network. Its root and its
kernel are then those of two lab hosts, where tests/e2e/admin.py runs all else.
"""

# /// suite
# [admin]
# about = "the administrator's page, from a bare Debian 13 to a migrated guest"
# run = "tests/lab/admin.py trixie"
# host = false
# minutes = 8
# timeout = 3000
#
# [admin_12]
# about = "the same from a bare Debian 12, with the kernel of backports, libvirt 9 and QEMU 7.2"
# run = "tests/lab/admin.py bookworm"
# host = false
# minutes = 8
# timeout = 3000
# ///

import dataclasses
import pathlib
import shutil
import subprocess
import sys

import kernels
import pair
import session
from bare import HOST, Bare
from cache import BUILD, REPO, last_lines, need_space
from host import Job, Machine, make_image
from packages import INSTALL, VERSION, WORK
from programs import job_files
from supported import DEFAULT
from tap import Tap
from ynl import program

from labhost.page import blocks     # pylint: disable=wrong-import-order

PAGE = REPO / "Documentation/admin.rst"
DEBIAN = {"bookworm": "12", "trixie": "13"}
# Blocks that are not run, by their first lines: why
NOT_RUN = {
    "apt install mokutil": "the lab has no firmware with Secure Boot",
    "/lib/modules/$(uname -r)/build/scripts/sign-file sha256 \\":
        "it signs what was built without DKMS",
    "make KDIR=/lib/modules/$(uname -r)/build": "SUITE=packages_build does",
    "# the source": "options of a command that has others; SUITE=migrate has them",
    '{ "execute": "migrate-set-capabilities", "arguments": { "capabilities": [':
        "SUITE=migrate does",
    '{ "execute": "migrate", "arguments": { "uri": "tcp:destination:4444" } }':
        "SUITE=migrate does",
    "<interface type='hostdev' managed='yes'>": "SUITE=libvirt does",
    "<hostdev mode='subsystem' type='pci' managed='yes'>": "SUITE=libvirt does",
    "migration out completed (0): 1064 bytes, 6 records, STOP_COPY 46964 us, PRE_COPY 799897 us,":
        "what the kernel logs, which tests/e2e/admin.py looks for",
    "make KDIR=/lib/modules/$(uname -r)/build VFIO_MEDIATE_DROP_IN=m": "SUITE=testpmd does",
}
NAMES = ("login", "build", "install", "both", "source", "destination", "end")
# What a host of the lab needs besides, and what the page takes for granted: the kernel, and a
# login from one host to the other
BEFORE = """
    echo 'APT::Get::Assume-Yes "true";' > /etc/apt/apt.conf.d/90yes
    {install} {kernel} python3 iproute2 iputils-ping ethtool procps pciutils kmod udev \\
        busybox-static openssh-server openssh-client python3-yaml
    mkdir -p /root/.ssh
    ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519
    cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
    echo "StrictHostKeyChecking no" > /root/.ssh/config
    """
WITHOUT = ("./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/src/*", "./usr/lib/modules/*",
           "./boot/*", "./var/lib/dkms/*")
DISKS = 4000    # MB of the root, as files and as an image


def test_known(tap, page):
    """Each block of the page is run, or there is a reason."""
    unknown = [f"line {each.line}: {each.first}" for each in page
               if each.first not in NOT_RUN and
               not (each.where == "file" or each.name in NAMES)]
    tap.ok(not unknown, f"all {len(page)} blocks of the page are known", "\n".join(unknown))
    stale = set(NOT_RUN) - {each.first for each in page if not each.where}
    tap.ok(not stale, "and so are those that are not run", "\n".join(stale))
    for first, why in NOT_RUN.items():
        tap.note(f"not run: {first}: {why}")


def test_build(tap, page):
    """What is run in a clone."""
    for each in page:
        if each.name == "build":
            done = subprocess.run(["sh", "-e", "-c", each.text], cwd=REPO, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
            tap.ok(not done.returncode, f"clone: {each.first}", last_lines(done.stdout))


def test_install(tap, page, system, debian):
    """What is run in the bare system, without a network."""
    kernel = "linux-image-amd64" if debian == "13" else ""
    status, output = system.run("set -e" + BEFORE.format(install=INSTALL, kernel=kernel))
    tap.ok(not status, "the host before the page", last_lines(output, 40))
    for each in page:
        if not each.is_for(("install",), debian):
            continue
        status, output = system.run(f"cd /root/clone && set -e\n{each.text}",
                                    [(WORK, "/root/clone/build/deb")])
        tap.ok(not status, f"bare system: {each.first}",
               f"exit status {status}\n{last_lines(output, 40)}")
    audit = system.run("dpkg --audit; ls /root/clone/*.deb 2> /dev/null")[1]
    tap.equal(audit, "", "all packages are configured")


def host_of(system, work):
    """The kernel and the root of a lab host that is the system."""
    modules = max((system.root / "usr/lib/modules").glob("*/kernel")).parent
    root, kept = work / "root", work / "modules"
    need_space(work, DISKS)
    for target in (root, kept):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
    script = 'tar -C "$1" {} -c . | tar -C "$2" -x --no-same-owner'.format(
        " ".join(f"--exclude='{name}'" for name in WITHOUT))
    subprocess.run([*system.prefix, "sh", "-c", script, "sh", system.root, root], check=True)
    (root / "dev").mkdir(exist_ok=True)
    shutil.copytree(modules, kept / modules.name,
                    ignore=shutil.ignore_patterns("build", "source"))
    vmlinuz = shutil.copy(system.root / "boot" / f"vmlinuz-{modules.name}", work / "vmlinuz")
    make_image(root, work / "root.img", work / "root.log", slack=300)
    shutil.rmtree(root)
    return dataclasses.replace(
        kernels.kernel(DEFAULT), version=modules.name, vmlinuz=pathlib.Path(vmlinuz),
        modules=kept / modules.name, whole=True), work / "root.img"


def test_hosts(tap, kern, root, name):
    """The rest of the page, on two lab hosts."""
    job = Job("admin", f"./admin.py {DEBIAN[name]}", pf="igb", vfs=0, timeout=2400, last=True)
    files = {**job_files(), "admin.rst": PAGE, "ynl": program()}
    for outcome in pair.run(Machine(kern, "multi", hosts=2, root=root), [job], files,
                            echo=lambda line: print(f"# {line}", flush=True),
                            ended=lambda outcome: None):
        session.pass_on(tap, outcome, "", "lab hosts")
        tap.note(outcome.console)


def main(name):
    """Prints TAP."""
    tap = Tap()
    page = list(blocks(PAGE.read_text(encoding="utf-8")))
    work = BUILD / "packages" / f"{name}-lab"
    tap.case("known", test_known, tap, page)
    tap.case("build", test_build, tap, page)
    try:
        with Bare(name, HOST) as system:
            test_install(tap, page, system, DEBIAN[name])
            status, output = system.run(f"modinfo -F version $(find /usr/lib/modules -name "
                                        "'vfio_pci_mediate.ko*')")
            tap.equal((status, output.strip()), (0, VERSION), "DKMS has built the modules")
            kern, root = host_of(system, work)
        test_hosts(tap, kern, root, name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
