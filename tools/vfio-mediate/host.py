# SPDX-License-Identifier: GPL-2.0-only
"""Devices, drivers, modules and processes of a host, as sysfs and procfs have them."""

import gzip
import json
import lzma
import os
import pathlib
import re
import shutil
import subprocess

PCI = pathlib.Path("/sys/bus/pci/devices")
DRIVERS = pathlib.Path("/sys/bus/pci/drivers")
MODULES = pathlib.Path("/sys/module")
OPS = pathlib.Path("/sys/kernel/debug/vfio_mediate/ops")
HERE = pathlib.Path(__file__).resolve().parent
# Where our own programs are: beside this file, installed, or built in the source tree.
PROGRAMS = (HERE, HERE.parents[1] / "bin", HERE.parents[1] / "build/tools")
OURS, DRIVER = "vfio_pci_mediate", "vfio-pci-mediate"
ADDRESS = re.compile(r"(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.IGNORECASE)
# Files of a device in sysfs that the driver adds, if the driver is new enough
FILES = ("mediated_by", "migration_state", "tracked", "last_error")


class UsageError(Exception):
    """The command line asks for something that makes no sense: exit status 2."""


class Failure(Exception):
    """Something could not be done: exit status 3."""


def read(path):
    """First line of a file, or nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def write(path, text):
    """Writes to a file of sysfs."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise Failure(f"cannot write '{text.strip()}' to {path}: {err.strerror}") from err


def link(path):
    """Name of what a symbolic link leads to, or nothing."""
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def program(name):
    """Path of a program that belongs to us."""
    for folder in PROGRAMS:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    raise Failure(f"{name} is not installed")


def output(*command, timeout=30):
    """What a program prints, or None if it is missing, fails or does not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=timeout, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def parse_json(text):
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def error_text(number):
    """What a file of sysfs says that has a negative errno, or 0: nothing for 0."""
    try:
        return os.strerror(-int(number)) if int(number) else ""
    except ValueError:
        return number


def address(text):
    """A PCI address with its domain, of a device that exists."""
    match = ADDRESS.fullmatch(text)
    if not match:
        raise UsageError(f"{text} is not a PCI address, such as 0000:01:10.0")
    name = f"{match[1] or '0000'}:{match[2]}".lower()
    if not (PCI / name).exists():
        raise UsageError(f"{name}: no such device")
    return name


class Device:
    """A PCI device. What is asked for is read each time."""

    def __init__(self, name):
        self.name = name
        self.path = PCI / name

    def __str__(self):
        return self.name

    def file(self, name):
        return read(self.path / name)

    @property
    def driver(self):
        return link(self.path / "driver")

    @property
    def module(self):
        return link(self.path / "driver/module")

    @property
    def is_vfio(self):
        """Has it a vfio driver?"""
        return (self.path / "vfio-dev").exists()

    @property
    def override(self):
        text = self.file("driver_override")
        return "" if text == "(null)" else text

    @property
    def pf(self):
        """The PF of a VF, or None."""
        name = link(self.path / "physfn")
        return Device(name) if name else None

    @property
    def vfs(self):
        """The VFs of a PF, by their number."""
        links = sorted(self.path.glob("virtfn*"), key=lambda path: int(path.name[6:]))
        return [Device(link(path)) for path in links]

    @property
    def number(self):
        """The number of a VF."""
        return [vf.name for vf in self.pf.vfs].index(self.name)

    @property
    def netdevs(self):
        return sorted(path.name for path in self.path.glob("net/*"))

    @property
    def group(self):
        return link(self.path / "iommu_group")

    @property
    def neighbours(self):
        """Other devices of its IOMMU group."""
        return sorted(path.name for path in (self.path / "iommu_group/devices").glob("*")
                      if path.name != self.name)

    def ids(self):
        """PCI vendor and device, subsystem vendor and device."""
        numbers = [self.file(name).removeprefix("0x") for name in
                   ("vendor", "device", "subsystem_vendor", "subsystem_device")]
        return f"{numbers[0]}:{numbers[1]}", f"{numbers[2]}:{numbers[3]}"

    def alias(self):
        """The alias by which the kernel asks for its vendor's module."""
        vendor, device = (int(word, 16) for word in self.ids()[0].split(":"))
        return f"vfio-mediate:v{vendor:08X}d{device:08X}"

    def settings(self):
        """What the PF has set for a VF, as iproute2 shows it, or nothing."""
        pf = self.pf
        for netdev in pf.netdevs if pf else ():
            links = parse_json(output("ip", "-j", "-d", "link", "show", "dev", netdev)) or [{}]
            infos = links[0].get("vfinfo_list", [])
            if self.number < len(infos):
                return infos[self.number]
        return {}

    def users(self):
        """Processes that have its group or its device file open: [(pid, name)]."""
        files = {f"/dev/vfio/{self.group}"}
        files |= {f"/dev/vfio/devices/{path.name}" for path in self.path.glob("vfio-dev/*")}
        return [(pid, read(pathlib.Path(f"/proc/{pid}/comm")))
                for pid in sorted(openers(files))]


def openers(files):
    """Processes that have one of the files open. As root, of all users."""
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(path) in files:
                found.add(int(path.parts[2]))
        except OSError:
            pass
    return found


def all_vfs():
    """PFs that have VFs, with these."""
    pfs = [Device(path.name) for path in sorted(PCI.iterdir())
           if (path / "virtfn0").is_symlink()]
    return [(pf, pf.vfs) for pf in pfs]


OPENERS = {".ko": open, ".xz": lzma.open, ".gz": gzip.open}


def is_stale(module):
    """Is the loaded module another one than modprobe would load? None if that is not known."""
    path = pathlib.Path((output("modinfo", "-n", module) or "").strip())
    try:
        # A note has its name and a header before the build ID.
        note = (MODULES / module / "notes/.note.gnu.build-id").read_bytes()
        with OPENERS[path.suffix](path, "rb") as file:
            return note not in file.read()
    except (OSError, KeyError):
        return None


def version(module):
    """Versions of a module."""
    return {"loaded": (MODULES / module).exists(),
            "version": read(MODULES / module / "version"),
            "srcversion": read(MODULES / module / "srcversion"),
            "stale": is_stale(module)}


def our_driver():
    """The name under which our driver is registered: with drop_in=1 that is vfio-pci."""
    names = sorted(path.name for path in (MODULES / OURS / "drivers").glob("pci:*"))
    return names[0].removeprefix("pci:") if names else ""


def ops():
    """Mediate ops that are registered: [(name, module)], or None if debugfs cannot be read."""
    try:
        lines = OPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return [tuple(line.split()[:2]) for line in lines]


def lsvfio(device, open_it=True):
    """What lsvfio says of a device that has a vfio driver, or None."""
    options = [] if open_it else ["--no-open"]
    done = subprocess.run([program("lsvfio"), "--json", *options, device.name],
                          capture_output=True, text=True, check=False)
    answer = parse_json(done.stdout)
    if answer is None and done.stderr:
        raise Failure(f"lsvfio failed: {done.stderr.strip()}")
    return answer["devices"][0] if answer and answer["devices"] else None


def record(device, open_it=False):
    """All that matters for a migration to or from a VF, as a JSON object."""
    ids, subsystem = device.ids()
    found = {"device": device.name, "id": ids, "subsystem": subsystem,
             "driver": device.driver, "module": device.module,
             "driver_override": device.override, "iommu_group": device.group,
             "users": [{"pid": pid, "command": name} for pid, name in device.users()],
             "settings": device.settings(), "lsvfio": None}
    found.update((name, device.file(name)) for name in FILES)
    if open_it and device.is_vfio:
        found["lsvfio"] = lsvfio(device)
        if found["lsvfio"]:
            found["mediated_by"] = found["lsvfio"]["mediated_by"] or ""
    return found


def status(open_them=False):
    """All PFs with VFs, as a JSON object."""
    names = {"vfio_mediate", OURS} | {module for _, module in ops() or ()}
    pfs = []
    for pf, vfs in all_vfs():
        names.add(pf.module)
        pfs.append({"device": pf.name, "driver": pf.driver, "module": pf.module,
                    "netdevs": pf.netdevs,
                    "autoprobe": pf.file("sriov_drivers_autoprobe") != "0",
                    "vfs": [record(vf, open_them) for vf in vfs]})
    return {"driver": our_driver(), "qemu": qemu_version(), "libvirt": libvirt_version(),
            "modules": {name: version(name) for name in sorted(names - {""})},
            "ops": [{"name": name, "module": module} for name, module in ops() or ()],
            "pfs": pfs}


def qemu_version(path=None):
    """Version of a QEMU, or of the host's own, as "10.0.2"; nothing if there is none."""
    for name in [path] if path else ("qemu-system-x86_64", "qemu-kvm",
                                     "/usr/libexec/qemu-kvm"):
        if not path and not shutil.which(name):
            continue
        match = re.search(r"QEMU emulator version ([0-9.]+)", output(name, "--version") or "")
        if match:
            return match[1].rstrip(".")
    return ""


def libvirt_version():
    """Version of libvirt, or nothing where it is not installed."""
    match = re.search(r"[\d.]+", output("virsh", "--version") or "")
    return match[0] if match else ""


def numbers(text):
    """A version that can be compared."""
    return tuple(int(word) for word in re.findall(r"\d+", text or ""))
