# SPDX-License-Identifier: GPL-2.0-only
"""Prints what happens to VFs: events of the kernel, or changes that are seen in sysfs."""

import datetime
import json
import sys
import time

import events
from host import FILES, all_vfs

INTERVAL = 0.2  # s between two looks at sysfs


class Sysfs:
    """Changes of what sysfs has, for a kernel without events."""

    def __init__(self):
        self.before = self.look()

    @staticmethod
    def look():
        return {vf.name: {"driver": vf.driver, **{name: vf.file(name) for name in FILES}}
                for _, vfs in all_vfs() for vf in vfs}

    def wait(self, timeout):
        time.sleep(min(INTERVAL, timeout))
        now, before = self.look(), self.before
        self.before = now
        found = []
        for name in sorted({*now, *before}):
            if name not in before:
                found.append({"event": "added", "name": name})
            elif name not in now:
                found.append({"event": "removed", "name": name})
            else:
                found += [{"event": "changed", "name": name, "what": what,
                           "old": before[name][what], "new": now[name][what]}
                          for what in now[name] if now[name][what] != before[name][what]]
        return found


def source(poll):
    """Where events come from: the kernel, where it has them and lets us listen."""
    if not poll:
        try:
            return events.Events()
        except OSError as err:
            print(f"vfio-mediate: no events of the kernel ({err.strerror}), reading sysfs",
                  file=sys.stderr)
    return Sysfs()


def in_words(event):
    """One line for people."""
    words = [event.get("name", ""), event["event"]]
    if event["event"] == "changed":
        words += [event["what"], f"{event['old'] or '-'} -> {event['new'] or '-'}"]
        return " ".join(words)
    if "old-state" in event:
        words.append(f"{event['old-state']} -> {event.get('state')}")
    for key, value in event.items():
        if key in ("name", "event", "seq", "time", "old-state") or \
                key == "state" and "old-state" in event:
            continue
        if key == "state-time":
            words += [f"{each['state']}={each['time'] / 1e6:.1f}ms" for each in value]
        elif value is True:
            words.append(key)
        else:
            words.append(f"{key}={'+'.join(value) if isinstance(value, list) else value}")
    return " ".join(filter(None, words))


def watch(names, as_json, poll, count, seconds):
    """Until count events were printed, or seconds are over; either may be None."""
    where = source(poll)
    end = None if seconds is None else time.monotonic() + seconds
    while count is None or count > 0:
        left = 1 if end is None else min(1, end - time.monotonic())
        if left <= 0:
            return
        for event in where.wait(left):
            if names and event.get("name") not in (None, *names):
                continue
            now = datetime.datetime.now().isoformat(timespec="milliseconds")
            print(json.dumps({"at": now, **event}) if as_json else
                  f"{now.partition('T')[2]} {in_words(event)}", flush=True)
            if count is not None:
                count -= 1
                if not count:
                    return
