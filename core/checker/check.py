"""`check(code, scale, reference_code) -> CheckReport`: the source is read here, the block runs in the sandbox as an oracle, and every verdict is made here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from core.checker.checks.backward import backward, learns, start
from core.checker.checks.causality import causality
from core.checker.checks.cost import cost
from core.checker.checks.forward import agreement, batch, build, forward, repeatable, saved, types
from core.checker.format import findings
from core.checker.repair import repaired
from core.checker.subject import Outcome, Subject
from core.errors import DesignError, SandboxError
from core.sandbox.run import Limits, Sandbox
from core.types import CheckReport, CheckResult, Scale

LIMITS = Limits(seconds=120, memory_mb=6144, output_kb=64)
CHECKS: tuple[Callable[[Subject], Outcome], ...] = (build, forward, repeatable, batch, backward, start, agreement, types, saved, causality, cost)
SHOWN_KB = 8         # of what a block prints during one check


def check(code: str, scale: Scale, reference_code: str, limits: Limits = LIMITS, threads: int = 1, learn: bool = False, without: tuple[str, ...] = ()) -> CheckReport:
    """Checks run in order and end at the first failure; a warning does not fail a design. Code that cannot be a block is mended where that
    is possible: then the mended code is checked, and the report says so and fails, so that somebody looks at it. `learn` adds a short training."""
    started = time.perf_counter()
    first, mended = _format(code)
    results, fit, layers, missing, output = [first], None, (), (), ""
    if first.verdict == "fail" and not mended:
        return CheckReport(False, scale.name, tuple(results), None, seconds=time.perf_counter() - started)
    chosen = (*CHECKS, learns) if learn else CHECKS
    sandbox = Sandbox(limits, threads, without=without)

    @contextmanager
    def another(reference: bool = False) -> Iterator[Subject]:
        payload = {"code": reference_code if reference else mended or code, "scale": asdict(scale), "reference_code": reference_code, "threads": threads}
        with sandbox.open("core.checker.child", payload) as child:
            yield Subject(child, scale, another)

    with another() as subject:
        layers = tuple(layer.name for layer in subject.child.layers if layer.held)
        missing = tuple(layer.name for layer in subject.child.layers if not layer.held)
        for one in chosen:
            before, seen = time.perf_counter(), len(output)
            try:
                outcome = one(subject)
            except (SandboxError, DesignError) as error:
                outcome = Outcome("fail", error.what, error.mend)
            output = subject.child.output
            printed = output[seen:]
            results.append(CheckResult(one.__name__, outcome.verdict, outcome.evidence, time.perf_counter() - before, outcome.mend,
                                       printed[: SHOWN_KB * 1024] + ("\n… cut here" if len(printed) > SHOWN_KB * 1024 else "")))
            if outcome.verdict == "fail":
                break
        fit = subject.fit
    passed = len(results) == len(chosen) + 1 and all(r.verdict != "fail" for r in results)
    return CheckReport(passed, scale.name, tuple(results), fit, output, layers, time.perf_counter() - started, mended, missing)


def _format(code: str) -> tuple[CheckResult, str]:
    """The first result, and the mended code where mending helped."""
    started = time.perf_counter()
    found = findings(code)
    mended, repairs = repaired(code) if found or _lacks(code) else (code, [])
    size = f"{len(code.splitlines())} lines, {len(code.encode('utf-8', 'replace')) / 1024:.1f} KB"
    helped = bool(repairs) and not findings(mended)
    if not found and not repairs:
        return CheckResult("format", "pass", size, time.perf_counter() - started), ""
    told = "\n".join(map(str, found[:8])) + (f"\n… and {len(found) - 8} more" if len(found) > 8 else "")
    if helped:
        diffs = "\n".join(repair.diff for repair in repairs)
        evidence = "\n".join(part for part in (told, f"mended: {'; '.join(repair.name for repair in repairs)}", diffs) if part)
        return CheckResult("format", "fail", evidence, time.perf_counter() - started, "take the mended code; the checks below are of it"), mended
    mend = "; ".join(dict.fromkeys(f.mend for f in found[:4]))
    return CheckResult("format", "fail", told, time.perf_counter() - started, mend), ""


def _lacks(code: str) -> bool:
    """Whether it would stumble over a name that is never bound, or super().__init__() without its arguments: mended before it is tried."""
    return any(repair.name in ("the missing imports", "super().__init__ gets embed_dim and block_loc") for repair in repaired(code)[1])
