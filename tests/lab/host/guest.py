# SPDX-License-Identifier: GPL-2.0-only
"""Guests of the lab host: QEMU with KVM, driven by QMP and the guest agent."""

import base64
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

INITRD = "/lab/guest/initrd"


class GuestError(Exception):
    """A guest that did not do what was asked of it, with its last words."""


class Channel:
    """One JSON object a line over a socket: QMP, or QEMU's guest agent."""

    def __init__(self, path, timeout):
        end = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(path)
                break
            except OSError:
                self.sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.lines = self.sock.makefile("rb")

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

    def close(self):
        self.lines.close()
        self.sock.close()


class Guest:
    """A guest that owns the VFs given by their addresses.

    It finds programs, paths of files on the lab host, in its root directory.
    """

    def __init__(self, *vfs, name="guest", memory="256M", options=(),
                 reboots=False, programs=()):
        self.dir = tempfile.mkdtemp(prefix=f"{name}-")
        self.name = name
        self.console = f"/out/{name}.console"
        self.qmp = self.agent = None
        cmd = ["qemu-system-x86_64", "-machine", "q35", "-accel", "kvm",
               "-cpu", "host", "-m", memory, "-nodefaults", "-display", "none",
               "-serial", f"file:{self.console}",
               "-kernel", "/lab/guest/vmlinuz",
               "-initrd", self.initrd(programs),
               "-append", "console=ttyS0 quiet mitigations=off "
               "rdinit=/sbin/guest-init panic=-1",
               *([] if reboots else ["-no-reboot"]),
               "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
               "-chardev",
               f"socket,id=ga,path={self.dir}/ga,server=on,wait=off",
               "-device", "virtio-serial-pci",
               "-device",
               "virtserialport,chardev=ga,name=org.qemu.guest_agent.0"]
        for vf in vfs:
            cmd += ["-device", f"vfio-pci,host={vf}"]
        with open(f"/out/{name}.qemu", "wb") as log:
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
        words = []
        for path in (f"/out/{self.name}.qemu", self.console):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    words += file.read().splitlines()[-15:]
            except OSError:
                pass
        return "\n".join(words)

    def events(self):
        """What QEMU has reported by itself, as a guest's reset."""
        found = []
        try:
            while True:
                found.append(self.qmp.receive(0.5))
        except (OSError, EOFError, ValueError):
            return found

    def boot(self, timeout=240):
        """Waits until the guest's agent answers; returns the seconds."""
        try:
            self.qmp = Channel(f"{self.dir}/qmp", 20)
            self.qmp.receive(20)
            self.qmp.call("qmp_capabilities")
            self.agent = Channel(f"{self.dir}/ga", 20)
        except (OSError, EOFError) as err:
            raise GuestError(f"{self.name}: QEMU did not start ({err})\n"
                             f"{self.last_words()}") from err
        return self.wait_for_agent(timeout)

    def wait_for_agent(self, timeout):
        """Until the guest's agent answers; returns the seconds."""
        start = time.monotonic()
        while True:
            # Answers to earlier tries may come late: each has its own token.
            token = random.getrandbits(30)
            self.agent.send("guest-sync", {"id": token})
            try:
                while self.agent.receive(2).get("return") != token:
                    pass
                return time.monotonic() - start
            except EOFError as err:
                raise GuestError(f"{self.name}: QEMU ended\n"
                                 f"{self.last_words()}") from err
            except (TimeoutError, ValueError):
                # What timed out cannot be read from again: connect anew.
                self.agent.close()
                self.agent = Channel(f"{self.dir}/ga", 5)
            if time.monotonic() - start > timeout:
                raise GuestError(f"{self.name}: no agent after {timeout} s\n"
                                 f"{self.last_words()}")

    def try_run(self, command, timeout=30):
        """Runs a shell command in the guest: (exit status, its output)."""
        pid = self.agent.call("guest-exec", path="/bin/sh",
                              arg=["-c", command + " 2>&1"],
                              **{"capture-output": True})["pid"]
        end = time.monotonic() + timeout
        while True:
            status = self.agent.call("guest-exec-status", pid=pid)
            if status["exited"]:
                break
            if time.monotonic() > end:
                raise GuestError(f"{self.name}: no end of '{command}' after "
                                 f"{timeout} s\n{self.last_words()}")
            time.sleep(0.1)
        output = base64.b64decode(status.get("out-data", "")).decode()
        return status.get("exitcode", -1), output.strip()

    def run(self, command, timeout=30):
        """Output of a shell command in the guest, which must succeed."""
        status, output = self.try_run(command, timeout)
        if status:
            raise GuestError(f"{self.name}: '{command}' returned {status}: "
                             f"{output}")
        return output

    def reboot(self, timeout=120):
        """Has the guest reboot; returns the seconds until it is up again."""
        boot_id = self.run("cat /proc/sys/kernel/random/boot_id")
        self.agent.send("guest-exec", {"path": "/bin/reboot", "arg": ["-f"]})
        start = time.monotonic()
        while time.monotonic() - start < timeout:
            time.sleep(1)
            self.wait_for_agent(timeout)
            if self.run("cat /proc/sys/kernel/random/boot_id") != boot_id:
                return time.monotonic() - start
        raise GuestError(f"{self.name}: did not reboot\n{self.last_words()}")

    def shutdown(self, timeout=30):
        """Has the guest power itself off; returns QEMU's exit status."""
        self.agent.send("guest-exec", {"path": "/bin/poweroff", "arg": ["-f"]})
        try:
            return self.proc.wait(timeout)
        except subprocess.TimeoutExpired as err:
            raise GuestError(f"{self.name}: no power-off after {timeout} s\n"
                             f"{self.last_words()}") from err

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        for channel in (self.qmp, self.agent):
            if channel:
                channel.close()
        for leftover in os.listdir(self.dir):
            os.unlink(os.path.join(self.dir, leftover))
        os.rmdir(self.dir)
