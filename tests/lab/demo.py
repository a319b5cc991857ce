# SPDX-License-Identifier: GPL-2.0-only
"""make demo: the project's main job from nothing, step by step."""

import json
import time

import host
import kernels
from cache import BUILD, REPO
from check import RESULT, e2e_files

DRIVER = "vfio-pci-mediate"


def step_name(match):
    """What a line of the job's TAP is about; there is but one driver here."""
    return match[2].removeprefix(f"{DRIVER}: ")


def demo(kernel, build_lab):
    """Runs the job on a lab host; returns the exit status of make demo."""
    start = time.monotonic()

    def tell(text):
        print(f"demo: [{time.monotonic() - start:4.0f} s] {text}", flush=True)

    def echo(line):
        match = RESULT.match(line)
        if match:
            tell(step_name(match) + ("  <-- FAILED" if match[1] else ""))
        elif line.strip() and not line.startswith(("TAP ", "1..")):
            tell(line)

    tell("building what is missing: trees, kernels, images, modules")
    build_lab([kernel])
    ready = time.monotonic()
    kern = kernels.kernel(kernel)
    tell(f"booting the lab host: Linux {kern.version}, QEMU with an IOMMU and "
         f"an 82576, {host.accelerator()}")
    outcome = host.boot(kernel, f"./passthrough.py {DRIVER} && "
                        "./mediate_guest.py demo", e2e_files(kern), vfs=2,
                        name="demo", echo=echo)
    # Not what was echoed: a run that was repeated has echoed twice.
    steps = [{"step": step_name(match), "ok": not match[1]}
             for match in map(RESULT.match, outcome.output.splitlines())
             if match]
    failed = [step["step"] for step in steps if not step["ok"]]
    why = failed[0] if failed else outcome.verdict()
    passed = bool(steps) and not failed and not outcome.failed()
    if not passed:
        host.report(outcome)
    figures = {
        "result": "PASS" if passed else "FAIL",
        "why": "" if passed else why,
        "kernel": kern.version,
        "accelerator": host.accelerator(),
        "seconds": {"set-up": round(ready - start, 1),
                    "lab host": round(outcome.seconds, 1),
                    "total": round(time.monotonic() - start, 1)},
        "steps": steps,
        "console": str(outcome.console.relative_to(REPO)),
    }
    measured = outcome.out / "passthrough.json"
    if measured.exists():
        figures["passthrough"] = json.loads(measured.read_text())[DRIVER]
        del figures["passthrough"]["steps"]
    (BUILD / "demo.json").write_text(json.dumps(figures, indent=2) + "\n")
    tell(f"figures in build/demo.json, console in {figures['console']}")
    print("demo: PASS" if passed else f"demo: FAIL: {why}", flush=True)
    return 0 if passed else 1
