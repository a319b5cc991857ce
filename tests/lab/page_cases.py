#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""page_cases.py [chromium]: the page of make demo, of migrations that were recorded.

By itself: what is in the page. With chromium: what Debian's Chromium makes of it, without a
network: its elements, where they are, and the colours of a screenshot. Prints TAP.
"""

# /// suite
# [demo_page]
# about = "the page and the chart of make demo"
# run = "tests/lab/page_cases.py"
# daily = [""]
# quick = true
# host = false
# minutes = 0.1
#
# [demo_screen]
# about = "what Chromium shows of the page of make demo"
# run = "tests/lab/page_cases.py chromium"
# host = false
# minutes = 0.5
# ///

import collections
import html
import itertools
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
import zlib

# pylint: disable=wrong-import-position
from tap import Tap    # first: it says where labhost is
import timeline
from cache import BUILD, REPO
from svg import COLOURS
from trees import inside, tree

RECORDED = REPO / "tests/golden/demo-timeline.json"
WIDTH = 1200        # pixels of the screen
LEAST = 40          # pixels of each colour
SMALLEST = 10       # pixels: of letters
KINDS = ["virtio-net", "VF, tracked", "VF, not tracked"]
SVG = "{http://www.w3.org/2000/svg}"
# Each text of the picture: what, left, top, right, bottom, its font's size
LAYOUT = """<pre id="layout"></pre><script>
const found = [...document.querySelectorAll("svg text")].map(text => {
  const box = text.getBoundingClientRect();
  return [text.textContent, box.left, box.top, box.right, box.bottom,
          parseFloat(getComputedStyle(text).fontSize) * box.width / text.getBBox().width];
});
const svg = document.querySelector("svg").getBoundingClientRect();
document.getElementById("layout").textContent = JSON.stringify({
  texts: found, width: document.documentElement.scrollWidth,
  height: document.documentElement.scrollHeight,
  svg: [svg.left, svg.top, svg.right, svg.bottom]});
</script>"""


def recorded():
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def page_of(told):
    return timeline.page(timeline.stories(told), "Of a test.", ["a line & another"])


def elements(page):
    return list(xml.etree.ElementTree.fromstring(page.partition("\n")[2]).iter())


def test_page(tap):
    """One file, and all of the migrations in it."""
    page = page_of(recorded())
    found = elements(page)
    words = " ".join("".join(element.itertext()) for element in found)
    tap.equal([kind for kind in KINDS if kind not in words], [], "each kind has its name")
    links = re.findall(r"<(?:script|link|img|iframe)|url\(|(?:href|src)=|https?://[^\"' <]*",
                       page)
    tap.equal(set(links), {"http://www.w3.org/2000/svg"}, "nothing is fetched")
    count = collections.Counter(element.tag for element in found)
    tap.equal((count["h1"], count["table"], count[f"{SVG}svg"]), (1, 1, 1),
              "a heading, a picture, and a table with its figures")
    label = next(element.get("aria-label") for element in found if element.tag == f"{SVG}svg")
    tap.ok(all(kind in label for kind in KINDS), "the picture is told in words", label)


def visible(story, offset, start, end):
    """Probes in a part of time: how many were answered, how many were lost."""
    came = [took is not None for sent, took in story.probes if start <= sent - offset <= end]
    return sum(came), len(came) - sum(came)


def counts(told):
    """How many dots and how many crosses there are to be."""
    found = timeline.stories(told)
    end = max(story.resume for story in found) + timeline.AFTER
    near = max(story.away for story in found) + timeline.NEAR_AFTER
    pairs = [visible(story, *window) for story in found for window in (
        (0, -timeline.BEFORE, end), (story.stop, -timeline.NEAR_BEFORE, near))]
    # One of each is in the legend.
    return sum(dots for dots, _ in pairs) + 1, sum(lost for _, lost in pairs)


def test_probes(tap):
    """A dot for each reply, a cross for each that was lost."""
    told = recorded()
    found = elements(page_of(told))
    tap.equal((sum(element.tag == f"{SVG}circle" for element in found),
               sum(element.get("class") == "lost" for element in found)), counts(told),
              "replies and lost probes")


def test_facts(tap):
    """What a story says is what was recorded."""
    told = recorded()
    for story in timeline.stories(told):
        tracks = story.tracks
        passes = [name for _, _, name in tracks["memory"]]
        tap.equal((passes, len(passes)), (list(range(1, len(passes) + 1)),
                                          story.figures["passes"]),
                  f"{story.kind}: {len(passes)} passes")
        tap.ok(0 < story.stop < story.resume, f"{story.kind}: it stands still for "
               f"{story.away * 1000:.0f} ms")
        sent = sum(story.megabytes(start, end) for start, end, _ in tracks["memory"])
        tap.ok(abs(sent * timeline.MIB / story.figures["ram_bytes"] - 1) < 0.2,
               f"{story.kind}: {sent:.0f} MiB in the passes", story.figures["ram_bytes"])
    vf = next(story for story in timeline.stories(told) if story.kind == "VF, tracked")
    tap.equal([name for _, _, name in vf.tracks["source"]][:3],
              ["RUNNING", "PRE_COPY", "PRE_COPY_P2P"], "states of the source's VF")
    tap.ok([name for _, _, name in vf.tracks["destination"]][-2:] == ["RUNNING_P2P", "RUNNING"],
           "states of the destination's VF", vf.tracks["destination"])


def test_chart(tap):
    """The same for the terminal."""
    told = recorded()
    lines = list(timeline.chart(timeline.stories(told)))
    tap.ok(max(map(len, lines)) <= 84, "lines of at most 84 characters", "\n".join(lines))
    rows = [line for line in lines if line[16:24].strip() == "guest"]
    tap.equal(["".join(key for key, _ in itertools.groupby(row[25:])) for row in rows],
              ["s-d"] * 3, "each guest runs here, stands still, runs there")


def test_parts(tap):
    """What was not told is not drawn: no virtio-net, a QEMU that does not tell the states of
    VFs, a migration that failed."""
    told = recorded()
    del told["virtio-net"]
    for side in ("source", "destination"):
        for what in told.values():
            what[side] = [event for event in what[side] if event[1] != "device"]
    found = timeline.stories(told)
    tap.equal([[name for _, _, name in story.tracks["source"]] for story in found],
              [["guest runs", "stopped"]] * 2, "without states of VFs: those of the guest")
    tap.ok(elements(page_of(told)), "and a page")
    told["VF, tracked"]["destination"] = []
    tap.equal([story.kind for story in timeline.stories(told)], ["VF, not tracked"],
              "one that did not arrive is left out")


# With Chromium

def pixels(path):
    """Of a PNG with 8 bits a channel: width, height, how often each colour."""
    data = path.read_bytes()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + length]
        at += 12 + length
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", body)
        elif kind == b"IDAT":
            packed += body
    size = {2: 3, 6: 4}[colour] if depth == 8 else 0
    raw, stride = zlib.decompress(packed), width * size
    count, above = collections.Counter(), bytearray(stride)
    for row in range(height):
        start = row * (stride + 1)
        above = unfiltered(raw[start], bytearray(raw[start + 1:start + 1 + stride]), above, size)
        count.update(zip(*(above[channel::size] for channel in range(3))))
    return width, height, count


def unfiltered(kind, line, above, size):
    """A line of a PNG, from what it differs in from its neighbours."""
    if kind == 2:
        return bytearray((here + up) & 255 for here, up in zip(line, above))
    for index in range(len(line) if kind else 0):
        left = line[index - size] if index >= size else 0
        corner = above[index - size] if index >= size else 0
        up = above[index]
        if kind == 4:
            guess = left + up - corner
            near = min((left, up, corner), key=lambda other: abs(guess - other))
        else:
            near = left if kind == 1 else (left + up) // 2
        line[index] = (line[index] + near) & 255
    return line


def chromium(folder, page, *options):
    """What Chromium prints; it has no network."""
    command = inside(tree("chromium"), [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-dev-shm-usage", *options, f"file:///page/{page}"],
        writable=[(folder, "/page")])
    return subprocess.run([command[0], "--unshare-net", *command[1:]], text=True, check=True,
                          timeout=120, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def rgb(colour):
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def overlap(one, other):
    return one[1] < other[3] and other[1] < one[3] and one[2] < other[4] and other[2] < one[4]


def test_screen(tap):
    """Its elements, where they are, and its colours, in a window of 1200 pixels."""
    told = recorded()
    page = page_of(told)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "page.html").write_text(page, encoding="utf-8")
        (folder / "layout.html").write_text(page.replace("</body>", LAYOUT + "</body>"),
                                            encoding="utf-8")
        window = f"--window-size={WIDTH},1600"
        dom = chromium(folder, "layout.html", window, "--dump-dom")
        layout = json.loads(html.unescape(
            re.search(r'<pre id="layout">(.*?)</pre>', dom, re.DOTALL)[1]))
        chromium(folder, "page.html", f"--window-size={WIDTH},{layout['height'] + 20}",
                 "--screenshot=/page/page.png")
        width, height, count = pixels(folder / "page.png")
        BUILD.mkdir(exist_ok=True)
        (BUILD / "demo-screen.png").write_bytes((folder / "page.png").read_bytes())
    tap.equal((dom.count("<circle"), dom.count('class="lost"')), counts(told),
              "replies and lost probes are elements of the page")
    tap.ok(layout["width"] <= WIDTH, f"all of it in {WIDTH} pixels", layout["width"])
    texts, (left, top, right, bottom) = layout["texts"], layout["svg"]
    cut = [text for text in texts if text[1] < left or text[2] < top or text[3] > right or
           text[4] > bottom]
    tap.ok(len(texts) > 60 and not cut, f"{len(texts)} texts, none is cut off", cut)
    pairs = [(one[0], other[0]) for one, other in itertools.combinations(texts, 2)
             if overlap(one, other)]
    tap.equal(pairs, [], "no text is over another")
    tap.ok(min(text[5] for text in texts) >= SMALLEST, f"no letter is under {SMALLEST} pixels",
           min(text[5] for text in texts))
    tap.ok(width == WIDTH and height > 700, f"a screenshot of {width} times {height} pixels: "
           "build/demo-screen.png")
    tap.ok(0.5 < count[rgb("#ffffff")] / (width * height) < 0.95,
           "its background is white, and something is on it", count.most_common(5))
    for what, colour in {"runs": timeline.RUNS, "stopped": timeline.STANDS,
                         "a pass": timeline.PASSES[0], "the next": timeline.PASSES[1],
                         "lost": timeline.LOST,
                         **{kind: COLOURS[kind] for kind in KINDS}}.items():
        seen = count[rgb(colour)] if colour != "#ffffff" else 0
        tap.ok(seen >= LEAST, f"{what}: {seen} pixels are {colour}", count.most_common(40))


def main(tap, *args):
    if args:
        tap.run(test_screen)
    else:
        tap.run(test_page, test_probes, test_facts, test_chart, test_parts)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main(Tap(), *sys.argv[1:]))
