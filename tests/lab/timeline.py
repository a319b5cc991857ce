# SPDX-License-Identifier: GPL-2.0-only
"""What happened when in the migrations of make demo: a page with a picture, and a chart for
the terminal. Times are in seconds from the command migrate on."""

import html
import math

import svg
from svg import COLOURS, FAINT, Scale, text

BEFORE, AFTER = 0.3, 0.7        # s around a migration
NEAR_BEFORE, NEAR_AFTER = 0.15, 0.25    # s around a guest that stands still
MIB = 1 << 20

# The states of a VF, as the uapi calls them, and what else a bar may say; all others stand
RUNS, QUIET, STANDS = "#9ad5a5", "#ffd666", "#f3a9b5"
STATES = {"RUNNING": RUNS, "PRE_COPY": RUNS, "RUNNING_P2P": QUIET, "PRE_COPY_P2P": QUIET,
          "guest runs": RUNS}
PASSES = ("#c3d0e2", "#dfe6f0")
AWAY = "#8a1c3b"
LOST = "#c92a2a"
MEANING = ((PASSES[0], "a pass over memory"), (RUNS, "runs"),
           (QUIET, "quiesced (P2P)"), (STANDS, "stopped, saved or loaded"))

# Geometry, in pixels
WIDTH, LEFT = 1160, 98          # of all; of the names of tracks
WHOLE, NEAR = 500, 490
NEAR_AT = LEFT + WHOLE + 62
TOP, TITLE, BAR, PITCH, REPLIES, AXIS = 62, 40, 18, 23, 78, 46
TRACKS = ("memory", "source", "destination")

WORDS = {"memory": "the number of the pass over memory",
         "guest": "s runs at the source, d at the destination, - stands still",
         "replies": "# all probes answered, + some, . none"}
COLUMNS = 55


class Story:
    """One migration: when what was so, as [start, end, name], by track. QEMU stops vCPUs,
    then VFs, then says STOP; it says RESUME, then has VFs run, then vCPUs."""

    def __init__(self, kind, told):
        self.kind, self.figures, self.probes = kind, told["figures"], told["probes"]
        self.stop = min(first(told["source"], "stop"), *(
            when for when, state in states(told["source"]) if 0 < when and
            STATES.get(state) != RUNS), math.inf)
        self.resume = max(first(told["destination"], "resume"), *(
            when for when, state in states(told["destination"]) if state == "RUNNING"), 0)
        passes = [(when, number) for when, what, number in told["source"] if what == "pass"]
        self.sent = told["sent"]
        self.tracks = {
            "memory": until(passes, self.resume),
            "source": until(states(told["source"], (-math.inf, "RUNNING")) or
                            [(-math.inf, "guest runs"), (self.stop, "stopped")], self.resume),
            "destination": until(states(told["destination"]) or
                                 [(0, "waits"), (self.resume, "guest runs")], math.inf)}

    @property
    def away(self):
        return self.resume - self.stop

    def megabytes(self, start, end):
        """Of memory that were sent between two points in time, as far as somebody looked."""
        return (self.at(end) - self.at(start)) / MIB

    def at(self, when):
        before, last = (0, 0), (0, 0)
        for last in self.sent:
            if last[0] >= when:
                break
            before = last
        if last[0] <= before[0]:
            return last[1]
        share = min(max((when - before[0]) / (last[0] - before[0]), 0), 1)
        return before[1] + share * (last[1] - before[1])

    def lost(self):
        return [sent for sent, came in self.probes if came is None]

    def sentence(self):
        return f"{self.kind}: the guest stood still for {self.away * 1000:.0f} ms, " \
            "{lost} of {sent} probes were lost".format(**self.figures)


def first(told, what):
    return next(when for when, event, _ in told if event == what)


def states(told, *before):
    """Of a VF, if they are told, with what it was in before."""
    found = [(when, state.upper().replace("-", "_"))
             for when, event, state in told if event == "device"]
    return [*before, *found] if found else []


def until(points, end):
    """Each lasts until the next, the last one until an end."""
    ends = [*(when for when, _ in points[1:]), end]
    return [(when, ended, name) for (when, name), ended in zip(points, ends) if ended > when]


def stories(told):
    """Of those migrations of which all is known that is needed."""
    found = []
    for kind, what in told.items():
        try:
            found.append(Story(kind, what))
        except (StopIteration, KeyError):
            pass
    return found


# The picture

class Panel:
    """A part of time, and where it is in the picture."""

    def __init__(self, x, width, start, end):
        self.x, self.width, self.start, self.end = x, width, start, end

    def at(self, when):
        share = (min(max(when, self.start), self.end) - self.start) / (self.end - self.start)
        return round(self.x + share * self.width, 1)

    def has(self, when):
        return self.start <= when <= self.end

    def ticks(self):
        """Round numbers, of which there are four to ten."""
        step = 10 ** math.floor(math.log10(self.end - self.start))
        step = next(step / part for part in (1, 2, 5, 10)
                    if (self.end - self.start) * part / step >= 4)
        return [number * step for number in range(math.ceil(self.start / step),
                                                  math.floor(self.end / step) + 1)]


def bars(story, panel, y, offset):
    """Tracks of what was so; a name where there is room for it."""
    for number, track in enumerate(TRACKS):
        top = y + number * PITCH
        for count, (start, end, name) in enumerate(story.tracks[track]):
            left, right = panel.at(start - offset), panel.at(end - offset)
            if right <= left:
                continue
            colour, label = STATES.get(name, STANDS), name
            if track == "memory":
                colour = PASSES[count % 2]
                label = f"pass {name}, {story.megabytes(start, end):.1f} MiB"
            tip = f"{label}, from {max(start, -BEFORE):.3f} s on"
            yield svg.rect(left, top, round(right - left, 1), BAR, colour,
                           'stroke="white" stroke-width="0.5"', tip)
            for words in (label, name):
                if len(str(words)) * 6.6 + 8 < right - left:
                    yield text(round((left + right) / 2, 1), top + 13, words,
                               'text-anchor="middle" font-size="11"')
                    break


def replies(story, panel, scale, y, offset, radius):
    """A dot for each answer: when the probe was sent, and how long it took."""
    colour = COLOURS[story.kind]
    for sent, came in story.probes:
        if not panel.has(sent - offset):
            continue
        x = panel.at(sent - offset)
        if came is None:
            yield svg.line(f"M{x - 2.5} {y + 2}l5 5m0 -5l-5 5", LOST, 'class="lost"')
        else:
            yield svg.dot(x, round(y + REPLIES - scale.at(came), 1), radius, colour, 0.6)


def axes(panel, scale, y, unit, times):
    """Grid, and what it says."""
    bottom = y + len(TRACKS) * PITCH + REPLIES
    for tick in panel.ticks():
        at = panel.at(tick)
        yield svg.line(f"M{at} {y}V{bottom}")
        yield text(at, bottom + 14, f"{round(tick * times, 6):g}",
                   f'text-anchor="middle" fill="{FAINT}"')
    yield text(panel.x + panel.width, bottom + 30, unit,
               f'text-anchor="end" fill="{FAINT}"')
    for decade in scale.decades():
        at = round(bottom - scale.at(decade), 1)
        yield svg.line(f"M{panel.x} {at}H{panel.x + panel.width}")
        yield text(panel.x - 6, at + 4, f"{decade:g} ms" if decade < 1000 else
                   f"{decade / 1000:g} s", f'text-anchor="end" fill="{FAINT}"')


def row(story, panels, scale, y):
    """One migration: all of it, and what is near its guest's absence."""
    colour = COLOURS[story.kind]
    yield text(8, y, story.kind, f'font-weight="bold" font-size="14" fill="{colour}"')
    yield text(LEFT + 50, y, "{total_ms} ms in all, {passes} passes, {0:.0f} MiB of memory"
               .format(story.figures["ram_bytes"] / MIB, **story.figures))
    yield text(NEAR_AT, y, f"the guest stands still for {story.away * 1000:.0f} ms; "
               "{lost} of {sent} probes lost".format(**story.figures))
    top = y + 12
    for track, name in enumerate(TRACKS):
        yield text(LEFT - 6, top + track * PITCH + 13, name, 'text-anchor="end"')
    bottom = top + len(TRACKS) * PITCH
    for number, (panel, offset, unit, times) in enumerate((
            (panels[0], 0, "s since the command migrate", 1),
            (panels[1], story.stop, "ms since the guest was stopped", 1000))):
        yield from axes(panel, scale, top, unit, times)
        yield from bars(story, panel, top, offset)
        left, right = (panel.at(when - offset) for when in (story.stop, story.resume))
        yield svg.rect(left, top - 3, round(right - left, 1), len(TRACKS) * PITCH + REPLIES + 3,
                       AWAY, f'class="away" fill-opacity="0.13" stroke="{AWAY}" '
                       'stroke-opacity="0.5" pointer-events="none"')
        yield from replies(story, panel, scale, bottom, offset, (1.7, 2.4)[number])


def legend(y):
    """What the colours mean."""
    x = 8
    for colour, words in MEANING:
        yield svg.rect(x, y - 11, 22, 13, colour)
        yield text(x + 28, y, words)
        x += 28 + len(words) * 6.5 + 18
    yield svg.rect(x, y - 11, 22, 13, AWAY, f'fill-opacity="0.13" stroke="{AWAY}" '
                   'stroke-opacity="0.5"')
    yield text(x + 28, y, "the guest stands still")
    x += 28 + 22 * 6.5 + 18
    yield svg.dot(x + 6, y - 5, 3, "#0057b8", 0.6)
    yield text(x + 16, y, "a reply, by its round trip")
    x += 16 + 26 * 6.5 + 18
    yield svg.line(f"M{x} {y - 8}l6 6m0 -6l-6 6", LOST)
    yield text(x + 12, y, "a lost probe")


def picture(found):
    """SVG: a row for each migration, on the same scales."""
    end = max(story.resume for story in found) + AFTER
    near = max(story.away for story in found) + NEAR_AFTER
    panels = (Panel(LEFT + 50, WHOLE - 50, -BEFORE, end),
              Panel(NEAR_AT + 50, NEAR - 60, -NEAR_BEFORE, near))
    scale = Scale([came for story in found for _, came in story.probes if came is not None],
                  REPLIES - 16)
    pitch = TITLE + len(TRACKS) * PITCH + REPLIES + AXIS
    parts = [text(LEFT + 50, 20, "All of the migration", 'font-weight="bold" font-size="14"'),
             text(NEAR_AT, 20, "Around the time without a guest", 'font-weight="bold" '
                  'font-size="14"'), *legend(44)]
    y = TOP + 24
    for story in found:
        parts += row(story, panels, scale, y)
        y += pitch
    words = html.escape("Timelines of migrations. " + "; ".join(
        story.sentence() for story in found) + ".")
    height = y - TITLE + 16
    return svg.picture(WIDTH, height, parts, f'viewBox="0 0 {WIDTH} {height}" role="img" '
                       f'aria-label="{words}"')


# The page

STYLE = """
body { font: 15px/1.5 sans-serif; color: #1a1a1a; background: #ffffff; max-width: 1160px;
       margin: 20px auto; padding: 0 20px; }
h1 { font-size: 24px; margin: 0 0 8px; } h2 { font-size: 18px; margin: 28px 0 8px; }
p { max-width: 820px; margin: 8px 0; }
figure { margin: 16px 0; } figure svg { width: 100%; height: auto; }
table { border-collapse: collapse; } caption { text-align: left; font-weight: bold; }
th, td { padding: 3px 14px 3px 0; text-align: right; border-bottom: 1px solid #dddddd; }
th:first-child, td:first-child { text-align: left; font-weight: bold; }
"""
FIGURES = {"total": "{total_ms} ms", "downtime, says QEMU": "{downtime_ms} ms",
           "longest gap between replies": "{longest_gap_ms} ms",
           "probes lost": "{lost} of {sent}", "passes": "{passes}",
           "memory sent": "{ram} MiB", "in the downtime": "{stopped} KiB",
           "device state": "{state}"}


def cells(name, values, tag="td"):
    return f"<tr><th scope=\"row\">{html.escape(name)}</th>" + "".join(
        f"<{tag}>{html.escape(str(value))}</{tag}>" for value in values) + "</tr>"


def table(found):
    """The figures of the picture, for those who do not see it."""
    values = [{**story.figures, "ram": round(story.figures["ram_bytes"] / MIB),
               "stopped": f"{story.figures['stopped_bytes'] >> 10:,}",
               "state": f"{story.figures['vfio_bytes']:,} bytes"
               if story.figures["vfio_bytes"] else "-"} for story in found]
    return "\n".join(["<table><caption>Figures</caption>", "<thead><tr><th></th>" + "".join(
        f'<th scope="col">{html.escape(story.kind)}</th>' for story in found) +
        "</tr></thead><tbody>",
        *(cells(name, [form.format(**value) for value in values])
          for name, form in FIGURES.items()),
        cells("guest stands still", [f"{story.away * 1000:.0f} ms" for story in found]),
        "</tbody></table>"])


def page(found, about, more=()):
    """One file, which needs nothing else. More has lines of text, as they are."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>A guest migrates with its virtual function</title>
<style>{STYLE}</style>
</head>
<body>
<h1>A guest migrates with its virtual function</h1>
<p>The same migration of a guest with virtio-net, with a VF whose writes to memory are tracked,
and with a VF that is not tracked. Without tracking, QEMU regards all memory as dirty after each
pass, and sends it while the guest stands still. A probe is sent each 10 ms, and a TCP connection
lasts all the time.</p>
<figure>
{picture(found)}
<figcaption>Time from left to right. All rows have the same scales. Point at a bar for its
times.</figcaption>
</figure>
{table(found)}
<pre>
{html.escape(chr(10).join(more))}
</pre>
<p>{html.escape(about)} Times are of an emulated machine; compare them with each other only. Made
by <code>make demo</code>.</p>
</body>
</html>
"""


# The chart

def chart(found):
    """Lines for the terminal: the same, each column a part of time."""
    end = max(story.resume for story in found) + AFTER
    width = (end + BEFORE) / COLUMNS
    spans = [(-BEFORE + column * width, -BEFORE + (column + 1) * width)
             for column in range(COLUMNS)]
    yield f"from {BEFORE} s before the command migrate on, {width * 1000:.0f} ms a column:"
    for story in found:
        rows = {"memory": [], "guest": [], "replies": []}
        for start, stop in spans:
            passes = [name for since, last, name in story.tracks["memory"]
                      if since < stop and last > start]
            rows["memory"].append(str(passes[-1] % 10) if passes else " ")
            rows["guest"].append("-" if story.stop < stop and story.resume > start else
                                 "s" if stop <= story.stop else "d")
            came = [took is not None for sent, took in story.probes if start <= sent < stop]
            rows["replies"].append(
                " " if not came else "#" if all(came) else "+" if any(came) else ".")
        name = story.kind
        for what, columns in rows.items():
            yield f"{name:<16}{what:<8} {''.join(columns).rstrip()}"
            name = ""
    for what, words in WORDS.items():
        yield f"{what}: {words}"
