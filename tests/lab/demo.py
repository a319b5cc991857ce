# SPDX-License-Identifier: GPL-2.0-only
"""make demo: the project's main job from nothing, step by step."""

import json
import time

import host
import kernels
import qemus
import timeline
from cache import BUILD, REPO
from programs import job_files
from results import read, report
from session import run_one
from tap import RESULT

SUMMARY = (
    ("total time", "{total_ms} ms", "says QEMU"),
    ("downtime", "{downtime_ms} ms", "says QEMU"),
    ("longest gap", "{longest_gap_ms} ms", "says a probe each 10 ms"),
    ("packets lost", "{lost} of {sent}", "of the probe during the migration"),
    ("device state", "{vfio_bytes} bytes", "says QEMU"))
FINDING = ("measured", "allowed", "look at")
PAGE = BUILD / "demo.html"
TIMEOUT = 1800  # s for what takes 100: what goes wrong ends earlier, by limits of its own

RATE = "500"    # packets a second that the guest receives, with tracking and without
TRACKING = """\
dirty pages per pass  tracked: {tracked}   not tracked: {all}
RAM sent              tracked: {tracked_mib:.0f} MiB   not tracked: {all_mib:.0f} MiB
in the downtime       tracked: {tracked_kib:.0f} KiB   not tracked: {all_kib:.0f} KiB
downtime              tracked: {tracked_ms} ms   not tracked: {all_ms} ms"""


def tracking_lines(pair):
    """What two migrations under load say side by side, tracked and not."""
    values = {}
    for name, found in pair.items():
        # Before its first pass QEMU has found nothing to be dirty, and sends all.
        pages = [str(count) for count in found["dirty_pages"]]
        values[name] = ", ".join(["all" if pages[0] == "0" else pages[0], *pages[1:]])
        values[f"{name}_mib"] = found["ram_bytes"] / 2 ** 20
        values[f"{name}_kib"] = found["stopped_bytes"] / 2 ** 10
        values[f"{name}_ms"] = found["downtime_ms"]
    return TRACKING.format(**values).splitlines()


def summary_lines(migration, virtio):
    """A migration's figures, beside those of a guest with virtio-net."""
    yield f"{'':<14}{'VF':<15}virtio-net"
    for what, text, source in SUMMARY:
        # A guest without a VF has no state of one.
        other = text.format(**virtio) if virtio and "vfio" not in text else "-"
        yield f"{what:<14}{text.format(**migration):<15}{other:<15}{source}"


def failure(cases, outcome):
    """Of the first case that failed, or else of the outcome: what it was, what was
    measured, what is allowed and where to look, by name; nothing if all is well."""
    for case in cases:
        if not case.passed:
            said = dict(line.split(": ", 1) for line in case.detail if ": " in line)
            return {"what": case.name, **{name: said[name] for name in FINDING if name in said}}
    if outcome.failed():
        return dict(zip(("what", *FINDING), (
            "the lab host", outcome.verdict(), "that the job ends, and no report of the kernel",
            "its console")))
    return {}


def demo(kernel, qemu, build_lab):
    """Runs the job on a lab host; returns the exit status of make demo."""
    start = time.monotonic()

    def tell(text):
        print(f"demo: [{time.monotonic() - start:4.0f} s] {text}", flush=True)

    def echo(line):
        match = RESULT.match(line)
        if match:
            tell(match["name"] + ("" if match["passed"] else "  <-- FAILED"))
        elif line.strip() and not line.startswith(("TAP ", "1..")):
            tell(line.removeprefix("# "))

    PAGE.unlink(missing_ok=True)
    tell("building what is missing: trees, kernels, images, modules")
    build_lab([kernel])
    if qemu != qemus.OWN:
        qemus.qemu(qemu)
    ready = time.monotonic()
    kern = kernels.kernel(kernel)
    tell(f"booting the lab host: Linux {kern.version}, QEMU with an IOMMU and "
         f"an 82576, {host.accelerator()}")
    outcome = run_one(host.Machine(kernel, "multi"),
                      host.Job("demo", f"./migrate_demo.py {qemu} {RATE}",
                               "sample_nic", timeout=TIMEOUT, last=True),
                      job_files(), echo=echo,
                      qemus=[qemu] if qemu != qemus.OWN else [])
    # Not what was echoed: a run that was repeated has echoed twice.
    cases = read(outcome.lines)
    failed = failure(cases, outcome)
    if failed:
        report(outcome)
    figures = {
        "result": "FAIL" if failed else "PASS",
        "failure": failed,
        "kernel": kern.version,
        "qemu": qemu,
        "accelerator": host.accelerator(),
        "seconds": {"set-up": round(ready - start, 1),
                    "lab host": round(outcome.seconds, 1),
                    "total": round(time.monotonic() - start, 1)},
        "steps": [{"step": case.name, "ok": case.passed} for case in cases],
        "console": str(outcome.console.relative_to(REPO)),
    }
    measured = outcome.out / "migrate.json"
    if measured.exists():
        # None, where such a guest came to grief
        virtio = json.loads((outcome.out / "virtio.json").read_text())
        if virtio:
            figures["virtio-net"] = dict(zip(("migration", "before"), virtio))
        for migration in json.loads(measured.read_text()).get(qemu, []):
            figures["migration"] = migration
            for line in summary_lines(migration, virtio and virtio[0]):
                tell(line)
    told = outcome.out / "timeline.json"
    found = timeline.stories(json.loads(told.read_text())) if told.exists() else []
    for line in timeline.chart(found) if found else ():
        tell(line)
    more = []
    measured = outcome.out / "migrate_dirty.json"
    if measured.exists():
        pair = json.loads(measured.read_text())[qemu][RATE]
        figures["tracking"] = {"packets per second": int(RATE), **pair}
        more = [f"and while the guest receives {RATE} packets/s:", *tracking_lines(pair)]
        for line in more:
            tell(line)
    if found:
        PAGE.write_text(timeline.page(
            found, f"Linux {kern.version}, QEMU {qemu}, {host.accelerator()}.", more),
            encoding="utf-8")
        tell("picture in build/demo.html")
    (BUILD / "demo.json").write_text(json.dumps(figures, indent=2) + "\n")
    tell(f"figures in build/demo.json, console in {figures['console']}")
    if not failed:
        print("demo: PASS", flush=True)
        return 0
    where = outcome.console.parent.relative_to(REPO)
    print("demo: FAIL: " + "; ".join(
        [failed["what"], *(f"{name} {failed[name]}" for name in FINDING
                           if name in failed and failed[name] not in failed["what"]),
         f"all that was said is in {where}: output.log, console.log, out/"]), flush=True)
    return 1
