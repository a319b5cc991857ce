# SPDX-License-Identifier: GPL-2.0-only
"""libvirtds that are hosts to each other, and guests that they run."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from .guest import Guest, GuestError, words
from .probe import Probe
from .shell import sh, until
from .sriov import DRIVER
from .trip import MEMORY, PROGRAMS, Trip

START = 120             # s until a libvirtd has asked QEMU what it can do
END = 90                # s until it has ended; it waits 30 s for threads of its own
MIGRATION = 300         # s that a migration may take
POOL = "vf-pool"
EMULATOR = "/usr/bin/qemu-system-x86_64"
INITRD = "/tmp/libvirt-initrd"       # the same on all hosts
# What a libvirtd has of its own: where it expects it, in the folder of that libvirtd
FOLDERS = {"etc": "/etc/libvirt", "lib": "/var/lib/libvirt", "cache": "/var/cache/libvirt",
           "run": "/run/libvirt", "log": "/var/log/libvirt"}
ENTER = 'hostname "$1"; shift; while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; ' \
    'done; shift; exec "$@"'
QEMU_CONF = """
stdio_handler = "file"
user = "root"
group = "root"
namespaces = []
hugetlbfs_mount = []
migration_host = "{address}"
migration_address = "{address}"
"""
LIBVIRTD_CONF = """
host_uuid = "{uuid}"
unix_sock_dir = "{dir}/sock"
auth_unix_rw = "none"
auth_tcp = "none"
listen_tls = 0
listen_tcp = {listen}
listen_addr = "{address}"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""

DOMAIN = """
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/lab/guest/vmlinuz</kernel>
    <initrd>/tmp/libvirt-initrd</initrd>
    <cmdline>console=ttyS0 quiet mitigations=off rdinit=/sbin/guest-init panic=-1
      iomem=relaxed agent=virtio</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{console}'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <memballoon model='none'/>
    {device}
  </devices>
  {override}
</domain>
"""
OVERRIDE = """
  <qemu:override>
    <qemu:device alias='ua-vf'>
      <qemu:frontend>
        <qemu:property {property}/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
"""
# As QEMU 7.2 has it, and newer ones
OLD_OVERRIDE = OVERRIDE.format(property="name='x-enable-migration' type='bool' value='true'")
OVERRIDE = OVERRIDE.format(property="name='enable-migration' type='string' value='on'")
NETWORK = """
<network>
  <name>{name}</name>
  <forward mode='hostdev' managed='yes'>
    {driver}
    <pf dev='{netdev}'/>
  </forward>
</network>
"""
MODEL = f"model='{DRIVER}'"


def address(vf, kind=""):
    """A VF's, in XML."""
    domain, bus, place = vf.split(":")
    slot, function = place.split(".")
    return f"<source><address {kind} domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' " \
        f"function='0x{function}'/></source><alias name='ua-vf'/>"


def hostdev(vf, managed="no", model=MODEL):
    driver = f"<driver {model}/>" if model else ""
    return f"<hostdev mode='subsystem' type='pci' managed='{managed}'>{driver}" \
        f"{address(vf)}</hostdev>"


def interface(vf, mac, managed="yes", model=MODEL, vlan=""):
    vlan = vlan and f"<vlan><tag id='{vlan}'/></vlan>"
    source = address(vf, "type='pci'")
    return f"<interface type='hostdev' managed='{managed}'><driver name='vfio' {model}/>" \
        f"<mac address='{mac}'/>{vlan}{source}</interface>"


def pooled(mac):
    return f"<interface type='network'><source network='{POOL}'/><mac address='{mac}'/>" \
        "<alias name='ua-vf'/></interface>"


def one_line(text):
    return " ".join(text.split())


class Host:
    """A libvirtd, by its URI."""

    def __init__(self, name, uri):
        self.name, self.uri = name, uri

    def virsh(self, *args, timeout=MIGRATION):
        return sh("virsh", "-q", "-c", self.uri, *args, timeout=timeout)

    def answers(self):
        try:
            return self.virsh("capabilities")
        except subprocess.CalledProcessError:
            return ""

    def domains(self):
        return self.virsh("list", "--name").split()

    def give(self, command, text, *args):
        """Has virsh read a file with that text."""
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(text)
            file.flush()
            return self.virsh(command, file.name, *args)

    def pool(self, netdev, model=MODEL):
        """A pool of the VFs of a PF."""
        self.give("net-create", NETWORK.format(name=POOL, netdev=netdev,
                                               driver=f"<driver name='vfio' {model}/>"))

    def pools(self):
        return self.virsh("net-list", "--name").split()


class Libvirtd(Host):
    """A libvirtd with the name, the UUID and the files of a host of its own."""

    def __init__(self, name, own, like=None, listen=False):
        """like is another one, which has asked QEMU already."""
        self.dir = tempfile.mkdtemp(prefix=f"{name}-")
        os.chmod(self.dir, 0o755)
        os.mkdir(f"{self.dir}/sock")
        settings = {"dir": self.dir, "uuid": uuid.uuid4(), "address": own,
                    "listen": int(listen)}
        mounts = []
        for folder, path in FOLDERS.items():
            mine = f"{self.dir}/{folder}" if folder != "log" else f"/out/{name}"
            os.makedirs(path, exist_ok=True)
            shutil.copytree(f"{like.dir}/cache" if like and folder == "cache" else path, mine)
            mounts += [mine, path]
        self.log = f"/out/{name}/libvirtd.log"
        for file, text in (("qemu.conf", QEMU_CONF), ("libvirtd.conf", LIBVIRTD_CONF)):
            pathlib.Path(f"{self.dir}/etc/{file}").write_text(text.format(**settings),
                                                              encoding="utf-8")
        self.first = not os.path.exists(INITRD)
        if self.first:
            shutil.move(Guest.initrd(self, PROGRAMS), INITRD)
        super().__init__(name, f"qemu+unix:///system?socket={self.dir}/sock/libvirt-sock")
        self.proc = subprocess.Popen(
            ["unshare", "--mount", "--uts", "sh", "-ec", ENTER, "sh", name, *mounts, "--",
             "libvirtd", "--pid-file", f"{self.dir}/pid", *(["--listen"] if listen else [])],
            stdin=subprocess.DEVNULL)
        if not until(lambda: self.proc.poll() is not None or self.answers(), START) or \
                self.proc.poll() is not None:
            self.close()
            raise GuestError(f"{name}: libvirtd does not answer\n{words(self.log)}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(subprocess.CalledProcessError):
            for name in self.domains():
                self.virsh("destroy", name)
        self.close()

    def close(self):
        self.proc.terminate()
        self.proc.wait(END)
        shutil.rmtree(self.dir)
        if self.first:
            shutil.rmtree(FOLDERS["run"], ignore_errors=True)
            os.unlink(INITRD)


class Agent:
    """A guest's agent, by libvirt."""

    def __init__(self, guest):
        self.guest = guest

    def call(self, command, timeout=30, **arguments):
        request = json.dumps({"execute": command, "arguments": arguments})
        try:
            reply = self.guest.host.virsh("qemu-agent-command", self.guest.name, request,
                                          "--timeout", str(timeout))
        except subprocess.CalledProcessError as err:
            raise GuestError(f"{self.guest.name}: {command}: {err.output}") from err
        return json.loads(reply)["return"]

    def send(self, command, arguments):
        with contextlib.suppress(GuestError):
            self.call(command, 5, **arguments)

    def close(self):
        pass


class Domain(Guest):
    """A guest that a libvirtd runs, with a device."""

    def __init__(self, host, name, device, override=OVERRIDE, emulator=EMULATOR,
                 command="create"):
        # pylint: disable=super-init-not-called
        self.host, self.name, self.override = host, name, override
        self.emulator = emulator
        self.dir = tempfile.mkdtemp(prefix=f"{name}-", dir=host.dir)
        self.qmp, self.agent = None, Agent(self)
        self.settings = {"qemu": "10"}
        self.console = f"/out/{name}.console"
        self.log = f"/out/{host.name}/qemu/{name}.log"
        self.memory = pathlib.Path("/nonexistent")
        pathlib.Path(self.console).touch()
        self.uuid = uuid.uuid4()
        host.give(command, self.xml(device))

    def xml(self, device, override=None):
        return DOMAIN.format(
            name=self.name, uuid=self.uuid, memory=MEMORY.removesuffix("M"),
            console=self.console, device=device, emulator=self.emulator,
            override=self.override if override is None else override)

    def boot(self, timeout=240):
        return self.wait_for_agent(timeout)

    def wait_for_agent(self, timeout):
        start = time.monotonic()
        while True:
            try:
                self.agent.call("guest-ping", 5)
                return time.monotonic() - start
            except GuestError as err:
                if self.ended() or time.monotonic() - start > timeout:
                    raise GuestError(f"{err}\n{self.last_words()}") from err
            time.sleep(0.2)

    def status(self):
        return self.host.virsh("domstate", self.name)

    def ended(self):
        return self.name not in self.host.domains()

    def events(self):
        return []

    def shutdown(self, timeout=30):
        self.agent.send("guest-exec", {"path": "/bin/poweroff", "arg": ["-f"]})
        return 0 if until(self.ended, timeout) else 1

    def kill(self):
        if not self.ended():
            self.host.virsh("destroy", self.name)
        shutil.rmtree(self.dir, ignore_errors=True)

    def close(self):
        self.kill()

    def migrate(self, host, device=None, override=None):
        """By virsh, to another host; with device, the domain has that there. Raises
        GuestError with libvirt's message."""
        command = ["migrate", "--live"]
        if device:
            path = pathlib.Path(self.dir, "there.xml")
            path.write_text(self.xml(device, override), encoding="utf-8")
            command += ["--xml", str(path)]
        try:
            self.host.virsh(*command, self.name, host.uri)
        except subprocess.CalledProcessError as err:
            raise GuestError(one_line(err.output)) from err
        self.host = host


def completed(guest):
    """Figures of a guest's migration, as labhost.migration has them."""
    stats = dict(line.split(":", 1) for line in guest.host.virsh(
        "domjobinfo", guest.name, "--completed", "--rawstats").splitlines() if ":" in line)
    return {name: int(stats.get(key, 0)) for name, key in (
        ("total_ms", "time_elapsed"), ("downtime_ms", "downtime"),
        ("passes", "memory_iteration"), ("ram_bytes", "memory_processed"),
        ("vfio_bytes", "vfio_data_transferred"))}


class Lifecycle:
    """What libvirt reports of a guest meanwhile."""

    def __init__(self, guest):
        self.file = tempfile.TemporaryFile("w+")
        self.proc = subprocess.Popen(
            ["virsh", "-c", guest.host.uri, "event", "--domain", guest.name, "--event",
             "lifecycle", "--loop", "--timeout", str(MIGRATION)],
            stdin=subprocess.DEVNULL, stdout=self.file)

    def end(self):
        self.proc.send_signal(signal.SIGINT)
        self.proc.wait(20)
        self.file.seek(0)
        with self.file:
            return self.file.read()


def refused(tap, trip, host, what, message, stops=False, **options):
    """A migration that fails with a message, and whether the guest was stopped for it. Of
    a trip, there is traffic meanwhile."""
    guest = getattr(trip, "guest", trip)
    probe = Probe(trip.address) if guest is not trip else None
    events = Lifecycle(guest)
    start = time.monotonic()
    try:
        guest.migrate(host, **options)
        answer = "nothing, and migrates it"
    except GuestError as err:
        answer = str(err)
    seconds = time.monotonic() - start
    said = events.end()
    tap.ok(message in answer, f"{what}: {answer}", f"expected: {message}")
    tap.equal((guest.status(), host.domains(), guest.run("echo here")), ("running", [], "here"),
              f"{what}: after {seconds:.0f} s it runs where it was, and there alone")
    tap.equal("Suspended" in said, stops, f"{what}: it was {'' if stops else 'not '}stopped")
    if probe:
        figures = probe.stop().figures(start, start + seconds)
        tap.ok(figures["lost"] < figures["sent"], f"{what}: {figures['sent']} probes, "
               f"{figures['lost']} lost, {figures['longest_gap_ms']} ms the longest gap")


class DomainTrip(Trip):
    """A domain that migrates under traffic."""

    @staticmethod
    def migrate(guest, host, **options):
        guest.migrate(host, **options)
        return guest, completed(guest)
