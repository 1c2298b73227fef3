"""`check(code, scale, reference_code) -> CheckReport`: parse here, everything that runs the block in a sandboxed child."""

from __future__ import annotations

import time
from dataclasses import asdict

from core.checker.checks.parse import parse
from core.errors import DesignError, SandboxError
from core.sandbox.run import Limits, Sandbox
from core.types import CheckReport, CheckResult, Fit, Scale

LIMITS = Limits(seconds=120, memory_mb=6144, output_kb=64)
ORDER = ("parse", "build", "forward", "backward", "causality")


def check(code: str, scale: Scale, reference_code: str, limits: Limits = LIMITS, threads: int = 1) -> CheckReport:
    """Checks run in order and end at the first failure; a warning does not fail a design."""
    started = time.perf_counter()
    outcome = parse(code)
    results = [CheckResult("parse", outcome.verdict, outcome.evidence, time.perf_counter() - started, outcome.mend)]
    if outcome.verdict == "fail":
        return CheckReport(False, scale.name, tuple(results), None, seconds=time.perf_counter() - started)
    fit, output, layers = None, "", ()
    payload = {"code": code, "scale": asdict(scale), "reference_code": reference_code, "threads": threads}
    with Sandbox(limits, threads).open("core.checker.child", payload) as child:
        layers = tuple(layer.name for layer in child.layers if layer.held)
        last = time.perf_counter()
        try:
            for header, _ in child.frames():
                if "fit" in header:
                    fit = Fit(**header["fit"])
                elif "result" in header:
                    results.append(CheckResult(**header["result"]))
                    last = time.perf_counter()
        except (SandboxError, DesignError) as error:
            running = ORDER[min(len(results), len(ORDER) - 1)]
            results.append(CheckResult(running, "fail", error.what, time.perf_counter() - last, error.mend))
        output = child.output
    passed = len(results) == len(ORDER) and all(r.verdict != "fail" for r in results)
    return CheckReport(passed, scale.name, tuple(results), fit, output, layers, time.perf_counter() - started)
