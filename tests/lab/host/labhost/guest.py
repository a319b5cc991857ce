# SPDX-License-Identifier: GPL-2.0-only
"""Guests of the lab host: QEMU with KVM, driven by QMP and the guest agent."""

import base64
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

INITRD = "/lab/guest/initrd"
OWN = "10"      # the lab host's own QEMU
QEMUS = "/lab/qemu"
UP = "guest: up"        # says guest-init
TRACE = "/sys/kernel/tracing/trace"     # of what init has asked for
HUGE = pathlib.Path("/dev/hugepages")
POOL = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
PART = 16 << 20 # bytes of memory that are read at once
START = 60      # s until QEMU answers: a VF may be reset first
# What has a VF migrated although nobody says which pages it has written: QEMU
# then takes all of the guest's for written, each time.
MIGRATION = {"7.2": "x-enable-migration=on", "10": "enable-migration=on",
             "11": "enable-migration=on"}

# How the guest's agent is reached; guest-init finds the name on its command line
AGENTS = {"virtio": ["-device", "virtio-serial-pci", "-device",
                     "virtserialport,chardev=ga,name=org.qemu.guest_agent.0"],
          "isa": ["-device", "isa-serial,chardev=ga"]}


def has_qemu(qemu):
    """Whether a QEMU is on this lab host, which was asked for it."""
    return qemu == OWN or os.path.isdir(f"{QEMUS}/{qemu}")


def program(qemu):
    """Command line of a QEMU by its name."""
    if qemu == OWN:
        return ["qemu-system-x86_64"]
    there = f"{QEMUS}/{qemu}"
    return [f"{there}/lib/ld-linux-x86-64.so.2", "--library-path",
            f"{there}/lib", f"{there}/qemu-system-x86_64", "-L",
            f"{there}/firmware"]


class GuestError(Exception):
    """A guest that did not do what was asked of it, with its last words."""


class Channel:
    """One JSON object a line over a socket: QMP, or QEMU's guest agent. The
    address is a path, or a pair of host and port."""

    def __init__(self, address, timeout):
        end = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_INET if isinstance(address, tuple)
                                      else socket.AF_UNIX)
            self.sock.settimeout(5)
            try:
                self.sock.connect(address)
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.lines = self.sock.makefile("rb")
        self.events = []    # those that came before answers to calls
        self.when = {}      # s since 1970 of each, the last time
        self.log = []       # each: s since 1970, name, data

    def receive(self, timeout):
        self.sock.settimeout(timeout)
        line = self.lines.readline()
        if not line:
            raise EOFError("the other end closed the channel")
        return json.loads(line.lstrip(b"\xff"))

    def send(self, command, arguments):
        request = {"execute": command, "arguments": arguments}
        self.sock.sendall(json.dumps(request).encode() + b"\n")

    def call(self, command, timeout=30, **arguments):
        self.send(command, arguments)
        while True:
            reply = self.receive(timeout)
            if "error" in reply:
                raise GuestError(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]
            if "event" in reply:
                self.events.append(reply["event"])
                stamp = reply["timestamp"]
                when = stamp["seconds"] + stamp["microseconds"] / 1e6
                self.when[reply["event"]] = when
                self.log.append((when, reply["event"], reply.get("data", {})))

    def close(self):
        self.lines.close()
        self.sock.close()


def words(path):
    """What is in a log so far."""
    return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")


def pool(name):
    """How many huge pages there are: all of them, free ones, or those of them that are
    promised to somebody."""
    return int((POOL / f"{name}_hugepages").read_text())


def reserve(megabytes):
    """Has huge pages for that much memory. In them, what is contiguous in a guest is so on
    this host, too: the emulated card sends nothing that is not, see lab.rst."""
    lacking = megabytes // 2 - (pool("free") - pool("resv"))
    if lacking > 0:
        (POOL / "nr_hugepages").write_text(str(pool("nr") + lacking))


class Guest:
    """A guest that owns the VFs given by their addresses.

    It finds programs, paths of files on the lab host, in its root directory.
    With incoming, it is nothing yet but where another one is to go: True, or what
    QEMU calls an URI; with autostart, it runs as soon as that one has arrived. With
    shared, others can read its memory. With slots, its VFs can be unplugged: each has a
    root port, slot0 and so on, and a name, vf0. With iommufd they have their memory by
    one of these.
    """

    def __init__(self, *vfs, name="guest", memory="256M", options=(),
                 reboots=False, programs=(), qemu=OWN, machine="q35",
                 migratable=False, incoming=False, slots=False,
                 shared=False, agent="virtio", iommufd=False, autostart=False):
        self.dir = tempfile.mkdtemp(prefix=f"{name}-")
        self.name = name
        self.console = f"/out/{name}.console"
        self.log = f"/out/{name}.qemu"
        self.memory = HUGE / os.path.basename(self.dir)
        self.qmp = self.agent = None
        self.incoming = f"unix:{self.dir}/incoming" if incoming is True else incoming
        # What its next QEMU has to be told as well
        self.settings = {"memory": memory, "options": options,
                         "reboots": reboots, "programs": programs,
                         "qemu": qemu, "machine": machine,
                         "migratable": migratable, "slots": slots,
                         "shared": shared, "agent": agent, "iommufd": iommufd,
                         "autostart": autostart}
        if shared:
            reserve(int(memory.removesuffix("M")))
            machine += ",memory-backend=memory"
            options = ["-object", f"memory-backend-file,id=memory,size={memory},"
                       f"mem-path={self.memory},share=on", *options]
        cmd = [*program(qemu), "-machine", machine, "-accel", "kvm",
               "-cpu", "host", "-m", memory, "-nodefaults", "-display", "none",
               "-serial", f"file:{self.console}",
               "-kernel", "/lab/guest/vmlinuz",
               "-initrd", self.initrd(programs),
               "-append", "console=ttyS0 quiet mitigations=off "
               "rdinit=/sbin/guest-init panic=-1 iomem=relaxed "
               f"agent={agent}",
               *([] if reboots else ["-no-reboot"]),
               "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
               "-chardev",
               f"socket,id=ga,path={self.dir}/ga,server=on,wait=off",
               *AGENTS[agent]]
        if iommufd:
            cmd += ["-object", "iommufd,id=iommufd"]
        for number, vf in enumerate(vfs):
            device = f"vfio-pci,id=vf{number},host={vf}"
            if migratable:
                device += f",{MIGRATION[qemu]}"
            if iommufd:
                device += ",iommufd=iommufd"
            if slots:
                device += f",bus=slot{number}"
                cmd += ["-device", f"pcie-root-port,id=slot{number},"
                        f"chassis={number + 1},slot={number + 1}"]
            cmd += ["-device", device]
        if incoming:
            cmd += ["-incoming", self.incoming]
        if incoming and not autostart:
            # Nor does it run before the source says that all has arrived.
            cmd += ["-S"]
        with open(self.log, "wb") as log:
            self.proc = subprocess.Popen([*cmd, *options],
                                         stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()

    def initrd(self, programs):
        """The guests' initrd, with an archive of the programs before it."""
        if not programs:
            return INITRD
        path = f"{self.dir}/initrd"
        with open(path, "wb") as file:
            for program in programs:
                folder, name = os.path.split(program)
                file.write(subprocess.run(
                    ["busybox", "cpio", "-o", "-H", "newc"], cwd=folder or ".",
                    input=name.encode(), check=True,
                    capture_output=True).stdout)
            with open(INITRD, "rb") as initrd:
                shutil.copyfileobj(initrd, file)
        return path

    def last_words(self):
        lines = []
        for path in (self.log, self.console, TRACE):
            try:
                lines += [line for line in words(path).splitlines()
                          if not line.startswith("#")][-15:]
            except OSError:
                pass
        return "\n".join(lines)

    def events(self):
        """What QEMU has reported by itself, as a guest's reset."""
        found = []
        try:
            while True:
                found.append(self.qmp.receive(0.5))
        except (OSError, EOFError, ValueError):
            return found

    def processor(self):
        """What its processor is at, twice: of a guest that does not answer."""
        if not self.qmp:
            return "QEMU never answered"
        found = []
        for command in ("info status", "info registers", "info lapic",
                        "info registers"):
            try:
                found.append(self.qmp.call("human-monitor-command",
                                           **{"command-line": command}))
            except (GuestError, OSError, EOFError, ValueError) as err:
                found.append(f"{command}: {err}")
        return "\n".join(found)

    def channel(self, name, timeout):
        """To QEMU's monitor, "qmp", or to the guest's agent, "ga"."""
        return Channel(f"{self.dir}/{name}", timeout)

    def connect(self):
        """Waits for QEMU to be there."""
        try:
            self.qmp = self.channel("qmp", START)
            self.qmp.receive(START)
            self.qmp.call("qmp_capabilities")
        except (OSError, EOFError) as err:
            raise GuestError(f"{self.name}: QEMU did not start ({err})\n"
                             f"{self.last_words()}") from err

    def boot(self, timeout=240):
        """Waits until the guest's agent answers; returns the seconds."""
        self.connect()
        return self.wait_for_agent(timeout)

    def status(self):
        """As QEMU calls it: "running", say."""
        return self.qmp.call("query-status")["status"]

    def wait_for_status(self, wanted, timeout=20):
        end = time.monotonic() + timeout
        while (status := self.status()) != wanted:
            if time.monotonic() > end:
                raise GuestError(f"{self.name}: {status}, not {wanted}\n"
                                 f"{self.last_words()}")
            time.sleep(0.05)

    def contents(self):
        """All of its memory by parts, of one that is shared."""
        with open(self.memory, "rb") as file:
            while part := file.read(PART):
                yield part

    def wait_for_agent(self, timeout):
        """Until the guest's agent answers; returns the seconds."""
        start = time.monotonic()
        if not self.agent:
            self.agent = self.channel("ga", 20)
        while True:
            # Answers to earlier tries may come late: each has its own token.
            token = random.getrandbits(30)
            try:
                # A call of which it has got a part only it would wait for the rest of:
                # this byte has it start anew.
                self.agent.sock.sendall(b"\xff")
                self.agent.send("guest-sync", {"id": token})
                while self.agent.receive(2).get("return") != token:
                    pass
                return time.monotonic() - start
            except (EOFError, OSError, ValueError) as err:
                if self.ended():
                    raise GuestError(f"{self.name}: QEMU ended\n"
                                     f"{self.last_words()}") from err
                # What timed out cannot be read from again: connect anew.
                self.agent.close()
                self.agent = self.channel("ga", timeout)
            if time.monotonic() - start > timeout:
                raise GuestError(f"{self.name}: no agent after {timeout} s\n"
                                 f"{self.last_words()}\n{self.processor()}")

    def try_run(self, command, timeout=30):
        """Runs a shell command in the guest: (exit status, its output)."""
        try:
            pid = self.agent.call("guest-exec", path="/bin/sh",
                                  arg=["-c", command + " 2>&1"],
                                  **{"capture-output": True})["pid"]
            end = time.monotonic() + timeout
            while True:
                status = self.agent.call("guest-exec-status", pid=pid)
                if status["exited"]:
                    break
                if time.monotonic() > end:
                    raise TimeoutError(f"not ended after {timeout} s")
                time.sleep(0.1)
        except TimeoutError as err:
            raise GuestError(f"{self.name}: '{command}': {err}\n{self.last_words()}\n"
                             f"{self.processor()}") from err
        output = base64.b64decode(status.get("out-data", "")).decode()
        return status.get("exitcode", -1), output.strip()

    def run(self, command, timeout=30):
        """Output of a shell command in the guest, which must succeed."""
        status, output = self.try_run(command, timeout)
        if status:
            raise GuestError(f"{self.name}: '{command}' returned {status}: "
                             f"{output}")
        return output

    def boots(self):
        """How often it has said that it is up."""
        return words(self.console).count(UP)

    def reboot(self, timeout=120):
        """Has the guest reboot; returns the seconds until it is up again."""
        start = time.monotonic()
        boots = self.boots()
        self.agent.send("guest-exec", {"path": "/bin/reboot", "arg": ["-f"]})
        try:
            # Before that, it may be the old one that answers.
            while self.qmp.receive(timeout).get("event") != "RESET":
                pass
        except (EOFError, OSError) as err:
            raise GuestError(f"{self.name}: did not reboot ({err})\n{self.last_words()}"
                             ) from err
        # Not by asking the agent: after many connections to one that was not there yet,
        # QEMU took no more of them, with a guest that was being migrated.
        while self.boots() == boots:
            if time.monotonic() - start > timeout:
                raise GuestError(f"{self.name}: not up again after {timeout} s\n"
                                 f"{self.last_words()}\n{self.processor()}")
            time.sleep(0.2)
        self.wait_for_agent(timeout)
        return time.monotonic() - start

    def shutdown(self, timeout=30):
        """Has the guest power itself off; returns QEMU's exit status."""
        self.agent.send("guest-exec", {"path": "/bin/poweroff", "arg": ["-f"]})
        try:
            return self.proc.wait(timeout)
        except subprocess.TimeoutExpired as err:
            raise GuestError(f"{self.name}: no power-off after {timeout} s\n"
                             f"{self.last_words()}") from err

    def ended(self):
        return self.proc.poll() is not None

    def kill(self):
        if not self.ended():
            self.proc.kill()
            self.proc.wait()
        for channel in (self.qmp, self.agent):
            if channel:
                channel.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.memory.unlink(missing_ok=True)
