#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mediate_lifecycle.py [SECONDS]: everything that can happen to a mediated VF.

First each event in each state that can be reached, against a model of what must
come of it; then each two events at the same time; with SECONDS all of them at once
for as long. The vendor is mediator_demo; the VMM is vfio_hold, which gives the VF
back when somebody takes it away, but not when its vendor goes.
"""

# /// suite
# [lifecycle]
# about = "all that can happen to a mediated VF, by itself and at once"
# run = "./mediate_lifecycle.py"
# daily = ["7.2"]
# minutes = 2
#
# [stress]
# about = "the same, and two minutes of everything at once"
# run = "./mediate_lifecycle.py 120"
# minutes = 5
# ///

import collections
import dataclasses
import itertools
import pathlib
import random
import subprocess
import threading
import time

from labhost.hold import Hold
from labhost.shell import sh
from labhost.sriov import DRIVER, PCI, PF, VFS, mediated_by
from labhost.tap import program

PARAMETERS = pathlib.Path("/sys/module/mediator_demo/parameters")
STATUS, RDT = 0x8, 0x2818
SPEED, SPEED_100, SPEED_1000 = 0xc0, 0x40, 0x80


def counters():
    return tuple(int((PARAMETERS / name).read_text(encoding="utf-8"))
                 for name in ("opens", "releases"))


@dataclasses.dataclass(frozen=True)
class State:
    """What the model knows."""
    vf: str = "bound"           # absent, unbound, bound
    registered: bool = True
    opened: str = ""            # "", unmediated, mediated, detached
    trapped: bool = False

    def but(self, **changes):
        return dataclasses.replace(self, **changes)

    def closed(self):
        return self.but(opened="", trapped=False)

    def __str__(self):
        words = [self.vf, "registered" if self.registered else "unregistered",
                 self.opened or "closed"] + ["trapped"] * self.trapped
        return ", ".join(words)


# The model: each takes a state and returns the next one, and what the event says.

def to_register(s):
    return s.but(registered=True), True


def to_unregister(s):
    opened = "detached" if s.opened == "mediated" else s.opened
    return s.but(registered=False, opened=opened), True


def to_open(s):
    if s.vf != "bound":
        return s, "ENODEV" if s.vf == "absent" else "ENOENT"
    if s.opened:
        return s, "EBUSY"
    return s.but(opened="mediated" if s.registered else "unmediated"), "open"


def to_close(s):
    return s.closed(), bool(s.opened)


def to_bind(s):
    return (s, False) if s.vf == "absent" else (s.closed().but(vf="bound"), True)


def to_unbind(s):
    return s if s.vf == "absent" else s.closed().but(vf="unbound"), True


def to_unplug(s):
    return s.closed().but(vf="absent"), True


def to_plug(s):
    return (s.but(vf="unbound") if s.vf == "absent" else s), True


def to_reset(s):
    # Without a vendor there is nobody to turn the trap off for.
    trapped = s.trapped and s.opened == "detached"
    return s.but(trapped=trapped), 0 if s.opened else None


def trap_model(s, trapped):
    results = {"": (s, None), "unmediated": (s, "ENOTTY"),
               "detached": (s, "ENODEV"),
               "mediated": (s.but(trapped=trapped), int(trapped))}
    return results[s.opened]


def to_trap(s):
    return trap_model(s, True)


def to_untrap(s):
    return trap_model(s, False)


def to_read(s):
    return s, {"": None, "unmediated": SPEED_1000, "mediated": SPEED_100,
               "detached": SPEED}[s.opened]


def to_touch(s):
    return s, {"": None, "detached": "ENODEV"}.get(s.opened, "touched")


class Host:
    """The real thing."""

    def __init__(self, vf, vfs):
        self.vf, self.vfs = vf, vfs
        self.numvfs = PCI / PF / "sriov_numvfs"
        self.hold = None

    def register(self):
        (PARAMETERS / "registered").write_text("1", encoding="utf-8")
        return True

    def unregister(self):
        (PARAMETERS / "registered").write_text("0", encoding="utf-8")
        return True

    def open(self):
        hold = Hold(self.vf)
        if hold.said == "open":
            self.hold = hold
            return "open"
        hold.close()
        return hold.said.partition(": ")[2]

    def close(self):
        hold, self.hold = self.hold, None
        if not hold:
            return False
        hold.close()
        return True

    def without_vf(self, *command):
        """Runs what takes the VF away; the VMM obeys when it is asked for it.
        Returns whether it succeeded."""
        end = time.monotonic() + 60
        with subprocess.Popen(command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as proc:
            while proc.poll() is None:
                hold = self.hold
                if hold and hold.asked_back():
                    self.close()
                if time.monotonic() > end:
                    proc.kill()
                    raise TimeoutError(f"no end of {command}")
                time.sleep(0.02)
            return proc.returncode == 0

    def bind(self):
        return self.without_vf("vfctl", "bind", self.vf, DRIVER)

    def unbind(self):
        return self.without_vf("vfctl", "unbind", self.vf)

    def unplug(self):
        return self.without_vf("sh", "-c", f"echo 0 > {self.numvfs}")

    def plug(self):
        if not int(self.numvfs.read_text(encoding="utf-8")):
            self.numvfs.write_text(str(self.vfs), encoding="utf-8")
        return True

    def ask(self, command):
        hold = self.hold
        return hold.ask(command) if hold else None

    def reset(self):
        return self.ask("reset")

    def trap(self):
        return self.ask("trap 1")

    def untrap(self):
        return self.ask("trap 0")

    def read(self):
        value = self.ask(f"read {STATUS}")
        return value & SPEED if isinstance(value, int) else value

    def touch(self):
        value = self.ask(f"touch {RDT}")
        return "touched" if isinstance(value, int) else value

    def look(self):
        """What can be seen of the state, without changing it."""
        opens, releases = counters()
        seen = {"mediated_by": mediated_by(self.vf), "held": opens - releases}
        if self.hold:
            seen["trap"] = self.ask("state")
        return seen


def view(s):
    """What Host.look() must see."""
    mediated = s.opened == "mediated"
    seen = {"mediated_by": "" if s.vf != "bound" else
            "demo" if mediated else "none", "held": int(mediated)}
    if s.opened:
        seen["trap"] = ("ENOTTY" if s.opened == "unmediated" else
                        int(s.trapped))
    return seen


EVENTS = {"register": to_register, "unregister": to_unregister, "open": to_open,
          "close": to_close, "bind": to_bind, "unbind": to_unbind,
          "unplug": to_unplug, "plug": to_plug, "reset": to_reset,
          "trap": to_trap, "untrap": to_untrap, "read": to_read,
          "touch": to_touch}


def reachable(start):
    """All states."""
    states, queue = {start}, collections.deque([start])
    while queue:
        state = queue.popleft()
        for model in EVENTS.values():
            after = model(state)[0]
            if after not in states:
                states.add(after)
                queue.append(after)
    return states


def nearest(start, todo):
    """Events that lead from start to a state with one that is to be tested."""
    paths, queue = {start: []}, collections.deque([start])
    while queue:
        state = queue.popleft()
        if todo[state]:
            return paths[state]
        for name, model in EVENTS.items():
            after = model(state)[0]
            if after not in paths:
                paths[after] = paths[state] + [name]
                queue.append(after)
    return None


SPENT = collections.Counter()


def do(host, state, event, holds):
    """Makes an event happen; the next state, and what was wrong."""
    after, want = EVENTS[event](state)
    if event == "open" and host.hold:
        # Somebody else tries.
        other = Hold(host.vf)
        got = other.said.removeprefix("open: ")
        other.close()
    else:
        start = time.monotonic()
        got = getattr(host, event)()
        SPENT[event] += time.monotonic() - start
    wrong = [] if got == want else [f"said {got}, not {want}"]
    if holds and host.look() != view(after):
        wrong.append(f"then {host.look()}, not {view(after)}")
    return after, wrong


def test_matrix(tap, host):
    """Each event in each state."""
    state = State()
    todo = {each: list(EVENTS) for each in reachable(state)}
    failures, tested = [], 0
    while (path := nearest(state, todo)) is not None:
        for event in path:
            state, wrong = do(host, state, event, False)
        event = todo[state].pop()
        before = state
        state, wrong = do(host, state, event, True)
        tested += 1
        if wrong:
            failures.append(f"{before}: {event}: {'; '.join(wrong)}")
            break
    tap.note(", ".join(f"{event} {took:.1f} s" for event, took in SPENT.items()))
    tap.ok(not failures, f"each of {len(EVENTS)} events in each of "
           f"{len(todo)} states: {tested} cases", "\n".join(failures))


def settle(host):
    """From wherever it is to the first state of all; what was wrong."""
    hold, host.hold = host.hold, None
    if hold:
        hold.close()
    host.plug()
    host.bind()
    host.register()
    opens, releases = counters()
    if opens != releases:
        return f"{opens} opens, {releases} releases"
    if host.open() != "open" or mediated_by(host.vf) != "demo":
        return f"a new open is mediated by {mediated_by(host.vf)}"
    if host.read() != SPEED_100 or host.ask("state") != 0:
        return f"a new open: speed {host.read()}, trap {host.ask('state')}"
    return ""


def attempt(host, event, errors):
    try:
        getattr(host, event)()
    except (OSError, ValueError, subprocess.SubprocessError) as err:
        errors.append(f"{event}: {err!r}")


def test_pairs(tap, host):
    """Each two events at once, from open, mediated and trapped."""
    wrong = settle(host)
    failures = [wrong] if wrong else []
    pairs = list(itertools.combinations_with_replacement(EVENTS, 2))
    for pair in pairs:
        errors = []
        host.trap()
        threads = [threading.Thread(target=attempt, args=(host, event, errors),
                                    daemon=True) for event in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        stuck = any(thread.is_alive() for thread in threads)
        wrong = "stuck" if stuck else settle(host)
        if wrong or errors:
            failures.append(f"{pair[0]} and {pair[1]}: {wrong} {errors}")
        if stuck:
            break
    tap.ok(not failures, f"each two of {len(EVENTS)} events at once: "
           f"{len(pairs)} pairs, the device is as ever afterwards",
           "\n".join(failures))


def test_stress(tap, host, seconds):
    """All at once, at random."""
    end = time.monotonic() + seconds
    done = collections.Counter()
    errors = []
    # What changes which driver has the VF would only ever wait for each other.
    groups = [["bind", "unbind", "plug", "bind", "unplug", "plug", "bind"],
              ["register", "unregister", "register", "register"],
              ["open", "close", "open", "open"], ["reset"],
              ["trap", "untrap"], ["read", "touch"]]

    def loop(events, pause):
        while time.monotonic() < end:
            event = random.choice(events)
            failed = []
            attempt(host, event, failed)
            done[event] += 1
            # Two at once may find the VF gone, or the pipe closed.
            errors.extend(line for line in failed if "Timeout" in line)
            time.sleep(random.random() * pause)

    def toggle():
        try:
            (PARAMETERS / "toggle").write_text(str(random.getrandbits(1)),
                                               encoding="utf-8")
        except OSError:
            pass

    def loop_toggle():
        while time.monotonic() < end:
            toggle()
            done["toggle"] += 1

    threads = [threading.Thread(target=loop, args=args, daemon=True)
               for args in zip(groups, (1.5, 1, 0.3, 0.5, 0.05, 0.02))]
    threads.append(threading.Thread(target=loop_toggle, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 120)
    stuck = sum(thread.is_alive() for thread in threads)
    tap.note(", ".join(f"{count} {event}" for event, count in done.items()))
    wrong = "" if stuck else settle(host)
    tap.ok(not stuck and not errors and not wrong and
           done.keys() >= set(EVENTS),
           f"{sum(done.values())} events in {seconds} s, all at once",
           f"{stuck} stuck, {wrong}, {errors[:5]}")


def main(tap, seconds=None):
    host = Host(VFS[0], len(VFS))
    sh("modprobe", "mediator_demo")
    host.bind()
    tap.run(test_matrix, test_pairs, host=host)
    if seconds:
        tap.run(test_stress, host=host, seconds=int(seconds))
    host.close()
    done = subprocess.run(["modprobe", "-r", "mediator_demo"], check=False,
                          capture_output=True, text=True)
    tap.equal((done.returncode, PARAMETERS.exists()), (0, False),
              "the vendor's module can be unloaded")


if __name__ == "__main__":
    program(main)
