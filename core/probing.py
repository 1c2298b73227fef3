"""Probes of a design: what is stored already is not run again, and every result is kept as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from core.errors import NotFound
from core.instruments import Progress
from core.store import Store
from core.types import Json, ProbeResult, sha256_text
from core.verification.probes.suites import Probe, Suite

Done = Callable[[ProbeResult, Json], None]


class Prober(Protocol):
    """The heavy work: (code, probes, seed, whom to tell of each result with its provenance, progress)."""

    def __call__(self, code: str, probes: Sequence[Probe], seed: int, on_result: Done, progress: Progress) -> None: ...


def probed(store: Store, prober: Prober, progress: Progress, design_id: str, suite: Suite, tasks: Sequence[str], seed: int, fresh: bool) -> list[ProbeResult]:
    """The suite's results (or those of `tasks`) for the design's newest code, in the suite's order. Raises NotFound where there is no code."""
    made = store.implementations.newest(design_id)
    if made is None:
        raise NotFound(f"{design_id} has no code yet", f"python -m core implement {design_id}")
    wanted = suite.only(tasks)
    found = {} if fresh else stored(store, design_id, made.id, suite, seed)

    def keep(result: ProbeResult, facts: Json) -> None:
        with progress.guard():
            store.measurements.add_probes(design_id, made.id, [result], {**facts, "seed": seed, "code": sha256_text(made.code), "suite": suite.hash})
        found[result.task, result.level] = result

    missing = [p for p in wanted if p.key not in found]
    if missing:
        prober(made.code, missing, seed, keep, progress)
    return [found[p.key] for p in wanted]


def stored(store: Store, design_id: str, implementation_id: int, suite: Suite, seed: int) -> dict[tuple[str, str], ProbeResult]:
    """(task, level) → the newest result that this code has for the suite as it is now."""
    hashes = {p.key: p.hash for p in suite.probes}
    return {(r.task, r.level): r for r, facts in store.measurements.probed(design_id, implementation_id)
            if r.suite == suite.name and r.seed == seed and facts.get("hash") == hashes.get((r.task, r.level))}
