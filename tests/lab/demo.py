# SPDX-License-Identifier: GPL-2.0-only
"""make demo: the project's main job from nothing, step by step."""

import json
import time

import host
import kernels
import qemus
from cache import BUILD, REPO
from programs import job_files
from results import RESULT, report
from session import run_one

SUMMARY = """\
total time      {total_ms} ms, says QEMU
downtime        {downtime_ms} ms, says QEMU
longest gap     {longest_gap_ms} ms, says a probe each 10 ms
packets lost    {lost}, of {sent} of the probe during the migration
device state    {vfio_bytes} bytes, says QEMU"""

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


def demo(kernel, qemu, build_lab):
    """Runs the job on a lab host; returns the exit status of make demo."""
    start = time.monotonic()

    def tell(text):
        print(f"demo: [{time.monotonic() - start:4.0f} s] {text}", flush=True)

    def echo(line):
        match = RESULT.match(line)
        if match:
            tell(match[2] + ("  <-- FAILED" if match[1] else ""))
        elif line.strip() and not line.startswith(("TAP ", "1..")):
            tell(line.removeprefix("# "))

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
                               "sample_nic", last=True),
                      job_files(), echo=echo,
                      qemus=[qemu] if qemu != qemus.OWN else [])
    # Not what was echoed: a run that was repeated has echoed twice.
    steps = [{"step": match[2], "ok": not match[1]}
             for match in map(RESULT.match, outcome.lines)
             if match]
    failed = [step["step"] for step in steps if not step["ok"]]
    why = failed[0] if failed else outcome.verdict()
    passed = bool(steps) and not failed and not outcome.failed()
    if not passed:
        report(outcome)
    figures = {
        "result": "PASS" if passed else "FAIL",
        "why": "" if passed else why,
        "kernel": kern.version,
        "qemu": qemu,
        "accelerator": host.accelerator(),
        "seconds": {"set-up": round(ready - start, 1),
                    "lab host": round(outcome.seconds, 1),
                    "total": round(time.monotonic() - start, 1)},
        "steps": steps,
        "console": str(outcome.console.relative_to(REPO)),
    }
    measured = outcome.out / "migrate.json"
    if measured.exists():
        for migration in json.loads(measured.read_text()).get(qemu, []):
            figures["migration"] = migration
            for line in SUMMARY.format(**migration).splitlines():
                tell(line)
    measured = outcome.out / "migrate_dirty.json"
    if measured.exists():
        pair = json.loads(measured.read_text())[qemu][RATE]
        figures["tracking"] = {"packets per second": int(RATE), **pair}
        tell(f"and while the guest receives {RATE} packets/s:")
        for line in tracking_lines(pair):
            tell(line)
    (BUILD / "demo.json").write_text(json.dumps(figures, indent=2) + "\n")
    tell(f"figures in build/demo.json, console in {figures['console']}")
    print("demo: PASS" if passed else f"demo: FAIL: {why}", flush=True)
    return 0 if passed else 1
