# SPDX-License-Identifier: GPL-2.0-only
"""What the pictures of migrations share."""

import html
import math

COLOURS = {"virtio-net": "#444444", "net_failover": "#b8860b", "VF, tracked": "#0057b8",
           "VF, not tracked": "#c2255c"}
GRID, FAINT = "#dddddd", "#666666"      # lines, and what they say


class Scale:
    """Of one figure, by its logarithm; what is less than one is one."""

    def __init__(self, values, size):
        self.size = size
        self.low = math.floor(math.log10(max(min(values, default=1), 1)))
        self.high = max(math.ceil(math.log10(max(max(values, default=1), 1))), self.low + 1)

    def at(self, value):
        share = (math.log10(max(value, 1)) - self.low) / (self.high - self.low)
        return round(share * self.size, 1)

    def decades(self):
        return [10 ** power for power in range(self.low, self.high + 1)]


def text(x, y, what, more=""):
    return f'<text x="{x}" y="{y}" {more}>{html.escape(str(what), quote=False)}</text>'


def line(path, colour=GRID, more=""):
    return f'<path d="{path}" stroke="{colour}" {more}/>'


def dot(x, y, radius, colour, opacity=0.5):
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}" fill-opacity="{opacity}"/>'


def rect(x, y, width, height, colour, more="", tip=""):
    start = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}" {more}'
    return f"{start}><title>{html.escape(tip)}</title></rect>" if tip else start + "/>"


def picture(width, height, parts, more=""):
    return "\n".join((f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
                      f'height="{height}" font-family="sans-serif" font-size="12" {more}>',
                      rect(0, 0, width, height, "white"), *parts, "</svg>\n"))
