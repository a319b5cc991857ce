# SPDX-License-Identifier: GPL-2.0-only
"""Events of our driver by generic netlink, see Documentation/netlink/specs/vfio_mediate.yaml."""

import errno
import os
import socket
import struct

NETLINK_GENERIC, NLMSG_ERROR, NLMSG_DONE = 16, 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS = 1, 2, 7
CTRL_ATTR_MCAST_GRP_NAME, CTRL_ATTR_MCAST_GRP_ID = 1, 2
FAMILY, GROUP = "vfio_mediate", "events"
HEADER, GENL, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")

STATE = ("error", "stop", "running", "stop-copy", "resuming", "running-p2p", "pre-copy",
         "pre-copy-p2p")
# The attributes of the spec, from 1 on: name, and how the value is read
DEV = (("name", "string"), ("seq", "uint"), ("time", "uint"), ("open", "flag"),
       ("vendor", "string"), ("state", STATE), ("old-state", STATE),
       ("tracked", ("no", "container", "log", "hardware")), ("error", "int"),
       ("trap", ("off", "shadow", "exact")), ("trap-holders", {"vendor", "vmm", "tracker"}),
       ("direction", ("save", "load")), ("outcome", ("completed", "cancelled", "failed")),
       ("bytes", "uint"), ("records", "uint"), ("pages", "uint"), ("state-time", "times"),
       ("reset", ("function", "state-loss", "state-lost")), ("unexpected", "flag"),
       ("power-state", ("d0", "d1", "d2", "d3hot", "d3cold", "unknown")), ("low-power", "flag"))
HOLDERS = ("vendor", "vmm", "tracker")
TIMES = (("state", STATE), ("time", "uint"))
# The operations, from 1 on
GET = 1
OPERATIONS = ("dev-get", "claim", "open", "close", "detach", "trap", "state", "migration",
              "reset", "release", "power")


def attributes(data):
    """(type, value) of each attribute."""
    while len(data) >= ATTRIBUTE.size:
        size, kind = ATTRIBUTE.unpack_from(data)
        if size < ATTRIBUTE.size:
            return
        yield kind & 0x3fff, data[ATTRIBUTE.size:size]
        data = data[(size + 3) & ~3:]


def attribute(kind, value):
    size = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def decode(table, data):
    """Attributes by the names of a table; those of a newer kernel are left out."""
    found = {}
    for kind, value in attributes(data):
        if not 0 < kind <= len(table):
            continue
        name, what = table[kind - 1]
        number = int.from_bytes(value, "little", signed=what == "int")
        if what == "string":
            found[name] = value.rstrip(b"\0").decode(errors="replace")
        elif what == "flag":
            found[name] = True
        elif what == "times":
            found.setdefault(name, []).append(decode(TIMES, value))
        elif isinstance(what, set):
            found[name] = [holder for bit, holder in enumerate(HOLDERS) if number >> bit & 1]
        elif isinstance(what, tuple):
            found[name] = what[number] if number < len(what) else number
        else:
            found[name] = number
    return found


class Events:
    """A listener. OSError where the kernel has no such family, or does not let us listen."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sequence = 0
        self.early = []     # events that came before an answer
        self.last = {}      # number of the last event of each device
        answer = self.request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK,
                              attribute(CTRL_ATTR_FAMILY_NAME, FAMILY.encode() + b"\0"))
        about = dict(attributes(answer[0][GENL.size:]))
        self.family = struct.unpack("=H", about[CTRL_ATTR_FAMILY_ID])[0]
        groups = [dict(attributes(group)) for _, group in
                  attributes(about[CTRL_ATTR_MCAST_GROUPS])]
        number = next(struct.unpack("=I", group[CTRL_ATTR_MCAST_GRP_ID])[0] for group in groups
                      if group[CTRL_ATTR_MCAST_GRP_NAME].rstrip(b"\0") == GROUP.encode())
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, number)

    def messages(self):
        """What one recv() brings: (type, sequence number, payload)."""
        data = self.sock.recv(1 << 16)
        while len(data) >= HEADER.size:
            size, kind, _, sequence, _ = HEADER.unpack_from(data)
            yield kind, sequence, data[HEADER.size:size]
            data = data[(size + 3) & ~3:]

    def request(self, family, command, flags, payload=b""):
        """Payloads of the answers."""
        self.sequence += 1
        data = GENL.pack(command, 1, 0) + payload
        self.sock.send(HEADER.pack(HEADER.size + len(data), family, flags | NLM_F_REQUEST,
                                   self.sequence, 0) + data)
        answers = []
        while True:
            for kind, sequence, text in self.messages():
                if sequence != self.sequence:
                    self.early.append((kind, text))
                elif kind in (NLMSG_ERROR, NLMSG_DONE):
                    number = -struct.unpack_from("=i", text)[0] if kind == NLMSG_ERROR else 0
                    if number:
                        raise OSError(number, os.strerror(number))
                    return answers
                else:
                    answers.append(text)

    def devices(self):
        """All devices that are bound to our driver, as they are now."""
        self.sock.settimeout(None)
        found = [decode(DEV, text[GENL.size:]) for text in
                 self.request(self.family, GET, NLM_F_DUMP)]
        self.last = {each["name"]: each.get("seq", 0) for each in found}
        return found

    def lost(self):
        """The kernel had more events than we have read: what is so now."""
        return [{"event": "lost"}, *({"event": "device", **each} for each in self.devices())]

    def wait(self, timeout):
        """The events that have come within timeout seconds."""
        found, self.early = self.early, []
        self.sock.settimeout(timeout)
        try:
            found = found or [(kind, text) for kind, _, text in self.messages()]
        except TimeoutError:
            return []
        except OSError as err:
            if err.errno != errno.ENOBUFS:
                raise
            return self.lost()
        events = []
        for kind, text in found:
            command = text[0] if text else 0
            if kind != self.family or not GET < command <= len(OPERATIONS):
                continue
            event = {"event": OPERATIONS[command - 1], **decode(DEV, text[GENL.size:])}
            name, number = event.get("name"), event.get("seq", 0)
            if number > self.last.get(name, number) + 1:
                events.append({"event": "lost", "name": name})
            self.last[name] = number
            events.append(event)
        return events
