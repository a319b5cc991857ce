# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guest was away for too long, or lost too much. How fast this machine is, and
what else it does, is not known: so each figure is compared with what the same probe measures
in the same run without a migration, and across that of a guest with virtio-net."""

import dataclasses

TIMES = 3           # as much as the most of what it is compared with is allowed,
SPARE_MS = 1500     # and so much more: an ARP request, a retransmission;
SPARE_LOSS = 0.1    # of what was sent
BUSY = 0.2          # of what was sent is lost without a migration: figures say nothing then


@dataclasses.dataclass
class Finding:
    """A figure that was judged, or why it was not."""
    text: str
    allowed: str = ""
    passed: bool = True
    not_judged: str = ""


def share(figures, key="lost"):
    return figures[key] / max(figures["sent"], 1)


def busy(*phases):
    """Why figures say nothing about a migration, from those without one; or nothing."""
    worst = max(phases, key=share)
    if share(worst) > BUSY:
        return f"{worst['lost']} of {worst['sent']} are lost without a migration"
    return ""


def longer(*others):
    """Of those with virtio-net, the one that was away for longer."""
    return max(filter(None, others), key=lambda other: other[0]["longest_gap_ms"])


def meanwhile(figures, quiet, other=None):
    """Of a probe across a migration, by those before it; other has the figures of the
    migration of a guest with virtio-net, and those before it. Without them QEMU's own word
    for the downtime has to do."""
    text = "probe: {lost} of {sent} lost, longest gap {longest_gap_ms} ms".format(**figures)
    if other:
        across, before = other
        no_worse = share(figures) <= share(across)
        text += " (virtio-net: {lost} of {sent}, {longest_gap_ms} ms)".format(**across)
        gap, lost = across["longest_gap_ms"], share(across, "lost_outside")
    else:
        before = quiet
        no_worse = False
        gap, lost = figures["downtime_ms"], 0
    gap = TIMES * max(gap, quiet["longest_gap_ms"]) + SPARE_MS
    lost = round((TIMES * max(lost, share(quiet)) + SPARE_LOSS) * figures["sent"])
    return Finding(
        f"{text}; {figures['lost_outside']} lost outside of it",
        f"a gap of {gap} ms, and {lost} lost outside of it: {TIMES} times as much as "
        f"{'with virtio-net' if other else 'QEMU says'}, or as without a migration, "
        f"and {SPARE_MS} ms, {SPARE_LOSS:.0%} of what was sent"
        f"{'; or no more lost in all than with virtio-net' if other else ''}",
        figures["longest_gap_ms"] <= gap and (figures["lost_outside"] <= lost or no_worse),
        busy(quiet, before))


def afterwards(quiet, after, other=None):
    """Of the same probe, without a migration: before it, and after it."""
    before = [quiet, other[1]] if other else [quiet]
    lost = [round((TIMES * worst + SPARE_LOSS) * phase["sent"]) for worst, phase in (
        (share(before[-1]) if other else 0, quiet), (max(map(share, before)), after))]
    return Finding(
        f"probe: {quiet['lost']} and {after['lost']} lost before and after, longest gaps "
        f"{quiet['longest_gap_ms']} and {after['longest_gap_ms']} ms",
        f"{lost[0]} and {lost[1]}: {TIMES} times what is lost without a migration, "
        f"and {SPARE_LOSS:.0%}",
        quiet["lost"] <= lost[0] and after["lost"] <= lost[1], busy(*before))
