# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's tools for netlink specifications, from its source package, with the Python
modules they need."""

from cache import REPO, cached, run
from ksources import taken
from trees import download, inside, tree

SPEC = "Documentation/netlink/specs/vfio_mediate.yaml"
# Files that are made of it: what ynl-gen-c.py is told
MADE = {"uapi/linux/vfio_mediate_netlink.h": ("uapi", "--header"),
        "vfio-pci/netlink_gen.h": ("kernel", "--header"),
        "vfio-pci/netlink_gen.c": ("kernel", "--source")}
MODULES = "python3-yaml python3-jsonschema python3-attr python3-referencing python3-rpds-py " \
          "python3-jsonschema-specifications"


def modules():
    """Directory with the Python modules, for the Python of stable."""
    unpack = """
        tar -C /to -xf /to/.tar --wildcards '*.deb'
        for deb in /to/*.deb; do
                dpkg-deb --fsys-tarfile "$deb" |
                tar -C /to -x --strip-components=5 ./usr/lib/python3/dist-packages
        done
        rm -rf /to/*.deb /to/.tar /to/.list
        """

    def build(path, log):
        download(path, log, "trixie", MODULES)
        run(inside(tree("build-trixie"), ["sh", "-e", "-c", unpack],
                   writable=[(path, "/to")]), log, what="modules for ynl")

    return cached("ynl-modules", [MODULES, unpack], build)


def source():
    """Directory with the tools where the kernel has them, and the schemas of
    specifications. The generator looks for MAINTAINERS to know the top."""
    return taken("ynl", "ynl", 1, "tools/net/ynl", "Documentation/netlink/genetlink.yaml",
                 "MAINTAINERS")


def program():
    """Directory with cli.py and the library for the lab host, modules included."""
    script = "cp -r /source/tools/net/ynl/cli.py /source/tools/net/ynl/lib /modules/yaml /to"
    own, other = source(), modules()
    return cached("ynl-program", [script, own.name, other.name], lambda path, log: run(
        inside(tree("build-trixie"), ["sh", "-e", "-c", script], writable=[(path, "/to")],
               readable=[(own, "/source"), (other, "/modules")]), log, what="ynl"))


def generate(work, log):
    """Has work/NAME for each of MADE, from the specification as it is."""
    lines = [f"cp -r /source {work}/kernel",
             f"install -D -m 644 {REPO}/{SPEC} {work}/kernel/{SPEC}",
             f"cd {work}/kernel",
             "export PYTHONPATH=/modules PYTHONDONTWRITEBYTECODE=1"]
    for name, (mode, kind) in MADE.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        lines.append(f"python3 tools/net/ynl/ynl-gen-c.py --mode {mode} {kind} "
                     f"--spec {SPEC} -o {work / name}")
    run(inside(tree("build-trixie"), ["sh", "-e", "-c", "\n".join(lines)], writable=[work],
               readable=[REPO, (source(), "/source"), (modules(), "/modules")]), log,
        what="ynl-gen-c")
