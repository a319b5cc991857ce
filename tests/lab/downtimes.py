# SPDX-License-Identifier: GPL-2.0-only
"""What tests/bench/migration.py has measured: tables, verdicts, and a picture."""

import statistics

import svg
from svg import COLOURS, FAINT, Scale, text

REFERENCE, JUDGED = "virtio-net", "VF, tracked"
FIGURES = {"stop_to_resume_ms": "STOP to RESUME, ms", "longest_gap_ms": "longest gap, ms",
           "lost": "probes lost", "before_ms": "longest gap before, ms",
           "kept": "answers before, %",
           "after_ms": "longest gap after, ms", "vcpus_ms": "vCPUs do not run, ms",
           "downtime_ms": "downtime, says QEMU, ms",
           "total_ms": "migration, ms", "stopped_kib": "sent while stopped, KiB",
           "configs": "config accesses then"}
# What JUDGED is held to: times REFERENCE's
TARGETS = {"stop_to_resume_ms": 1.1, "longest_gap_ms": 1.2, "lost": 1.2, "before_ms": 1.5}
SHOWN = ("stop_to_resume_ms", "longest_gap_ms", "lost")     # in the picture
KEPT = 95           # answers in pre-copy, % of those before it, at least
BESIDE = ("vcpus_ms", "downtime_ms")    # in the overview

LEFT, PANEL, LINE, HEAD, FOOT = 130, 270, 20, 34, 22
PAD = 60            # of a panel's right: the median in digits


def summary(runs, name):
    values = [run[name] for run in runs if run[name] is not None]
    return {"median": statistics.median(values), "min": min(values),
            "max": max(values)} if values else None


def judge(figures):
    """Verdicts of one combination, from the figures of all kinds; none where one is
    missing that is needed."""
    judged = []
    for name, limit in TARGETS.items():
        ours, other = (figures.get(kind, {}).get(name) for kind in (JUDGED, REFERENCE))
        if ours and other:
            # None lost is as good as one.
            times = ours["median"] / max(other["median"], 1)
            judged.append({"name": name, "target":
                           f"{FIGURES[name]}: {JUDGED}, at most {limit} x {REFERENCE}",
                           "figure": round(times, 2),
                           "verdict": "PASS" if times <= limit else "FAIL"})
    if kept := figures.get(JUDGED, {}).get("kept"):
        judged.append({"name": "kept", "target":
                       f"{FIGURES['kept']}: {JUDGED}, at least {KEPT}",
                       "figure": kept["median"],
                       "verdict": "PASS" if kept["median"] >= KEPT else "FAIL"})
    return judged


def evaluate(found):
    """Adds the figures of each kind, and verdicts, to what was measured."""
    found["figures"] = {kind: {name: summary(runs, name) for name in FIGURES}
                        for kind, runs in found["runs"].items()}
    found["targets"] = judge(found["figures"])


def title(found):
    return f"QEMU {found['qemu']}, {found['memory']}"


def table(found):
    """Lines of one combination: each figure of each kind."""
    yield f"{title(found)}, Linux {found['kernel']}"
    yield f"{'':<25}{'':<17}{'median':>9}{'min':>9}{'max':>9}{'x virtio':>10}{'of':>4}"
    for name, what in FIGURES.items():
        other = found["figures"].get(REFERENCE, {}).get(name)
        for kind, figures in found["figures"].items():
            if figure := figures[name]:
                times = f"{figure['median'] / other['median']:.2f}" \
                    if other and other["median"] and kind != REFERENCE else ""
                yield (f"{what:<25}{kind:<17}{figure['median']:>9g}{figure['min']:>9g}"
                       f"{figure['max']:>9g}{times:>10}{len(found['runs'][kind]):>4}")
                what = ""
    for target in found["targets"]:
        yield "{verdict}  {target}: {figure}".format(**target)


def overview(all_found):
    """Lines: the verdicts of each combination; beside them, ours and virtio-net's."""
    yield f"{JUDGED}, times {REFERENCE}, and as it is"
    names = (*TARGETS, "kept")
    yield f"{'':<16}" + "".join(f"{FIGURES[name]:>22}" for name in names) + \
        "".join(f"{FIGURES[name]:>25}" for name in BESIDE)
    for found in all_found:
        verdicts = {target["name"]: "{figure:.2f} {verdict}".format(**target)
                    for target in found["targets"]}
        pairs = []
        for name in BESIDE:
            both = [found["figures"].get(kind, {}).get(name) for kind in (JUDGED, REFERENCE)]
            pairs.append(" / ".join(f"{one['median']:g}" if one else "-" for one in both))
        yield f"{title(found):<16}" + "".join(
            f"{verdicts.get(name, '-'):>22}" for name in names) + \
            "".join(f"{pair:>25}" for pair in pairs)


def panel(found, name, scale, x, y):
    """Each kind's runs as dots, and their median as a bar and in digits."""
    bottom = y + LINE * len(found["figures"])
    for decade in scale.decades():
        at = x + scale.at(decade)
        yield svg.line(f"M{at} {y}V{bottom}")
        yield text(at, bottom + 14, f"{decade:g}", f'text-anchor="middle" fill="{FAINT}"')
    for kind, runs in found["runs"].items():
        colour, middle = COLOURS.get(kind, "#000000"), y + LINE / 2
        for run in runs:
            yield svg.dot(x + scale.at(run[name]), middle, 3.5, colour)
        if figure := found["figures"][kind][name]:
            at = x + scale.at(figure["median"])
            yield svg.line(f"M{at} {middle - 8}V{middle + 8}", colour, 'stroke-width="2"')
            yield text(x + PANEL - PAD + 12, middle + 4, f"{figure['median']:g}",
                       f'fill="{colour}"')
        y += LINE


def picture(all_found):
    """SVG: a row for each combination, a column for each figure that is judged."""
    scales = {name: Scale([run[name] for found in all_found
                           for runs in found["runs"].values() for run in runs], PANEL - PAD)
              for name in SHOWN}
    width, y, parts = LEFT + PANEL * len(scales), 20, []
    for column, name in enumerate(scales):
        parts.append(text(LEFT + PANEL * column, y, FIGURES[name], 'font-weight="bold"'))
    for found in all_found:
        parts.append(text(8, y + 20, title(found), 'font-weight="bold"'))
        y += HEAD
        for number, kind in enumerate(found["runs"]):
            parts.append(text(8, y + LINE * number + 14, kind,
                              f'fill="{COLOURS.get(kind, "#000000")}"'))
        for column, (name, scale) in enumerate(scales.items()):
            parts += panel(found, name, scale, LEFT + PANEL * column, y)
        y += LINE * len(found["runs"]) + FOOT
    return svg.picture(width, y, parts)
