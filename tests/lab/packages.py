#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The packages: built, installed, used and removed in bare Debian systems, and what DKMS has
built in one of them on a lab host."""

# /// suite
# [packages_build]
# about = "make install, make deb with lintian, rpmbuild: what is in them"
# run = "tests/lab/packages.py build"
# daily = [""]
# host = false
# minutes = 0.7
#
# [packages]
# about = "packages in bare Debian 12 and 13: DKMS, vendors' builds, removal, a lab host"
# run = "tests/lab/packages.py install"
# host = false
# minutes = 14
# timeout = 3600
# ///

import re
import shutil
import subprocess
import sys

import kernels
import session
from bare import SYSTEMS, Bare
from cache import BUILD, REPO, cached, last_lines, locked, once, run
from host import Job, Machine
from lint import everything
from supported import DEFAULT
from tap import Tap
from trees import download, inside, tree

WORK = BUILD / "deb"
VERSION = (REPO / "VERSION").read_text(encoding="utf-8").strip()
PACKAGES = ("dkms", "dev", "tools", "sample")
INSTALL = "apt-get install --yes --no-install-recommends"
DOC = "/usr/share/doc/vfio-mediate-dev"
MODULES = "/usr/lib/modules/{}/updates/dkms"
RPMBUILD = 'rpmbuild --nodeps --define "_topdir {}" --define "_tmppath /tmp"'
# The developers have no address yet.
NO_ADDRESS = "bogus-mail-host,bogus-mail-host-in-debian-changelog"
# Prints what is left of the packages.
LEFT = r"""find / -xdev \( -path /proc -o -path /dev -o -path /debs -o -path /tmp \) -prune -o \
        \( -iname '*vfio[-_]*mediate*' -o -iname '*sample_nic*' \) -print
    dpkg -l 'vfio-mediate*' 2> /dev/null | grep -v '^un' | grep vfio-mediate"""


def copy_tree(target):
    """The files that git knows, as a clone has them."""
    shutil.rmtree(target, ignore_errors=True)
    for name in everything():
        source = REPO / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def packager(script, log, what):
    """Runs a script in build/deb, where packages can be built."""
    run(inside(tree("packager"), ["sh", "-e", "-c", script], writable=[WORK], cwd=WORK),
        log, what=what)


@once
def debs():
    """Builds the Debian packages; returns their paths."""
    with locked(BUILD / ".deb.lock"):
        WORK.mkdir(parents=True, exist_ok=True)
        for old in WORK.glob("vfio-mediate*"):
            if old.is_file():
                old.unlink()
        copy_tree(WORK / "source")
        log = WORK / "deb.log"
        log.unlink(missing_ok=True)
        # -d: build-essential has a C++ compiler, which nothing here needs.
        packager("cd source; DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -us -uc -b -d",
                 log, "Debian packages")
    return sorted(WORK.glob("*.deb"))


def deb(name):
    return next(path for path in debs() if path.name.startswith(f"vfio-mediate-{name}_"))


def contents(path):
    """The files of a package."""
    listing = subprocess.run(["dpkg-deb", "--contents", path], capture_output=True, text=True,
                             check=True).stdout
    return {line.split(None, 5)[5].split(" -> ")[0].removeprefix(".")
            for line in listing.splitlines() if not line.startswith("d")}


def test_versions(tap):
    """One version everywhere."""
    for name, pattern in (("NEWS", r"vfio-mediate (\S+)"),
                          ("debian/changelog", r"vfio-mediate \((.*?)\)"),
                          ("packaging/vfio-mediate.spec", r"^Version:\s*(\S+)")):
        found = re.search(pattern, (REPO / name).read_text(encoding="utf-8"), re.MULTILINE)
        tap.equal(found[1], VERSION, f"the first version in {name} is that of VERSION")


def test_deb(tap):
    """What is in which package, and what lintian says."""
    tap.equal([path.name.split("_")[0] for path in debs()],
              sorted(f"vfio-mediate-{name}" for name in PACKAGES), "four packages are built")
    source = f"/usr/src/vfio-mediate-{VERSION}/"
    wanted = {
        "dkms": {f"{source}{name}" for name in (
            "dkms.conf", "Kbuild", "mediate/registry.c", "uapi/linux/vfio_mediate.h",
            *(str(path.relative_to(REPO)) for folder in ("vfio-pci", "migration")
              for path in (REPO / folder).glob("*.[ch]")))},
        "dev": {"/usr/include/vfio-mediate/vfio_mediate.h",
                "/usr/include/vfio-mediate/linux/vfio_mediate.h",
                "/usr/share/pkgconfig/vfio-mediate.pc", "/usr/share/vfio-mediate/symvers",
                "/usr/share/vfio-mediate/new-vendor/vendor.c.in",
                *(f"{DOC}/{name}" for name in (
                    "vendor.rst", "vmm.rst", "examples/Kbuild", "examples/Makefile",
                    "examples/described.c", "examples/example.c"))},
        "tools": {"/usr/bin/lsvfio", "/usr/sbin/vfio-mediate",
                  "/usr/lib/vfio-mediate/vfio-mediate-stream",
                  "/usr/share/man/man8/lsvfio.8.gz", "/usr/share/man/man8/vfio-mediate.8.gz",
                  "/usr/share/bash-completion/completions/vfio-mediate"},
        "sample": {f"/usr/src/vfio-mediate-sample-{VERSION}/vendor-sample-nic/main.c"},
    }
    for name, files in wanted.items():
        missing = files - contents(deb(name))
        tap.ok(not missing, f"vfio-mediate-{name} has its files", sorted(missing))
    page = subprocess.run(f"dpkg-deb --fsys-tarfile {deb('dev')} | tar -xO .{DOC}/vendor.rst",
                          shell=True, capture_output=True, text=True, check=True).stdout
    tap.ok("literalinclude" not in page and "\n    static int vf_stop(" in page,
           "vendor.rst has its excerpts", last_lines(page, 9))
    tap.ok(not any("sample" in path for path in contents(deb("dkms"))),
           "vfio-mediate-dkms has no sample")
    done = subprocess.run(
        inside(tree("packager"), ["lintian", "--allow-root", "--fail-on", "error,warning",
                                  "--suppress-tags", NO_ADDRESS, *WORK.glob("*.changes")],
               readable=[WORK]),
        capture_output=True, text=True, check=False)
    tap.ok(not done.returncode, "lintian has no error and no warning", done.stdout)


def test_install(tap):
    """make install, and make modules_install without tests and samples."""
    kern = kernels.kernel(DEFAULT)
    work = WORK / "install"
    copy_tree(work)
    log = WORK / "install.log"
    log.unlink(missing_ok=True)
    kern.shell(f"make install DESTDIR={work}/to PREFIX=/usr/local; "
               f"make -j$(nproc) KDIR={kernels.kdir(kern)} INSTALL_MOD_PATH={work}/to "
               "VFIO_MEDIATE_DROP_IN=m modules_install; "
               f"modinfo -F version {work}/to/lib/modules/*/updates/*.ko*; "
               f"modinfo -F alias {work}/to/lib/modules/*/updates/*.ko*; "
               f"{work}/to/usr/local/bin/lsvfio --version",
               log, "make install", writable=[work], cwd=work)
    installed = {path.name.split(".")[0] for path in (work / "to/lib").rglob("*.ko*")}
    tap.equal(installed, {"vfio_mediate", "vfio_pci_mediate"}, "modules_install: two modules")
    tap.equal(log.read_text().splitlines()[-3:],
              [VERSION, VERSION, f"lsvfio {VERSION}"],
              "their version is VERSION, they have no alias; nor is that of tools another")
    tap.ok((work / "to/usr/local/include/vfio-mediate/vfio_mediate.h").exists(),
           "make install: headers")


@once
def rpms():
    """Builds packages by rpmbuild; returns the folder that has them, and what was said."""
    top = WORK / "rpm"
    shutil.rmtree(top, ignore_errors=True)
    name = f"vfio-mediate-{VERSION}"
    copy_tree(top / name)
    log = WORK / "rpm.log"
    log.unlink(missing_ok=True)
    packager(f"""
        cd {top}
        mkdir SOURCES SPECS
        tar -czf SOURCES/{name}.tar.gz {name}
        cp {name}/packaging/vfio-mediate.spec SPECS
        {RPMBUILD.format(top)} -ba SPECS/vfio-mediate.spec
        rpm -qp --list RPMS/noarch/akmod-*.rpm
        """, log, "rpmbuild")
    return top, log.read_text()


def test_rpm(tap):
    """Source, tools, headers and akmod by rpmbuild."""
    top, output = rpms()
    name = f"vfio-mediate-{VERSION}"
    made = {path.name for path in top.rglob("*.rpm")}
    tap.equal(made, {f"akmod-{name}-1.noarch.rpm", f"vfio-mediate-devel-{VERSION}-1.noarch.rpm",
                     f"{name}-1.src.rpm", f"vfio-mediate-tools-{VERSION}-1.x86_64.rpm"},
              "rpmbuild -ba: source, tools, headers, akmod")
    tap.ok(f"/usr/src/akmods/{name}-1.src.rpm" in output, "akmod has the source package",
           last_lines(output, 9))


def test_kmod(tap):
    """From the source package, the modules for a kernel, as akmods builds them."""
    top, _ = rpms()
    log = WORK / "kmod.log"
    log.unlink(missing_ok=True)
    packager(f"""
        kernel=$(basename /usr/lib/modules/*)
        {RPMBUILD.format(top)} --define "kernels $kernel" --rebuild {top}/SRPMS/*.src.rpm
        rpm -qp --list {top}/RPMS/*/kmod-*.rpm
        """, log, "rpmbuild for a kernel")
    files = re.findall(r"^/lib/modules/.*/extra/vfio-mediate/(\w+)\.ko", log.read_text(),
                       re.MULTILINE)
    tap.equal(sorted(files), ["vfio_mediate", "vfio_pci_mediate"],
              "rpmbuild --rebuild for a kernel: two modules")


def built(system, kernel, module="vfio_pci_mediate"):
    """The version of a module that DKMS has installed for a kernel, or what is said."""
    return system.run(f"modinfo -F version {MODULES.format(kernel)}/{module}.ko*")[1].strip()


def check(tap, system, script, what, wanted=""):
    """Packages come or go: the script succeeds, says what is wanted, and leaves no package
    half configured."""
    status, output = system.run(script, [(WORK, "/debs")])
    audit = system.run("dpkg --audit")[1]
    tap.ok(not status and not audit and re.search(wanted, output),
           f"{system.name}: {what}", f"exit status {status}, {audit}\n{last_lines(output, 40)}")


def aliases(tap, system, kernel):
    """vfio-mediate enable --alias, by the DKMS of the system; and when that fails."""
    alias = f"modinfo -F alias {MODULES.format(kernel)}/vfio_pci_mediate.ko*"
    check(tap, system, f"{INSTALL} /debs/{deb('tools').name}", "vfio-mediate-tools")
    status, output = system.run("mv /usr/bin/make /root; "
                                "vfio-mediate enable --alias 8086:10ca; status=$?; "
                                "mv /root/make /usr/bin; exit $status")
    tap.ok(status == 3 and "dkms build" in output and
           not (system.root / "etc/dkms/vfio-mediate.conf").exists(),
           f"{system.name}: enable --alias fails, and takes its file back", output)
    tap.equal(built(system, kernel), VERSION, f"{system.name}: the modules are as before")
    check(tap, system, "vfio-mediate enable --alias 8086:10ca 8086:1520", "enable --alias",
          f"built for Linux {re.escape(kernel)}")
    tap.equal({line[:27] for line in system.run(alias)[1].split()},
              {"vfio_pci:v00008086d000010CA", "vfio_pci:v00008086d00001520"},
              f"{system.name}: the driver has the aliases")
    check(tap, system, f"grep -c '^alias vfio_pci:v.* vfio_pci_mediate' "
          f"/usr/lib/modules/{kernel}/modules.alias", "and depmod has them", "^2$")
    check(tap, system, f"{INSTALL} --reinstall /debs/{deb('dkms').name}", "installed again")
    tap.equal(len(system.run(alias)[1].split()), 2, f"{system.name}: it has them still")
    check(tap, system, "vfio-mediate disable", "disable", f"built for Linux {re.escape(kernel)}")
    tap.equal((system.run(alias)[1], system.run("ls /etc/dkms/*mediate*")[0]), ("", 2),
              f"{system.name}: they are gone, and so is the file")


def archives(system, pattern):
    return sorted(f"/{path.relative_to(system.root)}" for path in
                  (system.root / "var/cache/apt/archives").glob(pattern))


def kernel_of(path):
    return re.search(r"linux-(?:headers|image)-(\d.*?-amd64)(?:-unsigned)?_", path)[1]


def install(tap, system, keep):
    """All packages come and go. What DKMS and a vendor have built for the lab's kernel goes
    to the folder keep, if there is one."""
    new, = (path for path in archives(system, "linux-headers-[1-9]*-amd64_*")
            if not kernel_of(path).startswith("6.1."))
    old, = archives(system, "linux-headers-6.1.*-amd64_*")
    new, old = kernel_of(new), kernel_of(old)
    package = f"/debs/{deb('dkms').name}"

    check(tap, system, f"{INSTALL} openssl linux-headers-{new} {package}",
          f"vfio-mediate-dkms with Linux {new}")
    tap.equal(built(system, new), VERSION, f"{system.name}: DKMS has built the modules")
    tap.equal(system.run(f"modinfo -F alias {MODULES.format(new)}/*.ko*")[1], "",
              f"{system.name}: they have no alias")
    check(tap, system, f"modinfo -F signer {MODULES.format(new)}/*.ko*", "they are signed",
          "DKMS module signing key")
    check(tap, system, f"{INSTALL} --reinstall {package}", "it is installed again")
    tap.equal(built(system, new), VERSION, f"{system.name}: the modules are there again")

    check(tap, system, f"{INSTALL} linux-headers-{old} linux-image-{old} initramfs-tools",
          f"Linux {old} is excluded, its packages are configured",
          f"not built for Linux {old}: Linux 6.12 or later is needed")
    status, output = system.run(f"ls {MODULES.format(old)}")
    tap.ok(status, f"{system.name}: there are no modules for it", output)

    check(tap, system, f"{INSTALL} pkgconf /debs/{deb('dev').name} /debs/{deb('sample').name}",
          "vfio-mediate-dev and vfio-mediate-sample")
    tap.equal(built(system, new, "sample_nic"), VERSION, f"{system.name}: sample_nic is built")
    tap.equal(system.run(f"modinfo -F alias {MODULES.format(new)}/sample_nic.ko*")[1], "",
              f"{system.name}: it has no alias")
    if keep:
        keep_built(tap, system, keep)
    aliases(tap, system, new)

    check(tap, system, "apt-get remove --yes 'vfio-mediate-*'", "all packages are removed")
    check(tap, system, "dpkg --purge " + " ".join(f"vfio-mediate-{name}" for name in PACKAGES),
          "and purged")
    tap.equal(system.run(LEFT)[1], "", f"{system.name}: nothing of them is left")

    check(tap, system, f"{INSTALL} /debs/{deb('dev').name} /debs/{deb('tools').name}",
          "vfio-mediate-dev and vfio-mediate-tools alone")
    check(tap, system, "lsvfio --version; vfio-mediate --version", "tools run", VERSION)
    vendor(tap, system, new)


def vendor(tap, system, kernel, keep=None):
    """A vendor's module is built with vfio-mediate-dev."""
    check(tap, system, f"""
        cp -r /usr/share/doc/vfio-mediate-dev/examples /root/vendor && cd /root/vendor &&
        make KDIR=/lib/modules/{kernel}/build &&
        modinfo -F name described.ko && modinfo -F depends example.ko""",
          f"a vendor's module is built with vfio-mediate-dev for Linux {kernel}",
          r"^vfio_mediate$|\nvfio_mediate\n")
    if keep:
        shutil.copy(system.root / "root/vendor/example.ko", keep)
    system.run("rm -r /root/vendor")


def keep_built(tap, system, keep):
    """The same for the kernel that the lab boots, whose headers the system may not have."""
    kern = kernels.kernel(DEFAULT)
    here = f"/usr/lib/modules/{kern.version}"
    base = kern.version.removesuffix("-amd64")
    # Where the system has these headers, they are the same.
    names = [f"usr/src/linux-headers-{base}-amd64", f"usr/src/linux-headers-{base}-common",
             f"usr/src/linux-kbuild-{base}", f"usr/lib/linux-kbuild-{base}",
             f"usr/lib/modules/{kern.version}/build", f"usr/lib/modules/{kern.version}/source"]
    system.run(f"mkdir -p {here}; tar -C /kernel -c {' '.join(names)} | tar -C / -x",
               [(kern.tree, "/kernel")])
    for name, module in (("vfio-mediate", "vfio_pci_mediate"),
                         ("vfio-mediate-sample", "sample_nic")):
        if built(system, kern.version, module) == VERSION:
            continue
        check(tap, system, f"dkms install -m {name} -v {VERSION} -k {kern.version} --force",
              f"DKMS builds {name} for the lab's Linux {kern.version}")
    vendor(tap, system, kern.version, keep)
    for path in (system.root / MODULES.format(kern.version)[1:]).iterdir():
        shutil.copy(path, keep)


def driverctl():
    """Debian's, a shell script."""
    script = """
        tar -C /to -xf /to/.tar --wildcards '*.deb'
        dpkg-deb --extract /to/*.deb /to
        rm /to/*.deb /to/.tar /to/.list
        """

    def build(path, log):
        download(path, log, "trixie", "driverctl")
        run(inside(tree("packager"), ["sh", "-e", "-c", script], writable=[(path, "/to")]),
            log, what="driverctl")

    return cached("driverctl", [script], build) / "usr/sbin/driverctl"


def test_boot(tap, keep):
    """The lab host loads what DKMS and a vendor have built; driverctl binds a VF."""
    shutil.copy(driverctl(), keep)
    outcome = session.run_one(Machine(DEFAULT), Job("installed", "./installed.py", last=True),
                              {"installed.py": REPO / "tests/e2e/installed.py", "built": keep})
    session.pass_on(tap, outcome, "lab host: ", "lab host")


def test_system(tap, name, keep):
    """One bare system."""
    with Bare(name) as system:
        install(tap, system, keep)


def main(what):
    """Prints TAP."""
    tap = Tap()
    if what == "build":
        for test in (test_versions, test_deb, test_install, test_rpm):
            tap.case(test.__name__, test, tap)
        return tap.done()
    keep = BUILD / "packages" / "built"
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir(parents=True)
    for name in SYSTEMS:
        tap.case(name, test_system, tap, name, keep if name == "trixie" else None)
    tap.case("boot", test_boot, tap, keep)
    tap.case("kmod", test_kmod, tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
