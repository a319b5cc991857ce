#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""events.py: what is told of a VF, by netlink, uevents, sysfs, tracepoints and the log.

Without a VMM: migrate --obey and vfio_hold do with VFs what a VMM does. The kernel's own ynl
reads the netlink family by its specification. Prints TAP.
"""

# /// suite
# [events]
# about = "what is told of a VF: netlink, uevents, sysfs, tracepoints, the log"
# run = "./events.py"
# daily = ["6.12"]
# pf = "sample_nic"
# extra = ["ynl"]
# minutes = 0.8
# ///

import concurrent.futures
import errno
import functools
import json
import os
import re
import socket
import subprocess
import time

from labhost.events import GROUP, TRACING, Listener, Traces, Uevents, cli, family
from labhost.hold import Hold
from labhost.klog import Log
from labhost.nicstate import FILE, Device, split
from labhost.ports import Port, up
from labhost.shell import sh, until
from labhost.sriov import DRIVER, PCI, PF, VFS
from labhost.tap import program
from labhost.tracking import set_tracking

EVENTS = ("state", "record", "drain", "scan", "mark", "trap", "refused", "reset", "detach")
NOBODY = 65534
FLOOD = 200         # times that a trap is switched on and off
SMALL = 4096        # bytes, of a listener's socket


def sysfs(vf):
    return tuple((PCI / vf / name).read_text(encoding="ascii").strip()
                 for name in ("mediated_by", "migration_state", "tracked", "last_error"))


@functools.cache
def asking():
    return family()


def device(vf):
    return asking().do("dev-get", {"name": vf})


def kinds(events):
    return [kind for kind, _ in events]


def of(events, kind):
    """What the events of one kind say."""
    return [each for name, each in events if name == kind]


def states(events):
    return [(each["old-state"], each["state"], each["tracked"]) for each in of(events, "state")]


def in_order(tap, events, name):
    """None is lost, and time goes on."""
    numbers = [each["seq"] for _, each in events]
    times = [each["time"] for _, each in events]
    tap.ok(numbers == list(range(numbers[0], numbers[0] + len(numbers))) and
           times == sorted(times) and time.monotonic_ns() - times[0] < 60e9,
           f"{name}: {len(numbers)} events, in order, none is lost", (numbers, times))


def test_devices(tap, vfs):
    """Devices that nobody has open, and one that somebody has."""
    status, said = cli("--dump", "dev-get", "--output-json")
    tap.ok(not status, "ynl: dump", said)
    found = {each["name"]: each for each in json.loads(said)}
    tap.equal(sorted(found), sorted(vfs), "ynl: has all devices")
    seq = found[vfs[0]].pop("seq")
    tap.equal(found[vfs[0]], {
        "name": vfs[0], "tracked": "no", "error": 0, "trap": "off", "trap-holders": [],
        "power-state": found[vfs[0]]["power-state"]}, "ynl: one that is closed")
    tap.equal(sysfs(vfs[0]), ("none", "none", "no", "0"), "sysfs: one that is closed")
    with Device(vfs[0]):
        status, said = cli("--do", "dev-get", "--json", json.dumps({"name": vfs[0]}),
                           "--output-json")
        tap.ok(not status, "ynl: do", said)
        now = json.loads(said)
        tap.equal((now.pop("seq") > seq, now), (True, {
            "name": vfs[0], "open": True, "vendor": "sample_nic", "state": "running",
            "tracked": "no", "error": 0, "trap": "off", "trap-holders": [],
            "power-state": "d0"}), "ynl: one that is open")
        tap.equal(sysfs(vfs[0]), ("sample_nic", "RUNNING", "no", "0"),
                  "sysfs: one that is open")
    for what, error in ({"name": "0000:ff:1f.7"}, errno.ENODEV), ({}, errno.EINVAL):
        try:
            said = asking().do("dev-get", what)
        except Exception as err:    # pylint: disable=broad-exception-caught
            said = str(err)
        tap.ok(f"error: -{error}" in str(said), f"ynl: there is no device {what}", said)


def test_open(tap, vfs, listener):
    listener.take(vfs[0])
    with Device(vfs[0]):
        events = listener.take(vfs[0], "open")
    events += listener.take(vfs[0], "close")
    tap.equal([(kind, each.get("vendor")) for kind, each in events],
              [("claim", "sample_nic"), ("open", "sample_nic"), ("close", None)],
              "claimed, opened, closed")
    in_order(tap, events, "open and close")


def figures(tap, name, event, want, data):
    """Of a migration that has ended."""
    spent = {each["state"]: each["time"] for each in event.get("state-time", [])}
    tap.equal({key: event[key] for key in want}, want, f"{name}: what is told of it")
    tap.equal((event["bytes"], event["records"]), (len(data), len(split(data))),
              f"{name}: bytes and records are those of the stream")
    return spent


def test_migration(tap, vfs, listener, uevents):
    """From one VF to another one, with its figures wherever they are told."""
    log = Log("info")
    uevents.take(vfs[0])
    with Traces() as traces, Device(vfs[0]) as one, Device(vfs[1]) as two:
        for vf in vfs:
            listener.take(vf, "open")
        start = time.monotonic_ns()
        early = one.save("PRE_COPY")
        tap.equal(sysfs(vfs[0]), ("sample_nic", "PRE_COPY", "container", "0"),
                  "sysfs: in PRE_COPY")
        tap.equal((device(vfs[0])["state"], device(vfs[0])["trap-holders"]),
                  ("pre-copy", {"tracker"}), "ynl: in PRE_COPY")
        time.sleep(0.2)
        data = early + one.save()
        tap.equal(sysfs(vfs[0])[1], "STOP_COPY", "sysfs: in STOP_COPY")
        one.set("STOP")
        took = time.monotonic_ns() - start
        events = listener.take(vfs[0], "migration")
        tap.equal(states(events), [
            ("running", "pre-copy", "container"), ("pre-copy", "pre-copy-p2p", "container"),
            ("pre-copy-p2p", "stop-copy", "container"), ("stop-copy", "stop", "no")],
            "save: states")
        tap.equal([(each["trap"], each["trap-holders"]) for each in of(events, "trap")],
                  [("shadow", {"tracker"}), ("off", set())],
                  "save: trapped for the tracker, until all is saved")
        in_order(tap, events, "save")
        saved = of(events, "migration")[0]
        spent = figures(tap, "save", saved, {
            "direction": "save", "outcome": "completed", "error": 0,
            "tracked": "container"}, data)
        tap.ok(sorted(spent) == ["pre-copy", "pre-copy-p2p", "stop-copy"] and
               2e8 < spent["pre-copy"] < sum(spent.values()) < took,
               "save: times in each state", (spent, took))
        hits = traces.take(vfs[0])
        tap.equal([(each["old"], each["state"]) for each in of(hits, "state")], [
            ("RUNNING", "PRE_COPY"), ("PRE_COPY", "PRE_COPY_P2P"),
            ("PRE_COPY_P2P", "STOP_COPY"), ("STOP_COPY", "STOP")], "tracepoint state")
        tap.equal({each["old"]: int(each["ns"]) for each in of(hits, "state")[1:]},
                  {state.upper().replace("-", "_"): ns for state, ns in spent.items()},
                  "tracepoint state: the same times")
        records = [(each[0], len(each[2])) for each in split(data)]
        tap.equal([(int(each["type"], 16), int(each["length"])) for each in of(hits, "record")],
                  records, "tracepoint record: each one that is saved")
        tap.equal([(each["trap"], each["holders"]) for each in of(hits, "trap")],
                  [("shadow", "tracker"), ("off", "")], "tracepoint trap")
        tap.ok(of(hits, "drain") and of(hits, "scan") and
               all(each["result"] == "0" for each in of(hits, "scan")),
               f"tracepoints drain, {len(of(hits, 'drain'))} times, and scan, "
               f"{len(of(hits, 'scan'))} times", hits)

        tap.equal((two.load(data), sysfs(vfs[1])[1], two.set("RUNNING")), (0, "STOP", 0),
                  "loaded, and runs")
        events = listener.take(vfs[1], "migration")
        tap.equal([each["state"] for each in of(events, "state")],
                  ["running-p2p", "stop", "resuming", "stop", "running-p2p", "running"],
                  "load: states")
        in_order(tap, events, "load")
        loaded = of(events, "migration")[0]
        spent = figures(tap, "load", loaded, {
            "direction": "load", "outcome": "completed", "error": 0, "pages": 0,
            "tracked": "no"}, data)
        tap.ok({"resuming", "stop"} <= set(spent), "load: times in each state", spent)
        hits = traces.take(vfs[1])
        tap.equal([(each["direction"], int(each["type"], 16), int(each["length"]))
                   for each in of(hits, "record")], [("load", *each) for each in records],
                  "tracepoint record: each one that is loaded")
    changes = uevents.take(vfs[0])
    tap.equal([each["STATE"] for each in changes if each["EVENT"] == "state"],
              ["PRE_COPY", "PRE_COPY_P2P", "STOP_COPY", "STOP"], "uevents: states")
    tap.equal([(each["DIRECTION"], each["OUTCOME"], each["ERROR"], int(each["SEQ"]))
               for each in changes if each["EVENT"] == "migration"],
              [("save", "completed", "0", saved["seq"])], "uevents: the migration")
    tap.ok(any(each["EVENT"] == "trap" and each["TRAP"] == "shadow" for each in changes),
           "uevents: the trap", changes)
    lines = log.new("migration ")
    wants = [(vfs[0], f"migration out completed (0): {len(data)} bytes, {len(records)} records, "
              f"STOP_COPY \\d+ us, PRE_COPY \\d+ us, PRE_COPY_P2P \\d+ us, "
              f"tracked: container, {saved['pages']} pages marked"),
             (vfs[1], f"migration in completed (0): {len(data)} bytes, {len(records)} records, "
              "STOP \\d+ us, RESUMING \\d+ us, RUNNING_P2P \\d+ us, tracked: no, "
              "0 pages marked")]
    wants = [(vf, want.replace("(0)", r"\(0\)")) for vf, want in wants]
    tap.ok(len(lines) == 2 and all(f" {vf}: " in line and re.search(want, line)
                                   for (vf, want), line in zip(wants, lines)),
           "the log has one line for each of them", "\n".join(lines))


def test_failures(tap, vfs, listener):
    """A migration that is cancelled, one that fails, and what is left of it."""
    vf = vfs[0]
    listener.take(vf)
    with Traces() as traces, Device(vf) as one:
        early = one.save("PRE_COPY")
        one.set("RUNNING")
        events = listener.take(vf, "migration")
        figures(tap, "cancelled", of(events, "migration")[0],
                {"direction": "save", "outcome": "cancelled", "error": 0}, early)
        traces.take(vf)
        tap.equal(one.load(b"nonsense" * 100), "EINVAL", "nonsense is not loaded")
        events = listener.take(vf, "migration")
        tap.equal([(each["direction"], each["outcome"], each["error"], each["records"])
                   for each in of(events, "migration")],
                  [("load", "failed", -errno.EINVAL, 0)], "failed: is told")
        hits = of(traces.take(vf), "refused")
        tap.ok(hits[0]["what"] == "load" and hits[0]["error"] == str(-errno.EINVAL) and
               "bad magic" in hits[0]["reason"], "tracepoint refused", hits)
        tap.equal(sysfs(vf)[1:], ("ERROR", "no", str(-errno.EINVAL)), "sysfs: has failed")
    tap.equal((sysfs(vf), device(vf)["error"]),
              (("none", "none", "no", str(-errno.EINVAL)), -errno.EINVAL),
              "sysfs and ynl: the error is there when it is closed")
    listener.take(vf, "close")
    with Device(vf) as one:
        one.save("PRE_COPY")
        tap.equal(sysfs(vf)[3], "0", "sysfs: and no more when the next migration begins")
    events = listener.take(vf, "close")
    tap.equal([each["outcome"] for each in of(events, "migration")], ["cancelled"],
              "closed while it is saved: cancelled")


def test_pages(tap, vfs, listener):
    """A VF that receives: what is marked."""
    vf = vfs[0]
    listener.take(vf)
    with Traces() as traces:
        with subprocess.Popen(["./dirty_hold"], text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as proc:
            tracked = any(line == "tracked\n" for line in proc.stdout)
            tap.equal((tracked, sysfs(vf)[2]), (True, "container"), "sysfs: is tracked")
            proc.stdin.close()
            proc.wait(30)
        events, hits = listener.take(vf, "close"), traces.take(vf)
    told = of(events, "migration")[0]["pages"]
    marks = [(int(each["iova"], 16), int(each["size"], 16)) for each in of(hits, "mark")]
    tap.equal(sum((iova + size - 1 >> 12) - (iova >> 12) + 1 for iova, size in marks), told,
              f"tracepoint mark: {len(marks)} hits have all pages that are told")
    tap.ok(told > 100 and any(int(each["writes"]) for each in of(hits, "drain")),
           "tracepoint drain: writes of doorbells", (told, of(hits, "drain")[:5]))
    tap.equal(max(int(each["pages"]) for each in of(hits, "scan")) <= told, True,
              "tracepoint scan: pages so far")


def test_resets(tap, vfs, listener, uevents):
    vf = vfs[0]
    with Traces() as traces, Hold(vf) as hold:
        listener.take(vf, "open")
        uevents.take(vf)
        hold.ask("trap 1")
        hold.ask("reset")
        (PCI / vf / "reset").write_text("1", encoding="ascii")
        events = listener.take(vf)
        tap.equal([(each["trap"], each["trap-holders"]) for each in of(events, "trap")],
                  [("shadow", {"vmm"}), ("off", set())], "a trap of the VMM, and its end")
        tap.equal([(each["reset"], "unexpected" in each) for each in of(events, "reset")],
                  [("function", False), ("function", True)],
                  "a reset by the VMM, and one by the administrator")
        (PCI / PF / "reset").write_text("1", encoding="ascii")
        events += listener.take(vf)
        tap.equal({each["reset"] for each in of(events, "reset")[2:]},
                  {"state-loss", "state-lost"}, "a reset of the PF")
        in_order(tap, events, "resets")
        hits = of(traces.take(vf), "reset")
        tap.equal([(each["kind"], each["unexpected"]) for each in hits[:2]],
                  [("function", "0"), ("function", "1")], "tracepoint reset")
        tap.ok([int(each["generation"]) for each in hits] ==
               sorted(int(each["generation"]) for each in hits), "tracepoint reset: in order",
               hits)
        changes = [(each["RESET"], each["UNEXPECTED"]) for each in uevents.take(vf)
                   if each["EVENT"] == "reset"]
        tap.equal(changes[:2], [("function", "0"), ("function", "1")], "uevents: resets")


def attempt(function, *args):
    """The errno with which it fails, 0 if it does not."""
    try:
        function(*args)
    except OSError as err:
        return err.errno
    return 0


def as_nobody(function):
    """What a user without privileges gets, as the exit status of a process."""
    pid = os.fork()
    if not pid:
        status = 255
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            status = function()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_users(tap, vfs):
    ynl = family()
    tap.equal(as_nobody(lambda: attempt(ynl.ntf_subscribe, GROUP)), errno.EPERM,
              "a user may not listen")
    tap.equal(as_nobody(lambda: len(asking().dump("dev-get", {}))), len(vfs),
              "but see what sysfs shows")
    ynl.sock.close()
    script = ("import sys; sys.path.insert(0, '.'); from labhost.events import family\n"
              "try: family()\nexcept Exception as err: print(err)")
    done = subprocess.run(["unshare", "-n", "python3", "-c", script], check=False, text=True,
                          capture_output=True)
    if "unshare" in done.stderr:
        tap.skip("network namespaces", "not in this kernel")
    else:
        tap.ok("not supported by the kernel" in done.stdout,
               "in another network namespace there is no such family",
               done.stdout + done.stderr)


def test_flood(tap, vfs, listener, uevents):
    """A listener that does not read, and a VMM that switches a trap all the time."""
    vf = vfs[0]
    deaf = family()
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    deaf.ntf_subscribe(GROUP)
    with Hold(vf) as hold:
        listener.take(vf, "open")
        uevents.take(vf)
        start = time.monotonic()
        answers = {(hold.ask("trap 1"), hold.ask("trap 0")) for _ in range(FLOOD)}
        took = time.monotonic() - start
        tap.equal(answers, {(1, 0)}, f"{FLOOD} traps in {took:.1f} s: no operation fails")
        last = device(vf)
    events = listener.take(vf, "close")
    numbers = [each["seq"] for _, each in events]
    tap.ok(numbers == sorted(set(numbers)) and numbers[-1] == last["seq"] + 1,
           f"who reads has {len(numbers)} of {2 * FLOOD + 1}, in order, and the last one",
           numbers)
    changes = uevents.take(vf)
    limit = 33 * (took / 2 + 2)
    tap.ok(0 < len(changes) < limit, f"there are {len(changes)} uevents, at most {limit:.0f}")
    deaf.sock.close()


def test_deaf(tap, vfs):
    """A listener that does not read is told what it has lost."""
    vf = vfs[0]
    deaf = family()
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    deaf.ntf_subscribe(GROUP)
    with Hold(vf) as hold:
        for _ in range(30):
            hold.ask("trap 1")
            hold.ask("trap 0")
            time.sleep(0.01)
        time.sleep(0.3)
        tap.equal(attempt(deaf.check_ntf), errno.ENOBUFS, "it gets ENOBUFS")
        tap.equal(attempt(deaf.check_ntf), 0, "once, and then what was kept for it")
        kept = [each["msg"]["seq"] for each in deaf.async_msg_queue]
        hold.ask("trap 1")
        until(lambda: deaf.check_ntf() or len(deaf.async_msg_queue) > len(kept), 5)
        numbers = [each["msg"]["seq"] for each in deaf.async_msg_queue]
        tap.ok(kept and len(numbers) > len(kept) and numbers[len(kept)] > kept[-1] + 1,
               "and what comes then: the numbers tell what is missing", numbers)
    deaf.sock.close()


def test_formats(tap):
    """As the documentation has them: fields of the tracepoints."""
    found = {}
    for name in EVENTS:
        text = (TRACING / "events/vfio_mediate" / name / "format").read_text(encoding="ascii")
        found[name] = re.findall(r"field:.*?(\w+)(?:\[\])?;", text)
    tap.ok(all("device" in fields for fields in found.values()),
           f"{len(found)} tracepoints, each with its device", found)


def test_cli(tap, vfs):
    """The kernel's own tool gets events."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = pool.submit(cli, "--subscribe", GROUP, "--sleep", "2", "--output-json")
        while not done.done():
            Hold(vfs[0]).close()
    said = [each["name"].removesuffix("-ntf") for each in json.loads(done.result()[1])]
    cycle = ["claim", "open", "close"]
    start = cycle.index(said[0]) if said else 0
    tap.ok(len(said) > 3 and said == (cycle * len(said))[start:start + len(said)],
           f"ynl: --subscribe events, {len(said)} of them", said)


def test_going(tap, vfs, listener, uevents):
    """The PF's driver goes while the VF is open; the VF is to be removed."""
    vf = vfs[0]
    with Traces() as traces:
        hold = Hold(vf)
        listener.take(vf, "open")
        uevents.take(vf)
        with subprocess.Popen(["sh", "-c",
                               f"echo {PF} > /sys/bus/pci/drivers/sample_nic/unbind"]) as unbind:
            try:
                asked = until(hold.asked_back)
                events = listener.take(vf, "detach")
                # Its files in sysfs go before its driver does.
                status = device(vf)
            finally:
                hold.close()
            unbind.wait(60)
        events += listener.take(vf, "close")
        hits = of(traces.take(vf), "detach")
    tap.equal((asked, status.get("open"), status.get("vendor")), (True, True, None),
              "asked back, and mediated by none")
    tap.equal([each["vendor"] for each in of(events, "detach")], ["sample_nic"], "detached")
    tap.equal(len(of(events, "release")), 1, "to be released")
    tap.equal(kinds(events)[-1], "close", "and closed")
    tap.equal([each["vendor"] for each in hits], ["sample_nic"], "tracepoint detach")
    changes = [each["EVENT"] for each in uevents.take(vf)]
    tap.ok({"detach", "release"} <= set(changes), "uevents: detached, to be released", changes)


def test_power(tap, listener, uevents):
    """VFs of this card have no states of power, so the PF is held open."""
    sh("modprobe", "mediator_demo", "pf=Y")
    sh("vfctl", "bind", PF, DRIVER)
    with Hold(PF) as hold:
        listener.take(PF, "open")
        uevents.take(PF)
        hold.ask("power 3")
        events = listener.take(PF, "power")
        tap.equal(device(PF)["power-state"], "d3hot", "ynl: in D3hot")
        hold.ask("power 0")
        events += listener.take(PF, "power")
        tap.equal([each["power-state"] for each in of(events, "power")], ["d3hot", "d0"],
                  "its states of power are told")
        told = []

        def come():
            told.extend(each["POWER_STATE"] for each in uevents.take(PF)
                        if each["EVENT"] == "power")
            return len(told) >= 2
        until(come, 5)      # the uevent follows the message
        tap.equal(told, ["D3hot", "D0"], "uevents: as well")
    sh("vfctl", "unbind", PF)
    sh("rmmod", "mediator_demo")


def main(tap):
    pf = Port(PF)
    tap.ok(up(pf), "the PF has a link")
    pf.close()
    for vf in VFS:
        sh("vfctl", "bind", vf, DRIVER)
    set_tracking(True)
    listener, uevents = Listener(), Uevents()
    tap.run(test_devices, test_formats, test_open, test_cli, test_migration, test_failures,
            test_pages, test_resets, test_users, test_flood, test_deaf, test_going, test_power,
            vfs=VFS, listener=listener, uevents=uevents)
    listener.close()
    uevents.close()
    FILE.unlink(missing_ok=True)


if __name__ == "__main__":
    program(main)
